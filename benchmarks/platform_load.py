"""Fifty users at one service, on this computer only: bounded in users, in time and in requests."""

import math
import random
import statistics
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

import httpx


@dataclass
class Load:
    """What users met.

    Attributes:
        seconds: Of each answered request, by what was asked.
        failed: Requests that were answered by a fault, or not at all.
        jobs: That were asked for and taken.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)

    def figures(self, what: str) -> dict:
        """How many, median and 95th percentile in seconds."""
        took = sorted(self.seconds[what])
        return {"n": len(took), "p50_s": round(statistics.median(took), 3), "p95_s": round(percentile(took, 0.95), 3)}


def percentile(ordered: list[float], share: float) -> float:
    """The smallest value that a share of the values does not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True)
class Visit:
    """How users behave.

    Attributes:
        cell: Id of the virtual cell that they ask.
        genes: They ask about.
        response: That a screen reads out.
        seconds: For how long.
        think: Seconds between an answer and the next request, at least and at most.
        predictions: Share of requests that are predictions.
        jobs: Users that also ask for a small screen, once.
    """

    cell: str
    genes: tuple[str, ...]
    response: str
    seconds: float = 45.0
    think: tuple[float, float] = (1.0, 5.0)
    predictions: float = 0.2
    jobs: int = 10


def load(url: str, tokens: list[str], visit: Visit) -> Load:
    """Let one user for each token use the service at the same time."""
    met, lock = Load(), threading.Lock()
    threads = [threading.Thread(target=_use, args=(url, i, token, visit, met, lock)) for i, token in enumerate(tokens)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return met


def _use(url: str, number: int, token: str, visit: Visit, met: Load, lock: threading.Lock) -> None:
    rng = random.Random(number)
    reads = (
        "/cells",
        f"/cells/{visit.cell}",
        f"/cells/{visit.cell}/names?query=st",
        "/leaderboard",
        "/hub/search",
        "/jobs",
    )
    end = time.monotonic() + visit.seconds
    with httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        time.sleep(rng.uniform(0, visit.think[1]))
        if number < visit.jobs:
            params = {"cell": visit.cell, "response": visit.response, "perturbations": list(visit.genes[:5])}
            _ask(met, lock, "job", client, "POST", "/jobs", {"kind": "screen", "params": params})
        while time.monotonic() < end:
            if rng.random() < visit.predictions:
                body = {"perturbation": f"ko:{rng.choice(visit.genes)}", "top": 50, "why": True}
                _ask(met, lock, "prediction", client, "POST", f"/cells/{visit.cell}/predict", body)
            else:
                _ask(met, lock, "read", client, "GET", rng.choice(reads))
            time.sleep(rng.uniform(*visit.think))


def _ask(
    met: Load, lock: threading.Lock, what: str, client: httpx.Client, method: str, path: str, body: dict | None = None
) -> None:
    began = time.perf_counter()
    try:
        answer = client.request(method, path, json=body)
    except httpx.HTTPError as error:
        with lock:
            met.failed.append(f"{what} {path}: {type(error).__name__}")
        return
    took = time.perf_counter() - began
    with lock:
        if answer.status_code >= 400:
            met.failed.append(f"{what} {path}: {answer.status_code} {answer.text[:200]}")
        else:
            met.seconds[what].append(took)
            if what == "job":
                met.jobs.append(answer.json()["id"])
