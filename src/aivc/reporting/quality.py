"""Figures that say how far to trust a model: its scores, its intervals, and the experiment itself."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from aivc.core.errors import DataError
from aivc.reporting import drawing as ink
from aivc.reporting.drawing import Figure, canvas, name_rows, need_columns, plain, render, small_multiples, styled
from aivc.reporting.reading import (
    DULL,
    anchored_interval,
    cannot_tell,
    dull_metrics,
    is_control,
    label,
    look,
    ordered_methods,
    raw_interval,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Numbers: TypeAlias = Sequence[float | int] | np.ndarray
_MOST_MARKS = 300


@styled
def reliability(
    levels: Numbers,
    covered: Numbers,
    *,
    low: Numbers | None = None,
    high: Numbers | None = None,
    label: str = "",
) -> Figure:
    """Draw how often intervals held what was measured, against how often they should.

    Args:
        levels: Nominal levels, 0 to 1.
        covered: Share of measured values inside, per level.
        low: Lower end of a bootstrap band, per level.
        high: Upper end.
        label: Whose intervals.

    Raises:
        DataError: Lengths disagree, or there is no level.
    """
    levels_l, covered_l = np.asarray(levels, float), np.asarray(covered, float)
    if not len(levels_l) or len(levels_l) != len(covered_l) or (low is None) != (high is None):
        raise DataError([f"A reliability diagram needs one share per level, got {len(levels_l)} and {len(covered_l)}."])
    drawing = canvas(3.3, 3.1)
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.plot([0, 1], [0, 1], color=ink.MUTED, lw=1, ls=(0, (4, 3)))
    axes.text(0.04, 0.94, "too wide", va="center", fontsize=8, color=ink.MUTED)
    axes.text(0.99, 0.06, "too narrow", ha="right", va="center", fontsize=8, color=ink.MUTED)
    if low is not None and high is not None:
        axes.fill_between(levels_l, np.asarray(low, float), np.asarray(high, float), color=ink.BLUE, alpha=0.2, lw=0)
    axes.plot(levels_l, covered_l, "-o", color=ink.BLUE, lw=1.6, ms=5)
    ticks = np.linspace(0, 1, 5)
    names = [f"{tick:.0%}" for tick in ticks]
    axes.set_xticks(ticks, names)
    axes.set_yticks(ticks, names, color=ink.MUTED)
    axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="promised: level of the interval", title=plain(label, 40))
    axes.set_ylabel("kept: measured values inside")
    axes.grid(alpha=0.7)
    worst = int(np.argmin(np.abs(levels_l - 0.9)))
    gap = covered_l[worst] - levels_l[worst]
    verdict = "as promised" if abs(gap) <= 0.03 else ("too narrow: overconfident" if gap < 0 else "too wide: cautious")
    caption = (
        f"{plain(label) + ': ' if label else ''}{levels_l[worst]:.0%} intervals held {covered_l[worst]:.0%} of the "
        f"measured means ({verdict}). Below the dashed line is overconfidence. An average over features and held-out "
        "perturbations: it does not promise the same for any single one."
    )
    return render(drawing, f"Reliability {label}", caption)


@styled
def score_strip(scores: Mapping[str, Any]) -> Figure:
    """Draw every method on every score, between the floor and the ceiling of the data.

    Args:
        scores: The evaluator's JSON: ``methods``, ``metrics``, ``scores``, ``baseline`` and ``ceiling`` are read.

    Raises:
        DataError: There are no methods or no metrics.
    """
    methods, metrics = ordered_methods(scores), list(scores["metrics"])
    if not scores["methods"] or not metrics:
        raise DataError(["A score strip needs methods and metrics; there are none. Evaluate at least one method."])
    drawing, panels = small_multiples([label(scores, metric) for metric in metrics], methods)
    for axes, metric in zip(panels, metrics, strict=True):
        _score_panel(axes, scores, metric)
    caption = (
        f"Each method on each score. Where a score can be anchored, 0 is {plain(scores['baseline'])} (the floor: what "
        f"one gets without knowing the perturbation) and 1 is {plain(scores['ceiling'])} (the ceiling: another half "
        "of the same experiment); other scores stand in their own units, with a dashed line at their ideal. Right is "
        "better where anchored. Lines are bootstrap intervals over perturbations; overlapping ones do not settle "
        "which method is better. Triangles lie beyond the edge. Raw values are in the table."
        + (" Hollow dots are negative controls, fitted on something shuffled." * any(map(is_control, methods)))
        + (f" Gray panels marked {DULL.strip()} cannot tell methods apart here." * bool(dull_metrics(scores)))
    )
    return render(drawing, "Scores of every method", caption)


def _score_panel(axes: "Axes", scores: Mapping[str, Any], metric: str) -> None:
    about = scores["metrics"][metric]
    cells = [look(scores["scores"], method, metric) for method in ordered_methods(scores)]
    anchored = any(cell.get("anchored") is not None for cell in cells)
    points = [anchored_interval(scores, metric, cell) if anchored else raw_interval(cell) for cell in cells]
    ends = [end for point in points if point for end in point]
    ideal = about.get("best")
    if anchored:
        edge = (max(-1.0, min(-0.15, *ends) - 0.05), min(1.6, max(1.1, *ends) + 0.05)) if ends else (-0.15, 1.1)
        for place in (0.0, 1.0):
            axes.axvline(place, color=ink.MUTED, lw=1, ls=(0, (1, 2)))
        axes.set_xticks([0, 0.5, 1], ["0 floor", "", "1 ceiling"])
    else:
        values = [*ends, *([ideal] if ideal is not None else [])]
        span = (max(values) - min(values)) or 1.0 if values else 1.0
        edge = (min(values) - 0.08 * span, max(values) + 0.08 * span) if values else (0.0, 1.0)
        if ideal is not None:
            axes.axvline(ideal, color=ink.MUTED, lw=1, ls=(0, (4, 3)))
        axes.locator_params(axis="x", nbins=3)
    axes.set_xlim(*edge)
    for i, (method, point) in enumerate(zip(ordered_methods(scores), points, strict=True)):
        quiet = method in (scores["baseline"], scores["ceiling"]) or is_control(method) or cannot_tell(scores, metric)
        _score_mark(axes, i, point, edge, ink.GRAY if quiet else ink.BLUE, hollow=is_control(method))


def _score_mark(
    axes: "Axes",
    row: int,
    point: tuple[float, float, float] | None,
    edge: tuple[float, float],
    color: str,
    *,
    hollow: bool,
) -> None:
    if point is None:
        veil = {"facecolor": ink.PAPER, "edgecolor": "none", "pad": 1.5}
        across = axes.get_yaxis_transform()
        axes.text(0.02, row, "undefined", bbox=veil, transform=across, va="center", fontsize=8, color=ink.ORANGE)
        return
    low, value, high = point
    axes.plot(np.clip([low, high], *edge), [row, row], color=color, lw=2, alpha=0.55, solid_capstyle="butt")
    if edge[0] <= value <= edge[1]:
        axes.plot([value], [row], "o", color=color, mfc=ink.PAPER if hollow else color, ms=6, mew=1.2 * hollow)
        return
    below = value < edge[0]
    axes.plot([edge[0] if below else edge[1]], [row], "<" if below else ">", color=color, ms=6, clip_on=False)
    place = edge[0] if below else edge[1]
    axes.annotate(
        f"{value:.2g}".replace("-", "−"), (place, row), (8 if below else -8, 0), textcoords="offset points",
        ha="left" if below else "right", va="center", fontsize=8, color=ink.MUTED,
    )  # fmt: skip


@styled
def split_halves(table: pd.DataFrame) -> Figure:
    """Draw how well two halves of the same experiment agree, perturbation by perturbation.

    Args:
        table: Columns ``perturbation`` and ``pearson`` (agreement of the two halves' effects).

    Raises:
        DataError: A column is missing, or the table is empty.
    """
    need_columns(table, ["perturbation", "pearson"])
    defined = table[np.isfinite(table["pearson"].to_numpy(float))]
    if defined.empty:
        raise DataError(["No perturbation has two halves to compare. Each needs at least two cells in each half."])
    ordered = defined.sort_values("pearson", ascending=False, kind="stable")
    values, few = ordered["pearson"].to_numpy(float), len(ordered) <= 40
    drawing = canvas(8.2, 0.8 + (0.2 * len(ordered) if few else 4.0))
    axes = drawing.add_axes((0, 0, 1, 1))
    # A page of thousands would be all this figure: evenly drawn ranks show the same curve.
    place = np.unique(np.linspace(0, len(values) - 1, min(len(values), _MOST_MARKS)).astype(int))
    colors = [ink.GREEN if value >= 0.5 else ink.GRAY for value in values[place]]
    axes.hlines(place, 0, values[place], color=colors, lw=2 if few else 0.8, alpha=0.5)
    axes.scatter(values[place], place, c=colors, s=30 if few else 8, lw=0, zorder=3)
    several = "context" in ordered and ordered["context"].nunique() > 1
    if few:
        names = ordered["perturbation"].astype(str) + (" · " + ordered["context"].astype(str) if several else "")
        name_rows(axes, [plain(name, 30) for name in names])
    else:
        axes.set_ylim(len(values) - 0.4, -0.6)
        axes.set_yticks([])
    axes.axvline(0, color=ink.MUTED, lw=0.8)
    axes.axvline(0.5, color=ink.MUTED, lw=0.8, ls=(0, (4, 3)))
    axes.set_xlim(min(-0.05, float(values.min()) - 0.05), 1.03)
    axes.set_xlabel("correlation of the effect between two halves of the cells")
    if not few:
        axes.set_ylabel(f"{len(values)} measured effects, most repeatable first")
    weak = int((values < 0.5).sum())
    undefined = f" {len(table) - len(defined)} had too few cells to split." if len(table) > len(defined) else ""
    drawn = f" {len(place)}, evenly spaced in rank, are drawn." if len(place) < len(values) else ""
    caption = (
        f"The effect of each perturbation, measured twice on two halves of its cells.{drawn} {weak} of {len(values)} "
        "agree with themselves below 0.5 (gray): their effect is weak or their cells are few, and no model can be "
        f"judged on them alone.{undefined} This measures the noise of the experiment, not any model."
    )
    return render(drawing, "Agreement of two halves of the experiment", caption)
