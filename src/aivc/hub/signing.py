"""Signs manifests and aliases with Ed25519, and knows whose keys are trusted, and for which namespaces."""

import base64
import binascii
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import platformdirs
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from aivc.core.errors import DataError, IntegrityError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.state import write_text
from aivc.core.writing import whole_file
from aivc.hub.manifest import canonical
from aivc.hub.refs import is_hub_name

# A signature is for one purpose: that of an alias does not pass for that of a manifest.
OF_MANIFEST, OF_ALIAS = b"aivc manifest 1\0", b"aivc alias 1\0"
_LARGEST = 1 << 20


@final
@dataclass(frozen=True)
class Signature:
    """Who says so.

    Attributes:
        key: Public key, base64 of its 32 bytes.
        value: Signature, base64 of its 64 bytes.
    """

    key: str
    value: str

    def check(self, purpose: bytes, message: bytes, what: str) -> None:
        """See that the owner of the key signed just this.

        Raises:
            IntegrityError: It was altered or forged.
        """
        try:
            public = Ed25519PublicKey.from_public_bytes(_bytes(self.key, 32))
            public.verify(_bytes(self.value, 64), purpose + message)
        except (InvalidSignature, ValueError) as error:
            raise IntegrityError(
                f"The signature of {what} is not true: what was signed was altered, or the signature is forged. Do not "
                "use it."
            ) from error

    def to_json(self) -> dict[str, str]:
        """JSON-ready."""
        return {"algorithm": "ed25519", "key": self.key, "value": self.value}

    @classmethod
    def from_json(cls, found: Any) -> "Signature":
        """Inverse of `to_json`.

        Raises:
            IntegrityError: It is none.
        """
        texts = isinstance(found, Mapping) and all(isinstance(found.get(name), str) for name in ("key", "value"))
        if not texts or found.get("algorithm") != "ed25519" or len(found) != 3:
            raise IntegrityError("This is no Ed25519 signature. Fetch it again; do not use what it stands beside.")
        return cls(found["key"], found["value"])


@final
@dataclass(frozen=True)
class SigningKey:
    """A private key; keep it to yourself."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)

    @property
    def public(self) -> str:
        """The public key, in base64: give it to whoever shall trust you."""
        return base64.b64encode(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    def sign(self, purpose: bytes, message: bytes) -> Signature:
        """Sign."""
        return Signature(self.public, base64.b64encode(self.private.sign(purpose + message)).decode())

    def save(self, path: Path) -> None:
        """Write it as PEM, readable by its owner only; a file that is there stays.

        Raises:
            IntegrityError: A file is there.
            WritingError: The place cannot be written to.
        """
        pem = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with whole_file(path, overwrite=False) as partial:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(pem)

    @classmethod
    def load(cls, path: Path) -> "SigningKey":
        """Read what `save` wrote.

        Raises:
            IntegrityError: It is no private Ed25519 key.
        """
        try:
            found = load_pem_private_key(path.read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise IntegrityError(f"{path} is no private key in PEM. Make one: aivc hub key new FILE.") from error
        if not isinstance(found, Ed25519PrivateKey):
            raise IntegrityError(f"{path} is no Ed25519 key. Make one: aivc hub key new FILE.")
        return cls(found)


@final
@dataclass(frozen=True)
class TrustedKey:
    """A public key, and the namespaces that only such keys may speak for.

    Attributes:
        name: Whose it is.
        key: Public key, in base64.
        namespaces: What is in these is refused unless a key trusted for them signed it.
    """

    name: str
    key: str
    namespaces: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class TrustStore:
    """Whose signatures count; by default the file that ``AIVC_TRUST`` names, or the user's own."""

    keys: tuple[TrustedKey, ...] = ()

    @classmethod
    def load(cls, path: Path | None = None) -> "TrustStore":
        """Read a file of keys; nothing is trusted where there is none.

        Raises:
            IntegrityError: It is no such file.
        """
        path = path or trust_file()
        if not path.exists():
            return cls()
        found = read_json(path)
        try:
            keys = [TrustedKey(each["name"], each["key"], tuple(each["namespaces"])) for each in found["keys"]]
            for each in keys:
                _bytes(each.key, 32)
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"{path} is no file of trusted keys ({error!r}). Correct it.") from error
        return cls(tuple(keys))

    def save(self, path: Path | None = None) -> None:
        """Write it."""
        body = [{"name": each.name, "key": each.key, "namespaces": list(each.namespaces)} for each in self.keys]
        write_text(path or trust_file(), canonical({"keys": body}).decode())

    def add(self, name: str, key: str, namespaces: tuple[str, ...] = ()) -> "TrustStore":
        """Trust a key.

        Raises:
            DataError: The name is taken, or the key or a namespace is none.
        """
        problems = [f"{each!r} is no namespace." for each in namespaces if not is_hub_name(each)]
        if any(each.name == name for each in self.keys):
            problems.append(f"A key named {name!r} is trusted already. Remove it first, or choose another name.")
        try:
            _bytes(key, 32)
        except ValueError:
            problems.append("A public key is the base64 of 32 bytes, as aivc hub key new shows it.")
        if problems:
            raise DataError(problems)
        return TrustStore((*self.keys, TrustedKey(name, key, namespaces)))

    def remove(self, name: str) -> "TrustStore":
        """Trust a key no more.

        Raises:
            UnknownNameError: There is none of that name.
        """
        if name not in (names := [each.name for each in self.keys]):
            raise UnknownNameError("trusted key", name, names)
        return TrustStore(tuple(each for each in self.keys if each.name != name))

    def signers(self, signatures: list[Signature], purpose: bytes, message: bytes, what: str) -> list[str]:
        """Who of those trusted signed.

        Raises:
            IntegrityError: A signature is not true, whoever's it is.
        """
        for each in signatures:
            each.check(purpose, message, what)
        given = {each.key for each in signatures}
        return [each.name for each in self.keys if each.key in given]

    def require(self, namespace: str, signers: list[str], what: str) -> None:
        """Refuse what only certain keys may speak for, unless one of them signed.

        Raises:
            IntegrityError: None of them did.
        """
        owners = [each.name for each in self.keys if namespace in each.namespaces]
        if owners and not set(owners) & set(signers):
            raise IntegrityError(
                f"{what} is in the namespace {namespace!r}, for which you trust {', '.join(owners)} alone, and none of "
                "them signed it. Do not use it."
            )


def trust_file() -> Path:
    """Where trusted keys are kept unless another place is named."""
    named = os.environ.get("AIVC_TRUST")
    return Path(named) if named else Path(platformdirs.user_config_dir("aivc")) / "trusted_keys.json"


def key_id(key: str) -> str:
    """A short name of a public key, for files and people.

    >>> key_id("AAAA")
    '709e80c88487a241'
    """
    return hashlib.sha256(base64.b64decode(key)).hexdigest()[:16]


def _bytes(text: str, length: int) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError) as error:
        raise ValueError("no base64") from error
    if len(found) != length:
        raise ValueError("another length")
    return found
