"""Cells that former versions saved: they load, or say what to do."""

from pathlib import Path

import pytest

from aivc.cli import main
from aivc.core.errors import RetiredError
from aivc.core.registry import MANIPULATORS
from aivc.core.virtual_cell import VirtualCell

ARCHIVES = Path(__file__).parent / "archives"


def test_a_cell_of_a_method_that_is_no_more_says_which_who_wrote_it_and_what_to_do(capsys):
    with pytest.raises(RetiredError) as refused:
        VirtualCell.load(ARCHIVES / "effect.v1")
    said = str(refused.value)
    assert "manipulator 'effect.v1' is no more" in said
    assert "archives/effect.v1, written by aivc 0.1.0, was made with it" in said
    assert "Fit again with 'effect.v2'" in said
    assert main(["predict", str(ARCHIVES / "effect.v1"), "ko:G0", "--json"]) == 1
    assert "Fit again with 'effect.v2'" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["effect.v1", "kernel-priors", "fused-priors"])
def test_a_method_that_is_no_more_is_refused_by_name(name):
    assert name not in MANIPULATORS.names()
    with pytest.raises(RetiredError, match=r"Fit again with 'effect\.v2'"):
        MANIPULATORS.load(name)
