"""Small stand-ins for the four data sets: no network, seconds to make.  What they show is not what the book shows.

Digits are scikit-learn's 8×8 digits enlarged to 28×28; clothes and objects are generated shapes; reviews are random
words with a few that give the sentiment away.
"""

import numpy as np

TRAIN, TEST = 1400, 397
GOOD, BAD = ("good", "love", "great", "wonderful"), ("bad", "hate", "awful", "boring")
FILLERS = ("the", "a", "this", "movie", "film", "was", "is", "and", "of", "i", "it", "story", "actor", "plot", "scene")


def arrays(name):
    """Return the stand-in for `name`, keyed as in the files that `lib.data` reads."""
    if name == "imdb":
        return {key: value for split, seed in (("train", 0), ("test", 1)) for key, value in _reviews(split, seed).items()}
    x, y = {"mnist": _digits, "fashion_mnist": _clothes, "cifar10": _objects}[name]()
    train, test = slice(None, TRAIN), slice(TRAIN, None)
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}


def word_index():
    """Return {word: rank} for the stand-in reviews."""
    return {word: rank for rank, word in enumerate((*FILLERS, *GOOD, *BAD), start=1)}


def _digits():
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    digits = load_digits()
    enlarged = zoom(digits.images / 16, (1, 3, 3), order=1)  # (n, 24, 24)
    framed = np.pad(enlarged.clip(0, 1), ((0, 0), (2, 2), (2, 2)))
    return (framed * 255).round().astype(np.uint8), digits.target.astype(np.uint8)


def _shapes(size, n=TRAIN + TEST):
    """Rectangles whose place and width depend on the class, with noise: (n, size, size) in 0–1, and the classes."""
    random = np.random.default_rng(0)
    classes = random.integers(10, size=n)
    rows, columns = np.mgrid[:size, :size] / size
    top, left = (classes // 5 * 0.3 + 0.1)[:, None, None], (classes % 5 * 0.1 + 0.1)[:, None, None]
    inside = (rows > top) & (rows < top + 0.5) & (columns > left) & (columns < left + 0.4)
    return (0.7 * inside + 0.3 * random.random((n, size, size))), classes.astype(np.uint8)


def _clothes():
    pictures, classes = _shapes(28)
    return (pictures * 255).astype(np.uint8), classes


def _objects():
    pictures, classes = _shapes(32)
    tint = 0.4 + 0.6 * np.random.default_rng(1).random((10, 3))
    return (pictures[..., None] * tint[classes][:, None, None] * 255).astype(np.uint8), classes[:, None]


def _reviews(split, seed, n=400):
    random = np.random.default_rng(seed)
    index, fillers = word_index(), np.arange(1, len(FILLERS) + 1)
    y = random.integers(2, size=n).astype(np.uint8)
    lengths = random.integers(10, 60, size=n).astype(np.uint32)
    reviews = []
    for label, size in zip(y, lengths, strict=True):
        review = random.choice(fillers, size) + 3
        hints = [index[word] + 3 for word in (GOOD if label else BAD)]
        review[random.integers(1, size, size=3)] = random.choice(hints, 3)
        review[0] = 1
        reviews.append(review.astype(np.uint32))
    return {f"tokens_{split}": np.concatenate(reviews), f"lengths_{split}": lengths, f"y_{split}": y}
