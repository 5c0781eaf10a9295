"""Destinations of a town: configuration files, twins, and the twins' contents."""

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
from tests.support.town_oracle import Contents, RemoteContent, Ways
from tests.support.town_respond_io import RespondIo


def destination(ways: Ways, url: str) -> dict[str, Any]:
    """Return the content of a destination's file."""
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
    if ways.vendor == "respond_io":
        secret = {"token": "${TOKEN}"}
    else:
        secret = {"api_key": "${KEY}", "source_type": "town"}
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
    """Return what a twin holds. ``owners``: the contact of each external id."""
    ours: dict[int, RemoteContent] = {}
    others: list[RemoteContent] = []
    for contact in sandbox.contacts(name):
        fields: Any = contact["fields"]
        tags: Any = contact["tags"]
        filled = {name: value for name, value in fields.items() if value != ""}
        content = (filled, set(tags))
        owner = owners.get(str(contact["id"]))
        if owner is None:
            others.append(content)
        else:
            ours[owner] = content
    return ours, others


def differences(found: Contents, wanted: Contents) -> dict[str, Any]:
    """Return where two contents differ, field by field; empty when they do not."""
    (found_ours, found_others), (wanted_ours, wanted_others) = found, wanted
    different: dict[str, Any] = {}
    nothing: RemoteContent = ({}, set())
    for each in found_ours.keys() | wanted_ours.keys():
        fields, tags = found_ours.get(each, nothing)
        wanted_fields, wanted_tags = wanted_ours.get(each, nothing)
        values = {
            name: (fields.get(name), wanted_fields.get(name))
            for name in sorted(fields.keys() | wanted_fields.keys())
            if fields.get(name) != wanted_fields.get(name)
        }
        is_on_one_side = (each in found_ours) != (each in wanted_ours)
        if values or tags != wanted_tags or is_on_one_side:
            too_many, missing_tags = tags - wanted_tags, wanted_tags - tags
            different[f"contact {each}"] = (values, too_many, missing_tags)
    extra = [each for each in found_others if each not in wanted_others]
    missing = [each for each in wanted_others if each not in found_others]
    if extra or missing or len(found_others) != len(wanted_others):
        different["others"] = extra, missing
    return different
