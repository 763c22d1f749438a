"""Patients told apart by who lives beside whom, with the patient as the unit."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import DataError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.tissue.contacts import contact_enrichment
from aivc.data.tissue.graph import GraphRule, link
from aivc.instruments.decoders.attention import attended, fit_attention
from aivc.instruments.decoders.patient_pool import PatientPool
from aivc.instruments.decoders.section_views import SectionRows, SectionView


def cohort(*, seed=0, patients=6, apart=True, space="types"):
    """Every section holds as many cells of a and b; they live apart in the sick, mixed in the well."""
    rng, frames, places = np.random.default_rng(seed), [], []
    for i in range(patients):
        sick = i % 2 == 0
        for j in range(2):
            xy, kind = rng.uniform(size=(60, 2)) * 10, rng.permutation(np.repeat(["a", "b"], 30))
            if sick and apart:
                kind[np.argsort(xy[:, 0])] = np.repeat(["a", "b"], 30)
            table = {"section": f"{i}-{j}", "donor": f"p{i}", "stage": "sick" if sick else "well", "cell_type": kind}
            frames.append(pd.DataFrame(table))
            places.append(xy)
    entities = pd.concat(frames).set_axis([f"c{i}" for i in range(120 * patients)], axis=0)
    values = (entities["cell_type"].to_numpy()[:, None] == np.array(["a", "b"])).astype(float)
    cells = Measurement(values, np.array(["a", "b"]), entities, "arbitrary", coordinates=np.concatenate(places))
    links = link(cells, GraphRule("nearest", 6)).links
    return UR(values, Space(space, Scale.CELLULAR, 2, "tests"), entities, links=links)


@pytest.fixture(scope="module")
def pool():
    return PatientPool.fit(cohort(), "stage")


def test_new_patients_are_told_by_their_niches_though_their_composition_is_the_same(pool):
    new = pool.patients(cohort(seed=9))
    assert (new["sick"] > 0.5).tolist() == [True, False] * 3
    np.testing.assert_allclose(new.sum(axis=1), 1)
    assert pool.weights()["composition"] < 2 / 18
    assert pool.sections(cohort(seed=9)).index.names == ["donor", "section"]


def test_where_nothing_differs_nothing_is_sure():
    found = PatientPool.fit(cohort(apart=False), "stage").sections(cohort(seed=9, apart=False))
    assert np.abs(found["sick"] - 0.5).mean() < 0.25


def test_sections_of_like_patients_are_near_each_other(pool):
    found = pool.embedding(cohort(seed=9))
    sick = found.index.get_level_values("donor").isin(["p0", "p2", "p4"])
    middle = found[sick].mean() - found[~sick].mean()
    assert ((found - found.mean()) @ middle > 0).tolist() == sick.tolist()


def test_the_order_of_cells_does_not_matter_and_it_comes_back_from_disk(pool, tmp_path):
    ur = cohort(seed=9)
    order = np.random.default_rng(0).permutation(len(ur))
    pd.testing.assert_frame_equal(pool.sections(ur.take(order)), pool.sections(ur))
    pool.state().save(tmp_path)
    pd.testing.assert_frame_equal(PatientPool.from_state(State.load(tmp_path)).sections(ur), pool.sections(ur))


def test_what_cannot_be_pooled_is_refused(pool):
    ur = cohort()
    with pytest.raises(SpaceError):
        pool.sections(cohort(space="others"))
    with pytest.raises(UnknownNameError, match="column"):
        PatientPool.fit(ur, "age")
    with pytest.raises(UnknownNameError, match="description of a section"):
        PatientPool.fit(ur, "stage", kinds=["colour"])
    with pytest.raises(DataError, match="several classes"):
        PatientPool.fit(ur, "cell_type")
    with pytest.raises(DataError, match="a section is no patient"):
        PatientPool.fit(ur.take((ur.entities["donor"] < "p2").to_numpy()), "stage")
    with pytest.raises(DataError, match="Link the cells first"):
        PatientPool.fit(UR(ur.values, ur.space, ur.entities), "stage")


def test_attention_finds_the_niche_that_tells_among_those_that_do_not():
    rng = np.random.default_rng(0)
    y_sc = np.eye(2)[np.arange(60) % 2]
    share = np.c_[0.02 + 0.02 * y_sc[:, 0] + rng.uniform(0, 0.004, 60), rng.dirichlet(np.ones(5), 60) * 0.95]
    share /= share.sum(axis=1, keepdims=True)
    fit = fit_attention(share, y_sc, np.full(60, 1 / 60), 0.03)
    assert fit.attention.argmax() == 0
    said = np.sqrt(attended(share, fit.attention)) @ fit.slopes + fit.intercepts
    assert ((said[:, 0] > said[:, 1]) == (y_sc[:, 0] > 0)).all()


def test_contacts_are_counted_within_sections_against_a_shuffle_of_types():
    ur = cohort()
    code, kind = (np.unique(ur.entities[name], return_inverse=True)[1] for name in ("section", "cell_type"))
    ratio, expected = contact_enrichment(ur.links, kind, code, types=2, sections=12)
    apart, mixed = ratio[[0, 1, 4, 5, 8, 9], 0, 1], ratio[[2, 3, 6, 7, 10, 11], 0, 1]
    assert apart.max() < -1 < -0.5 < mixed.min()
    rng = np.random.default_rng(0)
    dealt = [np.r_[rng.permutation(kind[:60]), kind[60:]] for _ in range(200)]
    seen = [ur.links[:60, :60][each[:60] == 0][:, each[:60] == 1].sum() for each in dealt]
    assert abs(np.mean(seen) - expected[0, 0, 1]) < 4 * np.std(seen) / np.sqrt(200)


def test_views_have_a_column_for_each_niche(pool):
    ur = cohort()
    tables = pool.described.tables(ur, SectionRows.of(ur.entities, "section", "donor"))
    np.testing.assert_allclose(tables[SectionView("niches", 1, 12)].sum(axis=1), 1)
