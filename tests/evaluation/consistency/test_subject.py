import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.virtual_cell import VirtualCell
from aivc.evaluation.consistency.subject import Subject
from tiny_consistency import embedded, subject, tissue


def test_states_are_lifted_as_they_were_made():
    made = subject()
    assert np.allclose(made.lifted(), made.states.values)
    assert not np.allclose(made.lifted(cells=2 * made.cells.values), made.states.values)
    assert made.reach == 2


def test_of_many_cells_the_middle_of_each_section_is_taken():
    made = Subject.of(embedded().cell, tissue(), most=40, seed=0)
    assert made.tissue.entities["section"].value_counts().tolist() == [20, 20]
    kept = np.isin(tissue().entities.index, made.tissue.entities.index)
    first = (tissue().entities["section"] == "P1-S1").to_numpy()
    points = tissue().coordinates - np.median(tissue().coordinates[first], axis=0)
    far = np.linalg.norm(points, axis=1)
    assert far[first & kept].max() <= far[first & ~kept].min()


def test_what_cannot_be_checked_is_refused():
    with pytest.raises(DataError, match="20 cells or more"):
        Subject.of(embedded().cell, tissue().take(np.arange(5)), most=100, seed=0)
    alone = VirtualCell({"cellular": embedded().cell.encoders["cellular"]}, {})
    with pytest.raises(UnknownNameError, match="multicellular"):
        Subject.of(alone, tissue(), most=100, seed=0)
