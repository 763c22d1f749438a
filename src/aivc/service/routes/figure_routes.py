"""Routes of figures: images of cells, populations over time, and sections of tissue, where a cell has them."""

from typing import Annotated

from fastapi import APIRouter, Query

from aivc.core.errors import UnknownNameError
from aivc.core.virtual_cell import VirtualCell
from aivc.experiments.gallery import drawable, gallery, has_album
from aivc.experiments.simulate import simulate
from aivc.reporting.gallery_figure import gallery_figure
from aivc.reporting.time_figures import river
from aivc.reporting.tissue_report import tissue_report
from aivc.service.cell_details import capabilities
from aivc.service.figure_models import Album, DrawnFigure
from aivc.service.service_state import Asker, Computing, Service

router = APIRouter(tags=["figures"])
_Text = Annotated[str, Query(max_length=500)]
_Seed = Annotated[int, Query(ge=0, le=2**31)]
# Drawing shares one canvas library among threads, and cells are followed through many steps.
_FOLLOWED = 500
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


@router.get("/cells/{cell}/time", operation_id="drawTime")
def draw_time(
    cell: str, asker: Computing, service: Service, schedule: _Text, context: _Text = "", seed: _Seed = 0
) -> DrawnFigure:
    """What becomes of the cells of a context through waits and treatments, such as ``wait 48h``."""
    loaded = service.cells.load(service.cells.get(cell, asker))
    _need(loaded, "time", cell)
    start = context or next(iter(loaded.starts), "")
    with service.slot(), service.drawing:
        tables = simulate(loaded, start, schedule, cells=_FOLLOWED, seed=seed).tables
        figure = river(tables)
    assumed = tables.about.get("assumptions", [])
    notes = [assumed] if isinstance(assumed, str) else [str(each) for each in assumed]
    rows = tables.steps.astype(object).where(tables.steps.notna(), None).to_dict("records")
    return DrawnFigure(svg=figure.svg, caption=figure.caption, notes=notes, rows=rows)


@router.get("/cells/{cell}/tissue", operation_id="drawTissue")
def draw_tissue(
    cell: str, asker: Computing, service: Service, dataset: _Text, edit: _Text = "", seed: _Seed = 0
) -> DrawnFigure:
    """A section with its cell types; with an edit, such as ``remove:T cell``, how far its change is felt."""
    loaded = service.cells.load(service.cells.get(cell, asker))
    _need(loaded, "tissue", cell)
    tissue = service.datasets.get(dataset, asker).measurement()
    with service.slot(), service.drawing:
        made = tissue_report(loaded, tissue, ask=edit, seed=seed)
        figure = made.figures()[0]
        rows = made.by_type.to_dict("records") if edit else []
        return DrawnFigure(svg=figure.svg, caption=figure.caption, notes=[made.verdict], rows=rows)
