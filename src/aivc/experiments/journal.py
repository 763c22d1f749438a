"""Long work that can be cut off and gone on with: finished rows are written as they come, beside the question asked."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from aivc.core.errors import IntegrityError
from aivc.core.foreign_text import parse_json, read_text
from aivc.core.state import write_text
from aivc.core.ur import UR
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import explained, held

_FORMAT = 1


def question(cell: VirtualCell, start: UR, *asked: object) -> str:
    """Digest of all that an answer depends on: every part of the cell, the states it starts from, and what was asked.

    Args:
        cell: Whose parts answer.
        start: Control states.
        asked: What JSON can hold.
    """
    parts = {**cell.encoders, **cell.instruments}
    sha = hashlib.sha256(json.dumps([_FORMAT, str(start.space), *asked], sort_keys=True).encode())
    for name in sorted(parts):
        sha.update(f"{name}{parts[name].state().digest()}".encode())
    sha.update(start.values.tobytes() + start.mass.tobytes())
    return sha.hexdigest()


@final
@dataclass(frozen=True)
class Journal:
    """Rows of one question in a file of JSON lines, the first of which names the question.

    Attributes:
        path: Made when the first rows are written.
        question: Digest of what the rows answer.
    """

    path: Path
    question: str

    def read(self) -> list[dict[str, Any]]:
        """Finished rows, in the order they were written; a line cut off in the middle is dropped from the file.

        Raises:
            IntegrityError: The file is no journal, or answers another question.
        """
        if not self.path.exists():
            return []
        text = read_text(self.path)
        whole = text[: text.rfind("\n") + 1]
        try:
            head, *rows = [parse_json(line, self.path) for line in whole.splitlines()] or [{}]
            asked = head.get("question")
            if not all(isinstance(row["perturbation"], str) for row in rows):
                raise TypeError("a row names no perturbation")
        except (AttributeError, KeyError, TypeError, IntegrityError) as error:
            raise IntegrityError(f"{self.path} is not a checkpoint ({error}). Choose another file.") from error
        if text and asked != self.question:
            raise IntegrityError(
                f"{self.path} keeps the answers to another question: other cell, response, context, level or starting "
                "states. Choose another checkpoint file, or delete this one."
            )
        if whole != text:
            write_text(self.path, whole)
        return rows

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Append finished rows."""
        with explained(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh = not self.path.exists() or not self.path.stat().st_size
            lines = [{"format": _FORMAT, "question": self.question}, *rows] if fresh else rows
            with self.path.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines))

    def held(self) -> AbstractContextManager[None]:
        """Keep other processes from writing answers here meanwhile.

        Raises:
            IntegrityError: Another process does.
        """
        return held(self.path.with_name(f".{self.path.name}.in-use"))
