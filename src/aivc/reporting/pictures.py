"""Figures of a cell and its answers: a map of cells, a volcano, agreement with the experiment, dose response."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.prediction import Prediction
from aivc.core.units import spoken_units
from aivc.core.views import certainty, name_marks
from aivc.reporting import drawing as ink
from aivc.reporting.drawing import Figure, canvas, need_columns, plain, render, styled
from aivc.reporting.sortable import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours again, each with a shape of its own, so that color is not all that tells groups apart.
GROUP_LOOKS = (
    (ink.BLUE, "o"),
    (ink.ORANGE, "D"),
    (ink.GREEN, "^"),
    ("#cc79a7", "s"),
    ("#56b4e9", "v"),
    ("#e69f00", "P"),
)
MOST_GROUPS = len(GROUP_LOOKS)
_NAMED = 10


@styled
def cells_map(
    places_nd: Float[np.ndarray, "n d"],
    groupings: Sequence[tuple[str, np.ndarray, Sequence[str]]],
    *,
    encoder: str,
    drawn: str,
) -> Figure:
    """Draw cells on the two axes along which their states vary most.

    Args:
        places_nd: ``(n, d)`` states of the cells, as an encoder writes them.
        groupings: One panel each: what the groups are, ``(n,)`` the group of each cell, and the groups to color, at
            most `MOST_GROUPS`; all others are gray.
        encoder: Which one wrote the states.
        drawn: Which cells these are, as a sentence.

    Raises:
        DataError: Fewer than three cells, or a state that is not finite.
    """
    if len(places_nd) < 3 or not np.isfinite(places_nd).all():
        raise DataError(["A map needs the finite states of at least three cells. Encode more cells."])
    place_n2, share = _principal(places_nd)
    drawing = canvas(4.1 * len(groupings), 3.9)
    for i, (what, group_n, named) in enumerate(groupings):
        axes = drawing.add_axes((i / len(groupings), 0, 0.84 / len(groupings), 1))
        _group_marks(axes, place_n2, np.asarray(group_n, dtype=str), list(named)[:MOST_GROUPS])
        axes.set_title(f"by {plain(what, 30)}", pad=48)
        axes.set_xlabel(f"principal axis 1 of the state ({share[0]:.0%} of variance)")
        axes.set_ylabel(f"principal axis 2 ({share[1]:.0%})")
        axes.tick_params(labelcolor=ink.MUTED)
        axes.spines["left"].set_visible(True)
    caption = (
        f"{drawn} Each mark is one, at its state as the encoder {plain(encoder)} writes it, on the two axes on which "
        "these states vary most. Units are those of the state; near marks are alike as the model sees them. What the "
        f"other axes hold ({1 - share.sum():.0%} of the variance) is not shown."
    )
    return render(drawing, "Cells in two dimensions", caption)


def _principal(places_nd: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates ``(n, 2)`` on the first two principal axes, and the share of variance of each."""
    centered = places_nd - places_nd.mean(axis=0)
    left, size, axes = np.linalg.svd(centered, full_matrices=False)
    # The sign of an axis is free: its largest loading is positive, so that the same cells give the same picture.
    sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    place = np.zeros((len(places_nd), 2))
    kept = min(2, len(size))
    place[:, :kept] = (left * size * sign)[:, :kept]
    share = np.zeros(2)
    share[:kept] = (size**2 / max(float((size**2).sum()), 1e-300))[:kept]
    return place, share


def _group_marks(axes: "Axes", place_n2: np.ndarray, group_n: np.ndarray, named: list[str]) -> None:
    rest = ~np.isin(group_n, named)
    for name, rows, color, shape, alpha in (
        ("all others", rest, ink.GRAY, "o", 0.35),
        *((name, group_n == name, *look, 0.85) for name, look in zip(named, GROUP_LOOKS, strict=False)),
    ):
        if rows.any():
            size = 2.4 if rows is rest else 3.8
            axes.plot(*place_n2[rows].T, shape, color=color, ms=size, mew=0, alpha=alpha, label=plain(name, 20))
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.04, 1.0), ncols=3, markerscale=1.8, handletextpad=0.1, columnspacing=0.8,
        fontsize=8,
    )  # fmt: skip


@styled
def volcano(prediction: Prediction[Measurement], *, perturbation: str, level: float = 0.9) -> Figure:
    """Draw every feature of one answer: how large its effect is, and how sure.

    Args:
        prediction: With the profile of its start.
        perturbation: Which one.
        level: Of the intervals.

    Raises:
        DataError: Its start is not known, or no feature has an interval.
    """
    drawing = canvas(4.3, 3.9)
    axes = drawing.add_axes((0, 0, 1, 1))
    prediction.plot(kind="volcano", top=_NAMED, level=level, axes=axes)
    axes.set_title(plain(perturbation, 60))
    axes.tick_params(labelcolor=ink.MUTED)
    table = prediction.effects(level)
    sure = certainty(table)
    known = np.isfinite(sure)
    caption = (
        f"{plain(perturbation)}, predicted: each dot is one of {int(known.sum())} features, to the right what rises "
        f"(orange) and to the left what falls (blue). Above the dashed line, {int((sure[known] > 1).sum())} features "
        f"have a {level:.0%} interval that does not hold zero; gray ones may not change at all. Lines are intervals "
        f"of the features that are named. Promise of these intervals: {prediction.coverage}."
    )
    return render(drawing, f"Volcano of {perturbation}", caption)


@styled
def agreement(table: pd.DataFrame, *, perturbation: str, units: str) -> Figure:
    """Draw the predicted against the measured effect of every feature.

    Args:
        table: Columns ``feature``, ``predicted`` and ``measured`` (NaN where nothing was).
        perturbation: Which one.
        units: Of both.

    Raises:
        DataError: A column is missing, a prediction is not finite, or fewer than three features were measured.
    """
    need_columns(table, ["feature", "predicted", "measured"], finite=["predicted"])
    known = table[np.isfinite(table["measured"].to_numpy(float))]
    if len(known) < 3:
        raise DataError(["Agreement needs three features with a measured effect. Give data that hold them."])
    measured, predicted = known["measured"].to_numpy(float), known["predicted"].to_numpy(float)
    drawing = canvas(3.9, 3.9)
    axes = drawing.add_axes((0, 0, 1, 1))
    limit = 1.35 * max(float(np.abs(measured).max()), float(np.abs(predicted).max()), 1e-9)
    axes.plot([-limit, limit], [-limit, limit], color=ink.MUTED, lw=1, ls=(0, (4, 3)))
    axes.axhline(0, color=ink.RULE, lw=0.8)
    axes.axvline(0, color=ink.RULE, lw=0.8)
    axes.plot(measured, predicted, "o", color=ink.BLUE, ms=3.5, mew=0, alpha=0.65)
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit))
    largest = np.argsort(-np.abs(measured), kind="stable")[:6]
    for side in (measured[largest] >= 0, measured[largest] < 0):
        picked = largest[side]
        name_marks(axes, known["feature"].to_numpy(str)[picked], measured[picked], predicted[picked])
    axes.set_xlabel(f"measured effect, {spoken_units(units)}", fontsize=8)
    axes.set_ylabel(f"predicted effect, {spoken_units(units)}", fontsize=8)
    axes.tick_params(labelcolor=ink.MUTED)
    both = measured.std() > 0 and predicted.std() > 0
    said = (
        f"their correlation is {number(float(np.corrcoef(measured, predicted)[0, 1]), '.2f')}. "
        if both
        else "one of them is constant. "
    )
    caption = (
        f"Predicted against measured effect of {plain(perturbation)}, {len(known)} features: {said}"
        "On the dashed line both agree; a cloud flatter than the line is a prediction that stays near the average."
    )
    return render(drawing, f"Predicted against measured effect of {perturbation}", caption)


@styled
def dose_response(
    curve: pd.DataFrame, *, agent: str, unit: str, units: str, level: float = 0.9, measured: pd.DataFrame | None = None
) -> Figure:
    """Draw the effect on a few features over the dose, with its intervals.

    Args:
        curve: Columns ``feature``, ``dose``, ``effect``, ``low`` and ``high``: the predicted curve.
        agent: Which compound.
        unit: Of the doses.
        units: Of the effects.
        level: Of the intervals.
        measured: Columns ``feature``, ``dose`` and ``effect``, where there are any.

    Raises:
        DataError: A column is missing, an effect is not finite, or a dose is not above zero.
    """
    need_columns(curve, ["feature", "dose", "effect", "low", "high"], finite=["dose", "effect"])
    if (curve["dose"] <= 0).any():
        raise DataError(["Doses of a curve lie above zero, as they are drawn on a logarithmic axis. Leave out zero."])
    names = list(dict.fromkeys(curve["feature"]))
    drawing = canvas(3.1 * len(names), 2.6)
    ends = _finite_ends(curve, measured)
    for i, name in enumerate(names):
        axes = drawing.add_axes((i / len(names), 0, 0.84 / len(names), 1))
        rows = curve[curve["feature"] == name].sort_values("dose")
        axes.fill_between(
            rows["dose"], rows["low"].clip(*ends), rows["high"].clip(*ends), color=ink.BLUE, alpha=0.2, lw=0
        )
        axes.plot(rows["dose"], rows["effect"], color=ink.BLUE, lw=1.8)
        if measured is not None:
            seen = measured[measured["feature"] == name]
            axes.plot(seen["dose"], seen["effect"], "x", color=ink.INK, ms=6, mew=1.6)
        axes.axhline(0, color=ink.MUTED, lw=0.8)
        axes.set(xscale="log", ylim=ends)
        axes.set_title(plain(name, 24))
        axes.set_xlabel(f"dose, {plain(unit, 12)} (log scale)")
        axes.tick_params(labelcolor=ink.MUTED)
        if i == 0:
            axes.set_ylabel(f"effect, {spoken_units(units)}", fontsize=8)
    marks = "Crosses are measured, each on the mean of its cells. " if measured is not None else ""
    caption = (
        f"Dose response of {plain(agent)}: the line is the predicted effect, the band its {level:.0%} interval, on the "
        f"features that move most at the highest dose. {marks}Between doses of training the curve is an interpolation."
    )
    return render(drawing, f"Dose response of {agent}", caption)


def _finite_ends(curve: pd.DataFrame, measured: pd.DataFrame | None) -> tuple[float, float]:
    columns: list[Any] = [curve[name] for name in ("effect", "low", "high")]
    columns += [] if measured is None else [measured["effect"]]
    values = np.concatenate([np.asarray(each, float) for each in columns])
    values = np.append(values[np.isfinite(values)], 0.0)
    room = 0.08 * (float(np.ptp(values)) or 1.0)
    return float(values.min()) - room, float(values.max()) + room


def group_names(perturbations: np.ndarray, strongest: Sequence[str]) -> list[str]:
    """Control, and then the strongest perturbations that are there: the groups of a map that are colored.

    >>> group_names(np.array(["control", "ko:A", "ko:B"]), ["ko:B", "ko:C"])
    ['control', 'ko:B']
    """
    there = set(map(str, perturbations))
    return [name for name in (CONTROL, *strongest) if name in there][:MOST_GROUPS]
