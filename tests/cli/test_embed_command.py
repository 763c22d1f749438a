import json
import os
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.cli.commands import run
from aivc.core.registry import ENCODERS
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema
from aivc.data.io.to_anndata import to_anndata
from aivc.data.synthetic_tissue import synthetic_tissue
from tiny_images import written_crops


def test_embeds_a_file_and_refuses_to_do_it_twice(small_screen, tmp_path, capsys):
    words = ["embed", str(small_screen / "screen.h5ad"), "--schema", str(small_screen / "schema.toml")]
    words += ["--dim", "5", "--out", str(tmp_path / "out.h5ad"), "--json"]
    assert run(words) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["encoder"] == "factor-analysis"
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


GENES = {"Actb": "ACTB", "Ins1": "INS", "Ins2": "INS", "Gcg": "GCG", "Alb": "ALB", "Cd4": "CD4", "Gm99999": "other"}
needs_genes = pytest.mark.skipif(
    not os.environ.get("AIVC_DATA")
    or not Path(os.environ["AIVC_DATA"], "H/human_mouse_gene_symbols_nichenet.csv.gz").is_file(),
    reason="AIVC_DATA does not name a folder with the files about genes",
)


def cells_of(folder, species):
    """The same counts under the names of either species, with their schema."""
    draw = np.random.default_rng(0)
    counts = draw.poisson(draw.gamma(1.0, 6.0, (60, len(GENES)))).astype(np.float32) + 1
    table = pd.DataFrame(counts, columns=list(GENES), index=[f"c{i}" for i in range(60)])
    if species == "human":
        table = table.rename(columns=GENES).T.groupby(level=0, sort=False).sum().T
    obs = pd.DataFrame({"label": "control"}, index=table.index)
    data = anndata.AnnData(sparse.csr_matrix(table.to_numpy()), obs=obs, var=pd.DataFrame(index=table.columns))
    data.write_h5ad(folder / f"{species}.h5ad")
    schema = Schema(units="counts", perturbation="label", control="control", species=species)
    schema.to_toml(folder / f"{species}.toml")
    return ["embed", str(folder / f"{species}.h5ad"), "--schema", str(folder / f"{species}.toml")]


@needs_genes
def test_cells_of_a_mouse_are_read_by_an_encoder_of_human_cells(tmp_path, capsys):
    own = read(tmp_path / "human.h5ad", Schema.from_toml(cells_of(tmp_path, "human")[-1]))
    cell = VirtualCell({own.scale: ENCODERS.load("ppca").fit(own, dim=3)}, {})
    cell.save(tmp_path / "cell")
    words = [*cells_of(tmp_path, "mouse"), "--cell", str(tmp_path / "cell"), "--json"]
    assert run([*words, "--out", str(tmp_path / "lost.h5ad")]) == 1
    assert "There is no feature named" in json.loads(capsys.readouterr().out)["error"]["message"]
    transferred = {}
    for disk in ("", "--on-disk"):
        out = tmp_path / f"mouse{disk}-out.h5ad"
        assert run([*words, "--to-species", "human", "--out", str(out), *filter(None, [disk])]) == 0
        body = json.loads(capsys.readouterr().out)
        transferred[disk] = anndata.read_h5ad(out)
        assert body["quantiles"]["aivc_coverage"] == pytest.approx([5 / 6] * 3)
        assert "2 summed into 1; 1 without an ortholog, kept as mouse:Gm99999" in body["orthologs"]
        assert transferred[disk].uns["aivc"]["species"] == "mouse to human"
        assert transferred[disk].var_names.tolist() == list(GENES)
    np.testing.assert_allclose(transferred[""].obsm["X_aivc"], transferred["--on-disk"].obsm["X_aivc"], atol=1e-6)
    known = own.select([name for name in own.features if name != "other"])
    expected = cell.encoders[own.scale].encode(known).values
    np.testing.assert_allclose(transferred[""].obsm["X_aivc"], expected, atol=1e-5)


@pytest.mark.parametrize("target", ["human", "mouse"])
def test_a_species_is_not_changed_into_itself_or_out_of_nothing(small_screen, tmp_path, capsys, target):
    words = cells_of(tmp_path, target) if target == "human" else ["embed", str(small_screen / "screen.h5ad")]
    words += [] if target == "human" else ["--schema", str(small_screen / "schema.toml")]
    assert run([*words, "--to-species", target, "--out", str(tmp_path / "o.h5ad")]) == 1
    assert f'species = "{"human" if target == "human" else "none"}"' in capsys.readouterr().err
    assert not (tmp_path / "o.h5ad").exists()


@pytest.fixture
def section(tmp_path):
    """Words that embed a small tissue."""
    to_anndata(synthetic_tissue(cells=30)[0]).write_h5ad(tmp_path / "section.h5ad")
    where = {"coordinates": "obsm:spatial", "coordinate_unit": "um", "section": "section"}
    Schema(units="counts", perturbation=Constant("control"), species="none", **where).to_toml(tmp_path / "s.toml")
    return ["embed", str(tmp_path / "section.h5ad"), "--schema", str(tmp_path / "s.toml"), "--json"]


def test_tissue_is_embedded_and_its_cell_reads_the_next_section(section, tmp_path, capsys):
    words = [*section, "--scale", "multicellular", "--dim", "6"]
    fitted = ["--graph", "radius:15", "--reach", "1", "--save-cell", str(tmp_path / "cell")]
    assert run([*words, *fitted, "--out", str(tmp_path / "a.h5ad")]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["axes"], first["rule"], first["reach"], first["sections"]) == (6, "radius:15", 1, 2)
    assert run([*words, "--cell", str(tmp_path / "cell"), "--out", str(tmp_path / "b.h5ad")]) == 0
    assert json.loads(capsys.readouterr().out)["space"] == first["space"]
    a, b = (anndata.read_h5ad(tmp_path / name) for name in ("a.h5ad", "b.h5ad"))
    assert np.allclose(a.obsm["X_aivc_tissue"], b.obsm["X_aivc_tissue"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--reach", "2"], "add --scale multicellular"),
        (["--scale", "multicellular", "--to-species", "mouse"], "--to-species"),
        (["--scale", "multicellular", "--save-cell", "."], "Choose another name for the virtual cell"),
    ],
)
def test_options_of_tissue_go_with_tissue(section, tmp_path, capsys, more, said):
    assert run([*section, *more, "--out", str(tmp_path / "o.h5ad")]) == 1
    assert said in json.loads(capsys.readouterr().out)["error"]["message"]
    assert not (tmp_path / "o.h5ad").exists()


def test_images_are_embedded_by_their_morphology(tmp_path, capsys):
    crops, schema = written_crops(tmp_path)
    words = ["embed", str(crops), "--schema", str(schema), "--dim", "5", "--out", str(tmp_path / "out.h5ad"), "--json"]
    assert run(words) == 0
    body = json.loads(capsys.readouterr().out)
    assert (body["encoder"], body["axes"]) == ("morphology", 5)
    assert anndata.read_h5ad(tmp_path / "out.h5ad").obsm["X_aivc"].shape == (72, 5)
