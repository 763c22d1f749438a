"""Features in which a straight line is a curve, or an interaction, in the molecule: kernels through landmarks."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from aivc.core.errors import UnknownNameError

KERNELS = ("linear", "quadratic", "gaussian")
_JITTER = 1e-9


@final
@dataclass(frozen=True, eq=False)
class KernelMap:
    """Maps rows to features whose dot products are those of a kernel (Nyström; exact on the landmarks).

    ``linear`` leaves rows as they are; ``quadratic`` is ``(1 + x.y / size)**2``, which holds every pair of axes;
    ``gaussian`` is ``exp(-|x - y|**2 / (2 * size))``, which holds interactions of every order.

    Attributes:
        kernel: One of `KERNELS`.
        size: What distances or products are measured in.
        landmarks: ``(m, d)`` rows; none for ``linear``.
        whiten: ``(m, r)`` turns kernel values at the landmarks into features.
    """

    kernel: str
    size: float
    landmarks: Float[np.ndarray, "m d"]
    whiten: Float[np.ndarray, "m r"]

    @classmethod
    def fit(
        cls, x_nd: np.ndarray, kernel: str, *, landmarks: int = 2000, seed: int = 0, scale: float = 1.0
    ) -> "KernelMap":
        """Choose landmarks among the rows, and the size from them.

        Args:
            x_nd: Rows.
            kernel: One of `KERNELS`.
            landmarks: At most so many.
            seed: Draws them.
            scale: What the size is multiplied by; less than 1 makes a gaussian kernel more local.

        Raises:
            UnknownNameError: No such kernel.
        """
        if kernel not in KERNELS:
            raise UnknownNameError("kernel", kernel, KERNELS)
        if kernel == "linear":
            return cls(kernel, 1.0, np.zeros((0, x_nd.shape[1])), np.zeros((0, 0)))
        drawn = np.sort(np.random.default_rng(seed).permutation(len(x_nd))[:landmarks])
        at_md = np.unique(x_nd[drawn], axis=0)
        spread = float(((at_md - at_md.mean(axis=0)) ** 2).sum(axis=1).mean())
        size = (float((at_md**2).sum(axis=1).mean()) if kernel == "quadratic" else spread) * scale or 1.0
        power, vectors = np.linalg.eigh(_values(kernel, size, at_md, at_md))
        kept = power > _JITTER * power[-1]
        return cls(kernel, size, at_md, np.ascontiguousarray(vectors[:, kept] / np.sqrt(power[kept])))

    def __call__(self, x_nd: np.ndarray) -> np.ndarray:
        """``(n, r)`` features of rows."""
        if self.kernel == "linear":
            return x_nd
        return _values(self.kernel, self.size, x_nd, self.landmarks) @ self.whiten


def _values(kernel: str, size: float, x_nd: np.ndarray, y_md: np.ndarray) -> np.ndarray:
    product_nm = x_nd @ y_md.T
    if kernel == "quadratic":
        return np.asarray((1 + product_nm / size) ** 2)
    distance_nm = (x_nd**2).sum(axis=1)[:, None] + (y_md**2).sum(axis=1) - 2 * product_nm
    return np.exp(-np.maximum(distance_nm, 0.0) / (2 * size))
