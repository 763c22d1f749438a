"""`aivc serve`: a page for people and an API for programs, on this computer or, with tokens, for others too."""

import argparse
import getpass
import os
import socket
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aivc.cli.console import Outcome, Reporter, UsageError, table
from aivc.cli.grammar import Commands, natural
from aivc.core.errors import DataError, UnavailableError

if TYPE_CHECKING:
    from aivc.service.service_state import ServiceState
    from aivc.service.settings import Settings

_HERE, _PORT = "127.0.0.1", 8000
# What `aivc demo` leaves in the folder where it was run.
_DEMO = Path("out/demo/cell")
_TOKEN_WORDS = "token new NAME | token list | token revoke ID"
_GRACE = 3


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "serve",
        _serve,
        "Serve virtual cells, data and the leaderboard to a browser and to programs. By default only this computer "
        "reaches it, and needs no login; for others, every request needs a token.",
        examples=(
            "aivc serve --cell out/demo/cell",
            "aivc serve token new ada --role writer",
            "aivc serve --host 0.0.0.0 --database postgresql://aivc@db/aivc --no-open",
        ),
    )
    made.add_argument("words", nargs="*", metavar="WORD", help=f"{_TOKEN_WORDS}; nothing to serve")
    made.add_argument(
        "--home", type=Path, metavar="DIR", help="folder of the service (default AIVC_HOME, or your data)"
    )
    made.add_argument("--host", default=_HERE, help=f"address to listen at (default {_HERE})")
    made.add_argument("--port", type=natural, default=_PORT, help=f"port; 0 takes a free one (default {_PORT})")
    made.add_argument(
        "--cell", type=Path, action="append", default=[], metavar="DIR",
        help=f"saved virtual cell to serve, may repeat (default {_DEMO}, where it is there)",
    )  # fmt: skip
    made.add_argument("--database", default="", metavar="URL", help="such as postgresql://user@host/name")
    made.add_argument("--hub", default="", metavar="DIR|URL", help="where its hub lies (default hub/ in its home)")
    made.add_argument("--origin", action="append", default=[], metavar="URL", help="another page that may write")
    made.add_argument("--name", action="append", default=[], metavar="HOST", help="another name it is asked under")
    made.add_argument(
        "--proxy", action="append", default=[], metavar="ADDRESS",
        help="proxy before it, such as 127.0.0.1 or 10.0.0.0/8, believed whom it asks for; then all need tokens",
    )  # fmt: skip
    made.add_argument("--upload-limit", type=natural, default=4096, metavar="MB", help="of one file (default 4096)")
    made.add_argument("--jobs", type=natural, default=1, metavar="N", help="jobs at a time; 0 for none (default 1)")
    made.add_argument(
        "--job-memory", type=natural, default=8192, metavar="MB", help="of one job and all it starts (default 8192)"
    )
    made.add_argument(
        "--queue", default="", metavar="URL", help="delivers jobs to several servers, such as redis://host"
    )
    made.add_argument("--role", choices=("reader", "writer", "admin"), default="reader", help="of a new token")
    made.add_argument("--no-open", action="store_true", help="do not open the page in a browser")


def _serve(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    from aivc.hub.platform_extra import platform_module

    for name in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "huey", "python_multipart"):
        platform_module(name)
    if args.words:
        return _tokens(args)
    return _run(_settings(args), reporter, opened=not args.no_open)


def _settings(args: argparse.Namespace) -> "Settings":
    from aivc.service.settings import Settings, default_home

    cells = tuple(args.cell) or ((_DEMO,) if (_DEMO / "cell.json").is_file() else ())
    return Settings(
        home=(args.home or default_home()).resolve(),
        host=args.host,
        port=args.port,
        database=args.database,
        hub=args.hub,
        cells=cells,
        job_memory_mb=args.job_memory,
        origins=tuple(args.origin),
        hosts=tuple(args.name),
        proxies=tuple(args.proxy),
        upload_limit=args.upload_limit << 20,
        job_slots=args.jobs,
        queue=args.queue,
    )


def _run(settings: "Settings", reporter: Reporter, *, opened: bool) -> Outcome:
    import uvicorn

    from aivc.service.app import create_app

    reporter("starting", 0, 0)
    app = create_app(settings)
    if not settings.loopback and not app.state.service.accounts.tokens():
        where = "Through a proxy" if settings.proxies else f"At {settings.host}"
        raise DataError(
            [f"{where} others reach this service, and nobody has a token yet. Make one first: "
             "aivc serve token new NAME --role admin."]
        )  # fmt: skip
    listening = _listen(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = f"http://{host}:{listening.getsockname()[1]}"
    reporter.note(f"Serving at {url}. Stop with Ctrl-C.")
    reporter(f"serving at {url}", 0, 0)
    # The application itself looks whom a proxy asks for, and only where the settings name that proxy.
    config = uvicorn.Config(
        app, log_level="warning", server_header=False, proxy_headers=False, timeout_graceful_shutdown=_GRACE
    )
    if opened:
        threading.Timer(1.0, webbrowser.open, [url]).start()
    with listening, suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
    return Outcome({"url": url, "seconds": reporter.seconds}, [f"Stopped serving at {url}."])


def _listen(settings: "Settings") -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise UnavailableError(
            f"The service cannot listen at {settings.host}, port {settings.port} ({error.strerror}). Choose another "
            "port: --port 8001, or --port 0 for a free one."
        ) from error


def _tokens(args: argparse.Namespace) -> Outcome:
    from aivc.service.accounts import LOCAL, Account
    from aivc.service.service_state import ServiceState

    wanted = f"Words after serve are {_TOKEN_WORDS}; got {' '.join(args.words)!r}."
    match args.words:
        case ["token", "new" | "revoke", _] | ["token", "list"]:
            service = ServiceState.open(_settings(args))
        case _:
            raise UsageError(wanted, "See: aivc serve --help")
    accounts = service.accounts
    body: dict[str, Any]
    if args.words[1] == "new":
        body = accounts.new_token(args.words[2], args.role)
        _note(service, "POST", body["id"], 201)
        said = f"Token of {body['user']}, a {body['role']}. It is shown this once: {body['token']}"
        return Outcome(body, [said])
    if args.words[1] == "revoke":
        revoked, *made = accounts.revoke(args.words[2], Account(LOCAL, "admin"))
        for each in (revoked, *made):
            _note(service, "DELETE", each, 204)
        more = f", and what it had made: {', '.join(made)}" if made else ""
        return Outcome({"revoked": revoked, "made_by_it": made}, [f"Revoked {revoked}{more}."])
    rows = accounts.tokens()
    columns = ["id", "user", "name", "role"]
    return Outcome({"tokens": rows}, [table(columns, [[row[name] for name in columns] for row in rows])])


def _note(service: "ServiceState", action: str, token: str, status: int) -> None:
    """Write a line of the audit log, as the same request over HTTP leaves one."""
    # Who is signed in to the computer; some, such as containers, have no name for it.
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    path = f"/api/v1/tokens/{token}"
    service.log.add(user="local", address=f"shell of {user}"[:64], action=action, path=path, status=status)
