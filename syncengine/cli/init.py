"""``syncengine init``."""

from __future__ import annotations

import os
from collections.abc import Sequence

from syncengine.app.named_columns import table_complaint
from syncengine.app.verbs.init import (
    SOURCE_VARIABLE,
    FirstDatabase,
    first_database,
    list_tables,
    refuse_existing,
    refuse_key,
    sample_table,
    write_engine_file,
)
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Flag, options
from syncengine.cli.questions import ask_secretly, choose, may_ask, until_right
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.proposals import print_tables, table_line
from syncengine.cli.source_questions import ask_for_key, proposed_key
from syncengine.cli.terminal import err
from syncengine.config.new_files import EngineDraft
from syncengine.config.paths import quoted, relative_to_here
from syncengine.config.urls import passwords
from syncengine.errors import ConfigError, Problem, SourceError
from syncengine.logs import set_up
from syncengine.model.columns import SampledSource, SourceTable
from syncengine.planning.source_proposal import propose_key, propose_table, rank_tables


def init(
    *,
    database: str | None = None,
    table: str | None = None,
    key: str | None = None,
    yes: Flag = False,
    force: Flag = False,
) -> int:
    """Look for your contacts in a database, and write the configuration's main file.

    Parameters
    ----------
    database
        The environment variable that holds the URL of your database, or the URL
        itself. Default: CRM_DATABASE_URL, or else SYNCENGINE_DATABASE_URL.
    table
        The table or view that holds the contacts, such as crm.contacts. Default: the
        one that looks like it.
    key
        The column that tells contacts apart. Default: the primary key.
    yes
        Accept what is proposed, without a question.
    force
        Replace a file that is there already.
    """
    file = options.config
    refuse_existing(file, force=force)
    found = _database(database)
    set_up(options.log_format, err, passwords(found.url), options.least_level)
    asks = may_ask() and not yes
    if table is not None:
        source = run_engine(sample_table(found.url, table))
    elif asks:
        table, source = _asked_table(found.url)
    else:
        table = _proposed_table(run_engine(list_tables(found.url)), yes=yes)
        source = run_engine(sample_table(found.url, table))
    if key is not None:
        refuse_key(source, key)
    elif asks:
        key = ask_for_key(source)
    else:
        key = _key(source, yes=yes)
    # The URL is used by the check of the new file, and is not in it.
    environ = {**os.environ, SOURCE_VARIABLE: found.url}
    draft = EngineDraft(table, key, found.variable)
    write_engine_file(file, draft, environ, force=force)
    print_line(f"{relative_to_here(file)} is written: {table}, by its key {key}.")
    print_line("Next:")
    if not found.is_exported:
        print_line(f"  export {found.variable}=...  # the database's URL")
    option = ""
    if file != type(options)().config:
        option = f" --config {quoted(file)}"
    print_line(f"  syncengine{option} add NAME --vendor VENDOR")
    return 0


def _database(given: str | None) -> FirstDatabase:
    """Return the database to look at; asks for it where nothing names one."""
    found = first_database(given, os.environ)
    if found is None and may_ask():
        words = "URL of your database (postgresql://USER:PASSWORD@HOST/NAME)"
        url = until_right(lambda: ask_secretly(words), _database_complaint)
        found = first_database(url, os.environ)
    if found is None:
        what = (
            "is missing: export the URL of your database as "
            f"{SOURCE_VARIABLE}=postgresql://USER:PASSWORD@HOST:5432/NAME, or name the "
            "variable that holds it"
        )
        raise ConfigError([Problem("--database", what)])
    return found


def _database_complaint(url: str) -> str | None:
    """Return why a text names no database; None where it does."""
    try:
        found = first_database(url, os.environ)
    except ConfigError as error:
        return error.problems[0].what
    return "an answer is needed here; Ctrl-C ends" if found is None else None


def _asked_table(url: str) -> tuple[str, SampledSource]:
    """Return the table that somebody chooses, and what is known of it.

    A name that is not there, or that may not be read, is asked for again.
    """
    tables = run_engine(list_tables(url))
    names = {table_line(each): each.name for each in rank_tables(tables)}
    proposed = propose_table(tables)
    default = proposed.name if proposed else None
    words = "Which table or view holds the contacts?"
    found: dict[str, SampledSource] = {}

    def complaint(table: str) -> str | None:
        try:
            found[table] = run_engine(sample_table(url, table))
        except SourceError as error:
            if not error.problems:
                raise
            return error.problems[0].what
        return table_complaint(found[table])

    def chosen() -> str:
        answer = choose(words, list(names), default)
        return names.get(answer, answer)

    table = until_right(chosen, complaint)
    return table, found[table]


def _proposed_table(tables: Sequence[SourceTable], *, yes: bool) -> str:
    """Return the table that is proposed. Raises ConfigError where none is accepted."""
    ranked = rank_tables(tables)
    proposed = propose_table(tables)
    print_tables(ranked)
    if not ranked:
        what = (
            "is missing: no table or view that this role can see has a column like an "
            "e-mail address, a phone or a name"
        )
    elif proposed is None:
        what = "is missing: none of these is surely the table of contacts; name one"
    elif not yes:
        what = (
            f"is missing: {proposed.name} looks like the one; name it, or give --yes "
            "to accept what is proposed"
        )
    else:
        return proposed.name
    raise ConfigError([Problem("--table", what)])


def _key(source: SampledSource, *, yes: bool) -> str:
    """Return the key that is proposed. Raises ConfigError where none is accepted."""
    proposed = propose_key(source)
    column = proposed_key(source)
    if not yes:
        what = (
            f"is missing: {column} ({proposed.reason}); name it, or give --yes to "
            "accept what is proposed"
        )
        raise ConfigError([Problem("--key", what)])
    print_line(f"key: {column} ({proposed.reason})")
    return column
