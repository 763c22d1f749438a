"""Plates are named as at the bench, and what is compared does not stand together."""

import pytest

from aivc.core.errors import DataError
from aivc.experiments.plate import lay_out, place, wells


def test_without_the_edge_the_outer_rows_and_columns_stay_empty():
    inner = wells(384, edge=False)
    assert len(inner) == 14 * 22
    assert not {place(well)[0] for well in inner} & {"A", "P"}
    assert not {place(well)[1] for well in inner} & {1, 24}
    with pytest.raises(DataError, match="all edge"):
        wells(6, edge=False)
    with pytest.raises(DataError, match="Choose one of these"):
        wells(100)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_controls_and_replicates_are_spread_over_the_plate(seed):
    controls, sets = [f"c{i}" for i in range(8)], [[f"{name}-{i}" for name in range(44)] for i in range(2)]
    laid = lay_out(wells(96), controls, sets, seed)
    assert [well for well, _ in laid] == wells(96)
    assert sorted(entry for _, entry in laid) == sorted([*controls, *sets[0], *sets[1]])
    columns = sorted(place(well)[1] for well, entry in laid if entry.startswith("c"))
    # One in each stretch of a column and a half.
    assert all(abs(column - (1 + 1.5 * i)) <= 1.5 for i, column in enumerate(columns))
    halves = [{place(well)[1] for well, entry in laid if entry.endswith(f"-{i}")} for i in range(2)]
    assert max(halves[0]) <= min(halves[1])


def test_the_seed_decides_and_too_much_is_refused():
    one, again, other = (lay_out(wells(24), ["c"] * 4, [list(range(20))], seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    with pytest.raises(DataError, match="do not fit"):
        lay_out(wells(6), ["c"] * 4, [[1, 2, 3]], 0)
