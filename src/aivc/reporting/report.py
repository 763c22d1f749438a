"""One page, and every figure on it, about a virtual cell: what it learned, and how far data say it can be trusted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from aivc.core.errors import DataError, IntegrityError, SplitError, UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.state import write_text
from aivc.core.virtual_cell import VirtualCell
from aivc.data.io.as_measurement import Cells, as_measurement
from aivc.data.io.schema import Schema
from aivc.data.streaming.stream import Progress
from aivc.experiments.fitting.fetch_knowledge import Parts
from aivc.experiments.fitting.fit_images import image_table
from aivc.experiments.propose import Plan
from aivc.experiments.screen import Screen
from aivc.experiments.series import Series, SeriesTables
from aivc.reporting.card import card_section
from aivc.reporting.cell_answers import method_of
from aivc.reporting.cell_findings import Findings
from aivc.reporting.drawing import Figure
from aivc.reporting.gene_search import gene_index
from aivc.reporting.html import Section, page_of
from aivc.reporting.kinds import KINDS, MAKERS, OUTLINE, tables_of
from aivc.reporting.reading import require_scores
from aivc.reporting.sections import evaluation_sections
from aivc.reporting.verdict import verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

PAGE = "report.html"


@final
@dataclass(frozen=True, eq=False)
class Report:
    """A page about a cell. Its parts are computed when they are asked for, each once.

    Attributes:
        findings: What it is made of.
        title: Heading of the page.
        notes: Sentences about the data, shown with them.
    """

    findings: Findings
    title: str
    notes: tuple[str, ...] = ()

    def figures(self, kind: str) -> tuple[Figure, ...]:
        """The figures of one kind, each with the sentences under it.

        Args:
            kind: One of `KINDS`.

        Raises:
            UnknownNameError: There is no such kind.
            DataError: What is there does not support such a figure; the message says why.
        """
        if kind not in MAKERS:
            raise UnknownNameError("kind of figure", kind, KINDS)
        if kind not in self._made:
            self._made[kind] = MAKERS[kind](self.findings)
        return self._made[kind]

    @cached_property
    def _made(self) -> dict[str, tuple[Figure, ...]]:
        return {}

    def plot(self, kind: str) -> "Canvas":
        """The first figure of one kind, as a matplotlib figure; raises as `figures` does.

        Args:
            kind: One of `KINDS`.
        """
        drawing = self.figures(kind)[0].drawing
        assert drawing is not None
        return drawing

    @cached_property
    def missing(self) -> Mapping[str, str]:
        """Why a kind of figure is not on the page, by kind; those that are there are not named."""
        reasons = {}
        for kind in KINDS:
            try:
                self.figures(kind)
            except DataError as error:
                reasons[kind] = " ".join(error.problems)
            except (SplitError, UnavailableError) as error:
                reasons[kind] = str(error)
        return reasons

    @property
    def verdict(self) -> str:
        """One sentence: whether the model was shown to beat the mean effect, and how far the experiment repeats."""
        found = self.findings
        return verdict(found.cell.card, found.method, self._scores)

    @property
    def _scores(self) -> Mapping[str, Any] | None:
        return None if "reliability" in self.missing else self.findings.scores

    def html(self) -> str:
        """The page; the same cell, data and seed always give the same text."""
        found = self.findings
        index = None
        if found.cell.card.get("perturbations"):
            index = gene_index(found.learned, found.measured)
        return page_of(title=self.title, lead=self.verdict, sections=self._sections(), genes=index)

    def save(self, out: Path | str = PAGE, *, overwrite: bool = False) -> Path:
        """Write the page.

        Args:
            out: A file that ends in ``.html``, or a folder, where it is called ``report.html``.
            overwrite: Replace a page that is there.

        Returns:
            Where it was written.

        Raises:
            IntegrityError: The file is there.
        """
        path = page_path(out, overwrite=overwrite)
        write_text(path, self.html())
        return path

    def save_figures(self, folder: Path | str, *, ending: str = ".svg", overwrite: bool = False) -> list[Path]:
        """Write every figure the page has into a folder, named by its kind.

        Args:
            folder: Made where it does not exist.
            ending: ``.svg`` or ``.png``.
            overwrite: Replace files that are there.

        Raises:
            DataError: Another ending.
            IntegrityError: A file is there.
        """
        made = []
        for kind in (kind for kind in KINDS if kind not in self.missing):
            for i, figure in enumerate(self.figures(kind)):
                name = kind if i == 0 else f"{kind}-{i + 1}"
                made.append(figure.save(Path(folder) / f"{name}{ending}", overwrite=overwrite))
        return made

    def _repr_html_(self) -> str:
        page = escape(self.html(), quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:760px;border:1px solid #d9dce1"></iframe>'

    def _sections(self) -> list[Section]:
        made = []
        for title, kinds, text in OUTLINE:
            there = [kind for kind in kinds if kind not in self.missing]
            if there:
                shown = tuple(figure for kind in there for figure in self.figures(kind))
                made.append(Section(title, text(self.findings), shown, tables_of(self.findings, there)))
        if self.notes:
            made.append(Section("The data", "\n".join(f"- {note}" for note in self.notes)))
        scored = [] if self._scores is None else evaluation_sections(self._scores)
        absent = [f"- {KINDS[kind]}: {reason}" for kind, reason in self.missing.items()]
        left = [Section("What this page does not show", "\n".join(absent))] if absent else []
        return [*made, *scored, *left, card_section(self.findings.cell)]


def report(  # noqa: PLR0913 - one keyword for each thing a page may show
    cell: VirtualCell | Path | str,
    data: "Cells | None" = None,
    *,
    schema: Schema | None = None,
    name: str = "",
    context: str = "",
    ask: str = "",
    response: str = "",
    screen: Screen | None = None,
    plan: Plan | None = None,
    series: Series | SeriesTables | Path | str | None = None,
    scores: Mapping[str, Any] | Path | str | None = None,
    score: bool = True,
    parts: Parts = "auto",
    seed: int = 0,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
    **columns: Any,
) -> Report:
    """Say on one page what a virtual cell learned and how far it can be trusted, with figures.

    With data, its method is scored on perturbations left out (five folds, unless scores are given), and one
    perturbation is hidden from a fit of its own and predicted. Without data the page shows what the cell knows.

    Args:
        cell: A virtual cell, or the folder of one.
        data: Cells with their controls, or a table of effects: a Measurement, an AnnData, or the path of a file.
        schema: What the columns of an AnnData or a file mean.
        name: What to call the data.
        context: Where the cell is asked; by default the one with most data.
        ask: The perturbation that is looked at gene by gene; by default the one whose measured effect repeats best.
        response: What perturbations are ranked by, such as ``"CD274, -IRF1"``; by default the feature that differs
            most between them.
        screen: A screen to draw as the ranking instead.
        plan: A plate to draw.
        series: A simulated series to draw, or the path of its file.
        scores: What `aivc evaluate` wrote, as JSON or its path, instead of evaluating anew.
        score: Whether to evaluate on the data at all.
        parts: Knowledge of targets, as `aivc.fit` takes it.
        seed: Of everything that draws.
        notes: Sentences about the data, shown with them.
        progress: Called with what is being done, how far, of how much.
        **columns: Instead of a schema, its fields.

    Returns:
        A report: ``.save("report.html")``, ``.plot("volcano")``, or shown as it is in a notebook.

    Raises:
        DataError: Every problem of the data; or they share no feature or no context with the cell.
        SchemaError: A file or an AnnData came without schema and columns, or with both.
        IntegrityError: The folder holds no cell, or the scores are of another format.
        UnknownNameError: The cell keeps no such context.

    >>> from aivc.data.synthetic import synthetic_screen
    >>> from aivc.experiments.fitting.fit import fit
    >>> from aivc.experiments.fitting.shared_fit import Recipe
    >>> cells, truth = synthetic_screen(perturbations=6, features=40, cells=20, controls=40, seed=0)
    >>> cell = fit(cells, "mean-effect", recipe=Recipe(dim=4, members=2, inner_folds=0))
    >>> made = report(cell)
    >>> sorted(made.missing)
    ['cells', 'dose', 'gallery', 'measured', 'plate', 'reliability', 'river', 'section']
    """
    cell = cell if isinstance(cell, VirtualCell) else VirtualCell.load(Path(cell))
    measurement = None if data is None else image_table(as_measurement(data, schema, **columns))
    if not cell.starts:
        raise DataError(
            [
                "This cell keeps no control states, so it cannot be asked. Fit it with aivc.fit. Of a virtual cell of "
                "tissue, `aivc report` and `aivc.reporting.tissue_report.tissue_report` write a page about sections."
            ]
        )
    where = _context(cell, measurement, context)
    if measurement is not None:
        _require_shared(cell, measurement, where)
    called = name or _called(measurement, data)
    found = Findings(
        cell, measurement, called, where, ask, response, screen, plan, _series(series), _scores(scores), score, parts,
        seed=seed, progress=progress,
    )  # fmt: skip
    method = method_of(cell) or "A virtual cell"
    title = f"{method} on {called}" if measurement is not None else f"{method}: what a virtual cell knows"
    return Report(found, title, tuple(notes))


def page_path(out: Path | str, *, overwrite: bool = False) -> Path:
    """Where a page goes: the file named, or ``report.html`` in the folder named.

    Raises:
        IntegrityError: A file is there and is not to be replaced.
    """
    path = Path(out)
    path = path if path.suffix == ".html" else path / PAGE
    if path.exists() and not overwrite:
        raise IntegrityError(f"{path} exists. Choose another name, or allow to overwrite it (--overwrite).")
    return path


def _series(given: Series | SeriesTables | Path | str | None) -> SeriesTables | None:
    if isinstance(given, Series):
        return given.tables
    return SeriesTables.read(given) if isinstance(given, Path | str) else given


def _scores(given: Mapping[str, Any] | Path | str | None) -> Mapping[str, Any] | None:
    if given is None:
        return None
    found = _read_scores(Path(given)) if isinstance(given, Path | str) else given
    require_scores(found)
    return found


def _read_scores(path: Path) -> Mapping[str, Any]:
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise IntegrityError(f"{path} holds no scores ({error}). Name the scores.json of aivc evaluate.") from error
    return found


def _context(cell: VirtualCell, measurement: Measurement | None, context: str) -> str:
    if context:
        cell.start(context)
        return context
    if measurement is None:
        return sorted(map(str, cell.starts))[0]
    there, count = np.unique(measurement.contexts.astype(str), return_counts=True)
    shared = [(int(n), str(each)) for each, n in zip(there, count, strict=True) if str(each) in cell.starts]
    if not shared:
        raise DataError(
            [
                f"The data are of {', '.join(there[:6])}, the cell of {', '.join(sorted(map(str, cell.starts))[:6])}. "
                "Give data of a context that the cell knows, or fit a cell on these data."
            ]
        )
    return max(shared, key=lambda each: (each[0], each[1]))[1]


def _require_shared(cell: VirtualCell, measurement: Measurement, context: str) -> None:
    known = cell.decode(cell.start(context).sample(1)).draws[0].features.astype(str)
    if not set(known) & set(measurement.features.astype(str)):
        raise DataError(
            [
                f"The data share no feature with the cell: it reads {', '.join(known[:3])}, they hold "
                f"{', '.join(map(str, measurement.features[:3]))}. Bring names of both to the same kind."
            ]
        )


def _called(measurement: Measurement | None, data: "Cells | None") -> str:
    if isinstance(data, Path | str):
        return Path(data).name
    named = "" if measurement is None else measurement.provenance.get("dataset", "")
    return str(named or "your data")
