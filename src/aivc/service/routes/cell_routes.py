"""Routes of virtual cells: which there are, what they can be asked, what they answer, and what they were fitted on."""

import contextlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from aivc.core.errors import AIVCError, UnavailableError
from aivc.service.arrow_responses import ARROW, ARROW_RESPONSE, arrow_response
from aivc.service.cell_details import detail, summary
from aivc.service.cell_models import (
    CellDetail,
    CellList,
    CellSummary,
    NameList,
    PredictedAnswer,
    PredictionQuestion,
    SuggestedName,
)
from aivc.service.cell_points import cell_points
from aivc.service.point_clouds import arrow_bytes
from aivc.service.question_answers import Asked, answer, answer_table, predicted
from aivc.service.service_state import Asker, Computing, Service

router = APIRouter(tags=["cells"])


@router.get("/cells", operation_id="listCells")
def list_cells(asker: Asker, service: Service) -> CellList:
    """List the virtual cells that may be asked; one that cannot be read is left out."""
    found = []
    for served in service.cells.seen_by(asker):
        with contextlib.suppress(AIVCError):
            found.append(CellSummary(**summary(served, service.cells.load(served))))
    return CellList(cells=found)


@router.get("/cells/{cell}", operation_id="getCell")
def get_cell(cell: str, asker: Asker, service: Service) -> CellDetail:
    """Say all about one virtual cell."""
    served = service.cells.get(cell, asker)
    loaded = service.cells.load(served)
    body = detail(served, loaded)
    if body["dataset"] and not served.dataset:
        # Data of the catalog are shown where they are on this computer.
        try:
            body["dataset"] = service.datasets.of_catalog(body["dataset"]).id
        except UnavailableError:
            body["dataset"] = None
    return CellDetail(**body)


@router.get("/cells/{cell}/names", operation_id="findNames")
def find_names(
    cell: str,
    asker: Asker,
    service: Service,
    query: Annotated[str, Query(max_length=200)] = "",
    kind: Annotated[str, Query(max_length=50)] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 20,
) -> NameList:
    """Find names while they are typed."""
    found = service.names(cell, asker).find(query, kind=kind, limit=limit)
    return NameList(names=[SuggestedName(**each._asdict()) for each in found])


@router.post(
    "/cells/{cell}/predict",
    operation_id="predict",
    response_model=PredictedAnswer,
    responses={200: {"content": {ARROW: {"schema": {"type": "string", "format": "binary"}}}}},
)
def predict_effect(
    cell: str, question: PredictionQuestion, request: Request, asker: Computing, service: Service
) -> Any:
    """Ask what a perturbation does. ``Accept: application/vnd.apache.arrow.stream`` gets a table of every feature."""
    served = service.cells.get(cell, asker)
    loaded, asked = service.cells.load(served), Asked(**question.model_dump())
    with service.slot():
        if ARROW in request.headers.get("accept", ""):
            return arrow_response(request, arrow_bytes(answer_table(predicted(loaded, asked)[1], asked.level)))
        scores = None
        with contextlib.suppress(AIVCError):
            scores = served.scores()
        return answer(loaded, asked, scores)


@router.get("/cells/{cell}/points", operation_id="cellPoints", response_class=Response, responses=ARROW_RESPONSE)
def points_of_cell(cell: str, request: Request, asker: Asker, service: Service) -> Response:
    """Cells as points of a plane: those it was fitted on where they are here, else the control states it keeps."""
    served = service.cells.get(cell, asker)
    with service.slot():
        return arrow_response(request, cell_points(service.cells, service.datasets, served, asker))
