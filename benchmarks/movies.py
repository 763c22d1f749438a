"""Counts, links and divisions in movies: known motion of 2, 4 and 8 px, and two real movies without a truth.

The movies with known truth are made here: nuclei that a flow carries, that divide, die, enter and leave the window,
with photon noise; they are found by the product's own segmentation. The rule of divisions and the interval of
counts were chosen on movies drawn from seeds 100 to 102. Seeds 0 to 4 were scored once with an earlier rule (links
at 8 px .995, precision of divisions .74 to .85, true counts in the interval .69 to .80). Before seeds 5 to 9 were
scored, the synthetic truth at the border of the window was moved by half a pixel, and our own bars were tightened, all
but that of the recall of divisions, at .65. Seeds 5 to 9, which are those scored here, were not looked at before. The
bar of links is a frozen one; the others are our own. Beside each score stand nearest neighbors, and divisions called
wherever an object appears.

Run: AIVC_DATA=FOLDER python benchmarks/movies.py
"""

import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from aivc.data import catalog
from aivc.data.images.lineages import Lineages, lineages
from aivc.data.images.objects import objects
from aivc.data.images.segment import Segmentation
from aivc.data.synthetic_movie import KnownMovie, known_movie
from aivc.evaluation.images.movie_scores import MovieScores, movie_scores
from aivc.experiments.movie import followed

RESULT = Path(__file__).parent / "results" / "movies.json"
STEPS, SEEDS, REACH, DIAMETER = (2.0, 4.0, 8.0), range(5, 10), 14.0, 10.0


def main() -> None:
    started = time.process_time()
    known = {f"{step:g} px": of_step(step) for step in STEPS}
    noisy = of_step(8.0, light=20.0)
    body = {
        "what": "nuclei of movies counted, linked and divided; five movies of 15 frames for each motion, 256 px a side",
        "command": "AIVC_DATA=FOLDER python benchmarks/movies.py",
        "looked_at": " ".join((__doc__ or "").split("\n\n")[1].split()),
        "bars": bars(known),
        "known": known,
        "8 px, a third of the light": noisy,
        "real movies, no truth: no accuracy is claimed": real(),
        "cpu_s": round(time.process_time() - started, 1),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("aivc", "numpy", "scipy", "scikit-image")},
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(body, indent=1, ensure_ascii=False))


def of_step(step: float, light: float = 60.0) -> dict:
    """Mean scores of the movies of one motion, and sums of divisions."""
    how = Segmentation(nucleus="light", diameter=DIAMETER, keep_cut=True)
    scores, simple, reversed_ = [], [], 0
    for seed in SEEDS:
        movie = known_movie(step, seed=seed, light=light)
        frames = [objects(how.segment(frame[None], ["light"]).nuclei) for frame in movie.frames]
        found = lineages(frames, REACH)
        scores.append(movie_scores(found, movie.cells))
        simple.append(movie_scores(wherever_one_appears(found), movie.cells))
        reversed_ += len(lineages(frames[::-1], REACH).divisions)
    table = pd.DataFrame(scores)
    return {
        "cells": round(cells_of(movie), 1),
        "count_error": mean(table["count_error"]),
        "count_in_90%_interval": mean(table["count_in_interval"]),
        "links": mean(table["links"]),
        "links_worst_movie": round(float(table["links"].min()), 4),
        "links, nearest neighbor": mean(table["links_nearest"]),
        "divisions": divisions(scores),
        "divisions, wherever one appears": divisions(simple),
        "divisions in the reversed movies": reversed_,
    }


def mean(column: pd.Series) -> float:
    return round(float(column.mean()), 4)


def cells_of(movie: KnownMovie) -> float:
    return float(movie.cells.groupby("frame").size().mean())


def divisions(scores: list[MovieScores]) -> dict:
    """Precision and recall over all movies: in the frame of the division or one beside it."""
    total = pd.DataFrame(scores).sum()
    said, there = total["divisions_said"], total["divisions"]
    return {
        "there": int(there),
        "said": int(said),
        "precision": round(float(total["divisions_right"] / max(said, 1)), 4),
        "recall": round(float(total["divisions_near"] / there), 4),
        "recall_same_frame": round(float(total["divisions_found"] / there), 4),
    }


def wherever_one_appears(found: Lineages) -> Lineages:
    """The null of divisions: whatever appears within reach of another object is its sister."""
    rows, told = found.objects, []
    first = rows.loc[rows.groupby("track")["frame"].idxmin()]
    for frame, new in first[first["frame"] > 0].groupby("frame"):
        there = rows[rows["frame"] == frame]
        # The nearest object of each is itself.
        away, place = cKDTree(there[["y_px", "x_px"]]).query(new[["y_px", "x_px"]], k=2)
        near = there["track"].to_numpy()[place[:, 1]]
        pairs = {
            (min(pair), max(pair))
            for pair in zip(new["track"][away[:, 1] <= REACH], near[away[:, 1] <= REACH], strict=True)
        }
        told += [(frame, -1, *pair, 0.0, 0.0) for pair in sorted(pairs)]
    return found._replace(divisions=pd.DataFrame(told, columns=list(found.divisions)))


def bars(known: dict) -> list[dict]:
    made = [
        bar("I9: links at 8 px, synthetic motion", known["8 px"]["links"], 0.97),
        bar("links at 8 px, the worst of five movies (own bar)", known["8 px"]["links_worst_movie"], 0.97),
    ]
    for name, each in known.items():
        made += [
            bar(f"count error at {name} (own bar)", each["count_error"], 0.02, "lower"),
            bar(f"true count in the 90 % interval at {name} (own bar)", each["count_in_90%_interval"], 0.9),
            bar(f"division precision at {name} (own bar)", each["divisions"]["precision"], 0.9),
            bar(f"division recall at {name} (own bar)", each["divisions"]["recall"], 0.65),
        ]
    return made


def bar(name: str, value: float, wanted: float, better: str = "higher") -> dict:
    met = value >= wanted if better == "higher" else value <= wanted
    return {"name": name, "value": round(value, 4), "bar": wanted, "better": better, "met": bool(met)}


def real() -> dict:
    """Counts of the two embryos under both thresholds: how far they differ says what they are worth."""
    movies = catalog.load("histone-movies", offline=True)
    made = {}
    for method in ("otsu", "local"):
        how = Segmentation(nucleus=str(movies.features[0]), diameter=12, method=method, keep_cut=True)
        for each in followed(movies, how, 12.0):
            counts = each.lineages.counts
            jitter = np.abs(np.diff(counts["cells"])) / counts["cells"].mean()
            made[f"{each.name}, {method}"] = {
                "frames": len(counts),
                "copied frames left out": list(each.copies),
                "cells": [int(counts["cells"].min()), int(counts["cells"].max())],
                "mean change of the count between frames": round(float(jitter.mean()), 3),
                "found in the next frame": round(each.linked, 3),
                "divisions": len(each.lineages.divisions),
                "divisions in the reversed movie": each.fusions,
            }
    return made


if __name__ == "__main__":
    main()
