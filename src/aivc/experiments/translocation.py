"""Whether a treatment moves a protein into the nucleus or out of it, with an interval over wells, not over cells."""

import numpy as np
import pandas as pd
from scipy import stats

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.data.images.plate_layout import wells_of
from aivc.data.images.subcellular import NUCLEUS_SHARE, subcellular

OWN, CONTROLS, NOTHING = "its wells", "control wells", "nothing"


def translocation(
    crops: Measurement, channel: str, *, level: float = 0.9, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Compare the share of a channel's light in the nucleus with that of the controls of the same plate.

    Args:
        crops: With masks of nucleus and cell, and the columns ``perturbation``, ``batch`` and one of wells.
        channel: Of the protein.
        level: Of the interval.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        As `moved_share`.

    Raises:
        ControlError: No plate holds both controls and a treatment.
        DataError: No column says the well, or a crop has no nucleus or cytoplasm.
        UnknownNameError: A mask or the channel is missing.
    """
    table = subcellular(crops, [channel])
    share_n = table.select([f"{NUCLEUS_SHARE}_{channel}"]).dense()[:, 0]
    return moved_share(share_n, crops.entities, level=level, draws=draws, seed=seed)


def moved_share(
    share_n: np.ndarray, entities: pd.DataFrame, *, level: float = 0.9, draws: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Compare a share, or any number of a cell, with the controls of the same plate.

    A well is one observation, however many cells it holds: cells of a well share what was done to it. The change is
    the mean over plates of the difference between the means of wells. The interval is a bootstrap of the deviations of
    wells from the mean of their plate and treatment, widened by Student's t, as wells are few. A treatment with one
    well on each plate takes the deviations of the controls; where these, too, stand alone, there is no interval.

    Args:
        share_n: ``(n,)`` one number for each cell.
        entities: ``n`` rows with ``perturbation``, perhaps ``batch`` (the plate), and a column of wells.
        level: Of the interval.
        draws: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        A row for each perturbation: ``treated`` and ``control`` means over wells, ``change``, ``low``, ``high`` (NaN
        without an interval), ``moved`` (whether it leaves out zero), ``wells``, ``control_wells``, ``plates``, and
        ``spread_from``, which wells the interval is from.

    Raises:
        ControlError: No plate holds both controls and a treatment.
        DataError: No column says the well, or the level is none.

    >>> import pandas as pd
    >>> wells = pd.DataFrame({"perturbation": ["control"] * 4 + ["drug:X@1uM"] * 4, "well": list("ABCDEFGH")})
    >>> found = moved_share(np.array([0.2, 0.21, 0.19, 0.2, 0.4, 0.41, 0.39, 0.42]), wells)
    >>> round(float(found["change"][0]), 3), bool(found["moved"][0])
    (0.205, True)
    """
    if not 0 < level < 1:
        raise DataError([f"level lies between 0 and 1; got {level!r}."])
    wells = _wells(share_n, entities)
    control = wells[wells["perturbation"] == CONTROL]
    rows = []
    for text, treated in wells[wells["perturbation"] != CONTROL].groupby("perturbation", sort=True):
        shared = sorted(set(treated["batch"]) & set(control["batch"]))
        if shared:
            ours, theirs = (arm[arm["batch"].isin(shared)] for arm in (treated, control))
            # A seed for each: which others are asked for changes nothing.
            rows.append({"perturbation": text, **_compared(ours, theirs, level, draws, np.random.default_rng(seed))})
    if not rows:
        raise ControlError(
            "No plate holds both controls and treated wells, so nothing can be compared. Give its controls."
        )
    return pd.DataFrame(rows)


def _wells(share_n: np.ndarray, entities: pd.DataFrame) -> pd.DataFrame:
    """A row for each well: its mean."""
    well = wells_of(entities)
    if well is None:
        raise DataError(
            ["No column says the well of a cell. Name it well: an interval over cells would be too narrow."]
        )
    frame = pd.DataFrame({"well": well, "share": share_n})
    frame["batch"] = entities["batch"].astype(str).to_numpy() if "batch" in entities else ""
    frame["perturbation"] = entities["perturbation"].astype(str).to_numpy()
    return frame.groupby(["perturbation", "batch", "well"], sort=True)["share"].mean().reset_index()


def _compared(
    treated: pd.DataFrame, control: pd.DataFrame, level: float, draws: int, rng: np.random.Generator
) -> dict[str, object]:
    arms = [arm.groupby("batch", sort=True)["share"] for arm in (treated, control)]
    means, counts = [arm.mean().to_numpy() for arm in arms], [arm.size().to_numpy() for arm in arms]
    change = float((means[0] - means[1]).mean())
    left = [
        arm["share"].to_numpy() - by.transform("mean").to_numpy()
        for arm, by in zip((treated, control), arms, strict=True)
    ]
    free = [int((count - 1).sum()) for count in counts]
    spread_from = OWN if free[0] else CONTROLS
    if not free[0]:
        left[0], free[0] = left[1], free[1]
    low = high = np.nan
    if all(free):
        low, high = _interval(left, counts, free, change, level, draws, rng)
    else:
        spread_from = NOTHING
    return {
        "treated": float(means[0].mean()),
        "control": float(means[1].mean()),
        "change": change,
        "low": low,
        "high": high,
        "moved": bool(low > 0 or high < 0),
        "wells": len(treated),
        "control_wells": len(control),
        "plates": len(counts[0]),
        "spread_from": spread_from,
    }


def _interval(
    left: list[np.ndarray],
    counts: list[np.ndarray],
    free: list[int],
    change: float,
    level: float,
    draws: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Percentiles of the change over wells drawn again."""
    off_d, variance = np.zeros(draws), []
    plates = len(counts[0])
    for sign, left_w, count_b, df in zip((1, -1), left, counts, free, strict=True):
        # Deviations from a mean of few are too small; in a pool, by the share of degrees of freedom that are left.
        pool_w = left_w * np.sqrt(len(left_w) / df)
        for count in count_b:
            off_d += sign * rng.choice(pool_w, (draws, int(count))).mean(axis=1) / plates
        variance.append((pool_w**2).mean() * (1 / count_b).sum() / plates**2)
    total = max(sum(variance), 1e-300)
    degrees = total**2 / max(sum(v**2 / df for v, df in zip(variance, free, strict=True)), 1e-300)
    tail = (1 + level) / 2
    wider = stats.t.ppf(tail, max(degrees, 1.0)) / stats.norm.ppf(tail)
    low, high = change + wider * np.quantile(off_d, [1 - tail, tail])
    return float(low), float(high)
