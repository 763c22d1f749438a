"""Solve for a coupling of two clouds, whatever their size, and certify it."""

import dataclasses
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from aivc.core.errors import DataError
from aivc.nn.transport.batched import squared_distances
from aivc.nn.transport.certificate import Certificate
from aivc.nn.transport.coupling import Coupling
from aivc.nn.transport.scaling import Sides, scale

_WATCHED = 20_000


@final
@dataclass(frozen=True)
class PlanSettings:
    """How two clouds are coupled. Costs are squared distances, divided by their mean.

    Attributes:
        epsilon: Entropic blur, in mean costs; towards 0 the plan becomes the exact one, and takes more rounds.
        reach_n: Penalty, in mean costs, on the divergence of the sums from the weights of the side moved: its points
            may grow and die. None keeps them exactly. With one side relaxed the plan is semi-relaxed, with both
            unbalanced.
        reach_m: The same of the side reached.
        rounds: Most rounds of scaling.
        tolerance: Largest total error of the sums, in shares of the mass.
        landmarks: Most points of either side that are solved for; of more, so many are drawn by weight.
        seed: Draws them.

    Raises:
        DataError: A number is out of range.
    """

    epsilon: float = 0.05
    reach_n: float | None = None
    reach_m: float | None = None
    rounds: int = 5000
    tolerance: float = 1e-3
    landmarks: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        positive = [self.epsilon, self.rounds, self.tolerance, self.landmarks - 1]
        positive += [each for each in (self.reach_n, self.reach_m) if each is not None]
        if not all(each > 0 for each in positive):
            raise DataError(
                [f"Epsilon, reaches, rounds and tolerance are positive, landmarks two or more; got {self}."]
            )

    def damp(self, reach: float | None) -> float:
        """By which a potential answers the sums."""
        return 1.0 if reach is None else reach / (reach + self.epsilon)


def couple(
    x_nd: Float[Tensor, "n d"],
    y_md: Float[Tensor, "m d"],
    settings: PlanSettings | None = None,
    *,
    weight_n: Float[Tensor, " n"] | None = None,
    weight_m: Float[Tensor, " m"] | None = None,
    strict: bool = True,
) -> Coupling:
    """Couple two clouds: who of one could have become whom of the other.

    Clouds of more points than ``landmarks`` are coupled through as many of them, drawn by weight. The potentials say
    the row of any other point (`Coupling.rows`), so that memory grows with the number of points, never with their
    product.

    Args:
        x_nd: Points moved.
        y_md: Points reached, in the same units.
        settings: How; `PlanSettings` by default.
        weight_n: Of the points moved, positive; alike by default. They are made to add up to one.
        weight_m: Of the points reached.
        strict: Refuse a plan that did not converge; otherwise its certificate says so.

    Raises:
        ConvergenceError: The sums are not right within the tolerance, and ``strict``.
        DataError: A cloud is empty, not finite, or has weights that are not positive.

    >>> plan = couple(torch.tensor([[0.0], [10.0]]), torch.tensor([[11.0], [1.0]]), PlanSettings(epsilon=0.01))
    >>> plan.rows().argmax(dim=1).tolist()
    [1, 0]
    """
    settings = settings or PlanSettings()
    _check(x_nd, y_md, weight_n, weight_m)
    start, end = _Cloud.of(x_nd, weight_n, settings, 0), _Cloud.of(y_md, weight_m, settings, 1)
    # Far from the origin, squares of single precision would drown the distances.
    center_d = x_nd.mean(0)
    cost_nm = squared_distances(start.points - center_d, end.points - center_d)
    unit = max(float(cost_nm.mean()), 1e-30)
    cost_nm.mul_(1 / (unit * settings.epsilon))
    damps = settings.damp(settings.reach_n), settings.damp(settings.reach_m)
    sides = Sides(start.weight.log(), end.weight.log(), *damps)
    found = scale(cost_nm, sides, rounds=settings.rounds, tolerance=settings.tolerance)
    del cost_nm
    plan = Coupling(start.points, end.points, *sides, found.f_n, found.g_m, unit * settings.epsilon, center_d)
    some = len(start.points) < len(x_nd) or len(end.points) < len(y_md)
    left = start.weight * (1 - plan.growth())
    certificate = Certificate(
        epsilon=settings.epsilon,
        reach_n=settings.reach_n,
        reach_m=settings.reach_m,
        rounds=found.rounds,
        error=found.error,
        tolerance=settings.tolerance,
        mass=float((start.weight * plan.growth()).sum()),
        destroyed=float(left.clamp_min(0).sum()),
        created=float((-left).clamp_min(0).sum()),
        domain=found.domain,
        landmarks=(len(start.points), len(end.points)) if some else None,
        error_beyond=_beyond(plan, x_nd, weight_n, settings) if some else None,
    )
    plan = dataclasses.replace(plan, certificate=certificate)
    if strict:
        certificate.require("A coupling")
    return plan


@final
@dataclass(frozen=True, eq=False)
class _Cloud:
    """Points that are solved for, and their weights, which add up to one."""

    points: Tensor
    weight: Tensor

    @classmethod
    def of(cls, points: Tensor, weight: Tensor | None, settings: PlanSettings, side: int) -> "_Cloud":
        weight = torch.ones_like(points[:, 0]) if weight is None else weight.to(points.dtype)
        if len(points) > settings.landmarks:
            generator = torch.Generator().manual_seed(2 * settings.seed + side)
            drawn = torch.multinomial(weight.double(), settings.landmarks, generator=generator).sort().values
            # Drawn by weight, they stand for equal shares.
            points, weight = points[drawn], torch.ones_like(weight[drawn])
        return cls(points, weight / weight.sum())


def _beyond(plan: Coupling, x_nd: Tensor, weight_n: Tensor | None, settings: PlanSettings) -> float:
    """Total error of the sums of the side reached when other points than the landmarks are moved."""
    generator = torch.Generator().manual_seed(settings.seed + 7)
    drawn = torch.randperm(len(x_nd), generator=generator)[:_WATCHED]
    weight = torch.ones_like(x_nd[drawn, 0]) if weight_n is None else weight_n[drawn].to(x_nd.dtype)
    sums_m = plan.pushed(weight / weight.sum(), x_nd[drawn])
    asked_m = (plan.log_m + plan.g_m * (1 - 1 / plan.damp_m)).exp()
    return float((sums_m - asked_m).abs().sum())


def _check(x_nd: Tensor, y_md: Tensor, weight_n: Tensor | None, weight_m: Tensor | None) -> None:
    problems = []
    for name, points, weight in (("moved", x_nd, weight_n), ("reached", y_md, weight_m)):
        if not len(points) or not bool(torch.isfinite(points).all()):
            problems.append(f"Points {name} are one or more, and finite; got {len(points)}. Leave out missing values.")
        if weight is not None and not bool((weight > 0).all() & torch.isfinite(weight).all()):
            problems.append(f"Weights of points {name} are positive and finite. Leave out points without weight.")
    if problems:
        raise DataError(problems)
