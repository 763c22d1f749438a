import pytest

from aivc.core.dose_units import amount, quantity, spelled
from aivc.core.perturbation import Agent, Perturbation


@pytest.mark.parametrize(
    "text", ["uM", "\u00b5M", "\u03bcM", "um", "UM", "umol/L", "\u00b5mol/l", "micromolar", " uM "]
)
def test_one_micromolar_is_spelled_in_one_way(text):
    assert spelled(text) == "uM"
    assert str(Agent("drug", "x", 1.0, text)) == "drug:x@1uM"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("ng/ml", "ng_per_ml"), ("ng/mL", "ng_per_ml"), ("\u03bcg/ml", "ug_per_ml"), ("ng_per_ml", "ng_per_ml"),
        ("U/ml", "U_per_ml"), ("mM", "mM"), ("M", "M"), ("IU", "IU"), ("mm", "mm"),
    ],
)  # fmt: skip
def test_other_units_keep_their_meaning(text, name):
    assert spelled(text) == spelled(spelled(text)) == name


def test_amounts_of_one_quantity_are_compared_in_one_unit():
    assert {(amount(dose, unit), quantity(unit)) for dose, unit in ((1.0, "\u00b5M"), (1e3, "nM"), (1e-6, "M"))} == {
        (1.0, "uM")
    }
    assert (amount(0.3, "nM"), amount(2.0, "ug/ml")) == (0.0003, 2000.0)
    assert (amount(1.0, "U"), quantity("U")) == (1.0, "U")


def test_texts_of_two_spellings_are_one_perturbation():
    assert (
        Perturbation.parse("drug:x@1\u00b5M")
        == Perturbation.parse("drug:x@1\u03bcM")
        == Perturbation.parse("drug:x@1uM")
    )
