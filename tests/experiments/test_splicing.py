"""Velocity of a made-up process: it points forward, made void it does not, and it is used only where it gains."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import COUNTS
from aivc.core.ur import UR
from aivc.experiments.order import order, pair_auroc
from aivc.experiments.splicing import PERMUTED, SWAPPED, VELOCITY, Splicing, judge, order_by_velocity

PAIRS = {"cell_type": [("early", "middle"), ("middle", "late")]}


def turning(n=160):
    """Genes go up one after another; unspliced RNA is ahead of spliced."""
    rng = np.random.default_rng(0)
    true_n = np.sort(rng.uniform(0, 1, n))
    peak_f = np.linspace(-0.2, 1.2, 24)
    spliced, unspliced = (np.exp(-(((true_n + ahead)[:, None] - peak_f) ** 2) / 0.05) + 0.2 for ahead in (0.0, 0.1))
    kind_n = np.where(true_n < 0.33, "early", np.where(true_n < 0.66, "middle", "late"))
    frame = pd.DataFrame({"cell_type": kind_n}, index=[f"c{i}" for i in range(n)])
    ur = UR(spliced + rng.normal(0, 0.05, spliced.shape), Space("made-up", Scale.CELLULAR, 24, "0"), frame)
    return ur, Splicing(spliced, unspliced), true_n


@pytest.fixture(scope="module")
def process():
    return turning()


def test_velocity_points_forward_and_void_does_not(process):
    ur, splicing, _ = process
    test = order(ur, {"cell_type": "early"}, neighbors=(10,), velocity="auto", splicing=splicing, known=PAIRS).velocity
    assert test.forward
    assert test.cosine[VELOCITY] > 0.5
    assert max(test.cosine[PERMUTED], test.cosine[SWAPPED]) < 0.3


def test_of_known_pairs_alone_can_a_gain_be_seen(process):
    ur, splicing, _ = process
    told = order(ur, {"cell_type": "early"}, neighbors=(10,), velocity="auto", splicing=splicing)
    assert not told.velocity.used
    assert told.velocity.gain == {}
    assert "no pairs" in told.velocity.why
    np.testing.assert_array_equal(told.time, order(ur, {"cell_type": "early"}, neighbors=(10,)).time)


@pytest.mark.parametrize(("void", "used"), [(0.0, True), (0.9, False)])
def test_velocity_is_used_where_it_gains_and_void_does_not(process, void, used):
    ur, splicing, true_n = process
    rng = np.random.default_rng(0)
    poor_n, asked = rng.random(len(ur)), []

    def again(arrows):
        asked.append(len(asked) == 0 or rng.random() < void)
        return true_n if asked[-1] else poor_n

    kind_n = ur.entities["cell_type"].to_numpy()
    test, time_n = judge(splicing, ur, poor_n, again, lambda t: pair_auroc(t, kind_n, PAIRS["cell_type"]), 0)
    assert test.used is used
    assert test.gain[VELOCITY] > 0.3
    np.testing.assert_array_equal(time_n, true_n if used else poor_n)
    assert test.why.startswith("Used" if used else "Not used: velocity gains, but so does")


def test_without_a_root_the_arrows_order_cells(process):
    ur, splicing, true_n = process
    assert np.corrcoef(order_by_velocity(ur, splicing), true_n)[0, 1] > 0.9
    backwards = Splicing(splicing.unspliced, splicing.spliced)
    assert np.corrcoef(order_by_velocity(ur, backwards), true_n)[0, 1] < 0


def test_layers_are_of_the_same_cells_and_genes(process):
    ur, splicing, _ = process
    counts = Measurement(np.rint(5 * splicing.spliced), np.array([f"g{i}" for i in range(24)]), ur.entities, COUNTS)
    assert Splicing.of(counts, counts).spliced.shape == (160, 24)
    with pytest.raises(DataError, match="Align them"):
        Splicing.of(counts, counts.take(np.arange(5)))
    with pytest.raises(DataError, match="Give splicing"):
        order(ur, {"cell_type": "early"}, velocity="auto")
    with pytest.raises(UnknownNameError, match="sometimes"):
        order(ur, {"cell_type": "early"}, velocity="sometimes")
    with pytest.raises(UnknownNameError, match="never"):
        order(ur, {"cell_type": "early"}, velocity="auto", splicing=splicing, known={"cell_type": [("early", "never")]})
