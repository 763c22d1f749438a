"""Hostile files and faults, by kind: how many are refused in a sentence or work, and how many do neither.

Run: python benchmarks/hostile_inputs.py [KIND …]
A kind that is named is counted anew, and the others stay as they were counted before.
"""

import json
import os
import platform
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from hostile.case import REFUSED, WORKS, outcome  # noqa: E402 - the cases lie beside the tests
from hostile.corpus import CASES  # noqa: E402

RESULT = HERE / "results" / "hostile.json"


def counted(kind: str) -> dict[str, Any]:
    """Try every case of a kind."""
    began, counts, odd = time.perf_counter(), Counter[str](), []
    for case in (case for case in CASES if case.kind == kind):
        came, why = outcome(case)
        counts["cases"] += 1
        if came == case.wanted:
            counts[came] += 1
            continue
        odd.append(f"{case.name}: {came}")
        print(f"{case.slug}: {came}, wanted {case.wanted}\n  {why[-900:]}", file=sys.stderr)
    sizes = {name: counts[name] for name in ("cases", REFUSED, WORKS)}
    return {**sizes, "seconds": round(time.perf_counter() - began, 1), "not_as_wanted": odd}


def written(kinds: dict[str, dict[str, Any]]) -> None:
    """Write what is known so far."""
    total = sum(each["cases"] for each in kinds.values())
    odd = sum(len(each["not_as_wanted"]) for each in kinds.values())
    found = {
        "command": "python benchmarks/hostile_inputs.py",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "anndata", "h5py", "zarr", "safetensors")},
        "kinds": kinds,
        "bars": [
            {"name": "hostile inputs", "value": total, "bar": 300, "better": "higher", "met": total >= 300},
            {"name": "neither refused nor working", "value": odd, "bar": 0, "better": "lower", "met": odd == 0},
        ],
    }
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    known = json.loads(RESULT.read_text(encoding="utf-8"))["kinds"] if RESULT.is_file() else {}
    kinds = list(dict.fromkeys(case.kind for case in CASES))
    found = {kind: known[kind] for kind in kinds if kind in known}
    for kind in sys.argv[1:] or kinds:
        found[kind] = counted(kind)
        written({kind: found[kind] for kind in kinds if kind in found})
        print(f"{kind}: {found[kind]}", flush=True)


if __name__ == "__main__":
    main()
