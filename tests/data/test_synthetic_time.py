import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.data.synthetic_time import DRUG, EARLY, LEFT, synthetic_development


def test_cells_develop_and_the_drug_holds_them():
    cells, truth = synthetic_development(cells=200, seed=1)
    at, control = cells.times, cells.perturbations == "control"
    means = {(t, c): truth.progress[(at == t) & (control == c)].mean() for t in (24, 48, 72) for c in (True, False)}
    np.testing.assert_allclose([means[t, True] for t in (24, 48, 72)], truth.drift * np.array([24, 48, 72]), atol=0.05)
    np.testing.assert_allclose([means[t, False] for t in (24, 48, 72)], truth.drift * np.array([0, 24, 48]), atol=0.05)
    assert truth.counts[48] / truth.counts[24] == pytest.approx(np.exp(0.24))
    types = cells.entities["cell_type"].to_numpy()
    assert set(types[at == 0]) == {EARLY}
    assert 0.35 < (types[(at == 72) & control] == LEFT).mean() / (types[(at == 72) & control] != EARLY).mean() < 0.65


def test_the_seed_decides_and_bad_times_are_refused():
    one, _ = synthetic_development(cells=5, seed=3)
    other, _ = synthetic_development(cells=5, seed=3)
    assert (one.dense() == other.dense()).all()
    assert DRUG not in " ".join(synthetic_development(cells=5, given=None)[0].perturbations)
    with pytest.raises(DataError, match="two or more times"):
        synthetic_development(times=(0.0,))
    with pytest.raises(DataError, match="given after the first"):
        synthetic_development(times=(0.0, 12.0))


def test_a_way_that_turns_leaves_the_line_it_began_on():
    straight, turning = (synthetic_development(cells=100, given=None, turn=turn, seed=1) for turn in (0.0, 2.0))
    assert (straight[1].progress == turning[1].progress).all()

    def bent(cells):
        logs = np.log1p(cells.dense() / cells.dense().sum(axis=1, keepdims=True) * 1000)
        first, middle, last = (logs[cells.times == time].mean(axis=0) for time in (0, 24, 48))
        there, on = middle - first, last - middle
        return there @ on / np.linalg.norm(there) / np.linalg.norm(on)

    # By a radian from one half of the way to the other, whose cosine is 0.54; rows of features are not at right angles.
    assert bent(straight[0]) > 0.8
    assert bent(turning[0]) < 0.7
