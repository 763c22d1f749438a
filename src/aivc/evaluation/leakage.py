"""Whether a split gives the answers away: every way in which training could have seen what is tested."""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, final

import numpy as np
import pandas as pd

from aivc.core.errors import SplitError
from aivc.core.measurement import CONTROL, Measurement
from aivc.core.perturbation import Perturbation, kind_of
from aivc.core.units import is_effect
from aivc.data.split import (
    CONTROL_SCORE,
    CONTROL_TRAIN,
    REPLICATE,
    SCORE,
    TRAIN,
    UNUSED,
    Split,
    column,
    data_digest,
    pair,
)
from aivc.evaluation.fingerprints import Fingerprints

LEAK: Literal["leak"] = "leak"
NOTE: Literal["note"] = "note"

_TRAINING, _TESTED = (TRAIN, CONTROL_TRAIN), (SCORE, REPLICATE)
_KNOWN_LEAK = "known leak"
_SAW = ("entities", "perturbations", "contexts", "donors", "batches", "data_digest")
_PLURAL = {"context": "contexts", "donor": "donors", "batch": "batches"}
_SALT = re.compile(
    r"(mono|di|tri|hemi|2)?(acetate|base|besylate|bromide|calcium|chloride|citrate|free|fumarate|hbr|hcl|hydrate|"
    r"hydrobromide|hydrochloride|iodide|lactate|lithium|magnesium|malate|maleate|mesylate|nitrate|oxalate|phosphate|"
    r"potassium|salt|sodium|succinate|sulfate|sulphate|tartrate|tfa|tosylate|trifluoroacetate)"
)


@final
@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: Such as ``family``, ``context``, ``donor``, ``duplicate-cells`` or ``shared-controls``.
        severity: ``leak`` gives answers away; ``note`` is worth knowing.
        where: Such as ``fold 0``.
        sentence: What was found, and what to do.
    """

    kind: str
    severity: Literal["leak", "note"]
    where: str
    sentence: str


@final
@dataclass(frozen=True)
class LeakReport:
    """What `check_split` found.

    Attributes:
        findings: Leaks and notes, fold by fold.
    """

    findings: tuple[Finding, ...]

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """What gives answers away."""
        return tuple(found for found in self.findings if found.severity == LEAK)

    def raise_if_any(self) -> None:
        """Refuse a split that leaks; notes are let pass.

        Raises:
            SplitError: It leaks.
        """
        if self.leaks:
            lines = [f"{found.where}: {found.sentence}" for found in self.leaks]
            raise SplitError("\n  - ".join([f"This split leaks in {len(lines)} ways:", *lines]))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {"clean": not self.leaks, "findings": [dataclasses.asdict(found) for found in self.findings]}


def check_split(
    measurement: Measurement,
    split: Split,
    *,
    others: Mapping[str, Measurement] = MappingProxyType({}),
    parts_provenance: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> LeakReport:
    """Look for every way in which training could have seen what is tested.

    What a split promises is what its folds hold out, and what its kind is called: ``unseen-donor`` promises donors,
    whatever its folds say.

    Args:
        measurement: The data.
        split: Who may see what.
        others: Other data, by name, that methods or priors were made from; looked through for copies of tested cells.
        parts_provenance: By the name of a prior, gene list or fitted part, what it was made from: any of ``entities``,
            ``perturbations``, ``contexts``, ``donors``, ``batches`` (names) and ``data_digest``.

    >>> from aivc.data.folds import unseen_perturbation
    >>> from aivc.data.synthetic import synthetic_screen
    >>> cells, _ = synthetic_screen(perturbations=8, features=60, cells=8, controls=16)
    >>> check_split(cells, unseen_perturbation(cells, folds=2)).leaks
    ()
    """
    found = [*_of_manifest(measurement, split), *_known(measurement)]
    split = dataclasses.replace(split, data_digest=None)
    own = Fingerprints.of(measurement)
    found += _unchecked(own)
    foreign = {name: _across(measurement, other) for name, other in others.items()}
    for i in range(len(split.folds)):
        try:
            role_n = split.roles(measurement, i)
        except SplitError as error:
            found.append(Finding("roles", LEAK, f"fold {i}", str(error)))
            continue
        fold = _Fold(measurement, split, i, role_n)
        found += [*_perturbations(fold), *_groups(fold), *_copies(fold, own), *_unused(fold)]
        for name, (mine, theirs) in foreign.items():
            found += _copies_in(fold, name, mine, theirs)
        for name, saw in parts_provenance.items():
            found += _part(fold, name, saw)
    found += _silent(parts_provenance)
    return LeakReport(tuple(found))


@final
@dataclass(frozen=True, eq=False)
class _Fold:
    """One fold of a split on its data, with the role of every entity."""

    measurement: Measurement
    split: Split
    number: int
    role_n: np.ndarray

    def rows(self, *roles: str) -> np.ndarray:
        """``(n,)`` True where an entity has one of the roles."""
        return pd.Series(self.role_n).isin(roles).to_numpy()

    def values(self, name: str, *roles: str) -> set[str]:
        """Values that entities of these roles have in a column."""
        return set(column(self.measurement, name)[self.rows(*roles)]) - {""}

    @property
    def promised(self) -> set[str]:
        """Columns whose tested values training must not have seen."""
        fold, kind = self.split.folds[self.number], self.split.kind
        held = {name for name, values in fold.test.items() if set(values) <= set(fold.held.get(name, ()))}
        if kind == "unseen-both":
            return held | {"perturbation", "context"}
        if kind.startswith("unseen-combination"):
            return held | {"perturbation"}
        return held | {kind.removeprefix("unseen-")} if kind.startswith("unseen-") else held

    def found(self, kind: str, severity: Literal["leak", "note"], sentence: str) -> Finding:
        return Finding(kind, severity, f"fold {self.number}", sentence)


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
        sentence = f"{_shown(twice)} stand in two lists of the manifest. Give every entity one role."
        yield Finding("entities", LEAK, "manifest", sentence)
    if split.kind == "given" and split.controls is None and not is_effect(measurement.units):
        yield Finding(
            "shared-controls",
            NOTE,
            "manifest",
            "The list names no control pools. Here they are drawn and kept apart; scores computed elsewhere with one "
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


def _perturbations(fold: _Fold) -> Iterator[Finding]:
    promised = {"perturbation", "pair"} & fold.promised
    if not promised:
        return
    # Of a pair, only the same context counts; of a perturbation, any.
    within = "pair" if promised == {"pair"} else "perturbation"
    tested, trained = fold.values(within, *_TESTED), fold.values(within, TRAIN)
    if both := tested & trained:
        sentence = f"{_shown(both)} {_are(both)} tested and trained on. Hold out all entities of what is tested."
        yield fold.found("perturbation", LEAK, sentence)
    if fold.split.kind.startswith("extrapolate-"):
        return
    asked, known = (_targets(fold, within, *roles) for roles in (_TESTED, (TRAIN,)))
    sets = set(known.values())
    family = {text for text, key in asked.items() if key in sets and text not in trained}
    if family:
        yield fold.found(
            "family",
            LEAK,
            f"{_shown(family)} {_are(family)} tested, while the same targets in another dose, kind, direction or "
            "duration are trained on. Hold out all perturbations of a target.",
        )
    yield from _compounds(fold, set(asked.values()), sets)
    yield from _combinations(fold, asked, sets)


def _targets(fold: _Fold, within: str, *roles: str) -> dict[str, tuple[str, frozenset[str]]]:
    """What is targeted by each perturbation, and in which context where only the same one counts."""
    found = {}
    for context, text in _groups_of(fold, *roles):
        key, place = (pair(context, text), str(context)) if within == "pair" else (str(text), "")
        found[key] = (place, frozenset(Perturbation.parse(text).targets or (text,)))
    return found


def _compounds(
    fold: _Fold, asked: set[tuple[str, frozenset[str]]], known: set[tuple[str, frozenset[str]]]
) -> Iterator[Finding]:
    parsed = [Perturbation.parse(text) for text in set(fold.measurement.perturbations) - {CONTROL}]
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
            f"{_shown(near)}: one is tested, the other trained on, and they differ in salt or spelling only. "
            "Give both one name, or hold out both.",
        )


def _combinations(
    fold: _Fold, asked: Mapping[str, tuple[str, frozenset[str]]], known: set[tuple[str, frozenset[str]]]
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
            f"{_shown(apart)} {_are(apart)} tested, while a target of {'each' if len(apart) > 1 else 'it'} is trained "
            "on in other company or alone. Hold out all that holds a tested target, or ask for unseen combinations.",
        )


def compound(name: str) -> str:
    """Name a compound without its salt, case and punctuation.

    >>> compound("Doxorubicin (hydrochloride)") == compound("doxorubicin")
    True
    """
    words = re.findall(r"[a-z0-9]+", name.casefold())
    return "".join([word for word in words if not _SALT.fullmatch(word)] or words) or name


def _groups(fold: _Fold) -> Iterator[Finding]:
    asked = set(fold.split.folds[fold.number].test)
    for name in sorted((asked | fold.promised) - {"perturbation", "pair"}):
        both = fold.values(name, *_TESTED) & fold.values(name, TRAIN)
        if both:
            promised = name in fold.promised
            remedy = f"Hold out every perturbed entity of it, with controls only, if unseen {name}s are the question."
            sentence = f"{name} {_shown(both)} has perturbed entities both tested and trained on. {remedy}"
            yield fold.found(name, LEAK if promised else NOTE, sentence)


def _copies(fold: _Fold, own: Fingerprints) -> Iterator[Finding]:
    remedy = "Keep one copy of each, or put the copies on the same side."
    pairs = (
        ("shared-controls", (CONTROL_TRAIN,), (CONTROL_SCORE,), "control entities given to methods are scored with"),
        ("duplicate-cells", (TRAIN,), (*_TESTED, CONTROL_SCORE), "entities trained on are copies of scored ones"),
        ("duplicate-cells", (CONTROL_TRAIN,), _TESTED, "controls given to methods are copies of tested entities"),
        ("duplicate-cells", (REPLICATE,), (SCORE,), "entities of the replicate are copies of those of the truth"),
    )
    for kind, seen, scored, what in pairs:
        rows = np.flatnonzero(fold.rows(*seen) & own.telling)
        copied = rows[np.isin(own.marks[rows], own.marks[fold.rows(*scored) & own.telling])]
        if len(copied):
            names = fold.measurement.entities.index[copied]
            yield fold.found(kind, LEAK, f"{len(copied)} {what}, under other names: {_shown(names)}. {remedy}")


def _across(measurement: Measurement, other: Measurement) -> tuple[Fingerprints, Fingerprints]:
    both = np.intersect1d(measurement.features.astype(str), other.features.astype(str)).astype(object)
    return Fingerprints.of(measurement, both), Fingerprints.of(other, both)


def _copies_in(fold: _Fold, name: str, own: Fingerprints, theirs: Fingerprints) -> Iterator[Finding]:
    rows = np.flatnonzero(fold.rows(*_TESTED, CONTROL_SCORE) & own.telling)
    copied = rows[np.isin(own.marks[rows], theirs.marks[theirs.telling])]
    if len(copied):
        shown = _shown(fold.measurement.entities.index[copied])
        sentence = (
            f"{len(copied)} scored entities stand in {name} too: {shown}. Take them out of {name}, or of the test."
        )
        yield fold.found("duplicate-cells", LEAK, sentence)
    if not (own.telling.any() and theirs.telling.any()):
        sentence = f"{name} shares too few features with the data for copies to be told. Bring both to the same names."
        yield fold.found("duplicate-cells", NOTE, sentence)


def _part(fold: _Fold, name: str, saw: Mapping[str, Any]) -> Iterator[Finding]:
    remedy = "Make it again from the training entities of each fold."
    if saw.get("data_digest") == data_digest(fold.measurement):
        yield fold.found("part", LEAK, f"{name} was made from all of these data, the tested included. {remedy}")
        return
    scored = fold.measurement.entities.index[fold.rows(*_TESTED, CONTROL_SCORE)]
    if len(inside := scored[scored.isin(list(saw.get("entities", ())))]):
        yield fold.found("part", LEAK, f"{name} was made from {len(inside)} scored entities. {remedy}")
    for group in sorted(fold.promised & set(_PLURAL)):
        if both := fold.values(group, *_TESTED) & set(saw.get(_PLURAL[group], ())):
            yield fold.found("part", LEAK, f"{name} was made from tested {group} {_shown(both)}. {remedy}")
    if "perturbation" in fold.promised:
        known = {Perturbation.parse(text).family for text in saw.get("perturbations", ())}
        tested = {Perturbation.parse(text).family for text in fold.values("perturbation", *_TESTED)}
        if both := known & tested:
            yield fold.found("part", LEAK, f"{name} was made from perturbations of tested {_shown(both)}. {remedy}")


def _silent(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, saw in parts.items():
        if not set(_SAW) & set(saw):
            sentence = f"{name} does not say what it was made from. State {', '.join(_SAW[:4])} or a data digest."
            yield Finding("part", NOTE, name, sentence)


def _unused(fold: _Fold) -> Iterator[Finding]:
    rows = fold.rows(UNUSED)
    groups = {pair(*key) for key in _groups_of(fold, UNUSED)}
    if groups:
        sentence = f"{rows.sum()} entities of {len(groups)} groups are unused: {_shown(groups)}. Nothing need be done."
        yield fold.found("unused", NOTE, sentence)


def _groups_of(fold: _Fold, *roles: str) -> set[tuple[str, str]]:
    """Context and perturbation of the entities of these roles."""
    rows = fold.rows(*roles)
    return set(zip(fold.measurement.contexts[rows], fold.measurement.perturbations[rows], strict=True))


def _joined(key: tuple[str, frozenset[str]]) -> str:
    return " + ".join(sorted(key[1]))


def _shown(names: Iterable[Any], most: int = 3) -> str:
    listed = sorted(map(str, names))
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _are(names: set[str]) -> str:
    return "are" if len(names) > 1 else "is"
