"""One door for what a person has at hand: a Measurement, an AnnData, or the path of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from aivc.core.errors import SchemaError, UnavailableError
from aivc.core.measurement import Measurement
from aivc.data.io.check import check
from aivc.data.io.in_memory import anndata_raw, is_anndata
from aivc.data.io.read import measurement_of, read, translate
from aivc.data.io.schema import Constant, Schema

if TYPE_CHECKING:
    from anndata import AnnData

Cells: TypeAlias = "Measurement | AnnData | Path | str"


def as_measurement(data: Cells, schema: Schema | None = None, *, controls: bool = True, **columns: Any) -> Measurement:
    """Take cells as they come, and refuse them with every reason at once where something is wrong.

    An AnnData in memory goes through the same checks as a file (`aivc.data.io.check.check`). It is not changed, but its
    values may be shared: change neither afterwards.

    Args:
        data: A Measurement, which is returned as it is; an AnnData in memory; or the path of a file that
            `aivc.data.io.read.read` takes.
        schema: What the columns of an AnnData or a file mean.
        controls: Refuse data without control cells; predictions need none.
        **columns: Instead of ``schema``, its fields: ``units="counts", perturbation="gene", control="NT", kind="ko"``.
            A text names a column; one value for all cells is ``context=Constant("K562")``.

    Raises:
        DataError: Every problem found: columns that are not there, with near spellings, controls, numbers, names.
        SchemaError: Both a schema and columns are given, or neither, or either for a Measurement.
        UnavailableError: There is no such file.
        UnknownNameError: A keyword is no field of a schema.

    >>> import anndata, numpy, pandas
    >>> obs = pandas.DataFrame({"gene": ["NT", "TP53", "NT"]}, index=["a", "b", "c"])
    >>> adata = anndata.AnnData(numpy.eye(3), obs, pandas.DataFrame(index=["TP53", "MYC", "JUN"]))
    >>> as_measurement(adata, units="counts", perturbation="gene", control="NT", kind="ko").perturbations.tolist()
    ['control', 'ko:TP53', 'control']
    """
    declared = schema_from(schema, columns)
    if isinstance(data, Measurement):
        if declared is not None:
            raise SchemaError("A Measurement knows what its columns mean. Leave out the schema and its columns.")
        return data
    if declared is None:
        raise SchemaError(
            "An AnnData or a file needs to be said what its columns mean, and nothing was given. Add such as "
            'units="counts", perturbation="gene", control="NT", kind="ko", or schema=Schema(...); `aivc data guess` '
            "suggests one for a file."
        )
    if not is_anndata(data) and not Path(data).exists():
        raise UnavailableError(f"There is no file {data}. Check the path; aivc.load(name) takes names of the catalog.")
    return read_checked(data, declared, controls=controls)


def read_checked(
    data: "AnnData | Path | str", schema: Schema, *, backed: bool = False, controls: bool = True
) -> Measurement:
    """Check cells, then read them; what the check notes of how they are read is kept in ``provenance["notes"]``.

    Args:
        data: An AnnData in memory; or the path of a file.
        schema: What its columns mean.
        backed: Leave the values of a file on disk.
        controls: Refuse data without control cells.

    Raises:
        DataError: Every problem found.
    """
    found = check(data, schema, controls=controls)
    found.raise_if_any()
    if is_anndata(data):
        drafted = translate(anndata_raw(data, schema), schema, controls=controls)
        made = measurement_of(drafted, {"schema": schema.to_json(), "notes": list(drafted.notes)})
    else:
        made = read(data, schema, backed=backed, controls=controls)
    notes = list(dict.fromkeys([*made.provenance["notes"], *found.reading]))
    return made.replace(provenance={**made.provenance, "notes": notes})


def schema_from(schema: Schema | None, columns: Mapping[str, Any]) -> Schema | None:
    """The schema given, or the one its fields make; None where nothing is given.

    Raises:
        SchemaError: Both are given, or the fields contradict each other.
        UnknownNameError: There is no such field.

    >>> schema_from(None, {"units": "counts", "perturbation": "gene", "control": ["NT", "AAVS1"], "kind": "ko"}).control
    ('NT', 'AAVS1')
    """
    if not columns:
        return schema
    if schema is not None:
        raise SchemaError(f"A schema says it all, and so do columns ({', '.join(columns)}). Give one or the other.")
    return Schema.from_json({name: _written(value) for name, value in columns.items() if value is not None})


def _written(value: Any) -> Any:
    """As a schema is written to JSON, so that types are checked at one place."""
    if isinstance(value, Constant):
        return {"value": value.value}
    return list(value) if isinstance(value, tuple) else value
