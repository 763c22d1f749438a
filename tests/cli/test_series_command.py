"""Time courses from the shell: scores of times left out, effects at times asked for, and refusals."""

import json

import pandas as pd
import pytest

from aivc.cli import main
from tiny_courses import course

SCHEMA = """units = "arbitrary"
perturbation = { value = "control" }
species = "none"
time = "seconds"
time_unit = "s"
batch = "experiment"
entity = "sample"
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("series")
    cells, _ = course(sites=30)
    made = pd.DataFrame(cells.values, columns=[str(name) for name in cells.features])
    made.insert(0, "sample", cells.entities.index)
    made.insert(1, "seconds", (cells.times * 3600).round().astype(int))
    made.insert(2, "experiment", "one")
    made.to_csv(folder / "sites.csv", index=False)
    (folder / "sites.toml").write_text(SCHEMA)
    return folder


def run(place, capsys, *words):
    given = ["series", place / "sites.csv", "--schema", place / "sites.toml", "--splits", "1", *words]
    code = main([str(word) for word in given])
    out, err = capsys.readouterr()
    return code, out, " ".join(err.split())


def test_scores_stand_beside_nulls_and_effects_are_written(place, capsys):
    code, out, err = run(place, capsys, "--by", "batch", "--at", "90s,5min", "--out", place / "said.csv")
    assert code == 0, err
    for said in ("one: 30 signals at zero and 30, 60", "gaussian-process", "signals permuted", "one at 300 s", "held"):
        assert said in out
    table = pd.read_csv(place / "said.csv")
    assert list(table) == ["series", "seconds", "signal", "effect", "low", "high", "made_by"]
    assert table.groupby("seconds").size().to_dict() == {90.0: 30, 300.0: 30}
    code, _, err = run(place, capsys, "--at", "90s", "--out", place / "said.csv")
    assert (code, "--overwrite" in err) == (1, True)


def test_scripts_get_the_scores(place, capsys):
    code, out, _ = run(place, capsys, "--json")
    (said,) = json.loads(out)["series"]
    assert (code, said["signals"], said["at_seconds"][0]) == (0, 30, 30.0)
    assert {row["method"] for row in said["left_out"]} >= {"gaussian-process", "no effect", "signals permuted"}


def test_mistakes_are_refused(place, capsys):
    for words, wanted, code in (
        (("--at", "soon"), "such as 90s,5min", 2),
        (("--at", "90"), "such as 90s,5min", 2),
        (("--at", "2h"), "from 0 to 600 s", 1),
        (("--by", "animal"), "animal", 1),
        (("--out", place / "x.csv"), "Add --at", 1),
        (("--at", "90s", "--out", place / "x.xlsx"), ".csv or .parquet", 1),
    ):
        got, _, err = run(place, capsys, *words)
        assert (got, wanted in err) == (code, True), err
