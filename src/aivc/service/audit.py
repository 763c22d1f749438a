"""Keeps who wrote what and when: lines are added, and the database refuses to alter or delete any."""

import time
from dataclasses import dataclass
from typing import Any, final

from sqlalchemy import Engine, insert, select

from aivc.service.service_tables import AUDIT

_LONGEST, _ADDRESS = 500, 64


@final
@dataclass(frozen=True, eq=False)
class AuditLog:
    """The log in a database.

    Attributes:
        engine: Of the database.
    """

    engine: Engine

    def add(self, *, user: str, address: str, action: str, path: str, status: int) -> None:
        """Write a line.

        Args:
            user: Who asked; empty where nobody signed in.
            address: Where the request came from.
            action: Method of HTTP.
            path: What was asked.
            status: What was answered.
        """
        # What strangers send may be longer than the column, or hold zeros, which no text of PostgreSQL does.
        said = {"address": address[:_ADDRESS], "path": path[:_LONGEST]}
        line = {"user": user, "action": action, "status": status}
        line |= {name: text.replace("\0", "?") for name, text in said.items()}
        with self.engine.begin() as connection:
            connection.execute(insert(AUDIT).values(at=time.time(), **line))

    def lines(self, *, limit: int = 100, before: int | None = None) -> list[dict[str, Any]]:
        """Newest lines first.

        Args:
            limit: How many at most.
            before: Only those older than the line of this id.
        """
        asked = select(AUDIT).order_by(AUDIT.c.id.desc()).limit(limit)
        if before is not None:
            asked = asked.where(AUDIT.c.id < before)
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(asked).mappings()]
