import numpy as np

from aivc.instruments.manipulators.time.progress import Progress
from aivc.instruments.manipulators.time.snapshots import lines_of, table_of
from tiny_development import DAY, arc


def test_tangents_follow_the_cells_at_their_pace():
    ur = arc((0, 1, 2, 3))
    progress = Progress.of(next(iter(lines_of(table_of("x", ur, None, 0)).values())))
    angle = np.linspace(0.2, 2.2, 12)
    points = 10 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    found = progress.tangents(points) * DAY
    true = 10 * np.pi / 4 * np.stack([-np.sin(angle), np.cos(angle)], axis=1)
    cosine = (found * true).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(true, axis=1)
    assert cosine.min() > 0.97
    # Slow where a regression on few labels is steep, fast where it is flat; right on the whole.
    assert 0.7 < np.median(np.linalg.norm(found, axis=1)) / (10 * np.pi / 4) < 1.4


def test_progress_orders_cells_of_one_time():
    ur = arc((0, 1, 2, 3), spread=0.5)
    progress = Progress.of(next(iter(lines_of(table_of("x", ur, None, 0)).values())))
    own = ur.values[ur.times == DAY]
    angle = np.arctan2(own[:, 1], own[:, 0])
    assert np.corrcoef(progress.progress(own), angle)[0, 1] > 0.95
