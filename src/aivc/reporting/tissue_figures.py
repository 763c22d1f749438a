"""Sections of tissue as they lie: cells at their places, colored by what they are or by what is predicted of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.data.tissue.graph import sections
from aivc.reporting import drawing as ink
from aivc.reporting.drawing import Figure, canvas, plain, render, styled
from aivc.reporting.pictures import GROUP_LOOKS, MOST_GROUPS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure as Canvas

_MOST_SECTIONS, _MOST_CELLS = 4, 3000
_UNITS = {"um": "µm", "array": "places"}
LABELS = ("niche", "cell_type", "context")


@styled
def section_map(
    tissue: Measurement, label: str = "", *, change: np.ndarray | None = None, change_of: str = "", seed: int = 0
) -> Figure:
    """Draw up to four sections side by side, at one scale.

    Args:
        tissue: Cells with positions.
        label: Column of the entities that colors the first row; by default the first there is of ``niche``,
            ``cell_type`` and ``context``. The most frequent values have a color and a shape, others are gray.
        change: ``(n,)`` predicted change of each cell, for a second row; None draws none.
        change_of: What is predicted, in words.
        seed: Draws the cells that are shown of a section with more than 3,000.

    Raises:
        DataError: There are no positions, no such column, or ``change`` is of other cells or not finite.
    """
    label = label or next((name for name in LABELS if name in tissue.entities), "")
    _require_drawable(tissue, label, change)
    parts = sections(tissue)
    shown = [_drawn(where, seed) for where in parts[:_MOST_SECTIONS]]
    assert tissue.coordinates is not None
    places = np.asarray(tissue.coordinates, dtype=np.float64)[:, :2]
    wide = 1.1 * max(float(np.ptp(places[where], axis=0).max()) for where in parts[:_MOST_SECTIONS]) or 1.0
    unit = str(tissue.provenance.get("coordinates", {}).get("unit", ""))
    text_n = tissue.entities[label].astype(str).to_numpy()
    names, count = np.unique(text_n, return_counts=True)
    named = sorted(str(names[i]) for i in np.argsort(-count, kind="stable")[:MOST_GROUPS])
    lines = 1 if change is None else 2
    drawing = canvas(2.6 * len(shown), 2.9 * lines)
    for i, where in enumerate(shown):
        box = (i / len(shown), (lines - 1) / lines, 0.92 / len(shown), 0.86 / lines)
        axes = _frame(drawing, box, places[where], wide)
        axes.set_title(_section_name(tissue, where))
        _labelled(axes, places[where], text_n[where], named)
        if i == 0:
            _scale_bar(axes, places[where], wide, unit)
            _legend(axes, named, plain(label, 20), others=len(names) > len(named))
    if change is not None:
        _changes(drawing, shown, places, np.asarray(change, dtype=np.float64), wide)
    return render(drawing, "Sections of tissue", _caption(tissue, label, shown, len(parts), unit, change, change_of))


def _require_drawable(tissue: Measurement, label: str, change: np.ndarray | None) -> None:
    if tissue.coordinates is None:
        raise DataError(["Sections are drawn from positions, and these data have none. Declare coordinates."])
    if not np.isfinite(tissue.coordinates).all():
        raise DataError(["Some positions are not finite. Leave these cells out."])
    if label not in tissue.entities:
        wanted = repr(label) if label else " or ".join(LABELS)
        raise DataError([f"Sections are colored by a column of the cells, and there is no {wanted}. Name another."])
    if change is not None and (change.shape != (len(tissue),) or not np.isfinite(change).all()):
        raise DataError([f"The change is one finite number for each of {len(tissue)} cells, got {change.shape}."])


def _drawn(where: np.ndarray, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).permutation(where)[:_MOST_CELLS])


def _section_name(tissue: Measurement, where: np.ndarray) -> str:
    return plain(tissue.entities["section"].iloc[where[0]], 24) if "section" in tissue.entities else "all cells"


def _frame(drawing: "Canvas", box: tuple[float, float, float, float], place_n2: np.ndarray, wide: float) -> "Axes":
    axes = drawing.add_axes(box)
    middle = (place_n2.min(axis=0) + place_n2.max(axis=0)) / 2
    axes.set(xlim=(middle[0] - wide / 2, middle[0] + wide / 2), ylim=(middle[1] - wide / 2, middle[1] + wide / 2))
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines["bottom"].set_visible(False)
    return axes


def _size(cells: int) -> float:
    """Of a mark in points: marks of a full section just about touch."""
    return float(np.clip(110 / max(cells, 1) ** 0.5, 1.2, 7.0))


def _labelled(axes: "Axes", place_n2: np.ndarray, text_n: np.ndarray, named: Sequence[str]) -> None:
    size = _size(len(place_n2))
    rest = ~np.isin(text_n, named)
    axes.plot(*place_n2[rest].T, "o", color=ink.GRAY, ms=0.7 * size, mew=0, alpha=0.5)
    for name, (color, shape) in zip(named, GROUP_LOOKS, strict=False):
        axes.plot(*place_n2[text_n == name].T, shape, color=color, ms=size, mew=0, alpha=0.9)


def _legend(axes: "Axes", named: Sequence[str], title: str, *, others: bool) -> None:
    looks = [*zip(named, GROUP_LOOKS, strict=False), *([("all others", (ink.GRAY, "o"))] if others else [])]
    for name, (color, shape) in looks:
        axes.plot([], [], shape, color=color, ms=5, mew=0, label=plain(name, 20))
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.04, 1.1), ncols=4, title=title, alignment="left", handletextpad=0.1,
        columnspacing=0.8, fontsize=8,
    )  # fmt: skip


def _scale_bar(axes: "Axes", place_n2: np.ndarray, wide: float, unit: str) -> None:
    length = bar_length(wide)
    left, low = axes.get_xlim()[0] + 0.03 * wide, axes.get_ylim()[0] - 0.03 * wide
    axes.plot([left, left + length], [low, low], color=ink.INK, lw=2, clip_on=False, solid_capstyle="butt")
    said = f"{length:g} {_UNITS.get(unit, plain(unit, 12) or 'units of the file')}"
    axes.text(left, low - 0.02 * wide, said, va="top", ha="left", fontsize=8, color=ink.INK)


def bar_length(wide: float) -> float:
    """A round length, 1, 2 or 5 times a power of ten: the largest up to a third of what is drawn.

    >>> bar_length(470.0), bar_length(8.0)
    (100.0, 2.0)
    """
    power = 10.0 ** np.floor(np.log10(wide / 3))
    return float(max(step * power for step in (1, 2, 5) if step * power <= wide / 3))


def _changes(
    drawing: "Canvas", shown: Sequence[np.ndarray], places: np.ndarray, change: np.ndarray, wide: float
) -> None:
    most = float(np.quantile(change[np.concatenate(shown)], 0.99)) or 1.0
    marks: PathCollection | None = None
    for i, where in enumerate(shown):
        axes = _frame(drawing, (i / len(shown), -0.06, 0.92 / len(shown), 0.43), places[where], wide)
        size = _size(len(where)) ** 2
        # Cividis reads the same with every common colour blindness.
        marks = axes.scatter(
            places[where, 0], places[where, 1], c=change[where], s=size, cmap="cividis", vmin=0, vmax=most, linewidths=0
        )
    assert marks is not None
    bar = drawing.add_axes((0.02, -0.12, 0.3 if len(shown) > 1 else 0.6, 0.02))
    scale = drawing.colorbar(marks, cax=bar, orientation="horizontal", extend="max", ticks=[0, most])
    scale.ax.set_xticklabels(["0", f"{most:.2g}"])
    scale.outline.set_visible(False)
    scale.ax.set_title("predicted change of the state", color=ink.MUTED, fontsize=8.5, fontweight="normal")


def _caption(
    tissue: Measurement, label: str, shown: Sequence[np.ndarray], count: int, unit: str,
    change: np.ndarray | None, change_of: str,
) -> str:  # fmt: skip
    drawn, whole = sum(map(len, shown)), len(tissue)
    known = "" if unit else " The data do not state the unit of positions."
    moved = ""
    if change is not None:
        asked = f", {plain(change_of)}" if change_of else ""
        moved = (
            f" Below, the length of the predicted change of the state of each cell{asked}: a prediction, not a "
            "measurement; the 1% largest share the end color."
        )
    return (
        f"{len(shown)} of {count} sections, {drawn:,} of {whole:,} cells at their places, all at one scale; colored by "
        f"{plain(label, 30)}.{moved} How sections are turned means nothing.{known}"
    )
