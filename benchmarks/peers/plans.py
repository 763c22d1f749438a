"""What is read off a transport plan, whoever made it: its error, and cells on the way. Needs numpy alone."""

import numpy as np

POINTS = 20_000


def off(plan, a, b):
    """L1 error of the sums of a balanced plan, both sides together."""
    return float(np.abs(plan.sum(axis=1) - a / a.sum()).sum() + np.abs(plan.sum(axis=0) - b / b.sum()).sum())


def unbalanced(plan, fraction):
    """Pairs as moscot draws them with `account_for_unbalancedness`: rows by softened, columns by full column sums."""
    sums = plan.sum(axis=0) / plan.shape[0] + 1e-12
    rows = plan @ (1 / sums ** (1 - fraction))
    pairs = plan / sums
    return pairs * (rows / np.maximum(pairs.sum(axis=1), 1e-300))[:, None]


def between(pairs, x_first, x_last, fraction):
    """Points on the lines between pairs drawn by mass, as moscot's own interpolation has them.

    Its own function draws from one row of the plan at a time by a solver's call each, which takes minutes here.
    """
    share = pairs.ravel() / pairs.sum()
    drawn = np.random.default_rng(0).choice(len(share), POINTS, p=share)
    row, column = np.divmod(drawn, pairs.shape[1])
    return (1 - fraction) * x_first[row] + fraction * x_last[column]
