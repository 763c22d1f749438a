"""A tiny protocol of a third-party package, a benchmark that it asks, and some that are wrong in one way."""

import dataclasses
from importlib.metadata import EntryPoint

from aivc.core.errors import UnknownNameError
from aivc.evaluation.benchmarks.protocol import Protocol, ScoreRow
from aivc.evaluation.benchmarks.task_benchmark import TaskBenchmark

KNOWN = ("mean", "mean:shuffled", "zero", "half", "strange")
ASKED = []


class Lengths(Protocol):
    """How well a method knows the lengths that are held out."""

    version = 2

    def require(self, settings, methods):
        for method in methods:
            if method not in KNOWN:
                raise UnknownNameError("method", method, KNOWN)

    def run(self, data, settings, method, seed):
        ASKED.append(method)
        said = {"zero": 0.2, "half": 0.9, "mean": 0.6}.get(method.removesuffix(":shuffled"), 0.0)
        rows = [
            ScoreRow(method, fold, "hits", said - 0.1 * method.endswith("shuffled") + 0.1 * i)
            for i, fold in enumerate(settings["folds"])
        ]
        if method == "strange":
            return [dataclasses.replace(row, method="other") for row in rows]
        few = ScoreRow(method, "", "miss", None, "lower", note="two lengths tell nothing")
        return [*rows, ScoreRow(method, "", "error", 1 - said, "lower", low=0.0, high=1.0), few]


def tiny_task():
    return TaskBenchmark(
        name="tiny-task",
        title="Tiny: lengths held out",
        question="How long are they?",
        datasets={"made-up": {}},
        protocol="lengths",
        settings={"folds": ["a", "b"], "rows": "0123456789" * 30},
        methods=("mean", "mean:shuffled"),
        anchors={"floor": ("zero",), "null": ("mean:shuffled",), "ceiling": ("half",)},
        shown=("hits", "error", "miss"),
        leaks=("Everything is made up.",),
        source=lambda: {"made-up": [1.0, 2.0]},
    )


NO_PROTOCOL = 3
TINY = EntryPoint("tiny-task", "tiny_tasks:tiny_task", "aivc.benchmarks")
LENGTHS = EntryPoint("lengths", "tiny_tasks:Lengths", "aivc.protocols")
NOT_ONE = EntryPoint("lengths", "tiny_tasks:NO_PROTOCOL", "aivc.protocols")
