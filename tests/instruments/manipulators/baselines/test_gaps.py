"""Simple methods on tables of which part was not measured: it takes no part, and the mean effect stands in."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.registry import MANIPULATORS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.baselines.additive import Additive
from aivc.instruments.manipulators.baselines.ridge_across_contexts import RidgeAcrossContexts
from aivc.instruments.manipulators.baselines.sums import fit_sums


def table(rows):
    """States of a table of effects: rows are (context, perturbation, effect), NaN where it was not measured."""
    contexts = sorted({context for context, _, _ in rows})
    effect_nd = np.array([effect for _, _, effect in rows], dtype=float)
    dim = effect_nd.shape[1]
    values = np.vstack([np.zeros((len(contexts), dim)), effect_nd])
    named = [*((context, CONTROL) for context in contexts), *((context, text) for context, text, _ in rows)]
    entities = pd.DataFrame(named, columns=["context", "perturbation"], dtype=object)
    seen = np.isfinite(values)
    space = Space("table", Scale.CELLULAR, dim, "table")
    return UR(np.where(seen, values, 0.0), space, entities, np.where(seen, 0.0, np.inf))


def parts(names):
    """Molecular states of perturbations: the first two are alike."""
    place = np.eye(len(names))
    place[1] = 0.9 * place[0] + 0.1 * place[1]
    return UR(place, Space("m", Scale.MOLECULAR, len(names), "m"), pd.DataFrame(index=list(names)))


def said(part, ur, text, context):
    start = ur.take((ur.perturbations == CONTROL) & (ur.contexts == context))
    if not len(start):
        start = ur.take(np.array([0]))
        start = UR(start.values, start.space, start.entities.assign(context=context))
    answer = part.manipulate(start, Perturbation.parse(text))
    return answer.mean - start.mean, answer.applicability


NAN = np.nan


@pytest.fixture(scope="module")
def ur():
    return table(
        [
            ("A", "ko:X", [1.0, NAN, 1.0]),
            ("A", "ko:Y", [3.0, 6.0, 3.0]),
            ("B", "ko:X", [5.0, NAN, NAN]),
            ("B", "ko:Y", [9.0, 10.0, NAN]),
            ("B", "ko:Z", [4.0, NAN, NAN]),
        ]
    )


def test_the_mean_effect_is_over_what_was_measured(ur):
    part = MANIPULATORS.load("mean-effect").fit(ur)
    np.testing.assert_allclose(said(part, ur, "ko:NEW", "A")[0], [2.0, 6.0, 2.0])
    # Nobody measured the third axis in B: the mean effect of the other context stands in.
    np.testing.assert_allclose(said(part, ur, "ko:NEW", "B")[0], [6.0, 10.0, 2.0])
    np.testing.assert_allclose(said(part, ur, "ko:NEW", "C")[0], [4.0, 8.0, 2.0])


def test_transfer_averages_the_contexts_that_measured(ur):
    part = MANIPULATORS.load("transfer").fit(ur)
    np.testing.assert_allclose(said(part, ur, "ko:X", "A")[0], [3.0, 6.0, 1.0])
    np.testing.assert_allclose(said(part, ur, "ko:Y", "B")[0], [6.0, 8.0, 3.0])
    shift_d, stated = said(part, ur, "ko:Z", "A")
    np.testing.assert_allclose(shift_d, [4.0, 6.0, 2.0])
    assert stated is Applicability.IN


def test_neighbors_that_were_not_measured_say_nothing(ur):
    known = parts(["Y", "NEAR", "X", "Z"])
    part = MANIPULATORS.load("nearest").fit(ur, parts=known, neighbors=1)
    np.testing.assert_allclose(said(part, ur, "ko:NEAR", "A")[0], [6.0, 8.0, 3.0])
    alone = MANIPULATORS.load("nearest").fit(ur, parts=parts(["X", "NEAR", "Y", "Z"]), neighbors=1)
    np.testing.assert_allclose(said(alone, ur, "ko:NEAR", "A")[0], [3.0, 6.0, 1.0])


def test_ridge_on_priors_looks_up_what_was_measured_and_is_finite_for_others(ur):
    part = MANIPULATORS.load("ridge-on-priors").fit(ur, parts=parts(["Y", "NEAR", "X", "Z"]))
    np.testing.assert_allclose(said(part, ur, "ko:Y", "A")[0], [6.0, 8.0, 3.0])
    np.testing.assert_allclose(said(part, ur, "ko:X", "B")[0], [3.0, 10.0, 1.0])
    assert np.isfinite(said(part, ur, "ko:NEAR", "B")[0]).all()


@pytest.mark.parametrize(
    "name", ["mean-effect", "transfer", "additive", "ridge-across-contexts", "nearest", "ridge-on-priors", "effect.v2"]
)
def test_what_stands_where_nothing_was_measured_is_never_read(ur, name):
    """The value there means nothing, so it may change without any answer changing."""
    values = np.where(np.isfinite(ur.variance), ur.values, 99.0)
    other = UR(values, ur.space, ur.entities, ur.variance)
    known = parts(["Y", "NEAR", "X", "Z"])
    for text in ("ko:X", "ko:Y", "ko:NEAR", "ko:NEW"):
        ours, theirs = (said(MANIPULATORS.load(name).fit(each, parts=known), ur, text, "B") for each in (ur, other))
        np.testing.assert_allclose(ours[0], theirs[0])
        assert np.isfinite(ours[0]).all()


def complete(seed=0, drugs=12, lines=4, dim=5):
    """An additive world: offsets of contexts and vectors of drugs, which are zero on average."""
    rng = np.random.default_rng(seed)
    offset_cd, vector_pd = rng.normal(size=(lines, dim)), rng.normal(size=(drugs, dim))
    vector_pd -= vector_pd.mean(axis=0)
    return offset_cd, vector_pd


def test_additive_recovers_contexts_and_agents_where_part_is_missing():
    offset_cd, vector_pd = complete()
    truth = {(f"c{c}", f"drug:d{p}"): o + v for c, o in enumerate(offset_cd) for p, v in enumerate(vector_pd)}
    rng = np.random.default_rng(1)
    rows = [(*key, np.where(rng.random(5) < 0.25, NAN, effect)) for key, effect in truth.items()]
    hidden = [("c0", f"drug:d{p}") for p in range(4)]
    ur = table([row for row in rows if row[:2] not in hidden])
    part = Additive.fit(ur, ridge=1e-6)
    for context, text in hidden:
        shift_d, stated = said(part, ur, text, context)
        np.testing.assert_allclose(shift_d, truth[context, text], atol=1e-3)
        assert stated is Applicability.IN


def test_additive_is_the_masked_least_squares_solution():
    rng = np.random.default_rng(0)
    rows = [
        (f"c{c}", f"ko:g{p}", np.where(rng.random(2) < 0.3, NAN, rng.normal(size=2)))
        for c in range(3)
        for p in range(6)
    ]
    part = Additive.fit(table(rows), ridge=0.5)
    for axis in range(2):
        measured = [(c, t, effect[axis]) for c, t, effect in rows if np.isfinite(effect[axis])]
        design = np.array(
            [[c == f"c{i}" for i in range(3)] + [t == f"ko:g{p}" for p in range(6)] for c, t, _ in measured], float
        )
        gram = design.T @ design + np.diag([1e-9] * 3 + [0.5] * 6)
        wanted = np.linalg.solve(gram, design.T @ np.array([y for _, _, y in measured]))
        np.testing.assert_allclose(part.offsets[:, axis], wanted[:3], atol=1e-4)
        np.testing.assert_allclose(part.shifts[:, axis], wanted[3:], atol=1e-4)


def test_agents_given_together_add_with_the_offset_of_each():
    rng = np.random.default_rng(0)
    vector = {f"g{i}": rng.normal(size=3) + 1.0 for i in range(8)}
    singles = [("A", f"ko:{name}", each) for name, each in vector.items()]
    pairs = [("A", f"ko:g{i} + ko:g{i + 1}", vector[f"g{i}"] + vector[f"g{i + 1}"]) for i in range(7)]
    ur = table([*singles, *pairs[:-2]])
    part = Additive.fit(ur, ridge=1e-4)
    for context, text, effect in pairs[-2:]:
        np.testing.assert_allclose(said(part, ur, text, context)[0], effect, atol=1e-2)


def test_the_penalty_of_additive_is_larger_where_agents_do_not_repeat_what_they_did():
    rng = np.random.default_rng(0)
    offset_cd, vector_pd = complete(seed=3, drugs=20)
    keys = [(c, p) for c in range(4) for p in range(20)]
    steady = [(f"c{c}", f"drug:d{p}", offset_cd[c] + vector_pd[p] + 0.1 * rng.normal(size=5)) for c, p in keys]
    fickle = [(f"c{c}", f"drug:d{p}", offset_cd[c] + rng.normal(size=5)) for c, p in keys]
    ridges = [Additive.fit(table(rows)) for rows in (steady, fickle)]
    size = [float(np.abs(part.shifts).mean()) for part in ridges]
    assert size[0] > 2 * size[1]


def test_many_agents_are_solved_for_as_few_are(monkeypatch):
    from aivc.core.effects import effects
    from aivc.instruments.manipulators.baselines import sums as agents

    offset_cd, vector_pd = complete(seed=5)
    rows = [(f"c{c}", f"ko:d{p}", o + v) for c, o in enumerate(offset_cd) for p, v in enumerate(vector_pd)]
    seen = effects(table(rows))
    few = fit_sums(seen, ridge=0.3)
    monkeypatch.setattr(agents, "_MOST_UNKNOWNS", 3)
    many = fit_sums(seen, ridge=0.3)
    np.testing.assert_allclose(many.vectors, few.vectors, atol=1e-8)
    np.testing.assert_allclose(many.offsets, few.offsets, atol=1e-8)


def crossed(dim, drugs=40, seed=0):
    """What a perturbation does in B is what it does in A, with every second axis turned around, and one more."""
    rng = np.random.default_rng(seed)
    own = rng.normal(size=(drugs, 6)) @ np.linalg.qr(rng.normal(size=(dim, 6)))[0].T
    turned = own * np.where(np.arange(dim) % 2, -1.0, 1.0)
    return [("A", f"ko:G{p}", own[p] + 1.0) for p in range(drugs)], [
        ("B", f"ko:G{p}", turned[p] + 1.0) for p in range(drugs)
    ]


@pytest.mark.parametrize(("dim", "drugs"), [(6, 40), (60, 20)])
def test_ridge_across_contexts_learns_one_map_for_all_with_few_axes_or_many(dim, drugs):
    here, there = crossed(dim, drugs)
    ur = table([*here, *there[4:]])
    part = RidgeAcrossContexts.fit(ur)
    # Few axes: the map itself, and an intercept. Many: one row for each effect it was learned from.
    assert part.weights.shape == ((dim + 1, dim) if dim < 2 * (drugs - 4) else (2 * (drugs - 4), dim))
    for _, text, effect in there[:4]:
        shift_d, stated = said(part, ur, text, "B")
        assert stated is Applicability.IN
        assert np.abs(shift_d - effect).mean() < 0.8 * np.abs(part.means[1] - effect).mean()


def test_both_forms_of_the_ridge_are_one(monkeypatch):
    from aivc.instruments.manipulators.baselines import ridge_across_contexts as module

    here, there = crossed(30, 25)
    ur = table([*here, *there[4:]])
    answers = []
    for primal in (True, False):
        monkeypatch.setattr(module, "_primal", lambda rows, dim, primal=primal: primal)
        answers.append(said(RidgeAcrossContexts.fit(ur), ur, "ko:G1", "B")[0])
    np.testing.assert_allclose(*answers, atol=1e-8)


def test_the_ridge_on_thousands_of_axes_makes_no_square_of_them():
    here, there = crossed(8000, 30)
    part = RidgeAcrossContexts.fit(table([*here, *there[4:]]))
    assert part.weights.shape == (52, 8000)


def test_what_was_measured_nowhere_else_gets_the_mean_effect(ur):
    part = RidgeAcrossContexts.fit(ur)
    mean = MANIPULATORS.load("mean-effect").fit(ur)
    for context in "AB":
        shift_d, stated = said(part, ur, "ko:NEVER", context)
        assert stated is Applicability.OUT
        np.testing.assert_allclose(shift_d, said(mean, ur, "ko:NEVER", context)[0])
