import numpy as np
import pytest

from aivc.core.effects import effects
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.instruments.manipulators.effect.agents import Knowledge
from aivc.instruments.manipulators.effect.effect_v2 import EffectV2
from aivc.instruments.manipulators.effect.pairs import Pairs, answer_by_pairs
from aivc.instruments.manipulators.effect.rows import Rows
from tiny_effects import error, split, states


def interactions(genes=40, groups=5, noise=0.4, seed=0, *, related=True):
    """One reading of pairs: a number for each gene, and one for each pair of the groups that genes belong to."""
    rng = np.random.default_rng(seed)
    own, both = rng.normal(size=genes), 1.5 * rng.normal(size=(groups, groups))
    both = (both + both.T) * related
    return {
        ("A", f"ko:G{i:02d} + ko:G{j:02d}"): np.array([own[i] + own[j] + both[i % groups, j % groups]])
        + noise * rng.normal(size=1)
        for i in range(genes)
        for j in range(i + 1, genes)
    }


def hidden(_, text):
    one, other = (int(part.strip()[4:]) for part in text.split("+"))
    return (3 * one + 5 * other) % 7 == 0


def sums_error(given, asked):
    """Mean squared error of one number for each gene, by least squares."""
    names = sorted({part for _, text in given for part in text.split(" + ")})
    place = {name: i for i, name in enumerate(names)}

    def design(keys):
        rows = np.zeros((len(keys), len(names)))
        for row, (_, text) in enumerate(keys):
            rows[row, [place[part] for part in text.split(" + ")]] = 1
        return np.column_stack([rows, np.ones(len(rows))])

    weights = np.linalg.lstsq(design(list(given)), np.array(list(given.values())), rcond=None)[0]
    return ((design(list(asked)) @ weights - np.array(list(asked.values()))) ** 2).mean()


@pytest.fixture(scope="module")
def world():
    return split(interactions(genes=25), hidden)


@pytest.fixture(scope="module")
def fitted(world):
    return EffectV2.fit(states(world[0]))


def test_what_two_genes_do_with_others_tells_of_the_two(world, fitted):
    given, asked = world
    # The noise alone is 0.16.
    assert error(fitted, asked) < 0.4 < 0.3 * sums_error(given, asked)
    said = np.mean([fitted.tell(Perturbation.parse(text), "A").variance.mean() for _, text in asked])
    assert 0.5 < said / error(fitted, asked) < 2
    assert fitted.tell(Perturbation.parse("ko:G00 + ko:G07"), "A").applicability is Applicability.IN


def test_where_pairs_are_sums_nothing_is_added_to_them():
    given, asked = split(interactions(related=False), hidden)
    found = Pairs.of(Rows.of(effects(states(given))), Knowledge.of(None), 0)
    made = np.mean([(found.tell(text, context) - shift) ** 2 for (context, text), shift in asked.items()])
    assert made < 1.02 * sums_error(given, asked)


def test_the_order_of_a_pair_does_not_matter_and_of_unseen_ones_nothing_is_known(world):
    rows = Rows.of(effects(states(world[0])))
    found = Pairs.of(rows, Knowledge.of(None), 0)
    one, other = (found.tell(text, "A") for text in ("ko:G00 + ko:G05", "ko:G05 + ko:G00"))
    np.testing.assert_array_equal(one, other)
    assert found.tell("ko:G00 + ko:NEVER", "A") is None
    assert found.tell("ko:G00", "A") is None


@pytest.mark.parametrize("text", ["ko:G00 + ko:G05", "ko:G00 + ko:NEVER", "ko:G03"])
def test_pieces_add_up_to_the_answer_which_is_the_same_in_a_library(fitted, text):
    answer = fitted.tell(Perturbation.parse(text), "A")
    pieces = fitted.attribute(Perturbation.parse(text), "A")
    np.testing.assert_allclose(sum(piece.shift for piece in pieces), answer.shift, atol=1e-9)
    shift_pcd, _ = fitted.effects([Perturbation.parse(text)], ["A"])
    np.testing.assert_allclose(shift_pcd[0, 0], answer.shift, atol=1e-12)


def test_few_pairs_or_many_readings_are_not_such_a_table():
    given = interactions(genes=15)
    assert not answer_by_pairs(Rows.of(effects(states(given)))).any()
    wide = {key: np.repeat(value, 10) for key, value in interactions().items()}
    assert not answer_by_pairs(Rows.of(effects(states(wide)))).any()
