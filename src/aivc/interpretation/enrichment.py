"""Which pathways hold more of some genes than chance would put there."""

from collections.abc import Iterable, Mapping

import pandas as pd
from scipy.stats import false_discovery_control, hypergeom

_FEWEST = 3


def enrichment(genes: Iterable[str], background: Iterable[str], sets: Mapping[str, frozenset[str]]) -> pd.DataFrame:
    """Test each set for holding more of the genes than a draw of as many from the background would.

    Args:
        genes: Such as those that rise most.
        background: All genes that could have been among them: those measured, never all genes there are.
        sets: Name → genes.

    Returns:
        One row per set with three genes or more in the background, the likeliest first: ``set``, ``hits``, ``size``
        (both within the background), ``expected`` hits, ``p`` (one-sided hypergeometric), ``q`` (Benjamini & Hochberg
        1995, over the sets tested) and ``genes``, the hits joined by commas.

    >>> sets = {"pathway": frozenset("ABC"), "other": frozenset("XYZ")}
    >>> table = enrichment("AB", "ABCDEFGHIXYZ", sets)
    >>> table.set.tolist(), table.hits.tolist()
    (['pathway', 'other'], [2, 0])
    """
    measured = frozenset(map(str, background))
    drawn = frozenset(map(str, genes)) & measured
    rows = []
    for name, members in sets.items():
        inside = members & measured
        if len(inside) < _FEWEST:
            continue
        hits = sorted(inside & drawn)
        p = float(hypergeom.sf(len(hits) - 1, len(measured), len(inside), len(drawn)))
        expected = len(drawn) * len(inside) / len(measured)
        rows.append((name, len(hits), len(inside), expected, p, ",".join(hits)))
    table = pd.DataFrame(rows, columns=["set", "hits", "size", "expected", "p", "genes"])
    table = table.sort_values(["p", "set"], kind="stable").reset_index(drop=True)
    table.insert(5, "q", false_discovery_control(table["p"].to_numpy(dtype=float)))
    return table
