import pytest

from aivc.core.errors import PerturbationError
from aivc.core.parsed import ParsedPerturbations
from aivc.core.perturbation import Perturbation

TEXTS = ["ko:B for 24h", "control", "ko:A + ko:B", "control"]


def test_every_entity_has_its_own_perturbation():
    column = ParsedPerturbations.of(TEXTS)
    assert len(column) == 4
    assert list(column) == [Perturbation.parse(text) for text in TEXTS]
    assert [str(column.distinct[code]) for code in column.codes] == TEXTS


def test_distinct_ones_are_sorted_and_asked_once():
    column, asked = ParsedPerturbations.of(TEXTS), []

    def answer(perturbation):
        asked.append(str(perturbation))
        return len(perturbation.agents)

    assert column.each(answer) == [1, 0, 2, 0]
    assert asked == sorted(set(TEXTS))


def test_a_text_of_another_form_is_refused():
    with pytest.raises(PerturbationError, match="kind:target"):
        ParsedPerturbations.of(["control", "TP53"])


def test_no_entities_have_none():
    assert list(ParsedPerturbations.of([])) == []
