"""Cells side by side at one contrast: controls, what is predicted of them, and what was measured."""

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from aivc.experiments.gallery import Gallery
from aivc.reporting import drawing as ink
from aivc.reporting.drawing import Figure, canvas, plain, render, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe & Ito's colors; the first three are those whose hues stay furthest apart under every common color blindness.
CHANNEL_COLORS = ("#0072b2", "#d55e00", "#cc79a7", "#009e73", "#f0e442")
# What all channels together may add up to: where it is much more than white, overlaps look alike.
_MOST_LIGHT = 1.3
_BARS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_GAP, _PANEL = 2, 0.62
_LINE, _TITLES, _NAMES = 0.17, 0.34, 1.35


@styled
def gallery_figure(found: Gallery, *, said: bool = False) -> Figure:
    """Draw rows of cells: all channels together in color, then each alone in gray.

    Args:
        found: The cells.
        said: Write the sentences into the drawing, too, for a file that stands alone.
    """
    cells = max(len(row.images) for row in found.rows)
    blocks = ["all channels", *found.channels] if len(found.channels) > 1 else list(found.channels)
    width = _NAMES + len(blocks) * (cells * _PANEL + 0.12)
    title = f"Cells under {plain(found.perturbation)}"
    caption = f"{title} in {plain(found.context)}, at one contrast. " + " ".join(plain(note) for note in found.notes)
    lines = textwrap.wrap(caption, int(width * 15.5)) if said else []
    body = len(found.rows) * (_PANEL + 0.06)
    height = _TITLES + body + 0.3 + _LINE * len(lines)
    drawing = canvas(width, height)
    for column, name in enumerate(blocks):
        left = (_NAMES + column * (cells * _PANEL + 0.12)) / width
        color = None if name not in found.channels or len(blocks) == 1 else _color(found, name)
        for line, row in enumerate(found.rows):
            bottom = 1 - (_TITLES + (line + 1) * (_PANEL + 0.06)) / height
            axes = drawing.add_axes((left, bottom, cells * _PANEL / width, _PANEL / height))
            shown = _shown(found, row.images, name)
            axes.imshow(_strip(shown, cells), interpolation="nearest", aspect="auto")
            axes.set_axis_off()
            if line == 0:
                axes.set_title(plain(name, 28), color=ink.INK, pad=5, fontsize=9)
                if color is not None:
                    _swatch(axes, color)
            if column == 0:
                label = "\n".join(textwrap.wrap(row.title, 17))
                axes.text(-0.02, 0.5, label, ha="right", va="center", fontsize=8.5, transform=axes.transAxes)
        if column == 0:
            _scale_bar(drawing, found, (left, (0.24 + _LINE * len(lines)) / height), cells * _PANEL / width, cells)
    if lines:
        drawing.text(0.0, (_LINE * len(lines)) / height, "\n".join(lines), va="top", fontsize=7.5, color=ink.MUTED)
    return render(drawing, title, caption)


def composite(image_kcyx: Float[np.ndarray, "k c y x"]) -> Float[np.ndarray, "k y x 3"]:
    """Channels between 0 and 1 as light of their colors, added up."""
    colors_c3 = np.array([_rgb(CHANNEL_COLORS[i % len(CHANNEL_COLORS)]) for i in range(image_kcyx.shape[1])])
    colors_c3 *= min(1.0, _MOST_LIGHT / colors_c3.sum(axis=0).max())
    return np.asarray(np.clip(np.einsum("kcyx,cr->kyxr", image_kcyx, colors_c3), 0, 1))


def bar_length(side: int, um_per_pixel: float) -> tuple[float, str]:
    """Length of a scale bar in pixels, at most a third of a crop, and what stands beside it.

    >>> bar_length(64, 0.65)
    (15.384615384615383, '10 µm')
    """
    size = um_per_pixel or 1.0
    fitting = [each for each in _BARS if each / size <= side / 3] or [_BARS[0]]
    return fitting[-1] / size, f"{fitting[-1]} µm" if um_per_pixel else f"{fitting[-1]} pixels (their size is unknown)"


def _shown(found: Gallery, image_kcyx: np.ndarray, name: str) -> np.ndarray:
    low_c, high_c = found.contrast.T
    span_c = np.maximum(high_c - low_c, 1e-12)
    light = np.clip((image_kcyx - low_c[:, None, None]) / span_c[:, None, None], 0, 1)
    if name not in found.channels:
        return composite(light)
    return np.repeat(light[:, found.channels.index(name), :, :, None], 3, axis=3)


def _strip(image_kyxr: np.ndarray, cells: int) -> np.ndarray:
    """Cells side by side with white gaps; places without a cell stay white."""
    k, rows, columns, _ = image_kyxr.shape
    made = np.ones((rows, cells * (columns + _GAP) - _GAP, 3))
    for i in range(k):
        start = i * (columns + _GAP)
        made[:, start : start + columns] = image_kyxr[i]
    return np.asarray((made * 255).round().astype(np.uint8))


def _scale_bar(drawing: "Canvas", found: Gallery, at: tuple[float, float], width: float, cells: int) -> None:
    side = found.rows[0].images.shape[3]
    pixels, text = bar_length(side, found.um_per_pixel)
    long = pixels / (cells * (side + _GAP) - _GAP) * width
    bar = drawing.add_axes((at[0], at[1] - 0.02, width, 0.03))
    bar.set_axis_off()
    bar.set_xlim(0, width)
    bar.set_ylim(-1, 1)
    bar.plot([0, long], [0, 0], color=ink.INK, linewidth=2.4, solid_capstyle="butt")
    bar.text(long + 0.012 * width, 0, text, va="center", fontsize=8, color=ink.INK)


def _swatch(axes: "Axes", color: str) -> None:
    """A line under the name of a channel, in the color it has where all stand together."""
    axes.plot([0, 1], [1.02, 1.02], color=color, linewidth=3, transform=axes.transAxes, clip_on=False)


def _color(found: Gallery, name: str) -> str:
    return CHANNEL_COLORS[found.channels.index(name) % len(CHANNEL_COLORS)]


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue
