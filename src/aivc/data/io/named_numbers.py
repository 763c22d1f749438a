"""A csv of a name and a number, such as the change wanted of each feature or the cost of each target."""

from pathlib import Path

import numpy as np
import pandas as pd

from aivc.core.errors import IntegrityError
from aivc.data.io.own_file import refuse_odd_file


def named_numbers(path: Path, name: str, number: str, what: str) -> dict[str, float]:
    """The numbers of a csv by their names.

    Args:
        path: A csv with both columns.
        name: Column of names; each stands once.
        number: Column of finite numbers; those of ``change`` are in the units of the cell.
        what: What the file is, for the refusal.

    Raises:
        IntegrityError: The file is missing, damaged, or holds something else.
    """
    try:
        refuse_odd_file(path)
        read = pd.read_csv(path, dtype={name: str}, keep_default_na=False, compression=None)
        if not {name, number} <= set(read) or read[name].duplicated().any():
            raise ValueError(f"the columns {name} and {number} are needed, each {name} once")
        numbers = read[number].astype(float)
        if not np.isfinite(numbers).all():
            raise ValueError(f"every {number} is a finite number")
        return dict(zip(read[name], numbers, strict=True))
    except (OSError, ValueError) as error:
        units = ", in the units of the cell" if number == "change" else ""
        raise IntegrityError(
            f"{path} is no {what} ({error}). Write a csv with the columns {name} and {number}{units}."
        ) from error
