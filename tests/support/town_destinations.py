"""A town's destinations: their configuration files, their twins, and what those hold."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from syncengine.config.loading import load_config
from syncengine.sandbox.server import Sandbox, serve
from syncengine.sandbox.twins.twin import Seed
from tests.support.demo_project import KEY, TOKEN, World
from tests.support.town_charles import Charles
from tests.support.town_nights import COLUMNS, ByHand
from tests.support.town_oracle import Contents, Held, Ways
from tests.support.town_respond_io import RespondIo


def destination(ways: Ways, url: str) -> dict[str, Any]:
    """A destination's file."""
    names = RespondIo.NAMES if ways.vendor == "respond_io" else Charles.NAMES
    rest = "" if ways.vendor == "respond_io" else "custom_properties."
    fields: dict[str, Any] = {
        names.get(column, rest + column): column
        for column in COLUMNS
        if column != "tags"
    }
    fields[names.get("phone", "phone")] = {
        "from": "phone",
        "as": "e164",
        "region": "DE",
    }
    if "email" in ways.match_on:
        fields["email"] = {"from": "email", "as": "lower"}
    secret = (
        {"token": "${TOKEN}"}
        if ways.vendor == "respond_io"
        else {"api_key": "${KEY}", "source_type": "town"}
    )
    return {
        "vendor": ways.vendor,
        "settings": {"base_url": url, "settles_within": "1s", **secret},
        "limits": [],
        "match_on": [names.get(column, column) for column in ways.match_on],
        "fields": fields,
        "tags": {"from": "tags", "prefix": ways.prefix},
        "find_first": ways.find_first,
        "on_null": "clear" if ways.clears else "skip",
        "on_removed": ways.on_removed,
    }


@asynccontextmanager
async def town(
    dsn: str, folder: Path, ways: Sequence[Ways], batch_size: int
) -> AsyncIterator[World]:
    """Serve a twin for each destination and configure them all."""
    async with serve([f"{each.name}={each.vendor}" for each in ways]) as sandbox:
        (folder / "destinations").mkdir(parents=True)
        file = folder / "syncengine.yaml"
        source = {"table": "people", "key": "id"}
        file.write_text(
            yaml.safe_dump(
                {"database": dsn, "source": source, "batch_size": batch_size}
            ),
            encoding="utf-8",
        )
        for each in ways:
            text = yaml.safe_dump(destination(each, sandbox.url(each.name)))
            (folder / "destinations" / f"{each.name}.yaml").write_text(
                text, encoding="utf-8"
            )
            if each.vendor == "charles":
                sandbox.twin(each.name).configure({"erasure_delay": 0.0})
        environ = {"TOKEN": TOKEN, "KEY": KEY}
        yield World(load_config(file, environ), file, dsn, sandbox, environ)


def put_by_hand(sandbox: Sandbox, name: str, contacts: Sequence[ByHand]) -> None:
    """Put contacts into a twin past its API."""
    sandbox.twin(name).seed(
        [Seed(dict(each.fields), each.tags) for each in contacts], 0.0
    )


def contents(sandbox: Sandbox, name: str, owners: Mapping[str, int]) -> Contents:
    """What a twin holds; ``owners`` says which contact an external id belongs to."""
    ours: dict[int, Held] = {}
    others: list[Held] = []
    for contact in sandbox.contacts(name):
        fields: Any = contact["fields"]
        tags: Any = contact["tags"]
        held = (
            {field: value for field, value in fields.items() if value != ""},
            set(tags),
        )
        if (owner := owners.get(str(contact["id"]))) is None:
            others.append(held)
        else:
            ours[owner] = held
    return ours, others


def differences(found: Contents, wanted: Contents) -> dict[str, Any]:
    """Where the two differ, field by field; empty when they do not."""
    different: dict[str, Any] = {}
    for each in found[0].keys() | wanted[0].keys():
        mine, yours = found[0].get(each, ({}, set())), wanted[0].get(each, ({}, set()))
        names = sorted(
            name
            for name in mine[0].keys() | yours[0].keys()
            if mine[0].get(name) != yours[0].get(name)
        )
        fields = {name: (mine[0].get(name), yours[0].get(name)) for name in names}
        if fields or mine[1] != yours[1] or (each in found[0]) != (each in wanted[0]):
            different[f"contact {each}"] = (
                fields,
                mine[1] - yours[1],
                yours[1] - mine[1],
            )
    extra = [each for each in found[1] if each not in wanted[1]]
    missing = [each for each in wanted[1] if each not in found[1]]
    if extra or missing or len(found[1]) != len(wanted[1]):
        different["others"] = extra, missing
    return different
