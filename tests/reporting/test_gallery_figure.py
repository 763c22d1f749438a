"""Galleries at one contrast, in colors that add up, with a bar, and with what has to be said."""

import numpy as np
import pytest

from aivc.experiments.gallery import Gallery, GalleryRow
from aivc.reporting.gallery_figure import bar_length, composite, gallery_figure


def made(um=0.5, channels=("DNA", "Actin")):
    draw = np.random.default_rng(0)
    rows = tuple(GalleryRow(name, draw.uniform(0, 10, (2, len(channels), 16, 16))) for name in ("before", "after"))
    contrast = np.array([[0.0, 10.0]] * len(channels))
    return Gallery("drug:A@1uM", "A", channels, rows, contrast, um, ("Copied is the place.",), (1.0, 0.0, 1.0))


def words(figure):
    drawing = figure.drawing
    parts = [*drawing.texts, *(text for axes in drawing.axes for text in axes.texts)]
    titles = [axes.get_title(loc="left") for axes in drawing.axes]
    return " ".join(" ".join([*titles, *(part.get_text() for part in parts)]).split())


def test_names_of_channels_rows_and_the_bar_are_there():
    figure = gallery_figure(made())
    assert all(name in words(figure) for name in ("all channels", "DNA", "Actin", "before", "after", "µm"))
    assert "Copied is the place." in figure.caption
    assert "Copied is the place." not in words(figure)
    assert "Copied is the place." in words(gallery_figure(made(), said=True))
    assert figure.svg.count("data:image/png") == 6


def test_a_size_that_is_not_known_is_said():
    assert "their size is unknown" in words(gallery_figure(made(um=0.0)))
    assert bar_length(64, 0.5) == (20.0, "10 µm")


def test_equal_values_look_equal_in_every_row():
    found = made(channels=("DNA",))
    first, second = found.rows
    same = GalleryRow("same", first.images.copy())
    figure = gallery_figure(Gallery(*[*vars(found).values()][:3], (first, second, same), *[*vars(found).values()][4:]))
    shown = [axes.images[0].get_array() for axes in figure.drawing.axes if axes.images]
    np.testing.assert_array_equal(shown[0], shown[2])
    assert (shown[0] != shown[1]).any()


# What reaches a person without one kind of cone, of linear light (Machado et al. 2009, severity 1).
SEEN = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("eyes", SEEN)
def test_hues_of_three_channels_stay_apart_for_every_eye(eyes):
    rgb2lab = pytest.importorskip("skimage.color").rgb2lab
    light = composite(np.eye(3)[:, :, None, None])[:, 0, 0]
    linear = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4) @ np.array(SEEN[eyes]).T
    seen = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.clip(linear, 0, 1) ** (1 / 2.4) - 0.055)
    hues = rgb2lab(np.clip(seen, 0, 1)[None])[0, :, 1:]
    assert min(np.linalg.norm(hues[i] - hues[j]) for i, j in ((0, 1), (0, 2), (1, 2))) > 12


def test_channels_together_are_brighter_than_each_alone():
    alone, together = composite(np.eye(3)[:, :, None, None])[:, 0, 0], composite(np.ones((1, 3, 1, 1)))[0, 0, 0]
    assert (together >= alone.max(axis=0)).all()
    np.testing.assert_array_equal(composite(np.zeros((1, 3, 2, 2))), 0)
