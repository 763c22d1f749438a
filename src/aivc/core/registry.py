"""One registry for every part, ours and third-party: Python entry points. Listing names imports nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, final

from aivc.core.errors import IntegrityError, RetiredError, UnknownNameError

GROUPS = (
    "encoders",
    "manipulators",
    "decoders",
    "image_decoders",
    "wrappers",
    "providers",
    "metrics",
    "kinds",
    "datasets",
    "profiles",
    "splits",
    "benchmarks",
    "protocols",
    "executors",
)
# Parts that are no more, and which one does what they did: cells saved with them are still about.
_RETIRED = {("manipulators", name): "effect.v2" for name in ("effect.v1", "kernel-priors", "fused-priors")}


@final
@dataclass(frozen=True)
class Registry:
    """The parts registered under one entry-point group ``aivc.<group>``."""

    group: str

    def names(self) -> tuple[str, ...]:
        """Every registered name, sorted; imports nothing."""
        return tuple(sorted(_points(self.group)))

    def load(self, name: str) -> Any:
        """Import and return what is registered under a name.

        An entry point names the thing itself, or a mapping that holds it under the same name.

        Raises:
            RetiredError: The part is no more.
            UnknownNameError: Nothing is registered under it.
            IntegrityError: The entry point names a mapping without it.
        """
        found = self._point(name).load()
        if not isinstance(found, Mapping):
            return found
        if name not in found:
            raise IntegrityError(
                f"{self.origin(name)} registers {name!r} under aivc.{self.group} as {self._point(name).value}, "
                "a mapping that does not hold it. Put it there under this name, or correct the entry point."
            )
        return found[name]

    def origin(self, name: str) -> str:
        """Name and version of the distribution that registered a part.

        Raises:
            RetiredError: The part is no more.
            UnknownNameError: Nothing is registered under it.
        """
        dist = self._point(name).dist
        return "unknown" if dist is None else f"{dist.name} {dist.version}"

    def module(self, name: str) -> str:
        """Module that a part is in, or the mapping that holds it; imports nothing.

        Raises:
            RetiredError: The part is no more.
            UnknownNameError: Nothing is registered under it.

        >>> Registry("encoders").module("count-pca").startswith("aivc.representations.")
        True
        """
        return self._point(name).module

    def _point(self, name: str) -> EntryPoint:
        points = _points(self.group)
        if name not in points and (self.group, name) in _RETIRED:
            raise RetiredError(self.group.removesuffix("s"), name, _RETIRED[self.group, name])
        if name not in points:
            raise UnknownNameError(
                self.group.removesuffix("s"),
                name,
                points,
                f"A package adds one through the entry point aivc.{self.group}.",
            )
        return points[name]


@cache
def _points(group: str) -> dict[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"aivc.{group}"):
        if point.name in found and found[point.name].value != point.value:
            raise IntegrityError(
                f"Two packages register {point.name!r} under aivc.{group}: {found[point.name].value} and "
                f"{point.value}. Uninstall one of them, or ask its author to rename the part."
            )
        found[point.name] = point
    return found


ENCODERS = Registry("encoders")
MANIPULATORS = Registry("manipulators")
DECODERS = Registry("decoders")
IMAGE_DECODERS = Registry("image_decoders")
WRAPPERS = Registry("wrappers")
PROVIDERS = Registry("providers")
METRICS = Registry("metrics")
KINDS = Registry("kinds")
DATASETS = Registry("datasets")
PROFILES = Registry("profiles")
SPLIT_KINDS = Registry("splits")
EXECUTORS = Registry("executors")


def names(group: str) -> tuple[str, ...]:
    """Names registered in a group.

    Args:
        group: ``encoders``, ``manipulators``, ``decoders``, ``image_decoders``, ``wrappers``, ``providers``,
            ``metrics``, ``kinds``, ``datasets``, ``profiles``, ``splits``, ``benchmarks`` or ``protocols``.

    Raises:
        UnknownNameError: No such group.

    >>> "count-pca" in names("encoders")
    True
    """
    if group not in GROUPS:
        raise UnknownNameError("group of parts", group, GROUPS)
    return Registry(group).names()
