"""A response is text and object, and a weighted mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import DataError, UnknownNameError
from aivc.experiments.response import Response

NAMES = st.text(min_size=1, max_size=12)
WEIGHTS = st.floats(allow_nan=False, allow_infinity=False).filter(bool)


@given(st.dictionaries(NAMES, WEIGHTS, min_size=1, max_size=4))
def test_text_round_trip(weights):
    response = Response(weights)
    assert Response.parse(str(response)) == response


def test_reads_weights_and_signs():
    assert dict(Response.parse("HLA-A,-IRF1, 2*STAT1,- 0.5 * JAK2").weights) == {
        "HLA-A": 1.0,
        "IRF1": -1.0,
        "STAT1": 2.0,
        "JAK2": -0.5,
    }


def test_score_is_the_weighted_mean():
    response = Response.parse("A, -3*B")
    assert response.score(np.array([1.0, 5.0, -1.0]), ["A", "C", "B"]) == pytest.approx(1.0)
    assert response.over(["A", "B"], {"B"}).tolist() == [1.0, 0.0]
    assert not response.over(["A", "B"], {"A", "B"}).any()
    assert Response.of(["A", "B"], "pair").name == "pair"


@pytest.mark.parametrize("text", ["", "A,,B", "A, A", "0*A", "-", "2*"])
def test_refuses_other_text(text):
    with pytest.raises(DataError, match=r"CD274|once"):
        Response.parse(text)


def test_unknown_feature_is_named_with_its_neighbours():
    with pytest.raises(UnknownNameError, match="Did you mean 'STAT1'"):
        Response.parse("STAT").score(np.zeros(2), ["STAT1", "JAK2"])
