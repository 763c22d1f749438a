"""Bodies as the evaluator writes them, small enough to check by eye."""

import copy

HOSTILE = '</td><script>alert(1)</script>"><img src=http://evil.example/x onerror=alert(1)>'


def score(value, anchored=None, undefined=None):
    ends = {"low": None, "high": None} if value is None else {"low": value - 0.05, "high": value + 0.05}
    return {"value": value, **ends, "anchored": anchored, "n": 9, "undefined": undefined}


def plain_body():
    """Of an evaluator that knows no strata by strength, no baselines besides the floor, and no stamp."""
    metric = {"direction": "up", "chance": 0.0, "best": 1.0, "formula": "r(Δ, Δ)", "source": "Someone 2025"}
    table = {
        "mean-effect": {"pearson": score(0.3, 0.0), "mse": score(0.8, 0.0), "coverage": score(0.7)},
        "no-change": {
            "pearson": score(None, None, "a constant has no correlation"),
            "mse": score(1.0, -0.5),
            "coverage": score(None, None, "makes no intervals"),
        },
        "ridge": {"pearson": score(0.6, 0.6), "mse": score(0.81, -0.025), "coverage": score(0.9)},
        "replicate": {"pearson": score(0.8, 1.0), "mse": score(0.4, 1.0)},
    }
    return {
        "format": 1,
        "data": {"name": "toy", "cells": 1200, "features": 50, "perturbations": 9, "units": "counts"},
        "split": {"kind": "unseen-perturbation", "digest": "ab" * 32, "folds": 3},
        "profile_units": "log1p_cp193",
        "seed": 0,
        "methods": ["no-change", "mean-effect", "ridge"],
        "baseline": "mean-effect",
        "ceiling": "replicate",
        "metrics": {
            "pearson": {**metric, "label": "Pearson of effects"},
            "mse": {**metric, "label": "Squared error", "direction": "down", "best": 0.0, "chance": None},
            "coverage": {**metric, "label": "Coverage", "direction": "none", "best": 0.9},
        },
        "scores": table,
        "strata": {"strong": table},
        "rows": [{"method": "ridge", "fold": 0, "context": "all", "perturbation": "ko:A", "pearson": 0.5, "mse": None}],
        "calibration": {"ridge": {"levels": [0.5, 0.9], "covered": [0.4, 0.7], "width": [0.2, 0.5]}},
        "halves": [{"perturbation": "ko:A", "context": "all", "pearson": 0.8, "cells": 40}],
        "failures": [{"method": "nearest", "error": HOSTILE}],
    }


def full_body():
    """With all that an evaluator can say: three strengths, another baseline, dynamic range, usage, groups, stamp."""
    body = plain_body()
    body["methods"].append("ridge:shuffled")
    body["scores"]["ridge:shuffled"] = copy.deepcopy(body["scores"]["ridge"])
    body["resplits"] = 5
    for method in ("no-change", "ridge", "ridge:shuffled"):
        gains = {"ridge": (0.3, 0.2, 0.4, 0.75, 0.25)}.get(method, (-0.2, -0.3, -0.1, 0.1, 0.9))
        answer = dict(zip(("gain", "low", "high", "wins", "harms"), gains, strict=True))
        body["scores"][method]["pearson"]["against_best"] = {"baseline": "mean-effect", **answer, "n": 9}
    nothing = {"value": None, "low": None, "high": None, "n": 0, "usable": True, "reason": None}
    body["dynamic_range"] = {
        "pearson": {**nothing, "value": 0.7, "low": 0.5, "high": 0.8, "n": 9},
        "mse": {**nothing, "value": 0.0, "low": -0.1, "high": 0.1, "n": 9, "usable": False, "reason": "no span here"},
        "coverage": nothing,
    }
    some = copy.deepcopy(body["scores"])
    for cell in (cell for by_metric in some.values() for cell in by_metric.values()):
        cell["n"] = 3
    body["strata"] = {"reliable": copy.deepcopy(body["scores"]), "strong": some, "weak": copy.deepcopy(some)}
    body["strata_rule"] = "strong, weak: by size."
    body["usage"] = [
        {"method": "ridge", "input": what, "metric": "pearson", "loss": loss, "low": low, "high": high, "n": 9}
        for what, loss, low, high in (("perturbation", 0.3, 0.1, 0.5), ("priors", 0.0, -0.1, 0.1))
    ]
    body["calibration"]["ridge"]["by"] = {
        "context": {f"C{i}": {"n": 3, "covered": [0.5, 0.9 - i / 100]} for i in range(30)},
        "strength": {"weak": {"n": 4, "covered": [0.6, 0.99]}, "strong": {"n": 5, "covered": [0.3, 0.6]}},
        "applicability": {"in": {"n": 9, "covered": [0.4, 0.7]}},
    }
    body["recipe"] = {"encoder": "count-pca", "seed": 0}
    body["environment"] = {"aivc": "0.1.0", "python": "3.11.7"}
    body["stamp"] = {"metrics": {"pearson": 2, "mse": 1, "coverage": 1}, "benchmark": "cd" * 32, "seed": 0}
    return body
