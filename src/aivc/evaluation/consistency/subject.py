"""What is checked: a virtual cell, a tissue that fits in memory, and their states at both scales."""

import dataclasses
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse

from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.tissue.graph import sections
from aivc.experiments.atlas.embed_tissue import tissue_encoder, tissue_states

_FEWEST = 20


@final
@dataclass(frozen=True, eq=False)
class Subject:
    """A virtual cell and a tissue.

    Attributes:
        cell: The virtual cell.
        tissue: The measurement, with the links that its states were made with.
        above: The encoder of tissue.
        cells: States of the cells by themselves.
        states: States of the cells with their neighbors.
        seed: Of everything that is drawn.
    """

    cell: VirtualCell
    tissue: Measurement
    above: Encoder
    cells: UR
    states: UR
    seed: int

    @classmethod
    def of(cls, cell: VirtualCell, tissue: Measurement, *, most: int, seed: int) -> "Subject":
        """Encode a tissue, or the middle of each section where it is larger than wanted.

        Args:
            cell: With encoders of cells and of tissue.
            tissue: With positions or links.
            most: Cells in all.
            seed: Of everything that is drawn.

        Raises:
            DataError: Fewer than 20 cells.
            UnknownNameError: The virtual cell lacks an encoder.
        """
        tissue = _middle(tissue, most)
        if len(tissue) < _FEWEST:
            raise DataError([f"Consistency is checked on {_FEWEST} cells or more, got {len(tissue)}. Give more cells."])
        made = tissue_states(cell, tissue)
        above = tissue_encoder(cell)
        assert above is not None
        return cls(cell, made.tissue, above, made.cells, made.states, seed)

    @property
    def links(self) -> sparse.csr_matrix:
        """``(n, n)`` who is whose neighbor."""
        assert self.tissue.links is not None
        return self.tissue.links

    @property
    def random(self) -> np.random.Generator:
        """A generator that starts anew with each check, so that one does not change another."""
        return np.random.default_rng(self.seed)

    @property
    def reach(self) -> int | None:
        """How many steps away neighbors count, where the encoder of tissue states it."""
        packed = self.above.state().settings.get("reach", {})
        return int(packed["value"]) if "value" in packed else None

    def lifted(
        self,
        *,
        cells: np.ndarray | None = None,
        links: sparse.csr_matrix | None = None,
        tissue: Measurement | None = None,
    ) -> np.ndarray:
        """``(n, d)`` states of the tissue, with other states of its cells, other links, or another measurement.

        Args:
            cells: ``(n, d)`` states of the cells; their own by default.
            links: ``(n, n)``; those of the tissue by default.
            tissue: Used as it is; links are then its own.
        """
        if tissue is None:
            tissue = self.tissue if links is None else self.tissue.replace(links=links)
        parts = self.cells if cells is None else dataclasses.replace(self.cells, values=cells, variance=None)
        return np.asarray(self.above.encode(tissue, **self.above.given(parts)).values)

    def state_of(self, part: Manipulator | Decoder) -> UR | None:
        """The states that an instrument reads; None where it reads neither."""
        return next((ur for ur in (self.cells, self.states) if ur.space == part.reads), None)


def _middle(tissue: Measurement, most: int) -> Measurement:
    if len(tissue) <= most:
        return tissue
    kept, parts = [], sections(tissue)
    for where in parts:
        share = max(most // len(parts), 1)
        if tissue.coordinates is None:
            kept.append(where[:share])
            continue
        points = np.asarray(tissue.coordinates[where], dtype=np.float64)
        # Cells around one place keep their neighbors; cells drawn at random would lose them.
        far = np.linalg.norm(points - np.median(points, axis=0), axis=1)
        kept.append(where[np.argsort(far, kind="stable")[:share]])
    return tissue.take(np.sort(np.concatenate(kept)))
