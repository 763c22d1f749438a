"""The promises of an encoder."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from aivc.core.contracts import Encoder
from aivc.core.errors import UnitsError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.units import LOG_INTENSITY
from aivc.core.ur import UR
from aivc.testing.promises import Refusal, close, digest_of, expect, fit_twice, or_refusal, round_trip
from aivc.testing.samples import sample_measurement, sample_parts


def check_encoder(
    cls: type[Encoder], measurement: Measurement | None = None, *, parts: UR | None = None, **settings: Any
) -> None:
    """Check every promise of an encoder.

    Args:
        cls: The encoder's class.
        measurement: Entities to fit and encode, in memory; `sample_measurement` by default.
        parts: Representation of the scale below: ``encode`` is given it, and so is ``fit`` where it uses parts;
            `sample_parts` by default, for an encoder of cells that uses them.
        settings: Passed to ``fit``; ``dim=4, seed=0`` unless given.

    Raises:
        ContractError: A promise is broken.

    >>> from aivc.core.registry import ENCODERS
    >>> check_encoder(ENCODERS.load("ppca"))
    """
    if parts is None and measurement is None and cls.uses_parts and cls.scale is Scale.CELLULAR:
        parts = sample_parts()
    measurement = sample_measurement(scale=cls.scale) if measurement is None else measurement
    settings = {"dim": 4, "seed": 0, **cls.given(parts), **settings}
    before = digest_of(measurement), None if parts is None else digest_of(parts)
    encoder = fit_twice(cls, lambda: cls.fit(measurement, **settings))
    case = _EncoderCase(cls.name, encoder, measurement, parts, encoder.encode(measurement, parts))
    kept = (digest_of(measurement), None if parts is None else digest_of(parts)) == before
    expect(cls.name, "fit and encode leave their input as it was; copy before writing", kept)
    _check_space(case)
    _check_entities(case)
    _check_rows(case)
    _check_features(case)
    _check_missing(case)
    _check_refusals(case)
    _check_state(case, settings)
    _check_parts(case, settings)


@final
@dataclass(frozen=True)
class _EncoderCase:
    name: str
    encoder: Encoder
    measurement: Measurement
    parts: UR | None
    ur: UR

    def encode(self, measurement: Measurement) -> UR:
        return self.encoder.encode(measurement, self.parts)

    def expect_same(self, promise: str, answer: UR) -> None:
        kept = close(answer.values, self.ur.values)
        if answer.variance is not None and self.ur.variance is not None:
            kept = kept and close(answer.variance, self.ur.variance)
        expect(self.name, promise, kept)

    def expect_identical(self, promise: str, answer: UR) -> None:
        kept = np.array_equal(answer.values, self.ur.values)
        if answer.variance is not None and self.ur.variance is not None:
            kept = kept and np.array_equal(answer.variance, self.ur.variance)
        expect(self.name, promise, kept)


def _check_space(case: _EncoderCase) -> None:
    encoder, space = case.encoder, case.ur.space
    expect(case.name, "it answers in the space it writes: UR(values, self.writes, …)", space, wanted=encoder.writes)
    expect(case.name, "dim is the number of axes of its URs", encoder.dim, wanted=case.ur.values.shape[1])
    expect(case.name, "its space carries its registered name", space.name, wanted=encoder.name)
    expect(case.name, "its space carries its scale", space.scale, wanted=encoder.scale)


def _check_entities(case: _EncoderCase) -> None:
    kept = case.ur.entities.equals(case.measurement.entities)
    expect(case.name, "it keeps the entities, in order, with their columns: UR(…, measurement.entities)", kept)
    cells_n = np.arange(1.0, len(case.measurement) + 1)
    pooled = case.measurement.replace(entities=case.measurement.entities.assign(cells=cells_n))
    kept = np.array_equal(case.encode(pooled).mass, cells_n)
    expect(case.name, "mass is the column cells, where a row stands for many: UR(…, mass=measurement.mass)", kept)


def _check_rows(case: _EncoderCase) -> None:
    measurement = case.measurement
    case.expect_identical("the same input gives the same answer", case.encode(measurement))
    order = np.random.default_rng(0).permutation(len(measurement))
    shuffled = case.encode(measurement.take(order))
    case.expect_same("the order of entities does not matter", shuffled.take(np.argsort(order)))
    dense = case.encode(measurement.replace(values=measurement.dense()))
    case.expect_same("dense and sparse values mean the same", dense)
    if case.encoder.scale is not Scale.MULTICELLULAR:
        few = case.encode(measurement.take(np.arange(3)))
        kept = close(few.values, case.ur.values[:3])
        expect(case.name, "the state of an entity depends on it alone, not on those encoded beside it", kept)


def _check_features(case: _EncoderCase) -> None:
    measurement = case.measurement
    order = np.random.default_rng(1).permutation(len(measurement.features))
    shuffled = case.encode(measurement.select(measurement.features[order]))
    case.expect_same("features are found by name, so their order does not matter", shuffled)
    observed = np.ones(len(measurement.features), dtype=bool) if measurement.observed is None else measurement.observed
    extra = measurement.replace(
        values=np.pad(measurement.dense(), ((0, 0), (5, 0))),
        features=np.concatenate([_unknown_names(5), measurement.features]),
        observed=np.concatenate([np.ones((*observed.shape[:-1], 5), dtype=bool), observed], axis=-1),
    )
    if (answer := _read(case, extra)) is not None:
        case.expect_same("unknown features are ignored or refused, never read as others", answer)


def _check_missing(case: _EncoderCase) -> None:
    measurement, half = case.measurement, len(case.measurement.features) // 2
    fewer = _read(case, measurement.select(measurement.features[half:]))
    if fewer is not None and case.ur.variance is not None:
        kept = fewer.variance is not None and fewer.variance.mean() > case.ur.variance.mean()
        expect(case.name, "a missing feature widens the variance; it never becomes a measured zero", bool(kept))
    low, high = (_read(case, _masked(measurement, half, filler)) for filler in (0.0, 50.0))
    kept = (low is None) == (high is None) and (low is None or high is None or close(low.values, high.values))
    expect(case.name, "what was not observed is never read: leave it out, or refuse it", kept)


def _read(case: _EncoderCase, measurement: Measurement) -> UR | None:
    return or_refusal(lambda: case.encode(measurement))


def _masked(measurement: Measurement, count: int, filler: float) -> Measurement:
    """Declare the first features unobserved, and fill them with something that must not be read."""
    seen_f = np.arange(len(measurement.features)) >= count
    observed = seen_f if measurement.observed is None else seen_f & measurement.observed
    return measurement.replace(values=np.where(seen_f, measurement.dense(), filler), observed=observed)


def _check_refusals(case: _EncoderCase) -> None:
    measurement = case.measurement
    units = "arbitrary" if measurement.units == LOG_INTENSITY else LOG_INTENSITY
    with Refusal(case.name, UnitsError, f"values in {units} after a fit on {measurement.units}"):
        case.encode(measurement.replace(values=np.log1p(np.abs(measurement.dense())), units=units))
    with Refusal(case.name, UnknownNameError, "a measurement without any of its features"):
        case.encode(measurement.replace(features=_unknown_names(len(measurement.features))))


def _check_state(case: _EncoderCase, settings: dict[str, Any]) -> None:
    again = round_trip(case.encoder).encode(case.measurement, case.parts)
    case.expect_identical("after save and load it gives the same answer to the last bit", again)
    subset = case.measurement.take(np.arange(len(case.measurement)) % 3 > 0)
    other = type(case.encoder).fit(subset, **settings)
    if not np.array_equal(other.encode(case.measurement, case.parts).values, case.ur.values):
        kept = other.writes.fingerprint != case.encoder.writes.fingerprint
        expect(case.name, "refitting on other data changes the fingerprint; do not override writes", kept)


def _check_parts(case: _EncoderCase, settings: dict[str, Any]) -> None:
    """An encoder that uses parts does without them, too: there may be none, at the fit or afterwards."""
    if not case.encoder.uses_parts:
        return
    without = type(case.encoder).fit(case.measurement, **{key: x for key, x in settings.items() if key != "parts"})
    for encoder in (without, case.encoder):
        kept = encoder.encode(case.measurement).values.shape == (len(case.measurement), encoder.dim)
        expect(case.name, "it fits and encodes without parts, too; parts: UR | None = None", kept)


def _unknown_names(count: int) -> np.ndarray:
    return np.array([f"unknown-{i}" for i in range(count)], dtype=object)
