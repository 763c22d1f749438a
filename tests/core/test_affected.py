"""How far a change is felt, in words and numbers."""

import numpy as np
import pytest

from aivc.core.affected import Affected
from aivc.core.errors import DataError


def test_it_says_how_many_change_and_within_which_distance():
    said = Affected(("x", "y"), np.array([1.0, 3.0]), np.array([0.5, 0.2]), 1200, 7, 0.8, 0.25, 0.125)
    assert said.within == 3
    assert str(said).startswith("2 of 1,200 other cells change, within 3 steps, after 7 rounds.")
    assert "0.25" in str(said)
    assert "0.125" in str(said)


def test_no_change_is_said_too():
    assert str(Affected((), np.zeros(0), np.zeros(0), 5, 0, 1.0, 0.0, 0.0)) == "None of 5 other cells changes."


def test_numbers_belong_to_cells():
    with pytest.raises(DataError, match="each cell that changes"):
        Affected(("x",), np.zeros(2), np.zeros(1), 5, 0, 1.0, 0.0, 0.0)
