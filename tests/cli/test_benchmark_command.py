"""`aivc benchmark` lists, shows and runs what is frozen, and goes on where it stopped."""

import dataclasses
import hashlib
import json
from importlib.metadata import EntryPoint, entry_points

import anndata
import numpy as np
import pandas as pd
import pytest

import tiny_benchmarks
import tiny_tasks
from aivc.cli import main

GROUPS = ("encoders", "manipulators", "decoders", "wrappers", "metrics", "kinds", "executors")


@pytest.fixture
def only(register):
    """Register these benchmarks and no others."""
    installed = [point for group in GROUPS for point in entry_points(group=f"aivc.{group}")]
    return lambda *points: register(*installed, *points)


def answer(capsys, *words):
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_list(only, no_catalog, capsys):
    only(tiny_benchmarks.TINY, tiny_benchmarks.ABSENT)
    code, body = answer(capsys, "benchmark", "list")
    assert code == 0
    assert {each["name"]: each["data"] for each in body["benchmarks"]} == {"absent": "not here", "tiny": "here"}
    assert body["benchmarks"][1]["digest"] == tiny_benchmarks.tiny().digest
    assert main(["benchmark", "list"]) == 0
    assert "Tiny: unseen knock-outs" in capsys.readouterr().out


def test_show(only, capsys):
    only(tiny_benchmarks.TINY)
    code, body = answer(capsys, "benchmark", "show", "tiny")
    assert (code, body["digest"]) == (0, tiny_benchmarks.tiny().digest)
    assert body["split"]["recipe"]["kind"] == "unseen-perturbation"
    assert main(["benchmark", "show", "tiny"]) == 0
    shown = capsys.readouterr().out
    assert "known: Everything is made up." in shown
    assert answer(capsys, "benchmark", "show", "moon")[0] == 1


def test_what_was_superseded_is_listed_and_shown_and_not_run_with_all(only, tmp_path, monkeypatch, capsys):
    first = tiny_benchmarks.tiny()
    second = dataclasses.replace(tiny_benchmarks.absent(), name="tiny", supersedes=first.reference)
    second.save(tmp_path / "tiny.json")
    first.save(tmp_path / "superseded" / f"{first.reference}.json")
    monkeypatch.setattr(tiny_benchmarks, "AS_PATH", tmp_path / "tiny.json", raising=False)
    only(EntryPoint("tiny", "tiny_benchmarks:AS_PATH", "aivc.benchmarks"))
    body = answer(capsys, "benchmark", "list")[1]
    assert [each["digest"] for each in body["benchmarks"]] == [second.digest]
    (old,) = body["superseded"]
    assert (old["reference"], old["superseded_by"]) == (first.reference, second.reference)
    assert answer(capsys, "benchmark", "show", first.reference)[1]["superseded_by"] == second.reference
    shown = answer(capsys, "benchmark", "show", "tiny")[1]
    assert shown["supersedes"] == first.reference
    assert "superseded_by" not in shown
    assert main(["benchmark", "list"]) == 0
    assert first.reference in capsys.readouterr().out
    assert first.reference not in answer(capsys, "benchmark", "run", "all", "--out", tmp_path / "out")[1]["failures"]
    assert not (tmp_path / "out" / first.reference).exists()


def test_run_all_goes_on_and_tells_what_failed(only, tmp_path, capsys):
    only(tiny_benchmarks.TINY, tiny_benchmarks.BROKEN)
    run = ("benchmark", "run", "all", "--out", tmp_path / "out")
    code, body = answer(capsys, *run)
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
    code, body = answer(capsys, *run)
    assert code == 1
    assert "--resume" in body["failures"]["tiny"] or "overwrit" in body["failures"]["tiny"]
    code, body = answer(capsys, *run, "--resume")
    assert (code, body["benchmarks"]["tiny"]["kept"]) == (0, True)
    code, body = answer(capsys, *run, "--resume", "--methods", "additive", "--executor", "serial")
    assert body["benchmarks"]["tiny"]["cost"]["executor"] == "serial"
    assert (code, body["benchmarks"]["tiny"]["kept"]) == (0, False)
    assert "additive" in body["benchmarks"]["tiny"]["scores"]


def controls_again(export, path, *, shift=0.0):
    """Answer every question with the mean of the exported controls, and a little more."""
    rows, obs = [], []
    for questions in sorted(export.glob("fold-*/questions.csv")):
        train = anndata.read_h5ad(questions.parent / "train.h5ad")
        x_nf = train.X.toarray()[(train.obs["perturbation"] == "control").to_numpy()]
        depth = float(train.uns["profile_units"].removeprefix("log1p_cp"))
        asked = pd.read_csv(questions)
        mean = np.log1p(x_nf / x_nf.sum(axis=1, keepdims=True) * depth).mean(axis=0)
        rows += [mean + shift * np.arange(len(mean))] * len(asked)
        obs.append(asked)
    table = pd.concat(obs, ignore_index=True).rename(index=str)
    var = pd.DataFrame(index=train.var_names)
    anndata.AnnData(np.array(rows), obs=table, var=var, uns={"units": train.uns["profile_units"]}).write_h5ad(path)


def test_a_model_of_another_environment_is_scored_by_files(only, tmp_path, capsys):
    only(tiny_benchmarks.TINY)
    export, file = tmp_path / "export", tmp_path / "other.h5ad"
    code, body = answer(capsys, "benchmark", "export", "tiny", "--out", export)
    assert code == 0
    assert len(body["files"]) == 6
    code, body = answer(capsys, "benchmark", "export", "tiny", "--out", export, "--fold", "1")
    assert (code, "--overwrite" in body["error"]["message"]) == (1, True)

    controls_again(export, file)
    run = ("benchmark", "run", "tiny", "--methods", "mean-effect", "--out", tmp_path / "out", "--resume")
    run = (*run, "--predictions", f"gears={file}")
    code, body = answer(capsys, *run)
    assert code == 0
    assert set(body["benchmarks"]["tiny"]["scores"]) == {"no-change", "mean-effect", "gears", "replicate"}
    scores = json.loads((tmp_path / "out" / "tiny" / "scores.json").read_text())
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert scores["stamp"]["predictions"] == {"gears": f"{sha256} log1p_cp159"}
    ours, theirs = (scores["scores"][name]["pearson-systema"]["value"] for name in ("no-change", "gears"))
    assert theirs == pytest.approx(ours, rel=1e-4)
    page = (tmp_path / "out" / "tiny" / "report.html").read_text()
    assert f"given as other.h5ad (sha256 {sha256[:12]})" in page

    assert answer(capsys, *run)[1]["benchmarks"]["tiny"]["kept"] is True
    controls_again(export, file, shift=0.01)
    code, body = answer(capsys, *run)
    assert (code, body["benchmarks"]["tiny"]["kept"]) == (0, False)

    # A file that cannot be scored costs nothing that is there.
    controls_again(export, file, shift=np.nan)
    code, body = answer(capsys, *run)
    assert (code, "NaN" in body["error"]["message"]) == (1, True)
    assert answer(capsys, *run[:-2])[1]["benchmarks"]["tiny"]["kept"] is True


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("tiny", "--predictions", "gears.h5ad"), "NAME=FILE"),
        (("all", "--predictions", "gears=gears.h5ad"), "Name the one"),
        (("tiny", "--predictions", "a=gears.h5ad,a=state.h5ad"), "Give each its own"),
        (("tiny", "--predictions", "nearest=gears.h5ad"), "otherwise"),
        (("tiny", "--predictions", "gears=gears.h5ad"), "Check the path"),
    ],
)
def test_predictions_that_cannot_be_meant_are_refused(only, tmp_path, capsys, words, remedy):
    only(tiny_benchmarks.TINY)
    code, body = answer(capsys, "benchmark", "run", *words, "--out", tmp_path / "out")
    assert code == 1
    assert remedy in body["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_one_that_fails_is_refused(only, tmp_path, capsys):
    only(tiny_benchmarks.BROKEN)
    code, body = answer(capsys, "benchmark", "run", "broken", "--out", tmp_path)
    assert code == 1
    assert "the data it was frozen on" in body["error"]["message"]


def test_an_unknown_method_is_refused_before_work(only, tmp_path, capsys):
    only(tiny_benchmarks.TINY)
    assert main(["benchmark", "run", "all", "--methods", "moon", "--out", str(tmp_path / "out")]) == 1
    assert "moon" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_task_is_listed_shown_run_and_gone_on_with(only, tmp_path, capsys):
    only(tiny_tasks.TINY, tiny_tasks.LENGTHS, tiny_benchmarks.TINY)
    listed = answer(capsys, "benchmark", "list")[1]["benchmarks"]
    assert [(each["name"], each["dataset"]) for each in listed] == [("tiny", "synthetic"), ("tiny-task", "made-up")]
    assert main(["benchmark", "show", "tiny-task"]) == 0
    shown = capsys.readouterr().out
    assert "letters)" in shown
    assert "protocol: lengths" in shown
    run = ("benchmark", "run", "tiny-task", "--out", tmp_path / "out")
    code, body = answer(capsys, *run, "--methods", "zero", "--executor", "serial")
    assert (code, body["benchmarks"]["tiny-task"]["scores"]["zero"]["error"]) == (0, pytest.approx(0.8))
    assert "--overwrite" in answer(capsys, *run)[1]["error"]["message"]
    tiny_tasks.ASKED.clear()
    assert answer(capsys, *run, "--resume")[1]["benchmarks"]["tiny-task"]["kept"] is False
    assert tiny_tasks.ASKED == ["mean"]
    assert answer(capsys, *run, "--resume")[1]["benchmarks"]["tiny-task"]["kept"] is True
    page = (tmp_path / "out" / "tiny-task" / "report.html").read_text()
    assert "no power" in page
    assert "zero (floor)" in page
    assert "two lengths tell nothing" in page
    code, body = answer(capsys, *run[:-1], tmp_path / "other", "--methods", "moon")
    assert (code, "moon" in body["error"]["message"], (tmp_path / "other").exists()) == (1, True, False)
    for words in (("export",), ("run", "--predictions", "gears=gears.h5ad")):
        code, body = answer(capsys, "benchmark", words[0], "tiny-task", *words[1:], "--out", tmp_path / "third")
        assert (code, "--methods" in body["error"]["message"]) == (1, True)
