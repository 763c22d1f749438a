"""One sentence says how many intervals are clear of zero."""

import numpy as np

from aivc.core.sureness import clear_of_zero, sureness


def test_an_interval_that_touches_zero_or_is_not_known_is_not_clear_of_it():
    low = np.array([0.0, 0.1, -2.0, -1.0, np.nan, -np.inf])
    high = np.array([1.0, 0.2, -0.1, 0.0, np.nan, np.inf])
    assert clear_of_zero(low, high) == 2


def test_the_sentence_counts_and_states_the_promise():
    assert sureness(1, 2000, "features", 0.9, "not guaranteed") == (
        "1 of 2,000 features has an interval clear of zero (90 %, not guaranteed)."
    )
    assert sureness(12, 20, "features", 0.5) == "12 of 20 features have an interval clear of zero (50 %)."
