"""What widgets with a drawing board share: pictures to pick from, and the picture that the reader drew."""

import base64

import numpy as np
import traitlets

from lib.widgets.base import BookWidget, as_bytes

LEVELS = 15  # a drawn pixel has 16 grey levels, so that a drawing fits into a link


class Drawing(BookWidget):
    """A widget that shows one picture: one of its own, or the reader's drawing.

    digits    (n, height, width) uint8: pictures to pick from
    labels    (n,) their class numbers
    class_names  one a class

    `digit` is the row number of the picked picture, −1 while a drawing is shown; `pixels` is the picture itself.  Both can
    be read and set.  Raises ValueError when shapes do not fit together.
    """

    images = traitlets.Bytes().tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    size = traitlets.List(traitlets.Int()).tag(sync=True)
    digit = traitlets.Int(0).tag(sync=True)
    drawing = traitlets.Unicode("").tag(sync=True)

    def __init__(self, digits, labels, class_names, **options):
        digits, labels = np.asarray(digits), np.asarray(labels)
        if digits.dtype != np.uint8 or digits.ndim != 3 or len(digits) == 0:
            raise ValueError(f"digits: expected uint8 (n, height, width), got {digits.dtype} {digits.shape}")
        if labels.shape != digits.shape[:1] or not np.isin(labels, np.arange(len(class_names))).all():
            raise ValueError(f"labels: expected one class number for each of {len(digits)} digits, got {labels.shape}")
        super().__init__(
            images=as_bytes(digits, np.uint8),
            labels=[int(label) for label in labels],
            names=[str(name) for name in class_names],
            size=list(digits.shape[1:]),
            **options,
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
