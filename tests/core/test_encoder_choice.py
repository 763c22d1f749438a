"""Several encoders of one scale: how they are named, and which one reads what."""

import numpy as np
import pytest

from aivc.core.encoder_choice import choose, named
from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.scale import Scale
from aivc.core.virtual_cell import VirtualCell
from aivc.testing import sample_measurement
from tiny_parts import POINTS, TinyDecoder, TinyEncoder, TinyManipulator

RNA = sample_measurement()
PROTEIN = sample_measurement(seed=1, features=5)
PROTEIN = PROTEIN.replace(features=np.array([f"P{i}" for i in range(5)], dtype=object), modality="protein")


@pytest.fixture(scope="module")
def rna():
    return TinyEncoder.fit(RNA, dim=4, seed=0)


@pytest.fixture(scope="module")
def protein():
    return TinyEncoder.fit(PROTEIN, dim=3, seed=0)


@pytest.fixture
def few():
    """Reads the first features of RNA only."""
    return TinyEncoder.fit(RNA.select(RNA.features[:6]), dim=2, seed=0)


def cell_of(encoders, rna):
    states = rna.encode(RNA)
    return VirtualCell(encoders, {"move": TinyManipulator.fit(states), "read": TinyDecoder.fit(states, RNA)})


def test_a_single_encoder_goes_by_its_scale_however_it_is_given(rna):
    for given in ({Scale.CELLULAR: rna}, [rna], (rna,), {"rna": rna}, {"cellular-rna": rna}):
        assert named(given) == {"cellular": rna}
        assert cell_of(given, rna).encoders[Scale.CELLULAR] is rna


def test_several_of_a_scale_go_by_their_names_or_their_spaces(rna, protein):
    wanted = {"cellular-rna": rna, "cellular-protein": protein}
    assert named({"rna": rna, "protein": protein}) == wanted
    assert named(wanted) == wanted
    spaces = named([rna, protein])
    assert list(spaces) == [f"cellular-{each.writes.fingerprint[:8]}" for each in (rna, protein)]
    assert named(spaces) == spaces


def test_encoders_of_other_scales_and_those_given_twice_are_refused(rna):
    with pytest.raises(SpaceError, match="encodes cellular entities, not molecular"):
        named({Scale.MOLECULAR: rna})
    with pytest.raises(SpaceError, match="stands twice"):
        named([rna, rna])
    with pytest.raises(SpaceError, match="stands twice"):
        named({"a": rna, "b": rna})


@pytest.mark.parametrize("given", ["named", "listed"])
def test_encode_picks_the_one_that_reads_and_says_which(given, rna, protein):
    cell = cell_of({"rna": rna, "protein": protein} if given == "named" else [rna, protein], rna)
    assert cell.encoder_for(RNA) is rna
    assert cell.encoder_for(PROTEIN) is protein
    assert cell.encode(PROTEIN).space == protein.writes
    np.testing.assert_array_equal(cell.encode(RNA).values, rna.encode(RNA).values)
    assert cell.predict(RNA.take(RNA.perturbations == "control"), "ko:G00").made_by == (
        "tiny-manipulator",
        "tiny-decoder",
    )


def test_the_modality_decides_before_anything_is_tried(rna, few):
    both = named({"rna": few, "all": rna})
    assert choose(both, RNA) == "cellular-rna"
    assert choose(both, RNA.replace(modality="other"), "all") == "cellular-all"


def test_several_that_can_read_are_named_and_so_is_the_remedy(rna, few):
    cell = cell_of({"all": rna, "few": few}, rna)
    panel = RNA.select(RNA.features[:6])
    assert cell.encoder_for(panel) is few
    with pytest.raises(
        UnknownNameError, match=r"cellular-all, cellular-few can all read.*encode\(measurement, encoder="
    ):
        cell.encode(RNA)
    assert cell.encode(RNA, encoder="few").space == few.writes
    assert cell.encode(RNA, encoder="cellular-all").space == rna.writes
    with pytest.raises(UnknownNameError, match=r"no encoder named 'al'.*cellular-all"):
        cell.encode(RNA, encoder="al")


def test_of_several_that_can_read_the_one_whose_features_were_all_measured_reads(monkeypatch, rna, protein):
    # Both answer anything, as encoders do that take any panel.
    monkeypatch.setattr(TinyEncoder, "encode", lambda self, measurement, parts=None: None)
    both = named({"a": rna, "b": protein})
    assert choose(both, PROTEIN.replace(modality="adt")) == "cellular-b"


def test_none_that_can_read_says_why(rna, protein):
    both = named({"a": rna, "b": protein})
    with pytest.raises(
        UnknownNameError, match=r"None of cellular-a, cellular-b can read.*cellular-b: There is no feature"
    ):
        choose(both, RNA.select(RNA.features[:3]))
    with pytest.raises(UnknownNameError, match="no encoder for the scale named 'molecular'"):
        choose(both, RNA.replace(scale=Scale.MOLECULAR))


@pytest.mark.parametrize("given", ["named", "listed"])
def test_several_encoders_are_saved_and_loaded(given, rna, protein, tmp_path, register):
    register(*POINTS)
    cell = cell_of({"rna": rna, "protein": protein} if given == "named" else [rna, protein], rna)
    cell.save(tmp_path / "cell")
    back = VirtualCell.load(tmp_path / "cell")
    assert set(back.parts) == set(cell.parts) == {f"encoder-{key}" for key in cell.encoders} | {"move", "read"}
    assert {key: each.writes for key, each in back.encoders.items()} == {k: e.writes for k, e in cell.encoders.items()}
    np.testing.assert_array_equal(back.encode(PROTEIN).values, protein.encode(PROTEIN).values)
    back.save(tmp_path / "again")
    assert (tmp_path / "again" / "cell.json").read_bytes() == (tmp_path / "cell" / "cell.json").read_bytes()


def test_an_encoder_whose_name_is_no_folder_is_refused_when_saved(rna, protein, tmp_path, register):
    register(*POINTS)
    with pytest.raises(IntegrityError, match="name becomes a folder"):
        cell_of({"a/b": rna, "protein": protein}, rna).save(tmp_path)
