"""Mechanisms of treatments by those that look alike: the nearest other compound, and the mechanisms that are likely."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from aivc.core.effects import effects
from aivc.core.errors import DataError
from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR


def mechanisms(ur: UR, known: Mapping[str, str], *, level: float = 0.9) -> pd.DataFrame:
    """Compare each treatment with those of other compounds.

    A treatment is the mean effect of a compound at a dose, and alike is the cosine between two of them. Doses of one
    compound are one family, which never answers for itself. A mechanism is likely unless its nearest treatment is
    farther behind the nearest of all than the right mechanism's was for ``level`` of the treatments of other
    compounds whose mechanism is known and shared (split conformal, Vovk et al. 2005): the set holds the right
    one that often for compounds like these, if some other compound has it at all.

    Args:
        ur: States of treatments and controls, such as those of ``morphology``.
        known: Mechanism by text of the perturbation; others are asked for.
        level: Share of treatments whose set shall hold the right mechanism.

    Returns:
        A row for each treatment: ``perturbation``, ``mechanism`` (empty where not known), ``nearest`` treatment of
        another compound, ``similarity`` to it, its mechanism as ``called``, and ``likely`` ones as a tuple, the
        likeliest first.

    Raises:
        ControlError: There are no controls.
        DataError: Nothing was treated, or fewer than two compounds share a mechanism, so nothing can be compared.

    >>> from aivc.testing import sample_ur
    >>> found = mechanisms(sample_ur(), {f"ko:G0{i}": "ABC"[i % 3] for i in range(6)})
    >>> found.set_index("perturbation")["called"]["ko:G00"]
    'A'
    """
    seen = effects(ur).by_perturbation()
    text_t = seen.perturbations.astype(str)
    if not len(text_t):
        raise DataError(["All entities are controls, so there is no treatment whose mechanism could be asked."])
    family_t = np.array([Perturbation.parse(text).family for text in text_t], dtype=object)
    mechanism_t = np.array([known.get(text, "") for text in text_t], dtype=object)
    size_t = np.linalg.norm(seen.shifts, axis=1, keepdims=True)
    unit_td = seen.shifts / np.maximum(size_t, 1e-300)
    alike_tt = np.where((family_t[:, None] != family_t) & (mechanism_t != ""), unit_td @ unit_td.T, -np.inf)
    names = np.unique(mechanism_t[mechanism_t != ""].astype(str))
    best_tm = np.array([alike_tt[:, mechanism_t == name].max(axis=1) for name in names]).T.reshape(len(text_t), -1)
    gap_tm = best_tm.max(axis=1, initial=-np.inf)[:, None] - best_tm
    own_t = np.array([list(names).index(each) if each else -1 for each in mechanism_t])
    true_t = np.where(own_t >= 0, gap_tm[np.arange(len(own_t)), own_t], np.nan) if len(names) else np.zeros(0)
    usable_t = np.isfinite(true_t)
    if not usable_t.any():
        raise DataError(
            ["No two compounds share a mechanism, so none can be named by its neighbors. Say more of what is known."]
        )
    rows = []
    for i, text in enumerate(text_t):
        limit = _limit(true_t[usable_t & (family_t != family_t[i])], level)
        order = np.argsort(gap_tm[i], kind="stable")
        likely = tuple(str(names[j]) for j in order if gap_tm[i, j] <= limit and np.isfinite(best_tm[i, j]))
        nearest = int(alike_tt[i].argmax())
        rows.append((text, mechanism_t[i], text_t[nearest], alike_tt[i, nearest], mechanism_t[nearest], likely))
    return pd.DataFrame(rows, columns=["perturbation", "mechanism", "nearest", "similarity", "called", "likely"])


def _limit(gap_k: np.ndarray, level: float) -> float:
    """How far behind the right mechanism may be; without end where too few are known to promise anything."""
    rank = int(np.ceil((len(gap_k) + 1) * level))
    return float(np.sort(gap_k)[rank - 1]) if rank <= len(gap_k) else np.inf
