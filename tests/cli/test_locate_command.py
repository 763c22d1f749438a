"""`aivc locate` finds masks, names places, says what is annotated and what moved, and refuses what it cannot read."""

import json

import numpy as np
import pandas as pd
import pytest

from aivc.cli import main
from aivc.core.measurement import CONTROL
from aivc.data.synthetic_locations import LOCATION, synthetic_locations

pytest.importorskip("skimage")
SCHEMA = """units = "intensity"
modality = "image"
species = "none"
perturbation = "compound"
control = "DMSO"
kind = "drug"
batch = "plate"
image = { channels = ["DNA", "protein"], um_per_pixel = 0.5, axes = "ncyx" }
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("locate")
    crops = synthetic_locations(wells=1, cells=3, plates=3, side=48, hard=0.5, seed=1)
    frame = crops.entities
    arrays = {
        "images": np.round(crops.values[:, :2]).astype(np.uint16),
        "plate": frame["batch"].to_numpy(str),
        "well": frame["well"].to_numpy(str),
        "place": np.where(frame["batch"] == "P3", "", frame[LOCATION]).astype(str),
        "compound": np.where(frame[LOCATION] == "nucleus", "X", "DMSO"),
    }
    np.savez(place / "crops.npz", **arrays)
    (place / "crops.toml").write_text(SCHEMA)
    return place


def words(folder, *more):
    given = ["locate", folder / "crops.npz", "--schema", folder / "crops.toml", "--channel", "protein", *more]
    return [str(each) for each in given]


MASKS = ("--nucleus", "DNA", "--cells", "protein,DNA", "--diameter", "14")


@pytest.mark.slow
def test_places_of_unlabelled_crops_and_what_moved(folder, capsys):
    out = folder / "cells.csv"
    assert main(words(folder, *MASKS, "--learn", "place", "--out", out, "--json")) == 0
    body = json.loads(capsys.readouterr().out)
    written = pd.read_csv(out, index_col="cell")
    assert body["cells"] == len(written) > 15
    assert set(written["batch"]) == {"P3"}
    assert sum(row[row["best"]] for row in body["wells"]) > 0.4 * len(body["wells"])
    assert {row["perturbation"] for row in body["perturbations"]} == {CONTROL, "drug:X"}
    assert body["moved"][0]["change"] > 0
    assert main(words(folder, *MASKS, "--learn", "place", "--out", out)) == 1
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "remedy"),
    [((), "--nucleus"), (("--nucleus", "DNA"), "--diameter"), ((*MASKS, "--learn", "mood"), "mood")],
)
def test_what_cannot_be_read_is_refused(folder, capsys, more, remedy):
    assert main(words(folder, *more)) == 1
    assert remedy in capsys.readouterr().err
