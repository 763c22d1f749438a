import pytest

from aivc.core.errors import PerturbationError
from aivc.core.perturbation import Agent, Perturbation
from aivc.data.io.label_agents import agents_of, parts_of, plain_agents
from aivc.data.io.schema import Constant, Schema


def schema(**fields):
    return Schema(units="counts", perturbation="p", control=("ctrl", "DMSO_TF"), kind="ko", **fields)


NONE = (None, "")


def test_labels_become_agents_once_each_and_without_controls():
    assert agents_of("JAK2|JAK2", "ko", NONE, schema(separator="|")) == (Agent("ko", "JAK2"),)
    assert agents_of("JAK2_g1|JAK2_g2|ctrl_3", "ko", NONE, schema(separator="|", labels="guide")) == (
        Agent("ko", "JAK2"),
    )
    assert agents_of("JAK2+ctrl", "ko", NONE, schema(separator="+")) == (Agent("ko", "JAK2"),)
    assert agents_of("ctrl|ctrl", "ko", NONE, schema(separator="|")) == ()
    assert agents_of("[('DMSO_TF', 0.0, 'uM')]", "drug", NONE, schema(labels="drug-tuple")) == ()


def test_doses_are_named_in_one_unit():
    one = Agent("drug", "A", 1.0, "uM")
    for dose in ((1.0, "uM"), (1.0, "\u00b5M"), (1.0, "\u03bcM"), (1000.0, "nM"), (0.001, "mM")):
        assert agents_of("A", "drug", dose, schema()) == (one,)
    assert agents_of("[('A', 1000, 'nM')]", "drug", NONE, schema(labels="drug-tuple")) == (one,)
    given = schema(labels="dose-in-label", dose_unit=Constant("nM"))
    assert agents_of("A_1000", "drug", (None, "nM"), given) == (one,)
    assert [*plain_agents(Perturbation.parse("drug:A@1000nM").agents, schema())] == [one]


def test_rules_hold_for_texts_of_perturbations_too():
    asked = Perturbation.parse("ko:JAK2_g1/up + ko:MYC").agents
    assert [*plain_agents(asked, schema(labels="guide"))] == [Agent("ko", "JAK2", direction=1), Agent("ko", "MYC")]


@pytest.mark.parametrize(
    ("label", "dose", "fields", "remedy"),
    [
        ("A_0.2", NONE, {"labels": "dose-in-label"}, "dose_unit ="),
        ("A", NONE, {"labels": "drug-tuple"}, "add it to control"),
        ("A+B", (1.0, "uM"), {"separator": "+"}, "cannot be shared out"),
        ("A", (1.0, ""), {}, "Fill the column of units in"),
        ("A", (-1.0, "uM"), {}, "Write it as drug:NAME@10uM"),
    ],
)
def test_labels_that_cannot_be_taken_apart_are_refused(label, dose, fields, remedy):
    with pytest.raises(PerturbationError, match=remedy):
        agents_of(label, "drug", dose, schema(**fields))


def test_parts_keep_what_does_not_follow_the_rule():
    assert [part.target for part in parts_of("plain", schema(labels="dose-in-label"))] == ["plain"]
