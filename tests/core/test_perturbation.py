import dataclasses
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.perturbation import BUILTIN_KINDS, Agent, CellCondition, Perturbation, kind_of
from tiny_parts import NANOBODY

names = st.text(min_size=1).filter(lambda text: text == text.strip())
amounts = st.floats(0, 1e300)
units = st.from_regex(r"[A-Za-zµ][A-Za-z0-9_µ.^-]{0,5}", fullmatch=True).filter(lambda u: u[0] not in "eE")


@st.composite
def agents(draw, targets=names):
    dose = draw(st.none() | amounts)
    return Agent(
        draw(st.sampled_from(sorted(BUILTIN_KINDS))),
        draw(targets),
        dose,
        None if dose is None else draw(units),
        draw(st.none() | st.sampled_from([-1, 0, 1])),
    )


@given(st.lists(agents(), max_size=3, unique=True), st.none() | amounts)
def test_text_round_trip(given_agents, hours):
    perturbation = Perturbation(tuple(given_agents), hours)
    text = str(perturbation)
    assert Perturbation.parse(text) == perturbation
    assert str(Perturbation.parse(text)) == text


NASTY = [
    "a+b", "a + ko:b", "x@10uM", "x/up", "a for 3h", "a for for 3h", "a\tfor 3h", "a\u2003for 3h", "%41", "100%",
    "a%20b", "line\nbreak", "carriage\rreturn", "ΔF508", "α-amanitin", "control", "time", "for 3h", "日本", "a:b",
    "CFTR:p.F508del", "(+)-JQ1", "5'-AZA", 'say "hi"', "\ud800", "e\u0301", "💊",
]  # fmt: skip


@pytest.mark.parametrize("target", NASTY)
@pytest.mark.parametrize("hours", [None, 0.5])
def test_nasty_names_survive(target, hours):
    perturbation = Perturbation((Agent("drug", target, 1.5, "uM"), Agent("ko", target)), hours)
    assert Perturbation.parse(str(perturbation)) == perturbation
    assert Perturbation.parse(f"  {perturbation}\n") == perturbation


@given(st.lists(agents(st.sampled_from(["a for 3h", "a", "+ for  for 2h"])), max_size=3, unique=True))
@example([Agent("ko", "x for 3h")])
def test_hours_are_never_read_from_a_name(given_agents):
    assert Perturbation.parse(str(Perturbation(tuple(given_agents)))).hours is None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("ko:B + ko:A", "ko:A + ko:B"),
        ("drug:x@10.0uM for 24.0h", "drug:x@10uM for 24h"),
        ("drug:x@1e-3uM", "drug:x@0.001uM"),
        ("for 48h", "time for 48h"),
        ("ko:TP53/down", "ko:TP53"),
        ("ko:TP53/up", "ko:TP53/up"),
        (" control ", "control"),
    ],
)
def test_canonical_text(text, canonical):
    assert str(Perturbation.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    ["", "TP53", "ko:", "control for 3h", "time", "ko:a + ", "ko:a@10", "ko:a/sideways", "drug:x@-1uM", "ko:a+ko:b"],
)
def test_other_text_is_refused(text):
    with pytest.raises(PerturbationError, match=r"kind:target.*%2B, %40, %2F and %25"):
        Perturbation.parse(text)


@pytest.mark.parametrize(
    ("make", "remedy"),
    [
        (lambda: Agent("ko", ""), "Write it as ko:NAME"),
        (lambda: Agent("ko", " TP53"), "Write it as ko:NAME"),
        (lambda: Agent("drug", "x", 10.0), "Write it as drug:NAME@10uM"),
        (lambda: Agent("drug", "x", None, "uM"), "Write it as drug:NAME@10uM"),
        (lambda: Agent("drug", "x", -1.0, "uM"), "Write it as drug:NAME@10uM"),
        (lambda: Agent("drug", "x", float("nan"), "uM"), "Write it as drug:NAME@10uM"),
        (lambda: Agent("drug", "x", float("inf"), "uM"), "Write it as drug:NAME@10uM"),
        (lambda: Agent("drug", "x", 1.0, "u M"), "Rename it"),
        (lambda: Agent("drug", "x", 1.0, "5uM"), "Rename it"),
        (lambda: Agent("drug", "x", 1.0, ".5uM"), "Rename it"),
        (lambda: Agent("drug", "x", 1.0, "e5x"), "Rename it"),
        (lambda: Agent("ko", "x", direction=2), "-1, 0 or \\+1"),
        (lambda: Perturbation((), -1.0), "Write it as for 48h"),
        (lambda: Perturbation((Agent("ko", "A"), Agent("ko", "A"))), "Name it once"),
        # Hours that are none must not become part of a name that nobody knows.
        (lambda: Perturbation.parse("ko:A for -3h"), "Hours come last"),
        (lambda: Perturbation.parse("ko:A for 3 days"), "Hours come last"),
    ],
)
def test_impossible_perturbations_are_refused(make, remedy):
    with pytest.raises(PerturbationError, match=remedy):
        make()


def test_numpy_numbers_are_written_as_numbers():
    agent = Agent("drug", "x", np.float64(10), "uM")
    assert str(Perturbation((agent,), np.float64(-0.0))) == "drug:x@10uM for 0h"


def test_control_is_nothing_done():
    assert Perturbation.control().is_control
    assert not Perturbation((), 48.0).is_control
    assert not Perturbation.parse("ko:A").is_control
    assert Perturbation.parse("control") == Perturbation.control() == Perturbation()


def test_agents_are_a_set():
    ours, theirs = Perturbation.parse("ko:B + ko:A for 3h"), Perturbation.parse("ko:A + ko:B for 3h")
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert ours.targets == ("A", "B")
    assert [str(part) for part in ours.parts()] == ["ko:A for 3h", "ko:B for 3h"]


def test_genes_are_those_of_genetic_agents():
    assert Perturbation.parse("drug:x + variant:CFTR:F508del + ko:TP53").genes == ("TP53", "CFTR")


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Perturbation().hours = 3.0


def test_unknown_kind_suggests():
    with pytest.raises(UnknownNameError, match="Did you mean 'crispri'"):
        Agent("crisprii", "TP53")


def test_kind_of_a_plugin(register):
    register(EntryPoint("nanobody", "tiny_parts:NANOBODY", "aivc.kinds"))
    perturbation = Perturbation.parse("nanobody:ALFA@5nM/up")
    assert kind_of("nanobody") is NANOBODY
    assert perturbation.agents[0].direction == 1
    assert Perturbation.parse(str(perturbation)) == perturbation
    assert perturbation.genes == ()


def test_an_agent_is_looked_up_among_molecules_by_its_gene_or_else_by_its_target():
    agents = Perturbation.parse("variant:TP53:p.R175H + ko:MDM2 + drug:A:b + ligand:TNF").agents
    assert {agent.target: (agent.gene, agent.molecule) for agent in agents} == {
        "TP53:p.R175H": ("TP53", "TP53"),
        "MDM2": ("MDM2", "MDM2"),
        "A:b": (None, "A:b"),
        "TNF": (None, "TNF"),
    }


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ('drug:"(+)-JQ1"@1uM', "drug:(%2B)-JQ1@1uM"),
        (
            'drug:"2i (LIF + MEKi + GSK3i)" + ko:"A/B"/up for 3h',
            "drug:2i (LIF %2B MEKi %2B GSK3i) + ko:A%2FB/up for 3h",
        ),
        ('drug:"x for 3h" for 2h', "drug:x%20for 3h for 2h"),
        ('drug:"nutlin-3"@10uM', "drug:nutlin-3@10uM"),
        ('drug:5"-AZA', 'drug:5"-AZA'),
    ],
)
def test_names_may_stand_in_quotes(text, plain):
    asked = Perturbation.parse(text)
    assert str(asked) == plain
    assert Perturbation.parse(plain) == asked
    assert all(str(Agent.parse(str(agent))) == str(agent) for agent in asked.agents)


@pytest.mark.parametrize("target", ['"hi"', '"', '"a', 'a"', '"a" + ko:b'])
def test_quotes_of_a_name_itself_survive(target):
    perturbation = Perturbation((Agent("drug", target), Agent("ko", "x")), 3.0)
    assert Perturbation.parse(str(perturbation)) == perturbation


def test_a_refusal_says_how_to_quote():
    with pytest.raises(PerturbationError, match=r'in quotes, such as drug:"\(\+\)-JQ1"@1uM'):
        Perturbation.parse("drug:(+)-JQ1@1uM")


conditions = st.builds(CellCondition, names.filter(lambda text: "=" not in text), names)


@given(agents(), conditions, st.none() | amounts)
@example(Agent("ko", "x where y=z"), CellCondition("a where", "b for 3h + ko:C where d=e"), 3.0)
def test_conditions_round_trip(agent, where, hours):
    perturbation = Perturbation((dataclasses.replace(agent, where=where), Agent("ko", "other")), hours)
    text = str(perturbation)
    assert Perturbation.parse(text) == perturbation
    assert str(Perturbation.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("remove:T%20cell", "remove:T cell"),
        ("add:macrophage@10%", "add:macrophage@10%"),
        ("swap:T cell by macrophage where region=core", "swap:T cell by macrophage where region=core"),
        ("move:core where cell_type=T cell", "move:core where cell_type=T cell"),
        ('remove:"T cell" where cell_type="CD8+ T" for 3h', "remove:T cell where cell_type=CD8%2B T for 3h"),
        ("ko:STAT1/up where type=tumour", "ko:STAT1/up where type=tumour"),
        ("drug:a where b", "drug:a where b"),
    ],
)
def test_edits_of_a_tissue_are_texts_too(text, canonical):
    assert str(Perturbation.parse(text)) == canonical


def test_a_condition_names_a_column_and_a_value():
    agent = Agent.parse("ko:STAT1 where cell_type=a=b")
    assert agent.where == CellCondition("cell_type", "a=b")
    for column, value in (("", "x"), ("x ", "y"), ("a=b", "c"), ("a", "")):
        with pytest.raises(PerturbationError, match="where COLUMN=VALUE"):
            CellCondition(column, value)
