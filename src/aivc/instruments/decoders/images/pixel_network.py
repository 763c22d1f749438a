"""A small network from what surrounds a pixel to the pixel: trained with torch, run with numpy alone."""

from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
from jaxtyping import Float

# Below this, the rate of the last steps, as a share of the highest.
_RATE, _LAST, _DECAY = 4e-3, 0.02, 1e-3


@final
@dataclass(frozen=True, eq=False)
class PixelNetwork:
    """Layers of a perceptron with SiLU between them, on standardized columns.

    Attributes:
        widths: Of the layers, input and output among them.
        center: ``(f,)`` of the columns.
        scale: ``(f,)`` of the columns.
        weights: All weights and biases, layer by layer, in one row.
    """

    widths: tuple[int, ...]
    center: Float[np.ndarray, " f"]
    scale: Float[np.ndarray, " f"]
    weights: Float[np.ndarray, " w"]

    @classmethod
    def fit(
        cls,
        x_nf: np.ndarray,
        y_n: np.ndarray,
        *,
        hidden: tuple[int, ...] = (64, 48),
        steps: int = 800,
        batch: int = 1024,
        seed: int = 0,
    ) -> "PixelNetwork":
        """Minimize the squared error with AdamW, in steps whose rate falls as a cosine.

        Args:
            x_nf: ``(n, f)`` columns.
            y_n: ``(n,)`` targets, of about unit variance.
            hidden: Widths of the layers between.
            steps: Of the optimizer.
            batch: Rows of a step, drawn with replacement.
            seed: Of the first weights and of the draws.
        """
        # Decoders are imported where none is fitted, too.
        import torch

        center, scale = x_nf.mean(axis=0), np.maximum(x_nf.std(axis=0), 1e-6)
        draws = torch.Generator().manual_seed(seed)
        widths = (x_nf.shape[1], *hidden, 1)
        layers = []
        for inner, outer in pairwise(widths):
            weight = torch.randn(outer, inner, generator=draws) * (1.0 / inner) ** 0.5
            layers += [weight.requires_grad_(), torch.zeros(outer).requires_grad_()]
        rows = torch.from_numpy(((x_nf - center) / scale).astype(np.float32))
        wanted = torch.from_numpy(y_n.astype(np.float32))
        optimizer = torch.optim.AdamW(layers, lr=_RATE, weight_decay=_DECAY)
        for step in range(steps):
            share = _LAST + (1 - _LAST) * 0.5 * (1 + np.cos(np.pi * step / steps))
            optimizer.param_groups[0]["lr"] = _RATE * share * min(1.0, (step + 1) / 50)
            picked = torch.randint(len(rows), (min(batch, len(rows)),), generator=draws)
            value = rows[picked]
            for i in range(0, len(layers), 2):
                value = torch.nn.functional.linear(value, layers[i], layers[i + 1])
                value = torch.nn.functional.silu(value) if i + 2 < len(layers) else value
            loss = ((value[:, 0] - wanted[picked]) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        flat = np.concatenate([layer.detach().numpy().ravel() for layer in layers])
        return cls(widths, center.astype(np.float32), scale.astype(np.float32), flat)

    def __call__(self, x_nf: np.ndarray) -> Float[np.ndarray, " n"]:
        """Return the ``(n,)`` output for ``(n, f)`` columns."""
        value, at = (x_nf - self.center) / self.scale, 0
        last = len(self.widths) - 2
        for i, (inner, outer) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            weight = self.weights[at : at + inner * outer].reshape(outer, inner)
            bias = self.weights[at + inner * outer : at + (inner + 1) * outer]
            at += (inner + 1) * outer
            value = value @ weight.T + bias
            value = value / (1 + np.exp(-np.clip(value, -60, 60))) if i < last else value
        return np.asarray(value[:, 0])
