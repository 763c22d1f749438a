"""What the same gene did when it was perturbed in other screens."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, UnitsError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.data.names.genes import resolve
from aivc.data.priors.spectra import leading_axes
from aivc.data.splits.fingerprints import provenance_of
from aivc.representations.molecular.gene_table import NAMES, GeneTable, lacking


@final
@dataclass(frozen=True, eq=False)
class ScreenEffects(GeneTable):
    """Leading axes of the effects of perturbing one gene, over the contexts and readouts of another screen.

    Every column is centred and scaled over the genes measured in it; what was not measured counts as the mean. What
    lowers a gene is turned around, so that a vector always says what more of the gene would do.
    """

    name: ClassVar[str] = "screen-effects"

    @classmethod
    def fit(cls, measurement: Measurement, *, dim: int = 64, seed: int = 0, title: str = "") -> "ScreenEffects":
        """Read the effects of single genes. Never give the screen that is asked about: `molecular_ur` refuses it.

        Args:
            measurement: An effect-level table, such as ``load("replogle2022")`` or ``load("crispr-screens")``.
            dim: Axes; at most as many as there are columns.
            seed: Of the decomposition.
            title: Name of the block, where several screens are used.

        Raises:
            UnitsError: These are cells, not effects.
            DataError: Fewer than three single genes were perturbed.
        """
        if not measurement.is_effects:
            raise UnitsError(
                f"Effects of other screens are read from an effect-level table, got {measurement.units}. Subtract the "
                "controls first, or give a table of effects."
            )
        measurement.require_table("A table of effects")
        texts, contexts = measurement.perturbations.astype(str), measurement.contexts.astype(str)
        asked = {text: Perturbation.parse(text) for text in set(texts) - {CONTROL}}
        single = {text: each for text, each in asked.items() if len(each.agents) == 1 and each.genes}
        rows = np.flatnonzero(np.isin(texts, list(single)))
        names = [single[text].genes[0] for text in texts[rows]]
        genes = pd.Index(names if lacking(*NAMES) else resolve(names).current)
        if genes.nunique() < 3:
            raise DataError(
                [f"Only {genes.nunique()} single genes were perturbed in this table. Give a larger screen."]
            )
        table = measurement.take(rows)
        # What is seen with a gene lowered says of more of it the opposite.
        sign_n = np.array([-1.0 if single[text].agents[0].direction == -1 else 1.0 for text in texts[rows]])
        values_nf = table.dense() * sign_n[:, None]
        if table.observed is not None:
            values_nf[~np.broadcast_to(table.observed, values_nf.shape)] = np.nan
        order = pd.Index(sorted(set(genes)))
        blocks = [
            scaled(order, genes[here], values_nf[here])
            for context in np.unique(contexts[rows])
            if (here := contexts[rows] == context).any()
        ]
        wide = np.concatenate(blocks, axis=1)
        wide = wide[:, wide.any(axis=0)]
        axes = leading_axes(wide, min(dim, wide.shape[1], len(order) - 1), seed)
        known = wide.any(axis=1)
        made_from = {
            "name": title or cls.name,
            "licence": str(measurement.provenance.get("licence", "that of the data")),
            "sources": {"effects": str(measurement.provenance.get("dataset", ""))},
            "saw": [provenance_of(measurement).to_json()],
        }
        return cls(tuple(order[known]), axes[known], made_from)


def scaled(order: pd.Index, genes: pd.Index, values_nf: np.ndarray) -> np.ndarray:
    """Mean per gene, columns centred and scaled over the genes that have them; zero where there is none."""
    frame = pd.DataFrame(values_nf, index=genes).groupby(level=0).mean()
    frame = (frame - frame.mean()) / frame.std(ddof=0).replace(0.0, np.nan)
    return np.asarray(frame.reindex(order).fillna(0.0).to_numpy(dtype=float))
