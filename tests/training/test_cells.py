import numpy as np
import pytest
import torch
from torch import nn

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import Measurement
from aivc.data.streaming.normalize import normalize
from aivc.data.streaming.shards import write_shards
from aivc.testing.samples import sample_measurement
from aivc.training.cells import CellBatches, CellLoader, MemoryCells, ShardCells
from aivc.training.checkpoint import Checkpoints
from aivc.training.loop import Batches, TrainingRecipe, train


class InterruptedHereError(Exception):
    pass


@pytest.fixture
def cells() -> Measurement:
    measurement = sample_measurement()
    observed = np.ones(measurement.values.shape, dtype=bool)
    observed[::3, :10] = False
    return measurement.replace(observed=observed)


@pytest.fixture(params=["memory", "shards"])
def loader(request, cells, tmp_path) -> CellLoader:
    if request.param == "memory":
        return MemoryCells(cells, 12)
    return ShardCells(write_shards(cells, tmp_path / "shards", rows=30), 12, block=4, window=3)


def test_what_comes_is_what_is_there(loader, cells):
    for step in (0, 3, 40):
        got = loader.batches(step, 0, 1)
        assert np.array_equal(got.values.toarray(), cells.dense()[got.rows])
        assert np.array_equal(got.observed, cells.observed[got.rows])
    assert isinstance(loader, CellLoader)
    assert (len(loader), loader.units, loader.features.tolist()) == (184, "counts", cells.features.tolist())


def test_steps_can_be_asked_for_in_any_order(loader):
    forward = [loader.batches(step, 0, 1).rows for step in range(20)]
    backward = [loader.batches(step, 0, 1).rows for step in reversed(range(20))]
    assert all(np.array_equal(a, b) for a, b in zip(forward, reversed(backward), strict=True))


def test_processes_together_read_the_batch_of_one(loader):
    shares = np.concatenate([loader.batches(2, rank, 5).rows for rank in range(5)])
    assert sorted(shares) == sorted(loader.batches(2, 0, 1).rows)


def test_only_training_cells_are_read(cells, tmp_path):
    among = np.flatnonzero(cells.entities["batch"] == "one")
    shards = write_shards(cells, tmp_path, rows=30)
    for loader in (MemoryCells(cells, 12, among=among), ShardCells(shards, 12, among=among, block=4, window=3)):
        seen = np.concatenate([loader.batches(step, 0, 1).rows for step in range(30)])
        assert set(seen) == set(among)


def test_values_on_disk_go_through_shards(cells, tmp_path):
    on_disk = write_shards(cells, tmp_path).measurement()
    with pytest.raises(DataError, match="write_shards"):
        MemoryCells(on_disk, 12)


def test_a_batch_larger_than_the_data(cells):
    with pytest.raises(DataError, match="no larger than the data"):
        MemoryCells(cells, 1000)


class TestTensors:
    def test_normalized_like_the_whole(self, loader, cells):
        batch = CellBatches(loader, "log1p_cp100")(1, 0, 1)
        whole = normalize(cells, "log1p_cp100").dense()
        assert np.allclose(batch["values"], whole[batch["rows"]], atol=1e-6)
        assert np.array_equal(batch["observed"], cells.observed[batch["rows"]])
        assert not batch["values"][~batch["observed"]].any()
        assert isinstance(CellBatches(loader), Batches)

    def test_units_out_of_reach(self, loader):
        with pytest.raises(UnitsError, match="one-way"):
            CellBatches(loader, "log_intensity")

    def test_training_is_resumed_exactly(self, loader, tmp_path):
        def objective(model, batch):
            wrong = (model(batch["values"]) - batch["values"])[batch["observed"]].square()
            return {"error": (wrong.sum(), torch.tensor(float(wrong.numel())))}

        def weights(folder, last=None):
            torch.manual_seed(0)
            model = nn.Linear(30, 30)

            def stop(step, losses):
                if step == last:
                    raise InterruptedHereError

            batches = CellBatches(loader, "log1p_cp100")
            train(
                model, objective, batches, TrainingRecipe(20), checkpoints=Checkpoints(folder, every=4), progress=stop
            )
            return model.weight.detach().numpy().copy()

        straight = weights(tmp_path / "straight")
        with pytest.raises(InterruptedHereError):
            weights(tmp_path / "cut", last=11)
        assert np.array_equal(weights(tmp_path / "cut"), straight)
