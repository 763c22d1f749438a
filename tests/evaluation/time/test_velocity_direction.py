"""Genes that are being made point ahead, also where counts are noisy; permuted over cells they point nowhere."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.evaluation.time.velocity_direction import (
    directed_order,
    potential_order,
    to_next_kind,
    toward,
)
from aivc.experiments.atlas.neighbors import Neighbors
from aivc.experiments.splicing import Splicing
from tiny_velocity import NEXT, moving_cells


@pytest.fixture(scope="module")
def moving():
    spliced, unspliced, true_n = moving_cells()
    layers = Splicing.of(spliced, unspliced)
    s_nf, u_nf = layers.spliced, layers.unspliced
    near_nk, far_nk = Neighbors.of(s_nf).find(s_nf, 16)
    return s_nf, u_nf, near_nk, far_nk, true_n, spliced.entities["cell_type"].to_numpy()


def test_velocities_point_to_the_kind_that_comes_next(moving):
    s_nf, u_nf, near_nk, far_nk, true_n, kind_n = moving
    rng = np.random.default_rng(1)
    own, none = (toward(s_nf, u, near_nk) for u in (u_nf, rng.permutation(u_nf)))
    directions = [to_next_kind(cosine, near_nk, kind_n, NEXT) for cosine in (own, none)]
    assert directions[0] > 0.3
    assert abs(directions[1]) < 0.15
    assert np.corrcoef(potential_order(near_nk, far_nk, own), true_n)[0, 1] > 0.9


def test_a_way_along_velocities_is_shorter(moving):
    s_nf, u_nf, near_nk, far_nk, true_n, _ = moving
    root = np.array([int(true_n.argmin())])
    found = directed_order(near_nk, far_nk, toward(s_nf, u_nf, near_nk), root, (10, 15))
    assert np.corrcoef(found, true_n)[0, 1] > 0.95
    two = np.array([[0, 1], [1, 0], [2, 3], [3, 2]])
    with pytest.raises(DataError, match="cannot be reached"):
        directed_order(two, np.ones((4, 2)), np.zeros((4, 4)), np.array([0]), (1,))
    with pytest.raises(DataError, match="kind that comes next"):
        to_next_kind(np.zeros((4, 4)), two, np.array(["a", "a", "b", "b"]), [("a", "b")])
