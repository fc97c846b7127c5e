"""Widget *templates*: pick a digit or draw one, and see how each template scores it (chapter 1)."""

import numpy as np
import traitlets

from lib.widgets.base import as_bytes, script, style
from lib.widgets.drawing import Drawing


class Templates(Drawing):
    """Score a picture against the templates of a network without hidden layers.

    templates (classes, height, width), biases (classes,): the network's weights
    digits    (n, height, width) uint8: pictures to pick from
    labels    (n,) their class numbers
    class_names  one a class

    What the reader does can be read and set from Python: `digit`, the row number of the picked picture (−1 while a
    drawing is shown); `template`, the class looked at; `pixels`, the picture itself.  Raises ValueError when shapes do
    not fit together.

    Example: ``Templates(templates(model), biases, x_test[:100], y_test[:100], class_names)``
    """

    _esm = script("templates")
    _css = style()

    weights = traitlets.Bytes().tag(sync=True)
    biases = traitlets.List(traitlets.Float()).tag(sync=True)
    template = traitlets.Int(0).tag(sync=True)

    def __init__(self, templates, biases, digits, labels, class_names, **options):
        templates, biases = np.asarray(templates), np.asarray(biases)
        _check(templates, biases, np.asarray(digits), class_names)
        super().__init__(
            digits,
            labels,
            class_names,
            weights=as_bytes(templates, np.float32),
            biases=[float(bias) for bias in biases],
            shared=["digit", "template", "drawing"],
            **({"hint": "Draw on the black square, or pick a digit; then choose a class to see its template."} | options),
        )

    @traitlets.validate("template")
    def _template_in_range(self, proposal):
        if not 0 <= proposal.value < max(len(self.names), 1):
            raise traitlets.TraitError(f"template: expected 0 … {len(self.names) - 1}, got {proposal.value}")
        return proposal.value


def _check(templates, biases, digits, class_names):
    if templates.ndim != 3:
        raise ValueError(f"templates: expected shape (classes, height, width), got {templates.shape}")
    if biases.shape != templates.shape[:1]:
        raise ValueError(f"biases: expected one for each of {len(templates)} templates, got shape {biases.shape}")
    if len(class_names) != len(templates):
        raise ValueError(f"class_names: expected {len(templates)}, got {len(class_names)}")
    if digits.shape[1:] != templates.shape[1:]:
        raise ValueError(f"digits: expected shape (n, *{templates.shape[1:]}), got {digits.shape}")
