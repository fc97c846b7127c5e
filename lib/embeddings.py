"""Activations of every layer, their embeddings in the plane, and how well the classes lie apart in them.

Source: "Analysis of activations in neural networks" (Ruman, 2021).
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors

from lib.chains import chain

METRICS = ("ds", "dd", "cs", "cd", "acc_knn", "acc_knn_loo")
TILE = 512  # points a side of the block of distances that is held at once
DIRECT = 24  # up to so many dimensions differences are quicker than a matrix product
NEAR = 1e-6  # squared distances below this share of the points' own squares are computed again, from differences


def activations(model, x, *, layers=None, batch_size=1000):
    """Return what a network makes of examples, layer by layer.

    model       a built Keras model that is one chain of layers, sequential or functional
    x           examples (n, …) as the model takes them
    layers      names of the layers to return, in any order; None returns all
    batch_size  how many examples to compute at once, at least 1

    Returns a list of float32 arrays (n, values): first the examples themselves, then the output of each layer in the
    order of the network, flattened.  Raises ValueError when the model is not a chain, x does not fit it or is empty, or
    a name is unknown.
    """
    steps = chain(model)
    unknown = set(layers or ()) - {layer.name for layer in steps}
    if unknown:
        raise ValueError(f"layers: no layer named {', '.join(sorted(unknown))} in the model")
    x = _examples(model, x)
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
    walk = _walk(model, steps, [layers is None or layer.name in layers for layer in steps])
    found = [x.reshape(len(x), -1).astype(np.float32)]
    for start in range(0, len(x), batch_size):
        values = walk(tf.cast(x[start : start + batch_size], model.inputs[0].dtype))
        if start == 0:
            found += [np.empty((len(x), part.shape[1]), np.float32) for part in values]
        for array, part in zip(found[1:], values, strict=True):
            array[start : start + batch_size] = part
    return found


def _examples(model, x):
    x, shape = np.asarray(x), model.input_shape[1:]
    fits = x.ndim == 1 + len(shape) and all(s in (None, n) for s, n in zip(shape, x.shape[1:], strict=True))
    if not fits or len(x) == 0:
        raise ValueError(f"x: expected at least one example of shape {shape}, got an array of shape {x.shape}")
    return x


def _walk(model, steps, kept):
    """Return a compiled function from a batch of examples to the flat outputs of the layers to keep."""

    @tf.function(input_signature=[tf.TensorSpec((None, *model.input_shape[1:]), model.inputs[0].dtype)])
    def walk(values):
        found = []
        for layer, keep in zip(steps, kept, strict=True):
            values = layer(values, training=False)
            if keep:
                found.append(tf.reshape(values, (tf.shape(values)[0], -1)))
        return found

    return walk


def embed(points, method, seed, **options):
    """Place points in the plane so that neighbours stay neighbours.

    points  (n, dimensions), finite, at least 100 of them
    method  ``"tsne"`` (openTSNE, perplexity 30) or ``"umap"`` (umap-learn), both with their libraries' settings
    seed    a whole number ≥ 0; the same seed gives the same places
    options arguments of openTSNE's ``TSNE`` or umap-learn's ``UMAP``, to change their settings

    Returns float32 (n, 2).  Raises ValueError for anything else.  Source: van der Maaten and Hinton (2008); McInnes,
    Healy and Melville (2018).
    """
    points = _points(points)
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed: expected a whole number from 0, got {seed!r}")
    if len(points) < 100:
        raise ValueError(f"points: expected at least 100, got {len(points)}")
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    return np.asarray(METHODS[method](points, seed, options), np.float32)


def _tsne(points, seed, options):
    from openTSNE import TSNE

    return TSNE(**{"perplexity": 30, "n_jobs": 2} | options, random_state=seed).fit(points)


def _umap(points, seed, options):
    from umap import UMAP  # compiles itself when it is first imported, which takes seconds

    return UMAP(**{"n_jobs": 1} | options, random_state=seed).fit_transform(points)


METHODS = {"tsne": _tsne, "umap": _umap}


def aligned(points, reference):
    """Turn and mirror an embedding so that its points lie as near as they can to those of another.

    points, reference  (n, 2), the same examples in the same order

    Returns the points (n, 2) around their mean; distances stay.  Raises ValueError when shapes differ.  Source: the
    orthogonal Procrustes problem (Schönemann, 1966).
    """
    points, reference = _points(points), _points(reference)
    if points.shape != reference.shape:
        raise ValueError(f"reference: expected shape {points.shape}, got {reference.shape}")
    points = points - points.mean(axis=0)
    return points @ orthogonal_procrustes(points, reference - reference.mean(axis=0))[0]


def quality(points, labels, k=10):
    """Measure how well the classes lie apart among points.

    points  (n, dimensions), finite; at least two of them differ
    labels  (n,) whole numbers; a class is a number that occurs
    k       how many neighbours vote, from 1 to n − 1; ties go to the smaller class number

    Returns a dict.  The first four are distances divided by the mean distance of all pairs, so 1 stands for what chance
    gives; the last two are shares from 0 to 1.

    ds           mean distance of pairs of one class
    dd           mean distance of pairs of different classes
    cs           mean over classes of the mean distance to the class's centroid
    cd           mean distance of pairs of centroids
    acc_knn      share of points whose class has most votes among the point itself and its k − 1 nearest others
    acc_knn_loo  the same among its k nearest others (leave one out)

    A class of one point has no pair of its own and lies on its centroid.  Where there is no pair at all the value is
    NaN: ds when every class has one point, dd and cd when there is one class.  All pairs are counted, without a matrix
    of all of them.  Raises ValueError when lengths differ, values are not finite, points all coincide, or k is out of
    range.  Source: Ruman (2021), section 3.
    """
    points = _points(points)
    classes, sizes = _classes(labels, len(points))
    if not 1 <= k < len(points):
        raise ValueError(f"k: expected 1 to {len(points) - 1}, one less than there are points, got {k}")
    everything = _sum_of_distances(points)
    if everything == 0:
        raise ValueError("points: all coincide, so no distance can be compared with another")
    same = sum(_sum_of_distances(points[classes == c]) for c in range(len(sizes)))
    pairs, own_pairs = _pairs(len(points)), _pairs(sizes).sum()
    scale = everything / pairs
    spread, apart = _centroid_distances(points, classes, sizes)
    return {
        "ds": _mean(same, own_pairs) / scale,
        "dd": _mean(everything - same, pairs - own_pairs) / scale,
        "cs": float(spread / scale),
        "cd": apart / scale,
        **_neighbour_votes(points, classes, k),
    }


def _classes(labels, n):
    """Number the classes that occur from 0; return each point's number, and the classes' sizes."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels: expected {n} whole numbers, got {labels.dtype} of shape {labels.shape}")
    return np.unique(labels, return_inverse=True, return_counts=True)[1:]


def _points(points):
    points = np.asarray(points)
    if points.ndim != 2 or points.dtype.kind not in "fiu" or points.size == 0:
        raise ValueError(f"points: expected numbers of shape (n, dimensions), got {points.dtype} of shape {points.shape}")
    if not np.isfinite(points).all():
        raise ValueError("points: expected finite numbers, but there are NaN or infinite ones")
    return points


def _pairs(n):
    return n * (n - 1) // 2


def _mean(total, count):
    return float(total / count) if count else float("nan")


def _sum_of_distances(points):
    """Sum over all pairs of points, in blocks on two threads."""
    points = np.asarray(points, np.float64) - points.mean(axis=0, dtype=np.float64)
    squares = np.einsum("ij,ij->i", points, points)
    tiles = [slice(start, start + TILE) for start in range(0, len(points), TILE)]

    def column(k):
        """Pairs between one block and those before it, and within it."""
        before = sum(_tile(points, squares, tile, tiles[k]).sum() for tile in tiles[:k])
        return before + _tile(points, squares, tiles[k], tiles[k]).sum() / 2

    with ThreadPoolExecutor(2) as pool:
        return float(sum(pool.map(column, reversed(range(len(tiles))))))


def _tile(points, squares, left, right):
    """Distances between two runs of points, (left, right)."""
    a, b = points[left], points[right]
    if points.shape[1] <= DIRECT:
        return cdist(a, b)
    size = squares[left, None] + squares[right]
    found = a @ b.T
    found *= -2
    found += size
    size *= NEAR
    i, j = np.nonzero(found < size)
    found[i, j] = ((a[i] - b[j]) ** 2).sum(axis=1)
    return np.sqrt(found, out=found)


def _centroid_distances(points, classes, sizes):
    """Mean over classes of the mean distance to the centroid, and mean distance of pairs of centroids."""
    centroids = np.array([points[classes == c].mean(axis=0, dtype=np.float64) for c in range(len(sizes))])
    spread = [np.linalg.norm(points[classes == c] - centre, axis=1).mean() for c, centre in enumerate(centroids)]
    apart = cdist(centroids, centroids).sum() / 2
    return np.mean(spread), _mean(apart, _pairs(len(sizes)))


def _neighbour_votes(points, classes, k):
    nearest = NearestNeighbors(n_neighbors=k, n_jobs=2).fit(points).kneighbors(return_distance=False)
    votes = np.zeros((len(points), classes.max() + 1), np.int32)
    rows = np.arange(len(points))
    for column in classes[nearest[:, : k - 1]].T:
        votes[rows, column] += 1
    others = votes.copy()
    votes[rows, classes] += 1
    others[rows, classes[nearest[:, k - 1]]] += 1
    return {
        "acc_knn": float((votes.argmax(axis=1) == classes).mean()),
        "acc_knn_loo": float((others.argmax(axis=1) == classes).mean()),
    }
