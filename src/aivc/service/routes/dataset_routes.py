"""Routes of datasets: bring a file, settle what its columns mean, look at its cells and its genes."""

from typing import Annotated, Any

import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from aivc.core.errors import DataError
from aivc.service.arrow_responses import ARROW_RESPONSE, arrow_response
from aivc.service.dataset_models import (
    DatasetDetail,
    DatasetList,
    DatasetSummary,
    FeatureList,
    SchemaConfirmation,
    SchemaGuess,
)
from aivc.service.incoming import FILE, IncomingFile, incoming
from aivc.service.point_clouds import arrow_bytes
from aivc.service.refusals import ForbiddenError
from aivc.service.served_datasets import ServedDataset
from aivc.service.service_state import Asker, Computing, Service, ServiceState, Writer

router = APIRouter(tags=["datasets"])
_NAME = 200
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "title": "BroughtFile",
                    "type": "object",
                    "required": [FILE],
                    "additionalProperties": False,
                    "properties": {
                        FILE: {
                            "title": "File",
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "h5ad, 10x h5, h5mu, a table, or a zip of a zarr or 10x folder.",
                        },
                        "name": {"title": "Name", "type": "string", "maxLength": _NAME, "default": ""},
                    },
                }
            }
        },
    }
}


@router.get("/datasets", operation_id="listDatasets")
def list_datasets(asker: Asker, service: Service) -> DatasetList:
    """List the datasets that may be seen."""
    return DatasetList(datasets=[DatasetSummary(**_about(each)) for each in service.datasets.seen_by(asker)])


# The body is read here and not by FastAPI, which would take it all before it looks who asks.
@router.post("/datasets", operation_id="uploadDataset", status_code=201, openapi_extra=_FORM)
async def upload_dataset(asker: Writer, service: Service, request: Request) -> DatasetDetail:
    """Bring a file. It is looked at, and what its columns seem to mean comes back, to be confirmed."""
    async with incoming(request, service.settings.folder("uploads"), service.settings.upload_limit) as come:
        return await run_in_threadpool(_added, service, come, asker.user)


def _added(service: ServiceState, come: IncomingFile, user: str) -> DatasetDetail:
    if len(name := come.fields.get("name", "")) > _NAME:
        raise DataError([f"name: at most {_NAME} letters, got {len(name)}. Choose a shorter one."])
    with service.slot():
        return _detail(service.datasets.add(come.path, come.name, name, user))


@router.get("/datasets/{dataset}", operation_id="getDataset")
def get_dataset(dataset: str, asker: Asker, service: Service) -> DatasetDetail:
    """Say all about one dataset."""
    return _detail(service.datasets.get(dataset, asker))


@router.post("/datasets/{dataset}/confirm", operation_id="confirmDataset")
def confirm_dataset(dataset: str, body: SchemaConfirmation, asker: Writer, service: Service) -> DatasetDetail:
    """Say what the columns mean. The file is checked whole; every problem found is named at once."""
    found = service.datasets.get(dataset, asker)
    if not asker.owns(found.owner):
        raise ForbiddenError(f"{found.name} belongs to {found.owner}, who alone says what its columns mean.")
    with service.slot():
        return _detail(service.datasets.confirm(found, body.fields))


@router.delete("/datasets/{dataset}", operation_id="deleteDataset", status_code=204)
def delete_dataset(dataset: str, asker: Writer, service: Service) -> None:
    """Delete a dataset with its file."""
    service.datasets.remove(service.datasets.get(dataset, asker), asker)


@router.get(
    "/datasets/{dataset}/points", operation_id="datasetPoints", response_class=Response, responses=ARROW_RESPONSE
)
def dataset_points(dataset: str, request: Request, asker: Computing, service: Service) -> Response:
    """Its cells as points of a plane: the one that the file brings along, or principal components."""
    found = service.datasets.get(dataset, asker)
    with service.slot():
        return arrow_response(request, service.datasets.points(found))


@router.get(
    "/datasets/{dataset}/positions", operation_id="datasetPositions", response_class=Response, responses=ARROW_RESPONSE
)
def dataset_positions(dataset: str, request: Request, asker: Computing, service: Service) -> Response:
    """Its cells where they lie in their sections, in the order of its points; only of data with positions."""
    found = service.datasets.get(dataset, asker)
    with service.slot():
        return arrow_response(request, service.datasets.positions(found))


@router.get("/datasets/{dataset}/features", operation_id="findFeatures")
def find_features(
    dataset: str,
    asker: Asker,
    service: Service,
    query: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 20,
) -> FeatureList:
    """Find features while their names are typed."""
    columns = service.datasets.columns(service.datasets.get(dataset, asker))
    return FeatureList(features=columns.find(query, limit))


@router.get(
    "/datasets/{dataset}/features/{name:path}",
    operation_id="featureValues",
    response_class=Response,
    responses=ARROW_RESPONSE,
)
def feature_values(dataset: str, name: str, request: Request, asker: Asker, service: Service) -> Response:
    """Readings of one feature, in the order of the points."""
    columns = service.datasets.columns(service.datasets.get(dataset, asker))
    table = pa.table({"value": pa.array(columns.column(name))})
    table = table.replace_schema_metadata({"feature": name, "units": columns.units})
    return arrow_response(request, arrow_bytes(table))


def _about(found: ServedDataset) -> dict[str, Any]:
    return {name: getattr(found, name) for name in DatasetSummary.model_fields}


def _detail(found: ServedDataset) -> DatasetDetail:
    return DatasetDetail(
        **_about(found),
        guess=SchemaGuess(**found.asked),
        confirmed=None if found.schema is None else dict(found.schema),
    )
