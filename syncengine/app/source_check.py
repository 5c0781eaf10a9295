"""Check the source of a destination: its columns, keys and values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from syncengine.app.check_results import failed, noted, passed
from syncengine.app.counted import counted
from syncengine.app.databases import (
    Databases,
    errors_name_file,
    inspect_source,
    source_place,
)
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import SourceError, StorageError, SyncEngineError
from syncengine.model.columns import ColumnKind
from syncengine.model.contact_ids import LONGEST_KEY
from syncengine.model.mapping import FieldMapping, Form, OnInvalid
from syncengine.model.reports import Check
from syncengine.model.work import SourceRow
from syncengine.planning.mapping import unfit_values
from syncengine.storage.source.inspection import Counts, code_of_others, count
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source

_LOOKED_AT = 200
"""Number of rows whose values are brought into the form of their fields."""


def unreachable_sources(config: Config, databases: Databases) -> dict[str, Check]:
    """Return the failed check of each destination whose source's database is away.

    Destinations that read the same database have the same one.
    """
    found: dict[str, Check] = {}
    for url, pool in databases.sources.items():
        readers = [
            each for each in config.destinations if (each.source.database or "") == url
        ]
        if not isinstance(pool, StorageError) or not readers:
            continue
        names = [each.name for each in readers]
        places = dict.fromkeys(source_place(each) for each in readers)
        message = f"{', '.join(places)}: {pool}"
        check = failed(f"{', '.join(names)}: source", message)
        found |= dict.fromkeys(names, check)
    return found


async def check_source(
    destination: DestinationConfig, databases: Databases
) -> list[Check]:
    """Return the checks of a destination's source, and notes on its rows."""
    area = f"{destination.name}: source"
    try:
        return await _checks(area, destination, databases)
    except SourceError as error:
        problems = error.problems or (error,)
        return [failed(area, str(problem)) for problem in problems]
    except SyncEngineError as error:
        return [failed(area, str(error))]


async def _checks(
    area: str, destination: DestinationConfig, databases: Databases
) -> list[Check]:
    pool = databases.source(destination)
    source = await inspect_source(destination, pool)
    async with pool.acquire() as connection:
        with errors_name_file(destination):
            counts = await count(connection, source)
        others = await code_of_others(connection, source)
    bad_keys = list(_bad_keys(area, destination, source, counts))
    rows: Sequence[SourceRow] = ()
    if not bad_keys:
        with errors_name_file(destination):
            rows = await SourceRows(pool, source).some(_LOOKED_AT)
    keys = bad_keys or [passed(area, _in_words(source, counts))]
    return [
        *keys,
        *_code_of_others(destination, source, others),
        *_surprising_rows(area, source, counts),
        *_dates(destination, source),
        *_invalid_values(destination, rows),
    ]


def _in_words(source: Source, counts: Counts) -> str:
    spec = source.spec
    key_type = source.key_type.removeprefix("pg_catalog.").strip('"')
    number = len(spec.columns)
    columns = counted(number, "column", "columns")
    return f"{spec.label} by {spec.key} ({key_type}), {columns}, {_rows(counts.rows)}"


def _rows(number: int) -> str:
    return counted(number, "row", "rows")


def _bad_keys(
    area: str, destination: DestinationConfig, source: Source, counts: Counts
) -> Iterator[Check]:
    """Report source keys that a run would refuse.

    No key is shown, since it may be an address.
    """
    place, key = destination.place("source.key"), source.spec.key
    if counts.nulls:
        yield failed(
            area,
            f'{place}: column "{key}" is NULL in {counts.nulls:,} of {counts.rows:,} '
            "rows, but every contact needs a key. Fill it in, or leave these rows out "
            "(where)",
        )
    if counts.repeated:
        keys = counted(counts.repeated, "key", "keys")
        yield failed(
            area,
            f'{place}: column "{key}" of {source.spec.label} holds {keys} more than '
            "once, but every contact needs one of its own. Choose another key, or "
            "correct the rows: GROUP BY the column, HAVING count(*) > 1, finds them",
        )


def _code_of_others(
    destination: DestinationConfig, source: Source, others: tuple[str, str] | None
) -> Iterator[Check]:
    """Warn about functions of other roles that run when the source is read.

    They may read the state.
    """
    if others is None:
        return
    owner, reader = others
    yield noted(
        f"{destination.name}: caution",
        f"{source.spec.label} belongs to {owner}, and functions behind it run with the "
        f"rights of {reader}, which reach the state. They can write nothing there; a "
        "role for source.database that may read only the contacts keeps them from "
        "reading it, too",
    )


def _surprising_rows(area: str, source: Source, counts: Counts) -> Iterator[Check]:
    """Report rows that are hidden, no rows at all, and keys that are too long."""
    label, role = source.spec.label, counts.role
    if counts.is_restricted:
        yield noted(
            area,
            f"row level security of {label} applies to the role {role}: it sees "
            f"{_rows(counts.rows)}",
        )
    if not counts.rows:
        yield noted(
            area,
            f"the role {role} sees no row of {label}, so a run would send nothing. It "
            "is empty, `where` selects none, or row level security of a table behind "
            "it hides them",
        )
    if counts.long_keys:
        number = counts.long_keys
        rows = counted(number, "row has", "rows have")
        yield noted(
            area,
            f"{rows} a key longer than {LONGEST_KEY} characters: these contacts are "
            "rejected",
        )


def _dates(destination: DestinationConfig, source: Source) -> Iterator[Check]:
    """Report the time zones in which the dates of moments are taken."""
    types = {
        column.name: column.type_name
        for column in source.columns
        if column.kind is ColumnKind.TIMESTAMP
        and column.type_name != "timestamp without time zone"
    }
    for field in destination.mapping.fields:
        if field.form is not Form.DATE or field.column not in types:
            continue
        words = (
            f'fields.{field.field}: column "{field.column}" ({types[field.column]}) '
            f"holds moments, whose date is taken in {field.zone or 'UTC'}"
        )
        if field.zone is None:
            words += "; `zone` in the field names another time zone"
        yield noted(f"{destination.name}: dates", words)


def _invalid_values(
    destination: DestinationConfig, rows: Sequence[SourceRow]
) -> Iterator[Check]:
    """Warn about fields that most of some rows have no valid value for."""
    several = destination.vendor.capabilities.accumulates
    found = [unfit_values(row, destination.mapping, several) for row in rows]
    for field in destination.mapping.fields:
        name = field.field
        # None stands for a value that is valid.
        judged = [each[name] for each in found if name in each]
        wrong = [why for why in judged if why is not None]
        if len(wrong) * 2 > len(judged):
            area = f"{destination.name}: values"
            place = destination.place(f"fields.{name}")
            words = _invalid_in_words(field, wrong[0], len(wrong), len(judged))
            yield noted(area, f"{place}: {words}")


def _invalid_in_words(field: FieldMapping, why: str, wrong: int, judged: int) -> str:
    effect = "the field is left alone"
    if field.on_invalid is OnInvalid.REJECT:
        effect = "its contact is rejected"
    return (
        f'{wrong} of {judged} values looked at of column "{field.column}" are invalid, '
        f"such as one that {why}. For each of them {effect} (invalid_value): correct "
        "the mapping or the rows"
    )
