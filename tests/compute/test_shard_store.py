"""Tests of `aivc.compute.shard_store`: whole shards stay, anything else is done again or refused."""

import pyarrow as pa
import pytest

from aivc.compute.shard_store import ShardStore
from aivc.core.errors import IntegrityError

TABLE = pa.table({"score": [1.0, 2.0]}).replace_schema_metadata({"features": "[]"})


def store(folder, task="task"):
    made = ShardStore.of(folder, task, [(0, 0, 2), (1, 2, 4)])
    made.begin(resume=True)
    return made


def test_a_shard_comes_back_as_it_was(tmp_path):
    made = store(tmp_path / "out")
    made.write(1, TABLE)
    assert made.finished() == {1}
    assert made.read(1).equals(TABLE, check_metadata=True)


def test_cut_off_and_foreign_shards_are_done_again(tmp_path):
    made = store(tmp_path / "out")
    made.write(0, TABLE)
    made.path(0).write_bytes(made.path(0).read_bytes()[:-9])
    store(tmp_path / "other", "other").write(1, TABLE)
    (tmp_path / "other" / made.path(1).name).rename(made.path(1))
    left = made.folder / ".shard-000001.0123456789abcdef.partial.parquet"
    left.write_bytes(b"half")
    assert made.finished() == frozenset()
    assert not left.exists()


def test_strangers_files_stay(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(IntegrityError, match=r"notes\.txt"):
        store(tmp_path)
    with pytest.raises(IntegrityError, match="is a file"):
        store(tmp_path / "notes.txt")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("[]")
    with pytest.raises(IntegrityError, match="another question"):
        store(tmp_path / "out")


def test_two_runs_at_once_are_refused(tmp_path):
    made = store(tmp_path / "out")
    with made.held(), pytest.raises(IntegrityError), made.held():
        pass
