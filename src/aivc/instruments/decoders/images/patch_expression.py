"""What a spot of tissue expresses, from the stained patch under it and those around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import DataError
from aivc.core.image_decoder import ImageDecoder
from aivc.core.measurement import Measurement
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.data.tissue.rings import shell_means
from aivc.instruments.decoders.images.patch_features import patch_features
from aivc.instruments.decoders.images.pixels import pixels

_COLORS = ("R", "G", "B")
_PENALTIES = np.geomspace(0.03, 30.0, 11)
# Standardized features beyond this count as this, and genes below this correlation on blocks left out are not shown.
_CLIP, SHOWN = 4.0, 0.1
# Patches that are in memory at once.
_BLOCK = 512


@final
@dataclass(frozen=True, eq=False)
class PatchExpression(ImageDecoder):
    """Kernel ridge regression of genes on features of a patch and on the mean of those of its neighbours' patches.

    Features are standardized within what is given, a section, which takes out how strongly it was stained; so a
    section is decoded whole. The kernel is a Gaussian as wide as features vary. The penalty is the one whose
    predictions correlate most with genes on blocks of tissue left out: neighbours of a spot are no test of it.

    Attributes:
        features: ``(f,)`` genes.
        spots: ``(m, p)`` standardized features of the training spots, own and of the neighbours.
        weights: ``(m, f)`` of the kernel.
        center: ``(f,)`` mean of each gene.
        skill: ``(f,)`` mean Pearson correlation on blocks left out; genes below `SHOWN` are not shown.
        penalty: Chosen.
        units: Of the genes.
    """

    name: ClassVar[str] = "patch-expression"
    features: np.ndarray
    spots: Float[np.ndarray, "m p"]
    weights: Float[np.ndarray, "m f"]
    center: Float[np.ndarray, " f"]
    skill: Float[np.ndarray, " f"]
    penalty: float
    units: str

    @classmethod
    def fit(
        cls,
        measurement: Measurement,
        *,
        seed: int = 0,
        expression: Measurement | None = None,
        blocks: Sequence[object] | np.ndarray = (),
    ) -> "PatchExpression":
        """Fit on one section.

        Args:
            measurement: Patches, channels ``R``, ``G`` and ``B`` from 0 to 255, with links between neighbours. The
                inner half of a side is the spot.
            seed: Nothing is drawn.
            expression: Of the same spots, row by row.
            blocks: ``(n,)`` labels of blocks of tissue that are left out together.

        Raises:
            DataError: There is no expression of these spots, or fewer than two blocks.
        """
        if expression is None or not expression.entities.index.equals(measurement.entities.index):
            raise DataError(["Give expression of the same spots in the same order: fit(patches, expression=...)."])
        return cls.of_features(section_features(measurement), expression, blocks)

    @classmethod
    def of_features(
        cls, x_np: Float[np.ndarray, "n p"], expression: Measurement, blocks: Sequence[object] | np.ndarray
    ) -> "PatchExpression":
        """Fit on `section_features`, for those who have them already.

        Args:
            x_np: ``(n, p)`` of the spots.
            expression: Of the same spots, row by row.
            blocks: See `fit`.

        Raises:
            DataError: Fewer than two blocks, or not one for each spot.
        """
        block_n = np.asarray(blocks).astype(str)
        if block_n.shape != (len(expression),) or len(np.unique(block_n)) < 2:
            raise DataError(
                [
                    f"Blocks of tissue, two or more, say what is left out together; got {len(np.unique(block_n))} for "
                    f"{len(expression)} spots. Give a label for each spot."
                ]
            )
        units = profile_units(expression)
        y_nf = normalize(expression, units).dense()
        kernel = _kernel(x_np, x_np)
        left_out = [_left_out(kernel, y_nf, block_n, penalty) for penalty in _PENALTIES]
        best = int(np.argmax([each.mean() for each in left_out]))
        center = y_nf.mean(axis=0)
        weights = np.linalg.solve(kernel + _PENALTIES[best] * np.eye(len(kernel)), y_nf - center)
        return cls(expression.features, x_np, weights, center, left_out[best], float(_PENALTIES[best]), units)

    @staticmethod
    def section(measurement: Measurement) -> Float[np.ndarray, "n p"]:
        """What `of_features` reads of a section: see `section_features`."""
        return section_features(measurement)

    def expected(self, x_np: np.ndarray) -> Float[np.ndarray, "n f"]:
        """All genes, shown or not, of spots with these `section_features`."""
        return np.asarray(_kernel(x_np, self.spots) @ self.weights + self.center)

    @property
    def shown(self) -> np.ndarray:
        """``(f,)`` True for genes that were predicted on blocks left out."""
        return np.asarray(self.skill >= SHOWN)

    @property
    def notes(self) -> tuple[str, ...]:
        """How many genes are shown, and how well they were predicted on blocks left out."""
        kept = self.shown
        mean = f"{self.skill[kept].mean():.2f}" if kept.any() else "none"
        return (
            f"{kept.sum()} of {len(kept)} genes are shown: their mean correlation on blocks left out is {mean}. "
            f"The others lie below {SHOWN:g} and are not.",
        )

    def decode(self, measurement: Measurement) -> Measurement:
        """Predict genes at the spots of a whole section.

        Args:
            measurement: Patches as in the fit, with links.

        Returns:
            Expression of the genes shown, ``(n, f)``.

        Raises:
            DataError: No gene is shown.
        """
        if not self.shown.any():
            raise DataError([f"No gene reached {SHOWN:g} on blocks left out. Fit on more spots, or sharper images."])
        return Measurement(
            self.expected(section_features(measurement))[:, self.shown],
            self.features[self.shown],
            measurement.entities,
            self.units,
            scale=measurement.scale,
            coordinates=measurement.coordinates,
            links=measurement.links,
            provenance={"predicted": list(self.notes)},
        )


def section_features(measurement: Measurement) -> Float[np.ndarray, "n p"]:
    """Standardized features of each patch and of its neighbours on average, in halves of the kernel.

    Raises:
        DataError: There are no links, or these are no patches in color.
        UnknownNameError: A color is missing.
    """
    if measurement.links is None:
        raise DataError(["Patches are read beside their neighbours'. Link spots first, such as with a graph rule."])
    n = len(measurement)
    blocks = [patch_features(pixels(measurement, _COLORS, slice(i, min(i + _BLOCK, n)))) for i in range(0, n, _BLOCK)]
    own = _standardized(np.concatenate(blocks))
    around, _ = shell_means(measurement.links, own, 1)
    both = np.concatenate([own, _standardized(around[:, 0])], axis=1)
    return np.asarray(both / np.sqrt(both.shape[1]))


def _standardized(x_np: np.ndarray) -> np.ndarray:
    spread = x_np.std(axis=0)
    return np.asarray(np.clip((x_np - x_np.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0), -_CLIP, _CLIP))


def _kernel(x_np: np.ndarray, y_mp: np.ndarray) -> np.ndarray:
    """Gaussian as wide as a standardized feature varies: a mean squared difference of 2, that of two spots, is 1/e."""
    square = (x_np**2).sum(axis=1)[:, None] + (y_mp**2).sum(axis=1) - 2 * x_np @ y_mp.T
    return np.asarray(np.exp(-np.maximum(square, 0) / 2))


def _left_out(kernel: np.ndarray, y_nf: np.ndarray, block_n: np.ndarray, penalty: float) -> np.ndarray:
    """``(f,)`` mean correlation over blocks left out."""
    found = []
    for block in np.unique(block_n):
        out = block_n == block
        mean = y_nf[~out].mean(axis=0)
        weights = np.linalg.solve(kernel[np.ix_(~out, ~out)] + penalty * np.eye((~out).sum()), y_nf[~out] - mean)
        found.append(correlations(kernel[np.ix_(out, ~out)] @ weights, y_nf[out]))
    return np.asarray(np.mean(found, axis=0))


def correlations(one_nf: np.ndarray, other_nf: np.ndarray) -> Float[np.ndarray, " f"]:
    """Pearson correlation of each column; 0 where one is constant."""
    a, b = one_nf - one_nf.mean(axis=0), other_nf - other_nf.mean(axis=0)
    size = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide((a * b).sum(axis=0), size, out=np.zeros(a.shape[1]), where=size > 1e-12)
