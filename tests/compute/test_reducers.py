"""Tests of `aivc.compute.reducers`: parts made small and joined are the whole made small."""

import numpy as np
import pyarrow as pa
import pytest

from aivc.compute.executor import cut, executor
from aivc.compute.reducers import QuantileSketch, Reduced, TopK
from aivc.core.errors import DataError
from tiny_shards import Squares


def test_the_best_are_exact_however_the_work_is_cut():
    whole = pa.concat_tables(executor("serial").run(Squares(), cut(40, 40)))
    for largest, wanted in ((True, ["ko:G039", "ko:G038", "ko:G037"]), (False, ["ko:G003", "ko:G002", "ko:G004"])):
        best = TopK("score", 3, largest=largest)
        parts = list(executor("serial").run(Reduced(Squares(), best), cut(40, 7)))
        assert max(map(len, parts)) == 3
        assert best.joined(parts) == best.of(whole)
        assert best.of(whole)["perturbation"].to_pylist() == wanted
    with pytest.raises(DataError, match="nothing to join"):
        TopK("score", 3).joined([])


def test_quantiles_are_right_to_one_per_cent():
    value_n = np.concatenate([np.random.default_rng(0).lognormal(0, 3, 4000) * np.tile([1, -1], 2000), np.zeros(500)])
    table = pa.table({"score": value_n})
    sketch = QuantileSketch("score")
    joined = sketch.joined([sketch.of(table.slice(i, 700)) for i in range(0, len(table), 700)])
    assert joined == sketch.joined([sketch.of(table)])
    assert len(joined) < len(table) / 2
    for share in (0.0, 0.01, 0.25, 0.47, 0.75, 0.99, 1.0):
        true = np.quantile(value_n, share, method="lower")
        assert sketch.quantile(joined, share) == pytest.approx(true, rel=0.0101, abs=1e-12)
    with pytest.raises(DataError, match="from 0 to 1"):
        sketch.quantile(joined, 2.0)


def test_a_reduced_task_is_another_question():
    keys = {Squares().key(), *(Reduced(Squares(), TopK("score", k)).key() for k in (3, 4))}
    assert len({*keys, Reduced(Squares(), QuantileSketch("score")).key()}) == 4
