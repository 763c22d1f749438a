"""Asks folders of finished shards in SQL, with DuckDB: it reads the columns and rows that a question needs."""

from pathlib import Path

import pyarrow as pa

from aivc.compute.scale_extra import scale_module
from aivc.compute.shard_store import PATTERN
from aivc.core.errors import DataError, UnavailableError


def query(folder: Path | str, sql: str) -> pa.Table:
    """Answer a question about results, which it calls ``results``; of an unfinished run, about what is finished.

    Args:
        folder: That a run has written.
        sql: Such as ``SELECT perturbation, score FROM results ORDER BY score LIMIT 20``.

    Raises:
        DataError: The question is no SQL, or names columns that there are not.
        UnavailableError: No shard is finished there, or DuckDB is not installed.
    """
    duckdb = scale_module("duckdb")
    if not any(Path(folder).glob(PATTERN)):
        raise UnavailableError(f"{folder} holds no finished shard. Name a folder that a run has written to.")
    with duckdb.connect() as asked:
        asked.read_parquet(str(Path(folder) / PATTERN)).create_view("results")
        try:
            return asked.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise DataError([f"The results cannot be asked this ({error}). Mend the SQL."]) from error
