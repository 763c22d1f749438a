"""The type of a representation: two URs are comparable only when their spaces are equal."""

from dataclasses import asdict, dataclass
from typing import Any, final

from aivc.core.errors import SpaceError
from aivc.core.scale import Scale


@final
@dataclass(frozen=True)
class Space:
    """Where a UR lives.

    Attributes:
        name: Registered name of the encoder that writes it.
        scale: Physical scale of its entities.
        dim: Number of axes ``d``.
        fingerprint: Digest of the fitted encoder; refitting changes it, so a stale instrument is refused.
    """

    name: str
    scale: Scale
    dim: int
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.name}[{self.scale}, {self.dim} axes, {self.fingerprint[:8]}]"

    def require(self, got: "Space", asker: str) -> None:
        """Refuse a UR of another space.

        Raises:
            SpaceError: ``got`` is not this space.
        """
        if got != self:
            raise SpaceError(
                f"{asker} reads {self}, but was given a UR in {got}. Encode the data with the encoder this "
                "instrument was fitted on, or refit the instrument on the new space."
            )

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**asdict(self), "scale": str(self.scale)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Space":
        """Inverse of `to_json`."""
        return cls(data["name"], Scale(data["scale"]), int(data["dim"]), data["fingerprint"])
