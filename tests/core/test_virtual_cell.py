import dataclasses
import json

import numpy as np
import pytest
from scipy import sparse

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.provenance import Provenance
from aivc.core.saved_cell import sealed
from aivc.core.scale import Scale
from aivc.core.virtual_cell import VirtualCell
from tiny_parts import TinyDecoder, TinyEncoder, TinyManipulator


@pytest.fixture
def saved(tiny_cell, tmp_path):
    tiny_cell.save(tmp_path / "cell")
    return tmp_path / "cell"


def rewrite(folder, change):
    path = folder / "cell.json"
    body = json.loads(path.read_text())
    change(body)
    path.write_text(json.dumps(sealed(body)))


def test_predict_runs_the_whole_experiment(tiny_cell, control):
    answer = tiny_cell.predict(control, "ko:G00 for 48h", cells=len(control))
    assert answer.made_by == ("tiny-manipulator", "tiny-decoder")
    assert answer.profile_units == "arbitrary"
    assert set(answer.draws[0].perturbations) == {"ko:G00 for 48h"}
    assert list(answer.draws[0].entities.index) == [f"{name}-0-{i}" for i, name in enumerate(control.entities.index)]
    asked = tiny_cell.predict(control, Perturbation.parse("ko:G00 for 48h"), cells=len(control))
    np.testing.assert_array_equal(asked.mean, answer.mean)


def test_a_name_its_states_and_its_cells_are_one_question(tiny_cell, control):
    states = tiny_cell.encode(control)
    named = VirtualCell(tiny_cell.encoders, tiny_cell.instruments, tiny_cell.card, {"A": states})
    wanted = named.predict("A", "ko:G00")
    assert np.abs(wanted.effect).max() > 0
    for start in (states, control):
        answer = named.predict(start, "ko:G00")
        np.testing.assert_array_equal(answer.effect, wanted.effect)
        np.testing.assert_array_equal(answer.population(50).dense(), wanted.population(50).dense())
    assert named.states(states) is states
    with pytest.raises(UnknownNameError, match="Name one of them"):
        named.states("nowhere")


def test_disk_round_trip_answers_to_the_last_bit(tiny_cell, saved, control):
    back = VirtualCell.load(str(saved))
    ours, theirs = tiny_cell.predict(control, "ko:G01"), back.predict(control, "ko:G01")
    np.testing.assert_array_equal(ours.draws[0].dense(), theirs.draws[0].dense())
    assert dict(back.card) == {"data": "a small screen"}
    assert set(back.instruments) == {"move", "read"}
    back.save(saved.parent / "again")
    assert (saved.parent / "again" / "cell.json").read_bytes() == (saved / "cell.json").read_bytes()


def test_what_the_parts_were_made_from_is_saved_once_and_comes_back(tiny_cell, tmp_path):
    seen = Provenance(
        "a screen", 3, np.array([7, 5, 2**63], np.uint64), pairs=(("A", "ko:G00"),), donors=("d1",), fold=0
    )
    stated = {"encoder-cellular": seen, "move": Provenance.from_state(seen.state()), "read": Provenance()}
    cell = VirtualCell(tiny_cell.encoders, tiny_cell.instruments, tiny_cell.card, provenance=stated)
    cell.save(tmp_path)
    assert sorted(path.name for path in (tmp_path / "provenance").iterdir()) == ["0", "1"]
    back = VirtualCell.load(tmp_path).provenance
    assert {name: each.digest for name, each in back.items()} == {name: each.digest for name, each in stated.items()}
    assert back["move"].perturbations == ("ko:G00",)
    np.testing.assert_array_equal(back["move"].marks, np.array([5, 7, 2**63], np.uint64))


def test_an_altered_provenance_is_refused(tiny_cell, tmp_path):
    cell = VirtualCell(tiny_cell.encoders, tiny_cell.instruments, provenance={"move": Provenance("a screen")})
    cell.save(tmp_path)
    Provenance("another screen").save(tmp_path / "provenance" / "0")
    with pytest.raises(IntegrityError, match=r"'move' was made from was altered.*Fetch the cell again"):
        VirtualCell.load(tmp_path)
    rewrite(tmp_path, lambda body: body.update(provenance={"move": 3}))
    with pytest.raises(IntegrityError, match="lists no provenance"):
        VirtualCell.load(tmp_path)


def test_saved_cell_is_json_and_safetensors_only(saved):
    files = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert files == {".json", ".safetensors"}


def test_parts_of_other_spaces_are_refused_when_assembled(tiny_cell, cells):
    refitted = TinyEncoder.fit(cells, dim=4, seed=1)
    with pytest.raises(SpaceError, match=r"'move' reads .* Refit the instrument on one of these spaces"):
        VirtualCell({Scale.CELLULAR: refitted}, {"move": tiny_cell.instruments["move"]})
    with pytest.raises(SpaceError, match="the encoders write nothing"):
        VirtualCell({}, {"move": tiny_cell.instruments["move"]})


def test_scale_without_encoder_is_named(tiny_cell, cells):
    with pytest.raises(UnknownNameError, match=r"encoder for the scale named 'molecular'. Did you mean 'cellular'"):
        tiny_cell.encode(cells.replace(scale=Scale.MOLECULAR))


def test_links_of_cells_are_those_of_their_states(tiny_cell, control):
    links = sparse.diags_array(np.ones(len(control) - 1), offsets=1, format="csr")
    linked = tiny_cell.encode(control.replace(links=sparse.csr_matrix(links)))
    assert (linked.links != links).nnz == 0
    assert tiny_cell.encode(control).links is None


def test_instruments_are_picked_by_name_where_there_are_several(tiny_cell, control):
    two = dict(tiny_cell.instruments, other=TinyManipulator(tiny_cell.instruments["move"].reads, np.zeros(4)))
    cell = VirtualCell(tiny_cell.encoders, two)
    still = cell.predict(control, "ko:G00", manipulator="other")
    assert not np.allclose(still.mean, cell.predict(control, "ko:G00", manipulator="move").mean)
    with pytest.raises(UnknownNameError, match="This cell has 2: name the one you mean"):
        cell.predict(control, "ko:G00")
    with pytest.raises(UnknownNameError, match="Did you mean 'move'"):
        cell.predict(control, "ko:G00", manipulator="mve")
    with pytest.raises(UnknownNameError, match="no manipulator named 'read'"):
        cell.predict(control, "ko:G00", manipulator="read")


def test_cell_is_frozen_through_and_through(tiny_cell):
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny_cell.card = {}
    with pytest.raises(TypeError, match="does not support item assignment"):
        tiny_cell.instruments["new"] = TinyDecoder


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", ".hidden", "a\\b", "a\0b", "encoder-cellular", "a\nb"])
def test_names_that_are_no_folders_are_refused_when_saved(tiny_cell, tmp_path, name):
    cell = VirtualCell(tiny_cell.encoders, {name: tiny_cell.instruments["move"]})
    with pytest.raises(IntegrityError, match=r"becomes a folder.*Rename it"):
        cell.save(tmp_path / "cell")


@pytest.mark.parametrize("name", ["../x", "../../cell/parts/move", "/etc", "a/b", "", "..", "a\\b", "a\0b"])
def test_paths_outside_the_folder_are_never_read(saved, name):
    rewrite(saved, lambda body: body["parts"].update({name: body["parts"]["move"]}))
    with pytest.raises(IntegrityError, match=r"not a plain folder name. Do not trust it"):
        VirtualCell.load(saved)


@pytest.mark.parametrize(
    ("change", "stated"),
    [
        (lambda body: body.update(format=3), "not a virtual cell in format 2"),
        (lambda body: body.update(parts=[]), "not a virtual cell in format 2"),
        (lambda body: body["parts"]["move"].update(group="metrics"), "belongs to no group of parts"),
        (lambda body: body["parts"]["move"].update(digest="0" * 64), "not the one its cell was saved with"),
        (lambda body: body["parts"].update(move=3), "not a plain folder name"),
        (lambda body: body["parts"].update(gone=body["parts"]["move"]), "is missing"),
        (lambda body: body["parts"]["move"].update(group="decoders", name="tiny-decoder"), "is made of"),
    ],
)
def test_altered_cell_is_refused(saved, change, stated):
    rewrite(saved, change)
    with pytest.raises(IntegrityError, match=stated):
        VirtualCell.load(saved)


def test_altered_part_is_refused(saved, tiny_cell):
    other = TinyManipulator(tiny_cell.instruments["move"].reads, np.ones(4))
    other.state().save(saved / "parts" / "move")
    with pytest.raises(IntegrityError, match="not the one its cell was saved with"):
        VirtualCell.load(saved)


def test_part_whose_package_is_absent_is_named(saved):
    rewrite(saved, lambda body: body["parts"]["move"].update(name="tiny-manipulatr"))
    with pytest.raises(UnknownNameError, match=r"Did you mean 'tiny-manipulator'.*A package adds one"):
        VirtualCell.load(saved)


def test_part_that_nobody_registered_cannot_be_saved(tiny_cell, tmp_path, register):
    register()
    with pytest.raises(UnknownNameError, match="A package adds one through the entry point"):
        tiny_cell.save(tmp_path)


def test_folder_without_cell_is_refused(tmp_path):
    with pytest.raises(IntegrityError, match=r"cell\.json is missing"):
        VirtualCell.load(tmp_path)


def test_it_says_what_it_learned_in_one_line(tiny_cell):
    card = {"perturbations": ["ko:A", "ko:B"], "units": "counts", "contexts": ["K562"]}
    said = repr(VirtualCell(tiny_cell.encoders, tiny_cell.instruments, card))
    assert said.startswith("VirtualCell(2 perturbations in 1 context in counts, by cellular + ")
    assert len(said) < 200
