import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivc.core.errors import UnitsError
from aivc.core.units import EFFECTS, is_effect, log1p_target, log1p_units, parse_units, require_units


@pytest.mark.parametrize("text", ["counts", "intensity", "log_intensity", "arbitrary", "log1p_cp193", *EFFECTS])
def test_canonical_units_stay(text):
    assert parse_units(text) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("log1p_cp10000", "log1p_cp10k"), ("log1p_cp1.5k", "log1p_cp1500"), ("log1p_cp1k", "log1p_cp1k")],
)
def test_spellings_become_one(text, canonical):
    assert parse_units(text) == parse_units(canonical)


@pytest.mark.parametrize("text", ["", "Counts", "log1p", "log1p_cp0", "log1p_cp", "log1p_cp-3", "tpm", "log1p_cp1e4"])
def test_others_are_refused(text):
    with pytest.raises(UnitsError, match="Declare what the values are in the schema"):
        parse_units(text)


@given(st.floats(0.01, 1e7))
def test_target_survives_its_name(target):
    assert log1p_target(parse_units(log1p_units(target))) == pytest.approx(target, rel=1e-12)


@given(st.floats(1e-3, 1e15))
def test_names_of_targets_are_units(target):
    units = log1p_units(target)
    assert parse_units(units) == units


def test_target_of_other_units_is_none():
    assert log1p_target("counts") is None


def test_effects_are_known():
    assert is_effect("zscore")
    assert not is_effect("counts")


def test_require_names_asker_wanted_and_got():
    require_units("PCA", "counts", "counts", "")
    with pytest.raises(UnitsError, match=r"PCA needs values in counts, but was given zscore. Normalize first."):
        require_units("PCA", "counts", "zscore", "Normalize first.")
