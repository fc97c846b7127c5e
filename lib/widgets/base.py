"""What all widgets of the book share."""

import re
from io import BytesIO
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from PIL import Image

HERE = Path(__file__).parent
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.M)


def script(name):
    """Return a widget's front end as one ES module: the scripts that it imports, each once, then its own."""
    return "\n".join(_parts(name, {}).values())


def _parts(name, found):
    """Collect a script and what it imports, in the order in which they are needed, without the import lines."""
    text = (HERE / f"{name}.js").read_text(encoding="utf-8")
    for other in IMPORT.findall(text):
        if other not in found:
            _parts(other, found)
    found[name] = IMPORT.sub("", text)
    return found


def style():
    """Return the style sheet that all widgets share."""
    return (HERE / "style.css").read_text(encoding="utf-8")


class BookWidget(anywidget.AnyWidget):
    """A widget with one line that says what to try, and a list of the traits that a link to the page carries.

    hint    the line under the widget
    shared  names of the traits that the static page keeps in its address
    """

    hint = traitlets.Unicode().tag(sync=True)
    shared = traitlets.List(traitlets.Unicode()).tag(sync=True)

    def __repr__(self):
        """Name the widget; nothing in it changes from run to run."""
        return f"{type(self).__name__} widget: {self.hint}"


def as_bytes(array, dtype):
    """Return an array's values as little-endian bytes; NaN and infinities are a ValueError."""
    array = np.asarray(array)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError("array: expected finite numbers")
    return np.ascontiguousarray(array, np.dtype(dtype).newbyteorder("<")).tobytes()


def sprite(images, columns=32):
    """Return images (n, height, width[, 3]) uint8 as one picture file of `columns` tiles a row.

    Grey images become a PNG, exact; colour photographs a WebP, much smaller and slightly soft.
    """
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or len(images) == 0:
        raise ValueError(f"images: expected uint8 (n, height, width[, 3]), got {images.dtype} {images.shape}")
    rows = -(-len(images) // columns)
    sheet = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    sheet[: len(images)] = images
    sheet = sheet.reshape(rows, columns, *images.shape[1:]).swapaxes(1, 2)  # (rows, height, columns, width, …)
    sheet = sheet.reshape(rows * images.shape[1], columns * images.shape[2], *images.shape[3:])
    file = BytesIO()
    form, options = ("PNG", {"optimize": True}) if sheet.ndim == 2 else ("WEBP", {"quality": 60, "method": 6})
    Image.fromarray(sheet).save(file, form, **options)
    return file.getvalue()
