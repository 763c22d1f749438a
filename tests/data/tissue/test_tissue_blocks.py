import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.tissue_blocks import blocks, left_out_together


def chain(n, cut=None):
    """Cells in a row, each linked to the next; one link missing after ``cut``."""
    after = np.array([i for i in range(n - 1) if i != cut])
    links = sparse.csr_matrix((np.ones(len(after)), (after, after + 1)), shape=(n, n))
    return sparse.csr_matrix(links + links.T)


def test_blocks_are_stretches_of_neighbors():
    block = blocks(chain(400), np.ones(400, dtype=bool))
    names, size = np.unique(block, return_counts=True)
    assert len(names) == 16
    assert (np.diff(block) != 0).sum() == len(names) - 1
    assert size.max() < 80


def test_parts_without_a_link_are_never_one_block():
    block = blocks(chain(200, cut=60), np.ones(200, dtype=bool))
    assert not set(block[:61]) & set(block[61:])


def test_few_cells_make_four_blocks_and_many_twenty():
    rows = np.zeros(3000, dtype=bool)
    rows[:40] = True
    assert len(np.unique(blocks(chain(3000), rows)[rows])) == 4
    assert len(np.unique(blocks(chain(3000), ~rows))) == 20


def test_donors_come_before_sections_and_sections_before_blocks():
    entities = pd.DataFrame({"donor": list("aabb"), "section": list("1234")}, list("wxyz"))
    ur = UR(np.zeros((4, 1)), Space("made-up", Scale.MULTICELLULAR, 1, "made-up"), entities, links=chain(4))
    every = np.ones(4, dtype=bool)
    assert left_out_together(ur, every)[1] == "donor"
    assert left_out_together(ur, every)[0].tolist() == [0, 0, 1, 1]
    assert left_out_together(ur, np.array([True, True, False, False]))[1] == "section"
    assert left_out_together(ur, np.array([True, False, False, False]))[1] == "block"
    assert left_out_together(ur, every, ["q", "q", "r", "r"])[1] == "group"
