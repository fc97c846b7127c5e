"""Widget *embeddings*: pictures as points that travel from layer to layer (chapter 8)."""

import itertools

import numpy as np
import traitlets
from PIL import Image

from lib.embeddings import METRICS
from lib.widgets.base import HERE, BookWidget, as_bytes, script, sprite, style

COLUMNS = 50  # tiles in a row of the sprite
TILE = 14  # pixels: pictures are made smaller to save bytes
LEVELS = 4095  # a coordinate is a whole number from 0 to this, in 12 bits
MARGIN = 0.03  # of the map, left free on each side
HINT = (
    "Choose a layer and watch the points travel. Point at one, tap it or walk with the arrow keys to see its picture. "
    "Drag over a region, or press Enter, to hold its points and follow them."
)
FIELDS = ("images", "labels", "class_names", "maps", "quality")
METHOD_NAMES = {"tsne": "t-SNE", "umap": "UMAP"}


class Embeddings(BookWidget):
    """Show embeddings of one or more data sets, by method, network and layer; points travel from one to the next.

    data: {title: result}, a result being a dict of
        images       (n, height, width) uint8, as many in every data set
        labels       (n,) class numbers
        class_names  one a class, at most 10
        maps         {(method, network, layer): (n, 2)}, every combination of the methods, networks and layers that occur
        quality      the same keys, each with what `lib.embeddings.quality` returns, of these or of more points

    Read and set from Python: `data`, `method`, `network` and `layer`, the map shown; `point`, the row number of the
    picture shown (−1: none); `region`, [data, method, network, layer, left, top, right, bottom], the first four counted from
    0 and the others shares of that map from 0 to 1 (eight zeros: none).  `held` are the row numbers of the points in it.
    Raises ValueError when a field or a map is missing or shapes do not fit together.

    Example: ``Embeddings({"MNIST": {"images": x, "labels": y, "class_names": names, "maps": maps, "quality": found}})``
    """

    _esm = script("embeddings")
    _css = style() + (HERE / "embeddings.css").read_text(encoding="utf-8")

    sets = traitlets.List(traitlets.Dict()).tag(sync=True)
    methods = traitlets.List(traitlets.Unicode()).tag(sync=True)
    networks = traitlets.List(traitlets.Unicode()).tag(sync=True)
    layers = traitlets.List(traitlets.Unicode()).tag(sync=True)
    size = traitlets.Int().tag(sync=True)
    places = traitlets.Bytes().tag(sync=True)
    labels = traitlets.Bytes().tag(sync=True)
    sprite = traitlets.Bytes().tag(sync=True)
    data = traitlets.Unicode().tag(sync=True)
    method = traitlets.Unicode().tag(sync=True)
    network = traitlets.Unicode().tag(sync=True)
    layer = traitlets.Unicode().tag(sync=True)
    point = traitlets.Int(-1).tag(sync=True)
    region = traitlets.List(traitlets.Float(), [0] * 8, minlen=8, maxlen=8).tag(sync=True)

    def __init__(self, data, **options):
        if not data:
            raise ValueError("data: expected at least one data set")
        first = next(iter(data.values()))
        axes = [list(dict.fromkeys(names)) for names in zip(*first.get("maps", {}), strict=True)]
        size = len(first.get("images", ()))
        for title, result in data.items():
            _check(title, result, axes, size)
        keys = list(itertools.product(*axes))
        squares = [_square(result["maps"][key]) for result in data.values() for key in keys]
        methods = [METHOD_NAMES.get(name, name) for name in axes[0]]
        super().__init__(
            sets=[_set(title, result, keys) for title, result in data.items()],
            methods=methods,
            networks=axes[1],
            layers=axes[2],
            size=size,
            places=_packed(np.array(squares)),
            labels=as_bytes(np.array([result["labels"] for result in data.values()]), np.uint8),
            sprite=sprite(np.concatenate([_small(result["images"]) for result in data.values()]), COLUMNS),
            shared=["data", "method", "network", "layer", "point", "region"],
            **(
                {"data": next(iter(data)), "method": methods[0], "network": axes[1][0], "layer": axes[2][0], "hint": HINT}
                | options
            ),
        )

    @property
    def held(self):
        """Row numbers of the points that the region holds, in order; none when there is no region."""
        place, (left, top, right, bottom) = [int(k) for k in self.region[:4]], self.region[4:]
        if right <= left:
            return np.zeros(0, int)
        shape = (len(self.sets), len(self.methods), len(self.networks), len(self.layers), self.size, 2)
        x, y = _unpacked(self.places).reshape(shape)[tuple(place)].T
        return np.flatnonzero((left <= x) & (x <= right) & (top <= y) & (y <= bottom))

    @traitlets.validate("data", "method", "network", "layer")
    def _known(self, proposal):
        name = proposal.trait.name
        known = [one["title"] for one in self.sets] if name == "data" else getattr(self, f"{name}s")
        if known and proposal.value not in known:
            raise traitlets.TraitError(f"{name}: expected one of {', '.join(known)}, got {proposal.value!r}")
        return proposal.value

    @traitlets.validate("point")
    def _point_in_range(self, proposal):
        if not -1 <= proposal.value < max(self.size, 1):
            raise traitlets.TraitError(f"point: expected −1 … {self.size - 1}, got {proposal.value}")
        return proposal.value

    @traitlets.validate("region")
    def _region_of_a_map(self, proposal):
        counts = (len(self.sets), len(self.methods), len(self.networks), len(self.layers))
        place, corners = proposal.value[:4], proposal.value[4:]
        known = all(k in range(n) for k, n in zip(place, counts, strict=True))
        if self.size and not (known and all(0 <= c <= 1 for c in corners)):
            raise traitlets.TraitError(
                "region: expected [data, method, network, layer, left, top, right, bottom], four whole numbers that count "
                f"from 0 and four shares from 0 to 1, got {proposal.value}"
            )
        return proposal.value


def _check(title, result, axes, size):
    missing = [field for field in FIELDS if field not in result]
    if missing:
        raise ValueError(f"data[{title!r}]: no {', '.join(missing)}")
    images, labels = np.asarray(result["images"]), np.asarray(result["labels"])
    if images.dtype != np.uint8 or images.ndim != 3 or len(images) != size or size == 0:
        raise ValueError(
            f"data[{title!r}]: images must be uint8 ({size or 'n'}, height, width), got {images.dtype} {images.shape}"
        )
    n = len(result["class_names"])
    if labels.shape != (size,) or n > 10 or labels.min() < 0 or labels.max() >= n:
        raise ValueError(f"data[{title!r}]: labels must be {size} class numbers, with at most 10 class names")
    for key in itertools.product(*axes):
        if key not in result["maps"] or np.shape(result["maps"][key]) != (size, 2):
            raise ValueError(f"data[{title!r}]: maps must have an array of shape ({size}, 2) for {key}")
        if key not in result["quality"] or not set(METRICS) <= set(result["quality"][key]):
            raise ValueError(f"data[{title!r}]: quality must have {', '.join(METRICS)} for {key}")


def _set(title, result, keys):
    quality = [[round(float(result["quality"][key][name]), 4) for name in METRICS] for key in keys]
    return {"title": title, "names": [str(name) for name in result["class_names"]], "quality": quality}


def _square(points):
    """Fit points into the unit square, y downwards, both directions on one scale."""
    points = np.asarray(points, float) * [1, -1]
    low, high = points.min(axis=0), points.max(axis=0)
    extent = max(*(high - low), 1e-12)
    return 0.5 + (points - (low + high) / 2) * (1 - 2 * MARGIN) / extent


def _packed(values):
    """Values from 0 to 1 as 12-bit numbers, two in three bytes."""
    first, second = np.rint(values * LEVELS).astype(np.uint16).reshape(-1, 2).T
    return as_bytes(np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1), np.uint8)


def _unpacked(data):
    high, middle, low = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(int).T
    return np.stack([high << 4 | middle >> 4, (middle & 15) << 8 | low], axis=1).ravel() / LEVELS


def _small(images):
    """Pictures of TILE × TILE pixels, in three equal colours, as a sprite packs them best."""
    small = [np.asarray(Image.fromarray(image).resize((TILE, TILE), Image.Resampling.LANCZOS)) for image in images]
    return np.repeat(np.array(small)[..., None], 3, axis=-1)
