"""Movies from the shell: tables of tracks and counts, and refusals that say what to do."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from aivc.cli import main
from aivc.data.synthetic_movie import known_movie


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("track")
    frames = known_movie(4.0, frames=5, side=96, seed=4).frames
    tifffile.imwrite(folder / "film.tif", frames[[0, 1, 1, 2, 3, 4]])
    tifffile.imwrite(folder / "two.tif", np.stack([frames, frames], axis=1), metadata={"axes": "TCYX"}, imagej=True)
    return folder


def run(place, capsys, file, *words):
    given = ["track", place / file, "--diameter", 10, "--reach", 14, *words]
    code = main([str(word) for word in given])
    out, err = capsys.readouterr()
    return code, out, " ".join(err.split())


def test_tracks_and_counts_are_written(place, capsys):
    code, out, err = run(place, capsys, "film.tif", "--out", place / "t.csv", "--counts", place / "c.csv")
    assert code == 0, err
    for said in ("5 frames with", "1 frames are copies of the one before and left out: 2", "in the reversed movie"):
        assert said in out
    tracks, counts = pd.read_csv(place / "t.csv"), pd.read_csv(place / "c.csv")
    assert list(tracks) == ["frame", "object", "y_px", "x_px", "area_px", "track", "mother", "movie"]
    assert counts["found"].tolist() == tracks.groupby("frame").size().tolist()
    code, _, err = run(place, capsys, "film.tif", "--out", place / "t.csv")
    assert (code, "exists" in err) == (1, True)
    code, out, _ = run(place, capsys, "film.tif", "--out", place / "t.csv", "--overwrite", "--json")
    (said,) = json.loads(out)["movies"]
    assert (code, said["copies"], len(said["counts"])) == (0, [2], 5)


def test_mistakes_are_refused(place, capsys):
    out = place / "new.csv"
    for file, words, said in (
        ("none.tif", ["--out", out], "There is no movie"),
        ("two.tif", ["--out", out], "channels"),
        ("film.tif", ["--out", place / "new.txt"], ".csv or .parquet"),
        ("film.tif", ["--out", out, "--counts", out], "a name of its own"),
        ("film.tif", ["--out", out, "--nucleus", "DAPI"], "light"),
    ):
        code, _, err = run(place, capsys, file, *words)
        assert (code, said in err) == (1, True), err
    code, _, err = run(place, capsys, "film.tif", "--out", out, "--reach", "-3")
    assert (code, "above 0" in err) == (2, True)
    assert not out.exists()
