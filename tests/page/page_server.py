"""What tests of the page share: a home with a fitted cell, servers on it that can be killed, and a browser's script."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
PAGE = ROOT / "src" / "aivc" / "service" / "page" / "index.html"
FITTED = {
    "units": "counts", "layer": "counts", "perturbation": "sgRNA", "control": ["NTC_1", "NTC_2", "NTC_3"],
    "labels": "guide", "context": "line", "batch": "lane", "species": "human", "exclude": ["unassigned"], "kind": "ko",
}  # fmt: skip
_AIVC = "import sys; from aivc.cli import main; sys.exit(main())"
_PATIENCE = 240


def browser_path() -> str:
    """Chromium's program, or an empty text."""
    named = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
    return named if Path(named).is_file() else ""


def skip_without_browser() -> None:
    """Skip where the page cannot be tested; where AIVC_TEST_PAGE is set, fail instead."""
    lacking = [
        said
        for said, there in (
            ("node is not installed", shutil.which("node")),
            ("the page is not built: make page", PAGE.is_file()),
            (
                "what it is tested with is not installed: cd web && npm ci",
                (WEB / "node_modules/playwright-core").is_dir(),
            ),
            ("chromium is not at /usr/bin/chromium, nor where CHROMIUM says", browser_path()),
        )
        if not there
    ]
    if lacking:
        say = pytest.fail if os.environ.get("AIVC_TEST_PAGE") else pytest.skip
        say("The page cannot be tested: " + "; ".join(lacking))


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@dataclass
class Served:
    """A running service; `kill` and `start` may follow each other."""

    home: Path
    port: int
    process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"

    def start(self) -> None:
        words = ["serve", "--no-open", "--home", str(self.home), "--port", str(self.port)]
        with (self.home.parent / f"{self.home.name}.log").open("ab") as log:
            # Elsewhere than here, where a demo may lie that it would serve as well.
            self.process = subprocess.Popen(
                [sys.executable, "-c", _AIVC, *words], cwd=self.home.parent, stdout=log, stderr=log
            )
        wait_for(self._answers, "the service to answer", 60)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the service ended: see {self.home}.log"
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.api}/health").is_success
        return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


def wait_for(holds, what: str, seconds: float) -> Any:
    """What ``holds`` gives, once that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.2)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@contextmanager
def served(home: Path):
    """A service on a home, until the test is over."""
    home.mkdir(parents=True, exist_ok=True)
    service = Served(home, free_port())
    try:
        service.start()
        yield service
    finally:
        service.stop()


def finished(service: Served, job: str) -> dict[str, Any]:
    """A job, once it ended."""

    def ended():
        found = httpx.get(f"{service.api}/jobs/{job}").json()
        return found if found["state"] in ("done", "failed", "cancelled") else None

    return wait_for(ended, f"job {job}", _PATIENCE)


def fit_through(service: Served, file: Path, name: str) -> str:
    """Bring a file, confirm it, fit a scored cell on it; gives the cell's id."""
    with file.open("rb") as content:
        brought = httpx.post(
            f"{service.api}/datasets", files={"file": (file.name, content)}, data={"name": file.stem}, timeout=60
        )
    assert brought.status_code == 201, brought.text
    dataset = brought.json()["id"]
    confirmed = httpx.post(f"{service.api}/datasets/{dataset}/confirm", json={"schema": FITTED}, timeout=60)
    assert confirmed.json()["state"] == "ready", confirmed.text
    asked = {"dataset": dataset, "name": name, "manipulator": "effect.v2", "evaluate": True}
    job = httpx.post(f"{service.api}/jobs", json={"kind": "fit", "params": asked}).json()
    return finished(service, job["id"])["result"]["cell"]


class Script:
    """A script of ``web/e2e`` that runs."""

    def __init__(self, name: str, **environment: str) -> None:
        self.name, self.lines = name, []
        self.process = subprocess.Popen(
            ["node", f"e2e/{name}.mjs"],
            cwd=WEB, env=os.environ | {"CHROMIUM": browser_path()} | environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def until(self, begins: str) -> str:
        """The next line that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith(begins):
                return line.strip()
        raise AssertionError("".join(self.lines))

    def answer(self, line: str) -> None:
        """Say something to it."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def result(self) -> dict[str, Any]:
        """What it printed at its end; fails with all it said where it failed."""
        try:
            out, _ = self.process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        said = "".join(self.lines) + out
        assert self.process.returncode == 0, re.sub(r"\x1b\[[0-9;]*m", "", said)
        return json.loads(said.strip().splitlines()[-1])


def browse(name: str, service: Served, **environment: str) -> dict[str, Any]:
    """Run a script against a service, to its end."""
    return Script(name, AIVC_URL=service.url, **environment).result()
