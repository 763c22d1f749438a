"""A decoder that another computer serves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd

from aivc.core.contracts import Decoder
from aivc.core.entity_tables import intact
from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.prediction import Prediction
from aivc.core.sent_predictions import joined, readings_prediction_of
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.far_part import FarPart
from aivc.instruments.remote.connecting import connected

# Numbers of states, and populations, that are sent in one question for profiles.
_AT_ONCE, _POPULATIONS = 2_000_000, 512


@final
@dataclass(frozen=True, eq=False)
class RemoteDecoder(Decoder):
    """Asks a decoder at an address: one more part of a virtual cell, saved, loaded and scored as any other.

    The states that it reads are sent there, with the names and labels of their rows. It answers only where the part at
    the address is the very one it was connected to.

    Attributes:
        reads: Space that the part there was fitted on.
        address: Such as ``https://host/api/v1/cells/interferon/parts/decoder``.
        far: What the service said of it: its registered ``name`` and its ``digest``.
    """

    name: ClassVar[str] = "remote-decoder"
    group: ClassVar[str] = "wrappers"
    reads: Space
    address: str
    far: Mapping[str, Any]

    @classmethod
    def connect(cls, address: str, *, token: str = "") -> "RemoteDecoder":
        """Connect to a part; naming the address is the consent to ask it from this process.

        Args:
            address: Of a decoder.
            token: Of an account there, where one is needed; never saved.

        Raises:
            DataError: The address is none, or that of another kind of part.
            IntegrityError: What answers is no service of virtual cells.
            UnavailableError: It cannot be reached.
        """
        far = connected(address, "decoder", token)
        with intact(address, "decoder"):
            return cls(Space.from_json(far["space"]), address, far)

    @classmethod
    def fit(
        cls,
        ur: UR,
        measurement: Measurement,
        *,
        seed: int = 0,
        units: str | None = None,
        address: str = "",
        token: str = "",
    ) -> "RemoteDecoder":
        """Connect to a part that was fitted there, on the space of these states; nothing is fitted here.

        Args:
            ur: States of the space that it has to read.
            measurement: Not used.
            seed: Not used.
            units: Not used.
            address: Of the part.
            token: See `connect`.

        Raises:
            DataError: See `connect`.
            SpaceError: The part there reads another space.
            UnavailableError: See `connect`.
        """
        made = cls.connect(address, token=token)
        made.reads.require(ur.space, f"The decoder at {address}")
        return made

    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Send states, and read what is read out.

        Raises:
            AIVCError: What the part there refuses.
            IntegrityError: The part there is another one by now, or its answer is none.
            SpaceError: ``ur`` lives in another space.
            UnavailableError: The service cannot be reached, or was not named by who asks.
        """
        self.reads.require(ur.space, self.name)
        said = FarPart(self.address).ask("decode", ur.state(), str(self.far["digest"]))
        found = readings_prediction_of(said, self.address, ur.entities)
        return found.replace(made_by=(self.name, *found.made_by))

    def profile(self, ur: UR) -> np.ndarray:
        """``(f,)`` the expected mean profile of a population, asked for alone."""
        return np.asarray(self.profiles([ur])[0])

    def profiles(self, populations: Sequence[UR]) -> np.ndarray:
        """``(k, f)`` expected mean profiles of several populations, many in one question.

        Raises:
            AIVCError: What the part there refuses.
            IntegrityError: The part there is another one by now, or its answer is none.
            SpaceError: A population lives in another space.
            UnavailableError: The service cannot be reached, or was not named by who asks.
        """
        for each in populations:
            self.reads.require(each.space, self.name)
        found, some, size = list[np.ndarray](), list[UR](), 0
        for each in populations:
            if len(some) >= _POPULATIONS or (some and size + each.values.size > _AT_ONCE):
                found.append(self._profiles(some))
                some, size = [], 0
            some.append(each)
            size += each.values.size
        return np.concatenate([*found, *([self._profiles(some)] if some else [])])

    def _profiles(self, populations: Sequence[UR]) -> np.ndarray:
        sent = joined({f"population {i}": each.state() for i, each in enumerate(populations)})
        said = FarPart(self.address).ask("profiles", sent, str(self.far["digest"]))
        return _profiles_of(said, len(populations), self.address)


def _profiles_of(said: State, k: int, where: str) -> np.ndarray:
    found = said.arrays.get("profiles")
    if found is None or found.ndim != 2 or len(found) != k or not pd.api.types.is_numeric_dtype(found.dtype):
        raise IntegrityError(f"{where} does not answer with {k} profiles. Do not trust it.")
    return np.asarray(found)
