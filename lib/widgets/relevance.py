"""Widget *relevance*: where a network's answer comes from, by any rule, and what its biases take (chapter 7)."""

import keras
import numpy as np
import traitlets
from keras import layers

from lib.relevance import MATMUL, MAXIMUM, NONLINEARITY, Rules
from lib.widgets.base import as_bytes, script, style
from lib.widgets.drawing import Drawing

HINT = (
    "Pick or draw a digit, choose a class to explain, then change one rule at a time. Compare with a second "
    "picture, and swap the two."
)
NO_BASELINE, BLACK = -2, -1


class RelevanceMap(Drawing):
    """Explain a picture, picked or drawn, by the rules that the reader chooses; all of it is computed in the page.

    model   a chain of Rescaling without an offset, Reshape, Flatten, Conv2D (stride 1, padding "valid"), MaxPooling2D
            (strides equal to its size, padding "valid"), Dropout and Dense; activations relu and linear, and a softmax at
            the end, which is left out
    digits, labels, class_names  the pictures to pick from, as `Drawing` takes them

    What the reader does can be read and set from Python: `digit` and `pixels`; `target`, the class explained (−1: the
    network's own answer); `matmul`, `nonlinearity`, `maximum` and `alpha`, or all of them as `rules`; `bias`, "absorb" or
    "blame"; `baseline`, a picture's row number, −1 for a black one, −2 for none; `swapped`, whether picture and baseline
    have changed places.  Raises ValueError for a model of another form and when shapes do not fit together.

    Example: ``RelevanceMap(model, x_test[:40], y_test[:40], class_names)``
    """

    _esm = script("relevance")
    _css = style()

    plan = traitlets.List(traitlets.Dict()).tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    target = traitlets.Int(-1).tag(sync=True)
    matmul = traitlets.Enum(MATMUL, "normalized").tag(sync=True)
    nonlinearity = traitlets.Enum(NONLINEARITY, "ignore").tag(sync=True)
    maximum = traitlets.Enum(MAXIMUM, "gradient").tag(sync=True)
    alpha = traitlets.Float(1.0, min=1).tag(sync=True)
    bias = traitlets.Enum(("absorb", "blame"), "blame").tag(sync=True)
    baseline = traitlets.Int(NO_BASELINE).tag(sync=True)
    swapped = traitlets.Bool(False).tag(sync=True)

    def __init__(self, model, digits, labels, class_names, **options):
        plan, arrays = _plan(model)
        if np.shape(digits)[1:] != model.input_shape[1:3] or model.output_shape[1] != len(class_names):
            raise ValueError(
                f"model: expected inputs {np.shape(digits)[1:]} and {len(class_names)} classes, "
                f"got {model.input_shape[1:]} and {model.output_shape[1]}"
            )
        super().__init__(
            digits,
            labels,
            class_names,
            plan=plan,
            weights=as_bytes(np.concatenate([np.ravel(array) for array in arrays]), np.float32),
            shared=[
                "digit", "drawing", "target", "matmul", "alpha", "nonlinearity", "maximum", "bias", "baseline", "swapped"
            ],
            **({"hint": HINT} | options),
        )  # fmt: skip

    @property
    def rules(self):
        """The rules chosen, as `lib.relevance.explain` takes them."""
        return Rules(self.matmul, self.nonlinearity, self.maximum, alpha=self.alpha)

    @rules.setter
    def rules(self, rules):
        with self.hold_sync():
            for name in ("matmul", "nonlinearity", "maximum", "alpha"):
                setattr(self, name, getattr(rules, name))

    @traitlets.validate("target", "baseline")
    def _in_range(self, proposal):
        name = proposal.trait.name
        least, n = {"target": (-1, len(self.names)), "baseline": (NO_BASELINE, len(self.labels))}[name]
        if not least <= proposal.value < max(n, 1):
            raise traitlets.TraitError(f"{name}: expected {least} … {n - 1}, got {proposal.value}")
        return proposal.value


def _plan(model):
    """The steps of a network as the page takes them, and the arrays of those that have weights, in order."""
    plan, arrays, counts = [], [], {}
    chain = [layer for layer in model.layers if not isinstance(layer, layers.InputLayer)]
    for layer in chain:
        steps, weights = _steps(layer, last=layer is chain[-1])
        if steps:
            name = LABELS[type(layer)]
            counts[name] = counts.get(name, 0) + 1
            steps[-1]["label"] = f"{name} {counts[name]}" if name in ("convolution", "pooling") else name
        plan += steps
        arrays += weights
    return plan, arrays


LABELS = {layers.Rescaling: "scaling", layers.Conv2D: "convolution", layers.MaxPooling2D: "pooling", layers.Dense: "dense"}


def _steps(layer, last):
    kind = type(layer)
    shape, out = _grid(layer.input.shape), _grid(layer.output.shape)
    if kind in (layers.Flatten, layers.Reshape, layers.Dropout):
        return [], []
    if kind is layers.Rescaling and not np.any(layer.offset):
        return [{"kind": "scale", "shape": shape, "out": out, "factor": float(layer.scale)}], []
    if kind is layers.MaxPooling2D and layer.padding == "valid" and layer.strides == layer.pool_size:
        return [{"kind": "maximum", "shape": shape, "out": out, "size": list(layer.pool_size)}], []
    plain = kind is layers.Dense or (
        kind is layers.Conv2D and (layer.strides, layer.dilation_rate, layer.padding) == ((1, 1), (1, 1), "valid")
    )
    known = (keras.activations.relu, keras.activations.linear, *([keras.activations.softmax] if last else []))
    if not plain or layer.activation not in known or getattr(layer, "groups", 1) != 1:
        raise ValueError(f"model: layer {layer.name}, a {kind.__name__}, is not of a form that the page computes")
    if kind is layers.Dense:  # one window as large as its input
        shape = [1, 1, int(np.prod(shape))]
    bias = layer.bias if layer.use_bias else np.zeros(out[2])
    window = list(layer.kernel_size) if kind is layers.Conv2D else [1, 1]
    steps = [{"kind": "product", "shape": shape, "out": out, "size": window}]
    if layer.activation is keras.activations.relu:
        steps.append({"kind": "relu", "shape": out, "out": out})
    return steps, [np.asarray(layer.kernel), np.asarray(bias)]


def _grid(shape):
    """(height, width, channels) of one example; 1 where there is none."""
    if len(shape) == 2:
        return [1, 1, int(shape[1])]
    return [int(n) for n in (*shape[1:], 1)[:3]]
