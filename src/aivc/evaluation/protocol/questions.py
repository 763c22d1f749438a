"""What a split asks of the methods, and what was measured: the same for all of them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias, final

import numpy as np
import pandas as pd

from aivc.core.effects import effects
from aivc.core.errors import SplitError
from aivc.core.matching import matched_columns, narrowed, strata
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.space import Space
from aivc.core.units import COUNTS, log1p_units
from aivc.core.ur import UR
from aivc.data.names.own_genes import GeneColumns
from aivc.data.splits.split import CONTROL_SCORE, CONTROL_TRAIN, REPLICATE, SCORE, TRAIN, UNUSED, Split
from aivc.data.streaming.normalize import Block, normalize, totals
from aivc.data.streaming.stream import random_ranks
from aivc.evaluation.protocol.resplit import PIECES, RESPLITS, merge, pieces
from aivc.experiments.fitting.shared_fit import restrict
from aivc.experiments.fitting.summary import Progress, Summary, summarize

_SITES = ("donor", "batch")

# Cells, and cells by batch, for each combination of values that controls are matched by.
Mix: TypeAlias = Mapping[tuple[str, ...], tuple[float, dict[str, float]]]


@final
@dataclass(frozen=True, eq=False)
class Mean:
    """A measured mean profile.

    Attributes:
        profile: ``(f,)``, NaN where not measured.
        noise: ``(f,)`` sampling variance of the profile.
        cells: How many cells it is the mean of.
    """

    profile: np.ndarray
    noise: np.ndarray
    cells: float


@final
@dataclass(frozen=True, eq=False)
class Cells:
    """Measured cells.

    Attributes:
        values: ``(n, f)`` in the units of the profiles, dense or CSR.
        depth: ``(n,)`` total counts; None where the data are not counts.
    """

    values: Block
    depth: np.ndarray | None


@final
@dataclass(frozen=True, eq=False)
class Question:
    """A perturbation in a context that a fold keeps from the methods.

    Attributes:
        fold: Which fold.
        context: Of the cells.
        perturbation: Text.
        site: Donor or batch, where the fold holds these out; otherwise empty.
        site_column: ``donor``, ``batch``, or empty.
        truth: Mean of the scoring half.
        replicate: Mean of the other half; None where there is none.
        given: Mean of the controls given to methods.
        control: Mean of the controls kept for scoring.
        cells: Of the scoring half; None at effect level.
        others: Of the replicate half.
        controls: Of the controls kept for scoring; questions that share them hold the very same object.
    """

    fold: int
    context: str
    perturbation: str
    site: str
    site_column: str
    truth: Mean
    replicate: Mean | None
    given: Mean
    control: Mean
    cells: Cells | None
    others: Cells | None
    controls: Cells | None

    @property
    def key(self) -> dict[str, object]:
        """Columns that name it."""
        named = {"fold": self.fold, "context": self.context, "perturbation": self.perturbation}
        return {**named, self.site_column: self.site} if self.site_column else named


@final
@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """A screen cut by a split, passed over once.

    Attributes:
        summary: Profiles and sampled cells, kept apart by what each part may be used for.
        split: The manifest.
        cells: How many cells a scored population has at most.
        cut: The same with the profiles of both halves of every question in pieces, so that they can be halved in other
            ways; None where there are no halves, or too many.
    """

    summary: Summary
    split: Split
    cells: int
    cut: Summary | None = None

    @classmethod
    def prepare(
        cls,
        measurement: Measurement,
        split: Split,
        *,
        cells: int = 200,
        units: str | None = None,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> "EvaluationSet":
        """Pass over the cells once.

        Raises:
            SplitError: The split does not fit the data.
            ControlError: A context has no controls.
        """
        named_columns = {column for fold in split.folds for column in (*fold.test, *fold.held)}
        if unknown := sorted(named_columns - {"perturbation", "context", "pair", *_SITES}):
            raise SplitError(
                f"Folds hold out values of {', '.join(unknown)}, but questions are asked by perturbation, context, "
                "pair, donor or batch. Name one of these in the schema's columns."
            )
        parts = np.full(len(measurement), TRAIN, dtype=object)
        for fold in range(len(split.folds)):
            roles = split.roles(measurement, fold)
            named = np.isin(roles, [SCORE, REPLICATE, CONTROL_TRAIN, CONTROL_SCORE])
            clash = named & (parts != TRAIN) & (parts != roles)
            if clash.any():
                raise SplitError("The split gives a cell different halves in different folds. Make the split again.")
            parts[named] = roles[named]
        parts[(measurement.perturbations == CONTROL) & (parts == TRAIN)] = UNUSED
        if units is None and "L" in split.notes:
            units = log1p_units(float(split.notes["L"]))
        blocks = pieces(measurement, parts)
        summary = summarize(measurement, parts=parts, blocks=blocks, units=units, seed=seed, progress=progress)
        return cls(summary, split, cells) if blocks is None else cls(merge(summary), split, cells, summary)

    def training(self, fold: int) -> Summary:
        """What methods may see in a fold."""
        return restrict(self.summary, self._seen(self.summary.profiles, fold), self._seen(self.summary.sample, fold))

    def _seen(self, part: Measurement, fold: int) -> np.ndarray:
        mask = self.split.folds[fold].trained(part) | (part.entities["part"].to_numpy() == CONTROL_TRAIN)
        return np.asarray(mask, dtype=bool)

    def keys(self, fold: int) -> list[tuple[str, str, str]]:
        """Context, perturbation, and donor or batch (else empty) of all that a fold asks, sorted."""
        chosen, profiles = self.split.folds[fold], self.summary.profiles
        tested = chosen.tested(profiles) & (profiles.entities["part"].to_numpy() == SCORE)
        by = self.site_column
        sites = profiles.entities[by].astype(str).to_numpy() if by else np.full(len(profiles), "")
        named = zip(profiles.contexts[tested], profiles.perturbations[tested], sites[tested], strict=True)
        return sorted({(str(context), str(text), str(site)) for context, text, site in named})

    @cached_property
    def asked(self) -> tuple[tuple[int, str, str, str], ...]:
        """Every question of every fold: fold, context, perturbation, and donor or batch (else empty)."""
        return tuple((fold, *key) for fold in range(len(self.split.folds)) for key in self.keys(fold))

    def questions(self, fold: int) -> Iterator[Question]:
        """What a fold asks, with the truth."""
        by = self.site_column
        for context, text, site in self.keys(fold):
            means = {role: self._mean(context, text, site, role) for role in (SCORE, REPLICATE)}
            mix = self._mix(context, text, site)
            controls = {role: self._mean(context, CONTROL, site, role, mix) for role in (CONTROL_TRAIN, CONTROL_SCORE)}
            truth, given = means[SCORE], controls[CONTROL_TRAIN]
            assert truth is not None
            if given is None:
                raise SplitError(
                    f"Context {context!r} has no control to start from. Give it controls, or leave it out."
                )
            cells = {role: self._cells(self._sampled(context, text, site, role)) for role in (SCORE, REPLICATE)}
            # At effect level the control is zero on both sides; cells need controls that no method was given.
            control = given if self.summary.profiles.is_effects else controls[CONTROL_SCORE]
            if control is None:
                raise SplitError(
                    f"{site or context!r} has no controls kept for scoring. Give it more, or leave it out."
                )
            named = (fold, context, text, site, by)
            kept = self._controls(context, site, tuple(mix))
            yield Question(*named, truth, means[REPLICATE], given, control, cells[SCORE], cells[REPLICATE], kept)

    @property
    def resplits(self) -> int:
        """In how many ways the cells of a question are halved."""
        return 1 if self.cut is None else len(RESPLITS)

    def resplit(self, question: Question, number: int) -> Question | None:
        """Halve the cells of a question in another way; None where there are too few of them.

        Args:
            question: As the split halves it.
            number: Which way, 0 being that of the split.
        """
        if number == 0 or question.replicate is None:
            return question if number == 0 else None
        assert self.cut is not None
        named = (question.context, question.perturbation, question.site)
        rows = {part: self._where(self.cut.profiles, *named, part) for part in (SCORE, REPLICATE)}
        piece = self.cut.profiles.entities["block"].to_numpy()
        if any(len(set(piece[found])) < PIECES for found in rows.values()):
            return None
        first = RESPLITS[number]
        second = {part: {0, 1, 2} - chosen for part, chosen in first.items()}
        truth, replicate = (
            self._mean_of(self.cut, _pick(rows, piece, half), question.context) for half in (first, second)
        )
        sample = self.summary.sample.entities["block"].to_numpy()
        drawn = {part: self._where(self.summary.sample, *named, part) for part in (SCORE, REPLICATE)}
        cells, others = (self._cells(_pick(drawn, sample, half)) for half in (first, second))
        return replace(question, truth=truth, replicate=replicate, cells=cells, others=others)

    @cached_property
    def site_column(self) -> str:
        """``donor`` or ``batch`` where folds hold these out, otherwise empty."""
        return site_column(self.split)

    @property
    def has_batches(self) -> bool:
        """Whether cells name their batch."""
        return "batch" in self.summary.profiles.entities and not self.summary.profiles.is_effects

    def batches_given(self, context: str, site: str) -> set[str]:
        """Batches that the controls given to methods come from."""
        if not self.has_batches:
            return set()
        rows = self._where(self.summary.profiles, context, CONTROL, site, CONTROL_TRAIN)
        return set(self.summary.profiles.entities["batch"].iloc[rows].astype(str))

    def given(
        self, context: str, site: str, batches: dict[str, float] | None = None, perturbation: str = ""
    ) -> np.ndarray:
        """``(f,)`` mean of the controls given to methods.

        Args:
            context: Of the cells.
            site: Donor or batch, or empty.
            batches: Weighted as so many cells of each batch; None or empty takes all controls as they are.
            perturbation: With whose hours, and whatever else controls are matched by; empty takes all of them.

        Raises:
            SplitError: There are none.
        """
        mix = self._mix(context, perturbation, site, batches or {})
        found = self._mean(context, CONTROL, site, CONTROL_TRAIN, mix)
        if found is None:
            raise SplitError(f"{site or context!r} has no control to start from. Give it controls, or leave it out.")
        return found.profile

    def mean_effect(self, fold: int, context: str) -> np.ndarray:
        """``(f,)`` mean over training perturbations of their effects in this context; else the mean over contexts."""
        return self.mean_effects(fold, [context])[context]

    def mean_effects(self, fold: int, contexts: Iterable[str]) -> dict[str, np.ndarray]:
        """`mean_effect` of several contexts, with the effects of the fold measured once.

        What was not measured takes no part, so that this is what the method ``mean-effect`` says.
        """
        profiles = self.summary.profiles.take(self._seen(self.summary.profiles, fold))
        values, variance = profiles.dense(), None
        if profiles.observed is not None:
            known = np.broadcast_to(profiles.observed, values.shape)
            values, variance = np.where(known, values, 0.0), np.where(known, 0.0, np.inf)
        space = Space("profiles", profiles.scale, values.shape[1], "")
        seen = effects(UR(values, space, profiles.entities, variance, profiles.mass))
        perturbed, mean_cd, default_d = seen.mean_effects()
        here = dict(zip(perturbed, mean_cd, strict=True))
        return {each: here.get(each, default_d) for each in contexts}

    def _mix(self, context: str, text: str, site: str, batches: dict[str, float] | None = None) -> Mix:
        """Cells of the scoring half by batch, within what controls are matched by: neither is to pass for an effect.

        Args:
            context: Of the cells.
            text: Perturbation.
            site: Donor or batch, or empty.
            batches: Cells of each batch, where others than those of the scoring half are meant.
        """
        profiles = self.summary.profiles
        mix = {}
        for key, rows in strata(profiles.entities, self._where(profiles, context, text, site, SCORE)):
            here = profiles.entities.iloc[rows]
            named = batches
            if named is None and "batch" in here:
                cells = here.groupby(here["batch"].astype(str))["cells"].sum()
                named = {str(batch): float(count) for batch, count in cells.items()}
            mix[key] = (float(profiles.mass[rows].sum()), named or {})
        return mix

    def _mean(self, context: str, text: str, site: str, part: str, mix: Mix | None = None) -> Mean | None:
        profiles = self.summary.profiles
        rows = self._where(profiles, context, text, site, part)
        return self._mean_of(self.summary, rows, context, mix) if len(rows) else None

    def _mean_of(self, summary: Summary, rows: np.ndarray, context: str, mix: Mix | None = None) -> Mean:
        profiles = summary.profiles
        weight = _matched(profiles, rows, mix or {})
        # A group of one cell has no variance of its own; the other groups of the question stand in, or the controls.
        variance = summary.variance_of(rows)
        known = np.where(np.isfinite(variance), variance, _nanmean(variance))
        if not np.isfinite(variance).any():
            known = np.broadcast_to(self._control_variance(context), variance.shape)
        noise = ((weight**2 / profiles.mass[rows])[:, None] * known).sum(axis=0)
        return Mean(_average(profiles, rows, weight), noise, float(profiles.mass[rows].sum()))

    def _control_variance(self, context: str) -> np.ndarray:
        profiles = self.summary.profiles
        rows = (profiles.perturbations == CONTROL) & (profiles.contexts.astype(str) == context)
        return _nanmean(self.summary.variance_of(rows))

    def _sampled(self, context: str, text: str, site: str, part: str) -> np.ndarray:
        return self._where(self.summary.sample, context, text, site, part)

    def _cells(self, rows: np.ndarray, most: int | None = None) -> Cells | None:
        if self.summary.profiles.is_effects:
            return None
        # At random, not by name: names run batch after batch.
        rows = rows[np.argsort(random_ranks(self.summary.sample.entities.index[rows], 0))][: most or self.cells]
        if len(rows) < 2:
            return None
        taken = self.summary.sample.take(rows)
        depth = totals(taken) if taken.units == COUNTS else None
        return Cells(normalize(taken, self.summary.units).block(0, len(rows)), depth)

    def _controls(self, context: str, site: str, strata: tuple[tuple[str, ...], ...]) -> Cells | None:
        if (context, site, strata) not in self._kept:
            entities = self.summary.sample.entities
            labels = [entities[name].to_numpy(dtype=object).astype(str) for name in matched_columns(entities)]
            rows = self._sampled(context, CONTROL, site, CONTROL_SCORE)
            if labels and len(rows):
                rows = np.unique(np.concatenate([narrowed(labels, key, rows) for key in strata]))
            self._kept[context, site, strata] = self._cells(rows, len(rows))
        return self._kept[context, site, strata]

    @cached_property
    def _kept(self) -> dict[tuple[str, str, tuple[tuple[str, ...], ...]], Cells | None]:
        """Controls kept for scoring, by context, site and what they are matched by, made once."""
        return {}

    def _where(self, of: Measurement, context: str, text: str, site: str, part: str) -> np.ndarray:
        """``(r,)`` positions, in order."""
        key = (context, text, part, site) if site else (context, text, part)
        if (id(of), bool(site)) not in self._found:
            self._found[id(of), bool(site)] = _positions(of, *([self.site_column] if site else []))
        return self._found[id(of), bool(site)].get(key, np.zeros(0, dtype=int))

    @cached_property
    def _found(self) -> dict[tuple[int, bool], dict[Any, np.ndarray]]:
        """Rows by label, of each table that was asked for."""
        return {}


def site_column(split: Split) -> str:
    """``donor`` or ``batch`` where folds hold these out, otherwise empty."""
    return next((name for name in _SITES if any(name in fold.test for fold in split.folds)), "")


def _pick(rows: Mapping[str, np.ndarray], piece: np.ndarray, half: Mapping[str, set[int]]) -> np.ndarray:
    """Positions of the pieces that make up one half, in order."""
    return np.sort(np.concatenate([found[np.isin(piece[found], list(half[part]))] for part, found in rows.items()]))


def _positions(of: Measurement, *further: str) -> dict[Any, np.ndarray]:
    """Rows by context, perturbation and part, and by further columns."""
    labels = [of.contexts, of.perturbations, of.entities["part"], *(of.entities[name] for name in further)]
    table = pd.DataFrame({i: np.asarray(label, dtype=object).astype(str) for i, label in enumerate(labels)})
    return dict(table.groupby(list(table), sort=False).indices)


def _matched(profiles: Measurement, rows: np.ndarray, mix: Mix) -> np.ndarray:
    """Weights ``(r,)`` of rows: each value that controls are matched by has its share, and in it each batch."""
    names = matched_columns(profiles.entities)
    if not names or not mix:
        return _by_batch(profiles, rows, next(iter(mix.values()))[1] if mix else {})
    labels = [profiles.entities[name].to_numpy(dtype=object)[rows].astype(str) for name in names]
    weight_r, total = np.zeros(len(rows)), sum(cells for cells, _ in mix.values())
    for key, (cells, batches) in mix.items():
        own = narrowed(labels, key, np.arange(len(rows)))
        weight_r[own] += cells / total * _by_batch(profiles, rows[own], batches)
    return weight_r


def _by_batch(profiles: Measurement, rows: np.ndarray, batches: dict[str, float]) -> np.ndarray:
    """Weights ``(r,)`` of rows: each batch has its share; that of a batch without rows falls to all, by cells."""
    mass = profiles.mass[rows] / profiles.mass[rows].sum()
    if not batches:
        return np.asarray(mass)
    batch = profiles.entities["batch"].astype(str).to_numpy()[rows]
    within = {name: mass[batch == name].sum() for name in set(batch)}
    matched = mass * np.array([batches.get(name, 0.0) / within[name] for name in batch]) / sum(batches.values())
    return np.asarray(matched + mass * (1 - matched.sum()))


def _average(profiles: Measurement, rows: np.ndarray, weight: np.ndarray | None = None) -> np.ndarray:
    chosen = profiles.take(rows)
    values = chosen.dense() if chosen.observed is None else np.where(chosen.observed, chosen.dense(), np.nan)
    weight = (profiles.mass[rows] if weight is None else weight)[:, None] * np.isfinite(values)
    total = np.nansum(values * weight, axis=0)
    return np.asarray(
        np.divide(total, weight.sum(axis=0), out=np.full(len(total), np.nan), where=weight.sum(axis=0) > 0)
    )


def _nanmean(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    return np.asarray(np.where(known, values, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def targets(questions: list[Question], features: np.ndarray) -> np.ndarray:
    """``(p, f)`` True for a gene that the question's own perturbation targets."""
    columns = GeneColumns.of(features)
    return np.array([columns.own(Perturbation.parse(each.perturbation).genes) for each in questions])
