import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.streaming.normalize import normalize
from aivc.instruments.decoders.cell_readout import CellReadout
from aivc.testing import check_decoder

SPACE = Space("made-up", Scale.CELLULAR, 4, "made-up")
SLOPES = np.random.default_rng(3).normal(size=(4, 5))


def cells(n, seed, *, donors=12, between=0.0, curve=0.0, noise=0.5):
    """States, and five readouts linear in them (or curved), with a shift for each donor."""
    rng = np.random.default_rng(seed)
    x_nd, donor = rng.normal(2, 3, (n, 4)), rng.integers(0, donors, n)
    z_nd = (x_nd - 2) / 3
    shift_gf = rng.normal(0, between, (donors, 5)) if between else np.zeros((donors, 5))
    y_nf = z_nd @ SLOPES + curve * np.sin(2 * z_nd @ SLOPES[:, ::-1]) + shift_gf[donor] + rng.normal(0, noise, (n, 5))
    table = pd.DataFrame({"donor": [f"d{seed}-{i}" for i in donor]}, [f"c{seed}-{i}" for i in range(n)])
    if donors == 1:
        table = table.drop(columns="donor")
    names = np.array([f"p{i}" for i in range(5)], dtype=object)
    return UR(x_nd, SPACE, table), Measurement(y_nf, names, table, "arbitrary", "phenotype")


def held(readout, ur, truth, level=0.9):
    """``(f,)`` share of cells within their intervals."""
    _, low_nf, high_nf = readout.intervals(ur, level)
    return ((low_nf <= truth.values) & (truth.values <= high_nf)).mean(axis=0)


def test_keeps_the_promises_of_a_decoder():
    check_decoder(CellReadout)
    ur, measured = cells(200, 0)
    check_decoder(CellReadout, ur, measurement=measured)


def test_a_line_is_found_and_a_curve_only_where_there_is_one():
    straight = CellReadout.fit(*cells(800, 0))
    assert straight.kernel == "linear"
    assert np.allclose(straight.slopes / straight.width[:, None] * 3, SLOPES, atol=0.1)
    ur, measured = cells(800, 1, curve=2.0)
    curved, line = CellReadout.fit(ur, measured), CellReadout.fit(ur, measured, kernels=("linear",))
    assert (curved.kernel, line.kernel) == ("gaussian", "linear")
    assert curved.skill.mean() > line.skill.mean() + 0.01
    asked, truth = cells(1000, 2, curve=2.0)
    errors = [np.mean((part.predict(asked)[0] - truth.values) ** 2) for part in (curved, line)]
    assert errors[0] < 0.95 * errors[1]
    check_decoder(
        CellReadout, ur.take(np.arange(150)), measurement=measured.take(np.arange(150)), kernels=("gaussian",)
    )


def test_intervals_hold_what_they_promise_in_new_donors():
    readout = CellReadout.fit(*cells(4000, 0, donors=40, between=0.7), kernels=("linear",))
    assert set(readout.units_left_out) == {"donor"}
    asked, truth = cells(4000, 1, donors=40, between=0.7)
    assert (held(readout, asked, truth) > 0.86).all()
    assert (held(readout, asked, truth) < 0.97).all()
    few, alone = (
        CellReadout.fit(*cells(2000, 2, donors=4, between=0.7), kernels=("linear",), groups=groups)
        for groups in (None, np.arange(2000))
    )
    assert np.isfinite(few.thresholds).all()
    assert held(few, asked, truth).mean() > 0.87 > held(alone, asked, truth).mean()
    wider = [readout.intervals(asked, level) for level in (0.5, 0.9, 0.99)]
    assert ((wider[0].high < wider[1].high) & (wider[1].high < wider[2].high)).all()


def test_cells_are_left_out_where_there_is_one_donor():
    readout = CellReadout.fit(*cells(1500, 0, donors=1))
    assert set(readout.units_left_out) == {"cell"}
    asked, truth = cells(3000, 1, donors=1)
    assert np.allclose(held(readout, asked, truth), 0.9, atol=0.03)
    batched = cells(300, 0, donors=1)[0].entities.assign(batch=["a", "b", "c"] * 100)
    ur, measured = cells(300, 0, donors=1)
    assert set(CellReadout.fit(dataclasses.replace(ur, entities=batched), measured).units_left_out) == {"batch"}


def test_variance_of_a_state_widens_its_interval_as_it_should():
    ur, measured = cells(3000, 0, donors=1)
    readout = CellReadout.fit(ur, measured)
    asked, truth = cells(3000, 1, donors=1)
    rng = np.random.default_rng(5)
    blurred = dataclasses.replace(
        asked, values=asked.values + rng.normal(0, 2, (3000, 4)), variance=np.full((3000, 4), 4.0)
    )
    assert (held(readout, blurred, truth) > 0.87).all()
    assert (held(readout, blurred, truth) < 0.94).all()
    assert held(readout, dataclasses.replace(blurred, variance=None), truth).mean() < 0.6


def test_a_readout_is_fitted_where_it_was_measured():
    ur, measured = cells(600, 0, donors=6)
    seen_nf = np.ones((600, 5), dtype=bool)
    seen_nf[:300, 2], seen_nf[:, 3] = False, (ur.entities["donor"] == "d0-1").to_numpy()
    wild = measured.values + np.where(seen_nf, 0.0, 1e6)
    readout = CellReadout.fit(ur, measured.replace(values=wild, observed=seen_nf))
    assert readout.units_left_out.tolist() == ["donor", "donor", "donor", "cell", "donor"]
    later = np.arange(300, 600)
    half = CellReadout.fit(ur.take(later), measured.take(later), kernels=("linear",))
    ours, theirs = (part.predict(ur)[0][:, 2] for part in (readout, half))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.999
    assert readout.skill.min() > 0.5


def test_counts_are_predicted_as_shares_and_yes_or_no_as_a_probability():
    ur, measured = cells(900, 0, donors=1)
    rng = np.random.default_rng(1)
    counts = measured.replace(values=rng.poisson(np.exp(measured.values / 3 + 2)) + 1.0, units="counts")
    blank = np.ones((900, 5), dtype=bool)
    blank[:50] = False
    counts = counts.replace(values=np.where(blank, counts.values, 0.0), observed=blank)
    readout = CellReadout.fit(ur, counts)
    truth = normalize(counts.take(np.arange(50, 900)), readout.units)
    assert readout.units.startswith("log1p_cp")
    said = readout.intervals(ur.take(np.arange(50, 900)))
    assert (said.low >= 0).all()
    assert min(np.corrcoef(said.mean[:, i], truth.values[:, i])[0, 1] for i in range(5)) > 0.3
    yes = measured.replace(values=(measured.values > 0.5).astype(float))
    chance = CellReadout.fit(ur, yes).decode(ur).draws[0].values
    assert ((chance >= 0) & (chance <= 1)).all()
    assert np.allclose(chance.mean(axis=0), yes.values.mean(axis=0), atol=0.05)


def test_applicability_and_the_mean_profile():
    ur, measured = cells(600, 0)
    readout = CellReadout.fit(ur, measured)
    assert readout.decode(ur).applicability is Applicability.IN
    assert readout.decode(dataclasses.replace(ur, values=ur.values + 60)).applicability is Applicability.OUT
    heavy = dataclasses.replace(ur, mass=np.where(np.arange(600) < 1, 1e9, 1.0))
    assert np.allclose(readout.decode(heavy).mean, readout.predict(ur)[0][0], atol=1e-4)


def test_what_makes_no_sense_is_refused():
    ur, measured = cells(60, 0)
    with pytest.raises(DataError, match="never measured, such as p1"):
        CellReadout.fit(ur, measured.replace(observed=np.arange(5) != 1))
    few = np.ones((60, 5), dtype=bool)
    few[3:, 4] = False
    with pytest.raises(DataError, match="fewer than 4 cells, such as p4"):
        CellReadout.fit(ur, measured.replace(observed=few))
    holed = measured.values.copy()
    holed[3, 2] = np.nan
    with pytest.raises(DataError, match="False in `observed`"):
        CellReadout.fit(ur, measured.replace(values=holed))
    with pytest.raises(DataError, match="have no group"):
        CellReadout.fit(ur, measured, groups=[None, *["a", "b"] * 29, "c"])
    with pytest.raises(DataError, match="Align them"):
        CellReadout.fit(ur, measured, groups=["a", "b"])
    with pytest.raises(DataError, match="Align them"):
        CellReadout.fit(ur.take(np.arange(30)), measured)
    readout = CellReadout.fit(ur, measured)
    with pytest.raises(ValueError, match=r"between 0 and 0\.99"):
        readout.intervals(ur, 90.0)
    with pytest.raises(SpaceError, match="refit the instrument"):
        readout.intervals(dataclasses.replace(ur, space=dataclasses.replace(SPACE, fingerprint="other")))
