"""Whether cells of a plate that was not trained on differ from its controls at a low dose, and in order of dose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, final

import numpy as np

from aivc.core.errors import IntegrityError, SpaceError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.registry import ENCODERS
from aivc.core.scale import Scale
from aivc.evaluation.benchmarks.protocol import POOLED, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.images.dose_regression import (
    DosedCells,
    chosen_penalty,
    dose_order,
    dose_scores,
    dose_weights,
)
from aivc.evaluation.tissue.tissue_inputs import auroc

INTENSITIES = "intensities"
_NEEDED = ("dataset", "rows", "plates", "dose", "penalties", "options", "reader", "permutations", "resamples")


@final
@dataclass(frozen=True, eq=False)
class ChosenStates:
    """States of all cells under the settings that were best in fields left out of the training plates.

    Attributes:
        states: ``(n, d)``.
        options: Of the encoder.
        penalty: Of the regression.
        validated: Order of doses in the fields left out.
    """

    states: np.ndarray
    options: dict[str, Any]
    penalty: float
    validated: float


@final
class UnseenPlate(Protocol):
    """Cells of each plate in turn are scored by a regression on log dose that is fitted on the other plates.

    A method is an encoder of cells that reads images, fitted on all cells but the treated ones of the plate that is
    asked about: its controls set what they set, as in an experiment. ``intensities`` is the null of six numbers, mean
    and standard deviation of each channel, normalized by the same controls. Options of encoders and the penalty of the
    regression are chosen by the order of doses in fields left out of the training plates. Shuffled: doses permuted over
    cells of the training plates; the mean over permutations, with their 2.5 and 97.5 % quantiles.

    ``auroc_DOSE`` tells controls from cells at the dose of the question, where the plate has it; ``dose_order`` is the
    Spearman correlation of scores with doses among treated cells; ``auroc``, over all doses, stands beside them and
    shows little: six intensities reach it. Folds are plates; intervals draw fields of view.

    Settings: ``dataset``; ``rows``, number of cells; ``plates`` asked about; ``dose`` in µM; ``penalties``;
    ``options``, encoder → name → values tried, and under an empty name those of all other encoders; ``reader``, the
    encoder that intensities go through; ``permutations``; ``resamples``.
    """

    def __init__(self) -> None:
        self._tables: dict[str, Measurement] = {}
        self._chosen: dict[tuple[str, str], ChosenStates] = {}

    def require(self, settings: Mapping[str, Any], methods: Sequence[str]) -> None:
        """See `Protocol.require`."""
        if missing := [key for key in _NEEDED if key not in settings]:
            raise IntegrityError(f"Settings of unseen-plate lack {', '.join(missing)}. State them.")
        for method in methods:
            name = method.removesuffix(SHUFFLED)
            if name == INTENSITIES:
                continue
            if name not in ENCODERS.names():
                known = [INTENSITIES, *ENCODERS.names()]
                raise UnknownNameError("method", method, known, "An encoder of cells is a method too.")
            if ENCODERS.load(name).scale is not Scale.CELLULAR:
                raise SpaceError(f"{name} does not encode cells by themselves, and cells are to be. Name one of cells.")

    def run(self, data: Mapping[str, Any], settings: Mapping[str, Any], method: str, seed: int) -> list[ScoreRow]:
        """See `Protocol.run`."""
        cells: Measurement = data[settings["dataset"]]
        plates = set(cells.entities["batch"].astype(str))
        if len(cells) != settings["rows"] or not set(settings["plates"]) <= plates:
            raise IntegrityError(
                f"The benchmark was frozen on {settings['rows']} cells, of plates {', '.join(settings['plates'])} and "
                f"others; these are {len(cells)} of {', '.join(sorted(plates))}. Read the same file."
            )
        name = method.removesuffix(SHUFFLED)
        drawn, values, notes = {}, {}, {}
        for plate in settings["plates"]:
            about = DosedCells.of(cells, plate)
            key = (name, plate)
            if key not in self._chosen:
                self._chosen[key] = chosen_states(self._table(cells, name, settings), about, settings, name, seed)
            own = self._chosen[key]
            if method == name:
                said_n = _scores(own, about, about.dose)
                values[plate] = _measured(said_n, about, settings["dose"])
                drawn[plate] = _by_field(said_n, about, settings, np.random.default_rng(seed))
                notes[plate] = (
                    f"{_text(own.options)}, penalty {own.penalty:g}, chosen at dose order {own.validated:.3f}"
                )
            else:
                drawn[plate] = _permuted(own, about, settings, np.random.default_rng(seed))
                values[plate] = {metric: _mean(drawn[plate][metric]) for metric in drawn[plate]}
                notes[plate] = f"mean of {settings['permutations']} permutations"
        return _rows(method, values, drawn, notes)

    def _table(self, cells: Measurement, name: str, settings: Mapping[str, Any]) -> Measurement:
        """What an encoder is given: images, or what it measures of them, once, where it says how."""
        if name not in self._tables:
            part: Any = None if name == INTENSITIES else ENCODERS.load(name)
            # In memory: it is read for every plate and option.
            held = cells.take(np.arange(len(cells)))
            if name == INTENSITIES:
                self._tables[name] = intensities(held)
            else:
                self._tables[name] = part.table(held, brightness=False) if hasattr(part, "table") else held
        return self._tables[name]


def intensities(cells: Measurement) -> Measurement:
    """Mean and standard deviation of each channel, as a table."""
    light = np.asarray(cells.values, dtype=np.float32)
    return cells.replace(
        values=np.concatenate([light.mean(axis=(2, 3)), light.std(axis=(2, 3))], axis=1),
        features=np.array([f"{kind} {each}" for kind in ("mean", "sd") for each in cells.features], dtype=object),
        modality="profile",
    )


def chosen_states(
    table: Measurement, about: DosedCells, settings: Mapping[str, Any], name: str, seed: int = 0
) -> ChosenStates:
    """Encode cells with the options, and choose the penalty, that order doses best in fields left out of training."""
    grid = settings["options"].get(name, settings["options"][""])
    encoder = settings["reader"] if name == INTENSITIES else name
    best: ChosenStates | None = None
    for each in product(*grid.values()):
        options = dict(zip(grid, each, strict=True))
        z_nd = encoded(table, about, encoder, options, seed)
        validated, penalty = chosen_penalty(z_nd, about, settings["penalties"])
        if best is None or validated > best.validated:
            best = ChosenStates(z_nd, options, penalty, validated)
    if best is None:
        raise IntegrityError(f"Options of {name} hold no value. Name one of each, or leave the option out.")
    return best


def encoded(
    table: Measurement, about: DosedCells, encoder: str, options: Mapping[str, Any], seed: int = 0
) -> np.ndarray:
    """``(n, d)`` states of all cells from an encoder that has seen none of the treated ones asked about."""
    part: Any = ENCODERS.load(encoder)
    fitted = part.fit(table.take(~about.hidden), seed=seed, **options)
    return np.asarray(fitted.encode(table).values, dtype=float)


def _scores(own: ChosenStates, about: DosedCells, dose_n: np.ndarray) -> np.ndarray:
    return dose_scores(own.states, dose_weights(own.states, dose_n, ~about.test, own.penalty))


def _name(dose: float) -> str:
    return f"auroc_{dose:g}uM"


def _measured(
    said_n: np.ndarray, about: DosedCells, dose: float, rows: np.ndarray | None = None
) -> dict[str, float | None]:
    rows = np.flatnonzero(about.test) if rows is None else rows
    score, given = said_n[rows], about.dose[rows]
    asked = np.isin(given, (0, dose))
    both = bool((given == 0).any() and (given > 0).any())
    at_dose = bool((given == 0).any() and (given == dose).any())
    ordered = len(set(given[given > 0])) > 1
    return {
        _name(dose): auroc(score[asked], given[asked] > 0) if at_dose else None,
        "dose_order": dose_order(score, given, given > 0) if ordered else None,
        "auroc": auroc(score, given > 0) if both else None,
    }


def _by_field(
    said_n: np.ndarray, about: DosedCells, settings: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, list[float | None]]:
    """Scores when fields of view are drawn anew; controls and treated cells are in fields of their own."""
    field_n = np.array([f"{field} {dose:g}" for field, dose in zip(about.field, about.dose, strict=True)])
    members = [np.flatnonzero(about.test & (field_n == each)) for each in np.unique(field_n[about.test])]
    made: dict[str, list[float | None]] = {}
    for _ in range(settings["resamples"]):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        for metric, value in _measured(said_n, about, settings["dose"], rows).items():
            made.setdefault(metric, []).append(value)
    return made


def _permuted(
    own: ChosenStates, about: DosedCells, settings: Mapping[str, Any], rng: np.random.Generator
) -> dict[str, list[float | None]]:
    made: dict[str, list[float | None]] = {}
    for _ in range(settings["permutations"]):
        dose_n = np.where(about.test, about.dose, 0)
        dose_n[~about.test] = rng.permutation(about.dose[~about.test])
        for metric, value in _measured(_scores(own, about, dose_n), about, settings["dose"]).items():
            made.setdefault(metric, []).append(value)
    return made


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _text(options: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in options.items()) or "no options"


def _rows(
    method: str,
    values: Mapping[str, Mapping[str, float | None]],
    drawn: Mapping[str, Mapping[str, Sequence[float | None]]],
    notes: Mapping[str, str],
) -> list[ScoreRow]:
    """For each plate and metric, and for their mean over the plates that can tell."""
    made: list[ScoreRow] = []
    for metric in next(iter(values.values())):
        known = [plate for plate in values if values[plate][metric] is not None]
        for plate in values:
            note = notes[plate] if plate in known else "the plate has no such cells"
            low, high = _ends(drawn[plate][metric]) if plate in known else (None, None)
            made.append(ScoreRow(method, plate, metric, values[plate][metric], low=low, high=high, note=note))
        if not known:
            made.append(ScoreRow(method, POOLED, metric, None, note="no plate has such cells"))
            continue
        each = [[drawn[plate][metric][i] for plate in known] for i in range(len(drawn[known[0]][metric]))]
        low, high = _ends([_mean(row) for row in each])
        mean = _mean([values[plate][metric] for plate in known])
        made.append(ScoreRow(method, POOLED, metric, mean, low=low, high=high, note=f"plates: {', '.join(known)}"))
    return made


def _ends(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    low, high = map(float, np.quantile(known, [0.025, 0.975]))
    return low, high
