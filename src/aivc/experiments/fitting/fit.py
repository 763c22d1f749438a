"""From a screen to a virtual cell that can be asked, saved and shared."""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from aivc.core.contracts import Decoder, Manipulator
from aivc.core.errors import DataError
from aivc.core.matching import at_hours, matched_columns, matched_weights
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import HeldOut
from aivc.core.provenance import Provenance
from aivc.core.read_out import MeanReader
from aivc.core.registry import MANIPULATORS, WRAPPERS
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.label_checks import only_one
from aivc.data.io.schema import Schema
from aivc.data.names.own_genes import GeneColumns
from aivc.data.splits.split import CONTROL_TRAIN, TRAIN, Split
from aivc.data.streaming.stream import Progress
from aivc.experiments.fitting import negative_transfer
from aivc.experiments.fitting.control_noise import following, with_other_controls
from aivc.experiments.fitting.fetch_knowledge import Parts, knowledge
from aivc.experiments.fitting.few_shot import practised
from aivc.experiments.fitting.fit_images import fit_images
from aivc.experiments.fitting.fit_time import fit_time
from aivc.experiments.fitting.lineage import notes_of, provenance_by_part
from aivc.experiments.fitting.shared_fit import Recipe, SharedFit, shared_fit
from aivc.experiments.fitting.summary import summarize

# The profile of a linear decoder does not depend on how many states it reads; calibration needs no more than these.
_STATES_TO_CALIBRATE = 16
# More held-out perturbations than these do not move a quantile.
_CALIBRATED = 200


def fit(  # noqa: PLR0913 - each one is a question a user may ask
    measurement: Cells,
    manipulator: str = "effect.v2",
    *,
    schema: Schema | None = None,
    parts: Parts = "auto",
    recipe: Recipe | None = None,
    settings: Mapping[str, Any] | None = None,
    split: Split | None = None,
    fold: int = 0,
    made_from: Provenance | None = None,
    abstain: bool = False,
    progress: Progress | None = None,
    **columns: Any,
) -> VirtualCell:
    """Fit a virtual cell on a screen. It carries what each of its parts was fitted on.

    A manipulator that takes cells to a later time is fitted on cells read at several times
    (`aivc.experiments.fitting.fit_time.fit_time`). Of images, the states are morphology, and the cell can draw what
    was imaged (`aivc.experiments.fitting.fit_images.fit_images`).

    Args:
        measurement: Cells with their controls, in memory or on disk; or an effect-level table. An AnnData and the path
            of a file are taken too, with a schema or columns.
        manipulator: Registered name.
        schema: What the columns of an AnnData or a file mean.
        parts: Molecular UR of possible targets, such as `aivc.data.priors.gene_priors.gene_priors`. By default the
            catalog's, where the manipulator uses any; if it cannot be had and is not needed, the card says so under
            ``notes`` (`aivc.experiments.fitting.fetch_knowledge`). None for no knowledge.
        recipe: Encoder, decoder, and their sizes.
        settings: Further arguments of the manipulator's ``fit``.
        split: Fit for one fold of it: on what it trains on and the controls it gives to methods, and nothing else.
        fold: Which fold.
        made_from: What ``parts`` were made from, where they are not the catalog's.
        abstain: Answer with the mean effect wherever perturbations left out did not gain
        (`aivc.experiments.fitting.negative_transfer`).
        progress: Called with what is being done.
        **columns: Instead of a schema, its fields (`aivc.data.io.as_measurement.as_measurement`):
            ``units="counts", perturbation="gene", control="NT", kind="ko"``.

    Raises:
        ControlError: No controls, or none in some context.
        DataError: Every problem of an AnnData or a file.
        SchemaError: An AnnData or a file came without schema and columns, or with both; a Measurement with either.
        UnavailableError: The manipulator needs knowledge of targets that cannot be had here.
        SplitError: The split does not fit the data.
        UnknownNameError: A part is not registered.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> cells, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    >>> cell = fit(cells, "mean-effect", recipe=Recipe(dim=4, members=2, inner_folds=0))
    >>> sorted(cell.instruments)
    ['linear-expression', 'mean-effect']
    """
    measurement = as_measurement(measurement, schema, **columns)
    if MANIPULATORS.load(manipulator).needs_times:
        if split is not None or abstain:
            raise DataError(
                [f"{manipulator} learns from cells read over time; splits and abstaining are of perturbations. Leave "
                 "split and abstain out."]
            )  # fmt: skip
        return fit_time(measurement, manipulator, recipe=recipe, settings=settings, progress=progress)
    if measurement.modality == "image":
        again = functools.partial(
            fit, parts=parts, settings=settings, split=split, fold=fold, made_from=made_from, abstain=abstain,
            progress=progress,
        )  # fmt: skip
        of_table = lambda table, made: again(table, manipulator, recipe=made)  # noqa: E731
        return fit_images(measurement, of_table, recipe=recipe, split=split, fold=fold, progress=progress)
    recipe = recipe or Recipe()
    known = knowledge(measurement, [manipulator], parts, progress=progress)
    asked: dict[str, Any] = {}
    if split is not None:
        measurement = measurement.take(np.isin(split.roles(measurement, fold).astype(str), (TRAIN, CONTROL_TRAIN)))
        asked = {"split": split.digest, "fold": fold}
    ground = shared_fit(summarize(measurement, seed=recipe.seed, progress=progress), recipe, known.parts, once=True)
    cell = assemble(ground, manipulator, parts=known.parts, settings=settings, abstain=abstain)
    stated = provenance_by_part(
        cell, ground, measurement, parts=known.parts, made_from=made_from, **asked, progress=progress
    )
    card = {**cell.card, "cells": int(measurement.mass.sum()), "data": notes_of(measurement), **asked}
    if notes := [*known.notes, *only_one(cell.card["perturbations"])]:
        card["notes"] = notes
    if (ten := practised(cell)) is not None:
        card["worth"] = ten._asdict()
    return VirtualCell(cell.encoders, cell.instruments, card, cell.starts, stated)


def assemble(
    ground: SharedFit,
    manipulator: str,
    *,
    parts: UR | None = None,
    settings: Mapping[str, Any] | None = None,
    shuffled: str | None = None,
    abstain: bool = False,
) -> VirtualCell:
    """Fit one manipulator on the shared fit, with its ensemble and its calibration.

    Args:
        ground: What was fitted already.
        manipulator: Registered name.
        parts: Molecular UR of possible targets, for manipulators that use it.
        settings: Further arguments of its ``fit``.
        shuffled: Permute first which ``perturbation`` did what, whose ``priors`` are whose, or in which ``context`` an
            effect was seen: the negative control, which must lose what that input tells.
        abstain: Answer with the mean effect wherever perturbations left out did not gain.

    Raises:
        UnknownNameError: No such manipulator.
        DataError: It learns from single cells, and the training set is a table of effects; or it is to abstain, and too
            few perturbations were left out to learn where.
    """
    if abstain:
        negative_transfer.require_enough(sum(map(len, ground.left_out)))
    fitted = _fit(ground, manipulator, parts, settings or {}, shuffled)
    decoder = ground.decoder
    quick = {**(settings or {}), **fitted.refits}
    held_out = left_out(ground, manipulator, parts=parts, settings=quick, shuffled=shuffled)
    card: dict[str, Any] = {}
    if len(held_out) > 1:
        chosen = negative_transfer.rule(held_out) if abstain else None
        card = {"left_out": negative_transfer.comparison(held_out, ground.recipe.seed)}
        if chosen is not None:
            floor, held_out = _floor(ground), negative_transfer.abstain(held_out, chosen)
            fitted = fitted.abstaining(ground.states, floor, *chosen)
            card |= {
                "abstains": chosen._asdict(),
                "left_out_abstaining": negative_transfer.comparison(held_out, ground.recipe.seed),
            }
        decoder = calibrated(ground, held_out)
    recipe = ground.recipe
    seen = sorted(set(map(str, ground.profiles.perturbations)) - {CONTROL})
    there = sorted(set(map(str, ground.profiles.contexts[ground.profiles.perturbations != CONTROL])))
    made = {"manipulator": manipulator, "recipe": vars(recipe), "units": ground.profiles.units}
    made |= {"perturbations": seen, "contexts": there}
    instruments: dict[str, Manipulator | Decoder] = {manipulator: fitted, recipe.decoder: decoder}
    return VirtualCell({ground.encoder.scale: ground.encoder}, instruments, {**made, **card}, ground.controls)


def left_out(
    ground: SharedFit,
    manipulator: str,
    *,
    parts: UR | None = None,
    settings: Mapping[str, Any] | None = None,
    shuffled: str | None = None,
) -> list[HeldOut]:
    """Fit one manipulator on each inner shared fit, and predict what that has not seen; arguments as in `assemble`."""
    quick = {**(settings or {}), **MANIPULATORS.load(manipulator).for_means}
    found: list[HeldOut] = []
    follows = 1.0 if MANIPULATORS.load(manipulator).needs_cells else None
    # Not numbered: who counts holds the last one while the next is laid.
    for inner, keys in ground.inner:
        refit = _fit(inner, manipulator, parts, quick, shuffled)
        if follows is None:
            moved, noise = with_other_controls(inner)
            again = _fit(moved, manipulator, parts, quick, shuffled) if noise else refit
            follows = following(inner, keys, noise, refit, again)
            del again, moved
        found += [each._replace(follows=follows) for each in _predict(inner, refit, ground, keys)]
        # What a fit keeps is several times as large as its rows: one at a time, and so are inner shared fits.
        del refit, inner
    return found


def calibrated(ground: SharedFit, held_out: Sequence[HeldOut]) -> Decoder:
    """The decoder of the shared fit, with intervals as wide as held-out perturbations need.

    Raises:
        DataError: Fewer than two were held out.
    """
    # Where whole contexts were left out, the promise is for contexts never seen perturbed.
    contexts = {context for keys in ground.left_out for context, _ in keys}
    anywhere = ground.recipe.unseen == "context" and len(contexts) > 1
    decoder = WRAPPERS.load("conformal").fit(
        ground.states,
        ground.profiles,
        decoder=ground.decoder,
        held_out=held_out,
        variance=ground.variance,
        contexts=() if anywhere else None,
    )
    assert isinstance(decoder, Decoder)
    return decoder


def _fit(
    ground: SharedFit,
    name: str,
    parts: UR | None,
    settings: Mapping[str, Any],
    shuffled: str | None,
) -> Any:
    recipe = ground.recipe
    states = ground.states
    cells = ground.population if MANIPULATORS.load(name).needs_cells else None
    if shuffled in _SHUFFLES:
        shuffle = _SHUFFLES[shuffled](states, recipe.seed)
        states, cells = shuffle(states), None if cells is None else shuffle(cells)
    if shuffled == "priors" and parts is not None:
        # Every target keeps some target's knowledge, so that it is no less known, only wrongly.
        order = np.random.default_rng(recipe.seed).permutation(len(parts))
        parts = UR(parts.values[order], parts.space, parts.entities, parts.variance, parts.mass)
    ensemble = WRAPPERS.load("ensemble")
    if cells is not None:
        settings = {**settings, "cells": cells}
    return ensemble.fit(
        states, parts=parts, seed=recipe.seed, manipulator=name, members=recipe.members, settings=settings
    )


def _floor(ground: SharedFit) -> Manipulator:
    """The mean effect, which every other method has to beat."""
    floor = MANIPULATORS.load("mean-effect").fit(ground.states)
    assert isinstance(floor, Manipulator)
    return floor


def _shuffle_perturbations(states: UR, seed: int) -> Callable[[UR], UR]:
    """Permute which perturbation did what, keeping each one's batches and cells together."""
    texts = np.unique(states.perturbations.astype(str))
    texts = texts[texts != CONTROL]
    other = dict(zip(texts, np.random.default_rng(seed).permutation(texts), strict=True))

    def shuffle(ur: UR) -> UR:
        swapped = [str(other.get(str(text), CONTROL)) for text in ur.perturbations]
        return dataclasses.replace(ur, entities=ur.entities.assign(perturbation=swapped))

    return shuffle


def _shuffle_contexts(states: UR, seed: int) -> Callable[[UR], UR]:
    """Permute in which context each effect was seen: states move with their effect to the other context's control."""
    contexts, texts = states.contexts.astype(str), states.perturbations.astype(str)
    names, rng = np.unique(contexts), np.random.default_rng(seed)
    control = {
        name: np.average(states.values[rows], axis=0, weights=states.mass[rows])
        for name in names
        if (rows := (contexts == name) & (texts == CONTROL)).any()
    }
    targets: dict[tuple[str, str], str] = {}
    for text in sorted(set(texts) - {CONTROL}):
        here = sorted(set(contexts[texts == text]) & set(control))
        swapped = zip(here, rng.permutation(here), strict=True)
        targets.update({(text, one): str(other) for one, other in swapped if one != other})

    def shuffle(ur: UR) -> UR:
        values, moved = np.array(ur.values, dtype=float), ur.contexts.astype(object)
        pairs = zip(ur.perturbations.astype(str), ur.contexts.astype(str), strict=True)
        for row, (text, context) in enumerate(pairs):
            if target := targets.get((text, context)):
                values[row] += control[target] - control[context]
                moved[row] = target
        return dataclasses.replace(ur, values=values, entities=ur.entities.assign(context=moved))

    return shuffle


_SHUFFLES = {"perturbation": _shuffle_perturbations, "context": _shuffle_contexts}


def _predict(
    inner: SharedFit, manipulator: Manipulator, ground: SharedFit, left_out: Sequence[tuple[str, str]]
) -> list[HeldOut]:
    """Predict what the inner shared fit has not seen, and set it beside what was measured."""
    profiles, seed = ground.profiles, inner.recipe.seed
    keys = pd.DataFrame({"context": profiles.contexts.astype(str), "text": profiles.perturbations.astype(str)})
    rows = keys.groupby(["context", "text"]).indices
    asked = [key for key in left_out if key[0] in inner.controls]
    columns = GeneColumns.of(profiles.features)
    chosen = np.random.default_rng(seed).permutation(len(asked))[: _CALIBRATED // len(ground.inner)]
    found, floor = [], _floor(inner)
    read = MeanReader(inner.decoder, inner.start(next(iter(inner.controls))).sample(1))
    for context, text in (asked[i] for i in sorted(chosen)):
        start = at_hours(inner.start(context), Perturbation.parse(text)).sample(_STATES_TO_CALIBRATE, seed=seed)
        moved, instead = (each.manipulate(start, Perturbation.parse(text)) for each in (manipulator, floor))
        said, floor_f = read(moved, start), inner.decoder.profile(instead.draws[0])
        measured, cells = _measured(profiles.take(rows[context, text]))
        # What is done to the target itself is no response, and no method is asked for it.
        measured[columns.own(Perturbation.parse(text).genes)] = np.nan
        control, controls = _control_of(profiles, rows[context, text], rows[context, CONTROL])
        # A feature that no control was measured on has no error either, only an effect that is predicted.
        control = np.where(np.isfinite(control), control, said.control)
        # From the measured control on; where errors are looked at, nothing is raised to what can be counted.
        base, departure = control - said.control, float(np.mean((moved.mean - instead.mean) ** 2))
        about = (control, base + floor_f, said.applicability, context, departure, text)
        expected = base + said.profiles.mean(axis=0)
        found.append(HeldOut(expected, said.spread, measured, cells, *about, shared=1 / controls))
    return found


def _measured(profiles: Measurement, weights: np.ndarray | None = None) -> tuple[np.ndarray, float]:
    seen = profiles.observed
    values = profiles.dense() if seen is None else np.where(seen, profiles.dense(), np.nan)
    return np.average(values, axis=0, weights=profiles.mass if weights is None else weights), float(profiles.mass.sum())


def _control_of(profiles: Measurement, asked: np.ndarray, controls: np.ndarray) -> tuple[np.ndarray, float]:
    """The control that these profiles are compared with, and its cells: of the same hours and whatever is matched."""
    if not matched_columns(profiles.entities):
        return _measured(profiles.take(controls))
    weights = matched_weights(profiles.entities, asked, controls, profiles.mass)
    used = weights > 0
    return _measured(profiles.take(controls[used]), weights[used])
