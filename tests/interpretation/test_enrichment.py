import numpy as np
import pytest
from scipy.stats import fisher_exact

from aivc.interpretation.enrichment import enrichment

BACKGROUND = [f"G{i}" for i in range(200)]


def test_p_values_are_those_of_fishers_test():
    sets = {"a": frozenset(BACKGROUND[:20]), "b": frozenset(BACKGROUND[50:60])}
    drawn = BACKGROUND[:8] + BACKGROUND[100:112]
    table = enrichment(drawn, BACKGROUND, sets).set_index("set")
    wanted = fisher_exact([[8, 12], [12, 168]], alternative="greater").pvalue
    assert table.loc["a", "p"] == pytest.approx(wanted)
    assert table.loc["a", "expected"] == pytest.approx(2.0)
    assert table.loc["b", "hits"] == 0
    assert table.loc["b", "p"] == 1.0


def test_what_was_not_measured_does_not_count():
    sets = {"a": frozenset([*BACKGROUND[:5], *(f"X{i}" for i in range(500))])}
    table = enrichment([*BACKGROUND[:5], "X1", "X2"], BACKGROUND, sets)
    assert (table.loc[0, "size"], table.loc[0, "hits"]) == (5, 5)
    assert enrichment(["G1"], BACKGROUND, {"two": frozenset(["G1", "G2"])}).empty


def test_q_values_grow_with_p_and_hold_the_false_discoveries():
    rng = np.random.default_rng(0)
    sets = {f"s{i}": frozenset(rng.choice(BACKGROUND, 20, replace=False)) for i in range(300)}
    table = enrichment(rng.choice(BACKGROUND, 30, replace=False), BACKGROUND, sets)
    assert (np.diff(table["q"]) >= 0).all()
    assert (table["q"] >= table["p"]).all()
    # Sets drawn at random: none is found.
    assert (table["q"] > 0.05).all()
