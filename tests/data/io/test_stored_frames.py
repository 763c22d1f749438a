"""Tables in h5ad files of many years, and of converters: the same rows, whoever wrote them."""

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import IntegrityError
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from aivc.data.io.stored_frames import stored_frame

COUNTS_NF = np.array([[0, 2, 0], [1, 0, 7], [0, 0, 5], [4, 1, 0]], dtype=np.float32)
LABELS = np.array(["NT", "TP53", "JAK2"])
CODES = np.array([0, 1, 2, 1], dtype=np.int8)
CELLS, GENES = np.array(list("abcd")), np.array(["JAK2", "TP53", "MYC"])
TRANSLATED = ["control", "ko:TP53", "ko:JAK2", "ko:TP53"]


def schema(**more):
    return Schema(units="counts", perturbation="target", control="NT", kind="ko", **more)


def sparse_group(file, place, matrix, **attributes):
    group = file.create_group(place)
    for name in ("data", "indices", "indptr"):
        group[name] = getattr(matrix, name)
    group.attrs.update(attributes)


def before_0_7(path, *, layout="csr"):
    """Tables are arrays of fields, categories lie in uns, raw is ``raw.X`` and ``raw.var``."""
    with h5py.File(path, "w") as file:
        obs = list(zip(np.char.encode(CELLS), CODES, [1.5, 2.5, 3.5, 4.5], strict=True))
        file["obs"] = np.array(obs, dtype=[("index", "S8"), ("target", "i1"), ("size", "f4")])
        file["var"] = np.array([(each,) for each in np.char.encode(GENES)], dtype=[("index", "S20")])
        file["raw.var"] = np.array(
            [(each, i) for i, each in enumerate(np.char.encode(GENES))], dtype=[("index", "S20"), ("how", "i1")]
        )
        file["raw.cat/how_categories"] = np.array([b"x", b"y", b"z"])
        of = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[layout]
        for place, factor in (("X", 1), ("raw.X", 3)):
            attributes = {"h5sparse_format": np.bytes_(layout), "h5sparse_shape": np.array(COUNTS_NF.shape)}
            sparse_group(file, place, of(COUNTS_NF * factor), **attributes)
        file["uns/target_categories"] = np.char.encode(LABELS)
    return path


def in_0_7(path):
    """Codes in a group of columns, whose categories are pointed to by a reference."""
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        for place, names in (("obs", CELLS), ("var", GENES)):
            group = file.create_group(place)
            group.create_dataset("_index", data=names.astype(object), dtype=text)
            group.attrs.update({"_index": "_index", "encoding-type": "dataframe", "encoding-version": "0.1.0"})
            group.attrs.create("column-order", ["target"] if place == "obs" else [], dtype=text)
        kept = file["obs"].create_dataset("__categories/target", data=LABELS.astype(object), dtype=text)
        file["obs/target"] = CODES
        file["obs/target"].attrs["categories"] = kept.ref
        sparse_group(
            file, "X", sparse.csr_matrix(COUNTS_NF), **{"encoding-type": "csr_matrix", "encoding-version": "0.1.0"},
            shape=np.array(COUNTS_NF.shape),
        )  # fmt: skip
    return path


def by_seurat_disk(path):
    """Codes without a reference to their categories; X scaled, raw without an order of columns."""
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file["X"] = COUNTS_NF[:, :2] / 3 - 1
        sparse_group(file, "raw/X", sparse.csr_matrix(COUNTS_NF), **{"encoding-type": "csr_matrix"})
        for place, names in (("obs", CELLS), ("var", GENES[:2]), ("raw/var", GENES)):
            group = file.create_group(place)
            group.create_dataset("_index", data=names.astype(object), dtype=text)
            group.attrs["_index"] = "_index"
        file["obs"].attrs.update({"encoding-type": "dataframe", "encoding-version": "0.1.0"})
        file["obs"].attrs.create("column-order", ["target", "nCount_RNA", "orig.ident"], dtype=text)
        file["obs/target"] = CODES.astype(np.int32)
        file["obs"].create_dataset("__categories/target", data=LABELS.astype(object), dtype=text)
        file["obs/nCount_RNA"] = COUNTS_NF.sum(axis=1)
        file["obs"].create_dataset("orig.ident", data=np.array(["p"] * 4, dtype=object), dtype=text)
    return path


def test_files_from_before_groups_of_columns(tmp_path):
    path = before_0_7(tmp_path / "x.h5ad")
    m = read(path, schema())
    assert m.perturbations.tolist() == TRANSLATED
    assert m.features.tolist() == GENES.tolist()
    assert m.entities["size"].tolist() == [1.5, 2.5, 3.5, 4.5]
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    np.testing.assert_array_equal(read(path, schema(), backed=True).dense(), COUNTS_NF)
    np.testing.assert_array_equal(read(path, schema(layer="raw")).dense(), COUNTS_NF * 3)
    by_column = read(before_0_7(tmp_path / "y.h5ad", layout="csc"), schema())
    np.testing.assert_array_equal(by_column.dense(), COUNTS_NF)


def test_codes_with_a_reference_to_their_categories(tmp_path):
    m = read(in_0_7(tmp_path / "x.h5ad"), schema())
    assert m.perturbations.tolist() == TRANSLATED
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)


def test_factors_of_r_keep_their_levels(tmp_path):
    path = by_seurat_disk(tmp_path / "x.h5ad")
    m = read(path, schema(layer="raw"))
    assert m.perturbations.tolist() == TRANSLATED
    assert m.entities["orig.ident"].tolist() == ["p"] * 4
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    assert read(path, schema(layer="raw"), backed=True).features.tolist() == GENES.tolist()


def test_missing_codes_are_blank_and_impossible_ones_are_refused(tmp_path):
    path = by_seurat_disk(tmp_path / "x.h5ad")
    with h5py.File(path, "r+") as file:
        file["obs/target"][3] = -(2**31)
    blank = Schema(units="counts", perturbation="target", control=("NT", ""), kind="ko", layer="raw")
    assert read(path, blank).perturbations[3] == "control"
    with h5py.File(path, "r+") as file:
        file["obs/target"][3] = 3
    with pytest.raises(IntegrityError, match="points to categories that are not there"):
        read(path, blank)


@pytest.mark.parametrize(
    ("place", "attribute", "value", "wanted"),
    [
        ("obs", "encoding-version", "9.0.0", "/obs is encoded as 'dataframe' in version 9.0.0, and version 0.2.0"),
        ("obs", "encoding-type", "table-of-tomorrow", "/obs is encoded as 'table-of-tomorrow' in version 0.2.0, which"),
        ("obs/target", "encoding-version", "9.0.0", "/obs/target is encoded as 'categorical' in version 9.0.0"),
        ("X", "encoding-type", "blocks", "/X is encoded as 'blocks' in version 0.1.0, which is not read here"),
    ],
)  # fmt: skip
def test_an_encoding_of_tomorrow_is_named_with_its_version(tmp_path, place, attribute, value, wanted):
    obs = pd.DataFrame({"target": pd.Categorical(LABELS[CODES])}, index=CELLS)
    path = tmp_path / "x.h5ad"
    anndata.AnnData(sparse.csr_matrix(COUNTS_NF), obs, pd.DataFrame(index=GENES)).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file[place].attrs[attribute] = value
    with pytest.raises(IntegrityError, match=wanted) as caught:
        read(path, schema())
    assert "with anndata 0." in str(caught.value)


def test_plain_tables_are_read_as_anndata_reads_them(tmp_path):
    frame = pd.DataFrame(
        {
            "text": ["x", "", "z"],
            "kind": pd.Categorical(["b", None, "a"], categories=["b", "a", "never"], ordered=True),
            "count": np.array([1, 2, 3], dtype=np.int32),
            "share": [0.5, np.nan, 1.0],
            "flag": [True, False, True],
        },
        index=pd.Index(list("abc"), name="cell"),
    )
    nullable = frame.assign(maybe=pd.array([1, None, 3], dtype="Int64"))
    with h5py.File(tmp_path / "frames.h5", "w") as file:
        for name, table in {"plain": frame, "none": frame[[]], "nullable": nullable}.items():
            anndata.io.write_elem(file, name, table)
            pd.testing.assert_frame_equal(stored_frame(file[name]), anndata.io.read_elem(file[name]))
