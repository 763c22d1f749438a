"""The next frames of a movie, from frames before them alone, as sharp as the last one."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from aivc.core.errors import DataError

# Sides of the tiles that motion is measured in, their distance, and the farthest step, in pixels.
_TILE, _STRIDE, _FARTHEST = 64, 24, 14
# Of the motion that is expected: some nuclei stop.
_PARTS = (0.5, 1.0)
_SMOOTH, _EVERY, _PENALTY = (0, 1, 2, 4), 7, 1e-3
# Of the gradient energy of the last frame.
_SHARPNESS, _MOST = 0.9, 4.0


class Past(NamedTuple):
    """What is known of a frame when it is the last one.

    Attributes:
        now: ``(y, x)`` the frame.
        columns: ``(k, y, x)`` it, the one before, and what smooth motion makes of it, at several scales.
    """

    now: Float[np.ndarray, "y x"]
    columns: Float[np.ndarray, "k y x"]


def distinct(frames_tyx: np.ndarray) -> np.ndarray:
    """Positions of frames that are no copy of the one before: a copy predicts nothing, and scores perfectly."""
    same = [i > 0 and np.array_equal(frame, frames_tyx[i - 1]) for i, frame in enumerate(frames_tyx)]
    return np.flatnonzero(~np.array(same, dtype=bool))


def next_frame(frames_tyx: np.ndarray, ahead: int = 1) -> Float[np.ndarray, "y x"]:
    """Predict one frame.

    A linear map from what was known at each earlier frame to what came ``ahead`` frames later is learned on these
    frames only. Its answer is the mean over what may happen, which is smoother than any frame; details are raised until
    their gradient energy is nearly that of the last frame.

    Args:
        frames_tyx: Frames so far, without copies (`distinct`), in time.
        ahead: How many frames later.

    Raises:
        DataError: There are fewer than three frames and those that are predicted.
    """
    if len(frames_tyx) < 2 + ahead or frames_tyx.ndim != 3:
        raise DataError(
            [f"Frame +{ahead} is learned from {2 + ahead} frames (t, y, x) or more; got {frames_tyx.shape}. Give more."]
        )
    frames = frames_tyx.astype(np.float32)
    return forecast([past(frames[: i + 1], ahead) for i in range(1, len(frames))], frames[1:], ahead)


def past(frames_tyx: np.ndarray, ahead: int) -> Past:
    """What is known at the last of some frames, two or more."""
    before, now = frames_tyx[-2].astype(np.float32), frames_tyx[-1].astype(np.float32)
    flow = motion(before, now)
    images = [now, before, moved_along(before, flow, 1.0), *(moved_along(now, flow, part * ahead) for part in _PARTS)]
    columns = [ndimage.gaussian_filter(each, width) if width else each for each in images for width in _SMOOTH]
    return Past(now, np.stack(columns))


def forecast(known: Sequence[Past], frames_tyx: np.ndarray, ahead: int) -> Float[np.ndarray, "y x"]:
    """Predict from what is known at each frame, the last one being where the forecast starts.

    Args:
        known: `past` of each of the frames.
        frames_tyx: The frames themselves.
        ahead: How many frames later.
    """
    size = len(known[-1].columns) + 1
    gram, cross = np.zeros((size, size)), np.zeros(size)
    for then, later in zip(known, frames_tyx[ahead:], strict=False):
        # Learned as a difference from the last frame: where nothing is known, it stays.
        x_nk = then.columns.reshape(len(then.columns), -1)[:, ::_EVERY].T.astype(np.float64)
        x_nk = np.column_stack([x_nk, np.ones(len(x_nk))])
        y_n = (later - then.now).ravel()[::_EVERY].astype(np.float64)
        gram, cross = gram + x_nk.T @ x_nk, cross + x_nk.T @ y_n
    ridge = _PENALTY * np.trace(gram) / size * np.eye(size)
    slopes = np.linalg.solve(gram + ridge, cross)
    last = known[-1]
    mean = last.now + np.tensordot(slopes[:-1], last.columns, axes=1) + slopes[-1]
    return as_sharp(np.maximum(mean, 0.0), last.now)


def as_sharp(image_yx: np.ndarray, like_yx: np.ndarray) -> np.ndarray:
    """Raise details until their gradient energy is nearly that of another image; a sharper image stays as it is."""
    detail = image_yx - ndimage.gaussian_filter(image_yx, 1.0)
    low, high, wanted = 0.0, _MOST, _SHARPNESS * _energy(like_yx)
    if _energy(image_yx) >= wanted:
        return image_yx
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if _energy(image_yx + middle * detail) < wanted else (low, middle)
    return np.asarray(image_yx + high * detail)


def motion(before_yx: np.ndarray, now_yx: np.ndarray) -> Float[np.ndarray, "2 y x"]:
    """Smooth motion in pixels, from where the correlation of tiles of two frames is largest."""
    rows, columns = (_starts(side) for side in before_yx.shape)
    tile = min(_TILE, *before_yx.shape)
    window = np.outer(np.hanning(tile), np.hanning(tile))
    found = np.zeros((2, len(rows), len(columns)))
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            pair = [each[y : y + tile, x : x + tile] for each in (before_yx, now_yx)]
            found[:, i, j] = _step(*((each - each.mean()) * window for each in pair))
    found = ndimage.median_filter(found, (1, 3, 3), mode="nearest")
    at_y, at_x = np.meshgrid(*(np.arange(side) for side in before_yx.shape), indexing="ij")
    grid = [np.interp(each, start + tile / 2, np.arange(len(start))) for each, start in ((at_y, rows), (at_x, columns))]
    return np.array([ndimage.map_coordinates(each, grid, order=1, mode="nearest") for each in found])


def moved_along(image_yx: np.ndarray, flow: np.ndarray, steps: float) -> np.ndarray:
    """The image after some more steps of a motion."""
    at = np.indices(image_yx.shape) - steps * flow
    return np.asarray(ndimage.map_coordinates(image_yx, at, order=3, mode="nearest").astype(np.float32))


def _starts(side: int) -> np.ndarray:
    last = max(side - _TILE, 0)
    return np.unique(np.append(np.arange(0, last, _STRIDE), last))


def _step(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    correlation = np.fft.irfft2(np.conj(np.fft.rfft2(before)) * np.fft.rfft2(now), before.shape)
    reach = min(_FARTHEST, len(before) // 2 - 1)
    near = np.roll(correlation, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    y, x = np.unravel_index(near.argmax(), near.shape)
    return np.array([y - reach + _vertex(near[:, x], int(y)), x - reach + _vertex(near[y], int(x))])


def _vertex(values: np.ndarray, at: int) -> float:
    """Where a parabola through a maximum and its neighbours is highest, from -0.5 to 0.5."""
    if not 0 < at < len(values) - 1:
        return 0.0
    left, middle, right = values[at - 1 : at + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _energy(image_yx: np.ndarray) -> float:
    return float((np.diff(image_yx, axis=0) ** 2).mean() + (np.diff(image_yx, axis=1) ** 2).mean())
