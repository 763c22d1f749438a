"""Routes of sessions, tokens and the audit log."""

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from aivc.service.account_models import (
    AuditPage,
    Health,
    NewToken,
    SessionInfo,
    SignIn,
    TokenList,
    TokenOnce,
)
from aivc.service.accounts import ROLES
from aivc.service.rate_limits import origin
from aivc.service.refusals import ForbiddenError, SignInError
from aivc.service.service_state import COOKIE, Asker, Service, address_of

router = APIRouter(tags=["session"])


@router.get("/health", operation_id="health")
async def health() -> Health:
    """Say that the service answers."""
    return Health(status="ok", version=version("aivc"))


@router.get("/session", operation_id="session")
def session(asker: Asker, service: Service) -> SessionInfo:
    """Say who asks, and what may be offered."""
    return SessionInfo(
        user=asker.user,
        role=asker.role,  # type: ignore[arg-type]
        loopback=service.settings.loopback,
        version=version("aivc"),
        upload_limit_bytes=service.settings.upload_limit,
        page_features={
            "upload": asker.may("writer"),
            "jobs": "/api/v1/jobs" in service.paths,
            "hub": "/api/v1/hub/search" in service.paths,
            "admin": asker.may("admin"),
        },
    )


@router.post("/session", operation_id="signIn", status_code=204)
def sign_in(body: SignIn, request: Request, service: Service, response: Response) -> None:
    """Let the browser keep a token, out of reach of scripts and of pages of other sites."""
    address = address_of(request)
    # Taken first, so that many attempts at once are not more than there may be.
    service.failures.take(origin(address))
    found = service.accounts.of(body.token, address)
    if found is None:
        raise SignInError("This token is not known here. An admin makes one: aivc serve token new NAME.")
    service.failures.give_back(origin(address))
    request.scope.setdefault("state", {})["account"] = found
    response.set_cookie(
        COOKIE, body.token, httponly=True, samesite="strict", path="/api", max_age=30 * 86_400,
        secure=request.url.scheme == "https",
    )  # fmt: skip


@router.delete("/session", operation_id="signOut", status_code=204)
def sign_out(response: Response) -> None:
    """Let the browser forget its token."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict", path="/api")


@router.post("/tokens", operation_id="newToken", status_code=201)
def new_token(body: NewToken, asker: Asker, service: Service) -> TokenOnce:
    """Make a token; it is shown this once."""
    user = body.user or ("" if asker.may("admin") else asker.user)
    if not asker.may("admin") and (user != asker.user or ROLES.index(body.role) > ROLES.index(asker.role)):
        raise ForbiddenError("Only an admin makes tokens for others, or of a role above one's own.")
    return TokenOnce(**service.accounts.new_token(body.name, body.role, user=user, made_by=asker.token))


@router.get("/tokens", operation_id="listTokens")
def list_tokens(asker: Asker, service: Service) -> TokenList:
    """List tokens: one's own, or all for an admin."""
    rows: list[Any] = service.accounts.tokens("" if asker.may("admin") else asker.user)
    return TokenList(tokens=rows)


@router.delete("/tokens/{token_id}", operation_id="revokeToken", status_code=204)
def revoke_token(token_id: str, asker: Asker, service: Service) -> None:
    """Make a token worthless, with all that it made."""
    for made in service.accounts.revoke(token_id, asker)[1:]:
        # The request itself is noted at the door.
        service.log.add(
            user=asker.user, address=asker.address, action="DELETE", path=f"/api/v1/tokens/{made}", status=204
        )


@router.get("/audit", operation_id="audit")
def audit(
    asker: Asker,
    service: Service,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=0, le=2**53)] = None,
) -> AuditPage:
    """List who wrote what, the newest first."""
    asker.need("admin")
    rows: list[Any] = service.log.lines(limit=limit, before=before)
    return AuditPage(lines=rows)
