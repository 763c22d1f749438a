import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.instruments.manipulators.effect.hiding import (
    CONTEXT,
    FEW,
    KINDS,
    PAIR,
    PERTURBATION,
    RELATIVE,
    drawn,
    few_rows,
    hidings,
)
from aivc.instruments.manipulators.effect.rows import EffectRows
from tiny_effects import states


def table(texts, contexts):
    rng = np.random.default_rng(0)
    return EffectRows.of(effects(states({(c, t): rng.normal(size=4) for c in contexts for t in texts})))


SINGLES = [f"ko:G{i}" for i in range(8)]
PAIRS = [f"ko:G{i} + ko:G{j}" for i in range(8) for j in range(i + 1, 8)]
ROWS = table(SINGLES + PAIRS, "ABC")


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_rows_are_what_their_kind_of_question_is(kind):
    found = hidings(kind, ROWS, 0, few=5)
    assert found
    for given, hidden in found:
        assert not set(given) & set(hidden)
        texts, contexts = set(ROWS.texts[given]), set(ROWS.contexts[given])
        if kind in (PAIR, FEW, CONTEXT):
            assert set(ROWS.texts[hidden]) <= texts
        if kind == CONTEXT:
            assert not set(ROWS.contexts[hidden]) & contexts
        if kind == FEW:
            count = {c: (ROWS.contexts[given] == c).sum() for c in set(ROWS.contexts[hidden])}
            assert set(count.values()) == {5}
        if kind in (RELATIVE, PERTURBATION):
            assert not set(ROWS.texts[hidden]) & texts
        if kind == RELATIVE:
            agents = {a for text in texts for a in text.split(" + ")}
            assert {a for text in ROWS.texts[hidden] for a in text.split(" + ")} <= agents


def test_every_row_that_can_be_a_question_is_one_once():
    hidden = np.concatenate([each.hidden for each in hidings(PAIR, ROWS, 0)])
    assert len(set(hidden)) == len(hidden)
    # But those hidden in all contexts at once, which nothing could answer.
    assert len(hidden) > 0.95 * len(ROWS)
    relatives = np.concatenate([each.hidden for each in hidings(RELATIVE, ROWS, 0)])
    # Singles are what pairs are made of.
    assert {str(text) for text in ROWS.texts[relatives]} <= set(PAIRS)
    assert len(set(ROWS.texts[relatives])) == len(PAIRS)


def test_salts_of_one_compound_are_hidden_together():
    rows = table(["drug:Topotecan@1uM", "drug:Topotecan hydrochloride@1uM", *(f"drug:D{i}@1uM" for i in range(6))], "A")
    for _, hidden in hidings(PERTURBATION, rows, 0):
        assert sum("Topotecan" in text for text in rows.texts[hidden]) in (0, 2)


def test_rows_that_cannot_show_a_kind_of_question_hide_nothing():
    alone = table(SINGLES, "A")
    assert not hidings(PAIR, alone, 0)
    assert not hidings(CONTEXT, alone, 0)
    assert not hidings(RELATIVE, alone, 0)
    assert not hidings(PERTURBATION, table(["ko:G"], "ABC"), 0)


def test_a_context_with_less_than_half_of_what_is_usual_has_few():
    rng = np.random.default_rng(0)
    shifts = {(c, t): rng.normal(size=4) for c in "ABC" for t in SINGLES}
    shifts |= {("D", t): rng.normal(size=4) for t in SINGLES[:3]}
    assert few_rows(EffectRows.of(effects(states(shifts)))) == {"D": 3}


def test_practice_is_on_some_of_many_rows_all_contexts_of_a_perturbation_together():
    rows = table([f"ko:G{i}" for i in range(400)], "ABC")
    kept = drawn(rows, 0)
    assert len(kept) == 480
    assert len(set(rows.texts[kept])) == 160
