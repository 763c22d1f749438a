"""What happened in a campaign, line by line, in a file that only grows: whoever reads it never waits."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import parse_json, read_text
from aivc.core.writing import explained, held

FORMAT = 1
NEW, PROPOSED, MEASURED = "new", "proposed", "measured"
EVENTS = (NEW, PROPOSED, MEASURED)


@final
@dataclass(frozen=True)
class CampaignRecord:
    """Events of one campaign, each on a line with the digest of all before it.

    A line counts once its end is written: one that was cut off by a crash is not read, and the next writer takes it
    away. So readers need no lock.

    Attributes:
        path: File of JSON lines.
    """

    path: Path

    def read(self) -> list[dict[str, Any]]:
        """Whole events, in order.

        Raises:
            IntegrityError: The file is missing, no record, or was changed after it was written.
        """
        events, _ = self._whole()
        return events

    def add(self, event: str, body: Mapping[str, Any], *, after: int) -> None:
        """Append one event, and see it on the disk.

        Args:
            event: One of `EVENTS`.
            body: What JSON can hold.
            after: How many events were read when the body was made.

        Raises:
            IntegrityError: Others have added events meanwhile.
            WritingError: The place cannot be written to.
        """
        events, size = self._whole() if self.path.exists() else ([], 0)
        if len(events) != after:
            raise IntegrityError(
                f"{self.path} has {len(events)} events, and {after} were read before: somebody else went on with this "
                "campaign meanwhile. Look at its status, and ask again."
            )
        before = events[-1]["digest"] if events else ""
        line = {"format": FORMAT, "event": event, **body}
        line["digest"] = _digest(before, line)
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("r+b" if self.path.exists() else "xb") as file:
                file.truncate(size)
                file.seek(size)
                file.write(json.dumps(line, sort_keys=True).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other writers out meanwhile.

        Raises:
            IntegrityError: Another process writes.
        """
        with held(self.path.with_name(f".{self.path.name}.in-use")):
            yield

    def _whole(self) -> tuple[list[dict[str, Any]], int]:
        """Events, and how many bytes of the file they take."""
        text = read_text(self.path)
        kept = text[: text.rfind("\n") + 1]
        events, before = list[dict[str, Any]](), ""
        for number, each in enumerate(kept.splitlines(), 1):
            found = parse_json(each, f"line {number} of {self.path}", finite=True)
            sound = isinstance(found, dict) and found.get("event") in EVENTS and found.get("format") == FORMAT
            stated = found.pop("digest", None) if sound else None
            if not sound or stated != _digest(before, found):
                raise IntegrityError(
                    f"Line {number} of {self.path} is not what was written there: the record was changed, or is of "
                    "another version. Take back the file from a copy."
                )
            before = str(stated)
            events.append({**found, "digest": before})
        return events, len(kept.encode())


def _digest(before: str, line: Mapping[str, Any]) -> str:
    return hashlib.sha256((before + json.dumps(line, sort_keys=True)).encode()).hexdigest()
