"""Tests of `aivc.compute.processes`: the results of one process, and nothing lost when processes are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest

from aivc.compute.executor import cut, executor
from aivc.core.errors import ScoreError, UnavailableError
from tiny_shards import Squares, Threads

KILLED = """
import sys
sys.path.insert(0, sys.argv[1])
from tiny_shards import Squares
from aivc.compute.executor import cut, executor
if __name__ == "__main__":
    print("go", flush=True)
    list(executor(sys.argv[4], int(sys.argv[5])).run(Squares(sys.argv[3], pause=0.1), cut(40, 1), sys.argv[2]))
"""


def test_two_workers_give_what_one_gives(tmp_path):
    log = tmp_path / "log"
    alone = list(executor("serial").run(Squares(), cut(10, 3)))
    assert list(executor("processes", 2).run(Squares(str(log)), cut(10, 3), tmp_path / "out")) == alone
    assert sorted(log.read_text()) == sorted("L" * log.read_text().count("L") + "ssss")
    assert 1 <= log.read_text().count("L") <= 2, "each worker loads once"


@pytest.mark.slow
def test_workers_take_one_thread_each(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    said = pa.concat_tables(executor("processes", 2).run(Threads(), cut(20, 1)))
    assert set(said["threads"].to_pylist()) == {"1"}
    assert len(set(said["process"].to_pylist())) == 2
    assert os.environ["OMP_NUM_THREADS"] == "7"


@pytest.mark.slow
def test_what_goes_wrong_in_a_worker_comes_back():
    with pytest.raises(ScoreError, match="shard 1 holds NaN"):
        list(executor("processes", 1).run(Squares(fails_at=1), cut(10, 3)))


@pytest.mark.slow
def test_a_killed_worker_is_told(tmp_path):
    with pytest.raises(UnavailableError, match="ended from outside"):
        list(executor("processes", 1).run(Squares(dies_at=2), cut(4, 1), tmp_path / "out"))
    assert len(list(executor("serial").run(Squares(), cut(4, 1), tmp_path / "out"))) == 4


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workers"), [("serial", 1), ("processes", 2)])
@pytest.mark.parametrize("wait", [2, 7])
def test_kill_nine_loses_no_finished_shard(tmp_path, name, workers, wait):
    script, out, log = tmp_path / "run.py", tmp_path / "out", tmp_path / "log"
    script.write_text(KILLED)
    here = str(Path(__file__).parents[1])
    run = subprocess.Popen([sys.executable, str(script), here, str(out), str(log), name, str(workers)])
    deadline = time.monotonic() + 60
    while len(list(out.glob("shard-*.parquet"))) < wait and time.monotonic() < deadline:
        time.sleep(0.01)
    run.send_signal(signal.SIGKILL)
    run.wait()
    time.sleep(0.5)
    finished = {path.name: path.stat().st_mtime_ns for path in out.glob("shard-*.parquet")}
    begun = len(log.read_text())
    assert wait <= len(finished) < 40
    time.sleep(0.5)
    assert len(log.read_text()) == begun, "workers end with who started them"
    again = list(executor("serial").run(Squares(str(log)), cut(40, 1), out))
    assert again == list(executor("serial").run(Squares(), cut(40, 1)))
    assert {name: (out / name).stat().st_mtime_ns for name in finished} == finished, "finished shards are not redone"
    assert log.read_text()[begun:] == "L" + "s" * (40 - len(finished))
