"""Names that move from version to version, such as latest and champion: notes beside the versions, signed apart."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final

from aivc.core.errors import DataError, IntegrityError
from aivc.hub.manifest import canonical
from aivc.hub.refs import Ref, is_digest
from aivc.hub.signing import OF_ALIAS, Signature, SigningKey, TrustStore


@final
@dataclass(frozen=True)
class AliasRecord:
    """Where an alias points.

    Attributes:
        place: Kind, namespace and name, with slashes.
        alias: Such as ``latest``.
        version: Which one it means.
        digest: Of that version's manifest.
        moved: When, ISO 8601.
        signature: Of whoever moved it; None where nobody signed.
    """

    place: str
    alias: str
    version: str
    digest: str
    moved: str
    signature: Signature | None = None

    @classmethod
    def make(cls, ref: Ref, alias: str, digest: str, key: SigningKey | None = None) -> "AliasRecord":
        """Point an alias at a version, and sign that.

        Raises:
            DataError: It is no name of an alias.
        """
        if not alias:
            raise DataError(["An alias has a name, such as champion."])
        Ref(ref.kind, ref.namespace, ref.name, alias=alias)
        moved = datetime.now(UTC).isoformat(timespec="seconds")
        made = cls(ref.place, alias, ref.version, digest, moved)
        return made if key is None else cls(**{**vars(made), "signature": key.sign(OF_ALIAS, made.message)})

    @property
    def message(self) -> bytes:
        """What is signed."""
        return canonical({name: value for name, value in vars(self).items() if name != "signature"})

    def check(self, trust: TrustStore) -> None:
        """See that it was moved by who may.

        Raises:
            IntegrityError: The signature is not true, or the namespace is of keys that did not sign.
        """
        what = f"The alias {self.place}@{self.alias}"
        signatures = [] if self.signature is None else [self.signature]
        signers = trust.signers(signatures, OF_ALIAS, self.message, what)
        trust.require(self.place.split("/")[1], signers, what)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "signature": None if self.signature is None else self.signature.to_json()}

    @classmethod
    def from_json(cls, found: Any, place: str) -> "AliasRecord":
        """Inverse of `to_json`.

        Args:
            found: What was read.
            place: Where it was read from, which it must speak of.

        Raises:
            IntegrityError: It is no alias of this place.
        """
        try:
            signature = None if found["signature"] is None else Signature.from_json(found["signature"])
            made = cls(**{**found, "signature": signature})
            ref = Ref.parse(f"{made.place}@{made.version}")
            if made.place != place or ref.version != made.version or not is_digest(made.digest):
                raise ValueError("it speaks of something else")
            AliasRecord.make(ref, made.alias, made.digest)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityError(f"An alias of {place} cannot be read ({error}). Move it again.") from error
        return made
