"""What is right scores 1, and each mistake costs where it should."""

import numpy as np
import pandas as pd
import pytest

from aivc.data.images.lineages import Lineages, lineages
from aivc.data.images.objects import Objects
from aivc.data.synthetic_movie import known_movie
from aivc.evaluation.images.movie_scores import movie_scores


@pytest.fixture(scope="module")
def movie():
    return known_movie(2.0, frames=6, side=128, dividing=0.04, seed=2)


def exact(movie):
    """Lineages as the truth has them."""
    cells = movie.cells
    objects = cells.assign(object=cells["cell"], track=cells["cell"], area_px=np.pi * cells["radius_px"] ** 2)
    first = cells[cells["mother"] >= 0].groupby(["mother", "cell"])["frame"].min().reset_index()
    there = set(zip(cells["cell"], cells["frame"], strict=True))
    rows = [
        (each["frame"].iloc[0], mother, *each["cell"], 0.0, 0.0)
        for mother, each in first.groupby("mother")
        if len(each) == 2 and each["frame"].nunique() == 1 and (mother, each["frame"].iloc[0] - 1) in there
    ]
    divisions = pd.DataFrame(rows, columns=["frame", "mother", "daughter_1", "daughter_2", "y_px", "x_px"])
    number = cells.groupby("frame").size().to_numpy()
    counts = pd.DataFrame({"frame": np.arange(6), "cells": number, "low": number, "high": number})
    return Lineages(objects, divisions, counts)


def test_the_truth_scores_one(movie):
    got = movie_scores(exact(movie), movie.cells)
    assert (got.count_error, got.count_in_interval, got.links) == (0, 1, 1)
    assert got.divisions == got.divisions_found == got.divisions_near == got.divisions_said == got.divisions_right > 5


def test_mistakes_cost(movie):
    right = exact(movie)
    objects = right.objects.assign(track=np.random.default_rng(0).permutation(right.objects["track"]))
    late = right.divisions.assign(frame=right.divisions["frame"] + 1)
    wrong = right.divisions.assign(daughter_2=right.divisions["daughter_2"].to_numpy()[::-1])
    counts = right.counts.assign(cells=right.counts["cells"] + 10, low=0, high=1)
    assert movie_scores(right._replace(objects=objects), movie.cells).links < 0.1
    assert movie_scores(right._replace(counts=counts), movie.cells).count_in_interval == 0
    assert movie_scores(right._replace(counts=counts), movie.cells).count_error > 0.1
    late = late[late["frame"] < 6]
    got = movie_scores(right._replace(divisions=late), movie.cells)
    assert (got.divisions_found, got.divisions_right) == (0, len(late))
    assert movie_scores(right._replace(divisions=wrong), movie.cells).divisions_right <= 1


def test_links_and_divisions_of_known_places_are_found(movie):
    cells = movie.cells
    frames = []
    for _, rows in cells.groupby("frame"):
        at, area = rows[["y_px", "x_px"]].to_numpy(), np.pi * rows["radius_px"].to_numpy() ** 2
        frames.append(Objects(np.arange(1, len(rows) + 1), at, area, (at < 5).any(axis=1) | (at > 122).any(axis=1)))
    got = movie_scores(lineages(frames, 14.0), cells)
    assert got.links > 0.98
    assert got.divisions_right >= 0.9 * got.divisions_said
    assert got.divisions_found >= 0.6 * got.divisions
