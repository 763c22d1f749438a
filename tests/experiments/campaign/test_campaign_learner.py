"""What a campaign asks of genes and of pairs: the same three questions."""

from dataclasses import replace

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.campaign.campaign_learner import campaign_learner, library_from, require_fit
from tiny_campaigns import tiny_library, tiny_pairs

PLAIN = {"start": "prior", "use_prior": True, "direction": "both"}


def test_pairs_start_from_those_given_and_at_random_without_enough():
    library, score = tiny_pairs()
    size = np.abs([score[name] for name in library.names])
    informed = campaign_learner(library, **PLAIN)
    best = informed.first(10, np.random.default_rng(0))
    assert informed.least == 1
    assert sorted(best) == list(range(len(library)))
    assert size[best[:10]].mean() > 1.5 * size.mean()
    few = campaign_learner(replace(library, given=library.given[:4], scores=library.scores[:4]), **PLAIN)
    chance = np.random.default_rng(3).permutation(len(library))
    assert few.least == 6
    np.testing.assert_array_equal(few.first(10, np.random.default_rng(3)), chance)
    asked = campaign_learner(library, **{**PLAIN, "start": "random"})
    np.testing.assert_array_equal(asked.first(10, np.random.default_rng(3)), chance)


def test_measurements_change_what_is_believed_of_pairs():
    library, score = tiny_pairs()
    learner, measured = campaign_learner(library, **PLAIN), np.arange(20)
    true = np.array([score[name] for name in library.names])
    hit = np.zeros(20, dtype=bool)
    said = learner.believe(measured, true[:20], hit).mean
    other = learner.believe(measured, 5 * true[:20], hit).mean
    assert np.corrcoef(said[20:], np.abs(true[20:]))[0, 1] > 0.5
    assert other[:20].mean() > said[:20].mean() + 0.5


def test_only_what_pairs_can_use_is_taken():
    pairs, genes = tiny_pairs()[0], tiny_library(20)[0]
    require_fit(genes, **PLAIN | {"direction": "lower"}, rule="thompson")
    require_fit(pairs, **PLAIN, rule="greedy")
    for odd in ({"rule": "ucb"}, {"start": "coverage"}, {"direction": "lower"}, {"use_prior": False}):
        with pytest.raises(DataError, match="Leave these options out"):
            require_fit(pairs, **PLAIN | {"rule": "greedy"} | odd)


def test_a_state_says_which_library_it_was():
    for library in (tiny_pairs()[0], tiny_library(20)[0]):
        again = library_from(library.state())
        assert type(again) is type(library)
        assert again.names == library.names
