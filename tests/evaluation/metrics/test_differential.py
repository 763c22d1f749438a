import numpy as np
import pytest
from scipy import sparse, stats

from aivc.core.errors import ControlError, DataError, UnitsError
from aivc.evaluation.metrics.differential import (
    Control,
    Differential,
    differential,
    direction_fidelity,
    direction_reach,
    lfc_nmae,
    significant_jaccard,
)

FEATURES = 40
NAMES = np.array([f"G{i:02}" for i in range(FEATURES)])


def counts(rng: np.random.Generator, cells: int, *, scale: float = 0.4) -> np.ndarray:
    """Sparse counts with a total shared by many cells, so that ties above zero are common too."""
    x_nf = rng.poisson(scale, (cells, FEATURES)).astype(float)
    x_nf[:, -1] = 40 - x_nf[:, :-1].sum(axis=1)
    x_nf[: cells // 3, -1] += 7
    return x_nf


def per_million(x_nf: np.ndarray) -> np.ndarray:
    return x_nf * 1e6 / x_nf.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("continuity", [True, False])
@pytest.mark.parametrize(("n", "m"), [(2, 3), (1, 30), (25, 2), (60, 200)])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_every_p_is_the_one_scipy_computes(n, m, continuity, form) -> None:
    rng = np.random.default_rng(n)
    x_nf, c_mf = counts(rng, n), counts(rng, m, scale=0.6)
    control = Control.of(form(c_mf), NAMES, units="counts", gate_cpm=-1.0)
    ours = control.differential(form(x_nf), continuity=continuity)
    real = stats.mannwhitneyu(
        per_million(x_nf), per_million(c_mf), axis=0, method="asymptotic", use_continuity=continuity
    )
    # Without the correction, scipy has 0/0 where all cells are alike; there we say 1.
    np.testing.assert_allclose(ours.p, np.nan_to_num(real.pvalue, nan=1.0), rtol=1e-9, atol=0)
    np.testing.assert_allclose(ours.p_adj, stats.false_discovery_control(ours.p), rtol=1e-12)
    ratio = (per_million(x_nf).mean(axis=0) + 1e-9) / (per_million(c_mf).mean(axis=0) + 1e-9)
    np.testing.assert_allclose(ours.lfc, np.log2(ratio), rtol=1e-9, atol=1e-9)


def test_values_that_are_scaled_already_agree_with_scipy_too() -> None:
    rng = np.random.default_rng(4)
    x_nf, c_mf = (np.log1p(per_million(counts(rng, n)) / 100) for n in (30, 50))
    ours = differential(x_nf, sparse.csr_matrix(c_mf), NAMES, units="log1p_cp10k", gate_cpm=0.0)
    real = stats.mannwhitneyu(x_nf, c_mf, axis=0, method="asymptotic")
    np.testing.assert_allclose(ours.p[ours.tested], real.pvalue[ours.tested], rtol=1e-9)
    ratio = np.expm1(x_nf).mean(axis=0) / np.expm1(c_mf).mean(axis=0)
    np.testing.assert_allclose(ours.lfc[ours.tested], np.log2(ratio)[ours.tested], rtol=1e-6)


def test_features_that_are_all_zero_or_all_alike_are_no_evidence() -> None:
    x_nf = np.tile([0.0, 5.0, 5.0], (8, 1))
    table = differential(x_nf, x_nf, np.array(["A", "B", "C"]), units="counts", gate_cpm=-1.0)
    assert table.p.tolist() == [1.0, 1.0, 1.0]
    assert table.lfc.tolist() == [0.0, 0.0, 0.0]


def test_a_control_without_expressed_features_tests_nothing() -> None:
    x_nf = counts(np.random.default_rng(0), 5)
    table = differential(x_nf, x_nf, NAMES, units="counts", gate_cpm=2e6)
    assert not table.tested.any()
    assert np.isnan(table.p).all()
    assert not table.significant.any()


def test_a_control_of_zeros_alone_can_be_compared_with() -> None:
    x_nf = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    ours = differential(x_nf, np.zeros((4, 2)), np.array(["A", "B"]), units="log1p_cp10k", gate_cpm=-1.0)
    real = stats.mannwhitneyu(x_nf[:, 0], np.zeros(4), method="asymptotic")
    assert ours.p.tolist() == [pytest.approx(real.pvalue), 1.0]


def test_the_gate_looks_at_control_alone() -> None:
    silent = np.array([[0.0, 1e6]] * 9)
    loud = np.array([[5e5, 5e5]] * 9)
    names = np.array(["A", "B"])
    assert differential(loud, silent, names, units="counts").tested.tolist() == [False, True]
    assert differential(silent, loud, names, units="counts").tested.tolist() == [True, True]
    at_gate = np.array([[5.0, 999_995.0]] * 9)
    assert differential(loud, at_gate, names, units="counts").tested.tolist() == [False, True]


def test_the_target_is_left_out_of_the_adjustment_too() -> None:
    rng = np.random.default_rng(1)
    x_nf, c_mf = counts(rng, 30), counts(rng, 40)
    x_nf[:, 0] += 20
    control = Control.of(c_mf, NAMES, units="counts")
    assert control.differential(x_nf).significant[0]
    table = control.differential(x_nf, without=["G00", "not measured"])
    assert not table.tested[0]
    assert np.isnan([table.p[0], table.p_adj[0], table.lfc[0]]).all()
    np.testing.assert_allclose(table.p_adj[1:], stats.false_discovery_control(table.p[1:]), rtol=1e-12)


def test_planted_changes_are_found_and_shuffled_labels_find_none() -> None:
    rng = np.random.default_rng(2)
    mean_f = rng.lognormal(0, 1, 400) * 10
    names = np.array([f"G{i}" for i in range(400)])
    shift_f = np.ones(400)
    shift_f[:20], shift_f[20:40] = 2.0, 0.5
    pool = sparse.csr_matrix(rng.poisson(mean_f, (300, 400)).astype(float))
    control = Control.of(pool[:200], names, units="counts")
    found = control.differential(rng.poisson(mean_f * shift_f, (100, 400)).astype(float))
    assert found.significant[:40].mean() > 0.95
    assert (np.sign(found.lfc[:40]) == np.repeat([1, -1], 20)).all()
    null = control.differential(pool[200:])
    assert null.significant.sum() <= 2
    assert 0.01 < (null.p < 0.05).mean() < 0.09


def test_neither_the_order_of_cells_nor_a_reused_control_matters() -> None:
    rng = np.random.default_rng(3)
    x_nf, c_mf = counts(rng, 12), counts(rng, 20)
    control = Control.of(c_mf, NAMES, units="counts")
    first, again = control.differential(x_nf), control.differential(x_nf[::-1].copy())
    alone = differential(x_nf, c_mf[::-1].copy(), NAMES, units="counts")
    for other in (again, alone):
        np.testing.assert_array_equal(first.p, other.p)
        np.testing.assert_allclose(first.lfc, other.lfc, atol=1e-12)


def test_the_input_is_left_as_it_was() -> None:
    x_nf = sparse.csr_matrix((np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2))
    table = differential(x_nf, np.array([[1.0, 1.0]] * 3), np.array(["A", "B"]), units="counts")
    assert x_nf.data.tolist() == [1.0, 2.0, 0.0]
    assert table.lfc[1] == pytest.approx(1.0)


def test_a_table_for_readers() -> None:
    frame = differential(
        np.array([[9.0, 1.0]]), np.array([[5.0, 5.0]]), np.array(["A", "B"]), units="counts"
    ).to_frame()
    assert frame.index.tolist() == ["A", "B"]
    assert frame.columns.tolist() == ["lfc", "p", "p_adj", "tested", "significant"]


def test_p_is_adjusted_for_the_features_that_were_tested() -> None:
    draw = np.random.default_rng(5)
    low, high = draw.poisson(20, (30, 40)).astype(float), draw.poisson(np.linspace(18, 26, 40), (30, 40)).astype(float)
    names = np.array([f"G{i}" for i in range(40)])
    table = differential(high, low, names, units="counts", without=["G39"])
    p = np.sort(table.p[:39])
    by_hand = np.minimum(np.minimum.accumulate((p * 39 / np.arange(1, 40))[::-1])[::-1], 1.0)
    np.testing.assert_allclose(np.sort(table.p_adj[:39]), by_hand, rtol=1e-12)
    assert np.isnan(table.p_adj[39])


@pytest.mark.parametrize(
    ("value", "remedy"), [(-1.0, "Clip"), (np.nan, "Clip"), (np.inf, "Clip"), (0.0, "Leave them out")]
)
def test_impossible_values_are_refused(value, remedy) -> None:
    good, bad = np.ones((3, 2)), np.full((3, 2), value)
    control = Control.of(good, np.array(["A", "B"]), units="counts")
    with pytest.raises(DataError, match=remedy):
        control.differential(bad)


def test_other_shapes_and_units_are_refused() -> None:
    names = np.array(["A", "B"])
    control = Control.of(np.ones((3, 2)), names, units="counts")
    with pytest.raises(ControlError, match="Choose the rows"):
        Control.of(np.ones((0, 2)), names, units="counts")
    with pytest.raises(DataError, match=r"measurement\.features"):
        Control.of(np.ones((3, 3)), names, units="counts")
    with pytest.raises(UnitsError, match="Start from the counts"):
        Control.of(np.ones((3, 2)), names, units="zscore")
    for cells in (np.ones((0, 2)), np.ones((3, 3))):
        with pytest.raises(DataError, match="from one measurement"):
            control.differential(cells)


def table(lfc: list[float], p_adj: list[float], p: list[float] | None = None, names: str = "") -> Differential:
    size = len(lfc)
    return Differential(
        features=np.array(list(names) or [f"G{i:02}" for i in range(size)]),
        lfc=np.array(lfc, dtype=float),
        p=np.array(p_adj if p is None else p, dtype=float),
        p_adj=np.array(p_adj, dtype=float),
        tested=np.isfinite(np.array(p_adj, dtype=float)),
        alpha=0.05,
    )


NONE = table([0.1, 0.2, -0.1], [0.5, 0.9, 1.0])


def test_fidelity_by_hand() -> None:
    real = table([1, -1, 2, 0.1, 0, np.nan], [0.01, 0.01, 0.01, 0.9, 0.9, np.nan])
    # Called: G0 right, G1 wrong, G3 right though not significant; G4 has no real sign and G5 none at all.
    ours = table([1, 1, 1, 1, 1, 1], [0.01, 0.01, 0.9, 0.01, 0.01, 0.01])
    assert direction_fidelity(real, ours) == pytest.approx(2 / 3)
    one = table([1, 0, 0, 0, 0, 0], [0.01, 0.9, 0.9, 0.9, 0.9, 0.9])
    assert direction_fidelity(real, one) == pytest.approx(1 / 3)  # right once, but three were to be called
    flat = table([0, 0, np.nan, 0, 0, 0], [0.01] * 6)
    assert direction_fidelity(real, flat) == 0.0
    assert np.isnan(direction_fidelity(NONE, NONE))
    assert direction_fidelity(real, real) == 1.0


def test_reach_by_hand() -> None:
    real = table([1.0] * 10, [0.01] * 10)
    last_wrong = table([1.0] * 9 + [-1.0], np.linspace(0.001, 0.01, 10).tolist())
    assert direction_reach(real, last_wrong) == 1.0  # 9 of 10 is pure enough
    head_wrong = table([-1.0] + [1.0] * 9, np.linspace(0.001, 0.01, 10).tolist())
    assert direction_reach(real, head_wrong) == 1.0  # never pure before the last, and the deepest counts
    two_wrong = table([-1.0, -1.0] + [1.0] * 8, np.linspace(0.001, 0.01, 10).tolist())
    assert direction_reach(real, two_wrong) == 0.0
    assert direction_reach(real, two_wrong, purity=0.8) == 1.0
    middle = table([1.0] * 4 + [-1.0] * 3 + [1.0] * 3, np.linspace(0.001, 0.01, 10).tolist())
    assert direction_reach(real, middle) == pytest.approx(0.4)
    assert np.isnan(direction_reach(NONE, NONE))


def test_reach_breaks_ties_by_p_then_size_then_name() -> None:
    real = table([1.0, 1.0], [0.01, 0.01])
    assert direction_reach(real, table([1, -1], [0.01, 0.01], [0.001, 0.002])) == 0.5
    assert direction_reach(real, table([1, -1], [0.01, 0.01], [0.002, 0.001])) == 0.0
    assert direction_reach(real, table([2, -1], [0.01, 0.01])) == 0.5
    assert direction_reach(real, table([1, -2], [0.01, 0.01])) == 0.0
    assert direction_reach(table([1, 1], [0.01, 0.01], names="AB"), table([1, -1], [0.01, 0.01], names="AB")) == 0.5
    assert direction_reach(table([1, 1], [0.01, 0.01], names="BA"), table([1, -1], [0.01, 0.01], names="BA")) == 0.0
    assert direction_reach(real, table([1, np.nan], [0.9, np.nan])) == 0.5  # not tested is called last


def test_jaccard_by_hand() -> None:
    real = table([1, 1, 1, 1], [0.01, 0.01, 0.9, np.nan])
    assert significant_jaccard(real, table([1, 1, 1, 1], [0.9, 0.01, 0.01, np.nan])) == pytest.approx(1 / 3)
    assert significant_jaccard(NONE, NONE) == 1.0
    assert significant_jaccard(real, real) == 1.0


def test_nmae_by_hand() -> None:
    lfc = np.array([1.0, -2.0] * 5 + [9.0])
    real = table(lfc.tolist(), [0.01] * 10 + [0.9])
    assert lfc_nmae(real, real) == 0.0
    assert lfc_nmae(real, table((-lfc).tolist(), [1.0] * 11)) == 2.0
    assert lfc_nmae(real, table([0.0] * 11, [1.0] * 11)) == 1.0
    assert lfc_nmae(real, table([np.nan, np.inf] * 5 + [0.0], [1.0] * 11)) == 1.0
    assert lfc_nmae(real, table((lfc + 0.3).tolist(), [1.0] * 11)) == pytest.approx(3 / 15)
    few = table([1.0] * 9, [0.01] * 9)
    assert np.isnan(lfc_nmae(few, few))


@pytest.mark.parametrize("score", [direction_fidelity, direction_reach, significant_jaccard, lfc_nmae])
def test_tables_of_other_features_are_refused(score) -> None:
    with pytest.raises(DataError, match="one Control"):
        score(table([1, 1], [0.1, 0.1], names="AB"), table([1, 1], [0.1, 0.1], names="BA"))


def test_features_left_out_afterwards_count_in_the_family_of_tests_but_nowhere_else() -> None:
    rng = np.random.default_rng(5)
    control, cells = Control.of(counts(rng, 40), NAMES, units="counts"), counts(rng, 30, scale=0.8)
    whole = control.differential(cells)
    kept = whole.leaving_out(NAMES == "G03")
    assert np.isnan([kept.p[3], kept.p_adj[3], kept.lfc[3]]).all()
    assert not kept.tested[3]
    others = np.arange(FEATURES) != 3
    np.testing.assert_array_equal(kept.p_adj[others], whole.p_adj[others])
    dropped = control.differential(cells, without=["G03"])
    assert (dropped.p_adj[others] != whole.p_adj[others]).any()
