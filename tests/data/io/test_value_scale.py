"""The declared scale is held against the values: what rows sum to, which log was taken, and what is whole."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.data.io.check import CheckReport, check
from aivc.data.io.value_scale import Reading, SeenScale, reading_text, remedy_text, scale_problems

RNG = np.random.default_rng(0)
COUNTED = RNG.poisson(RNG.lognormal(0, 1, 60) * RNG.lognormal(1, 0.4, (40, 1))) + (np.arange(60) < 2)
TOTAL = COUNTED.sum(axis=1, keepdims=True)
MEDIAN = float(np.median(TOTAL))
CPT = COUNTED / TOTAL * 1e4
HALVES = np.where(np.arange(40)[:, None] < 20, 1.0, 1.5) * COUNTED / TOTAL * 1000


def found(values, units, *, controls=True, kind=sparse.csr_matrix, dtype=np.float32, **columns) -> CheckReport:
    n, f = values.shape
    entities = pd.DataFrame(
        {"perturbation": ["control", "ko:A"] * (n // 2), **columns}, index=[f"c{i}" for i in range(n)]
    )
    features = np.array([f"G{i}" for i in range(f)], dtype=object)
    return check(Measurement(kind(values.astype(dtype)), features, entities, units), species="none", controls=controls)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize(
    ("values", "units"),
    [
        (COUNTED, "counts"),
        (np.log1p(CPT), "log1p_cp10k"),
        (np.log1p(CPT / 10), "log1p_cp1k"),
        (np.log1p(COUNTED / TOTAL * MEDIAN), f"log1p_cp{MEDIAN:g}"),
        (np.log1p(CPT).round(4), "log1p_cp10k"),
        (np.log1p(CPT).astype(np.float16), "log1p_cp10k"),
        # A panel taken from a whole genome after normalization sums to less.
        (np.log1p(CPT)[:, :30], "log1p_cp10k"),
    ],
)
def test_what_is_declared_rightly_passes(values, units, kind):
    report = found(values, units, kind=kind)
    assert report.problems == ()
    assert report.reading == ()


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("declared", ["log1p_cp10k", "log1p_cp500", "counts"])
@pytest.mark.parametrize(
    ("values", "said", "remedy"),
    [
        (np.log1p(COUNTED / TOTAL * MEDIAN), f"sums to {MEDIAN:g}, which is their N", f'units = "log1p_cp{MEDIAN:g}"'),
        (np.log1p(CPT * 100), "sums to 1000000, which is their N", 'units = "log1p_cp1000k"'),
        (np.log2(1 + CPT), "2**x - 1 sums to 10000", "Multiply the values by 0.693147"),
        (np.log10(1 + CPT), "10**x - 1 sums to 10000", "Multiply the values by 2.302585"),
        (np.log1p(np.log1p(CPT)), "log1p was taken twice", "Take one back, X = numpy.expm1(X)"),
        (np.log1p(COUNTED), "log1p of counts never normalized", "X = numpy.expm1(X), round"),
        (np.log2(1 + COUNTED), "log2 of counts never normalized", "X = 2**X - 1, round"),
        (np.log10(1 + COUNTED), "log10 of counts never normalized", "X = 10**X - 1, round"),
    ],
)
def test_values_of_another_scale_are_named_with_their_remedy(values, said, remedy, declared, kind):
    problems = found(values, declared, kind=kind).problems
    assert len(problems) == 1
    assert said in problems[0]
    assert remedy in problems[0]


def test_counts_declared_as_logs():
    (problem,) = found(COUNTED, "log1p_cp10k").problems
    assert 'Write units = "counts"' in problem
    assert "whole numbers" in problem


def test_scaled_values_without_a_log_say_so():
    (problem,) = found(CPT, "counts").problems
    assert "no log was taken" in problem
    assert 'X = numpy.log1p(X), and write units = "log1p_cp10k"' in problem


def test_parts_normalized_apart_are_a_problem():
    (problem,) = found(np.log1p(HALVES), "log1p_cp10k").problems
    assert "one of 2 totals (1000, 1500)" in problem
    assert "Normalize the counts of all together" in problem


def test_more_than_the_declared_total_is_impossible():
    factors = RNG.lognormal(0, 0.5, (40, 1))
    values = np.log1p(CPT * factors)
    (problem,) = found(values, "log1p_cp10k").problems
    assert f"In {(factors > 1.01).sum()} of 40 entities" in problem
    assert "sums to more than 10000" in problem
    # One cell of a wrong scale among right ones is found, and named.
    one = np.log1p(CPT)
    one[7] = np.log1p(CPT[7] * 1.5)
    (problem,) = found(one, "log1p_cp10k").problems
    assert "15000 in c7" in problem


def test_scattered_sums_are_noted_in_a_full_panel_only():
    wide = np.zeros((40, 9000))
    wide[:, :60] = np.log1p(CPT * RNG.uniform(0.2, 0.7, (40, 1)))
    report = found(wide, "log1p_cp10k")
    assert report.problems == ()
    assert "9000 features" in report.reading[0]
    assert "log1p taken twice" not in report.reading[0]
    assert found(wide[:, :300], "log1p_cp10k").reading == ()
    low = np.zeros((40, 9000))
    low[:, :60] = np.log1p(np.log1p(CPT * RNG.uniform(0.2, 0.7, (40, 1))))
    assert "log1p taken twice" in found(low, "log1p_cp10k").reading[0]


def test_means_of_logs_sum_to_less_and_are_no_contradiction():
    means = np.repeat(np.log1p(CPT).mean(axis=0, keepdims=True), 40, axis=0)
    assert found(means, "log1p_cp10k", controls=False).problems == ()
    assert found(means, "log1p_cp10k", cells=50).problems == ()
    assert found(means * 1.2, "log1p_cp10k", controls=False).problems != ()


def test_corrected_counts_are_rounded_and_not_called_logs():
    corrected = COUNTED * RNG.uniform(0.93, 1, COUNTED.shape) * 3
    (problem,) = found(corrected, "counts").problems
    assert "Corrected counts: round them" in problem
    assert "SoupX, CellBender, decontX" in problem
    (problem,) = found(corrected, "counts", controls=False).problems
    assert 'units = "expected_counts"' in problem
    assert 'units = "expected_counts"' in "".join(found(corrected - 0.5, "counts", controls=False).problems)


def test_whole_numbers_of_one_total_are_noted():
    even = np.array([RNG.multinomial(500, np.full(60, 1 / 60)) for _ in range(40)])
    report = found(even, "counts")
    assert report.problems == ()
    assert "sum to 500" in report.reading[0]


def test_few_rows_say_nothing():
    assert found(np.minimum(COUNTED[:4], 9), "log1p_cp1000k").problems == ()


def test_values_that_no_log_can_be_do_not_overflow():
    seen = SeenScale("log1p_cp10k")
    seen.add(np.full((6, 2), 1e30))
    assert [reading.way for reading in seen.readings()] == ["plain"]
    assert np.isfinite(seen.log_sums[0]).all()


def test_readings_in_words():
    assert "median total" in reading_text(Reading("log1p", 2963.5))
    assert "median total" not in reading_text(Reading("log1p", 10000.0))
    assert remedy_text(Reading("twice", None)).startswith("Take it back")
    assert SeenScale(COUNTS).whole


COUNTED = np.random.default_rng(5).poisson(np.exp(np.random.default_rng(6).normal(1, 1, 120)), (40, 120)).astype(float)
SCALED = COUNTED / COUNTED.sum(axis=1, keepdims=True) * 1e4


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.log2(1 + np.log2(1 + SCALED)), r"log2\(1 \+ x\) was taken twice"),
        (np.log2(1 + np.log1p(SCALED)), r"log2\(1 \+ x\) of it"),
        (np.log1p(np.log2(1 + SCALED)), "and log1p of it"),
        (np.log1p(np.log1p(np.log1p(SCALED))), "three times"),
        (np.where(SCALED > 0, np.log(np.maximum(SCALED, 1e-9)), 0), r"values are log\(x\), not log\(1 \+ x\)"),
        (np.sqrt(COUNTED), "square roots of counts"),
        (np.where(np.arange(40)[:, None] < 20, np.log1p(SCALED), np.log1p(COUNTED)), "some were not"),
    ],
)
def test_logs_of_other_kinds_are_named(values, said):
    seen = SeenScale("log1p_cp10k")
    seen.add(values.astype(np.float32))
    problems, _ = scale_problems(seen, pd.Index([f"c{i}" for i in range(40)]), exact=True)
    assert re.search(said, problems[0])


def test_values_below_zero_are_called_no_parts():
    seen = SeenScale("log1p_cp10k")
    seen.add(np.log(SCALED + 0.5))
    assert scale_problems(seen, pd.Index([f"c{i}" for i in range(40)]), exact=True) == ([], [])


def test_counts_of_zeros_and_ones_are_spoken_of():
    seen = (COUNTED > 0).astype(float)
    assert any("All values are 0 or 1" in text for text in found(seen, COUNTS).notes)
    assert not any("0 or 1" in text for text in found(COUNTED, COUNTS).notes)
    assert not any("0 or 1" in text for text in found(np.eye(40, 60), COUNTS).notes)


def test_counts_that_were_cut_off_are_spoken_of():
    cut = np.minimum(COUNTED * 40.0, 255)
    assert any("cut off there" in text for text in found(cut, COUNTS).notes)
    assert not any("cut off" in text for text in found(np.minimum(COUNTED * 40.0, 256), COUNTS).notes)


def test_counts_that_nobody_counts_are_refused():
    values = COUNTED.astype(float)
    values[3, 2] = 1e30
    (problem,) = (text for text in found(values, COUNTS).problems if "counts are above" in text)
    assert " in c3, which nobody counts" in problem
