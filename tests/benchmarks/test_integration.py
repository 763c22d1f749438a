import numpy as np
import pytest
from integration_scores.embedding import bras, cluster_agreement, isolated_labels, pcr_comparison, silhouettes
from integration_scores.graph import Near, graph_connectivity, lisi, near
from integration_scores.table import BATCH, BIO, integration

from aivc.core.errors import DataError


def frozen():
    """Three labels, one of them mostly in the second batch; most of the shift along the last axis is taken out."""
    draw = np.random.default_rng(7)
    label, batch = np.repeat(["a", "b", "c"], [80, 60, 40]), np.tile(["one", "two", "one"], 60)
    batch[140:170], batch[170:] = "two", "one"
    center = {"a": [0, 0, 0, 0], "b": [3, 0, 0, 0], "c": [0, 3, 0, 0]}
    before = np.array([center[each] for each in label]) + draw.normal(size=(180, 4))
    before[batch == "two", 3] += 2.0
    after = before.copy()
    after[batch == "two", 3] -= 1.5
    return before, after, label, batch


# What scib-metrics 0.5.10 says of `frozen`, on exact neighbours. Its k-means takes one start, so that is not held here.
THEIRS = {
    "isolated labels": 0.66434,
    "silhouette label": 0.66252,
    "cLISI": 0.90109,
    "BRAS": 0.86173,
    "iLISI": 0.80682,
    "kBET": 0.94861,
    "graph connectivity": 0.98194,
    "PCR comparison": 0.64573,
}


def mixture(gap, *, n=240, seed=0):
    draw = np.random.default_rng(seed)
    label, batch = np.repeat(["a", "b"], n // 2), np.tile(["one", "two"], n // 2)
    x_nd = draw.normal(size=(n, 3)) + 8.0 * (label == "b")[:, None] * np.array([1.0, 0, 0])
    return x_nd + gap * (batch == "two")[:, None] * np.array([0, 1.0, 0]), label, batch


@pytest.mark.parametrize("name", THEIRS)
def test_scores_are_those_of_scib_metrics(name):
    before, after, label, batch = frozen()
    assert integration(after, label, batch, before=before).scores[name] == pytest.approx(THEIRS[name], abs=2e-5)


def test_batches_apart_score_low_and_batches_mixed_high_while_labels_stay():
    apart, label, batch = mixture(9.0)
    mixed = mixture(0.0)[0]
    low, high = integration(apart, label, batch, before=apart), integration(mixed, label, batch, before=apart)
    for name in ("BRAS", "iLISI", "kBET", "PCR comparison"):
        assert low.scores[name] < 0.6 < high.scores[name], name
    assert high.scores["k-means ARI"] == 1.0
    assert high.scores["cLISI"] > 0.99
    assert high.total > low.total


def test_total_weighs_biology_by_six_tenths():
    found = integration(*mixture(1.0), before=mixture(4.0)[0])
    assert found.bio == pytest.approx(np.mean([found.scores[name] for name in BIO]))
    assert found.batch == pytest.approx(np.mean([found.scores[name] for name in BATCH]))
    assert found.total == pytest.approx(0.6 * found.bio + 0.4 * found.batch)


def test_what_is_undefined_is_none_and_says_why():
    x_nd, label, batch = mixture(0.0)
    one_label = integration(x_nd, np.full(len(x_nd), "a"), batch)
    assert [one_label.scores[name] for name in BIO] == [None] * 5
    assert "takes two to tell apart" in one_label.reasons["cLISI"]
    assert one_label.scores["kBET"] is not None
    one_batch = integration(x_nd, label, np.full(len(x_nd), "one"), before=x_nd)
    assert {name for name in BATCH if one_batch.scores[name] is None} == set(BATCH) - {"graph connectivity"}
    assert "takes two to mix" in one_batch.reasons["iLISI"]
    split = integration(x_nd, label, np.where(label == "a", "one", "two"))
    assert split.scores["BRAS"] is None
    assert "more than one batch" in split.reasons["kBET"]
    assert one_label.total is None


def test_refusals_say_what_to_do():
    x_nd, label, batch = mixture(0.0)
    with pytest.raises(DataError, match="Align them"):
        integration(x_nd, label[:-1], batch)
    with pytest.raises(DataError, match="Leave those cells out"):
        integration(np.where(np.arange(len(x_nd))[:, None] == 3, np.nan, x_nd), label, batch)
    with pytest.raises(DataError, match="1 of the batches are missing"):
        integration(x_nd, label, np.where(np.arange(len(x_nd)) == 3, None, batch))
    with pytest.raises(DataError, match="at least 10 cells"):
        integration(x_nd[:9], label[:9], batch[:9])
    with pytest.raises(DataError, match="one row per cell"):
        integration(x_nd[:, 0], label, batch)


def test_silhouettes_by_hand():
    # From 0: 1 to its own, and 5.5 on average to the other group: (5.5 - 1) / 5.5. A group of one has 0.
    found = silhouettes(np.array([[0.0], [1.0], [5.0], [6.0], [20.0]]), np.array(list("aabbc")))
    np.testing.assert_allclose(found, [4.5 / 5.5, 3.5 / 4.5, 3.5 / 4.5, 4.5 / 5.5, 0.0])


def test_isolated_labels_are_those_of_the_fewest_batches():
    x_nd = np.array([[0.0], [1.0], [5.0], [6.0]])
    # Label b is in one batch alone: its two cells count, each (s + 1) / 2.
    found = isolated_labels(x_nd, np.array(list("aabb")), np.array(list("1211")))
    assert found == pytest.approx((3.5 / 4.5 + 4.5 / 5.5 + 2) / 4)


def test_bras_by_hand():
    # Batches at right angles: within 0, between 1, so the silhouette is 1 and nothing is left of the score.
    x_nd = np.array([[1.0, 0], [2, 0], [0, 1], [0, 3]])
    assert bras(x_nd, np.array(list("aaaa")), np.array(list("1122"))) == pytest.approx(0.0)
    # Batches side by side: 0 to the one alike and 1 to the other; own mean 1, others' mean 1/2: |s| = 1/2.
    assert bras(x_nd, np.array(list("aaaa")), np.array(list("1212"))) == pytest.approx(0.5)


def test_agreement_of_clusters_by_hand():
    # Two clusters of four cells; the second holds one of label a: Rand index (3 + 1 ... ) worked out by pairs.
    x_nd = np.repeat([[0.0], [9.0]], 4, axis=0) + np.array([[0.1, 0.2, 0.3, 0.4] * 2]).T
    nmi, ari = cluster_agreement(x_nd, np.array(list("aaaaabbb")))
    # Pairs together in both: 6 + 3; by label 10 + 3; by cluster 6 + 6; of 28.
    expected = 13 * 12 / 28
    assert ari == pytest.approx((9 - expected) / (12.5 - expected))
    cells = np.array([[4, 1], [0, 3]]) / 8
    entropy = [-sum(p * np.log(p) for p in cells.sum(axis=axis)) for axis in (0, 1)]
    independent = np.outer(cells.sum(axis=1), cells.sum(axis=0))
    shared = sum(p * np.log(p / q) for p, q in zip(cells.ravel(), independent.ravel(), strict=True) if p > 0)
    assert nmi == pytest.approx(shared / np.mean(entropy))


def test_pcr_comparison_is_the_share_of_between_batch_variance_removed():
    batch = np.array(list("1122"))
    before = np.array([[-3.0, 1], [-1, -1], [1, 1], [3, -1]])
    # Between 16 of 24 before; none after.
    assert pcr_comparison(before, before * [0, 1], batch) == 1.0
    # Halving the first axis: 4 of 9 after, (2/3 - 4/9) / (2/3).
    assert pcr_comparison(before, before * [0.5, 1], batch) == pytest.approx(1 / 3)
    assert pcr_comparison(before * [0.5, 1], before, batch) == 0.0
    assert pcr_comparison(before * [0, 1], before, batch) is None


def test_a_label_in_two_parts_is_half_connected():
    x_nd = np.concatenate([np.arange(20.0), 1000 + np.arange(20.0), 5000 + np.arange(20.0)])[:, None]
    label = np.repeat(["a", "b"], [40, 20])
    assert graph_connectivity(near(x_nd), label) == pytest.approx((0.5 + 1.0) / 2)


def test_lisi_counts_groups_that_are_equally_near():
    # Every other cell is equally far, so weights are equal: 4 of the own group, 5 of the other.
    rows = np.array([[i, *(j for j in range(10) if j != i)] for i in range(10)])
    far = np.where(rows == np.arange(10)[:, None], 0.0, 1.0)
    found = lisi(Near(rows, far), np.repeat(["one", "two"], 5))
    np.testing.assert_allclose(found, 1 / ((4 / 9) ** 2 + (5 / 9) ** 2))


def test_each_cell_is_its_own_first_neighbour_even_among_duplicates():
    x_nd = np.repeat(np.random.default_rng(0).normal(size=(10, 2)), 3, axis=0)
    found = near(x_nd, 5)
    np.testing.assert_array_equal(found.rows[:, 0], np.arange(30))
    assert (np.diff(found.distances, axis=1) >= 0).all()
