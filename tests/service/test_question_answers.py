import numpy as np
import pytest

from aivc.core.errors import UnavailableError, UnknownNameError
from aivc.service import question_answers
from aivc.service.question_answers import Asked, answer, answer_table, held_out_scores, predicted
from tiny_service import tiny_cell


def test_an_answer_is_the_prediction_of_the_cell():
    asked = Asked(perturbation="ko:G0001", sets="")
    said = answer(tiny_cell(), asked)
    whole = tiny_cell().predict("line1", "ko:G0001")
    strongest = np.abs(whole.effect).argmax()
    assert said["genes"][0]["feature"] == whole.draws[0].features[strongest]
    assert said["genes"][0]["effect"] == pytest.approx(whole.effect[strongest])
    assert (said["measured"], said["applicability"], said["context"]) == (True, "inside", "line1")
    assert said["sureness"] == whole.sureness(0.9)
    assert answer_table(predicted(tiny_cell(), asked)[1], 0.9)["effect"].to_pylist() == pytest.approx(whole.effect)


def test_it_says_what_carried_it():
    said = answer(tiny_cell(), Asked(perturbation="ko:G0001", sets=""))
    assert said["why"][0]["perturbation"] == "ko:G0001"
    assert said["why"][0]["source"] == "measured"


def test_pathways_that_hold_the_strongest_effects_come_first(monkeypatch):
    effect = np.zeros(40)
    effect[:4] = 3, 2, 4, 5
    names = np.array([f"G{i}" for i in range(40)])
    monkeypatch.setattr(
        question_answers, "_sets", lambda name: {"hit": frozenset(names[:4]), "other": frozenset(names[20:30])}
    )
    found = question_answers._pathways(effect, names, "hallmark", [])
    assert (found[0]["name"], found[0]["genes"]) == ("hit", sorted(names[:4]))
    assert found[0]["score"] == 10.0


def test_sets_that_cannot_be_had_are_a_remark(monkeypatch):
    def gone(name):
        raise UnavailableError("not here")

    monkeypatch.setattr(question_answers, "_sets", gone)
    said = answer(tiny_cell(), Asked(perturbation="ko:G0001"))
    assert said["pathways"] == []
    assert any("not here" in remark for remark in said["remarks"])


def test_a_combination_may_be_written_without_spaces():
    said = answer(tiny_cell(), Asked(perturbation="ko:G0001+ko:G0002", sets="", why=False))
    assert (said["perturbation"], said["measured"]) == ("ko:G0001 + ko:G0002", False)


def test_unknown_names_are_refused():
    with pytest.raises(UnknownNameError):
        answer(tiny_cell(), Asked(perturbation="ko:NOPE"))


def test_scores_of_the_very_question_when_it_was_hidden():
    scores = {
        "split": {"kind": "unseen-perturbation"},
        "metrics": {"pearson-delta": {"direction": "up"}},
        "rows": [
            {"method": "m", "perturbation": "ko:A", "context": "c", "pearson-delta": 0.5},
            {"method": "m", "perturbation": "ko:B", "context": "c", "pearson-delta": 0.1},
        ],
    }
    found = held_out_scores(scores, "ko:A", "c")
    assert found["methods"] == [{"name": "m", "metrics": {"pearson-delta": {"value": 0.5, "better": "higher"}}}]
    assert held_out_scores(scores, "ko:C", "c") is None
