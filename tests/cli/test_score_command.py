"""`aivc score` compares two files, says what it found in words and in JSON, and refuses what cannot be compared."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.cli import main


@pytest.fixture(scope="module")
def prediction(small_screen, tmp_path_factory):
    """Perturbed cells only, as a method hands them in."""
    cells = anndata.read_h5ad(small_screen / "screen.h5ad")
    path = tmp_path_factory.mktemp("prediction") / "predicted.h5ad"
    cells[(cells.obs["perturbation"] != "control").to_numpy()].copy().write_h5ad(path)
    return path


def words(predicted, folder, *more: object) -> list[str]:
    given = ("score", predicted, folder / "screen.h5ad", "--schema", folder / "schema.toml", *more)
    return [str(word) for word in given]


def test_scores_are_written_and_shown(small_screen, prediction, tmp_path, capsys):
    out = tmp_path / "scores"
    asked = words(prediction, small_screen, "--profile", "vcc2025,vcc2026", "--out", out)
    assert main([*asked, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["scores"]["vcc26-pds"]["value"] == said["scores"]["vcc25-pds"]["value"] == 1
    assert said["scores"]["vcc25-mae"]["value"] == pytest.approx(0)
    assert json.loads((out / "scores.json").read_text())["scores"] == said["scores"]
    rows = pd.read_csv(out / "perturbations.csv")
    assert np.isfinite(rows["vcc26-jaccard"]).all()
    assert len(rows) == said["perturbations"]
    assert main(asked) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*asked, "--overwrite", "--on-disk"]) == 0
    shown = capsys.readouterr().out
    assert "DE Jaccard" in shown
    assert "95 % from" in shown
    assert any(line.endswith(("↑", "^")) for line in map(str.rstrip, shown.splitlines()))


def test_a_perturbation_that_is_missing_is_named(small_screen, prediction, tmp_path, capsys):
    cells = anndata.read_h5ad(prediction)
    first = sorted(set(cells.obs["perturbation"]))[0]
    cells[(cells.obs["perturbation"] != first).to_numpy()].copy().write_h5ad(tmp_path / "few.h5ad")
    assert main([*words(tmp_path / "few.h5ad", small_screen), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert any(f"measured, but not predicted: {first}" in problem for problem in problems)
    assert main(words(tmp_path / "few.h5ad", small_screen, "--shared-only")) == 0


def test_what_does_not_exist_is_refused(small_screen, prediction, capsys):
    assert main(words("nowhere.h5ad", small_screen)) == 1
    assert "There is no file nowhere.h5ad" in capsys.readouterr().err
    assert main(words(prediction, small_screen, "--profile", "vcc2027")) == 1
    assert "There is no metric profile named 'vcc2027'. Did you mean" in capsys.readouterr().err


def test_expectations_are_scored_in_units_of_their_own(small_screen, prediction, tmp_path, capsys):
    cells = anndata.read_h5ad(prediction)
    values = np.asarray(cells.X.toarray(), dtype=np.float32)
    cells.X = np.where(values > 0, values + 0.25, -0.01).astype(np.float32)
    cells.write_h5ad(tmp_path / "expected.h5ad")
    asked = words(tmp_path / "expected.h5ad", small_screen, "--profile", "vcc2025")
    assert main(asked) == 1
    assert 'units = "expected_counts"' in capsys.readouterr().err
    schema = (small_screen / "schema.toml").read_text().replace('"counts"', '"expected_counts"')
    (tmp_path / "expected.toml").write_text(schema)
    assert main([*asked, "--predicted-schema", str(tmp_path / "expected.toml"), "--json"]) == 0
    answer = capsys.readouterr()
    assert "expected counts are below zero, down to -0.01: they are read as zero" in answer.err
    assert json.loads(answer.out)["scores"]["vcc25-pds"]["value"] > 0.9
    measured = ["data", "check", str(tmp_path / "expected.h5ad"), "--schema", str(tmp_path / "expected.toml")]
    assert main(measured) == 0
    assert "read as zero" in capsys.readouterr().out


def test_layers_low_and_high_are_intervals(small_screen, prediction, tmp_path, capsys):
    cells = anndata.read_h5ad(prediction)
    counts = np.asarray(cells.X.toarray(), dtype=np.float64)
    cells.X = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 1e4)
    means = pd.DataFrame(cells.X).groupby(cells.obs["perturbation"].to_numpy()).transform("mean").to_numpy()
    cells.layers["low"], cells.layers["high"] = means - 20, means + 20
    cells.write_h5ad(tmp_path / "logs.h5ad")
    schema = (small_screen / "schema.toml").read_text().replace('"counts"', '"log1p_cp10k"')
    (tmp_path / "logs.toml").write_text(schema)
    asked = [
        *words(tmp_path / "logs.h5ad", small_screen, "--profile", "calibration", "--json"),
        *("--predicted-schema", str(tmp_path / "logs.toml")),
    ]
    assert main(asked) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["interval_level"] == 0.9
    assert (said["scores"]["coverage90"]["value"], said["scores"]["coverage95"]["value"]) == (1, None)
    assert main([*asked, "--level", "0.95"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["scores"]["coverage90"]["value"], said["scores"]["coverage95"]["value"]) == (None, 1)
    del cells.layers["high"]
    cells.write_h5ad(tmp_path / "logs.h5ad")
    assert main(asked) == 1
    assert "no layer 'high'" in json.loads(capsys.readouterr().out)["error"]["message"]
