from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from aivc.core.contracts import Encoder
from aivc.core.scale import Scale
from aivc.core.ur import UR
from aivc.evaluation.consistency.subject import Subject
from aivc.evaluation.consistency.tissue_rows import isolation, locality, rewire, symmetries
from tiny_consistency import embedded, subject


@dataclass(frozen=True, eq=False)
class WithPlaces(Encoder):
    """Cheats: states hold where a cell lies and the mean of all cells."""

    name: ClassVar[str] = "with-places"
    scale: ClassVar[Scale] = Scale.MULTICELLULAR
    uses_parts: ClassVar[bool] = True
    reach: int

    @classmethod
    def fit(cls, measurement, *, dim=32, seed=0, units=None):
        return cls(1)

    @property
    def dim(self):
        return 3

    def encode(self, measurement, parts=None):
        everyone = np.full(len(measurement), parts.values.mean())
        values = np.column_stack([measurement.coordinates, everyone + parts.values[:, 0]])
        return UR(values, self.writes, measurement.entities, None, measurement.mass, measurement.links)


def cheating():
    made = embedded()
    part = WithPlaces(1)
    states = part.encode(made.tissue, made.cells)
    return Subject(made.cell, made.tissue, part, made.cells, states, 0)


def test_shells_keep_the_symmetries_and_places_do_not():
    kept = symmetries(subject())
    assert kept.verdict == "pass"
    assert kept.value < 1e-9
    assert kept.null > 0.5
    assert "rotation" in kept.note
    broken = symmetries(cheating())
    assert broken.verdict == "fail"
    assert broken.value > 1


def test_a_tissue_without_positions_is_read_in_another_order():
    made = subject()
    bare = replace(made, tissue=made.tissue.replace(coordinates=None))
    row = symmetries(bare)
    assert row.verdict == "pass"
    assert row.note.startswith("order;")


def test_a_cell_without_neighbors_is_the_cell_alone():
    row = isolation(subject())
    assert row.verdict == "pass"
    assert row.null > 0.05
    assert isolation(cheating()).verdict == "fail"


def test_nothing_changes_beyond_the_reach_and_less_with_each_step():
    beyond, decay = locality(subject())
    assert (beyond.verdict, decay.verdict) == ("pass", "pass")
    assert beyond.value == 0
    assert decay.value > 2 * decay.null
    far, flat = locality(cheating())
    assert (far.verdict, flat.verdict) == ("fail", "fail")


def test_locality_needs_a_reach_and_neighbors():
    made = subject()
    alone = replace(made, tissue=made.tissue.replace(links=made.links * 0))
    alone.tissue.links.eliminate_zeros()
    assert [row.verdict for row in locality(alone)] == ["not applicable"] * 2
    assert "no cell has a neighbor" in locality(alone)[0].note


def test_a_rewired_graph_keeps_the_number_of_neighbors():
    links = subject().links
    mixed = rewire(links, np.random.default_rng(0))
    assert (np.diff(mixed.indptr) == np.diff(links.indptr)).all()
    assert (mixed != mixed.T).nnz == 0
    assert mixed.diagonal().sum() == 0
    assert mixed.multiply(links).nnz < 0.6 * links.nnz
