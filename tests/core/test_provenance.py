import json

import numpy as np
import pytest

from aivc.core.errors import IntegrityError
from aivc.core.provenance import Provenance
from aivc.core.state import State

SEEN = Provenance(
    "a screen",
    3,
    np.array([9, 2**64 - 1, 4], np.uint64),
    np.array([1], np.uint64),
    "counts",
    (("B", "ko:X"), ("A", "control"), ("A", "ko:X")),
    ("d2", "d1"),
    data_digest="0" * 64,
    split="1" * 64,
    fold=2,
    tables={"go-bp": "2" * 64},
    expression=True,
)


def test_it_comes_back_from_disk_and_from_json(tmp_path):
    SEEN.save(tmp_path)
    for back in (Provenance.load(tmp_path), Provenance.from_json(json.loads(json.dumps(SEEN.to_json())))):
        assert back.digest == SEEN.digest
        assert back.pairs == (("A", "control"), ("A", "ko:X"), ("B", "ko:X"))
        assert (back.donors, back.fold, dict(back.tables)) == (("d1", "d2"), 2, {"go-bp": "2" * 64})
        assert back.marks.tolist() == [4, 9, 2**64 - 1]
    assert SEEN.perturbations == ("ko:X",)


def test_eight_bytes_an_entity(tmp_path):
    marks = np.random.default_rng(0).integers(2**63, size=100_000).astype(np.uint64)
    Provenance("a screen", len(marks), marks).save(tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 8 * len(marks) + 2000


def test_nothing_said_differs_from_nothing_seen():
    assert not Provenance("an embedding").known
    assert Provenance("a map of pathways", expression=False).known
    assert SEEN.known


@pytest.mark.parametrize("change", [{"pairs": [3]}, {"donors": None}, {"colour": "red"}])
def test_what_is_no_provenance_is_refused(change):
    state = SEEN.state()
    with pytest.raises(IntegrityError, match="This is no provenance"):
        Provenance.from_state(State({**state.settings, **change}, state.arrays))
    with pytest.raises(IntegrityError, match="This is no provenance"):
        Provenance.from_json({"marks": 3})
