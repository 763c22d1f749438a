"""Tests of `aivc.compute.executor`, with the executor of one worker."""

import pyarrow as pa
import pytest

from aivc.compute.executor import Shard, cut, executor
from aivc.core.errors import DataError, IntegrityError, ScoreError, UnknownNameError
from tiny_shards import Squares

SHARDS = cut(10, 3)


def test_work_is_cut_without_gap():
    assert [Shard(0, 0, 3), Shard(1, 3, 6), Shard(2, 6, 9), Shard(3, 9, 10)] == SHARDS
    with pytest.raises(DataError, match="at least one row"):
        cut(10, 0)


def test_results_come_in_order_and_the_task_is_loaded_once(tmp_path):
    task = Squares(str(tmp_path / "log"))
    told = []
    whole = pa.concat_tables(executor("serial").run(task, SHARDS, progress=lambda *said: told.append(said)))
    assert whole["score"].to_pylist() == [(i - 3) ** 2 for i in range(10)]
    assert (tmp_path / "log").read_text() == "Lssss"
    assert told[-1] == ("working", 10, 10)


def test_finished_shards_are_not_done_again(tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    with pytest.raises(ScoreError, match="shard 2 holds NaN"):
        list(executor("serial").run(Squares(fails_at=2), SHARDS, out))
    again = list(executor("serial").run(Squares(str(log)), SHARDS, out))
    assert log.read_text() == "Lss"
    assert again == list(executor("serial").run(Squares(), SHARDS))
    list(executor("serial").run(Squares(str(log)), SHARDS, out))
    assert log.read_text() == "Lss", "nothing is loaded where all is done"


def test_other_work_is_refused_before_any_is_done(tmp_path):
    list(executor("serial").run(Squares(), SHARDS, tmp_path / "out"))
    for task, shards in ((Squares(offset=1), SHARDS), (Squares(), cut(10, 5))):
        with pytest.raises(IntegrityError, match="another question"):
            executor("serial").run(task, shards, tmp_path / "out")
    with pytest.raises(IntegrityError, match="holds results already"):
        executor("serial").run(Squares(), SHARDS, tmp_path / "out", resume=False)


def test_what_cannot_be_is_refused():
    with pytest.raises(UnknownNameError, match="serial"):
        executor("threads")
    with pytest.raises(DataError, match="is one worker, got 2"):
        executor("serial", 2)
    with pytest.raises(DataError, match="At least one worker"):
        executor("processes", 0)
    with pytest.raises(DataError, match="no shard was given"):
        executor("serial").run(Squares(), [])
