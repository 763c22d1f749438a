"""Routes of single parts: a part behind an address is a part of whoever asks it."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response

from aivc.core.contracts import Part
from aivc.core.errors import UnknownNameError
from aivc.core.state import State
from aivc.service.part_answers import (
    decoded,
    described,
    digest_of,
    encoded,
    manipulated,
    one_of,
    passed_on,
    profiles_of,
    require_meant,
)
from aivc.service.part_models import PartDescription, PartList
from aivc.service.service_state import Asker, Computing, Service

router = APIRouter(tags=["parts"])

CONTENT = "application/vnd.aivc.state"
_BINARY = {"content": {CONTENT: {"schema": {"type": "string", "format": "binary"}}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "One safetensors file, with its settings as JSON in the header.", **_BINARY},
    412: {"description": "The part is another one than If-Match means."},
}
Sent = Annotated[bytes, Body(media_type=CONTENT)]
Meant = Annotated[str, Header(alias="If-Match", max_length=200, description="Digest of the part that is meant.")]
_Context = Annotated[str, Query(max_length=500, examples=["K562"])]


@router.get("/cells/{cell}/parts", operation_id="listCellParts")
def list_cell_parts(cell: str, asker: Asker, service: Service) -> PartList:
    """List the parts of a virtual cell that can be asked one by one."""
    served = service.cells.get(cell, asker)
    loaded = service.cells.load(served)
    contexts, remarks = passed_on(loaded, served.folder)
    return PartList(parts=described(loaded), card=dict(loaded.card), contexts=contexts, remarks=remarks)


@router.get("/cells/{cell}/start", operation_id="startOf", response_class=Response, responses=_RESPONSES)
def start_of(cell: str, asker: Asker, service: Service, context: _Context) -> Response:
    """Send the control states of a context, to start from."""
    served = service.cells.get(cell, asker)
    loaded = service.cells.load(served)
    contexts, remarks = passed_on(loaded, served.folder)
    if context not in contexts:
        raise UnknownNameError("context", context, contexts, " ".join(remarks))
    return Response(loaded.starts[context].state().to_bytes(), media_type=CONTENT)


@router.get("/cells/{cell}/parts/{part}", operation_id="describePart", response_model_exclude_none=True)
def describe_part(cell: str, part: str, asker: Asker, service: Service) -> PartDescription:
    """Say what a part is, reads and writes."""
    loaded = service.cells.load(service.cells.get(cell, asker))
    one_of(loaded, part)
    return next(each for each in described(loaded) if each.part == part)


def _meant(cell: str, part: str, contract: str, asker: Computing, service: Service, tags: str) -> Any:
    found = one_of(service.cells.load(service.cells.get(cell, asker)), part, contract)
    require_meant(found, tags)
    return found


def _sent(part: Part, state: State) -> Response:
    return Response(state.to_bytes(), media_type=CONTENT, headers={"ETag": f'"{digest_of(part)}"'})


@router.post(
    "/cells/{cell}/parts/{part}/encode", operation_id="encodeThere", response_class=Response, responses=_RESPONSES
)
def encode_there(cell: str, part: str, asker: Computing, service: Service, sent: Sent, tags: Meant = "") -> Response:
    """Let an encoder represent a measurement."""
    found = _meant(cell, part, "encoder", asker, service, tags)
    with service.slot():
        return _sent(found, encoded(found, sent))


@router.post(
    "/cells/{cell}/parts/{part}/manipulate",
    operation_id="manipulateThere",
    response_class=Response,
    responses=_RESPONSES,
)
def manipulate_there(
    cell: str, part: str, asker: Computing, service: Service, sent: Sent, tags: Meant = ""
) -> Response:
    """Let a manipulator say what would become of states by each of some perturbations."""
    found = _meant(cell, part, "manipulator", asker, service, tags)
    with service.slot():
        return _sent(found, manipulated(found, sent))


@router.post(
    "/cells/{cell}/parts/{part}/decode", operation_id="decodeThere", response_class=Response, responses=_RESPONSES
)
def decode_there(cell: str, part: str, asker: Computing, service: Service, sent: Sent, tags: Meant = "") -> Response:
    """Let a decoder read states out."""
    found = _meant(cell, part, "decoder", asker, service, tags)
    with service.slot():
        return _sent(found, decoded(found, sent))


@router.post(
    "/cells/{cell}/parts/{part}/profiles", operation_id="profilesThere", response_class=Response, responses=_RESPONSES
)
def profiles_there(cell: str, part: str, asker: Computing, service: Service, sent: Sent, tags: Meant = "") -> Response:
    """Let a decoder state the expected mean profiles of populations."""
    found = _meant(cell, part, "decoder", asker, service, tags)
    with service.slot():
        return _sent(found, profiles_of(found, sent))
