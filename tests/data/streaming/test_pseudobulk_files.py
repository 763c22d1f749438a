"""Pseudobulk of many files is that of each, joined, whoever does the work."""

import os

import anndata
import numpy as np
import pandas as pd
import pytest

from aivc.compute.executor import executor
from aivc.core.errors import DataError, IntegrityError, UnavailableError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.io.schema import Schema
from aivc.data.streaming.pseudobulk_files import pseudobulk_files
from aivc.data.streaming.stream import pseudobulk
from aivc.data.synthetic import synthetic_screen

SCHEMA = Schema(units="counts", perturbation="perturbation", control="control", context="context", species="none")


def written(path, cells, rows, context=None):
    part = cells.take(rows)
    obs = part.entities[["perturbation", "context"]].astype(str)
    obs = obs if context is None else obs.assign(context=context)
    anndata.AnnData(part.values, obs=obs, var=pd.DataFrame(index=list(part.features))).write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def cells():
    return synthetic_screen(perturbations=4, features=12, cells=8, controls=20, seed=2)[0]


@pytest.fixture(scope="module")
def files(cells, tmp_path_factory):
    """The screen cut in three; controls are in the first alone."""
    folder, order = tmp_path_factory.mktemp("plates"), np.argsort(cells.perturbations != "control", kind="stable")
    cuts = [order[:25], order[25:40], order[40:]]
    return [written(folder / f"plate-{i}.h5ad", cells, rows) for i, rows in enumerate(cuts)]


def same(one: Measurement, other: Measurement):
    np.testing.assert_array_equal(one.values, other.values)
    pd.testing.assert_frame_equal(one.entities, other.entities)


@pytest.mark.parametrize("units", [None, "log1p_cp10k"])
def test_files_add_up_to_what_all_their_cells_do(cells, files, units):
    found, whole = pseudobulk_files(files, SCHEMA, units=units), pseudobulk(cells, units=units)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-12)
    assert found.entities.index.tolist() == whole.entities.index.tolist()
    assert found.entities["cells"].tolist() == whole.entities["cells"].tolist()
    assert found.features.tolist() == whole.features.tolist()
    assert (found.units, found.provenance["files"]) == (units or "counts", [f"plate-{i}.h5ad" for i in range(3)])


def test_groups_of_one_file_alone_are_those_of_that_file_to_the_last_digit(cells, tmp_path):
    half = np.arange(len(cells)) % 2 == 0
    paths = [written(tmp_path / f"{name}.h5ad", cells, half == (name == "a"), name) for name in ("b", "a")]
    found = pseudobulk_files(paths, SCHEMA, units="log1p_cp10k")
    alone = [pseudobulk_files([path], SCHEMA, units="log1p_cp10k") for path in sorted(paths)]
    assert found.entities.index.tolist() == [name for each in alone for name in each.entities.index]
    np.testing.assert_array_equal(found.values, np.vstack([each.values for each in alone]))


@pytest.mark.slow
def test_two_processes_add_up_what_one_does(files, tmp_path):
    by = executor("processes", 2)
    same(pseudobulk_files(files, SCHEMA, executor=by, out=tmp_path / "out"), pseudobulk_files(files, SCHEMA))
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 3


def test_it_goes_on_after_a_stop_and_never_with_a_file_that_changed(files, tmp_path, cells):
    out, told = tmp_path / "out", []
    whole = pseudobulk_files(files, SCHEMA, out=out)
    (out / "shard-000001.parquet").unlink()
    same(pseudobulk_files(files, SCHEMA, out=out, progress=lambda *said: told.append(said)), whole)
    assert told == [("working", 2, 3), ("working", 3, 3)]
    os.utime(files[0], (1, 1))
    with pytest.raises(IntegrityError, match="another question"):
        pseudobulk_files(files, SCHEMA, out=out)


def test_files_that_cannot_be_added_up_are_refused(files, tmp_path, cells):
    fewer = written(tmp_path / "fewer.h5ad", cells.select(cells.features[:5]), np.arange(20))
    with pytest.raises(DataError, match=r"fewer\.h5ad and plate-0\.h5ad differ in their features"):
        pseudobulk_files([files[0], fewer], SCHEMA)
    for paths in ([], [files[0], files[0]]):
        with pytest.raises(DataError, match="each once"):
            pseudobulk_files(paths, SCHEMA)
    with pytest.raises(UnavailableError, match="no file"):
        pseudobulk_files([*files, tmp_path / "none.h5ad"], SCHEMA)
    logs = Schema(units="log1p_cp10k", perturbation="perturbation", control="control", species="none")
    with pytest.raises(UnitsError, match="Ask for means"):
        pseudobulk_files(files, logs)
    with pytest.raises(UnitsError):
        pseudobulk_files(files, SCHEMA, units="log2fc")
