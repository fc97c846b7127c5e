import gc
import weakref
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from lib import training
from lib.data import load
from lib.models import multilayer_perceptron, small_convnet, softmax_regression
from lib.training import fit, fit_together, load_or_train, seconds_per_epoch, side_by_side

BUILD = partial(softmax_regression, (28, 28), 10)


@pytest.fixture(scope="module")
def digits():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BOOK_DATA", "sample")
        return load("mnist", train=300)


def weights(seed, digits):
    return fit(BUILD, digits.x_train, digits.y_train, seed=seed, epochs=2)[0].get_weights()


def test_same_seed_same_bits_other_seed_other_weights(digits):
    first, again, other = weights(3, digits), weights(3, digits), weights(4, digits)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_history_has_one_value_an_epoch_and_training_learns(digits):
    _, history = fit(BUILD, digits.x_train, digits.y_train, seed=0, epochs=8)
    assert len(history["loss"]) == len(history["accuracy"]) == 8
    assert history["accuracy"][-1] > 0.8


@pytest.mark.parametrize(("n", "m"), [(5, 4), (0, 0)])
def test_unequal_or_empty_data_are_refused(digits, n, m):
    with pytest.raises(ValueError, match=f"x, y: .*got {n} and {m}"):
        fit(BUILD, digits.x_train[:n], digits.y_train[:m], seed=0, epochs=1)


def perceptron(*units, **options):
    return partial(multilayer_perceptron, (28, 28), 10, units, **options)


@pytest.mark.parametrize("options", [{}, {"centred": True}, {"activation": "tanh"}])
@pytest.mark.parametrize("units", [[(3,), (7,)], [(4, 2), (3, 6), (4, 2)]])
def test_networks_side_by_side_compute_what_each_computes(digits, units, options):
    models = [perceptron(*widths, **options)() for widths in units]
    crowd = side_by_side(models).predict(digits.x_test[:40], verbose=0)
    alone = [model.predict(digits.x_test[:40], verbose=0) for model in models]
    np.testing.assert_allclose(crowd, np.stack(alone, axis=1), atol=1e-5)


@pytest.mark.parametrize("units", [[(8,), (8,)], [(2,), (8,)], [(3, 8), (8, 5)]])
def test_training_together_takes_the_steps_of_training_alone(digits, units):
    """One batch an epoch, so that the order of the examples makes no difference."""
    x, y, builds = digits.x_train, digits.y_train, [perceptron(*widths) for widths in units]
    options = {"epochs": 8, "batch_size": len(x)}
    found = fit_together(builds, x, y, seeds=[5, 9], **options)
    for build, seed, model in zip(builds, (5, 9), found, strict=True):
        alone = fit(build, x, y, seed=seed, **options)[0]
        start = training._seeded(build, seed).get_weights()
        for mine, theirs, before in zip(model.get_weights(), alone.get_weights(), start, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-4)
            assert np.abs(mine - before).max() > 4e-3


def test_training_together_gives_the_same_bits_again_and_learns(digits):
    def train():
        return fit_together([perceptron(16)] * 2, digits.x_train, digits.y_train, seeds=[0, 1], epochs=30, batch_size=64)

    first, again = train(), train()
    for one, other in zip(first, again, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))
        assert np.mean(one.predict(digits.x_train, verbose=0).argmax(axis=1) == digits.y_train) > 0.8
    assert not np.array_equal(first[0].get_weights()[0], first[1].get_weights()[0])


@pytest.mark.parametrize("how", ["alone", "together", "timed"])
def test_a_training_that_is_over_keeps_no_memory(digits, monkeypatch, how):
    """Nothing may hold a network's arrays once the network is gone."""
    made = []

    def watched():
        model = perceptron(4)()
        made.append(weakref.ref(model.weights[0].value.handle))
        return model

    x, y = digits.x_train, digits.y_train
    if how == "alone":
        fit(watched, x, y, seed=0, epochs=1)
    elif how == "timed":
        seconds_per_epoch(watched, x, y, batch_size=50)
    else:
        monkeypatch.setattr(training, "side_by_side", lambda models: watched_crowd(models, made))
        fit_together([perceptron(4)] * 2, x, y, seeds=[0, 1], epochs=1)
    gc.collect()
    assert len(made) == 1
    assert made[0]() is None


def watched_crowd(models, made):
    crowd = side_by_side(models)
    made.append(weakref.ref(crowd.weights[0].value.handle))
    return crowd


@pytest.mark.parametrize(
    ("models", "named"),
    [
        ([perceptron(4), perceptron(4, 4)], "one depth"),
        ([perceptron(4), perceptron(4, centred=True)], "one depth, input, scaling"),
        ([perceptron(4), perceptron(4, activation="tanh")], "activation"),
        ([perceptron(4, activation="sigmoid"), perceptron(5, activation="sigmoid")], "widths may only differ"),
        ([perceptron(4), partial(multilayer_perceptron, (28, 28), 9, (4,))], "widths may only differ"),
        ([partial(small_convnet, (28, 28), 10)], "expected Rescaling, Flatten|only Dense"),
        ([BUILD], "at least one of them hidden"),
        ([lambda: keras.Sequential([keras.Input((2,)), *[layers.Dense(2) for _ in range(4)]])], "expected Rescaling"),
    ],
)
def test_networks_that_cannot_stand_side_by_side_are_refused(models, named):
    with pytest.raises(ValueError, match=f"^models: .*({named})"):
        side_by_side([build() for build in models])


def test_training_together_names_what_does_not_fit(digits):
    with pytest.raises(ValueError, match="seeds: expected one for each of 2 networks and at least one, got 1"):
        fit_together([perceptron(4)] * 2, digits.x_train, digits.y_train, seeds=[0], epochs=1)
    with pytest.raises(ValueError, match="seeds: expected one for each of 0"):
        fit_together([], digits.x_train, digits.y_train, seeds=[], epochs=1)
    with pytest.raises(ValueError, match=r"x, y: .*got 300 and 299"):
        fit_together([perceptron(4)], digits.x_train, digits.y_train[1:], seeds=[0], epochs=1)


def test_seconds_of_an_epoch_are_in_proportion_to_the_examples(digits):
    x, y = np.repeat(digits.x_train, 8, axis=0), np.repeat(digits.y_train, 8)
    measured = [seconds_per_epoch(perceptron(32), x, y, batch_size=16, batches=n) for n in (5, 20, 80)]
    assert min(measured) > 0
    assert max(measured) < 30 * min(measured)
    with pytest.raises(ValueError, match=r"x, y: .*a batch at least, got 300 and 300"):
        seconds_per_epoch(perceptron(4), digits.x_train, digits.y_train, batch_size=301)


def test_checkpoint_is_trained_once_and_again_when_settings_change(tmp_path):
    calls = []

    def train():
        calls.append(1)
        keras.utils.set_random_seed(len(calls))
        return BUILD()

    path = tmp_path / "deep" / "net.keras"
    first = load_or_train(path, {"epochs": 1}, train)
    again = load_or_train(path, {"epochs": 1}, train)
    assert len(calls) == 1
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), again.get_weights(), strict=True))
    load_or_train(path, {"epochs": 2}, train)
    assert len(calls) == 2
    assert sorted(file.name for file in path.parent.iterdir()) == ["net.json", "net.keras"]


def test_a_training_that_fails_leaves_no_checkpoint(tmp_path):
    with pytest.raises(ZeroDivisionError):
        load_or_train(tmp_path / "net.keras", {}, lambda: 1 / 0)
    assert list(tmp_path.iterdir()) == []


def test_checkpoint_name_must_end_in_keras(tmp_path):
    with pytest.raises(ValueError, match=r"path: expected a name that ends in \.keras"):
        load_or_train(tmp_path / "net.h5", {}, BUILD)
