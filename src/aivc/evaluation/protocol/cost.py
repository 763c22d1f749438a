"""What a run takes: time on the clock, time of processors, and memory."""

import os
import platform
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def measured() -> Iterator[dict[str, Any]]:
    """Fill a dictionary with what runs inside takes: seconds on the clock and of processors, and the most memory."""
    cost: dict[str, Any] = {"cpus": os.cpu_count(), "machine": platform.machine()}
    _forget_peak()
    began, worked = time.perf_counter(), time.process_time()
    yield cost
    cost["seconds"] = round(time.perf_counter() - began, 1)
    cost["cpu_seconds"] = round(time.process_time() - worked, 1)
    cost["peak_mb"] = peak_mb()


def _forget_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        # On systems other than Linux the peak is that of the whole process, which is no less.
        return


def peak_mb() -> int:
    """Most memory that this process held, in MB: since `measured` began where the system can tell, else ever."""
    status = Path("/proc/self/status")
    if status.is_file():
        held = [line.split()[1] for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM")]
        return round(int(held[0]) / 1024)
    scale = 1 << 20 if platform.system() == "Darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale)
