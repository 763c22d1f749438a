"""An encoder that uses the scale below is given it by all who fit encoders; others are not."""

from importlib.metadata import EntryPoint, entry_points

import numpy as np
import pytest

from aivc.core.registry import GROUPS
from aivc.experiments.atlas.embed import embed
from aivc.experiments.atlas.reference import Atlas
from aivc.experiments.fitting.fit import fit
from aivc.experiments.fitting.shared_fit import Recipe, shared_fit
from aivc.experiments.fitting.summary import summarize
from aivc.testing import sample_measurement, sample_parts
from tiny_parts import TinyPartsEncoder

CELLS, PARTS = sample_measurement(), sample_parts()
QUICK = Recipe(encoder="tiny-parts-encoder", dim=4, members=0, inner_folds=2)


@pytest.fixture(autouse=True)
def _registered(register):
    ours = [point for group in GROUPS for point in entry_points(group=f"aivc.{group}")]
    register(*ours, EntryPoint("tiny-parts-encoder", "tiny_parts:TinyPartsEncoder", "aivc.encoders"))


@pytest.fixture
def logs(monkeypatch):
    """Log counts are what the tiny encoder makes of any units; profiles are in logs already."""
    monkeypatch.setattr(TinyPartsEncoder, "encode", _encode)


def _encode(self, measurement, parts=None):
    plain = measurement.replace(units=self.units, values=np.abs(measurement.dense()))
    return super(TinyPartsEncoder, self).encode(plain, parts)


@pytest.mark.usefixtures("logs")
def test_a_shared_fit_gives_parts_to_whole_and_inner_encoders():
    ground = shared_fit(summarize(CELLS), QUICK, PARTS)
    assert ground.encoder.dim == 4 + PARTS.space.dim
    assert ground.parts is PARTS
    assert [inner.encoder.dim for inner, _ in ground.inner] == [ground.encoder.dim] * 2
    assert ground.population.space == ground.encoder.writes
    without = shared_fit(summarize(CELLS), QUICK)
    assert without.encoder.dim == 4
    assert without.parts is None


def test_a_shared_fit_keeps_parts_from_encoders_that_use_none():
    recipe = Recipe(encoder="ppca", dim=4, members=0, inner_folds=0)
    ours, theirs = (shared_fit(summarize(CELLS), recipe, parts) for parts in (PARTS, None))
    assert ours.parts is None
    assert ours.encoder.writes == theirs.encoder.writes


@pytest.mark.usefixtures("logs")
def test_a_cell_is_fitted_with_the_parts_it_was_given():
    cell = fit(CELLS, "mean-effect", parts=PARTS, recipe=QUICK)
    assert cell.encoder_for(CELLS).dim == 4 + PARTS.space.dim


def test_embeddings_and_atlases_pass_parts_on():
    assert embed(CELLS, "tiny-parts-encoder", parts=PARTS, dim=4).obsm["X_aivc"].shape[1] == 4 + PARTS.space.dim
    atlas = Atlas.build(CELLS, "tiny-parts-encoder", parts=PARTS, dim=4)
    assert atlas.states.space.dim == 4 + PARTS.space.dim
