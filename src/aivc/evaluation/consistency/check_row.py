"""One property of a virtual cell: what was measured, what chance would give, and whether it holds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, final

import pandas as pd

from aivc.core.errors import (
    ControlError,
    DataError,
    PerturbationError,
    SpaceError,
    UnavailableError,
    UnitsError,
    UnknownNameError,
)
from aivc.core.virtual_cell import VirtualCell

Verdict = Literal["pass", "fail", "not applicable"]
CARD = "consistency"
# How an instrument says that a question is none of its own.
REFUSALS = (
    ControlError, DataError, PerturbationError, SpaceError, UnavailableError, UnitsError, UnknownNameError,
)  # fmt: skip


@final
@dataclass(frozen=True)
class CheckRow:
    """One row of the table of consistency.

    Attributes:
        code: Of the property, such as ``C7``.
        name: The property in words.
        metric: What was measured, with its unit where it has one.
        value: The measured value; None where the property does not apply.
        null: The same where what is tested cannot hold, or a floor; None where there is none.
        rule: When the property holds.
        verdict: ``pass``, ``fail`` or ``not applicable``.
        note: What else was measured; or, where the property does not apply, why.
    """

    code: str
    name: str
    metric: str
    value: float | None
    null: float | None
    rule: str
    verdict: Verdict
    note: str = ""


def judged(row: CheckRow, value: float, null: float | None, *, holds: bool, note: str = "") -> CheckRow:
    """Fill a row in with what was measured."""
    verdict: Verdict = "pass" if holds else "fail"
    filled = None if null is None else float(null)
    return CheckRow(row.code, row.name, row.metric, float(value), filled, row.rule, verdict, note)


def spared(row: CheckRow, reason: str) -> CheckRow:
    """Say why a property does not apply."""
    return CheckRow(row.code, row.name, row.metric, None, None, row.rule, "not applicable", reason)


def asked(code: str, name: str, metric: str, rule: str) -> CheckRow:
    """A row before anything was measured."""
    return CheckRow(code, name, metric, None, None, rule, "not applicable", "not measured yet")


@final
@dataclass(frozen=True, eq=False)
class Consistency:
    """The table of a virtual cell and a tissue.

    Attributes:
        rows: One or more per property.
        about: JSON-ready: the tissue, how many cells and sections were used, and the seed.
    """

    rows: Sequence[CheckRow]
    about: Mapping[str, Any]

    @property
    def failed(self) -> list[str]:
        """Codes of the properties that do not hold, each once."""
        return list(dict.fromkeys(row.code for row in self.rows if row.verdict == "fail"))

    @property
    def table(self) -> pd.DataFrame:
        """One line per row, with the columns of `CheckRow`."""
        return pd.DataFrame([asdict(row) for row in self.rows])

    def to_json(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        return {"about": dict(self.about), "rows": [asdict(row) for row in self.rows], "failed": self.failed}

    def on_card(self, cell: VirtualCell) -> VirtualCell:
        """Return a virtual cell whose card holds the table; its parts, and so its answers, stay as they are."""
        card = {**cell.card, CARD: self.to_json()}
        return VirtualCell(cell.encoders, cell.instruments, card, cell.starts, cell.provenance)
