import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.effect.columns import Columns, has_columns
from aivc.instruments.manipulators.effect.effect_v2 import EffectV2
from aivc.instruments.manipulators.effect.rows import EffectRows
from tiny_effects import split, states


def responses(lines=80, drugs=20, noise=0.4, seed=0, missing=0.0):
    """One reading: a mean of each drug, and what lines share through three hidden properties."""
    rng = np.random.default_rng(seed)
    mean, loading = 2 * rng.normal(size=drugs), rng.normal(size=(3, drugs))
    value = mean + rng.normal(size=(lines, 3)) @ loading + noise * rng.normal(size=(lines, drugs))
    return {
        (f"L{c:03d}", f"drug:D{p:02d}"): value[c, p : p + 1]
        for c in range(lines)
        for p in range(drugs)
        if rng.random() >= missing
    }


def additive_error(given, asked):
    """Mean squared error of drug mean plus line offset."""
    mean = {t: np.mean([v for (_, text), v in given.items() if text == t]) for _, t in given}
    away = {c: np.mean([v - mean[t] for (where, t), v in given.items() if where == c]) for c, _ in asked}
    return np.mean([(mean[t] + away[c] - v[0]) ** 2 for (c, t), v in asked.items()])


@pytest.fixture(scope="module")
def world():
    """Every fifth line has ten of twenty drugs."""
    return split(responses(missing=0.05), lambda c, t: int(c[1:]) % 5 == 0 and int(t[6:]) >= 10)


@pytest.fixture(scope="module")
def fitted(world):
    return EffectV2.fit(states(world[0]))


def test_lines_tell_together_how_drugs_go_with_each_other(world):
    given, asked = world
    found = Columns.of(EffectRows.of(effects(states(given))))
    answer = {key: found.predict(key[1], key[0]) for key in asked}
    error = np.mean([(answer[key][0][0] - asked[key][0]) ** 2 for key in asked])
    # The noise alone is 0.16.
    assert error < 0.5 < 0.2 * additive_error(given, asked)
    assert np.mean([variance[0] for _, variance in answer.values()]) > 0.8 * error
    for (context, text), value in list(given.items())[:50]:
        np.testing.assert_allclose(found.predict(text, context)[0], value)


def test_of_a_line_never_seen_the_mean_over_lines_is_predicted(world):
    given, _ = world
    found = Columns.of(EffectRows.of(effects(states(given))))
    mean = np.mean([v for (_, text), v in given.items() if text == "drug:D03"])
    shift, variance = found.predict("drug:D03", "never seen")
    assert shift[0] == pytest.approx(mean, abs=0.3)
    assert variance[0] > 1


def test_effect_v2_answers_such_a_table_by_it(world, fitted):
    given, asked = world
    rows = EffectRows.of(effects(states(given)))
    assert has_columns(rows)
    assert not has_columns(rows.take(np.flatnonzero(rows.contexts < "L040")))
    found = Columns.of(rows)
    for context, text in list(asked)[:5]:
        answer = fitted.predict(Perturbation.parse(text), context)
        np.testing.assert_allclose(answer.shift, found.predict(text, context)[0])
        pieces = fitted.attribute(Perturbation.parse(text), context)
        np.testing.assert_allclose(sum(piece.shift for piece in pieces), answer.shift, atol=1e-9)
        assert answer.applicability is Applicability.IN
    stranger = fitted.predict(Perturbation.parse("drug:NEVER"), "L001")
    pieces = fitted.attribute(Perturbation.parse("drug:NEVER"), "L001")
    np.testing.assert_allclose(sum(piece.shift for piece in pieces), stranger.shift, atol=1e-9)
    assert stranger.applicability is not Applicability.IN


def test_what_a_pair_of_strangers_is_expected_to_do_is_made_of_measured_rows_and_mean_effects(fitted):
    asked = Perturbation.parse("drug:X + drug:Y")
    pieces = fitted.attribute(asked, "L001")
    assert {"mean effect"} < {piece.source for piece in pieces}
    np.testing.assert_allclose(sum(piece.shift for piece in pieces), fitted.predict(asked, "L001").shift, atol=1e-9)
