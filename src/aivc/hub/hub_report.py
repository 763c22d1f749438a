"""What a check of a version, or of a folder that was fetched, found: badges, and who signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import read_json
from aivc.hub.badges import SIGNATURES, Badge, BadgeRecord, check
from aivc.hub.manifest import MANIFEST, Manifest
from aivc.hub.signing import OF_MANIFEST, Signature, TrustStore

ALL_BADGES = tuple(map(str, Badge))


@final
@dataclass(frozen=True)
class HubReport:
    """What a check found.

    Attributes:
        ref: What was checked.
        digest: Of its manifest.
        badges: One record for each check.
        signed_by: Trusted keys that signed it.
        strangers: How many keys signed it that are not trusted here.
        recorded: Whether the hub keeps the badges.
    """

    ref: str
    digest: str
    badges: tuple[BadgeRecord, ...]
    signed_by: tuple[str, ...]
    strangers: int = 0
    recorded: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing that could be checked failed."""
        return all(each.passed is not False for each in self.badges)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready."""
        badges = [each.to_json() for each in self.badges]
        return {**vars(self), "badges": badges, "signed_by": list(self.signed_by), "passed": self.passed}


def verify_folder(folder: Path, badges: Sequence[str] = ALL_BADGES, trust: TrustStore | None = None) -> HubReport:
    """Check a folder that was fetched from a hub.

    Raises:
        IntegrityError: It holds no manifest, or the manifest or a signature is not true.
    """
    trust = TrustStore.load() if trust is None else trust
    manifest, signatures = fetched(folder)
    signers = signers_of(trust, manifest, signatures)
    strangers = len({each.key for each in signatures}) - len(signers)
    records = check(folder, manifest, badges)
    return HubReport(str(manifest.ref), manifest.digest, tuple(records), tuple(signers), strangers)


def fetched(folder: Path) -> tuple[Manifest, list[Signature]]:
    """Manifest and signatures of a folder that was fetched, none of them believed yet.

    Raises:
        IntegrityError: They are missing, or cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise IntegrityError(f"{folder} holds no {MANIFEST}. Give a folder that was fetched from a hub, or a ref.")
    manifest = Manifest.from_bytes(path.read_bytes(), path)
    listed = read_json(folder / SIGNATURES) if (folder / SIGNATURES).exists() else []
    if not isinstance(listed, list):
        raise IntegrityError(f"{folder / SIGNATURES} holds no list of signatures. Fetch it again.")
    return manifest, [Signature.from_json(each) for each in listed]


def signers_of(trust: TrustStore, manifest: Manifest, signatures: list[Signature]) -> list[str]:
    """Which trusted keys signed a manifest.

    Raises:
        IntegrityError: A signature is not true, or those who alone may speak for the namespace did not sign.
    """
    what = f"The manifest of {manifest.ref}"
    signers = trust.signers(signatures, OF_MANIFEST, manifest.to_bytes(), what)
    trust.require(manifest.namespace, signers, what)
    return signers
