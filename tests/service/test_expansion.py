import gzip
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError
from aivc.service.expansion import expansion
from aivc.service.refusals import TooLargeError
from aivc.service.settings import Settings

SMALL = Settings(upload_limit=1 << 16)
ROW = b"TP53,0,0,0,0,0,0\n"


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_a_table_is_measured_as_what_it_expands_to(tmp_path):
    content = ROW * 1000
    for name in ("a.csv", "a.csv.gz"):
        assert expansion(written(tmp_path / name, content), SMALL).size == len(content)


def test_a_bomb_of_text_is_refused_by_what_is_taken_and_by_its_proportion(tmp_path):
    with pytest.raises(TooLargeError, match=r"^a\.csv\.gz holds more than 65,536 bytes once expanded"):
        expansion(written(tmp_path / "a.csv.gz", ROW * 5000), SMALL)
    # Small enough for a service that takes a lot.
    bomb = written(tmp_path / "b.tsv.gz", ROW * 1_200_000)
    with pytest.raises(IntegrityError, match=r"^b\.tsv\.gz expands to more than 200 times"):
        expansion(bomb, Settings())


def test_zero_bytes_are_no_text_but_in_utf_16(tmp_path):
    with pytest.raises(IntegrityError, match=r"^a\.csv holds zero bytes"):
        expansion(written(tmp_path / "a.csv", b"gene,A\nTP\x0053,1\n"), SMALL)
    assert expansion(written(tmp_path / "b.csv", "gene,A\nTP53,1\n".encode("utf-16")), SMALL).size


def test_a_bomb_of_many_arrays_is_counted_together(tmp_path):
    path = tmp_path / "a.h5ad"
    with h5py.File(path, "w") as file:
        for i in range(20):
            file.create_dataset(f"obs/{i}", (100_000,), "i8", chunks=(1000,), compression="gzip")
    with pytest.raises(TooLargeError, match=r"^a\.h5ad expands to 16,000,000 bytes, and at most 524,288"):
        expansion(path, SMALL)
    with h5py.File(tmp_path / "b.h5ad", "w") as file:
        for i in range(20):
            file.create_dataset(f"obs/{i}", (10_000_000,), "i8", chunks=(1000,), compression="gzip")
    with pytest.raises(IntegrityError, match="declares"):
        expansion(tmp_path / "b.h5ad", Settings())


def test_one_long_text_that_all_rows_point_to_counts_for_each(tmp_path):
    pd.DataFrame({"gene": ["x" * 1000] * 10_000}).to_parquet(tmp_path / "a.parquet")
    found = expansion(tmp_path / "a.parquet", Settings())
    assert found.held >= 10_000 * 1000
    with h5py.File(tmp_path / "a.h5ad", "w") as file:
        file.create_dataset("names", data=np.array(["x" * 1000] * 1000, dtype=object))
    assert expansion(tmp_path / "a.h5ad", Settings()).held >= 1000 * 1000


@pytest.mark.parametrize("gathered", [False, True])
def test_arrays_of_zarr_are_counted_wherever_they_are_declared(tmp_path, gathered):
    old = {"shape": [1000, 1000], "chunks": [10, 10], "dtype": "<f8"}
    new = {"shape": [1000, 1000], "node_type": "array", "data_type": "float64"}
    if gathered:
        written(tmp_path / "s.zarr/.zmetadata", json.dumps({"metadata": {"X/.zarray": old}}).encode())
    else:
        written(tmp_path / "s.zarr/X/zarr.json", json.dumps(new).encode())
    with pytest.raises(TooLargeError, match="expands to 8,000,"):
        expansion(tmp_path / "s.zarr", SMALL)


def test_texts_inside_of_a_folder_are_expanded_too(tmp_path):
    written(tmp_path / "f/barcodes.tsv.gz", ROW * 5000)
    with pytest.raises(TooLargeError, match=r"^barcodes\.tsv\.gz holds more than"):
        expansion(tmp_path / "f", SMALL)
    written(tmp_path / "g/matrix.mtx.gz", ROW * 1000)
    assert expansion(tmp_path / "g", SMALL).size == len(ROW) * 1000
