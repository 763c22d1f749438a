"""Texts of times: read by the declared rule alone, and refused with what to write."""

import numpy as np
import pytest

from aivc.data.io.time_texts import TimeRule, pairs_of, rule_that_reads


@pytest.mark.parametrize(
    ("texts", "hours"),
    [
        (["d2", "D4", "day 6"], [48, 96, 144]),
        (["24h", "1.5 hr", "2 weeks"], [24, 1.5, 336]),
        (["30s", "2 min", "10m"], [1 / 120, 1 / 30, 1 / 6]),
    ],
)
def test_stated_units_are_brought_to_hours(texts, hours):
    found, problems = TimeRule(texts="stated").hours(texts)
    np.testing.assert_allclose(found, hours)
    assert problems == []


def test_stages_share_a_clock_only_where_birth_is_declared():
    assert TimeRule(texts="embryonic").hours(["E10.5", "E11.5"])[0].tolist() == [252, 276]
    assert TimeRule(texts="embryonic").hours(["P0", "P7"])[0].tolist() == [0, 168]
    assert "birth = 19.5" in TimeRule(texts="embryonic").hours(["E15.5", "P0"])[1][0]
    assert TimeRule(texts="embryonic", birth=19.5).hours(["E15.5", "P1"])[0].tolist() == [372, 492]


def test_labels_of_samples_are_mapped_to_real_times():
    rule = TimeRule(unit="d", real=pairs_of(["0=2", "1=4", "2=6"])[0])
    assert rule.hours(["0", "2", ""])[0][:2].tolist() == [48, 144]
    assert "names 2, which no entity has" in rule.hours(["0", "1"])[1][0]
    assert "says nothing of 3" in rule.hours(["0", "1", "2", "3"])[1][0]


def test_what_the_rule_does_not_read_is_named():
    found, problems = TimeRule(texts="stated").hours(["d2", "late", "7"])
    assert np.isnan(found[1:]).all()
    assert "such as d2, day 4 or 24h" in problems[0]
    assert "got late, 7" in problems[0]


def test_a_rule_is_suggested_only_where_it_reads_all():
    assert rule_that_reads(["d2", "24h"]) == "stated"
    assert rule_that_reads(["E15.5", "P0"]) == "embryonic"
    assert rule_that_reads(["0", "1"]) == rule_that_reads(["d2", "late"]) == rule_that_reads([]) == ""
    assert pairs_of(["0=x", "2", "=1", "a=inf"])[1] == ["0=x", "2", "=1", "a=inf"]
