"""Splits as a person writes them."""

from pathlib import Path

import pytest

from aivc.core.errors import SplitError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import names
from aivc.data.splits import folds
from aivc.data.splits.split import Split
from aivc.data.splits.split_text import KINDS, SPLITS
from aivc.data.synthetic import synthetic_screen


@pytest.fixture(scope="module")
def screen() -> Measurement:
    return synthetic_screen(perturbations=8, contexts=2, features=60, cells=6, controls=12)[0]


def test_makes_what_the_functions_make(screen: Measurement) -> None:
    assert Split.parse("unseen-perturbation:3", screen).digest == folds.unseen_perturbation(screen, folds=3).digest
    made = folds.few_shot_context(screen, given=2, folds=2, seed=4)
    assert Split.parse("few-shot-context:2:2", screen, seed=4).digest == made.digest
    assert Split.parse("unseen-context", screen).digest == folds.unseen_context(screen).digest


def test_reads_a_manifest(screen: Measurement, tmp_path: Path) -> None:
    split = folds.unseen_pair(screen, folds=2)
    split.save(tmp_path / "split.json")
    assert Split.parse(str(tmp_path / "split.json"), screen).digest == split.digest


@pytest.mark.parametrize("text", ["unseen-perturbation:2.5", "unseen-perturbation:two", "extrapolate-dose"])
def test_says_what_can_be_written(screen: Measurement, text: str) -> None:
    with pytest.raises(SplitError, match=r"is no split\. What can be given: a manifest"):
        Split.parse(text, screen)


def test_names_near_kinds(screen: Measurement) -> None:
    with pytest.raises(UnknownNameError, match="unseen-perturbation"):
        Split.parse("unseen-pertubation:3", screen)


def test_keeps_what_the_kind_itself_refuses(screen: Measurement) -> None:
    with pytest.raises(SplitError, match="cannot make 50 folds"):
        Split.parse("unseen-perturbation:50", screen)


def test_kinds_come_in_by_the_door_of_parts():
    assert set(KINDS) == set(names("splits"))
    assert all(kind in SPLITS for kind in KINDS)
