"""Where effects add up, a beam asks about the best pair, though none of its agents is the best alone."""

import itertools

import numpy as np
import pytest

from aivc.core.perturbation import Perturbation
from aivc.experiments.combine import Beam
from aivc.experiments.goal import Goal


def asked(width, effects, goal):
    beam = Beam(goal, width)
    for text, effect_f in effects.items():
        beam.add(Perturbation.parse(text), effect_f)
    return beam


def effects_of(n, seed):
    rng = np.random.default_rng(seed)
    return {f"ko:G{i:03}": rng.normal(size=5) for i in range(n)}


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_as_wide_as_the_agents_is_exact(seed):
    effects, goal = effects_of(12, seed), Goal(np.array([2.0, -1.0, 1.0]), np.arange(3), np.array([3, 4]), 0.5)
    pairs = asked(12, effects, goal).grow()
    assert len(pairs) == 12 * 11 / 2
    best = max(itertools.combinations(effects, 2), key=lambda p: goal.score(effects[p[0]] + effects[p[1]]))
    assert {Perturbation.parse(" + ".join(best))} <= set(pairs)


def test_a_narrow_beam_finds_what_complements_the_best():
    # B alone leads away, but takes back what A does too much.
    goal = Goal(np.array([1.0, 0.0]), np.arange(2), np.arange(0))
    effects = {"ko:A": np.array([0.9, 0.5]), "ko:B": np.array([0.0, -0.5]), "ko:C": np.array([0.4, 0.3])}
    assert asked(1, effects, goal).grow() == [Perturbation.parse("ko:A + ko:B")]


def test_triples_grow_from_pairs_and_never_name_an_agent_twice():
    goal = Goal(np.ones(5), np.arange(5), np.arange(0))
    effects = effects_of(30, 7)
    beam = asked(4, effects, goal)
    for pair in beam.grow():
        beam.add(pair, sum(effects[str(each)] for each in pair.agents))
    triples = beam.grow()
    assert 4 <= len(triples) <= 16
    assert all(len(set(each.targets)) == 3 for each in triples)
