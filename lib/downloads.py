"""Keras's downloads of the four data sets, turned into plain arrays.

Keras checks the hash of every file before it is read, with one gap: CIFAR-10's archive is checked, but the pickles that
were once extracted from it are not.  So the archive itself is read here, checked each time.
"""

import pickle
import tarfile
from pathlib import Path

import numpy as np

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
CIFAR10_SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


def download(name):
    """Return one data set's arrays, keyed as in the ``.npz`` files that `lib.data` reads."""
    from keras import datasets

    if name == "cifar10":
        return _cifar10()
    (x_train, y_train), (x_test, y_test) = getattr(datasets, name).load_data()
    splits = {"train": (x_train, y_train), "test": (x_test, y_test)}
    if name == "imdb":
        return {key: array for split, (x, y) in splits.items() for key, array in _reviews(split, x, y).items()}
    return {key: array for split, (x, y) in splits.items() for key, array in ((f"x_{split}", x), (f"y_{split}", y))}


def download_word_index():
    """Return IMDB's {word: rank} as Keras gives it."""
    from keras.datasets import imdb

    return imdb.get_word_index()


def _reviews(split, x, y):
    return {
        f"tokens_{split}": np.concatenate([np.asarray(review, np.uint32) for review in x]),
        f"lengths_{split}": np.array([len(review) for review in x], np.uint32),
        f"y_{split}": np.asarray(y, np.uint8),
    }


def _cifar10():
    from keras.utils import get_file

    archive = get_file("cifar-10-python.tar.gz", CIFAR10_URL, file_hash=CIFAR10_SHA256, hash_algorithm="sha256")
    batches = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            if "_batch" in member.name:
                batches[Path(member.name).name] = pickle.load(tar.extractfile(member), encoding="bytes")  # hash checked
    arrays = {}
    for split, names in {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}.items():
        pixels = np.concatenate([batches[name][b"data"] for name in names])
        arrays[f"x_{split}"] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)  # (n, height, width, colour)
        arrays[f"y_{split}"] = np.concatenate([batches[name][b"labels"] for name in names]).astype(np.uint8)[:, None]
    return arrays
