"""One pass over the cells, whatever their number: mean profiles of every group, and a sample that fits in memory."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from aivc.core.errors import ControlError
from aivc.core.matching import matched_columns
from aivc.core.measurement import CONTROL, Measurement
from aivc.data.streaming.group_sums import Table, dense_rows
from aivc.data.streaming.normalize import profile_units
from aivc.data.streaming.stream import Progress, pseudobulk_moments, reservoir

__all__ = ["Progress", "Summary", "summarize", "with_zero_control"]

# Profiles are means over all cells; encoders, decoders and distances between populations see a sample of this size.
_SAMPLE, _FEWEST, _MOST = 40_000, 20, 500
_GROUPING = ("context", "perturbation", "donor", "batch")


@final
@dataclass(frozen=True, eq=False)
class Summary:
    """What fitting and scoring need of a screen.

    Attributes:
        profiles: Mean profile of each context, perturbation, donor, batch, part, and of what controls are matched by;
            ``cells`` says of how many cells.
        variance: ``(p, f)`` variance of one cell in each; NaN where there is one cell only. Dense, or CSR as the
            profiles are where they are many and mostly zero.
        sample: Cells drawn from each context, perturbation and part, in the units they came in, in memory.
        rows: Which rows of the variance are those of the profiles, where it is that of more; None means all. Read it
            by `variance_of`.
    """

    profiles: Measurement
    variance: Table
    sample: Measurement
    rows: np.ndarray | None = None

    @property
    def units(self) -> str:
        """Units of the profiles."""
        return self.profiles.units

    def variance_of(self, rows: np.ndarray | slice) -> np.ndarray:
        """``(r, f)`` variance of one cell in some groups: positions, a slice, or True per group."""
        return dense_rows(self.variance, rows if self.rows is None else self.rows[rows])


def summarize(
    measurement: Measurement,
    *,
    parts: np.ndarray | None = None,
    blocks: np.ndarray | None = None,
    units: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Summary:
    """Pass over the cells once.

    Args:
        measurement: Cells with their controls, in memory or on disk; or an effect-level table.
        parts: ``(n,)`` what each entity is for, such as the halves of a split; groups are kept apart by it.
        blocks: ``(n,)`` the piece of its part each entity falls into. Profiles are kept apart by it; the sample is
            drawn without regard to it. None means one piece.
        units: Units of the profiles; None derives them from the controls, without those kept for scoring.
        seed: Draws the sample.
        progress: Called with what is being done, how far, of how much.

    Raises:
        ControlError: No controls, or nothing else.
        DataError: Cells without counts, labels or finite values, or values of more than two axes.
    """
    measurement.require_table("A summary of a screen")
    part = np.full(len(measurement), "all", dtype=object) if parts is None else parts
    piece = {} if blocks is None else {"block": blocks}
    measurement = measurement.replace(entities=measurement.entities.assign(part=part, **piece))
    if measurement.is_effects:
        table = with_zero_control(measurement)
        return Summary(table, np.zeros(table.values.shape), table)
    control = measurement.perturbations == CONTROL
    if control.all() or not control.any():
        raise ControlError(
            f"A screen has control cells and perturbed cells, got {int(control.sum())} controls among "
            f"{len(control)} cells. Declare the control label in the schema."
        )
    by = [name for name in _GROUPING if name in measurement.entities or name in ("context", "perturbation")]
    by += matched_columns(measurement.entities)
    drawn = {"context", "perturbation", "part"}
    groups = measurement.entities.assign(context=measurement.contexts, perturbation=measurement.perturbations)
    count = groups.groupby(sorted(drawn), observed=True).ngroups
    per_group = int(np.clip(_SAMPLE // count, _FEWEST, _MOST))
    rows = reservoir(measurement, sorted(drawn), per_group, seed)
    # In the order of their names, so that the order of the file decides nothing.
    sample = measurement.take(rows[np.argsort(measurement.entities.index[rows].astype(str), kind="stable")])
    kept = sample.entities["part"].to_numpy() == "control-score"
    given = (sample.perturbations == CONTROL) & ~kept
    units = units or profile_units(sample.take(given))
    profiles, variance = pseudobulk_moments(measurement, [*by, "part", *piece], units=units, progress=progress)
    return Summary(profiles, variance, sample)


def with_zero_control(measurement: Measurement) -> Measurement:
    """Add a control row to every context: effects are differences from control, so there it is zero."""
    contexts = sorted(set(map(str, measurement.contexts)))
    names = [f"control|{context}" for context in contexts]
    rows = pd.DataFrame({"perturbation": CONTROL, "context": contexts, "part": "control-train"}, index=names)
    observed = measurement.observed
    if observed is not None and observed.ndim == 2:
        observed = np.vstack([observed, np.ones((len(rows), observed.shape[1]), dtype=bool)])
    table = measurement.entities.assign(context=measurement.contexts, cells=measurement.mass)
    rows = rows.assign(cells=float(np.median(measurement.mass)))
    if measurement.times is not None:
        # It is zero at every time.
        rows = rows.assign(time=float(np.median(measurement.times)))
    entities = pd.concat([table, rows])
    values = np.vstack([measurement.dense(), np.zeros((len(rows), len(measurement.features)))])
    # The rows added have no place, and no neighbours.
    return measurement.replace(values=values, entities=entities, observed=observed, coordinates=None, links=None)
