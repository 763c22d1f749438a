"""Cells whose place in the cycle is known are put there, in order around the circle."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.experiments.cell_cycle import G2M_PHASE, S_PHASE, cell_cycle


def cycling(n=300, *, case=str.title):
    rng = np.random.default_rng(0)
    true_n = rng.uniform(0, 2 * np.pi, n)
    names = [*map(case, S_PHASE[:20]), *map(case, G2M_PHASE[:20]), *(f"Gene{i}" for i in range(100))]
    rate_nf = np.full((n, len(names)), 5.0)
    rate_nf[:, :20] *= np.exp(np.cos(true_n))[:, None]
    rate_nf[:, 20:40] *= np.exp(np.sin(true_n))[:, None]
    frame = pd.DataFrame(index=[f"c{i}" for i in range(n)])
    return Measurement(rng.poisson(rate_nf).astype(float), np.array(names, dtype=object), frame, "counts"), true_n


def test_the_angle_is_the_place_in_the_cycle():
    cells, true_n = cycling()
    found = cell_cycle(cells)
    assert found.found == (20, 20)
    away_n = np.abs(np.angle(np.exp(1j * (found.angle - true_n))))
    assert np.median(away_n) < 0.35
    rng = np.random.default_rng(1)
    assert np.median(np.abs(np.angle(np.exp(1j * (rng.permutation(found.angle) - true_n))))) > 1


def test_genes_of_the_cycle_have_to_be_there():
    cells, _ = cycling()
    with pytest.raises(DataError, match="Only 0 genes of the cell cycle's S set"):
        cell_cycle(cells.select(cells.features[20:]))


def test_cells_that_do_not_cycle_are_seen_by_random_genes():
    cells, _ = cycling()
    found = cell_cycle(cells)
    assert found.seen
    assert min(found.agreement) > 0.5 > max(found.chance)
    rng = np.random.default_rng(2)
    still = cells.replace(values=rng.poisson(5.0, cells.values.shape).astype(float))
    assert not cell_cycle(still).seen
    assert "says nothing of these cells" in cell_cycle(still).note
    few = cell_cycle(cells.select(cells.features[:45]))
    assert not few.seen
    assert "too few other genes" in few.note


def test_sparse_counts_give_what_dense_ones_do():
    cells, _ = cycling(60)
    found = cell_cycle(cells)
    same = cell_cycle(cells.replace(values=sparse.csr_matrix(cells.values)))
    np.testing.assert_allclose(same.angle, found.angle, atol=1e-4)
    table = found.table(cells.entities.index)
    assert list(table) == ["cell_cycle_angle", "S_score", "G2M_score", "cell_cycle_activity"]
