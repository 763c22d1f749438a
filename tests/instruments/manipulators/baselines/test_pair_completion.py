"""Interactions of pairs never seen together are found where few directions make them, and none where none do."""

from itertools import combinations

import numpy as np
import pytest

from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.baselines.additive import Additive
from aivc.instruments.manipulators.baselines.completion import complete
from aivc.instruments.manipulators.baselines.pair_completion import PairCompletion
from tiny_tables import predicted, table

AGENTS = [f"crispri:G{i:02d}" for i in range(40)]
PAIRS = list(combinations(range(len(AGENTS)), 2))


def text(i, j):
    return f"{AGENTS[i]} + {AGENTS[j]}"


def interactions(*, rank=2, noise=0.1, seed=0, dim=1, contexts=("line",), singles=True):
    """Own effects of agents, a mean interaction, and a low-rank interaction, in each context its own."""
    rng, found = np.random.default_rng(seed), {}
    for context in contexts:
        own, mean = rng.normal(size=(len(AGENTS), dim)), rng.normal(size=dim)
        v = rng.normal(size=(dim, len(AGENTS), rank))
        for i, j in PAIRS:
            between = np.einsum("dr,dr->d", v[:, i] * np.array([1.0, -1.0] * rank)[:rank], v[:, j])
            found[context, text(i, j)] = own[i] + own[j] + mean + between + rng.normal(0, noise, dim)
        if singles:
            found |= {(context, AGENTS[i]): own[i] + rng.normal(0, noise, dim) for i in range(len(AGENTS))}
    return found


def hide(found, share=0.2, seed=1):
    pairs = [key for key in found if "+" in key[1]]
    out = np.random.default_rng(seed).permutation(len(pairs))[: int(share * len(pairs))]
    hidden = [pairs[i] for i in out]
    return {key: effect for key, effect in found.items() if key not in set(hidden)}, hidden


def r(part, ur, found, hidden):
    said = [predicted(part, ur, text, context)[0] for context, text in hidden]
    return np.corrcoef(np.ravel(said), np.ravel([found[key] for key in hidden]))[0, 1]


@pytest.mark.parametrize("singles", [True, False])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_hidden_pairs_are_found(seed, singles):
    found = interactions(seed=seed, singles=singles)
    given, hidden = hide(found)
    ur = table(given)
    scores = {part.name: r(part.fit(ur), ur, found, hidden) for part in (PairCompletion, Additive)}
    assert scores["pair-completion"] > max(0.9, scores["additive"] + 0.1)


def test_contexts_and_features_have_tables_of_their_own():
    found = interactions(dim=3, contexts=("one", "two"))
    given, hidden = hide(found)
    ur = table(given)
    part = PairCompletion.fit(ur)
    assert part.directions.shape[:3] == (2, 3, len(AGENTS))
    assert r(part, ur, found, hidden) > 0.9


def test_without_interactions_the_main_effects_are_all_there_is():
    found = interactions(rank=0, noise=0.5)
    given, hidden = hide(found)
    ur = table(given)
    part = PairCompletion.fit(ur)
    said = np.array([predicted(part, ur, key[1], "line")[0] for key in hidden]).ravel()
    truth = np.array([found[key] for key in hidden]).ravel()
    assert ((said - truth) ** 2).mean() < 1.25 * 0.5**2


def test_permuted_pairs_tell_nothing_of_hidden_ones():
    found = interactions()
    given, hidden = hide(found)
    pairs = [key for key in given if "+" in key[1]]
    order = np.random.default_rng(0).permutation(len(pairs))
    permuted = given | {key: given[pairs[i]] for key, i in zip(pairs, order, strict=True)}
    ur = table(permuted)
    assert abs(r(PairCompletion.fit(ur), ur, found, hidden)) < 0.35


def test_what_was_not_measured_takes_no_part():
    found = interactions(dim=2)
    given, hidden = hide(found)
    rng = np.random.default_rng(2)
    ur = table({key: np.where(rng.random(2) < 0.2, np.nan, effect) for key, effect in given.items()})
    assert r(PairCompletion.fit(ur), ur, found, hidden) > 0.9


def test_many_features_fall_back_to_main_effects():
    found = interactions(dim=20, rank=0)
    given, hidden = hide(found)
    ur = table(given)
    part = PairCompletion.fit(ur)
    assert part.directions.shape[1] == 0
    assert r(part, ur, found, hidden) > 0.95


def test_profiles_with_gaps_are_added_up_over_what_was_measured():
    found = interactions(dim=20, rank=0)
    given, hidden = hide(found)
    rng = np.random.default_rng(3)
    ur = table({key: np.where(rng.random(20) < 0.2, np.nan, effect) for key, effect in given.items()})
    ours, plain = PairCompletion.fit(ur), Additive.fit(ur)
    for context, pair in hidden[:5]:
        np.testing.assert_allclose(predicted(ours, ur, pair, context)[0], predicted(plain, ur, pair, context)[0])
    assert r(ours, ur, found, hidden) > 0.95


def test_time_alone_is_no_agent():
    ur = table({("line", "time for 6h"): [9.0, 9.0], ("line", AGENTS[0]): [1.0, 2.0]})
    assert PairCompletion.fit(ur).agents == (AGENTS[0],)
    alone = table({("line", "time for 6h"): [9.0, 9.0]})
    np.testing.assert_allclose(predicted(PairCompletion.fit(alone), alone, AGENTS[0], "line")[0], 0.0)


def test_singles_say_what_they_did_and_three_together_add_up():
    found = interactions(rank=0, noise=0.0)
    ur = table(found)
    part = PairCompletion.fit(ur)
    shift_d, answer = predicted(part, ur, AGENTS[3], "line")
    assert answer is Applicability.IN
    assert shift_d == pytest.approx(found["line", AGENTS[3]], abs=0.2)
    pair = predicted(part, ur, text(0, 1), "line")[0]
    three, answer = predicted(part, ur, f"{text(0, 1)} + {AGENTS[2]}", "line")
    assert answer is Applicability.EDGE
    assert three == pytest.approx(pair + predicted(part, ur, AGENTS[2], "line")[0], abs=0.05)


def test_verdicts_and_unknown_agents():
    given, hidden = hide(interactions())
    ur = table(given)
    part = PairCompletion.fit(ur)
    assert predicted(part, ur, next(t for _, t in given if "+" in t), "line")[1] is Applicability.IN
    assert predicted(part, ur, hidden[0][1], "line")[1] is Applicability.EDGE
    assert predicted(part, ur, f"{AGENTS[0]} + ko:NOBODY", "line")[1] is Applicability.EDGE
    shift_d, answer = predicted(part, ur, "ko:NOBODY", "line")
    assert answer is Applicability.OUT
    np.testing.assert_allclose(shift_d, part.offsets[0, 0])


def test_a_context_never_seen_is_taken_for_the_average():
    found = interactions(contexts=("one", "two"))
    ur = table(found)
    part = PairCompletion.fit(ur)
    known = [predicted(part, ur, text(4, 9), context)[0] for context in ("one", "two")]
    np.testing.assert_allclose(predicted(part, ur, text(4, 9), "three")[0], np.mean(known, axis=0))


class TestComplete:
    def test_a_low_rank_table_is_filled_and_noise_is_not(self):
        rng = np.random.default_rng(0)
        v = rng.normal(size=(50, 3))
        truth, known = (v * [3.0, -2.0, 1.0]) @ v.T, np.triu(rng.random((50, 50)) < 0.7, 1)
        known |= known.T
        vectors, weights = complete(truth, known)
        gaps = ~known & ~np.eye(50, dtype=bool)
        said = (vectors * weights) @ vectors.T
        assert np.corrcoef(said[gaps], truth[gaps])[0, 1] > 0.98
        noise = rng.normal(size=(50, 50))
        vectors, weights = complete(noise + noise.T, known)
        assert np.std(((vectors * weights) @ vectors.T)[gaps]) < 0.5 * np.std(noise + noise.T)

    def test_too_few_entries_fill_nothing(self):
        known = np.zeros((20, 20), dtype=bool)
        known[0, 1:10] = known[1:10, 0] = True
        assert complete(np.ones((20, 20)), known)[0].shape == (20, 0)
