import json

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, IntegrityError
from aivc.core.measurement import Measurement
from aivc.data.streaming import shards as module
from aivc.data.streaming.shards import BlockShuffle, Shards, write_shards


def cells(n=103, f=17, seed=0, **further):
    rng = np.random.default_rng(seed)
    values = sparse.csr_matrix(rng.poisson(0.3, (n, f)).astype(np.float32))
    values = sparse.vstack([values[: n // 2], sparse.csr_matrix((5, f)), values[n // 2 : n - 5]], format="csr")
    entities = pd.DataFrame({"donor": np.arange(n) % 3}, index=[f"c{i}" for i in range(n)])
    return Measurement(values, np.array([f"g{i}" for i in range(f)]), entities, "counts", **further)


class TestRoundTrip:
    @pytest.mark.parametrize("rows", [7, 50, 1000])
    def test_values_features_and_entities_come_back(self, tmp_path, rows):
        measurement = cells(provenance={"dataset": "toy"})
        back = write_shards(measurement, tmp_path, rows=rows).measurement()
        assert np.array_equal(back.dense(), measurement.dense())
        assert back.features.tolist() == measurement.features.tolist()
        pd.testing.assert_frame_equal(back.entities, measurement.entities)
        assert (back.units, back.scale, back.provenance) == ("counts", measurement.scale, {"dataset": "toy"})
        assert not back.in_memory
        assert back.observed is None

    def test_rows_come_in_the_order_asked_for(self, tmp_path):
        measurement = cells()
        rows = np.random.default_rng(1).permutation(103)[:40]
        taken = write_shards(measurement, tmp_path, rows=10).take(rows)
        assert np.array_equal(taken.toarray(), measurement.dense()[rows])

    def test_dense_values_and_values_on_disk_are_the_same_data(self, tmp_path):
        measurement = cells()
        first = write_shards(measurement, tmp_path / "a", rows=20)
        again = write_shards(first.measurement(), tmp_path / "b", rows=20)
        dense = write_shards(measurement.replace(values=measurement.dense()), tmp_path / "c", rows=20)
        assert first.digest == again.digest == dense.digest

    @pytest.mark.parametrize("shape", [(17,), (103, 17)])
    def test_what_was_not_measured_is_kept_apart_from_zero(self, tmp_path, shape):
        observed = np.random.default_rng(2).random(shape) < 0.5
        written = write_shards(cells(observed=observed), tmp_path, rows=25)
        rows = np.array([90, 3, 41])
        assert np.array_equal(written.observed(rows), observed if observed.ndim == 1 else observed[rows])
        assert np.array_equal(
            np.broadcast_to(written.measurement().observed, (103, 17)), np.broadcast_to(observed, (103, 17))
        )

    def test_values_that_are_all_zero(self, tmp_path):
        empty = cells().replace(values=sparse.csr_matrix((103, 17), dtype=np.float32))
        assert not write_shards(empty, tmp_path, rows=60).measurement().dense().any()


class TestWriting:
    def test_an_interrupted_write_goes_on_where_it_stopped(self, tmp_path, monkeypatch):
        measurement, written = cells(), []

        def stop(what, done, of):
            written.append(done)
            if len(written) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            write_shards(measurement, tmp_path, rows=20, progress=stop)
        with pytest.raises(IntegrityError, match="goes on where it stopped"):
            Shards.open(tmp_path)
        written.clear()
        whole = write_shards(measurement, tmp_path, rows=20, progress=lambda what, done, of: written.append(done))
        assert written == [60, 80, 100, 103]
        assert np.array_equal(whole.measurement().dense(), measurement.dense())
        whole.verify()

    def test_other_data_are_refused(self, tmp_path):
        measurement = cells()
        write_shards(measurement, tmp_path, rows=20)
        others = [cells(seed=1), measurement.replace(units="arbitrary"), measurement.take(np.arange(50))]
        others.append(measurement.replace(observed=np.arange(17) > 0))
        for other in others:
            with pytest.raises(IntegrityError, match=r"other data.*another folder"):
                write_shards(other, tmp_path, rows=20)
        with pytest.raises(IntegrityError, match="20 rows each"):
            write_shards(measurement, tmp_path, rows=30)

    def test_a_finished_folder_is_not_written_again(self, tmp_path, monkeypatch):
        write_shards(cells(), tmp_path, rows=20)
        monkeypatch.setattr(module, "write_text", None)
        write_shards(cells(), tmp_path, rows=20)

    def test_what_was_left_before_the_manifest_is_not_read(self, tmp_path):
        np.save(tmp_path / "panels.npy", np.zeros((1, 17), dtype=bool))
        assert write_shards(cells(), tmp_path, rows=20).measurement().observed is None

    def test_damage_is_found(self, tmp_path):
        written = write_shards(cells(), tmp_path, rows=20)
        path = tmp_path / "00001-data.npy"
        body = bytearray(path.read_bytes())
        body[-1] ^= 1
        path.write_bytes(bytes(body))
        with pytest.raises(IntegrityError, match=r"Shard 1 .*Write the shards again"):
            written.verify()
        path.write_bytes(b"")
        with pytest.raises(IntegrityError, match="cannot be read"):
            Shards.open(tmp_path).rows(0, 5)

    def test_another_format_is_refused(self, tmp_path):
        write_shards(cells(), tmp_path, rows=20)
        (tmp_path / "manifest.json").write_text(json.dumps({"format": 99}))
        with pytest.raises(IntegrityError, match="format 1"):
            Shards.open(tmp_path)

    def test_nothing_to_write(self, tmp_path):
        with pytest.raises(DataError, match="at least one"):
            write_shards(cells(), tmp_path, rows=0)


class TestBlockShuffle:
    @pytest.mark.parametrize("rows", [96, 101])
    @pytest.mark.parametrize("window", [1, 3, 100])
    def test_an_epoch_visits_each_row_at_most_once(self, rows, window):
        order = BlockShuffle(rows, batch=8, block=5, window=window)
        seen = np.concatenate([order.at(step) for step in range(order.steps)])
        assert len(seen) == len(np.unique(seen)) == rows // 8 * 8
        assert seen.min() >= 0
        assert seen.max() < rows

    def test_every_row_has_its_turn(self):
        order = BlockShuffle(21, batch=10, block=2, window=3)
        seen = np.concatenate([order.at(step) for step in range(40)])
        assert np.array_equal(np.unique(seen), np.arange(21))

    def test_epochs_and_seeds_differ_and_steps_repeat(self):
        order = BlockShuffle(100, batch=10, block=3, window=4)
        assert np.array_equal(order.at(7), BlockShuffle(100, batch=10, block=3, window=4).at(7))
        assert not np.array_equal(order.at(0), order.at(10))
        assert not np.array_equal(order.at(0), BlockShuffle(100, batch=10, seed=1, block=3, window=4).at(0))

    @pytest.mark.parametrize("world", [1, 2, 3, 7])
    def test_processes_share_a_batch_without_overlap(self, world):
        order = BlockShuffle(100, batch=11, block=3, window=4)
        shares = [order.at(5, rank, world) for rank in range(world)]
        assert sorted(np.concatenate(shares)) == sorted(order.at(5))

    def test_a_batch_reads_from_few_blocks(self):
        order = BlockShuffle(10_000, batch=50, block=100, window=4)
        assert max(len(np.unique(order.at(step) // 100)) for step in range(order.steps)) <= 8

    def test_within_a_window_the_order_looks_random(self):
        order = BlockShuffle(1000, batch=1000, block=10, window=1000).at(0)
        assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.1

    def test_refusals(self):
        with pytest.raises(DataError, match="no larger than the data"):
            BlockShuffle(5, batch=6)
        with pytest.raises(DataError, match="Count from 0"):
            BlockShuffle(10, batch=2).at(0, 2, 2)
        with pytest.raises(DataError, match="no share"):
            BlockShuffle(10, batch=2).at(0, 0, 3)
