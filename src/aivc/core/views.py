"""What a prediction says, in the forms people work with: a table, an AnnData, a figure, a notebook card."""

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aivc.core.calibration import Applicability
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.population import stacked

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

    from aivc.core.prediction import Prediction

# Where an AnnData says what made it.
ABOUT = "aivc"
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


def plot(prediction: "Prediction[Any]", *, top: int = 20, level: float = 0.9, axes: "Axes | None" = None) -> "Axes":
    """Draw the largest effects with their intervals.

    Args:
        prediction: Of readings, with the profile of its start (``base``).
        top: Features drawn, largest effect at the top.
        level: Of the intervals; one that is not known or infinite is not drawn.
        axes: Where to draw; None makes a figure.

    Returns:
        The axes drawn into.

    Raises:
        DataError: It predicts states, or its start is not known.
        ValueError: The level is not between 0 and 1.
    """
    shown = effects(prediction, level).head(top).iloc[::-1]
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(figsize=(5, 1 + 0.25 * len(shown)), layout="constrained")[1]
    places, effect = np.arange(len(shown)), shown["effect"].to_numpy()
    ends = np.array([shown["low"].to_numpy(), shown["high"].to_numpy()], dtype=float)
    axes.hlines(places, *np.where(np.isfinite(ends).all(axis=0), ends, np.nan), color="0.6", linewidth=2)
    axes.plot(effect, places, "o", color="C0", markersize=4)
    axes.axvline(0, color="0.8", linewidth=1, zorder=0)
    # A dollar in a name would begin a formula.
    axes.set_yticks(places, [str(name).replace("$", r"\$") for name in shown["feature"]])
    axes.set_xlabel(f"effect, {prediction.profile_units} ({100 * level:g} % intervals)".replace("$", r"\$"))
    axes.set_title(", ".join(sorted(set(map(str, prediction.draws[0].perturbations)))).replace("$", r"\$"))
    return axes


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
