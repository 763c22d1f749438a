"""A simulated series as a page shows it: its cells on a plane at each moment, and the tables of its steps."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from aivc.core.errors import PerturbationError
from aivc.core.schedule import Schedule
from aivc.experiments.series import Series
from aivc.service.figure_models import MassAt, StateShare, TimeAnswer, TimeStep
from aivc.service.point_clouds import point_table, principal_plane

# Cells that are followed, and moments that are kept of one schedule.
FOLLOWED, MOMENTS = 500, 100
_AXES = ("state PC 1", "state PC 2")
# As `aivc.core.calibration.Applicability` is spoken.
_APPLICABILITY = {"in": "inside", "edge": "edge", "out": "outside"}
_LABELS = ["state", "context", "perturbation"]


def require_short(schedule: str, every: float | None) -> None:
    """Refuse a schedule of more moments than are shown.

    Args:
        schedule: Its text.
        every: Hours between further moments.

    Raises:
        PerturbationError: There would be too many, or the text has another form.
    """
    whole = Schedule.parse(schedule)
    moments = len(whole.steps) + (whole.hours / every if every else 0)
    if moments > MOMENTS:
        raise PerturbationError(
            f"At most {MOMENTS} moments of a schedule are shown, and this one asks for {moments:.0f}. Keep cells less "
            "often, or shorten it."
        )


def time_answer(series: Series) -> TimeAnswer:
    """Steps, growth and states of a series, with their intervals."""
    tables = series.tables
    assumed = tables.about.get("assumptions", [])
    return TimeAnswer(
        schedule=str(tables.about["schedule"]),
        context=str(tables.about["context"]),
        times=list(series.times),
        cells=len(series.moments[0].draws[0]),
        level=float(tables.about["level"]),
        intervals=str(tables.about["intervals"]),
        assumptions=[assumed] if isinstance(assumed, str) else [str(each) for each in assumed],
        semigroup=_number(tables.about["semigroup"]),
        steps=[_step(row) for row in tables.steps.to_dict("records")],
        growth=[MassAt(**_plain(row)) for row in tables.growth.to_dict("records")],
        states=[StateShare(**_plain(row)) for row in tables.states.to_dict("records")],
    )


def series_table(series: Series) -> pa.Table:
    """The cells that are followed, moment after moment, each time in the same order.

    Returns:
        As `aivc.service.point_clouds.point_table`, with the labels ``state``, ``context`` and ``perturbation``, and
        with ``step``, ``hours`` on the clock of the data, and ``mass``: how many cells a cell of the start has become.
    """
    values, rows = series.followed()
    table = point_table(principal_plane(values), rows[_LABELS], _AXES)
    for name, column, kind in (("step", "step", np.int16), ("hours", "time", np.float32), ("mass", "mass", np.float32)):
        table = table.append_column(name, pa.array(rows[column].to_numpy().astype(kind)))
    return table


def _step(row: dict[str, Any]) -> TimeStep:
    plain = _plain(row)
    plain["applicability"] = _APPLICABILITY[str(row["applicability"])]
    return TimeStep(**{name: plain[name] for name in TimeStep.model_fields})


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _number(value) if isinstance(value, float) else value for name, value in row.items()}


def _number(value: float) -> float | None:
    return float(value) if pd.notna(value) and np.isfinite(value) else None
