"""Cells in images of any channels as tokens that are learned by hiding; kept only where plates left out gain by it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.molecule import Molecule
from aivc.core.provider import Provider
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.core.state import State
from aivc.core.units import require_units
from aivc.core.ur import UR
from aivc.data.images.layout import is_mask
from aivc.data.streaming.stream import Progress
from aivc.nn.image import PRESETS, TARGETS, ImageNetwork
from aivc.representations.cellular.channel_identity import (
    NAMED,
    PROTEIN,
    STAINED,
    ChannelIdentity,
    gene_axes,
    identity_axes,
)
from aivc.representations.cellular.image_gate import (
    MORPHOLOGY,
    NUMBERS,
    TOKENS,
    UNTRAINED,
    intensity_numbers,
    judge,
    normalizer,
    plates_of,
    plates_to_leave_out,
    table_of,
)
from aivc.representations.cellular.image_training import crops_of, embedded, fresh, learned
from aivc.representations.cellular.morphology_features.cell_features import cell_features, pixel_size
from aivc.training.checkpoint import arrays_of
from aivc.training.weights import arrays_to_weights, network_of, pack_with_weights

# What ``morphology`` leaves out of images by itself; of a table it takes everything.
_BRIGHTNESS = "_Intensity_MeanIntensity_"


@final
@dataclass(frozen=True, eq=False)
class ImageTokens(Encoder):
    """A transformer over rings of channels, relative to the plate's controls; or ``morphology``, where it is no use.

    A channel is known by what it shows: a protein by what a provider knows of its gene, DNA and RNA by tokens of their
    own, others by their names. Whole channels and rings of channels are hidden, and what their light is like is read
    from the rest, without labels. Rotation by a right angle and reflection change nothing, by pooling over
    orientations and places; a lamp that dims all channels alike changes nothing either. Masks are not read.

    It is kept only where, on plates of the fit that were left out of its training, labels are separated better by it
    than by six intensity numbers (mean and deviation of each channel), by the same network untrained, and by
    ``morphology``, by more than two standard errors each. Otherwise states are those of ``morphology``, and `notes`
    says so. Tables of features, and screens without two plates of which one has two labels, are never opened.

    Attributes:
        base: The encoder ``morphology``: of the images where shut, of the embeddings where opened.
        channels: ``(c,)`` channels it was fitted on.
        units: As measured.
        um_per_pixel: Of the images; 0 where it is not known, and for tables.
        preset: Size of the network: cpu-xs, cpu-s, gpu-s or gpu-m.
        genes: Symbols of the genes it knows, and
        axes: ``(g, 32)`` what it knows of them.
        opened: Whether the tokens are kept.
        verdict: ``scores`` and ``errors`` of `Judged`, the ``plates`` that were left out, or the ``reason`` why none.
        weights: Arrays of the network, by name; none where it was not kept.
    """

    name: ClassVar[str] = "image-tokens"
    scale: ClassVar[Scale] = Scale.CELLULAR
    base: Encoder
    channels: np.ndarray
    units: str
    um_per_pixel: float
    preset: str
    genes: tuple[str, ...]
    axes: Float[np.ndarray, "g e"]
    opened: bool = False
    verdict: dict[str, Any] = field(default_factory=dict)
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(  # noqa: PLR0913 - those of every encoder, and how the network is learned
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
        preset: str = "cpu-s",
        steps: int = 200,
        provider: Provider | None = None,
        progress: Progress | None = None,
        folder: str | Path | None = None,
    ) -> "ImageTokens":
        """Fit on training crops; labels decide whether the tokens are kept, and no state is learned from them.

        Args:
            measurement: Crops with controls, their plates in the column ``batch``; or a table of features.
            dim: Number of axes, as of ``morphology``.
            seed: Draws weights, crops, what is hidden, turns.
            units: None, or those of the measurement.
            preset: Size of the network: cpu-xs, cpu-s, gpu-s or gpu-m; the last two are meant for GPUs.
            steps: Of each training; none leaves the states of ``morphology``.
            provider: Of what is known of the genes that channels show; None knows them by their names.
            progress: Called with what is being done, how far, of how much.
            folder: For checkpoints, from which a fit that was broken off goes on.

        Raises:
            ControlError: There are fewer than three controls.
            DataError: No feature varies, or crops are not square.
            UnitsError: Other units are asked for.
            UnknownNameError: There is no such preset.
        """
        if preset not in PRESETS:
            raise UnknownNameError("preset", preset, PRESETS)
        base = ENCODERS.load(MORPHOLOGY).fit(measurement, dim=dim, seed=seed, units=units)
        if measurement.is_table:
            none, verdict = np.zeros((0, 0)), {"reason": "a table of features has no pixels"}
            return cls(base, measurement.features, measurement.units, 0.0, preset, (), none, verdict=verdict)
        channels = np.array([str(name) for name in _seen(measurement)], dtype=object)
        genes = _genes(channels, provider)
        size, axes_ge = pixel_size(measurement) or 0.0, gene_axes(genes, provider)
        shut = cls(base, channels, measurement.units, size, preset, genes, axes_ge)
        plates = plates_to_leave_out(measurement)
        if not plates or not steps:
            reason = "no steps were asked for" if plates else "no plate with controls and another label beside a second"
            return dataclasses.replace(shut, verdict={"reason": reason})
        work = _Work(shut, measurement, seed, steps, progress, None if folder is None else Path(folder))
        return work.decided(plates, dim)

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.base.dim

    @property
    def notes(self) -> tuple[str, ...]:
        """Whether the tokens are kept and why, and which wells set the normalization."""
        if "reason" in self.verdict:
            return (f"Shut: {self.verdict['reason']}. States are those of morphology.", *self.base.notes)
        scores = self.verdict["scores"]
        beside = ", ".join(
            f"{scores[name]:.3f} {text}"
            for name, text in (
                (TOKENS, "by tokens"),
                (NUMBERS, "by intensity numbers"),
                (UNTRAINED, "by the untrained network"),
                (MORPHOLOGY, "by morphology"),
            )
        )
        said = f"Labels separated on plates left out of training ({', '.join(self.verdict['plates'])}): {beside}."
        kept = "Opened: states are those of the tokens." if self.opened else (
            "Shut: tokens do not beat all of these by two standard errors. States are those of morphology."
        )  # fmt: skip
        return (f"{kept} {said}", *self.base.notes)

    @cached_property
    def network(self) -> ImageNetwork | None:
        """The tokens, in evaluation mode; None where they were not kept."""
        if not self.weights:
            return None
        identity = identity_axes([], self.genes, self.axes).shape[1]
        return network_of(lambda: ImageNetwork(PRESETS[self.preset], identity, TARGETS), self.weights)

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack_with_weights(self)

    @classmethod
    def from_state(cls, state: State) -> "ImageTokens":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this encoder.
        """
        weights, plain = arrays_to_weights(state.arrays)
        encoder = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        encoder.network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return encoder

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """States of crops, from whichever channels are there.

        Where opened, channels that were not there in the fit are read if what they show is known: DNA, RNA, or one of
        `genes`. Others say nothing and are left out.

        Raises:
            DataError: Pixels are of another size, or crops are not square.
            UnitsError: Values are in other units.
            UnknownNameError: None of the channels or features can be read.
        """
        if not self.opened:
            ur = self.base.encode(measurement, parts)
            return UR(ur.values, self.writes, ur.entities, ur.variance, ur.mass)
        require_units(self.name, self.units, measurement.units, "Bring the data in the units of the fit, or fit again.")
        where, identity_ci = self._readable(measurement)
        assert self.network is not None
        x_ne = embedded(self.network, measurement, where, identity_ci)
        ur = self.base.encode(table_of(x_ne, measurement))
        return UR(ur.values, self.writes, measurement.entities, ur.variance, measurement.mass)

    def _readable(self, measurement: Measurement) -> tuple[np.ndarray, np.ndarray]:
        """Positions of channels that can be read, and their identities.

        Raises:
            DataError: These are no square crops, or pixels are of another size.
            UnknownNameError: There is none.
        """
        sides = measurement.values.shape[2:]
        if len(sides) != 2 or sides[0] != sides[1]:
            raise DataError([f"{self.name} reads square crops, (n, c, y, x) with y = x; got sides {sides}. Cut crops."])
        size = pixel_size(measurement)
        if self.um_per_pixel and size and abs(size - self.um_per_pixel) > 1e-3 * size:
            raise DataError(
                [
                    f"{self.name} was fitted on pixels of {self.um_per_pixel:g} µm, and these are {size:g} µm. Bring "
                    "the images to one size, or fit again."
                ]
            )
        seen = [str(name) for name in _seen(measurement)]
        known = [name for name in seen if name in self.channels or ChannelIdentity.of(name, self.genes).kind != NAMED]
        if not known:
            raise UnknownNameError("channel", str(self.channels[0]), map(str, measurement.features))
        # Sorted, so that sums over channels do not depend on their order in the file.
        return self.identified(measurement, sorted(known))

    def identified(self, measurement: Measurement, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """Positions of channels, and ``(c, i)`` what is known of each."""
        place = {str(name): i for i, name in enumerate(measurement.features)}
        identities = [ChannelIdentity.of(name, self.genes) for name in names]
        return np.array([place[name] for name in names]), identity_axes(identities, self.genes, self.axes)


@final
@dataclass(frozen=True, eq=False)
class _Work:
    """One fit: what it learns from, and how."""

    shut: ImageTokens
    measurement: Measurement
    seed: int
    steps: int
    progress: Progress | None
    folder: Path | None

    def decided(self, plates: list[str], dim: int) -> ImageTokens:
        """Ask plates left out, and learn from all where they gain."""
        names, values = cell_features(self.measurement)
        kept = np.array([_BRIGHTNESS not in str(name) for name in names])
        rivals = {MORPHOLOGY: values[:, kept], NUMBERS: intensity_numbers(self.measurement)}
        judged = judge(self.measurement, plates, rivals, self.without, dim)
        verdict = {"scores": judged.scores, "errors": judged.errors, "plates": list(judged.plates)}
        if not judged.scores:
            verdict = {"reason": "plates left out hold too little to tell labels apart"}
        if not judged.opened:
            return dataclasses.replace(self.shut, verdict=verdict)
        return self.opened(self.learned(self.measurement, "all plates"), dim, verdict)

    def opened(self, network: ImageNetwork, dim: int, verdict: dict[str, Any]) -> ImageTokens:
        table = table_of(self.embedded(network), self.measurement)
        base, weights = normalizer(table, dim), arrays_of(network)
        return dataclasses.replace(self.shut, base=base, opened=True, verdict=verdict, weights=weights)

    def without(self, plate: str) -> dict[str, np.ndarray]:
        """Embeddings by a network that did not see a plate, and by one that saw nothing."""
        rest = self.measurement.take(plates_of(self.measurement) != plate)
        network = self.learned(rest, f"without plate {plate}")
        untrained = fresh(self.shut.preset, self.identities[1].shape[1], self.seed).eval()
        return {TOKENS: self.embedded(network), UNTRAINED: self.embedded(untrained)}

    def learned(self, measurement: Measurement, what: str) -> ImageNetwork:
        where, identity_ci = self.identities
        crops = crops_of(measurement, where, identity_ci, self.shut.preset, self.seed)
        report = self.progress
        return learned(
            crops,
            self.shut.preset,
            steps=self.steps,
            progress=None if report is None else lambda step: report(f"learning from images, {what}", step, self.steps),
            folder=None if self.folder is None else self.folder / what.replace(" ", "-").replace("/", "-"),
        )

    def embedded(self, network: ImageNetwork) -> np.ndarray:
        return embedded(network, self.measurement, *self.identities)

    @cached_property
    def identities(self) -> tuple[np.ndarray, np.ndarray]:
        return self.shut.identified(self.measurement, sorted(map(str, self.shut.channels)))


def _seen(measurement: Measurement) -> list[str]:
    """Channels that were recorded, without masks."""
    seen = measurement.observed
    everywhere = np.ones(len(measurement.features), dtype=bool)
    here = everywhere if seen is None else np.asarray(np.atleast_2d(seen).all(axis=0), dtype=bool).ravel()
    return [str(name) for name, there in zip(measurement.features, here, strict=True) if there and not is_mask(name)]


def _genes(channels: np.ndarray, provider: Provider | None) -> tuple[str, ...]:
    """Genes that stains show, and those that name a channel, as far as the provider knows them."""
    named = [str(name).strip().upper() for name in channels if ChannelIdentity.of(str(name)).kind == NAMED]
    if provider is None or not named:
        return STAINED
    kind = "gene" if "gene" in provider.kinds else PROTEIN
    known = provider.embed([Molecule(kind, symbol, "human") for symbol in named]).known
    return tuple(sorted({*STAINED, *(symbol for symbol, there in zip(named, known, strict=True) if there)}))
