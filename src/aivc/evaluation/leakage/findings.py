"""What a search for leaks finds, and what it looks at: one fold of a split on its data."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
import pandas as pd

from aivc.core.errors import SplitError
from aivc.core.measurement import Measurement
from aivc.data.splits.split import CONTROL_SCORE, REPLICATE, SCORE, Split, column

LEAK: Literal["leak"] = "leak"
NOTE: Literal["note"] = "note"
TESTED = (SCORE, REPLICATE)
SCORED = (*TESTED, CONTROL_SCORE)


@final
@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: Such as ``family``, ``context``, ``donor``, ``duplicate-cells`` or ``shared-controls``.
        severity: ``leak`` gives answers away; ``note`` is worth knowing.
        where: Such as ``fold 0``.
        sentence: What was found, and what to do.
    """

    kind: str
    severity: Literal["leak", "note"]
    where: str
    sentence: str


@final
@dataclass(frozen=True)
class LeakReport:
    """What `check_split` found.

    Attributes:
        findings: Leaks and notes, fold by fold.
    """

    findings: tuple[Finding, ...]

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """What gives answers away."""
        return tuple(found for found in self.findings if found.severity == LEAK)

    def raise_if_any(self) -> None:
        """Refuse a split that leaks; notes are let pass.

        Raises:
            SplitError: It leaks.
        """
        if self.leaks:
            lines = [f"{found.where}: {found.sentence}" for found in self.leaks]
            raise SplitError("\n  - ".join([f"This split leaks in {len(lines)} ways:", *lines]))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"clean": not self.leaks, "findings": [dataclasses.asdict(found) for found in self.findings]}


@final
@dataclass(frozen=True, eq=False)
class CheckedFold:
    """One fold of a split on its data, with the role of every entity."""

    measurement: Measurement
    split: Split
    number: int
    role_n: np.ndarray

    def rows(self, *roles: str) -> np.ndarray:
        """``(n,)`` True where an entity has one of the roles."""
        return pd.Series(self.role_n).isin(roles).to_numpy()

    def values(self, name: str, *roles: str) -> set[str]:
        """Values that entities of these roles have in a column."""
        return set(column(self.measurement, name)[self.rows(*roles)]) - {""}

    @property
    def promised(self) -> set[str]:
        """Columns whose tested values training must not have seen."""
        fold, kind = self.split.folds[self.number], self.split.kind
        held = {name for name, values in fold.test.items() if set(values) <= set(fold.held.get(name, ()))}
        if kind == "unseen-both":
            return held | {"perturbation", "context"}
        if kind.startswith("unseen-combination"):
            return held | {"perturbation"}
        return held | {kind.removeprefix("unseen-")} if kind.startswith("unseen-") else held

    def groups(self, *roles: str) -> set[tuple[str, str]]:
        """Context and perturbation of the entities of these roles."""
        rows = self.rows(*roles)
        texts = self.measurement.perturbations[rows].astype(str)
        return set(zip(self.measurement.contexts[rows].astype(str), texts, strict=True))

    def found(self, kind: str, severity: Literal["leak", "note"], sentence: str) -> Finding:
        """Tell of this fold."""
        return Finding(kind, severity, f"fold {self.number}", sentence)


def shown(names: Iterable[Any], most: int = 3) -> str:
    """Name a few, and say how many more there are.

    >>> shown("dbac")
    'a, b, c and 1 more'
    """
    listed = sorted(map(str, names))
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def are(names: set[str]) -> str:
    """The verb that goes with these names."""
    return "are" if len(names) > 1 else "is"
