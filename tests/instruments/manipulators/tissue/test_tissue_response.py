"""Edits of a synthetic tissue in which it is known what neighbours do."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import PerturbationError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Applicability
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.tissue.graph import GraphRule, link
from aivc.instruments.manipulators.baselines.mean_effect import MeanEffect
from aivc.instruments.manipulators.tissue.tissue_response import TissueResponse
from aivc.testing import sample_ur

SPACE = Space("states", Scale.CELLULAR, 4, "known")
TYPES = np.array(["tumour", "T cell", "macrophage"])
# A T cell among its nearest neighbours raises the second axis of a tumour cell by its share, and nothing else.
EFFECT = 2.0


def tissue(n=500, *, seed=0, sections=2):
    rng = np.random.default_rng(seed)
    names = TYPES[rng.choice(3, n, p=[0.6, 0.2, 0.2])]
    entities = pd.DataFrame(
        {"cell_type": names, "section": np.arange(n) % sections, "region": "core"},
        index=[f"c{i}" for i in range(n)],
        dtype=object,
    )
    places = rng.uniform(0, 100, (n, 2))
    entities.loc[places[:, 0] < 50, "region"] = "edge"
    cells = Measurement(np.zeros((n, 1)), np.array(["g"]), entities, "log1p_cp10k", coordinates=places)
    links = link(cells, GraphRule("nearest", 6.0)).links
    values = rng.normal(0, 0.05, (n, 4))
    values[:, 0] += 3.0 * (names == "T cell")
    values[:, 2] += 3.0 * (names == "macrophage")
    share = links @ (names == "T cell") / np.diff(links.indptr)
    values[:, 1] += EFFECT * share * (names == "tumour")
    return UR(values, SPACE, entities, links=links)


@pytest.fixture(scope="module")
def cells():
    return tissue()


@pytest.fixture(scope="module")
def fitted(cells):
    return TissueResponse.fit(cells, draws=3, axes=4)


def change(answer, cells):
    """``(n, d)`` mean change of the cells that are still there, by name."""
    where = answer.draws[0].entities.index.get_indexer(cells.entities.index)
    said = np.mean([draw.values[where] - cells.values for draw in answer.draws], axis=0)
    return np.where(where[:, None] >= 0, said, np.nan)


def test_removing_a_neighbour_takes_back_what_it_did(fitted, cells):
    answer = fitted.manipulate(cells, Perturbation.parse("remove:T cell"))
    said = change(answer, cells)
    types = cells.entities["cell_type"].to_numpy()
    share = cells.links @ (types == "T cell") / np.diff(cells.links.indptr)
    true = -EFFECT * share * (types == "tumour")
    left = types != "T cell"
    assert np.corrcoef(said[left, 1], true[left])[0, 1] > 0.9
    assert abs(said[types == "tumour", 1].mean() / true[types == "tumour"].mean() - 1) < 0.3
    assert np.abs(said[left][:, [0, 2, 3]]).mean() < 0.05 * np.abs(true[types == "tumour"]).mean()


def test_removal_changes_composition_exactly(fitted, cells):
    answer = fitted.manipulate(cells, Perturbation.parse("remove:T cell where region=core"))
    gone = (cells.entities["cell_type"] == "T cell") & (cells.entities["region"] == "core")
    for draw in answer.draws:
        assert draw.entities.index.tolist() == cells.entities.index[~gone].tolist()
        assert draw.mass.sum() == cells.mass.sum() - gone.sum()
        assert set(draw.perturbations) == {"remove:T cell where region=core"}


def test_adding_cells_says_how_many_and_of_which_type(fitted, cells):
    answer = fitted.manipulate(cells, Perturbation.parse("add:T cell@10%"))
    draw = answer.draws[0]
    assert len(draw) == len(cells) + 50
    assert (draw.entities["cell_type"].iloc[-50:] == "T cell").all()
    near = np.asarray((draw.links[: len(cells), len(cells) :].sum(axis=1)) > 0).ravel()
    tumour = cells.entities["cell_type"].to_numpy() == "tumour"
    said = change(answer, cells)[:, 1]
    assert said[near & tumour].mean() > 0.1
    assert abs(said[~near & tumour].mean()) < 0.2 * said[near & tumour].mean()


def test_a_swap_for_itself_changes_nothing(fitted, cells):
    answer = fitted.manipulate(cells, Perturbation.parse("swap:T cell by T cell"))
    assert all(np.array_equal(draw.values, cells.values) for draw in answer.draws)
    assert str(answer.affected) == "None of 500 other cells changes."


def test_exchanging_neighbours_of_one_type_and_state_changes_nothing(fitted, cells):
    values = np.array(cells.values)
    same = cells.entities["cell_type"].to_numpy() != "tumour"
    values[same] = values[same][0]
    entities = cells.entities.assign(cell_type=np.where(same, "T cell", "tumour"), mark="none")
    entities.loc[entities.index[np.flatnonzero(same)[::2]], "mark"] = "one"
    alike = dataclasses.replace(cells, values=values, entities=entities)
    answer = fitted.manipulate(alike, Perturbation.parse("swap:T cell by T cell where mark=one"))
    assert all(np.array_equal(draw.values, alike.values) for draw in answer.draws)
    renamed = dataclasses.replace(alike, entities=entities.assign(cell_type=entities["cell_type"]))
    moved = fitted.manipulate(renamed, Perturbation.parse("move:core where mark=one"))
    assert set(moved.draws[0].entities["region"][entities["mark"] == "one"]) == {"core"}


def test_nothing_changes_beyond_the_reach(fitted, cells):
    # The first change reaches as far as the shells; each round reaches as far again.
    near = dataclasses.replace(fitted, rounds=1)
    entities = cells.entities.assign(mark="none")
    chosen = np.flatnonzero(cells.entities["cell_type"] == "T cell")[0]
    entities.iloc[chosen, -1] = "this"
    marked = dataclasses.replace(cells, entities=entities)
    answer = near.manipulate(marked, Perturbation.parse("remove:T cell where mark=this"))
    said = change(answer, cells)
    steps = np.full(len(cells), np.inf)
    front, seen = np.array([chosen]), {int(chosen)}
    for step in range(1, 5):
        front = np.unique(cells.links[front].indices)
        fresh = [int(i) for i in front if int(i) not in seen]
        steps[fresh] = step
        seen |= set(fresh)
        front = np.array(fresh)
    far = np.isinf(steps) & (np.arange(len(cells)) != chosen)
    assert far.any()
    assert not said[far].any()  # exactly zero
    assert said[steps == 1].any()
    assert answer.affected.within <= 4


def test_another_section_stays_as_it_was(fitted, cells):
    answer = fitted.manipulate(cells, Perturbation.parse("remove:T cell where section=0"))
    said = change(answer, cells)
    other = cells.entities["section"].to_numpy() == 1
    assert not said[other].any()
    assert said[~other & (cells.entities["cell_type"] == "tumour").to_numpy()].any()


def test_a_change_dies_out(fitted, cells):
    answer = fitted.manipulate(cells, Perturbation.parse("swap:T cell by macrophage"))
    affected = answer.affected
    assert 0 < affected.rounds < fitted.rounds
    assert all(each.gain(fitted.given) * fitted.damping <= 0.9 + 1e-9 for each in fitted.maps)
    assert np.isfinite(affected.steps).all()
    assert affected.change.min() > 0.01
    assert "other cells change" in str(affected)


def test_states_of_neighbours_say_more_than_shuffled_ones():
    cells = tissue(seed=3)
    types = cells.entities["cell_type"].to_numpy()
    values = np.array(cells.values)
    active = np.random.default_rng(0).integers(0, 2, len(cells)) * (types == "T cell")
    values[:, 3] += active
    values[:, 1] = EFFECT * (types == "tumour") * (cells.links @ active / np.diff(cells.links.indptr))
    cells = dataclasses.replace(
        cells, values=values, entities=cells.entities.assign(mark=np.where(active, "on", "off"))
    )
    fitted = TissueResponse.fit(cells, draws=2, axes=4)
    affected = fitted.manipulate(cells, Perturbation.parse("remove:T cell where mark=on")).affected
    assert affected.mean > 1.5 * affected.shuffled


def perturbed(cells):
    shift = np.array([0.0, 0.0, 0.0, 1.0])
    entities = cells.entities.assign(perturbation="ko:STAT1", context="all").set_axis(
        [f"ko-{i}" for i in range(len(cells))]
    )
    n = len(cells)
    both = pd.concat([cells.entities.assign(perturbation="control", context="all"), entities])
    return UR(np.concatenate([cells.values, cells.values + shift]), SPACE, both), shift, n


def test_a_molecule_is_asked_of_the_cells_and_handed_on(cells):
    learned, shift, _ = perturbed(cells)
    cell = MeanEffect.fit(learned)
    fitted = TissueResponse.fit(cells, cell=cell, draws=2, axes=4)
    answer = fitted.manipulate(cells, Perturbation.parse("ko:STAT1 where type=T cell"))
    said = change(answer, cells)
    asked = (cells.entities["cell_type"] == "T cell").to_numpy()
    assert np.allclose(said[asked].mean(axis=0), shift, atol=0.2)
    assert answer.made_by == ("tissue-response.v1", "mean-effect")
    # What the neighbours of these cells are like follows the fourth axis in no way: little is handed on.
    assert np.abs(said[~asked]).mean() < 0.1


def test_without_links_a_tissue_answers_as_its_cells_do(cells):
    learned, _, _ = perturbed(cells)
    cell = MeanEffect.fit(learned)
    fitted = TissueResponse.fit(cells, cell=cell, draws=2, axes=4)
    alone = dataclasses.replace(cells, links=None)
    asked = Perturbation.parse("ko:STAT1 for 24h")
    ours, theirs = fitted.manipulate(alone, asked), cell.manipulate(alone, asked)
    assert np.array_equal(ours.draws[0].values, theirs.draws[0].values)
    assert ours.applicability == theirs.applicability
    removed = fitted.manipulate(alone, Perturbation.parse("remove:T cell"))
    assert np.array_equal(removed.draws[0].values, cells.values[(cells.entities["cell_type"] != "T cell").to_numpy()])
    assert removed.affected is None


def test_what_cannot_be_answered_is_refused(fitted, cells):
    with pytest.raises(PerturbationError, match="fitted without a manipulator of cells"):
        fitted.manipulate(cells, Perturbation.parse("ko:STAT1"))
    with pytest.raises(UnknownNameError, match="B cell"):
        fitted.manipulate(cells, Perturbation.parse("remove:B cell"))
    with pytest.raises(SpaceError):
        fitted.manipulate(sample_ur(), Perturbation.parse("remove:T cell"))
    with pytest.raises(SpaceError):
        TissueResponse.fit(cells, cell=MeanEffect.fit(sample_ur()))
    assert fitted.manipulate(cells, Perturbation.parse("remove:T cell")).applicability is Applicability.EDGE


def test_a_fit_is_saved_and_loaded(fitted, cells, tmp_path):
    from aivc.core.state import State

    fitted.state().save(tmp_path / "part")
    back = TissueResponse.from_state(State.load(tmp_path / "part"))
    asked = Perturbation.parse("add:macrophage@5%")
    ours, theirs = fitted.manipulate(cells, asked), back.manipulate(cells, asked)
    assert all(np.array_equal(a.values, b.values) for a, b in zip(ours.draws, theirs.draws, strict=True))
    expected = fitted.expected(cells)
    tumour = (cells.entities["cell_type"] == "tumour").to_numpy()
    assert np.corrcoef(expected[tumour, 1], cells.values[tumour, 1])[0, 1] > 0.9
