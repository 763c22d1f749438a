"""Which intervention carries patients' cells from sick toward healthy? Patients, not cells, are the unit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pandas as pd
from scipy import stats

from aivc.core.errors import DataError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.streaming.stream import Progress, pseudobulk
from aivc.experiments.batch import beginning, distinct, was_seen
from aivc.experiments.known_names import questions
from aivc.experiments.patients import PatientSides, Populations, confounded, populations
from aivc.experiments.predict import predictor
from aivc.experiments.reversal import Reversal
from aivc.experiments.screen import Ranking, rows_to_json

_RANDOM = 499
# A cell of the fit's own controls lies beyond this quantile of their distances once in a hundred times.
_BEYOND, _MOST_BEYOND = 0.99, 0.5
_LEAST_REPEATED = 0.25


@final
@dataclass(frozen=True, eq=False)
class PhenotypicScreen(Ranking):
    """Interventions by cell type, the one that carries patients furthest toward healthy first.

    Attributes:
        table: One row per cell type and intervention: ``cell_type``, ``perturbation``, ``toward`` (mean over patients
            of the share of the way from sick to healthy that is gone), ``low`` and ``high`` (ends of its interval by
            patient bootstrap), ``closer`` (share of the squared distance to the healthy that is closed), ``reversed``
            (share of patients that are brought beyond the middle), ``toward_states`` (as ``toward``, in the states of
            the cell), ``aside`` (change across the way, as a share of the way: side effects), ``cosine``, ``size`` and
            ``size_rank`` (place by effect size alone), ``patients``, ``moved`` (patients moved toward healthy),
            ``p_sign`` (sign test over patients), ``p_labels`` (disease labels permuted over patients, against the best
            of all interventions under each arrangement), ``p_random`` (random mixtures of all effects asked),
            ``found`` (interval above zero, and both nulls below 1 - ``level``), ``seen`` and ``applicability``.
        patients: One row per cell type and sick patient: ``before`` (0 as the other sick patients, 1 as the healthy
            ones) and ``beyond`` (share of cells that lie outside of what the cell was fitted on).
        remarks: What limits the answer, as sentences.
        level: Of the intervals.
        units: Of the profiles that ways are taken in.
    """

    table: pd.DataFrame
    patients: pd.DataFrame
    remarks: tuple[str, ...]
    level: float
    units: str

    @property
    def sureness(self) -> str:
        """One line: how many interventions stand against every null."""
        least = int(self.table["patients"].min())
        return (
            f"{int(self.table['found'].sum())} of {len(self.table)} stand: the interval over patients at "
            f"{self.level:.0%} lies above zero, and neither permuted labels nor random interventions do as well. The "
            f"intervals hold differences between patients (at least {least}), not what the cell itself gets wrong."
        )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            **self._asked(),
            "sureness": self.sureness,
            "remarks": list(self.remarks),
            "rows": rows_to_json(self.table),
            "patients": rows_to_json(self.patients),
        }

    def _asked(self) -> dict[str, Any]:
        return {"level": self.level, "units": self.units}


def phenotypic_screen(  # noqa: PLR0913 - one keyword for each thing a screen may be asked
    cell: VirtualCell,
    cells: Measurement,
    perturbations: Sequence[Perturbation | str],
    sides: PatientSides,
    *,
    context: str = "",
    least_cells: int = 10,
    level: float = 0.9,
    seed: int = 0,
    allow_unknown: bool = False,
    progress: Progress | None = None,
) -> PhenotypicScreen:
    """Rank interventions by how far they carry patients' sick cells toward healthy ones.

    The way that a patient is held against is made from all other patients. What an intervention does is predicted from
    the sick cells of each patient. What the labels are permuted for is the way; effects stay those predicted.

    Args:
        cell: With one manipulator and one decoder.
        cells: Sick and healthy, of at least three patients on each side, with all features that the cell reads.
        perturbations: Objects or texts, none twice.
        sides: Which columns say who is sick, whose a cell is, and of what type.
        context: Answer as in this context of the cell; by default in the patients' own, which may be new to it.
        least_cells: Patients with fewer cells of a type on a side are left out there, and named.
        level: Of the intervals; 1 - ``level`` is what nulls are held against.
        seed: Draws resamples and nulls.
        allow_unknown: Ask also about names of which the cell knows nothing.
        progress: Called with what is being done, how many patients are done, of how many.

    Raises:
        DataError: Too few patients, cells without a patient, nothing to ask, or features that the cell lacks.
        UnknownNameError: No such column or value, or the cell knows nothing of a target.
        UnitsError: The cells cannot be brought to the units of the cell.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> from aivc.data.synthetic_disease import synthetic_disease
    >>> from aivc.experiments.fitting.fit import fit
    >>> from aivc.experiments.fitting.shared_fit import Recipe
    >>> screen, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    >>> cell = fit(screen, "transfer", recipe=Recipe(dim=4, members=2, inner_folds=0))
    >>> people, _ = synthetic_disease(screen, truth, patients=4, cells=20)
    >>> found = phenotypic_screen(cell, people, ["ko:G0002", "ko:G0003"], PatientSides("sick", "healthy"))
    >>> found.table["perturbation"].iloc[0]
    'ko:G0003'
    """
    if not 0 < level < 1:
        raise ValueError(f"A level lies between 0 and 1, got {level}. Ask for 0.9.")
    asked = distinct(questions(cell, perturbations, allow_unknown=allow_unknown))
    groups = populations(cells, sides, least_cells=least_cells)
    remarks = [*confounded(cells.entities, sides), *(each for group in groups for each in group.left_out)]
    remarks += [f"{each.counts()} patients: too few to ask about." for each in groups if not each.enough]
    groups = [each for each in groups if each.enough]
    rows, people, units = [], [], ""
    for group in groups:
        ask = _AskedOfPatients(cell, cells, group, context, level, seed)
        part, units = ask.table(asked, progress)
        rows.append(part)
        people.append(ask.people())
        remarks += _limits(group, people[-1], ask.profiles, level)
    return PhenotypicScreen(
        pd.concat(rows, ignore_index=True), pd.concat(people, ignore_index=True), tuple(remarks), level, units
    )


class _AskedOfPatients:
    """One cell type: states and profiles of its patients, and what is read of each answer."""

    def __init__(
        self, cell: VirtualCell, cells: Measurement, group: Populations, context: str, level: float, seed: int
    ) -> None:
        self.cell, self.group, self.level, self.seed = cell, group, level, seed
        rows = np.concatenate([*group.sick, *group.healthy])
        place = {row: i for i, row in enumerate(rows)}
        states = cell.encode(cells.take(rows))
        labels = {"perturbation": CONTROL, **({"context": context} if context else {})}
        states = replace(states, entities=states.entities.assign(**labels))
        self.starts = [states.take(np.array([place[i] for i in group.sick[who]])) for who in group.asked]
        read = cell.decode(states.take(np.arange(2)))
        self.units, features = read.profile_units, read.draws[0].features
        self.profiles = Reversal.of(*_means(cells, group, features, self.units), seed=seed)
        within = [
            [np.array([place[i] for i in own], dtype=int) for own in side] for side in (group.sick, group.healthy)
        ]
        none_d = np.full(states.space.dim, np.nan)
        by_state = (
            np.array([states.values[own].mean(axis=0) if len(own) else none_d for own in each]) for each in within
        )
        self.states = Reversal.of(*by_state, times=1, seed=seed)

    def table(self, asked: Sequence[Perturbation], progress: Progress | None) -> tuple[pd.DataFrame, str]:
        """Rows of all perturbations, best first, and the units of the profiles."""
        starts = [beginning(self.cell, "", start) for start in self.starts]
        # Whether many can be answered at once is tried on several interventions for one patient, on one for the others.
        tried = [asked, *([asked[:1]] * (len(starts) - 1))]
        answers = [predictor(self.cell, start, few).each(asked) for start, few in zip(starts, tried, strict=True)]
        means = [start.sample(1) for start in starts]
        rng, mixed_rf = np.random.default_rng(self.seed), 0.0
        rows, along_pr = [], []
        for number, (perturbation, *said) in enumerate(zip(asked, *answers, strict=True)):
            effect_af = np.array([each.effect for each in said])
            shift_ad = np.array([self.cell.manipulate(mean, perturbation).mean - mean.mean for mean in means])
            rows.append(self._row(perturbation, effect_af, shift_ad, [each.applicability for each in said]))
            mean_f = effect_af.mean(axis=0)
            along_pr.append(self.profiles.along(mean_f))
            unit_f = mean_f / max(float(np.linalg.norm(mean_f)), 1e-12)
            mixed_rf = mixed_rf + rng.normal(size=(_RANDOM, 1)) * unit_f
            if progress:
                progress(f"asking about {self.group.cell_type}", number + 1, len(asked))
        return self._judged(pd.DataFrame(rows), np.array(along_pr), np.asarray(mixed_rf)), self.units

    def _row(
        self, perturbation: Perturbation, effect_af: np.ndarray, shift_ad: np.ndarray, stated: Sequence[Any]
    ) -> dict[str, Any]:
        read = self.profiles.read(effect_af)
        low, high = self.profiles.interval(effect_af, self.level)
        count, moved = len(effect_af), int((read["toward"] > 0).sum())
        worst = max(stated, key=lambda each: ("in", "edge", "out").index(str(each)))
        return {
            "cell_type": self.group.cell_type,
            "perturbation": str(perturbation),
            "toward": float(read["toward"].mean()),
            "low": low,
            "high": high,
            **{name: float(read[name].mean()) for name in ("closer", "reversed")},
            "toward_states": float(self.states.read(shift_ad)["toward"].mean()),
            **{name: float(read[name].mean()) for name in ("aside", "cosine", "size")},
            "patients": count,
            "moved": moved,
            "p_sign": float(stats.binomtest(moved, count, alternative="greater").pvalue),
            "seen": was_seen(self.cell, perturbation, worst),
            "applicability": str(worst),
        }

    def _judged(self, table: pd.DataFrame, along_pr: np.ndarray, mixed_rf: np.ndarray) -> pd.DataFrame:
        """Add the nulls, and sort."""
        best_r, own_p = along_pr.max(axis=0), along_pr[:, 0]
        random_r = np.array([self.profiles.along(mixed_f)[0] for mixed_f in mixed_rf])
        # Sums in another order differ in the last digit, and the true labels are one of the arrangements.
        table["p_labels"] = (best_r >= own_p[:, None] - 1e-9).mean(axis=1)
        table["p_random"] = (1 + (random_r >= own_p[:, None]).sum(axis=1)) / (1 + len(random_r))
        table["size_rank"] = table["size"].rank(ascending=False, method="min").astype(int)
        most = 1 - self.level + 1e-9
        table["found"] = (table["low"] > 0) & (table["p_labels"] <= most) & (table["p_random"] <= most)
        return table.sort_values(["toward", "perturbation"], ascending=[False, True]).reset_index(drop=True)

    def people(self) -> pd.DataFrame:
        """One row per sick patient."""
        return pd.DataFrame(
            {
                "cell_type": self.group.cell_type,
                "patient": [self.group.patients[who] for who in self.group.asked],
                "cells": [len(start) for start in self.starts],
                "before": self.profiles.before,
                "beyond": [_beyond(self.cell, start) for start in self.starts],
            }
        )


def _means(cells: Measurement, group: Populations, features: np.ndarray, units: str) -> tuple[np.ndarray, np.ndarray]:
    """``(a, f)`` mean sick and healthy profile of each patient, in the features and units of the cell."""
    if absent := [str(name) for name in features if name not in set(cells.features)]:
        raise DataError(
            [
                f"The patients' cells lack {len(absent)} of the {len(features)} features that the cell decodes, "
                f"such as {', '.join(absent[:5])}. Fit a cell on the features that both have."
            ]
        )
    found = []
    for side in (group.sick, group.healthy):
        who = [i for i, rows in enumerate(side) if len(rows)]
        part = cells.take(np.concatenate([side[i] for i in who])).select(features)
        names = np.repeat([f"{i:06}" for i in who], [len(side[i]) for i in who])
        means = pseudobulk(part.replace(entities=part.entities.assign(of=names)), ["of"], units=units)
        profile_af = np.full((len(side), len(features)), np.nan)
        profile_af[who] = [means.dense_row(i) for i in range(len(who))]
        found.append(profile_af)
    return found[0], found[1]


def _beyond(cell: VirtualCell, start: UR) -> float:
    """Share of cells that lie further from every context's controls than 99 % of these do; NaN where none are kept."""
    shares = []
    for known in cell.starts.values():
        if known.space != start.space or len(known) < 2:
            continue
        scale_d = known.values.std(axis=0) + 1e-9
        own_n, far_n = (np.linalg.norm((each - known.mean) / scale_d, axis=1) for each in (known.values, start.values))
        shares.append(float((far_n > np.quantile(own_n, _BEYOND)).mean()))
    return min(shares, default=float("nan"))


def _limits(group: Populations, people: pd.DataFrame, way: Reversal, level: float) -> list[str]:
    said, arrangements = [], len(way.relabels)
    outside = people[people["beyond"] > _MOST_BEYOND]
    if len(outside):
        said.append(
            f"{group.cell_type}: most sick cells of {len(outside)} of {len(people)} patients lie outside of what the "
            "cell was fitted on; what it says of them is a guess."
        )
    if people["beyond"].isna().all():
        said.append(f"{group.cell_type}: the cell keeps no controls to say whether these cells are like them.")
    if way.repeats < _LEAST_REPEATED:
        said.append(
            f"{group.cell_type}: of the squared distance between sick and healthy, {max(way.repeats, 0):.0%} is shared "
            "by different patients; the rest is chance. There may be no one way back."
        )
    if 1 / arrangements > 1 - level + 1e-9:
        said.append(
            f"{group.cell_type}: {arrangements} arrangements of the labels are too few to reject at {level:.0%}, so "
            "nothing can stand. Add patients."
        )
    return said
