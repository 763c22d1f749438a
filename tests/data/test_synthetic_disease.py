"""Synthetic patients differ by what was asked for, and the truth says what undoes it."""

import numpy as np
import pytest

from aivc.core.errors import UnknownNameError
from aivc.data.synthetic import synthetic_screen
from aivc.data.synthetic_disease import synthetic_disease


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=40, cells=4, controls=100, seed=0)


def test_without_an_own_part_the_reversing_intervention_goes_all_the_way(screen):
    cells, known = synthetic_disease(*screen, own=0.0, patients=3, cells=8, seed=1)
    assert known.toward["ko:G0003"] == pytest.approx(1)
    assert np.allclose(known.way, screen[1].effects[2])
    assert cells.entities["donor"].nunique() == 6
    rate = [
        np.log1p(cells.values[(cells.entities["disease"] == side).to_numpy()]).mean(axis=0)
        for side in ("sick", "healthy")
    ]
    assert np.corrcoef(rate[1] - rate[0], known.way)[0, 1] > 0.6


def test_paired_patients_give_cells_of_both_sides(screen):
    cells, _ = synthetic_disease(*screen, patients=3, cells=4, paired=True)
    assert (cells.entities.groupby("donor")["disease"].nunique() == 2).all()
    assert cells.entities["donor"].nunique() == 3


def test_labels_without_a_meaning_leave_nothing_to_undo(screen):
    _, known = synthetic_disease(*screen, strength=0.0, patients=3, cells=4)
    assert not known.way.any()
    assert not any(known.toward.values())
    with pytest.raises(UnknownNameError, match="ko:G9999"):
        synthetic_disease(*screen, reversing=("ko:G9999",))
