"""The virtual cells of a service: those of folders that were named, and those that were fitted or pulled here."""

import json
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from aivc.core.errors import IntegrityError, UnknownNameError
from aivc.core.foreign_text import read_json
from aivc.core.saved_cell import CELL, read_cell
from aivc.core.state import write_text
from aivc.core.virtual_cell import VirtualCell
from aivc.demo import MADE_BY
from aivc.service.accounts import LOCAL, VISIBILITIES, Account
from aivc.service.settings import Settings

# Cells that are kept in memory.
_KEPT = 8
_NOTED = ("title", "source", "owner", "visibility", "dataset")
# In the folder of a cell that was fitted or pulled: its scores, and whose it is.
SCORES, ABOUT = "scores.json", "about.json"
SOURCES = ("demo", "fit", "hub", "folder")


@final
@dataclass(frozen=True)
class ServedCell:
    """A saved virtual cell, and whose it is.

    Attributes:
        id: What it is asked under.
        folder: Where it lies.
        title: What people call it.
        source: ``demo``, ``fit``, ``hub`` or ``folder``.
        owner: Its user; empty where it was given to the service itself.
        visibility: ``public``, ``gated`` or ``private``.
        dataset: Id of the data that it was fitted on; empty where they are not here.
        created: Seconds since 1970.
    """

    id: str
    folder: Path
    title: str
    source: str = "folder"
    owner: str = ""
    visibility: str = "public"
    dataset: str = ""
    created: float = 0.0

    def card(self) -> Mapping[str, Any]:
        """What it says of itself, without loading its parts.

        Raises:
            IntegrityError: The folder holds no intact cell.
        """
        card: Mapping[str, Any] = read_cell(self.folder).get("card", {})
        return card

    def scores(self) -> dict[str, Any] | None:
        """What `aivc evaluate` or `aivc demo` wrote beside it, as they wrote it; None where nothing lies there.

        Raises:
            IntegrityError: It cannot be read.
        """
        path = scores_place(self)
        if not path.is_file():
            return None
        body = read_json(path)
        if not isinstance(body, dict) or not isinstance(body.get("scores"), dict):
            raise IntegrityError(f"{path} holds no scores. Write it again with `aivc evaluate` or `aivc demo`.")
        return body


def scores_place(cell: ServedCell) -> Path:
    """Where the scores of a cell lie: in its folder, or beside it where `aivc demo` and `aivc evaluate` write them."""
    own = cell.folder / SCORES
    return own if own.is_file() or cell.source in ("fit", "hub") else cell.folder.parent / SCORES


@final
@dataclass(eq=False)
class CellShelf:
    """All cells of a service.

    Attributes:
        settings: Of the service.

    Raises:
        IntegrityError: A folder that was named holds no virtual cell.
    """

    settings: Settings
    _named: dict[str, ServedCell] = field(default_factory=dict)
    _loaded: "OrderedDict[tuple[str, int], VirtualCell]" = field(default_factory=OrderedDict)
    _locks: dict[str, threading.Lock] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        for folder in self.settings.cells:
            read_cell(folder)
            found = _of_folder(folder.resolve())
            key, taken = found.id, 1
            while key in self._named:
                taken += 1
                key = f"{found.id}-{taken}"
            self._named[key] = ServedCell(
                key, found.folder, found.title, found.source, created=found.created, dataset=found.dataset
            )

    def all(self) -> list[ServedCell]:
        """Every cell: those named first, then the newest."""
        home = self.settings.folder("cells")
        made = [_of_home(path.parent) for path in home.glob(f"*/{CELL}") if not path.parent.name.startswith(".")]
        return [*self._named.values(), *sorted(made, key=lambda each: -each.created)]

    def seen_by(self, account: Account) -> list[ServedCell]:
        """Those that a user may ask."""
        return [each for each in self.all() if account.sees(each.owner, each.visibility)]

    def get(self, cell_id: str, account: Account) -> ServedCell:
        """One cell.

        Raises:
            UnknownNameError: There is none of that id, for this user.
        """
        seen = {each.id: each for each in self.seen_by(account)}
        if cell_id not in seen:
            raise UnknownNameError("virtual cell", cell_id, seen)
        return seen[cell_id]

    def new_id(self, title: str) -> str:
        """An id for a cell that is still to be saved, into ``cells/<id>``."""
        return f"{slug(title)[:40]}-{secrets.token_hex(3)}"

    def add(
        self,
        cell_id: str,
        *,
        title: str,
        source: str,
        owner: str,
        visibility: str = "private",
        dataset: str = "",
        scores: Mapping[str, Any] | None = None,
    ) -> ServedCell:
        """Serve a cell that was saved into ``cells/<id>``.

        Args:
            cell_id: Of `new_id`.
            title: What people call it.
            source: ``fit`` or ``hub``.
            owner: Its user.
            visibility: Who may ask it.
            dataset: Id of the data it was fitted on.
            scores: Of the evaluator, to be kept beside it.

        Raises:
            IntegrityError: No cell lies there.
            UnknownNameError: No such source or visibility.
        """
        for kind, name, known in (("source", source, SOURCES), ("visibility", visibility, VISIBILITIES)):
            if name not in known:
                raise UnknownNameError(kind, name, known)
        folder = self.settings.folder("cells") / cell_id
        read_cell(folder)
        about = {
            "title": title[:200], "source": source, "owner": owner, "visibility": visibility, "dataset": dataset,
            "created": time.time(),
        }  # fmt: skip
        if scores is not None:
            write_text(folder / SCORES, json.dumps(scores) + "\n")
        write_text(folder / ABOUT, json.dumps(about, indent=1) + "\n")
        return _of_home(folder)

    def load(self, cell: ServedCell) -> VirtualCell:
        """The cell itself, kept in memory: it is read once, whoever else waits for it.

        Raises:
            IntegrityError: It is not intact.
        """
        with self._lock:
            lock = self._locks.setdefault(cell.id, threading.Lock())
        key = cell.id, (cell.folder / CELL).stat().st_mtime_ns if (cell.folder / CELL).is_file() else 0
        with lock:
            with self._lock:
                if (kept := self._loaded.get(key)) is not None:
                    self._loaded.move_to_end(key)
                    return kept
            loaded = VirtualCell.load(cell.folder)
            with self._lock:
                self._loaded[key] = loaded
                while len(self._loaded) > _KEPT:
                    self._loaded.popitem(last=False)
            return loaded


def slug(text: str) -> str:
    """Letters and digits of a text, joined by hyphens.

    >>> slug("Interferon screen, 2nd try")
    'interferon-screen-2nd-try'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "cell"


def _of_folder(folder: Path) -> ServedCell:
    """What is served of a folder; one that is only called ``cell`` is named after the folder around it."""
    name = folder.parent.name if folder.name == "cell" and folder.parent.name else folder.name
    path = folder.parent / SCORES
    body = read_json(path) if path.is_file() else {}
    made_by = body.get("made_by") if isinstance(body, dict) else None
    is_demo = made_by == MADE_BY
    return ServedCell(
        slug(name), folder, "Demo cell" if is_demo else name, "demo" if is_demo else "folder",
        created=_saved(folder / CELL),
    )  # fmt: skip


def _of_home(folder: Path) -> ServedCell:
    """What is served of a folder in the home; what was saved there by other means is for who runs the service."""
    path = folder / ABOUT
    noted = read_json(path) if path.is_file() else {}
    about = {name: str(noted[name]) for name in _NOTED if name in noted} if isinstance(noted, dict) else {}
    if about.get("source") not in SOURCES or about.get("visibility") not in VISIBILITIES:
        return ServedCell(folder.name, folder, folder.name, "fit", LOCAL, "private", created=_saved(folder / CELL))
    return ServedCell(folder.name, folder, created=_saved(folder / CELL), **{"title": folder.name, **about})


def _saved(path: Path) -> float:
    return path.stat().st_mtime
