"""Entities that share a name come with the line that gives each its own."""

import numpy as np
import pandas as pd

from aivc.data.io.repeated_names import repeated_entities

NAMES = np.array(["c0", "c1", "c0", "c1"], dtype=object)


def test_files_put_together_are_recognized():
    (problem,) = repeated_entities(NAMES, pd.DataFrame({"lane": ["a", "a", "b", "b"], "n": [1, 1, 1, 1]}))
    assert "Entities stand twice: c0, c1." in problem
    assert "Within each 'lane' they are unique" in problem
    assert 'index_unique="-"' in problem
    assert "obs_names_make_unique" in problem
    assert "Within" not in repeated_entities(NAMES, pd.DataFrame({"lane": ["a", "b", "a", "b"]}))[0]


def test_a_column_that_names_each_once_is_offered():
    frame = pd.DataFrame({"score": [0.1, 0.2, 0.3, 0.4], "cell": list("abcd")})
    assert 'entity = "cell"' in repeated_entities(NAMES, frame)[0]
    assert "index_unique" not in repeated_entities(NAMES, frame)[0]


def test_names_that_stand_once_pass():
    assert repeated_entities(np.array(["a", "b"], dtype=object), pd.DataFrame(index=[0, 1])) == []
