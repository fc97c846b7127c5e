import numpy as np
import pytest

from lib.models import softmax_regression


def test_softmax_regression_is_the_formula_of_the_chapter():
    model = softmax_regression((4, 3), 5)
    x = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    weights, biases = model.layers[-1].get_weights()
    scores = np.exp(x.reshape(6, -1) / 255 @ weights + biases)
    np.testing.assert_allclose(model.predict(x, verbose=0), scores / scores.sum(axis=1, keepdims=True), rtol=1e-5)


def test_weight_decay_is_lambda_times_the_sum_of_squares():
    model = softmax_regression((2, 2), 3, weight_decay=0.01)
    weights = model.layers[-1].get_weights()[0]
    np.testing.assert_allclose(float(sum(model.losses)), 0.01 * (weights**2).sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "named"), [({"classes": 1}, "classes"), ({"classes": 3, "weight_decay": -1}, "weight_decay")]
)
def test_bad_arguments_are_named(options, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        softmax_regression((2, 2), **options)
