"""Cells are sorted by type, patient and side; too few patients and confounded batches are named."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.experiments.patients import PatientSides, confounded, populations

SIDES = PatientSides("ill", "well")


def people(patients=3, cells=2, **columns):
    rows = [(f"p{i}", side) for side in ("ill", "well") for i in range(patients) for _ in range(cells)]
    table = pd.DataFrame(rows, columns=["donor", "disease"], index=[f"c{i}" for i in range(len(rows))])
    return Measurement(np.ones((len(rows), 1)), np.array(["G"]), table.assign(**columns), "counts")


def test_each_patient_keeps_the_cells_of_both_sides():
    (found,) = populations(people(), SIDES, least_cells=2)
    assert found.cell_type == "all"
    assert found.patients == ("p0", "p1", "p2")
    assert [rows.tolist() for rows in found.sick] == [[0, 1], [2, 3], [4, 5]]
    assert [rows.tolist() for rows in found.healthy] == [[6, 7], [8, 9], [10, 11]]
    assert found.enough
    assert found.asked.tolist() == [0, 1, 2]


def test_patients_with_few_cells_are_left_out_and_named():
    cells = people(patients=4, cells=3)
    (found,) = populations(cells.take(np.arange(2, len(cells))), SIDES, least_cells=3)
    assert found.asked.tolist() == [1, 2, 3]
    assert found.left_out == ("all: p0 has 1 sick cells, fewer than 3, and is left out there.",)


@pytest.mark.parametrize(("cells", "least"), [(people(patients=2), 1), (people(), 3)])
def test_too_few_patients_are_refused(cells, least):
    with pytest.raises(DataError, match="Patients are the unit, and at least 3"):
        populations(cells, SIDES, least_cells=least)


def test_cells_of_nobody_and_columns_that_are_not_there_are_refused():
    cells = people()
    with pytest.raises(DataError, match="12 cells have no patient"):
        populations(cells.replace(entities=cells.entities.assign(donor="unknown")), SIDES)
    with pytest.raises(DataError, match="both 'ill'"):
        populations(cells, PatientSides("ill", "ill"))
    with pytest.raises(UnknownNameError, match="column named 'status'"):
        populations(cells, PatientSides("ill", "well", column="status"))
    with pytest.raises(UnknownNameError, match="value of disease named 'bad'"):
        populations(cells, PatientSides("bad", "well"))


def test_sites_and_batches_of_one_side_are_named():
    apart = people(site=["A"] * 6 + ["B"] * 6, batch=["1"] * 4 + ["2"] * 8).entities
    said = confounded(apart, SIDES)
    assert any(line.startswith("Disease is confounded with site") for line in said)
    assert "Disease is in part confounded with batch: 1 hold one side only." in said
    assert not confounded(people(batch=["1", "2"] * 6).entities, SIDES)
