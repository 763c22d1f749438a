"""What is known of the targets of the rows that a large screen keeps: expression, annotations, and known brakes."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aivc.experiments.asked_cell import AskedCell
from aivc.experiments.brakes import brakes
from aivc.experiments.targets import NOT_JUDGED, ControlLevels, target_columns

# What brakes are judged by: all of a screen's answers about one agent, of any dose and time none.
_JUDGED = ("perturbation", "context", "score", "seen", "applicability")


def annotated(asked: AskedCell, rows: pa.Table, singles: Sequence[pa.Table] = ()) -> pa.Table:
    """Add the columns that `aivc.experiments.screen.Screen` has of targets.

    Args:
        asked: Who was asked.
        rows: Of scores, few.
        singles: Rows of single agents of the whole screen (`gathering`); a gene passes for a brake only beside
            what all others are predicted to do. Without them ``brake`` is ``not judged``.

    Returns:
        The rows with ``target_level``, ``expressed``, ``annotation`` and ``brake``. A score that is no weighted sum of
        effects in the context of the candidates leaves the last two ``not judged``.
    """
    table = rows.to_pandas()
    found = pd.DataFrame(index=table.index, columns=["target_level", "expressed", "annotation", "brake"], dtype=object)
    for label, part in table.groupby("context", sort=False):
        known = target_columns(list(part["perturbation"]), list(part["score"]), asked.response, _levels(asked, label))
        found.loc[part.index, list(known)] = pd.DataFrame(known, index=part.index).astype(object)
        found.loc[part.index, "brake"] = _brakes(asked, part, label, singles)
    level_n = found["target_level"].to_numpy(dtype=float)
    made = rows.append_column("target_level", pa.array(level_n, pa.float64()))
    for name in ("expressed", "annotation", "brake"):
        made = made.append_column(name, pa.array(list(found[name]), pa.string()))
    return made


def gathering(tables: Iterable[pa.Table], singles: list[pa.Table]) -> Iterator[pa.Table]:
    """Pass tables on, and gather their rows of single agents, which are few beside combinations, doses and times."""
    for table in tables:
        if len(found := single_agents(table)):
            singles.append(found)
        yield table


def single_agents(table: pa.Table) -> pa.Table:
    """Rows of one agent without dose and time: as many as there are names, whatever else was screened."""
    plain = pc.invert(pc.match_substring_regex(table["perturbation"], r" \+ |@| for \d"))
    return table.select(list(_JUDGED)).filter(plain)


def _levels(asked: AskedCell, label: str) -> ControlLevels:
    """Of the context of the rows; of a score that reads contexts of its own, the lowest of these."""
    of_label = [each for each in asked.askers.values() if each.label == label] or asked.read
    first = of_label[0].main
    return ControlLevels(first.features, np.min([each.main.level for each in of_label], axis=0), first.units)


def _brakes(asked: AskedCell, part: pd.DataFrame, label: str, singles: Sequence[pa.Table]) -> Sequence[str]:
    if not singles or asked.response is None:
        return [NOT_JUDGED] * len(part)
    own = pa.concat_tables(singles).to_pandas()
    own = own[(own["context"] == label) & own["score"].notna()]
    said = dict(zip(own["perturbation"], brakes(own), strict=True)) if len(own) else {}
    return [said.get(text, "") for text in part["perturbation"]]
