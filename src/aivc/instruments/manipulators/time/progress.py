"""Which way and how fast a state develops: cells of one time differ in how far they are, and that shows the way."""

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from aivc.instruments.manipulators.time.snapshots import Line

# Smoothing of the regression of time on states, in median distances; its ridge; neighbors of a tangent.
_LENGTH, _RIDGE, _NEIGHBORS = 2.0, 0.5, 40
_KERNEL, _POOLED = 1500, 6000
# Of the squared range of times: below this variance of progress, neighbors do not say how fast they go.
_STILL = 6e-5
_LEVEL, _BEND = 1e-9, 1e-3
_BLOCK = 2_000_000


@final
@dataclass(frozen=True, eq=False)
class Progress:
    """Tangents of development, from the cells of all times of a line.

    Time is regressed on states (kernel ridge, each time with equal weight), which orders cells of one time by how far
    they are. Around any state, the regression of nearby cells on their progress is a velocity: it goes along the cells
    there are, at the pace at which progress rises by an hour in an hour.

    Attributes:
        values: ``(m, d)`` cells of all times.
        hours: ``(m,)`` when each was read.
    """

    values: np.ndarray
    hours: np.ndarray

    @classmethod
    def of(cls, line: Line) -> "Progress":
        """Pool the cells of a line, as many of each time, so far as there are."""
        most = _POOLED // len(line)
        rng = np.random.default_rng(0)
        some = [rng.permutation(len(each.values))[:most] for each in line]
        values = np.concatenate([each.values[np.sort(rows)] for each, rows in zip(line, some, strict=True)])
        hours = np.repeat([each.hours for each in line], [len(rows) for rows in some])
        return cls(values, hours)

    def tangents(self, points_pd: np.ndarray) -> np.ndarray:
        """``(p, d)`` velocity at each point, in states per hour."""
        count = min(_NEIGHBORS, len(self.values))
        found_pd = np.empty((len(points_pd), self.values.shape[1]))
        step = max(1, _BLOCK // (count * self.values.shape[1]))
        for start in range(0, len(points_pd), step):
            rows = slice(start, start + step)
            found_pd[rows] = self._slopes(points_pd[rows], count)
        return found_pd

    def _slopes(self, points_pd: np.ndarray, count: int) -> np.ndarray:
        """Local quadratic regression: a line would be too flat at the ends of what one time holds."""
        far_pk, near_pk = self._tree.query(points_pd, k=np.arange(1, count + 1))
        weight_pk = (1 - np.minimum(far_pk / (far_pk[:, -1:] + 1e-9), 1.0) ** 3) ** 3 + 1e-9
        weight_pk /= weight_pk.sum(axis=1, keepdims=True)
        t_pk = self._progress[near_pk] - self.progress(points_pd)[:, None]
        still = _STILL * np.ptp(self.hours) ** 2
        unit_p1 = np.sqrt((weight_pk * t_pk**2).sum(axis=1, keepdims=True) + still)
        u_pk = t_pk / unit_p1
        basis_pkb = np.stack([np.ones_like(u_pk), u_pk, u_pk**2 - 1], axis=2)
        held_pbk = (basis_pkb * weight_pk[..., None]).transpose(0, 2, 1)
        squares_pbb = held_pbk @ basis_pkb
        squares_pbb[:, [0, 1, 2], [0, 1, 2]] += np.hstack(
            [np.full_like(unit_p1, _LEVEL), still / unit_p1**2, np.full_like(unit_p1, _BEND)]
        )
        x_pkd = self.values[near_pk] - points_pd[:, None]
        return np.asarray(np.linalg.solve(squares_pbb, held_pbk @ x_pkd)[:, 1] / unit_p1)

    def progress(self, points_pd: np.ndarray) -> np.ndarray:
        """``(p,)`` time at which a state is expected."""
        basis_bd, alpha_b, width, mean = self._regression
        found = [
            mean + np.exp(-((cdist(points_pd[i : i + 2000], basis_bd) / width) ** 2) / 2) @ alpha_b
            for i in range(0, len(points_pd), 2000)
        ]
        return np.concatenate(found)

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.values)

    @cached_property
    def _progress(self) -> np.ndarray:
        return self.progress(self.values)

    @cached_property
    def _regression(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Cells that are the basis, their coefficients, the width of the kernel, and the mean time."""
        rng = np.random.default_rng(1)
        rows = np.sort(rng.permutation(len(self.values))[:_KERNEL])
        basis_bd, t_b = self.values[rows], self.hours[rows]
        count = {when: (t_b == when).sum() for when in np.unique(t_b)}
        weight_b = np.array([1.0 / count[when] for when in t_b])
        weight_b /= weight_b.mean()
        far_bb = cdist(basis_bd, basis_bd)
        width = max(_LENGTH * float(np.median(far_bb)), 1e-12)
        mean = float(np.average(t_b, weights=weight_b))
        kernel_bb = np.exp(-((far_bb / width) ** 2) / 2)
        alpha_b = np.linalg.solve(kernel_bb + _RIDGE * np.diag(1 / weight_b), t_b - mean)
        return basis_bd, alpha_b, width, mean
