"""Weights as templates (chapter 1): what each output of a network looks for, and what it mistakes for it.

Source of the questions and figures: "Looking inside neural nets" (Kogan, Machine Learning for Artists).
"""

import keras
import numpy as np


def templates(model):
    """Return the weights into each unit of the first dense layer, laid out like the image they look at.

    Shape (units, height, width[, channels]); for a network without hidden layers a unit is a class.  Raises ValueError
    when the model has no dense layer, or its first one does not look at the whole flattened image.
    """
    dense = next((layer for layer in model.layers if isinstance(layer, keras.layers.Dense)), None)
    if dense is None:
        raise ValueError("model: expected a Dense layer whose weights can be laid out, found none")
    kernel, shape = np.asarray(dense.kernel), model.input_shape[1:]
    if kernel.shape[0] != np.prod(shape):
        raise ValueError(f"model: its first Dense layer has {kernel.shape[0]} inputs, its image {np.prod(shape)} values")
    return kernel.T.reshape(-1, *shape)  # (units, height, width[, channels])


def products(template, image):
    """Return template × image, value by value: what each pixel contributes to the score.

    template  (…, height, width[, channels]), one or many
    image     of the template's trailing shape; uint8 is taken as 0–255 and scaled to 0–1, floats as they are

    The sum over the pixels plus the unit's bias is the score.  Raises ValueError when the shapes do not fit.
    """
    template, image = np.asarray(template), np.asarray(image)
    if template.shape[template.ndim - image.ndim :] != image.shape:
        raise ValueError(f"image: expected the trailing shape of template {template.shape}, got {image.shape}")
    return template * (image / np.float32(255) if image.dtype == np.uint8 else image)


def template_mean_correlation(templates, x, y):
    """Return how much each template looks like the average image of each class, as Pearson correlations.

    templates (classes, …); x (n, …) images of the templates' shape; y (n,) class numbers

    Shape (classes, classes), in [−1, 1]: entry [i, j] correlates template i, over its pixels, with the mean image of
    class j minus the mean image of all classes' examples.  Raises ValueError for a class without examples, for shapes
    that do not fit, and for a constant template, whose correlation is undefined.
    """
    templates, x, y = np.asarray(templates), np.asarray(x), np.asarray(y)
    if templates.shape[1:] != x.shape[1:]:
        raise ValueError(f"x: expected images of shape {templates.shape[1:]}, got {x.shape[1:]}")
    deviations = class_means(x, y, len(templates)) - x.mean(axis=0, dtype=np.float64)
    return _normalized(templates, "templates") @ _normalized(deviations, "x").T


def class_means(x, y, n):
    """Return the mean image of each of `n` classes, float64 of shape (n, …); an empty class is a ValueError."""
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y):
        raise ValueError(f"y: expected {len(x)} labels, got {len(y)}")
    empty = sorted(set(range(n)) - set(np.unique(y).tolist()))
    if empty:
        raise ValueError(f"y: no example of class {', '.join(map(str, empty))}")
    return np.stack([x[y == c].mean(axis=0, dtype=np.float64) for c in range(n)])


def _normalized(rows, name):
    rows = np.asarray(rows, np.float64).reshape(len(rows), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError(f"{name}: row {int(np.argmin(norms))} is constant, its correlation is undefined")
    return rows / norms


def confusion(y_true, y_pred, n):
    """Count how often each true class (row) was given each predicted class (column): (n, n) whole numbers.

    Raises ValueError when the lengths differ or a class number is not in 0 … n−1.
    """
    y_true, y_pred = _class_numbers("y_true", y_true, n), _class_numbers("y_pred", y_pred, n)
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_pred: expected {len(y_true)} predictions, got {len(y_pred)}")
    return np.bincount(y_true * n + y_pred, minlength=n * n).reshape(n, n)


def _class_numbers(name, values, n):
    values = np.asarray(values)
    if values.dtype.kind not in "iu" or values.ndim != 1 or (values.size and not (0 <= values.min() <= values.max() < n)):
        raise ValueError(f"{name}: expected a flat array of class numbers from 0 to {n - 1}")
    return values.astype(np.int64)


def top_samples(probabilities, y_true, per_cell):
    """Find the examples that the model was most sure of, for each cell of its confusion matrix.

    probabilities (n, classes), y_true (n,) class numbers, per_cell how many to keep of each cell, at least 1

    Returns row numbers, shape (classes, classes, per_cell): entry [i, j] lists the examples of class i predicted as j, by
    falling confidence in j (ties in their original order), filled up with −1.  Raises ValueError for bad shapes or NaN.
    """
    probabilities = np.asarray(probabilities)
    if probabilities.ndim != 2 or np.isnan(probabilities).any():
        raise ValueError(f"probabilities: expected (n, classes) without NaN, got shape {probabilities.shape}")
    if per_cell < 1:
        raise ValueError(f"per_cell: expected at least 1, got {per_cell}")
    n = probabilities.shape[1]
    y_true, y_pred = _class_numbers("y_true", y_true, n), probabilities.argmax(axis=1)
    if len(y_true) != len(y_pred):
        raise ValueError(f"y_true: expected {len(y_pred)} labels, got {len(y_true)}")
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    samples = np.full((n, n, per_cell), -1)
    for i in range(n):
        for j in range(n):
            rows = order[(y_true[order] == i) & (y_pred[order] == j)][:per_cell]
            samples[i, j, : len(rows)] = rows
    return samples


def loop_area(image, threshold=100):
    """Return the size, in pixels, of the largest patch of background that the ink encloses; 0 when there is none.

    image (height, width), a pixel counts as ink from `threshold` (0–255) on.  Background touching the edge of the image
    is outside; patches are connected along rows and columns.
    """
    from scipy.ndimage import label

    patches, n = label(np.pad(np.asarray(image) < threshold, 1, constant_values=True))
    sizes = np.bincount(patches.ravel(), minlength=n + 1)
    sizes[[0, patches[0, 0]]] = 0  # the ink, and the background outside
    return int(sizes.max())


def slant_and_height(images):
    """Return how far the ink leans to the right, and how tall it is, as two arrays of shape (n,).

    images (n, height, width).  With x to the right and y upwards from the ink's centre of mass, and means weighted by ink,
    the slant is mean(xy) / mean(y²), the tangent of the angle that the ink leans over; the height is √mean(y²), in pixels.
    Images without ink, or with all ink in one row, give NaN.
    """
    ink = np.asarray(images, np.float64)
    ink = ink / ink.sum(axis=(1, 2), keepdims=True)
    rows, columns = np.mgrid[: ink.shape[1], : ink.shape[2]]
    x = columns - (ink * columns).sum(axis=(1, 2), keepdims=True)
    y = (ink * rows).sum(axis=(1, 2), keepdims=True) - rows
    spread = (ink * y**2).sum(axis=(1, 2))
    return (ink * x * y).sum(axis=(1, 2)) / np.where(spread > 0, spread, np.nan), np.sqrt(spread)


def variance_ratio(x, y, n):
    """Return how much of the pixels' variance lies between classes, over how much lies within them.

    x (examples, …) images, y (examples,) class numbers, n classes.  Σ over pixels of the variance of the class means,
    weighted by the classes' sizes, divided by Σ of the mean variance within a class.  0 when all classes have the same
    mean; above 1 when an image tells more about its class than about itself.  Raises ValueError for an empty class, and
    when no class varies, where the ratio is undefined.
    """
    x, y = np.asarray(x), np.asarray(y)
    means = class_means(x, y, n).reshape(n, -1)
    share = np.bincount(y, minlength=n) / len(y)
    flat = x.reshape(len(x), -1)
    squares = sum(np.square(some, dtype=np.float64).sum() for some in np.array_split(flat, -(-len(flat) // 1000))) / len(x)
    within = squares - (share[:, None] * means**2).sum()
    if within <= 1e-12 * squares:
        raise ValueError("x: no class varies, the ratio is undefined")
    between = (share[:, None] * (means - share @ means) ** 2).sum()
    return between / within


def shifted(images, right, down=0):
    """Return images (n, height, width[, channels]) moved by whole pixels, either way; what is uncovered is black.

    Raises ValueError when the move is as large as the image.
    """
    height, width = images.shape[1:3]
    if abs(right) >= width or abs(down) >= height:
        raise ValueError(f"right, down: expected less than {width} and {height} pixels, got {right} and {down}")
    moved = np.zeros_like(images)
    to, source = _overlap(down, height), _overlap(-down, height)
    moved[:, to, _overlap(right, width)] = images[:, source, _overlap(-right, width)]
    return moved


def _overlap(move, size):
    return slice(max(move, 0), size + min(move, 0))


def confusion_result(dataset, probabilities, per_cell=5):
    """Return what the widget *confusion* shows of a model: counts, samples of each cell, and the images themselves.

    dataset a `lib.data.Dataset`; probabilities (n, classes) of its test images; per_cell samples to keep of each cell
    """
    n = len(dataset.class_names)
    return {
        "counts": confusion(dataset.y_test, np.argmax(probabilities, axis=1), n),
        "samples": top_samples(probabilities, dataset.y_test, per_cell),
        "probabilities": probabilities,
        "images": dataset.x_test,
        "class_names": dataset.class_names,
    }
