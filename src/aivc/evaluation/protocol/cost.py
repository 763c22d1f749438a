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
    """Fill a dictionary with what runs inside takes: seconds on the clock and of processors, and the most memory.

    Seconds of processors are those of this process and of the processes that it has started and seen end; memory is
    that of this process. What a cluster does counts in neither.
    """
    cost: dict[str, Any] = {"cpus": os.cpu_count(), "machine": platform.machine()}
    _forget_peak()
    began, worked = time.perf_counter(), _processor_seconds()
    yield cost
    cost["seconds"] = round(time.perf_counter() - began, 1)
    cost["cpu_seconds"] = round(_processor_seconds() - worked, 1)
    cost["peak_mb"] = peak_mb()


def _processor_seconds() -> float:
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


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
