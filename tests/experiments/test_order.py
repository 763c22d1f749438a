"""Order along a branching path: found from its root, not from elsewhere, and joined where the graph has gaps."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.experiments.order import order, order_without_root, pair_auroc


def branching(gap=0.0, n=150):
    rng = np.random.default_rng(0)
    true_n, branch_n = rng.uniform(0, 1, n), np.where(rng.random(n) < 0.5, -1.0, 1.0)
    x_nd = np.column_stack([4 * true_n, np.maximum(true_n - 0.5, 0) * 4 * branch_n, np.zeros(n)])
    x_nd[:, 0] += gap * (true_n > 0.5)
    x_nd += 0.05 * rng.normal(size=x_nd.shape)
    kind_n = np.where(true_n < 0.2, "root", np.where(true_n < 0.6, "middle", np.where(branch_n > 0, "up", "down")))
    frame = pd.DataFrame({"cell_type": kind_n}, index=[f"c{i}" for i in range(n)])
    return UR(x_nd, Space("made-up", Scale.CELLULAR, 3, "0"), frame), true_n


@pytest.mark.parametrize("ways", [("diffusion",), ("path",), ("diffusion", "path")])
def test_the_order_is_found_from_the_root(ways):
    ur, true_n = branching()
    found = order(ur, {"cell_type": "root"}, neighbors=(8, 12), ways=ways)
    assert np.corrcoef(found.time, true_n)[0, 1] > 0.95
    assert len(found.roots) == 5
    assert found.links == 0
    assert pair_auroc(found.time, ur.entities["cell_type"].to_numpy(), [("root", "up"), ("middle", "down")]) > 0.95
    table = found.table(ur.entities.index)
    assert table.index.equals(ur.entities.index)
    assert table["pseudotime"].between(0, 1).all()


def test_another_root_gives_another_order():
    ur, true_n = branching()
    last = ur.entities.index[int(true_n.argmax())]
    assert np.corrcoef(order(ur, [last], neighbors=(10,)).time, true_n)[0, 1] < 0


def test_only_some_cells_may_stand_for_the_root():
    ur, true_n = branching()
    early_n = (ur.entities["cell_type"] == "root").to_numpy() & (true_n < 0.08)
    found = order(ur, {"cell_type": "root"}, neighbors=(10,), among=early_n)
    assert set(found.roots) <= set(ur.entities.index[early_n])
    assert len(found.time) == len(ur)
    with pytest.raises(DataError, match="Allow some"):
        order(ur, {"cell_type": "root"}, neighbors=(10,), among=np.zeros(len(ur), dtype=bool))


def test_gaps_are_joined_and_counted():
    ur, true_n = branching(gap=20.0)
    found = order(ur, {"cell_type": "root"}, neighbors=(8,))
    assert found.links >= 1
    assert np.isfinite(found.time).all()
    assert np.corrcoef(found.time, true_n)[0, 1] > 0.8


def test_without_a_root_genes_detected_decide():
    assert order_without_root(np.array([5.0, 3.0, 9.0])).tolist() == [0.5, 1.0, 0.0]


def test_what_cannot_be_ordered_is_refused():
    ur, _ = branching()
    with pytest.raises(UnknownNameError, match="stem"):
        order(ur, {"cell_type": "stem"})
    with pytest.raises(UnknownNameError, match="nobody"):
        order(ur, ["nobody"])
    with pytest.raises(UnknownNameError, match="velocity"):
        order(ur, {"cell_type": "root"}, ways=("velocity",))
    with pytest.raises(DataError, match="Ask for fewer"):
        order(ur.take(np.arange(12)), {"cell_type": "root"})
