"""Annotations with many axes: sets weighted by how rare they are, unknown genes at zero, axes that keep likeness."""

import os

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.data.priors import gene_annotations as module
from aivc.data.priors.gene_annotations import AXES, gene_annotations

GENES = pd.Index([f"G{i}" for i in range(12)])
SETS = [frozenset(GENES[:4]), frozenset(GENES[2:10]), frozenset(GENES[:2])]


def test_small_sets_are_left_out_and_rare_ones_count_more():
    member_gs = module._members(GENES, SETS)
    assert member_gs.shape == (12, 2)
    weighted = module._weighted(member_gs).toarray()
    np.testing.assert_allclose(np.linalg.norm(weighted[:10], axis=1), 1)
    assert not weighted[10:].any()
    assert weighted[2, 0] > weighted[2, 1] > 0


def test_leading_axes_keep_the_products_of_rows():
    dense = np.random.default_rng(0).standard_normal((20, 6))
    axes = module._axes(sparse.csr_matrix(np.hstack([dense[:, :3] @ dense[:3, :].T[:3], dense[:, :1]])), 3, 0)
    again = module._axes(sparse.csr_matrix(np.hstack([dense[:, :3] @ dense[:3, :].T[:3], dense[:, :1]])), 3, 0)
    np.testing.assert_array_equal(axes, again)
    assert (np.linalg.norm(axes, axis=0)[:-1] >= np.linalg.norm(axes, axis=0)[1:]).all()


@pytest.mark.slow
@pytest.mark.skipif("AIVC_DATA" not in os.environ, reason="needs the knowledge files")
def test_partners_of_a_complex_are_alike():
    known = gene_annotations()
    assert known.values.shape[1] == sum(AXES.values())
    go = slice(0, AXES["go-terms"])
    one, other, far = (known.values[known.entities.index.get_loc(name), go] for name in ("CD3E", "CD3D", "RPL5"))
    assert one @ other > 5 * abs(one @ far)
