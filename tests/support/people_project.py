"""A small table of people, and the configuration of their destinations.

For tests that run the whole engine in process.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from syncengine import app
from syncengine.config.loading import load_config
from syncengine.config.project import Config
from syncengine.model.plans import PlanReport
from syncengine.model.reports import RunReport
from syncengine.sandbox.faults import Chance, FaultKind, Rule
from syncengine.sandbox.server import Sandbox, serve
from syncengine.sandbox.twins.chartmogul.store import CUSTOMERS, DATA_SOURCE
from tests.support.command_process import Command
from tests.support.demo_project import KEY, TOKEN

_ENGINE = {
    "database": "${STATE_URL}",
    "source": {"table": "crm.people", "key": "id"},
    "batch_size": 4,
    "lease_ttl": "30s",
}
RESPOND_IO: dict[str, Any] = {
    "vendor": "respond_io",
    "settings": {
        "base_url": "${RESPOND_IO_URL}",
        "token": "${RESPOND_IO_TOKEN}",
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 1,
    "match_on": ["crm_id"],
    "fields": {"crm_id": "id", "firstName": "name", "phone": "phone"},
    "tags": {"from": "tags"},
}
CHARLES: dict[str, Any] = {
    "vendor": "charles",
    "settings": {
        "base_url": "${CHARLES_URL}",
        "api_key": "${CHARLES_KEY}",
        "source_type": "tests",
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 1,
    "fields": {"first_name": "name", "phone_numbers.main": "phone"},
    "tags": {"from": "tags"},
}
CHARTMOGUL: dict[str, Any] = {
    "vendor": "chartmogul",
    "settings": {
        "base_url": "${CHARTMOGUL_URL}/v1",
        "api_key": "${CHARTMOGUL_KEY}",
        "data_source_uuid": DATA_SOURCE,
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 1,
    "match_on": ["external_id"],
    "fields": {
        "external_id": "id",
        "first_name": "name",
        "phone": "phone",
        "customer_uuid": {"from": "company", "default": CUSTOMERS[0]},
    },
}
DM_CHAMP: dict[str, Any] = {
    "vendor": "dm_champ",
    "settings": {
        "base_url": "${DM_CHAMP_URL}/v1",
        "api_key": "${DM_CHAMP_KEY}",
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 1,
    "match_on": ["phoneNumber"],
    "fields": {
        "phoneNumber": "phone",
        "firstName": "name",
        "email": "company",
        "externalId": "id",
    },
    "tags": {"from": "tags"},
}
RESPOND_IO_V2: dict[str, Any] = {
    "vendor": "respond_io_v2",
    "settings": {
        "base_url": "${RESPOND_IO_V2_URL}",
        "token": "${RESPOND_IO_TOKEN}",
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 1,
    "match_on": ["phone"],
    "fields": {"custom_fields.crm_id": "id", "firstName": "name", "phone": "phone"},
    "tags": {"from": "tags"},
}
HUBSPOT: dict[str, Any] = {
    "vendor": "hubspot",
    "settings": {
        "base_url": "${HUBSPOT_URL}",
        "token": "${RESPOND_IO_TOKEN}",
        "unique_properties": ["crm_id", "email"],
        "tags_property": "tags",
        "settles_within": "100ms",
    },
    "limits": [],
    "attempts": 2,
    "match_on": ["crm_id"],
    "fields": {
        "crm_id": "id",
        "firstname": "name",
        "phone": "phone",
        "city": "company",
    },
    "tags": {"from": "tags"},
    "on_removed": "delete",
}
BOTH: Mapping[str, Mapping[str, Any]] = {"charles": CHARLES, "respond_io": RESPOND_IO}


@dataclass
class People:
    """The table, the configuration that reads it, and the vendors that hold copies."""

    file: Path
    source: asyncpg.Connection[asyncpg.Record]
    sandbox: Sandbox
    environ: dict[str, str]
    engine: dict[str, Any]
    destinations: dict[str, dict[str, Any]] = field(default_factory=dict)
    accepts_empty: bool = True
    """False: a run that starts with an empty state is not accepted beforehand."""
    _commands: int = 0

    @property
    def _is_careless(self) -> bool:
        careless = any(
            keys.get("find_first") is False for keys in self.destinations.values()
        )
        return self.accepts_empty and careless

    def _request(self, options: Mapping[str, Any]) -> app.RunRequest:
        """Return a request that accepts the vendors' empty accounts if needed."""
        known = {"empty_state"} if self._is_careless else set()
        return app.RunRequest(
            **{**options, "accept": frozenset({*options.get("accept", ()), *known})}
        )

    @property
    def config(self) -> Config:
        """The configuration as its files say now. Raises ConfigError."""
        return load_config(self.file, self.environ)

    def configure(self, destination: str, **keys: Any) -> None:
        """Set top-level keys of a destination's file; None removes a key."""
        known = {**self.destinations.get(destination, {}), **keys}
        self.destinations[destination] = {
            key: value for key, value in known.items() if value is not None
        }
        _write(self.destination_file(destination), self.destinations[destination])

    def configure_engine(self, **keys: Any) -> None:
        """Set top-level keys of ``syncengine.yaml``."""
        self.engine |= keys
        _write(self.file, self.engine)

    def destination_file(self, destination: str) -> Path:
        return self.file.parent / "destinations" / f"{destination}.yaml"

    async def runs(self, *names: str, **options: Any) -> dict[str, RunReport]:
        """Run once; return the reports by destination."""
        request = self._request(options)
        return {
            report.destination: report
            for report in await app.run(self.config, names, request)
        }

    async def run(self, name: str, **options: Any) -> RunReport:
        """Run one destination; return its report."""
        return (await self.runs(name, **options))[name]

    async def plan(
        self, name: str, *, sample: int | None = None, **options: Any
    ) -> PlanReport:
        request = self._request(options)
        (report,) = await app.plan(self.config, (name,), request, sample=sample)
        return report

    async def plan_file(
        self, file: Path, *names: str, shows_values: bool = False, **options: Any
    ) -> dict[str, PlanReport]:
        """Write the plan of a run to a file; return the reports by destination."""
        request = self._request(options)
        reports = await app.plan(
            self.config, names, request, out=file, shows_values=shows_values
        )
        return {report.destination: report for report in reports}

    async def run_file(
        self, file: Path, *names: str, **options: Any
    ) -> dict[str, RunReport]:
        """Run a plan file; return the reports by destination."""
        request = self._request(options)
        reports = await app.run(self.config, names, request, plan=file)
        return {report.destination: report for report in reports}

    def start(self, *arguments: str) -> Command:
        """Start ``syncengine ARGUMENTS`` in a process of its own."""
        self._commands += 1
        if "run" in arguments and self._is_careless:
            arguments = (*arguments, "--accept", "empty_state")
        output = self.file.parent / f"output-{self._commands}"
        return Command(
            ("--config", str(self.file), *arguments),
            {**self.environ, "TERM": "dumb"},
            output,
        )

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run ``syncengine ARGUMENTS``; return its exit code and everything it printed."""
        command = self.start(*arguments)
        return await command.ended(), command.said()

    async def add(self, ids: Iterable[int], **columns: Any) -> None:
        """Add contacts, or removed ones again."""
        numbers = list(ids)
        await self.source.execute(
            "INSERT INTO crm.people (id, name, phone) "
            "SELECT id, 'Name ' || id, '+49151' || lpad(id::text, 7, '0') "
            "FROM unnest($1::integer[]) AS t (id)",
            numbers,
        )
        for column, value in columns.items():
            await self.source.execute(
                f"UPDATE crm.people SET {column} = $2 WHERE id = ANY ($1)",
                numbers,
                value,
            )

    async def change(self, number: int, **columns: Any) -> None:
        for column, value in columns.items():
            await self.source.execute(
                f"UPDATE crm.people SET {column} = $2 WHERE id = $1",
                number,
                value,
            )

    async def remove(self, ids: Iterable[int]) -> None:
        await self.source.execute(
            "DELETE FROM crm.people WHERE id = ANY ($1)", list(ids)
        )

    async def one(self, query: str, *arguments: object) -> asyncpg.Record:
        """Return the one row that a query finds."""
        row = await self.source.fetchrow(query, *arguments)
        assert row is not None
        return row

    async def states(self, destination: str) -> dict[int, asyncpg.Record]:
        """Return the state's row of each contact."""
        rows = await self.source.fetch(
            "SELECT * FROM syncengine.sync_state WHERE destination = $1", destination
        )
        return {int(row["contact_id"]): row for row in rows}

    async def outcomes(self, run_id: int | None) -> dict[int, asyncpg.Record]:
        """Return the outcome of each contact in a run."""
        rows = await self.source.fetch(
            "SELECT * FROM syncengine.sync_outcome WHERE run_id = $1", run_id
        )
        return {int(row["contact_id"]): row for row in rows}

    async def not_made(self, report: RunReport) -> int:
        """Return the number of contacts that were not judged.

        Those counted as unknown have such an outcome; the rest is deferred.
        """
        rows = (await self.outcomes(report.run_id)).values()
        assert report.contacts["unknown"] == sum(
            row["outcome"] == "unknown" for row in rows
        )
        return report.contacts["deferred"] + report.contacts["unknown"]

    def fail(self, twin: str, *faults: Rule) -> None:
        """Let the twin meet these faults from now on, and no others."""
        self.sandbox.faults(twin).configure(faults)

    def fail_at_random(self, twin: str, chance: Chance) -> None:
        self.sandbox.faults(twin).configure(chance)

    def heal(self, twin: str) -> None:
        self.sandbox.faults(twin).clear()

    def requests(self, twin: str) -> int:
        """Return the number of requests that the twin has received."""
        return self.sandbox.journal(twin).total

    def held(self, twin: str) -> dict[int, dict[str, Any]]:
        """Return the vendor's contacts by our id; two of one id fail the test."""
        found: dict[int, dict[str, Any]] = {}
        for contact in self.sandbox.contacts(twin):
            fields: Any = contact["fields"]
            ids = (
                contact["key"],
                *(fields.get(name) for name in ("crm_id", "externalId", "external_id")),
            )
            contact_id = int(str(next(filter(None, ids))))
            assert contact_id not in found, f"contact {contact_id} is at {twin} twice"
            found[contact_id] = contact
        return found


def refusing(number: int, text: str = "Nope", status: int = 422) -> Rule:
    """Return a fault: the vendor refuses what is written for the contact of this id."""
    return Rule(FaultKind.REFUSE, body=f'"Name {number}"', status=status, text=text)


@asynccontextmanager
async def people(
    dsn: str,
    folder: Path,
    destinations: Mapping[str, Mapping[str, Any]] = BOTH,
    twins: Sequence[str] = ("charles", "respond_io"),
) -> AsyncIterator[People]:
    """Set up an empty table in a migrated database, and empty vendors."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "CREATE SCHEMA crm; CREATE TABLE crm.people ("
            "id integer PRIMARY KEY, name text, phone text, "
            "tags text[] NOT NULL DEFAULT '{}', "
            "opted_in boolean NOT NULL DEFAULT true, company text)"
        )
        async with serve(twins) as sandbox:
            shutil.rmtree(folder, ignore_errors=True)
            (folder / "destinations").mkdir(parents=True)
            environ = {
                "STATE_URL": dsn,
                "RESPOND_IO_TOKEN": TOKEN,
                "CHARLES_KEY": KEY,
                "CHARTMOGUL_KEY": KEY,
            }
            environ["DM_CHAMP_KEY"] = KEY
            environ |= {
                f"{name.upper()}_URL": sandbox.url(name)
                for name in (each.partition("=")[0] for each in twins)
            }
            if "charles" in twins:
                sandbox.twin("charles").configure({"erasure_delay": 0.0})
            here = People(folder / "syncengine.yaml", connection, sandbox, environ, {})
            here.configure_engine(**_ENGINE)
            for name, keys in destinations.items():
                here.configure(name, **keys)
            yield here
    finally:
        await connection.close()


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.write_text(yaml.safe_dump(dict(content), sort_keys=False), encoding="utf-8")
