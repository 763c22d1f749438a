"""Parts of time are joined with their tasks, and a run that was broken off goes on where it stood."""

import json
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPT = """
import json, pathlib, sys
here = pathlib.Path(__file__).parent
if (here / "broken").exists() and "{name}" == "second":
    sys.exit(3)
with open(here / "ran.txt", "a") as told:
    told.write("{name} ")
bar = {{"name": "{first} of something", "value": 1, "bar": 2, "better": "lower", "met": True}}
(here / "results" / "{name}.json").write_text(json.dumps({{"command": "x", "looked_at": "y", "bars": [bar]}}))
"""


@pytest.fixture
def courses(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    import time_courses

    home = tmp_path / "benchmarks"
    (home / "results").mkdir(parents=True)
    for name, first in (("first", "fate"), ("second", "T5a")):
        (home / f"{name}.py").write_text(SCRIPT.format(name=name, first=first))
    monkeypatch.setattr(time_courses, "HERE", home)
    monkeypatch.setattr(time_courses, "RESULTS", home / "results")
    monkeypatch.setattr(time_courses, "OUT", home / "results" / "time.json")
    monkeypatch.setattr(time_courses, "FINISHED", tmp_path / "out" / "time_courses.json")
    monkeypatch.setattr(time_courses, "PARTS", {"first": "one", "second": "two"})
    yield time_courses
    sys.modules.pop("time_courses", None)


def test_a_run_that_was_broken_off_goes_on(courses):
    broken = courses.HERE / "broken"
    broken.touch()
    with pytest.raises(SystemExit, match="ended with 3"):
        courses.main([])
    broken.unlink()
    courses.main(["--resume"])
    assert (courses.HERE / "ran.txt").read_text().split() == ["first", "second"]
    body = json.loads(courses.OUT.read_text())
    assert [(each["task"], each["part"]) for each in body["bars"]] == [("T4", "first"), ("T5a", "second")]
    assert body["met"] == "2 of 2"
    assert body["parts"]["first"]["cpu_s"] >= 0
    assert not courses.FINISHED.exists()
    courses.main(["--parts", "second"])
    assert (courses.HERE / "ran.txt").read_text().split() == ["first", "second", "second"]
    assert len(json.loads(courses.OUT.read_text())["bars"]) == 2


def test_joining_runs_nothing_and_keeps_no_seconds_of_another_file(courses):
    courses.main([])
    path = courses.RESULTS / "first.json"
    changed = json.loads(path.read_text())
    changed["bars"][0] |= {"value": 3, "met": False, "task": "T9"}
    path.write_text(json.dumps(changed))
    courses.main(["--join"])
    body = json.loads(courses.OUT.read_text())
    assert (courses.HERE / "ran.txt").read_text().split() == ["first", "second"]
    assert body["bars"][0] == changed["bars"][0] | {"part": "first"}
    assert body["met"] == "1 of 2"
    assert "cpu_s" not in body["parts"]["first"]
    assert "cpu_s" in body["parts"]["second"]


def test_what_is_not_there_is_refused(courses, capsys):
    with pytest.raises(SystemExit, match="Run it first"):
        courses.main(["--join"])
    with pytest.raises(SystemExit):
        courses.main(["--parts", "moon"])
    assert "no part moon" in capsys.readouterr().err
    (courses.RESULTS / "first.json").write_text('{"command": "x", "bars": [{"name": "n"}]}')
    with pytest.raises(SystemExit, match="A bar of"):
        courses.main(["--join"])


@pytest.mark.parametrize(
    ("name", "task"),
    [("T2 larry2d day 6, better", "T2"), ("order, paul2015: pair AUROC", "T6"), ("4,000 × 4,000", "transport plans")],
)
def test_bars_are_given_their_task(name, task, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import time_courses

    assert time_courses.task_of("transport_speed", {"name": name}) == task
