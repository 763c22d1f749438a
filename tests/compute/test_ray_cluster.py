"""Tests of `aivc.compute.ray_cluster`: what is asked of a missing library, and a cluster of two nodes."""

import importlib.util
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from aivc.compute.executor import cut, executor
from aivc.core.errors import ScoreError, UnavailableError
from tiny_shards import Squares, Threads


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UnavailableError, match=r"pip install \"aivc\[scale\]\""):
        list(executor("ray", 2).run(Squares(), cut(10, 3)))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray is not installed; it comes with the extra scale"
)
def test_two_nodes_give_what_one_process_gives(tmp_path, monkeypatch):
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    cluster = Cluster()
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=80 << 20, include_dashboard=False)
        ray.init(address=cluster.address, log_to_driver=False)
        said = pa.concat_tables(executor("ray", 2).run(Threads(on_ray=True), cut(8, 1)))
        assert len(set(said["node"].to_pylist())) == 2
        assert set(said["threads"].to_pylist()) == {"1"}
        log = tmp_path / "log"
        alone = list(executor("serial").run(Squares(), cut(10, 3)))
        assert list(executor("ray", 2).run(Squares(str(log)), cut(10, 3), tmp_path / "out")) == alone
        assert log.read_text().count("L") == 2
        assert list(executor("ray", 2).run(Squares(), cut(10, 3))) == alone
        with pytest.raises(ScoreError, match="shard 1 holds NaN"):
            list(executor("ray", 2).run(Squares(fails_at=1), cut(10, 3)))
    finally:
        ray.shutdown()
        cluster.shutdown()
