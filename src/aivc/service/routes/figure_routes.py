"""Routes of images, time and tissue, where a cell has them: as a figure, and as points and tables for a page."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from aivc.core.errors import PerturbationError, UnknownNameError
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.gallery import drawable, gallery, has_album
from aivc.experiments.series import Series
from aivc.experiments.simulate import simulate
from aivc.reporting.gallery_figure import gallery_figure
from aivc.reporting.time_figures import river
from aivc.reporting.tissue_report import TissueReport, tissue_report
from aivc.service.arrow_responses import ARROW_RESPONSE, arrow_response
from aivc.service.cell_details import capabilities
from aivc.service.figure_models import Album, DrawnFigure, TimeAnswer, TissueAnswer
from aivc.service.point_clouds import arrow_bytes
from aivc.service.service_state import Asker, Computing, Service
from aivc.service.time_answers import FOLLOWED, require_short, series_table, time_answer
from aivc.service.tissue_answers import change_table, tissue_answer

router = APIRouter(tags=["figures"])
_Text = Annotated[str, Query(max_length=500)]
_Seed = Annotated[int, Query(ge=0, le=2**31)]
_HAS = {
    "images": "keeps no images of cells. Choose one that was fitted on crops",
    "time": "was not fitted on cells read over time. Choose one that was",
    "tissue": "was not fitted on cells with positions. Choose one that was",
}


def _need(cell: VirtualCell, what: str, name: str) -> None:
    has = has_album(cell) if what == "images" else capabilities(cell)[what]
    if not has:
        raise UnknownNameError(f"cell with {what}", name, (), f"This one {_HAS[what]}.")


@router.get("/cells/{cell}/images", operation_id="listImages")
def list_images(cell: str, asker: Asker, service: Service) -> Album:
    """What images of a cell can be drawn of."""
    loaded = service.cells.load(service.cells.get(cell, asker))
    _need(loaded, "images", cell)
    return Album(perturbations=drawable(loaded), contexts=list(loaded.contexts))


@router.get("/cells/{cell}/gallery", operation_id="drawGallery")
def draw_gallery(
    cell: str, asker: Computing, service: Service, perturbation: _Text, context: _Text = "", seed: _Seed = 0
) -> DrawnFigure:
    """Control cells, the same cells as predicted, and measured cells, side by side at one contrast."""
    loaded = service.cells.load(service.cells.get(cell, asker))
    _need(loaded, "images", cell)
    with service.slot(), service.drawing:
        found = gallery(loaded, perturbation, context=context, seed=seed)
        figure = gallery_figure(found)
    return DrawnFigure(svg=figure.svg, caption=figure.caption, notes=list(found.notes))


def _series(
    cell: str,
    asker: Computing,
    service: Service,
    schedule: Annotated[str, Query(max_length=500, description="Such as ``wait 24h; drug:X@1uM for 3h; wait 24h``.")],
    context: _Text = "",
    every: Annotated[float | None, Query(gt=0, le=10_000, description="Hours between further moments.")] = None,
    extrapolate: Annotated[bool, Query(description="Answer also outside of the times that were read.")] = False,  # noqa: FBT002
    seed: _Seed = 0,
) -> Series:
    """The cells of a context taken through a schedule; computed once for all that is asked about it."""
    loaded = service.cells.load(service.cells.get(cell, asker))
    _need(loaded, "time", cell)
    require_short(schedule, every)
    start = context or next(iter(loaded.starts), "")

    def followed() -> Series:
        return simulate(loaded, start, schedule, every=every, extrapolate=extrapolate, cells=FOLLOWED, seed=seed)

    with service.slot():
        return service.recent.get(("time", loaded.digest, start, schedule, every, extrapolate, seed), followed)


_Followed = Annotated[Series, Depends(_series)]


@router.get("/cells/{cell}/time", operation_id="drawTime")
def draw_time(followed: _Followed, service: Service) -> DrawnFigure:
    """Draw what becomes of the cells of a context through waits and treatments, such as ``wait 48h``."""
    tables = followed.tables
    with service.slot(), service.drawing:
        figure = river(tables)
    rows = tables.steps.astype(object).where(tables.steps.notna(), None).to_dict("records")
    return DrawnFigure(svg=figure.svg, caption=figure.caption, notes=time_answer(followed).assumptions, rows=rows)


@router.get("/cells/{cell}/time/answer", operation_id="askTime")
def ask_time(followed: _Followed) -> TimeAnswer:
    """Say what becomes of them, step by step, with intervals."""
    return time_answer(followed)


@router.get("/cells/{cell}/time/points", operation_id="timePoints", response_class=Response, responses=ARROW_RESPONSE)
def time_points(followed: _Followed, request: Request) -> Response:
    """Each of these cells at each moment, as points of a plane: moment after moment, in one order of cells."""
    return arrow_response(request, arrow_bytes(series_table(followed)))


def _sections(
    cell: str, asker: Computing, service: Service, dataset: _Text, edit: _Text = "", seed: _Seed = 0
) -> TissueReport:
    """A virtual cell and sections; with an edit, such as ``remove:T cell``, what it changes, computed once."""
    loaded = service.cells.load(service.cells.get(cell, asker))
    _need(loaded, "tissue", cell)
    found = service.datasets.get(dataset, asker)
    of = ("tissue", loaded.digest, found.id, str(found.schema), seed)

    def plain() -> TissueReport:
        return tissue_report(loaded, found.measurement(), seed=seed)

    def edited() -> TissueReport:
        return service.recent.get((*of, ""), plain).asked(edit)

    with service.slot():
        return service.recent.get((*of, edit), edited if edit else plain)


def _change(report: Annotated[TissueReport, Depends(_sections)]) -> TissueReport:
    if not report.ask:
        raise PerturbationError("No edit was named. Write one such as remove:T cell.")
    return report


_Sections = Annotated[TissueReport, Depends(_sections)]
_Change = Annotated[TissueReport, Depends(_change)]


@router.get("/cells/{cell}/tissue", operation_id="drawTissue")
def draw_tissue(report: _Sections, service: Service) -> DrawnFigure:
    """Draw sections with their cell types; with an edit, such as ``remove:T cell``, how far its change is felt."""
    with service.slot(), service.drawing:
        figure = report.figures()[0]
    rows = report.by_type.to_dict("records") if report.ask else []
    return DrawnFigure(svg=figure.svg, caption=figure.caption, notes=[report.verdict], rows=rows)


@router.get("/cells/{cell}/tissue/answer", operation_id="askTissue")
def ask_tissue(report: _Change) -> TissueAnswer:
    """Say how far an edit is felt, and by which types."""
    return tissue_answer(report)


@router.get(
    "/cells/{cell}/tissue/change", operation_id="tissueChange", response_class=Response, responses=ARROW_RESPONSE
)
def tissue_change(report: _Change, request: Request) -> Response:
    """How much each cell changes, in the order of the positions of its dataset."""
    return arrow_response(request, arrow_bytes(change_table(report)))
