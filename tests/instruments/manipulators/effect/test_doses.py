import pytest

from aivc.core.perturbation import Perturbation
from aivc.instruments.manipulators.effect.doses import stand_ins

parse = Perturbation.parse


def test_doses_and_times_that_were_measured_stand_in_for_others():
    measured = ["drug:A@1uM", "drug:A@100uM", "drug:B@10uM for 6h", "drug:B@10uM for 24h", "drug:A@1uM + ko:G"]
    asked = {text: stand_ins(parse(text), measured) for text in ("drug:A@10uM", "drug:A@200uM", "drug:B@10uM for 15h")}
    assert asked["drug:A@10uM"] == [("drug:A@1uM", pytest.approx(0.5)), ("drug:A@100uM", pytest.approx(0.5))]
    assert asked["drug:A@200uM"] == [("drug:A@100uM", 1.0)]
    assert asked["drug:B@10uM for 15h"] == [("drug:B@10uM for 6h", 0.5), ("drug:B@10uM for 24h", 0.5)]
    # Below the least dose, and before the first time, less is done.
    assert stand_ins(parse("drug:A@0.25uM"), measured) == [("drug:A@1uM", pytest.approx(0.4))]
    assert stand_ins(parse("drug:B@10uM for 3h"), measured) == [("drug:B@10uM for 6h", 0.5)]
    # Of two doses, or two times, none is chosen for one that is not stated; nor is another drug.
    for text in ("drug:A", "drug:B@10uM", "drug:C@1uM"):
        assert stand_ins(parse(text), measured) == []
