"""Whether a split gives the answers away: every way in which training could have seen what is tested."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from aivc.core.errors import SplitError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation, kind_of
from aivc.core.provenance import Provenance
from aivc.core.virtual_cell import VirtualCell
from aivc.data.names.compound_names import compound, family_of
from aivc.data.splits.fingerprints import Fingerprints
from aivc.data.splits.split import (
    CONTROL_SCORE,
    CONTROL_TRAIN,
    REPLICATE,
    SCORE,
    TRAIN,
    UNUSED,
    Split,
    data_digest,
    pair,
)
from aivc.evaluation.leakage.findings import LEAK, NOTE, SCORED, TESTED, CheckedFold, Finding, LeakReport, are, shown
from aivc.evaluation.leakage.fitted_parts import leaks_of, records_of, starts_of, unknown

__all__ = ["LEAK", "NOTE", "Finding", "LeakReport", "check_split"]

_KNOWN_LEAK = "known leak"
_SAW = ("entities", "perturbations", "contexts", "donors", "batches", "data_digest")
_PLURAL = {"context": "contexts", "donor": "donors", "batch": "batches"}


def check_split(
    measurement: Measurement,
    split: Split,
    *,
    cells: Mapping[str, VirtualCell | Provenance] = MappingProxyType({}),
    others: Mapping[str, Measurement] = MappingProxyType({}),
    parts_provenance: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> LeakReport:
    """Look for every way in which training could have seen what is tested.

    What a split promises is what its folds hold out, and what its kind is called: ``unseen-donor`` promises donors,
    whatever its folds say.

    Args:
        measurement: The data.
        split: Who may see what.
        cells: Fitted cells, or what a prior or a gene list was made from, by name: checked by what they carry.
        others: Other data, by name, that methods or priors were made from; looked through for copies of tested cells.
        parts_provenance: By the name of what carries nothing, what you say it was made from: any of ``entities``,
            ``perturbations``, ``contexts``, ``donors``, ``batches`` (names) and ``data_digest``.

    >>> from aivc.data.splits.folds import unseen_perturbation
    >>> from aivc.data.synthetic import synthetic_screen
    >>> cells, _ = synthetic_screen(perturbations=8, features=60, cells=8, controls=16)
    >>> check_split(cells, unseen_perturbation(cells, folds=2)).leaks
    ()
    """
    found, digest = [*_of_manifest(measurement, split), *_known(measurement)], split.digest
    split = dataclasses.replace(split, data_digest=None)
    own = Fingerprints.of(measurement)
    found += _unchecked(own)
    records = records_of(cells, measurement, own, digest)
    found += unknown(cells, records)
    foreign = {name: _across(measurement, other) for name, other in others.items()}
    for i in range(len(split.folds)):
        try:
            role_n = split.roles(measurement, i)
        except SplitError as error:
            found.append(Finding("roles", LEAK, f"fold {i}", str(error)))
            continue
        fold = CheckedFold(measurement, split, i, role_n)
        found += [*_perturbations(fold), *_groups(fold), *_copies(fold, own), *_unused(fold)]
        for name, (mine, theirs) in foreign.items():
            found += _copies_in(fold, name, mine, theirs)
        for name, saw in parts_provenance.items():
            found += _part(fold, name, saw)
        found += [finding for each in records for finding in leaks_of(fold, each)]
        for name, cell in cells.items():
            if isinstance(cell, VirtualCell):
                found += starts_of(fold, name, cell, records)
    found += _silent(parts_provenance)
    return LeakReport(tuple(found))


def _of_manifest(measurement: Measurement, split: Split) -> Iterator[Finding]:
    if split.data_digest not in (None, data_digest(measurement)):
        yield Finding(
            "other-data",
            LEAK,
            "manifest",
            f"The split was made for other entities than the {len(measurement)} given, so nobody knows what it keeps "
            "apart here. Give it the whole dataset it was made for, or make it again.",
        )
    pools = [names for listed in (split.controls, *(split.halves or {}).values()) for names in (listed or {}).values()]
    twice = [name for name, count in Counter(name for names in pools for name in names).items() if count > 1]
    if twice:
        sentence = f"{shown(twice)} stand in two lists of the manifest. Give every entity one role."
        yield Finding("entities", LEAK, "manifest", sentence)
    if split.kind == "given" and split.controls is None and not measurement.is_effects:
        yield Finding(
            "shared-controls",
            NOTE,
            "manifest",
            "The list names no control pools. Here they are drawn and kept apart; scores computed by others with one "
            "pool for training and scoring share their noise. Name both pools, or compare no scores with those.",
        )


def _known(measurement: Measurement) -> Iterator[Finding]:
    for note in measurement.provenance.get("notes", ()):
        if str(note).casefold().startswith(_KNOWN_LEAK):
            sentence = f"{note} No split undoes this: say it beside the scores."
            yield Finding("known-leak", NOTE, str(measurement.provenance.get("dataset", "data")), sentence)


def _unchecked(own: Fingerprints) -> Iterator[Finding]:
    if silent := int((~own.telling).sum()):
        yield Finding(
            "duplicate-cells",
            NOTE,
            "data",
            f"{silent} of {len(own.telling)} entities hold too little to tell a copy from a coincidence and were not "
            "compared. Give more features, or check where they came from.",
        )


def _perturbations(fold: CheckedFold) -> Iterator[Finding]:
    promised = {"perturbation", "pair"} & fold.promised
    if not promised:
        return
    # Of a pair, only the same context counts; of a perturbation, any.
    within = "pair" if promised == {"pair"} else "perturbation"
    tested, trained = fold.values(within, *TESTED), fold.values(within, TRAIN)
    if both := tested & trained:
        sentence = f"{shown(both)} {are(both)} tested and trained on. Hold out all entities of what is tested."
        yield fold.found("perturbation", LEAK, sentence)
    if fold.split.kind.startswith("extrapolate-"):
        return
    asked, known = (_targets(fold, within, *roles) for roles in (TESTED, (TRAIN,)))
    sets = set(known.values())
    family = {text for text, key in asked.items() if key in sets and text not in trained}
    if family:
        yield fold.found(
            "family",
            LEAK,
            f"{shown(family)} {are(family)} tested, while the same targets in another dose, kind, direction or "
            "duration are trained on. Hold out all perturbations of a target.",
        )
    yield from _compounds(fold, set(asked.values()), sets)
    yield from _combinations(fold, asked, sets)


def _targets(fold: CheckedFold, within: str, *roles: str) -> dict[str, tuple[str, frozenset[str]]]:
    """What is targeted by each perturbation, and in which context where only the same one counts."""
    found = {}
    for context, text in fold.groups(*roles):
        key, place = (pair(context, text), str(context)) if within == "pair" else (str(text), "")
        found[key] = (place, frozenset(Perturbation.parse(text).targets or (text,)))
    return found


def _compounds(
    fold: CheckedFold, asked: set[tuple[str, frozenset[str]]], known: set[tuple[str, frozenset[str]]]
) -> Iterator[Finding]:
    parsed = fold.measurement.parsed.distinct
    drugs = {agent.target for each in parsed for agent in each.agents if not kind_of(agent.kind).genetic}

    def plain(key: tuple[str, frozenset[str]]) -> tuple[str, frozenset[str]]:
        return key[0], frozenset(compound(name) if name in drugs else name for name in key[1])

    trained = {plain(key): key for key in known}
    near = {
        " / ".join(sorted((_joined(key), _joined(trained[plain(key)]))))
        for key in asked - known
        if plain(key) in trained
    }
    if near:
        yield fold.found(
            "compound",
            LEAK,
            f"{shown(near)}: one is tested, the other trained on, and they are one compound under two names. "
            "Give both one name, or hold out both.",
        )


def _combinations(
    fold: CheckedFold, asked: Mapping[str, tuple[str, frozenset[str]]], known: set[tuple[str, frozenset[str]]]
) -> Iterator[Finding]:
    kind = fold.split.kind
    if kind.startswith("unseen-combination") and kind != "unseen-combination-seen0":
        return
    trained = {(place, target) for place, targets in known for target in targets}
    apart = {
        text
        for text, (place, targets) in asked.items()
        if (place, targets) not in known and any((place, target) in trained for target in targets)
    }
    if apart:
        never = kind in ("unseen-perturbation", "unseen-both", "unseen-combination-seen0")
        yield fold.found(
            "combination",
            LEAK if never else NOTE,
            f"{shown(apart)} {are(apart)} tested, while a target of {'each' if len(apart) > 1 else 'it'} is trained "
            "on in other company or alone. Hold out all that holds a tested target, or ask for unseen combinations.",
        )


def _groups(fold: CheckedFold) -> Iterator[Finding]:
    asked = set(fold.split.folds[fold.number].test)
    for name in sorted((asked | fold.promised) - {"perturbation", "pair"}):
        both = fold.values(name, *TESTED) & fold.values(name, TRAIN)
        if both:
            promised = name in fold.promised
            remedy = f"Hold out every perturbed entity of it, with controls only, if unseen {name}s are the question."
            sentence = f"{name} {shown(both)} has perturbed entities both tested and trained on. {remedy}"
            yield fold.found(name, LEAK if promised else NOTE, sentence)


def _copies(fold: CheckedFold, own: Fingerprints) -> Iterator[Finding]:
    remedy = "Keep one copy of each, or put the copies on the same side."
    pairs = (
        ("shared-controls", (CONTROL_TRAIN,), (CONTROL_SCORE,), "control entities given to methods are scored with"),
        ("duplicate-cells", (TRAIN,), SCORED, "entities trained on are copies of scored ones"),
        ("duplicate-cells", (CONTROL_TRAIN,), TESTED, "controls given to methods are copies of tested entities"),
        ("duplicate-cells", (REPLICATE,), (SCORE,), "entities of the replicate are copies of those of the truth"),
    )
    for kind, seen, scored, what in pairs:
        rows = np.flatnonzero(fold.rows(*seen) & own.telling)
        copied = rows[np.isin(own.marks[rows], own.marks[fold.rows(*scored) & own.telling])]
        if len(copied):
            names = fold.measurement.entities.index[copied]
            yield fold.found(kind, LEAK, f"{len(copied)} {what}, under other names: {shown(names)}. {remedy}")


def _across(measurement: Measurement, other: Measurement) -> tuple[Fingerprints, Fingerprints]:
    both = np.intersect1d(measurement.features.astype(str), other.features.astype(str)).astype(object)
    return Fingerprints.of(measurement, both), Fingerprints.of(other, both)


def _copies_in(fold: CheckedFold, name: str, own: Fingerprints, theirs: Fingerprints) -> Iterator[Finding]:
    rows = np.flatnonzero(fold.rows(*SCORED) & own.telling)
    copied = rows[np.isin(own.marks[rows], theirs.marks[theirs.telling])]
    if len(copied):
        few = shown(fold.measurement.entities.index[copied])
        sentence = f"{len(copied)} scored entities stand in {name} too: {few}. Take them out of {name}, or of the test."
        yield fold.found("duplicate-cells", LEAK, sentence)
    if not (own.telling.any() and theirs.telling.any()):
        sentence = f"{name} shares too few features with the data for copies to be found. Bring both to the same names."
        yield fold.found("duplicate-cells", NOTE, sentence)


def _part(fold: CheckedFold, name: str, saw: Mapping[str, Any]) -> Iterator[Finding]:
    remedy = "Make it again from the training entities of each fold."
    if saw.get("data_digest") == data_digest(fold.measurement):
        yield fold.found("part", LEAK, f"{name} was made from all of these data, the tested included. {remedy}")
        return
    scored = fold.measurement.entities.index[fold.rows(*SCORED)]
    if len(inside := scored[scored.isin(list(saw.get("entities", ())))]):
        yield fold.found("part", LEAK, f"{name} was made from {len(inside)} scored entities. {remedy}")
    for group in sorted(fold.promised & set(_PLURAL)):
        if both := fold.values(group, *TESTED) & set(saw.get(_PLURAL[group], ())):
            yield fold.found("part", LEAK, f"{name} was made from tested {group} {shown(both)}. {remedy}")
    if "perturbation" in fold.promised:
        known = {family_of(Perturbation.parse(text)) for text in saw.get("perturbations", ())}
        tested = {family_of(Perturbation.parse(text)) for text in fold.values("perturbation", *TESTED)}
        if both := known & tested:
            yield fold.found("part", LEAK, f"{name} was made from perturbations of tested {shown(both)}. {remedy}")


def _silent(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, saw in parts.items():
        if not set(_SAW) & set(saw):
            sentence = f"{name} does not say what it was made from. State {', '.join(_SAW[:4])} or a data digest."
            yield Finding("part", NOTE, name, sentence)


def _unused(fold: CheckedFold) -> Iterator[Finding]:
    rows = fold.rows(UNUSED)
    groups = {pair(*key) for key in fold.groups(UNUSED)}
    if groups:
        sentence = f"{rows.sum()} entities of {len(groups)} groups are unused: {shown(groups)}. Nothing need be done."
        yield fold.found("unused", NOTE, sentence)


def _joined(key: tuple[str, frozenset[str]]) -> str:
    return " + ".join(sorted(key[1]))
