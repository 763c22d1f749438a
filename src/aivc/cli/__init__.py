"""The command line: `commands` declares what can be asked; here is only the door, which imports nothing before use."""

import json
import sys
from collections.abc import Sequence

__all__ = ["main"]

_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: Words after ``aivc``; None takes those of the process.

    Returns:
        0 done, 1 refused or a check failed, 2 wrong usage, 3 a fault of this program, 130 interrupted.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    try:
        from aivc.cli.commands import run

        return run(words)
    except KeyboardInterrupt:
        # Before a command runs, while its modules are read; a command that runs says itself what it leaves behind.
        said = "Interrupted before any work started."
        if "--json" in words:
            print(json.dumps({"error": {"type": "KeyboardInterrupt", "message": said}}))
        else:
            print(f"error: {said}", file=sys.stderr)
        return _INTERRUPTED
