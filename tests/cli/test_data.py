"""`aivc data` and `aivc parts`: what there is, and whether a file is fit for use."""

import json
import re

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc import Schema, names
from aivc.cli import main
from aivc.cli.console import Reporter
from aivc.cli.sources import measured
from aivc.data.io.as_measurement import as_measurement


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_catalog_is_listed_and_shown_without_any_data(capsys, no_catalog):
    code, said = asked(capsys, "data", "list")
    assert code == 0
    assert {"papalexi2021", "sachs2005"} <= {each["name"] for each in said["datasets"]}
    code, said = asked(capsys, "data", "show", "papalexi2021")
    assert (code, said["citation"]) == (0, "Papalexi et al. 2021, Nature Genetics 53:322")
    assert {file["state"] for file in said["files"]} == {"not here"}
    assert main(["data", "show", "papalexi2021"]) == 0
    assert "licence:" in capsys.readouterr().out


def test_what_cannot_be_fetched_is_refused_with_a_remedy(capsys, no_catalog):
    code, said = asked(capsys, "data", "fetch", "papalexi2021")
    assert (code, said["error"]["type"]) == (1, "UnavailableError")
    assert "AIVC_DATA" in said["error"]["message"]
    code, said = asked(capsys, "data", "fetch", "papalexi2020")
    assert (code, said["error"]["type"]) == (1, "UnknownNameError")
    assert "papalexi2021" in said["error"]["remedy"]


def test_what_comes_with_the_package_is_fetched_at_once(capsys, no_catalog):
    code, said = asked(capsys, "data", "fetch", "sachs2005")
    assert code == 0
    assert all(said["fetched"]["sachs2005"].values())


def test_a_sound_file_passes_and_a_wrong_schema_lists_every_problem(small_screen, tmp_path, capsys):
    words = ("data", "check", small_screen / "screen.h5ad", "--schema")
    code, said = asked(capsys, *words, small_screen / "schema.toml")
    assert (code, said["ok"], said["perturbations"], said["problems"]) == (0, True, 6, [])
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('units = "counts"\nperturbation = "guide"\ncontrol = "control"\ncontext = "line"\n')
    code, said = asked(capsys, *words, wrong)
    assert (code, said["ok"]) == (1, False)
    assert len(said["problems"]) >= 2
    assert main([*map(str, words), str(wrong)]) == 1
    assert "problem:" in capsys.readouterr().out


def test_a_schema_is_suggested_and_reads_the_file_once_confirmed(small_screen, tmp_path, capsys):
    code, said = asked(capsys, "data", "guess", small_screen / "screen.h5ad")
    assert (code, said["schema"]["perturbation"], said["schema"]["control"]) == (0, "perturbation", "control")
    assert main(["data", "guess", str(small_screen / "screen.h5ad")]) == 0
    # Where the table of human genes is not here, names that look like genes are taken for human ones.
    suggested = re.sub('(# )?species = "[a-z]+"', 'species = "none"', capsys.readouterr().out)
    (tmp_path / "s.toml").write_text(suggested)
    code, said = asked(capsys, "data", "check", small_screen / "screen.h5ad", "--schema", tmp_path / "s.toml")
    assert (code, said["problems"]) == (0, [])


def test_parts_say_who_brought_them(capsys):
    code, said = asked(capsys, "parts")
    assert code == 0
    assert tuple(said["manipulators"]) == names("manipulators")
    assert said["encoders"]["count-pca"].startswith("aivc ")


@pytest.fixture
def noisy(small_screen, tmp_path):
    """A file whose counts were logged and brought back: the check notes how they are read."""
    made = anndata.read_h5ad(small_screen / "screen.h5ad")
    made.X = made.X.astype(np.float32) * np.float32(1.00001)
    made.write_h5ad(tmp_path / "noisy.h5ad")
    return tmp_path / "noisy.h5ad"


def test_notes_that_change_the_reading_are_repeated_by_what_uses_the_file(noisy, small_screen, capsys):
    said = "counts miss a whole number"
    schema = str(small_screen / "schema.toml")
    assert main(["data", "check", str(noisy), "--schema", schema]) == 0
    assert said in capsys.readouterr().out
    for words in (["score", noisy, noisy], ["embed", noisy, "--out", noisy.with_name("e.h5ad"), "--dim", "2"]):
        assert main([*map(str, words), "--schema", schema, "--json"]) == 0
        answer = capsys.readouterr()
        assert re.search(rf"note on noisy.h5ad: \d+ {said}", answer.err)
        assert said not in answer.out


def test_the_shell_and_python_read_alike(noisy, small_screen):
    schema = small_screen / "schema.toml"
    shown, name = measured(str(noisy), str(schema), on_disk=False, reporter=Reporter())
    again = as_measurement(noisy, Schema.from_toml(schema))
    assert name == "noisy.h5ad"
    assert shown.provenance == again.provenance
    assert "miss a whole number" in again.provenance["notes"][-1]


def test_labels_that_nobody_declared_are_listed_and_dropped_by_a_word(tmp_path, capsys):
    labels = ["DMSO"] * 4 + ["nan"] * 3 + ["untreated"] * 2 + ["JQ1"] * 4
    obs = pd.DataFrame({"drug": labels, "dose": [0.0] * 9 + [0.0, 0.0, 1.0, 1.0]}, index=[f"c{i}" for i in range(13)])
    values = np.random.default_rng(0).poisson(4, (13, 3)).astype(np.float32) + 1
    anndata.AnnData(values, obs, pd.DataFrame(index=["G1", "G2", "G3"])).write_h5ad(tmp_path / "x.h5ad")
    lines = 'units = "counts"\nperturbation = "drug"\nkind = "drug"\nspecies = "none"\n'
    lines += 'dose = "dose"\ndose_unit = { value = "uM" }\n'
    words = ("data", "check", tmp_path / "x.h5ad", "--schema", tmp_path / "s.toml")
    (tmp_path / "s.toml").write_text(lines + 'control = "DMSO"\n')
    code, said = asked(capsys, *words)
    assert code == 1
    assert [text.split(" entities")[0] for text in said["problems"]] == ["3 of 13", "2 of 13"]
    assert any("zero_dose" in note for note in said["notes"])
    fit = ("fit", tmp_path / "x.h5ad", "--schema", tmp_path / "s.toml", "--out", tmp_path / "cell")
    code, refused = asked(capsys, *fit)
    assert code == 1
    assert 'exclude = ["nan"]' in json.dumps(refused, ensure_ascii=False).replace('\\"', '"')
    added = 'control = ["DMSO", "untreated"]\nexclude = ["nan"]\nzero_dose = "control"\n'
    (tmp_path / "s.toml").write_text(lines + added)
    code, said = asked(capsys, *words)
    assert (code, said["cells"], said["controls"], said["perturbations"]) == (0, 10, 8, 1)
    assert any("3 of 13 entities were left out" in note for note in said["notes"])


def test_labels_of_guides_are_guessed_demanded_and_read(capsys, tmp_path):
    labels = ["NT", "NT", "STAT1_g1", "STAT1_g2", "JAK2_g1"]
    obs = pd.DataFrame({"target": labels}, index=[f"c{i}" for i in range(5)])
    cells = anndata.AnnData(np.ones((5, 2), dtype=np.float32), obs, pd.DataFrame(index=["STAT1", "MYC"]))
    cells.write_h5ad(tmp_path / "x.h5ad")
    plain = 'units = "counts"\nperturbation = "target"\ncontrol = "NT"\nkind = "ko"\nspecies = "none"\n'
    (tmp_path / "x.toml").write_text(plain)
    code, said = asked(capsys, "data", "check", tmp_path / "x.h5ad", "--schema", tmp_path / "x.toml")
    assert (code, said["ok"]) == (1, False)
    assert 'Add the line labels = "guide" to the schema' in said["problems"][0]
    assert main(["data", "guess", str(tmp_path / "x.h5ad")]) == 0
    assert 'labels = "guide"' in capsys.readouterr().out
    (tmp_path / "x.toml").write_text(plain + 'labels = "guide"\n')
    code, said = asked(capsys, "data", "check", tmp_path / "x.h5ad", "--schema", tmp_path / "x.toml")
    assert (code, said["perturbations"]) == (0, 2)
