"""What control cells would look like under a perturbation: their own images, moved as the population moved."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import ControlError, DataError, UnknownNameError
from aivc.core.image_decoder import ImageDecoder
from aivc.core.measurement import CONTROL, Measurement
from aivc.instruments.decoders.images.band_maps import (
    BandMaps,
    fit_bands,
    fitted_size,
    moved,
    standardized,
    zoomed,
)
from aivc.instruments.decoders.images.local_filters import levels
from aivc.instruments.decoders.images.pixels import LEAST, channels_of, gradient_energy, pixels

_FEWEST, _BLOCK = 8, 64
# Share of the covariances of levels that is taken from their diagonals.
_SHRUNKEN = 0.2


@final
@dataclass(frozen=True, eq=False)
class SyntheticMicroscope(ImageDecoder):
    """Moves images of control cells to a perturbation that was imaged on other plates.

    Three things are learned from unpaired control and perturbed cells of the same plates: how much larger the content
    of a crop becomes; how quantiles of each band of scales move, ring by ring, so that light and texture move inside of
    the cell; and how the levels of all channels move together, as the optimal map between two normal distributions.
    What is copied from the measured control cell is where its structures lie. No structure is added that it had not.

    Attributes:
        perturbation: What it was fitted on.
        channels: Channels it reads and writes.
        sides: Rows and columns of its crops.
        size: By how much the content of a crop grows.
        before: ``(b, z, c, q)`` quantiles of bands of controls.
        after: ``(b, z, c, q)`` of perturbed cells.
        shift: ``(2c,)`` of log means and log deviations of channels.
        turn: ``(2c, 2c)`` from differences of a control's levels from their mean to those of a perturbed cell.
        sharpness: ``(c, 2)`` gradient energy over that of perturbed cells: of the moved controls, of the controls.
        cells: Numbers of controls and of perturbed cells it was fitted on.
        batches: Where they were imaged.
        units: Of the images.
    """

    name: ClassVar[str] = "synthetic-microscope"
    perturbation: str
    channels: tuple[str, ...]
    sides: tuple[int, ...]
    size: float
    before: Float[np.ndarray, "b z c q"]
    after: Float[np.ndarray, "b z c q"]
    shift: Float[np.ndarray, " l"]
    turn: Float[np.ndarray, "l l"]
    sharpness: Float[np.ndarray, "c 2"]
    cells: tuple[int, ...]
    batches: tuple[str, ...]
    units: str

    @classmethod
    def fit(cls, measurement: Measurement, *, seed: int = 0, perturbation: str = "") -> "SyntheticMicroscope":
        """Fit on controls and perturbed cells of the batches that hold both.

        Args:
            measurement: Crops with controls.
            seed: Nothing is drawn.
            perturbation: As it is written in the measurement, such as ``drug:taxol@1uM``.

        Raises:
            ControlError: No batch holds both, or too few of either.
            UnknownNameError: Nothing was treated so.
        """
        named, texts = channels_of(measurement), measurement.perturbations
        if perturbation == CONTROL or perturbation not in texts:
            others = sorted(set(map(str, texts)) - {CONTROL})
            raise UnknownNameError("perturbation", perturbation, others, "Images are moved to one that was imaged.")
        before, after, batches = _pair(measurement, perturbation)
        control, treated = pixels(measurement, named, before), pixels(measurement, named, after)
        size = fitted_size(control, treated)
        maps = fit_bands(standardized(zoomed(control, size)), standardized(treated))
        shift, turn = _levels_map(_levels(control), _levels(treated))
        made = cls(
            perturbation,
            named,
            tuple(map(int, control.shape[2:])),
            size,
            maps.before,
            maps.after,
            shift,
            turn,
            np.ones((len(named), 2)),
            (len(before), len(after)),
            batches,
            measurement.units,
        )
        there = made._of(control, _levels(control).mean(axis=0))
        ratio = [[_sharper(image[:, c], treated[:, c]) for image in (there, control)] for c in range(len(named))]
        return dataclasses.replace(made, sharpness=np.array(ratio))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was copied and what was predicted, from how many cells, and how sharp."""
        sharp = ", ".join(f"{name} {own:.2f}" for name, (own, _) in zip(self.channels, self.sharpness, strict=True))
        return (
            "Where structures lie is copied from the measured control cell; light, texture and size are predicted, as "
            f"they moved from {self.cells[0]} controls to {self.cells[1]} cells under {self.perturbation} of "
            f"{', '.join(self.batches) or 'one batch'}.",
            f"Gradient energy over that of measured cells: {sharp}; 1 is as sharp as measured.",
        )

    def decode(self, measurement: Measurement) -> Measurement:
        """Move control cells.

        Args:
            measurement: Control cells of any plate, with all channels of the fit.

        Returns:
            Images of the same entities, which carry the perturbation in their column ``perturbation``.

        Raises:
            ControlError: Some are no controls.
            DataError: Crops are of another size, or there are none.
            UnknownNameError: A channel is missing.
        """
        self._require(measurement)
        middle = np.concatenate([_levels(image) for image in self._read(measurement)]).mean(axis=0)
        made = [self._of(image, middle) for image in self._read(measurement)]
        entities = measurement.entities.assign(perturbation=self.perturbation)
        return Measurement(
            np.concatenate(made),
            np.array(self.channels, dtype=object),
            entities,
            self.units,
            modality="image",
            scale=measurement.scale,
            provenance={**measurement.provenance, "predicted": list(self.notes)},
        )

    def _require(self, measurement: Measurement) -> None:
        channels_of(measurement)
        if (measurement.perturbations != CONTROL).any():
            raise ControlError(f"{self.name} moves control cells, and some of these are perturbed. Take the controls.")
        if not len(measurement) or tuple(measurement.values.shape[2:]) != self.sides:
            got, wanted = (" × ".join(map(str, each)) for each in (measurement.values.shape[2:], self.sides))
            raise DataError(
                [f"Crops of {wanted} pixels are moved; got {len(measurement)} of {got}. Cut crops of that size."]
            )

    def _read(self, measurement: Measurement) -> Iterator[np.ndarray]:
        for start in range(0, len(measurement), _BLOCK):
            yield pixels(measurement, self.channels, slice(start, start + _BLOCK))

    def _of(self, image: np.ndarray, middle: np.ndarray) -> np.ndarray:
        level = middle + self.shift + (_levels(image) - middle) @ self.turn
        mean, spread = (np.exp(each)[..., None, None] for each in np.split(level, 2, axis=1))
        shape = moved(standardized(zoomed(image, self.size)), BandMaps(self.before, self.after))
        return np.maximum(mean + spread * shape, 0).astype(np.float32)


def _pair(measurement: Measurement, perturbation: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Rows of controls and of perturbed cells in the batches that hold both, and names of these."""
    texts = measurement.perturbations
    if "batch" not in measurement.entities:
        before, after, shared = np.flatnonzero(texts == CONTROL), np.flatnonzero(texts == perturbation), ()
    else:
        batch = measurement.entities["batch"].astype(str).to_numpy(dtype=object)
        both = set(batch[texts == CONTROL]) & set(batch[texts == perturbation])
        shared, inside = tuple(sorted(both)), np.isin(batch, list(both))
        before = np.flatnonzero((texts == CONTROL) & inside)
        after = np.flatnonzero((texts == perturbation) & inside)
    if min(len(before), len(after)) < _FEWEST:
        raise ControlError(
            f"{_FEWEST} controls and as many cells under {perturbation}, imaged together, are the least to learn from; "
            f"there are {len(before)} and {len(after)}. Add the controls of its plate."
        )
    return before, after, shared


def _levels(image_ncyx: np.ndarray) -> np.ndarray:
    """``(n, 2c)`` log means and log standard deviations of channels."""
    mean_nc, spread_nc = levels(image_ncyx)
    return np.log(np.concatenate([np.maximum(mean_nc, LEAST), spread_nc], axis=1)).astype(np.float64)


def _levels_map(before_nl: np.ndarray, after_nl: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift and matrix of the optimal map between two normal distributions (Dowson & Landau 1982)."""
    first, second = (_covariance(each) for each in (before_nl, after_nl))
    root = _root(first)
    back = np.linalg.inv(root)
    return after_nl.mean(axis=0) - before_nl.mean(axis=0), back @ _root(root @ second @ root) @ back


def _covariance(x_nl: np.ndarray) -> np.ndarray:
    found = np.cov(x_nl.T)
    own = np.diag(np.diag(found)) + 1e-4 * np.eye(len(found))
    return np.asarray((1 - _SHRUNKEN) * found + _SHRUNKEN * own)


def _root(square: np.ndarray) -> np.ndarray:
    power, axes = np.linalg.eigh((square + square.T) / 2)
    return np.asarray((axes * np.sqrt(np.maximum(power, 0))) @ axes.T)


def _sharper(image_nyx: np.ndarray, real_nyx: np.ndarray) -> float:
    return float(gradient_energy(image_nyx).mean() / max(gradient_energy(real_nyx).mean(), 1e-12))
