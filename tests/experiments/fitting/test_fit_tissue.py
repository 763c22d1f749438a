"""One object of three scales, asked by one verb."""

import numpy as np
import pytest

import aivc
from aivc.core.errors import DataError, PerturbationError, UnknownNameError
from aivc.core.scale import Scale
from aivc.core.virtual_cell import VirtualCell
from aivc.data.synthetic import synthetic_screen
from aivc.data.tissue.graph import link
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.fit_tissue import fit_tissue
from aivc.experiments.fitting.shared_fit import Recipe

SMALL = {"draws": 2, "axes": 4}


def placed(cells, seed=0):
    rng = np.random.default_rng(seed)
    types = np.where(rng.uniform(size=len(cells)) < 0.3, "T cell", "tumour")
    entities = cells.entities.assign(cell_type=types)
    return cells.replace(entities=entities, coordinates=rng.uniform(0, 100, (len(cells), 2)))


@pytest.fixture(scope="module")
def screen():
    return synthetic_screen(perturbations=6, features=40, cells=20, controls=120, seed=0)[0]


@pytest.fixture(scope="module")
def below(screen):
    return fit(screen, "mean-effect", recipe=Recipe(dim=4, members=2, inner_folds=0))


@pytest.fixture(scope="module")
def tissue(screen):
    return placed(screen.take(screen.perturbations == "control"))


@pytest.fixture(scope="module")
def three(tissue, below):
    return fit_tissue(tissue, below, settings=SMALL)


def test_three_scales_are_one_object_and_one_verb(three, tissue):
    assert set(three.encoders) == {"cellular", "multicellular"}
    answer = aivc.predict(three, tissue, "remove:T cell")
    assert "tissue-response.v1" in answer.made_by
    assert answer.affected.cells == int((tissue.entities["cell_type"] == "tumour").sum())
    assert np.isfinite(answer.effect).all()
    several = aivc.predict(three, tissue, ["remove:T cell", "swap:T cell by tumour"])
    assert np.array_equal(several[0].mean, answer.mean)


def test_the_effect_on_a_tissue_holds_what_is_no_longer_there(three, tissue):
    # Without links nothing is handed on: the mean changes as the composition does.
    states = three.encode(tissue)
    left = (tissue.entities["cell_type"] != "T cell").to_numpy()
    alone = three.instruments["tissue-response.v1"]
    moved = alone.manipulate(states.take(np.arange(len(states))), aivc.Perturbation.parse("remove:T cell"))
    assert moved.draws[0].entities.index.tolist() == states.entities.index[left].tolist()
    assert np.allclose(moved.draws[0].values, states.values[left])


def test_positions_become_neighbours_on_the_way(three, tissue):
    states = three.states(tissue, manipulator="tissue-response.v1")
    assert states.space.scale is Scale.CELLULAR
    assert (states.links != link(tissue).links).nnz == 0
    given = three.states(link(tissue), manipulator="tissue-response.v1")
    assert (given.links != states.links).nnz == 0


def test_a_molecule_in_a_region_goes_to_the_cells_first(three, tissue, below):
    answer = aivc.predict(three, tissue, "ko:G0001 where cell_type=T cell")
    assert {"tissue-response.v1", "mean-effect"} <= set(answer.made_by)
    assert answer.affected.cells == int((tissue.entities["cell_type"] != "T cell").sum())
    with pytest.raises(PerturbationError, match="knows only what is done to every cell"):
        below.predict(tissue, "ko:G0001 where cell_type=T cell")
    with pytest.raises(UnknownNameError, match="B cell"):
        aivc.predict(three, tissue, "remove:B cell")


def test_a_cell_of_three_scales_is_saved_and_loaded(three, tissue, tmp_path):
    three.save(tmp_path / "cell")
    back = VirtualCell.load(tmp_path / "cell")
    asked = "add:T cell@10%"
    assert np.array_equal(back.predict(tissue, asked).mean, three.predict(tissue, asked).mean)


def test_a_tissue_without_positions_is_refused(screen):
    with pytest.raises(DataError, match="no positions"):
        fit_tissue(screen)
