"""From a folder of Visium and an image to a decoder, and from another image to predicted genes."""

import json

import anndata
import numpy as np
import pytest

from aivc.cli import main
from aivc.data.io.to_anndata import to_anndata
from tiny_slides import stained

SCHEMA = """units = "counts"
perturbation = { value = "control" }
species = "none"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slides")
    for name, seed in (("one", 0), ("two", 5)):
        spots = stained(folder, f"{name}.png", seed=seed)
        to_anndata(spots.replace(coordinates=None)).write_h5ad(folder / f"{name}.h5ad")
    (folder / "s.toml").write_text(SCHEMA)
    return folder


def run(place, capsys, name, *words):
    given = ["slide", place / f"{name}.h5ad", "--schema", place / "s.toml", "--image", place / f"{name}.png", *words]
    code = main([str(word) for word in given])
    out, err = capsys.readouterr()
    return code, out, " ".join(err.split())


@pytest.mark.slow
def test_a_section_is_learned_and_another_is_predicted(place, capsys):
    code, out, err = run(place, capsys, "one", "--fit", place / "reader")
    assert code == 0, err
    for said in ("49 patches of 48 pixels", "32 spots are left out", "genes are shown", "dense"):
        assert said in out
    code, out, err = run(place, capsys, "two", "--use", place / "reader", "--out", place / "p.h5ad", "--json")
    assert code == 0, err
    said, written = json.loads(out), anndata.read_h5ad(place / "p.h5ad")
    assert said["genes"] == list(written.var_names)
    assert written.n_obs == said["spots"] == 49
    assert "genes are shown" in written.uns["predicted"]
    assert np.isfinite(written.X).all()


def test_mistakes_are_refused_before_work(place, capsys):
    for words, said in (
        (["--use", place / "none"], "--out OUT.h5ad"),
        (["--use", place / "none", "--out", place / "q.h5ad"], "no folder"),
        (["--fit", place / "new", "--columns", "pixel_x"], "two, x before y"),
        (["--fit", place / "new", "--columns", "a,b"], "x and y"),
        (["--fit", place / "s.toml"], "exists"),
    ):
        code, _, err = run(place, capsys, "one", *words)
        assert (code, said in err) == (1, True), err
    assert not (place / "new").exists()
