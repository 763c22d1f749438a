"""Plates of one batch as a table for the bench, and the same table back with what was measured."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL
from aivc.data.io.own_file import refuse_odd_file
from aivc.data.io.written import as_written
from aivc.experiments.plate import lay_out, wells

COLUMNS = ("round", "plate", "well", "perturbation", "role", "replicate", "value", "units")
# Written in the place of a value: the well was lost.
FAILED = "failed"
_SHOWN = 5


def plate_map(
    names: Sequence[str],
    number: int,
    *,
    size: int,
    controls: int,
    replicates: int,
    units: str,
    seed: int,
    edge: bool = True,
) -> pd.DataFrame:
    """Lay a batch out on as many plates as it needs, each with controls of its own, in random order.

    Args:
        names: What is to be measured.
        number: Of the round.
        size: Wells of a plate.
        controls: Control wells on each plate.
        replicates: Wells of each name.
        units: Of what will be measured.
        seed: Of the layout.
        edge: Whether the outer wells are used.

    Returns:
        One row per filled well with the columns `COLUMNS`, ``value`` empty.

    Raises:
        DataError: No such plate.
        ControlError: No control, or no room beside them.

    >>> plate_map(["A", "B"], 1, size=6, controls=2, replicates=1, units="log2fc", seed=0)["perturbation"].nunique()
    3
    """
    usable = wells(size, edge=edge)
    room = (len(usable) - controls) // replicates
    if controls < 2 or room < 1:
        raise ControlError(
            f"A plate of {len(usable)} usable wells has two controls or more and room for {replicates} replicates, got "
            f"{controls} controls. Take a larger plate, or other numbers."
        )
    rows, plates = list[dict[str, object]](), range(0, len(names), room)
    for plate, start in enumerate(plates, 1):
        sets = [[(name, "sample", i + 1) for i in range(replicates)] for name in names[start : start + room]]
        beside = [(CONTROL, "control", i + 1) for i in range(controls)]
        for well, (name, role, replicate) in lay_out(usable, beside, sets, seed + 1000 * plate):
            entry = (number, plate, well, name, role, replicate, "", units)
            rows.append(dict(zip(COLUMNS, entry, strict=True)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_measured(path: Path, expected: pd.DataFrame) -> pd.DataFrame:
    """Read a plate map that was filled in; one that does not fit is refused whole.

    Args:
        path: ``.csv``. A well that was lost has ``failed`` for its value.
        expected: The map as it was written.

    Returns:
        The expected rows with ``value`` as numbers; not a number where a well failed.

    Raises:
        DataError: Wells are unknown, stand twice or are missing, hold another perturbation or no number, or are in
            other units. All that was found is listed.
    """
    given = _opened(path)
    problems = [*_places(given, expected), *_contents(given, expected)]
    if problems:
        more = len(problems) - 4 * _SHOWN
        raise DataError([*problems[: 4 * _SHOWN], *([f"{more} more of this kind."] if more > 0 else [])])
    keyed = dict(zip(_key(given), given["value"], strict=True))
    text = [str(keyed[key]).strip() for key in _key(expected)]
    return expected.assign(value=[np.nan if item == FAILED else float(item) for item in text])


def scores(measured: pd.DataFrame) -> pd.Series:
    """Score of each perturbation: mean of its wells less the mean of the controls of the same plate.

    Args:
        measured: As `read_measured` returns it.

    Returns:
        One value per perturbation, in the units of the table; not a number where every well failed.

    Raises:
        ControlError: All controls of a plate failed.
    """
    control = measured["role"] == "control"
    level = measured[control].groupby("plate")["value"].mean()
    if level.reindex(measured["plate"].unique()).isna().any():
        raise ControlError(
            "All controls of a plate failed: nothing on it can be compared. Measure that plate again, or write failed "
            "for all of its wells and keep the controls of a repeat."
        )
    apart = measured[~control].assign(value=lambda table: table["value"] - table["plate"].map(level))
    return apart.groupby("perturbation", sort=False)["value"].mean()


def _opened(path: Path) -> pd.DataFrame:
    if path.suffix != ".csv":
        raise DataError([f"Measurements are read from a .csv, got {path.name}. Fill in the plate map and save it so."])
    refuse_odd_file(path)
    try:
        given = as_written(pd.read_csv(path, dtype=str, keep_default_na=False, compression=None))
    except (OSError, ValueError) as error:
        raise DataError([f"{path} is no table ({error}). Fill in the plate map and save it as .csv."]) from error
    if lacking := [name for name in COLUMNS if name not in given]:
        raise DataError([f"{path} lacks the column {lacking[0]}. Keep the columns of the plate map as they are."])
    return given


def _key(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    return list(zip(table["round"].astype(str), table["plate"].astype(str), table["well"].astype(str), strict=True))


def _places(given: pd.DataFrame, expected: pd.DataFrame) -> list[str]:
    """Wells that are not where they should be."""
    asked, keys = dict.fromkeys(_key(expected)), _key(given)
    seen, found = set[tuple[str, str, str]](), list[str]()
    for key in keys:
        if key not in asked:
            found.append(f"{_well(key)} is not on the plates of this batch. Give the file of this round, and no other.")
        elif key in seen:
            found.append(f"{_well(key)} stands there twice. Keep one row for each well.")
        seen.add(key)
    missing = [key for key in asked if key not in seen]
    return found + [
        f"{_well(key)} is missing. Give every well; write {FAILED} for one that was lost." for key in missing
    ]


def _contents(given: pd.DataFrame, expected: pd.DataFrame) -> list[str]:
    """Wells that hold something else than they should."""
    rows = dict(zip(_key(expected), zip(expected["perturbation"], expected["units"], strict=True), strict=True))
    found = list[str]()
    for key, name, value, units in zip(_key(given), given["perturbation"], given["value"], given["units"], strict=True):
        if key not in rows:
            continue
        wanted, in_units = rows[key]
        if name != wanted:
            found.append(
                f"{_well(key)} holds {wanted}, and the file says {name or 'nothing'}. Give the map as exported."
            )
        if units != in_units:
            found.append(f"{_well(key)} is in {units or 'no units'}, where {in_units} are wanted. Convert the values.")
        if value.strip() != FAILED and not _finite(value):
            found.append(f"{_well(key)} has the value {value!r}. Write a finite number, or {FAILED}.")
    return found


def _well(key: tuple[str, str, str]) -> str:
    return f"Well {key[2]} of plate {key[1]}, round {key[0]},"


def _finite(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
