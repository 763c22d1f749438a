"""What a page is drawn from: effects a cell learned, effects that were measured, and a perturbation hidden from it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.prediction import Prediction
from aivc.core.virtual_cell import VirtualCell
from aivc.data.names.own_genes import GeneColumns
from aivc.data.streaming.stream import Progress, pseudobulk
from aivc.experiments.fitting.fetch_knowledge import Parts
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.predict import predictor

# More perturbations than these make a page slow, and no picture clearer.
MOST = 300
_CURVE = 24
_DOSED = 3


@final
@dataclass(frozen=True, eq=False)
class LearnedEffects:
    """Effects that a cell answers for perturbations it was fitted on, in one context.

    Attributes:
        perturbations: ``p`` texts.
        features: ``(f,)`` names.
        effect: ``(p, f)`` predicted effects, in ``units``.
        low: ``(p, f)`` lower ends of their intervals; NaN where nothing says how sure they are.
        high: ``(p, f)`` upper ends.
        units: Profile units.
        context: Where.
        of: How many perturbations the cell was fitted on.
    """

    perturbations: tuple[str, ...]
    features: np.ndarray
    effect: Float[np.ndarray, "p f"]
    low: Float[np.ndarray, "p f"]
    high: Float[np.ndarray, "p f"]
    units: str
    context: str
    of: int

    @cached_property
    def own(self) -> Bool[np.ndarray, "p f"]:
        """``(p, f)`` True where a perturbation acts on the feature itself."""
        columns = GeneColumns.of(self.features)
        return np.array([columns.own(Perturbation.parse(text).genes) for text in self.perturbations])

    @property
    def others(self) -> Float[np.ndarray, "p f"]:
        """``(p, f)`` effects, zero where a perturbation acts on the feature itself: that is no response."""
        return np.where(self.own, 0.0, self.effect)

    @property
    def strongest(self) -> list[str]:
        """Perturbations, the largest effect on other features first."""
        order = np.argsort(-np.linalg.norm(self.others, axis=1), kind="stable")
        return [self.perturbations[i] for i in order]


def learned(
    cell: VirtualCell, context: str, *, most: int = MOST, level: float = 0.9, progress: Progress | None = None
) -> LearnedEffects:
    """Ask a cell about the perturbations it was fitted on.

    Args:
        cell: With a card that names them.
        context: Where; one that the cell keeps controls of.
        most: More than these are thinned out, evenly by name.
        level: Of the intervals.
        progress: Called with what is being done, how far, of how much.

    Raises:
        DataError: The card names no perturbation.
        UnknownNameError: No such context.
    """
    named = sorted(map(str, cell.card.get("perturbations", ())))
    if not named:
        raise DataError(["The card of this cell names no perturbation, so none can be shown. Fit it with aivc.fit."])
    asked = [named[i] for i in np.unique(np.linspace(0, len(named) - 1, most).round().astype(int))]
    parsed = [Perturbation.parse(text) for text in asked]
    tell = predictor(cell, cell.start(context), parsed)
    rows = []
    for i, each in enumerate(parsed):
        if progress is not None:
            progress("asking what was learned", i, len(parsed))
        said = tell(each)
        rows.append(np.array([said.effect, *said.effect_interval(level)], dtype=np.float32))
    block = np.array(rows, dtype=float)
    features = said.draws[0].features.astype(str)
    return LearnedEffects(
        tuple(asked), features, block[:, 0], block[:, 1], block[:, 2], said.profile_units, context, len(named)
    )


@final
@dataclass(frozen=True, eq=False)
class MeasuredEffects:
    """Mean effects that data show in one context.

    Attributes:
        table: One row per perturbation, one column per feature of the cell; NaN where nothing was measured.
        cells: How many cells each row stands for.
    """

    table: pd.DataFrame
    cells: pd.Series


def measured_effects(measurement: Measurement, context: str, units: str, features: np.ndarray) -> MeasuredEffects:
    """Mean effects of every perturbation in a context, against its controls.

    Args:
        measurement: Cells with their controls, or a table of effects.
        context: Where.
        units: Profile units of the cell.
        features: Of the cell.

    Raises:
        DataError: The data hold nothing of the context, or no controls there.
        UnitsError: The data cannot be brought to these units.
    """
    here = measurement.contexts.astype(str) == context
    if not here.any():
        there = ", ".join(sorted(set(map(str, measurement.contexts)))[:6])
        raise DataError([f"The data hold nothing of context {context!r}, but of {there}. Name one that both know."])
    means = pseudobulk(measurement.take(here), ["perturbation"], units=units)
    values = np.asarray(means.dense(), dtype=float)
    if means.observed is not None:
        values = np.where(means.observed, values, np.nan)
    texts = means.perturbations.astype(str)
    control = texts == CONTROL
    if not measurement.is_effects:
        if not control.any():
            raise DataError([f"The data hold no control cells of {context!r}. Effects are measured against them."])
        values = values - values[control][0]
    table = pd.DataFrame(values[~control], index=texts[~control], columns=means.features.astype(str))
    return MeasuredEffects(table.reindex(columns=features), pd.Series(means.mass[~control], index=texts[~control]))


def without(
    cell: VirtualCell, measurement: Measurement, text: str, *, parts: Parts = "auto", progress: Progress | None = None
) -> VirtualCell:
    """Fit the same recipe on the same data without a perturbation, in all its doses, kinds and salts.

    Args:
        cell: Its card says which method and recipe; one that never saw the perturbation is returned as it is.
        measurement: The data.
        text: The perturbation to hide.
        parts: Knowledge of targets, as `aivc.fit` takes it.
        progress: Called with what is being done.

    Raises:
        DataError: Nothing is left to learn from.
    """
    family = Perturbation.parse(text).family
    if family not in {Perturbation.parse(str(each)).family for each in cell.card.get("perturbations", ())}:
        return cell
    texts = measurement.perturbations.astype(str)
    hidden = np.isin(texts, [each for each in set(texts) if Perturbation.parse(each).family == family])
    if set(texts[~hidden]) <= {CONTROL}:
        raise DataError([f"Without {text} nothing is left to learn from. Give data with a second perturbation."])
    return fit(measurement.take(~hidden), method_of(cell), parts=parts, recipe=recipe_of(cell), progress=progress)


def beside(said: Prediction[Measurement], measured: MeasuredEffects, text: str, level: float = 0.9) -> pd.DataFrame:
    """Set a prediction beside what was measured, without the features that the perturbation acts on itself.

    Args:
        said: The prediction.
        measured: The data.
        text: The perturbation.
        level: Of the intervals.

    Returns:
        ``f`` rows with ``feature``, ``predicted``, ``low``, ``high`` and ``measured``.
    """
    features = said.draws[0].features.astype(str)
    low, high = said.effect_interval(level, cells=float(measured.cells[text]))
    seen = measured.table.loc[text].reindex(features).to_numpy(float)
    table = pd.DataFrame({"feature": features, "predicted": said.effect, "low": low, "high": high, "measured": seen})
    return table[~GeneColumns.of(features).own(Perturbation.parse(text).genes)].reset_index(drop=True)


def method_of(cell: VirtualCell) -> str:
    """Registered name of the method a cell was fitted with, by its card; empty where the card does not say."""
    return str(cell.card.get("manipulator", ""))


def recipe_of(cell: VirtualCell) -> Recipe:
    """The recipe a cell was fitted with, by its card; what the card does not say is as usual."""
    known = {each.name for each in fields(Recipe)}
    return Recipe(**{name: value for name, value in cell.card.get("recipe", {}).items() if name in known})


def dosed(perturbations: Sequence[str]) -> dict[tuple[Agent, float | None], list[float]]:
    """Single agents that were given in three doses or more, and these doses, ascending.

    Args:
        perturbations: Texts.

    Returns:
        By the agent at its highest dose, and hours.

    >>> list(dosed(["drug:a@1uM", "drug:a@10uM", "drug:a@5uM", "drug:b@1uM"]).values())
    [[1.0, 5.0, 10.0]]
    """
    found: dict[tuple[Any, ...], list[Agent]] = defaultdict(list)
    for text in perturbations:
        each = Perturbation.parse(text)
        if len(each.agents) == 1 and each.agents[0].dose:
            agent = each.agents[0]
            found[agent.kind, agent.target, agent.unit, agent.direction, each.hours].append(agent)
    series = {}
    for key, agents in found.items():
        doses = sorted({float(agent.dose or 0.0) for agent in agents})
        if len(doses) >= _DOSED:
            series[max(agents, key=lambda agent: agent.dose or 0.0), key[-1]] = doses
    return series


def dose_curve(
    cell: VirtualCell, context: str, agent: Agent, hours: float | None, doses: Sequence[float], *, level: float = 0.9
) -> pd.DataFrame:
    """Predict the effect of an agent over its doses, on the three features that move most at the highest.

    Args:
        cell: Whom to ask.
        context: Where.
        agent: At any dose.
        hours: How long; None where not stated.
        doses: Given ones, above zero; the curve goes from the lowest to the highest.
        level: Of the intervals.

    Returns:
        Rows with ``feature``, ``dose``, ``effect``, ``low`` and ``high``.
    """
    grid = np.unique(np.concatenate([np.geomspace(min(doses), max(doses), _CURVE), doses]))
    asked = [
        Perturbation((Agent(agent.kind, agent.target, float(dose), agent.unit, agent.direction),), hours)
        for dose in grid
    ]
    tell = predictor(cell, cell.start(context), asked)
    answers = list(tell.each(asked))
    features = answers[-1].draws[0].features.astype(str)
    size = np.where(GeneColumns.of(features).own(asked[-1].genes), 0.0, np.abs(answers[-1].effect))
    picked = np.argsort(-size, kind="stable")[:3]
    rows = []
    for dose, said in zip(grid, answers, strict=True):
        low, high = said.effect_interval(level)
        rows += [(features[i], float(dose), said.effect[i], low[i], high[i]) for i in picked]
    return pd.DataFrame(rows, columns=["feature", "dose", "effect", "low", "high"])


def dose_points(measured: MeasuredEffects, curve: pd.DataFrame, texts: Mapping[float, str]) -> pd.DataFrame:
    """Measured effects at the doses of a curve: ``feature``, ``dose`` and ``effect``; no rows where there are none."""
    rows = [
        (feature, dose, float(measured.table.loc[text, feature]))
        for feature in dict.fromkeys(curve["feature"])
        for dose, text in texts.items()
        if text in measured.table.index
    ]
    return pd.DataFrame(rows, columns=["feature", "dose", "effect"]).dropna()
