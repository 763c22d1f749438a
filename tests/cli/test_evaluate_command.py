"""`aivc evaluate` writes what it promises, says it in one JSON object, and refuses before any work."""

import contextlib
import io
import json
from pathlib import Path

import anndata
import h5py
import pytest

from aivc import Schema, read
from aivc.cli import main
from aivc.data.io.schema import Constant

QUICK = ["--members", "2", "--dim", "3", "--profile", "systema,calibration"]


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def evaluated(small_screen: Path, tmp_path_factory) -> tuple[Path, dict, str]:
    out, said, answer = tmp_path_factory.mktemp("evaluated") / "scores", io.StringIO(), io.StringIO()
    words = ["evaluate", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", out, *QUICK]
    words += ["--methods", "nearest,nearest:shuffled", "--split", "unseen-perturbation:2", "--cells", 10]
    words += ["--priors", small_screen / "priors", "--json"]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(answer):
        code = main(list(map(str, words)))
    assert code == 0, answer.getvalue()
    return out, json.loads(said.getvalue()), answer.getvalue()


def test_it_writes_scores_a_report_the_split_and_every_prediction(evaluated):
    out, said, _ = evaluated
    scores = json.loads((out / "scores.json").read_text())
    assert said["scores"]["nearest"]["pearson-systema"] == scores["scores"]["nearest"]["pearson-systema"]["value"]
    held = said["scores"]["nearest"]["coverage90"]
    line = f"90 % intervals of nearest held {held:.0%} of the effects measured on what it had not seen."
    assert line in said["sureness"]
    assert not any("replicate" in each for each in said["sureness"])
    assert set(said["scores"]) == {"no-change", "mean-effect", "nearest", "nearest:shuffled", "replicate"}
    assert json.loads((out / "split.json").read_text())["digest"] == said["split"]["digest"]
    assert "<html" in (out / "report.html").read_text()
    assert all(Path(path).exists() for path in said["files"].values())
    names = sorted(path.name for path in (out / "predictions" / "nearest~shuffled").iterdir())
    assert names == [f"G000{i}.h5ad" for i in range(1, 7)]
    assert not list(out.rglob("*.partial"))


def test_a_prediction_says_what_it_is_and_is_read_back_by_the_data_door(evaluated):
    out, said, _ = evaluated
    path = out / "predictions" / "nearest" / "G0002.h5ad"
    file = anndata.read_h5ad(path)
    assert file.shape == (10, 40)
    assert file.uns["units"] == "counts"
    assert (file.uns["method"], file.uns["split_digest"]) == ("nearest", said["split"]["digest"])
    assert int(file.uns["fold"]) in (0, 1)
    assert set(file.obs["draw"]) == {0, 1}
    assert set(file.obs["perturbation"]) == {"ko:G0002"}
    schema = Schema(units="counts", perturbation=Constant("control"), context="context", species="none")
    cells = read(path, schema)
    assert set(cells.contexts) == {"line1"}
    assert list(cells.features[:2]) == ["G0001", "G0002"]


@pytest.mark.slow
def test_an_executor_writes_the_same_scores(evaluated, small_screen, tmp_path, capsys):
    out = tmp_path / "scores"
    words = ["evaluate", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", out, *QUICK]
    words += ["--methods", "nearest,nearest:shuffled", "--split", "unseen-perturbation:2", "--cells", 10]
    code, _ = asked(capsys, *words, "--priors", small_screen / "priors", "--executor", "serial")
    assert code == 0
    for name in ("scores.json", "split.json"):
        assert (out / name).read_bytes() == (evaluated[0] / name).read_bytes()
    assert not (out / "checkpoints").exists()


def test_workers_without_an_executor_are_refused_before_any_work(small_screen, tmp_path, capsys):
    words = [
        "evaluate",
        small_screen / "screen.h5ad",
        "--schema",
        small_screen / "schema.toml",
        "--methods",
        "transfer",
    ]
    code, body = asked(capsys, *words, "--out", tmp_path / "o", "--workers", 2)
    assert (code, "--executor processes" in body["error"]["message"]) == (2, True)
    code, body = asked(capsys, *words, "--out", tmp_path / "o", "--workers", 2, "--executor", "serial")
    assert (code, "is one worker, got 2" in body["error"]["message"]) == (1, True)
    assert not (tmp_path / "o").exists()


def test_an_earlier_evaluation_and_a_foreign_folder_are_refused_before_any_work(evaluated, tmp_path, capsys):
    out, _, _ = evaluated
    code, said = asked(capsys, "evaluate", "no-such-file", "--methods", "mean-effect", "--out", out)
    assert (code, said["error"]["type"]) == (1, "IntegrityError")
    assert "overwrit" in said["error"]["remedy"]
    (tmp_path / "thesis.docx").write_text("mine")
    words = ("evaluate", "no-such-file", "--methods", "mean-effect", "--out", tmp_path, "--overwrite")
    code, said = asked(capsys, *words)
    assert code == 1
    assert "thesis.docx" in said["error"]["message"]
    assert (tmp_path / "thesis.docx").exists()


def test_overwrite_replaces_the_earlier_files(small_screen, tmp_path, capsys):
    stale = tmp_path / "predictions" / "gone" / "OLD.h5ad"
    stale.parent.mkdir(parents=True)
    with h5py.File(stale, "w") as file:
        file["uns/method"], file["uns/split_digest"] = "gone", "0"
    (tmp_path / "split.json").write_text('{"format": 1, "digest": "0", "folds": []}')
    words = ["evaluate", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--out", tmp_path]
    words += ["--methods", "mean-effect", "--split", "unseen-perturbation:2", "--overwrite", "--no-predictions"]
    words += ["--members", 0, "--dim", 3, "--profile", "systema"]
    assert main([*map(str, words), "--on-disk"]) == 0
    shown = capsys.readouterr().out
    assert "mean-effect" in shown
    assert "report.html" in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "scores.json", "split.json"]


def test_an_unknown_method_is_refused_with_a_suggestion(tmp_path, capsys):
    code, said = asked(capsys, "evaluate", "papalexi2021", "--methods", "ridge-on-prior", "--out", tmp_path / "out")
    assert (code, said["error"]["type"]) == (1, "UnknownNameError")
    assert "ridge-on-priors" in said["error"]["remedy"]
    assert not (tmp_path / "out").exists()


def test_every_problem_of_the_data_is_listed(small_screen, tmp_path, capsys):
    schema = tmp_path / "wrong.toml"
    schema.write_text('units = "counts"\nperturbation = "guide"\ncontrol = "control"\ncontext = "line"\n')
    words = ("evaluate", small_screen / "screen.h5ad", "--schema", schema, "--methods", "mean-effect")
    code, said = asked(capsys, *words, "--out", tmp_path / "out")
    assert (code, said["error"]["type"]) == (1, "DataError")
    assert any("guide" in text for text in said["error"]["problems"])
    assert any("line" in text for text in said["error"]["problems"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("split", "remedy"),
    [
        ("unseen-perturbations:5", "unseen-perturbation"),
        ("unseen-perturbation:many", "unseen-perturbation:FOLDS"),
        ("unseen-perturbation:99", "fold"),
        ("unseen-context", "context"),
        ("few-shot-context", "few-shot-context:GIVEN"),
        ("few-shot-context:3", "context"),
        ("hidden-combination", "hidden-combination:SHARE"),
        ("hidden-combination:0.5", "pairs of targets"),
    ],
)
def test_an_impossible_split_is_refused_before_any_work(split, remedy, small_screen, tmp_path, capsys):
    words = ("evaluate", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml", "--split", split)
    code, said = asked(capsys, *words, "--methods", "mean-effect", "--out", tmp_path / "out")
    assert code == 1
    assert remedy in said["error"]["message"]
    assert not (tmp_path / "out").exists()


def test_a_method_that_needs_knowledge_of_genes_is_not_quietly_replaced(small_screen, tmp_path, capsys, no_catalog):
    words = ("evaluate", small_screen / "screen.h5ad", "--schema", small_screen / "schema.toml")
    code, said = asked(capsys, *words, "--methods", "nearest", "--out", tmp_path / "out")
    assert (code, said["error"]["type"]) == (1, "UnavailableError")
    assert "--methods mean-effect" in said["error"]["remedy"]
