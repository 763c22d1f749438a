"""Routes of what does not change while a service runs: the leaderboard and the registered parts."""

from fastapi import APIRouter

from aivc.core.errors import AIVCError
from aivc.core.registry import GROUPS, Registry
from aivc.service.board_models import Leaderboard, PartLists, RegisteredPart
from aivc.service.leaderboard import leaderboard
from aivc.service.service_state import Asker

router = APIRouter(tags=["leaderboard"])


@router.get("/leaderboard", operation_id="leaderboard")
def read_leaderboard(asker: Asker) -> Leaderboard:
    """Show every frozen benchmark with all methods that were scored, floors and nulls among them."""
    return Leaderboard(**leaderboard())


@router.get("/parts", operation_id="listParts")
def list_parts(asker: Asker) -> PartLists:
    """List everything that is registered, and who brought it."""
    found = {}
    for group in GROUPS:
        registry = Registry(group)
        found[group] = [RegisteredPart(name=name, origin=_origin(registry, name)) for name in registry.names()]
    return PartLists(parts=found)


def _origin(registry: Registry, name: str) -> str:
    try:
        return registry.origin(name)
    except AIVCError:
        return "unknown"
