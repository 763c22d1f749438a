"""The count autoencoder: the plain deep baseline that a better cell encoder has to beat."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.state import State
from aivc.core.units import COUNTS, log1p_units, parse_units, require_units
from aivc.core.ur import UR
from aivc.data.streaming.normalize import Block
from aivc.data.streaming.shards import Shards
from aivc.data.streaming.stream import chunks, groups
from aivc.nn.counts import CountNetwork
from aivc.training.cells import CellLoader, MemoryCells, ShardCells
from aivc.training.checkpoint import Checkpoints, arrays_of
from aivc.training.loop import Batch, Terms, TrainingRecipe, train
from aivc.training.weights import arrays_to_weights, network_of, pack_with_weights

_AT_ONCE, _BATCH, _TOTAL = 2048, 128, 10_000.0
_EPOCHS, _FEWEST_STEPS, _MOST_STEPS, _WARM = 80, 300, 20_000, 0.5


@final
@dataclass(frozen=True, eq=False)
class CountVAE(Encoder):
    """A variational autoencoder of counts with a negative binomial likelihood, as scVI's (Lopez et al. 2018).

    It is the deep baseline, and plain: one hidden layer of 128 on either side; the decoder, not the encoder, is given
    the batch of a cell, where the column ``batch`` holds more than one. Its variance is that of the posterior, which
    knows nothing of features that were not measured. It therefore refuses a panel that lacks one of its features, or
    did not observe it everywhere; to fill such a panel with zeros, as is usual for these models, is a step of its own
    that it leaves to the caller. ``ppca`` takes any panel.

    Attributes:
        features: ``(f,)`` names it was fitted on.
        axes: Number of axes.
        batches: Names of the batches, sorted; ``all`` where there was no such column.
        weights: Arrays of the network, by name.
    """

    name: ClassVar[str] = "count-vae"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    axes: int
    batches: tuple[str, ...]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
        recipe: TrainingRecipe | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> "CountVAE":
        """Fit on training cells, in memory or, never loaded whole, in shards on disk.

        Args:
            measurement: Counts, observed everywhere. On disk: ``write_shards(...).measurement()``.
            dim: Number of axes.
            seed: Draws the first weights, the order of the cells, and the states.
            units: None or ``counts``: the likelihood is one of counts.
            recipe: How to descend; None takes 80 rounds through the cells, but 300 steps at least and 20,000 at
                most. Its seed is replaced by ``seed``.
            checkpoints: Where to save, and to go on from after an interruption.

        Raises:
            UnitsError: The values are not counts, or other units are asked for.
            DataError: A cell without counts or without a batch where others have one, a value that is no count, a
                feature that was not observed everywhere, or values on disk that are no shards.
        """
        measurement.require_table(cls.name)
        require_units(cls.name, COUNTS, measurement.units if units is None else parse_units(units), _REMEDY)
        require_units(cls.name, COUNTS, measurement.units, _REMEDY)
        if measurement.observed is not None and not measurement.observed.all():
            missing = int((~np.atleast_2d(measurement.observed).all(axis=0)).sum())
            problem = f"{missing} features were not observed everywhere. Select the others first; ppca takes any panel."
            raise DataError([problem])
        for _, block in chunks(measurement):
            _require_counts(block)
        batches, code_n = _batches(measurement)
        encoder = cls(measurement.features, dim, batches)
        recipe = dataclasses.replace(recipe or _recipe(len(measurement)), seed=seed)
        steps = _Steps(_loader(measurement, seed), code_n, encoder.columns, max(int(_WARM * recipe.steps), 1))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = encoder._empty()
        train(network, objective, steps, recipe, checkpoints=checkpoints)
        return dataclasses.replace(encoder, weights=arrays_of(network))

    def _empty(self) -> CountNetwork:
        return CountNetwork(len(self.features), self.axes, self.columns)

    @property
    def columns(self) -> int:
        """How many columns tell the decoder the batch: none where there is but one."""
        return len(self.batches) if len(self.batches) > 1 else 0

    @cached_property
    def network(self) -> CountNetwork:
        """The autoencoder, in evaluation mode."""
        return network_of(self._empty, self.weights)

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack_with_weights(self)

    @classmethod
    def from_state(cls, state: State) -> "CountVAE":
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this encoder.
        """
        weights, plain = arrays_to_weights(state.arrays)
        encoder = dataclasses.replace(super().from_state(State(state.settings, plain)), weights=weights)
        encoder.network  # noqa: B018 - a wrong shape or a missing array is refused now, not at the first question
        return encoder

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.axes

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Posterior mean and variance of each state; features are matched by name, and others are ignored.

        Raises:
            UnitsError: The values are not counts.
            UnknownNameError: A feature of the fit is missing, or was not observed.
            DataError: A cell without counts of these features, or a value that is no count.
        """
        measurement.require_table(self.name)
        require_units(self.name, COUNTS, measurement.units, _REMEDY)
        columns = self._columns(measurement)
        z_nd, variance_nd = np.empty((len(measurement), self.dim)), np.empty((len(measurement), self.dim))
        for rows, block in chunks(measurement, _AT_ONCE):
            own = block[:, columns]
            _require_counts(own)
            with torch.no_grad():
                mean, variance = self.network.posterior(_tensor(own))
            z_nd[rows], variance_nd[rows] = mean.numpy(), variance.numpy()
        return UR(z_nd, self.writes, measurement.entities, variance_nd, measurement.mass)

    def _columns(self, measurement: Measurement) -> np.ndarray:
        index = {name: i for i, name in enumerate(measurement.features)}
        seen_f = np.ones(len(index), dtype=bool)
        if measurement.observed is not None:
            seen_f &= np.atleast_2d(measurement.observed).all(axis=0)
        missing = [name for name in self.features if name not in index or not seen_f[index[name]]]
        if missing:
            seen = [str(name) for name, i in index.items() if seen_f[i]]
            remedy = f"{len(missing)} features are missing; count-vae needs every one of its fit. ppca takes any panel."
            raise UnknownNameError("observed feature", str(missing[0]), seen, remedy)
        return np.array([index[name] for name in self.features])

    def corrected(self, ur: UR, batch: str) -> Measurement:
        """Expected expression of each cell, had it been read in another batch: its state decoded as of that batch.

        Args:
            ur: States of this encoder; their means are decoded.
            batch: One of ``batches``.

        Returns:
            Expected share of each feature in a cell's total, as ``log1p_cp10k``; entities keep their own columns.

        Raises:
            SpaceError: The states are not of this encoder.
            UnknownNameError: It was not fitted on such a batch.
        """
        self.writes.require(ur.space, self.name)
        if batch not in self.batches:
            raise UnknownNameError("batch", batch, self.batches, "Ask for one of those it was fitted on.")
        code_n = np.full(len(ur), self.batches.index(batch))
        values_nf = np.empty((len(ur), len(self.features)), dtype=np.float32)
        for start in range(0, len(ur), _AT_ONCE):
            few = slice(start, start + _AT_ONCE)
            with torch.no_grad():
                share_nf = self.network.log_shares(_tensor(ur.values[few]), _one_hot(code_n[few], self.columns)).exp()
            values_nf[few] = torch.log1p(_TOTAL * share_nf).numpy()
        made = {"corrected": {"by": self.name, "batch": batch}}
        return Measurement(values_nf, self.features, ur.entities, log1p_units(_TOTAL), provenance=made)


_REMEDY = "Its likelihood is one of counts: start from them, or use ppca, which takes any units."


@final
@dataclass(frozen=True, eq=False)
class _Steps:
    """Batches of the loop: counts, batch of origin, and how much the prior weighs at that step."""

    cells: CellLoader
    code_n: np.ndarray
    columns: int
    warm: int

    def __call__(self, step: int, rank: int, world: int) -> dict[str, Tensor]:
        cells = self.cells.batches(step, rank, world)
        return {
            "count": _tensor(cells.values),
            "batch": _one_hot(self.code_n[cells.rows], self.columns),
            "prior": torch.tensor(min(1.0, (step + 1) / self.warm)),
        }


def objective(model: nn.Module, batch: Batch) -> Terms:
    """Negative evidence lower bound per feature; the prior's part grows from nothing over the warm-up."""
    mean_nd, variance_nd, likely_nf = model(batch["count"], batch["batch"])
    apart_nd = 0.5 * (mean_nd**2 + variance_nd - variance_nd.log() - 1)
    weight = torch.tensor(float(likely_nf.numel()), device=likely_nf.device)
    return {"counts": (-likely_nf.sum(), weight), "prior": (batch["prior"] * apart_nd.sum(), weight)}


def _loader(measurement: Measurement, seed: int) -> CellLoader:
    batch = min(_BATCH, len(measurement))
    if isinstance(measurement.values, Shards):
        return ShardCells(measurement.values, batch, seed)
    if measurement.in_memory:
        return MemoryCells(measurement, batch, seed)
    raise DataError(
        ["Training reads cells in random order, for which these values on disk are not laid out. "
         "Write them once, and fit on those: write_shards(measurement, folder).measurement()."]
    )  # fmt: skip


def _batches(measurement: Measurement) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the batches, and which of them each cell is of."""
    if "batch" not in measurement.entities:
        return ("all",), np.zeros(len(measurement), dtype=int)
    found = groups(measurement, ["batch"])
    return tuple(map(str, found.labels["batch"])), found.codes


def _require_counts(block: Block) -> None:
    values: np.ndarray = block if isinstance(block, np.ndarray) else block.data
    bad = int((~(np.isfinite(values) & (values >= 0))).sum())
    empty = int((np.asarray(block.sum(axis=1)) == 0).sum())
    problems = []
    if bad:
        problems.append(f"{bad} values are negative, infinite or NaN, which counts never are. Start from the counts.")
    if empty:
        problems.append(
            f"{empty} cells have no counts of these features. Leave them out: measurement.take(totals > 0)."
        )
    if problems:
        raise DataError(problems)


def _one_hot(code_n: np.ndarray, columns: int) -> Tensor:
    if not columns:
        return torch.zeros(len(code_n), 0)
    return F.one_hot(torch.from_numpy(code_n.astype(np.int64)), columns).float()


def _tensor(block: Block) -> Tensor:
    dense = block if isinstance(block, np.ndarray) else block.toarray()
    return torch.from_numpy(np.ascontiguousarray(dense, dtype=np.float32))


def _recipe(cells: int) -> TrainingRecipe:
    steps = int(np.clip(_EPOCHS * cells // min(_BATCH, cells), _FEWEST_STEPS, _MOST_STEPS))
    return TrainingRecipe(steps, rate=1e-3, warmup=min(100, steps // 10), decay=1e-6)
