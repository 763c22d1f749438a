"""How much memory ten million candidates of a library take, made shard by shard as a screen makes them.

All pairs of 4,473 genes are 10,001,628. Each shard is taken as a worker of a screen takes it, and no candidate is kept.
No cell is asked: what a question costs is measured by scale.py. Peak memory is the operating system's, of this process.

Run: OMP_NUM_THREADS=1 python benchmarks/library_walk.py
"""

import json
import platform
import resource
import time
from importlib.metadata import version
from pathlib import Path

from aivc.compute.executor import cut
from aivc.experiments.library import Library
from aivc.experiments.mass_screen import SHARD

RESULT = Path(__file__).parent / "results" / "library_walk.json"
GENES, ASKED, PEAK_MB = 4_473, 10_000_000, 4_000


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main() -> None:
    library = Library.pairs([f"GENE{i}" for i in range(GENES)])
    before, begun = peak_mb(), time.process_time()
    taken = sum(len(library.take(shard.start, shard.stop)) for shard in cut(ASKED, SHARD))
    peak, spent = peak_mb(), time.process_time() - begun
    bars = [
        {"name": "candidates made", "value": taken, "bar": ASKED, "better": "higher", "met": taken >= ASKED},
        {
            "name": "peak MB of ten million candidates, made shard by shard",
            "value": round(peak, 1),
            "bar": PEAK_MB,
            "better": "lower",
            "met": peak <= PEAK_MB,
        },
    ]
    what = f"pairs of {GENES:,} genes, {len(library):,} candidates; {ASKED:,} made in shards of {SHARD}; no cell asked"
    body = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/library_walk.py",
        "what": what,
        "looked_at": "nothing: no test folds",
        "peak_mb_before": round(before, 1),
        "cpu_s": round(spent, 1),
        "candidates_per_cpu_second": round(taken / spent),
        "bars": bars,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("aivc", "numpy")},
    }
    RESULT.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    print(bars)


if __name__ == "__main__":
    main()
