import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.components import Component, Controls, Covariance, Queries, components
from aivc.instruments.manipulators.effect.likeness import Likeness
from aivc.instruments.manipulators.effect.rows import EffectRows
from tiny_effects import molecules, states

NOTHING, BLANK = Knowledge.of(None), Controls((), np.zeros((0, 4)))
SINGLES = [f"ko:G{i}" for i in range(6)]


def kinds(texts, contexts, knowledge=NOTHING, controls=BLANK, dim=10):
    found = components(texts, contexts, dim, knowledge, controls)
    return {each.contexts for each in found}, {each.perturbations for each in found}


def test_components_are_those_that_rows_can_tell_apart():
    assert kinds(SINGLES, ["A"]) == ({"all"}, {"all", "same", "effects"})
    assert kinds(["ko:G"], ["A", "B"]) == ({"all", "same"}, {"all"})
    assert kinds(SINGLES, ["A", "B"])[0] == {"all", "same"}
    assert kinds(SINGLES, ["A", "B", "C"])[0] == {"all", "same", "offsets", "residuals"}
    assert "responses" in kinds(SINGLES, list("ABCDEFGH"))[1]
    assert "agents" in kinds([*SINGLES, "ko:G0 + ko:G1"], ["A"])[1]
    assert "agents" in kinds(["drug:D@1uM", "drug:D@10uM"], ["A"])[1]
    assert "knowledge" in kinds(SINGLES, ["A"], Knowledge.of(molecules({"G0": [1.0]})))[1]
    assert "knowledge" not in kinds(SINGLES, ["A"], Knowledge.of(molecules({"X": [1.0]})))[1]
    # One number has no direction.
    assert "effects" not in kinds(SINGLES, ["A", "B", "C"], dim=1)[1]


def test_controls_tell_contexts_apart_only_where_they_differ():
    alike, apart = (Controls(("A", "B"), scale * np.eye(2)) for scale in (0.0, 1.0))
    assert "controls" not in kinds(SINGLES, ["A", "B"], controls=alike)[0]
    assert "controls" in kinds(SINGLES, ["A", "B"], controls=apart)[0]


def test_contexts_are_as_alike_as_their_controls_are_near():
    line = Controls(tuple("ABCD"), np.outer(np.arange(4.0), np.ones(3)))
    like = line.likeness({"new": np.full(3, 0.2)}, list("ABCD"))[0]
    assert (np.diff(like) < 0).all()
    np.testing.assert_allclose(np.diag(line.likeness(dict(zip(line.names, line.profiles, strict=True)), "ABCD")), 1.0)


def test_the_sum_of_all_components_is_the_total_and_a_covariance():
    rng = np.random.default_rng(0)
    texts = [*SINGLES, "ko:G0 + ko:G1", "ko:G2 + ko:G3"]
    shifts = {(f"C{c}", text): rng.normal(size=10) for c in range(9) for text in texts}
    controls = {f"C{c}": rng.normal(size=10) for c in range(9)}
    rows = EffectRows.of(effects(states(shifts, controls=controls)))
    knowledge = Knowledge.of(molecules({f"G{i}": rng.normal(size=3) for i in range(6)}))
    known = Controls(tuple(controls), np.array(list(controls.values())))
    parts = components(list(rows.texts), list(rows.contexts), 10, knowledge, known)
    covariance = Covariance(parts, Likeness.of(rows), knowledge, known)
    asked = Queries(rows.texts, rows.contexts, controls)
    tables = covariance.between(asked, asked)
    variances = rng.uniform(size=len(parts))
    total = covariance.total(asked, asked, variances)
    np.testing.assert_allclose(total, sum(v * table for v, table in zip(variances, tables, strict=True)))
    assert {each.perturbations for each in parts} >= {"agents", "effects", "knowledge", "responses"}
    for part, table in zip(parts, tables, strict=True):
        assert np.linalg.eigvalsh(table).min() > -1e-8, part
        np.testing.assert_allclose(table, table.T, atol=1e-12)


@pytest.mark.parametrize("part", [Component("all", "effects"), Component("residuals", "same")])
def test_an_unseen_one_is_like_nobody_but_no_surer_for_it(part):
    rng = np.random.default_rng(0)
    rows = EffectRows.of(effects(states({(c, text): rng.normal(size=10) for c in "ABC" for text in SINGLES})))
    covariance = Covariance((part,), Likeness.of(rows), NOTHING, BLANK)
    known = Queries(rows.texts, rows.contexts, {})
    stranger = Queries(np.array(["ko:NEVER"]), np.array(["Z"]), {})
    assert not covariance.between(stranger, known)[0].any()
    assert covariance.own(stranger).tolist() == [[1.0]]


def test_more_perturbations_than_can_be_compared_are_predicted_without_comparing_them(monkeypatch):
    monkeypatch.setattr("aivc.instruments.manipulators.effect.components.MOST", 3)
    names = [f"ko:G{i}" for i in range(4)]
    found = components(names * 2, ["A"] * 4 + ["B"] * 4, 5, Knowledge.of(None), Controls((), np.zeros((0, 5))))
    assert {each.perturbations for each in found} == {"all", "same"}
