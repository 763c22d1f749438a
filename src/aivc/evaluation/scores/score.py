"""Score somebody else's predicted cells against measured cells, with the measured controls on both sides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias, final

import numpy as np
import pandas as pd
from scipy import sparse

from aivc.core.errors import ControlError, DataError, UnitsError
from aivc.core.measurement import CONTROL, Measurement, StoredRows, Values
from aivc.core.perturbation import Perturbation
from aivc.core.units import COUNTS
from aivc.data.io.count_values import from_expected
from aivc.data.io.labels import some
from aivc.data.names.own_genes import GeneColumns
from aivc.data.streaming.normalize import Block, normalize_block, profile_units, require_path, totals
from aivc.evaluation.metrics.metric import Metric
from aivc.evaluation.metrics.panel import Panel
from aivc.evaluation.metrics.stated_levels import LEVELS, at_level, fared
from aivc.evaluation.protocol.forecast import Forecast, Predicted, cells_of, interval_problems, require_units

Key: TypeAlias = tuple[str, str]
Progress: TypeAlias = Callable[[str, int, int], None]

_FEWEST = 2


@final
@dataclass(frozen=True, eq=False)
class _ScoredFile:
    """Cells of one file, found by context and perturbation, in the units of the profiles."""

    cells: Measurement
    units: str

    @cached_property
    def rows(self) -> dict[Key, np.ndarray]:
        labels = pd.DataFrame({0: self.cells.contexts.astype(str), 1: self.cells.perturbations.astype(str)})
        return dict(labels.groupby([0, 1], sort=True).indices)

    @cached_property
    def depth(self) -> np.ndarray | None:
        return totals(self.cells) if self.cells.units == COUNTS else None

    def block(self, key: Key) -> Block:
        rows, observed = self.rows[key], self.cells.observed
        raw = _raw(self.cells.values, rows)
        if self.cells.units == self.units:
            return raw
        seen = observed[rows] if observed is not None and observed.ndim == 2 else observed
        return normalize_block(raw, require_path(self.cells.units, self.units), seen)

    def depths(self, key: Key) -> np.ndarray | None:
        return None if self.depth is None else self.depth[self.rows[key]]

    def size(self, key: Key) -> int:
        return len(self.rows.get(key, ()))


def score_populations(
    predicted: Predicted,
    measured: Measurement,
    metrics: Sequence[Metric],
    *,
    shared_only: bool = False,
    units: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Score predicted cells against measured cells, perturbation by perturbation in each context.

    Effects are differences from the measured controls on both sides. Controls in the prediction are not looked at: a
    prediction that could bring its own could move its effects by moving them. There is no training set here, so where a
    metric wants the mean effect of training (Systema's reference), that of the measured perturbations stands in.

    Args:
        predicted: Cells, in counts, expected counts (below zero is zero: `from_expected`) or in the units of the
            measured ones; its features in any order. Intervals are of mean profiles, in the units in which these are
            compared.
        measured: Cells with their controls.
        metrics: Such as `aivc.evaluation.metrics.profiles.profile` returns.
        shared_only: Score what both have, instead of refusing where one lacks a perturbation of the other.
        units: Units of the profiles; None takes ``log1p_cpN`` with the median measured depth as N for counts.
        progress: Called with how many perturbations are read, of how many.

    Returns:
        One row per context and perturbation: ``context``, ``perturbation``, ``predicted_cells``, ``measured_cells``,
        and a column per metric, NaN where it is undefined.

    Raises:
        DataError: Features or perturbations differ, all of them listed, or there are too few cells.
        ControlError: A measured context has no controls.
        UnitsError: The two cannot be brought to the same units.
    """
    stated = predicted if isinstance(predicted, Forecast) else None
    cells = from_expected(cells_of(predicted))
    common = _units(cells, measured, units)
    ours, real = _ScoredFile(_reordered(cells, measured), common), _ScoredFile(measured, common)
    keys = _keys(ours, real, shared_only=shared_only)
    bounds = None if stated is None else _bounds(stated, ours, keys)
    panel = _panel(ours, real, keys, progress)
    panel = panel if bounds is None else _with_bounds(panel, bounds)
    sizes = {name: [side.size(key) for key in keys] for name, side in (("predicted", ours), ("measured", real))}
    table = panel.questions[["context", "perturbation"]].assign(
        predicted_cells=sizes["predicted"], measured_cells=sizes["measured"]
    )
    return table.assign(**{metric.name: metric.compute(panel) for metric in metrics})


def _bounds(stated: Forecast, ours: _ScoredFile, keys: list[Key]) -> list[tuple[np.ndarray, ...]]:
    """Per key, the ends at each level (`at_level`)."""
    require_units(stated, ours.units, "The prediction")
    stated = stated.select(ours.cells.features)
    if problems := [*interval_problems(stated, {key: ours.rows[key] for key in keys}, _named)]:
        raise DataError(problems)
    return [at_level(stated.ends(ours.rows[key]), stated.level) for key in keys]


def _with_bounds(panel: Panel, bounds: list[tuple[np.ndarray, ...]]) -> Panel:
    low_pf, high_pf = np.array([each[LEVELS.index(0.9)] for each in bounds]).swapaxes(0, 1)
    stated = fared(bounds, panel.predicted, panel.truth, panel.usable)
    return replace(panel, low=low_pf, high=high_pf, stated=stated)


def _units(predicted: Measurement, measured: Measurement, units: str | None) -> str:
    for side, name in ((predicted, "predicted"), (measured, "measured")):
        if side.is_effects:
            raise UnitsError(
                f"Populations of cells are scored, but the {name} values are effects ({side.units}). Give cells, or "
                "evaluate effects with a split: aivc evaluate."
            )
    if units is None:
        # What is normalized already says how; what is counted can follow.
        units = predicted.units if measured.units == COUNTS != predicted.units else profile_units(measured)
    for side, name in ((predicted, "predicted"), (measured, "measured")):
        try:
            if side.units != units:
                require_path(side.units, units)
        except UnitsError as error:
            error.add_note(
                f"Predicted values are in {predicted.units}, measured ones in {measured.units} ({name} fails)."
            )
            raise
    return units


def _reordered(predicted: Measurement, measured: Measurement) -> Measurement:
    ours, real = pd.Index(predicted.features), pd.Index(measured.features)
    lacking, unknown = real.difference(ours), ours.difference(real)
    if len(lacking) or len(unknown):
        problems = [
            f"{len(names)} of {len(of)} {what}: {some(names)}."
            for names, of, what in (
                (lacking, real, "measured features are not predicted"),
                (unknown, ours, "predicted features were not measured"),
            )
            if len(names)
        ]
        problems[-1] += (
            " Both need the same features, whatever their order: predict those that are missing, drop the others."
        )
        raise DataError(problems)
    if np.array_equal(ours, real):
        return predicted
    in_memory = predicted if predicted.in_memory else predicted.take(np.arange(len(predicted)))
    return in_memory.select(measured.features)


def _keys(ours: _ScoredFile, real: _ScoredFile, *, shared_only: bool) -> list[Key]:
    contexts = {context for context, text in real.rows if text != CONTROL}
    if without := sorted(context for context in contexts if (context, CONTROL) not in real.rows):
        raise ControlError(
            f"Effects are measured against real controls, but the measured file has none in {some(without)}. Add its "
            "control cells, labeled as the schema says."
        )
    asked, answered = ({key for key in side.rows if key[1] != CONTROL} for side in (real, ours))
    problems = [] if shared_only else list(_differences(asked, answered))
    keys = sorted(asked & answered)
    if not keys:
        problems = problems or list(_differences(asked, answered)) or ["There is nothing but control cells to score."]
    scarce = [key for key in keys if min(ours.size(key), real.size(key)) < _FEWEST]
    scarce += [(c, CONTROL) for c in sorted({c for c, _ in keys}) if real.size((c, CONTROL)) < _FEWEST]
    if scarce:
        problems.append(
            f"{len(scarce)} have fewer than {_FEWEST} cells on one side: {some(map(_named, scarce))}. Leave out."
        )
    if problems:
        raise DataError(problems)
    return keys


def _differences(asked: set[Key], answer: set[Key]) -> list[str]:
    remedy = "Complete the file, or score what both have: --shared-only."
    sides = ((asked - answer, "measured, but not predicted"), (answer - asked, "predicted, but not measured"))
    return [f"{len(keys)} {what}: {some(map(_named, sorted(keys)))}. {remedy}" for keys, what in sides if keys]


def _named(key: Key) -> str:
    return f"{key[1]} in {key[0]}"


def _raw(values: Values, rows: np.ndarray) -> Block:
    """Those rows; cells that lie together in memory are viewed, not copied."""
    together = rows[-1] - rows[0] + 1 == len(rows) and bool((np.diff(rows) == 1).all())
    start, stop = int(rows[0]), int(rows[-1]) + 1
    if isinstance(values, StoredRows):
        return values.rows(start, stop) if together else values.rows(start, stop)[rows - start]
    if not together or isinstance(values, np.ndarray):
        return values[start:stop] if together else values[rows]
    first, last = values.indptr[start], values.indptr[stop]
    parts = (values.data[first:last], values.indices[first:last], values.indptr[start : stop + 1] - first)
    return sparse.csr_matrix(parts, shape=(stop - start, values.shape[1]), copy=False)


def _moments(block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Mean over cells ``(f,)`` and its sampling variance."""
    n = block.shape[0]
    mean_f = np.asarray(block.mean(axis=0, dtype=np.float64)).ravel()
    squared = np.square(block, dtype=np.float64) if isinstance(block, np.ndarray) else block.multiply(block)
    square_f = np.asarray(squared.mean(axis=0, dtype=np.float64)).ravel()
    return mean_f, np.maximum(square_f - mean_f**2, 0.0) / (n - 1)


def _panel(ours: _ScoredFile, real: _ScoredFile, keys: list[Key], progress: Progress | None) -> Panel:
    features = real.cells.features
    contexts = sorted({context for context, _ in keys})
    at = np.array([contexts.index(context) for context, _ in keys])
    controls = [real.block((context, CONTROL)) for context in contexts]
    control = [_moments(block) for block in controls]
    predicted, truth, noise = np.empty((3, len(keys), len(features)))
    population, cells = [], []
    for i, key in enumerate(keys):
        if progress is not None:
            progress("cells", i, len(keys))
        population.append(ours.block(key))
        cells.append(real.block(key))
        predicted[i] = _moments(population[i])[0]
        truth[i], noise[i] = _moments(cells[i])
        noise[i] += control[at[i]][1]
    control_pf = np.array([mean_f for mean_f, _ in control])[at]
    columns = GeneColumns.of(features)
    own = np.array([columns.own(Perturbation.parse(text).genes) for _, text in keys])
    nothing = np.broadcast_to(np.nan, truth.shape)
    mean_effect = np.array([(truth - control_pf)[at == c].mean(axis=0) for c in range(len(contexts))])
    return Panel(
        features=features,
        units=real.units,
        questions=pd.DataFrame(keys, columns=["context", "perturbation"]).assign(fold=0),
        predicted=predicted,
        given=control_pf,
        truth=truth,
        control=control_pf,
        perturbed_mean=control_pf + mean_effect[at],
        usable=~own & _observed(ours, real),
        targeted=np.asarray(own.any(axis=0)),
        truth_noise=noise,
        predicted_noise=np.zeros_like(truth),
        low=nothing,
        high=nothing,
        population=tuple(population),
        cells=tuple(cells),
        controls=tuple(controls[c] for c in at),
        population_depth=tuple(ours.depths(key) for key in keys),
        cells_depth=tuple(real.depths(key) for key in keys),
        controls_depth=tuple(real.depths((contexts[c], CONTROL)) for c in at),
    )


def _observed(ours: _ScoredFile, real: _ScoredFile) -> np.ndarray:
    """``(f,)`` True where both files measured a feature in every cell."""
    seen = np.ones(len(real.cells.features), dtype=bool)
    for side in (ours, real):
        mask = side.cells.observed
        if mask is not None:
            seen &= mask if mask.ndim == 1 else mask.all(axis=0)
    return seen
