"""The one gradient loop: warm-up and cosine, clipping, validation, checkpoints, several devices, exact resume."""

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, cast, final, runtime_checkable

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.model_parallel import ModelParallelStrategy
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.optim import AdamW, Optimizer

from aivc.core.errors import IntegrityError, ScoreError, UnknownNameError
from aivc.core.foreign_text import whole_number
from aivc.core.saved_cell import fitting
from aivc.training import checkpoint
from aivc.training.checkpoint import Checkpoints

PRECISIONS = ("32-true", "bf16-mixed")
STRATEGIES = ("auto", "ddp", "fsdp")
Batch = Mapping[str, Tensor]
Terms = Mapping[str, tuple[Tensor, Tensor]]
Objective = Callable[[nn.Module, Batch], Terms]
Progress = Callable[[int, Mapping[str, float]], None]


@runtime_checkable
class Batches(Protocol):
    """Training data: a pure function of the step, so that the place in the data is the number of the step."""

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        """The share of one of ``world`` processes in the batch of a step; together they are the same for any world."""


@final
@dataclass(frozen=True)
class TrainingRecipe:
    """How to descend, and on what.

    Attributes:
        steps: Steps in all.
        seed: Randomness inside the model at a step is drawn from seed, step and rank, and from nothing else.
        rate: Highest learning rate, reached after the warm-up.
        warmup: Steps over which the rate rises from nothing.
        floor: Share of the highest rate that the cosine ends at.
        decay: Weight decay of matrices; vectors have none.
        clip: Largest norm of a gradient.
        precision: ``32-true`` or ``bf16-mixed``.
        accelerator: ``auto``, ``cpu`` or ``cuda``.
        devices: Devices on each machine.
        nodes: Machines.
        strategy: ``auto``; or, for several processes, started by the loop itself or by ``torchrun``, ``ddp``, or
            ``fsdp``, where each process keeps its share of the weights and of the state of the optimizer.
    """

    steps: int
    seed: int = 0
    rate: float = 1e-3
    warmup: int = 100
    floor: float = 0.05
    decay: float = 0.01
    clip: float = 1.0
    precision: str = "32-true"
    accelerator: str = "cpu"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        if self.strategy not in STRATEGIES:
            raise UnknownNameError("strategy", self.strategy, STRATEGIES)

    def rate_at(self, step: int) -> float:
        """Learning rate of a step, counted from 0."""
        if step < self.warmup:
            return self.rate * (step + 1) / self.warmup
        done = (step - self.warmup) / max(self.steps - self.warmup, 1)
        return self.rate * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(done, 1.0))) / 2)


@final
@dataclass(frozen=True)
class Validation:
    """How to tell when to stop.

    Attributes:
        score: Of the model as it is; lower is better.
        every: Steps between two looks; the last step is looked at too.
        patience: Looks without a better score after which training stops; None never stops early.
    """

    score: Callable[[nn.Module], float]
    every: int = 200
    patience: int | None = None


@final
@dataclass
class History:
    """What happened.

    Attributes:
        steps: Steps done.
        losses: Mean loss of each term at each step, over all processes.
        scores: Step and validation score of each look.
        stopped: Whether it stopped early.
    """

    steps: int = 0
    losses: dict[str, list[float]] = field(default_factory=dict)
    scores: list[tuple[int, float]] = field(default_factory=list)
    stopped: bool = False

    @property
    def best(self) -> tuple[int, float]:
        """Step and score of the best look.

        Raises:
            ScoreError: Nobody looked.
        """
        if not self.scores:
            raise ScoreError("The best step is that of the best validation, but there was none. Pass validation.")
        return min(self.scores, key=lambda look: look[1])


def train(
    model: nn.Module,
    objective: Objective,
    batches: Batches,
    recipe: TrainingRecipe,
    *,
    checkpoints: Checkpoints | None = None,
    validation: Validation | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a model in place; with validation, it ends with the weights that scored best.

    A run whose folder holds a checkpoint of the same recipe goes on from there, to the same weights, bit for bit, that
    it would have reached without the interruption.

    Args:
        model: To be trained.
        objective: Names of loss terms to their sum over a batch and the weight that this sum is to be divided by.
            Sums and weights are added up over processes first, so that several devices minimize what one would.
            It calls ``model(…)`` once.
        batches: Data of a step.
        recipe: Settings.
        checkpoints: Where to save, and to resume from; None saves nothing.
        validation: When to look and when to stop.
        progress: Called with each step's number and losses.

    Raises:
        ScoreError: The loss is no longer a number.
        IntegrityError: The folder holds a damaged checkpoint, or one of another recipe or of other data.
    """
    shards = recipe.strategy == "fsdp"
    fabric = Fabric(
        accelerator=recipe.accelerator,
        devices=recipe.devices,
        num_nodes=recipe.nodes,
        strategy=_fsdp(recipe) if shards else recipe.strategy,
        precision=recipe.precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    # What is sharded stays sharded: the caller's model is left whole, and given the weights at the end.
    work = copy.deepcopy(model) if shards else model
    run = _Run(fabric, work, recipe, checkpoints, validation)
    run.resume(batches)
    # The caller's generator is left as it was found.
    devices = [fabric.device] if fabric.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        run.go(objective, batches, progress)
    if shards:
        checkpoint.load_arrays(model, checkpoint.arrays_of(work))
    return run.history


def _fsdp(recipe: TrainingRecipe) -> ModelParallelStrategy:
    """Shards of one unit per block of a model, or of the whole where it has none, over all processes."""

    def sharded(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
        data = mesh["data_parallel"]
        for module in model.modules():
            if isinstance(module, nn.ModuleList):
                for block in module:
                    fully_shard(block, mesh=data)
        fully_shard(model, mesh=data)
        return model

    return ModelParallelStrategy(sharded, data_parallel_size=recipe.devices * recipe.nodes, tensor_parallel_size=1)


@final
class _Run:
    """One run of the loop, with what changes from step to step."""

    def __init__(
        self,
        fabric: Fabric,
        model: nn.Module,
        recipe: TrainingRecipe,
        checkpoints: Checkpoints | None,
        validation: Validation | None,
    ) -> None:
        self.fabric, self.recipe, self.checkpoints, self.validation = fabric, recipe, checkpoints, validation
        self.plain = model
        # The optimizer is made second: sharding gives a model other parameters.
        self.model = fabric.setup_module(model)
        self.optimizer = cast(Optimizer, fabric.setup_optimizers(_optimizer(model, recipe)))
        self.history = History()
        self.best: dict[str, np.ndarray] = {}
        self.data = ""

    def resume(self, batches: Batches) -> None:
        if self.checkpoints is None:
            return
        # Four batches of all: a step follows from the data and the seed alone.
        steps = sorted({0, *(part * (self.recipe.steps - 1) // 3 for part in (1, 2, 3))} - {-1})
        self.data = checkpoint.fingerprint(batches(step, 0, 1) for step in steps)
        latest = self.checkpoints.latest()
        if latest is None:
            return
        settings, self.best = checkpoint.restore(latest, self.plain, self.optimizer)
        if settings.get("recipe") != asdict(self.recipe):
            raise IntegrityError(
                f"{latest} was made by {settings.get('recipe')}, but this run is {asdict(self.recipe)}. "
                "Use the recipe it was started with, or another folder."
            )
        if settings.get("data") != self.data:
            raise IntegrityError(
                f"{latest} was made on other data, or does not say on which. Give the data it was started with, or "
                "another folder."
            )
        with fitting(f"The checkpoint {latest}"):
            self.history = History(
                whole_number(settings["step"], "The step of a checkpoint", high=self.recipe.steps),
                {name: list(values) for name, values in settings["losses"].items()},
                [(int(step), float(score)) for step, score in settings["scores"]],
                bool(settings["stopped"]),
            )

    def go(self, objective: Objective, batches: Batches, progress: Progress | None) -> None:
        while self.history.steps < self.recipe.steps and not self.history.stopped:
            losses = self.step(objective, batches)
            self.history.steps += 1
            for name, value in losses.items():
                self.history.losses.setdefault(name, []).append(value)
            if progress and self.fabric.is_global_zero:
                progress(self.history.steps, losses)
            self.look()
            self.save()
        if self.best:
            checkpoint.load_arrays(self.plain, self.best)

    def step(self, objective: Objective, batches: Batches) -> dict[str, float]:
        fabric, step = self.fabric, self.history.steps
        # Spread over 64 bits, so that neighbouring steps and ranks do not share streams.
        drawn = np.random.SeedSequence((self.recipe.seed, step, fabric.global_rank)).generate_state(1, np.uint64)
        torch.manual_seed(int(drawn[0]))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate_at(step)
        self.model.train()
        batch = fabric.to_device(dict(batches(step, fabric.global_rank, fabric.world_size)))
        terms = objective(self.model, batch)
        weights = self.over_all(torch.stack([weight.detach().float() for _, weight in terms.values()]), "sum")
        # Gradients are averaged over processes, so each process counts its share `world` times.
        shares = [total / weight for (total, _), weight in zip(terms.values(), weights.clamp_min(1e-12), strict=True)]
        fabric.backward(torch.stack(shares).sum() * fabric.world_size)
        fabric.clip_gradients(self.model, self.optimizer, max_norm=self.recipe.clip, error_if_nonfinite=False)
        values = self.over_all(torch.stack([share.detach().float() for share in shares]), "sum")
        if not torch.isfinite(values).all():
            raise ScoreError(
                f"The loss at step {step + 1} is {values.tolist()}, not a number. Lower the rate, or lengthen the "
                "warm-up; the last checkpoint is whole."
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return dict(zip(terms, values.tolist(), strict=True))

    def over_all(self, values: Tensor, how: str) -> Tensor:
        """The sum or mean of what every process has."""
        return values if self.fabric.world_size == 1 else cast(Tensor, self.fabric.all_reduce(values, reduce_op=how))

    def look(self) -> None:
        done, wanted = self.history.steps, self.validation
        if wanted is None or (done % wanted.every and done != self.recipe.steps):
            return
        self.model.eval()
        with torch.no_grad():
            own = torch.tensor(wanted.score(self.model), dtype=torch.float32, device=self.fabric.device)
        # One answer for all, lest some stop and others wait for them.
        score = float(self.over_all(own, "mean"))
        if not self.history.scores or score < self.history.best[1]:
            self.best = checkpoint.arrays_of(self.plain)
        self.history.scores.append((done, score))
        best = self.history.best[0]
        behind = sum(step > best for step, _ in self.history.scores)
        self.history.stopped = wanted.patience is not None and behind >= wanted.patience

    def save(self) -> None:
        history, where = self.history, self.checkpoints
        due = where and (not history.steps % where.every or history.steps == self.recipe.steps or history.stopped)
        if not due or where is None:
            return
        writes = self.fabric.is_global_zero
        if writes or self.recipe.strategy == "fsdp":
            settings: dict[str, Any] = {
                "recipe": asdict(self.recipe),
                "data": self.data,
                "losses": history.losses,
                "scores": history.scores,
                "stopped": history.stopped,
            }
            checkpoint.save(where, history.steps, settings, self.plain, self.optimizer, self.best, write=writes)
        self.fabric.barrier()


def _optimizer(model: nn.Module, recipe: TrainingRecipe) -> Optimizer:
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [weight for weight in weights if weight.ndim > 1], "weight_decay": recipe.decay},
        {"params": [weight for weight in weights if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], lr=recipe.rate, betas=(0.9, 0.98))


def rows(batch: Batch, rank: int, world: int) -> dict[str, Tensor]:
    """The share of one process in a batch that every process can make whole: every ``world``-th row."""
    return {name: tensor[rank::world] for name, tensor in batch.items()}
