"""Plate normalization and whitening of profiles by their controls: the technical part of a space of morphology."""

from dataclasses import dataclass
from typing import NamedTuple, final

import numpy as np

from aivc.core.errors import ControlError
from aivc.core.measurement import CONTROL

# Below this, a feature that is constant in controls has no scale.
_LEAST = 1e-8


class Whitening(NamedTuple):
    """What controls say of technical variation.

    Attributes:
        axes: ``(f, r)`` principal directions of the controls around the middle of their plates.
        share: ``(r,)`` variance along each, where 1 is that of a standardized feature on average.
        rank: Number of directions in which controls vary at all.
    """

    axes: np.ndarray
    share: np.ndarray
    rank: int


@final
@dataclass(frozen=True, eq=False)
class PlateSpace:
    """Standardized differences from the controls of the same plate.

    Attributes:
        plates: ``(b,)`` names of plates with controls.
        center: ``(f,)`` mean of all controls, for plates that are not among these.
        centers: ``(b, f)`` mean of the controls of each plate.
        scale: ``(f,)`` standard deviation of controls around the middle of their plate; 0 where a feature has none.
        clip: Differences beyond this many standard deviations count as this many.
        controls: How many rows set it.
    """

    plates: np.ndarray
    center: np.ndarray
    centers: np.ndarray
    scale: np.ndarray
    clip: float
    controls: int

    @classmethod
    def fit(cls, x_nf: np.ndarray, plate_n: np.ndarray, perturbation_n: np.ndarray, clip: float) -> "PlateSpace":
        """Learn from control rows alone.

        Args:
            x_nf: ``(n, f)`` features.
            plate_n: ``(n,)`` plates; empty text where none is known.
            perturbation_n: ``(n,)`` labels.
            clip: In standard deviations.

        Raises:
            ControlError: There are fewer than three control rows.
        """
        own = perturbation_n == CONTROL
        if own.sum() < 3:
            raise ControlError(
                f"Morphology is normalized by control wells, and {own.sum()} rows are controls. Add the controls of "
                "the plates, labelled control."
            )
        plates = np.unique(plate_n[own & (plate_n != "")].astype(str)).astype(object)
        centers = np.array([x_nf[own & (plate_n == plate)].mean(axis=0) for plate in plates])
        centers = centers.reshape(len(plates), x_nf.shape[1])
        center = x_nf[own].mean(axis=0)
        made = cls(plates, center, centers, np.ones(x_nf.shape[1]), clip, int(own.sum()))
        off = x_nf[own] - made.middles(plate_n[own])
        # A center is estimated from the rows whose spread is asked for.
        freedom = max(len(off) - max(len(plates), 1), 1)
        scale = np.sqrt((off**2).sum(axis=0) / freedom)
        scale[scale < _LEAST * np.maximum(np.abs(center), 1.0)] = 0.0
        return cls(plates, center, centers, scale, clip, int(own.sum()))

    def middles(self, plate_n: np.ndarray) -> np.ndarray:
        """``(n, f)`` what controls of each row's plate are on average; of all controls, for a plate not known."""
        if not len(self.plates):
            return np.broadcast_to(self.center, (len(plate_n), len(self.center)))
        where = np.searchsorted(self.plates.astype(str), plate_n.astype(str))
        where = np.minimum(where, len(self.plates) - 1)
        known = self.plates[where] == plate_n
        return np.where(known[:, None], self.centers[where], self.center)

    def standardized(self, x_nf: np.ndarray, plate_n: np.ndarray) -> np.ndarray:
        """``(n, f)`` differences from controls of the same plate, in their standard deviations, clipped."""
        with np.errstate(divide="ignore", invalid="ignore"):
            z_nf = np.where(self.scale > 0, (x_nf - self.middles(plate_n)) / self.scale, 0.0)
        return np.clip(z_nf, -self.clip, self.clip)


def whitening(z_nf: np.ndarray) -> Whitening:
    """Principal directions of controls.

    Args:
        z_nf: ``(n, f)`` standardized controls.
    """
    _, size_r, axes_rf = np.linalg.svd(z_nf, full_matrices=False)
    share_r = size_r**2 / len(z_nf)
    total = max(share_r.sum() / z_nf.shape[1], 1e-12)
    return Whitening(axes_rf.T, share_r / total, int((share_r > 1e-10 * share_r.max(initial=0.0)).sum()))


def whitened(z_nf: np.ndarray, found: Whitening, ridge: float) -> np.ndarray:
    """``(n, f)`` the same, with what varies in controls made small: symmetric, so a feature stays where it was.

    Args:
        z_nf: ``(n, f)`` standardized rows.
        found: Of controls.
        ridge: Added to each variance, as a share of their mean; directions in which controls do not vary have it alone.
    """
    gain_r = 1 / np.sqrt(found.share + ridge) - 1 / np.sqrt(ridge)
    along_nr = z_nf @ found.axes
    return np.asarray(z_nf / np.sqrt(ridge) + (along_nr * gain_r) @ found.axes.T)
