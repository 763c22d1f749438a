"""Who asks: tokens of users, of which only a digest is kept, and what their roles allow."""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, final

from sqlalchemy import Engine, delete, insert, select

from aivc.core.errors import DataError, UnknownNameError
from aivc.service.refusals import ForbiddenError, SignInError
from aivc.service.service_tables import TOKENS

ROLES = ("reader", "writer", "admin")
LOCAL = "local"
VISIBILITIES = ("public", "gated", "private")
_PREFIX = "aivc_"
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
# What is shown of no token.
_SECRET = ("sha256", "made_by")
# Owners that are nobody: things that were given to the service itself.
_NOBODY = ""


@final
@dataclass(frozen=True)
class Account:
    """A user who asks.

    Attributes:
        user: Name.
        role: ``reader``, ``writer`` or ``admin``; each may do what those before it may.
        address: Where the request comes from.
        token: Id of the token that was sent; empty where none was.

    >>> Account("ada", "writer").may("reader")
    True
    """

    user: str
    role: str
    address: str = ""
    token: str = field(default="", compare=False)

    def may(self, role: str) -> bool:
        """Whether the role of this user allows what another one is needed for."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def need(self, role: str) -> None:
        """See that the role allows it.

        Raises:
            ForbiddenError: It does not.
        """
        if not self.may(role):
            raise ForbiddenError(f"This takes the role {role}, and {self.user} is a {self.role}. Ask an admin for it.")

    def sees(self, owner: str, visibility: str) -> bool:
        """Whether a thing is there for this user: what is public or gated for all, what is private for its owner."""
        return visibility != "private" or owner in (self.user, _NOBODY) or self.may("admin")

    def owns(self, owner: str) -> bool:
        """Whether this user may alter or delete a thing."""
        return owner == self.user or self.may("admin")


@final
@dataclass(frozen=True, eq=False)
class Accounts:
    """Tokens in a database.

    Attributes:
        engine: Of the database.
    """

    engine: Engine

    def new_token(self, name: str, role: str = "reader", *, user: str = "", made_by: str = "") -> dict[str, Any]:
        """Make a token.

        Args:
            name: What it is for.
            role: What it allows.
            user: Whose it is; by default a user of the same name.
            made_by: Id of the token that asks for it, and with which it ends.

        Returns:
            ``id``, ``user``, ``name``, ``role``, ``created`` and ``token``, which is shown now and kept nowhere.

        Raises:
            DataError: A name is none.
            SignInError: The token that asks was revoked meanwhile.
            UnknownNameError: There is no such role.
        """
        user = user or name
        if role not in ROLES:
            raise UnknownNameError("role", role, ROLES)
        for text in (name, user):
            if not _USER.fullmatch(text):
                raise DataError([f"A name is 1 to 64 letters, digits or . _ @ -, got {text[:80]!r}."])
        if user == LOCAL:
            raise DataError([f"{LOCAL!r} is the user of a service on one's own computer. Choose another name."])
        token = _PREFIX + secrets.token_urlsafe(32)
        row = {
            "id": secrets.token_hex(8), "user": user, "name": name, "role": role, "sha256": _digest(token),
            "created": time.time(), "made_by": made_by,
        }  # fmt: skip
        with self.engine.begin() as connection:
            connection.execute(insert(TOKENS).values(row))
            # Looked for after writing, when whoever revokes it waits for this, or this for them.
            asks = select(TOKENS.c.id).where(TOKENS.c.id == made_by).with_for_update()
            if made_by and connection.execute(asks).first() is None:
                raise SignInError("The token that asks for another one was revoked meanwhile. Sign in again.")
        return {key: value for key, value in row.items() if key not in _SECRET} | {"token": token}

    def of(self, token: str, address: str = "") -> Account | None:
        """The user of a token; None where it is not known."""
        wanted = _digest(token)
        with self.engine.connect() as connection:
            row = connection.execute(select(TOKENS).where(TOKENS.c.sha256 == wanted)).mappings().first()
        # What is compared are digests, so that even an index that stops early tells nothing of a token.
        if row is None or not hmac.compare_digest(str(row["sha256"]), wanted):
            return None
        return Account(str(row["user"]), str(row["role"]), address, str(row["id"]))

    def tokens(self, user: str = "") -> list[dict[str, Any]]:
        """Tokens of a user, or all of them, without what would let anybody in."""
        asked = select(TOKENS).order_by(TOKENS.c.created)
        if user:
            asked = asked.where(TOKENS.c.user == user)
        with self.engine.connect() as connection:
            rows = connection.execute(asked).mappings().all()
        return [{key: row[key] for key in ("id", "user", "name", "role", "created")} for row in rows]

    def revoke(self, token_id: str, asker: Account) -> list[str]:
        """Make a token worthless from now on, with all that it made, and that these made.

        Returns:
            Ids of all of them, that of the token itself first.

        Raises:
            UnknownNameError: There is none of that id, for this user.
        """
        mine = delete(TOKENS).where(TOKENS.c.id == token_id)
        if not asker.may("admin"):
            mine = mine.where(TOKENS.c.user == asker.user)
        gone = [token_id]
        with self.engine.begin() as connection:
            found = connection.execute(mine).rowcount
            latest = gone if found else []
            while latest:
                made = select(TOKENS.c.id).where(TOKENS.c.made_by.in_(latest)).order_by(TOKENS.c.created)
                latest = list(connection.execute(made).scalars())
                connection.execute(delete(TOKENS).where(TOKENS.c.id.in_(latest)))
                gone += latest
        if not found:
            raise UnknownNameError("token", token_id, [each["id"] for each in self.tokens(asker.user)])
        return gone


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
