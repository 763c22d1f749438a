"""A part behind an address keeps the promises of its contract, whichever part it is."""

import dataclasses
from functools import cache

import pytest

from aivc.core.registry import DECODERS, ENCODERS, MANIPULATORS, WRAPPERS
from aivc.core.virtual_cell import VirtualCell
from aivc.testing import check_decoder, check_manipulator, sample_measurement, sample_parts
from aivc.testing.samples import sample_development
from far_parts import far_service

QUICK = {"velocity-field.v1": {"steps": 20}}
TELLING = ("effect.v2", "copy-time", "tissue-response.v1", "linear-expression")


def params(names):
    """Every name; those that repeat what the telling ones say are slow."""
    return [pytest.param(name, marks=() if name in TELLING else pytest.mark.slow) for name in names]


@cache
def encoder():
    return ENCODERS.load("count-pca").fit(sample_measurement(), dim=3, seed=0)


@pytest.mark.parametrize("name", params(MANIPULATORS.names()))
def test_any_manipulator_keeps_its_promises_behind_an_address(name, tmp_path, monkeypatch):
    cls = MANIPULATORS.load(name)
    ur = dataclasses.replace(sample_development(), space=encoder().writes) if cls.needs_times else states()
    fitted = cls.fit(ur, parts=sample_parts(), seed=0, **QUICK.get(name, {}))
    at = far_service(monkeypatch, tmp_path, VirtualCell([encoder()], {"move": fitted}))
    check_manipulator(WRAPPERS.load("remote-manipulator"), ur, address=f"{at}/move")


@pytest.mark.parametrize("name", params(DECODERS.names()))
def test_any_decoder_keeps_its_promises_behind_an_address(name, tmp_path, monkeypatch):
    fitted = DECODERS.load(name).fit(states(), sample_measurement(), seed=0)
    at = far_service(monkeypatch, tmp_path, VirtualCell([encoder()], {"read": fitted}))
    check_decoder(WRAPPERS.load("remote-decoder"), states(), measurement=sample_measurement(), address=f"{at}/read")


def states():
    return encoder().encode(sample_measurement())
