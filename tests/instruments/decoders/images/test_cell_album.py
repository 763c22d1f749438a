"""An album keeps crops that no microscope has learned from, within its limits, and draws what was imaged."""

import numpy as np
import pytest

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.state import State
from aivc.instruments.decoders.images import cell_album
from aivc.instruments.decoders.images.cell_album import CellAlbum
from tiny_images import screen_of_crops

LARGE, DIM = "drug:large@1uM", "drug:dim@1uM"
SCREEN = screen_of_crops(per_well=20, side=24)
ALBUM = CellAlbum.fit(SCREEN)


def asked(album, text, context="A"):
    controls = album.crops.take(album.crops.perturbations == CONTROL)
    return controls.replace(entities=controls.entities.assign(asked=text, context=context))


def test_crops_that_are_kept_are_in_no_fit():
    assert {text for _, text in ALBUM.maps} == {LARGE, DIM}
    kept = ALBUM.crops
    for text, microscope in ((text, each) for (_, text), each in ALBUM.maps.items()):
        left = (SCREEN.perturbations == text).sum() - (kept.perturbations == text).sum()
        assert microscope.cells == (40 - (kept.perturbations == CONTROL).sum(), left)
    np.testing.assert_array_equal(
        kept.values[0], SCREEN.values[list(SCREEN.entities.index).index(kept.entities.index[0])]
    )
    assert kept.values.dtype == np.uint16


def test_each_control_is_moved_to_what_is_asked_of_it_with_its_masks():
    controls = asked(ALBUM, LARGE)
    wanted = np.where(np.arange(len(controls)) % 2, LARGE, DIM)
    moved = ALBUM.decode(controls.replace(entities=controls.entities.assign(asked=wanted)))
    assert list(moved.perturbations) == list(wanted)
    assert list(moved.entities.index) == list(controls.entities.index)
    assert list(moved.features) == list(controls.features)
    grown = moved.values[:, 2].mean(axis=(1, 2)) / controls.values[:, 2].mean(axis=(1, 2))
    assert grown[wanted == LARGE].mean() > 1.1
    darker = moved.values[:, 1].mean(axis=(1, 2)) / controls.values[:, 1].mean(axis=(1, 2))
    assert darker[wanted == DIM].mean() < 0.7


def test_it_comes_back_from_disk(tmp_path):
    ALBUM.state().save(tmp_path)
    back = CellAlbum.from_state(State.load(tmp_path))
    np.testing.assert_array_equal(back.decode(asked(back, DIM)).values, ALBUM.decode(asked(ALBUM, DIM)).values)
    assert back.notes == ALBUM.notes


def test_only_what_was_imaged_in_that_context_is_drawn():
    with pytest.raises(UnknownNameError, match="drawn only under what was imaged"):
        ALBUM.decode(asked(ALBUM, "drug:large@9uM"))
    with pytest.raises(UnknownNameError, match="in the same context"):
        ALBUM.decode(asked(ALBUM, LARGE, context="B"))
    with pytest.raises(DataError, match="column asked"):
        ALBUM.decode(ALBUM.crops)


def test_too_few_cells_are_kept_but_not_drawn():
    few = SCREEN.take((SCREEN.perturbations != DIM) | (np.cumsum(SCREEN.perturbations == DIM) <= 6))
    album = CellAlbum.fit(few)
    assert {text for _, text in album.maps} == {LARGE}
    assert DIM in album.labels
    assert "Not drawn: drug:dim@1uM, of which" in album.notes[1]


def test_rows_that_may_not_be_used_are_in_no_part():
    rows = np.flatnonzero(SCREEN.perturbations != DIM)
    album = CellAlbum.fit(SCREEN, rows=rows)
    assert set(album.labels) == {CONTROL, LARGE}
    assert [text for _, text in album.maps] == [LARGE]


def test_no_more_is_kept_than_the_limit(monkeypatch):
    monkeypatch.setattr(cell_album, "MOST_BYTES", 24 * SCREEN.values[0].nbytes)
    album = CellAlbum.fit(SCREEN)
    assert album.images.nbytes <= cell_album.MOST_BYTES
    monkeypatch.setattr(cell_album, "MOST_BYTES", 8 * SCREEN.values[0].nbytes)
    album = CellAlbum.fit(SCREEN)
    assert album.images.nbytes <= cell_album.MOST_BYTES
    assert "as there is no room" in album.notes[1]


def test_fields_are_no_crops():
    wide = SCREEN.replace(values=np.zeros((len(SCREEN), 4, 300, 300), np.uint8))
    with pytest.raises(DataError, match="Declare masks and crop"):
        CellAlbum.fit(wide)
