"""A manipulator that another computer serves."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from aivc.core.contracts import Manipulator
from aivc.core.entity_tables import intact
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.sent_predictions import states_prediction_of
from aivc.core.space import Space
from aivc.core.ur import UR
from aivc.instruments.remote.connecting import connected
from aivc.instruments.remote.far_part import FarPart


@final
@dataclass(frozen=True, eq=False)
class RemoteManipulator(Manipulator):
    """Asks a manipulator at an address: one more part of a virtual cell, saved, loaded and scored as any other.

    The states that it is asked about are sent there, with the names and labels of their rows. It answers only where
    the part at the address is the very one it was connected to.

    Attributes:
        reads: Space that the part there was fitted on.
        address: Such as ``https://host/api/v1/cells/interferon/parts/manipulator``.
        far: What the service said of it: its registered ``name``, its ``digest``, and what it can be asked.
    """

    name: ClassVar[str] = "remote-manipulator"
    group: ClassVar[str] = "wrappers"
    reads: Space
    address: str
    far: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs_times", bool(self.far.get("needs_times")))

    @classmethod
    def connect(cls, address: str, *, token: str = "") -> "RemoteManipulator":
        """Connect to a part; naming the address is the consent to ask it from this process.

        Args:
            address: Of a manipulator.
            token: Of an account there, where one is needed; never saved.

        Raises:
            DataError: The address is none, or that of another kind of part.
            IntegrityError: What answers is no service of virtual cells.
            UnavailableError: It cannot be reached.
        """
        far = connected(address, "manipulator", token)
        with intact(address, "manipulator"):
            return cls(Space.from_json(far["space"]), address, far)

    @classmethod
    def fit(
        cls, ur: UR, *, parts: UR | None = None, seed: int = 0, address: str = "", token: str = ""
    ) -> "RemoteManipulator":
        """Connect to a part that was fitted there, on the space of these states; nothing is fitted here.

        Args:
            ur: States of the space that it has to read.
            parts: Not used.
            seed: Not used.
            address: Of the part.
            token: See `connect`.

        Raises:
            DataError: See `connect`.
            SpaceError: The part there reads another space.
            UnavailableError: See `connect`.
        """
        made = cls.connect(address, token=token)
        made.reads.require(ur.space, f"The manipulator at {address}")
        return made

    @property
    def molecules(self) -> Collection[str]:
        """What the part there has knowledge of."""
        return tuple(map(str, self.far.get("molecules", ())))

    @property
    def grows(self) -> bool:
        """Whether cells divide and die in its answers."""
        return bool(self.far.get("grows"))

    @property
    def edits_tissue(self) -> bool:
        """Whether it answers what names cells."""
        return bool(self.far.get("edits_tissue"))

    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Send states and question, and read the answer.

        Raises:
            AIVCError: What the part there refuses.
            IntegrityError: The part there is another one by now, or its answer is none.
            SpaceError: ``ur`` lives in another space.
            UnavailableError: The service cannot be reached, or was not named by who asks.
        """
        self.reads.require(ur.space, self.name)
        text, far = str(perturbation), FarPart(self.address)
        said = far.ask("manipulate", ur.state(), str(self.far["digest"]), perturbation=text)
        found = states_prediction_of(said, self.address, ur.entities.assign(perturbation=text))
        self.reads.require(found.draws[0].space, self.name)
        return found.replace(made_by=(self.name, *found.made_by))
