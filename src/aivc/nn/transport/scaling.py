"""Potentials of an entropic plan: scaling in kernel space with absorption, and in the log domain where that fails."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor

# exp(40) times a kernel entry at most 1 stays far from the limits of single precision.
_ABSORB = 20.0
_FASTEST = 1.95
_PLAIN, _WATCH = 8, 10


class Potentials(NamedTuple):
    """What a plan follows from, in units of epsilon: the plan is ``a b exp(f + g - cost)``.

    Attributes:
        f_n: Of the side moved.
        g_m: Of the side reached.
        rounds: Of scaling.
        error: Total difference of the sums from what the potentials ask for, in shares of the mass.
        domain: ``kernel`` or ``log``.
    """

    f_n: Tensor
    g_m: Tensor
    rounds: int
    error: float
    domain: str


@final
class Sides(NamedTuple):
    """Weights of both sides and how strictly they hold.

    Attributes:
        log_n: Logarithms of weights of the side moved, which add up to one.
        log_m: Of the side reached.
        damp_n: ``reach / (reach + epsilon)``; 1 where sums are exact.
        damp_m: Of the side reached.
    """

    log_n: Tensor
    log_m: Tensor
    damp_n: float
    damp_m: float


def scale(cost_nm: Tensor, sides: Sides, *, rounds: int, tolerance: float) -> Potentials:
    """Find the potentials of a plan (Cuturi 2013; relaxed sums after Chizat et al. 2018).

    Kernel entries are made anew whenever potentials have moved far from those they hold (absorption, Schmitzer 2019),
    so that a round is two products of a matrix with a vector. Steps are over-relaxed by what the first rounds say of
    the rate (Lehmann et al. 2022), and shortened where the error grows. Where a row or column loses all of its kernel,
    the rest is done in the log domain.

    Args:
        cost_nm: In units of epsilon; not changed.
        sides: Weights.
        rounds: At most so many.
        tolerance: Of the error at which it stops.
    """
    f_n, g_m = torch.zeros_like(cost_nm[:, 0]), torch.zeros_like(cost_nm[0])
    slow = _LogSums(cost_nm, sides)
    found = _run(slow, sides, f_n, g_m, rounds=min(2, rounds), tolerance=tolerance)
    if found.error <= tolerance or found.rounds == rounds:
        return _finished(found, slow, sides)
    kernel = _KernelSums(cost_nm, sides, found.f_n, found.g_m)
    fast = _run(kernel, sides, found.f_n, found.g_m, rounds=rounds - 2, tolerance=tolerance)
    if not math.isnan(fast.error):
        return _finished(fast._replace(rounds=2 + fast.rounds), kernel, sides)
    left = rounds - 2 - fast.rounds
    found = _run(slow, sides, fast.f_n, fast.g_m, rounds=left, tolerance=tolerance)
    return _finished(found._replace(rounds=rounds - left + found.rounds), slow, sides)


class _Sums(ABC):
    """Logarithms of the sums of one side, given the potential of the other."""

    domain: ClassVar[str]

    @abstractmethod
    def rows(self, f_n: Tensor, g_m: Tensor) -> Tensor: ...

    @abstractmethod
    def columns(self, f_n: Tensor, g_m: Tensor) -> Tensor: ...


@final
class _LogSums(_Sums):
    """Without a kernel: slow, and right for any cost."""

    domain = "log"

    def __init__(self, cost_nm: Tensor, sides: Sides) -> None:
        self._cost_nm, self._sides = cost_nm, sides

    def rows(self, f_n: Tensor, g_m: Tensor) -> Tensor:
        return torch.logsumexp((g_m + self._sides.log_m)[None] - self._cost_nm, dim=1)

    def columns(self, f_n: Tensor, g_m: Tensor) -> Tensor:
        return torch.logsumexp((f_n + self._sides.log_n)[:, None] - self._cost_nm, dim=0)


@final
class _KernelSums(_Sums):
    """By ``exp(f + g - cost)`` of potentials that were absorbed."""

    domain = "kernel"

    def __init__(self, cost_nm: Tensor, sides: Sides, f_n: Tensor, g_m: Tensor) -> None:
        self._cost_nm, self._sides, self._kernel_nm = cost_nm, sides, torch.empty_like(cost_nm)
        self._absorb(f_n, g_m)

    def _absorb(self, f_n: Tensor, g_m: Tensor) -> None:
        self._f_n, self._g_m = f_n.clone(), g_m.clone()
        torch.sub(self._f_n[:, None], self._cost_nm, out=self._kernel_nm)
        self._kernel_nm.add_(self._g_m[None]).exp_()

    def _keep_near(self, f_n: Tensor, g_m: Tensor) -> None:
        if max(float((f_n - self._f_n).abs().max()), float((g_m - self._g_m).abs().max())) > _ABSORB:
            self._absorb(f_n, g_m)

    def rows(self, f_n: Tensor, g_m: Tensor) -> Tensor:
        self._keep_near(f_n, g_m)
        return (self._kernel_nm @ (g_m - self._g_m + self._sides.log_m).exp()).log() - self._f_n

    def columns(self, f_n: Tensor, g_m: Tensor) -> Tensor:
        self._keep_near(f_n, g_m)
        return (self._kernel_nm.T @ (f_n - self._f_n + self._sides.log_n).exp()).log() - self._g_m


def _run(sums: _Sums, sides: Sides, f_n: Tensor, g_m: Tensor, *, rounds: int, tolerance: float) -> Potentials:
    """At most so many rounds; an error of NaN says that the last potentials that were finite are returned."""
    pace, errors, behind = 1.0, [math.inf], 0.0
    for done in range(rounds):
        rows_n = sums.rows(f_n, g_m)
        error = behind + off(f_n, rows_n, sides.log_n, sides.damp_n)
        if done and error <= tolerance / 2:
            return Potentials(f_n, g_m, done, error, sums.domain)
        errors.append(error)
        pace = _pace(pace, errors)
        next_n = f_n + pace * (-sides.damp_n * rows_n - f_n)
        columns_m = sums.columns(next_n, g_m)
        next_m = g_m + pace * (-sides.damp_m * columns_m - g_m)
        if not (math.isfinite(error) and bool(torch.isfinite(next_m).all() & torch.isfinite(next_n).all())):
            return Potentials(f_n, g_m, done, math.nan, sums.domain)
        f_n, g_m = next_n, next_m
        behind = off(g_m, columns_m, sides.log_m, sides.damp_m)
    return Potentials(f_n, g_m, rounds, errors[-1], sums.domain)


def _pace(pace: float, errors: list[float]) -> float:
    """Over-relaxation of the next round: plain at first, then by the rate seen, shorter where errors grow."""
    done = len(errors) - 1
    if done == _PLAIN:
        rate = min((errors[-1] / max(errors[-4], 1e-30)) ** (1 / 3), 0.9999)
        return min(2 / (1 + (1 - rate) ** 0.5), _FASTEST)
    if done > _PLAIN and (done - _PLAIN) % _WATCH == 0 and errors[-1] > errors[-1 - _WATCH]:
        return 1 + (pace - 1) / 2
    return pace


def off(potential: Tensor, log_sums: Tensor, log_weights: Tensor, damp: float) -> float:
    """Total difference of sums from what a potential asks for: its weights, or those bent by the penalty."""
    # At the optimum potential = -damp * log_sums, and the sums are the weights times exp(potential + log_sums).
    asked = (potential * (1 - 1 / damp)).exp()
    return float((((potential + log_sums).exp() - asked).abs() * log_weights.exp()).sum())


def _finished(found: Potentials, sums: _Sums, sides: Sides) -> Potentials:
    """Rows exact, as the rule for points outside the plan has it; the error is then that of the columns."""
    f_n = -sides.damp_n * sums.rows(found.f_n, found.g_m)
    error = off(found.g_m, sums.columns(f_n, found.g_m), sides.log_m, sides.damp_m)
    return Potentials(f_n, found.g_m, found.rounds, error, sums.domain)
