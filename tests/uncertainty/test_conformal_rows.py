from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from aivc.core.contracts import Decoder
from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.instruments.decoders.kernel_readout import KernelReadout
from aivc.instruments.decoders.linear_expression import LinearExpression
from aivc.testing import sample_measurement, sample_ur
from aivc.uncertainty.conformal_rows import ConformalRows


class Held(NamedTuple):
    decoder: Decoder
    predicted: np.ndarray
    spread: np.ndarray
    measured: np.ndarray


def molecules(n, seed, noisy=True):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    y = x[:, 0] + rng.normal(size=n) * (np.exp(x[:, 1]) if noisy else 1.0)
    table = pd.DataFrame(index=[f"m{i}" for i in range(n)])
    ur = UR(x, Space("molecules", Scale.MOLECULAR, 3, "test"), table)
    return ur, Measurement(y[:, None], np.array(["activity"]), table, "score", "effect", Scale.MOLECULAR)


@pytest.fixture(scope="module")
def calibrated():
    ur, read = molecules(400, 0)
    return ConformalRows.fit(ur, read, held_out=KernelReadout.cross_fit(ur, read))


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_intervals_hold_what_they_promise_of_new_molecules(calibrated, level):
    ur, read = molecules(2000, 1)
    said = calibrated.intervals(ur, level)
    covered = ((said.low <= read.dense()) & (read.dense() <= said.high)).mean()
    assert covered == pytest.approx(level, abs=0.04)


def test_intervals_are_wide_where_molecules_are_hard(calibrated):
    ur, read = molecules(2000, 2)
    said = calibrated.intervals(ur, 0.9)
    width, hard = (said.high - said.low)[:, 0], ur.values[:, 1] > 0.5
    assert width[hard].mean() > 2 * width[~hard].mean()
    covered = ((said.low <= read.dense()) & (read.dense() <= said.high))[:, 0]
    assert min(covered[hard].mean(), covered[~hard].mean()) > 0.8


def test_one_molecule_is_decoded_with_its_own_interval(calibrated):
    ur, _ = molecules(5, 3)
    said = calibrated.intervals(ur, 0.9)
    for i in range(5):
        low, high = calibrated.decode(ur.take(np.array([i]))).interval(0.9)
        np.testing.assert_allclose([low, high], [said.low[i], said.high[i]])


def held(errors, spread=1.0):
    ur, read = molecules(20, 0)
    decoder = KernelReadout.fit(ur, read)
    return Held(decoder, np.zeros((len(errors), 1)), np.full((len(errors), 1), spread), np.array(errors)[:, None])


def test_a_large_family_weighs_no_more_than_a_small_one():
    ur, read = molecules(20, 0)
    errors, family = [1.0] * 30 + [9.0] * 3, ["large"] * 30 + ["a", "b", "c"]
    alone = ConformalRows.fit(ur, read, held_out=held(errors))
    together = ConformalRows.fit(ur, read, held_out=held(errors), groups=family)
    _, spread = alone.predict(ur)
    for fitted, wanted in ((alone, 1.0), (together, 9.0)):
        said = fitted.intervals(ur, 0.5)
        np.testing.assert_allclose((said.high - said.low) / 2 / spread, wanted)


def test_too_few_held_out_means_no_finite_interval():
    ur, read = molecules(20, 0)
    said = ConformalRows.fit(ur, read, held_out=held([1.0, 2.0, np.nan])).intervals(ur, 0.9)
    assert np.isinf(said.high).all()
    assert np.isfinite(ConformalRows.fit(ur, read, held_out=held([1.0, 2.0])).intervals(ur, 0.6).high).all()


def test_it_keeps_what_the_decoder_says(calibrated):
    ur, _ = molecules(5, 3)
    np.testing.assert_array_equal(calibrated.profile(ur), calibrated.decoder.profile(ur))
    np.testing.assert_array_equal(calibrated.intervals(ur).mean, calibrated.decoder.predict(ur)[0])
    assert calibrated.decode(ur).made_by == ("kernel-readout", "conformal-rows")


def test_refusals_say_what_to_do(calibrated):
    ur, read = molecules(20, 0)
    with pytest.raises(DataError, match="Give held_out"):
        ConformalRows.fit(ur, read)
    cells = sample_measurement()
    bare = LinearExpression.fit(sample_ur(cells), cells)
    with pytest.raises(DataError, match="kernel-readout or binding-affinity"):
        ConformalRows.fit(ur, read, held_out=held([1.0, 2.0])._replace(decoder=bare))
    with pytest.raises(DataError, match="Hold out more"):
        ConformalRows.fit(ur, read, held_out=held([1.0, 2.0]), groups=["a", "a"])
    with pytest.raises(ValueError, match=r"0\.9"):
        calibrated.intervals(ur, 90.0)


@pytest.mark.skipif("kernel-readout" not in DECODERS.names(), reason="kernel-readout is not installed under its name")
def test_it_comes_back_from_disk_to_the_last_bit(calibrated, tmp_path):
    ur, _ = molecules(5, 3)
    calibrated.state().save(tmp_path)
    again = ConformalRows.from_state(State.load(tmp_path))
    for one, other in zip(again.intervals(ur), calibrated.intervals(ur), strict=True):
        np.testing.assert_array_equal(one, other)
