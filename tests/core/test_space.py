import dataclasses
import json

import pytest

from aivc.core.errors import SpaceError
from aivc.core.scale import Scale
from aivc.core.space import Space

SPACE = Space("count-pca", Scale.CELLULAR, 16, "0123456789abcdef")


def test_json_round_trip():
    assert Space.from_json(json.loads(json.dumps(SPACE.to_json()))) == SPACE


@pytest.mark.parametrize(
    "change", [{"name": "ppca"}, {"scale": Scale.MOLECULAR}, {"dim": 8}, {"fingerprint": "refitted"}], ids=str
)
def test_any_difference_is_another_space(change):
    SPACE.require(dataclasses.replace(SPACE), "transfer")
    with pytest.raises(
        SpaceError, match=r"transfer reads count-pca\[cellular, 16 axes, 01234567\].*refit the instrument"
    ):
        SPACE.require(dataclasses.replace(SPACE, **change), "transfer")


def test_frozen_and_hashable():
    assert len({SPACE, dataclasses.replace(SPACE)}) == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        SPACE.dim = 3
