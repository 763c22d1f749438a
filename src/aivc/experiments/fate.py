"""What will these cells become? Probabilities of terminal states with intervals, kept where CellRank looks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import anndata
import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import DECODERS, ENCODERS
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.obsm import load_obsm
from aivc.data.io.schema import Schema
from aivc.data.io.to_anndata import to_anndata
from aivc.data.priors.memberships import memberships
from aivc.experiments.atlas.embed import fit_on_sample

DECODER = "cell-fates"
LINEAGES, NAMES, TERMINAL = "lineages_fwd", "lineages_fwd_names", "term_states_fwd"
COLUMNS, MATRICES = (TERMINAL, "fate", "fate_calibrated"), (LINEAGES, "fate_low", "fate_high")


@final
@dataclass(frozen=True, eq=False)
class Fates:
    """What cells will become.

    Attributes:
        names: ``(c,)`` terminal states.
        probabilities: ``(n, c)``; rows sum to one.
        low: ``(n, c)`` lower end of the interval for the share of the clone of a cell that takes this fate.
        high: ``(n, c)`` upper end.
        level: Of the intervals.
        calibrated: ``(n,)`` whether intervals were tried on clones left out. Others are the spread of draws: how far
            the probability depends on the sample, and not how far the truth may lie from it.
        resolved: ``(n,)`` share of the mass of each cell that reaches a terminal state at all.
        terminal: ``(n,)`` terminal state that each cell was said to be in, empty for others.
        weights: Of transport and of regression, in the pool of evidence.
        evidence: What was learned on clones left out (`clones` is 0 where there were too few to ask).
        cells: The cells as they were read.
        states: What they were represented as.
    """

    names: tuple[str, ...]
    probabilities: Float[np.ndarray, "n c"]
    low: Float[np.ndarray, "n c"]
    high: Float[np.ndarray, "n c"]
    level: float
    calibrated: Bool[np.ndarray, " n"]
    resolved: Float[np.ndarray, " n"]
    terminal: np.ndarray
    weights: dict[str, float]
    evidence: dict[str, float]
    cells: Measurement
    states: UR

    @property
    def note(self) -> str:
        """How far the probabilities were tested, in a sentence."""
        clones = int(self.evidence["clones"])
        if not clones:
            return (
                "Fewer than ten clones reach the last time: both kinds of evidence weigh the same, how well the "
                "probabilities are calibrated is not known, and the intervals are not calibrated: they say how far a "
                "probability depends on the sample of cells, and are too narrow for what becomes of a cell."
            )
        gain = self.evidence["log_loss_base"] - self.evidence["log_loss"]
        better = f"{gain:.3f} nats better than" if gain > 0 else f"no better ({-gain:.3f} nats worse) than"
        return (
            f"On {clones} clones left out, the fates said are {better} the mean composition; mean probability and "
            f"outcome lie {self.evidence['calibration_error']:.3f} apart. Intervals of cells before the last time are "
            f"for the share of the clone of a cell, and are as wide as {self.level:.0%} of these clones need; those of "
            "the last time are not calibrated."
        )

    def table(self) -> pd.DataFrame:
        """One row per cell: ``fate`` (the likeliest), and ``p``, ``low`` and ``high`` of each terminal state."""
        made = pd.DataFrame({"fate": np.array(self.names, dtype=object)[self.probabilities.argmax(axis=1)]})
        for c, name in enumerate(self.names):
            for part, values in (("p", self.probabilities), ("low", self.low), ("high", self.high)):
                made[f"{part}:{name}"] = values[:, c]
        made = made.assign(resolved=self.resolved, calibrated=self.calibrated)
        return made.set_axis(self.cells.entities.index, axis=0)

    def to_anndata(self) -> anndata.AnnData:
        """The cells with their fates where users of CellRank look.

        Returns:
            ``obsm["lineages_fwd"]`` with names in ``uns["lineages_fwd_names"]``, ``obs["term_states_fwd"]``, and
            beside them ``obs["fate"]``, ``obsm["fate_low"]``, ``obsm["fate_high"]`` and ``obs["fate_calibrated"]``;
            ``uns["aivc_fate"]`` says how.
        """
        made = to_anndata(self.cells)
        made.obs = made.obs.assign(**{name: column.array for name, column in self.obs().items()})
        made.obsm.update(self.obsm())
        made.uns.update(self.uns())
        return made

    def obs(self) -> pd.DataFrame:
        """What `to_anndata` adds to ``obs``, by the keys of `COLUMNS`."""
        likeliest = np.array(self.names, dtype=object)[self.probabilities.argmax(axis=1)]
        ended = [name or None for name in self.terminal]
        columns = [pd.Categorical(each, categories=self.names) for each in (ended, likeliest)]
        return pd.DataFrame(dict(zip(COLUMNS, [*columns, self.calibrated], strict=True)), self.cells.entities.index)

    def obsm(self) -> dict[str, np.ndarray]:
        """What `to_anndata` adds to ``obsm``, by the keys of `MATRICES`."""
        return dict(zip(MATRICES, (self.probabilities, self.low, self.high), strict=True))

    def uns(self) -> dict[str, Any]:
        """What `to_anndata` adds to ``uns``."""
        about = {"level": self.level, "note": self.note, "weights": self.weights, "evidence": self.evidence}
        return {NAMES: np.array(self.names, dtype=object), "aivc_fate": about}

    def to_json(self) -> dict[str, Any]:
        """JSON-ready summary: composition of the fates of each time, weights and evidence."""
        times = self.cells.times
        assert times is not None
        rows = pd.DataFrame(self.probabilities, columns=list(self.names)).groupby(times).mean()
        means = {f"{float(time):g}": {name: float(p) for name, p in row.items()} for time, row in rows.iterrows()}
        about = {"weights": self.weights, "evidence": self.evidence, "level": self.level, "note": self.note}
        about["calibrated"] = float(self.calibrated.mean())
        return {"fates": list(self.names), "mean_by_hours": means, **about}


def fate(
    cells: Cells,
    terminal: Mapping[str, str | Sequence[str]] | str,
    *,
    states: str | UR = "factor-analysis",
    schema: Schema | None = None,
    level: float = 0.9,
    dim: int = 32,
    draws: int = 24,
    seed: int = 0,
    **columns: Any,
) -> Fates:
    """Say what cells of a time course will become.

    Args:
        cells: A Measurement with ``time`` (and ``clone``, where cells were marked), an AnnData in memory, or a file.
        terminal: Column of labels and those that are terminal, such as ``{"state": ["Monocyte", "Neutrophil"]}``; a
            column alone takes all its labels. Labels are those of cells at the last time; no others are looked at.
        states: How cells are represented: an encoder by name, ``obsm:X_pca`` for what the file or the AnnData holds,
            or a UR of these cells.
        schema: What the columns of an AnnData or a file mean.
        level: Of the intervals.
        dim: Axes, where an encoder is fitted.
        draws: Resamples of clones, or of cells where none are known.
        seed: Draws them.
        **columns: Instead of ``schema``, its fields.

    Raises:
        DataError: Cells are of one time, or terminal states are not reached.
        SchemaError: No schema for an AnnData or a file.
        UnknownNameError: No such column, label, encoder or key.
    """
    measured = as_measurement(cells, schema, controls=False, **columns)
    if measured.times is None or len(set(measured.times)) < 2:
        raise DataError(['Fates are of cells of several times. Declare them: time = "day", time_unit = "d".'])
    label_n = _terminal(measured, terminal)
    ur = states if isinstance(states, UR) else represented(cells, measured, states, dim, seed)
    labels = memberships(measured.entities.assign(fate=label_n), "fate")
    decoder = DECODERS.load(DECODER).fit(ur, labels, seed=seed, draws=draws)
    low_nc, high_nc, tried_n = decoder.intervals(ur, level)
    return Fates(
        names=tuple(map(str, decoder.features)),
        probabilities=decoder.probabilities(ur),
        low=low_nc,
        high=high_nc,
        level=level,
        calibrated=tried_n,
        resolved=decoder.resolved(ur),
        terminal=label_n,
        weights={"transport": float(decoder.weights[0]), "regression": float(decoder.weights[1])},
        evidence=dict(decoder.evidence),
        cells=measured,
        states=ur,
    )


def represented(cells: Cells, measured: Measurement, states: str, dim: int, seed: int) -> UR:
    """States of cells, by an encoder fitted on them or from an obsm that the file holds.

    Raises:
        DataError: Cells have no embedding, or a Measurement was given with a key of obsm.
        UnknownNameError: No such encoder or key.
    """
    if not states.startswith("obsm:"):
        ENCODERS.load(states)
        encoder, _, _ = fit_on_sample(measured, states, dim, seed)
        return encoder.encode(measured)
    if isinstance(cells, Measurement):
        raise DataError(["A Measurement holds no obsm. Give the file or the AnnData, or a UR, or name an encoder."])
    found = load_obsm(cells if isinstance(cells, anndata.AnnData) else Path(cells), states.removeprefix("obsm:"))
    rows = found.entities.index.get_indexer(measured.entities.index)
    if (rows < 0).any() or found.observed is not None:
        raise DataError([f"{states} has no state for some of the cells. Compute it again, or name an encoder."])
    values_nd = found.dense()[rows]
    fingerprint = State({"obsm": states}, {"values": values_nd}).digest()[:16]
    return UR(values_nd, Space(states, Scale.CELLULAR, values_nd.shape[1], fingerprint), measured.entities)


def _terminal(measured: Measurement, terminal: Mapping[str, str | Sequence[str]] | str) -> np.ndarray:
    """``(n,)`` terminal state of each cell of the last time, empty for others."""
    if isinstance(terminal, str):
        terminal = {terminal: ()}
    if len(terminal) != 1:
        raise DataError([f"Terminal states are labels of one column, got {list(terminal)}. Give one."])
    ((column, wanted),) = terminal.items()
    if column not in measured.entities:
        raise UnknownNameError("column", column, map(str, measured.entities), "Name the column that holds the labels.")
    assert measured.times is not None
    texts = measured.entities[column].astype(object)
    label_n = np.array(["" if pd.isna(text) else str(text) for text in texts], dtype=object)
    label_n[measured.times < measured.times.max()] = ""
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in wanted:
        if name not in set(label_n):
            raise UnknownNameError(f"label in {column} at the last time", name, sorted(set(label_n) - {""}))
    return np.where(np.isin(label_n, wanted), label_n, "") if wanted else label_n
