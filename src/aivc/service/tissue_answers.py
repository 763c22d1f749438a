"""What an edit changes in a tissue, cell by cell and by type, as a page shows it beside the drawn sections."""

from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from aivc.core.calibration import Applicability
from aivc.core.perturbation import Perturbation
from aivc.reporting.tissue_report import TissueReport
from aivc.service.figure_models import TissueAnswer, TypeChange
from aivc.service.point_clouds import shown_rows

_APPLICABILITY: dict[Applicability, tuple[Literal["inside", "edge", "outside"], str]] = {
    Applicability.IN: ("inside", "Every part of it was seen in the fit."),
    Applicability.EDGE: (
        "edge",
        "It names what the cell knows, but no edit of a tissue was measured: the answer is read from how cells differ "
        "where their neighbors differ.",
    ),
    Applicability.OUT: ("outside", "It names what was not in the fit: the answer is a default."),
}


def taken_out(report: TissueReport) -> np.ndarray:
    """``(n,)`` True for the cells of a tissue that are not there after what is asked."""
    return ~report.states.entities.index.isin(report.moved.draws[0].entities.index)


def tissue_answer(report: TissueReport) -> TissueAnswer:
    """How far what is asked is felt, in numbers.

    Args:
        report: That asks something.
    """
    moved, felt, gone_n = report.moved, report.moved.affected, taken_out(report)
    inside, spoken = _APPLICABILITY[moved.applicability]
    types = report.types
    gone = pd.Series(gone_n).groupby(types).sum()
    rows = report.by_type.itertuples(index=False)
    return TissueAnswer(
        edit=str(Perturbation.parse(report.ask)),
        applicability=inside,
        applicability_text=spoken,
        made_by=list(moved.made_by),
        verdict=report.verdict,
        taken_out=int(gone_n.sum()),
        put_in=len(moved.draws[0]) - int((~gone_n).sum()),
        others=None if felt is None else felt.cells,
        changed=None if felt is None else len(felt.names),
        within=None if felt is None else felt.within,
        mean=None if felt is None else felt.mean,
        shuffled=None if felt is None else felt.shuffled,
        by_type=[
            TypeChange(
                cell_type=str(row.cell_type), cells=int(row.cells), taken_out=int(gone[row.cell_type]),
                mean_change=float(row.mean_change),
            )
            for row in rows
        ],
    )  # fmt: skip


def change_table(report: TissueReport) -> pa.Table:
    """How much each cell changes, in the order of the positions of its data.

    Args:
        report: That asks something.

    Returns:
        ``change``, the length of the predicted change of the state, missing where a cell was taken out; and ``steps``,
        how many links away the edit is, missing where a cell does not change or something was done to itself.
    """
    felt = report.moved.affected
    change = np.where(taken_out(report), np.nan, report.change)
    names = report.states.entities.index
    steps = pd.Series(np.nan, names)
    if felt is not None and len(felt.names):
        steps = pd.Series(np.asarray(felt.steps, dtype=np.float64), pd.Index(felt.names)).reindex(names.astype(str))
    rows = shown_rows(len(change))
    columns = {"change": change, "steps": steps.to_numpy()}
    return pa.table({key: pa.array(each[rows].astype(np.float32), from_pandas=True) for key, each in columns.items()})
