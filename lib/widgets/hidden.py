"""Widget *hidden*: follow a digit through a hidden layer into the class scores (chapter 3)."""

import numpy as np
import traitlets

from lib.widgets.base import as_bytes, script, style
from lib.widgets.drawing import Drawing

MOST = 26  # units are named by letters
HINT = "Draw or pick a digit. Click a filter to see its sum, untick it to switch it off, click a class to add up its row."


class Hidden(Drawing):
    """Show what each hidden unit of a network adds to each class's score, for a picture picked or drawn.

    networks  {title: [kernel, biases, kernel, biases]}, as `get_weights` of a network with one hidden ReLU layer on pixels
              in 0–1 returns them; all with the same number of units, at most 26
    digits, labels, class_names  the pictures to pick from, as `Drawing` takes them

    What the reader does can be read and set from Python: `network`, a title; `unit`, the unit looked at; `target`, the
    class whose sum is spelled out; `off`, the units switched off, as the sum of 2ᵏ over their numbers k; `digit` and
    `pixels`.  Raises ValueError when shapes do not fit together.

    Example: ``Hidden({"seed 0": model.get_weights()}, x_test[:40], y_test[:40], class_names)``
    """

    _esm = script("hidden")
    _css = style()

    titles = traitlets.List(traitlets.Unicode()).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    units = traitlets.Int().tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Int(0).tag(sync=True)
    target = traitlets.Int(0).tag(sync=True)
    off = traitlets.Int(0).tag(sync=True)

    def __init__(self, networks, digits, labels, class_names, **options):
        if not networks:
            raise ValueError("networks: expected at least one")
        shapes = _shapes(next(iter(networks.values())), np.shape(digits)[1:], len(class_names))
        for title, arrays in networks.items():
            found = [np.shape(array) for array in arrays]
            if found != shapes:
                raise ValueError(f"networks: expected arrays of shapes {shapes}, {title!r} has {found}")
        flat = [np.concatenate([np.ravel(np.transpose(array)) for array in arrays]) for arrays in networks.values()]
        super().__init__(
            digits,
            labels,
            class_names,
            titles=[str(title) for title in networks],
            weights=as_bytes(np.concatenate(flat), np.float32),
            units=shapes[1][0],
            shared=["network", "digit", "drawing", "unit", "target", "off"],
            **({"network": next(iter(networks)), "hint": HINT} | options),
        )

    @traitlets.validate("network")
    def _known_network(self, proposal):
        if self.titles and proposal.value not in self.titles:
            raise traitlets.TraitError(f"network: expected one of {self.titles}, got {proposal.value!r}")
        return proposal.value

    @traitlets.validate("unit", "target", "off")
    def _in_range(self, proposal):
        name = proposal.trait.name
        n = {"unit": self.units, "target": len(self.names), "off": 2**self.units}[name]
        if not 0 <= proposal.value < max(n, 1):
            raise traitlets.TraitError(f"{name}: expected 0 … {n - 1}, got {proposal.value}")
        return proposal.value


def _shapes(arrays, picture, classes):
    """The shapes that all networks must have, from the first one's number of units."""
    if len(arrays) != 4 or np.ndim(arrays[1]) != 1 or not 1 <= len(arrays[1]) <= MOST:
        raise ValueError(f"networks: expected kernel, biases, kernel, biases with 1 to {MOST} hidden units")
    units = len(arrays[1])
    return [(int(np.prod(picture)), units), (units,), (units, classes), (classes,)]
