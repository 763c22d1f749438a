"""An encoder that another computer serves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np

from aivc.core.contracts import Encoder
from aivc.core.entity_tables import intact
from aivc.core.errors import IntegrityError, SpaceError
from aivc.core.measurement import Measurement
from aivc.core.scale import Scale
from aivc.core.sent_predictions import joined, measurement_state
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.data.far_part import FarPart
from aivc.instruments.remote.connecting import connected

# Numbers of readings that are sent in one question.
_AT_ONCE = 4_000_000


@final
@dataclass(frozen=True, eq=False)
class RemoteEncoder(Encoder):
    """Asks an encoder at an address, such as one that needs a graphics card.

    What was measured is sent there, with the names and labels of the entities: not for data that may not leave. It
    answers only where the part at the address is the very one it was connected to.

    Attributes:
        space: What the part there writes, which is what this one writes.
        address: Such as ``https://host/api/v1/cells/interferon/parts/encoder-cellular``.
        far: What the service said of it: its registered ``name``, its ``digest``, its ``features`` and ``units``.
    """

    name: ClassVar[str] = "remote-encoder"
    group: ClassVar[str] = "wrappers"
    scale: ClassVar[Scale] = Scale.CELLULAR
    space: Space
    address: str
    far: Mapping[str, Any]

    def __post_init__(self) -> None:
        stated = {"scale": self.space.scale, "uses_parts": bool(self.far.get("uses_parts"))}
        if isinstance(self.far.get("features"), list):
            stated["features"] = np.array(list(map(str, self.far["features"])), dtype=object)
        if isinstance(self.far.get("units"), str):
            stated["units"] = self.far["units"]
        for name, value in stated.items():
            object.__setattr__(self, name, value)

    @classmethod
    def connect(cls, address: str, *, token: str = "") -> "RemoteEncoder":
        """Connect to a part; naming the address is the consent to ask it from this process.

        Args:
            address: Of an encoder.
            token: Of an account there, where one is needed; never saved.

        Raises:
            DataError: The address is none, or that of another kind of part.
            IntegrityError: What answers is no service of virtual cells.
            UnavailableError: It cannot be reached.
        """
        far = connected(address, "encoder", token)
        with intact(address, "encoder"):
            return cls(Space.from_json(far["space"]), address, far)

    @classmethod
    def fit(
        cls,
        measurement: Measurement,
        *,
        dim: int = 32,
        seed: int = 0,
        units: str | None = None,
        address: str = "",
        token: str = "",
    ) -> "RemoteEncoder":
        """Connect to a part that was fitted there; nothing is fitted here.

        Args:
            measurement: Of the scale that it has to encode.
            dim: Not used.
            seed: Not used.
            units: Not used.
            address: Of the part.
            token: See `connect`.

        Raises:
            DataError: See `connect`.
            SpaceError: The part there encodes another scale.
            UnavailableError: See `connect`.
        """
        made = cls.connect(address, token=token)
        if made.scale is not measurement.scale:
            raise SpaceError(f"The encoder at {address} encodes {made.scale} entities, not {measurement.scale}.")
        return made

    @property
    def dim(self) -> int:
        """Number of axes."""
        return self.space.dim

    @property
    def notes(self) -> tuple[str, ...]:
        """What the part there says of its fit."""
        return tuple(map(str, self.far.get("notes", ())))

    @cached_property
    def writes(self) -> Space:
        """The space of the part there: what was fitted on its states reads these."""
        return self.space

    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Send what was measured, and read its states; many entities in several questions.

        Raises:
            AIVCError: What the part there refuses.
            IntegrityError: The part there is another one by now, or its answer is none.
            UnavailableError: The service cannot be reached, or was not named by who asks.
        """
        pieces = [self._encode(each, parts) for each in _pieces(measurement)]
        if len(pieces) == 1:
            return replace(pieces[0], entities=measurement.entities)
        stated = [each.variance for each in pieces if each.variance is not None]
        return UR(
            np.concatenate([each.values for each in pieces]),
            self.space,
            measurement.entities,
            np.concatenate(stated) if len(stated) == len(pieces) else None,
            np.concatenate([each.mass for each in pieces]),
        )

    def _encode(self, measurement: Measurement, parts: UR | None) -> UR:
        sent = {"measurement": measurement_state(measurement)}
        if parts is not None:
            sent["parts"] = parts.state()
        said = FarPart(self.address).ask("encode", joined(sent), str(self.far["digest"]))
        ur = UR.from_state(said, self.address)
        self.space.require(ur.space, self.name)
        if len(ur) != len(measurement):
            raise IntegrityError(f"{self.address} answers {len(measurement)} entities with {len(ur)}. Do not trust it.")
        return ur


def _pieces(measurement: Measurement) -> Iterator[Measurement]:
    """Parts of a measurement that are sent at once; a tissue is one: neighbours count."""
    n = len(measurement)
    if measurement.scale is Scale.MULTICELLULAR or n == 0:
        yield measurement
        return
    width = max(1, int(np.prod(measurement.values.shape[1:])))
    rows = max(1, _AT_ONCE // width)
    for start in range(0, n, rows):
        yield measurement.take(np.arange(start, min(start + rows, n)))
