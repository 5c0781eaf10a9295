"""Check everything a run relies on: configuration, database, sources, credentials."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, aclosing
from functools import partial
from urllib.parse import urlsplit

from syncengine import vendors
from syncengine.app.accounts import paced_as
from syncengine.app.brakes import brake_on_no_file, refuse_changes, refuse_new_name
from syncengine.app.consent_changes import refuse_loosened
from syncengine.app.contradictions import differently_mapped
from syncengine.app.credentials import look_for_second_name, settled
from syncengine.app.databases import (
    FOLDER,
    Databases,
    errors_name_file,
    inspect_source,
    open_databases,
    source_place,
    state_description,
)
from syncengine.app.markers import advice_where_new, is_writable
from syncengine.app.neighbours import differing
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.account_check import lacking_message, number_lacking
from syncengine.engine.exchange import Meter, drive
from syncengine.engine.pacing import Pacing
from syncengine.errors import (
    SchemaOutdated,
    SourceError,
    StorageError,
    SyncEngineError,
    VendorUnavailable,
    root_error,
)
from syncengine.model.consent import SubjectFinder
from syncengine.model.contact_ids import LONGEST_KEY
from syncengine.model.mapping import Form, OnInvalid, OnRemoved
from syncengine.model.reports import Check
from syncengine.model.work import LinkedContact, SourceRow
from syncengine.planning.mapping import unfit_values
from syncengine.storage.source.column_types import ColumnKind
from syncengine.storage.source.inspection import Counts, code_of_others, count
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source
from syncengine.storage.state import erasure
from syncengine.storage.state.consent import named_by
from syncengine.storage.state.linked import Linked
from syncengine.storage.state.renaming import without_file
from syncengine.transport.client import Transport


async def check(config: Config) -> list[Check]:
    """Return every check, passed or not, and notes.

    The configuration itself was checked when it was read.
    """
    config = await settled(config)
    checks = [*_configuration(config), *_proxies(config)]
    async with AsyncExitStack() as stack:
        databases, found = await _databases(config, stack)
        checks.append(found)
        checks += await _without_a_file(config, databases) if databases else ()
        checks += await _new_state(databases) if databases else ()
        checks += _markers(config)
        unreachable = _unreachable(config, databases) if databases else {}
        checks += dict.fromkeys(unreachable.values())
        for destination in config.destinations:
            known: Sequence[LinkedContact] = ()
            if databases:
                if destination.name not in unreachable:
                    checks += await _source(destination, databases)
                changed = await _remembered(config, destination, databases)
                checks += changed
                known = () if changed else await _to_look_at(destination, databases)
            checks += await _vendor(destination, known)
            checks += _worth_knowing(destination)
            for told in differently_mapped(destination, config):
                checks.append(
                    Check(f"{destination.name}: caution", True, told, note=True)
                )
    return checks


async def _to_look_at(
    destination: DestinationConfig, databases: Databases
) -> Sequence[LinkedContact]:
    """Return a few contacts that the vendor held; none about whom nothing is sent."""
    linked = Linked(databases.state, destination.name)
    naming = SubjectFinder(destination.mapping)
    chosen: list[LinkedContact] = []
    for held in await linked.known_longest_and_last():
        values = [(held.key.field, held.key.value)] if held.key else []
        subjects = naming.subjects(held.contact_id, values)
        if not await named_by(databases.state, subjects):
            chosen.append(held)
    return chosen


def _configuration(config: Config) -> Iterator[Check]:
    names = ", ".join(destination.name for destination in config.destinations)
    if names:
        yield Check(
            "configuration", True, f"{config.file}, with the destinations {names}"
        )
    for problem in config.problems:
        yield Check("configuration", False, str(problem))
    for name, problems in config.broken.items():
        for problem in problems:
            yield Check(f"{name}: configuration", False, str(problem))


async def _databases(
    config: Config, stack: AsyncExitStack
) -> tuple[Databases | None, Check]:
    """Yield the databases, or None where the state's own cannot be used.

    The other checks do not need it.
    """
    try:
        databases = await stack.enter_async_context(
            open_databases(config, config.destinations)
        )
    except SchemaOutdated as error:
        return None, Check("database", False, str(error))
    except SyncEngineError as error:
        return None, Check("database", False, f"{config.file}: database: {error}")
    return databases, Check(
        "database", True, f"{state_description(config)}: reachable, schema up to date"
    )


async def _new_state(databases: Databases) -> list[Check]:
    """Note a state that may have taken the place of one that was lost."""
    advice = await advice_where_new(databases)
    return [Check("consent", True, advice, note=True)] if advice else []


def _markers(config: Config) -> Iterator[Check]:
    """Tell where a restored state would not be noticed."""
    if not is_writable(config):
        told = (
            f"{config.file.parent / FOLDER} cannot be written, so a restored or lost state is not noticed from here "
            "by itself: after a restore use `syncengine run --resync`"
        )
        yield Check("marker", True, told, note=True)


async def _without_a_file(config: Config, databases: Databases) -> list[Check]:
    names = [*(destination.name for destination in config.destinations), *config.broken]
    return [
        Check(
            f"{name}: file",
            True,
            f"the state knows this destination, and there is no file for it in {config.file.parent / 'destinations'}: "
            "nothing is sent to it, and `syncengine forget` cannot ask its vendor",
            note=True,
        )
        for name in await erasure.without_a_file(databases.state, names)
    ]


def _unreachable(config: Config, databases: Databases) -> dict[str, Check]:
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
        names = ", ".join(each.name for each in readers)
        places = ", ".join(dict.fromkeys(source_place(each) for each in readers))
        failed = Check(f"{names}: source", False, f"{places}: {pool}")
        found |= dict.fromkeys((each.name for each in readers), failed)
    return found


async def _source(destination: DestinationConfig, databases: Databases) -> list[Check]:
    area = f"{destination.name}: source"
    try:
        pool = databases.source(destination)
        source = await inspect_source(destination, pool)
        async with pool.acquire() as connection:
            with errors_name_file(destination):
                counts = await count(connection, source)
            others = await code_of_others(connection, source)
        bad = list(_bad_keys(destination, source, counts))
        with errors_name_file(destination):
            rows = await SourceRows(pool, source).some(_LOOKED_AT) if not bad else ()
    except SourceError as error:
        return [
            Check(area, False, str(problem)) for problem in error.problems or (error,)
        ]
    except SyncEngineError as error:
        return [Check(area, False, str(error))]
    kind = source.key_type.removeprefix("pg_catalog.").strip('"')
    columns = f"{len(source.spec.columns)} column{'s' if len(source.spec.columns) != 1 else ''}"
    looked_at = Check(
        area,
        True,
        f"{source.spec.label} by {source.spec.key} ({kind}), {columns}, {_rows(counts.rows)}",
    )
    return [
        *(bad or [looked_at]),
        *_of_others(destination, source, others),
        *_of_rows(destination, source, counts),
        *_zones(destination, source),
        *_unfit(destination, rows),
    ]


_LOOKED_AT = 200
"""Number of rows whose values are brought into the form of their fields."""


def _unfit(
    destination: DestinationConfig, rows: Sequence[SourceRow]
) -> Iterator[Check]:
    """Warn about fields that most of some rows have no valid value for."""
    several = destination.vendor.capabilities.accumulates
    found = [unfit_values(row, destination.mapping, several) for row in rows]
    for field in destination.mapping.fields:
        name = field.field
        wrong = [each[name] for each in found if name in each]
        unfit = [why for why in wrong if why is not None]
        if len(unfit) * 2 <= len(wrong):
            continue
        effect = (
            "its contact is rejected"
            if field.on_invalid is OnInvalid.REJECT
            else "the field is left alone"
        )
        told = (
            f"{destination.place(f'fields.{name}')}: {len(unfit)} of {len(wrong)} values looked at of column "
            f'"{field.column}" are invalid, such as one that {unfit[0]}. For each of them {effect} '
            "(invalid_value): correct the mapping or the rows"
        )
        yield Check(f"{destination.name}: values", True, told, note=True)


def _of_others(
    destination: DestinationConfig, source: Source, others: tuple[str, str] | None
) -> Iterator[Check]:
    """Warn about functions of other roles that run when the source is read.

    They may read the state.
    """
    if others is None:
        return
    owner, reader = others
    told = (
        f"{source.spec.label} belongs to {owner}, and functions behind it run with the rights of {reader}, which reach "
        "the state. They can write nothing there; a role for source.database that may read the contacts and nothing "
        "else keeps them from reading it, too"
    )
    yield Check(f"{destination.name}: caution", True, told, note=True)


def _zones(destination: DestinationConfig, source: Source) -> Iterator[Check]:
    """Report the time zones in which the dates of moments are taken."""
    moments = {
        column.name: column
        for column in source.columns
        if column.kind is ColumnKind.TIMESTAMP
    }
    for each in destination.mapping.fields:
        column = moments.get(each.column)
        if (
            column is None
            or each.form is not Form.DATE
            or column.type_name == "timestamp without time zone"
        ):
            continue
        told = f'column "{each.column}" ({column.type_name}) holds moments, whose date is taken in {each.zone or "UTC"}'
        if each.zone is None:
            told += "; zone: in the field names another time zone"
        yield Check(
            f"{destination.name}: dates",
            True,
            f"fields.{each.field}: {told}",
            note=True,
        )


def _rows(number: int) -> str:
    return f"{number:,} row{'s' if number != 1 else ''}"


def _bad_keys(
    destination: DestinationConfig, source: Source, counts: Counts
) -> Iterator[Check]:
    """Report source keys that a run would refuse.

    No key is shown, since it may be an address.
    """
    area, place, key = (
        f"{destination.name}: source",
        destination.place("source.key"),
        source.spec.key,
    )
    if counts.nulls:
        what = f'column "{key}" is NULL in {counts.nulls:,} of {counts.rows:,} rows; every contact needs a key'
        yield Check(
            area, False, f"{place}: {what}. Fill it in, or leave these rows out (where)"
        )
    if counts.repeated:
        keys = "1 key" if counts.repeated == 1 else f"{counts.repeated:,} keys"
        what = (
            f'column "{key}" of {source.spec.label} holds {keys} more than once; every contact needs '
            "one of its own. Choose another key, or mend the rows: GROUP BY the column, HAVING count(*) > 1, finds them"
        )
        yield Check(area, False, f"{place}: {what}")


def _of_rows(
    destination: DestinationConfig, source: Source, counts: Counts
) -> Iterator[Check]:
    """Report surprising facts about the rows: hidden ones, none at all, long keys."""
    area, label = f"{destination.name}: source", source.spec.label
    if counts.is_restricted:
        what = f"row level security of {label} applies to the role {counts.role}: it sees {_rows(counts.rows)}"
        yield Check(area, True, what, note=True)
    if not counts.rows:
        what = (
            f"the role {counts.role} sees no row of {label}: it is empty, where selects none, or row level security of "
            "a table behind it hides them. A run would send nothing"
        )
        yield Check(area, True, what, note=True)
    if counts.long_keys:
        rows = (
            "1 row has" if counts.long_keys == 1 else f"{counts.long_keys:,} rows have"
        )
        what = f"{rows} a key longer than {LONGEST_KEY} characters; contacts under such keys are rejected"
        yield Check(area, True, what, note=True)


async def _remembered(
    config: Config, destination: DestinationConfig, databases: Databases
) -> list[Check]:
    try:
        await look_for_second_name(destination, config, databases)
        recognised = await refuse_changes(destination, config, databases, RunRequest())
        await refuse_new_name(destination, config, databases, RunRequest())
        refuse_loosened(destination, recognised, RunRequest())
        await _refuse_strays(config, destination, databases)
    except SourceError:
        return []  # the check of the source tells it
    except SyncEngineError as error:
        return [Check(f"{destination.name}: identity", False, str(error))]
    return []


async def _refuse_strays(
    config: Config, destination: DestinationConfig, databases: Databases
) -> None:
    """Raise BrakeApplied where a run would meet contacts of destinations without a file."""
    names = [*(each.name for each in config.destinations), *config.broken]
    others = await without_file(databases.state, destination.account, names)
    if not others:
        return
    async with aclosing(
        differing(destination, databases, config.engine.batch_size)
    ) as pieces:
        async for contact_ids in pieces:
            await brake_on_no_file(
                destination, others, databases, contact_ids, RunRequest()
            )


async def _vendor(
    destination: DestinationConfig, known: Sequence[LinkedContact]
) -> list[Check]:
    """Check the credentials, and that they lead to the account that is known here.

    ``known`` are contacts that the vendor held. One is looked at, and the others only
    if that one is not there.
    """
    area, vendor = f"{destination.name}: credentials", destination.vendor
    pacing = Pacing(
        destination.limits,
        in_flight=1,
        settles_within=vendor.capabilities.settles_within,
    )
    try:
        async with (
            pacing,
            Transport(
                destination.base_url,
                pacing,
                timeout=destination.options.timeout,
                proxy=destination.options.proxy,
            ) as transport,
        ):
            asked = await drive(vendor.probe, transport, Meter())
            lacking = await drive(
                partial(number_lacking, vendor, known), transport, Meter()
            )
    except Exception as unexpected:  # noqa: BLE001 - a check tells of everything
        error = root_error(unexpected)
        way = "settings.base_url" if destination.options.proxy is None else "proxy"
        setting = (
            way
            if isinstance(error, VendorUnavailable)
            else getattr(error, "setting", None)
        )
        return [
            Check(
                area,
                False,
                f"{destination.place(setting) if setting else destination.file}: {error}",
            )
        ]
    accepted = (
        f"accepted at {destination.base_url}"
        if asked
        else f"not asked: {vendor.name} has no harmless request to ask with. `syncengine run -d {destination.name} "
        f"--contact ID` shows whether {destination.base_url} takes them"
    )
    return [Check(area, True, accepted), *_account(destination, lacking)]


def _account(destination: DestinationConfig, lacking: int | None) -> Iterator[Check]:
    """Report whether the vendor has contacts that are known here, if it could be asked."""
    area = f"{destination.name}: account"
    if lacking is None:
        yield Check(area, True, "the vendor has a contact that is known here")
    elif lacking:
        what = lacking_message(destination.name, lacking)
        yield Check(area, False, f"{destination.place('settings')}: {what}")


_PROXY_VARIABLES = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
)


def _proxies(config: Config) -> Iterator[Check]:
    """Note the proxies of the environment where a destination uses none."""
    named = [name for name in _PROXY_VARIABLES if os.environ.get(name)]
    without = [
        destination.name
        for destination in config.destinations
        if destination.options.proxy is None
    ]
    if named and without:
        told = (
            f"{', '.join(named)} is set in the environment and is not used; a destination that has to go through a "
            f"proxy says so itself, such as proxy: ${{{named[0]}}} (not said by: {', '.join(without)})"
        )
        yield Check("proxy", True, told, note=True)


def _vendor_origin(vendor: str) -> str:
    """Return the package that brings a vendor: it sees the account's credentials."""
    origin = vendors.origin(vendor)
    if origin.is_own:
        return f"{vendor}, from {origin}"
    return (
        f"{vendor}, from {origin}, which is no part of syncengine and sees this "
        "account's credentials and contacts"
    )


def _worth_knowing(destination: DestinationConfig) -> Iterator[Check]:
    """Report the pace of a destination, its proxy, and the vendor's cautions."""
    name, vendor, options = destination.name, destination.vendor, destination.options
    yield Check(f"{name}: vendor", True, _vendor_origin(vendor.name), note=True)
    pace = f"account {destination.account}: {paced_as(destination.limits)}, {options.in_flight} requests at once"
    yield Check(f"{name}: pace", True, pace, note=True)
    if options.proxy is not None:
        proxy = urlsplit(options.proxy)
        yield Check(
            f"{name}: proxy",
            True,
            f"through {proxy.hostname}:{proxy.port or 80}",
            note=True,
        )
    for caution in vendor.capabilities.cautions:
        yield Check(f"{name}: caution", True, caution, note=True)
    if options.on_removed is OnRemoved.DELETE and vendor.capabilities.delete is None:
        told = f"{destination.place('on_removed')}: {vendor.name} cannot delete: who left is reported as unsupported"
        yield Check(f"{name}: caution", True, told, note=True)
