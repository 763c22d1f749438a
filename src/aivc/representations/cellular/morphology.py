"""What a cell looks like: features of crops or of profile tables, relative to the controls of the same plate."""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from aivc.core.contracts import Encoder
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.scale import Scale
from aivc.core.units import ARBITRARY, require_units
from aivc.core.ur import UR
from aivc.data.images.layout import is_mask
from aivc.representations.cellular.morphology_features.cell_features import cell_features, pixel_size
from aivc.representations.cellular.plate_space import PlateSpace, whitened, whitening

# Where a cell lies is no part of what it looks like, nor is the number it was given.
_PLACES = ("Location", "Center_X", "Center_Y", "BoundingBox", "ObjectNumber", "Number_Object", "ImageNumber")
# How bright a channel is: of images, what a lamp and a stain do, too.
_BRIGHTNESS = "_Intensity_MeanIntensity_"
# Where a measurement says what images it is, or was made of.
_IMAGE = "image"
# What a feature shares with no other, where lost ones are filled by the others.
_OWN = 0.05


@final
@dataclass(frozen=True, eq=False)
class Morphology(Encoder):
    """Standardized differences from the plate's controls, whitened by them, on the main axes of all that was seen.

    Of images ``(n, c, y, x)`` it measures the features of `cell_features`; a table, such as one of CellProfiler or
    pycytominer, holds its features already. Which wells set the normalization: the controls of the same plate (the
    column ``batch``) that it was fitted on set the middle, those of all plates the scale and what is whitened. A plate
    without controls in the fit is measured from the middle of all controls: fit again with its controls, no label of a
    treatment is used.

    Of images the brightness of each channel is left out, and the ratios between channels are kept: a dimmer lamp, or a
    longer exposure of all channels, changes nothing. What changes all channels alike is not seen then.

    Whitening divides by the square root of the controls' variance along each of their principal directions plus a
    ridge, a share of the mean variance (Ando et al. 2017; sphering of pycytominer): ``notes`` says rank and ridge.
    Features that are lost, such as all of a channel, are filled by what the others say of them, and the variance
    of a state says how unsure that is.

    Attributes:
        features: Channels and masks it reads, or names of the features of a table.
        measured: ``(f,)`` names of the features that states are made of.
        plates: ``(b,)`` plates whose controls it knows.
        center: ``(f,)`` mean of all controls.
        centers: ``(b, f)`` mean of the controls of each plate.
        deviation: ``(f,)`` standard deviation of controls around the middle of their plate.
        loadings: ``(f, d)`` from standardized features to axes.
        covariance: ``(f, f)`` of standardized features over all that it was fitted on, around the controls.
        units: As measured.
        um_per_pixel: Of the images; 0 where it is not known, and for tables.
        clip: Differences beyond this many standard deviations count as this many.
        ridge: Share of the mean variance of controls that is added to each before whitening.
        rank: Number of directions in which controls vary.
        controls: How many rows set the normalization.
    """

    name: ClassVar[str] = "morphology"
    scale: ClassVar[Scale] = Scale.CELLULAR
    features: np.ndarray
    measured: np.ndarray
    plates: np.ndarray
    center: Float[np.ndarray, " f"]
    centers: Float[np.ndarray, "b f"]
    deviation: Float[np.ndarray, " f"]
    loadings: Float[np.ndarray, "f d"]
    covariance: Float[np.ndarray, "f f"]
    units: str
    um_per_pixel: float
    clip: float
    ridge: float
    rank: int
    controls: int

    @classmethod
    def fit(
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
        clip: float = 5.0,
        ridge: float = 0.1,
        brightness: bool = False,
    ) -> "Morphology":
        """Fit on training entities; labels of treatments are not used, but for which are controls.

        Args:
            measurement: Images, or a table of features, with controls.
            dim: Number of axes; at most as many as there are features.
            seed: Nothing is drawn.
            units: None, or those of the measurement: features are not brought to others.
            clip: In standard deviations of controls. A few features explode in dying cells and would be all of a state.
            ridge: Share of the mean variance of the controls' features.
            brightness: Use how bright each channel of an image is, too.

        Raises:
            ControlError: There are fewer than three controls.
            DataError: No feature varies, or some were measured in part of the entities only.
            UnitsError: Other units are asked for.
        """
        if units is not None:
            require_units(
                cls.name, units, measurement.units, "Leave units out: features are used as they were measured."
            )
        names, x_nf = _measure(measurement, None)
        plate_n, label_n = _plates(measurement), measurement.perturbations
        space = PlateSpace.fit(x_nf, plate_n, label_n, clip)
        image, of_images = not measurement.is_table, _IMAGE in measurement.provenance
        left = _PLACES if brightness or not (image or of_images) else (*_PLACES, _BRIGHTNESS)
        kept = (space.scale > 0) & ~np.array([any(each in str(name) for each in left) for name in names])
        if not kept.any():
            raise DataError(["No feature varies among controls. Give more controls, or other features."])
        space = PlateSpace.fit(x_nf[:, kept], plate_n, label_n, clip)
        z_nf = space.standardized(x_nf[:, kept], plate_n)
        found = whitening(z_nf[label_n == CONTROL])
        white_nf = whitened(z_nf, found, ridge)
        turn_fd = _main_axes(white_nf, dim)
        # Both maps are linear: one matrix does what they do.
        loadings = whitened(np.eye(z_nf.shape[1]), found, ridge) @ turn_fd
        return cls(
            measurement.features if image else names[kept],
            names[kept],
            space.plates,
            space.center,
            space.centers,
            space.scale,
            np.ascontiguousarray(loadings),
            z_nf.T @ z_nf / len(z_nf),
            measurement.units,
            pixel_size(measurement) or 0.0,
            clip,
            ridge,
            found.rank,
            space.controls,
        )

    @staticmethod
    def table(measurement: Measurement, *, brightness: bool = True) -> Measurement:
        """The features of images as a table, which everything that reads one number per feature can be fitted on.

        An encoder that is fitted on it reads the images, too.

        Args:
            measurement: Images, ``(n, c, y, x)``, in memory or on disk.
            brightness: Keep how bright each channel is, too; an encoder leaves it out unless asked for it.

        Returns:
            ``(n, f)`` in units ``arbitrary``; its provenance keeps what it says of the images.

        Raises:
            DataError: These are no square crops.
        """
        names, x_nf = _measure(measurement, None)
        kept = np.array([brightness or _BRIGHTNESS not in str(name) for name in names])
        return Measurement(
            x_nf[:, kept],
            names[kept],
            measurement.entities,
            ARBITRARY,
            modality="profile",
            scale=measurement.scale,
            provenance={_IMAGE: {}, **measurement.provenance},
        )

    @property
    def dim(self) -> int:
        """Number of axes."""
        return int(self.loadings.shape[1])

    @property
    def notes(self) -> tuple[str, ...]:
        """Which wells set the normalization, and how controls were whitened."""
        plates = f"of {len(self.plates)} plates" if len(self.plates) else "without plates"
        return (
            f"Normalized by {self.controls} controls {plates}: the middle is that of the controls of the same plate, "
            "and of all controls for a plate without any; the scale is that of all.",
            f"Whitened by the same controls: rank {self.rank} of {len(self.measured)} features, ridge {self.ridge:g} "
            f"of their mean variance, clipped at {self.clip:g} standard deviations.",
        )

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """States of entities, with a variance where features are missing.

        Raises:
            DataError: Pixels are of another size.
            UnitsError: Values are in other units.
            UnknownNameError: None of the features are present.
        """
        if measurement.is_table or self._channels is not None:
            remedy = "Bring the data in the units of the fit, or fit again."
            require_units(self.name, self.units, measurement.units, remedy)
        self._require_size(measurement)
        x_nf, here = self._found(measurement)
        space = PlateSpace(self.plates, self.center, self.centers, self.deviation, self.clip, self.controls)
        z_nf = space.standardized(x_nf, _plates(measurement))
        variance_nd = None
        if not here.all():
            fill, left = self._filling(here)
            z_nf[:, ~here] = np.clip(z_nf[:, here] @ fill, -self.clip, self.clip)
            spread_d = np.einsum("fd,fg,gd->d", self.loadings[~here], left, self.loadings[~here])
            variance_nd = np.broadcast_to(np.maximum(spread_d, 0.0), (len(measurement), self.dim)).copy()
        return UR(z_nf @ self.loadings, self.writes, measurement.entities, variance_nd, measurement.mass)

    def _found(self, measurement: Measurement) -> tuple[np.ndarray, np.ndarray]:
        """``(n, f)`` features of the fit, and which of them are present."""
        names, x_ng = _measure(measurement, self._channels)
        place = {str(name): i for i, name in enumerate(names)}
        where_f = np.array([place.get(str(name), -1) for name in self.measured])
        here = where_f >= 0
        if not here.any():
            raise UnknownNameError(
                "feature",
                str(self.features[0]),
                map(str, measurement.features[:12]),
                "This encoder was fitted on other channels or features. Fit one on these.",
            )
        x_nf = np.broadcast_to(self.center, (len(measurement), len(where_f))).copy()
        x_nf[:, here] = x_ng[:, where_f[here]]
        return x_nf, here

    @cached_property
    def _channels(self) -> np.ndarray | None:
        """Channels and masks it was fitted on; None where it was fitted on a table of features."""
        names = np.array([str(name) for name in self.features], dtype=object)
        return None if np.array_equal(names, self.measured.astype(str)) else names

    def _filling(self, here: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What features that are present say of those that are not, and the covariance that is left."""
        known, cross = self.covariance[np.ix_(here, here)], self.covariance[np.ix_(here, ~here)]
        own = _OWN * np.trace(self.covariance) / len(self.covariance)
        fill = np.linalg.solve(known + own * np.eye(len(known)), cross)
        return fill, self.covariance[np.ix_(~here, ~here)] - cross.T @ fill

    def _require_size(self, measurement: Measurement) -> None:
        size = None if measurement.is_table else pixel_size(measurement)
        if self.um_per_pixel and size and abs(size - self.um_per_pixel) > 1e-3 * size:
            raise DataError(
                [
                    f"{self.name} was fitted on pixels of {self.um_per_pixel:g} µm, and these are {size:g} µm. Bring "
                    "the images to one size, or fit again."
                ]
            )


def _measure(measurement: Measurement, only: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Names and values of features, of images or of a table."""
    seen = measurement.observed
    seen = None if seen is None else seen if seen.ndim == 1 else _everywhere(seen)
    if measurement.is_table:
        here = np.ones(len(measurement.features), dtype=bool) if seen is None else seen
        return measurement.features[here], measurement.dense()[:, here]
    if measurement.modality != "image":
        measurement.require_table(Morphology.name)
    present = measurement.features if seen is None else measurement.features[seen]
    used = present if only is None else present[np.isin(present, only)]
    if not any(not is_mask(name) for name in used):
        wanted = present if only is None else only
        raise UnknownNameError("channel", str(wanted[0]), map(str, measurement.features))
    return cell_features(measurement, used)


def _everywhere(seen_nf: np.ndarray) -> np.ndarray:
    """Features that were measured in all entities.

    Raises:
        DataError: One was measured in some only.
    """
    if (seen_nf.any(axis=0) != seen_nf.all(axis=0)).any():
        raise DataError(
            ["Some features were measured in part of the entities only. Encode those with and those without apart."]
        )
    return np.asarray(seen_nf.all(axis=0))


def _plates(measurement: Measurement) -> np.ndarray:
    """``(n,)`` plate of each entity as text, empty where none is given."""
    if "batch" not in measurement.entities:
        return np.full(len(measurement), "", dtype=object)
    column = measurement.entities["batch"]
    return np.where(column.isna(), "", column.astype(str)).astype(object)


def _main_axes(white_nf: np.ndarray, dim: int) -> np.ndarray:
    """``(f, d)`` directions along which most lies, seen from the controls; of a sign that does not depend on chance."""
    n, f = white_nf.shape
    if dim <= n < f:
        # Tables have thousands of features of few wells: the same axes, in a hundredth of the time.
        axes = np.linalg.svd(white_nf, full_matrices=False)[2][:dim].T
    else:
        axes = np.linalg.eigh(white_nf.T @ white_nf)[1][:, ::-1][:, : min(dim, f)]
    largest = np.abs(axes).argmax(axis=0)
    return np.asarray(axes * np.sign(axes[largest, np.arange(axes.shape[1])]))
