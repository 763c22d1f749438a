from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from aivc.core.contracts import Manipulator
from aivc.core.prediction import Applicability, Prediction
from aivc.core.space import Space
from aivc.evaluation.consistency.instrument_checks import aggregation, energy_distance, identity, path_independence
from tiny_consistency import embedded, expression, labels, no_change, subject


@dataclass(frozen=True, eq=False)
class Moves(Manipulator):
    """Moves every state by what it is given, control included."""

    name: ClassVar[str] = "moves"
    reads: Space
    shift: np.ndarray

    @classmethod
    def fit(cls, ur, *, parts=None, seed=0):
        return cls(ur.space, np.ones(ur.values.shape[1]))

    def manipulate(self, ur, perturbation):
        return Prediction((ur.moved(self.shift, str(perturbation)),), (self.name,), Applicability.IN)


def test_control_changes_nothing_or_the_check_fails():
    made = embedded()
    rows = identity(subject(still=no_change(made.cells), tissue=no_change(made.states), moving=Moves.fit(made.cells)))
    assert [row.verdict for row in rows] == ["pass", "pass", "fail"]
    assert rows[0].value == pytest.approx(0)
    assert rows[2].value > rows[2].null
    assert "moving" in rows[2].name


def test_without_an_instrument_a_property_does_not_apply():
    made = subject()
    assert "no manipulator" in identity(made)[0].note
    assert "no decoder" in aggregation(made)[0].note
    assert "no manipulator reads states of tissue" in path_independence(made).note
    assert "no manipulator reads" in path_independence(subject(below=no_change(embedded().cells))).note


def test_pools_are_read_as_pools_of_readings():
    row, niches = aggregation(subject(rna=expression(), niche=labels()))
    assert row.metric.startswith("Pearson")
    assert row.verdict == "pass"
    assert row.value > row.null
    assert niches.metric.startswith("Jensen-Shannon")
    # Probabilities are no linear function of a state, so this need not hold; but it is measured.
    assert 0 < niches.value < 1
    assert (niches.verdict == "pass") == (niches.value < 0.01)


def test_editing_and_encoding_are_exchanged():
    made = embedded()
    below = Moves(made.cells.space, np.full(made.cells.values.shape[1], 0.5))
    first = subject(below=below)
    lifted = first.lifted(cells=first.cells.values + 0.5) - first.states.values
    assert np.allclose(lifted, lifted[0])
    right = path_independence(subject(below=below, above=Moves(made.states.space, lifted[0])))
    assert right.verdict == "pass"
    assert right.value == pytest.approx(0, abs=1e-9)
    wrong = path_independence(subject(below=below, above=no_change(made.states)))
    assert wrong.verdict == "fail"
    assert wrong.value == pytest.approx(1)


def test_without_a_manipulator_of_cells_counts_are_edited():
    above = no_change(embedded().states)
    row = path_independence(subject(above=above), gene="CXCL12")
    assert "ko:CXCL12" in row.note
    assert row.value == pytest.approx(1)


def test_energy_distance_is_zero_of_the_same_cloud_and_grows():
    cloud = np.random.default_rng(0).normal(size=(40, 3))
    assert energy_distance(cloud, cloud) == pytest.approx(0)
    assert 0 < energy_distance(cloud, cloud + 0.5) < energy_distance(cloud, cloud + 2)


def test_states_of_another_space_are_named():
    made = subject(below=no_change(embedded().cells))
    row = identity(replace(made, cells=embedded().states, states=embedded().states))[0]
    assert row.verdict == "not applicable"
    assert "which none of these states is" in row.note
