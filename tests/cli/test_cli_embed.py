import json

import anndata
import pytest

from aivc.cli.commands import run


def test_embeds_a_file_and_refuses_to_do_it_twice(small_screen, tmp_path, capsys):
    words = ["embed", str(small_screen / "screen.h5ad"), "--schema", str(small_screen / "schema.toml")]
    words += ["--dim", "5", "--out", str(tmp_path / "out.h5ad"), "--json"]
    assert run(words) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["encoder"] == "ppca"
    assert body["axes"] == 5
    assert body["quantiles"]["aivc_coverage"] == [1.0, 1.0, 1.0]
    made = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert made.obsm["X_aivc"].shape == (body["cells"], 5)
    assert run(words) == 1
    assert "Choose another name" in json.loads(capsys.readouterr().out)["error"]["message"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed", "absent.h5ad", "--out", "o.h5ad"], "Check the path"),
        (["embed", "SCREEN", "--out", "o.h5ad"], "add --schema"),
        (["embed", "SCREEN", "--encoder", "ppcb", "--out", "o.h5ad"], "Did you mean 'ppca'"),
        (["embed", "SCREEN", "--cell", "nowhere", "--out", "o.h5ad"], "aivc fit"),
    ],
)
def test_says_what_is_wrong(small_screen, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert run([str(small_screen / "screen.h5ad") if word == "SCREEN" else word for word in words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "o.h5ad").exists()


def test_encoder_and_cell_exclude_each_other(capsys):
    assert run(["embed", "a.h5ad", "--encoder", "ppca", "--cell", "c", "--out", "o.h5ad"]) == 2
    assert "not allowed with" in capsys.readouterr().err
