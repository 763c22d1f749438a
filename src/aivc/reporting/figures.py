"""The figures of the report: each a pure function from numbers to a drawing and a plain sentence about it."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.units import spoken_units
from aivc.reporting import drawing as ink
from aivc.reporting.breakdown import by_strength, coverage_by, input_usage, wins_and_harms
from aivc.reporting.drawing import Figure, canvas, name_rows, need_columns, plain, render, styled
from aivc.reporting.quality import reliability, score_strip, split_halves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Figure",
    "by_strength",
    "coverage_by",
    "effects_heatmap",
    "input_usage",
    "plate",
    "predicted_vs_measured",
    "ranking",
    "reliability",
    "score_strip",
    "split_halves",
    "wins_and_harms",
]

Names: TypeAlias = Sequence[str] | np.ndarray | pd.Index
_SURE = {"in": 1.0, "edge": 0.6, "out": 0.3}
_ROWS = "ABCDEFGHIJKLMNOP"
_ROLES = {
    "control": (ink.GRAY, "s"),
    "positive": (ink.INK, "^"),
    "exploit": (ink.BLUE, "o"),
    "explore": (ink.ORANGE, "D"),
}


@styled
def effects_heatmap(
    effects_pf: Float[np.ndarray, "p f"],
    perturbations: Names,
    features: Names,
    units: str,
    *,
    made_by: str = "",
    top: int = 40,
) -> Figure:
    """Draw what each perturbation did to the features that vary most, alike beside alike.

    Args:
        effects_pf: ``(p, f)`` mean changes from control.
        perturbations: ``p`` names.
        features: ``f`` names.
        units: Of the changes, as in `aivc.core.units`.
        made_by: Model that predicted the effects; empty for measured ones.
        top: Most features and most perturbations (the strongest) to draw.

    Raises:
        DataError: Shapes disagree, there is nothing to draw, or a value is not finite.
    """
    _check_effects(effects_pf, perturbations, features)
    rows = _largest(np.linalg.norm(effects_pf, axis=1), top)
    columns = _largest(effects_pf[rows].std(axis=0) if len(rows) > 1 else np.abs(effects_pf[0]), top)
    block = effects_pf[np.ix_(rows, columns)]
    down, across = _alike(block), _alike(block.T)
    rows, columns, block = rows[down], columns[across], block[np.ix_(down, across)]
    limit = float(np.quantile(np.abs(block), 0.99)) or 1.0

    drawing = canvas(1.6 + 0.21 * max(len(columns), 12), 1.2 + 0.2 * len(rows))
    axes = drawing.add_axes((0, 0, 1, 1))
    mesh = axes.pcolormesh(
        block, cmap=_diverging(), vmin=-limit, vmax=limit, edgecolor=ink.PAPER, linewidth=0.7, clip_on=False
    )
    axes.set_ylim(len(rows), 0)
    axes.spines["bottom"].set_visible(False)
    axes.set_yticks(np.arange(len(rows)) + 0.5, [plain(perturbations[i], 24) for i in rows])
    axes.set_xticks(np.arange(len(columns)) + 0.5, [plain(features[i], 16) for i in columns], rotation=90)
    axes.tick_params(axis="x", labelcolor=ink.INK, labelsize=8)
    width, height = drawing.get_size_inches()
    bar = drawing.add_axes((0, 1 + 0.32 / height, 2.2 / width, 0.09 / height))
    scale = drawing.colorbar(mesh, cax=bar, orientation="horizontal", extend="both", ticks=[-limit, 0, limit])
    scale.ax.set_xticklabels([f"−{limit:.2g}", "0", f"+{limit:.2g}"])
    scale.outline.set_visible(False)
    scale.ax.set_title(
        f"change from control, {spoken_units(units)}", color=ink.MUTED, fontsize=8.5, fontweight="normal"
    )
    what = f"Effects predicted by {made_by}" if made_by else "Measured effects"
    caption = (
        f"{what}: mean change from control cells, for the {_count(len(rows), len(perturbations), 'perturbation')} and "
        f"the {_count(len(columns), len(features), 'feature')} that vary most. Red is more than in control, blue less; "
        "rows and columns that behave alike are side by side. The 1% most extreme values share the end colors. "
        "A mean hides how cells differ, and the colors do not show how sure each value is."
    )
    return render(drawing, what, caption)


@styled
def predicted_vs_measured(
    table: pd.DataFrame,
    *,
    perturbation: str,
    units: str,
    by: Literal["measured", "predicted"] = "measured",
    level: float = 0.9,
    top: int = 24,
) -> Figure:
    """Draw one perturbation: what was predicted, how surely, and what was measured.

    Args:
        table: Columns ``feature``, ``predicted``, ``low``, ``high`` and ``measured`` (NaN where nothing was): mean
            changes from control. Infinite ends are drawn to the edge.
        perturbation: Which one.
        units: Of the changes.
        by: What picks the features: size of the measured or of the predicted change.
        level: Of the intervals.
        top: How many features.

    Raises:
        DataError: A column is missing, or a prediction is not finite.
    """
    need_columns(table, ["feature", "predicted", "low", "high", "measured"], finite=["predicted"])
    measured_f = table["measured"].to_numpy(float)
    inside_f = (table["low"].to_numpy(float) <= measured_f) & (measured_f <= table["high"].to_numpy(float))
    known_f = np.isfinite(measured_f)
    picked = _largest(np.nan_to_num(table[by].to_numpy(float)), top)
    order = picked[np.argsort(-np.nan_to_num(table[by].to_numpy(float)[picked]), kind="stable")]
    shown = table.iloc[order]

    drawing = canvas(8.2, 0.9 + 0.21 * len(shown))
    axes = drawing.add_axes((0, 0, 1, 1))
    _intervals(axes, shown["predicted"], shown["low"], shown["high"], [1.0] * len(shown))
    place = np.arange(len(shown))
    axes.plot(shown["predicted"], place, "o", color=ink.BLUE, ms=5.5, label="predicted mean")
    axes.plot([], [], color=ink.BLUE, lw=5, alpha=0.28, label=f"{level:.0%} interval")
    for held, color, word in ((True, ink.INK, "measured, inside"), (False, ink.ORANGE, "measured, outside")):
        rows = known_f[order] & (inside_f[order] == held)
        if rows.any():
            axes.plot(measured_f[order][rows], place[rows], "x", color=color, ms=6, mew=1.8, label=word)
    axes.axvline(0, color=ink.MUTED, lw=0.8)
    name_rows(axes, [plain(name, 20) for name in shown["feature"]])
    axes.set_xlabel(f"change from control, {spoken_units(units)}")
    _legend(axes, 4)
    caption = (
        f"{plain(perturbation)}: the {len(shown)} features with the largest {by} change, of {len(table)}. "
        + _inside(inside_f[order], known_f[order], inside_f, known_f, level)
        + ("Features picked for a large measured change fall outside more often than others. " * (by == "measured"))
        + "The mean of many cells is shown; single cells scatter far more widely."
    )
    return render(drawing, f"{perturbation}: predicted and measured", caption)


def _inside(picked: np.ndarray, known: np.ndarray, all_in: np.ndarray, all_known: np.ndarray, level: float) -> str:
    if not all_known.any():
        return "It has not been measured: these are predictions alone. "
    return (
        f"Of those measured, {int(picked[known].sum())} of {int(known.sum())} lie inside their {level:.0%} interval; "
        f"over all features, {all_in[all_known].mean():.0%} do. "
    )


@styled
def ranking(table: pd.DataFrame, *, response: str, units: str = "", top: int = 30, level: float = 0.9) -> Figure:
    """Draw a virtual screen, best first.

    Args:
        table: In rank order: ``perturbation``, ``score`` (predicted change of the response), ``low``, ``high``,
            ``seen`` (whether it was in training), ``applicability`` (in, edge or out); and ``measured`` where it is
            known.
        response: What was screened for.
        units: Of the scores.
        top: How many rows.
        level: Of the intervals.

    Raises:
        DataError: A column is missing, a score is not finite, or an applicability is none of the three.
    """
    need_columns(table, ["perturbation", "score", "low", "high", "seen", "applicability"], finite=["score"])
    if unknown := sorted(set(table["applicability"].astype(str)) - set(_SURE)):
        raise DataError([f"Applicability is in, edge or out, got {', '.join(unknown)}. Use Prediction.applicability."])
    shown = table.iloc[:top]
    seen = shown["seen"].to_numpy(bool)
    sure = [_SURE[str(value)] for value in shown["applicability"]]

    drawing = canvas(8.2, 0.9 + 0.21 * len(shown))
    axes = drawing.add_axes((0, 0, 1, 1))
    _intervals(axes, shown["score"], shown["low"], shown["high"], sure)
    for i, (value, known, alpha) in enumerate(zip(shown["score"], seen, sure, strict=True)):
        axes.plot(
            [value], [i], "o" if known else "D", color=ink.BLUE if known else ink.ORANGE, ms=6, alpha=alpha, mew=0
        )
        note = f"{'seen' if known else 'unseen'} · {shown['applicability'].iloc[i]}"
        axes.text(1.02, i, note, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=ink.MUTED)
    axes.plot([], [], "o", color=ink.BLUE, ms=6, label="seen in training")
    axes.plot([], [], "D", color=ink.ORANGE, ms=6, label="unseen")
    axes.plot([], [], color=ink.BLUE, lw=5, alpha=0.28, label=f"{level:.0%} interval")
    if "measured" in shown:
        axes.plot(shown["measured"], np.arange(len(shown)), "x", color=ink.INK, ms=6, mew=1.6, label="measured")
    axes.axvline(0, color=ink.MUTED, lw=0.8)
    ranks = [f"{i + 1}. {plain(name, 24)}" for i, name in enumerate(shown["perturbation"])]
    name_rows(axes, ranks)
    axes.set_xlabel(f"predicted change of {plain(response, 60)}" + (f", {spoken_units(units)}" if units else ""))
    _legend(axes, 4)
    faint = sum(value != "in" for value in shown["applicability"])
    caption = (
        f"Virtual screen for {plain(response)}: {_count(len(shown), len(table), 'perturbation')}, best first. "
        f"{int((~seen).sum())} of those shown were never in training. Paler marks ask more of the model: edge means "
        f"only relatives were seen, out means nothing is known and the answer is a default; {faint} of those shown "
        "are such. Overlapping intervals mean that the order is not settled. A prediction is a reason to do the "
        "experiment, not its result."
    )
    return render(drawing, f"Virtual screen for {response}", caption)


@styled
def plate(plan: pd.DataFrame, *, title: str = "") -> Figure:
    """Draw a plate of 96 or 384 wells: what goes where, and why.

    Args:
        plan: Columns ``well`` (``A1`` to ``H12``, or to ``P24``), ``perturbation`` and ``role`` (control, positive,
            exploit or explore); one plate. Of 384 wells, only the shapes are drawn.
        title: Over the plate.

    Raises:
        DataError: A column is missing, or a well or role does not exist or is used twice.
    """
    need_columns(plan, ["well", "perturbation", "role"])
    wells = [re.fullmatch(r"([A-P])0?([1-9]|1\d|2[0-4])", str(well)) for well in plan["well"]]
    if problems := _plate_problems(plan, wells):
        raise DataError(problems)
    places = [(_ROWS.index(well[1]), int(well[2]) - 1) for well in wells if well]
    large = any(i >= 8 or j >= 12 for i, j in places)
    across, down = (24, 16) if large else (12, 8)
    drawing = canvas(9.8, 5.0)
    axes = drawing.add_axes((0, 0, 1, 1))
    empty = [(i, j) for i in range(down) for j in range(across) if (i, j) not in set(places)]
    axes.plot([j for _, j in empty], [i for i, _ in empty], "o", ms=6 if large else 13, mfc="none", mec=ink.RULE)
    roles = plan["role"].astype(str).to_numpy()
    for role, (color, shape) in _ROLES.items():
        rows = [place for place, each in zip(places, roles, strict=True) if each == role]
        size = (11.5 if shape == "D" else 14) * (0.5 if large else 1)
        if role == "positive" and not rows:
            continue
        axes.plot(
            [j for _, j in rows],
            [i for i, _ in rows],
            shape,
            ms=size,
            color=color,
            mew=0,
            label=f"{role} ({len(rows)})",
        )
    named = [] if large else list(zip(places, _short(plan["perturbation"].astype(str).tolist()), strict=True))
    for (i, j), name in named:
        axes.text(j, i + 0.36, plain(name, 13), ha="center", va="center", fontsize=7.5)
    axes.set(xlim=(-0.6, across - 0.4), ylim=(down - 0.4, -0.6))
    axes.set_xticks(range(across), [str(j + 1) for j in range(across)])
    axes.set_yticks(range(down), list(_ROWS[:down]), color=ink.MUTED)
    axes.xaxis.tick_top()
    axes.spines["bottom"].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.03, 0), ncols=4, handletextpad=0.4, markerscale=0.6)
    axes.set_title(plain(title, 80))
    counts = ", ".join(f"{int((roles == role).sum())} {role}" for role in _ROLES if role != "positive" or role in roles)
    caption = (
        f"Proposed plate, {len(plan)} of {across * down} wells: {counts}. Exploit wells test the predictions most "
        "likely to succeed; explore wells test where the model knows least, so that it learns most; controls are the "
        "reference for both. A proposal rests on predictions: check guides, doses and toxicity before pipetting."
    )
    return render(drawing, title or "Plate layout", caption)


def _plate_problems(plan: pd.DataFrame, wells: list[re.Match[str] | None]) -> list[str]:
    unknown = [str(well) for well, match in zip(plan["well"], wells, strict=True) if match is None]
    places = pd.Series([f"{match[1]}{match[2]}" for match in wells if match], dtype=object)
    twice = sorted(set(places[places.duplicated()]))
    roles = sorted(set(plan["role"].astype(str)) - set(_ROLES))
    problems = []
    if unknown:
        problems.append(
            f"A plate of 96 or 384 wells has the wells A1 to H12 or P24, not {', '.join(unknown[:6])}. Draw each plate "
            "by itself."
        )
    if twice:
        problems.append(f"Wells {', '.join(twice[:6])} are used twice. Give one row per well, one plate at a time.")
    if roles:
        problems.append(f"A well's role is control, positive, exploit or explore, not {', '.join(roles[:6])}.")
    return problems


def _short(names: list[str]) -> list[str]:
    """Drop a mode that all agents share (``ko:``): a well is small."""
    modes = {mode for name in names for mode in re.findall(r"(?:^|\+)(\w+):", name)}
    return [re.sub(rf"(^|\+){next(iter(modes))}:", r"\1", name) for name in names] if len(modes) == 1 else names


def _intervals(axes: "Axes", middle: pd.Series, low: pd.Series, high: pd.Series, sure: list[float]) -> None:
    """Draw pale bars; ends without bound reach the edge of what is finite."""
    ends = np.concatenate([np.asarray(column, float) for column in (middle, low, high)])
    finite = ends[np.isfinite(ends)]
    room = 0.05 * (float(np.ptp(finite)) or 1.0)
    edge = min(0.0, finite.min()) - room, max(0.0, finite.max()) + room
    lows, highs = (np.clip(np.asarray(column, float), *edge) for column in (low, high))
    for i, alpha in enumerate(sure):
        axes.plot([lows[i], highs[i]], [i, i], color=ink.BLUE, lw=5, alpha=0.28 * alpha, solid_capstyle="butt")


def _legend(axes: "Axes", columns: int) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=columns, handlelength=1.2, handletextpad=0.5,
        columnspacing=1.4, borderpad=0.2,
    )  # fmt: skip


def _diverging() -> Any:
    from matplotlib import colormaps

    # Few enough steps for the scale to stay vector; more could not be distinguished.
    return colormaps["RdBu_r"].resampled(41)


def _alike(block: np.ndarray) -> np.ndarray:
    """Order rows so that alike ones are side by side."""
    if len(block) < 3:
        return np.arange(len(block))
    from scipy.cluster.hierarchy import leaves_list, linkage

    return np.asarray(leaves_list(linkage(block, "average", optimal_ordering=True)))


def _largest(values: np.ndarray, top: int) -> np.ndarray:
    return np.argsort(-np.abs(values), kind="stable")[:top]


def _count(shown: int, total: int, what: str) -> str:
    return f"{shown} {what}{'s' * (shown != 1)}" if shown == total else f"{shown} of {total} {what}s"


def _check_effects(effects_pf: np.ndarray, perturbations: Names, features: Names) -> None:
    wanted = (len(perturbations), len(features))
    if effects_pf.shape != wanted or not all(wanted):
        raise DataError(
            [f"Effects have one row per perturbation and one column per feature: {wanted}, not {effects_pf.shape}."]
        )
    if not np.isfinite(effects_pf).all():
        raise DataError(["Effects to draw are finite numbers. Leave out what was not measured."])
