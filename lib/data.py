"""The book's four data sets, from a folder, from Keras's download, or from the embedded stand-in.

``load("mnist")`` looks in the folder that ``$BOOK_DATA`` names, then lets Keras download the files (once, to its own
cache).  ``BOOK_DATA=sample`` selects small stand-ins that need no network; they are for quick tests only.  ``python -m
lib.data FOLDER`` fetches all four and lays them out in a folder that others can share.
"""

import json
import os
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lib import sample
from lib.downloads import download, download_word_index

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
OBJECTS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SENTIMENTS = ("negative", "positive")

CLASS_NAMES = {"mnist": DIGITS, "fashion_mnist": CLOTHES, "cifar10": OBJECTS, "imdb": SENTIMENTS}
IMAGE_SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3)}
SPLITS = ("train", "test")
WORD_INDEX = "imdb_word_index.json"


class DataError(ValueError):
    """A data set is missing, or a file of it is not what it should be; the message says what to do."""


@dataclass(frozen=True)
class Dataset:
    """One data set, split as its authors split it.

    name            ``"mnist"``, ``"fashion_mnist"``, ``"cifar10"`` or ``"imdb"``
    x_train, x_test images: uint8 in 0–255, shape (n, height, width[, 3]); reviews: int32 word ids, shape (n, length)
    y_train, y_test uint8 class numbers, shape (n,)
    class_names     one name a class number
    source          ``"folder"``, ``"keras"`` or ``"sample"``
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    source: str

    @property
    def is_sample(self) -> bool:
        """Whether this is the stand-in, whose numbers mean nothing."""
        return self.source == "sample"


def load(name, *, train=None, test=None, words=20_000, length=200):
    """Load a data set.

    name        ``"mnist"``, ``"fashion_mnist"``, ``"cifar10"`` or ``"imdb"``
    train, test how many examples to keep of each split, from its start; None keeps all
    words       (imdb) ids of rarer words become 2, "unknown"
    length      (imdb) reviews keep their last `length` words; shorter ones are filled up with 0 in front

    Returns a `Dataset`.  Raises ValueError for an unknown name, or a size that is not a positive number, and `DataError`
    when the data cannot be had or a file is damaged.
    """
    if name not in CLASS_NAMES:
        raise ValueError(f"name: expected one of {', '.join(CLASS_NAMES)}, got {name!r}")
    for argument, value in {"train": train, "test": test, "words": words, "length": length}.items():
        if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
            raise ValueError(f"{argument}: expected a positive number or None, got {value!r}")
    arrays, source = _arrays(name)
    splits = {}
    for split, keep in zip(SPLITS, (train, test), strict=True):
        if name == "imdb":
            x = _padded(arrays[f"tokens_{split}"], arrays[f"lengths_{split}"][:keep], words, length)
        else:
            x = arrays[f"x_{split}"][:keep]
        splits[f"x_{split}"], splits[f"y_{split}"] = x, arrays[f"y_{split}"].reshape(-1)[:keep].astype(np.uint8)
    return Dataset(name=name, **splits, class_names=CLASS_NAMES[name], source=source)


def word_index():
    """Return {word: rank}, the most frequent word first (rank 1); a review's id of a word is its rank + 3."""
    if is_sample():
        return sample.word_index()
    path = _in_folder(WORD_INDEX)
    if path is None:
        return _fetched("imdb", download_word_index)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not a JSON file ({error}); delete it and fetch it again") from error


def is_sample():
    """Whether ``BOOK_DATA=sample`` is set."""
    return os.environ.get("BOOK_DATA") == "sample"


def _arrays(name):
    if is_sample():
        return sample.arrays(name), "sample"
    path = _in_folder(f"{name}.npz")
    if path is not None:
        return read(path, name), "folder"
    return _checked(_fetched(name, lambda: download(name)), name, f"Keras's {name}"), "keras"


def _in_folder(file):
    folder = os.environ.get("BOOK_DATA")
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise DataError(
            f"BOOK_DATA: {folder!r} is not a folder; make one with `python -m lib.data FOLDER`, "
            "or unset BOOK_DATA to let Keras download the data"
        )
    path = Path(folder) / file
    return path if path.exists() else None


def _fetched(name, fetch):
    try:
        return fetch()
    except Exception as error:
        raise DataError(
            f"{name}: Keras could not download it ({error}). Connect to the internet and try again, or set BOOK_DATA to "
            "a folder made by `python -m lib.data FOLDER`, or BOOK_DATA=sample for small stand-ins"
        ) from error


def read(path, name):
    """Read one data set's ``.npz`` file as `python -m lib.data` writes it; raise `DataError` if it is not one."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise DataError(f"{path}: damaged, or not a NumPy archive of plain arrays ({error}); fetch it again") from error
    return _checked(arrays, name, path)


def _checked(arrays, name, where):
    def refuse(problem):
        raise DataError(f"{where}: {problem}; this is not the {name} file that `python -m lib.data` writes")

    fields = ("tokens", "lengths", "y") if name == "imdb" else ("x", "y")
    missing = [f"{field}_{split}" for split in SPLITS for field in fields if f"{field}_{split}" not in arrays]
    if missing:
        refuse(f"no array {', '.join(missing)}")
    check = _reviews_problem if name == "imdb" else _images_problem
    for split in SPLITS:
        problem = check(name, split, *(arrays[f"{field}_{split}"] for field in fields))
        if problem:
            refuse(problem)
    return arrays


def _images_problem(name, split, x, y):
    if x.dtype != np.uint8 or x.shape[1:] != IMAGE_SHAPES[name] or len(x) == 0:
        return f"x_{split} is {x.dtype} of shape {x.shape}, expected uint8 of shape (n, {str(IMAGE_SHAPES[name])[1:]}"
    return _labels_problem(name, split, len(x), y)


def _reviews_problem(name, split, tokens, lengths, y):
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu" or lengths.ndim != 1 or lengths.dtype.kind not in "iu":
        return f"tokens_{split} and lengths_{split} must be flat arrays of whole numbers"
    if lengths.sum() != len(tokens):
        return f"lengths_{split} add up to {lengths.sum()}, but tokens_{split} has {len(tokens)} words"
    return _labels_problem(name, split, len(lengths), y)


def _labels_problem(name, split, n, y):
    if y.size != n:
        return f"y_{split} has {y.size} labels for {n} examples"
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(CLASS_NAMES[name]):
        return f"y_{split} must hold class numbers from 0 to {len(CLASS_NAMES[name]) - 1}"
    return None


def _padded(tokens, lengths, words, length):
    padded = np.zeros((len(lengths), length), np.int32)
    end = 0
    for row, size in zip(padded, lengths, strict=True):
        end += int(size)
        kept = tokens[end - min(int(size), length) : end]
        row[length - len(kept) :] = np.where(kept < words, kept, 2)
    return padded


def lay_out(folder):
    """Fetch all four data sets through Keras into `folder`; files that are there already are left alone.

    A file appears under its name only when it is complete.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in CLASS_NAMES:
        path = folder / f"{name}.npz"
        if not path.exists():
            arrays = _checked(_fetched(name, lambda name=name: download(name)), name, f"Keras's {name}")
            _write(path, lambda partial, arrays=arrays: np.savez_compressed(partial, **arrays))
    path = folder / WORD_INDEX
    if not path.exists():
        index = _fetched("imdb", download_word_index)
        _write(path, lambda partial: partial.write_text(json.dumps(index), encoding="utf-8"))


def _write(path, save):
    partial = path.with_name(f"partial-{path.name}")
    try:
        save(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def main(arguments):
    """Run ``python -m lib.data FOLDER``."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit("usage: python -m lib.data FOLDER\n\nFetch MNIST, Fashion-MNIST, CIFAR-10 and IMDB into FOLDER.")
    try:
        lay_out(arguments[0])
    except DataError as error:
        sys.exit(f"error: {error}")
    print(f"data sets ready in {arguments[0]}; set BOOK_DATA to this folder to use them")


if __name__ == "__main__":
    main(sys.argv[1:])
