"""Ink, type and colour shared by all figures, and the turning of a drawing into SVG that follows the page."""

import functools
import hashlib
import html
import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, final

import numpy as np
import pandas as pd

from aivc.core.errors import DataError, IntegrityError
from aivc.core.views import plain as plain
from aivc.reporting.reading import DULL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

# Okabe & Ito's colours, distinct under every common colour blindness; each is a variable the page can brighten.
INK, MUTED, RULE, PAPER = "#1c1f25", "#666d78", "#d9dce1", "#fefefd"
BLUE, ORANGE, GREEN, GRAY = "#0072b2", "#d55e00", "#009e73", "#9aa1ab"
_VARIABLES = {
    INK: "--ink", MUTED: "--muted", RULE: "--rule", PAPER: "--paper",
    BLUE: "--blue", ORANGE: "--orange", GREEN: "--green", GRAY: "--gray",
}  # fmt: skip
ENDINGS = (".svg", ".png")
_STYLE: Any = {  # its type differs between versions of matplotlib
    "svg.fonttype": "none",
    "svg.hashsalt": "aivc",
    "text.parse_math": False,  # a gene's name may hold dollar signs
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "xtick.color": RULE,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.color": RULE,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8.5,
    "ytick.major.size": 0,
    "xtick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
P = ParamSpec("P")
R = TypeVar("R")


@final
@dataclass(frozen=True)
class Figure:
    """A drawing and the plain sentences under it.

    Attributes:
        svg: One ``<svg>`` element, inlined as it is.
        caption: What the figure shows and what it does not; plain text.
        drawing: The matplotlib figure it was made of; None where there was none.

    Raises:
        IntegrityError: The drawing is no SVG element, holds a script, or has nothing said under it.
    """

    svg: str
    caption: str
    drawing: "Canvas | None" = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.svg.startswith("<svg") or re.search(r"<script|\son\w+\s*=", _tags(self.svg), re.IGNORECASE):
            raise IntegrityError(
                f"A figure is one <svg> element without scripts, got {self.svg[:40]!r}. Draw it with "
                "aivc.reporting.figures."
            )
        if not self.caption.strip():
            raise IntegrityError("A figure needs a caption: say what it shows and what it does not.")

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the drawing alone, dark on white, as ``.svg`` or ``.png`` (200 dots per inch).

        Args:
            path: Where to; its folder is made.
            overwrite: Replace a file that is there.

        Raises:
            DataError: Another ending, or there is no drawing.
            IntegrityError: The file is there.
        """
        path = require_free_figure(path, overwrite=overwrite)
        if self.drawing is None:
            raise DataError(["This figure was made without a drawing, so it is only on its page. Draw it anew."])
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f"{path.stem}.partial{path.suffix}")
        _write(self.drawing, partial)
        partial.replace(path)
        return path


def require_free_figure(path: Path | str, *, overwrite: bool = False) -> Path:
    """Return where a figure may be written.

    Raises:
        DataError: Its name ends neither in ``.svg`` nor in ``.png``.
        IntegrityError: A file is there and is not to be replaced.
    """
    path = Path(path)
    if path.suffix not in ENDINGS:
        raise DataError([f"A figure is written as {' or '.join(ENDINGS)}, got {path.name}. Choose one of these."])
    if path.exists() and not overwrite:
        raise IntegrityError(f"{path} exists. Choose another name, or allow to overwrite it (--overwrite).")
    return path


def _write(drawing: "Canvas", path: Path) -> None:
    import matplotlib as mpl

    about = {"Date": None} if path.suffix == ".svg" else {}
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        drawing.savefig(path, bbox_inches="tight", pad_inches=0.15, facecolor="white", dpi=200, metadata=about)


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Draw with the report's type and colours, whatever the reader's own matplotlib settings."""

    @functools.wraps(draw)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        import matplotlib as mpl

        with mpl.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return wrapped


def canvas(width: float, height: float) -> "Canvas":
    """Return an empty drawing of so many inches; text is 9 points, so sizes are real."""
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width, height))


def name_rows(axes: "Axes", names: list[str], **style: object) -> None:
    """Give the rows 0 … n-1 of axes their names, first row on top, with a hairline through each."""
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names, **style)  # type: ignore[arg-type]
    axes.grid(axis="y", alpha=0.7)


def small_multiples(
    titles: Sequence[str], rows: Sequence[str], *, across: int = 3, below: float = 0.0
) -> "tuple[Canvas, list[Axes]]":
    """Return a drawing with one panel per title, all with the same named rows.

    Args:
        titles: Of the panels; those marked as dull (`aivc.reporting.reading.DULL`) are gray.
        rows: Names, shown once per line of panels.
        across: Most panels side by side.
        below: Inches kept under each panel for what is said there, besides the numbers of its axis.
    """
    across = min(across, len(titles))
    down = -(-len(titles) // across)
    height = 0.25 * len(rows) + 0.3
    total = down * (height + 0.75 + below)
    drawing, made = canvas(3.3 * across, total), []
    for i, title in enumerate(titles):
        column, row = i % across, i // across
        bottom = 1 - (row * (height + 0.75 + below) + height) / total
        axes = drawing.add_axes((column / across, bottom, 0.86 / across, height / total))
        axes.set_title(plain(title, 34), color=MUTED if title.startswith(DULL) else INK)
        name_rows(axes, [plain(name, 44) for name in rows] if column == 0 else [""] * len(rows))
        made.append(axes)
    return drawing, made


def render(drawing: "Canvas", title: str, caption: str) -> Figure:
    """Turn a drawing into a figure; the same drawing always gives the same text.

    Args:
        drawing: What was drawn.
        title: What a screen reader says in its place.
        caption: The sentences under it.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The browser sets the text, in whatever font has the letters; ours is only used to measure it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        drawing.savefig(buffer, format="svg", bbox_inches="tight", pad_inches=0.04, metadata={"Date": None})
    text = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->|<style.*?</style>", "", text[text.index("<svg") :], flags=re.S)
    prefix = hashlib.sha256(svg.encode()).hexdigest()[:8]
    linked = set(re.findall(r'(?:href="|url\()#([\w-]+)', _tags(svg)))
    svg = re.sub(r"<[^>]*>", lambda tag: _rewrite(tag[0], linked, prefix), svg)
    svg = re.sub(r"<g/>\s*", "", svg)
    size = re.search(r'viewBox="0 0 ([\d.]+) ', svg)
    width = round(float(size[1]) * 4 / 3) if size else 800
    opening = (
        f'<svg role="img" aria-label="{html.escape(plain(title))}" '
        f'style="width:100%;max-width:{width}px;stroke-linejoin:round" '
    )
    svg = re.sub(r"^<svg ", lambda _: opening, re.sub(r"\n\s*", "\n", svg).strip())
    return Figure(svg, caption, drawing)


def _rewrite(tag: str, linked: set[str], prefix: str) -> str:
    tag = re.sub(r' id="([\w.-]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in linked else "", tag)
    tag = re.sub(r'(href="|url\()#([\w-]+)', lambda m: f"{m[1]}#{prefix}-{m[2]}", tag).replace("xlink:href", "href")
    tag = re.sub(r"(\d\.\d\d)\d+", r"\1", tag)
    # A page holds tens of thousands of these tags; the page itself sets the type.
    tag = re.sub(r" transform=\"rotate\(-?0 [^\"]*\"|font-family: '[^']*'; ", "", tag)
    tag = re.sub(r'(style=")([^"]*)"', lambda m: f'{m[1]}{m[2].replace("; ", ";").replace(": ", ":")}"', tag)
    tag = re.sub(r" ?\n(?=[A-Zz])", "", tag).replace(' \n"', '"').replace('\n"', '"')
    if tag.startswith("<svg"):
        tag = re.sub(r' (?:width|height|version|xmlns:xlink)="[^"]*"', "", tag)
    for color, variable in _VARIABLES.items():
        tag = tag.replace(color, f"var({variable},{color})")
    return tag


def _tags(svg: str) -> str:
    """Markup without the text between, where names of genes may look like anything."""
    return " ".join(re.findall(r"<[^>]*>", svg))


def need_columns(table: pd.DataFrame, columns: list[str], finite: Sequence[str] = ()) -> None:
    """Refuse a table without the columns, without rows, or with numbers that are not finite where they must be."""
    missing = [name for name in columns if name not in table]
    if missing or table.empty:
        raise DataError(
            [f"This figure is drawn from the columns {', '.join(columns)}; missing: {', '.join(missing) or 'rows'}."]
        )
    for name in finite:
        if not np.isfinite(table[name].to_numpy(float)).all():
            raise DataError(
                [f"Column {name!r} holds numbers that are not finite. Leave out the rows without a prediction."]
            )
