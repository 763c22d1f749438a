import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.data.streaming import stream
from aivc.data.streaming.normalize import normalize
from aivc.data.streaming.stream import chunks, groups, pseudobulk, pseudobulk_moments, random_ranks, reservoir


class Disk:
    """Returns blocks, and remembers the largest one asked for."""

    def __init__(self, values):
        self.values, self.shape, self.largest = values, values.shape, 0

    def rows(self, start, stop):
        self.largest = max(self.largest, stop - start)
        return self.values[start:stop]


def screen(wrap=sparse.csr_matrix, n=500, f=30, seed=0):
    rng = np.random.default_rng(seed)
    entities = pd.DataFrame(
        {
            "perturbation": rng.choice(["control", "ko:A", "ko:B", "ko:C"], n),
            "context": pd.Categorical(rng.choice(["k562", "rpe1"], n)),
            "hours": rng.choice([6, 12], n),
        },
        index=[f"c{i}" for i in range(n)],
    )
    counts = rng.poisson(0.4, size=(n, f)) + (np.arange(f) == 0)
    return Measurement(wrap(counts), np.array([f"g{i}" for i in range(f)]), entities, "counts")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(stream, "CHUNK", 64)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix, lambda x: Disk(sparse.csr_matrix(x)), Disk])
@pytest.mark.parametrize("units", [None, "log1p_cp10k"])
def test_groups_add_up_as_pandas_says(wrap, units):
    cells = screen(wrap)
    result = pseudobulk(cells, units=units)
    table = pd.DataFrame(normalize(cells, units or "counts").dense()).groupby(
        [cells.contexts.astype(str), cells.perturbations]
    )
    wanted = table.sum() if units is None else table.mean()
    np.testing.assert_allclose(result.values, wanted.to_numpy(), rtol=1e-6)
    assert list(result.entities.index) == ["|".join(key) for key in wanted.index]
    assert list(result.entities["cells"]) == list(table.size())
    assert result.units == (units or "counts")
    assert result.values.dtype == np.float64


@pytest.mark.parametrize("groups_wanted", [2, 400])
def test_few_and_many_groups_give_the_same_sums(groups_wanted):
    cells = screen(f=60)
    labels = np.arange(len(cells)) % groups_wanted
    cells = cells.replace(entities=cells.entities.assign(plate=labels))
    wanted = pd.DataFrame(cells.dense()).groupby(labels).sum()
    np.testing.assert_array_equal(pseudobulk(cells, ["plate"]).values, wanted.to_numpy())


def test_disk_is_read_in_blocks_and_progress_reported():
    disk, answer = Disk(sparse.csr_matrix(screen(np.asarray).values)), []
    pseudobulk(screen(lambda _: disk), progress=lambda *each: answer.append(each))
    assert disk.largest == 64
    assert answer[-1] == ("profiles", 500, 500)
    assert len(answer) == 8


def test_chunks_cover_all_rows_once():
    cells = screen()
    parts = [(where.start, where.stop, block.sum()) for where, block in chunks(cells, size=200)]
    assert [part[:2] for part in parts] == [(0, 200), (200, 400), (400, 500)]
    assert sum(part[2] for part in parts) == cells.values.sum()


def test_means_of_means_weigh_by_cells():
    cells = screen()
    by_hours = pseudobulk(cells, ["context", "perturbation", "hours"], units="log1p_cp10k")
    twice = pseudobulk(by_hours, units="log1p_cp10k")
    once = pseudobulk(cells, units="log1p_cp10k")
    np.testing.assert_allclose(twice.values, once.values, rtol=1e-9)
    assert list(twice.entities["cells"]) == list(once.entities["cells"])


def test_roles_are_never_mixed():
    cells = screen()
    roles = np.where(np.arange(len(cells)) % 2, "train", "score").astype(object)
    labelled = cells.replace(entities=cells.entities.assign(role=roles))
    result = pseudobulk(labelled, ["perturbation", "role"])
    assert set(result.entities["role"]) == {"train", "score"}
    score = pseudobulk(cells.take(roles == "score"), ["perturbation"])
    np.testing.assert_array_equal(result.values[(result.entities["role"] == "score").to_numpy()], score.values)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_moments_in_one_pass(wrap):
    cells = screen(wrap)
    mean, variance_pf = pseudobulk_moments(cells, ["perturbation"], units="log1p_cp10k")
    table = pd.DataFrame(normalize(cells, "log1p_cp10k").dense().astype(float)).groupby(cells.perturbations)
    np.testing.assert_allclose(mean.values, table.mean().to_numpy(), rtol=1e-9)
    np.testing.assert_allclose(variance_pf, table.var().to_numpy(), rtol=1e-7, atol=1e-10)


def test_variance_of_one_cell_is_unknown_and_of_pools_refused():
    _, variance_pf = pseudobulk_moments(screen(n=1), units="counts")
    assert np.isnan(variance_pf).all()
    with pytest.raises(DataError, match="Start from the cells"):
        pseudobulk_moments(pseudobulk(screen(), ["context", "hours"]), ["context"], units="counts")


def test_labels_sort_as_numbers_and_absent_columns_have_defaults():
    cells = screen()
    assert list(pseudobulk(cells, ["hours"]).entities["hours"]) == [6, 12]
    bare = cells.replace(entities=cells.entities[["hours"]])
    assert list(pseudobulk(bare).entities.index) == ["all|control"]


def test_refusals():
    cells = screen()
    with pytest.raises(UnknownNameError, match="Did you mean 'hours'"):
        groups(cells, ["hour"])
    holes = cells.entities.assign(donor=[None, *["d1"] * 499])
    with pytest.raises(DataError, match="1 entities have no 'donor'"):
        pseudobulk(cells.replace(entities=holes), ["donor"])
    with pytest.raises(UnitsError, match='units="log1p_cp10k"'):
        pseudobulk(normalize(cells, "log1p_cp10k"))
    with pytest.raises(DataError, match="no entities"):
        pseudobulk(cells.take(np.array([], dtype=int)))
    with pytest.raises(DataError, match="each panel"):
        pseudobulk(cells.replace(observed=np.ones(cells.values.shape, dtype=bool)))


def test_reservoir_is_fair_and_blind_to_order():
    cells = screen(n=2000)
    picked = reservoir(cells, ["context", "perturbation"], per_group=50, seed=3)
    assert (cells.take(picked).entities.groupby(["context", "perturbation"], observed=True).size() == 50).all()
    shuffled = np.random.default_rng(1).permutation(len(cells))
    again = reservoir(cells.take(shuffled), ["context", "perturbation"], per_group=50, seed=3)
    assert set(cells.entities.index[picked]) == set(cells.entities.index[shuffled][again])
    other = reservoir(cells, ["context", "perturbation"], per_group=50, seed=4)
    assert len(np.intersect1d(picked, other)) < 150
    assert len(reservoir(cells, ["perturbation"], per_group=10**6, seed=0)) == 2000


def test_lots_are_uniform():
    drawn = random_ranks([f"c{i}" for i in range(4000)], seed=0) / 2.0**64
    assert abs(drawn.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.05


def test_sums_over_groups_have_no_places_and_no_neighbours():
    cells = screen(n=60)
    tissue = cells.replace(coordinates=np.ones((60, 2)), links=sparse.identity(60, format="csr"))
    for made in (pseudobulk(tissue), pseudobulk_moments(tissue, units="log1p_cp100")[0]):
        assert made.coordinates is None
        assert made.links is None
