"""`aivc reverse`: which interventions carry patients' cells from sick toward healthy."""

import argparse
from pathlib import Path

from rich.console import RenderableType

from aivc.cli.console import Outcome, Reporter, table
from aivc.cli.fit_command import add_cell
from aivc.cli.grammar import Commands, natural, positive
from aivc.cli.screen_command import ALL, candidates
from aivc.cli.sources import add_schema, measured
from aivc.core.errors import DataError
from aivc.core.virtual_cell import VirtualCell
from aivc.core.writing import require_absent
from aivc.experiments.patients import PatientSides
from aivc.experiments.phenotypic_screen import phenotypic_screen

_SHOWN = ["perturbation", "toward", "low", "high", "reversed", "aside", "moved", "p_labels", "p_random", "found"]


def add(commands: Commands) -> None:
    """Declare the command."""
    made = commands.add(
        "reverse",
        _reverse,
        "Rank interventions by how far they carry patients' sick cells toward healthy ones. Patients are the unit: at "
        "least three are needed on each side.",
        examples=(
            "aivc reverse cell/ patients.h5ad --schema patients.toml --sick lupus --healthy control --out found.csv",
            "aivc reverse cell/ patients.h5ad --schema patients.toml --column status --sick ill --healthy well "
            "--perturbations drugs.txt --out found.csv",
        ),
    )
    add_cell(made)
    made.add_argument("data", metavar="FILE|DATASET", help="cells of patients: a file with its schema, or a dataset")
    add_schema(made)
    made.add_argument("--sick", required=True, help="value of --column for cells that are to be moved")
    made.add_argument("--healthy", required=True, help="value of --column for cells that they are to be like")
    made.add_argument("--column", default="disease", help="column that says who is sick (default disease)")
    made.add_argument("--patient", default="donor", help="column of the patient (default donor, as the schema says)")
    made.add_argument("--cell-type", default="context", help="column of the cell type (default context)")
    made.add_argument("--least-cells", type=positive, default=10, help="of a patient, type and side (default 10)")
    made.add_argument(
        "--perturbations",
        dest="candidates",
        metavar="FILE|all",
        default=ALL,
        help="one perturbation or name a line; all means what the cell has measured or knows of (default all)",
    )
    made.add_argument("--kind", default="", help="kind of plain names (default: what the cell measured)")
    made.add_argument("--seed", type=natural, default=0, help="draws resamples and nulls (default 0)")
    made.add_argument("--out", type=Path, required=True, metavar="found.csv", help="table to write, .csv or .parquet")
    made.add_argument("--overwrite", action="store_true", help="replace the table where it exists")
    made.add_argument("--top", type=positive, default=20, help="rows shown of each cell type (default 20)")


def _reverse(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    if args.out.suffix not in (".csv", ".parquet"):
        raise DataError([f"Tables are written as .csv or .parquet, got {args.out.name}. Choose one of these endings."])
    require_absent(args.out, overwrite=args.overwrite)
    cells, _ = measured(args.data, args.schema, on_disk=args.on_disk, reporter=reporter, controls=False)
    reporter("loading the cell", 0, 0)
    cell = VirtualCell.load(args.cell)
    if args.context:
        cell.start(args.context, new_context=args.new_context)
    found = phenotypic_screen(
        cell,
        cells,
        candidates(args.candidates, args.kind, cell),
        PatientSides(args.sick, args.healthy, args.column, args.patient, args.cell_type),
        context=args.context,
        least_cells=args.least_cells,
        seed=args.seed,
        allow_unknown=args.allow_unknown,
        progress=reporter,
    )
    found.save(args.out, overwrite=args.overwrite)
    shown: list[RenderableType] = []
    for kind, part in found.table.groupby("cell_type", sort=False):
        rows = part[_SHOWN].head(args.top).to_numpy(dtype=object).tolist()
        shown += [f"{kind}: {len(part)} interventions, the one that goes furthest back first:", table(_SHOWN, rows)]
    body = {**found.to_json(), "files": {"table": args.out}, "seconds": reporter.seconds}
    return Outcome(body, [*shown, found.sureness, *found.remarks, f"Written: {args.out}"])
