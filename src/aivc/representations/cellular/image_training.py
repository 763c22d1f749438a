"""How tokens of images are learned: channels and rings are hidden, and what their light is like has to be read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from aivc.core.measurement import Measurement
from aivc.nn.image import PRESETS, TARGETS, ImageNetwork, described
from aivc.training.checkpoint import Checkpoints
from aivc.training.loop import Batch, Terms, TrainingRecipe, rows, train

# Crops in memory while training; a drawn part of more. Crops that are read at once.
MOST, _BLOCK, _BATCH = 4000, 64, 32
# Half of the views lose whole channels, and all lose this share of the rings that are left.
_RINGS_HIDDEN, _SHIFT = 0.35, 2


@final
@dataclass(frozen=True, eq=False)
class HiddenCrops:
    """Crops to learn from, with the description that is to be read.

    Attributes:
        image: ``(n, c, y, x)`` intensities.
        described: ``(n, c, r, t)`` what each ring of each channel is like, standardized over crops.
        identity: ``(c, i)`` of the channels.
        seed: Draws crops, what is hidden, turns and shifts.
    """

    image: Tensor
    described: Tensor
    identity: Tensor
    seed: int

    def __call__(self, step: int, rank: int, world: int) -> Batch:
        """The share of one process in the crops of a step."""
        draw = np.random.default_rng((self.seed, step))
        n, c, r, _ = self.described.shape
        taken = torch.from_numpy(draw.choice(n, min(_BATCH, n), replace=False))
        hidden_bcr = draw.random((len(taken), c, r)) < _RINGS_HIDDEN
        if c > 1:
            lost_bc = (draw.random((len(taken), c)) < 0.5) & (draw.random((len(taken), 1)) < 0.5)
            hidden_bcr |= lost_bc[..., None]
        # One ring of one channel is always shown.
        kept = draw.integers(0, c * r, len(taken))
        hidden_bcr.reshape(len(taken), -1)[np.arange(len(taken)), kept] = False
        shift = tuple(int(each) for each in draw.integers(-_SHIFT, _SHIFT + 1, 2))
        made = {
            "image": torch.roll(self.image[taken].float(), shift, dims=(2, 3)),
            "hidden": torch.from_numpy(hidden_bcr),
            "described": self.described[taken],
        }
        return {**rows(made, rank, world), "identity": self.identity}


def crops_of(
    measurement: Measurement, channels: np.ndarray, identity_ci: np.ndarray, preset: str, seed: int
) -> HiddenCrops:
    """Crops of the channels, at most 4,000 of them, and their description.

    Args:
        measurement: Images, in memory or on disk.
        channels: ``(c,)`` positions among its features.
        identity_ci: Identity of each.
        preset: Of the network.
        seed: Draws the crops, of more.
    """
    taken = np.sort(np.random.default_rng(seed).permutation(len(measurement))[:MOST])
    image = torch.from_numpy(np.concatenate([block[kept] for kept, block in _blocks(measurement, channels, taken)]))
    with torch.no_grad():
        said = torch.cat([described(part, PRESETS[preset]) for part in torch.split(image, _BLOCK)])
    middle, spread = said.mean(dim=0), said.std(dim=0, correction=0).clamp_min(0.05)
    return HiddenCrops(image, ((said - middle) / spread).clamp(-5, 5), torch.from_numpy(identity_ci).float(), seed)


def _blocks(
    measurement: Measurement, channels: np.ndarray, taken: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each block, with the rows of it that were drawn."""
    for start in range(0, len(measurement), _BLOCK):
        stop = min(start + _BLOCK, len(measurement))
        kept = taken[(taken >= start) & (taken < stop)] - start
        yield kept, np.asarray(measurement.block(start, stop))[:, channels].astype(np.float32)


def objective(model: nn.Module, batch: Batch) -> Terms:
    """Read what was hidden, and, for a tenth as much, what was shown."""
    said = model(batch["image"], batch["identity"], batch["hidden"])
    weight = torch.where(batch["hidden"], 1.0, 0.1)[..., None].expand_as(said)
    return {"described": (((said - batch["described"]) ** 2 * weight).sum(), weight.sum())}


def fresh(preset: str, identity: int, seed: int) -> ImageNetwork:
    """An untrained network; the caller's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ImageNetwork(PRESETS[preset], identity, TARGETS)


def learned(
    crops: HiddenCrops,
    preset: str,
    *,
    steps: int,
    progress: Callable[[int], None] | None = None,
    folder: Path | None = None,
) -> ImageNetwork:
    """A network that has learned to read what was hidden.

    Args:
        crops: To learn from.
        preset: Size of the network.
        steps: Of training.
        progress: Called with the steps done.
        folder: For checkpoints, from which training that was broken off goes on; None keeps none.
    """
    network = fresh(preset, crops.identity.shape[1], crops.seed)
    recipe = TrainingRecipe(steps, seed=crops.seed, rate=2e-3, warmup=max(min(30, steps // 10), 1))
    train(
        network,
        objective,
        crops,
        recipe,
        checkpoints=None if folder is None else Checkpoints(folder, every=max(steps // 5, 1)),
        progress=None if progress is None else lambda step, _: progress(step),
    )
    return network.eval()


def embedded(
    network: ImageNetwork, measurement: Measurement, channels: np.ndarray, identity_ci: np.ndarray
) -> np.ndarray:
    """``(n, e)`` embeddings of crops, a block of which is in memory at a time.

    Args:
        network: In evaluation mode.
        measurement: Images, in memory or on disk.
        channels: ``(c,)`` positions among its features.
        identity_ci: Identity of each.
    """
    device = next(network.parameters()).device
    identity = torch.from_numpy(identity_ci).float().to(device)
    shape, said = network.shape, []
    with torch.no_grad():
        for start in range(0, len(measurement), _BLOCK):
            block = np.asarray(measurement.block(start, min(start + _BLOCK, len(measurement))))[:, channels]
            image = torch.from_numpy(block.astype(np.float32)).to(device)
            hidden = torch.zeros(*image.shape[:2], shape.rings, dtype=torch.bool, device=device)
            said.append(network.embed(image, identity, hidden).double().cpu().numpy())
    return np.concatenate(said) if said else np.zeros((0, shape.queries * shape.width))
