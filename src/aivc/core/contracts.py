"""The three contracts: everything that can be fitted is one of them. Interfaces are inherited, the rest final."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np

from aivc.core import registry
from aivc.core.axes import Axes
from aivc.core.errors import IntegrityError
from aivc.core.measurement import Measurement
from aivc.core.perturbation import Perturbation
from aivc.core.prediction import Prediction
from aivc.core.scale import Scale
from aivc.core.space import Space
from aivc.core.state import State, child, pack
from aivc.core.ur import UR

# Not Self: the runtime type checks of the tests see methods one by one, where Self means nothing.
P = TypeVar("P", bound="Part")
T = TypeVar("T")


class Part(ABC):
    """A fitted, frozen dataclass whose fields are arrays, JSON values, spaces or other parts.

    Attributes:
        name: Registered name.
        group: Registry group it is registered in.
    """

    name: ClassVar[str]
    group: ClassVar[str]

    def state(self) -> State:
        """Everything there is to it, as settings and arrays."""
        return pack(self)

    @classmethod
    def from_state(cls: type[P], state: State) -> P:
        """Inverse of `state`.

        Raises:
            IntegrityError: The state is not one of this part.
        """
        return unpack(cls, state, cls.name)


def unpack(cls: type[T], state: State, name: str) -> T:
    """Make a dataclass of the fields that `pack` has put into a state.

    Args:
        cls: Such as a part, or what a part of nested objects is saved as.
        state: Its fields.
        name: Of the part, for messages.

    Raises:
        IntegrityError: The state is not one of this part.
    """
    wanted = {item.name for item in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if set(state.settings) != wanted:
        raise IntegrityError(
            f"{name} is made of {sorted(wanted)}, but the state holds {sorted(state.settings)}. "
            "It was saved by another version or another part: install that version, or fit again."
        )
    try:
        return cls(**{field: _unpack(field, value, state) for field, value in state.settings.items()})
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"The state of {name} is damaged ({error!r}). Fetch it again.") from error


def _unpack(name: str, packed: dict[str, Any], state: State) -> Any:
    match packed["is"]:
        case "array":
            return state.arrays[name]
        case "strings":
            return np.array(packed["value"], dtype=object)
        case "json":
            return Space.from_json(packed["value"])
        case "part":
            part = registry.Registry(packed["group"]).load(packed["name"])
            return part.from_state(child(state, name, packed["settings"]))
        case "parts":
            return tuple(_unpack(f"{name}.{i}", item, state) for i, item in enumerate(packed["value"]))
        case "tuple":
            return tuple(packed["value"])
        case _:
            return packed["value"]


class Encoder(Part):
    """Measurement → UR: what is it?

    Attributes:
        scale: Scale of the entities it encodes.
        uses_profiles: Whether ``fit`` takes the mean profiles of all training perturbations and controls, as
            ``profiles``, beside single entities.
        uses_parts: Whether whoever fits it passes on the UR of the scale below, as ``parts``, where there is one: that
            of genes to an encoder of cells, that of cells to one of tissue. ``fit`` and ``encode`` do without, too.
    """

    group: ClassVar[str] = "encoders"
    scale: ClassVar[Scale]
    uses_profiles: ClassVar[bool] = False
    uses_parts: ClassVar[bool] = False

    @classmethod
    def given(cls, parts: UR | None) -> dict[str, UR]:
        """Return ``parts`` as an argument of ``fit`` and ``encode``; nothing where there are none, or it uses none."""
        return {"parts": parts} if cls.uses_parts and parts is not None else {}

    @classmethod
    @abstractmethod
    def fit(cls, measurement: Measurement, *, dim: int = 32, seed: int = 0, units: str | None = None) -> "Encoder":
        """Fit on training entities only.

        Args:
            measurement: Training entities.
            dim: Number of axes wanted.
            seed: For those that draw.
            units: Units to work in; None lets the encoder choose, such as ``log1p_cpN`` with the median total as N.
        """

    @abstractmethod
    def encode(self, measurement: Measurement, parts: UR | None = None) -> UR:
        """Represent entities.

        Args:
            measurement: In the units the encoder was fitted on, or counts it can bring there; features by name.
            parts: Representation of the scale below, for encoders that use it.

        Raises:
            UnitsError: The units cannot be brought to those of the fit.
            UnknownNameError: None of the encoder's features are present.
        """

    @property
    @abstractmethod
    def dim(self) -> int:
        """Number of axes."""

    @property
    def projection(self) -> Axes | None:
        """The axes that its states are projections on, for decoders that read them out exactly; None where not."""
        return None

    @cached_property
    def writes(self) -> Space:
        """The space of its URs."""
        return Space(self.name, self.scale, self.dim, self.state().digest()[:16])


class Manipulator(Part):
    """UR, Perturbation → Prediction[UR]: what would become of it?

    Attributes:
        reads: Space it was fitted on.
        needs_parts: Whether ``fit`` cannot do without ``parts``, so that they are fetched, or missed, before any work.
        uses_parts: Whether ``fit`` does better with ``parts``, so that they are fetched where they can be had.
        needs_cells: Whether ``fit`` takes states of single cells, controls among them, as ``cells`` beside the mean
            states.
        needs_times: Whether it takes cells to a later time: ``fit`` and ``manipulate`` need to know when each was read,
            and it answers hours, with or without agents that were read over time.
        resampled: Whether an ensemble refits it on subsets of the perturbations; not where it states its own spread.
        for_means: Settings of ``fit`` that leave the means of its answers as they are and take less time: calibration
            asks for means alone.
    """

    group: ClassVar[str] = "manipulators"
    needs_parts: ClassVar[bool] = False
    uses_parts: ClassVar[bool] = False
    needs_cells: ClassVar[bool] = False
    needs_times: ClassVar[bool] = False
    resampled: ClassVar[bool] = True
    for_means: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    reads: Space

    @classmethod
    @abstractmethod
    def fit(cls, ur: UR, *, parts: UR | None = None, seed: int = 0) -> "Manipulator":
        """Fit on training states.

        Args:
            ur: Perturbed and control states, with ``perturbation``, ``context`` and ``batch`` columns where they apply.
            parts: Molecular UR of what can be perturbed, rows named by target; for those that use it.
            seed: For those that draw.

        Raises:
            ControlError: A context has no control.
        """

    @property
    def refits(self) -> Mapping[str, Any]:
        """Settings with which a refit on part of the same entities takes over what is costly to learn again.

        Calibration refits a method many times. No more may be taken over than a few numbers that were learned
        from all entities together, such as variances of components.
        """
        return {}

    @property
    def molecules(self) -> Collection[str]:
        """Names of the molecules that it has knowledge of beside what was measured; none where it uses none."""
        return ()

    @property
    def grows(self) -> bool:
        """Whether cells divide and die in its answers, so that masses of draws differ from those that were given."""
        return False

    @property
    def edits_tissue(self) -> bool:
        """Whether it answers what names cells: edits of who is where, and what is done to some cells of a tissue.

        Rows of its draws are the cells that such an edit leaves and those that it adds.
        """
        return False

    def prepare(self, ur: UR, perturbations: Sequence[Perturbation]) -> None:
        """Compute ahead what many questions from the same states have in common; answers stay as they are.

        One product over hundreds of questions takes a fraction of the time of a product for each. A method without
        such products does nothing here.
        """
        return

    @abstractmethod
    def manipulate(self, ur: UR, perturbation: Perturbation) -> Prediction[UR]:
        """Say what would become of control states.

        Rows of ``ur`` are the starting population and stay aligned with those of every draw. Control returns ``ur``.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """


class Decoder(Part):
    """UR → Prediction[Measurement]: what would we see?

    Attributes:
        reads: Space it was fitted on.
        uses_axes: Whether ``fit`` takes the axes of the encoder, as ``axes``, instead of estimating the way back.
    """

    group: ClassVar[str] = "decoders"
    uses_axes: ClassVar[bool] = False
    reads: Space

    @classmethod
    @abstractmethod
    def fit(cls, ur: UR, measurement: Measurement, *, seed: int = 0, units: str | None = None) -> "Decoder":
        """Fit on training entities: row i of ``ur`` represents row i of ``measurement``.

        Args:
            ur: Their states.
            measurement: What was read from them.
            seed: For those that draw.
            units: Units of the mean profile; None lets the decoder choose.
        """

    @abstractmethod
    def decode(self, ur: UR) -> Prediction[Measurement]:
        """Read a population out: entities like those given, and its expected mean profile.

        Raises:
            SpaceError: ``ur`` lives in another space.
        """

    def profile(self, ur: UR) -> np.ndarray:
        """``(f,)`` the expected mean profile of a population, as `decode` states it.

        A decoder that knows it without drawing cells says so here: screens of many perturbations need nothing else.
        """
        return self.decode(ur).mean

    def profiles(self, populations: Sequence[UR]) -> np.ndarray:
        """``(k, f)`` the expected mean profiles of several populations, as `profile` states each of them."""
        return np.array([self.profile(each) for each in populations])
