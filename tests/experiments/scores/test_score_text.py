"""The text of a score is read back as the score, and slips are answered with where they stand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.experiments.response import Response
from aivc.experiments.scores.answer import Answer
from aivc.experiments.scores.score_text import parse_score
from aivc.experiments.scores.screen_score import (
    Combined,
    ContextScore,
    Number,
    PathwayScore,
    ReadoutScore,
    ResponseScore,
)

NAMES = st.text(min_size=1, max_size=6)
WEIGHTS = st.floats(allow_nan=False, allow_infinity=False).filter(bool)
LEAVES = st.one_of(
    st.dictionaries(NAMES, WEIGHTS, min_size=1, max_size=3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.tuples(st.just("readout"), NAMES.filter(lambda name: "/" not in name), NAMES),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "/", "min", "max"]), inner, inner),
        st.tuples(st.just("abs"), inner),
        st.tuples(st.just("at"), NAMES, inner),
    ),
    max_leaves=5,
)


def made(tree):
    """The score that a tree describes: scores check their types by chance, which no strategy may."""
    if isinstance(tree, dict):
        return ResponseScore(Response(tree))
    if isinstance(tree, float):
        return Number(tree + 0.0)
    by, *rest = tree
    if by == "readout":
        return ReadoutScore(*rest)
    return ContextScore(rest[0], made(rest[1])) if by == "at" else Combined(by, tuple(map(made, rest)))


@given(TREES)
def test_round_trip(tree):
    score = made(tree)
    assert parse_score(str(score)) == score


def value(text):
    features = np.array(["A", "B", "HLA-C"], dtype=object)
    said = Answer([Perturbation.parse("ko:X")], features, np.array([[1.0, 2.0, 5.0]]), "z")
    return float(parse_score(text).of(said)[0])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("gene:HLA-C", 5),
        ("gene:A - gene:B - gene:HLA-C", -6),
        ("gene:A - (gene:B - gene:HLA-C)", 4),
        ("2*gene:B + gene:A / 4", 4.25),
        ("-gene:B * -3", 6),
        ("abs(gene:A - gene:B) + max(gene:A, gene:B, 1e1)", 11),
        ("signature:A,-B", -0.5),
        ('signature:"A, -3*B"', -1.25),
        ("gene:B / gene:B / gene:B", 0.5),
    ],
)
def test_signs_bind_as_in_arithmetic(text, wanted):
    assert value(text) == wanted


def test_pathways_come_from_a_file(tmp_path):
    path = tmp_path / "sets.gmt"
    path.write_text("one (GO:1)\t\tA\tB\nplain\t\tA\n")
    assert value(f'pathway:"{path}/one (GO:1)"') == 1.5
    score = parse_score(f"pathway:{path}/plain")
    assert isinstance(score, PathwayScore)
    assert parse_score(str(score)) == score
    with pytest.raises(UnknownNameError, match="Did you mean 'plain'"):
        parse_score(f"pathway:{path}/plan")
    with pytest.raises(UnknownNameError, match="collection"):
        parse_score("pathway:nowhere/plain")


def test_goals_come_from_a_file(tmp_path):
    path = tmp_path / "goal.csv"
    path.write_text("feature,change\nA,2\n")
    assert value(f"goal:{path}") == 0.75
    assert parse_score(str(parse_score(f"goal:{path}"))) == parse_score(f"goal:{path}")
    with pytest.raises(IntegrityError, match="no goal"):
        parse_score("goal:nowhere.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the end came"),
        ("IRF1", "Names need a kind"),
        ("gene:A -", "the end came"),
        ("gene:A gene:B", "letter 8"),
        ("(gene:A", r"'\)' was wanted"),
        ("gene:A)", "a sign with a space before it"),
        ("at(line, gene:A)", "Names need a kind"),
        ("at(2, gene:A)", "a context in quotes"),
        ("readout:labels", "DECODER/FEATURE"),
        ("abs(gene:A, gene:B)", "abs takes one"),
        ("gene:A + 1e999", "finite"),
        ("(" * 99 + "gene:A" + ")" * 99, "nests at most"),
    ],
)
def test_slips_are_answered_with_where_they_stand(text, said):
    with pytest.raises(DataError, match=said):
        parse_score(text)


def test_unknown_kinds_and_functions_are_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'gene'"):
        parse_score("genes:A")
    with pytest.raises(UnknownNameError, match="function of scores named 'log'"):
        parse_score("log(gene:A)")
