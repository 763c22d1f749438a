"""The promises of a decoder."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from aivc.core.contracts import Decoder
from aivc.core.errors import SpaceError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Prediction
from aivc.core.units import COUNTS, parse_units
from aivc.core.ur import UR
from aivc.testing.promises import (
    Refusal,
    close,
    digest_of,
    expect,
    fit_twice,
    other_contexts,
    profiles_fit,
    round_trip,
    same_answer,
)
from aivc.testing.samples import sample_measurement, sample_ur


def check_decoder(
    cls: type[Decoder], ur: UR | None = None, *, measurement: Measurement | None = None, **settings: Any
) -> None:
    """Check every promise of a decoder.

    Args:
        cls: The decoder's class.
        ur: States of the entities of ``measurement``, row by row; `sample_ur` of it by default.
        measurement: What was read from them; `sample_measurement` by default.
        settings: Passed to ``fit``; ``seed=0`` unless given.

    Raises:
        ContractError: A promise is broken.

    >>> from aivc.core.registry import DECODERS
    >>> check_decoder(DECODERS.load("linear-expression"))
    """
    measurement = sample_measurement() if measurement is None else measurement
    ur = sample_ur(measurement) if ur is None else ur
    before = digest_of(ur), digest_of(measurement)
    decoder = fit_twice(cls, lambda: cls.fit(ur, measurement, **{"seed": 0, **settings}))
    expect(cls.name, "reads is the space of the UR it was fitted on", decoder.reads, wanted=ur.space)
    case = _DecoderCase(cls.name, decoder, ur, decoder.decode(ur))
    for draw in case.answer.draws:
        _check_readout(case, draw, measurement)
    _check_profiles(case)
    _check_cells(case)
    kept = same_answer(decoder.decode(ur), case.answer)
    expect(cls.name, "the same input gives the same answer; keep the seed in the state", kept)
    kept = same_answer(round_trip(decoder).decode(ur), case.answer)
    expect(cls.name, "after save and load it gives the same answer to the last bit", kept)
    with Refusal(cls.name, SpaceError, "a UR of another space: call self.reads.require(ur.space, self.name)"):
        decoder.decode(other_contexts(ur))
    kept = (digest_of(ur), digest_of(measurement)) == before
    expect(cls.name, "fit and decode leave their input as it was; copy before writing", kept)


@final
@dataclass(frozen=True)
class _DecoderCase:
    name: str
    decoder: Decoder
    ur: UR
    answer: Prediction[Measurement]


def _check_readout(case: _DecoderCase, draw: Measurement, measurement: Measurement) -> None:
    values = draw.dense()
    kept = draw.entities.equals(case.ur.entities)
    expect(case.name, "entities of a reading are those of the UR, in order, with their columns", kept)
    expect(case.name, "features carry names of the fit", set(draw.features) <= set(measurement.features))
    expect(case.name, "readings are finite", bool(np.isfinite(values).all()))
    if draw.units == COUNTS:
        kept = bool((values >= 0).all() and (values == np.round(values)).all())
        expect(case.name, "counts are whole and never negative; draw them, or declare other units", kept)
    kept = len(np.unique(values, axis=0)) > len(values) / 2
    expect(case.name, "cells are read one by one; one profile is never tiled over them", kept)


def _check_profiles(case: _DecoderCase) -> None:
    first, units = case.answer.draws[0], case.answer.profile_units
    expect(case.name, "made_by holds its registered name", case.name in case.answer.made_by)
    expect(case.name, "there is one finite profile per draw", profiles_fit(case.answer, len(first.features)))
    kept = all(np.array_equal(d.features, first.features) and d.units == first.units for d in case.answer.draws)
    expect(case.name, "all draws have the same features and units", kept)
    expect(case.name, "units of the profile are declared", units, wanted=parse_units(units))


def _check_cells(case: _DecoderCase) -> None:
    order = np.random.default_rng(0).permutation(len(case.ur))
    kept = close(case.decoder.decode(case.ur.take(order)).profiles, case.answer.profiles)
    expect(case.name, "the mean profile does not depend on the order of cells", kept)
    above = case.ur.values[:, 0] > np.median(case.ur.values[:, 0])
    low, high = (case.decoder.decode(case.ur.take(np.flatnonzero(side))).mean for side in (~above, above))
    expect(case.name, "populations that differ are read as different", not close(low, high))
    one = case.decoder.decode(case.ur.take(np.array([0])))
    expect(case.name, "a population of one cell is read too", len(one.draws[0]), wanted=1)
