"""Ask a virtual cell about many perturbations at once, and rank them by what they do to a response."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.sureness import clear_of_zero, sureness
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.written import write_table
from aivc.data.names.own_genes import GeneColumns
from aivc.data.streaming.stream import Progress
from aivc.experiments.batch import ask, beginning, distinct, was_seen, where
from aivc.experiments.brakes import brakes
from aivc.experiments.journal import Journal, question
from aivc.experiments.known_names import questions
from aivc.experiments.predict import predictor
from aivc.experiments.response import Response
from aivc.experiments.saved_table import ratio, read_table
from aivc.experiments.scores.answer import own_features
from aivc.experiments.targets import ControlLevels, target_columns

__all__ = ["Response", "Screen", "screen"]


class Ranking(ABC):
    """A table of perturbations, best first.

    Attributes:
        table: One row per perturbation.
    """

    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.table)

    @property
    def note(self) -> str:
        """What a table of a single row can say, and what not; empty for longer ones."""
        if len(self.table) != 1:
            return ""
        return (
            f"Only {self.table['perturbation'].iloc[0]} was asked about: score and interval say what it is expected to "
            "do. Whether that is much or little takes others to compare with: nothing is ranked."
        )

    def top(self, n: int) -> pd.DataFrame:
        """The first ``n`` rows."""
        return self.table.head(n)

    def save(self, path: Path | str, *, overwrite: bool = False) -> None:
        """Write one tidy table, ``.csv`` or ``.parquet``; what was asked stands in columns of its own.

        In a csv, texts that a spreadsheet would run as a formula stand behind an apostrophe.

        Raises:
            DataError: Another ending.
            IntegrityError: A file is there, and is not to be replaced.
            WritingError: The place cannot be written to.
        """
        write_table(self.table.assign(**self._asked()), Path(path), overwrite=overwrite)

    @abstractmethod
    def _asked(self) -> dict[str, Any]:
        """What was asked, by name of its column."""


_COLUMNS = {
    "perturbation": "text", "score": "number", "low": "end", "high": "end", "seen": "flag", "applicability": "text",
    "self_target": "flag", "scored_on": "count",
}  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class Screen(Ranking):
    """A virtual screen, best first.

    Attributes:
        table: One row per perturbation: ``perturbation``, ``score`` (predicted change of the response, in ``units``),
            ``low`` and ``high`` (ends of its interval), ``seen`` (in training), ``applicability`` (in, edge or out),
            ``self_target`` (it acts on a feature of the response itself), ``scored_on`` (how many features of the
            response the score rests on; 0 where it acts on all of them, and the score is the trivial one),
            ``coverage`` (what is promised of intervals of single features: guaranteed on average over perturbations
            like those held out, or not guaranteed), ``abstained`` (the mean effect answers, as the method is not
            trusted there), and ``target_level``, ``expressed`` and ``annotation``: whether the target is expressed in
            these cells, and whether what is known of it agrees (`aivc.experiments.targets.target_columns`); ``brake``:
            whether it is annotated to stop what it is predicted to drive (`aivc.experiments.brakes.brakes`).
        response: What was read out.
        context: Whose control states were started from.
        level: Of the intervals.
        direction: Whether the best are those that ``lower`` or ``raise`` the response.
        units: Of the scores.
    """

    table: pd.DataFrame
    response: Response
    context: str
    level: float
    direction: Literal["lower", "raise"]
    units: str

    @classmethod
    def load(cls, path: Path | str) -> "Screen":
        """Read what `save` wrote.

        Raises:
            IntegrityError: The file is missing, or holds no screen.
        """
        asked_for = ("response", "name", "context", "level", "direction", "units")
        table, asked = read_table(Path(path), asked_for, _COLUMNS)
        if asked["direction"] not in ("lower", "raise"):
            raise IntegrityError(f"{path} ranks by what is to {asked['direction'][:60]!r}. Save the screen again.")
        response = Response.parse(asked["response"], asked["name"])
        direction: Literal["lower", "raise"] = "raise" if asked["direction"] == "raise" else "lower"
        return cls(table, response, asked["context"], ratio(asked["level"], "level"), direction, asked["units"])

    @property
    def sureness(self) -> str:
        """One line: how many of what was not seen in training have an interval clear of zero."""
        return ranking_sureness(self.table, self.level)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; infinite ends of intervals become None."""
        return {**self._asked(), "sureness": self.sureness, "rows": rows_to_json(self.table)}

    def _asked(self) -> dict[str, Any]:
        return {
            "response": str(self.response),
            "name": self.response.name,
            "context": self.context,
            "level": self.level,
            "direction": self.direction,
            "units": self.units,
        }


def screen(  # noqa: PLR0913 - one keyword for each thing a screen may be asked
    cell: VirtualCell,
    perturbations: Sequence[Perturbation | str],
    response: Response | str,
    *,
    context: str = "",
    start: UR | None = None,
    direction: Literal["lower", "raise"] = "lower",
    level: float = 0.9,
    checkpoint: Path | str | None = None,
    allow_unknown: bool = False,
    progress: Progress | None = None,
) -> Screen:
    """Predict what each perturbation does to a response, and rank them.

    A perturbation is not credited for what it does to its own target: where the response contains it, the score is the
    mean over the other features, and a perturbation that acts on all of them stands last, whatever its score. The
    interval of a response is that of its features, added up as if their errors all went the same way: the widest that
    they can make it.

    Args:
        cell: With one manipulator and one decoder.
        perturbations: Objects or texts, none twice.
        response: What to read out, as an object or as text such as ``"CD274, -IRF1"``.
        context: Whose control states to start from, of those the cell keeps; needed where it keeps several.
        start: Control states to start from instead.
        direction: Whether to look for what lowers the response or for what raises it.
        level: Of the intervals.
        checkpoint: File that finished rows are appended to; asked the same again, the screen goes on from there.
        allow_unknown: Ask also about names of which the cell knows nothing.
        progress: Called with what is being done, how many perturbations are done, of how many.

    Raises:
        DataError: Nothing to screen, a perturbation twice, or the control among them.
        UnknownNameError: The cell decodes no such feature, keeps no such context, or knows nothing of a target.
        IntegrityError: The checkpoint answers another question.
        ScoreError: The cell answers with NaN or infinity.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> from aivc.experiments.fitting.fit import fit
    >>> from aivc.experiments.fitting.shared_fit import Recipe
    >>> cells, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    >>> cell = fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    >>> found = screen(cell, ["ko:G0001", "ko:G0002"], "G0011, G0012", direction="raise")
    >>> list(found.table.columns)[:4], len(found)
    (['perturbation', 'score', 'low', 'high'], 2)
    """
    asked = distinct(questions(cell, perturbations, allow_unknown=allow_unknown))
    response = Response.parse(response) if isinstance(response, str) else response
    begin = beginning(cell, context, start)
    context = where(context, begin)
    read = cell.decode(begin)
    features = read.draws[0].features
    response.over(features)
    if direction not in ("lower", "raise"):
        raise ValueError(f"A screen looks for what lowers or what raises the response, got {direction!r}.")

    columns = GeneColumns.of(features)

    def row(perturbation: Perturbation, said: Prediction[Measurement]) -> dict[str, Any]:
        return screened_row(cell, response, level, perturbation, said, own_features(perturbation, features, columns))

    journal = None
    if checkpoint is not None:
        journal = Journal(Path(checkpoint), question(cell, begin, str(response), context, level))
    table = pd.DataFrame(ask(predictor(cell, begin, asked), asked, row, journal=journal, progress=progress))
    better = table["score"] if direction == "lower" else -table["score"]
    order = pd.DataFrame({"trivial": table["scored_on"] == 0, "score": better, "text": table["perturbation"]})
    ranked = table.loc[order.sort_values(["trivial", "score", "text"]).index].reset_index(drop=True)
    controls = ControlLevels(read.draws[0].features, read.mean, read.profile_units)
    known = target_columns(list(ranked["perturbation"]), list(ranked["score"]), response, controls)
    ranked = ranked.assign(**known, brake=brakes(ranked))
    return Screen(ranked, response, context, level, direction, read.profile_units)


def screened_row(
    cell: VirtualCell,
    response: Response,
    level: float,
    perturbation: Perturbation,
    said: Prediction[Measurement],
    targeted: frozenset[str],
) -> dict[str, Any]:
    """What a screen keeps of an answer, by the columns of `Screen`; ``targeted`` names what it targets itself."""
    features = said.draws[0].features
    own = targeted & set(response.weights)
    weights_f = response.over(features, without=own)
    scored_on = int(np.count_nonzero(weights_f))
    if not scored_on:
        weights_f = response.over(features)
    read = np.flatnonzero(weights_f)
    ends = np.array(said.effect_interval(level))[:, read] * weights_f[read]
    return {
        "perturbation": str(perturbation),
        "score": float(weights_f @ said.effect),
        "low": float(ends.min(axis=0).sum()),
        "high": float(ends.max(axis=0).sum()),
        "seen": was_seen(cell, perturbation, said.applicability),
        "applicability": str(said.applicability),
        "self_target": bool(own),
        "scored_on": scored_on,
        "coverage": said.coverage,
        "abstained": said.abstained,
    }


def ranking_sureness(table: pd.DataFrame, level: float) -> str:
    """Count the rows not seen in training whose interval is clear of zero; all rows, where all were seen.

    Args:
        table: Columns ``low``, ``high``, ``seen`` and, where it is known, ``coverage``.
        level: Of the intervals.
    """
    new = table[~table["seen"].astype(bool)]
    rows, what = (new, "unseen perturbations") if len(new) else (table, "perturbations, all seen in training,")
    promises = sorted(set(rows["coverage"].astype(str))) if "coverage" in rows else []
    promise = promises[0] if len(promises) == 1 else ""
    return sureness(clear_of_zero(rows["low"].to_numpy(), rows["high"].to_numpy()), len(rows), what, level, promise)


def rows_to_json(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table as JSON can hold them: what is not finite becomes None."""
    rows = table.to_dict(orient="records")
    return [{str(k): None if isinstance(v, float) and not math.isfinite(v) else v for k, v in r.items()} for r in rows]
