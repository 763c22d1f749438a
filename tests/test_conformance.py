"""Every registered part keeps every promise, and the checks notice each promise that is broken."""

import dataclasses

import numpy as np
import pytest

from aivc.core.measurement import CONTROL
from aivc.core.molecule import Molecule
from aivc.core.prediction import Applicability, HeldOut, Prediction
from aivc.core.registry import DECODERS, ENCODERS, MANIPULATORS, PROVIDERS, WRAPPERS
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.testing import (
    ContractError,
    check_decoder,
    check_encoder,
    check_manipulator,
    check_provider,
    sample_measurement,
    sample_parts,
    sample_ur,
)
from aivc.training.loop import TrainingRecipe
from tiny_parts import TinyDecoder, TinyEncoder, TinyManipulator, TinyPartsEncoder

# Settings with which promises are checked in less time.
SHORT = TrainingRecipe(30, rate=2e-3, warmup=5)
QUICK = {
    "velocity-field.v1": {"steps": 20},
    "count-vae": {"recipe": SHORT},
    "programme-tokens": {"recipe": SHORT, "preset": "cpu-xs"},
}


@pytest.mark.parametrize("name", ENCODERS.names())
def test_encoder_keeps_its_promises(name):
    check_encoder(ENCODERS.load(name), **QUICK.get(name, {}))


@pytest.mark.parametrize("name", MANIPULATORS.names())
def test_manipulator_keeps_its_promises(name):
    check_manipulator(MANIPULATORS.load(name), **QUICK.get(name, {}))


@pytest.mark.parametrize("name", DECODERS.names())
def test_decoder_keeps_its_promises(name):
    check_decoder(DECODERS.load(name))


def telling(names, *kept):
    """All names, of which those beside the kept ones are slow: a wrapper does the same around each."""
    assert set(kept) <= set(names)
    return [pytest.param(name, marks=() if name in kept else pytest.mark.slow) for name in names]


# An ensemble refits on subsets of perturbations; of development there is one.
OF_PERTURBATIONS = [name for name in MANIPULATORS.names() if not MANIPULATORS.load(name).needs_times]


@pytest.mark.parametrize("manipulator", telling(OF_PERTURBATIONS, "effect.v2", "ridge-on-priors", "transfer"))
def test_ensemble_keeps_the_promises_of_a_manipulator(manipulator):
    check_manipulator(WRAPPERS.load("ensemble"), manipulator=manipulator, members=3)


@pytest.mark.parametrize("name", telling(DECODERS.names(), "linear-expression", "kernel-readout", "cell-fates"))
def test_conformal_keeps_the_promises_of_a_decoder(name):
    cells = sample_measurement()
    decoder = DECODERS.load(name).fit(sample_ur(cells), cells)
    predicted, width = decoder.decode(sample_ur(cells)).mean, len(cells.features)
    held_out = [HeldOut(predicted, np.zeros(width), predicted + error, 8.0) for error in (-0.1, 0.1, 0.2)]
    check_decoder(WRAPPERS.load("conformal"), measurement=cells, decoder=decoder, held_out=held_out)


def test_tiny_parts_keep_their_promises():
    check_encoder(TinyEncoder)
    check_encoder(TinyEncoder, sample_measurement(seed=3, features=12), dim=3, seed=7)
    check_manipulator(TinyManipulator, sample_ur(dim=2), parts=sample_parts(seed=1))
    check_decoder(TinyDecoder, sample_ur(dim=3))


def test_an_encoder_that_uses_parts_is_given_them_and_does_without():
    check_encoder(TinyPartsEncoder)
    check_encoder(TinyPartsEncoder, sample_measurement(), parts=sample_parts(seed=2))

    class Needy(TinyPartsEncoder):
        @classmethod
        def fit(cls, measurement, *, dim, seed, units=None, parts=None):
            made = super().fit(measurement, dim=dim, seed=seed, parts=parts)
            return dataclasses.replace(made, below=np.ones((1, 1 if parts is None else 2)))

        def encode(self, measurement, parts=None):
            ur = super().encode(measurement)
            return ur if parts is not None else ur.take(np.arange(1))

    with pytest.raises(ContractError, match="fits and encodes without parts, too"):
        check_encoder(Needy)


def test_parts_are_given_to_those_that_use_them_alone():
    parts = sample_parts()
    assert TinyPartsEncoder.given(parts) == {"parts": parts}
    assert TinyPartsEncoder.given(None) == TinyEncoder.given(parts) == {}


def test_samples_have_the_structure_they_promise():
    cells, parts = sample_measurement(), sample_parts()
    assert set(cells.contexts) == {"A", "B"}
    assert set(cells.entities["batch"]) == {"one", "two"}
    assert set(parts.entities.index) == set(cells.features)
    shifts = {text: _log_shift(cells, text) for text in ("ko:G00", "ko:G03", "ko:G01")}
    same, other = (np.corrcoef(shifts["ko:G00"], shifts[text])[0, 1] for text in ("ko:G03", "ko:G01"))
    assert same > 0.8 > other + 0.3


def _log_shift(cells, text):
    x_nf = np.log1p(cells.dense())
    return x_nf[cells.perturbations == text].mean(axis=0) - x_nf[cells.perturbations == CONTROL].mean(axis=0)


# --- each broken encoder breaks one promise ---


class Unseeded(TinyEncoder):
    @classmethod
    def fit(cls, measurement, *, dim, seed):
        return super().fit(measurement, dim=dim, seed=int(np.random.default_rng().integers(2**40)))


class Thawed(TinyEncoder):
    def __setattr__(self, name, value):
        object.__setattr__(self, name, value)


class Positional(TinyEncoder):
    def encode(self, measurement, parts=None):
        width = len(self.features)
        known = np.isin(measurement.features, self.features)
        renamed = np.where(known, np.resize(self.features, len(known)), measurement.features)
        return super().encode(
            measurement.replace(features=renamed) if len(known) == width and known.all() else measurement
        )


class Renormalized(TinyEncoder):
    def encode(self, measurement, parts=None):
        ur = super().encode(measurement)
        return dataclasses.replace(ur, values=ur.values - ur.values.mean(axis=0))


class UnitBlind(TinyEncoder):
    def encode(self, measurement, parts=None):
        return super().encode(measurement.replace(units=self.units))


class Greedy(TinyEncoder):
    def encode(self, measurement, parts=None):
        return super().encode(measurement.replace(observed=None))


class Sorting(TinyEncoder):
    def encode(self, measurement, parts=None):
        ur = super().encode(measurement)
        return ur.take(np.argsort(ur.values[:, 0]))


class Massless(TinyEncoder):
    def encode(self, measurement, parts=None):
        return dataclasses.replace(super().encode(measurement), mass=np.ones(len(measurement)))


class Scribbling(TinyEncoder):
    def encode(self, measurement, parts=None):
        ur = super().encode(measurement)
        measurement.entities["seen"] = True
        return ur


class SameSpace(TinyEncoder):
    @property
    def writes(self):
        return Space(self.name, self.scale, self.dim, "always the same")


class Forgetful(TinyEncoder):
    @classmethod
    def from_state(cls, state):
        part = super().from_state(state)
        return dataclasses.replace(part, center=part.center * 0)


class ZeroFilling(TinyEncoder):
    """States a variance, but takes a missing feature for a measured zero."""

    def encode(self, measurement, parts=None):
        missing = [name for name in self.features if name not in set(measurement.features)]
        if 0 < len(missing) < len(self.features):
            values = np.hstack([measurement.dense(), np.zeros((len(measurement), len(missing)))])
            names = np.concatenate([measurement.features, missing])
            measurement = measurement.replace(values=values, features=names)
        ur = super().encode(measurement)
        return dataclasses.replace(ur, variance=np.ones(ur.values.shape))


class Vague(TinyEncoder):
    def encode(self, measurement, parts=None):
        if not set(self.features) & set(measurement.features):
            raise ValueError("bad input")
        return super().encode(measurement)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Unseeded, "the seed decides the fit"),
        (Thawed, "a part is frozen"),
        (Positional, "features are found by name"),
        (Renormalized, "depends on it alone"),
        (
            UnitBlind,
            "refuses values in log_intensity after a fit on counts. UnitsError was wanted, but it was accepted",
        ),
        (Greedy, "what was not observed is never read"),
        (Sorting, "keeps the entities, in order"),
        (Massless, "mass is the column cells"),
        (Scribbling, "leave their input as it was"),
        (SameSpace, "changes the fingerprint"),
        (Forgetful, "loaded from disk has the state"),
        (ZeroFilling, "widens the variance"),
        (Vague, r"UnknownNameError was wanted, but ValueError came \(bad input\)"),
    ],
)
def test_broken_encoder_is_named(broken, promise):
    with pytest.raises(ContractError, match=promise):
        check_encoder(broken)


# --- each broken manipulator breaks one promise ---


class Spaceless(TinyManipulator):
    def manipulate(self, ur, perturbation):
        return super().manipulate(dataclasses.replace(ur, space=self.reads), perturbation)


class Restless(TinyManipulator):
    def manipulate(self, ur, perturbation):
        moved = ur.moved(self.shift, str(perturbation))
        return Prediction((moved,), (self.name,), Applicability.OUT)


class Tiled(TinyManipulator):
    def manipulate(self, ur, perturbation):
        mean = UR(np.tile(ur.mean, (len(ur), 1)), ur.space, ur.entities)
        return super().manipulate(ur if perturbation.is_control else mean, perturbation)


class Resampling(TinyManipulator):
    def manipulate(self, ur, perturbation):
        noise = np.random.default_rng(0).normal(size=ur.values.shape)
        return super().manipulate(ur if perturbation.is_control else ur.moved(noise, "x"), perturbation)


class Dicing(TinyManipulator):
    def manipulate(self, ur, perturbation):
        noise = np.random.default_rng().normal(size=ur.space.dim) * 1e-9
        return super().manipulate(ur if perturbation.is_control else ur.moved(noise, "x"), perturbation)


class Boastful(TinyManipulator):
    def manipulate(self, ur, perturbation):
        return super().manipulate(ur, perturbation).replace(applicability=Applicability.IN)


class Reordering(TinyManipulator):
    def manipulate(self, ur, perturbation):
        return super().manipulate(ur.take(np.arange(len(ur))[::-1]), perturbation)


class Unlabeled(TinyManipulator):
    def manipulate(self, ur, perturbation):
        draw = super().manipulate(ur, perturbation).draws[0]
        return Prediction((dataclasses.replace(draw, entities=ur.entities),), (self.name,), Applicability.OUT)


class Overwriting(TinyManipulator):
    @classmethod
    def fit(cls, ur, *, parts=None, seed=0):
        ur.values[0] += 1.0
        return cls(ur.space, np.ones(ur.space.dim))


class Secretive(TinyManipulator):
    def state(self):
        return dataclasses.replace(super().state(), settings={"when": {1, 2}})


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Spaceless, "refuses a UR of another space"),
        (Restless, "control changes nothing"),
        (Tiled, "never tiled"),
        (Resampling, "permuting cells permutes predictions"),
        (Dicing, "same input gives the same answer"),
        (Boastful, "what was never seen"),
        (Reordering, "in order and with their mass"),
        (Unlabeled, "labelled with what was asked"),
        (Overwriting, "leave their input as it was"),
        (Secretive, "JSON and numeric arrays"),
    ],
)
def test_broken_manipulator_is_named(broken, promise):
    with pytest.raises(ContractError, match=promise):
        check_manipulator(broken)


# --- each broken decoder breaks one promise ---


class Fractional(TinyDecoder):
    def decode(self, ur):
        answer = super().decode(ur)
        return answer.replace(draws=tuple(d.replace(values=abs(d.values), units="counts") for d in answer.draws))


class TiledReading(TinyDecoder):
    def decode(self, ur):
        answer = super().decode(ur)
        draws = tuple(d.replace(values=np.tile(d.values.mean(axis=0), (len(d), 1))) for d in answer.draws)
        return answer.replace(draws=draws)


class Deaf(TinyDecoder):
    def decode(self, ur):
        answer = super().decode(ur)
        return answer.replace(profiles=np.zeros_like(answer.profiles))


class Anonymous(TinyDecoder):
    def decode(self, ur):
        return super().decode(ur).replace(made_by=())


class Infinite(TinyDecoder):
    def decode(self, ur):
        answer = super().decode(ur)
        return answer.replace(draws=tuple(d.replace(values=d.values / 0.0) for d in answer.draws))


class SpacelessReading(TinyDecoder):
    def decode(self, ur):
        return super().decode(dataclasses.replace(ur, space=self.reads))


class FirstCell(TinyDecoder):
    def decode(self, ur):
        answer = super().decode(ur)
        return answer.replace(profiles=np.array([draw.values[0] for draw in answer.draws]))


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Fractional, "counts are whole"),
        (TiledReading, "one profile is never tiled"),
        (Deaf, "populations that differ"),
        (Anonymous, "made_by holds its registered name"),
        (SpacelessReading, "refuses a UR of another space"),
        (FirstCell, "does not depend on the order of cells"),
    ],
)
def test_broken_decoder_is_named(broken, promise):
    with pytest.raises(ContractError, match=promise):
        check_decoder(broken)


def test_readings_that_are_not_finite_are_named():
    with np.errstate(divide="ignore"), pytest.raises(ContractError, match="readings are finite"):
        check_decoder(Infinite)


@pytest.mark.parametrize(
    ("name", "make"), [("kmers", lambda cls: cls.of("protein")), ("sequence-model", lambda cls: cls.pretrained("xs"))]
)
def test_provider_keeps_its_promises(name, make):
    letters = ("MKTAYIAKQR", "MKTAYIAKQRQISFVKSH", "GGGSGGGS")
    molecules = [Molecule("protein", each, "", sequence=each) for each in letters]
    check_provider(make(PROVIDERS.load(name)), molecules)


def test_a_provider_whose_vectors_depend_on_their_company_is_found_out():
    kmers = PROVIDERS.load("kmers").of("protein")

    @dataclasses.dataclass(frozen=True, eq=False)
    class Crowded(type(kmers)):
        def embed(self, molecules):
            found = super().embed(molecules)
            return dataclasses.replace(found, values=found.values - found.values.mean(axis=0) * found.known[:, None])

    crowded = Crowded(**{item.name: getattr(kmers, item.name) for item in dataclasses.fields(kmers)})
    molecules = [Molecule("protein", each, "", sequence=each) for each in ("MKTAY", "GGGSG", "WWPKL")]
    with pytest.raises(ContractError, match="one by one"):
        check_provider(crowded, molecules)
