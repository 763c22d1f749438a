"""Puts a service together: its door, its routes, its page."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from aivc.service.account_models import REFUSALS
from aivc.service.arrow_responses import ARROW
from aivc.service.door import Door
from aivc.service.jobs.job import JobLimits
from aivc.service.jobs.jobs import Jobs
from aivc.service.refusals import add_refusals
from aivc.service.routes import (
    board_routes,
    cell_routes,
    dataset_routes,
    figure_routes,
    hub_routes,
    job_routes,
    part_routes,
    session_routes,
)
from aivc.service.service_places import ServicePlaces
from aivc.service.service_state import ServiceState
from aivc.service.settings import Settings
from aivc.service.web_page import add_page

PREFIX = "/api/v1"
# Routers, in the order in which the API is described.
ROUTERS: tuple[APIRouter, ...] = (
    session_routes.router,
    cell_routes.router,
    part_routes.router,
    dataset_routes.router,
    job_routes.router,
    hub_routes.router,
    board_routes.router,
    figure_routes.router,
)
_DESCRIPTION = "Ask virtual cells, bring data, run screens, plan plates, and share what was learned."


def create_app(settings: Settings) -> FastAPI:
    """Make the application of a service.

    Args:
        settings: What it is started with.

    Raises:
        DataError: The database cannot be named so.
        IntegrityError: A folder of cells holds none.
        UnavailableError: The database does not answer.
    """
    service = ServiceState.open(settings)
    jobs = Jobs.open(
        service.engine,
        settings.home,
        settings.queue,
        places=ServicePlaces(service.cells, service.datasets),
        hub=settings.hub_location,
        hub_database=settings.database,
        limits=JobLimits(memory_mb=settings.job_memory_mb, seconds=settings.job_hours * 3600.0),
    )

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        threading.Thread(target=service.warm_up, name="aivc-warm-up", daemon=True).start()
        if settings.job_slots:
            jobs.work(settings.job_slots)
        yield
        await run_in_threadpool(jobs.stop)
        service.engine.dispose()

    app = FastAPI(
        title="aivc",
        version=version("aivc"),
        description=_DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        generate_unique_id_function=_operation_id,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service, app.state.jobs = service, jobs
    add_refusals(app)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX, responses=REFUSALS)
    add_page(app)
    service.paths = frozenset(str(getattr(route, "path", "")) for route in app.routes)
    # Coordinates and readings are noise to a compressor, and a stream of events must not wait for one.
    untouched = (*DEFAULT_EXCLUDED_CONTENT_TYPES, ARROW)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6, exclude_content_types=untouched)
    app.add_middleware(Door, settings=settings, log=service.log)
    if settings.proxies:
        # Outermost, since the door notes addresses. From anybody else, headers that name one are not looked at.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.proxies))
    return app


def _operation_id(route: Any) -> str:
    """Name of an operation for typed clients: the function's, as JavaScript writes names."""
    first, *others = route.name.split("_")
    return first + "".join(map(str.capitalize, others))
