"""A coupling of two clouds, kept as potentials: rows are computed when they are asked for, in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from aivc.nn.transport.batched import squared_distances
from aivc.nn.transport.certificate import Certificate

# Entries of the plan that are in memory at once.
_BLOCK = 4_000_000


@final
@dataclass(frozen=True, eq=False)
class Coupling:
    """An entropic plan between ``n`` and ``m`` points, as its potentials.

    The row of a point is a distribution over the points reached. The rule holds for points outside the plan as well
    (the entropic map of Pooladian & Niles-Weed 2021), so all methods take other points than those that were coupled.

    Attributes:
        x: ``(n, d)`` points moved.
        y: ``(m, d)`` points reached.
        log_n: ``(n,)`` logarithms of weights that add up to one.
        log_m: ``(m,)`` of the side reached.
        damp_n: How strictly sums of the side moved hold; 1 exactly.
        damp_m: Of the side reached.
        f_n: ``(n,)`` potential of the points moved, in units of epsilon.
        g_m: ``(m,)`` of the points reached.
        unit: Squared distance that costs one epsilon.
        center: ``(d,)`` subtracted from points before distances are taken.
        certificate: What the plan is worth.
    """

    x: Float[Tensor, "n d"]
    y: Float[Tensor, "m d"]
    log_n: Float[Tensor, " n"]
    log_m: Float[Tensor, " m"]
    damp_n: float
    damp_m: float
    f_n: Float[Tensor, " n"]
    g_m: Float[Tensor, " m"]
    unit: float
    center: Float[Tensor, " d"]
    certificate: Certificate | None = None

    def rows(self, points: Float[Tensor, "p d"] | None = None) -> Float[Tensor, "p m"]:
        """Where each point goes: distributions over the points reached. All at once; ask for some points only."""
        return torch.cat([torch.softmax(logits, dim=1) for _, logits in self._blocks(self._points(points))])

    def growth(self, points: Float[Tensor, "p d"] | None = None) -> Float[Tensor, " p"]:
        """Mass that a point sends for each unit of its weight; 1 where sums are exact."""
        points = self._points(points)
        if self.damp_n == 1.0:
            return torch.ones_like(points[:, 0])
        sums = [torch.logsumexp(logits, dim=1) for _, logits in self._blocks(points)]
        return ((1 - self.damp_n) * torch.cat(sums)).exp()

    def expected(
        self, points: Float[Tensor, "p d"] | None = None, values: Float[Tensor, "m e"] | None = None
    ) -> Float[Tensor, "p e"]:
        """Mean over where each point goes: of the points reached (barycentric map), or of their ``values``."""
        values = self.y if values is None else values
        return torch.cat([torch.softmax(logits, dim=1) @ values for _, logits in self._blocks(self._points(points))])

    def drawn(self, at_p: Float[Tensor, " p"], points: Float[Tensor, "p d"] | None = None) -> Int[Tensor, " p"]:
        """Index of one point reached for each point, at a place ``at_p`` between 0 and 1 of its cumulative row."""
        found = []
        for rows, logits in self._blocks(self._points(points)):
            total = torch.softmax(logits, dim=1).cumsum(1)
            place = at_p[rows, None].to(total.dtype) * total[:, -1:]
            found.append(torch.searchsorted(total, place).squeeze(1).clamp_max(len(self.y) - 1))
        return torch.cat(found)

    def pushed(self, weight_p: Float[Tensor, " p"], points: Float[Tensor, "p d"] | None = None) -> Float[Tensor, " m"]:
        """Mass that arrives at each point reached when points of these weights are moved."""
        points, sums_m = self._points(points), torch.zeros_like(self.g_m)
        for rows, logits in self._blocks(points):
            # exp(f + log of the row's sum) is the growth of the point.
            grown = ((1 - self.damp_n) * torch.logsumexp(logits, dim=1)).exp()
            sums_m += (weight_p[rows] * grown) @ torch.softmax(logits, dim=1)
        return sums_m

    def _points(self, points: Tensor | None) -> Tensor:
        return self.x if points is None else points.to(self.x.dtype)

    def _blocks(self, points: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Logarithms of rows before they are made to add up, so many at a time."""
        step = max(1, _BLOCK // len(self.y))
        held_m = self.g_m + self.log_m
        for start in range(0, len(points), step):
            rows = slice(start, start + step)
            cost = squared_distances(points[rows] - self.center, self.y - self.center)
            yield rows, cost.mul_(-1 / self.unit).add_(held_m)
