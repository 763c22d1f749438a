from dataclasses import dataclass, replace
from inspect import isfunction

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import aivc
from aivc.core.errors import DataError, SchemaError, ScoreError, SpaceError, UnknownNameError
from aivc.core.measurement import CONTROL
from aivc.core.perturbation import Perturbation
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.schema import Schema
from aivc.data.synthetic import synthetic_screen
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe
from aivc.experiments.predict import predict, predictor
from aivc.uncertainty.ensemble import Ensemble
from tiny_parts import TinyDecoder, TinyEncoder, TinyManipulator, TinyRecognizer

ASKED = Perturbation.parse("ko:G0002")


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=30, cells=20, controls=80)[0]


@pytest.fixture(scope="module")
def cell(screen):
    return fit(screen, "transfer", recipe=Recipe(dim=4, members=4, inner_folds=2))


def test_control_has_no_effect(cell):
    said = predict(cell, cell.start(), Perturbation.control())
    np.testing.assert_allclose(said.effect, 0, atol=1e-9)


def test_the_profile_is_that_of_all_states_however_many_are_read(cell):
    few, many = (predict(cell, cell.start(), ASKED, cells=cells) for cells in (8, 80))
    np.testing.assert_allclose(few.effect, many.effect, atol=1e-9)
    np.testing.assert_allclose(many.mean, cell.predict("line1", ASKED).mean, atol=1e-9)


def test_all_draws_together_are_one_population(cell):
    said = predict(cell, cell.start(), ASKED, cells=40)
    assert [len(draw) for draw in said.draws] == [10] * 4
    names = [name.rsplit("-", 2)[0] for draw in said.draws for name in draw.entities.index]
    assert len(set(names)) == 40


def test_intervals_lie_around_the_effect(cell):
    said = predict(cell, cell.start(), ASKED)
    low, high = said.effect_interval(0.9, cells=50.0)
    np.testing.assert_allclose((low + high) / 2, said.effect, atol=1e-9)


def test_a_population_is_drawn_evenly_from_all_draws(cell):
    said = predict(cell, cell.start(), ASKED, cells=40)
    drawn = said.population(20)
    assert [int(name.split("-")[0]) for name in drawn.entities.index] == [i for i in range(4) for _ in range(5)]
    assert set(drawn.perturbations) == {"ko:G0002"}
    np.testing.assert_array_equal(drawn.dense(), said.population(20).dense())
    assert len(said.population(1000)) == 40


def test_virtual_cells_without_counts_are_not_captured(cell):
    said = predict(cell, cell.start(), ASKED, cells=40)
    first, *others = said.draws
    values = first.dense()
    values[:4] = 0
    broken = said.replace(draws=(first.replace(values=values), *others))
    drawn = broken.population(40)
    assert len(drawn) == 36
    assert drawn.dense().sum(axis=1).min() > 0


def test_states_of_another_space_are_refused(cell, cells):
    ur = TinyEncoder.fit(cells, dim=4, seed=0).encode(cells)
    with pytest.raises(SpaceError, match="refit the instrument"):
        predict(cell, ur, ASKED)


class Silent(TinyDecoder):
    def decode(self, ur):
        said = super().decode(ur)
        return replace(said, profiles=said.profiles * np.nan)


def test_answers_that_are_not_numbers_are_refused(cells):
    encoder = TinyEncoder.fit(cells, dim=4, seed=0)
    ur = encoder.encode(cells)
    silent = VirtualCell(
        {encoder.scale: encoder}, {"do": TinyManipulator.fit(ur), "read": Silent.fit(ur, cells)}, {}, {}
    )
    start = ur.take(ur.perturbations == CONTROL)
    with pytest.raises(ScoreError, match="mend the method, or leave it out"):
        predict(silent, start, Perturbation.parse("ko:G00"))


def recognizing(cell, screen):
    """The cell with a manipulator that states a retrieval profile, and without calibration."""
    (encoder,) = cell.encoders.values()
    part = TinyRecognizer.fit(encoder.encode(screen))
    whole = Ensemble(part.reads, part, (part, part), 1.0)
    return VirtualCell(cell.encoders, {"do": whole, "read": cell.instruments["linear-expression"]}, {}, cell.starts)


def test_the_retrieval_profile_reaches_the_features(cell, screen):
    ours = recognizing(cell, screen)
    said = predict(ours, cell.start(), ASKED)
    predicted = ours.predict("line1", ASKED)
    # A profile never leads below nothing counted.
    inside = predicted.retrieval_mean > 0
    np.testing.assert_allclose(said.retrieval_effect[inside], 3 * said.effect[inside], atol=1e-9)
    assert inside.mean() > 0.9
    np.testing.assert_allclose(predicted.retrieval_mean, predicted.base + said.retrieval_effect, atol=1e-9)


def test_without_a_retrieval_profile_the_prediction_serves(cell):
    said = predict(cell, cell.start(), ASKED)
    assert said.retrieval is None
    np.testing.assert_array_equal(said.retrieval_effect, said.effect)


def test_the_fast_way_tells_the_same_retrieval_profile(cell, screen):
    ours = recognizing(cell, screen)
    tell = predictor(ours, cell.start(), [ASKED, Perturbation.parse("ko:G0003")])
    assert not isfunction(tell)
    np.testing.assert_allclose(
        tell(ASKED).retrieval_effect, predict(ours, cell.start(), ASKED).retrieval_effect, atol=1e-9
    )


@dataclass(frozen=True, eq=False)
class Lost(TinyRecognizer):
    def manipulate(self, ur, perturbation):
        return super().manipulate(ur, perturbation).replace(retrieval=ur.mean * np.nan)


def test_retrieval_profiles_that_are_not_numbers_are_refused(cell, screen):
    ours = recognizing(cell, screen)
    lost = Lost.fit(next(iter(cell.encoders.values())).encode(screen))
    broken = VirtualCell(cell.encoders, {**ours.instruments, "do": lost}, {}, cell.starts)
    with pytest.raises(DataError, match="finite numbers only"):
        predict(broken, cell.start(), ASKED)


def test_the_same_question_has_one_answer_however_it_is_asked(cell, screen):
    text = str(ASKED)
    wanted = cell.predict("line1", text)
    for start in ("line1", cell.start("line1"), cell.starts["line1"]):
        for asked in (text, ASKED):
            said = aivc.predict(cell, start, asked)
            np.testing.assert_array_equal(said.effect, wanted.effect)
            np.testing.assert_array_equal(said.effect_interval(), wanted.effect_interval())
            np.testing.assert_array_equal(said.population(50).dense(), wanted.population(50).dense())
    control = screen.take(screen.perturbations == CONTROL)
    np.testing.assert_array_equal(predict(cell, control, text).effect, predict(cell, cell.encode(control), text).effect)


def test_several_perturbations_are_answered_as_each_alone(cell):
    asked = ["ko:G0001", ASKED, "ko:G0001 + ko:G0003", "control"]
    said = predict(cell, "line1", asked, cells=40)
    assert [len(each.draws[0]) for each in said] == [1] * 4, "no cells were read out yet"
    for text, each in zip(asked, said, strict=True):
        alone = predict(cell, "line1", text, cells=40)
        np.testing.assert_allclose(each.effect, alone.effect, atol=1e-9)
        np.testing.assert_allclose(each.effect_interval(0.8), alone.effect_interval(0.8), atol=1e-9)
        assert (each.coverage, each.applicability, each.made_by) == (
            alone.coverage,
            alone.applicability,
            alone.made_by,
        )
        np.testing.assert_array_equal(each.population(20).dense(), alone.population(20).dense())
    assert predict(cell, "line1", []) == ()


class Bent(TinyDecoder):
    def profile(self, ur):
        return super().profile(ur) + 1e-3 * len(ur)


def test_several_are_read_out_whole_where_the_fast_way_differs(cells):
    encoder = TinyEncoder.fit(cells, dim=4, seed=0)
    ur = encoder.encode(cells)
    start = ur.take(ur.perturbations == CONTROL)
    bent = Bent.fit(ur, cells)
    curved = VirtualCell({encoder.scale: encoder}, {"do": TinyManipulator.fit(ur), "read": bent}, {}, {"A": start})
    said = predict(curved, "A", ["ko:G00", "ko:G01"])
    assert all(len(each.draws[0]) == 200 for each in said)


def test_instruments_are_named_where_there_are_several(cells):
    encoder = TinyEncoder.fit(cells, dim=4, seed=0)
    ur = encoder.encode(cells)
    parts = {"do": TinyManipulator.fit(ur), "recognize": TinyRecognizer.fit(ur), "read": TinyDecoder.fit(ur, cells)}
    many = VirtualCell({encoder.scale: encoder}, parts, {}, {"A": ur.take(ur.perturbations == CONTROL)})
    (half,) = predict(many, "A", ["ko:G00"], manipulator="recognize")
    whole = predict(many, "A", "ko:G00", manipulator="do", decoder="read")
    np.testing.assert_allclose(2 * half.effect, whole.effect, atol=1e-9)
    with pytest.raises(UnknownNameError, match="name the one you mean"):
        predict(many, "A", ["ko:G00"])


def test_control_cells_of_an_anndata_are_a_start(tmp_path):
    screen, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    cell = fit(screen, "transfer", parts=None, recipe=Recipe(dim=4, members=2, inner_folds=0))
    obs = screen.entities[["perturbation", "context"]].astype(str)
    adata = AnnData(screen.values, obs, pd.DataFrame(index=screen.features.astype(str)))
    said = {"units": "counts", "perturbation": "perturbation", "control": "control", "context": "context"}
    schema = Schema(species="none", **said)
    answer = predict(cell, adata, "ko:G0001", schema=schema)
    adata.write_h5ad(tmp_path / "screen.h5ad")
    controls = screen.take(screen.perturbations == CONTROL)
    for start, given in ((controls, {}), (tmp_path / "screen.h5ad", {"schema": schema})):
        np.testing.assert_allclose(predict(cell, start, "ko:G0001", **given).effect, answer.effect, atol=1e-9)
    with pytest.raises(SchemaError, match="Add schema=Schema"):
        predict(cell, adata, "ko:G0001")
    with pytest.raises(SchemaError, match="Leave it out"):
        predict(cell, "line1", "ko:G0001", schema=schema)


def test_answers_to_several_questions_give_cells_to_an_anndata_not_their_means():
    screen, _ = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    cell = fit(screen, "transfer", parts=None, recipe=Recipe(dim=4, members=2, inner_folds=0))
    one, several = predict(cell, "line1", "ko:G0001"), predict(cell, "line1", ["ko:G0001", "ko:G0002"])
    alone, among = one.to_anndata(), several[0].to_anndata()
    assert among.n_obs == alone.n_obs > len(several[0].draws)
    assert among.uns["aivc"]["units"] == screen.units
    np.testing.assert_allclose(among.var["effect"], alone.var["effect"], atol=1e-9)


def test_answers_computed_ahead_are_those_of_one_question(screen):
    asked = [Perturbation.parse(f"ko:G{i:04}") for i in range(1, 12)]
    alone = fit(screen, "effect.v2", recipe=Recipe(dim=4, members=2, inner_folds=2), parts=None)
    start = alone.start().sample(1)
    wanted = [alone.manipulate(start, each) for each in asked]
    alone.prepare(start, asked)
    answers = alone.instruments["effect.v2"].center._answers
    assert len(answers._ahead) == len(asked)
    for one, other in zip(wanted, (alone.manipulate(start, each) for each in asked), strict=True):
        np.testing.assert_allclose(other.profiles, one.profiles, rtol=0, atol=1e-12)
        assert other.applicability == one.applicability
    alone.prepare(start, asked[:2])
    assert len(answers._ahead) == 2


def test_several_profiles_at_once_are_those_of_each(cell):
    states, decoder = cell.start(), cell.decoder()
    some = [states.take(np.arange(i, i + 5)) for i in range(3)]
    np.testing.assert_allclose(decoder.profiles(some), [decoder.profile(each) for each in some], rtol=0, atol=1e-12)


def test_a_block_of_answers_is_that_of_each_alone(cell):
    asked = [Perturbation.parse(f"ko:G000{i}") for i in range(1, 6)]
    tell = predictor(cell, cell.start(), asked)
    for said, each in zip(tell.each(asked), asked, strict=True):
        alone = predict(cell, cell.start(), each)
        np.testing.assert_allclose(said.effect, alone.effect, rtol=0, atol=1e-12)
        np.testing.assert_allclose(said.effect_interval(), alone.effect_interval(), rtol=0, atol=1e-12)
        assert (said.applicability, said.coverage) == (alone.applicability, alone.coverage)
        assert said.draws[0].perturbations[0] == str(each)
        assert len(said.population(8)) == 8
