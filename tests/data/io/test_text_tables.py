"""Tables as Excel and R write them: the same numbers, whatever the encoding, separator and decimal sign."""

import gzip

import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.data.io.read import read
from aivc.data.io.schema import Constant, Schema

ROWS = [["cell", "target", "G1", "G2"], ["a", "NT", "0.5", "2"], ["b", "TP53", "1.25", "-3.5e-1"]]
VALUES = [[0.5, 2.0], [1.25, -0.35]]
SCHEMA = Schema(units="zscore", perturbation="target", control="NT", kind="ko", entity="cell")


def text(separator=",", decimal=".", rows=ROWS, line="\n"):
    return line.join(separator.join(cell.replace(".", decimal) for cell in row) for row in rows) + line


WRITTEN = {
    "semicolons": ("t.csv", text(";").encode(), "columns separated by ';'"),
    "decimal commas": ("t.csv", text(";", ",").encode(), "separated by ';', numbers with decimal commas"),
    "mark of UTF-8": ("t.csv", text().encode("utf-8-sig"), ""),
    "Excel, Unicode text": (
        "t.txt",
        text("\t", ",").encode("utf-16"),
        "encoded as UTF-16, numbers with decimal commas",
    ),
    "UTF-16 without a mark": ("t.tsv", text("\t").encode("utf-16-be"), "encoded as UTF-16-BE"),
    "gzipped UTF-16": ("t.csv.gz", gzip.compress(text(";", line="\r\n").encode("utf-16")), "UTF-16, columns"),
    "separator of Excel": ("t.csv", b"sep=;\r\n" + text(";", line="\r\n").encode(), "columns separated by ';'"),
    "tabs in a csv": ("t.csv", text("\t").encode(), "columns separated by '\\t'"),
    "commas in a tsv": ("t.tsv", text(",").encode(), "columns separated by ','"),
    "as it should be": ("t.txt.gz", gzip.compress(text("\t").encode()), ""),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_numbers_are_the_same_however_they_are_written(tmp_path, how):
    name, content, note = WRITTEN[how]
    (tmp_path / name).write_bytes(content)
    m = read(tmp_path / name, SCHEMA)
    np.testing.assert_allclose(m.values, VALUES)
    assert (m.features.tolist(), m.entities.index.tolist()) == (["G1", "G2"], ["a", "b"])
    assert m.perturbations.tolist() == ["control", "ko:TP53"]
    notes = m.provenance["notes"]
    assert (note in notes[0] and name in notes[0]) if note else notes == []


def test_what_a_spreadsheet_writes_for_missing_is_missing(tmp_path):
    (tmp_path / "t.csv").write_text("target,G1,G2,G3\nTP53,#N/A,2,n/a\nMYC,1,2,3\n")
    m = read(tmp_path / "t.csv", Schema(units="zscore", perturbation="target", kind="ko"))
    np.testing.assert_array_equal(m.observed, [[False, True, False], [True, True, True]])
    (tmp_path / "t.csv").write_text("target,G1,G2\nTP53,#DIV/0!,2\nMYC,1,2\nJAK2,1,2\n")
    with pytest.raises(DataError, match="'G1' is numeric but for '#DIV/0!'"):
        read(tmp_path / "t.csv", Schema(units="zscore", perturbation="target", kind="ko"))


def test_a_name_with_a_comma_does_not_separate(tmp_path):
    (tmp_path / "t.csv").write_text('target;dose, text;G1\nTP53;"low; or so";1\nMYC;high, or so;2\n')
    m = read(tmp_path / "t.csv", Schema(units="zscore", perturbation="target", kind="ko"))
    assert m.features.tolist() == ["G1"]
    assert m.entities["dose, text"].tolist() == ["low; or so", "high, or so"]


def test_decimal_commas_stay_thousands_nowhere(tmp_path):
    (tmp_path / "t.csv").write_text('target,G1\nTP53,"1,5"\nMYC,2.5\nJAK2,3\n')
    with pytest.raises(DataError, match="numeric but for '1,5'"):
        read(tmp_path / "t.csv", Schema(units="zscore", perturbation="target", kind="ko"))


def test_other_encodings_are_refused_with_the_remedy(tmp_path):
    (tmp_path / "t.csv").write_bytes("target,unit,G1\nTP53,µM,1\n".encode("cp1252"))
    with pytest.raises(IntegrityError, match=r"byte 0xb5.*as UTF-8; Excel calls it CSV UTF-8"):
        read(tmp_path / "t.csv", Schema(units="zscore", perturbation="target", kind="ko"))


def test_r_leaves_the_first_name_out(tmp_path):
    (tmp_path / "t.tsv").write_text("target\tG1\na\tTP53\t1.5\nb\tMYC\t2\n")
    m = read(tmp_path / "t.tsv", Schema(units="zscore", perturbation="target", kind="ko", context=Constant("K562")))
    assert m.entities.index.tolist() == ["a", "b"]
    assert m.dense().ravel().tolist() == [1.5, 2.0]
