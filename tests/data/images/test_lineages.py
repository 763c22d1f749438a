"""A division is one, what was missed for a frame is found again, and what only touched did not divide."""

import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.data.images.lineages import lineages
from aivc.data.images.objects import Objects

GRID = np.stack(np.meshgrid(np.arange(5), np.arange(5)), axis=-1).reshape(-1, 2) * 20.0 + 20
FLOW = np.array([6.0, 3.0])


def frame(t, changes=(), *, areas=None, border=()):
    """Cells on a grid that moves; ``changes`` are (cell, places instead of it)."""
    center = {i: [tuple(place)] for i, place in enumerate(GRID)}
    for cell, places in changes:
        center[cell] = [tuple(GRID[cell] + np.array(place)) for place in places]
    points = np.array([place for places in center.values() for place in places]) + t * FLOW
    names = [cell for cell, places in center.items() for _ in places]
    area = np.array([(areas or {}).get(name, 80.0) for name in names])
    return Objects(np.arange(1, len(points) + 1), points, area, np.isin(names, border))


def split(t, **how):
    return frame(t, [(12, [(0, -5), (0, 5)])], areas={12: 42.0}, **how)


def test_a_cell_that_becomes_two_halves_of_it_is_a_mother():
    found = lineages([frame(0), frame(1), split(2), split(3)], 14.0)
    (row,) = found.divisions.itertuples()
    assert row.frame == 2
    np.testing.assert_allclose([row.y_px, row.x_px], GRID[12] + 2 * FLOW)
    assert len({row.mother, row.daughter_1, row.daughter_2}) == 3
    daughters = found.objects[found.objects["mother"] == row.mother]
    assert sorted(daughters["frame"]) == [2, 2, 3, 3]
    assert set(daughters["track"]) == {row.daughter_1, row.daughter_2}
    assert row.mother not in set(found.objects.loc[found.objects["frame"] >= 2, "track"])
    assert found.objects["track"].nunique() == len(GRID) + 2


@pytest.mark.parametrize(
    "frames",
    [
        # As large as the mother: another cell that came in.
        [frame(0), frame(1), frame(2, [(12, [(0, -5), (0, 5)])]), frame(3, [(12, [(0, -5), (0, 5)])])],
        # Gone a frame later.
        [frame(0), frame(1), split(2), frame(3, areas={12: 42.0})],
        # Two that touched in one frame.
        [split(0), frame(1, areas={12: 90.0}), split(2), split(3)],
        # Backwards: nuclei do not fuse.
        [split(0), split(1), frame(2), frame(3)],
        # The border cuts the mother: how large she is is not known.
        [frame(0, border=[12]), frame(1, border=[12]), split(2), split(3)],
    ],
)
def test_other_things_are_no_division(frames):
    assert lineages(frames, 14.0).divisions.empty


def test_what_is_missed_or_seen_in_one_frame_alone_is_counted_right():
    ghost = frame(2, [(3, [(0, 0), (9, 9)])], areas={3: 80.0})
    frames = [frame(0), frame(1, [(7, [])]), ghost, frame(3), frame(4)]
    found = lineages(frames, 14.0)
    assert found.counts["found"].tolist() == [25, 24, 26, 25, 25]
    assert found.counts["missed"].tolist() == [0, 1, 0, 0, 0]
    assert found.counts["alone"].tolist() == [0, 0, 1, 0, 0]
    assert found.counts["cells"].tolist() == [25] * 5
    assert (found.counts["low"] <= 25).all()
    assert (found.counts["high"] >= 25).all()
    seven = found.objects[(found.objects["y_px"] - found.objects["frame"] * FLOW[0]).eq(GRID[7][0])]
    seven = seven[(seven["x_px"] - seven["frame"] * FLOW[1]).eq(GRID[7][1])]
    assert (len(seven), seven["track"].nunique()) == (4, 1)


def test_few_frames_have_no_interval_and_empty_ones_no_objects():
    nobody = Objects(np.zeros(0, dtype=int), np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=bool))
    found = lineages([frame(0), nobody, frame(2)], 14.0)
    assert found.counts["low"].isna().all()
    assert found.counts["cells"].tolist() == [25, 0, 25]
    assert lineages([nobody, nobody], 14.0).objects.empty
    with pytest.raises(DataError, match="above 0"):
        lineages([frame(0), frame(1)], -1.0)
