"""What is done to molecules: losses are losses however they come about, silence is nothing, and ignorance is not."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, MoleculeError
from aivc.core.molecule import Molecule
from aivc.core.perturbation import Perturbation
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.manipulators.priors.places import index_of, locate
from aivc.representations.molecular.bridge import (
    GAIN,
    LOSS,
    NOTHING,
    UNKNOWN,
    Dosage,
    DosageCalibration,
    describe,
    dosages_of,
    molecules_of,
)


@pytest.fixture(scope="module")
def ur():
    values = np.random.default_rng(0).normal(size=(5, 4))
    variance = np.zeros((5, 4))
    variance[1, 2:] = 0.25
    values[1, 2:] = 0
    names = ["TP53", "MDM2", "JAK2", "nutlin-3", "IFNB1"]
    return UR(values, Space("test", Scale.MOLECULAR, 4, ""), pd.DataFrame(index=names), variance)


def place(text, ur, **options):
    return np.stack(describe(Perturbation.parse(text), ur, **options))


def test_each_kind_of_agent_has_its_molecule_and_dosage():
    found = molecules_of(Perturbation.parse("crispra:JAK2 + drug:nutlin-3@10uM + ko:TP53 + ligand:IFNB1 for 48h"))
    assert [(str(molecule), dosage) for molecule, dosage in found] == [
        ("gene:JAK2", GAIN),
        ("compound:nutlin-3", GAIN),
        ("gene:TP53", LOSS),
        ("protein:IFNB1", GAIN),
    ]
    assert molecules_of(Perturbation.control()) == ()
    assert molecules_of(Perturbation.parse("ko:Trp53"), species="mouse")[0][0] == Molecule("gene", "Trp53", "mouse")


@pytest.mark.parametrize("variant", ["p.R196*", "p.Arg196Ter", "p.R97fs", "p.[P72R;R196*]"])
def test_loss_of_function_is_a_knock_out(variant, ur):
    np.testing.assert_array_equal(place(f"variant:TP53:{variant}", ur), place("ko:TP53", ur))


@pytest.mark.parametrize("variant", ["p.R175=", "p.Arg175Arg", "p.[P72=;R175=]", "c.="])
def test_synonymous_is_nothing(variant, ur):
    np.testing.assert_array_equal(place(f"variant:TP53:{variant}", ur), 0)
    np.testing.assert_array_equal(place(f"variant:TP53:{variant} + ko:JAK2", ur), place("ko:JAK2", ur))


def test_an_unscored_missense_variant_is_ignorance_and_not_nothing(ur):
    position, variance = place("variant:TP53:p.R175H", ur)
    np.testing.assert_array_equal(position, 0)
    np.testing.assert_allclose(variance, UNKNOWN.variance * ur.values[0] ** 2)
    np.testing.assert_array_equal(place("variant:TP53", ur)[1], variance)


def test_a_scored_missense_variant_lies_between_nothing_and_loss(ur):
    calibration = DosageCalibration(np.array([-8.0, 0.0]), np.array([-1.0, 0.0]), 0.01)
    dosages = dosages_of({"TP53:p.Arg175His": -6.0}, calibration)
    position, variance = place("variant:TP53:p.R175H", ur, dosages=dosages)
    np.testing.assert_allclose(position, -0.75 * ur.values[0])
    np.testing.assert_allclose(variance, 0.01 * ur.values[0] ** 2)
    stop = place("variant:TP53:p.R175*", ur, dosages={"gene:TP53:p.R175*": NOTHING})
    np.testing.assert_array_equal(stop, place("ko:TP53", ur))


def test_what_the_perturbation_states_comes_first(ur):
    np.testing.assert_array_equal(place("variant:TP53:p.R175H/up", ur), place("oe:TP53", ur))
    np.testing.assert_array_equal(place("drug:nutlin-3/down", ur)[0], -ur.values[3])


def test_positions_are_those_of_the_manipulators(ur):
    index = index_of(tuple(ur.entities.index))
    for text in ("ko:TP53", "crispra:JAK2 + drug:nutlin-3", "crispri:MDM2 + ligand:IFNB1", "ko:TP53 + oe:TP53"):
        perturbation = Perturbation.parse(text)
        np.testing.assert_allclose(place(text, ur)[0], locate(perturbation, index, ur.values), atol=1e-12)


def test_what_is_not_known_widens_the_variance(ur):
    np.testing.assert_array_equal(place("ko:MDM2", ur)[1], ur.variance[1])
    position, variance = place("ko:UNHEARD", ur)
    np.testing.assert_array_equal(position, 0)
    np.testing.assert_allclose(variance, (ur.values**2 + ur.variance).mean(axis=0))
    assert (place("ko:UNHEARD + variant:TP53:p.R175H", ur)[1] > variance).all()
    np.testing.assert_array_equal(place("control", ur), 0)


def test_what_is_no_variant_is_refused(ur):
    with pytest.raises(MoleculeError, match="is no change"):
        place("variant:TP53:p.loss", ur)
    with pytest.raises(MoleculeError, match="Name both"):
        dosages_of({"TP53": 1.0}, DosageCalibration(np.array([0.0]), np.array([0.0])))


@pytest.mark.parametrize("sign", [1, -1])
def test_calibration_finds_the_order_whichever_way_the_score_runs(sign):
    rng = np.random.default_rng(1)
    truth = rng.uniform(-1, 0, 400)
    score = sign * (5 * truth + rng.normal(0, 0.5, 400))
    calibration = DosageCalibration.fit(score, truth)
    test = np.linspace(-0.8, -0.2, 7)
    found = [calibration.dosage(sign * 5 * dosage) for dosage in test]
    np.testing.assert_allclose([dosage.mean for dosage in found], test, atol=0.12)
    assert (np.diff([dosage.mean for dosage in found]) >= 0).all()
    assert found[0].variance == pytest.approx(0.01, abs=0.006)


def test_calibration_refuses_what_it_cannot_learn_from():
    with pytest.raises(DataError, match="Divide them"):
        DosageCalibration.fit(np.arange(4.0), np.array([0.0, -1, -2, -3]))
    with pytest.raises(DataError, match="Add some"):
        DosageCalibration.fit(np.array([1.0, np.nan, 2.0]), np.zeros(3))
    with pytest.raises(DataError, match="keep one direction"):
        DosageCalibration(np.arange(3.0), np.array([0.0, -1, 0]))
    with pytest.raises(DataError, match="Sort them"):
        DosageCalibration(np.array([1.0, 1.0]), np.zeros(2))
    with pytest.raises(DataError, match="Leave a variant without one out"):
        DosageCalibration(np.array([1.0]), np.zeros(1)).dosage(float("nan"))
    with pytest.raises(DataError, match="Calibrate it"):
        Dosage(-4.0)
