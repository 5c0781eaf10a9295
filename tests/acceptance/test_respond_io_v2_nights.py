"""respond.io v2 over whole nights.

With every kind of column, the queue of new contacts, and contacts from before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncengine.config.loading import load_config
from syncengine.sandbox.server import serve
from syncengine.sandbox.twins.twin import Seed
from tests.support.demo_project import TOKEN, World

NAME = "respond"
_TABLE = """
CREATE TABLE people (
    id bigint PRIMARY KEY, first text, last text, phone text, email text, lang text,
    country text, stage text, plan text, visits integer, score numeric,
    ratio double precision, vip boolean, born date, seen timestamptz,
    tags text[]
);
INSERT INTO people
SELECT n, 'Žofia ' || n, NULL, '0151 112233' || lpad(n::text, 2, '0'),
       'Ilse.' || n || '@Example.org', 'de', 'de',
       CASE WHEN n % 2 = 0 THEN 'Lead' END, 'gold', n, n + 0.25, 0.1 * n, n % 2 = 0,
       date '1990-03-01' + n,
       timestamptz '2025-03-02 08:15+01' + n * interval '1 day', ARRAY['a', 'b' || n]
FROM generate_series(1, 12) AS n
"""
_CUSTOM = ("plan", "visits", "score", "ratio", "vip", "born", "seen")


def _destination(url: str, attempts: int) -> dict[str, Any]:
    return {
        "vendor": "respond_io_v2",
        "settings": {
            "base_url": f"{url}/v2",
            "token": "${TOKEN}",
            "settles_within": "1s",
        },
        "limits": [],
        "attempts": attempts,
        "match_on": ["custom_fields.crm_id", "phone"],
        "fields": {
            "custom_fields.crm_id": "id",
            "firstName": "first",
            "lastName": "last",
            "phone": {"from": "phone", "as": "e164", "region": "DE"},
            "email": "email",
            "language": "lang",
            "countryCode": "country",
            "lifecycle": "stage",
            **{f"custom_fields.{name}": name for name in _CUSTOM},
        },
        "tags": {"from": "tags", "prefix": "crm:"},
        "on_null": "clear",
        "on_removed": "delete",
        "brakes": {"removals": {"share": 1, "at_least": 100}},
    }


@asynccontextmanager
async def _workspace(
    dsn: str, folder: Path, *, attempts: int = 4, **switches: Any
) -> AsyncIterator[World]:
    async with serve([f"{NAME}=respond_io_v2"]) as sandbox:
        sandbox.twin(NAME).configure(switches)
        (folder / "destinations").mkdir()
        file = folder / "syncengine.yaml"
        file.write_text(
            yaml.safe_dump(
                {"database": dsn, "source": {"table": "people", "key": "id"}}
            )
        )
        (folder / "destinations" / f"{NAME}.yaml").write_text(
            yaml.safe_dump(_destination(sandbox.url(NAME), attempts))
        )
        environ = {"TOKEN": TOKEN}
        yield World(load_config(file, environ), file, dsn, sandbox, environ)


async def _do(world: World, sql: str) -> None:
    async with world.database() as connection:
        await connection.execute(sql)


def _contacts(world: World) -> list[dict[str, Any]]:
    return world.sandbox.contacts(NAME)


async def _nights(world: World) -> tuple[Any, Any]:
    """Run, and run once more on the same data."""
    return (await world.run())[NAME], (await world.run())[NAME]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"shows_plus": False, "email_case": "lower"},
        {
            "custom_shown": "typed",
            "filter_case": "ignore",
            "upsert_empty_body": True,
            "upsert_match": "any",
        },
    ],
    ids=["as it comes", "reformats", "typed, tells no id"],
)
async def test_every_kind_of_column_is_written_once(
    database: str, tmp_path: Path, switches: dict[str, Any]
) -> None:
    async with _workspace(database, tmp_path, **switches) as world:
        await _do(world, _TABLE)
        first, again = await _nights(world)
        assert (first.status, first.contacts["applied"]) == ("done", 12)
        assert again.requests == 0
        await _do(
            world,
            "UPDATE people SET last = 'Brandt', email = NULL, stage = 'Won', "
            "visits = visits + 1, vip = NOT vip, seen = NULL, tags = ARRAY['c'] "
            "WHERE id <= 3",
        )
        changed, again = await _nights(world)
        assert changed.contacts["applied"] == 3
        assert changed.actions == {
            "update": 3,
            "set_lifecycle": 3,
            "add_tags": 3,
            "remove_tags": 3,
        }
        assert again.requests == 0
        held = {
            str(contact["fields"]["custom_fields.crm_id"]): contact
            for contact in _contacts(world)
        }
        assert len(held) == 12
        one = held["1"]
        assert set(one["tags"]) == {"crm:c"}
        assert "email" not in one["fields"]
        assert "custom_fields.seen" not in one["fields"]
        assert (one["fields"]["lastName"], one["fields"]["lifecycle"]) == (
            "Brandt",
            "Won",
        )
        await _do(
            world,
            "UPDATE people SET stage = NULL WHERE id = 1; "
            "DELETE FROM people WHERE id = 2",
        )
        removed, again = await _nights(world)
        assert removed.actions == {"set_lifecycle": 1, "delete": 1}
        assert again.requests == 0
        assert len(_contacts(world)) == 11


@pytest.mark.asyncio
async def test_who_is_there_already_is_met_and_not_made_again(
    database: str, tmp_path: Path
) -> None:
    async with _workspace(database, tmp_path, shows_plus=False) as world:
        await _do(world, _TABLE)
        there = {"firstName": "Somebody", "phone": "+4915111223301"}
        (external_id,) = world.sandbox.twin(NAME).seed([Seed(there, ("theirs",))], 0.0)
        first, again = await _nights(world)
        assert first.contacts["applied"] == 12
        assert first.actions["upsert"] == 11
        assert again.requests == 0
        contacts = {contact["id"]: contact for contact in _contacts(world)}
        assert len(contacts) == 12
        assert set(contacts[external_id]["tags"]) == {"theirs", "crm:a", "crm:b1"}
        assert contacts[external_id]["fields"]["firstName"] == "Žofia 1"


@pytest.mark.asyncio
async def test_what_follows_a_create_waits_for_the_queue_and_not_for_the_next_night(
    database: str, tmp_path: Path
) -> None:
    async with _workspace(database, tmp_path, attempts=1, queue_delay=0.9) as world:
        await _do(world, _TABLE)
        first, again = await _nights(world)
        assert (
            first.status,
            first.contacts["applied"],
            first.contacts["deferred"],
        ) == ("done", 12, 0)
        assert again.requests == 0
        contacts = _contacts(world)
        assert [len(contact["tags"]) for contact in contacts] == [2] * 12
        assert sum("lifecycle" in contact["fields"] for contact in contacts) == 6
        refused = [
            entry for entry in world.sandbox.journal(NAME).log if entry.status == 449
        ]
        assert len(refused) <= 12, (
            "each is tried once, and once more when the queue is through"
        )
