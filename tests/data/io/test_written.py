import csv

import pandas as pd
import pytest

from aivc.data.io.written import as_written, write_table

HOSTILE = [
    "=HYPERLINK(\"http://x\")", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "\n=1+1", "'=1+1",
    "\uff1d1+1", "\uff20SUM(A1)", "x;=1+1", "x\t=1+1", "plain, with a comma", "ko:JAK2",
]  # fmt: skip


def cells(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_no_cell_is_one_that_a_spreadsheet_runs(tmp_path):
    path = tmp_path / "rows.csv"
    table = pd.DataFrame({"=name": HOSTILE, "kind": pd.Categorical(HOSTILE)})
    write_table(table, path)
    header, *rows = cells(path)
    assert header == ["'=name", "kind"]
    for row, given in zip(rows, HOSTILE, strict=True):
        assert row[0] == row[1] == (given if given[0] in "xpk" else f"'{given}")
    # Where a spreadsheet splits at semicolons or tabs, what stands between quotes stays together.
    assert '"x;=1+1"' in path.read_text(encoding="utf-8")
    assert '"x\t=1+1"' in path.read_text(encoding="utf-8")
    read = pd.read_csv(path, keep_default_na=False, lineterminator="\n")
    assert list(as_written(read)["=name"]) == HOSTILE


@pytest.mark.parametrize("texts", [["ko:A", "ko:B"], ["=1", "x;y"]])
def test_numbers_stay_numbers(tmp_path, texts):
    path = tmp_path / "rows.csv"
    mixed = pd.Series([-1.0, None], dtype=object)
    numbers = {"score": [-1.5, 2e-9], "rank": [-1, 2], "seen": [True, False], "mixed": mixed}
    write_table(pd.DataFrame({"name": texts, **numbers}), path)
    assert [row[1:] for row in cells(path)[1:]] == [["-1.5", "-1", "True", "-1.0"], ["2e-09", "2", "False", ""]]
    read = pd.read_csv(path)
    assert list(read["score"]) == [-1.5, 2e-9]
    assert list(read["rank"]) == [-1, 2]
