"""No family of targets fills a plate."""

from aivc.core.perturbation import Perturbation
from aivc.experiments.families import Families

COMPLEX = frozenset(f"S{i}" for i in range(10))


def test_a_complex_gives_no_more_than_its_share_and_a_huge_set_is_not_looked_at():
    families = Families({"complex": COMPLEX, "metabolism": COMPLEX | {f"M{i}" for i in range(100)}}, most=3)
    admitted = [families.admits(Perturbation.parse(f"ko:S{i}")) for i in range(6)]
    assert admitted == [True, True, True, False, False, False]
    assert all(families.admits(Perturbation.parse(f"ko:M{i}")) for i in range(6))


def test_the_smallest_set_names_a_family():
    families = Families({"large": COMPLEX | {"T"}, "small": frozenset({"S1", "S2"})})
    assert [families.name(Perturbation.parse(text)) for text in ("ko:S1", "ko:T", "ko:X")] == ["small", "large", ""]


def test_what_counts_for_one_set_counts_for_all_that_hold_it():
    families = Families({"one": frozenset({"A", "B"}), "two": frozenset({"B", "C"})}, most=1)
    admitted = {text: families.admits(Perturbation.parse(text)) for text in ("ko:B", "ko:A", "ko:C", "drug:B")}
    assert admitted == {"ko:B": True, "ko:A": False, "ko:C": False, "drug:B": True}
