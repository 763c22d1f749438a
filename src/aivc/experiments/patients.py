"""Cells of patients, sick and healthy, as one mean profile per patient, side and cell type: patients are the unit."""

from dataclasses import dataclass
from typing import final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement

LEAST_PATIENTS = 3  # on each side
_BATCHES = ("batch", "site", "section")
_BLANK = ("", "nan", "None", "unknown")


@final
@dataclass(frozen=True)
class PatientSides:
    """Which columns say who is sick.

    Attributes:
        sick: Value of ``column`` for the cells that are to be moved.
        healthy: Value for the cells that they are to be like.
        column: Holds both.
        patient: Column of the patient.
        cell_type: Column of the cell type; where it is absent, all cells are of one.
    """

    sick: str
    healthy: str
    column: str = "disease"
    patient: str = "donor"
    cell_type: str = "context"


@final
@dataclass(frozen=True, eq=False)
class Populations:
    """Patients of one cell type.

    Attributes:
        cell_type: Its name.
        patients: ``(a,)`` names of all patients, sorted.
        sick: ``(a,)`` rows of the sick cells of each; empty where there are none.
        healthy: ``(a,)`` rows of the healthy cells of each.
        left_out: Patients with too few cells, as sentences.
    """

    cell_type: str
    patients: tuple[str, ...]
    sick: tuple[np.ndarray, ...]
    healthy: tuple[np.ndarray, ...]
    left_out: tuple[str, ...]

    @property
    def asked(self) -> np.ndarray:
        """Places of the patients that have sick cells."""
        return np.flatnonzero([len(rows) > 0 for rows in self.sick])

    @property
    def enough(self) -> bool:
        """Whether each side has at least `LEAST_PATIENTS`."""
        return min(sum(len(rows) > 0 for rows in side) for side in (self.sick, self.healthy)) >= LEAST_PATIENTS

    def counts(self) -> str:
        """How many patients there are on each side."""
        sick, healthy = (sum(len(rows) > 0 for rows in side) for side in (self.sick, self.healthy))
        return f"{self.cell_type}: {sick} sick and {healthy} healthy"


def populations(cells: Measurement, sides: PatientSides, *, least_cells: int = 10) -> list[Populations]:
    """Sort cells by cell type, patient and side.

    Args:
        cells: Of all patients.
        sides: Which columns say what.
        least_cells: Patients with fewer cells of a type on a side are left out there, and named.

    Raises:
        UnknownNameError: A column is absent, or holds no such value.
        DataError: A cell of either side has no patient, both sides are one, or no type has enough patients.
    """
    table = cells.entities
    for column in (sides.column, sides.patient):
        if column not in table:
            raise UnknownNameError("column", column, list(map(str, table)), "Name the columns of patient and disease.")
    side_n = table[sides.column].astype(str).to_numpy()
    for value in (sides.sick, sides.healthy):
        if value not in side_n:
            raise UnknownNameError(f"value of {sides.column}", value, sorted(set(side_n)), "Name one that is there.")
    used_n = np.isin(side_n, [sides.sick, sides.healthy])
    patient_n = table[sides.patient].astype(str).to_numpy()
    blank = int((used_n & np.isin(patient_n, _BLANK)).sum())
    problems = [f"Sick and healthy are both {sides.sick!r}. Name two values."] if sides.sick == sides.healthy else []
    if blank:
        problems.append(f"{blank} cells have no patient in {sides.patient!r}. Leave them out, or say whose they are.")
    if problems:
        raise DataError(problems)
    has = sides.cell_type in table
    type_n = table[sides.cell_type].astype(str).to_numpy() if has else np.full(len(table), "all")
    found = [
        _population(str(kind), np.flatnonzero(used_n & (type_n == kind)), patient_n, side_n == sides.sick, least_cells)
        for kind in sorted(set(type_n[used_n]))
    ]
    if not any(each.enough for each in found):
        counts = "; ".join(each.counts() for each in found)
        raise DataError(
            [
                f"Patients are the unit, and at least {LEAST_PATIENTS} are needed on each side, with {least_cells} "
                f"cells or more of a type; there are {counts}. More cells of the same patients do not help: add "
                "patients."
            ]
        )
    return found


def _population(kind: str, rows: np.ndarray, patient_n: np.ndarray, is_sick_n: np.ndarray, least: int) -> Populations:
    by = {who: rows[patient_n[rows] == who] for who in sorted(set(patient_n[rows]))}
    sick = {who: own[is_sick_n[own]] for who, own in by.items()}
    healthy = {who: own[~is_sick_n[own]] for who, own in by.items()}
    left = [
        f"{kind}: {who} has {len(own)} {side} cells, fewer than {least}, and is left out there."
        for side, all_of in (("sick", sick), ("healthy", healthy))
        for who, own in all_of.items()
        if 0 < len(own) < least
    ]
    keep = {who: [own if len(own) >= least else own[:0] for own in (sick[who], healthy[who])] for who in by}
    kept = [who for who, both in keep.items() if any(len(own) for own in both)]
    first, second = (tuple(keep[who][side] for who in kept) for side in (0, 1))
    return Populations(kind, tuple(kept), first, second, tuple(left))


def confounded(table: pd.DataFrame, sides: PatientSides) -> list[str]:
    """Sentences on batches, sites and sections that hold cells of one side only.

    >>> sides = PatientSides("ill", "well")
    >>> confounded(pd.DataFrame({"disease": ["ill", "well"], "site": ["A", "B"]}), sides)
    ['Disease is confounded with site: no site holds both sides, so what differs may be the site.']
    """
    said = []
    side_n = table[sides.column].astype(str)
    used = table[side_n.isin([sides.sick, sides.healthy])]
    for name in (name for name in _BATCHES if name in used and used[name].nunique() > 1):
        both = used.groupby(used[name].astype(str))[sides.column].nunique() > 1
        if not both.any():
            said.append(
                f"Disease is confounded with {name}: no {name} holds both sides, so what differs may be the {name}."
            )
        elif not both.all():
            alone = ", ".join(map(str, both.index[~both][:5]))
            said.append(f"Disease is in part confounded with {name}: {alone} hold one side only.")
    return said
