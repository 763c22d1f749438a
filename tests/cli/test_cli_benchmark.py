"""`aivc benchmark` lists, shows and runs what is frozen, and goes on where it stopped."""

import json
from importlib.metadata import entry_points

import pytest

import tiny_benchmarks
from aivc.cli import main

GROUPS = ("encoders", "manipulators", "decoders", "wrappers", "metrics", "kinds")


@pytest.fixture
def only(register):
    """Register these benchmarks and no others."""
    installed = [point for group in GROUPS for point in entry_points(group=f"aivc.{group}")]
    return lambda *points: register(*installed, *points)


def told(capsys, *words):
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_list(only, no_catalog, capsys):
    only(tiny_benchmarks.TINY, tiny_benchmarks.ABSENT)
    code, body = told(capsys, "benchmark", "list")
    assert code == 0
    assert {each["name"]: each["data"] for each in body["benchmarks"]} == {"absent": "not here", "tiny": "here"}
    assert body["benchmarks"][1]["digest"] == tiny_benchmarks.tiny().digest
    assert main(["benchmark", "list"]) == 0
    assert "Tiny: unseen knock-outs" in capsys.readouterr().out


def test_show(only, capsys):
    only(tiny_benchmarks.TINY)
    code, body = told(capsys, "benchmark", "show", "tiny")
    assert (code, body["digest"]) == (0, tiny_benchmarks.tiny().digest)
    assert body["split"]["recipe"]["kind"] == "unseen-perturbation"
    assert main(["benchmark", "show", "tiny"]) == 0
    shown = capsys.readouterr().out
    assert "known: Everything is made up." in shown
    assert told(capsys, "benchmark", "show", "moon")[0] == 1


def test_run_all_goes_on_and_tells_what_failed(only, tmp_path, capsys):
    only(tiny_benchmarks.TINY, tiny_benchmarks.BROKEN)
    run = ("benchmark", "run", "all", "--out", tmp_path / "out")
    code, body = told(capsys, *run)
    assert code == 1
    assert list(body["failures"]) == ["broken"]
    assert "came out" in body["failures"]["broken"]
    assert body["benchmarks"]["tiny"]["kept"] is False
    scores = json.loads((tmp_path / "out" / "tiny" / "scores.json").read_text())
    assert scores["stamp"]["benchmark"] == tiny_benchmarks.tiny().digest
    page = (tmp_path / "out" / "tiny" / "report.html").read_text()
    assert "Tiny: unseen knock-outs" in page
    assert tiny_benchmarks.tiny().reference in page

    only(tiny_benchmarks.TINY)
    code, body = told(capsys, *run)
    assert code == 1
    assert "--resume" in body["failures"]["tiny"] or "overwrit" in body["failures"]["tiny"]
    code, body = told(capsys, *run, "--resume")
    assert (code, body["benchmarks"]["tiny"]["kept"]) == (0, True)
    code, body = told(capsys, *run, "--resume", "--methods", "additive")
    assert (code, body["benchmarks"]["tiny"]["kept"]) == (0, False)
    assert "additive" in body["benchmarks"]["tiny"]["scores"]


def test_one_that_fails_is_refused(only, tmp_path, capsys):
    only(tiny_benchmarks.BROKEN)
    code, body = told(capsys, "benchmark", "run", "broken", "--out", tmp_path)
    assert code == 1
    assert "the data it was frozen on" in body["error"]["message"]


def test_an_unknown_method_is_refused_before_work(only, tmp_path, capsys):
    only(tiny_benchmarks.TINY)
    assert main(["benchmark", "run", "all", "--methods", "moon", "--out", str(tmp_path / "out")]) == 1
    assert "moon" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
