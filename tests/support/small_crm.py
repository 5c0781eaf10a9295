"""A small CRM whose contacts the real command syncs to one vendor's twin.

The command runs in a process of its own.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import asyncpg
import orjson

from syncengine import vendors
from syncengine.model.contact import MatchKey
from syncengine.sandbox.server import Sandbox, serve
from syncengine.testing.benches import over_the_wire
from syncengine.testing.driving import requested
from syncengine.testing.vendors_under_test import secrets
from tests.simulation import pair as simulated
from tests.simulation.pair import Pair
from tests.support.command_process import Command
from tests.support.vendors.subjects import derived_settings, subject

Limit: TypeAlias = Mapping[str, object]

SETTLES_WITHIN = 0.5
A_DAY: Limit = {"calls": 1_000_000, "per": "1d"}
"""A limit whose quota Postgres grants.

There a run can be caught before it sends any request.
"""
_TAGS, _MANY_TAGS = 30, 13


@dataclass(frozen=True)
class Person:
    """One source row, by the numbers of its values."""

    key: int
    values: tuple[int, ...]
    tags: tuple[str, ...]


@dataclass
class Crm:
    """The source, its copies at one vendor, and the command that syncs them."""

    dsn: str
    folder: Path
    sandbox: Sandbox
    pair: Pair
    source: asyncpg.Connection[asyncpg.Record]
    random: Random
    people: dict[int, Person] = field(default_factory=dict)
    ever_tagged: defaultdict[int, set[str]] = field(
        default_factory=lambda: defaultdict(set)
    )
    """The tags that each contact's row ever asked for."""
    _verb: tuple[str, ...] = ("run",)
    _runs: count[int] = field(default_factory=count)
    _numbers: count[int] = field(default_factory=lambda: count(1))

    @property
    def vendor(self) -> str:
        return self.pair.subject.spec.name

    def start(self, *arguments: str, **environ: str) -> Command:
        """``syncengine run ARGUMENTS``, or another verb than ``run`` (``doing``)."""
        config = str(self.folder / "syncengine.yaml")
        variables = {
            **_environ(self.pair),
            "STATE_URL": self.dsn,
            "TERM": "dumb",
            **environ,
        }
        output = self.folder / f"run-{next(self._runs)}"
        return Command(
            ("--config", config, *self._verb, "--json", *arguments), variables, output
        )

    @contextmanager
    def doing(self, *verb: str) -> Iterator[None]:
        """Let every command that starts within the block be another verb's."""
        before, self._verb = self._verb, verb
        try:
            yield
        finally:
            self._verb = before

    async def finish(self) -> int:
        """Run until a run reports that all is in step; return that run's requests."""
        for _ in range(5):
            command = self.start()
            code = await command.ended()
            assert code in (0, 1), command.said()
            said = report(command)
            if code == 0:
                return int(said["requests"])
        raise AssertionError(
            f"five runs in a row fell short; the last one said:\n{command.said()}"
        )

    async def change(self) -> None:
        """Change some of everything: newcomers, changed contacts, one removal."""
        *changed, left = self.random.sample(sorted(self.people), 4)
        await self.add(2)
        for number in changed:
            await self.put(
                number, replace(self._somebody(3), key=self.people[number].key)
            )
        await self.remove(left)

    async def change_everybody(self) -> None:
        """Give every contact other values and other tags, and the key that it has."""
        for number, person in list(self.people.items()):
            await self.put(number, replace(self._somebody(3), key=person.key))

    async def add(self, newcomers: int) -> None:
        for _ in range(newcomers):
            await self.put(next(self._numbers), self._somebody(_MANY_TAGS))

    async def change_key(self, number: int) -> None:
        """Give a contact another match key."""
        await self.put(number, replace(self.people[number], key=next(self._numbers)))

    async def take_over(self, left: int) -> None:
        """Remove a contact, and give its match key to a newcomer.

        The newcomer inherits the tags that the vendor does not take back.
        """
        person, newcomer = self.people[left], next(self._numbers)
        await self.remove(left)
        self.ever_tagged[newcomer] |= self.ever_tagged[left]
        await self.put(newcomer, replace(self._somebody(_MANY_TAGS), key=person.key))

    async def put(self, number: int, person: Person) -> None:
        """Insert a row, or replace it."""
        self.people[number] = person
        self.ever_tagged[number] |= set(person.tags)
        row = self.pair.row(number, person.key, person.values, person.tags)
        columns = ", ".join(_quoted(name) for name in row)
        places = ", ".join(f"${place}" for place in range(2, len(row) + 2))
        async with self.source.transaction():
            await self.source.execute("DELETE FROM crm.people WHERE id = $1", number)
            await self.source.execute(
                f"INSERT INTO crm.people (id, {columns}) VALUES ($1, {places})",
                number,
                *row.values(),
            )

    async def remove(self, number: int) -> None:
        self.people.pop(number, None)
        await self.source.execute("DELETE FROM crm.people WHERE id = $1", number)

    async def in_doubt(self) -> list[int]:
        """Return the contacts with an intent that has no outcome."""
        found = await self.source.fetch(
            "SELECT contact_id FROM syncengine.sync_known WHERE pending IS NOT NULL"
        )
        return sorted(int(row["contact_id"]) for row in found)

    async def recorded(self) -> dict[int, str]:
        """Return the external ids as the state has them, by contact."""
        found = await self.source.fetch(
            "SELECT contact_id, external_id FROM syncengine.external_ids"
        )
        return {int(row["contact_id"]): row["external_id"] for row in found}

    async def reconnect(self) -> None:
        """Connect anew after the server was gone."""
        self.source.terminate()
        self.source = await asyncpg.connect(self.dsn)

    async def let_leases_run_out(self) -> None:
        """Let the lease of a dead process expire, as time would.

        From now on the vendor has ``settles_within`` to settle.
        """
        await self.source.execute(
            "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp() "
            "WHERE NOT released"
        )

    def requests(self) -> int:
        """Return the number of requests that the vendor has received."""
        return self.sandbox.journal(self.vendor).total

    def writes(self) -> list[str]:
        """Return the routes by which the vendor has been written to."""
        seen = {
            entry.route
            for entry in self.sandbox.journal(self.vendor).log
            if entry.method != "GET"
        }
        if self.pair.key is not None:
            look_up = over_the_wire(
                requested(self.pair.vendor.find(MatchKey(self.pair.key, "x")))
            )
            seen.discard(self.sandbox.twin(self.vendor).route(look_up))
        return sorted(seen)

    def batches(self) -> list[str]:
        """Return the routes by which several contacts were written in one request."""
        several = {
            entry.route
            for entry in self.sandbox.journal(self.vendor).log
            if entry.contacts > 1
        }
        return sorted(several.intersection(self.writes()))

    def _somebody(self, most_tags: int) -> Person:
        tags = [
            f"tag {tag}"
            for tag in self.random.sample(
                range(_TAGS), self.random.randint(1, most_tags)
            )
        ]
        values = tuple(self.random.randint(1, 90) for _ in self.pair.values)
        return Person(next(self._numbers), values, tuple(tags))


def report(command: Command) -> dict[str, Any]:
    """Return the report that the command printed at its end."""
    lines = [
        line
        for line in command.said().splitlines()
        if line.startswith('{"destination":"')
    ]
    assert len(lines) == 1, command.said()
    found: dict[str, Any] = orjson.loads(lines[0])
    return found


def pair_of(vendor: str) -> Pair:
    """Return the vendor in its default variant, with its twin."""
    return simulated._pair(subject(vendor))


def takes_tags(pair: Pair) -> bool:
    can = pair.capabilities
    return can.add_tags is not None or any(
        write.add_tags != 0 for write in (can.create, can.upsert) if write
    )


def pattern(route: str) -> str:
    """Return a regular expression for a route's paths, such as ``PUT /contact/{id}``."""
    return (
        "^"
        + re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(route.partition(" ")[2]))
        + "$"
    )


@asynccontextmanager
async def crm(
    dsn: str,
    folder: Path,
    vendor: str,
    seed: int,
    *,
    lease_ttl: str = "60s",
    database_wait: str = "60s",
    limits: Sequence[Limit] = (A_DAY,),
) -> AsyncIterator[Crm]:
    """Set up an empty CRM beside a migrated state, and an empty vendor."""
    pair = pair_of(vendor)
    (folder / "destinations").mkdir(parents=True)
    connection = await asyncpg.connect(dsn)
    try:
        columns = ", ".join(
            f"{_quoted(name)} {'text[] NOT NULL' if name == 'tags' else 'text'}"
            for name in pair.columns
        )
        await connection.execute(
            "CREATE SCHEMA crm; "
            f"CREATE TABLE crm.people (id integer PRIMARY KEY, {columns})"
        )
        async with serve([vendor]) as sandbox:
            if hasattr(sandbox.twin(vendor).switches, "erasure_delay"):
                sandbox.twin(vendor).configure({"erasure_delay": 0.0})
            _write(folder / "syncengine.yaml", _engine(lease_ttl, database_wait))
            _write(
                folder / "destinations" / f"{vendor}.yaml",
                _destination(pair, sandbox.url(vendor), limits),
            )
            here = Crm(dsn, folder, sandbox, pair, connection, Random(seed))
            try:
                yield here
            finally:
                connection = here.source
    finally:
        await connection.close()


def _engine(lease_ttl: str, database_wait: str) -> dict[str, Any]:
    source = {"table": "crm.people", "key": "id"}
    waits = {"lease_ttl": lease_ttl, "database_wait": database_wait}
    return {"database": "${STATE_URL}", "source": source, "batch_size": 8, **waits}


def _destination(pair: Pair, url: str, limits: Sequence[Limit]) -> dict[str, Any]:
    module = pair.subject.spec
    settings = {
        **derived_settings(module),
        **{name: f"${{{_variable(name)}}}" for name in secrets(module)},
    }
    content: dict[str, Any] = {
        "vendor": module.name,
        "settings": {**settings, "base_url": url, "settles_within": SETTLES_WITHIN},
        "limits": limits,
        "in_flight": 4,
        "on_null": "clear",
        "on_removed": "delete" if pair.capabilities.delete else "untag",
        "fields": {name: name for name in pair.columns if name != "tags"},
        "brakes": {"removals": {"share": 1.0, "at_least": 1000}},
    }
    if takes_tags(pair):
        content["tags"] = {"from": "tags"}
    if pair.key:
        content["match_on"] = [pair.key]
    return content


def _environ(pair: Pair) -> Mapping[str, str]:
    return {
        _variable(name): value for name, value in secrets(pair.subject.spec).items()
    }


def _variable(name: str) -> str:
    return f"SANDBOX_{name.upper()}"


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write JSON, which is YAML as well."""
    file.write_bytes(orjson.dumps(content))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def names() -> list[str]:
    """Return the name of every vendor."""
    return sorted(vendors.names())
