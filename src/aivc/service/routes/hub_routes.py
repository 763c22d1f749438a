"""Routes of the hub: find what was published, read what it says of itself, fetch it, check it."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from aivc.core.errors import AIVCError, DataError, UnknownNameError
from aivc.core.virtual_cell import VirtualCell
from aivc.hub.hub import Hub
from aivc.hub.listing import Listing
from aivc.hub.manifest import Manifest
from aivc.hub.patience import Patience
from aivc.hub.refs import HubKind, Ref
from aivc.hub.stored_hub import StoredHub
from aivc.hub.use_terms import Visibility
from aivc.service.accounts import Account
from aivc.service.cell_details import summary
from aivc.service.cell_models import CellSummary
from aivc.service.hub_models import HubCheck, HubHits, HubPull, HubVerdict
from aivc.service.service_state import Computing, Service, ServiceState, Visitor
from aivc.service.uploads import forget

router = APIRouter(prefix="/hub", tags=["hub"])
_Name = Annotated[str, Path(max_length=100)]
# Whoever waits keeps one of few slots; a larger cell over a slower line is fetched at a terminal.
_PATIENCE = Patience(seconds=3600.0)


@router.get("/search", operation_id="searchHub")
def search_hub(
    visitor: Visitor,
    service: Service,
    text: Annotated[str, Query(max_length=300)] = "",
    kind: Annotated[str, Query(max_length=40)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> HubHits:
    """Find versions by words of their names, titles, descriptions, data and parts."""
    found: list[Any] = service.hub.search(text, kind, visible=_visible(service, visitor), limit=limit)
    return HubHits(entries=found)


@router.get("/manifest-schema", operation_id="manifestSchema")
def manifest_schema() -> dict[str, Any]:
    """What a manifest may say, as JSON Schema."""
    return Manifest.model_json_schema()


@router.get("/objects/sha256/{digest}", operation_id="hubObject", response_class=StreamingResponse)
def hub_object(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], request: Request, visitor: Visitor, service: Service
) -> Response:
    """The bytes of an object, which a version that is open to this user must list."""
    stored, found = service.hub.stored, f"sha256:{digest}"
    if stored is None or not (readers := _readers(service, stored, found, visitor)):
        raise UnknownNameError("object in the hub", digest, ())
    scope = "public" if Visibility.PUBLIC in readers else "private"
    headers = {"ETag": f'"{digest}"', "Cache-Control": f"{scope}, max-age=31536000, immutable"}
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return StreamingResponse(_pieces(stored, found), media_type="application/octet-stream", headers=headers)


@router.get("/{kind}/{namespace}/{name}", operation_id="hubListing")
def hub_listing(kind: HubKind, namespace: _Name, name: _Name, visitor: Visitor, service: Service) -> dict[str, Any]:
    """All versions and aliases of one thing."""
    return _seen(service, Ref(kind, namespace, name), visitor).to_json()


@router.get("/{kind}/{namespace}/{name}/{version}", operation_id="hubManifest")
def hub_manifest(
    kind: HubKind,
    namespace: _Name,
    name: _Name,
    version: _Name,
    visitor: Visitor,
    service: Service,
    form: Annotated[Literal["manifest", "card"], Query(alias="format")] = "manifest",
) -> dict[str, Any]:
    """What a version says of itself; as a card, with the badges and without the lists of files and spaces."""
    at = Ref.parse(f"{kind}/{namespace}/{name}@{version}")
    _seen(service, at, visitor)
    manifest = service.hub.manifest(at)
    body: dict[str, Any] = manifest.model_dump(mode="json")
    if form == "card":
        for long in ("files", "reads", "writes", "self_test"):
            body.pop(long, None)
        body["badges"] = [each.to_json() for each in service.hub.badges(at)]
        body |= {"ref": str(manifest.ref), "digest": manifest.digest, "bytes": manifest.size}
    return body


@router.post("/pull", operation_id="pullCell", status_code=201)
def pull_cell(body: HubPull, asker: Computing, service: Service) -> CellSummary:
    """Fetch a virtual cell, so that it can be asked here."""
    asker.need("admin" if body.origin else "writer")
    at = Ref.parse(body.ref)
    if at.kind != HubKind.VIRTUAL_CELL:
        raise DataError([f"{body.ref} is a {at.kind}; only a virtual-cell can be asked. Name one."])
    if not body.origin:
        _seen(service, at, asker)
    hub = Hub.open(body.origin, patience=_PATIENCE, pulled=service.pulled) if body.origin else service.hub
    with service.slot():
        name = service.cells.new_id(at.name)
        folder = service.settings.folder("cells") / name
        try:
            hub.pull(at, folder)
            loaded = VirtualCell.load(folder)
            title = hub.manifest(at).title or at.name
            served = service.cells.add(name, title=title, source="hub", owner=asker.user)
        except AIVCError:
            forget(folder)
            raise
    return CellSummary(**summary(served, loaded))


@router.post("/verify", operation_id="verifyVersion")
def verify_version(body: HubCheck, asker: Computing, service: Service) -> HubVerdict:
    """Check a version: its files, whether it runs, and whether it answers as it says."""
    asker.need("writer")
    at = Ref.parse(body.ref)
    _seen(service, at, asker)
    with service.slot():
        return HubVerdict(**service.hub.verify(at, body.badges).to_json())


def _visible(service: ServiceState, account: Account) -> list[str] | None:
    """Namespaces that are shown beside the public ones: gated ones to every user, private ones to their own."""
    if account.may("admin"):
        return None
    if not account.user:
        return []
    stored = service.hub.stored
    named = [] if stored is None else [each.rsplit("/", 1)[-1] for each in stored.store.notes("namespaces")]
    names = [each.removesuffix(".json") for each in named]
    return [each for each in names if stored and stored.visibility(each) == Visibility.GATED] + [account.user]


def _seen(service: ServiceState, at: Ref, account: Account) -> Listing:
    """What there is of a thing, for this user.

    Raises:
        UnknownNameError: Nothing, or nothing that this user may see.
    """
    found = service.hub.listing(at)
    if not found.versions or not _is_open(found.visibility, at.namespace, account):
        raise UnknownNameError("thing in the hub", at.place, ())
    return found


def _is_open(visibility: Visibility, namespace: str, account: Account) -> bool:
    if visibility == Visibility.PUBLIC or account.may("admin") or account.user == namespace:
        return True
    return bool(account.user) and visibility == Visibility.GATED


def _readers(service: ServiceState, stored: StoredHub, digest: str, account: Account) -> set[Visibility]:
    """Visibilities of the namespaces through which a user may read an object; none where there is no such object."""
    if not stored.store.has(digest):
        return set()
    for anew in (False, True):
        seen = {name: stored.visibility(name) or Visibility.PUBLIC
                for name in service.listed_objects.namespaces(digest, anew=anew)}  # fmt: skip
        if found := {each for name, each in seen.items() if _is_open(each, name, account)}:
            return found
    return set()


def _pieces(stored: StoredHub, digest: str) -> Iterator[bytes]:
    with stored.store.stream(digest) as stream:
        while piece := stream.read(1 << 20):
            yield piece
