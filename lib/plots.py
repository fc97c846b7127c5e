"""The book's figures: one style, colour-blind-safe colours, and a handful of kinds.

Signed values are drawn in red (positive) and blue (negative) around a white zero.  A function draws on axes that it is
given and returns them; `panels` makes the axes.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns

from lib.data import is_sample

plt.style.use(Path(__file__).with_name("book.mplstyle"))

SIGNED, COUNTS = "RdBu_r", "Blues"
BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
WIDTH = 6.4  # inches: the width of the page's text


def panels(rows=1, columns=1, *, height=2.5, width=WIDTH, **options):
    """Return a figure with rows × columns axes, as an array of that shape; `height` is a row's, in inches.

    On stand-in data the figure's title says so.
    """
    figure, axes = plt.subplots(rows, columns, figsize=(width, height * rows), squeeze=False, **options)
    if is_sample():
        figure.suptitle("stand-in data, not the real set", color=ORANGE)
    return figure, axes


def image(axis, pixels, title="", **options):
    """Draw one image: (height, width) in grey levels 0–255, or (height, width, 3) in colour."""
    axis.imshow(pixels, **({"vmin": 0, "vmax": 255} | options))
    return _bare(axis, title)


def image_grid(axes, images, titles=None):
    """Draw images on as many axes, row by row; axes left over are hidden, None among the images leaves a white field."""
    flat = np.asarray(axes).ravel()
    if len(images) > len(flat):
        raise ValueError(f"images: {len(images)} do not fit on {len(flat)} axes")
    for k, axis in enumerate(flat):
        if k >= len(images):
            axis.set_visible(False)
        elif images[k] is None:
            _bare(axis, "")
        else:
            image(axis, images[k], titles[k] if titles is not None else "")
    return axes


def signed_map(axis, values, title="", *, limit=None):
    """Draw signed values (height, width) with zero in white; `limit` is the value of the strongest colour."""
    limit = limit or np.abs(values).max() or 1.0
    drawn = axis.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit)
    _bare(axis, title)
    return drawn


def signed_maps(axes, values, titles=None, *, limit=None, label=""):
    """Draw one signed map on each of the axes, all on one scale, with one colour bar that names the range."""
    flat = np.asarray(axes).ravel()
    if len(flat) != len(values):
        raise ValueError(f"values: expected {len(flat)} maps, one for each of the axes, got {len(values)}")
    limit = limit or np.abs(values).max()
    for k, axis in enumerate(flat):
        drawn = signed_map(axis, values[k], titles[k] if titles is not None else "", limit=limit)
    flat[0].figure.colorbar(drawn, ax=list(flat), label=label, shrink=0.8, pad=0.01)
    return axes


def matrix(axis, values, names, *, signed=False, form=".2f", x="", y="", limit=None):
    """Draw a square matrix with its numbers written in; `signed` centres the colours on zero."""
    limit = limit or np.abs(values).max()
    colours = {"cmap": SIGNED, "vmin": -limit, "vmax": limit} if signed else {"cmap": COUNTS, "vmin": 0, "vmax": limit}
    sns.heatmap(
        values, ax=axis, annot=True, fmt=form, cbar=False, square=True, linewidths=0.5, annot_kws={"size": 8.5}, **colours
    )
    axis.set_xticklabels(names)
    axis.set_yticklabels(names, rotation=0)
    axis.set(xlabel=x, ylabel=y)
    return axis


def confusion_matrix(axis, counts, names):
    """Draw a confusion matrix, rows true and columns predicted; colours show the mistakes, the diagonal is left white."""
    mistakes = counts - np.diag(np.diag(counts))
    matrix(axis, mistakes, names, form="d", x="predicted class", y="true class")
    for text, count in zip(axis.texts, counts.ravel(), strict=True):
        text.set_text(str(count))
    for k, text in enumerate(axis.texts):
        if k % (len(names) + 1) == 0:
            text.set(fontweight="bold", color="black")
    return axis


def bars(axis, values, names, *, highlight=None, spread=None, label=""):
    """Draw one bar for each name; `highlight` is the row number of the bar to stress, `spread` adds error bars."""
    colours = [ORANGE if k == highlight else BLUE for k in range(len(values))]
    axis.bar(range(len(values)), values, color=colours, yerr=spread, capsize=3)
    axis.set_xticks(range(len(values)), names)
    axis.set_ylabel(label)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.grid(visible=False, axis="x")
    return axis


def _bare(axis, title):
    axis.set_xticks([])
    axis.set_yticks([])
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
    axis.set_title(title)
    return axis
