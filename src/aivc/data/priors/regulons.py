"""Which transcription factor raises or lowers which gene, as DoRothEA lists it."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from aivc.data import catalog
from aivc.data.names.genes import resolve

# How much a link counts, by the confidence that DoRothEA gives it; E, predicted only, is left out.
CONFIDENCE: Mapping[str, float] = {"A": 1.0, "B": 0.8, "C": 0.6, "D": 0.4}


def regulons() -> pd.DataFrame:
    """Read signed links (Garcia-Alonso et al. 2019), each pair of current symbols once, with its surest link.

    Returns:
        Columns ``tf``, ``target``, ``link`` (weight of the confidence, negative where the factor lowers the target),
        ``sure`` (its size) and ``confidence`` (A to D).

    Raises:
        UnavailableError: The table is nowhere here.
    """
    return _read(catalog.path("dorothea"))


@lru_cache(maxsize=2)
def _read(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    table = table[table["confidence"].isin(CONFIDENCE)]
    ends = {end: resolve(table[end].astype(str)).current for end in ("tf", "target")}
    link = np.sign(table["mor"].to_numpy()) * table["confidence"].map(CONFIDENCE)
    links = pd.DataFrame({**ends, "link": link, "confidence": table["confidence"]})
    # Former symbols of one gene may stand beside its current one: the surest link of each pair counts.
    return links.assign(sure=links["link"].abs()).sort_values("sure").drop_duplicates(["tf", "target"], keep="last")
