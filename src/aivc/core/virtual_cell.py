"""Encoders and instruments that fit together, as one object that can be asked, saved and shared."""

import difflib
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, final

import numpy as np

from aivc.core import registry
from aivc.core.consequence import consequence
from aivc.core.contracts import Decoder, Encoder, Manipulator
from aivc.core.encoder_choice import choose, named
from aivc.core.errors import IntegrityError, PerturbationError, RetiredError, SpaceError, UnknownNameError
from aivc.core.image_decoder import ImageDecoder
from aivc.core.matching import at_hours
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.provenance import FOLDER, Provenance
from aivc.core.read_out import CELLS, read_out
from aivc.core.saved_cell import CELL, FORMAT, PARTS, STARTS, fitting, is_plain, owns, places_of, read_cell, sealed
from aivc.core.scale import Scale
from aivc.core.state import State, write_text
from aivc.core.units import is_effect
from aivc.core.ur import UR
from aivc.core.writing import whole_folder

# Where an encoder is saved: before its name in ``encoders``.
_ENCODER = "encoder-"
# As near as this to a known context, by difflib, a name passes for a slip: one letter of four, or two of nine.
_SLIP = 0.75
_GROUPS = ("encoders", "manipulators", "decoders", "image_decoders", "wrappers")
Instrument: TypeAlias = Manipulator | Decoder | ImageDecoder


@final
@dataclass(frozen=True, eq=False, init=False)
class VirtualCell:
    """Encoders of the scales it covers, and named instruments on their spaces.

    Attributes:
        encoders: By scale, ``encoders[Scale.CELLULAR]``; where a scale has several, by ``cellular-rna``, after the
            names they were given, or by ``cellular-5f3c2a10``, after their spaces.
        instruments: Manipulators, decoders and decoders of images, by the name you give them.
        card: JSON-ready notes: data, training set, scores, licence.
        starts: Control states by context, so that the cell can be asked without the data it was fitted on.
        provenance: What each part was fitted on, by its name in ``parts``; also of what it was given: ``priors``, or
            the ``features`` that were chosen for it. What is not listed is unknown.

    Raises:
        SpaceError: An instrument reads a space that no encoder writes, or control states lie in one; an encoder is
            given for another scale than its own, or twice.
    """

    encoders: Mapping[str, Encoder]
    instruments: Mapping[str, Instrument]
    card: Mapping[str, Any] = field(default_factory=dict)
    starts: Mapping[str, UR] = field(default_factory=dict)
    provenance: Mapping[str, Provenance] = field(default_factory=dict)

    def __init__(
        self,
        encoders: Mapping[Scale, Encoder] | Mapping[str, Encoder] | Sequence[Encoder],
        instruments: Mapping[str, Instrument],
        card: Mapping[str, Any] | None = None,
        starts: Mapping[str, UR] | None = None,
        provenance: Mapping[str, Provenance] | None = None,
    ) -> None:
        object.__setattr__(self, "encoders", MappingProxyType(named(encoders)))
        object.__setattr__(self, "instruments", MappingProxyType(dict(instruments)))
        object.__setattr__(self, "card", {} if card is None else card)
        object.__setattr__(self, "starts", MappingProxyType(dict(starts or {})))
        object.__setattr__(self, "provenance", MappingProxyType(dict(provenance or {})))
        self._require_spaces()

    def _require_spaces(self) -> None:
        written = {encoder.writes for encoder in self.encoders.values()}
        for name, instrument in self.instruments.items():
            if not isinstance(instrument, ImageDecoder) and instrument.reads not in written:
                raise SpaceError(
                    f"Instrument {name!r} reads {instrument.reads}, but the encoders write "
                    f"{', '.join(map(str, written)) or 'nothing'}. Refit the instrument on one of these spaces, "
                    "or add the encoder it was fitted on."
                )
        for context, start in self.starts.items():
            if start.space not in written:
                raise SpaceError(f"The control states of {context!r} lie in {start.space}. Encode them with this cell.")

    def __repr__(self) -> str:
        """Say what was learned: notebooks show this, and nobody reads arrays there."""
        learned = f"{len(self.card['perturbations'])} perturbations in " if "perturbations" in self.card else ""
        where = f"{len(self.contexts)} context{'s' * (len(self.contexts) != 1)}"
        units = f" in {self.card['units']}" if "units" in self.card else ""
        return f"VirtualCell({learned}{where}{units}, by {' + '.join([*self.encoders, *self.instruments])})"

    @property
    def parts(self) -> dict[str, Encoder | Instrument]:
        """Every part, by the name of the folder it is saved in."""
        return {**{f"{_ENCODER}{key}": part for key, part in self.encoders.items()}, **self.instruments}

    @property
    def contexts(self) -> tuple[str, ...]:
        """Where perturbations were measured, by the card; where it does not say, contexts that the cell keeps."""
        return tuple(map(str, self.card.get("contexts", self.starts)))

    @cached_property
    def digest(self) -> str:
        """sha256 of every part and of the control states it keeps: cells of one digest give the same answers."""
        sha = hashlib.sha256()
        for name, part in sorted(self.parts.items()):
            sha.update(f"{part.group}/{part.name}/{name}/{part.state().digest()}".encode())
        for context, start in sorted(self.starts.items()):
            sha.update(context.encode() + start.values.tobytes() + start.mass.tobytes())
        return sha.hexdigest()

    def origin(self) -> Mapping[str, str]:
        """What a prediction says of the cell that made it.

        Returns:
            ``cell`` (`digest`), ``version`` (of aivc) and ``fitted_on`` (names of the data, where they are known).
        """
        sources = sorted({each.source for each in self.provenance.values() if each.source})
        return {"cell": self.digest, "version": version("aivc"), "fitted_on": ", ".join(sources)}

    def start(self, context: str = "", *, new_context: bool = False) -> UR:
        """Control states of a context; of the only one, unless named.

        A cell fitted on a table of effects starts in any context there is, since the control is zero everywhere; but a
        name that reads like that of a known one is taken for a slip.

        Args:
            context: Its name.
            new_context: Whether the name is meant, although it reads like another.

        Raises:
            UnknownNameError: The cell was fitted on cells, and keeps no controls of it; or the name may be a slip.
        """
        if not context and len(self.starts) == 1:
            return next(iter(self.starts.values()))
        if context in self.starts:
            return self.starts[context]
        if not context or not self.starts or not is_effect(str(self.card.get("units", ""))):
            remedy = "Name one of them, or give control cells." if self.starts else "Give control cells."
            raise UnknownNameError("context", context, self.starts, remedy)
        if not new_context and self._reads_like(context):
            remedy = "If it is a new one, say so: new_context=True, or --new-context in a shell."
            raise UnknownNameError("context", context, self.starts, remedy)
        zero = next(iter(self.starts.values())).take(np.array([0]))
        return replace(zero, entities=zero.entities[["perturbation", "context"]].assign(context=context))

    def _reads_like(self, context: str) -> bool:
        known, asked = ({_plain(each) for each in names} for names in (self.starts, [context]))
        return any(difflib.get_close_matches(each, known, n=1, cutoff=_SLIP) for each in asked)

    def encode(self, measurement: Measurement, parts: UR | None = None, *, encoder: str = "") -> UR:
        """Represent entities with the encoder of their scale that can read them (`encoder_for`).

        Args:
            measurement: The entities; their links are those of their states.
            parts: Representation of the scale below, for encoders that use it.
            encoder: Which one, where there are several.

        Raises:
            UnknownNameError: No encoder covers that scale, or of several none can read them, or more than one.
        """
        ur = self.encoder_for(measurement, encoder).encode(measurement, parts)
        # Who is whose neighbour belongs to the entities, not to how they are represented.
        return ur if measurement.links is None else replace(ur, links=measurement.links)

    def encoder_for(self, measurement: Measurement, name: str = "") -> Encoder:
        """Say which encoder reads a measurement: the only one of its scale, or the one of several that fits.

        Of several, that is the one named after the modality; or the only one that does not refuse these values; or,
        among those, the only one all of whose features were measured.

        Args:
            measurement: The entities.
            name: The one that is meant, as in `encoders`, with or without its scale.

        Raises:
            UnknownNameError: No encoder covers that scale, or of several none can read them, or more than one.
        """
        return self.encoders[choose(self.encoders, measurement, name)]

    def manipulate(self, ur: UR, perturbation: Perturbation, *, instrument: str = "") -> Prediction[UR]:
        """Ask a manipulator; the only one, unless named.

        A variant that this cell never saw is asked about by its consequence, where its text tells: a stop codon or a
        frame shift as a knock-out, a synonymous change as nothing. What names cells, such as ``remove:T cell``, goes to
        the only manipulator of tissues, unless another is named; hours without agents, such as ``time for 48h``, go to
        the only one of time, and agents to the only one that is not of time.

        Raises:
            PerturbationError: It names cells, and the manipulator knows no tissue.
            UnknownNameError: No such manipulator, or several and no name.
        """
        manipulator = self._manipulator(perturbation, instrument)
        return manipulator.manipulate(ur, self._asked(perturbation))

    def _manipulator(self, perturbation: Perturbation, name: str) -> Manipulator:
        of_tissue = [key for key in self.instruments if self._edits_tissue(key)]
        if perturbation.of_tissue and not name and len(of_tissue) == 1:
            name = of_tissue[0]
        manipulator = self._pick(Manipulator, name or self._by_time(perturbation))
        assert isinstance(manipulator, Manipulator)
        if perturbation.of_tissue and not manipulator.edits_tissue:
            raise PerturbationError(
                f"{perturbation} names cells of a tissue, and {manipulator.name} knows only what is done to every cell."
                " Add a manipulator of tissues to this virtual cell, such as tissue-response.v1."
            )
        return manipulator

    def _by_time(self, perturbation: Perturbation) -> str:
        """The only manipulator that takes cells to a later time, or the only other one; empty where that is unclear."""
        develops = not perturbation.agents and perturbation.hours is not None
        parts = [(key, part) for key, part in self.instruments.items() if isinstance(part, Manipulator)]
        of_time = [key for key, part in parts if part.needs_times]
        found = of_time if develops else [key for key, _ in parts if key not in of_time]
        return found[0] if of_time and len(found) == 1 else ""

    def _edits_tissue(self, name: str) -> bool:
        part = self.instruments.get(name)
        return isinstance(part, Manipulator) and part.edits_tissue

    def prepare(self, ur: UR, perturbations: Sequence[Perturbation], *, instrument: str = "") -> None:
        """Let a manipulator compute ahead what many questions have in common; `manipulate` answers as before."""
        by_part: dict[int, tuple[Manipulator, list[Perturbation]]] = {}
        for each in perturbations:
            manipulator = self._manipulator(each, instrument)
            by_part.setdefault(id(manipulator), (manipulator, []))[1].append(self._asked(each))
        for manipulator, asked in by_part.values():
            manipulator.prepare(ur, asked)

    def _asked(self, perturbation: Perturbation) -> Perturbation:
        return perturbation if str(perturbation) in self.trained else consequence(perturbation)

    @cached_property
    def trained(self) -> frozenset[str]:
        """Texts of the perturbations that it was fitted on, as its card says; none where that does not say."""
        return frozenset(map(str, self.card.get("perturbations", ())))

    def decode(self, ur: UR, *, instrument: str = "") -> Prediction[Measurement]:
        """Ask a decoder; the only one, unless named."""
        return self.decoder(instrument).decode(ur)

    def decoder(self, name: str = "") -> Decoder:
        """The decoder of that name; the only one, unless named.

        Raises:
            UnknownNameError: No such decoder, or several and no name.
        """
        decoder = self._pick(Decoder, name)
        assert isinstance(decoder, Decoder)
        return decoder

    def states(self, start: Measurement | UR | str, *, new_context: bool = False, manipulator: str = "") -> UR:
        """Control states to start from.

        Where a manipulator of tissues will be asked, cells that have positions keep their neighbours: the cellular
        encoder says what each is, and the multicellular one who is beside it.

        Args:
            start: The states themselves; control cells, which are encoded; or the name of a context (`start`).
            new_context: Whether the name is that of a new context, although it reads like a known one.
            manipulator: Which one will be asked, where there are several.

        Raises:
            UnknownNameError: No such context, or its name may be a slip.
        """
        if isinstance(start, UR):
            return start
        if isinstance(start, str):
            return self.start(start, new_context=new_context)
        names = [manipulator] if manipulator else list(self.instruments)
        return self._neighbours(start) if any(map(self._edits_tissue, names)) else self.encode(start)

    def _neighbours(self, tissue: Measurement) -> UR:
        cells = self.encode(tissue.replace(scale=Scale.CELLULAR))
        if tissue.links is not None or tissue.coordinates is None:
            return cells
        return replace(cells, links=self.encode(tissue.replace(scale=Scale.MULTICELLULAR), cells).links)

    def predict(
        self,
        start: Measurement | UR | str,
        perturbation: Perturbation | str,
        *,
        cells: int = CELLS,
        manipulator: str = "",
        decoder: str = "",
        new_context: bool = False,
    ) -> Prediction[Measurement]:
        """Run the virtual experiment: encode control cells, perturb them, read them out.

        Args:
            start: Unperturbed cells of the context asked about, or their states; or the context's name, to start from
                the cell's own; a cell fitted on a table of effects takes the name of any context.
            perturbation: As an object or as text, such as ``"ko:JAK2"``.
            cells: How many cells to read out over all draws, at least two for each.
            manipulator: Which one, where there are several.
            decoder: Which one, where there are several.
            new_context: Whether the name is that of a new context, although it reads like a known one (`start`).

        Raises:
            UnknownNameError: No such context, or its name may be a slip.
            SpaceError: The states are of another space.
            ScoreError: The answer holds NaN or infinity.
        """
        asked = Perturbation.parse(perturbation) if isinstance(perturbation, str) else perturbation
        begin = at_hours(self.states(start, new_context=new_context, manipulator=manipulator), asked)
        moved = self.manipulate(begin, asked, instrument=manipulator)
        return read_out(moved, begin, self.decoder(decoder), cells=cells).replace(origin=self.origin)

    def _pick(self, contract: type[Manipulator] | type[Decoder], name: str) -> Manipulator | Decoder:
        found = {key: part for key, part in self.instruments.items() if isinstance(part, contract)}
        if not name and len(found) == 1:
            return next(iter(found.values()))
        if name not in found:
            remedy = "" if name else f"This cell has {len(found)}: name the one you mean."
            raise UnknownNameError(contract.__name__.lower(), name, found, remedy)
        return found[name]

    def save(self, folder: Path | str, *, overwrite: bool = False) -> None:
        """Write ``cell.json`` and one folder per part, as JSON and safetensors: the whole cell or nothing.

        Args:
            folder: Missing or empty.
            overwrite: Replace a virtual cell that is there; a folder with files of others is refused all the same.

        Raises:
            IntegrityError: A name is no folder's name, or the folder holds something.
            WritingError: The place cannot be written to.
        """
        encoders = {f"{_ENCODER}{key}" for key in self.encoders}
        for key in encoders:
            if not is_plain(key):
                raise IntegrityError(f"An encoder's name becomes a folder: {key!r} cannot. Rename it.")
        for key in self.instruments:
            if key in encoders or not is_plain(key):
                raise IntegrityError(f"An instrument's name becomes a folder: {key!r} cannot. Rename it.")
        with whole_folder(Path(folder), "virtual cell", owns, overwrite=overwrite) as fresh:
            self._write(fresh)

    def _write(self, folder: Path) -> None:
        parts: dict[str, dict[str, Any]] = {}
        for key, part in self.parts.items():
            state = part.state()
            state.save(folder / "parts" / key)
            parts[key] = {
                "group": part.group,
                "name": part.name,
                "from": registry.Registry(part.group).origin(part.name),
                "digest": state.digest(),
            }
        for i, start in enumerate(self.starts.values()):
            start.save(folder / "starts" / str(i))
        # Parts that were fitted on the same entities share what says so.
        notes = {each.digest: each for each in self.provenance.values()}
        for i, each in enumerate(notes.values()):
            each.save(folder / FOLDER / str(i))
        body = {"format": FORMAT, "parts": parts, "card": dict(self.card), "starts": list(self.starts)}
        body["start_digests"] = [start.digest for start in self.starts.values()]
        if notes:
            places = {digest: {"at": i, "digest": digest} for i, digest in enumerate(notes)}
            body["provenance"] = {name: places[each.digest] for name, each in self.provenance.items()}
        # What JSON makes of the card is what is read back, and what the digest is of.
        body = sealed(json.loads(json.dumps(body)))
        write_text(folder / CELL, json.dumps(body, indent=1, sort_keys=True) + "\n")

    @classmethod
    def load(cls, folder: Path | str) -> "VirtualCell":
        """Read what `save` wrote.

        Raises:
            IntegrityError: A file is missing, altered, or of another format.
            RetiredError: A part is no more.
            UnknownNameError: A part's package is not installed.
        """
        folder = Path(folder)
        body = read_cell(folder)
        encoders: dict[str, Encoder] = {}
        instruments: dict[str, Instrument] = {}
        for key, entry in body["parts"].items():
            part = _load_part(folder, key, entry)
            if isinstance(part, Encoder):
                encoders[key.removeprefix(_ENCODER)] = part
            else:
                instruments[key] = part
        starts = _load_starts(folder, body)
        with fitting(f"The cell in {folder}"):
            return cls(encoders, instruments, body.get("card", {}), starts, _load_provenance(folder, body))


def _plain(name: str) -> str:
    """A name without case, spaces and signs, which are easily written otherwise."""
    return re.sub(r"\W|_", "", name).casefold()


def _load_starts(folder: Path, body: Mapping[str, Any]) -> dict[str, UR]:
    names = body.get("starts", [])
    starts = {name: UR.load(folder / STARTS / str(i)) for i, name in enumerate(names)}
    for name, digest in zip(names, body.get("start_digests", ()), strict=False):
        if starts[name].digest != digest:
            raise IntegrityError(
                f"The control states of {name!r} were altered after they were saved. Fetch the cell again."
            )
    return starts


def _load_provenance(folder: Path, body: Mapping[str, Any]) -> dict[str, Provenance]:
    places = places_of(body, folder)
    notes = {at: Provenance.load(folder / FOLDER / str(at)) for at in sorted({at for at, _ in places.values()})}
    for name, (at, digest) in places.items():
        if notes[at].digest != digest:
            raise IntegrityError(f"What {name!r} was made from was altered after it was saved. Fetch the cell again.")
    return {name: notes[at] for name, (at, _) in places.items()}


def _load_part(folder: Path, key: str, entry: Any) -> Any:
    # Names come from a file of unknown origin: nothing outside the folder is read.
    if not is_plain(key) or not isinstance(entry, dict):
        raise IntegrityError(f"{folder / CELL} names a part {key!r} that is not a plain folder name. Do not trust it.")
    if entry.get("group") not in _GROUPS:
        raise IntegrityError(f"Part {key!r} belongs to no group of parts. Fetch the cell again.")
    state = State.load(folder / PARTS / key)
    if state.digest() != entry.get("digest"):
        raise IntegrityError(f"Part {key!r} is not the one its cell was saved with. Fetch the cell again.")
    try:
        with fitting(f"Part {key!r} in {folder}"):
            part = registry.Registry(entry["group"]).load(str(entry.get("name"))).from_state(state)
    except RetiredError as error:
        holder = f"The cell in {folder}, written by {entry.get('from')},"
        raise RetiredError(error.kind, error.name, error.instead, holder) from error
    if isinstance(part, Encoder) != key.startswith(_ENCODER):
        raise IntegrityError(f"Part {key!r} is not of the group its name says. Fetch the cell again.")
    return part
