import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.perturbation import Agent, Perturbation
from aivc.core.schedule import Schedule

names = st.text(min_size=1).filter(lambda text: text == text.strip())
hours = st.floats(0, 1e6)
kinds = st.sampled_from(["ko", "drug", "ligand"])
steps = st.tuples(st.lists(st.tuples(kinds, names, st.sampled_from(["uM", "%"])), max_size=2, unique=True), hours)


@settings(max_examples=60)
@given(st.lists(steps, min_size=1, max_size=4))
def test_text_round_trip(drawn):
    agents = [(tuple(Agent(kind, name, 1.5, unit) for kind, name, unit in given), long) for given, long in drawn]
    schedule = Schedule(tuple(Perturbation(given, long) for given, long in agents))
    assert Schedule.parse(str(schedule)) == schedule
    assert str(Schedule.parse(str(schedule))) == str(schedule)


@pytest.mark.parametrize(
    "target", ["a;b", "a; wait 3h", "a from 2h to 3h", "x for 3h", "wait", "%3B", 'say "hi"', "5'-AZA"]
)
def test_nasty_names_survive(target):
    schedule = Schedule((Perturbation((Agent("drug", target, 1.0, "uM"),), 3.0), Perturbation((), 2.0)))
    assert Schedule.parse(str(schedule)) == schedule


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("wait 24h; drug:X@1uM for 24h", "drug:X@1uM from 24h to 48h"),
        ("wait for 24h ;  time for 2.0h", "wait 24h; control for 2h"),
        ("drug:X@1uM for 24h; wait 24h", "wait 48h; drug:X@1uM from 0h to 24h"),
        ("drug:X@1uM from 0.1h to 0.3h", "wait 0.1h; drug:X@1uM for 0.2h"),
        ("ko:A from 0h to 2h; ko:B from 1h to 3h", "ko:A for 1h; ko:A + ko:B for 1h; ko:B for 1h"),
        ("ko:A from 0h to 2h; wait from 5h to 6h", "ko:A for 2h; wait 3h; wait 1h"),
        ("ko:A from 4h to 6h; ko:A from 0h to 2h", "ko:A for 2h; wait 2h; ko:A for 2h"),
        ("ko:A from 0h to 1h; ko:B for 2h", "ko:A for 1h; ko:B for 2h"),
        ('drug:"a; b"@1uM for 3h; wait 1h', "drug:a%3B b@1uM for 3h; wait 1h"),
        ('ko:A where cell_type="T; B" from 0h to 2h', "ko:A where cell_type=T%3B B for 2h"),
        ('drug:"(+)-JQ1"@1uM + ko:B from 0h to 2h', "ko:B + drug:(%2B)-JQ1@1uM for 2h"),
    ],
)
def test_texts_of_one_schedule(text, same):
    assert Schedule.parse(text) == Schedule.parse(same)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Write wait 24h"),
        ("wait 24h;", "Write wait 24h"),
        ("wait 2d", "Write wait 24h"),
        ("wait", "Write wait 24h"),
        ("drug:X@1uM", "Write drug:X@1uM for 3h, or drug:X@1uM from 24h to 48h"),
        ("ko:A from 5h to 5h", "Write from 24h to 48h"),
        ("ko:A+ko:B for 3h", "kind:target"),
    ],
)
def test_other_text_is_refused(text, says):
    with pytest.raises(PerturbationError, match=says):
        Schedule.parse(text)


def test_unknown_kind_and_units_with_semicolons_are_refused():
    with pytest.raises(UnknownNameError):
        Schedule.parse("wish:A for 3h")
    with pytest.raises(PerturbationError, match="semicolon"):
        Schedule((Perturbation((Agent("drug", "X", 1.0, "u;M"),), 3.0),))
    with pytest.raises(PerturbationError, match="one step"):
        Schedule(())
    with pytest.raises(PerturbationError, match="Write wait 24h"):
        Schedule((Perturbation.control(),))


def test_cut_keeps_what_is_done():
    schedule = Schedule.parse("wait 24h; ko:A for 6h; wait 0h")
    cut = schedule.cut([0.0, 12.0, 24.0, 27.0, 99.0])
    assert str(cut) == "wait 12h; wait 12h; ko:A for 3h; ko:A for 3h; wait 0h"
    assert (cut.hours, cut.agents) == (schedule.hours, schedule.agents)
    assert set(schedule.ends) <= set(cut.ends)
    assert schedule.ends == (24.0, 30.0, 30.0)
