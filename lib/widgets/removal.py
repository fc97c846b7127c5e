"""Widget *removal*: switch the nodes of a small network off and on (chapter 4)."""

import numpy as np
import traitlets

from lib.widgets.base import BookWidget, as_bytes, script, style

HINT = (
    "Click nodes, or drag across them, to switch them off and on; arrow keys and Space do the same. Then reverse the mask, "
    "and see where its loss goes."
)
BINS, MOST = 90, 24
CLASSES = ("inside", "outside")


class Removal(BookWidget):
    """Show what a network on the plane answers under a mask of its hidden nodes, and where the mask's loss stands.

    arrays  [kernel (2, n), biases (n,), kernel (n, 2), biases (2,)] of one hidden ReLU layer and a softmax of two classes
    x, y    the points (points, 2) that the loss is taken over, and their classes (points,), 0 or 1
    losses  (2ⁿ,) the loss of each mask, bit k of its number being node k; positive
    radius  of the circle drawn over the map, at least 0

    `mask`, the number of the mask shown (all nodes on at first), and `chance`, the probability that a random mask keeps a
    node, can be read and set from Python.  Raises ValueError when shapes do not fit together.

    Example: ``Removal(model.get_weights(), x, y, exact_losses(model, x, y), radius=0.8)``
    """

    _esm = script("removal")
    _css = style()

    nodes = traitlets.Int().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    points = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    classes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    counts = traitlets.List(traitlets.Int()).tag(sync=True)
    quantiles = traitlets.Bytes().tag(sync=True)
    radius = traitlets.Float().tag(sync=True)
    mask = traitlets.Int().tag(sync=True)
    chance = traitlets.Float(0.5, min=0, max=1).tag(sync=True)

    def __init__(self, arrays, x, y, losses, *, radius, classes=CLASSES, **options):
        arrays, x, y, losses = [np.asarray(array) for array in arrays], np.asarray(x), np.asarray(y), np.asarray(losses)
        n = _nodes(arrays)
        _check(x, y, losses, n, radius, classes)
        logs = np.log(losses)
        flat = np.concatenate([array.T.ravel() for array in arrays])
        super().__init__(
            nodes=n,
            weights=as_bytes(flat, np.float32),
            points=as_bytes(x, np.float32),
            labels=as_bytes(y, np.uint8),
            classes=[str(name) for name in classes],
            counts=[int(count) for count in np.histogram(logs, BINS)[0]],
            quantiles=as_bytes(np.quantile(losses, np.linspace(0, 1, 2001)), np.float32),
            radius=float(radius),
            shared=["mask", "chance"],
            **({"hint": HINT, "mask": 2**n - 1} | options),
        )

    @traitlets.validate("mask")
    def _mask_in_range(self, proposal):
        if not 0 <= proposal.value < 2**self.nodes:
            raise traitlets.TraitError(f"mask: expected 0 … {2**self.nodes - 1}, got {proposal.value}")
        return proposal.value


def _nodes(arrays):
    n = arrays[0].shape[-1] if len(arrays) == 4 and arrays[0].ndim == 2 else 0
    if [array.shape for array in arrays] != [(2, n), (n,), (n, 2), (2,)] or not 1 <= n <= MOST:
        raise ValueError(
            f"arrays: expected shapes (2, n), (n,), (n, 2), (2,) with n up to {MOST}, got {[a.shape for a in arrays]}"
        )
    return n


def _check(x, y, losses, n, radius, classes):
    if x.ndim != 2 or x.shape[1] != 2 or len(x) == 0:
        raise ValueError(f"x: expected points of shape (points, 2), got {x.shape}")
    if y.shape != x.shape[:1] or not np.isin(y, (0, 1)).all():
        raise ValueError(f"y: expected a class, 0 or 1, for each of {len(x)} points, got shape {y.shape}")
    if losses.shape != (2**n,) or not (losses > 0).all():
        raise ValueError(f"losses: expected a positive loss for each of {2**n} masks, got shape {losses.shape}")
    if not radius >= 0:
        raise ValueError(f"radius: expected at least 0, got {radius}")
    if len(classes) != 2:
        raise ValueError(f"classes: expected two names, got {len(classes)}")
