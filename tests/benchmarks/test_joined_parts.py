"""Parts are joined with their tasks; a run that was broken off goes on where it stood, and what may lack is named."""

import dataclasses
import json

import images
import pytest
import time_courses
from joined_parts import JoinedParts

import experiments

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
def courses(tmp_path):
    home = tmp_path / "benchmarks"
    (home / "results").mkdir(parents=True)
    for name, first in (("first", "fate"), ("second", "T5a")):
        (home / f"{name}.py").write_text(SCRIPT.format(name=name, first=first))
    parts = {"first": "one", "second": "two"}
    return JoinedParts("all", "made up", parts, lambda part, bar: bar["name"].split()[0], here=home)


def test_a_run_that_was_broken_off_goes_on(courses):
    broken = courses.here / "broken"
    broken.touch()
    with pytest.raises(SystemExit, match="ended with 3"):
        courses.main([])
    broken.unlink()
    courses.main(["--resume"])
    assert (courses.here / "ran.txt").read_text().split() == ["first", "second"]
    body = json.loads(courses.out.read_text())
    assert [(each["task"], each["part"]) for each in body["bars"]] == [("fate", "first"), ("T5a", "second")]
    assert body["met"] == "2 of 2"
    assert body["parts"]["first"]["cpu_s"] >= 0
    assert not courses.finished.exists()
    courses.main(["--parts", "second"])
    assert (courses.here / "ran.txt").read_text().split() == ["first", "second", "second"]
    assert len(json.loads(courses.out.read_text())["bars"]) == 2


def test_joining_runs_nothing_and_keeps_no_seconds_of_another_file(courses):
    courses.main([])
    path = courses.out.parent / "first.json"
    changed = json.loads(path.read_text())
    changed["bars"][0] |= {"value": 3, "met": False, "task": "T9"}
    path.write_text(json.dumps(changed))
    courses.main(["--join"])
    body = json.loads(courses.out.read_text())
    assert (courses.here / "ran.txt").read_text().split() == ["first", "second"]
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
    (courses.out.parent / "first.json").write_text('{"command": "x", "bars": [{"name": "n"}]}')
    with pytest.raises(SystemExit, match="A bar of"):
        courses.main(["--join"])


def test_parts_that_may_lack_are_named_until_they_are_there(courses, capsys):
    lenient = dataclasses.replace(
        courses, parts={**courses.parts, "third": "three"}, may_lack=frozenset({"second", "third"})
    )
    lenient.main(["--parts", "first,third"])
    lenient.main(["--join"])
    body = json.loads(lenient.out.read_text())
    assert (body["missing"], body["met"]) == (["second", "third"], "1 of 1")
    assert "third is missing" in capsys.readouterr().out
    lenient.main(["--parts", "second"])
    assert json.loads(lenient.out.read_text())["missing"] == ["third"]
    (lenient.out.parent / "second.json").unlink()
    lenient.main(["--join"])
    assert [each["part"] for each in json.loads(lenient.out.read_text())["bars"]] == ["first"]


def test_parts_made_elsewhere_are_read_and_never_run(courses):
    elsewhere = dataclasses.replace(courses, only_read=frozenset({"second"}))
    (courses.here / "second.py").unlink()
    with pytest.raises(SystemExit, match="Run it first"):
        elsewhere.main([])
    bar = {"name": "T1 something", "value": 1, "bar": 2, "better": "lower", "met": True}
    (courses.out.parent / "second.json").write_text(json.dumps({"command": "z", "bars": [bar]}))
    elsewhere.main(["--resume"])
    body = json.loads(courses.out.read_text())
    assert (courses.here / "ran.txt").read_text().split() == ["first"]
    assert [(each["task"], each["part"]) for each in body["bars"]] == [("fate", "first"), ("T1", "second")]
    assert "cpu_s" not in body["parts"]["second"]


@pytest.mark.parametrize(
    ("joins", "part", "name", "task"),
    [
        (time_courses, "transport_speed", "T2 larry2d day 6, better", "T2"),
        (time_courses, "transport_speed", "order, paul2015: pair AUROC", "T6"),
        (time_courses, "transport_speed", "4,000 × 4,000", "transport plans"),
        (images, "image_decoders", "I10: C2 to C3", "I10"),
        (images, "image_profiles", "I8 cells IoU", "I8"),
        (images, "image_profiles", "CPU ms a crop of three channels", "cost"),
        (images, "cross_modal", "Interval above 0", "across modalities"),
        (experiments, "campaigns", "pairs, rich: % of hits", "campaigns of pairs"),
        (experiments, "campaigns", "genes: IFN-γ, % of hits", "campaigns of genes"),
        (experiments, "scale", "wall of 1 process over that of 2", "screens in shards"),
    ],
)
def test_bars_are_given_their_task(joins, part, name, task):
    assert joins.task_of(part, {"name": name}) == task
