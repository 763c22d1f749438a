"""A manipulator that another computer serves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

from aivc.core.contracts import Manipulator
from aivc.core.entity_tables import intact
from aivc.core.errors import IntegrityError
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.sent_predictions import joined, part_of, states_prediction_of
from aivc.core.space import Space
from aivc.core.state import State
from aivc.core.ur import UR
from aivc.data.far_part import FarPart
from aivc.instruments.remote.connecting import connected

# Questions of one request at most, and numbers in the states of all of its answers together in one draw.
_QUESTIONS, _NUMBERS = 512, 8_000_000


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
        ahead: _Ahead | None = self.__dict__.get("_ahead")
        if ahead is not None and ahead.ur is ur and (kept := ahead.answers.pop(str(perturbation), None)) is not None:
            return kept
        return self._asked(ur, [perturbation])[0]

    def prepare(self, ur: UR, perturbations: Sequence[Perturbation]) -> None:
        """Ask many questions in one request, and keep the answers until they are asked for."""
        self.reads.require(ur.space, self.name)
        block = max(1, min(_QUESTIONS, _NUMBERS // max(ur.values.size, 1)))
        answers = dict[str, Prediction[UR]]()
        for first in range(0, len(perturbations), block):
            some = perturbations[first : first + block]
            answers |= dict(zip(map(str, some), self._asked(ur, some), strict=True))
        object.__setattr__(self, "_ahead", _Ahead(ur, answers))

    def _asked(self, ur: UR, perturbations: Sequence[Perturbation]) -> list[Prediction[UR]]:
        texts = list(map(str, perturbations))
        sent = joined({"states": ur.state(), "asked": State({"perturbations": texts})})
        said = FarPart(self.address).ask("manipulate", sent, str(self.far["digest"]))
        return [self._answer(part_of(said, f"answer {i}"), ur, text) for i, text in enumerate(texts)]

    def _answer(self, said: State | None, ur: UR, text: str) -> Prediction[UR]:
        if said is None:
            raise IntegrityError(f"{self.address} does not answer what it was asked. Do not trust it.")
        found = states_prediction_of(said, self.address, ur.entities.assign(perturbation=text))
        self.reads.require(found.draws[0].space, self.name)
        return found.replace(made_by=(self.name, *found.made_by))


class _Ahead(NamedTuple):
    """Answers that were asked for ahead.

    Attributes:
        ur: About which states.
        answers: By the text of the perturbation.
    """

    ur: UR
    answers: dict[str, Prediction[UR]]
