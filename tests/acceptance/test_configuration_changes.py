"""One change in a destination's file between two runs.

Each cell of the table says what is sent for it, what the vendor holds afterwards, and
which cause the plan names. The next run sends nothing.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.reports import PlanReport, RunReport
from tests.support.command_process import Command
from tests.support.people_project import (
    CHARLES,
    CHARTMOGUL,
    DM_CHAMP,
    RESPOND_IO,
    People,
    people,
)

EVERYBODY = (1, 2, 3, 4, 5, 6)
NEWCOMERS = (7, 8)
ON_PLANS = (1, 3)
"""Who has a plan. Contact 5 had one, and the vendor still holds it."""
WITHOUT_PLAN = (2, 4, 5, 6)
_COMMON: dict[str, Any] = {
    "limits": [],
    "attempts": 1,
    "tags": {"from": "tags"},
    "where": "id <= 6",
}
_HERE = {"settles_within": "100ms"}
Holds = dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Kind:
    """What a vendor's fields are called, and what its calls cost."""

    file: dict[str, Any]
    name: str
    plan: str
    other: str | None
    """A field that is not mapped yet; None where the vendor has none that updates take."""
    cased: str | None
    """The field of the plan in another case; None where its name is fixed."""
    match_on: dict[str, Any] | None
    """Keys that name other match fields; None where there are none."""
    create: int
    update: int = 1
    retag: int = 0
    """Requests that give a contact one tag for another; 0: the vendor has no tags."""
    untags: bool = True
    clears: bool = True


KINDS = {
    "charles": Kind(
        CHARLES
        | {
            "fields": {
                "first_name": "name",
                "phone_numbers.main": "phone",
                "custom_properties.plan": "plan",
            }
        },
        *(
            "first_name",
            "custom_properties.plan",
            "last_name",
            "custom_properties.Plan",
        ),
        None,
        create=1,
        retag=1,
        untags=False,
        clears=False,
    ),
    "chartmogul": Kind(
        CHARTMOGUL
        | {"fields": {**CHARTMOGUL["fields"], "email": "email", "custom.plan": "plan"}},
        *("first_name", "custom.plan", "last_name", "custom.Plan"),
        {"match_on": "email"},
        create=2,
    ),
    "dm_champ": Kind(
        DM_CHAMP
        | {
            "fields": {
                "phoneNumber": "phone",
                "firstName": "name",
                "lastName": "plan",
                "email": "email",
            }
        },
        *("firstName", "lastName", None, None),
        {"match_on": ["phoneNumber", "email"]},
        create=6,
        retag=2,
        untags=False,
        clears=False,
    ),
    "respond_io": Kind(
        RESPOND_IO
        | {
            "fields": {
                "crm_id": "id",
                "firstName": "name",
                "phone": "phone",
                "plan": "plan",
            }
        },
        *("firstName", "plan", "nick", "Plan"),
        {"match_on": ["phone"]},
        create=3,
        retag=2,
    ),
    "respond_io_v2": Kind(
        {
            "vendor": "respond_io_v2",
            "settings": {
                "base_url": "${RESPOND_IO_V2_URL}",
                "token": "${RESPOND_IO_TOKEN}",
                **_HERE,
            },
            "match_on": ["phone"],
            "fields": {
                "phone": "phone",
                "firstName": "name",
                "email": "email",
                "custom_fields.plan": "plan",
            },
        },
        *("firstName", "custom_fields.plan", "lastName", "custom_fields.Plan"),
        {"match_on": "email"},
        create=3,
        retag=2,
    ),
    "whautomate": Kind(
        {
            "vendor": "whautomate",
            "settings": {
                "base_url": "${WHAUTOMATE_URL}",
                "api_key": "${CHARLES_KEY}",
                "location_id": "5f00aa11bb22cc33dd44ee55",
                **_HERE,
            },
            "match_on": ["phoneNumber"],
            "fields": {
                "phoneNumber": "phone",
                "name": "name",
                "customFields.plan": "plan",
            },
        },
        *("name", "customFields.plan", "customFields.nick", "customFields.Plan"),
        None,
        create=2,
        update=2,
        retag=2,
    ),
}


@dataclass(frozen=True)
class Cell:
    """One change, and everything that follows from it."""

    name: str
    keys: dict[str, Any] = field(default_factory=dict)
    """Keys that change in the file; None takes one out."""
    requests: int = 0
    causes: tuple[tuple[Any, ...], ...] = ()
    """Cause, field where it has one, contacts."""
    holds: Holds = field(default_factory=dict)
    """What the vendor then holds of some contacts, ``tags`` among it."""
    unsupported: int = 0
    refused: str = ""
    rewrite: Callable[[str], str] | None = None
    """How the file's text changes, where its meaning stays."""
    engine: dict[str, Any] = field(default_factory=dict)


def cells(vendor: str) -> Iterator[Cell]:
    kind = KINDS[vendor]
    yield from _of_fields(kind)
    yield from _of_rows(kind)
    yield from _of_no_consequence(kind)
    yield from _of_tags(
        kind
    )  # last: where tags cannot be removed, those with a prefix stay


def _of_fields(kind: Kind) -> Iterator[Cell]:
    fields = kind.file["fields"]
    without_plan = {
        name: column for name, column in fields.items() if name != kind.plan
    }
    kept: Holds = {number: {kind.plan: "pro"} for number in (*ON_PLANS, 5)}

    def mapped(name: str, contacts: int) -> tuple[tuple[Any, ...], ...]:
        return (("mapping_changed", name, contacts),)

    yield Cell("a field is removed", {"fields": without_plan}, holds=kept)
    if kind.other is not None:
        yield Cell(
            "a field is added",
            {"fields": {**fields, kind.other: "company"}},
            requests=6 * kind.update,
            causes=mapped(kind.other, 6),
            holds={number: {kind.other: f"Company {number}"} for number in EVERYBODY},
        )
        yield Cell(
            "a field is renamed",
            {"fields": {**without_plan, kind.other: "plan"}},
            requests=2 * kind.update,
            causes=mapped(kind.other, 2),
            holds={**kept, 1: {kind.other: "pro", kind.plan: "pro"}},
        )
    if kind.cased is not None:
        yield Cell(
            "a field is written in another case",
            {"fields": {**without_plan, kind.cased: "plan"}},
            requests=2 * kind.update,
            causes=mapped(kind.cased, 2),
            holds={1: {kind.cased: "pro", kind.plan: "pro"}},
        )
    yield Cell(
        "a column is written in another case",
        {"fields": {**fields, kind.name: "Name"}},
        refused=f'fields.{kind.name}.from: column "Name" is not in crm.people',
    )
    yield Cell(
        "a field takes another column",
        {"fields": {**fields, kind.name: "company"}},
        requests=6 * kind.update,
        causes=mapped(kind.name, 6),
        holds={number: {kind.name: f"Company {number}"} for number in EVERYBODY},
    )
    yield Cell(
        "a value takes another form",
        {"fields": {**fields, kind.name: {"from": "name", "as": "lower"}}},
        requests=6 * kind.update,
        causes=mapped(kind.name, 6),
        holds={number: {kind.name: f"name {number}"} for number in EVERYBODY},
    )
    yield Cell(
        "a form that changes no value",
        {"fields": {**fields, kind.name: {"from": "name", "as": "text"}}},
        holds={number: {kind.name: f"Name {number}"} for number in EVERYBODY},
    )
    cleared = (
        {"requests": kind.update, "causes": (("on_null_changed", 1),)}
        if kind.clears
        else {"unsupported": 1}
    )
    yield Cell(
        "on_null becomes clear",
        {"on_null": "clear"},
        holds={1: {kind.plan: "pro"}},
        **cleared,
    )
    yield Cell(
        "a default is added",
        {"fields": {**fields, kind.plan: {"from": "plan", "default": "free"}}},
        requests=4 * kind.update,
        causes=mapped(kind.plan, 4),
        holds={
            number: {kind.plan: "pro" if number in ON_PLANS else "free"}
            for number in EVERYBODY
        },
    )


def _of_rows(kind: Kind) -> Iterator[Cell]:
    yield Cell(
        "where is narrowed",
        {"where": "id <= 4"},
        holds={number: {} for number in EVERYBODY},
    )
    yield Cell(
        "where is widened",
        {"where": "id <= 8"},
        requests=2 * kind.create,
        causes=(("new", 2),),
        holds={
            number: {kind.name: f"Name {number}"} for number in (*EVERYBODY, *NEWCOMERS)
        },
    )
    yield Cell("where says the same in other words", {"where": "id < 7"})
    for policy in ("untag", "delete"):
        yield Cell(
            f"on_removed becomes {policy}, and nobody left", {"on_removed": policy}
        )
    if kind.match_on is not None:
        yield Cell("other match fields", kind.match_on)


def _of_tags(kind: Kind) -> Iterator[Cell]:
    if not kind.retag:
        return
    yield Cell(
        "the same tags from another kind of column",
        {"tags": {"columns": {"a": "opted_in"}}},
    )
    yield Cell(
        "a prefix is added to the tags",
        {"tags": {"from": "tags", "prefix": "crm:"}},
        requests=6 * kind.retag,
        causes=(("tags_prefix_changed", 6),),
        holds={
            number: {"tags": ["crm:a"] if kind.untags else ["a", "crm:a"]}
            for number in EVERYBODY
        },
        unsupported=0 if kind.untags else 6,
    )


def _of_no_consequence(kind: Kind) -> Iterator[Cell]:
    fields = kind.file["fields"]
    same: dict[str, dict[str, Any]] = {
        "find_first": {"find_first": False},
        "limits": {"limits": [{"calls": 1000, "per": "1s"}]},
        "in_flight": {"in_flight": 2},
        "attempts": {"attempts": 3},
        "timeout": {"timeout": "10s", "max_wait": "1m"},
        "brakes": {"brakes": {"removals": {"share": 0.5}}},
        "the order of the fields": {"fields": dict(reversed(fields.items()))},
        "a field with its defaults spelled out": {
            "fields": {**fields, kind.name: {"from": "name", "on_invalid": "reject"}}
        },
    }
    for name, keys in same.items():
        yield Cell(name, keys)
    yield Cell("batch_size", engine={"batch_size": 2})
    yield Cell(
        "a comment", rewrite=lambda text: f"# Asked for in May.\n\n{text}  # the end\n"
    )
    yield Cell(
        "keys that are not read",
        rewrite=lambda text: f"x-note: {{any: [thing]}}\n{text}",
    )
    yield Cell("the order of the keys", rewrite=lambda text: "\n".join(_turned(text)))


def _turned(text: str) -> list[str]:
    """The file's top-level keys in the opposite order."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith((" ", "-")):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return [line for block in reversed(blocks) for line in block]


FULL = ("charles", "respond_io")
"""Vendors at which every change is played; at the others, those for which something is sent."""


def played(vendor: str) -> list[Cell]:
    return [
        cell
        for cell in cells(vendor)
        if vendor in FULL or cell.requests or cell.unsupported
    ]


@asynccontextmanager
async def in_step(database: str, folder: Path, vendor: str) -> AsyncIterator[People]:
    """Six contacts that the vendor has, two that are not selected, and one whose plan
    ended.
    """
    file = {**KINDS[vendor].file, **_COMMON}
    if not KINDS[vendor].retag:
        del file["tags"]
    async with people(database, folder, {"crm": file}, twins=(vendor,)) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD COLUMN email text, ADD COLUMN plan text"
        )
        await here.add((*EVERYBODY, *NEWCOMERS), tags=["a"])
        await here.source.execute(
            "UPDATE crm.people SET company = 'Company ' || id, "
            "email = 'p' || id || '@x.example'"
        )
        await here.source.execute(
            "UPDATE crm.people SET plan = 'pro' WHERE id IN (1, 3, 5)"
        )
        if vendor == "chartmogul":  # its company is the customer, which has to exist
            here.configure(
                "crm",
                fields={
                    **file["fields"],
                    "customer_uuid": {"from": "customer", "default": CUSTOMER},
                },
            )
            await here.source.execute("ALTER TABLE crm.people ADD COLUMN customer text")
        assert (await here.run("crm")).contacts["applied"] == 6
        await here.source.execute("UPDATE crm.people SET plan = NULL WHERE id = 5")
        assert (await here.run("crm")).requests == 0
        yield here


CUSTOMER = CHARTMOGUL["fields"]["customer_uuid"]["default"]


@pytest.mark.asyncio
@pytest.mark.parametrize("vendor", KINDS)
async def test_a_single_change_has_the_consequences_it_should_have_and_no_others(
    database: str, tmp_path: Path, vendor: str
) -> None:
    wrong: list[str] = []
    async with in_step(database, tmp_path, vendor) as here:
        before = copy.deepcopy(here.destinations["crm"])
        for cell in played(vendor):
            _apply(here, cell, before)
            wrong += [
                f"{cell.name}: {what}" async for what in _deviations(here, cell, vendor)
            ]
            here.destinations["crm"] = {}
            here.configure("crm", **before)
            here.configure_engine(batch_size=4)
            if cell.requests or cell.holds:
                restored = await here.run(
                    "crm", accept=frozenset({"consent"})
                )  # who had left is selected again
                assert restored.status == "done", f"{cell.name}: {restored.error}"
    assert not wrong, "\n".join(wrong)


def _apply(here: People, cell: Cell, before: dict[str, Any]) -> None:
    keys = copy.deepcopy(cell.keys)
    fixed = before["fields"].get("customer_uuid")
    if "fields" in keys and fixed is not None:
        keys["fields"]["customer_uuid"] = fixed
    here.configure("crm", **keys)
    if cell.engine:
        here.configure_engine(**cell.engine)
    if cell.rewrite is not None:
        file = here.destination_file("crm")
        file.write_text(
            cell.rewrite(file.read_text(encoding="utf-8")), encoding="utf-8"
        )


async def _deviations(here: People, cell: Cell, vendor: str) -> AsyncIterator[str]:
    """What is otherwise than the cell says."""
    plan, sent = await here.plan("crm"), here.requests(vendor)
    report = await here.run("crm")
    sent = here.requests(vendor) - sent
    if cell.refused:
        for said in (plan.error, report.error):
            if cell.refused not in (said or ""):
                yield f"is refused with {said!r}"
        if (exit_code(report), sent) != (2, 0):
            yield f"exit code {exit_code(report)} after {sent} requests"
        return
    for what, is_so, should_be in _compared(cell, plan, report, sent):
        if is_so != should_be:
            yield f"{what}: {is_so!r} instead of {should_be!r}"
    for number, fields in cell.holds.items():
        held = _held(here, vendor).get(number, {})
        if found := {
            name: held.get(name)
            for name, value in fields.items()
            if held.get(name) != value
        }:
            yield f"contact {number} holds {found}"
    again = await here.run("crm")
    if (again.requests, again.contacts["changed"], exit_code(again)) != (0, 0, 0):
        yield (
            f"the run after it sends {again.requests} requests, exit code "
            f"{exit_code(again)}"
        )


def _compared(
    cell: Cell, plan: PlanReport, report: RunReport, sent: int
) -> Iterator[tuple[str, Any, Any]]:
    told = tuple(tuple(each.public().values()) for each in plan.causes)
    yield "causes", told, cell.causes
    yield "requests", (sent, report.requests), (cell.requests, cell.requests)
    # A contact that was found would cost less, and finding costs requests of its own:
    # plan says what is sent.
    yield "requests in plan", plan.requests, cell.requests
    yield "contacts in plan", plan.contacts, report.contacts["changed"]
    yield "unsupported", report.contacts["unsupported"], cell.unsupported
    yield "end", (report.status, exit_code(report), report.error), ("done", 0, None)
    said = [
        remark
        for remark in report.remarks
        if remark.startswith("the configuration changed")
    ]
    by_configuration = [each for each in cell.causes if each[0].endswith("_changed")]
    yield "remarks", len(said), 1 if by_configuration else 0
    if by_configuration:
        yield "remark", f": {by_configuration[0][-1]} contact" in said[0], True


def _held(here: People, vendor: str) -> dict[int, dict[str, Any]]:
    """The vendor's contacts by the last digit of their phones, with their tags."""
    found: dict[int, dict[str, Any]] = {}
    for contact in here.sandbox.contacts(vendor):
        fields: Any = contact["fields"]
        phone = next(
            value for name, value in fields.items() if name.startswith("phone")
        )
        number = int((phone[0] if isinstance(phone, list) else phone)[-1])
        assert number not in found, f"contact {number} is there twice"
        found[number] = {**fields, "tags": contact["tags"]}
    return found


@pytest.mark.asyncio
async def test_migrate_needs_no_destination(
    empty_database: str, tmp_path: Path
) -> None:
    file = tmp_path / "syncengine.yaml"
    file.write_text("database: ${STATE}\n", encoding="utf-8")
    command = Command(
        ("--config", str(file), "migrate"),
        {"STATE": empty_database},
        tmp_path / "output",
    )
    assert await command.ended() == 0, command.said()
    assert "applied 0001_state.sql" in command.said()
