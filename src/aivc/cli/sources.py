"""Where a command gets its cells and its knowledge of genes and drugs: a catalog name, or a file and its schema."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aivc.cli.console import Reporter
from aivc.cli.grammar import Parser
from aivc.core.errors import SchemaError, UnavailableError, UnknownNameError
from aivc.core.measurement import Measurement
from aivc.core.provenance import FOLDER, Provenance
from aivc.core.ur import UR

if TYPE_CHECKING:
    from aivc.experiments.fitting.fetch_knowledge import Known

_REMEDY = (
    "Choose a method that needs none (--manipulator mean-effect, --methods mean-effect), or bring knowledge of the "
    "targets with --priors FOLDER."
)


def add_source(parser: Parser) -> None:
    """Declare the options that say which cells."""
    parser.add_argument("data", metavar="FILE|DATASET", help="a file with its schema, or a name from `aivc data list`")
    add_schema(parser)


def add_schema(parser: Parser) -> None:
    """Declare the options that say how a file is read."""
    parser.add_argument("--schema", metavar="S.toml", default="", help="says what the columns of the file mean")
    parser.add_argument("--on-disk", action="store_true", help="leave values on disk (h5ad, zarr, 10x h5)")


def add_priors(parser: Parser) -> None:
    """Declare where knowledge of genes and drugs comes from."""
    parser.add_argument(
        "--priors",
        metavar="FOLDER",
        default="",
        help="knowledge of the targets, as a saved UR (UR.save), instead of the catalog's knowledge of genes and drugs",
    )


def measured(
    data: str, schema: str, *, on_disk: bool, reporter: Reporter, controls: bool = True
) -> tuple[Measurement, str]:
    """Read cells and find every problem with them first.

    Args:
        data: File, folder, or name in the catalog.
        schema: TOML file; empty for names in the catalog.
        on_disk: Leave the values on disk.
        reporter: Called with what is being done.
        controls: Refuse data without control cells.

    Returns:
        The cells, and what to call them.

    Raises:
        DataError: Every problem found.
        SchemaError: A file without a schema, or a schema for what has its own.
        UnavailableError: There is no such file or dataset.
    """
    # What reads files is slow to import, and most questions to a virtual cell read none.
    from aivc.data import catalog

    path = Path(data)
    if not path.exists() and data in catalog.names():
        if schema or on_disk:
            raise SchemaError(
                f"{data} is a dataset of the catalog, which brings its own schema and is read into memory. Leave out "
                "--schema and --on-disk, or give the path of a file."
            )
        reporter(f"reading {data}", 0, 0)
        return catalog.load(data), data
    if not path.exists():
        near = str(UnknownNameError("dataset", data, catalog.names()))
        raise UnavailableError(f"There is no file {data}. {near}")
    if not schema:
        raise SchemaError(
            f"{data} is a file, and a schema says what its columns mean: add --schema S.toml, with lines such as "
            'units = "counts", perturbation = "target", control = "non-targeting" and kind = "ko". '
            "`aivc data guess` suggests one."
        )
    return checked(path, schema, on_disk=on_disk, reporter=reporter, controls=controls), path.name


def checked(path: Path, schema: str, *, on_disk: bool, reporter: Reporter, controls: bool = True) -> Measurement:
    """Read a file that was checked, and say on standard error what the check notes of how it is read.

    Raises:
        DataError: Every problem found.
    """
    from aivc.data.io.as_measurement import read_checked
    from aivc.data.io.schema import Schema

    reporter(f"checking {path.name}", 0, 0)
    made = read_checked(path, Schema.from_toml(schema), backed=on_disk, controls=controls)
    for text in made.provenance["notes"]:
        reporter.note(f"note on {path.name}: {text}")
    return made


def made_from(folder: str) -> Provenance | None:
    """Read what a saved UR was made from, where that lies beside it in a folder named ``provenance``."""
    path = Path(folder) / FOLDER
    return Provenance.load(path) if folder and path.is_dir() else None


def priors(measurement: Measurement, methods: Sequence[str], folder: str, reporter: Reporter) -> "Known":
    """Fetch what is known about the targets; say what methods that can do without go without.

    Args:
        measurement: The screen.
        methods: Registered manipulators that were asked for by name.
        folder: Of a saved UR; empty takes the catalog's.
        reporter: Called with what is being done.

    Raises:
        DataError: A method needs knowledge, but no target of the screen is known.
        UnavailableError: A method needs knowledge, but it is not here.
    """
    from aivc.experiments.fitting.fetch_knowledge import Known, knowledge, needing_parts, require_known

    reporter("knowledge of the targets", 0, 0)
    if not folder:
        known = knowledge(measurement, methods, remedy=_REMEDY)
        for note in known.notes:
            reporter.note(note)
        return known
    given = UR.load(Path(folder))
    require_known(measurement, needing_parts(methods), given, remedy=_REMEDY)
    return Known(given)
