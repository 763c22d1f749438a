"""Two drawn sections whose genes follow the color of a spot, its place, or nothing."""

import numpy as np
import pandas as pd
import pytest

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.units import COUNTS
from aivc.evaluation.images.patch_genes import PatchGenes, correlations
from aivc.evaluation.images.spot_patches import depth_scaled, section_patches

PITCH, COLUMNS, ROWS = 12, 8, 6
# Four blocks, of two columns each.
LETTERS = "00112233" * ROWS
SETTINGS = {
    "dataset": "spots",
    "images": "pictures",
    "sections": {"A": LETTERS, "B": LETTERS},
    "genes": ["dark", "down"],
    "decoder": "patch-expression",
    "side": 32,
    "permutations": 2,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Spots on a grid: ``dark`` follows how dark a spot is, ``down`` its row, and ``rest`` evens out the depth."""
    pictures, folder, frames, counts = pytest.importorskip("PIL.Image"), tmp_path_factory.mktemp("he"), [], []
    paths = {}
    for seed, name in enumerate("AB"):
        draw = np.random.default_rng(seed)
        dark = draw.uniform(0, 1, (ROWS, COLUMNS))
        light = np.kron(230 - 120 * dark, np.ones((PITCH, PITCH)))
        image = np.stack([light, 0.8 * light, light], axis=2) + draw.normal(0, 2, (*light.shape, 3))
        paths[name] = folder / f"{name}.png"
        pictures.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(paths[name])
        down, right = np.divmod(np.arange(ROWS * COLUMNS), COLUMNS)
        at = {"pixel_x": right * PITCH + PITCH / 2, "pixel_y": down * PITCH + PITCH / 2}
        index = [f"{name}_{i}" for i in range(ROWS * COLUMNS)]
        frames.append(pd.DataFrame({"section": name, **at}, index=index))
        genes = np.stack([np.expm1(4 * dark.ravel()), np.expm1(4 * down / ROWS)], axis=1).round()
        counts.append(np.c_[genes, 1000 - genes.sum(axis=1)])
    features = np.array(["dark", "down", "rest"], dtype=object)
    return {"spots": Measurement(np.concatenate(counts), features, pd.concat(frames), COUNTS), "pictures": paths}


@pytest.fixture(scope="module")
def found(data):
    protocol = PatchGenes()
    methods = ("patch-expression", "patch-expression:shuffled", "patch-alone", "mean-color", "position")
    protocol.require(SETTINGS, methods)
    rows = [row for method in methods for row in protocol.run(data, SETTINGS, method, 0)]
    return {(row.method, row.fold, row.metric): row for row in rows}


def test_a_gene_that_follows_the_stain_is_read_and_permuted_patches_tell_nothing(found):
    own, shuffled = (found[name, "", "pearson_sections"] for name in ("patch-expression", "patch-expression:shuffled"))
    # One gene of two is in the picture.
    assert own.value > 0.35
    assert abs(shuffled.value) < 0.2
    assert found["mean-color", "", "pearson_sections"].value > 0.4
    assert found["patch-alone", "A → B", "readable_sections"].value >= 1
    assert "genes shown" in found["patch-expression", "A → B", "pearson_shown"].note


def test_position_knows_its_section_and_no_other(found):
    assert found["position", "A", "pearson_blocks"].value > 0.2
    row = found["position", "", "pearson_sections"]
    assert row.value is None
    assert "nothing of another" in row.note


def test_a_decoder_without_features_of_its_own_reads_patches(data, monkeypatch):
    class Darkness:
        """Reads ``dark`` off the inner half of a patch, and shows that gene alone."""

        @classmethod
        def fit(cls, measurement, *, seed=0, expression=None, blocks=()):
            assert len(measurement) == len(expression) == len(blocks)
            return cls()

        @staticmethod
        def section(measurement):
            return np.zeros((len(measurement), 2))

        def decode(self, measurement):
            dark = -np.asarray(measurement.values)[:, :, 8:24, 8:24].mean(axis=(1, 2, 3))
            return Measurement(dark[:, None], np.array(["dark"], dtype=object), measurement.entities, "arbitrary")

    class Only:
        @staticmethod
        def load(name):
            return Darkness

        @staticmethod
        def names():
            return ["darkness"]

    monkeypatch.setattr("aivc.evaluation.images.patch_genes.IMAGE_DECODERS", Only)
    rows = {(row.fold, row.metric): row for row in PatchGenes().run(data, SETTINGS, "darkness", 0)}
    assert rows["A → B", "pearson_shown"].value > 0.9
    assert rows["A → B", "pearson_sections"].value == pytest.approx(rows["A → B", "pearson_shown"].value / 2)


def test_patches_are_cut_around_spots_and_linked_to_their_neighbors(data):
    spots = data["spots"].take((data["spots"].entities["section"] == "A").to_numpy())
    patches = section_patches(spots, data["pictures"]["A"], 32)
    assert patches.values.shape == (48, 3, 32, 32)
    degree = np.asarray(patches.links.sum(axis=1)).ravel()
    assert (degree.min(), degree.max()) == (3, 8)
    inner = np.asarray(patches.values)[:, 0, 10:22, 10:22].mean(axis=(1, 2))
    assert np.corrcoef(inner, depth_scaled(spots, ["dark"]).dense()[:, 0])[0, 1] < -0.95
    with pytest.raises(UnknownNameError):
        depth_scaled(spots, ["moon"])


def test_what_cannot_be_asked_is_refused(data):
    for method in ("moon", "position:shuffled"):
        with pytest.raises(UnknownNameError):
            PatchGenes().require(SETTINGS, [method])
    with pytest.raises(SpaceError, match="does not read expression"):
        PatchGenes().require(SETTINGS, ["virtual-stain"])
    with pytest.raises(IntegrityError, match="lack genes"):
        PatchGenes().require({key: value for key, value in SETTINGS.items() if key != "genes"}, [])
    with pytest.raises(IntegrityError, match="three blocks or more"):
        PatchGenes().require(SETTINGS | {"sections": {"A": "001"}}, [])
    with pytest.raises(IntegrityError, match="frozen on 3 spots"):
        PatchGenes().run(data, SETTINGS | {"sections": {"A": "012"}}, "position", 0)


def test_a_constant_column_correlates_with_nothing():
    x = np.arange(12.0).reshape(6, 2)
    np.testing.assert_allclose(correlations(x, np.c_[-x[:, 0], np.ones(6)]), [-1, 0])
