import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def overview(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import leaderboard_overview

    yield leaderboard_overview
    for name in ("leaderboard_overview", "readme_table"):
        sys.modules.pop(name, None)


def body(name, metric="pearson-delta", **values):
    def score(value):
        return {metric: {"value": value, "low": value - 0.1, "high": value + 0.1}}

    about = {"benchmark": {"name": name, "title": name.upper()}, "metrics": {metric: {"label": "R"}}}
    return {
        **about,
        "scores": {method.replace("_", "-").replace("v2", ".v2"): score(v) for method, v in values.items()},
    }


def test_the_best_other_method_is_chosen_and_the_highest_score_is_first(overview):
    bodies = [
        body("low", mean_effect=0.1, nearest=0.3, effectv2=0.2, replicate=0.9),
        body("high", "pearson-across", mean_effect=0.5, effectv2=0.6),
    ]
    found = overview.rows(bodies)
    assert [row.name for row in found] == ["high", "low"]
    assert [row.best for row in found] == ["mean-effect", "nearest"]
    lines = list(overview.table(found))
    assert lines[2].startswith("| HIGH | R | 0.600 [0.500, 0.700] | 0.500 [0.400, 0.600] (`mean-effect`) |")
    assert lines[2].endswith("| – |")
    assert lines[3].endswith("| 0.900 [0.800, 1.000] |")


def test_a_negative_control_is_no_rival(overview):
    row = body("one", mean_effect=0.1, effectv2=0.2)
    row["scores"]["nearest:shuffled"] = {"pearson-delta": {"value": 0.8, "low": 0.7, "high": 0.9}}
    assert overview.rows([row])[0].best == "mean-effect"


def test_a_figure_is_the_same_each_time_it_is_drawn(overview, tmp_path):
    found = overview.rows([body("one", mean_effect=0.1, effectv2=0.2, replicate=0.9)])
    for name in ("a.svg", "b.svg"):
        overview.draw(found, tmp_path / name)
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert "one" in text
