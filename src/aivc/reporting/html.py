"""One page that holds everything: it loads nothing, works from a disk, prints well and follows light or dark."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, final

from markupsafe import Markup

from aivc.core.state import write_text
from aivc.reporting.drawing import Figure
from aivc.reporting.gene_search import embedded
from aivc.reporting.sortable import Cell, Table
from aivc.reporting.templates import render

__all__ = ["Cell", "Figure", "Section", "Table", "page_of", "write_report"]


@final
@dataclass(frozen=True)
class Section:
    """A heading and what stands under it.

    Attributes:
        title: Heading.
        text: Plain text; a blank line starts a paragraph, lines that start with a dash make a list.
        figures: Drawings, in order; small ones stand side by side.
        tables: Tables, in order.
        alarm: Whether the reader must not miss it.
    """

    title: str
    text: str = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    alarm: bool = False


def write_report(path: Path, *, title: str, lead: str, sections: Sequence[Section]) -> Path:
    """Write one self-contained page; the same content always gives the same bytes.

    Args:
        path: Where to; its folder is made.
        title: Heading of the page.
        lead: One or two sentences that say what came out.
        sections: What the page holds.

    Returns:
        The path.
    """
    write_text(path, page_of(title=title, lead=lead, sections=sections))
    return path


def page_of(*, title: str, lead: str, sections: Sequence[Section], genes: Mapping[str, Any] | None = None) -> str:
    """Make one self-contained page as text.

    Args:
        title: Heading of the page.
        lead: One or two sentences that say what came out.
        sections: What the page holds. What a caption says, no later one says again.
        genes: What can be looked up by gene (`aivc.reporting.gene_search.gene_index`); None for a page without search.
    """
    css = _file("page.css")
    # Sorting on every page; search where there is something to look up.
    script = _file("page.js") + (_file("search.js") if genes else "")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # The browser itself then refuses whatever would be loaded or run beyond this page.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return render(
        "page.html",
        policy=Markup(policy),
        css=Markup(css),
        script=Markup(script),
        title=title,
        lead=lead,
        sections=_said_once(sections),
        genes=genes,
        index=embedded(genes) if genes else Markup(""),
        blocks=_blocks,
        listed=_listed,
        size=_size,
    )


def _file(name: str) -> str:
    return files("aivc.reporting").joinpath(name).read_text(encoding="utf-8")


def _said_once(sections: Sequence[Section]) -> list[Section]:
    """Leave out of each caption the sentences that an earlier one said; the first sentence of each stays."""
    seen: set[str] = set()
    made = []
    for section in sections:
        shown = []
        for figure in section.figures:
            first, *rest = re.split(r"(?<=[.!?]) (?=[A-Z])", figure.caption)
            fresh = [sentence for sentence in rest if sentence not in seen]
            seen.update(rest)
            shown.append(replace(figure, caption=" ".join([first, *fresh])))
        made.append(replace(section, figures=tuple(shown)))
    return made


def _blocks(text: str) -> list[list[str]]:
    """Lines of each paragraph or list."""
    found = filter(None, map(str.strip, re.split(r"\n\s*\n", text)))
    return [[line.strip() for line in block.splitlines()] for block in found]


def _listed(lines: Sequence[str]) -> bool:
    return all(line.startswith("- ") for line in lines)


def _size(figure: Figure) -> str:
    width = re.search(r"max-width:(\d+)px", figure.svg)
    return "small" if width and int(width[1]) < 480 else "wide"
