"""Whether two channels are bright in the same pixels of a compartment, and which is the brighter."""

import numpy as np

from aivc.representations.cellular.morphology_features.compartments import TINY, Compartment


def channel_correlations(first: np.ndarray, second: np.ndarray, part: Compartment, names: str) -> dict[str, np.ndarray]:
    """``(n,)`` features by name: Pearson's correlation, the overlap of Manders, and the log ratio of mean light.

    The ratio says what a dimmer lamp does not change.

    Args:
        first: ``(n, y, x)`` of one channel.
        second: The same of another.
        part: The compartment.
        names: Of both channels, joined by an underscore.
    """
    n = len(first)
    one, two = (
        (image if part.everything else np.where(part.inside, image, np.float32(0))).reshape(n, -1)
        for image in (first, second)
    )
    sums = [image.sum(axis=1, dtype=np.float64) / part.count for image in (one, two)]
    squares = [np.einsum("np,np->n", image, image, dtype=np.float64) / part.count for image in (one, two)]
    both = np.einsum("np,np->n", one, two, dtype=np.float64) / part.count
    variances = [np.maximum(square - mean**2, 0.0) for square, mean in zip(squares, sums, strict=True)]
    pearson = (both - sums[0] * sums[1]) / np.maximum(np.sqrt(variances[0] * variances[1]), TINY)
    overlap = both / np.maximum(np.sqrt(squares[0] * squares[1]), TINY)
    return {
        f"{part.name}_Correlation_Correlation_{names}": pearson,
        f"{part.name}_Correlation_Overlap_{names}": overlap,
        f"{part.name}_Intensity_MeanRatio_{names}": np.log((sums[0] + 1e-3) / (sums[1] + 1e-3)),
    }
