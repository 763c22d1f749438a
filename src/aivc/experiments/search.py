"""Inverse design: which intervention brings control cells closest to a wanted state?"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability, Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress
from aivc.experiments.batch import ask, beginning, distinct, was_seen, where
from aivc.experiments.combine import Beam
from aivc.experiments.goal import Goal, goal_of
from aivc.experiments.known_names import questions
from aivc.experiments.pareto import dominated
from aivc.experiments.predict import predictor
from aivc.experiments.saved_table import count, ratio, read_table
from aivc.experiments.screen import Ranking, ranking_sureness, rows_to_json
from aivc.experiments.self_check import SelfCheck, chance, parted, self_check

_COLUMNS = {
    "perturbation": "text", "score": "number", "closes": "end", "low": "end", "high": "end", "seen": "flag",
    "applicability": "text", "side": "number", "cost": "number", "dominated": "flag",
}  # fmt: skip
_ASKED = (
    "context",
    "level",
    "features",
    "kept",
    "noise",
    "check_closes",
    "check_side",
    "check_cells",
    "check_held_out",
)
_MOST = 3


@final
@dataclass(frozen=True, eq=False)
class Search(Ranking):
    """Interventions, the one that comes closest to the goal at the least change of what is to stay first.

    Attributes:
        table: One row per intervention: ``perturbation``, ``score`` (``closes`` minus the penalty on ``side``),
            ``closes`` (fraction of the squared distance from control to the goal that it closes: 1 arrives, 0 is no
            better than doing nothing, less than 0 leads away), ``low`` and ``high`` (ends of its interval), ``cosine``
            (between the predicted and the wanted effect), ``side`` (squared change of what was to stay, in units of
            the squared wanted change), ``cost``, ``seen`` (in training), ``applicability`` (in, edge or out) and
            ``dominated`` (another is as good or better in ``closes``, ``low``, ``applicability``, ``cost`` and
            ``side``, and better in one of them).
        context: Whose control states were started from.
        level: Of the intervals.
        features: How many features the goal is about.
        kept: How many features were to stay.
        noise: Fraction of the way that control cells go by chance; NaN where it is not known.
        check: The first row, applied again.
    """

    table: pd.DataFrame
    context: str
    level: float
    features: int
    kept: int
    noise: float
    check: SelfCheck

    @classmethod
    def load(cls, path: Path | str) -> "Search":
        """Read what `save` wrote.

        Raises:
            IntegrityError: The file is missing, or holds no search.
        """
        table, asked = read_table(Path(path), _ASKED, _COLUMNS)
        features, kept = count(asked["features"], "features"), count(asked["kept"], "kept")
        if asked["check_held_out"] not in ("True", "False"):
            raise IntegrityError(f"{path} does not say what its answer was applied to. Save the search again.")
        check = SelfCheck(
            str(table["perturbation"].iloc[0]),
            _number(asked["check_closes"]),
            _number(asked["check_side"]),
            count(asked["check_cells"], "check_cells"),
            asked["check_held_out"] == "True",
        )
        level = ratio(asked["level"], "level")
        return cls(table, asked["context"], level, features, kept, _number(asked["noise"]), check)

    @property
    def sureness(self) -> str:
        """One line: how many of what was not seen have an interval of ``closes`` clear of zero."""
        return ranking_sureness(self.table, self.level)

    @property
    def reached(self) -> bool:
        """Whether the first row is shown to lead to the goal: beyond no change, beyond chance, its interval too."""
        best = self.table.iloc[0]
        return bool(best["closes"] > max(0.0, np.nan_to_num(self.noise)) and best["low"] > 0)

    @property
    def verdict(self) -> str:
        """One sentence: how far the first row leads, or that nothing reaches the goal, and compared with what."""
        best = self.table.iloc[0]
        name, closes, low = best["perturbation"], best["closes"], best["low"]
        if closes <= 0:
            return f"Nothing reaches the goal: even {name} comes no closer to it than no change."
        way = f"{name} closes {100 * closes:.3g} % of the way"
        if closes <= self.noise:
            return f"Nothing reaches the goal: {way}, and control cells {100 * self.noise:.3g} % by chance."
        if not low > 0:
            return (
                f"Nothing is shown to reach the goal: {way}, but its interval ({100 * self.level:g} %) holds no change."
            )
        return f"{way}, at least {100 * low:.3g} % by its interval ({100 * self.level:g} %)."

    @property
    def front(self) -> pd.DataFrame:
        """Rows that no other dominates."""
        return self.table[~self.table["dominated"].astype(bool)]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; infinite ends of intervals become None."""
        asked = {name: None if value != value else value for name, value in self._asked().items()}  # noqa: PLR0124
        said = {"verdict": self.verdict, "reached": self.reached, "sureness": self.sureness}
        return {**asked, **said, "rows": rows_to_json(self.table)}

    def _asked(self) -> dict[str, Any]:
        return {
            "context": self.context,
            "level": self.level,
            "features": self.features,
            "kept": self.kept,
            "noise": self.noise,
            "check_closes": self.check.closes,
            "check_side": self.check.side,
            "check_cells": self.check.cells,
            "check_held_out": self.check.held_out,
        }


def _number(text: str) -> float:
    try:
        return float(text or "nan")
    except ValueError as error:
        raise IntegrityError(f"A number is wanted, got {text[:60]!r}. Save the table again.") from error


@final
@dataclass(frozen=True, eq=False)
class _Asker:
    cell: VirtualCell
    goal: Goal
    level: float
    cost: Mapping[str, float]
    beam: Beam

    def row(self, perturbation: Perturbation, said: Prediction[Measurement]) -> dict[str, Any]:
        goal, effect_f = self.goal, said.effect
        effect_g = effect_f[goal.places]
        low_g, high_g = (end[goal.places] for end in said.effect_interval(self.level))
        length = float(np.linalg.norm(effect_g) * np.linalg.norm(goal.wanted))
        self.beam.add(perturbation, effect_f)
        return {
            "perturbation": str(perturbation),
            "score": goal.score(effect_f),
            "closes": goal.closes(effect_g),
            "low": min(goal.closes(np.where(goal.wanted - low_g > high_g - goal.wanted, low_g, high_g)), 1.0),
            "high": goal.closes(np.clip(goal.wanted, low_g, high_g)),
            "cosine": float(effect_g @ goal.wanted / length) if length else 0.0,
            "side": goal.side(effect_f),
            "cost": float(sum(self.cost.get(each.target, 1.0) for each in perturbation.agents)),
            "seen": was_seen(self.cell, perturbation, said.applicability),
            "applicability": str(said.applicability),
        }


def search(  # noqa: PLR0913 - one keyword for each thing a search may be asked
    cell: VirtualCell,
    goal: Mapping[str, float] | Measurement,
    candidates: Sequence[Perturbation | str],
    *,
    keep: Collection[str] = (),
    penalty: float = 1.0,
    cost: Mapping[str, float] | None = None,
    context: str = "",
    start: UR | None = None,
    pairs: bool = False,
    agents: int = 0,
    beam: int = 20,
    level: float = 0.9,
    allow_unknown: bool = False,
    progress: Progress | None = None,
) -> Search:
    """Rank interventions by how much of the way from control to a wanted state they go.

    Every candidate is asked about. Combinations are grown agent by agent (`aivc.experiments.combine.Beam`): each of the
    ``beam`` best is extended by the ``beam`` agents that would suit it best if effects added up. The search starts from
    half of the control states, and the best answer is applied to the other half, where there are 40 or more.

    The ends of an interval take every feature's error at its worst, or at its best: the truth lies between them
    wherever the intervals of the features hold.

    Args:
        cell: With one manipulator and one decoder.
        goal: Wanted change by feature, in the units of the cell's profiles; or wanted cells, whose mean profile is the
            goal (those of a label: `aivc.experiments.goal.labelled`). Where their measurement holds control cells too,
            these are what the change is taken from; otherwise it is the decoded control.
        candidates: Objects or texts, none twice.
        keep: Features that are to stay as they are; ``("rest",)`` for all that the goal does not name.
        penalty: How much of the way a change of what is to stay costs, where it is as long as the wanted change.
        cost: By target, 1 where it says nothing; those of a combination add up. It ranks nothing, but dominates.
        context: Whose control states to start from, of those the cell keeps; needed where it keeps several.
        start: Control states to start from instead.
        pairs: Ask also about pairs, as two ``agents`` do.
        agents: Up to how many agents are combined, at most 3.
        beam: How many answers are extended, and each by how many agents.
        level: Of the intervals.
        allow_unknown: Ask also about names of which the cell knows nothing.
        progress: Called with what is being done, how many interventions are done, of how many, once for the candidates
            and once for each size of combinations.

    Raises:
        DataError: No candidates, one twice, a goal that is no change at all, a cost below zero, or more than 3 agents.
        UnknownNameError: The cell decodes no such feature, keeps no such context, or knows nothing of a target.
        UnitsError: The wanted cells cannot be brought to the units of the profiles.
        ScoreError: The cell answers with NaN or infinity.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> from aivc.experiments.fitting.fit import fit
    >>> from aivc.experiments.fitting.shared_fit import Recipe
    >>> cells, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    >>> cell = fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    >>> found = search(cell, {"G0011": 0.5, "G0012": -0.5}, ["ko:G0001", "ko:G0002"], keep=["G0020"])
    >>> list(found.table.columns)[:4], len(found)
    (['perturbation', 'score', 'closes', 'low'], 2)
    """
    asked = distinct(questions(cell, candidates, allow_unknown=allow_unknown))
    size, priced = _size(agents, pairs=pairs), _priced(cost)
    begin = beginning(cell, context, start)
    context = where(context, begin)
    half, other = parted(begin)
    aim = goal_of(goal, cell.decode(half), keep=keep, penalty=penalty)
    asker = _Asker(cell, aim, level, priced, Beam(aim, beam))
    tell = predictor(cell, half, asked)
    rows: list[dict[str, Any]] = []
    for more in range(size):
        known = {each["perturbation"] for each in rows}
        new = [each for each in asker.beam.grow() if str(each) not in known] if more else asked
        if not new:
            break
        rows += ask(tell, new, asker.row, progress=progress)
    table = _ranked(rows)
    again, held_out = (half, False) if other is None else (other, True)
    check = self_check(cell, again, table["perturbation"].iloc[0], aim, held_out=held_out)
    return Search(table, context, level, len(aim.places), len(aim.kept), chance(cell, begin, aim), check)


def _size(agents: int, *, pairs: bool) -> int:
    if not 0 <= agents <= _MOST:
        raise DataError([f"Combinations of 1 to {_MOST} agents are searched, got {agents}. Choose one of these."])
    return max(agents, 2 if pairs else 1)


def _priced(cost: Mapping[str, float] | None) -> dict[str, float]:
    priced = {str(name): float(value) for name, value in (cost or {}).items()}
    if odd := [name for name, value in priced.items() if not math.isfinite(value) or value < 0]:
        raise DataError([f"A cost is a finite number from 0 on, and that of {odd[0]} is {priced[odd[0]]}. Correct it."])
    return priced


def _ranked(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(list(rows)).sort_values(["score", "perturbation"], ascending=[False, True])
    sure = table["applicability"].map({str(each): -i for i, each in enumerate(Applicability)})
    better = np.column_stack([table["closes"], table["low"], sure, -table["cost"], -table["side"]]).astype(float)
    return table.assign(dominated=dominated(better)).reset_index(drop=True)
