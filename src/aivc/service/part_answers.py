"""Lets the parts of a served virtual cell be asked one by one, by whoever holds the states or the measurements."""

from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aivc.core.contracts import Decoder, Encoder, Manipulator, Part
from aivc.core.errors import DataError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.sent_predictions import joined, measurement_of, part_of, prediction_state
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.described import training_terms
from aivc.hub.preparing import inherited_terms
from aivc.hub.use_terms import UseTerm, strictest
from aivc.service.part_models import PartDescription
from aivc.service.refusals import DoorError

T = TypeVar("T", UR, Measurement)

CONTRACTS: dict[str, type[Part]] = {"encoder": Encoder, "manipulator": Manipulator, "decoder": Decoder}
# What one request may ask for at most, however small it is itself: perturbations, or populations; cells of a
# population; numbers in the states of all answers together; readings that are read out, or are to be encoded.
QUESTIONS, CELLS, NUMBERS, READINGS = 512, 20_000, 8_000_000, 50_000_000
_SENT = "what was sent"
_REMOTE = "remote-"


class ChangedError(DoorError):
    """The part is another one than whoever asks means."""

    status = 412


def described(cell: VirtualCell) -> list[PartDescription]:
    """Say what each part of a cell is; those that are not here, but are asked over the network, are left out."""
    found = [_description(name, part) for name, part in cell.parts.items()]
    return [each for each in found if each is not None]


def passed_on(cell: VirtualCell, folder: Path) -> tuple[list[str], list[str]]:
    """Contexts whose control states may be sent to others, and what is to be said of those that may not.

    Args:
        cell: Whose.
        folder: Where it lies, with the manifest that it was fetched with.
    """
    if UseTerm.NO_REDISTRIBUTION not in strictest([inherited_terms(folder), training_terms(cell)]):
        return list(cell.starts), []
    return [], [
        "Its control states are not sent: the terms of the data that it was fitted on are no-redistribution. Ask about "
        "control cells of your own."
    ]


def one_of(cell: VirtualCell, name: str, contract: str = "") -> Part:
    """A part of a cell.

    Args:
        cell: Whose.
        name: As `aivc.core.virtual_cell.VirtualCell.parts` has it.
        contract: What it has to be; empty for any.

    Raises:
        UnknownNameError: There is none of that name and contract that is here.
    """
    found = {each.part: each.contract for each in described(cell) if contract in ("", each.contract)}
    if name not in found:
        raise UnknownNameError(contract or "part", name, found)
    return cell.parts[name]


@lru_cache(maxsize=64)
def digest_of(part: Part) -> str:
    """sha256 of all there is to a part."""
    return part.state().digest()


def require_meant(part: Part, tags: str) -> None:
    """Refuse where whoever asks means another state of the part.

    Args:
        part: Which one is here.
        tags: Of ``If-Match``; empty where any will do.

    Raises:
        ChangedError: None of the tags is its digest.
    """
    meant = [each.strip().strip('"') for each in tags.split(",") if each.strip()]
    if meant and "*" not in meant and digest_of(part) not in meant:
        raise ChangedError("This part is another one by now. Ask what it is, and connect again.")


def encoded(part: Encoder, sent: bytes) -> State:
    """The states of what was measured.

    Raises:
        IntegrityError: What was sent is no measurement.
        UnitsError: Its units are not those of the encoder.
    """
    state = State.from_bytes(sent, _SENT)
    below = part_of(state, "parts")
    measurement = measurement_of(part_of(state, "measurement") or State(), _SENT)
    # Of sparse readings a few bytes may say that there are billions.
    width = max(len(measurement.features), len(getattr(part, "features", ())))
    _require_fewer("readings", len(measurement) * width, READINGS)
    return part.encode(measurement, None if below is None else UR.from_state(below, _SENT)).state()


def manipulated(part: Manipulator, sent: bytes) -> State:
    """What would become of the states that were sent, by each of the perturbations that were sent with them.

    Raises:
        DataError: There is no perturbation or no cell, or there are more than are answered at once.
        IntegrityError: What was sent holds no states.
        PerturbationError: A text is no perturbation.
        SpaceError: The states lie in another space.
    """
    state = State.from_bytes(sent, _SENT)
    asked = part_of(state, "asked") or State()
    ur = UR.from_state(part_of(state, "states") or State(), _SENT)
    texts = asked.settings.get("perturbations")
    if not isinstance(texts, list) or not 0 < len(texts) <= QUESTIONS:
        raise DataError([f"From 1 to {QUESTIONS} perturbations are asked about at once. Ask in smaller portions."])
    _require_some(ur)
    _require_fewer("cells", len(ur), CELLS)
    _require_fewer("numbers", ur.values.size * len(texts), NUMBERS)
    questions = [Perturbation.parse(str(text)) for text in texts]
    if len(questions) > 1:
        part.prepare(ur, questions)
    return joined({
        f"answer {i}": prediction_state(_whole(part.manipulate(ur, each)), ur.entities.assign(perturbation=str(text)))
        for i, (each, text) in enumerate(zip(questions, texts, strict=True))
    })  # fmt: skip


def decoded(part: Decoder, sent: bytes) -> State:
    """What would be measured of the states that were sent.

    Raises:
        DataError: There is no cell, or there are more than are read out at once.
        IntegrityError: What was sent holds no states.
        SpaceError: The states lie in another space.
    """
    ur = UR.from_state(State.from_bytes(sent, _SENT), _SENT)
    _require_some(ur)
    _require_fewer("cells", len(ur), CELLS)
    _require_fewer("readings", len(ur) * _width(part, ur), READINGS)
    return prediction_state(_whole(part.decode(ur)), ur.entities)


def profiles_of(part: Decoder, sent: bytes) -> State:
    """Expected mean profiles of several populations.

    Raises:
        DataError: There are none, one has no cells, or they are more than are read out at once.
        IntegrityError: What was sent holds no states.
        SpaceError: The states lie in another space.
    """
    state = State.from_bytes(sent, _SENT)
    packed = [part_of(state, f"population {i}") for i in range(len(state.settings))]
    populations = [UR.from_state(each, _SENT) for each in packed if each is not None]
    if not populations or len(populations) < len(packed):
        raise DataError(["Populations are sent as population 0, population 1 and so on; none, or others, were sent."])
    for each in populations:
        _require_some(each)
        part.reads.require(each.space, part.name)
    _require_fewer("populations", len(populations), QUESTIONS)
    _require_fewer("cells", sum(map(len, populations)), NUMBERS)
    _require_fewer("readings", len(populations) * _width(part, populations[0]), READINGS)
    return State({}, {"profiles": np.asarray(part.profiles(populations), dtype=np.float64)})


def _width(part: Decoder, ur: UR) -> int:
    """How many features it reads out."""
    part.reads.require(ur.space, part.name)
    return len(part.profile(ur.take(np.array([0]))))


def _require_some(ur: UR) -> None:
    if not len(ur):
        raise DataError(["A population of no cells becomes nothing, and reads nothing. Send at least one cell."])


def _require_fewer(what: str, count: int, most: int) -> None:
    if count > most:
        raise DataError(
            [f"{count:,} {what} are asked for at once, and {most:,} are the most. Ask in smaller portions."]
        )


def _whole(said: Prediction[T]) -> Prediction[T]:
    return said if said.unread is None else said.unread()


def _description(name: str, part: Part) -> PartDescription | None:
    contract = next((each for each, kind in CONTRACTS.items() if isinstance(part, kind)), "")
    # A service does not ask others on behalf of those who ask it.
    if not contract or asks_others(part):
        return None
    about: dict[str, Any] = {
        "part": name,
        "contract": contract,
        "group": part.group,
        "name": part.name,
        "digest": digest_of(part),
    }
    if isinstance(part, Encoder):
        about |= {"space": part.writes.to_json(), "uses_parts": part.uses_parts, "notes": list(part.notes)}
        features, units = getattr(part, "features", None), getattr(part, "units", None)
        about["features"] = list(map(str, features)) if isinstance(features, np.ndarray) else None
        about["units"] = units if isinstance(units, str) else None
    if isinstance(part, Manipulator | Decoder):
        about["space"] = part.reads.to_json()
    if isinstance(part, Manipulator):
        about |= {"needs_times": part.needs_times, "grows": part.grows, "edits_tissue": part.edits_tissue}
        about["molecules"] = sorted(map(str, part.molecules))
    return PartDescription.model_validate(about)


def asks_others(part: Part) -> bool:
    """Whether a part, or one that it is made of, lies on another computer."""
    if part.name.startswith(_REMOTE):
        return True
    nested = [each for value in vars(part).values() for each in (value if isinstance(value, tuple) else (value,))]
    return any(asks_others(each) for each in nested if isinstance(each, Part))
