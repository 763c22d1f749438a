"""What compares peers of time: choice of settings, paired intervals, cells on the way of a plan, OTT's best way."""

import sys
from pathlib import Path

import numpy as np
import pytest

PEERS = Path(__file__).parents[2] / "benchmarks" / "peers"
sys.path.insert(0, str(PEERS))
import compare_time  # noqa: E402
import plans  # noqa: E402
import time_problems  # noqa: E402

sys.path.remove(str(PEERS))


def test_lowest_takes_the_first_of_equals() -> None:
    assert compare_time.lowest({"0": 2.0, "1": 1.0, "2": 1.0}) == "1"


def test_means_leave_out_what_one_problem_lacks() -> None:
    parts = [{"0": {"W1": 1.0}, "1": {"W1": 3.0}}, {"0": {"W1": 2.0}}]
    assert compare_time.means(parts, "W1") == {"0": 1.5}


def test_excess_is_one_for_the_better_copy_and_zero_for_a_repeat() -> None:
    scores = {
        "copies": {"copy-previous": 3.0, "copy-next": 2.0, "pooled-times": 1.0},
        "moscot": {"0": 1.5},
        "ours": {"a": 1.0},
    }
    found = compare_time.excesses(scores, 1.0)
    assert found["copies"]["copy-next"]["excess"] == 1.0
    assert found["ours"]["a"]["excess"] == 0.0
    assert found["moscot"]["0"]["excess"] == 0.5


def test_setting_of_a_fold_is_chosen_on_the_others() -> None:
    # The first setting is right on fold 0 alone, the second on fold 1 alone: each fold gets what the other one likes.
    truth_n, fold_n = np.array([True, False, True, False]), np.array([0, 0, 1, 1])
    scores = {"0": np.array([1.0, 0.0, 0.0, 1.0]), "1": np.array([0.0, 1.0, 1.0, 0.0])}
    chosen = compare_time.nested(scores, truth_n, np.arange(4), fold_n)
    assert (chosen["fold 0"], chosen["fold 1"]) == ("1", "0")
    np.testing.assert_array_equal(chosen["score"], [0.0, 1.0, 0.0, 1.0])


def test_paired_difference_of_a_score_with_itself_is_zero() -> None:
    rng = np.random.default_rng(0)
    score_n, truth_n = rng.random(40), np.arange(40) % 2 == 0
    clone_n = np.repeat(np.arange(20), 2).astype(str)
    same = compare_time.paired(score_n, score_n, truth_n, np.arange(40), clone_n, 50)
    assert same == {"value": 0.0, "ci95": [0.0, 0.0]}
    better = compare_time.paired(truth_n * 1.0, score_n, truth_n, np.arange(40), clone_n, 50)
    assert better["value"] > 0
    assert better["ci95"][0] > 0


def test_bars_ask_for_the_best_of_the_settings() -> None:
    of_middle = {
        "dyngen": {
            "ours": {"development.v1": 0.5, "transport.v1": 0.7},
            "moscot, chosen on times shown": {"excess": 0.8},
            "moscot, best on the answer": {"excess": 0.6},
        }
    }
    of_fates = {
        "frozen axes": {
            "chosen": {},
            "primary": {
                "ours": {"cell-fates": 0.6},
                "moscot": {"0": 0.7, "chosen on other folds": 0.5},
                "best on the answer": "0",
            },
        }
    }
    met = [each["met"] for each in compare_time.bars(of_middle, of_fates)]
    assert met == [True, True, True, False, True, False]


def test_points_lie_on_the_lines_between_coupled_cells() -> None:
    plan = np.array([[0.75, 0.0], [0.0, 0.25]])
    x_first, x_last = np.array([[0.0], [10.0]]), np.array([[4.0], [20.0]])
    points = plans.between(plan, x_first, x_last, 0.25)
    assert set(points[:, 0]) == {1.0, 12.5}
    assert abs((points == 1.0).mean() - 0.75) < 0.02


def test_even_columns_leave_pairs_as_they_are() -> None:
    plan = np.array([[0.3, 0.2], [0.2, 0.3]])
    pairs = plans.unbalanced(plan, 0.5)
    np.testing.assert_allclose(pairs / pairs.sum(), plan)
    assert plans.off(plan, np.array([0.5, 0.5]), np.array([1.0, 1.0])) == pytest.approx(0.0, abs=1e-12)
    assert plans.off(plan, np.array([0.6, 0.4]), np.array([1.0, 1.0])) == pytest.approx(0.2)


def test_default_of_the_peer_is_the_first_setting() -> None:
    for kind in ("middle", "fates"):
        assert time_problems.settings(kind)[int(compare_time.DEFAULT)] == time_problems.DEFAULT
    assert any(each["growth"] for each in time_problems.settings("fates"))
    assert not any(each["growth"] for each in time_problems.settings("middle"))


def test_clouds_read_points_with_their_masses(tmp_path: Path) -> None:
    file = tmp_path / "time 1.npz"
    points = {"a.v1.points": np.zeros((2, 1)), "a.v1.mass": np.array([1.0, 3.0])}
    points["0.points, unbalancedness"] = np.ones((3, 1))
    with file.open("wb") as out:
        np.savez(out, **points)
    found = dict(compare_time.clouds(file))
    assert set(found) == {"a.v1", "0, unbalancedness"}
    np.testing.assert_array_equal(found["a.v1"][1], [1.0, 3.0])
    assert not list(compare_time.clouds(tmp_path / "none.npz"))
