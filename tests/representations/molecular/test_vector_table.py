import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnavailableError, UnknownNameError
from aivc.core.molecule import Molecule
from aivc.core.state import State
from aivc.representations.molecular.vector_table import VectorTable

KEYS, VALUES = ["TP53", "STAT1", "NA"], np.arange(6.0).reshape(3, 2)


def _ask(table, *names, **given):
    return table.embed([Molecule("gene", name, **given) for name in names])


@pytest.fixture(params=["npz", "parquet", "csv", "tsv.gz", "h5ad"])
def file(request, tmp_path):
    """The same table in every format."""
    path = tmp_path / f"table.{request.param}"
    frame = pd.DataFrame(VALUES, columns=["a", "b"]).assign(name=KEYS)
    match request.param:
        case "npz":
            np.savez(path, name=np.array(KEYS), values=VALUES)
        case "parquet":
            frame.to_parquet(path)
        case "csv":
            frame.to_csv(path, index=False)
        case "tsv.gz":
            frame.to_csv(path, sep="\t", index=False)
        case _:
            data = anndata.AnnData(np.zeros((1, 3)), var=pd.DataFrame(index=KEYS), varm={"values": VALUES})
            data.write_h5ad(path)
    return path


def test_every_format_holds_the_same(file):
    table = VectorTable.read(file, "mine", licence="CC0")
    said = _ask(table, "STAT1", "unknown", "TP53", "NA")
    assert said.known.tolist() == [True, False, True, True]
    np.testing.assert_allclose(said.values, [[2, 3], [0, 0], [0, 1], [4, 5]])
    assert said.provenance["licence"] == "CC0"
    assert said.provenance["name"] == "mine"
    assert file.name in said.provenance["sources"]
    assert _ask(table, "TP53", species="mouse").known.tolist() == [False]


def test_a_mask_or_a_row_of_nan_says_what_is_not_known(tmp_path):
    np.savez(tmp_path / "t.npz", name=np.array(KEYS), values=VALUES, known=np.array([True, False, True]))
    assert _ask(VectorTable.read(tmp_path / "t.npz", "masked"), *KEYS).known.tolist() == [True, False, True]
    blank = np.where([[True], [False], [False]], np.nan, VALUES)
    assert _ask(VectorTable.of("blank", KEYS, blank), *KEYS).known.tolist() == [False, True, True]


def test_a_variant_is_not_its_reference():
    table = VectorTable.of("variants", ["TP53", "TP53:p.R175H"], VALUES[:2], asks=["protein"])
    asked = [Molecule("protein", "TP53", variant=text) for text in ("", "p.R175H", "p.R248Q")]
    said = table.embed(asked)
    assert said.known.tolist() == [True, True, False]
    np.testing.assert_allclose(said.values[1], VALUES[1])


def test_it_survives_saving(tmp_path):
    table = VectorTable.of("mine", KEYS, VALUES)
    table.state().save(tmp_path / "part")
    back = VectorTable.from_state(State.load(tmp_path / "part"))
    np.testing.assert_array_equal(_ask(back, *KEYS).values, VALUES)
    assert back.provenance == table.provenance


@pytest.mark.parametrize(
    ("keys", "values", "remedy"),
    [
        (["A", "A", "B"], VALUES, "Keep one row of each"),
        (["A", " B", "C"], VALUES, "Clean them"),
        (["A", "B\x00", "C"], VALUES, "Clean them"),
        (["A", "\u202eB", "C"], VALUES, "Clean them"),
        (["A", "", "C"], VALUES, "Clean them"),
        (["A", "x" * 300, "C"], VALUES, "Clean them"),
        (["A", "nan", "C"], VALUES, "Clean them"),
        (["A", "B"], VALUES, "one row for each of its 2 names"),
        (["A", "B", "C"], VALUES.astype(str), "array of numbers"),
        (["A", "B", "C"], VALUES[:, 0], "two-dimensional"),
        (["A", "B", "C"], np.where(VALUES == 2, np.nan, VALUES), "make the whole row NaN"),
        (["A", "B", "C"], np.where(VALUES == 2, np.inf, VALUES), "NaN or infinity"),
    ],
)
def test_bad_tables_are_refused(keys, values, remedy):
    with pytest.raises(DataError, match=remedy):
        VectorTable.of("bad", keys, values)


def test_bad_titles_are_refused():
    with pytest.raises(DataError, match="letters, digits and hyphens"):
        VectorTable.of("../x", KEYS, VALUES)


def test_bad_files_are_refused(tmp_path):
    with pytest.raises(UnavailableError, match="Check the path"):
        VectorTable.read(tmp_path / "absent.npz", "x")
    (tmp_path / "text.npz").write_text("not an archive")
    with pytest.raises(DataError, match="not an npz of plain arrays"):
        VectorTable.read(tmp_path / "text.npz", "x")
    np.savez(tmp_path / "objects.npz", name=np.array(KEYS, dtype=object), values=VALUES)
    with pytest.raises(DataError, match="fixed-width text"):
        VectorTable.read(tmp_path / "objects.npz", "x")
    np.savez(tmp_path / "other.npz", genes=np.array(KEYS), values=VALUES)
    with pytest.raises(UnknownNameError, match=r"array of other\.npz"):
        VectorTable.read(tmp_path / "other.npz", "x")
    assert len(VectorTable.read(tmp_path / "other.npz", "x", key="genes").keys) == 3
    (tmp_path / "words.csv").write_text("name,a\nTP53,high\n")
    with pytest.raises(DataError, match="not numbers: a"):
        VectorTable.read(tmp_path / "words.csv", "x")
    with pytest.raises(UnknownNameError, match="Did you mean 'name'"):
        VectorTable.read(tmp_path / "words.csv", "x", key="nam")
    (tmp_path / "weights.pkl").write_bytes(b"")
    with pytest.raises(DataError, match="Convert it"):
        VectorTable.read(tmp_path / "weights.pkl", "x")
