"""States of cells in images: turned, dimmed and lost channels, plates, and what changes shows."""

import numpy as np
import pytest

from aivc.core.errors import ControlError, DataError, UnknownNameError
from aivc.representations.cellular.morphology import Morphology, _main_axes
from aivc.representations.cellular.plate_space import PlateSpace, whitened, whitening
from tiny_images import screen_of_crops

SCREEN = screen_of_crops()
FITTED = Morphology.fit(SCREEN, dim=16)
STATES = FITTED.encode(SCREEN)


def changed(change, channels=slice(None)):
    values = SCREEN.values.astype(np.float64)
    values[:, channels] = change(values[:, channels])
    return SCREEN.replace(values=values)


def moved(values):
    """Change of each state, over the distance between cells."""
    apart = np.linalg.norm(STATES.values[:, None] - STATES.values, axis=2)
    return np.median(np.linalg.norm(values - STATES.values, axis=1)) / np.median(apart[apart > 0])


@pytest.mark.parametrize(
    "turn",
    [lambda v: np.rot90(v, 1, (2, 3)), lambda v: v[:, :, ::-1], lambda v: v[:, :, :, ::-1]],
    ids=["rotation", "flip", "mirror"],
)
def test_rotation_and_reflection_change_nothing(turn):
    assert moved(FITTED.encode(changed(turn)).values) < 0.01


def test_a_dimmer_lamp_changes_nothing_unless_brightness_is_asked_for():
    dim = changed(lambda values: 0.8 * values, channels=slice(0, 2))
    assert moved(FITTED.encode(dim).values) < 0.02
    bright = Morphology.fit(SCREEN, dim=16, brightness=True)
    assert np.abs(bright.encode(dim).values - bright.encode(SCREEN).values).max() > 0.5


def test_what_a_drug_does_is_seen_on_both_plates():
    label, plate = SCREEN.perturbations, SCREEN.entities["batch"].to_numpy()
    centers = {
        (drug, batch): STATES.values[(label == drug) & (plate == batch)].mean(axis=0)
        for drug in ("drug:large@1uM", "drug:dim@1uM")
        for batch in ("one", "two")
    }

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    large, dim = ([centers[drug, batch] for batch in ("one", "two")] for drug in ("drug:large@1uM", "drug:dim@1uM"))
    assert min(cosine(*large), cosine(*dim)) > 0.9
    assert max(cosine(large[0], dim[1]), cosine(dim[0], large[1])) < 0.5


def test_a_lost_channel_is_filled_and_said():
    lost = SCREEN.select(["DNA", "mask:nucleus", "mask:cell"])
    answer = FITTED.encode(lost)
    assert STATES.variance is None
    assert answer.variance.mean() > 0
    assert moved(answer.values) < 1.0
    with pytest.raises(UnknownNameError, match="There is no channel"):
        FITTED.encode(SCREEN.replace(features=np.array(["a", "b", "mask:c", "mask:d"], dtype=object)))


def test_promises_of_an_encoder_hold_on_images():
    few = SCREEN.take(np.arange(len(SCREEN)) % 2 == 0)
    again = Morphology.from_state(FITTED.state())
    np.testing.assert_array_equal(again.encode(few).values, FITTED.encode(few).values)
    np.testing.assert_allclose(FITTED.encode(few).values, STATES.values[::2], atol=1e-6)
    order = [1, 3, 0, 2]
    np.testing.assert_allclose(FITTED.encode(SCREEN.select(SCREEN.features[order])).values, STATES.values, atol=1e-6)


def test_what_set_the_normalization_is_said():
    assert "24 controls of 2 plates" in FITTED.notes[0]
    assert f"rank {FITTED.rank} of {len(FITTED.measured)} features, ridge 0.1" in FITTED.notes[1]


def test_pixels_of_another_size_and_screens_without_controls_are_refused():
    other = SCREEN.replace(provenance={"image": {"um_per_pixel": 1.0}})
    with pytest.raises(DataError, match=r"fitted on pixels of 0\.5 µm, and these are 1 µm"):
        FITTED.encode(other)
    with pytest.raises(ControlError, match="0 rows are controls"):
        Morphology.fit(SCREEN.take(SCREEN.perturbations != "control"))
    with pytest.raises(DataError, match="square crops"):
        Morphology.fit(SCREEN.replace(values=SCREEN.values[:, :, :-2]))


def test_whitened_controls_are_round_and_plates_are_brought_together():
    draw = np.random.default_rng(0)
    mix = draw.normal(size=(6, 6))
    x_nf = draw.normal(size=(400, 6)) @ mix
    plates = np.repeat(np.array(["a", "b"], dtype=object), 200)
    x_nf[plates == "b"] += 5
    labels = np.full(400, "control", dtype=object)
    space = PlateSpace.fit(x_nf, plates, labels, 50.0)
    z_nf = space.standardized(x_nf, plates)
    assert np.abs(z_nf[plates == "b"].mean(axis=0)).max() < 1e-9
    found = whitening(z_nf)
    white = whitened(z_nf, found, 1e-6)
    np.testing.assert_allclose(np.corrcoef(white.T), np.eye(6), atol=0.01)
    assert found.rank == 6
    unknown = space.standardized(x_nf[:3], np.array(["c"] * 3, dtype=object))
    np.testing.assert_allclose(unknown, (x_nf[:3] - space.center) / space.scale)


def test_axes_of_few_wells_with_many_features_are_those_of_their_covariance():
    draw = np.random.default_rng(0)
    wide_nf = draw.normal(size=(20, 60)) * np.linspace(3, 0.1, 60)
    axes_fd = _main_axes(wide_nf, 6)
    share, all_axes = np.linalg.eigh(wide_nf.T @ wide_nf)
    np.testing.assert_allclose(np.abs(axes_fd.T @ all_axes[:, ::-1][:, :6]), np.eye(6), atol=1e-9)
    assert np.sum((wide_nf @ axes_fd) ** 2, axis=0) == pytest.approx(share[::-1][:6])
    assert _main_axes(wide_nf, 30).shape == (60, 30)
