"""Errors of a ridge regression on families left out, without refitting."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float


def left_out_residuals(
    left_pr: Float[np.ndarray, "p r"],
    kept_r: Float[np.ndarray, " r"],
    residual_pd: Float[np.ndarray, "p d"],
    families: Sequence[str],
) -> Float[np.ndarray, "p d"]:
    """What a fit without its family would have left of each row: solve ``(I - H) e = r`` within each family.

    Args:
        left_pr: Left singular vectors of the design.
        kept_r: How much of each the ridge keeps, 0 to 1.
        residual_pd: What the fit on all rows leaves.
        families: What is left out together.
    """
    leverage_p = np.minimum((left_pr**2 * kept_r).sum(axis=1), 1 - 1e-9)
    error_pd = residual_pd / (1 - leverage_p)[:, None]
    members: dict[str, list[int]] = {}
    for row, family in enumerate(families):
        members.setdefault(family, []).append(row)
    for rows in (rows for rows in members.values() if len(rows) > 1):
        own = left_pr[rows]
        inside = np.eye(len(rows)) * (1 + 1e-9) - (own * kept_r) @ own.T
        error_pd[rows] = np.linalg.solve(inside, residual_pd[rows])
    return error_pd
