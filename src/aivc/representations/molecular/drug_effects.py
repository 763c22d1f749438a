"""What the same drug did in other screens."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation, kind_of
from aivc.data.names.compound_names import bare
from aivc.data.priors.spectra import leading_axes
from aivc.data.splits.fingerprints import provenance_of
from aivc.representations.molecular.compound_table import CompoundTable
from aivc.representations.molecular.screen_effects import scaled


@final
@dataclass(frozen=True, eq=False)
class DrugEffects(CompoundTable):
    """Leading axes of the effects of single drugs, over the contexts and readouts of another screen.

    Every column is centred and scaled over the drugs measured in it; what was not measured counts as the mean. Salts
    and doses of a drug are averaged.
    """

    name: ClassVar[str] = "drug-effects"

    @classmethod
    def available(cls) -> str | None:
        """None: it needs nothing but a screen."""
        return None

    @classmethod
    def fit(cls, measurement: Measurement, *, dim: int = 32, seed: int = 0, title: str = "") -> "DrugEffects":
        """Read the effects of single drugs. Never give the screen that is asked about: `molecular_ur` refuses it.

        Args:
            measurement: An effect-level table, such as ``load("op3")``.
            dim: Axes; at most one less than there are drugs.
            seed: Of the decomposition.
            title: Name of the block, where several screens are used.

        Raises:
            UnitsError: These are cells, not effects.
            DataError: Fewer than three drugs were given alone.
        """
        if not measurement.is_effects:
            raise UnitsError(
                f"Effects of other screens are read from an effect-level table, got {measurement.units}. Subtract the "
                "controls first, or give a table of effects."
            )
        measurement.require_table("A table of effects")
        texts, contexts = measurement.perturbations.astype(str), measurement.contexts.astype(str)
        asked = {text: Perturbation.parse(text).agents for text in set(texts) - {CONTROL}}
        names = {
            text: bare(agents[0].target)
            for text, agents in asked.items()
            if len(agents) == 1 and not kind_of(agents[0].kind).genetic
        }
        order = pd.Index(sorted(set(names.values())))
        if len(order) < 3:
            raise DataError([f"Only {len(order)} drugs were given alone in this table. Give a larger screen."])
        rows = np.flatnonzero(np.isin(texts, list(names)))
        table, drugs = measurement.take(rows), np.array([names[text] for text in texts[rows]], dtype=object)
        values_nf = np.array(table.dense(), dtype=float)
        if table.observed is not None:
            values_nf[~np.broadcast_to(table.observed, values_nf.shape)] = np.nan
        places = [contexts[rows] == context for context in np.unique(contexts[rows])]
        wide = np.concatenate([scaled(order, pd.Index(drugs[here]), values_nf[here]) for here in places], axis=1)
        wide = wide[:, wide.any(axis=0)]
        known = wide.any(axis=1)
        axes = leading_axes(wide, min(dim, wide.shape[1], len(order) - 1), seed)
        made_from = {
            "name": title or cls.name,
            "licence": str(measurement.provenance.get("licence", "that of the data")),
            "sources": {"effects": str(measurement.provenance.get("dataset", ""))},
            "saw": [provenance_of(measurement).to_json()],
        }
        return cls(tuple(order[known]), np.asarray(axes[known]), made_from)
