import json

import pytest

from aivc.core.errors import DataError
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.search import search


def test_it_finds_what_a_search_finds(desk, small_home):
    goal = {"G0011": 0.5, "G0012": -0.5}
    bench = desk.bench("search", cell="small", goal=goal, candidates=["ko:G0001", "ko:G0002", "ko:G0003"], agents=2)
    result = desk.do(bench)
    cell = VirtualCell.load(small_home / "cells" / "small")
    wanted = search(cell, goal, ["ko:G0001", "ko:G0002", "ko:G0003"], agents=2)
    assert result["total"] == len(wanted)
    assert [row["perturbation"] for row in result["front"]] == list(wanted.front["perturbation"])
    assert result["verdict"] == wanted.verdict
    json.dumps(result, allow_nan=False)


def test_a_goal_is_needed_and_finite(desk):
    for goal in ({}, {"G0011": float("nan")}, {"G0011": "much"}):
        with pytest.raises(DataError, match="goal"):
            desk.jobs.submit("search", {"cell": "small", "goal": goal}, "ada")
