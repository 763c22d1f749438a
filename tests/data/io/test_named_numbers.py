"""A csv of names and numbers is read whole, or refused with what it should hold."""

import pytest

from aivc.core.errors import IntegrityError
from aivc.data.io.named_numbers import named_numbers


def test_numbers_are_found_by_names(tmp_path):
    (tmp_path / "goal.csv").write_text("feature,change\nIRF1,-1\nNA,2.5\n")
    assert named_numbers(tmp_path / "goal.csv", "feature", "change", "goal") == {"IRF1": -1.0, "NA": 2.5}


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "feature,change\nA,x\n", "feature,change\nA,inf\n",
                                  "feature,change\nA,1\nA,2\n"])  # fmt: skip
def test_anything_else_is_refused_with_what_is_wanted(tmp_path, text):
    (tmp_path / "goal.csv").write_text(text)
    with pytest.raises(IntegrityError, match=r"is no goal .*columns feature and change, in the units of the cell"):
        named_numbers(tmp_path / "goal.csv", "feature", "change", "goal")


def test_a_missing_table_of_costs_is_refused(tmp_path):
    with pytest.raises(IntegrityError, match=r"is no table of costs .*columns target and cost\."):
        named_numbers(tmp_path / "none.csv", "target", "cost", "table of costs")
