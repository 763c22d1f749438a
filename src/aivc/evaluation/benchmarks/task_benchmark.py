"""Frozen benchmarks of tissue, time, images and all else that a protocol asks; and the scores that come of them."""

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa

from aivc.compute.executor import Executor, Shard, ShardedTask, cut
from aivc.compute.serial import Serial
from aivc.core.errors import IntegrityError, ScoreError
from aivc.core.foreign_text import read_json
from aivc.data import catalog
from aivc.evaluation.benchmarks.frozen import Frozen
from aivc.evaluation.benchmarks.protocol import POOLED, PROTOCOLS, SHUFFLED, Protocol, ScoreRow
from aivc.evaluation.protocol.cost import measured
from aivc.experiments.fitting.summary import Progress

ROLES = ("floor", "null", "ceiling")
_ARROWS = {"higher": "up", "lower": "down"}


@final
@dataclass(frozen=True, kw_only=True)
class TaskBenchmark(Frozen):
    """A question that a registered protocol asks; see `aivc.evaluation.benchmarks.frozen.Frozen` for the rest.

    Attributes:
        datasets: Name in the catalog → file → sha256.
        protocol: Name of what is registered under ``aivc.protocols``.
        settings: What it is given: folds, what is held out, names of metrics.
        anchors: ``floor``, ``null`` and ``ceiling`` → methods that are that. They stand in every table; the best null
            is the one to beat.
        shown: Names of the metrics in tables, the first of which is that of the question.
        seed: Of all that draws.
    """

    datasets: Mapping[str, Mapping[str, str]]
    protocol: str
    settings: Mapping[str, Any]
    anchors: Mapping[str, Sequence[str]]
    shown: Sequence[str]
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "shown", tuple(self.shown))
        object.__setattr__(self, "anchors", {role: tuple(names) for role, names in self.anchors.items()})
        if set(self.anchors) - set(ROLES) or not (self.anchors.get("null") or self.anchors.get("floor")):
            raise IntegrityError(
                f"Anchors of benchmark {self.name} are {', '.join(self.anchors) or 'missing'}. Name methods under "
                f"{', '.join(ROLES)}, a floor or a null among them: a number alone says nothing."
            )

    @property
    def checksums(self) -> Mapping[str, Mapping[str, str]]:
        """Of the files of its datasets."""
        return self.datasets

    @property
    def asker(self) -> Protocol:
        """A new object of its protocol.

        Raises:
            IntegrityError: What is registered under the name is none.
            UnknownNameError: No package registers it.
        """
        found = PROTOCOLS.load(self.protocol)
        if not (isinstance(found, type) and issubclass(found, Protocol)):
            raise IntegrityError(
                f"{PROTOCOLS.origin(self.protocol)} registers {self.protocol!r} under aivc.protocols, and it is no "
                "subclass of aivc.evaluation.benchmarks.protocol.Protocol. Name the class in the entry point."
            )
        return found()

    def methods_for(self, methods: Sequence[str] | None = None) -> list[str]:
        """Those asked for, or the reference rows, and the anchors beside them."""
        asked = list(self.methods if methods is None else methods)
        return list(dict.fromkeys([*asked, *(name for role in ROLES for name in self.anchors.get(role, ()))]))

    def fetch(self) -> None:
        """See to it that the files of its datasets are here.

        Raises:
            IntegrityError: The catalog now means other files.
            UnavailableError: They are nowhere here and cannot be fetched.
        """
        self._require_same_files()
        for dataset, files in self.datasets.items():
            for file in files:
                catalog.path(dataset, file)

    def load_data(self) -> dict[str, Any]:
        """Read its datasets.

        Returns:
            Dataset → measurement, or → file → path where the catalog has no reader for it.

        Raises:
            IntegrityError: The catalog now means other files.
            UnavailableError: The data are nowhere here and cannot be fetched.
        """
        if self.source is not None:
            return dict(self.source())
        self._require_same_files()
        return {
            name: catalog.load(name)
            if catalog.entry(name).converter is not None
            else {file: catalog.path(name, file) for file in files}
            for name, files in self.datasets.items()
        }


@final
@dataclass(frozen=True, eq=False)
class MethodTask(ShardedTask):
    """Methods of a benchmark, a row each; every worker has a protocol of its own.

    Attributes:
        chosen: The benchmark.
        methods: To ask.
        data: The data; None where workers read them by themselves.
    """

    chosen: TaskBenchmark
    methods: tuple[str, ...]
    data: Mapping[str, Any] | None = None

    def key(self) -> str:
        """Digest of the benchmark, its protocol and the methods."""
        return hashlib.sha256(
            json.dumps([self.chosen.digest, self.chosen.asker.version, *self.methods]).encode()
        ).hexdigest()

    def load(self) -> tuple[Protocol, Mapping[str, Any]]:
        """The protocol, and the data."""
        return self.chosen.asker, self.chosen.load_data() if self.data is None else self.data

    def work(self, state: tuple[Protocol, Mapping[str, Any]], shard: Shard) -> pa.Table:
        """Ask some methods: of each its rows and what it took, as JSON."""
        asker, data = state
        rows = []
        for method in self.methods[shard.start : shard.stop]:
            with measured() as cost:
                found = asker.run(data, self.chosen.settings, method, self.chosen.seed)
            _require_rows(found, method)
            said = json.dumps([asdict(row) for row in found])
            rows.append({"method": method, "rows": said, "cost": json.dumps(dict(cost))})
        return pa.Table.from_pylist(rows)


def run_task(
    chosen: TaskBenchmark,
    methods: Sequence[str] | None = None,
    *,
    data: Mapping[str, Any] | None = None,
    known: Mapping[str, Any] | None = None,
    keep: Callable[[dict[str, Any]], None] | None = None,
    by: Executor | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Ask a benchmark's question.

    Args:
        chosen: From `aivc.evaluation.benchmarks.benchmark.benchmark`.
        methods: Instead of those of the reference rows; its anchors always stand beside them.
        data: The data, where they were read already.
        known: Scores of the same benchmark, from an earlier run; their methods are not asked again.
        keep: Called with the scores so far after each method, to write them.
        by: Asks methods side by side; None asks one by one.
        progress: Called with what is being done.

    Returns:
        What is written to ``scores.json``, see `scored`.

    Raises:
        UnknownNameError: A method, or the protocol, is not known.
        IntegrityError: The data are not those it was frozen on, or the settings do not fit the protocol.
        ScoreError: The protocol gave rows of other methods, twice the same, or of no method's metric.
        UnavailableError: The data are not here.
    """
    asker, asked = chosen.asker, chosen.methods_for(methods)
    asker.require(chosen.settings, asked)
    rows = [ScoreRow(**row) for row in (known or {}).get("rows", ())]
    costs = dict((known or {}).get("cost", {}).get("methods", {}))
    done = {row.method for row in rows}
    wanted = [method for method in asked if method not in done]
    made = _asked(chosen, wanted, data, by)
    body = scored(chosen, asker.version, rows, costs)
    for number, method in enumerate(wanted):
        if progress is not None:
            progress(f"{chosen.name}: {method}", number, len(wanted))
        (said,) = next(made).to_pylist()
        rows += [ScoreRow(**row) for row in json.loads(said["rows"])]
        costs = {**costs, method: json.loads(said["cost"])}
        body = scored(chosen, asker.version, rows, costs)
        if keep is not None:
            keep(body)
    return body


def _asked(
    chosen: TaskBenchmark, methods: Sequence[str], data: Mapping[str, Any] | None, by: Executor | None
) -> Iterator[pa.Table]:
    if not methods:
        return iter(())
    if chosen.source is not None:
        # What gives them may not be sent to a worker; what it gives may.
        data, chosen = chosen.load_data() if data is None else data, replace(chosen, source=None)
    elif data is None and by is not None:
        # Workers that fetched the same file would be in each other's way.
        chosen.fetch()
    by = Serial() if by is None else by
    return by.run(MethodTask(chosen, tuple(methods), data), cut(len(methods), 1))


def _require_rows(rows: Sequence[ScoreRow], method: str) -> None:
    keys = [(row.fold, row.metric) for row in rows]
    if not rows or {row.method for row in rows} != {method} or len(set(keys)) < len(keys):
        raise ScoreError(
            f"The protocol was asked for {method} and gave {len(rows)} rows of "
            f"{', '.join(sorted({row.method for row in rows})) or 'none'}. One row for each fold and metric is wanted."
        )


def scored(
    chosen: TaskBenchmark, protocol_version: int, rows: Sequence[ScoreRow], costs: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Put rows together as ``scores.json`` holds them.

    ``scores`` holds, for each method and metric, ``value`` (of the row over all folds, else the mean of the folds; None
    without power), ``low`` and ``high`` (95 % interval, where the protocol gives one), ``folds`` by name, ``n`` of
    them, ``note``; and, on the metrics that are shown, ``over_null`` (gain over the best null, in the better
    direction), the name of that ``null``, ``wins`` (in how many folds, of how many), and ``usage`` (what
    ``NAME:shuffled`` loses), where there is one.
    """
    better = {row.metric: row.better for row in rows}
    methods = list(dict.fromkeys(row.method for row in rows))
    scores = {
        method: {
            metric: _summary(own)
            for metric in better
            if (own := [row for row in rows if row.method == method and row.metric == metric])
        }
        for method in methods
    }
    for metric in chosen.shown:
        _compare(chosen, scores, metric, -1.0 if better.get(metric) == "lower" else 1.0)
    about = {key: value for key, value in chosen.to_json().items() if key not in ("settings", "format")}
    return {
        "benchmark": about,
        "stamp": {
            "benchmark": chosen.digest,
            "name": chosen.name,
            "protocol": protocol_version,
            "aivc": version("aivc"),
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "methods": methods,
        "metrics": {name: {"label": name, "direction": _ARROWS[way]} for name, way in better.items()},
        "scores": scores,
        "rows": [asdict(row) for row in rows],
        "cost": _total(costs),
    }


def _summary(rows: Sequence[ScoreRow]) -> dict[str, Any]:
    pooled = next((row for row in rows if row.fold == POOLED), None)
    folds = {row.fold: row.value for row in rows if row.fold != POOLED}
    values = [value for value in folds.values() if value is not None]
    if pooled is not None:
        value, low, high, note = pooled.value, pooled.low, pooled.high, pooled.note
    else:
        # A fold without power says nothing of the others, and a mean of those left is not that of all.
        value = float(np.mean(values)) if len(values) == len(folds) else None
        low, high, note = None, None, "; ".join(dict.fromkeys(row.note for row in rows if row.note))
    return {"value": value, "low": low, "high": high, "n": len(folds) or 1, "folds": folds, "note": note}


def _compare(chosen: TaskBenchmark, scores: Mapping[str, Mapping[str, Any]], metric: str, sign: float) -> None:
    known = {name: by[metric]["value"] for name, by in scores.items() if by.get(metric, {}).get("value") is not None}
    nulls = {name: known[name] for name in chosen.anchors.get("null", ()) if name in known}
    best = max(nulls, key=lambda name: sign * nulls[name], default=None)
    for name, value in known.items():
        score = scores[name][metric]
        if best is not None and name not in nulls:
            score["over_null"], score["null"] = sign * (value - nulls[best]), best
            theirs = scores[best][metric]["folds"]
            both = [(own, theirs.get(fold)) for fold, own in score["folds"].items()]
            compared = [sign * (own - other) > 0 for own, other in both if own is not None and other is not None]
            score["wins"] = [sum(compared), len(compared)]
        if name + SHUFFLED in known:
            score["usage"] = sign * (value - known[name + SHUFFLED])


def _total(costs: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    each = list(costs.values())
    total = {key: round(sum(cost[key] for cost in each), 1) for key in ("seconds", "cpu_seconds")}
    most = {key: max((cost[key] for cost in each), default=0) for key in ("peak_mb", "cpus")}
    return {**total, **most, "methods": {name: dict(cost) for name, cost in costs.items()}}


def kept(path: Path, chosen: TaskBenchmark) -> dict[str, Any]:
    """Scores in a file where they are of this very benchmark and version of its protocol; else an empty dictionary."""
    if not path.is_file():
        return {}
    try:
        body = read_json(path)
    except IntegrityError:
        return {}
    stamp = body.get("stamp", {}) if isinstance(body, dict) else {}
    same = stamp.get("benchmark") == chosen.digest and stamp.get("protocol") == chosen.asker.version
    try:
        rows = [ScoreRow(**row) for row in body["rows"]] if same else []
        return scored(chosen, chosen.asker.version, rows, body["cost"]["methods"]) if rows else {}
    except (AttributeError, KeyError, TypeError, ScoreError):
        return {}


def answered(body: Mapping[str, Any], chosen: TaskBenchmark, methods: Sequence[str] | None = None) -> bool:
    """Whether scores hold all methods that are asked for."""
    return set(chosen.methods_for(methods)) <= set(body.get("methods", ()))
