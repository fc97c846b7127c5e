"""Widget *templates*: pick a digit or draw one, and see how each template scores it (chapter 1)."""

import base64

import numpy as np
import traitlets

from lib.widgets.base import BookWidget, as_bytes, script, style

LEVELS = 15  # a drawn pixel has 16 grey levels, so that a drawing fits into a link


class Templates(BookWidget):
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
    images = traitlets.Bytes().tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    size = traitlets.List(traitlets.Int()).tag(sync=True)
    digit = traitlets.Int(0).tag(sync=True)
    template = traitlets.Int(0).tag(sync=True)
    drawing = traitlets.Unicode("").tag(sync=True)

    def __init__(self, templates, biases, digits, labels, class_names, **options):
        templates, biases, digits, labels = map(np.asarray, (templates, biases, digits, labels))
        _check(templates, biases, digits, labels, class_names)
        super().__init__(
            weights=as_bytes(templates, np.float32),
            biases=[float(bias) for bias in biases],
            images=as_bytes(digits, np.uint8),
            labels=[int(label) for label in labels],
            names=[str(name) for name in class_names],
            size=list(digits.shape[1:]),
            shared=["digit", "template", "drawing"],
            **({"hint": "Draw on the black square, or pick a digit; then choose a class to see its template."} | options),
        )

    @property
    def pixels(self):
        """The picture that is scored: uint8 of shape (height, width)."""
        if self.digit >= 0:
            images = np.frombuffer(self.images, np.uint8).reshape(-1, *self.size)
            return images[self.digit].copy()
        packed = np.frombuffer(base64.urlsafe_b64decode(self.drawing + "=" * (-len(self.drawing) % 4)), np.uint8)
        levels = np.stack([packed >> 4, packed & LEVELS], axis=1).ravel()[: self.size[0] * self.size[1]]
        return (levels * (255 // LEVELS)).reshape(self.size)

    @pixels.setter
    def pixels(self, image):
        image = np.asarray(image)
        if image.shape != tuple(self.size) or image.dtype != np.uint8:
            raise ValueError(f"pixels: expected uint8 of shape {tuple(self.size)}, got {image.dtype} of {image.shape}")
        levels = np.round(image.ravel() / (255 / LEVELS)).astype(np.uint8)
        levels = np.append(levels, np.zeros(levels.size % 2, np.uint8)).reshape(-1, 2)
        packed = (levels[:, 0] << 4 | levels[:, 1]).tobytes()
        with self.hold_sync():
            self.drawing = base64.urlsafe_b64encode(packed).decode().rstrip("=")
            self.digit = -1

    @traitlets.validate("digit")
    def _digit_in_range(self, proposal):
        n = len(self.labels)
        if not -1 <= proposal.value < max(n, 1):
            raise traitlets.TraitError(f"digit: expected −1 (the drawing) or 0 … {n - 1}, got {proposal.value}")
        return proposal.value

    @traitlets.validate("template")
    def _template_in_range(self, proposal):
        if not 0 <= proposal.value < max(len(self.names), 1):
            raise traitlets.TraitError(f"template: expected 0 … {len(self.names) - 1}, got {proposal.value}")
        return proposal.value


def _check(templates, biases, digits, labels, class_names):
    if templates.ndim != 3:
        raise ValueError(f"templates: expected shape (classes, height, width), got {templates.shape}")
    if biases.shape != templates.shape[:1]:
        raise ValueError(f"biases: expected one for each of {len(templates)} templates, got shape {biases.shape}")
    if len(class_names) != len(templates):
        raise ValueError(f"class_names: expected {len(templates)}, got {len(class_names)}")
    if digits.dtype != np.uint8 or digits.shape[1:] != templates.shape[1:] or len(digits) == 0:
        raise ValueError(f"digits: expected uint8 (n, *{templates.shape[1:]}), got {digits.dtype} {digits.shape}")
    if labels.shape != digits.shape[:1] or not np.isin(labels, np.arange(len(templates))).all():
        raise ValueError(f"labels: expected one class number for each of {len(digits)} digits, got {labels.shape}")
