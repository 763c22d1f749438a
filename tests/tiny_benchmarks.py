"""A tiny benchmark of a third-party package, and some that are wrong in one way."""

import dataclasses
from functools import cache
from importlib.metadata import EntryPoint

from aivc.data.splits.folds import unseen_perturbation
from aivc.data.synthetic import synthetic_screen
from aivc.evaluation.benchmarks.benchmark import Benchmark

RECIPE = {"seed": 0, "dim": 3, "members": 0, "inner_folds": 0}


@cache
def cells():
    return synthetic_screen(perturbations=6, features=30, cells=12, controls=36, seed=0)[0]


@cache
def tiny():
    split = unseen_perturbation(cells(), folds=2, seed=0)
    return Benchmark(
        name="tiny",
        title="Tiny: unseen knock-outs",
        question="What does an unseen knock-out do?",
        dataset="synthetic",
        sha256={},
        split_digest=split.digest,
        split={"recipe": {"kind": "unseen-perturbation", "folds": 2, "seed": 0}},
        profile=("systema",),
        methods=("transfer",),
        anchors={"zero": "mean-effect", "one": "replicate"},
        cells=10,
        recipe=RECIPE,
        leaks=("Everything is made up.",),
        source=cells,
    )


def misnamed():
    return dataclasses.replace(tiny(), name="other")


def broken():
    return dataclasses.replace(tiny(), name="broken", split_digest="0" * 64)


def absent():
    return dataclasses.replace(tiny(), name="absent", dataset="kang2018-labelled", sha256=KANG, source=None)


KANG = {"cells": "42f82514dc7c6f002255e9ac75a8ff7e833ca79dd675352bc07e6a692147fcc8"}
NOTHING = 3
TINY = EntryPoint("tiny", "tiny_benchmarks:tiny", "aivc.benchmarks")
BROKEN = EntryPoint("broken", "tiny_benchmarks:broken", "aivc.benchmarks")
ABSENT = EntryPoint("absent", "tiny_benchmarks:absent", "aivc.benchmarks")
