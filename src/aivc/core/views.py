"""What a prediction says, in the forms people work with: a table, an AnnData, a figure, a notebook card."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.calibration import Applicability
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.population import draw_cells
from aivc.core.units import COUNTS, spoken_units

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

    from aivc.core.prediction import Prediction

# Where an AnnData says what made it.
ABOUT = "aivc"
# Labels of virtual cells that files keep.
LABELS = ("perturbation", "context", "donor", "batch")
NOT_FOR_TESTING = (
    "Virtual cells are draws of a model: do not test them for p values, since more draws give smaller p values without "
    "more evidence. Read the effect and the ends of its interval (low, high) instead."
)
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


def to_anndata(
    predictions: "Prediction[Any] | Sequence[Prediction[Any]]",
    level: float = 0.9,
    *,
    cells: int | None = None,
    seed: int = 0,
) -> "AnnData":
    """Make an AnnData of effects, their intervals and virtual cells.

    Of one prediction, ``var`` has the columns ``effect``, ``low`` and ``high``, in profile units. Of ``p`` predictions,
    ``varm`` has the tables ``effect``, ``low`` and ``high``, each ``(f, p)``, with a column for each perturbation in
    the order of ``uns["aivc"]["perturbation"]``.

    Args:
        predictions: Of readings, with the profile of their start (``base``), and of the same features and units.
        level: Of the intervals.
        cells: How many virtual cells of each prediction, drawn evenly from its draws; None takes all of them.
        seed: Draws the cells.

    Returns:
        ``X`` in the units of the draws, sparse where they are, and where they are counts; ``obs`` with
        ``perturbation``, ``context``, ``draw``, and ``donor`` and ``batch`` where the cells have them;
        ``uns["units"]``; ``uns["aivc"]`` with ``perturbation``, ``context``, ``made_by``, ``applicability``,
        ``coverage`` and ``sureness`` (of several predictions: one of each), ``level``, ``units``, ``profile_units``,
        ``not_for_testing`` and, where a virtual cell made it, what `VirtualCell.origin` says.

    Raises:
        DataError: None was given, one predicts states, its start is not known, or they differ in features or units.
        ValueError: The level is not between 0 and 1.
    """
    from anndata import AnnData

    several = isinstance(predictions, Sequence)
    asked = list(predictions) if isinstance(predictions, Sequence) else [predictions]
    features = _shared_features(asked)
    ends = dict(
        zip(("effect", "low", "high"), zip(*(_effect(each, level) for each in asked), strict=True), strict=True)
    )
    var = pd.DataFrame({} if several else {key: one[0] for key, one in ends.items()}, index=pd.Index(features))
    populations = [_population(each, cells, seed) for each in asked]
    obs = pd.concat([_obs(each, f"{i}-" if several else "") for i, each in enumerate(populations)])
    blocks = [each.block(0, len(each)) for each in populations]
    about = _about(asked, level, several=several)
    return AnnData(
        _below(blocks, counts=populations[0].units == COUNTS),
        obs=obs,
        var=var,
        varm={key: np.array(each).T for key, each in ends.items()} if several else None,
        uns={"units": populations[0].units, ABOUT: {**about, "units": populations[0].units}},
    )


def require_h5ad(path: Path) -> None:
    """Refuse another ending, before any work.

    Raises:
        DataError: The path does not end in ``.h5ad``.
    """
    if path.suffix != ".h5ad":
        raise DataError([f"Virtual cells are written as .h5ad, got {path.name}. Choose this ending."])


def html(prediction: "Prediction[Any]", top: int = 8) -> str:
    """Write a short card for notebooks: what was predicted, how sure it is, and the largest effects.

    Args:
        prediction: Of readings or of states; of states, or without the profile of its start, no effects are shown.
        top: Features shown.
    """
    first = prediction.draws[0]
    asked = _named(first.perturbations, " + ") or "nothing"
    where = _named(first.contexts, ", ")
    cells = sum(map(len, prediction.draws))
    facts = {
        "predicted": f"{asked} in {where}",
        "by": " → ".join(prediction.made_by),
        "from": f"{len(prediction.draws)} draws, {cells} virtual cells",
        "evidence": _EVIDENCE[prediction.applicability],
        "90 % intervals": prediction.coverage,
    }
    if prediction.base is not None:
        facts["how sure"] = prediction.sureness()
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


def _shared_features(predictions: "Sequence[Prediction[Any]]") -> np.ndarray:
    if not predictions:
        raise DataError(["There is nothing to write: no prediction was given. Ask about at least one perturbation."])
    found = [_features(each) for each in predictions]
    units = {(each.profile_units, each.draws[0].units) for each in predictions if each.unread is None}
    if len(units) > 1 or any(not np.array_equal(each, found[0]) for each in found):
        raise DataError(
            ["Predictions in one file share features and units. Write those of different cells to files of their own."]
        )
    return found[0]


def _population(prediction: "Prediction[Any]", cells: int | None, seed: int) -> Measurement:
    # Answers to many questions at once are means until somebody wants their cells.
    draws = (prediction if prediction.unread is None else prediction.unread()).draws
    return draw_cells(draws, len(draws) * max(map(len, draws)) if cells is None else cells, seed=seed)


def _below(blocks: Sequence[Any], *, counts: bool) -> "np.ndarray | sparse.csr_matrix":
    """Values of all populations, one below the other, in the precision in which files are kept."""
    if counts or any(sparse.issparse(block) for block in blocks):
        return sparse.vstack([sparse.csr_matrix(block, dtype=np.float32) for block in blocks], format="csr")
    return np.concatenate(blocks).astype(np.float32)


def _about(predictions: "Sequence[Prediction[Any]]", level: float, *, several: bool) -> dict[str, Any]:
    each = [
        {
            "perturbation": _named(said.draws[0].perturbations, " + "),
            "context": _named(said.draws[0].contexts, ", "),
            "made_by": " → ".join(said.made_by) if several else list(said.made_by),
            "applicability": str(said.applicability),
            "coverage": said.coverage,
            "sureness": said.sureness(level),
        }
        for said in predictions
    ]
    first = predictions[0]
    return {
        **({key: [one[key] for one in each] for key in each[0]} if several else each[0]),
        "level": level,
        "profile_units": first.profile_units,
        "not_for_testing": NOT_FOR_TESTING,
        **({} if first.origin is None else first.origin()),
    }


def _named(labels: np.ndarray, between: str) -> str:
    return between.join(sorted(set(map(str, labels))))


def _obs(cells: Measurement, prefix: str) -> pd.DataFrame:
    # What else control cells carry, such as their guides, does not hold of cells that were perturbed.
    kept = [name for name in LABELS if name in cells.entities]
    obs = cells.entities[kept].astype(str)
    obs = obs.assign(perturbation=cells.perturbations.astype(str), context=cells.contexts.astype(str))
    obs["draw"] = [int(str(name).split("-", 1)[0]) for name in cells.entities.index]
    return obs.set_axis([f"{prefix}{name}" for name in cells.entities.index], axis=0)


def _effect_rows(prediction: "Prediction[Any]", top: int) -> str:
    if prediction.base is None or not isinstance(prediction.draws[0], Measurement):
        return ""
    head = f"<tr><th>feature</th><th>effect, {escape(prediction.profile_units)}</th><th>90 % interval</th></tr>"
    rows = [
        f"<tr><td>{escape(str(name))}</td><td>{effect:.3g}</td><td>{low:.3g} to {high:.3g}</td></tr>"
        for name, effect, low, high in effects(prediction).head(top).itertuples(index=False)
    ]
    return f"<table>{head}{''.join(rows)}</table>"
