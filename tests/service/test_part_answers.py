import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.sent_predictions import joined, measurement_state
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.hub.use_terms import UseTerm
from aivc.instruments.remote.remote_manipulator import RemoteManipulator
from aivc.service import part_answers
from aivc.service.part_answers import (
    ChangedError,
    asks_others,
    decoded,
    described,
    digest_of,
    encoded,
    manipulated,
    one_of,
    passed_on,
    profiles_of,
    require_meant,
)
from tiny_service import tiny_cell


def part(name):
    return tiny_cell().parts[name]


def start():
    return next(iter(tiny_cell().starts.values()))


def test_what_asks_others_is_found_wherever_it_lies():
    far = RemoteManipulator(start().space, "https://host/x", {"digest": "d"})
    around = dataclasses.replace(part("effect.v2"), members=(far,))
    assert asks_others(far)
    assert asks_others(around)
    assert not asks_others(part("effect.v2"))
    cell = VirtualCell(tiny_cell().encoders, {"far": around, "near": part("effect.v2")})
    assert [each.part for each in described(cell)] == ["encoder-cellular", "near"]
    with pytest.raises(UnknownNameError):
        one_of(cell, "far")


def test_a_part_is_meant_by_its_digest():
    mine = part("effect.v2")
    for tags in ("", "*", f'"{digest_of(mine)}"', f'"other", "{digest_of(mine)}"'):
        require_meant(mine, tags)
    with pytest.raises(ChangedError):
        require_meant(mine, '"other"')


def test_an_encoder_represents_what_is_sent():
    screen, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    cells = screen.take(np.arange(7))
    said = encoded(part("encoder-cellular"), joined({"measurement": measurement_state(cells)}).to_bytes())
    np.testing.assert_allclose(UR.from_state(said).values, tiny_cell().encode(cells).values)


def test_as_many_questions_as_states_allow(monkeypatch):
    sent = joined({"states": start().state(), "asked": State({"perturbations": ["ko:A", "ko:B"]})}).to_bytes()
    monkeypatch.setattr(part_answers, "NUMBERS", 2 * start().values.size)
    assert list(manipulated(part("effect.v2"), sent).settings) == ["answer 0", "answer 1"]
    monkeypatch.setattr(part_answers, "NUMBERS", 2 * start().values.size - 1)
    with pytest.raises(DataError, match="numbers are asked for at once"):
        manipulated(part("effect.v2"), sent)
    monkeypatch.setattr(part_answers, "CELLS", len(start()) - 1)
    with pytest.raises(DataError, match="cells are asked for at once"):
        manipulated(part("effect.v2"), sent)


def test_a_population_of_no_cells_is_refused():
    none = start().take(np.array([], dtype=int)).state()
    asked = joined({"states": none, "asked": State({"perturbations": ["ko:A"]})}).to_bytes()
    for ask, name, sent in (
        (manipulated, "effect.v2", asked),
        (decoded, "linear-expression", none.to_bytes()),
        (profiles_of, "linear-expression", joined({"population 0": none}).to_bytes()),
    ):
        with pytest.raises(DataError, match="at least one cell"):
            ask(part(name), sent)


def test_few_bytes_that_stand_for_billions_of_readings_are_refused(monkeypatch):
    names, genes = [f"c{i}" for i in range(100_000)], [f"G{i}" for i in range(100_000)]
    empty = sparse.csr_matrix((len(names), len(genes)))
    many = Measurement(empty, np.array(genes, dtype=object), pd.DataFrame(index=names), "counts")
    sent = joined({"measurement": measurement_state(many)}).to_bytes()
    assert len(sent) < 10_000_000
    with pytest.raises(DataError, match="10,000,000,000 readings"):
        encoded(part("encoder-cellular"), sent)
    monkeypatch.setattr(part_answers, "READINGS", 40 * len(start()) - 1)
    with pytest.raises(DataError, match="readings are asked for"):
        decoded(part("linear-expression"), start().state().to_bytes())
    monkeypatch.setattr(part_answers, "QUESTIONS", 1)
    two = joined({f"population {i}": start().state() for i in range(2)}).to_bytes()
    with pytest.raises(DataError, match="2 populations"):
        profiles_of(part("linear-expression"), two)


def test_a_decoder_reads_what_is_sent():
    decoder = part("linear-expression")
    assert decoded(decoder, start().state().to_bytes()).settings["same rows"]
    sent = joined({"population 0": start().state(), "population 1": start().take(np.arange(4)).state()})
    said = profiles_of(decoder, sent.to_bytes()).arrays["profiles"]
    np.testing.assert_allclose(said[0], decoder.profile(start()), atol=1e-12)
    with pytest.raises(DataError, match="population 0"):
        profiles_of(decoder, State().to_bytes())


def test_control_states_stay_where_the_terms_say_so(tmp_path, monkeypatch):
    assert passed_on(tiny_cell(), tmp_path) == (list(tiny_cell().starts), [])
    monkeypatch.setattr(part_answers, "training_terms", lambda _cell: {UseTerm.NO_REDISTRIBUTION})
    contexts, remarks = passed_on(tiny_cell(), tmp_path)
    assert contexts == []
    assert "no-redistribution" in remarks[0]
