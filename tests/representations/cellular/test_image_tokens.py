"""Learned tokens of images: kept where plates left out gain, else morphology; channels by what they show."""

import numpy as np
import pytest

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.state import State
from aivc.representations.cellular import image_tokens
from aivc.representations.cellular.channel_identity import STAINED, ChannelIdentity, gene_axes, identity_axes
from aivc.representations.cellular.image_gate import Judged, intensity_numbers, judge, plates_to_leave_out
from aivc.representations.cellular.image_tokens import ImageTokens
from aivc.representations.cellular.image_training import crops_of, fresh, learned
from aivc.representations.cellular.morphology import Morphology
from aivc.representations.molecular.vector_table import VectorTable
from tiny_images import screen_of_crops

SCREEN = screen_of_crops(per_well=10)
QUICK = {"dim": 8, "preset": "cpu-xs", "steps": 2}


@pytest.fixture(scope="module")
def opened():
    """An encoder whose gate was opened by hand: what the gate says is asked elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        scores = {"tokens": 0.9, "untrained": 0.7, "intensity": 0.7, "morphology": 0.7}
        errors = {"untrained": 0.01, "intensity": 0.01, "morphology": 0.01}
        patch.setattr(image_tokens, "judge", lambda *_: Judged(scores, errors, ("one",)))
        return ImageTokens.fit(SCREEN, **QUICK)


def test_where_tokens_gain_nothing_states_are_those_of_morphology_and_it_says_so():
    told = []
    encoder = ImageTokens.fit(SCREEN, **QUICK, progress=lambda *said: told.append(said))
    assert not encoder.opened
    assert not encoder.weights
    assert set(encoder.verdict["scores"]) == {"tokens", "untrained", "intensity", "morphology"}
    assert encoder.verdict["plates"] == ["one", "two"]
    assert encoder.notes[0].startswith("Shut: tokens do not beat all of these")
    plain = Morphology.fit(SCREEN, dim=8).encode(SCREEN)
    ur = encoder.encode(SCREEN)
    np.testing.assert_array_equal(ur.values, plain.values)
    assert ur.space.name == "image-tokens"
    assert told[-1] == ("learning from images, without plate two", 2, 2)


def test_screens_that_cannot_be_asked_stay_shut():
    one = SCREEN.take(SCREEN.entities["batch"].to_numpy() == "one")
    assert plates_to_leave_out(one) == []
    assert "beside a second" in ImageTokens.fit(one, **QUICK).notes[0]
    assert "no steps" in ImageTokens.fit(SCREEN, dim=8, steps=0).notes[0]
    with pytest.raises(UnknownNameError, match="preset"):
        ImageTokens.fit(SCREEN, preset="huge")


def test_the_gate_opens_for_numbers_that_tell_labels_apart_alone():
    draw = np.random.default_rng(0)
    truth = np.unique(SCREEN.perturbations.astype(str), return_inverse=True)[1][:, None]
    noise = draw.normal(size=(len(SCREEN), 6))
    told = np.hstack([truth == k for k in range(3)]) * 4 + draw.normal(size=(len(SCREEN), 3))
    rivals = {"morphology": noise, "intensity": noise[:, :3]}
    won = judge(SCREEN, ["one"], rivals, lambda _: {"tokens": told, "untrained": noise}, 4)
    assert won.opened
    assert won.scores["tokens"] > 0.9
    assert won.scores["intensity"] < 0.7
    lost = judge(SCREEN, ["one"], rivals | {"morphology": told}, lambda _: {"tokens": told, "untrained": noise}, 4)
    assert not lost.opened
    assert not Judged({}, {}, ()).opened


def test_opened_states_come_from_any_readable_channels(opened):
    assert opened.notes[0].startswith("Opened: states are those of the tokens.")
    whole = opened.encode(SCREEN)
    turned = SCREEN.replace(values=np.rot90(SCREEN.values, 1, (2, 3)).copy())
    np.testing.assert_allclose(opened.encode(turned).values, whole.values, atol=2e-3)
    shuffled = SCREEN.select(["mask:cell", "Actin", "mask:nucleus", "DNA"])
    np.testing.assert_array_equal(opened.encode(shuffled).values, whole.values)
    renamed = SCREEN.replace(features=np.array(["Hoechst 33342", "Phalloidin", "a", "mask:cell"], dtype=object))
    assert opened.encode(renamed.select(["Hoechst 33342", "a"])).values.shape == whole.values.shape
    lost = opened.encode(SCREEN.select(["DNA"]))
    same = opened.encode(renamed.select(["Hoechst 33342"]))
    np.testing.assert_array_equal(lost.values, same.values)
    with pytest.raises(UnknownNameError, match="channel"):
        opened.encode(renamed.select(["a"]))


def test_opened_states_depend_on_the_crop_alone_and_are_saved(opened):
    whole = opened.encode(SCREEN)
    few = opened.encode(SCREEN.take(np.arange(3)))
    np.testing.assert_allclose(few.values, whole.values[:3], atol=1e-3)
    state = opened.state()
    again = ImageTokens.from_state(state)
    np.testing.assert_array_equal(again.encode(SCREEN).values, whole.values)
    assert again.notes == opened.notes
    name = next(name for name in state.arrays if name.startswith("weights."))
    with pytest.raises(IntegrityError, match="another model"):
        ImageTokens.from_state(State(state.settings, {k: v for k, v in state.arrays.items() if k != name}))


def test_pixels_of_another_size_and_long_crops_are_refused(opened):
    with pytest.raises(DataError, match=r"fitted on pixels of 0\.5 µm, and these are 1 µm"):
        opened.encode(SCREEN.replace(provenance={"image": {"um_per_pixel": 1.0}}))
    with pytest.raises(DataError, match="Cut crops"):
        opened.encode(SCREEN.replace(values=SCREEN.values[:, :, :16]))


def test_training_reads_what_was_hidden_and_goes_on_where_it_broke_off(tmp_path):
    identity = identity_axes(
        [ChannelIdentity.of("DNA"), ChannelIdentity.of("Actin")], STAINED, gene_axes(STAINED, None)
    )
    crops = crops_of(SCREEN, np.array([0, 1]), identity, "cpu-xs", 0)
    batch = crops(0, 0, 1)
    assert batch["hidden"].any()
    assert not batch["hidden"].flatten(1).all(dim=1).any()
    whole = learned(crops, "cpu-xs", steps=2, folder=tmp_path)
    for path in sorted(tmp_path.glob("step-*"))[1:]:
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    again = learned(crops, "cpu-xs", steps=2, folder=tmp_path)
    start = fresh("cpu-xs", identity.shape[1], 0)
    assert all((a == b).all() for a, b in zip(whole.parameters(), again.parameters(), strict=True))
    assert any((a != b).any() for a, b in zip(whole.parameters(), start.parameters(), strict=True))


def test_channels_are_known_by_what_they_show():
    of = {name: ChannelIdentity.of(name) for name in ("DAPI", "Hoechst", "alpha-Tubulin", "F-actin", "Ch4", "SYTO 14")}
    assert of["DAPI"] == of["Hoechst"]
    assert [of[name].key for name in ("alpha-Tubulin", "F-actin", "Ch4")] == ["TUBA1A", "ACTB", "Ch4"]
    assert [of[name].kind for name in ("DAPI", "SYTO 14", "F-actin", "Ch4")] == ["dna", "rna", "protein", "named"]
    assert ChannelIdentity.of("Mki67", ("MKI67",)).kind == "protein"
    known = identity_axes(list(of.values()), STAINED, gene_axes(STAINED, None))
    np.testing.assert_array_equal(known[0], known[1])
    assert not known[0, 4:].any()
    assert len(np.unique(known, axis=0)) == 5


def test_a_provider_says_what_is_known_of_a_protein():
    draw = np.random.default_rng(0)
    tubulin = draw.normal(size=20)
    values = np.stack([tubulin, tubulin + 0.1 * draw.normal(size=20), draw.normal(size=20)])
    provider = VectorTable.of("mine", ["TUBB", "TUBA1A", "MKI67"], values)
    screen = SCREEN.replace(features=np.array(["MKI67", "Tubulin", "mask:nucleus", "mask:cell"], dtype=object))
    encoder = ImageTokens.fit(screen, dim=8, steps=0, provider=provider)
    assert set(encoder.genes) == {*STAINED, "MKI67"}
    axes = dict(zip(encoder.genes, encoder.axes, strict=True))
    apart = {name: np.linalg.norm(axes["TUBB"] - axes[name]) for name in ("TUBA1A", "MKI67", "ACTB")}
    assert apart["TUBA1A"] < 0.3 * min(apart["MKI67"], apart["ACTB"])
    np.testing.assert_array_equal(axes["ACTB"], gene_axes(["ACTB"], None)[0])


def test_six_numbers_are_mean_and_deviation_without_masks():
    numbers = intensity_numbers(SCREEN)
    assert numbers.shape == (len(SCREEN), 4)
    np.testing.assert_allclose(numbers[0, :2], SCREEN.values[0, :2].mean(axis=(1, 2)))
