"""One tiny part of each contract, to test what surrounds parts and to break on purpose."""

import dataclasses
from dataclasses import dataclass
from importlib.metadata import EntryPoint

import numpy as np

from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.effects import effects
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Kind
from aivc.core.prediction import Applicability, Prediction
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.units import require_units
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.datasets import ENTRIES


@dataclass(frozen=True, eq=False)
class TinyEncoder(Encoder):
    """Random projection of log counts."""

    name = "tiny-encoder"
    scale = Scale.CELLULAR
    features: np.ndarray
    center: np.ndarray
    loadings: np.ndarray
    units: str

    @classmethod
    def fit(cls, measurement, *, dim, seed):
        x_nf = np.log1p(measurement.dense())
        loadings = np.random.default_rng(seed).normal(size=(x_nf.shape[1], dim))
        return cls(measurement.features, x_nf.mean(axis=0), loadings, measurement.units)

    def encode(self, measurement, parts=None):
        require_units(self.name, self.units, measurement.units, "Give it counts.")
        if measurement.observed is not None and not measurement.observed.all():
            raise DataError(["tiny-encoder needs every feature measured. Leave out the others."])
        if missing := set(self.features) - set(measurement.features):
            raise UnknownNameError("feature", min(missing), map(str, measurement.features))
        x_nf = np.log1p(measurement.select(self.features).dense())
        return UR((x_nf - self.center) @ self.loadings, self.writes, measurement.entities, None, measurement.mass)

    @property
    def dim(self):
        return int(self.loadings.shape[1])


@dataclass(frozen=True, eq=False)
class TinyPartsEncoder(TinyEncoder):
    """Log counts summed over what is known of each feature, beside a random projection; the latter alone without."""

    name = "tiny-parts-encoder"
    uses_parts = True
    below: np.ndarray

    @classmethod
    def fit(cls, measurement, *, dim, seed, units=None, parts=None):
        plain = TinyEncoder.fit(measurement, dim=dim, seed=seed)
        known = np.zeros((len(measurement.features), 0))
        if parts is not None:
            known = parts.values[parts.entities.index.get_indexer(measurement.features)]
        loadings = np.hstack([plain.loadings, known])
        return cls(plain.features, plain.center, loadings, plain.units, known)


@dataclass(frozen=True, eq=False)
class TinyManipulator(Manipulator):
    """Everything does what perturbations do on average."""

    name = "tiny-manipulator"
    reads: Space
    shift: np.ndarray

    @classmethod
    def fit(cls, ur, *, parts=None, seed=0):
        return cls(ur.space, effects(ur).shifts.mean(axis=0))

    def manipulate(self, ur, perturbation):
        self.reads.require(ur.space, self.name)
        shift = np.zeros(self.reads.dim) if perturbation.is_control else self.shift
        return Prediction((ur.moved(shift, str(perturbation)),), (self.name,), Applicability.OUT)


@dataclass(frozen=True, eq=False)
class TinyRecognizer(Manipulator):
    """Expects half of the mean effect, and tells a perturbation by three times that."""

    name = "tiny-recognizer"
    reads: Space
    shift: np.ndarray

    @classmethod
    def fit(cls, ur, *, parts=None, seed=0):
        return cls(ur.space, effects(ur).shifts.mean(axis=0))

    def manipulate(self, ur, perturbation):
        self.reads.require(ur.space, self.name)
        shift = np.zeros(self.reads.dim) if perturbation.is_control else self.shift
        moved = (ur.moved(shift / 2, str(perturbation)),)
        return Prediction(moved, (self.name,), Applicability.OUT, retrieval=ur.mean + 1.5 * shift)


@dataclass(frozen=True, eq=False)
class TinyUncertain(Manipulator):
    """Expects the mean effect, and says of unseen ones that it may be more or less of it by a half."""

    name = "tiny-uncertain"
    reads: Space
    shift: np.ndarray
    known: tuple

    @classmethod
    def fit(cls, ur, *, parts=None, seed=0):
        return cls(ur.space, effects(ur).shifts.mean(axis=0), tuple(parts.entities.index))

    def manipulate(self, ur, perturbation):
        self.reads.require(ur.space, self.name)
        known = set(perturbation.targets) <= set(self.known)
        shift = np.zeros(self.reads.dim) if perturbation.is_control else self.shift
        draws = tuple(ur.moved(size * shift, str(perturbation)) for size in ((1.0,) if known else (0.5, 1.5)))
        return Prediction(draws, (self.name,), Applicability.OUT)


@dataclass(frozen=True, eq=False)
class TinyDecoder(Decoder):
    """Least squares of log counts on states."""

    name = "tiny-decoder"
    reads: Space
    features: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, ur, measurement, *, seed=0):
        x_nf = np.log1p(measurement.dense())
        return cls(ur.space, measurement.features, np.linalg.lstsq(_with_one(ur.values), x_nf, rcond=None)[0])

    def decode(self, ur):
        self.reads.require(ur.space, self.name)
        values = _with_one(ur.values) @ self.weights
        reading = Measurement(values, self.features, ur.entities, "arbitrary", scale=self.reads.scale)
        return Prediction((reading,), (self.name,), Applicability.IN)


def _with_one(values):
    return np.column_stack([values, np.ones(len(values))])


PARTS = (TinyEncoder, TinyManipulator, TinyRecognizer, TinyUncertain, TinyDecoder)
POINTS = tuple(EntryPoint(part.name, f"tiny_parts:{part.__name__}", f"aivc.{part.group}") for part in PARTS)


def fit_cell(cells):
    """Assemble the tiny parts, fitted on a measurement."""
    encoder = TinyEncoder.fit(cells, dim=4, seed=0)
    states = encoder.encode(cells)
    instruments = {"move": TinyManipulator.fit(states), "read": TinyDecoder.fit(states, cells)}
    return VirtualCell({encoder.scale: encoder}, instruments, {"data": "a small screen"})


NANOBODY = Kind("nanobody", -1, genetic=False)

PROFILES = {"tiny": ("mse-unbiased",)}
DATASETS = {"tiny": dataclasses.replace(ENTRIES["go-bp"], name="tiny")}
MISNAMED = ENTRIES["go-bp"]
