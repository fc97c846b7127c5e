"""Widget *sample*: a random sample of a data set's images, drawn anew at each press (chapter 2)."""

import numpy as np
import traitlets

from lib.widgets.base import BookWidget, script, sprite, style

COLUMNS = 32  # tiles in a row of the sprite


class Sample(BookWidget):
    """Show a random sample of images, class by class.

    images (n, height, width[, 3]) uint8, labels (n,) class numbers, class_names one a class

    `seed` decides the sample, `chosen` the class that is shown alone (−1: all classes); both can be read and set from
    Python.  Raises ValueError when shapes do not fit together.

    Example: ``Sample(x_train[:200], y_train[:200], class_names)``
    """

    _esm = script("sample")
    _css = style()

    sprites = traitlets.List().tag(sync=True)
    labels = traitlets.List(traitlets.Int()).tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    size = traitlets.List(traitlets.Int()).tag(sync=True)
    seed = traitlets.Int(1, min=0).tag(sync=True)
    chosen = traitlets.Int(-1, min=-1).tag(sync=True)

    def __init__(self, images, labels, class_names, **options):
        images, labels = np.asarray(images), np.asarray(labels)
        if labels.shape != (len(images),) or not np.isin(labels, np.arange(len(class_names))).all():
            raise ValueError(f"labels: expected one class number for each of {len(images)} images, got {labels.shape}")
        super().__init__(
            sprites=[sprite(images, COLUMNS)],
            labels=[int(label) for label in labels],
            names=[str(name) for name in class_names],
            size=list(images.shape[1:3]),
            shared=["seed", "chosen"],
            **({"hint": "Press for a new sample; choose a class to see only its images."} | options),
        )
