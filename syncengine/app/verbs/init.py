"""Look at a database for the first time, and write ``syncengine.yaml``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from syncengine.app.named_columns import key_complaint
from syncengine.config.new_files import (
    EngineDraft,
    checked_config,
    engine_text,
    is_untouched_example,
    refuse_to_overwrite,
    write_whole,
)
from syncengine.errors import ConfigError, Problem
from syncengine.model.columns import SampledSource, SourceTable
from syncengine.storage.connect import connect
from syncengine.storage.source.sampling import sample_source, tables_of

SOURCE_VARIABLE = "CRM_DATABASE_URL"
STATE_VARIABLE = "SYNCENGINE_DATABASE_URL"


@dataclass(frozen=True, slots=True)
class FirstDatabase:
    """The database to look at, and the variable that will name it."""

    url: str
    variable: str | None
    """None where the contacts are in the state's own database."""
    is_exported: bool = True
    """False where the URL was given otherwise than by the variable."""


def first_database(
    given: str | None, environ: Mapping[str, str]
) -> FirstDatabase | None:
    """Return the database that is meant; None where nothing names one.

    ``given`` is a URL, or the name of the environment variable that holds it.
    """
    if given and re.fullmatch(r"[A-Za-z_]\w*", given):
        url = environ.get(given)
        if not url:
            what = f"the environment variable {given} is not set"
            raise ConfigError([Problem("--database", what)])
        return FirstDatabase(url, None if given == STATE_VARIABLE else given)
    if given:
        if not given.startswith(("postgresql://", "postgres://")):
            # It may be a mistyped URL with a password: it is not repeated.
            what = (
                "must be a URL that begins with postgresql://, or the name of an "
                "environment variable that holds one"
            )
            raise ConfigError([Problem("--database", what)])
        is_exported = environ.get(SOURCE_VARIABLE) == given
        return FirstDatabase(given, SOURCE_VARIABLE, is_exported=is_exported)
    if environ.get(SOURCE_VARIABLE):
        return FirstDatabase(environ[SOURCE_VARIABLE], SOURCE_VARIABLE)
    if environ.get(STATE_VARIABLE):
        return FirstDatabase(environ[STATE_VARIABLE], None)
    return None


async def list_tables(url: str) -> tuple[SourceTable, ...]:
    """Return the tables and views of a database. Raises StorageError, SourceError."""
    connection = await connect(url, read_only=True)
    try:
        return await tables_of(connection)
    finally:
        await connection.close()


async def sample_table(url: str, table: str) -> SampledSource:
    """Return what is known of a table. Raises StorageError, SourceError."""
    connection = await connect(url, read_only=True)
    try:
        return await sample_source(connection, table=table, query=None, place="--table")
    finally:
        await connection.close()


def refuse_key(source: SampledSource, key: str) -> None:
    """Raise ConfigError where a column cannot be the key, or is not there."""
    what = key_complaint(source, key)
    if what is not None:
        raise ConfigError([Problem("--key", what)])


def refuse_existing(file: Path, *, force: bool) -> None:
    """Raise ConfigError where somebody's configuration would be overwritten."""
    is_example = file.is_file() and is_untouched_example(file)
    refuse_to_overwrite(file, force=force or is_example)


def write_engine_file(
    file: Path, draft: EngineDraft, environ: Mapping[str, str], *, force: bool
) -> None:
    """Write ``syncengine.yaml``. Raises ConfigError for what cannot be used."""
    refuse_existing(file, force=force)
    text = engine_text(draft)
    checked_config(file, {file: text}, environ)
    write_whole(file, text, replaces=file.exists())
