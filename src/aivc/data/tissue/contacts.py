"""Which types of cells touch more often than chance has it, section by section."""

import numpy as np
from jaxtyping import Float
from scipy import sparse


def contact_enrichment(
    links: sparse.csr_matrix, type_n: np.ndarray, section_n: np.ndarray, *, types: int, sections: int
) -> tuple[Float[np.ndarray, "s t t"], Float[np.ndarray, "s t t"]]:
    """Compare links between types with those expected if types were dealt anew to the cells of their section.

    The expectation is exact; nothing is drawn.

    Args:
        links: ``(n, n)`` who is whose neighbour, symmetric.
        type_n: ``(n,)`` code of the type of each cell.
        section_n: ``(n,)`` code of its section.
        types: Number of types.
        sections: Number of sections.

    Returns:
        ``(s, t, t)`` log2 of links seen over links expected, one link added to both; and the links expected.

    >>> square = sparse.csr_matrix([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]])
    >>> type_n, section_n = np.array([0, 1, 0, 1]), np.zeros(4, dtype=int)
    >>> found, expected = contact_enrichment(square, type_n, section_n, types=2, sections=1)
    >>> expected[0].round(2).tolist()
    [[1.33, 2.67], [2.67, 1.33]]
    >>> bool(found[0, 0, 1] > 0 > found[0, 0, 0])
    True
    """
    ends = sparse.coo_matrix(links)
    kept = (ends.row != ends.col) & (section_n[ends.row] == section_n[ends.col])
    a, b = ends.row[kept], ends.col[kept]
    place = (section_n[a] * types + type_n[a]) * types + type_n[b]
    seen = np.bincount(place, minlength=sections * types * types).reshape(sections, types, types).astype(float)
    count = np.bincount(section_n * types + type_n, minlength=sections * types).reshape(sections, types).astype(float)
    pairs = count[:, :, None] * (count[:, None, :] - np.eye(types))
    total = count.sum(axis=1)
    share = seen.sum(axis=(1, 2)) / np.maximum(total * (total - 1), 1)
    expected = pairs * share[:, None, None]
    return np.log2((seen + 1) / (expected + 1)), expected
