"""One page that holds everything: it loads nothing, works from a disk, prints well and follows light or dark."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import final

from aivc.core.state import write_text
from aivc.report.drawing import Figure, plain
from aivc.report.sortable import Cell, Table

__all__ = ["Cell", "Figure", "Section", "Table", "write_report"]


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
    css, script = (files("aivc.report").joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # The browser itself then refuses whatever would be loaded or run beyond this page.
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = "".join(f'<a href="#part-{i}">{_text(part.title)}</a>' for i, part in enumerate(sections, 1))
    page = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{_text(title)}</title>
<style>{css}</style>
</head>
<body>
<header>
<h1>{_text(title)}</h1>
<p class="lead">{_text(lead)}</p>
<nav aria-label="Contents">{links}</nav>
</header>
<main>
{"".join(_section(i, part) for i, part in enumerate(sections, 1))}</main>
<footer>Written by aivc. This page holds everything it shows and loads nothing. Press a column head to sort.</footer>
<script>{script}</script>
</body>
</html>
"""
    write_text(path, page)
    return path


def _section(place: int, section: Section) -> str:
    figures = "\n".join(map(_figure, section.figures))
    holder = f'<div class="figures">{figures}</div>\n' if figures else ""
    tables = "\n".join(table.to_html() for table in section.tables)
    alarm = ' class="alarm"' if section.alarm else ""
    body = f"<h2>{_text(section.title)}</h2>\n{_paragraphs(section.text)}{holder}{tables}"
    return f'<section id="part-{place}"{alarm}>\n{body}\n</section>\n'


def _figure(figure: Figure) -> str:
    width = re.search(r"max-width:(\d+)px", figure.svg)
    size = "small" if width and int(width[1]) < 480 else "wide"
    return (
        f'<figure class="{size}"><div class="scroll">{figure.svg}</div>\n'
        f"<figcaption>{_text(figure.caption)}</figcaption></figure>"
    )


def _paragraphs(text: str) -> str:
    made = []
    for block in filter(None, map(str.strip, re.split(r"\n\s*\n", text))):
        lines = [line.strip() for line in block.splitlines()]
        if all(line.startswith("- ") for line in lines):
            made.append(f"<ul>{''.join(f'<li>{_text(line[2:])}</li>' for line in lines)}</ul>\n")
        else:
            made.append(f"<p>{_text(' '.join(lines))}</p>\n")
    return "".join(made)


def _text(text: object) -> str:
    return escape(plain(text))
