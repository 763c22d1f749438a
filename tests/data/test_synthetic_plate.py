"""The simulated plate: files as a table says, effects as declared, and mechanisms that are found again."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError
from aivc.core.registry import ENCODERS
from aivc.data.io.guess import guess
from aivc.data.io.read import read
from aivc.data.io.schema import Schema
from aivc.data.synthetic_plate import synthetic_plate
from aivc.experiments.mechanisms import mechanisms

tifffile = pytest.importorskip("tifffile")


def test_mechanisms_of_a_plate_are_found_by_the_suggested_schema(tmp_path):
    known = synthetic_plate(tmp_path / "screen", plates=1, doses=(3.0,), controls=3, cells=4)
    suggested = guess(tmp_path / "screen").to_json()
    assert suggested["open"] == []
    assert suggested["notes"] == []
    cells = read(tmp_path / "screen", Schema.from_json(suggested["schema"]))
    assert len(cells) == 36
    states = ENCODERS.load("morphology").fit(cells, dim=8).encode(cells)
    found = mechanisms(states, known)
    assert (found["called"] == found["mechanism"]).all()


def test_effects_grow_with_the_dose_and_wells_are_mixed(tmp_path):
    synthetic_plate(tmp_path / "screen", plates=2, doses=(0.1, 10.0), controls=1, cells=4)
    table = pd.read_csv(tmp_path / "screen" / "plate.csv")

    def area(compound):
        rows = table[table["compound"] == compound].groupby("concentration_uM")["nuclei"]
        return [
            np.mean([(tifffile.imread(tmp_path / "screen" / file) > 0).mean() for file in each]) for _, each in rows
        ]

    assert area("cpd-01")[1] > 1.15 * area("cpd-01")[0] > area("DMSO")[0]
    assert len(set(table[table["compound"] == "cpd-01"]["well"])) > 1
    with pytest.raises(IntegrityError, match="Name a new folder"):
        synthetic_plate(tmp_path / "screen")
