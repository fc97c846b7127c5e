from functools import partial

import keras
import numpy as np
import pytest

from lib.data import load
from lib.models import softmax_regression
from lib.training import fit, load_or_train

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
