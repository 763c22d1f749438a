"""No hostile input and no fault ends in a traceback, a hang, a foreign write or silence."""

from collections import Counter

import pytest

from hostile.case import outcome
from hostile.corpus import CASES
from hostile.faults import STREAMS, TWO
from hostile.numbers import SIZES

# Those that start processes of their own, or swell.
SLOW = (STREAMS, TWO, SIZES)
# Where what differs is read by one function, which has inputs of its own here.
ALIKE = ("texts: split, in a shell", "links and outside data: zarr, metadata name")


def test_there_are_enough_and_each_has_a_name(capsys):
    counts = Counter(case.kind for case in CASES)
    with capsys.disabled():
        print("\nhostile inputs:", ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    assert counts.total() >= 300
    assert len({case.slug for case in CASES}) == len(CASES)


def asked(cases):
    """Each case under its name; of many that go one way through the program, the first three are fast."""
    seen = Counter()
    for case in cases:
        alike = next((way for way in ALIKE if case.slug.startswith(way)), None)
        seen[alike] += 1
        slow = case.kind in SLOW or (alike is not None and seen[alike] > 3)
        yield pytest.param(case, id=case.slug, marks=pytest.mark.slow if slow else ())


@pytest.mark.parametrize("case", list(asked(CASES)))
@pytest.mark.filterwarnings("ignore")
def test_it_is_refused_in_a_sentence_or_works(case):
    came, why = outcome(case)
    assert came == case.wanted, why
