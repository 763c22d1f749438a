import numpy as np
import pytest

from aivc.core.errors import DataError
from aivc.instruments.decoders.images.next_frame import distinct, motion, next_frame
from aivc.instruments.decoders.images.pixels import gradient_energy
from tiny_images import disk


def movie(frames=6, side=64, step=3.0, seed=0):
    """Bright disks that all move to the right."""
    draw = np.random.default_rng(seed)
    places = draw.uniform(6, side - 6, (14, 2))
    found = []
    for t in range(frames):
        image = draw.normal(10, 0.5, (side, side))
        for y, x in places:
            image += 50 * disk(side, (y, (x + step * t) % side), 4)
        found.append(image)
    return np.array(found, dtype=np.float32)


def test_motion_is_measured_and_the_next_frame_follows_it():
    frames = movie()
    flow = motion(frames[0], frames[1])
    assert abs(np.median(flow[1]) - 3) < 0.5
    assert abs(np.median(flow[0])) < 0.5
    made, real = next_frame(frames[:5]), frames[5]
    assert ((made - real) ** 2).mean() < 0.5 * ((frames[4] - real) ** 2).mean()
    assert gradient_energy(made[None])[0] > 0.85 * gradient_energy(real[None])[0]


def test_what_is_later_changes_nothing():
    frames = movie()
    altered = frames.copy()
    altered[5] = 0
    np.testing.assert_array_equal(next_frame(altered[:5]), next_frame(frames[:5]))


def test_copies_are_found_and_short_movies_refused():
    frames = movie(4)
    assert distinct(np.array([frames[0], frames[0], frames[1], frames[2], frames[2]])).tolist() == [0, 2, 3]
    with pytest.raises(DataError, match="4 frames"):
        next_frame(frames[:3], ahead=2)
