"""Virtual staining: what one channel of a cell would show, from its other channels."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import pandas as pd
from jaxtyping import Float

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.image_decoder import ImageDecoder
from aivc.core.measurement import Measurement
from aivc.instruments.decoders.images.local_filters import levels, local_filters
from aivc.instruments.decoders.images.pixel_network import PixelNetwork
from aivc.instruments.decoders.images.pixels import LEAST, channels_of, pixel_pearson, pixels
from aivc.instruments.decoders.ridge import decompose, solve

# Crops that are fitted and judged at most, pixels of each, and crops in memory with all their responses.
_CROPS, _JUDGED, _PIXELS, _BLOCK = 800, 120, 160, 32
# Penalty of the levels, as a share of a crop's power: levels of three channels lie close to one line.
_LEVELS = 1.0


class _Pattern(NamedTuple):
    """Standardized pixels of a channel: the mean image, and the network that adds to it."""

    average_yx: np.ndarray
    network: PixelNetwork


@final
@dataclass(frozen=True, eq=False)
class VirtualStain(ImageDecoder):
    """A small network on what surrounds each pixel, for the pattern; a regression of the levels, for the amount.

    The network sees filter responses of the other channels and how far a pixel is from the middle, nothing else, so
    that the stain of a turned cell is the turned stain. Mean and standard deviation of the channel are regressed on
    those of the others. It is kept only if its patterns are more like the real ones than the mean image is, on batches
    held out while fitting; if not, the mean image is the answer, and `notes` says so.

    Attributes:
        target: Channel it predicts.
        channels: Channels it reads.
        sides: Rows and columns of its crops.
        average: ``(y, x)`` mean standardized image of the channel.
        widths: Of the network; none where the mean image is the answer.
        center: ``(f,)`` of the responses.
        scale: ``(f,)`` of the responses.
        weights: Of the network.
        slopes: ``(2c, 2)`` of log mean and log deviation on those of the channels read.
        intercepts: ``(2,)``.
        similarity: ``(2,)`` median pixel correlation on crops held out: of this decoder's network, of the mean image.
        held_out: What was held out to measure it.
        units: Of the images.
    """

    name: ClassVar[str] = "virtual-stain"
    target: str
    channels: tuple[str, ...]
    sides: tuple[int, ...]
    average: Float[np.ndarray, "y x"]
    widths: tuple[int, ...]
    center: Float[np.ndarray, " f"]
    scale: Float[np.ndarray, " f"]
    weights: Float[np.ndarray, " w"]
    slopes: Float[np.ndarray, "k 2"]
    intercepts: Float[np.ndarray, " 2"]
    similarity: Float[np.ndarray, " 2"]
    held_out: str
    units: str

    @classmethod
    def fit(cls, measurement: Measurement, *, seed: int = 0, target: str = "", steps: int = 800) -> "VirtualStain":
        """Fit on crops that hold the channel.

        Args:
            measurement: Crops with two channels at least; batches in the column ``batch``.
            seed: Draws crops, pixels and first weights.
            target: Channel to predict.
            steps: Of each of the two trainings: one that is judged, and the last on all crops.

        Raises:
            DataError: There is one channel only, or too few crops.
            UnknownNameError: There is no such channel.
        """
        named = channels_of(measurement)
        if target not in named:
            raise UnknownNameError("channel", target, named, "Say which channel to predict, such as target='DAPI'.")
        read = tuple(name for name in named if name != target)
        if not read or len(measurement) < 8:
            raise DataError(
                [f"A stain is learned from eight crops or more with another channel; got {len(measurement)} with "
                 f"{', '.join(named)}. Give more."]
            )  # fmt: skip
        draw = np.random.default_rng(seed)
        out_n, held_out = _held_out(measurement, draw)
        taken = _spread(len(measurement), _CROPS, draw)
        image, real = pixels(measurement, read, taken), pixels(measurement, (target,), taken)[:, 0]
        out = out_n[taken]
        x_npf, y_np = _sampled(image, real, draw)
        judged = _pattern(x_npf[~out], y_np[~out], real[~out], steps, seed)
        similarity = _similarity(judged, image[out][:_JUDGED], real[out][:_JUDGED])
        final = _pattern(x_npf, y_np, real, steps, seed)
        kept = similarity[0] > similarity[1]
        net = final.network
        slopes, intercepts = _levels_from(image, real)
        none = np.zeros(0, dtype=np.float32)
        return cls(
            target,
            read,
            tuple(map(int, real.shape[1:])),
            final.average_yx,
            net.widths if kept else (),
            net.center if kept else none,
            net.scale if kept else none,
            net.weights if kept else none,
            slopes,
            intercepts,
            similarity,
            held_out,
            measurement.units,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """How like the real channel it was on what was held out, beside the mean image."""
        own, mean = self.similarity
        said = f"Median pixel correlation on {self.held_out}: {own:.2f}, of the mean image {mean:.2f}"
        if not self.widths:
            return (f"{said}. The mean image is shown: nothing of {self.target} was read from the other channels.",)
        read = " and ".join(self.channels)
        return (
            f"{self.target} is predicted from {read}; nothing of it was measured here. {said}, gain {own - mean:.2f}.",
        )

    def decode(self, measurement: Measurement) -> Measurement:
        """Predict the channel.

        Args:
            measurement: Crops with the channels that it reads.

        Returns:
            Images of one channel, ``(n, 1, y, x)``, in the units of the fit.

        Raises:
            DataError: Crops are of another size.
            UnknownNameError: A channel is missing.
        """
        channels_of(measurement)
        if tuple(measurement.values.shape[2:]) != self.sides:
            got, wanted = (" × ".join(map(str, each)) for each in (measurement.values.shape[2:], self.sides))
            raise DataError([f"This stain was learned on crops of {wanted} pixels, and these are {got}. Cut them so."])
        made = [self._of(block) for block in _blocks(measurement, self.channels)]
        values = np.concatenate(made) if made else np.zeros((0, *self.sides), dtype=np.float32)
        features = np.array([self.target], dtype=object)
        return Measurement(
            values[:, None],
            features,
            measurement.entities,
            self.units,
            modality="image",
            scale=measurement.scale,
            provenance={**measurement.provenance, "predicted": list(self.notes)},
        )

    def _of(self, image_ncyx: np.ndarray) -> np.ndarray:
        pattern = _Pattern(self.average, PixelNetwork(self.widths, self.center, self.scale, self.weights))
        shape_nyx = _drawn(pattern, image_ncyx) if self.widths else np.broadcast_to(self.average, _shape(image_ncyx))
        at = np.exp(_columns(image_ncyx) @ self.slopes + self.intercepts)
        return np.maximum(at[:, 0, None, None] + at[:, 1, None, None] * shape_nyx, 0).astype(np.float32)


def _shape(image_ncyx: np.ndarray) -> tuple[int, ...]:
    return (len(image_ncyx), *image_ncyx.shape[2:])


def _blocks(measurement: Measurement, channels: tuple[str, ...]) -> Iterator[np.ndarray]:
    for start in range(0, len(measurement), _BLOCK):
        yield pixels(measurement, channels, slice(start, start + _BLOCK))


def _spread(n: int, most: int, draw: np.random.Generator) -> np.ndarray:
    return np.sort(draw.permutation(n)[:most])


def _held_out(measurement: Measurement, draw: np.random.Generator) -> tuple[np.ndarray, str]:
    """Which rows are held out to judge by: the batch nearest to a third of all rows, or a fifth of the crops."""
    batch_n = measurement.entities.get("batch", pd.Series("", measurement.entities.index)).astype(str).to_numpy()
    names, count = np.unique(batch_n, return_counts=True)
    if len(names) > 1:
        name = names[np.abs(count - len(batch_n) / 3).argmin()]
        return batch_n == name, f"batch {name}, held out"
    return np.isin(np.arange(len(batch_n)), draw.permutation(len(batch_n))[: max(2, len(batch_n) // 5)]), (
        "a fifth of the crops, held out; there was no other batch"
    )


def _standardized(real_nyx: np.ndarray) -> np.ndarray:
    mean_n1, spread_n1 = levels(real_nyx[:, None])
    return np.asarray((real_nyx - mean_n1[..., None]) / spread_n1[..., None])


def _sampled(image_ncyx: np.ndarray, real_nyx: np.ndarray, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Responses ``(n, p, f)`` and standardized values ``(n, p)`` of some pixels of each crop."""
    wanted_nl = _standardized(real_nyx).reshape(len(real_nyx), -1)
    size = min(_PIXELS, wanted_nl.shape[1])
    at_np = np.array([draw.choice(wanted_nl.shape[1], size, replace=False) for _ in wanted_nl])
    found = []
    for start in range(0, len(image_ncyx), _BLOCK):
        response = local_filters(image_ncyx[start : start + _BLOCK])
        flat = response.reshape(*response.shape[:2], -1)
        found.append(np.take_along_axis(flat, at_np[start : start + _BLOCK, None], axis=2).transpose(0, 2, 1))
    return np.concatenate(found), np.take_along_axis(wanted_nl, at_np, axis=1)


def _pattern(x_npf: np.ndarray, y_np: np.ndarray, real_nyx: np.ndarray, steps: int, seed: int) -> _Pattern:
    network = PixelNetwork.fit(x_npf.reshape(-1, x_npf.shape[2]), y_np.ravel(), steps=steps, seed=seed)
    return _Pattern(_standardized(real_nyx).mean(axis=0).astype(np.float32), network)


def _drawn(pattern: _Pattern, image_ncyx: np.ndarray) -> np.ndarray:
    response = local_filters(image_ncyx)
    flat = response.transpose(0, 2, 3, 1).reshape(-1, response.shape[1])
    return pattern.network(flat).reshape(_shape(image_ncyx))


def _similarity(pattern: _Pattern, image_ncyx: np.ndarray, real_nyx: np.ndarray) -> np.ndarray:
    drawn = np.concatenate([_drawn(pattern, image_ncyx[at : at + _BLOCK]) for at in range(0, len(real_nyx), _BLOCK)])
    mean = np.broadcast_to(pattern.average_yx, real_nyx.shape)
    return np.array([np.median(pixel_pearson(each, real_nyx)) for each in (drawn, mean)])


def _columns(image_ncyx: np.ndarray) -> np.ndarray:
    mean_nc, spread_nc = levels(image_ncyx)
    return np.log(np.concatenate([np.maximum(mean_nc, LEAST), spread_nc], axis=1))


def _levels_from(image_ncyx: np.ndarray, real_nyx: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slopes and intercepts of the log mean and log deviation of a channel on those of others."""
    x_nk, y_nt = _columns(image_ncyx), _columns(real_nyx[:, None])
    spectrum = decompose(x_nk)
    return solve(spectrum, y_nt, np.full(2, _LEVELS * float(spectrum.power.sum()) / max(len(x_nk), 1)))
