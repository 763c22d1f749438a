"""Refuse files too large for a repository; data come from the catalog, by address and checksum."""

import sys
from pathlib import Path

MOST = 1_000_000
# Weights that come with the package, so that the sequence model needs no download.
KEPT = {"src/aivc/representations/molecular/weights/xs/arrays.safetensors"}


def main(names: list[str]) -> int:
    """Name the files that are too large; 1 where there are any."""
    sizes = {name: Path(name).stat().st_size for name in names if name not in KEPT and Path(name).is_file()}
    large = {name: size for name, size in sizes.items() if size > MOST}
    for name, size in large.items():
        print(
            f"{name} has {size:,} bytes, {MOST:,} are the most. Put data into the catalog (aivc.data.datasets), "
            "or name the file in .ci/large_files.py."
        )
    return int(bool(large))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
