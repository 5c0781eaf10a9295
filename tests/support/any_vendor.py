"""A table of contacts, and any vendor's destination for it, to run the whole engine.

The destination is worked out from the vendor's capabilities.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import yaml

from syncengine import app
from syncengine.config.loading import load_config
from syncengine.config.project import Config
from syncengine.model.contact import Remote
from syncengine.model.plans import PlanReport
from syncengine.model.reports import RunReport
from syncengine.sandbox.server import Sandbox, serve
from syncengine.sandbox.twins.screen import Screen
from syncengine.testing.vendors_under_test import secrets
from tests.simulation.pair import Pair, contact_id, pairs
from tests.support.command_process import Command
from tests.support.vendors.subjects import derived_settings


@dataclass
class Anyone:
    """The table, the file of its only destination, and the vendor that holds copies."""

    pair: Pair
    file: Path
    source: asyncpg.Connection[asyncpg.Record]
    sandbox: Sandbox
    environ: dict[str, str]
    keys: dict[str, Any]
    _commands: int = 0

    @property
    def name(self) -> str:
        """The vendor, the twin and the destination."""
        return self.pair.subject.spec.name

    @property
    def config(self) -> Config:
        return load_config(self.file, self.environ)

    @property
    def screen(self) -> Screen:
        """The vendor's own screen now."""
        return self.sandbox.twin(self.name).screen(time.time())

    def configure(self, **keys: Any) -> None:
        """Top-level keys of the destination's file; None takes a key out."""
        known = {**self.keys, **keys}
        self.keys = {key: value for key, value in known.items() if value is not None}
        file = self.file.parent / "destinations" / f"{self.name}.yaml"
        file.write_text(yaml.safe_dump(self.keys, sort_keys=False), encoding="utf-8")

    async def put(
        self,
        contact: int,
        key: int,
        values: tuple[int, ...] = (1, 1),
        tags: Sequence[str] = (),
    ) -> None:
        """Add a contact, or change its row. Numbers choose the sample values."""
        row = self.pair.row(contact, key, values, tuple(tags))
        statement = (
            "INSERT INTO crm.anyone VALUES ($1, $2) ON CONFLICT (id) DO UPDATE "
            "SET row = excluded.row"
        )
        await self.source.execute(statement, contact_id(contact), json.dumps(row))

    async def take_out(self, contact: int) -> None:
        await self.source.execute(
            "DELETE FROM crm.anyone WHERE id = $1", contact_id(contact)
        )

    async def run(self, **options: Any) -> RunReport:
        (report,) = await app.run(self.config, (self.name,), app.RunRequest(**options))
        return report

    async def plan(self, **options: Any) -> PlanReport:
        (report,) = await app.plan(self.config, (self.name,), app.RunRequest(**options))
        return report

    async def command(self, *arguments: str) -> tuple[int, str]:
        """``syncengine ARGUMENTS``: its exit code, and everything it printed."""
        self._commands += 1
        output = self.file.parent / f"output-{self._commands}"
        command = Command(
            ("--config", str(self.file), *arguments),
            {**self.environ, "TERM": "dumb"},
            output,
        )
        return await command.ended(), command.said()

    async def states(self) -> dict[str, asyncpg.Record]:
        rows = await self.source.fetch("SELECT * FROM syncengine.sync_state")
        return {row["contact_id"]: row for row in rows}

    async def external_id(self, contact: int) -> str:
        """The vendor's id of a contact, as written down."""
        states = await self.states()
        return str(states[contact_id(contact)]["external_id"])

    def held(self) -> dict[str, Remote]:
        """The vendor's contacts by their ids."""
        return {
            str(each["id"]): _remote(each) for each in self.sandbox.contacts(self.name)
        }

    def copies(self, contact: int) -> list[Remote]:
        """The vendor's contacts that hold the mark of a contact."""
        mark = contact_id(contact)
        return [
            remote
            for remote in self.held().values()
            if remote.fields.get(self.pair.mark) == mark
        ]

    def requests(self) -> int:
        return self.sandbox.journal(self.name).total


def _remote(contact: Mapping[str, Any]) -> Remote:
    return Remote(str(contact["id"]), contact["fields"], frozenset(contact["tags"]))


def names_of(vendor: str) -> Sequence[str]:
    """A vendor as it comes, and its variants."""
    return [each.name for each in pairs(vendor)]


@asynccontextmanager
async def anyone(
    dsn: str, folder: Path, pair: Pair, **keys: Any
) -> AsyncIterator[Anyone]:
    """An empty table in a migrated database, and an empty vendor."""
    module = pair.subject.spec
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "CREATE SCHEMA crm; CREATE TABLE crm.anyone (id text PRIMARY "
            "KEY, row jsonb NOT NULL)"
        )
        async with serve([module.name]) as sandbox:
            twin = sandbox.twin(module.name)
            switches = dict(pair.subject.switches)
            if hasattr(twin.switches, "erasure_delay"):
                switches["erasure_delay"] = 0.0
            twin.configure(switches)
            (folder / "destinations").mkdir(parents=True)
            file = folder / "syncengine.yaml"
            source = {"query": _query(pair), "key": "id"}
            file.write_text(
                yaml.safe_dump({"database": dsn, "source": source}), encoding="utf-8"
            )
            environ = {
                f"SANDBOX_{name.upper()}": value
                for name, value in secrets(module).items()
            }
            here = Anyone(pair, file, connection, sandbox, environ, {})
            here.configure(**_destination(pair, sandbox.url(module.name)) | keys)
            yield here
    finally:
        await connection.close()


def _query(pair: Pair) -> str:
    """Return the query that the mapping reads.

    Its columns are named after the fields.
    """
    columns = [
        f"row->>'{name}' AS \"{name}\"" for name in pair.columns if name != "tags"
    ]
    tags = "ARRAY(SELECT jsonb_array_elements_text(row->'tags')) AS tags"
    return f"SELECT id, {', '.join(columns)}, {tags} FROM crm.anyone"


def _destination(pair: Pair, url: str) -> dict[str, Any]:
    module = pair.subject.spec
    secret = {name: f"${{SANDBOX_{name.upper()}}}" for name in secrets(module)}
    settings = {
        **derived_settings(module),
        **pair.subject.settings,
        **secret,
        "base_url": url,
    }
    settings |= {"settles_within": 0.1}
    names = [name for name in pair.columns if name != "tags"]
    keyed = {"match_on": [pair.key]} if pair.key else {}
    writes = filter(None, (pair.capabilities.create, pair.capabilities.upsert))
    takes_tags = pair.capabilities.add_tags is not None or any(
        write.add_tags != 0 for write in writes
    )
    return {
        "vendor": module.name,
        "settings": settings,
        "limits": [],
        "attempts": 1,
        "on_null": "clear",
        "fields": {name: name for name in names},
        **({"tags": {"from": "tags"}} if takes_tags else {}),
        **keyed,
    }
