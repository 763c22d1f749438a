"""Hostile files and faults, by kind: how many are refused in a sentence or work, and how many do neither.

Run: python benchmarks/hostile_inputs.py
"""

import json
import os
import platform
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from hostile.case import REFUSED, WORKS, outcome  # noqa: E402 - the cases lie beside the tests
from hostile.corpus import CASES  # noqa: E402

RESULT = HERE / "results" / "hostile.json"


def main() -> None:
    began, kinds, worst = time.perf_counter(), dict[str, Counter[str]](), list[str]()
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    for case in (case for case in CASES if asked in case.slug):
        came, why = outcome(case)
        counts = kinds.setdefault(case.kind, Counter())
        good = came == case.wanted
        counts["cases"] += 1
        counts[came if good else "not as wanted"] += 1
        if not good:
            worst.append(f"{case.slug}: {came}")
            print(f"{case.slug}: {came}, wanted {case.wanted}\n  {why[-900:]}", file=sys.stderr)
    total = sum(counts["cases"] for counts in kinds.values())
    found = {
        "command": "python benchmarks/hostile_inputs.py",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "anndata", "h5py", "zarr", "safetensors")},
        "seconds": round(time.perf_counter() - began, 1),
        "kinds": {kind: {name: counts[name] for name in ("cases", REFUSED, WORKS)} for kind, counts in kinds.items()},
        "not_as_wanted": worst,
        "bars": [
            {"name": "hostile inputs", "value": total, "bar": 300, "better": "higher", "met": total >= 300},
            {"name": "not refused, nor working", "value": len(worst), "bar": 0, "better": "lower", "met": not worst},
        ],
    }
    for kind, counts in found["kinds"].items():
        print(f"{kind}: {counts['cases']} ({counts[REFUSED]} refused, {counts[WORKS]} work)")
    if not asked:
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
