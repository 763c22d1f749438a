"""Genes that follow what a stain shows are read off new tissue; those that follow nothing are not shown."""

import os

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from aivc.core.errors import DataError
from aivc.core.measurement import Measurement
from aivc.core.state import State
from aivc.core.units import ARBITRARY, INTENSITY
from aivc.data import catalog
from aivc.data.streaming.normalize import normalize
from aivc.experiments.slide import fit_slide, slide
from aivc.instruments.decoders.images.patch_expression import PatchExpression, correlations
from tiny_images import disk


def section(n=48, side=32, seed=0):
    """Patches with few or many dark nuclei; gene ``dense`` follows their number, ``around`` that of the neighbours."""
    draw = np.random.default_rng(seed)
    many = draw.integers(0, 9, n)
    patches = np.full((n, 3, side, side), 230.0)
    for i, count in enumerate(many):
        patches[i, 1] -= 40
        for _ in range(count):
            inside = disk(side, draw.uniform(3, side - 3, 2), 2.6)
            patches[i][:, inside] = np.array([90.0, 70.0, 150.0])[:, None]
    patches += draw.normal(0, 3, patches.shape)
    links = sparse.diags([1.0, 1.0], [-1, 1], shape=(n, n), format="csr")
    next_to = links @ many / np.asarray(links.sum(axis=1)).ravel()
    genes = np.stack([many, next_to, draw.normal(size=n)], axis=1) + draw.normal(0, 0.3, (n, 3))
    entities = pd.DataFrame(index=[f"spot-{i}" for i in range(n)])
    colors, names = (np.array(each, dtype=object) for each in (["R", "G", "B"], ["dense", "around", "noise"]))
    images = Measurement(np.clip(patches, 0, 255), colors, entities, INTENSITY, modality="image", links=links)
    return images, Measurement(genes, names, entities, ARBITRARY), np.arange(n) * 4 // n


@pytest.fixture(scope="module")
def fitted():
    images, genes, blocks = section()
    return PatchExpression.fit(images, expression=genes, blocks=blocks)


def test_genes_of_a_new_section_are_read_and_noise_is_not_shown(fitted):
    images, genes, _ = section(seed=3)
    made = fitted.decode(images)
    assert "noise" not in made.features
    for gene in ("dense", "around"):
        one, other = (each.select([gene]).dense()[:, 0] for each in (made, genes))
        assert np.corrcoef(one, other)[0, 1] > 0.7
    assert "2 of 3 genes are shown" in fitted.notes[0]


def test_it_comes_back_from_disk(fitted, tmp_path):
    fitted.state().save(tmp_path)
    images = section(n=8, seed=4)[0]
    back = PatchExpression.from_state(State.load(tmp_path))
    np.testing.assert_array_equal(back.decode(images).values, fitted.decode(images).values)


def test_what_is_missing_is_asked_for(fitted):
    images, genes, blocks = section(n=12)
    with pytest.raises(DataError, match="same spots"):
        PatchExpression.fit(images)
    with pytest.raises(DataError, match="label for each spot"):
        PatchExpression.fit(images, expression=genes, blocks=np.zeros(12))
    with pytest.raises(DataError, match="Link spots"):
        fitted.decode(images.replace(links=None))
    with pytest.raises(DataError, match="16 pixels"):
        fitted.decode(images.replace(values=images.values[..., :8, :8]))
    assert len(blocks) == 12


@pytest.mark.slow
@pytest.mark.skipif("AIVC_DATA" not in os.environ, reason="needs the sections of her2st")
def test_genes_of_a_real_section_are_read_off_another():
    spots = catalog.load("her2st", offline=True)
    one, other = (
        slide(spots, catalog.path("her2st-images", name, offline=True), section=name) for name in ("C2", "C3")
    )
    fitted = fit_slide(one, genes=100)
    made = fitted.decode(other.patches.images)
    true = normalize(other.spots, made.units).select(list(made.features)).dense()
    r = correlations(made.dense(), true)
    turned = correlations(made.dense()[::-1], true)
    assert len(r) >= 20
    assert r.mean() > 0.2
    assert abs(turned.mean()) < r.mean() / 2
