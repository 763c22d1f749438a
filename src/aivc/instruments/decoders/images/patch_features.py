"""Color, texture and nuclei of patches of stained tissue, as numbers that do not depend on how a patch is turned."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from aivc.core.errors import DataError
from aivc.data.images.optional import optional

# Absorption of hematoxylin, eosin and the rest in red, green and blue (Ruifrok & Johnston 2001, Anal Quant Cytol 23).
_STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_UNMIX = np.linalg.inv(_STAINS / np.linalg.norm(_STAINS, axis=1, keepdims=True))
_WIDTHS, _SHARES = (1, 2, 4, 8), (0.05, 0.25, 0.5, 0.75, 0.95)
_WHITE, _PALE = 220, 200


def patch_features(patch_ncyx: np.ndarray) -> Float[np.ndarray, "n f"]:
    """Measure patches at two sizes: the inner half, which is the spot itself, and the whole.

    Means, spreads and quantiles of red, green and blue and of the stains that they are unmixed into; energy and skew of
    bands of scales; how aligned edges are; and of nuclei, found by Otsu's threshold on hematoxylin, their share,
    number, size and darkness.

    Args:
        patch_ncyx: ``(n, 3, y, x)`` red, green and blue from 0 to 255.

    Raises:
        DataError: These are no patches in color.
        UnavailableError: scikit-image is missing.
    """
    if patch_ncyx.ndim != 4 or patch_ncyx.shape[1] != 3 or min(patch_ncyx.shape[2:]) < 16:
        axes = " × ".join(map(str, patch_ncyx.shape))
        raise DataError([f"Patches are (n, 3, y, x), red, green and blue, of 16 pixels or more; got {axes}. Cut such."])
    return np.array([_of(patch.astype(np.float32)) for patch in patch_ncyx])


def _of(rgb_cyx: np.ndarray) -> np.ndarray:
    dense = -np.log((rgb_cyx + 1) / 256)
    stain_cyx = np.einsum("cyx,cs->syx", dense, _UNMIX)
    gray = rgb_cyx.mean(axis=0)
    inner = tuple(slice(side // 4, side - side // 4) for side in gray.shape)
    found = [_color(rgb_cyx[:, *part], stain_cyx[:, *part]) for part in (inner, (slice(None), slice(None)))]
    found += [_texture(image, inner) for image in (stain_cyx[0], stain_cyx[1], gray / 255)]
    return np.concatenate([*found, _nuclei(stain_cyx[0], stain_cyx[1], inner)])


def _color(rgb_cyx: np.ndarray, stain_cyx: np.ndarray) -> np.ndarray:
    rgb, stain = rgb_cyx.reshape(3, -1), stain_cyx.reshape(3, -1)
    strong = (rgb.max(axis=0) - rgb.min(axis=0)) / (rgb.max(axis=0) + 1)
    centered = rgb - rgb.mean(axis=1, keepdims=True)
    size = np.sqrt((centered**2).mean(axis=1)) + 1e-6
    alike = (centered @ centered.T / rgb.shape[1] / np.outer(size, size))[np.triu_indices(3, 1)]
    gray = rgb.mean(axis=0)
    return np.concatenate(
        [
            rgb.mean(axis=1),
            size,
            [strong.mean(), strong.std()],
            np.quantile(stain, _SHARES, axis=1).ravel(),
            stain.mean(axis=1),
            stain.std(axis=1),
            alike,
            [(gray > _WHITE).mean(), (gray > _PALE).mean()],
        ]
    )


def _texture(image: np.ndarray, inner: tuple[slice, ...]) -> np.ndarray:
    found, finer = [], image
    for width in _WIDTHS:
        coarser = ndimage.gaussian_filter(image, width)
        band, finer = finer - coarser, coarser
        within = band[inner] - band[inner].mean()
        spread = within.std() + 1e-5
        found += [np.log(spread), (within**3).mean() / spread**3, np.log(band.std() + 1e-5)]
    for width in (1, 3):
        down, right = (ndimage.gaussian_filter(image, width, order)[inner] for order in ((1, 0), (0, 1)))
        a, b, c = (down * down).mean(), (right * right).mean(), (down * right).mean()
        found.append(np.sqrt((a - b) ** 2 + 4 * c * c) / (a + b + 1e-9))
    return np.array(found)


def _nuclei(blue: np.ndarray, pink: np.ndarray, inner: tuple[slice, ...]) -> np.ndarray:
    smooth = ndimage.gaussian_filter(blue, 1)
    # A patch of one shade has no nuclei.
    least = float(optional("skimage.filters").threshold_otsu(smooth)) if np.ptp(smooth) > 1e-6 else np.inf
    mask = ndimage.binary_opening(smooth > least)
    depth = ndimage.distance_transform_edt(mask)
    peak = (ndimage.maximum_filter(depth, 7) == depth) & (depth > 1.5)
    label, count = ndimage.label(mask[inner])
    area = np.bincount(label.ravel())[1:] if count else np.zeros(1)
    deep = depth[peak] if peak.any() else np.zeros(1)
    dark = blue[mask] if mask.any() else np.zeros(1)
    return np.array(
        [
            least if np.isfinite(least) else 0.0,
            mask[inner].mean(),
            mask.mean(),
            np.log(peak[inner].sum() + 1),
            np.log(peak.sum() + 1),
            deep.mean(),
            deep.std(),
            np.log(np.median(area) + 1),
            np.log(area.std() + 1),
            dark.mean(),
            dark.std(),
            pink[~mask].mean() if (~mask).any() else 0.0,
        ]
    )
