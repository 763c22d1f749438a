"""Inverse design: which intervention brings control cells closest to a wanted state?"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress, pseudobulk
from aivc.experiments.batch import ask, beginning, distinct, was_seen, where
from aivc.experiments.known_names import questions
from aivc.experiments.predict import predictor
from aivc.experiments.saved_table import count, ratio, read_table
from aivc.experiments.screen import Ranking, ranking_sureness, rows_to_json

_COLUMNS = {
    "perturbation": "text", "closes": "end", "low": "end", "high": "end", "seen": "flag", "applicability": "text",
}  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class Search(Ranking):
    """Interventions, the one that comes closest to the goal first.

    Attributes:
        table: One row per intervention: ``perturbation``, ``closes`` (fraction of the squared distance from control to
            the goal that it closes: 1 arrives, 0 is no better than doing nothing, less than 0 leads away), ``low`` and
            ``high`` (ends of its interval), ``cosine`` (between the predicted and the wanted effect), ``seen`` (in
            training) and ``applicability`` (in, edge or out).
        context: Whose control states were started from.
        level: Of the intervals.
        features: How many features the goal is about.
    """

    table: pd.DataFrame
    context: str
    level: float
    features: int

    @classmethod
    def load(cls, path: Path | str) -> "Search":
        """Read what `save` wrote.

        Raises:
            IntegrityError: The file is missing, or holds no search.
        """
        table, asked = read_table(Path(path), ("context", "level", "features"), _COLUMNS)
        features = count(asked["features"], "features")
        return cls(table, asked["context"], ratio(asked["level"], "level"), features)

    @property
    def sureness(self) -> str:
        """One line: how many of what was not seen have an interval of ``closes`` clear of zero."""
        return ranking_sureness(self.table, self.level)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; infinite ends of intervals become None."""
        return {**self._asked(), "sureness": self.sureness, "rows": rows_to_json(self.table)}

    def _asked(self) -> dict[str, Any]:
        return {"context": self.context, "level": self.level, "features": self.features}


@final
@dataclass(frozen=True, eq=False)
class _Goal:
    wanted: np.ndarray  # (g,) change from control
    places: np.ndarray  # (g,) columns of the cell's profile

    def row(
        self, cell: VirtualCell, level: float, perturbation: Perturbation, said: Prediction[Measurement]
    ) -> dict[str, Any]:
        effect_g = said.effect[self.places]
        low_g, high_g = (end[self.places] for end in said.effect_interval(level))
        length = float(np.linalg.norm(effect_g) * np.linalg.norm(self.wanted))
        return {
            "perturbation": str(perturbation),
            "closes": self._closes(effect_g),
            "low": min(self._closes(np.where(self.wanted - low_g > high_g - self.wanted, low_g, high_g)), 1.0),
            "high": self._closes(np.clip(self.wanted, low_g, high_g)),
            "cosine": float(effect_g @ self.wanted / length) if length else 0.0,
            "seen": was_seen(cell, perturbation, said.applicability),
            "applicability": str(said.applicability),
        }

    def _closes(self, effect_g: np.ndarray) -> float:
        return float(1 - ((self.wanted - effect_g) ** 2).sum() / (self.wanted**2).sum())


def search(  # noqa: PLR0913 - one keyword for each thing a search may be asked
    cell: VirtualCell,
    goal: Mapping[str, float] | Measurement,
    candidates: Sequence[Perturbation | str],
    *,
    context: str = "",
    start: UR | None = None,
    pairs: bool = False,
    beam: int = 20,
    level: float = 0.9,
    allow_unknown: bool = False,
    progress: Progress | None = None,
) -> Search:
    """Rank interventions by how much of the way from control to a wanted state they go.

    The ends of an interval take every feature's error at its worst, or at its best: the truth lies between them
    wherever the intervals of the features hold.

    Args:
        cell: With one manipulator and one decoder.
        goal: Wanted change by feature, in the units of the cell's profiles; or wanted cells, whose mean profile is the
            goal. Where their measurement holds control cells too, these are what the change is taken from; otherwise
            it is the decoded control.
        candidates: Objects or texts, none twice.
        context: Whose control states to start from, of those the cell keeps; needed where it keeps several.
        start: Control states to start from instead.
        pairs: Ask also about every pair among the best single agents.
        beam: Among how many of them.
        level: Of the intervals.
        allow_unknown: Ask also about names of which the cell knows nothing.
        progress: Called with what is being done, how many interventions are done, of how many, once for the candidates
            and once for the pairs.

    Raises:
        DataError: No candidates, one twice, or a goal that is no change at all.
        UnknownNameError: The cell decodes no such feature, keeps no such context, or knows nothing of a target.
        UnitsError: The wanted cells cannot be brought to the units of the profiles.
        ScoreError: The cell answers with NaN or infinity.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> from aivc.experiments.fitting.fit import fit
    >>> from aivc.experiments.fitting.shared_fit import Recipe
    >>> cells, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    >>> cell = fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    >>> found = search(cell, {"G0011": 0.5, "G0012": -0.5}, ["ko:G0001", "ko:G0002"])
    >>> list(found.table.columns)[:4], len(found)
    (['perturbation', 'closes', 'low', 'high'], 2)
    """
    asked = distinct(questions(cell, candidates, allow_unknown=allow_unknown))
    begin = beginning(cell, context, start)
    context = where(context, begin)
    aim = _goal(goal, cell.decode(begin))

    def row(perturbation: Perturbation, said: Prediction[Measurement]) -> dict[str, Any]:
        return aim.row(cell, level, perturbation, said)

    tell = predictor(cell, begin, asked)
    table = _ranked(ask(tell, asked, row, progress=progress))
    if pairs and (both := _pairs(table["perturbation"], beam)):
        known = set(table["perturbation"])
        new = [pair for pair in both if str(pair) not in known]
        table = _ranked([*table.to_dict(orient="records"), *ask(tell, new, row, progress=progress)])
    return Search(table, context, level, len(aim.places))


def _ranked(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    return table.sort_values(["closes", "perturbation"], ascending=[False, True]).reset_index(drop=True)


def _pairs(ranked: Sequence[str] | pd.Series, beam: int) -> list[Perturbation]:
    """Every two of the best single agents that can be given together: other targets, for the same hours."""
    parsed = (Perturbation.parse(text) for text in ranked)
    best = list(itertools.islice((each for each in parsed if len(each.agents) == 1), beam))
    return [
        Perturbation(one.agents + other.agents, one.hours)
        for one, other in itertools.combinations(best, 2)
        if one.hours == other.hours and one.targets != other.targets
    ]


def _goal(goal: Mapping[str, float] | Measurement, control: Prediction[Measurement]) -> _Goal:
    features = control.draws[0].features
    change = _change(goal, control) if isinstance(goal, Measurement) else dict(goal)
    place = {str(feature): i for i, feature in enumerate(features)}
    for feature in change:
        if feature not in place:
            raise UnknownNameError("feature", feature, place, "A goal is about features that the cell decodes.")
    wanted = np.array([float(value) for value in change.values()])
    if not np.isfinite(wanted).all() or not wanted.any():
        raise DataError(
            ["A goal is a change from control, in finite numbers that are not all zero. Say what to change."]
        )
    return _Goal(wanted, np.array([place[feature] for feature in change]))


def _change(goal: Measurement, control: Prediction[Measurement]) -> dict[str, float]:
    """Mean of the wanted cells minus control, for the features that they share with the cell."""
    is_control = goal.perturbations == CONTROL
    mixed = bool(is_control.any() and not is_control.all())
    role = np.where(is_control & mixed, "control", "wanted")
    means = pseudobulk(goal.replace(entities=goal.entities.assign(goal=role)), ["goal"], units=control.profile_units)
    rows = {str(name): means.dense_row(i) for i, name in enumerate(means.entities["goal"])}
    wanted = dict(zip(map(str, means.features), rows["wanted"], strict=True))
    decoded = dict(zip(map(str, control.draws[0].features), control.mean, strict=True))
    base = dict(zip(map(str, means.features), rows["control"], strict=True)) if mixed else decoded
    shared = [name for name in wanted if name in decoded and np.isfinite(wanted[name]) and np.isfinite(base[name])]
    if not shared:
        raise DataError(
            ["The wanted cells share no feature with the cell. Bring the names to the same kind, such as gene symbols."]
        )
    return {name: float(wanted[name] - base[name]) for name in shared}
