"""One context is asked block by block, and a score may read another decoder beside the main one."""

import numpy as np
import pytest

from aivc.core.errors import UnknownNameError
from aivc.core.perturbation import Perturbation
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.experiments import context_asker
from aivc.experiments.context_asker import ContextAsker, decoders_read
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.library import Library
from aivc.experiments.predict import predict
from aivc.experiments.scores.ranked_library import rank_library
from aivc.experiments.scores.score_text import parse_score

NAMES = [f"G{i:04}" for i in range(1, 6)]
ASKED = [Perturbation.parse(f"ko:{name}") for name in NAMES]


@pytest.fixture(scope="module")
def cell():
    cells, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    return fit(cells, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))


def test_blocks_hold_the_answers_in_order(cell, monkeypatch):
    monkeypatch.setattr(context_asker, "AT_ONCE", 2)
    asker = ContextAsker.of(cell, "line1", cell.start(), ASKED, decoders_read(cell, frozenset()))
    blocks = list(asker.blocks(ASKED, 0.9))
    said = predict(cell, "line1", ASKED)
    assert [len(block.answer) for block in blocks] == [2, 2, 1]
    effect = np.concatenate([block.answer.effect for block in blocks])
    np.testing.assert_allclose(effect, [each.effect for each in said], atol=1e-9)
    low = np.concatenate([block.answer.interval[0] for block in blocks])
    np.testing.assert_allclose(low, [each.effect_interval(0.9)[0] for each in said], atol=1e-9)
    assert next(asker.blocks(ASKED, None)).answer.interval is None


def test_nothing_done_changes_nothing(cell):
    blank = ContextAsker.of(cell, "line1", cell.start(), ASKED, decoders_read(cell, frozenset())).blank()
    assert (len(blank), blank.effect.any(), len(blank.features)) == (1, False, 40)


def test_another_decoder_is_read_beside_the_main_one(cell):
    (name,) = decoders_read(cell, frozenset())
    other = VirtualCell(cell.encoders, {**cell.instruments, "labels": cell.instruments[name]}, cell.card, cell.starts)
    assert decoders_read(other, frozenset({"labels"})) == [name, "labels"]
    assert decoders_read(cell, frozenset({name})) == [name]
    library = Library.singles(NAMES)
    found = rank_library(other, library, parse_score("readout:labels/G0030")).table
    wanted = rank_library(cell, library, parse_score("gene:G0030")).table
    np.testing.assert_allclose(found["score"], wanted["score"], atol=1e-6)
    with pytest.raises(UnknownNameError, match="name the one you mean"):
        rank_library(other, library, parse_score("gene:G0030"))
