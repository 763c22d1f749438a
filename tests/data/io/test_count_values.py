"""Counts that rounding moved are put back, and what a model expects is read as counts."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import Measurement
from aivc.core.units import EXPECTED_COUNTS, parse_units
from aivc.data.io.as_measurement import as_measurement
from aivc.data.io.check import check
from aivc.data.io.count_values import CountRows, from_expected, off_whole, whole_counts
from aivc.data.io.read import read
from aivc.data.io.schema import Schema

COUNTS_NF = np.random.default_rng(0).poisson(3.0, (6, 5)) + np.eye(6, 5)
COUNTED = Schema(units="counts", perturbation="gene", control="NT", kind="ko", species="none")
EXPECTED = Schema(units="expected_counts", perturbation="gene", control="NT", kind="ko", species="none")


def cells(values, kind=np.asarray):
    obs = pd.DataFrame({"gene": ["NT", "A"] * (len(values) // 2)}, index=[f"c{i}" for i in range(len(values))])
    return anndata.AnnData(kind(np.asarray(values, dtype=np.float32)), obs, pd.DataFrame(index=list("ABCDE")))


def predicted(values, units=EXPECTED_COUNTS, kind=np.asarray):
    entities = pd.DataFrame({"perturbation": "ko:A"}, index=[f"c{i}" for i in range(len(values))])
    return Measurement(kind(np.asarray(values)), np.array(list("ABCDE"), dtype=object), entities, units)


def test_logs_and_back_leave_counts_whole():
    large = np.arange(1, 100_000, 7, dtype=np.float32)
    back = np.expm1(np.log1p(large)).astype(np.float32)
    assert (back != large).any()
    assert not off_whole(back).any()
    assert off_whole(np.array([2.01, 0.5])).all()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("backed", [False, True])
def test_float_noise_is_read_as_whole_counts_with_a_note(tmp_path, kind, backed):
    noisy = COUNTS_NF + np.where(COUNTS_NF > 0, 1e-4, 0)
    cells(noisy, kind).write_h5ad(tmp_path / "x.h5ad")
    report = check(tmp_path / "x.h5ad", COUNTED)
    assert report.problems == ()
    assert f"{(COUNTS_NF > 0).sum()} counts miss a whole number" in report.reading[0]
    assert np.array_equal(read(tmp_path / "x.h5ad", COUNTED, backed=backed).dense(), COUNTS_NF)


def test_cells_in_memory_stay_as_they_are_and_say_the_same():
    made = cells(COUNTS_NF + 1e-4)
    before = made.X.copy()
    answer = as_measurement(made, COUNTED)
    assert np.array_equal(answer.dense(), COUNTS_NF)
    assert np.array_equal(made.X, before)
    assert "miss a whole number" in answer.provenance["notes"][0]


def test_what_is_whole_already_is_not_copied():
    assert whole_counts(COUNTS_NF) is COUNTS_NF
    fractions = COUNTS_NF + 0.4
    assert np.array_equal(whole_counts(fractions), fractions)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_expectations_are_read_as_counts_and_below_zero_as_zero(kind):
    values = COUNTS_NF + 0.25
    values[0, 0] = -0.01
    answer = from_expected(predicted(values, kind=kind))
    assert answer.units == "counts"
    assert np.array_equal(answer.dense(), np.maximum(values, 0))
    assert "1 expected counts are below zero, down to -0.01: they are read as zero." in answer.provenance["notes"]
    assert from_expected(answer) is answer


def test_expectations_on_disk_are_read_block_by_block(tmp_path):
    values = COUNTS_NF - 0.001
    cells(values).write_h5ad(tmp_path / "x.h5ad")
    answer = from_expected(read(tmp_path / "x.h5ad", EXPECTED, backed=True, controls=False).replace(entities=_asked()))
    assert isinstance(answer.values, CountRows)
    assert answer.values.shape == (6, 5)
    assert np.allclose(answer.dense(), np.maximum(values, 0))


def _asked():
    return pd.DataFrame({"perturbation": "ko:A"}, index=[f"c{i}" for i in range(6)])


@pytest.mark.parametrize(
    ("values", "why"),
    [(COUNTS_NF - 3.0, "below zero"), (np.where(COUNTS_NF > 2, np.nan, 1.0), "NaN or infinite")],
)
def test_what_no_expectation_can_be_is_refused(values, why):
    with pytest.raises(DataError, match=why):
        from_expected(predicted(values))


def test_measured_cells_are_no_expectations(tmp_path):
    made = cells(COUNTS_NF + 0.25)
    with pytest.raises(DataError, match="are rounded first"):
        as_measurement(made, EXPECTED)
    made.write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(DataError, match="are rounded first"):
        read(tmp_path / "x.h5ad", EXPECTED)
    report = check(tmp_path / "x.h5ad", EXPECTED)
    assert report.problems == ()
    assert "Poisson" in report.reading[-1]
    assert "more than a model misses zero by" in check(cells(COUNTS_NF - 3.0), EXPECTED).problems[0]


def test_units_name_expectations():
    assert parse_units("expected_counts") == EXPECTED_COUNTS
    with pytest.raises(UnitsError, match="expected_counts in predictions"):
        parse_units("expected")
