import base64
import itertools
import subprocess

import keras
import numpy as np
import pytest
import traitlets
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from lib.embeddings import METRICS
from lib.models import multilayer_perceptron, softmax_regression
from lib.relevance import Rules, explain
from lib.templates import confusion, products, templates, top_samples
from lib.widgets.base import script, sprite, style
from lib.widgets.confusion import Confusion
from lib.widgets.embeddings import Embeddings
from lib.widgets.hidden import Hidden
from lib.widgets.relevance import RelevanceMap
from lib.widgets.removal import Removal
from lib.widgets.sample import Sample
from lib.widgets.templates import Templates

RANDOM = np.random.default_rng(0)
NAMES = [f"class {k}" for k in range(3)]


def template_widget(**changes):
    arguments = {
        "templates": RANDOM.normal(size=(3, 5, 4)),
        "biases": np.array([0.5, -1, 2]),
        "digits": RANDOM.integers(0, 256, (6, 5, 4), dtype=np.uint8),
        "labels": np.arange(6) % 3,
        "class_names": NAMES,
    }
    return Templates(**(arguments | changes))


def result(images, seed=0):
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.ones(3), len(images))
    y = np.arange(len(images)) % 3
    counts, samples = confusion(y, p.argmax(axis=1), 3), top_samples(p, y, 2)
    return {"counts": counts, "samples": samples, "probabilities": p, "images": images, "class_names": NAMES}


IMAGES = RANDOM.integers(0, 256, (40, 5, 4), dtype=np.uint8)


def decoded(png):
    import io

    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(png)))


# templates, in Python


def test_arrays_travel_as_little_endian_bytes():
    weights = RANDOM.normal(size=(3, 5, 4))
    widget = template_widget(templates=weights)
    np.testing.assert_array_equal(np.frombuffer(widget.weights, "<f4"), weights.astype("<f4").ravel())
    assert widget.size == [5, 4]


def test_pixels_are_those_of_the_picked_digit():
    digits = RANDOM.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    widget = template_widget(digits=digits, digit=4)
    np.testing.assert_array_equal(widget.pixels, digits[4])


@pytest.mark.parametrize("shape", [(5, 4), (3, 3)])
def test_pixels_set_from_python_are_read_back_to_sixteen_levels(shape):
    widget = template_widget(templates=np.zeros((3, *shape)), digits=np.zeros((6, *shape), np.uint8))
    picture = RANDOM.integers(0, 256, shape, dtype=np.uint8)
    widget.pixels = picture
    assert widget.digit == -1
    np.testing.assert_array_equal(widget.pixels, np.round(picture / 17) * 17)


def test_pixels_of_another_shape_or_type_are_refused_and_nothing_is_lost():
    widget = template_widget(digit=2)
    before = widget.pixels
    for wrong in (np.zeros((4, 5), np.uint8), np.zeros((5, 4))):
        with pytest.raises(ValueError, match="pixels: expected uint8 of shape"):
            widget.pixels = wrong
    np.testing.assert_array_equal(widget.pixels, before)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"templates": np.zeros((3, 20))}, "templates"),
        ({"biases": np.zeros(2)}, "biases"),
        ({"class_names": NAMES[:2]}, "class_names"),
        ({"digits": np.zeros((6, 5, 4))}, "digits"),
        ({"digits": np.zeros((6, 4, 4), np.uint8)}, "digits"),
        ({"labels": np.zeros(5, int)}, "labels"),
        ({"labels": np.full(6, 3)}, "labels"),
        ({"templates": np.full((3, 5, 4), np.nan)}, "array"),
    ],
)
def test_bad_arrays_are_named(changes, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        template_widget(**changes)


@pytest.mark.parametrize(("trait", "value"), [("digit", 6), ("digit", -2), ("template", 3), ("template", -1)])
def test_choices_out_of_range_are_refused(trait, value):
    widget = template_widget()
    with pytest.raises(traitlets.TraitError, match=f"{trait}: expected"):
        setattr(widget, trait, value)
    assert getattr(widget, trait) == 0


# confusion, in Python


def test_every_tile_of_the_sprite_is_the_sample_it_stands_for():
    one = result(IMAGES)
    widget = Confusion({"one": one})
    panel, sheet = widget.panels[0], decoded(widget.sprites[0])
    for i in range(3):
        for j in range(3):
            for tile, row in zip(panel["tiles"][i][j], one["samples"][i, j], strict=True):
                assert (tile == -1) == (row == -1)
                if tile >= 0:
                    y, x = 5 * (tile // 32), 4 * (tile % 32)
                    np.testing.assert_array_equal(sheet[y : y + 5, x : x + 4], IMAGES[row])


def test_confidences_are_those_of_the_predicted_class():
    one = result(IMAGES)
    panel = Confusion({"one": one}).panels[0]
    row = one["samples"][1, 2, 0]
    assert panel["confidences"][1][2][0] == pytest.approx(one["probabilities"][row, 2], abs=1e-4)


def test_models_of_one_data_set_share_a_sprite():
    other = RANDOM.integers(0, 256, (40, 5, 4), dtype=np.uint8)
    widget = Confusion({"a": result(IMAGES, 1), "b": result(IMAGES, 2), "c": result(other, 3)})
    assert [panel["sprite"] for panel in widget.panels] == [0, 0, 1]
    assert len(widget.sprites) == 2


def test_it_opens_on_the_largest_mistake():
    one = result(IMAGES)
    row, column = Confusion({"one": one}).cell
    mistakes = one["counts"] - np.diag(np.diag(one["counts"]))
    assert row != column
    assert mistakes[row, column] == mistakes.max()


@pytest.mark.parametrize("damage", ["counts", "samples", "probabilities"])
def test_models_with_missing_or_misshapen_fields_are_named(damage):
    one = result(IMAGES)
    with pytest.raises(ValueError, match=rf"models\['m'\]: {damage} has shape"):
        Confusion({"m": one | {damage: np.asarray(one[damage])[:2]}})
    one.pop(damage)
    with pytest.raises(ValueError, match=rf"models\['m'\]: no {damage}"):
        Confusion({"m": one})


def test_no_model_or_an_unknown_cell_or_title_is_refused():
    with pytest.raises(ValueError, match="models: expected at least one"):
        Confusion({})
    widget = Confusion({"one": result(IMAGES)})
    with pytest.raises(traitlets.TraitError, match="cell: expected"):
        widget.cell = [0, 3]
    with pytest.raises(traitlets.TraitError, match="model: expected one of"):
        widget.model = "two"


def test_sprite_of_colour_images_is_nearly_exact_and_bad_images_are_named():
    colour = np.repeat(np.repeat(RANDOM.integers(0, 256, (5, 2, 2, 3), dtype=np.uint8), 16, axis=1), 16, axis=2)
    tile = decoded(sprite(colour, columns=2))[32:64, 32:64].astype(int)
    assert np.abs(tile - colour[3]).mean() < 12
    with pytest.raises(ValueError, match="images: expected uint8"):
        sprite(colour / 255)


# sample


def test_sample_keeps_labels_and_names_what_does_not_fit():
    widget = Sample(IMAGES[:4], np.array([0, 1, 1, 2]), NAMES)
    assert (widget.labels, widget.names, widget.size) == ([0, 1, 1, 2], NAMES, [5, 4])
    for labels in (np.zeros(3, int), np.array([0, 1, 1, 3])):
        with pytest.raises(ValueError, match="labels: expected one class number for each of 4 images"):
            Sample(IMAGES[:4], labels, NAMES)
    with pytest.raises(traitlets.TraitError):
        widget.seed = -1


def test_a_sample_has_different_members_of_the_right_class_and_the_seed_decides(node):
    labels = (np.arange(60) % 3).tolist()
    rows = node("sample", "sample", [labels, 3, 5, -1])
    assert [len(set(row)) for row in rows] == [8, 8, 8]
    assert all(tile % 3 == k for k, row in enumerate(rows) for tile in row)
    assert rows == node("sample", "sample", [labels, 3, 5, -1])
    assert rows != node("sample", "sample", [labels, 3, 6, -1])
    alone = node("sample", "sample", [labels, 3, 5, 1])
    assert sorted(tile for row in alone for tile in row) == list(range(1, 60, 3))


def test_every_member_is_drawn_about_equally_often(node):
    drawn = [tile for seed in range(40) for tile in node("sample", "draw", [list(range(10)), 5, seed])]
    counts = np.bincount(drawn, minlength=10)
    assert counts.sum() == 200
    assert counts.min() >= 8  # 20 expected, standard deviation 3.2


# hidden


def hidden_network(seed=0, units=4):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in ((20, units), (units,), (units, 3), (3,))]


def hidden_widget(**changes):
    arguments = {
        "networks": {"one": hidden_network(0), "two": hidden_network(1)},
        "digits": RANDOM.integers(0, 256, (6, 5, 4), dtype=np.uint8),
        "labels": np.arange(6) % 3,
        "class_names": NAMES,
    }
    return Hidden(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"networks": {}}, "at least one"),
        ({"networks": {"one": hidden_network()[:3]}}, "kernel, biases, kernel, biases"),
        ({"networks": {"one": hidden_network(units=27)}}, "1 to 26 hidden units"),
        ({"networks": {"one": hidden_network(), "two": hidden_network(units=5)}}, "arrays of shapes .*'two' has"),
        ({"networks": {"one": hidden_network()}, "class_names": NAMES[:2]}, "arrays of shapes .*'one' has"),
    ],
)
def test_networks_that_do_not_fit_are_named(changes, named):
    with pytest.raises(ValueError, match=f"^networks: expected .*{named}|^networks: expected {named}"):
        hidden_widget(**changes)


@pytest.mark.parametrize(
    ("trait", "value"), [("unit", 4), ("target", 3), ("off", 16), ("off", -1), ("network", "three"), ("digit", 6)]
)
def test_states_out_of_range_are_refused(trait, value):
    widget = hidden_widget()
    before = getattr(widget, trait)
    with pytest.raises(traitlets.TraitError, match=f"{trait}: expected"):
        setattr(widget, trait, value)
    assert getattr(widget, trait) == before
    widget.off = 15
    assert widget.off == 15


def test_hidden_units_scores_and_switches_equal_the_keras_model(node):
    models = [multilayer_perceptron((5, 4), 3, (4,)) for _ in range(2)]
    for model in models:
        model.layers[2].bias.assign(RANDOM.normal(size=4))
        model.layers[3].bias.assign(RANDOM.normal(size=3))
    image = RANDOM.integers(0, 256, (5, 4), dtype=np.uint8)
    widget = hidden_widget(networks={f"seed {k}": model.get_weights() for k, model in enumerate(models)})
    packed, pixels = np.frombuffer(widget.weights, "<f4").tolist(), image.ravel().tolist()
    for k, model in enumerate(models):
        net = node("hidden", "network", [packed, k, 20, 4, 3])
        active = node("hidden", "activations", [net, pixels])
        kernel, bias, out, out_bias = model.get_weights()
        expected = np.maximum(image.ravel() / 255 @ kernel + bias, 0)
        np.testing.assert_allclose(active, expected, atol=1e-5)
        parts = node("hidden", "contributions", [net, active, 0])
        np.testing.assert_allclose(parts, (expected[:, None] * out).T, atol=1e-5)
        p = node("hidden", "softmax", [node("hidden", "scores", [net, parts])])
        np.testing.assert_allclose(p, model.predict(image[None], verbose=0)[0], atol=1e-5)
        switched = node("hidden", "scores", [net, node("hidden", "contributions", [net, active, 0b0110])])
        np.testing.assert_allclose(switched, (expected * [1, 0, 0, 1]) @ out + out_bias, atol=1e-5)


def test_a_sum_is_spelled_out(node):
    text = node("hidden", "describe", ["0", [9, 0, -1.5, 3.25, 0.5], -0.2, 11.05])
    assert text == "0: 12.8 for, 1.5 against, bias −0.2: score 11.1. Loudest: a (+9.0), d (+3.3), c (−1.5)."
    assert node("hidden", "describe", ["0", [0, 0], 0.5, 0.5]) == "0: 0.0 for, 0.0 against, bias 0.5: score 0.5."


# removal


def removal_arrays(n=5, seed=0):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape).astype(np.float32) for shape in ((2, n), (n,), (n, 2), (2,))]


def removal_widget(n=5, **changes):
    x = np.random.default_rng(1).uniform(-1, 1, (30, 2))
    y = (np.hypot(*x.T) > 0.8).astype(int)
    arguments = {"arrays": removal_arrays(n), "x": x, "y": y, "losses": np.linspace(0.1, 2, 2**n), "radius": 0.8}
    return Removal(**(arguments | changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"arrays": removal_arrays()[:3]}, "arrays"),
        ({"arrays": [*removal_arrays()[:3], np.zeros(3)]}, "arrays"),
        ({"x": np.zeros((30, 3))}, "x"),
        ({"y": np.zeros(29)}, "y"),
        ({"y": np.full(30, 2)}, "y"),
        ({"losses": np.ones(31)}, "losses"),
        ({"losses": np.zeros(32)}, "losses"),
        ({"radius": -1}, "radius"),
        ({"classes": ("one",)}, "classes"),
        ({"x": np.full((30, 2), np.nan)}, "array"),
    ],
)
def test_what_does_not_fit_a_removal_is_named(changes, named):
    with pytest.raises(ValueError, match=f"^{named}: expected"):
        removal_widget(**changes)


def test_all_nodes_are_on_at_first_and_masks_out_of_range_are_refused():
    widget = removal_widget()
    assert widget.mask == 31
    for wrong in (-1, 32):
        with pytest.raises(traitlets.TraitError, match="mask: expected 0 … 31"):
            widget.mask = wrong
    with pytest.raises(traitlets.TraitError):
        widget.chance = 1.5
    assert (widget.mask, widget.chance, sum(widget.counts)) == (31, 0.5, 32)


def test_margins_and_losses_in_the_page_equal_those_of_python(node):
    from lib.removal import exact_losses, margin_terms

    points, mask = keras.Input((2,)), keras.Input((5,))
    hidden = layers.Multiply()([layers.Dense(5, "relu", bias_initializer="random_normal")(points), mask])
    model = keras.Model([points, mask], layers.Dense(2, "softmax", bias_initializer="random_normal")(hidden))
    x = np.random.default_rng(1).uniform(-1, 1, (30, 2))
    y = (np.hypot(*x.T) > 0.8).astype(int)
    losses = exact_losses(model, x, y)
    widget = removal_widget(arrays=model.get_weights(), x=x, y=y, losses=losses)
    net = node("removal", "unpackNetwork", [np.frombuffer(widget.weights, "<f4").tolist(), 5])
    delta, terms = margin_terms(model, x)
    assert net["delta"] == pytest.approx(delta, abs=1e-6)
    found = node("removal", "marginTerms", [net, np.frombuffer(widget.points, "<f4").tolist()])
    np.testing.assert_allclose(np.reshape(found, (5, 30)).T, terms, atol=1e-5)
    for number in (0, 31, 0b10110):
        sums = node("removal", "margins", [delta, found, number, 5])
        np.testing.assert_allclose(sums, delta + terms @ [number >> k & 1 for k in range(5)], atol=1e-5)
        assert node("removal", "meanLoss", [sums, y.tolist()]) == pytest.approx(losses[number], rel=1e-5)


def test_moved_margins_are_those_of_the_new_mask(node):
    terms = np.random.default_rng(0).normal(size=40).tolist()
    for one, other in ((0, 31), (0b10101, 0b01110), (7, 7)):
        start = node("removal", "margins", [0.5, terms, one, 5])
        expected = node("removal", "margins", [0.5, terms, other, 5])
        np.testing.assert_allclose(node("removal", "moveMargins", [start, terms, one, other]), expected, atol=1e-12)


def test_a_steep_margin_has_a_finite_loss(node):
    assert node("removal", "meanLoss", [[1000, -1000], [1, 0]]) == 0
    assert node("removal", "meanLoss", [[1000, -1000], [0, 1]]) == 1000


def test_the_share_of_better_masks_follows_the_quantiles(node):
    quantiles = [1, 2, 3, 4, 5]
    assert [node("removal", "shareBelow", [quantiles, loss]) for loss in (0.5, 1, 3, 3.5, 5, 9)] == [0, 0, 0.5, 0.625, 1, 1]


def test_the_standing_of_a_mask_is_told(node):
    assert node("removal", "standing", [0.25]) == "lower than that of 75.0% of all masks"
    assert [node("removal", "standing", [share]).split()[1] for share in (0, 1)] == ["lowest", "highest"]


def test_the_plane_has_its_upper_left_corner_first(node):
    places = np.reshape(node("removal", "plane", [4, 2]), (4, 4, 2))
    assert places[0, 0].tolist() == [-1.5, 1.5]
    assert places[3, 1].tolist() == [-0.5, -1.5]


@pytest.mark.parametrize(("chance", "mask"), [(0, 0), (1, 2**20 - 1)])
def test_a_random_mask_keeps_no_node_or_all_at_the_ends_of_the_scale(node, chance, mask):
    assert node("removal", "randomMask", [20, chance]) == mask


# what all share


@pytest.mark.parametrize("name", ["templates", "confusion", "sample", "hidden", "removal", "relevance", "embeddings"])
def test_shipped_script_is_one_module_without_imports(name, tmp_path):
    assert "import " not in script(name).replace("// ", "")
    assert script(name).count("export default") == 1
    (tmp_path / "widget.mjs").write_text(script(name), encoding="utf-8")  # a name declared twice is a mistake of syntax
    subprocess.run(["node", "--check", tmp_path / "widget.mjs"], check=True)


def test_scripts_and_style_stay_small():
    from conftest import ROOT

    host = (ROOT / "book/_static/widget-host.js").read_text(encoding="utf-8")
    assert len((host + script("templates") + script("confusion")).encode()) < 60_000
    for name in ("hidden", "removal"):
        assert len((host + script(name)).encode()) < 60_000
    assert len((host + script("embeddings") + str(Embeddings._css)).encode()) < 60_000
    assert len(style()) < 12_000


# the scripts' maths under Node, against Python


def test_scores_and_products_equal_the_keras_model(node):
    model = softmax_regression((5, 4), 3)
    image = RANDOM.integers(0, 256, (5, 4), dtype=np.uint8)
    weights, biases = templates(model), [0.25, -0.5, 1.0]
    model.layers[-1].bias.assign(biases)
    flat, pixels = weights.astype(np.float32).ravel().tolist(), image.ravel().tolist()
    scores = node("templates", "scores", [flat, biases, pixels])
    p = node("templates", "softmax", [scores])
    np.testing.assert_allclose(p, model.predict(image[None], verbose=0)[0], atol=1e-6)
    found = node("templates", "products", [flat, 1, pixels])
    np.testing.assert_allclose(found, products(weights[1], image).ravel(), atol=1e-6)


def test_balance_splits_the_sum(node):
    adds, cancels = node("templates", "balance", [[1.5, -2, 0, 3]])
    assert (adds, cancels) == (4.5, -2)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 15).map(lambda level: 17 * level), min_size=1, max_size=30))
def test_a_drawing_packed_in_the_page_is_read_by_python_and_back(node, pixels):
    text = node("templates", "pack", [pixels])
    assert node("templates", "unpack", [text, len(pixels)]) == pixels
    packed = np.frombuffer(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), np.uint8)
    levels = np.stack([packed >> 4, packed & 15], axis=1).ravel()[: len(pixels)]
    assert (17 * levels).tolist() == pixels


def test_a_text_that_is_no_drawing_gives_a_blank_picture(node):
    assert node("templates", "unpack", ["?!", 4]) == [0, 0, 0, 0]


def test_softmax_keeps_order_and_survives_large_scores(node):
    np.testing.assert_allclose(node("templates", "softmax", [[1000, 1000, -1000]]), [0.5, 0.5, 0])


def test_centred_moves_the_centre_of_mass_to_the_middle(node):
    picture = np.zeros((9, 9), int)
    picture[0:3, 0:3] = 255
    moved = np.array(node("templates", "centred", [picture.ravel().tolist(), 9])).reshape(9, 9)
    assert moved[3:6, 3:6].all()
    assert moved.sum() == picture.sum()
    assert node("templates", "centred", [[0, 0, 0, 0], 2]) == [0, 0, 0, 0]


def test_arrow_keys_walk_the_table_and_stop_at_its_edge(node):
    assert node("confusion", "keyTarget", ["ArrowRight", 2, 3, 10, 10]) == [2, 4]
    assert node("confusion", "keyTarget", ["ArrowUp", 0, 3, 10, 10]) == [0, 3]
    assert node("confusion", "keyTarget", ["End", 4, 3, 10, 10]) == [4, 9]
    assert node("confusion", "keyTarget", ["a", 4, 3, 10, 10]) is None


def test_accuracy_shade_and_description_of_a_cell(node):
    counts = [[90, 8], [2, 100]]
    assert node("confusion", "accuracy", [counts]) == pytest.approx(0.95)
    assert node("confusion", "shade", [counts, 1, 0]) == pytest.approx(0.25)
    assert node("confusion", "shade", [counts, 0, 0]) == pytest.approx(0.9)
    panel = {"counts": counts, "names": ["cat", "dog"]}
    assert node("confusion", "describe", [panel, 0, 1]) == "cat taken for dog: 8 of 98 (8.2%)"


def test_colours_of_signed_values_are_symmetric_in_strength_and_neutral_at_zero(node):
    assert node("templates", "signedColour", [0, 1, False]) == [255, 255, 255]
    red, blue = node("templates", "signedColour", [9, 1, False]), node("templates", "signedColour", [-9, 1, False])
    assert red[0] > red[2]
    assert blue[2] > blue[0]


# relevance


def small_network(seed=0):
    """Two convolutions with biases at work, two kinds of dense layers, and a softmax."""
    keras.utils.set_random_seed(seed)
    options = {"activation": "relu", "bias_initializer": "random_normal"}
    return keras.Sequential(
        [
            keras.Input((9, 10)),
            layers.Rescaling(1 / 255),
            layers.Reshape((9, 10, 1)),
            layers.Conv2D(4, (3, 2), **options),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 2, bias_initializer="random_normal"),
            layers.MaxPooling2D((2, 1)),
            layers.Flatten(),
            layers.Dense(6, **options),
            layers.Dense(3, "softmax", bias_initializer="random_normal"),
        ]
    )


def relevance_widget(model=None, **changes):
    digits = np.random.default_rng(0).integers(0, 256, (6, 9, 10), dtype=np.uint8)
    digits[:, :3] = 0
    arguments = {"model": model or small_network(), "digits": digits, "labels": np.arange(6) % 3, "class_names": NAMES}
    return RelevanceMap(**(arguments | changes))


PRODUCT_RULES = (("gradient", 1), ("normalized", 1), ("gamma", 1), ("alpha_beta", 1), ("alpha_beta", 2))
CHOICES = [
    {"matmul": matmul, "nonlinearity": nonlinearity, "maximum": maximum, "alpha": alpha}
    for matmul, alpha in PRODUCT_RULES
    for nonlinearity, maximum in zip(("ignore", "gradient", "slope", "repeat"), ("gradient", "radial") * 2, strict=True)
]


@pytest.fixture
def in_page(node):
    """Explain in the page: a function of the widget's state and of one or two pictures."""

    def run(widget, x, target, given):
        steps = node("relevance", "unpackPlan", [widget.plan, np.frombuffer(widget.weights, "<f4").tolist()])
        # typed arrays travel as objects whose keys are the places
        for step in steps:
            for name in ("kernel", "bias"):
                if name in step:
                    step[name] = list(step[name].values())
        if isinstance(given, dict):
            found = node("relevance", "explain", [steps, x.ravel().tolist(), target, given])
        else:
            found = node("relevance", "explainDifference", [steps, x.ravel().tolist(), given.ravel().tolist(), target])
        return {key: list(value.values()) if isinstance(value, dict) else value for key, value in found.items()}

    return run


@pytest.mark.parametrize("choice", CHOICES, ids=lambda c: "-".join(map(str, c.values())))
def test_relevance_in_the_page_equals_that_of_python_under_every_rule(in_page, choice):
    model = small_network()
    widget = relevance_widget(model)
    x = np.frombuffer(widget.images, np.uint8).reshape(-1, 9, 10)[2].astype(float)
    target = int(model(x[None]).numpy().argmax())
    found = in_page(widget, x, target, choice | {"epsilon": 1e-6, "gamma": 0.25})
    expected = explain(model, x[None], target, Rules(**choice), bias="blame")
    scale = np.abs(expected.input).max()
    assert scale > 0
    np.testing.assert_allclose(found["input"], np.ravel(expected.input), atol=1e-4 * scale)
    np.testing.assert_allclose(found["sums"][-1], np.sum(expected.layers[-1]), rtol=1e-5)
    shares = [share for step, share in zip(widget.plan, found["shares"], strict=True) if step["kind"] == "product"]
    np.testing.assert_allclose(shares, np.ravel(expected.bias), rtol=1e-3, atol=1e-6)


def test_a_difference_in_the_page_equals_that_of_python_and_turns_its_sign(in_page):
    model = small_network(1)
    widget = relevance_widget(model)
    x, other = np.frombuffer(widget.images, np.uint8).reshape(-1, 9, 10)[[0, 4]].astype(float)
    found, turned = in_page(widget, x, 2, other), in_page(widget, other, 2, x)
    expected = np.ravel(explain(model, x[None], 2, baseline=other[None]).input)
    np.testing.assert_allclose(found["input"], expected, atol=1e-4 * np.abs(expected).max())
    np.testing.assert_allclose(found["sums"], np.full(len(found["sums"]), found["sums"][-1]), rtol=1e-6)
    np.testing.assert_allclose(turned["input"], -np.array(found["input"]), atol=1e-9)


def test_shares_of_a_maximum_in_the_page(node):
    assert node("relevance", "radialShares", [[-1, 2, 6, 0]]) == [0, 0.25, 0.75, 0]
    np.testing.assert_allclose(node("relevance", "radialShares", [[-1, -2]]), [2 / 3, 1 / 3])
    assert node("relevance", "radialShares", [[0, -2, 0, -1]]) == [0.5, 0, 0.5, 0]


def test_where_the_score_went_is_told(node):
    def told(*arguments):
        return node("relevance", "account", ["Score of 3", *arguments])

    assert told(9, 5, 4, False) == "Score of 3: 9.00 = 5.00 at the pixels + 4.00 at the biases: nothing is lost."
    assert told(9, 5, 0, True) == "Score of 3: 9.00: 5.00 at the pixels; 4.00 was dropped on the way."
    assert told(9, 7, 4, False).endswith("but 7.00 at the pixels and 4.00 at the biases: this choice does not conserve.")


def test_the_choice_of_rules_can_be_read_and_set():
    widget = relevance_widget()
    assert widget.rules == Rules()
    widget.rules = Rules("alpha_beta", "slope", "radial", alpha=2)
    assert (widget.matmul, widget.nonlinearity, widget.maximum, widget.alpha) == ("alpha_beta", "slope", "radial", 2)


@pytest.mark.parametrize(
    ("trait", "value"),
    [("target", 3), ("target", -2), ("baseline", 6), ("baseline", -3), ("matmul", "guess"), ("alpha", 0.5)],
)
def test_choices_that_do_not_exist_are_refused(trait, value):
    widget = relevance_widget()
    before = getattr(widget, trait)
    with pytest.raises(traitlets.TraitError, match=trait):
        setattr(widget, trait, value)
    assert getattr(widget, trait) == before


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (layers.Conv2D(2, 3, padding="same"), "Conv2D, is not of a form"),
        (layers.Conv2D(2, 3, strides=2), "Conv2D, is not of a form"),
        (layers.Conv2D(2, 3, activation="tanh"), "Conv2D, is not of a form"),
        (layers.AveragePooling2D(2), "AveragePooling2D, is not of a form"),
        (layers.MaxPooling2D(3, strides=2), "MaxPooling2D, is not of a form"),
        (layers.Rescaling(1 / 127.5, -1), "Rescaling, is not of a form"),
    ],
)
def test_a_layer_that_the_page_does_not_compute_is_named(layer, named):
    model = keras.Sequential([keras.Input((9, 10, 1)), layer, layers.Flatten(), layers.Dense(3)])
    with pytest.raises(ValueError, match=named):
        relevance_widget(model)


def test_a_network_for_other_pictures_or_classes_is_refused():
    with pytest.raises(ValueError, match="model: expected inputs"):
        relevance_widget(digits=np.zeros((6, 5, 5), np.uint8))
    with pytest.raises(ValueError, match="and 2 classes"):
        relevance_widget(class_names=NAMES[:2], labels=np.zeros(6, int))


# embeddings

AXES = (("tsne", "umap"), ("trained", "untrained"), ("input", "layer 1", "layer 2"))


def embedded(seed=0, n=30, **changes):
    random = np.random.default_rng(seed)
    keys = list(itertools.product(*AXES))
    return {
        "images": random.integers(0, 256, (n, 28, 28), dtype=np.uint8),
        "labels": np.arange(n) % 3,
        "class_names": NAMES,
        "maps": {key: random.normal(size=(n, 2)) * [3, 1] for key in keys},
        "quality": {key: dict(zip(METRICS, random.random(6), strict=True)) for key in keys},
    } | changes


def in_square(points):
    """Where the page shows a map: both directions on one scale, the longer one from 0.03 to 0.97, y downwards."""
    points = np.asarray(points) * [1, -1]
    middle, extent = (points.max(axis=0) + points.min(axis=0)) / 2, np.ptp(points, axis=0).max()
    return 0.5 + 0.94 * (points - middle) / extent


@pytest.fixture(scope="module")
def embedding_widget():
    return Embeddings({"first": embedded(0), "second": embedded(1)})


def test_places_arrive_in_the_page_to_an_eight_thousandth_of_the_map(node, embedding_widget):
    places = np.array(node("embeddings", "unpackPlaces", [list(embedding_widget.places)])).reshape(2, 2, 2, 3, 30, 2)
    for s, (m, n, k) in itertools.product(range(2), itertools.product(*(range(len(axis)) for axis in AXES))):
        wanted = in_square(embedded(s)["maps"][AXES[0][m], AXES[1][n], AXES[2][k]])
        np.testing.assert_allclose(places[s, m, n, k], wanted, atol=0.51 / 4095)


def test_held_points_are_the_same_in_the_page_and_in_python(node, embedding_widget):
    assert embedding_widget.held.size == 0
    corners = [0.25, 0.3, 0.75, 0.6]
    embedding_widget.region = [1, 1, 0, 2, *corners]
    places = np.array(node("embeddings", "unpackPlaces", [list(embedding_widget.places)])).reshape(2, 2, 2, 3, 60)[
        1, 1, 0, 2
    ]
    held = node("embeddings", "inside", [places.tolist(), corners])
    assert 0 < len(held) < 30
    assert embedding_widget.held.tolist() == held
    embedding_widget.region = [0] * 8
    labels = embedded(1)["labels"]
    counts = node("embeddings", "classCounts", [labels.tolist(), held, 3])
    assert counts == np.bincount(labels[held], minlength=3).tolist()


def test_the_nearest_point_is_found_only_within_reach(node):
    places = [0.1, 0.1, 0.5, 0.5, 0.52, 0.5]
    assert node("embeddings", "nearest", [places, 0.53, 0.5, 0.1]) == 2
    assert node("embeddings", "nearest", [places, 0.3, 0.3, 0.1]) == -1


def test_arrow_keys_lead_to_the_next_point_in_their_direction_or_stay(node):
    places = [0.5, 0.5, 0.6, 0.5, 0.9, 0.5, 0.5, 0.2, 0.55, 0.9]
    assert node("embeddings", "towards", [places, 0, 1, 0]) == 1
    assert node("embeddings", "towards", [places, 1, 1, 0]) == 2
    assert node("embeddings", "towards", [places, 0, 0, -1]) == 3
    assert node("embeddings", "towards", [places, 0, 0, 1]) == 4
    assert node("embeddings", "towards", [places, 2, 1, 0]) == 2


def test_a_name_stands_at_a_member_of_its_class_near_the_median(node):
    places = [0.1, 0.1, 0.2, 0.2, 0.9, 0.9, 0.4, 0.5]
    found = np.array(node("embeddings", "anchors", [places, [0, 0, 0, 1], 3])).reshape(3, 2)
    np.testing.assert_allclose(found, [[0.2, 0.2], [0.4, 0.5], [0, 0]], atol=1e-6)


@pytest.mark.parametrize(("time", "share"), [(0, 0), (0.5, 0.5), (1, 1)])
def test_points_leave_and_arrive_on_time(node, time, share):
    found = node("embeddings", "onTheWay", [[0, 1], [1, 0], time])
    np.testing.assert_allclose(found, [share, 1 - share])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"images": np.zeros((30, 28, 28))}, "images"),
        ({"images": np.zeros((29, 28, 28), np.uint8)}, "images"),
        ({"labels": np.zeros(29, int)}, "labels"),
        ({"labels": np.full(30, 3)}, "labels"),
        ({"class_names": [str(k) for k in range(11)]}, "labels"),
        ({"maps": {}}, "maps"),
        ({"quality": {}}, "quality"),
    ],
)
def test_what_does_not_fit_an_embedding_is_named(changes, named):
    with pytest.raises(ValueError, match=rf"data\['second'\]: {named}"):
        Embeddings({"first": embedded(0), "second": embedded(1, **changes)})


def test_a_missing_field_or_no_data_is_named():
    incomplete = {key: value for key, value in embedded().items() if key != "quality"}
    with pytest.raises(ValueError, match="no quality"):
        Embeddings({"first": incomplete})
    with pytest.raises(ValueError, match=r"^data:"):
        Embeddings({})


@pytest.mark.parametrize(
    ("trait", "value"),
    [
        ("data", "third"), ("method", "tsne"), ("network", "half"), ("layer", "layer 4"), ("point", 30), ("point", -2),
        ("region", [0, 0, 0, 3, 0, 0, 1, 1]), ("region", [0, 0.5, 0, 0, 0, 0, 1, 1]), ("region", [0, 0, 0, 0, 0, 0, 1, 2]),
        ("region", []),
    ],
)  # fmt: skip
def test_maps_points_and_regions_that_do_not_exist_are_refused(embedding_widget, trait, value):
    with pytest.raises(traitlets.TraitError, match=trait):
        setattr(embedding_widget, trait, value)
