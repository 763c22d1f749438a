"""When to stop: too few to be expected, enough found, nothing left."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.experiments.design.stopping import StoppingRule

ODDS, CHOSEN = np.array([0.5, 0.3, 0.1]), np.array([True, True, False])


def test_it_goes_on_while_a_batch_pays():
    assert StoppingRule(least=0.4).reason(ODDS, CHOSEN, 2.0, 0) == ""
    assert "less than 0.5" in StoppingRule(least=0.5).reason(ODDS, CHOSEN, 2.0, 0)


def test_it_stops_where_enough_is_found_or_nothing_is_left():
    assert "9 of about 10 hits" in StoppingRule(share=0.9).reason(ODDS, CHOSEN, 2.0, 9)
    assert StoppingRule(share=0.95).reason(ODDS, CHOSEN, 2.0, 9) == ""
    assert StoppingRule().reason(ODDS, np.zeros(3, dtype=bool), 0.0, 0) == "Nothing is left to measure."


def test_impossible_rules_are_refused():
    with pytest.raises(DataError, match="a share in"):
        StoppingRule(share=0.0)
