import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError
from aivc.core.virtual_cell import VirtualCell
from aivc.data.far_part import FarPart
from aivc.experiments.far_cell import far_cell
from far_parts import far_service
from tiny_service import tiny_cell


@pytest.fixture
def at(tmp_path, monkeypatch):
    return far_service(monkeypatch, tmp_path, tiny_cell()).removesuffix("/parts")


def test_a_cell_of_another_computer_answers_as_it_does_there(at, tmp_path):
    found = far_cell(f"{at}/")
    assert found.remarks == ()
    assert found.cell.trained == tiny_cell().trained
    found.cell.save(tmp_path / "far")
    back = VirtualCell.load(tmp_path / "far")
    context, asked = next(iter(tiny_cell().starts)), min(tiny_cell().trained)
    ours, theirs = (each.predict(context, asked) for each in (back, tiny_cell()))
    np.testing.assert_array_equal(ours.effect, theirs.effect)
    assert ours.sureness() == theirs.sureness()


def changed(monkeypatch, **changes):
    read = FarPart.read_json
    monkeypatch.setattr(FarPart, "read_json", lambda part, path: {**read(part, path), **changes})


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"parts": []}, DataError, "offers no encoder"),
        ({"parts": [{"part": "../up", "contract": "decoder"}]}, DataError, "Do not trust it"),
        ({"parts": [{"part": "x", "contract": "wizard"}]}, DataError, "Do not trust it"),
        ({"parts": 3}, IntegrityError, "holds no virtual cell"),
        ({"card": []}, IntegrityError, "holds no virtual cell"),
    ],
)
def test_what_offers_no_cell_is_refused(at, monkeypatch, changes, error, match):
    changed(monkeypatch, **changes)
    with pytest.raises(error, match=match):
        far_cell(at)


def test_without_control_states_one_brings_ones_own(at, monkeypatch):
    changed(monkeypatch, contexts=[], remarks=["not sent"])
    found = far_cell(at)
    assert (found.remarks, dict(found.cell.starts)) == (("not sent",), {})
    start = next(iter(tiny_cell().starts.values()))
    assert np.isfinite(found.cell.predict(start, min(tiny_cell().trained)).effect).all()
