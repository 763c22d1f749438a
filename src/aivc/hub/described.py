"""Reads off a virtual cell, or one of its parts, what its manifest says: contract, data, scores, and what made it."""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any, final

import numpy as np

from aivc.core import registry
from aivc.core.contracts import Decoder, Encoder, Manipulator, Part
from aivc.core.errors import UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.provenance import Provenance
from aivc.core.space import Space
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.manifest import Declared
from aivc.hub.manifest_fields import (
    UNKNOWN,
    EvaluationRow,
    MadePart,
    MadeWith,
    SpaceContract,
    TrainingData,
    TrainingSet,
    TypedPort,
    UncertaintyNote,
)
from aivc.hub.refs import HubKind
from aivc.hub.self_test import Asked, MadeTest, made_test
from aivc.hub.use_terms import UseTerm, catalog_terms, strictest, terms_of

_PACKAGES = ("aivc", "numpy", "scipy", "torch")
# A part is kept with the name it is registered under, so that it can be loaded alone.
PART_KINDS: Mapping[HubKind, type] = {
    HubKind.ENCODER: Encoder,
    HubKind.MANIPULATOR: Manipulator,
    HubKind.DECODER: Decoder,
}


@final
@dataclass(frozen=True)
class Described:
    """What is read off a thing.

    Attributes:
        fields: Of the manifest.
        test: Its self-test; None where it answers no question of one.
    """

    fields: Mapping[str, Any]
    test: MadeTest | None


def described(thing: Asked, stated: Declared, whole: VirtualCell | None = None) -> Described:
    """Read all that a manifest says of a thing.

    Args:
        thing: A virtual cell or a part.
        stated: What a person says of it.
        whole: The cell that a part is of, which knows what it was fitted on.
    """
    cell = thing if isinstance(thing, VirtualCell) else whole
    test = made_test(thing, sorted(cell.trained) if cell is not None and cell is not thing else ())
    training = _training(cell, stated)
    terms = strictest([stated.terms, *(each.terms for each in training.sets)])
    parts = thing.parts if isinstance(thing, VirtualCell) else {"part": thing}
    fields = {
        **_contract(thing, test),
        "training": training,
        "terms": sorted(terms),
        "evaluation": [*_left_out(cell), *stated.evaluation],
        "uncertainty": _uncertainty(test),
        "made_with": MadeWith(
            packages=environment(),
            parts={name: _made(part) for name, part in parts.items()},
            cell=cell.digest if cell is not None else "",
            parents=stated.parents,
        ),
    }  # fmt: skip
    return Described(fields, test)


def environment() -> dict[str, str]:
    """Versions that decide whether an answer is repeated to the last digit.

    >>> "python" in environment()
    True
    """
    return {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}", **_installed()}


@cache
def _installed() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def features_digest(features: np.ndarray) -> str:
    """Digest of the names of features, in their order.

    >>> features_digest(np.array(["A", "B"]))[:14]
    'sha256:23519a4'
    """
    return f"sha256:{hashlib.sha256(chr(10).join(map(str, features)).encode()).hexdigest()}"


def _made(part: Part) -> MadePart:
    try:
        origin = registry.Registry(part.group).origin(part.name)
    except UnknownNameError:
        origin = UNKNOWN
    return MadePart(group=part.group, name=part.name, origin=origin, digest=part.state().digest())


def _contract(thing: Asked, test: MadeTest | None) -> dict[str, Any]:
    """Spaces that are read and written, and what goes in and comes out."""
    instruments = thing.instruments.values() if isinstance(thing, VirtualCell) else (thing,)
    encoders = list(thing.encoders.values()) if isinstance(thing, VirtualCell) else [thing]
    reads = {part.reads for part in instruments if isinstance(part, Manipulator | Decoder)}
    writes = {part.writes for part in encoders if isinstance(part, Encoder)}
    if isinstance(thing, Manipulator):
        writes = {thing.reads}
    inputs, outputs = list[TypedPort](), list[TypedPort]()
    for part in encoders:
        if isinstance(part, Encoder):
            inputs.append(_measured(part))
    if isinstance(thing, Manipulator | Decoder):
        inputs.append(TypedPort(name="states", type="ur"))
    if isinstance(thing, VirtualCell | Manipulator):
        inputs.append(TypedPort(name="perturbation", type="perturbation"))
    if isinstance(thing, VirtualCell) and thing.starts:
        inputs.append(TypedPort(name="context", type="context"))
    if isinstance(thing, Encoder | Manipulator):
        outputs.append(TypedPort(name="states", type="ur"))
    if test is not None and test.said is not None and isinstance(test.said.draws[0], Measurement):
        names = test.said.draws[0].features
        outputs.append(
            TypedPort(
                name="profile", type="profile", units=test.said.profile_units, features=len(names),
                features_digest=features_digest(names),
            )
        )  # fmt: skip
    return {"reads": _spaces(reads), "writes": _spaces(writes), "inputs": inputs, "outputs": outputs}


def _spaces(found: set[Space]) -> list[SpaceContract]:
    return [
        SpaceContract(space=each.name, scale=str(each.scale), dim=each.dim, encoder=each.fingerprint)
        for each in sorted(found, key=str)
    ]


def _measured(encoder: Encoder) -> TypedPort:
    features, units = getattr(encoder, "features", None), getattr(encoder, "units", "")
    known = isinstance(features, np.ndarray) and features.ndim == 1
    return TypedPort(
        name=f"{encoder.scale} measurement",
        type="measurement",
        units=units if isinstance(units, str) else "",
        features=len(features) if known and features is not None else None,
        features_digest=features_digest(features) if known and features is not None else None,
    )


def _training(cell: VirtualCell | None, stated: Declared) -> TrainingData:
    """Every dataset and table that went in, by name, with its licence in the catalog."""
    sets = [] if cell is None else _training_sets(cell)
    return TrainingData(sets=sets, ancestry=stated.ancestry, sexes=stated.sexes)


def training_terms(cell: VirtualCell) -> frozenset[UseTerm]:
    """Terms of all that a virtual cell was fitted on, as far as it says what that was."""
    return strictest(each.terms for each in _training_sets(cell))


def _training_sets(cell: VirtualCell) -> list[TrainingSet]:
    noted = cell.card.get("data")
    noted = noted if isinstance(noted, Mapping) else {}
    found: dict[str, TrainingSet] = {}
    for each in cell.provenance.values():
        if each.source:
            found[each.source] = _set(each.source, noted, each)
        for table in each.tables:
            found.setdefault(table, _set(table, {}, None))
    name = noted.get("dataset")
    if isinstance(name, str) and name and name not in found:
        found[name] = _set(name, noted, None)
    return [found[key] for key in sorted(found)]


def _set(name: str, noted: Mapping[str, Any], known: Provenance | None) -> TrainingSet:
    licence, terms = catalog_terms(name)
    stated = noted.get("licence")
    if licence == UNKNOWN and noted.get("dataset") == name and isinstance(stated, str) and stated:
        licence, terms = stated, terms_of(stated)
    return TrainingSet(
        name=name[:500],
        licence=licence[:500],
        terms=sorted(terms),
        entities=known.entities or None if known is not None else None,
        # Names of donors stay where they are: of people, how many is enough.
        donors=len(known.donors) or None if known is not None else None,
        digest=known.data_digest if known is not None else "",
    )


def _left_out(cell: VirtualCell | None) -> list[EvaluationRow]:
    """What the card says of perturbations that were left out of the fit."""
    if cell is None or not isinstance(cell.card.get("left_out"), Mapping):
        return []
    found, noted = cell.card["left_out"], cell.card.get("data")
    name = str(noted.get("dataset", UNKNOWN)) if isinstance(noted, Mapping) else UNKNOWN
    shared = {"dataset": name[:500], "dataset_role": "validation", "n": found.get("n"), "split": "left out of the fit"}
    return [
        EvaluationRow(
            **shared, metric="gain", value=found.get("gain"), low=found.get("gain_low"), high=found.get("gain_high"),
            compared_with="mean-effect",
        ),
        EvaluationRow(**shared, metric="harm_rate", value=found.get("harm_rate"), compared_with="mean-effect"),
    ]  # fmt: skip


def _uncertainty(test: MadeTest | None) -> UncertaintyNote:
    if test is None or test.said is None:
        return UncertaintyNote()
    calibrated = test.said.calibration is not None
    method = "conformal intervals, calibrated on perturbations left out" if calibrated else "spread of the draws"
    return UncertaintyNote(method=method, calibrated=calibrated, coverage=test.said.coverage)
