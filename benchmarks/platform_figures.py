"""The service under load, after crashes, and against strange and hostile requests; all on this computer.

Parts run one by one, and each keeps what it found in ``results/platform.json``:

    load       50 users with tokens at one process that serves a real cell, with jobs in between
    first      from the start of the process to its first prediction; bytes of the first page
    crashes    a server killed with kill -9 in the middle of a screen, and started again
    jobs       tests of jobs with real PostgreSQL and Redis, where AIVC_TEST_POSTGRES and AIVC_TEST_REDIS name them
    requests   requests made from the API's own description; none may be answered by a fault
    hostile    files, names, digests and signatures of a stranger
    remote     parts behind an address: the same answers as beside the cell, and every contract kept
    page       the page in a browser: the whole way, a wrong file, a restart, axe, keyboard, hostile text
    bars       only write the bars again

Run: AIVC_DATA=../shared/data python benchmarks/platform_figures.py CELL [PART ...]
CELL is a folder that `aivc demo` wrote.
"""

import json
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import httpx
import numpy as np
from platform_load import Visit, load

ROOT = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "platform.json"
BROWSER = Path(__file__).parent / "results" / "platform_page.json"
USERS, KILLS, CASES = 50, 3, 100
AIVC = str(Path(sys.executable).with_name("aivc"))
PARTS = ("load", "first", "crashes", "jobs", "requests", "hostile", "remote", "page")
# Found by attacks that no test holds, and not mended yet.
LEFT = (
    "a dataset folder without a row stays where the server is killed between moving a file and noting it",
    "two submissions at once can pass the limit of unfinished jobs",
    "texts inside the results of jobs may name folders of the server; logs, errors and progress do not",
    "requests turned away at the door are noted in the audit log without a limit",
    "what a killed publisher leaves in a store is seen by nobody, and not cleared away",
    "the process in which a hub computes scores again is limited in time, not in memory",
)
# Not one of the names for this computer that need no token, but no other computer reaches it either.
WITH_TOKENS = "127.0.0.2"


@contextmanager
def served(home: Path, cell: Path, host: str = "127.0.0.1", port: int = 0):
    """A real `aivc serve`; yields its process, its address and how long it took to answer."""
    port = port or free_port(host)
    command = [AIVC, "serve", "--home", str(home), "--cell", str(cell), "--host", host]
    began = time.perf_counter()
    with (home / "serve.log").open("ab") as log:
        process = subprocess.Popen([*command, "--port", str(port), "--no-open"], stdout=log, stderr=log)
    url = f"http://{host}:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{url}/api/v1/health", timeout=5).status_code == 200:
                    break
            except httpx.HTTPError:
                if process.poll() is not None or time.perf_counter() - began > 120:
                    raise RuntimeError((home / "serve.log").read_text()[-2000:]) from None
            time.sleep(0.05)
        yield process, url, time.perf_counter() - began
    finally:
        process.kill()
        process.wait()


def free_port(host: str) -> int:
    with socket.socket() as one:
        one.bind((host, 0))
        return one.getsockname()[1]


def token(home: Path, name: str, role: str) -> str:
    """The first token of a service comes from its shell."""
    command = [
        AIVC,
        "serve",
        "token",
        "new",
        name,
        "--role",
        role,
        "--home",
        str(home),
        "--json",
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["token"]


def ended(client: httpx.Client, job: str, seconds: float = 300) -> dict:
    end = time.monotonic() + seconds
    while (found := client.get(f"/jobs/{job}").json())["state"] in ("queued", "running"):
        if time.monotonic() > end:
            return found
        time.sleep(0.5)
    return found


def _names(client: httpx.Client) -> tuple[str, tuple[str, ...], str]:
    """Id of the cell, perturbations it measured, and a feature of it."""
    cell = client.get("/cells").json()["cells"][0]["id"]
    found = client.get(f"/cells/{cell}/names", params={"query": "", "limit": 20}).json()["names"]
    genes = tuple(each["name"] for each in found if each["kind"] == "ko")
    said = client.post(f"/cells/{cell}/predict", json={"perturbation": f"ko:{genes[0]}", "top": 1}).json()
    return cell, genes, said["genes"][0]["feature"]


def of_load(cell: Path) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        first = token(home, "root", "admin")
        with served(home, cell, WITH_TOKENS) as (_, url, _):
            root = httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {first}"}, timeout=60)
            made = [root.post("/tokens", json={"name": f"user{i}", "role": "writer"}).json() for i in range(USERS)]
            asked, genes, response = _names(root)
            met = load(url, [each["token"] for each in made], Visit(asked, genes, response))
            states = [ended(root, job)["state"] for job in met.jobs]
    return {
        "users": USERS, "seconds": Visit.seconds, "think_s": Visit.think,
        "reads": met.figures("read"), "predictions": met.figures("prediction"),
        "failed": len(met.failed), "failures": met.failed[:10],
        "jobs_asked": len(states), "jobs_done": states.count("done"), "load_average": os.getloadavg()[0],
    }  # fmt: skip


def of_first(cell: Path) -> dict:
    took, healthy = [], []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as folder, served(Path(folder), cell) as (_, url, up):
            client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
            one = client.get("/cells").json()["cells"][0]
            began = time.perf_counter()
            name = client.get(f"/cells/{one['id']}/names", params={"query": "", "limit": 1}).json()["names"][0]["text"]
            began = time.perf_counter()
            client.post(f"/cells/{one['id']}/predict", json={"perturbation": name}).raise_for_status()
            took.append(round(time.perf_counter() - began, 2))
            healthy.append(round(up, 2))
            page = first_page(url)
    return {"first_prediction_s": took, "healthy_s": healthy, "page_bytes": page, "load_average": os.getloadavg()[0]}


def first_page(url: str) -> int | None:
    """Compressed bytes of the page and what it names; None where it was not built."""
    size, html = _bytes(url, "/")
    named = re.findall(r'(?:src|href)="(/[^"]+)"', html)
    built = any(path.startswith("/assets/") for path in named)
    return size + sum(_bytes(url, path)[0] for path in named) if built else None


def _bytes(url: str, path: str) -> tuple[int, str]:
    with httpx.stream("GET", url + path, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = sum(len(part) for part in answer.iter_raw())
    return raw, httpx.get(url + path).text if path == "/" else ""


def of_crashes(cell: Path) -> dict:
    """The server is killed while a screen of all that the cell knows is running; no row may be lost."""
    states, attempts, rows, waited = [], [], [], []
    for _ in range(KILLS):
        with tempfile.TemporaryDirectory() as folder:
            home, port = Path(folder), free_port("127.0.0.1")
            with served(home, cell, port=port) as (process, url, _):
                client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
                asked, _, response = _names(client)
                job = client.post(
                    "/jobs", json={"kind": "screen", "params": {"cell": asked, "response": response}}
                ).json()["id"]
                while client.get(f"/jobs/{job}").json()["progress"].get("done", 0) < 200:
                    time.sleep(0.2)
                process.send_signal(signal.SIGKILL)
                process.wait()
            began = time.perf_counter()
            with served(home, cell, port=port) as (_, url, _):
                client = httpx.Client(base_url=f"{url}/api/v1", timeout=60)
                found = ended(client, job, 400)
                total = client.get(f"/jobs/{job}/rows", params={"limit": 1}).json().get("total")
                states.append(found["state"])
                attempts.append(found["attempts"])
                rows.append((total, (found["result"] or {}).get("total")))
                waited.append(round(time.perf_counter() - began, 1))
    return {"kills": KILLS, "states": states, "attempts": attempts, "rows": rows, "seconds_after_restart": waited}


def of_jobs(_: Path) -> dict:
    """The slow tests of jobs: kill -9 of child and server, two servers on one database, each on real servers."""
    where = [name for name in ("AIVC_TEST_POSTGRES", "AIVC_TEST_REDIS") if os.environ.get(name)]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/service/jobs/test_jobs.py", "-rA", "--no-header"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    outcome = {name: how for how, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\w+)", said, flags=re.MULTILINE)}
    skipped = re.search(r"(\d+) skipped", said)
    return {"tests": outcome, "skipped": int(skipped[1]) if skipped else 0, "servers": where}


def of_page(_: Path) -> dict:
    """Tests of the page in Chromium, each on a service of its own; the page must be built."""
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/page/test_page.py", "-rA", "--no-header"]
    environment = {**os.environ, "AIVC_TEST_PAGE": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return {"tests": {name: how for how, name in re.findall(r"^(PASSED|FAILED|ERROR) \S+::(\w+)", done.stdout, re.M)}}


def of_requests(_: Path) -> dict:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/service/test_openapi_holds.py", "-k", "many"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    operations = sum(len(each) for each in json.loads((ROOT / "web/openapi.json").read_text())["paths"].values())
    return {
        "passed": done.returncode == 0,
        "operations": operations,
        "examples_each": CASES,
        "tail": done.stdout[-300:],
    }


def of_hostile(_: Path) -> dict:
    """Each is a test of its own, which fails where it is taken; here they are run and listed."""
    words = (
        "hostile bomb travers pickle forged tamper link private object stranger html prompt expansion incoming "
        "far_part kept_terms patience revok spreadsheet"
    )
    named = " or ".join(words.split())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "tests/hub",
        "tests/service",
        "tests/data/test_far_part.py",
        "-m",
        "not slow",
        "-k",
        named,
        "-rA",
        "--no-header",
    ]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    outcome = re.findall(r"^(PASSED|FAILED|ERROR) (\S+::\S+)", said, flags=re.MULTILINE)
    return {
        "tried": len(outcome),
        "taken": [name for how, name in outcome if how != "PASSED"],
        "tests": [name for _, name in outcome],
    }


def of_remote(cell: Path) -> dict:
    """A cell asked where it lies and, over the network, behind the address of a service: same answers, how much later.

    Every registered manipulator and decoder is also checked against its contract behind an address, by the tests.
    """
    from aivc.core.registry import DECODERS, MANIPULATORS
    from aivc.core.virtual_cell import VirtualCell
    from aivc.experiments.far_cell import far_cell
    from aivc.experiments.predict import predict

    near = VirtualCell.load(cell)
    context, asked = next(iter(near.starts)), sorted(near.trained)
    took, effects = {}, {}
    with tempfile.TemporaryDirectory() as home, served(Path(home), cell) as (_, url, _):
        name = httpx.get(f"{url}/api/v1/cells").json()["cells"][0]["id"]
        there = far_cell(f"{url}/api/v1/cells/{name}").cell
        for key, each in (("near", near), ("far", there)):
            predict(each, context, asked)
            began = time.perf_counter()
            effects[key] = np.array([said.effect for said in predict(each, context, asked)])
            took[key] = time.perf_counter() - began
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-n",
        "0",
        "tests/instruments/remote",
        "-m",
        "",
        "-rA",
        "-p",
        "no:randomly",
    ]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    outcome = re.findall(r"^(PASSED|FAILED|ERROR) \S+::test_any_\w+\[(\S+)\]", said, flags=re.MULTILINE)
    return {
        "perturbations": len(asked),
        "largest_difference": float(np.abs(effects["near"] - effects["far"]).max()),
        "times_as_long": took["far"] / took["near"],
        "parts_checked": len(outcome),
        "parts_registered": len(MANIPULATORS.names()) + len(DECODERS.names()),
        "broken": [name for how, name in outcome if how != "PASSED"],
        "load_average": os.getloadavg()[0],
    }


def bar(name, value, wanted, better):
    met = value is not None and (value >= wanted if better == "higher" else value <= wanted)
    return {"name": name, "value": value, "bar": wanted, "better": better, "met": bool(met)}


def bars_of_remote(each: dict | None) -> list[dict]:
    if each is None:
        return []
    return [
        bar("largest difference of an effect asked behind an address", each["largest_difference"], 1e-9, "lower"),
        bar("registered parts that break their contract behind an address", len(each["broken"]), 0, "lower"),
        bar("registered parts that were checked so", each["parts_checked"], each["parts_registered"], "higher"),
    ]


def bars(found: dict) -> list[dict]:
    made = []
    if "load" in found:
        each = found["load"]
        made += [
            bar("50 users: p95 of reads, s", each["reads"]["p95_s"], 0.5, "lower"),
            bar("50 users: p95 of predictions, s", each["predictions"]["p95_s"], 2.0, "lower"),
            bar("50 users: requests that failed", each["failed"], 0, "lower"),
            bar("50 users: jobs that were lost", each["jobs_asked"] - each["jobs_done"], 0, "lower"),
        ]
    if "first" in found:
        each = found["first"]
        made.append(
            bar("first prediction of a fresh service, worst of three, s", max(each["first_prediction_s"]), 2.0, "lower")
        )
        made.append(
            bar(
                "first page load, compressed, MB",
                each["page_bytes"] and round(each["page_bytes"] / 1e6, 3),
                1.0,
                "lower",
            )
        )
    if "crashes" in found:
        each = found["crashes"]
        whole = sum(s == "done" and a == b for s, (a, b) in zip(each["states"], each["rows"], strict=True))
        made.append(bar("screens that ended whole after kill -9 of the server", whole, each["kills"], "higher"))
    if "jobs" in found:
        each = found["jobs"]
        made.append(
            bar(
                "tests of jobs on crashes and two servers that failed",
                sum(how != "PASSED" for how in each["tests"].values()),
                0,
                "lower",
            )
        )
        made.append(bar("of these, servers (PostgreSQL, Redis) they ran on", len(each["servers"]), 2, "higher"))
    if "requests" in found:
        made.append(
            bar(
                "operations of the API of which a request made a fault",
                int(not found["requests"]["passed"]),
                0,
                "lower",
            )
        )
    if "hostile" in found:
        made.append(bar("hostile inputs of the tests that were taken", len(found["hostile"]["taken"]), 0, "lower"))
    made += bars_of_remote(found.get("remote"))
    if "page" in found:
        failed = sum(how != "PASSED" for how in found["page"]["tests"].values())
        made.append(
            bar("tests of the page in a browser that failed (journey, upload, restart, axe, ...)", failed, 0, "lower")
        )
    if BROWSER.exists():
        made += json.loads(BROWSER.read_text())["bars"]
    return made


def main(cell: Path, parts: list[str]) -> None:
    report = json.loads(RESULT.read_text()) if RESULT.exists() else {"parts": {}}
    work = {
        "load": of_load,
        "first": of_first,
        "crashes": of_crashes,
        "jobs": of_jobs,
        "requests": of_requests,
        "hostile": of_hostile,
        "remote": of_remote,
        "page": of_page,
    }
    for part in parts:
        if part != "bars":
            report["parts"][part] = work[part](cell)
            print(part, json.dumps(report["parts"][part])[:600], flush=True)
        found = report["parts"]
        report = {
            "command": "AIVC_DATA=../shared/data python benchmarks/platform_figures.py CELL " + " ".join(PARTS),
            "parts": found,
            "missing": [each for each in PARTS if each not in found] + ([] if BROWSER.exists() else ["browser"]),
            "bars": bars(found),
            "cpus": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("aivc", "fastapi", "sqlalchemy", "uvicorn", "huey")},
            "looked_at": "nothing: no test folds; bars of the load were chosen before it was measured",
            "known_and_left": LEFT,
        }  # fmt: skip
        RESULT.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:] or list(PARTS))
