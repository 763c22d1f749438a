"""Tests of `aivc.compute.query`: finished shards asked in SQL."""

import sys

import pytest

from aivc.compute.executor import cut, executor
from aivc.compute.query import query
from aivc.core.errors import DataError, UnavailableError
from tiny_shards import Squares


def test_a_missing_library_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(UnavailableError, match=r"pip install \"aivc\[scale\]\""):
        query(tmp_path, "SELECT 1")


def test_results_are_asked_in_sql(tmp_path):
    pytest.importorskip("duckdb", reason="duckdb is not installed; it comes with the extra scale")
    with pytest.raises(UnavailableError, match="no finished shard"):
        query(tmp_path, "SELECT 1")
    list(executor("serial").run(Squares(), cut(40, 7), tmp_path / "out"))
    found = query(tmp_path / "out", "SELECT perturbation FROM results WHERE score > 1000 ORDER BY score DESC")
    assert found["perturbation"].to_pylist() == ["ko:G039", "ko:G038", "ko:G037", "ko:G036", "ko:G035"]
    with pytest.raises(DataError, match="Mend the SQL"):
        query(tmp_path / "out", "SELECT nothing FROM results")
