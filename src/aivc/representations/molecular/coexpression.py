"""Genes that rise and fall together in unperturbed training cells: known without having perturbed anything."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from aivc.core.errors import ControlError, DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.units import COUNTS
from aivc.data.priors.spectra import leading_axes
from aivc.data.splits.fingerprints import provenance_of
from aivc.data.streaming.normalize import normalize, profile_units
from aivc.representations.molecular.gene_table import GeneTable

_CELLS = 20_000


@final
@dataclass(frozen=True, eq=False)
class Coexpression(GeneTable):
    """Leading axes of the correlations between genes over control cells, within each context."""

    name: ClassVar[str] = "coexpression"

    @classmethod
    def fit(cls, measurement: Measurement, *, dim: int = 32, seed: int = 0) -> "Coexpression":
        """Correlate genes over the controls given, and over nothing else.

        Args:
            measurement: Cells; perturbed ones are not looked at. Leave out controls that a test will use: those of a
                split's training part are ``measurement.take(split.roles(measurement, fold) == "control-train")``.
            dim: Axes; at most one fewer than there are genes and cells.
            seed: Draws the cells, where there are more than enough, and starts the decomposition.

        Raises:
            ControlError: There are fewer than three control cells.
            DataError: No gene varies.
        """
        rows = np.flatnonzero(measurement.perturbations.astype(str) == CONTROL)
        if len(rows) < 3:
            raise ControlError(
                f"Co-expression is learned from control cells only, and there are {len(rows)}. Add control cells."
            )
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:_CELLS])
        controls = measurement.take(rows)
        units = profile_units(controls) if controls.units == COUNTS else controls.units
        values_nf = normalize(controls, units).dense()
        for context in np.unique(controls.contexts.astype(str)):
            here = controls.contexts.astype(str) == context
            values_nf[here] -= values_nf[here].mean(axis=0)
        spread_f = values_nf.std(axis=0)
        varies = np.isfinite(spread_f) & (spread_f > 1e-9)
        if not varies.any():
            raise DataError(
                ["No gene varies over the control cells, so none goes with another. Give cells that differ."]
            )
        scaled_fn = (values_nf[:, varies] / spread_f[varies]).T / np.sqrt(len(rows))
        symbols = tuple(map(str, controls.features[varies]))
        axes = leading_axes(scaled_fn, min(dim, *(size - 1 for size in scaled_fn.shape)), seed)
        return cls(symbols, axes, _seen(controls))


def _seen(controls: Measurement) -> dict[str, Any]:
    return {
        "licence": str(controls.provenance.get("licence", "that of the data")),
        "sources": {"controls": str(controls.provenance.get("dataset", ""))},
        "saw": [provenance_of(controls).to_json()],
    }
