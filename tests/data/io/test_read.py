"""Reading data: every format in, every label translated, every damaged or hostile file refused."""

import gzip
import json
import os
import pickle
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.io import mmwrite

from aivc.core.errors import DataError, IntegrityError, SchemaError, UnavailableError
from aivc.core.measurement import StoredRows
from aivc.data.io.read import open_raw, read
from aivc.data.io.schema import Constant, Schema

PAPALEXI = Path(os.environ.get("AIVC_DATA", "/nowhere"), "A/papalexi2021_thp1_eccite_299genes.h5ad")
COUNTS_NF = np.array([[0, 2, 0], [1, 0, 300], [0, 0, 5], [4, 1, 0]], dtype=np.uint16)
LABELS = ["NT", "TP53", "TP53+STAT1", "NT+JAK2"]
TRANSLATED = ["control", "ko:TP53", "ko:STAT1 + ko:TP53", "ko:JAK2"]
SCREEN = Schema(units="counts", perturbation="target", control="NT", kind="ko", separator="+", batch="rep")


def adata(values=None, **obs):
    columns = {"target": pd.Categorical(LABELS), "rep": ["r1", "r1", "r2", "r2"], **obs}
    table = pd.DataFrame(columns, index=list("abcd"))
    var = pd.DataFrame({"ensembl": ["E1", "E2", "E3"]}, index=["G1", "G2", "G3"])
    return anndata.AnnData(sparse.csr_matrix(COUNTS_NF) if values is None else values, table, var)


def written(tmp_path, data=None, name="x.h5ad"):
    path = tmp_path / name
    data = adata() if data is None else data
    data.write_zarr(path) if name.endswith(".zarr") else data.write_h5ad(path)
    return path


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", ["x.h5ad", "x.zarr"])
@pytest.mark.parametrize("backed", [False, True])
def test_anndata_comes_through_sparse(tmp_path, name, backed):
    m = read(written(tmp_path, name=name), SCREEN, backed=backed)
    assert m.perturbations.tolist() == TRANSLATED
    assert m.features.tolist() == ["G1", "G2", "G3"]
    assert m.entities["batch"].tolist() == ["r1", "r1", "r2", "r2"]
    assert m.entities.index.tolist() == list("abcd")
    assert isinstance(m.values, StoredRows) == backed
    assert sparse.issparse(m.block(0, 2))
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    np.testing.assert_array_equal(m.take(np.array([3, 1])).dense(), COUNTS_NF[[3, 1]])


def test_small_integers_become_floats_that_do_not_overflow(tmp_path):
    m = read(written(tmp_path), SCREEN)
    assert m.values.dtype == np.float32


def test_dense_csc_layers_raw_and_coordinates(tmp_path):
    data = adata(COUNTS_NF.astype(np.float32))
    data.layers["spliced"] = sparse.csc_matrix(COUNTS_NF.astype(np.float32) * 2)
    data.raw = data.copy()
    data.obsm["spatial"] = np.arange(8.0).reshape(4, 2)
    path = written(tmp_path, data)
    m = read(path, Schema(**{**vars(SCREEN), "coordinates": "spatial", "coordinate_unit": "um", "features": "ensembl"}))
    np.testing.assert_array_equal(m.values, COUNTS_NF)
    assert m.features.tolist() == ["E1", "E2", "E3"]
    np.testing.assert_array_equal(m.coordinates, data.obsm["spatial"])
    spliced = Schema(**{**vars(SCREEN), "layer": "spliced"})
    np.testing.assert_array_equal(read(path, spliced).dense(), COUNTS_NF * 2)
    with pytest.raises(SchemaError, match=r"adata.X = adata.X.tocsr\(\)"):
        read(path, spliced, backed=True)
    np.testing.assert_array_equal(read(path, Schema(**{**vars(SCREEN), "layer": "raw"})).dense(), COUNTS_NF)
    with pytest.raises(SchemaError, match="layers/spliced"):
        read(path, Schema(**{**vars(SCREEN), "layer": "unspliced"}))


def test_labels_kinds_doses_and_hours(tmp_path):
    obs = {
        "drug": ["DMSO", " nutlin-3 ", "a/b", "TP53"],
        "how": ["drug", "drug", "drug", "ko"],
        "dose": [0.0, 10.0, 0.5, np.nan],
        "perturbation": ["theirs"] * 4,
    }
    schema = Schema(
        units="counts", perturbation="drug", control="DMSO", kind_column="how", dose="dose", dose_unit=Constant("uM"),
        hours=Constant(48), context=Constant("K562"),
    )  # fmt: skip
    m = read(written(tmp_path, adata(**obs)), schema)
    assert m.perturbations.tolist() == [
        "control",
        "drug:nutlin-3@10uM for 48h",
        "drug:a%2Fb@0.5uM for 48h",
        "ko:TP53 for 48h",
    ]
    assert set(m.contexts) == {"K562"}
    assert m.entities["original:perturbation"].tolist() == ["theirs"] * 4


@pytest.mark.parametrize(("unit", "hours"), [("h", 1.0), ("min", 1 / 60), ("d", 24.0)])
def test_times_are_read_in_hours_and_are_no_durations(tmp_path, unit, hours):
    path = written(tmp_path, adata(time=[0.0, 1.5, 3.0, 6.0], treated=[np.nan, 6, 6, 6]))
    m = read(path, Schema(**{**vars(SCREEN), "time": "time", "time_unit": unit, "hours": "treated"}))
    np.testing.assert_allclose(m.times, np.array([0.0, 1.5, 3.0, 6.0]) * hours)
    assert m.perturbations.tolist() == ["control", *(f"{text} for 6h" for text in TRANSLATED[1:])]
    np.testing.assert_allclose(m.take(np.array([3, 1])).times, np.array([6.0, 1.5]) * hours)
    constant = read(path, Schema(**{**vars(SCREEN), "time": Constant(2), "time_unit": unit}))
    np.testing.assert_allclose(constant.times, np.full(4, 2 * hours))


@pytest.mark.parametrize(
    ("column", "rule", "hours"),
    [
        (["d0", "day 1", "d2", "72h"], {"times": "stated"}, [0, 24, 48, 72]),
        (["E15.5", "E16", "P0", "P1"], {"times": "embryonic", "birth": 19.5}, [372, 384, 468, 492]),
        (["0", "1", "1", "2"], {"time_unit": "d", "time_map": ("0=2", "1=4", "2=6")}, [48, 96, 96, 144]),
    ],
)
def test_times_are_read_from_texts_by_a_declared_rule(tmp_path, column, rule, hours):
    schema = Schema(**{**vars(SCREEN), "time": "when", **rule})
    assert read(written(tmp_path, adata(when=column)), schema).times.tolist() == hours
    with pytest.raises(DataError, match="late"):
        read(written(tmp_path, adata(when=[*column[:3], "late"])), schema)


def test_a_time_that_nobody_declared_is_in_no_unit(tmp_path):
    m = read(written(tmp_path, adata(time=["day 1", "day 1", "day 2", "day 2"])), SCREEN)
    assert m.times is None
    assert m.entities["original:time"].tolist() == ["day 1", "day 1", "day 2", "day 2"]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (["1", "2", "late", "4"], "time is a number for every entity, got late"),
        ([1.0, np.nan, 3.0, np.nan], "2 of 4 entities have no finite time. Fill the column in"),
        ([1.0, np.inf, 3.0, 4.0], "1 of 4 entities have no finite time"),
    ],
)
def test_times_are_finite_numbers(tmp_path, column, problem):
    schema = Schema(**{**vars(SCREEN), "time": "time", "time_unit": "h"})
    with pytest.raises(DataError, match=problem):
        read(written(tmp_path, adata(time=column)), schema)


def test_times_of_tables_wide_and_long(tmp_path):
    wide = "cell,target,day,G1,G2\na,NT,0,1,2\nb,TP53,2,3,4\n"
    (tmp_path / "wide.csv").write_text(wide)
    schema = Schema(
        units="counts", perturbation="target", control="NT", kind="ko", entity="cell", time="day", time_unit="d"
    )
    m = read(tmp_path / "wide.csv", schema)
    assert m.features.tolist() == ["G1", "G2"]
    assert m.times.tolist() == [0.0, 48.0]
    (tmp_path / "long.csv").write_text("drug,min,gene,lfc\nx,30,G1,1\nx,60,G1,2\n")
    schema = Schema(
        units="log2fc", format="long", perturbation="drug", kind="drug", feature="gene", value="lfc", time="min",
        time_unit="min",
    )  # fmt: skip
    assert read(tmp_path / "long.csv", schema).times.tolist() == [0.5, 1.0]


def test_texts_of_perturbations_are_made_canonical(tmp_path):
    obs = {"p": ["control", "ko:B + ko:A", "drug:x@1uM", "ko:A"]}
    m = read(written(tmp_path, adata(**obs)), Schema(units="counts", perturbation="p", control="control"))
    assert m.perturbations.tolist() == ["control", "ko:A + ko:B", "drug:x@1uM", "ko:A"]


def test_plain_labels_without_a_kind_are_one_problem(tmp_path):
    with pytest.raises(DataError, match='kind = "ko"') as caught:
        read(written(tmp_path, adata()), Schema(units="counts", perturbation="target", control="NT"))
    assert len(caught.value.problems) == 1


def test_a_missing_metadata_table_is_reported_as_missing(tmp_path):
    schema = Schema(units="counts", perturbation="target", control="NT", kind="ko", metadata="cells.csv")
    with pytest.raises(SchemaError, match="There is no table"):
        read(written(tmp_path, adata()), schema)


def test_every_structural_problem_is_reported_at_once(tmp_path):
    data = adata(cell_type=["T", None, "B", "T"])
    data.var_names = ["G1", "G1", "G3"]
    schema = Schema(
        units="counts", perturbation="target", control="non-targeting", kind="ko", context="cell_type", batch="repp"
    )
    with pytest.raises(DataError) as caught:
        read(written(tmp_path, data), schema)
    answer = "\n".join(caught.value.problems)
    for part in (
        "Did you mean 'rep'?",
        "Did you mean 'NT'?",
        "1 of 4 entities have no context",
        "G1",
        'blank = "unknown"',
        'separator = "+"',
    ):
        assert part in answer
    assert len(caught.value.problems) == 5


def test_blank_labels_can_be_named_or_be_controls(tmp_path):
    data = adata(cell_type=["T", None, "B", "T"], guide=[None, "A", "B", "C"])
    schema = Schema(units="counts", perturbation="guide", control="", kind="ko", context="cell_type", blank="unknown")
    m = read(written(tmp_path, data), schema)
    assert m.perturbations[0] == "control"
    assert m.contexts.tolist() == ["T", "unknown", "B", "T"]


def ten_x(path, *, version=3, types=("Gene Expression",) * 3):
    matrix = sparse.csr_matrix(COUNTS_NF.astype(np.int32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(matrix, key)
        group["shape"] = np.array([3, 4])
        group["barcodes"] = np.array([b"a", b"b", b"c", b"d"])
        names, ids = np.array([b"G1", b"G2", b"G3"]), np.array([b"E1", b"E2", b"E3"])
        if version == 3:
            group["features/name"], group["features/id"] = names, ids
            group["features/feature_type"] = np.array(types, dtype="S")
        else:
            group["gene_names"], group["genes"] = names, ids
    return path


def with_metadata(folder):
    (folder / "cells.csv").write_text("barcode,target,rep\nd,NT+JAK2,r2\na,NT,r1\nb,TP53,r1\nc,TP53+STAT1,r2\n")
    return Schema(**{**vars(SCREEN), "metadata": "cells.csv"})


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("backed", [False, True])
def test_ten_x_h5(tmp_path, version, backed):
    m = read(ten_x(tmp_path / "x.h5", version=version), with_metadata(tmp_path), backed=backed)
    assert sparse.issparse(m.block(0, 4))
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    assert m.perturbations.tolist() == TRANSLATED


@pytest.mark.parametrize("backed", [False, True])
def test_ten_x_other_feature_types_are_left_aside_and_reported(tmp_path, backed):
    path = ten_x(tmp_path / "x.h5", types=("Gene Expression", "Antibody Capture", "Gene Expression"))
    m = read(path, with_metadata(tmp_path), backed=backed)
    np.testing.assert_array_equal(m.dense(), COUNTS_NF[:, [0, 2]])
    assert "1 of type 'Antibody Capture'" in m.provenance["notes"][0]


@pytest.mark.parametrize("zipped", [False, True])
def test_ten_x_folder(tmp_path, zipped):
    mmwrite(tmp_path / "matrix.mtx", sparse.coo_matrix(COUNTS_NF.T.astype(np.int32)))
    (tmp_path / "barcodes.tsv").write_text("a\nb\nc\nd\n")
    (tmp_path / "features.tsv").write_text(
        "E1\tNA\tGene Expression\nE2\tG2\tGene Expression\nE3\tG3\tGene Expression\n"
    )
    if zipped:
        for name in ("matrix.mtx", "barcodes.tsv", "features.tsv"):
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress((tmp_path / name).read_bytes()))
            (tmp_path / name).unlink()
    m = read(tmp_path, with_metadata(tmp_path))
    assert sparse.issparse(m.values)
    assert m.features.tolist() == ["NA", "G2", "G3"]
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    (tmp_path / "cells.csv").write_text("barcode,target,rep\na,NT,r1\nz,NT,r1\n")
    with pytest.raises(DataError, match="does not describe 3 of 4 entities, first 'b'"):
        read(tmp_path, SCREEN.from_json({**SCREEN.to_json(), "metadata": "cells.csv"}))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv.gz", "t.parquet"])
def test_wide_table_of_states(tmp_path, name):
    frame = pd.DataFrame(COUNTS_NF, columns=["G1", "G2", "G3"]).assign(target=LABELS, rep=[1, 1, 2, 2], n=[9, 9, 9, 9])
    path = tmp_path / name
    frame.to_parquet(path) if name.endswith("t") else frame.to_csv(
        path, sep="\t" if "tsv" in name else ",", index=False
    )
    m = read(path, Schema(**{**vars(SCREEN), "describe": ("n",)}))
    np.testing.assert_array_equal(m.dense(), COUNTS_NF)
    assert m.features.tolist() == ["G1", "G2", "G3"]
    assert m.entities["batch"].tolist() == ["1", "1", "2", "2"]
    assert m.entities.index[0] == "row-0"


def test_long_effects_know_what_was_not_measured(tmp_path):
    path = tmp_path / "effects.csv"
    path.write_text("line,drug,gene,lfc\nA,x,G1,1.5\nA,x,G2,-2\nB,x,G1,0\nB,y,G2,\n")
    schema = Schema(
        units="log2fc", format="long", perturbation="drug", kind="drug", context="line", feature="gene", value="lfc"
    )
    m = read(path, schema)
    assert m.entities.index.tolist() == ["x|A", "x|B", "y|B"]
    assert m.perturbations.tolist() == ["drug:x", "drug:x", "drug:y"]
    np.testing.assert_array_equal(m.values, [[1.5, -2], [0, 0], [0, 0]])
    np.testing.assert_array_equal(m.observed, [[True, True], [True, False], [False, False]])
    path.write_text("line,drug,gene,lfc\nA,x,G1,1.5\nA,x,G1,2\n")
    with pytest.raises(DataError, match="Average them"):
        read(path, schema)
    with pytest.raises(SchemaError, match="no column logfc"):
        read(path, Schema(**{**vars(schema), "value": "logfc"}))


def test_wide_effects_named_by_perturbation(tmp_path):
    path = tmp_path / "effects.csv"
    path.write_text(",G1,G2\nTP53,0.5,\nNone,1,2\n")
    m = read(path, Schema(units="zscore", kind="ko", context=Constant("K562"), keep="None"))
    assert m.perturbations.tolist() == ["ko:TP53", "ko:None"]
    np.testing.assert_array_equal(m.observed, [[True, False], [True, True]])


def test_columns_that_pandas_would_mend_in_silence_are_reported(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("target,G1,G1,G3\nNT,1,2,3\nTP53,1,2,low\nTP53,1,2,3\n")
    with pytest.raises(DataError) as caught:
        read(path, Schema(units="counts", perturbation="target", control="NT", kind="ko"))
    answer = "\n".join(caught.value.problems)
    assert "Column 'G1' stands 2 times" in answer
    assert "numeric but for 'low'" in answer


class Bomb:
    """Would leave a trace if it were unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


HOSTILE = {
    "random": lambda trace: np.random.default_rng(0).bytes(4096),
    "empty": lambda trace: b"",
    "pickle": lambda trace: pickle.dumps(Bomb(trace)),
}


@pytest.mark.parametrize("kind", [*HOSTILE, "zip", "npy", "truncated"])
@pytest.mark.parametrize("name", ["x.h5ad", "x.h5", "x.parquet", "x.csv.gz"])
def test_hostile_and_truncated_files_are_refused(tmp_path, kind, name):
    path, trace = tmp_path / name, tmp_path / "trace"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("X", "1")
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    elif kind == "truncated":
        whole = written(tmp_path, name="whole.h5ad").read_bytes()
        path.write_bytes(whole[: len(whole) // 2] if name.startswith("x.h5") else gzip.compress(whole)[:-20])
    else:
        path.write_bytes(HOSTILE[kind](trace))
    with pytest.raises(IntegrityError, match="Fetch or export it again"):
        read(path, SCREEN)
    assert not trace.exists()


@pytest.mark.parametrize("backed", [False, True])
@pytest.mark.parametrize("fault", ["outside", "negative", "twice", "pointers", "text"])
def test_a_damaged_matrix_is_refused_before_it_is_used(tmp_path, fault, backed):
    path = written(tmp_path)
    with h5py.File(path, "r+") as file:
        node = file["X"]
        if fault == "pointers":
            node["indptr"][1] = 99
        elif fault == "text":
            del node["data"]
            node["data"] = np.array([b"a"] * 6)
        else:
            node["indices"][:] = {"outside": 7, "negative": -1, "twice": 0}[fault]
    with pytest.raises(IntegrityError, match="Fetch or export it again"):
        read(path, SCREEN, backed=backed).dense()


def test_a_matrix_that_declares_more_than_it_holds_is_never_loaded(tmp_path):
    path = written(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file.create_dataset("X", (10**9, 10**9), "f4", chunks=(1000, 1000))
    with pytest.raises(IntegrityError, match=r"declares .* made to fill the memory"):
        read(path, SCREEN)


def test_links_to_other_files_are_refused(tmp_path):
    path = written(tmp_path)
    with h5py.File(path, "r+") as file:
        del file["obs/rep"]
        file["obs/rep"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(IntegrityError, match="links to another file"):
        read(path, SCREEN)
    (tmp_path / "secret").write_bytes(b"12345678" * 8)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = h5py.SoftLink("/moved")
        file.create_dataset("moved", (4, 3), "f4", external=[(str(tmp_path / "secret"), 0, 48)])
    with pytest.raises(IntegrityError, match="links to another place"):
        read(path, SCREEN)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file.move("moved", "X")
    with pytest.raises(IntegrityError, match="keeps its data in another file"):
        read(path, SCREEN)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_zarr_chunks_that_are_pickles_are_refused(tmp_path):
    path = written(tmp_path, name="x.zarr")
    node = next(file for file in path.rglob("*") if file.name in (".zarray", "zarr.json"))
    (node.parent / ".zarray").write_text(json.dumps({"zarr_format": 2, "filters": [{"id": "pickle", "protocol": 4}]}))
    with pytest.raises(IntegrityError, match="pickles, which run code"):
        read(path, SCREEN)
    (tmp_path / "y.zarr").mkdir()
    with pytest.raises(IntegrityError, match="Fetch or export it again"):
        read(tmp_path / "y.zarr", SCREEN)


def test_unknown_kinds_of_files_are_refused(tmp_path):
    (tmp_path / "x.loom").write_bytes(b"x")
    with pytest.raises(IntegrityError, match=r"supported are \.h5ad, \.zarr, \.h5mu"):
        read(tmp_path / "x.loom", SCREEN)
    with pytest.raises(UnavailableError, match="Check the path"):
        read(tmp_path / "absent.h5ad", SCREEN)
    with pytest.raises(IntegrityError, match=r"no matrix\.mtx"):
        read(tmp_path, SCREEN)
    (tmp_path / "x.csv").write_text("a\n1\n")
    with pytest.raises(SchemaError, match="cannot stay on disk"):
        read(tmp_path / "x.csv", SCREEN, backed=True)


@pytest.mark.skipif(not PAPALEXI.is_file(), reason="AIVC_DATA does not name a folder with the Papalexi screen")
def test_papalexi_backed_and_in_memory_agree():
    schema = Schema(units="counts", perturbation="target", control="non-targeting", kind="ko", batch="bio_rep")
    whole, lazy = read(PAPALEXI, schema), read(PAPALEXI, schema, backed=True)
    assert len(whole) == 20729
    assert (whole.perturbations == "control").sum() == 2386
    assert len(set(whole.perturbations)) == 26
    rows = np.array([20728, 5, 9000])
    np.testing.assert_array_equal(whole.take(rows).dense(), lazy.take(rows).dense())


def test_a_row_of_labels_in_a_table_of_genes_is_one_problem(tmp_path):
    rows = [["target", "NT", "JAK2", "MYC"], *([f"G{i}", 1, 2, 3] for i in range(20))]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([",c0,c1,c2", *(",".join(map(str, row)) for row in rows)]))
    schema = Schema(units="counts", perturbation="target", control="NT", kind="ko", format="transposed")
    found = [text for text in open_raw(path, schema).problems if "hold text in nearly every column ('target')" in text]
    assert len(found) == 1
    assert len(open_raw(path, schema).problems) == 1
