"""What a prediction says, in the forms people work with: a table, an AnnData, a figure, a notebook card."""

from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from aivc.core.calibration import Applicability
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.population import stacked
from aivc.core.units import spoken_units

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

    from aivc.core.prediction import Prediction

# Where an AnnData says what made it.
ABOUT = "aivc"
# Okabe & Ito's colours, distinct under every common colour blindness.
_MORE, _LESS, _DULL = "#d55e00", "#0072b2", "#9aa1ab"
_LONGEST = 60
_EVIDENCE = {
    Applicability.IN: "this perturbation, or what it is made of, was seen in training",
    Applicability.EDGE: "not seen in training, but its relatives were",
    Applicability.OUT: "nothing is known about it: the answer is a default",
}


def effects(prediction: "Prediction[Any]", level: float = 0.9) -> pd.DataFrame:
    """Tabulate the predicted effect, largest first.

    Args:
        prediction: Of readings, with the profile of its start (``base``).
        level: Of the intervals, such as 0.9.

    Returns:
        ``f`` rows with the columns ``feature``, ``effect``, ``low`` and ``high``, in profile units, sorted by the size
        of the effect. Ends are NaN where nothing says how sure the prediction is.

    Raises:
        DataError: It predicts states, or its start is not known.
        ValueError: The level is not between 0 and 1.
    """
    features = _features(prediction)
    effect, low, high = _effect(prediction, level)
    order = np.argsort(-np.abs(effect), kind="stable")
    made = pd.DataFrame({"feature": features, "effect": effect, "low": low, "high": high})
    return made.iloc[order].reset_index(drop=True)


def to_anndata(prediction: "Prediction[Any]", level: float = 0.9) -> "AnnData":
    """Make an AnnData of the virtual cells of all draws.

    Args:
        prediction: Of readings, with the profile of its start (``base``).
        level: Of the intervals in ``var``.

    Returns:
        ``X`` in the units of the draws, sparse where they are; ``obs`` with ``perturbation``, ``context``, ``draw`` and
        what else the cells carry; ``var`` with ``effect``, ``low`` and ``high`` in profile units; ``uns["aivc"]`` with
        ``made_by``, ``applicability``, ``coverage``, ``level``, ``units`` and ``profile_units``.

    Raises:
        DataError: It predicts states, or its start is not known.
        ValueError: The level is not between 0 and 1.
    """
    from anndata import AnnData

    features = _features(prediction)
    effect, low, high = _effect(prediction, level)
    var = pd.DataFrame({"effect": effect, "low": low, "high": high}, index=pd.Index(features))
    # Answers to many questions at once are means until somebody wants their cells.
    draws = (prediction if prediction.unread is None else prediction.unread()).draws
    about = {
        "made_by": list(prediction.made_by),
        "applicability": str(prediction.applicability),
        "coverage": prediction.coverage,
        "level": level,
        "units": draws[0].units,
        "profile_units": prediction.profile_units,
    }
    return AnnData(
        stacked(draws), obs=pd.concat([_obs(draw, i) for i, draw in enumerate(draws)]), var=var, uns={ABOUT: about}
    )


def html(prediction: "Prediction[Any]", top: int = 8) -> str:
    """Write a short card for notebooks: what was predicted, how sure it is, and the largest effects.

    Args:
        prediction: Of readings or of states; of states, or without the profile of its start, no effects are shown.
        top: Features shown.
    """
    first = prediction.draws[0]
    asked = " + ".join(sorted(set(map(str, first.perturbations)))) or "nothing"
    where = ", ".join(sorted(set(map(str, first.contexts))))
    cells = sum(map(len, prediction.draws))
    facts = {
        "predicted": f"{asked} in {where}",
        "by": " → ".join(prediction.made_by),
        "from": f"{len(prediction.draws)} draws, {cells} virtual cells",
        "evidence": _EVIDENCE[prediction.applicability],
        "90 % intervals": prediction.coverage,
    }
    rows = "".join(f"<tr><th>{escape(key)}</th><td>{escape(text)}</td></tr>" for key, text in facts.items())
    return f"<div><table>{rows}</table>{_effect_rows(prediction, top)}</div>"


def plot(
    prediction: "Prediction[Any]",
    *,
    kind: Literal["intervals", "volcano"] = "intervals",
    top: int = 20,
    level: float = 0.9,
    axes: "Axes | None" = None,
) -> "Axes":
    """Draw the predicted effect with its intervals.

    Args:
        prediction: Of readings, with the profile of its start (``base``).
        kind: ``intervals`` draws the largest effects, one row each; ``volcano`` draws every feature, its effect against
            how many half-widths of its interval that is: above 1 the interval does not hold zero.
        top: Features drawn as rows, or named in the volcano.
        level: Of the intervals; one that is not known or infinite is not drawn.
        axes: Where to draw; None makes a figure.

    Returns:
        The axes drawn into.

    Raises:
        DataError: It predicts states, or its start is not known; or no feature has an interval for a volcano.
        ValueError: The level is not between 0 and 1, or there is no such kind.
    """
    if kind not in _DRAWN:
        raise ValueError(f"A prediction is drawn as {' or '.join(_DRAWN)}, got {kind!r}.")
    table = effects(prediction, level)
    if axes is None:
        from matplotlib import pyplot

        size = (5.0, 1 + 0.25 * min(top, len(table))) if kind == "intervals" else (5.0, 4.0)
        axes = pyplot.subplots(figsize=size, layout="constrained")[1]
    _DRAWN[kind](axes, table, top, level)
    # A dollar in a name would begin a formula.
    axes.set_xlabel(f"effect, {spoken_units(prediction.profile_units)} (bars: {100 * level:g} % intervals)")
    title = ", ".join(sorted(set(map(str, prediction.draws[0].perturbations))))
    axes.set_title(plain(title, _LONGEST))
    for text in (axes.xaxis.label, axes.title):
        text.set_parse_math(False)
    return axes


def certainty(table: pd.DataFrame) -> np.ndarray:
    """How many half-widths of its interval each effect lies from zero: above 1 the interval does not hold zero.

    Args:
        table: Columns ``effect``, ``low`` and ``high``, as `effects` makes them.

    Returns:
        ``(f,)``; NaN where the interval is not known, infinite, or without width.
    """
    effect, low, high = (table[name].to_numpy(float) for name in ("effect", "low", "high"))
    half = np.where(effect >= 0, effect - low, high - effect)
    known = np.isfinite(half) & (half > 0)
    return np.where(known, np.abs(effect) / np.where(known, half, 1.0), np.nan)


def _intervals(axes: "Axes", table: pd.DataFrame, top: int, level: float) -> None:
    shown = table.head(top).iloc[::-1]
    places, effect = np.arange(len(shown)), shown["effect"].to_numpy()
    ends = np.array([shown["low"].to_numpy(), shown["high"].to_numpy()], dtype=float)
    axes.hlines(places, *np.where(np.isfinite(ends).all(axis=0), ends, np.nan), color=_DULL, linewidth=2)
    axes.plot(effect, places, "o", color=_LESS, markersize=4)
    axes.axvline(0, color="0.8", linewidth=1, zorder=0)
    axes.set_yticks(places, [plain(name, 24) for name in shown["feature"]], parse_math=False)


def _volcano(axes: "Axes", table: pd.DataFrame, top: int, level: float) -> None:
    sure = certainty(table)
    known = np.isfinite(sure)
    if not known.any():
        raise DataError(
            ["No feature has an interval, so nothing says how sure its effect is. Fit with an ensemble or calibration."]
        )
    shown, sure = table[known], sure[known]
    effect = shown["effect"].to_numpy(float)
    for rows, color in ((sure <= 1, _DULL), ((sure > 1) & (effect > 0), _MORE), ((sure > 1) & (effect < 0), _LESS)):
        axes.plot(effect[rows], sure[rows], "o", color=color, markersize=3.5, markeredgewidth=0, alpha=0.75)
    named = np.argsort(-sure * np.abs(effect), kind="stable")[:top]
    ends = shown[["low", "high"]].to_numpy(float)[named]
    axes.hlines(sure[named], ends[:, 0], ends[:, 1], color=_DULL, linewidth=0.8, alpha=0.45, zorder=0)
    axes.axhline(1, color="0.5", linewidth=1, linestyle=(0, (4, 3)))
    axes.axvline(0, color="0.8", linewidth=1, zorder=0)
    axes.margins(x=0.12, y=0.08)
    axes.set_ylim(bottom=0)
    for side in (effect[named] >= 0, effect[named] < 0):
        name_marks(axes, shown["feature"].to_numpy(str)[named[side]], effect[named[side]], sure[named[side]])
    axes.set_ylabel(f"effect / half-width of its {100 * level:g} % interval")


def name_marks(axes: "Axes", names: np.ndarray, across: np.ndarray, up: np.ndarray) -> None:
    """Write names beside marks, outward from zero; one that finds no room near its mark is left out.

    Args:
        axes: With the marks drawn and the limits set.
        names: ``n`` of them, the most important first.
        across: ``(n,)`` places of the marks.
        up: ``(n,)`` heights of the marks.
    """
    gap = 0.042 * float(np.ptp(axes.get_ylim()))
    taken: list[float] = []
    for name, x, y in zip(names, across, up, strict=True):
        tried = [y + step * gap for step in (0, 1, -1)]
        free = [place for place in tried if all(abs(place - other) >= 0.99 * gap for other in taken)]
        if not free:
            continue
        taken.append(free[0])
        axes.annotate(
            plain(name, 16), (x, free[0]), (5 if x >= 0 else -5, 0), textcoords="offset points",
            ha="left" if x >= 0 else "right", va="center", fontsize=7.5, parse_math=False,
        )  # fmt: skip


_DRAWN = {"intervals": _intervals, "volcano": _volcano}


def plain(text: object, length: int = 0) -> str:
    r"""Return text that can be shown: no control or direction marks, cut to a length if one is given.

    >>> plain("HLA-DRB1\x00", 6)
    'HLA-D…'
    """
    shown = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(text))
    return shown if not length or len(shown) <= length else shown[: length - 1] + "…"


def _features(prediction: "Prediction[Any]") -> np.ndarray:
    first = prediction.draws[0]
    if not isinstance(first, Measurement):
        raise DataError(
            ["This prediction is of states, which have no features. Decode it: prediction.then(cell.decode)."]
        )
    return first.features.astype(str)


def _effect(prediction: "Prediction[Any]", level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effect and the ends of its interval, each ``(f,)``, against controls as fresh as those of the fit."""
    low, high = prediction.effect_interval(level)
    return prediction.effect, low, high


def _obs(draw: Measurement, number: int) -> pd.DataFrame:
    obs = draw.entities.set_axis([f"{number}-{name}" for name in draw.entities.index], axis=0)
    return obs.assign(perturbation=draw.perturbations.astype(str), context=draw.contexts.astype(str), draw=number)


def _effect_rows(prediction: "Prediction[Any]", top: int) -> str:
    if prediction.base is None or not isinstance(prediction.draws[0], Measurement):
        return ""
    head = f"<tr><th>feature</th><th>effect, {escape(prediction.profile_units)}</th><th>90 % interval</th></tr>"
    rows = [
        f"<tr><td>{escape(str(name))}</td><td>{effect:.3g}</td><td>{low:.3g} to {high:.3g}</td></tr>"
        for name, effect, low, high in effects(prediction).head(top).itertuples(index=False)
    ]
    return f"<table>{head}{''.join(rows)}</table>"
