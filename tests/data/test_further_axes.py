"""What needs a number per feature refuses images and series before any work."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.core.registry import DECODERS, ENCODERS
from aivc.data.io.check import check
from aivc.data.splits.fingerprints import Fingerprints
from aivc.data.splits.folds import effect_strength
from aivc.data.streaming.normalize import median_total, normalize
from aivc.data.streaming.shards import write_shards
from aivc.data.streaming.stream import chunks, pseudobulk, pseudobulk_moments
from aivc.experiments.atlas.embed import embed
from aivc.testing import sample_measurement, sample_ur
from aivc.training.cells import MemoryCells

CELLS = sample_measurement(features=6)
IMAGES = CELLS.replace(values=CELLS.dense()[:, :, None, None] * np.ones((1, 1, 2, 3)), modality="image")
REFUSED = r"needs one number per entity and feature.*4 axes: 184 × 6 × 2 × 3"
EXPRESSION = [name for name in ENCODERS.names() if name not in ("tiny-encoder", "image-tokens", "morphology")]


WORK = {
    "normalize": lambda folder: normalize(IMAGES, "log1p_cp10k"),
    "keep": lambda folder: normalize(IMAGES, "counts"),
    "total": lambda folder: median_total(IMAGES),
    "pseudobulk": lambda folder: pseudobulk(IMAGES),
    "moments": lambda folder: pseudobulk_moments(IMAGES, units="log1p_cp10k"),
    "shards": lambda folder: write_shards(IMAGES, folder / "shards"),
    "check": lambda folder: check(IMAGES.replace(modality="series")).raise_if_any(),
    "fingerprints": lambda folder: Fingerprints.of(IMAGES),
    "strength": lambda folder: effect_strength(IMAGES.replace(units="log2fc")),
    "training": lambda folder: MemoryCells(IMAGES, 4),
    "embed": lambda folder: embed(IMAGES),
}


@pytest.mark.parametrize("name", WORK)
def test_what_needs_two_axes_refuses_more(name, tmp_path):
    with pytest.raises(DataError, match=REFUSED):
        WORK[name](tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("units", ["counts", "log2fc"])
@pytest.mark.parametrize("name", EXPRESSION)
def test_encoders_of_expression_refuse_images_in_fit_and_encode(name, units):
    part = ENCODERS.load(name)
    with pytest.raises(DataError, match=REFUSED):
        part.fit(IMAGES if name == "count-vae" else IMAGES.replace(units=units), dim=2)


@pytest.mark.parametrize("name", ["ppca", "count-pca", "full-space", "ppca-experts"])
def test_fitted_encoders_refuse_images(name):
    encoder = ENCODERS.load(name).fit(CELLS, dim=2)
    with pytest.raises(DataError, match=REFUSED):
        encoder.encode(IMAGES.replace(modality="rna"))


@pytest.mark.parametrize("name", ["linear-expression", "cell-labels", "cell-readout", "kernel-readout"])
def test_decoders_of_numbers_refuse_images(name):
    with pytest.raises(DataError, match=REFUSED):
        DECODERS.load(name).fit(sample_ur(CELLS), IMAGES)


def test_blocks_are_walked_through_with_all_their_axes():
    seen = [(rows.stop - rows.start, block.shape[1:]) for rows, block in chunks(IMAGES, 100)]
    assert seen == [(100, (6, 2, 3)), (84, (6, 2, 3))]
