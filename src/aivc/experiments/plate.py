"""Where things stand on a plate: wells by name, controls and replicates spread over it, edges left empty if wanted."""

import itertools
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from aivc.core.errors import DataError

PLATES = {6: (2, 3), 12: (3, 4), 24: (4, 6), 48: (6, 8), 96: (8, 12), 384: (16, 24), 1536: (32, 48)}
_LETTERS = (*string.ascii_uppercase, *(f"A{letter}" for letter in string.ascii_uppercase))


def wells(size: int, *, edge: bool = True) -> list[str]:
    """Names of a plate's wells, row by row.

    Args:
        size: Wells: 6, 12, 24, 48, 96, 384 or 1536.
        edge: Whether those of the outer rows and columns are among them.

    Raises:
        DataError: No such plate, or no well is left without its edge.

    >>> wells(6)
    ['A01', 'A02', 'A03', 'B01', 'B02', 'B03']
    >>> wells(12, edge=False)
    ['B02', 'B03']
    """
    if size not in PLATES:
        raise DataError([f"Plates have {', '.join(map(str, PLATES))} wells, not {size}. Choose one of these."])
    rows, columns = PLATES[size]
    off = 0 if edge else 1
    found = [f"{_LETTERS[i]}{j + 1:02}" for i in range(off, rows - off) for j in range(off, columns - off)]
    if not found:
        raise DataError([f"A plate of {size} wells is all edge. Take a larger one, or use its edge wells."])
    return found


def place(well: str) -> tuple[str, int]:
    """Row and column of a well.

    >>> place("P24")
    ('P', 24)
    """
    return well[:-2], int(well[-2:])


def lay_out(
    names: Sequence[str], controls: Sequence[Any], replicates: Sequence[Sequence[Any]], seed: int
) -> list[tuple[str, Any]]:
    """Put controls and replicates on wells.

    The wells are taken column by column. Controls stand evenly among them, one at random in each stretch of the plate;
    each set of replicates fills a block of columns of its own, in random order. So neither a row nor a column, which
    differ in evaporation and in when they were pipetted, holds all that is compared with the rest.

    Args:
        names: Wells, row by row; the first are used.
        controls: Entries for controls.
        replicates: Entries for each set of replicates, all of one length.
        seed: Of the order.

    Returns:
        Wells and entries, row by row.

    Raises:
        DataError: There are more entries than wells.
    """
    rng, rest = np.random.default_rng(seed), [list(each) for each in replicates]
    count = len(controls) + sum(map(len, rest))
    if count > len(names):
        raise DataError([f"{count} entries do not fit on {len(names)} wells. Take a larger plate, or fewer of them."])
    ranks = {name: i for i, name in enumerate(names)}
    order = sorted(names[:count], key=lambda well: (place(well)[1], ranks[well]))
    ends = np.linspace(0, count, len(controls) + 1).round().astype(int)
    kept = [int(rng.integers(low, high)) for low, high in itertools.pairwise(ends)]
    found = {
        order[at]: entry for at, entry in zip(kept, [controls[i] for i in rng.permutation(len(controls))], strict=True)
    }
    shuffled = [each[i] for each in rest for i in rng.permutation(len(each))]
    found.update(zip((well for well in order if well not in found), shuffled, strict=True))
    return sorted(found.items(), key=lambda pair: ranks[pair[0]])
