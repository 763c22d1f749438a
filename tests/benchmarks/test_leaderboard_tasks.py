import sys
from pathlib import Path

import pytest

import tiny_tasks
from aivc.evaluation.benchmarks.task_benchmark import run_task

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def tasks(monkeypatch, register):
    register(tiny_tasks.TINY, tiny_tasks.LENGTHS)
    monkeypatch.syspath_prepend(str(FOLDER))
    import leaderboard_tasks

    yield leaderboard_tasks
    sys.modules.pop("leaderboard_tasks", None)


def test_the_best_method_stands_beside_null_floor_and_ceiling(tasks):
    body = run_task(tiny_tasks.tiny_task())
    assert tasks.is_task(body)
    row = list(tasks.opening([body]))[-2]
    wanted = "0.650 (`mean`) | +0.100 (in 2 of 2) | 0.550 (`mean:shuffled`) | 0.250 (`zero`) | 0.950 (`half`)"
    assert row == f"| Tiny: lengths held out | hits ↑ | {wanted} |"


def test_a_table_says_where_there_is_no_power(tasks):
    lines = list(tasks.section(run_task(tiny_tasks.tiny_task())))
    assert "| `mean` | 0.650 (0.600 – 0.700) | 0.400 [0.000, 1.000] | no power | +0.100 (in 2 of 2) | +0.100 |" in lines
    assert (
        "| *`zero`, floor* | 0.250 (0.200 – 0.300) | 0.800 [0.000, 1.000] | no power | -0.300 (in 0 of 2) |  |" in lines
    )
    assert "- mean, miss: two lengths tell nothing" in lines
    assert not any("Superseded" in line for line in lines)
