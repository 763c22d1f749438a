"""The table of consistency: which properties a virtual cell keeps from cell to tissue."""

from collections.abc import Callable

from aivc.core.measurement import Measurement
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress
from aivc.data.tissue.graph import sections
from aivc.evaluation.consistency.check_row import CheckRow, Consistency
from aivc.evaluation.consistency.information_use import information_use
from aivc.evaluation.consistency.instrument_checks import aggregation, identity, path_independence
from aivc.evaluation.consistency.subject import Subject
from aivc.evaluation.consistency.tissue_rows import isolation, locality, symmetries


def consistency(
    cell: VirtualCell,
    tissue: Measurement,
    *,
    cells: int = 1000,
    gene: str = "",
    seed: int = 0,
    progress: Progress | None = None,
) -> Consistency:
    """Check a virtual cell with an encoder of tissue against itself, on a tissue.

    Seven properties: no intervention changes nothing (C1); rotation, mirror image, shift and order do not matter (C7);
    a cell without neighbors is the cell alone (C8); a pool is read as the pool of its readings (C9); what changes is
    near (C10); neighbors are used, beyond a shuffle (C13); and the order of edit and encoding does not matter (C15).

    Args:
        cell: With encoders of cells and of tissue.
        tissue: Cells with positions, or with links.
        cells: Most cells to check on; of more, the middle of each section.
        gene: Which gene is silenced (C15); the one whose readings vary most, unless named.
        seed: Of everything that is drawn.
        progress: Called with what is being done, how many checks are done, of how many.

    Raises:
        DataError: Positions are missing or not finite, or there are fewer than 20 cells.
        UnknownNameError: The virtual cell lacks an encoder of cells or of tissue.

    >>> from aivc.data.synthetic_tissue import synthetic_tissue
    >>> from aivc.experiments.atlas.embed_tissue import tissue_embedding
    >>> tissue = synthetic_tissue(cells=40)[0]
    >>> found = consistency(tissue_embedding(tissue, reach=1, dim=6).cell, tissue)
    >>> [(row.code, row.verdict) for row in found.rows][:3]
    [('C1', 'not applicable'), ('C7', 'pass'), ('C8', 'pass')]
    """
    subject = Subject.of(cell, tissue, most=cells, seed=seed)
    checks: tuple[Callable[[], list[CheckRow]], ...] = (
        lambda: identity(subject),
        lambda: [symmetries(subject)],
        lambda: [isolation(subject)],
        lambda: aggregation(subject),
        lambda: locality(subject),
        lambda: [information_use(subject)],
        lambda: [path_independence(subject, gene)],
    )
    rows: list[CheckRow] = []
    for i, check in enumerate(checks):
        if progress is not None:
            progress("checking consistency", i, len(checks))
        rows += check()
    used, whole = subject.tissue, len(tissue)
    about = {
        "tissue": str(tissue.provenance.get("dataset", "")),
        "cells": len(used),
        "of": whole,
        "sections": len(sections(used)),
        "encoder": subject.above.name,
        "seed": seed,
    }
    return Consistency(tuple(rows), about)
