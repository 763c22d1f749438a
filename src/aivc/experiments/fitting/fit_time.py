"""From cells read at several times to a virtual cell that can be asked what they become."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.errors import ControlError, DataError, UnknownNameError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.provenance import Provenance
from aivc.core.registry import DECODERS, ENCODERS, MANIPULATORS, names
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.schema import Schema
from aivc.data.splits.fingerprints import Fingerprints, provenance_of
from aivc.data.streaming.normalize import profile_units
from aivc.data.streaming.stream import Progress, reservoir
from aivc.experiments.fitting.lineage import notes_of
from aivc.experiments.fitting.shared_fit import STATES, Recipe

# Cells of each context, perturbation and time that are learned from.
_MOST = 2000
# Stands for the default encoder of screens, whose axes of effects need perturbations.
_ENCODER = "count-pca"


def fit_time(
    measurement: Cells,
    manipulator: str = "development.v1",
    cell: VirtualCell | None = None,
    *,
    schema: Schema | None = None,
    recipe: Recipe | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **columns: Any,
) -> VirtualCell:
    """Fit what cells become as time goes by, on top of a virtual cell where there is one.

    The cell then answers ``time for 24h``, and `aivc.experiments.simulate.simulate` takes it through schedules. It
    starts, in each context, from unperturbed cells of the earliest time.

    Args:
        measurement: Cells with ``time``, perturbed ones too; an AnnData and the path of a file are taken with a schema
            or columns, as `aivc.fit` takes them.
        manipulator: Registered name of one that takes cells to a later time. The default, ``development.v1``, gives up
            what is no better than cells that were read: ``card["time"]`` says what it kept, and why.
        cell: Fitted on perturbed cells, such as by `aivc.fit`; its encoder reads the cells, and all its parts are kept.
            Without one, an encoder and a decoder are fitted too.
        schema: What the columns of an AnnData or a file mean.
        recipe: Encoder, decoder and their sizes, where no cell is given; ``count-pca`` stands for ``full-space``.
        settings: Further arguments of the manipulator's ``fit``, such as ``{"counts": {0: 1000, 24: 1300}}``.
        progress: Called with what is being done.
        **columns: Instead of a schema, its fields.

    Raises:
        ControlError: No context has unperturbed cells.
        DataError: The cells do not say when they were read, or at one time only.
        UnknownNameError: The manipulator is not registered, or not one of time.

    >>> from aivc.core.perturbation import Perturbation
    >>> from aivc.data.synthetic_time import synthetic_development
    >>> cells, truth = synthetic_development(times=(0.0, 24.0), cells=30, features=20, given=None)
    >>> made = fit_time(cells, "copy-time", recipe=Recipe(dim=3))
    >>> sorted(made.instruments), made.card["time"]["hours"]
    (['copy-time', 'linear-expression'], [0.0, 24.0])
    >>> float(made.manipulate(made.start("culture"), Perturbation((), 24.0)).draws[0].times.max())
    24.0
    """
    measurement = as_measurement(measurement, schema, **columns)
    kind = MANIPULATORS.load(manipulator)
    if not kind.needs_times:
        known = [name for name in names("manipulators") if MANIPULATORS.load(name).needs_times]
        raise UnknownNameError("manipulator of time", manipulator, known)
    kept, sample = _sampled(measurement, (recipe or Recipe()).seed)
    say = progress or _silent
    say("reading states", 0, 0)
    below = _cellular(sample, recipe or Recipe()) if cell is None else cell
    states = below.encode(sample)
    say(f"fitting {manipulator}", 0, 0)
    seed = (recipe or Recipe()).seed
    # An ensemble of times is one of descendants: as many populations are drawn as a screen has members.
    takes = inspect.signature(kind.fit).parameters
    drawn = {"draws": max((recipe or Recipe()).members, 1)} if "draws" in takes else {}
    develops: Manipulator = kind.fit(states, seed=seed, **{**drawn, **(settings or {})})
    starts = _earliest(states, seed)
    card = {**_card(measurement, below, cell, recipe or Recipe()), "time": _about(develops, manipulator, states)}
    instruments = {**below.instruments, manipulator: develops}
    made = VirtualCell(below.encoders, instruments, card, {**below.starts, **starts})
    provenance = {} if cell is None else dict(cell.provenance)
    new = [name for name in made.parts if cell is None or name == manipulator]
    stated = _provenance(measurement, kept, progress)
    return VirtualCell(made.encoders, made.instruments, card, made.starts, {**provenance, **dict.fromkeys(new, stated)})


def _silent(what: str, done: int, of: int) -> None:
    return


def _sampled(measurement: Measurement, seed: int) -> tuple[np.ndarray, Measurement]:
    """Positions of the cells that are learned from, and these cells in memory.

    Raises:
        DataError: The cells do not say when they were read, or at one time only.
    """
    measurement.require_table("A fit over time")
    times = measurement.times
    if times is None or len(set(times)) < 2:
        said = "do not say when they were read" if times is None else f"were all read at {times[0]:g} h"
        raise DataError(
            [f"What cells become is learned from two times or more, and these {said}. Declare time and time_unit."]
        )
    named = measurement.entities.assign(context=measurement.contexts, perturbation=measurement.perturbations)
    rows = reservoir(measurement.replace(entities=named), ["context", "perturbation", "time"], _MOST, seed)
    return rows, measurement.take(rows)


def _cellular(cells: Measurement, recipe: Recipe) -> VirtualCell:
    kind: type[Encoder] = ENCODERS.load(_ENCODER if recipe.encoder == Recipe().encoder else recipe.encoder)
    units = profile_units(cells)
    encoder = kind.fit(cells, dim=recipe.dim, seed=recipe.seed, units=units)
    reads: type[Decoder] = DECODERS.load(recipe.decoder)
    axes = {"axes": encoder.projection} if reads.uses_axes and encoder.projection is not None else {}
    decoder = reads.fit(encoder.encode(cells), cells, seed=recipe.seed, units=units, **axes)
    return VirtualCell([encoder], {recipe.decoder: decoder}, {"units": units})


def _earliest(states: UR, seed: int) -> dict[str, UR]:
    """Unperturbed states of the earliest time of each context, a few hundred.

    Raises:
        ControlError: There are none.
    """
    times, control = states.times, states.perturbations.astype(str) == CONTROL
    assert times is not None
    contexts, found = states.contexts.astype(str), {}
    for context in sorted(set(contexts[control])):
        own = control & (contexts == context)
        rows = np.flatnonzero(own & (times == times[own].min()))
        drawn = np.random.default_rng(seed).permutation(rows)[:STATES]
        start = states.take(np.sort(drawn))
        found[context] = replace(start, variance=None, links=None)
    if not found:
        raise ControlError(
            "A simulation starts from unperturbed cells, and there are none. Declare which label is the control."
        )
    return found


def _about(develops: Manipulator, name: str, states: UR) -> dict[str, Any]:
    assert states.times is not None
    read = [float(each) for each in np.unique(states.times)]
    # Times of too few cells are left out of lines, and nothing was learned of them.
    kept = np.unique(getattr(develops, "hours", states.times))
    hours = [each for each in read if np.isclose(kept, each).any()]
    left_out = {"left_out": [each for each in read if each not in hours]} if len(hours) < len(read) else {}
    under = sorted({name.split("\t")[-1] for name in getattr(develops, "lines", ())})
    verdict = getattr(develops, "verdict", {})
    said = {key: verdict[key] for key in ("kept", "because") if key in verdict}
    return {
        "manipulator": name,
        "hours": hours,
        "cells": len(states),
        "grows": develops.grows,
        "under": under,
        **left_out,
        **said,
    }


def _card(measurement: Measurement, below: VirtualCell, cell: VirtualCell | None, recipe: Recipe) -> dict[str, Any]:
    if cell is not None:
        return dict(cell.card)
    encoder = next(iter(below.encoders.values())).name
    return {
        **below.card,
        "recipe": {**vars(recipe), "encoder": encoder},
        "perturbations": sorted(set(map(str, measurement.perturbations)) - {CONTROL}),
        "contexts": sorted(set(map(str, measurement.contexts))),
        "cells": int(measurement.mass.sum()),
        "data": notes_of(measurement),
    }


def _provenance(measurement: Measurement, rows: np.ndarray, progress: Progress | None) -> Provenance:
    marks = Fingerprints.of(measurement, progress=progress).named(measurement)
    kept = np.isin(np.arange(len(measurement)), rows)
    if kept.all():
        return provenance_of(measurement, marks=marks)
    return provenance_of(measurement, kept, marks=marks)
