import dataclasses

import numpy as np
import pytest

import tiny_parts
from aivc.core.errors import IntegrityError
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.self_test import SELF_TEST, made_test, repeat


def test_a_cell_is_asked_in_its_contexts_and_answers_again(cell_folder, tmp_path):
    cell = VirtualCell.load(cell_folder)
    made = made_test(cell)
    made.save(tmp_path)
    assert made.test.way == "predict"
    assert {each.context for each in made.test.questions} == set(cell.starts)
    assert repeat(cell, made.test, tmp_path) == []


def test_a_cell_that_keeps_no_controls_is_asked_from_drawn_states(tiny_cell, tmp_path):
    made = made_test(tiny_cell)
    made.save(tmp_path)
    assert made.test.questions[0].start == "start"
    assert repeat(tiny_cell, made.test, tmp_path) == []


def test_another_answer_is_found(tiny_cell, tmp_path):
    made = made_test(tiny_cell)
    made.save(tmp_path)
    mover = tiny_cell.instruments["move"]
    moved = dataclasses.replace(mover, shift=mover.shift * 1.01)
    other = VirtualCell(tiny_cell.encoders, {**tiny_cell.instruments, "move": moved})
    assert "ko:TP53 is answered otherwise" in repeat(other, made.test, tmp_path)[0]


@pytest.mark.parametrize("name", ["encoder-cellular", "move", "read"])
def test_parts_are_asked_alone(tiny_cell, tmp_path, name):
    made = made_test(tiny_cell.parts[name], ["ko:G1"])
    made.save(tmp_path)
    assert repeat(tiny_cell.parts[name], made.test, tmp_path) == []


def test_a_damaged_file_is_refused(tiny_cell, tmp_path):
    made = made_test(tiny_cell)
    (tmp_path / SELF_TEST).write_bytes(b"no arrays")
    with pytest.raises(IntegrityError, match="holds no arrays"):
        repeat(tiny_cell, made.test, tmp_path)
    dataclasses.replace(made, arrays={"start": np.zeros((2, 2))}).save(tmp_path)
    with pytest.raises(IntegrityError, match="lacks an array"):
        repeat(tiny_cell, made.test, tmp_path)


def test_what_answers_nothing_has_no_self_test(cells):
    encoder = tiny_parts.TinyEncoder.fit(cells, dim=4, seed=0)
    assert made_test(VirtualCell([encoder], {})) is None
