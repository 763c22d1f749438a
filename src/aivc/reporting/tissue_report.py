"""One page about a virtual cell of tissue: its sections as they lie, and how far an edit is felt in them."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from aivc.core.contracts import Manipulator
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.reporting.drawing import Figure
from aivc.reporting.html import Section, Table, write_report
from aivc.reporting.report import page_path
from aivc.reporting.tissue_figures import section_map

KIND = "section"


def is_of_tissue(cell: VirtualCell) -> bool:
    """Whether a virtual cell keeps no controls of a screen and answers for edits of a tissue."""
    parts = cell.instruments.values()
    return not cell.starts and any(isinstance(part, Manipulator) and part.edits_tissue for part in parts)


@final
@dataclass(frozen=True, eq=False)
class TissueReport:
    """What a virtual cell of tissue says about sections.

    Attributes:
        cell: Fitted by `aivc.experiments.fitting.fit_tissue.fit_tissue`.
        tissue: Cells with positions.
        ask: An edit or a perturbation of some cells, such as ``"remove:T cell"``; empty asks nothing.
        seed: Draws the cells that are shown.
    """

    cell: VirtualCell
    tissue: Measurement
    ask: str = ""
    seed: int = 0

    @cached_property
    def states(self) -> UR:
        """States of the cells, with their links."""
        return self.cell.states(self.tissue)

    @cached_property
    def moved(self) -> Prediction[UR]:
        """The states after what is asked."""
        return self.cell.manipulate(self.states, Perturbation.parse(self.ask))

    @cached_property
    def change(self) -> np.ndarray:
        """``(n,)`` length of the change of each cell; zero for those that were taken out."""
        after = pd.DataFrame(
            np.mean([draw.values for draw in self.moved.draws], axis=0), self.moved.draws[0].entities.index
        )
        there = self.states.entities.index.intersection(after.index)
        found = pd.Series(0.0, self.states.entities.index)
        before = pd.DataFrame(self.states.values, self.states.entities.index)
        found[there] = np.linalg.norm(after.loc[there].to_numpy() - before.loc[there].to_numpy(), axis=1)
        return found.to_numpy()

    @property
    def types(self) -> np.ndarray:
        """``(n,)`` type of each cell; one for all where the data name none."""
        every = pd.Series("all cells", self.tissue.entities.index)
        return self.tissue.entities.get("cell_type", every).astype(str).to_numpy()

    def asked(self, ask: str) -> "TissueReport":
        """The same sections, asked about something else; their states are not made again.

        Raises:
            PerturbationError: It is no perturbation.
        """
        made = tissue_report(self.cell, self.tissue, ask=ask, seed=self.seed)
        vars(made)["states"] = self.states
        return made

    @cached_property
    def by_type(self) -> pd.DataFrame:
        """Cells, and mean change, of each type; the type that changes most first."""
        table = pd.DataFrame({"cell_type": self.types, "change": self.change})
        made = table.groupby("cell_type")["change"].agg(cells="size", mean_change="mean").reset_index()
        return made.sort_values("mean_change", ascending=False, ignore_index=True)

    @property
    def verdict(self) -> str:
        """One sentence: how far what is asked is felt, beside the same with neighbors shuffled."""
        if not self.ask:
            return f"{len(self.tissue):,} cells of a tissue. Nothing was asked: name an edit, such as remove:TYPE."
        felt = self.moved.affected
        said = "no neighbor is known, so nothing is handed on." if felt is None else str(felt)
        return f"{Perturbation.parse(self.ask)}: {said}"

    def figures(self, kind: str = KIND) -> tuple[Figure, ...]:
        """The map of the sections, with what is predicted of each cell where something is asked.

        Raises:
            DataError: There are no positions.
            UnknownNameError: Another kind of figure is asked for.
        """
        if kind != KIND:
            raise UnknownNameError("kind of figure", kind, [KIND], "Of a virtual cell of tissue, sections are drawn.")
        if not self.ask:
            return (section_map(self.tissue, seed=self.seed),)
        return (section_map(self.tissue, change=self.change, change_of=self.ask, seed=self.seed),)

    def save(self, out: Path | str, *, overwrite: bool = False) -> Path:
        """Write the page; see `aivc.reporting.report.Report.save`."""
        path, sections = page_path(out, overwrite=overwrite), [Section("Sections", figures=self.figures())]
        if self.ask:
            caption = "Mean length of the predicted change of the state, by type; cells that were taken out count as 0."
            sections.append(Section("What changes", self.verdict, tables=(Table.of(self.by_type, caption),)))
        return write_report(path, title="A virtual cell of tissue", lead=self.verdict, sections=sections)


def tissue_report(cell: VirtualCell, tissue: Measurement | None, *, ask: str = "", seed: int = 0) -> TissueReport:
    """Say on one page what a virtual cell of tissue predicts for sections.

    Args:
        cell: Fitted by `aivc.experiments.fitting.fit_tissue.fit_tissue`.
        tissue: Cells with positions.
        ask: Such as ``"remove:T cell"``.
        seed: Draws the cells that are shown.

    Raises:
        DataError: There is no tissue, or it has no positions.
        PerturbationError: ``ask`` is no perturbation.
    """
    if tissue is None or tissue.coordinates is None:
        raise DataError(["A virtual cell of tissue is asked about cells with positions: name their file with --data."])
    if ask:
        Perturbation.parse(ask)
    return TissueReport(cell, tissue, ask, seed)
