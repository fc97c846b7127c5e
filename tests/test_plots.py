import matplotlib.pyplot as plt
import numpy as np
import pytest

from lib import plots


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_stand_in_data_are_named_in_the_figure_title(monkeypatch):
    assert "stand-in data" in plots.panels()[0].get_suptitle()
    monkeypatch.delenv("BOOK_DATA")
    assert plots.panels()[0].get_suptitle() == ""


def test_signed_maps_share_one_scale_centred_on_zero():
    _, axes = plots.panels(1, 2)
    plots.signed_maps(axes, np.array([[[1.0, -2.0]], [[0.5, 0.0]]]))
    for axis in axes.ravel():
        assert axis.images[0].get_clim() == (-2.0, 2.0)


def test_signed_map_of_zeros_can_be_drawn():
    _, axes = plots.panels()
    assert plots.signed_map(axes[0, 0], np.zeros((2, 2))).get_clim() == (-1.0, 1.0)


def test_wrong_number_of_maps_or_images_is_named():
    _, axes = plots.panels(1, 2)
    with pytest.raises(ValueError, match="values: expected 2 maps"):
        plots.signed_maps(axes, np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match="images: 3 do not fit on 2 axes"):
        plots.image_grid(axes, np.zeros((3, 2, 2)))


def test_image_grid_leaves_gaps_white_and_hides_what_is_left_over():
    _, axes = plots.panels(1, 3)
    plots.image_grid(axes, [np.zeros((2, 2)), None])
    assert [len(axis.images) for axis in axes[0]] == [1, 0, 0]
    assert [axis.get_visible() for axis in axes[0]] == [True, True, False]


def test_confusion_matrix_shows_all_counts_and_colours_only_mistakes():
    _, axes = plots.panels()
    plots.confusion_matrix(axes[0, 0], np.array([[90, 3], [5, 80]]), ["a", "b"])
    assert [text.get_text() for text in axes[0, 0].texts] == ["90", "3", "5", "80"]
    assert np.asarray(axes[0, 0].collections[0].get_array()).ravel().tolist() == [0, 3, 5, 0]


def test_bars_stress_one_bar():
    _, axes = plots.panels()
    plots.bars(axes[0, 0], [1, 2], ["a", "b"], highlight=1)
    colours = [patch.get_facecolor() for patch in axes[0, 0].patches]
    assert colours[0] != colours[1]
    assert [tick.get_text() for tick in axes[0, 0].get_xticklabels()] == ["a", "b"]
