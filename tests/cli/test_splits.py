"""`aivc splits check` says in words and in JSON whether a split leaks, and by its exit code."""

import json
from pathlib import Path

import pytest

from aivc import Schema
from aivc.cli import main
from aivc.data.io.read import read
from aivc.data.splits.split import Fold, Split


def run(said: list, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict]:
    code = main([*map(str, said), *([] if "--json" in said else ["--json"])])
    return code, json.loads(capsys.readouterr().out)


def words(folder: Path, split: object) -> list[str]:
    file, schema = folder / "screen.h5ad", folder / "schema.toml"
    return [str(word) for word in ("splits", "check", file, "--schema", schema, "--split", split)]


def test_a_clean_split_passes(small_screen, capsys):
    assert main([*words(small_screen, "unseen-perturbation:2"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["clean"] is True
    assert said["split"]["kind"] == "unseen-perturbation"


def test_a_leaking_split_is_reported_with_exit_code_1(small_screen, tmp_path, capsys):
    cells = read(small_screen / "screen.h5ad", Schema.from_toml(small_screen / "schema.toml"))
    held = {"perturbation": ("ko:G0001",)}
    fold = Fold({**held, "context": (cells.contexts[0],)}, held)
    Split("unseen-context", 0, (fold,)).save(tmp_path / "split.json")
    assert main(words(small_screen, tmp_path / "split.json")) == 1
    said = capsys.readouterr().out
    assert "1 leak found." in said
    assert "perturbed entities both tested and trained on" in said


def test_cells_and_other_data_are_looked_through(small_screen, tmp_path, capsys):
    cell = tmp_path / "cell"
    fit = [
        "fit",
        small_screen / "screen.h5ad",
        "--schema",
        small_screen / "schema.toml",
        "--members",
        "0",
        "--dim",
        "3",
    ]
    fit += ["--manipulator", "mean-effect", "--priors", small_screen / "priors", "--overwrite", "--out", cell]
    check = [*words(small_screen, "unseen-perturbation:2"), "--cell", cell, "--json"]
    code, said = run([*fit, "--split", "unseen-perturbation:2", "--fold", 1], capsys)
    code, said = run(check, capsys)
    assert (code, said["clean"]) == (0, True)
    assert said["cells"] == [str(cell)]
    run(fit, capsys)
    code, said = run(check, capsys)
    assert code == 1
    assert {each["kind"] for each in said["findings"] if each["severity"] == "leak"} == {"part", "shared-controls"}
    copy = f"{small_screen / 'screen.h5ad'}:{small_screen / 'schema.toml'}"
    code, said = run([*words(small_screen, "unseen-perturbation:2"), "--others", copy], capsys)
    assert (code, said["others"]) == (1, [copy])
    code, said = run([*words(small_screen, "unseen-perturbation:2"), "--others", "kang2019"], capsys)
    assert (code, said["error"]["type"]) == (1, "SchemaError")
    assert "mine.h5ad:mine.toml" in said["error"]["message"]


@pytest.mark.parametrize("option", [["--split", "no-such-kind:2"], []])
def test_a_wrong_or_missing_split_is_refused(small_screen, option, capsys):
    assert main([*words(small_screen, "x")[:5], *option, "--json"]) in (1, 2)
    assert "split" in json.loads(capsys.readouterr().out)["error"]["message"]
