"""Scores of campaigns by assaybench and by aivc on the same campaigns: `assay_scores.py ASSAYBENCH_PYTHON`.

ASSAYBENCH_PYTHON is the Python of an environment that holds assaybench 0.2.1. Campaigns are drawn at random: libraries,
hits, and rounds that also name genes outside the library and, in some, leave slots empty. Writes
`benchmarks/results/peers_assay.json` with the largest differences. With the word `answer` instead, this file runs
inside that environment, reads campaigns from standard input, and writes scores to standard output.
"""

import importlib
import importlib.util
import json
import subprocess
import sys
import types
from pathlib import Path

RESULT = Path(__file__).parent.parent / "results" / "peers_assay.json"
COMMAND = "python benchmarks/peers/assay_scores.py ASSAYBENCH_PYTHON"
CAMPAIGNS, TOLERANCE = 2000, 1e-12
SCORES = ("fraction_of_hits", "enrichment_factor", "adjusted_nauc")
NOTES = {
    "strangers": "A name outside the library is charged here. assaybench forgives it where it is a known gene symbol; "
    "it was given the library as its universe, so that it charges too.",
    "empty slots": "The enrichment of both charges them. The area of assaybench ends at the last gene that was named; "
    "`adjusted_nauc` takes what was spent from its caller, who was given that number here. The rows of campaigns.json "
    "have no empty slot and no stranger, so that all three are those of assaybench.",
    "repeats": "A gene named twice counts here as one hit and two slots. assaybench counts a repeated hit twice in the "
    "enrichment and the area, which can then be above that of an oracle, and once in the fraction. `repeats` has the "
    "differences; this one is kept.",
    "no hits": "assaybench gives 0, aivc refuses.",
    "not compared": "shortfall is what `charge` counts; percent_essential needs a list that assaybench downloads.",
}


def answer() -> None:
    """Score campaigns with assaybench.

    Its packages are entered without running what they gather: that needs data sets, and the scores need only numpy.
    """
    place = importlib.util.find_spec("assaybench").submodule_search_locations[0]
    for name, folder in (("assaybench", place), ("assaybench.benchmark", f"{place}/benchmark")):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [folder]
    sequential = importlib.import_module("assaybench.benchmark.sequential")
    said = []
    for task in json.load(sys.stdin):
        library, hits, rounds = task["library"], task["hits"], task["rounds"]
        named = [gene for each in rounds for gene in each]
        ef = sequential.enrichment_factor(named, library, hits, universe=library, budget=task["budget"])
        area = sequential.adjusted_nauc(rounds, library, hits, universe=library)
        said.append([sequential.fraction_of_hits(named, library, hits), ef, area])
    json.dump(said, sys.stdout)


def campaigns(*, repeats: bool) -> list[dict]:
    """Campaigns of two to six rounds over libraries of 40 to 3,000 genes."""
    import numpy as np

    rng, made = np.random.default_rng(20), []
    for _ in range(CAMPAIGNS):
        count, slots, rounds = int(rng.integers(40, 3000)), int(rng.integers(2, 8)), int(rng.integers(2, 7))
        names = [f"G{i}" for i in range(count)]
        hits = rng.permutation(count)[: max(1, round(rng.uniform(0.01, 0.3) * count))]
        # Hits are named more often than by chance, so that areas are not all small.
        weight = np.where(np.isin(np.arange(count), hits), rng.uniform(1, 20), 1.0)
        order = [names[i] for i in rng.choice(count, slots * rounds, replace=repeats, p=weight / weight.sum())]
        if not repeats:
            order = [f"X{i}" if rng.random() < 0.1 else name for i, name in enumerate(order)]
        batches = [order[i * slots : (i + 1) * slots] for i in range(rounds)]
        if rng.random() < 0.3:
            batches[-1] = batches[-1][:-1]
        task = {"library": names, "hits": [names[i] for i in hits], "rounds": batches, "budget": slots * rounds}
        made.append(task)
    return made


def ours(task: dict) -> list[float]:
    """The same scores by aivc."""
    import numpy as np

    from aivc.experiments.design.campaign_scores import adjusted_nauc, charge, enrichment_factor, fraction_of_hits

    names = task["library"]
    hit = np.isin(names, task["hits"])
    measured, found, spent = np.zeros(0, dtype=np.int64), [], []
    for named in task["rounds"]:
        taken = charge(named, names, measured.tolist(), len(named))
        measured = np.concatenate([measured, taken.places])
        found.append(fraction_of_hits(hit, measured))
        spent.append(len(named) + (spent[-1] if spent else 0))
    area = adjusted_nauc(found, spent, len(names), int(hit.sum()))
    return [found[-1], enrichment_factor(hit, measured, task["budget"]), area]


def compared(python: str, *, repeats: bool) -> dict:
    """Largest differences between the two, and how many campaigns differ."""
    import numpy as np

    tasks = campaigns(repeats=repeats)
    command = [python, __file__, "answer"]
    done = subprocess.run(command, input=json.dumps(tasks), capture_output=True, text=True, check=True)
    theirs, own = np.array(json.loads(done.stdout)), np.array([ours(task) for task in tasks])
    apart = np.abs(theirs - own)
    return {
        name: {
            "largest_difference": float(apart[:, i].max()),
            "campaigns_that_differ": int((apart[:, i] > TOLERANCE).sum()),
            "mean": round(float(own[:, i].mean()), 4),
            "range": [round(float(end), 4) for end in (own[:, i].min(), own[:, i].max())],
        }
        for i, name in enumerate(SCORES)
    }


def example(python: str) -> dict:
    """A small campaign with a stranger and an empty slot, and what assaybench says of it."""
    task = {
        "library": [f"G{i}" for i in range(20)],
        "hits": ["G0", "G3", "G7", "G11"],
        "rounds": [["G0", "G1", "X1"], ["G7", "G2", "G5"], ["G11", "G12"]],
        "budget": 9,
    }
    done = subprocess.run(
        [python, __file__, "answer"], input=json.dumps([task]), capture_output=True, text=True, check=True
    )
    return {**task, "assaybench": dict(zip(SCORES, json.loads(done.stdout)[0], strict=True))}


def main() -> None:
    """Compare and write."""
    python = sys.argv[1]
    version = "import importlib.metadata as m; print(m.version('assaybench'))"
    found = subprocess.run([python, "-c", version], capture_output=True, text=True, check=True).stdout.strip()
    once = compared(python, repeats=False)
    body = {
        "what": "scores of campaigns by assaybench and by aivc, on campaigns drawn at random",
        "command": COMMAND,
        "assaybench": found,
        "campaigns": CAMPAIGNS,
        "differences": once,
        "repeats": compared(python, repeats=True),
        "example": example(python),
        "notes": NOTES,
        "bars": [
            {
                "name": f"{name}: largest difference from assaybench",
                "value": once[name]["largest_difference"],
                "bar": TOLERANCE,
                "better": "lower",
                "met": once[name]["largest_difference"] <= TOLERANCE,
            }
            for name in SCORES
        ],
    }
    RESULT.write_text(json.dumps(body, indent=1) + "\n")


if __name__ == "__main__":
    answer() if sys.argv[1:] == ["answer"] else main()
