"""Widget *confusion*: a confusion matrix whose cells show their samples (chapters 1 to 3)."""

import numpy as np
import traitlets

from lib.widgets.base import BookWidget, script, sprite, style

COLUMNS = 32  # tiles in a row of a sprite
HINT = "Rows are true classes, columns predictions. Point at a cell, or walk with the arrow keys; a click holds it."
FIELDS = ("counts", "samples", "probabilities", "images", "class_names")


class Confusion(BookWidget):
    """Show the confusion matrix of one or more models; a cell shows its samples by falling confidence.

    models: {title: result}, a result being a dict of
        counts        (classes, classes) whole numbers, rows true, columns predicted
        samples       (classes, classes, per_cell) row numbers into images, −1 where a cell has fewer
        probabilities (n, classes) the model's outputs
        images        (n, height, width[, 3]) uint8; models that share the array share its pictures in the page
        class_names   one a class

    `model`, the title shown, and `cell`, [true class, predicted class], can be read and set from Python.  Raises
    ValueError when a field is missing or shapes do not fit together.

    Example: ``Confusion({"one layer": {"counts": counts, "samples": samples, …}})``
    """

    _esm = script("confusion")
    _css = style()

    panels = traitlets.List().tag(sync=True)
    sprites = traitlets.List().tag(sync=True)
    model = traitlets.Unicode().tag(sync=True)
    cell = traitlets.List(traitlets.Int(), minlen=2, maxlen=2, default_value=[0, 0]).tag(sync=True)

    def __init__(self, models, **options):
        if not models:
            raise ValueError("models: expected at least one")
        for title, result in models.items():
            _check(title, result)
        shown = _shown_images(models.values())
        first = next(iter(models.values()))
        super().__init__(
            panels=[_panel(title, result, shown) for title, result in models.items()],
            sprites=[sprite(images[rows], COLUMNS) for images, rows in shown.values()],
            shared=["model", "cell"],
            **(
                {
                    "model": next(iter(models)),
                    "cell": _largest_mistake(first["counts"]),
                    "hint": HINT,
                }
                | options
            ),
        )

    @traitlets.validate("model")
    def _known_model(self, proposal):
        titles = [panel["title"] for panel in self.panels]
        if titles and proposal.value not in titles:
            raise traitlets.TraitError(f"model: expected one of {titles}, got {proposal.value!r}")
        return proposal.value

    @traitlets.validate("cell")
    def _cell_in_range(self, proposal):
        n = min((len(panel["names"]) for panel in self.panels), default=None)
        if n is not None and not all(0 <= k < n for k in proposal.value):
            raise traitlets.TraitError(f"cell: expected two class numbers from 0 to {n - 1}, got {proposal.value}")
        return proposal.value


def _check(title, result):
    missing = [field for field in FIELDS if field not in result]
    if missing:
        raise ValueError(f"models[{title!r}]: no {', '.join(missing)}")
    n, examples = len(result["class_names"]), len(result["images"])
    for field, wanted in {"counts": (n, n), "samples": (n, n, None), "probabilities": (examples, n)}.items():
        shape = np.shape(result[field])
        if len(shape) != len(wanted) or any(w is not None and s != w for s, w in zip(shape, wanted, strict=True)):
            raise ValueError(f"models[{title!r}]: {field} has shape {shape}, expected {wanted}")
    samples = np.asarray(result["samples"])
    if samples.min() < -1 or samples.max() >= examples:
        raise ValueError(f"models[{title!r}]: samples must be row numbers of images, or −1")


def _shown_images(results):
    """Return {id of an image array: (the array, the row numbers that any cell shows)}."""
    shown = {}
    for result in results:
        images, rows = shown.get(id(result["images"]), (result["images"], np.zeros(0, int)))
        wanted = np.union1d(rows, np.asarray(result["samples"]).ravel())
        shown[id(images)] = (images, wanted[wanted >= 0])
    return shown


def _panel(title, result, shown):
    images, rows = shown[id(result["images"])]
    samples = np.asarray(result["samples"])
    n = len(result["class_names"])
    confidences = np.asarray(result["probabilities"])[samples, np.arange(n)[None, :, None]]
    return {
        "title": title,
        "names": [str(name) for name in result["class_names"]],
        "counts": np.asarray(result["counts"]).tolist(),
        "tiles": np.where(samples < 0, -1, np.searchsorted(rows, samples)).tolist(),
        "confidences": np.where(samples < 0, 0, confidences).round(4).tolist(),
        "sprite": list(shown).index(id(images)),
        "size": list(images.shape[1:3]),
    }


def _largest_mistake(counts):
    mistakes = np.asarray(counts) * (1 - np.eye(len(counts), dtype=int))
    return [int(k) for k in np.unravel_index(mistakes.argmax(), mistakes.shape)]
