import numpy as np
import pytest

from lib.models import multilayer_perceptron, small_convnet, softmax_regression


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


@pytest.mark.parametrize("centred", [False, True])
def test_multilayer_perceptron_is_relu_layers_on_scaled_pixels(centred):
    model = multilayer_perceptron((4, 3), 5, (7, 6), centred=centred)
    x = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    hidden = x.reshape(6, -1) / 127.5 - 1 if centred else x.reshape(6, -1) / 255
    arrays = model.get_weights()
    for weights, biases in zip(arrays[:-2:2], arrays[1:-2:2], strict=True):
        hidden = np.maximum(hidden @ weights + biases, 0)
    scores = np.exp(hidden @ arrays[-2] + arrays[-1])
    np.testing.assert_allclose(model.predict(x, verbose=0), scores / scores.sum(axis=1, keepdims=True), rtol=1e-4)
    assert [array.shape for array in arrays[::2]] == [(12, 7), (7, 6), (6, 5)]


@pytest.mark.parametrize("units", [(), (3, 0)])
def test_hidden_layers_without_units_are_named(units):
    with pytest.raises(ValueError, match="units: expected at least one layer"):
        multilayer_perceptron((2, 2), 3, units)


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3)])
def test_small_convnet_takes_grey_and_colour_and_answers_with_probabilities(shape):
    p = small_convnet(shape, 4).predict(np.zeros((2, *shape), np.uint8), verbose=0)
    assert p.shape == (2, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(ValueError, match="classes: expected"):
        small_convnet(shape, 1)
