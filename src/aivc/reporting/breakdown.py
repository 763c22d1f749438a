"""Figures that look behind an average: question by question, by kind of question, and with an input taken away."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from aivc.core.errors import DataError
from aivc.reporting import drawing as ink
from aivc.reporting.drawing import Figure, plain, render, small_multiples, styled
from aivc.reporting.reading import STRENGTHS, cannot_tell, is_control, label, look, ordered_methods

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NEAR = 0.05
_MOST_CONTEXTS = 20
_VERDICTS = ("in", "edge", "out")
_SHADES = {"weak": ("v", ink.GRAY), "middle": ("o", ink.BLUE), "strong": ("^", ink.ORANGE)}


@styled
def wins_and_harms(scores: Mapping[str, Any]) -> Figure:
    """Draw on how many questions each method is better, and on how many worse, than the best simple baseline.

    Args:
        scores: The evaluator's JSON, with ``against_best`` in its scores.

    Raises:
        DataError: No score is held against a baseline.
    """
    methods, metrics = ordered_methods(scores)[:-1], compared(scores)
    if not metrics:
        raise DataError(["No score is held against a baseline. Evaluate with a score that has a direction."])
    drawing, panels = small_multiples([label(scores, metric) for metric in metrics], methods)
    for axes, metric in zip(panels, metrics, strict=True):
        for row, method in enumerate(methods):
            gain = look(scores["scores"], method, metric).get("against_best") or {}
            _win_bar(axes, row, gain, dull=bool(cannot_tell(scores, metric)))
        axes.axvline(0, color=ink.MUTED, lw=0.8)
        axes.set_xlim(-1.12, 1.12)
        axes.set_xticks([-1, 0, 1], ["← worse", "", "better →"])
        axes.set_xlabel(f"than {plain(rival(scores, metric), 24)}", labelpad=-8)
    caption = (
        "Of all questions, the share on which each method is better (to the right) and worse (hatched, to the left) "
        "than the best simple baseline for that score, named under the panel; its own row is empty. A check mark means "
        "that the mean gain is more than chance, a cross that the mean loss is; without either, the data do not say. A "
        "method that wins on most questions can still lose on average: the sizes of gains are in the table."
    )
    return render(drawing, "Wins and losses against the best simple baseline", caption)


def compared(scores: Mapping[str, Any]) -> list[str]:
    """Return the scores on which methods are held against the best simple baseline."""
    return [metric for metric in scores["metrics"] if rival(scores, metric)]


def rival(scores: Mapping[str, Any], metric: str) -> str:
    """Return the best simple baseline on a score; empty where none is named."""
    gains = (look(scores["scores"], method, metric).get("against_best") for method in scores["methods"])
    return next((str(each["baseline"]) for each in gains if each), "")


def _win_bar(axes: "Axes", row: int, gain: Mapping[str, Any], *, dull: bool) -> None:
    wins, harms = gain.get("wins"), gain.get("harms")
    if wins is None or harms is None:
        return
    axes.barh([row], [wins], height=0.5, color=ink.GRAY if dull else ink.BLUE)
    axes.barh([row], [-harms], height=0.5, color="none", edgecolor=ink.GRAY if dull else ink.ORANGE, hatch="//////")
    for share, side in ((wins, 1), (harms, -1)):
        inside = share > 0.8
        axes.annotate(
            f"{share:.0%}", (side * share, row), (side * (-3 if inside else 3), 0), textcoords="offset points",
            ha="right" if inside == (side > 0) else "left", va="center", fontsize=7.5,
            color=ink.PAPER if inside and side > 0 else ink.INK,
            bbox={"facecolor": ink.PAPER, "edgecolor": "none", "pad": 0.6} if inside and side < 0 else None,
        )  # fmt: skip
    sure = "✓" if (gain.get("low") or 0) > 0 else "✗" if (gain.get("high") or 0) < 0 else ""
    axes.text(1.04, row, sure, transform=axes.get_yaxis_transform(), ha="center", va="center", fontsize=9)


@styled
def by_strength(scores: Mapping[str, Any], strata: Mapping[str, Any]) -> Figure:
    """Draw every score where effects are weak, middling and strong.

    Args:
        scores: The evaluator's JSON.
        strata: Of ``weak``, ``middle`` and ``strong``, those there are → scores as in the JSON.

    Raises:
        DataError: None of the three is there.
    """
    shown = [name for name in STRENGTHS if name in strata]
    if not shown:
        raise DataError([f"This figure needs one of the strata {', '.join(STRENGTHS)}, got {', '.join(strata)}."])
    methods, metrics = ordered_methods(scores), list(scores["metrics"])
    drawing, panels = small_multiples([label(scores, metric) for metric in metrics], methods)
    for axes, metric in zip(panels, metrics, strict=True):
        for row, method in enumerate(methods):
            cells = {name: look(strata[name], method, metric).get("value") for name in shown}
            known = {name: value for name, value in cells.items() if value is not None}
            if known:
                axes.plot(list(known.values()), [row] * len(known), color=ink.RULE, lw=2, zorder=1)
            for name, value in known.items():
                shape, color = _SHADES[name]
                color = ink.GRAY if cannot_tell(scores, metric) else color
                axes.plot([value], [row], shape, color=color, ms=6, mew=0, alpha=0.9)
        axes.locator_params(axis="x", nbins=4)
        axes.margins(x=0.08)
    handles = [panels[0].plot([], [], _SHADES[n][0], color=_SHADES[n][1], ms=6, mew=0, label=n)[0] for n in shown]
    drawing.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.0 + 0.3 / drawing.get_size_inches()[1]), ncols=3
    )
    caption = (
        "Each score in its own units, where measured effects are weak (triangles down), middling (dots) and strong "
        "(triangles up). Where the ceiling itself moves with strength, so must every method. Each third holds fewer "
        "questions than the whole: the intervals in the table are wider than those above."
    )
    return render(drawing, "Scores by strength of the effect", caption)


@styled
def coverage_by(item: Mapping[str, Any], *, method: str) -> Figure:
    """Draw how often the intervals of one method hold, by kind of question.

    Args:
        item: Of the evaluator's ``calibration``: ``levels``, ``covered``, and ``by`` kind, label and level.
        method: Whose.

    Raises:
        DataError: Nothing is covered at any level.
    """
    levels = [float(level) for level in item["levels"]]
    worth, more = _groups(item)
    groups = [("all questions", list(item["covered"]), None), *worth]
    names = [name if n is None else f"{name} ({n:,})" for name, _, n in groups]
    values = np.array([[np.nan if each is None else each for each in row] for _, row, _ in groups], dtype=float)
    if not np.isfinite(values).any():
        raise DataError([f"{method!r} has no coverage at any level. Leave it out."])
    drawing, panels = small_multiples([f"{level:.0%} intervals" for level in levels], names, across=len(levels))
    for axes, level, held in zip(panels, levels, values.T, strict=True):
        axes.axvline(level, color=ink.MUTED, lw=1, ls=(0, (4, 3)))
        for row, value in enumerate(held):
            shape, color = _promise(value - level)
            axes.plot([value], [row], shape, color=color, ms=6.5, mew=0)
        ends = [*held[np.isfinite(held)], level]
        low, high = max(0.0, min(ends) - 0.06), min(1.02, max(ends) + 0.06)
        axes.set_xlim(min(low, level - 0.12), max(high, min(1.02, level + 0.12)))
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    rest = f" {more} more contexts, all nearer to the promise of the 90% intervals, are in the table." * (more > 0)
    caption = (
        f"{plain(method)}: share of measured means that its intervals held, by kind of question; in brackets, how many "
        "questions. The dashed line is the promise. Dots keep it within 5 percentage points, diamonds fall below (too "
        f"narrow: overconfident), triangles lie above (too wide: cautious).{rest} Small groups stray by luck; a group "
        "that strays and is large is where not to trust the intervals."
    )
    return render(drawing, f"Coverage of {method} by kind of question", caption)


def _promise(gap: float) -> tuple[str, str]:
    if abs(gap) <= _NEAR:
        return "o", ink.BLUE
    return ("D", ink.ORANGE) if gap < 0 else ("^", ink.GREEN)


def _groups(item: Mapping[str, Any]) -> tuple[list[tuple[str, list[float | None], int]], int]:
    """Groups worth drawing, and how many contexts were left out; a kind with one label says what the whole says."""
    order = [*STRENGTHS, *_VERDICTS]
    found = []
    for kind in ("strength", "applicability", "context"):
        labels = item.get("by", {}).get(kind, {})
        if len(labels) > 1:
            ranked = sorted(labels, key=lambda name: (order.index(name) if name in order else len(order), name))
            found += [(kind, name, labels[name]) for name in ranked]
    at = int(np.argmin(np.abs(np.array(item["levels"], dtype=float) - 0.9)))
    gaps = {name: abs((each["covered"][at] or 0.0) - 0.9) for kind, name, each in found if kind == "context"}
    kept = sorted(gaps, key=lambda name: -gaps[name])[:_MOST_CONTEXTS]
    drawn = [each for each in found if each[0] != "context" or each[1] in kept]
    shown = [(f"{kind}: {name}", list(each["covered"]), int(each["n"])) for kind, name, each in drawn]
    return shown, len(found) - len(drawn)


@styled
def input_usage(scores: Mapping[str, Any], metrics: Sequence[str]) -> Figure:
    """Draw what each method loses when one of its inputs is shuffled.

    Args:
        scores: The evaluator's JSON, with ``usage``.
        metrics: Which scores to draw.

    Raises:
        DataError: Nothing was shuffled.
    """
    rows = list(dict.fromkeys((each["method"], each["input"]) for each in scores.get("usage", [])))
    if not rows or not metrics:
        raise DataError(["No input was shuffled. Evaluate with the inputs whose use is to be known."])
    names = [f"{method} without {what}" for method, what in rows]
    drawing, panels = small_multiples([label(scores, metric) for metric in metrics], names)
    losses = {(each["method"], each["input"], each["metric"]): each for each in scores["usage"]}
    for axes, metric in zip(panels, metrics, strict=True):
        axes.axvline(0, color=ink.MUTED, lw=0.8)
        for row, key in enumerate(rows):
            each = losses.get((*key, metric))
            if each is None:
                continue
            sure = each["low"] > 0
            color = ink.BLUE if sure else ink.GRAY
            axes.plot([each["low"], each["high"]], [row, row], color=color, lw=2, alpha=0.6, solid_capstyle="butt")
            axes.plot([each["loss"]], [row], "o", color=color, ms=6, mew=1.2, mfc=color if sure else ink.PAPER)
        axes.locator_params(axis="x", nbins=4)
        axes.margins(x=0.1)
    caption = (
        "What is lost when an input is shuffled before fitting, in the units of each score and turned so that right of "
        "zero is worse without it; lines are 95% bootstrap intervals, paired by question. Filled dots: the input is "
        "used. Hollow dots: the method may as well not have had it, on these data and by this score. It does not say "
        "that the input is used well."
    )
    return render(drawing, "What is lost without an input", caption)


def competing(scores: Mapping[str, Any], methods: Sequence[str]) -> list[str]:
    """Return the methods that are neither baseline nor negative control; all of them where there is nothing else."""
    simple = {scores["baseline"], "no-change", *(rival(scores, metric) for metric in scores["metrics"])}
    found = [method for method in methods if method not in simple and not is_control(method)]
    return found or list(methods)
