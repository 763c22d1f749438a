"""Scores of campaigns: by hand, at their ends, and with what is charged."""

import json
from pathlib import Path

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.design.campaign_scores import adjusted_nauc, charge, enrichment_factor, fraction_of_hits

HIT = np.arange(100) < 5


def test_unknown_repeated_and_missing_names_are_charged():
    made = charge(["A", "B", "A", "nope"], ["A", "B", "C"], [1], 6)
    assert made.places.tolist() == [0]
    assert made.charged == 5
    with pytest.raises(DataError, match="Name fewer"):
        charge(["A", "B"], ["A", "B"], [], 1)


def test_enrichment_is_one_by_chance_and_pays_for_empty_slots():
    assert enrichment_factor(HIT, np.arange(100), 100) == 1.0
    assert enrichment_factor(HIT, np.arange(5), 5) == 20.0
    assert enrichment_factor(HIT, np.arange(5), 10) == 10.0
    assert fraction_of_hits(HIT, np.array([0, 0, 50])) == 0.2


def test_area_is_one_for_an_oracle_and_a_half_for_half_of_it():
    assert adjusted_nauc([0.4, 0.8], [2, 4], 100, 5) == pytest.approx(1.0)
    assert adjusted_nauc([0.2, 0.4], [2, 4], 100, 5) == pytest.approx(0.5)
    # By hand: trapezoids of 0, 0.2, 0.2 over those of 0, 0.4, 0.8.
    assert adjusted_nauc([0.2, 0.2], [2, 4], 100, 5) == pytest.approx((0.1 + 0.2) / (0.2 + 0.6))


def test_a_share_of_no_hits_is_refused():
    with pytest.raises(DataError, match="another threshold"):
        fraction_of_hits(np.zeros(3, dtype=bool), np.array([0]))


def test_scores_are_those_of_assaybench():
    """On the campaign and with the numbers that `benchmarks/peers/assay_scores.py` wrote."""
    found = json.loads((Path(__file__).parents[3] / "benchmarks" / "results" / "peers_assay.json").read_text())
    task, wanted = found["example"], found["example"]["assaybench"]
    hit, measured, share, spent = np.isin(task["library"], task["hits"]), list[int](), [], []
    for named in task["rounds"]:
        measured += charge(named, task["library"], measured, len(named)).places.tolist()
        share.append(fraction_of_hits(hit, np.array(measured)))
        spent.append(len(named) + (spent[-1] if spent else 0))
    assert share[-1] == pytest.approx(wanted["fraction_of_hits"], abs=1e-12)
    ef = enrichment_factor(hit, np.array(measured), task["budget"])
    assert ef == pytest.approx(wanted["enrichment_factor"], abs=1e-12)
    area = adjusted_nauc(share, spent, len(hit), int(hit.sum()))
    assert area == pytest.approx(wanted["adjusted_nauc"], abs=1e-12)
