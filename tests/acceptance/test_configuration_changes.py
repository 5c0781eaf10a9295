"""One change in a destination's file between two runs.

Each cell of the table says what is sent for it, what the vendor holds afterwards, and
which cause the plan names. The next run sends nothing.
"""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from syncengine.model.plans import PlanReport
from syncengine.model.reports import RunReport
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
"""Contacts with a plan. Contact 5 had one, and the vendor still has it."""
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
    """A vendor's names of fields, and the requests that its calls need."""

    file: dict[str, Any]
    name: str
    plan: str
    other: str | None
    """A field that is not mapped yet; None where updates take no other."""
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
        file=CHARLES
        | {
            "fields": {
                "first_name": "name",
                "phone_numbers.main": "phone",
                "custom_properties.plan": "plan",
            }
        },
        name="first_name",
        plan="custom_properties.plan",
        other="last_name",
        cased="custom_properties.Plan",
        match_on=None,
        create=1,
        retag=1,
        untags=False,
        clears=False,
    ),
    "chartmogul": Kind(
        file=CHARTMOGUL
        | {"fields": {**CHARTMOGUL["fields"], "email": "email", "custom.plan": "plan"}},
        name="first_name",
        plan="custom.plan",
        other="last_name",
        cased="custom.Plan",
        match_on={"match_on": "email"},
        create=2,
    ),
    "dm_champ": Kind(
        file=DM_CHAMP
        | {
            "fields": {
                "phoneNumber": "phone",
                "firstName": "name",
                "lastName": "plan",
                "email": "email",
            }
        },
        name="firstName",
        plan="lastName",
        other=None,
        cased=None,
        match_on={"match_on": ["phoneNumber", "email"]},
        create=6,
        retag=2,
        untags=False,
        clears=False,
    ),
    "respond_io": Kind(
        file=RESPOND_IO
        | {
            "fields": {
                "crm_id": "id",
                "firstName": "name",
                "phone": "phone",
                "plan": "plan",
            }
        },
        name="firstName",
        plan="plan",
        other="nick",
        cased="Plan",
        match_on={"match_on": ["phone"]},
        create=3,
        retag=2,
    ),
    "respond_io_v2": Kind(
        file={
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
        name="firstName",
        plan="custom_fields.plan",
        other="lastName",
        cased="custom_fields.Plan",
        match_on={"match_on": "email"},
        create=3,
        retag=2,
    ),
    "whautomate": Kind(
        file={
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
        name="name",
        plan="customFields.plan",
        other="customFields.nick",
        cased="customFields.Plan",
        match_on=None,
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
    """Keys that change in the file; a None removes the key."""
    requests: int = 0
    causes: tuple[tuple[Any, ...], ...] = ()
    """Causes in the plan: cause, its field if it has one, number of contacts."""
    holds: Holds = field(default_factory=dict)
    """Fields and ``tags`` that some contacts have at the vendor afterwards."""
    unsupported: int = 0
    refused: str = ""
    """A part of the message with which plan and run refuse the change."""
    rewrite: Callable[[str], str] | None = None
    """A change of the file's text that leaves its meaning as it is."""
    engine: dict[str, Any] = field(default_factory=dict)
    """Keys that change in the common file."""


def cells(vendor: str) -> Iterator[Cell]:
    kind = KINDS[vendor]
    yield from _of_fields(kind)
    yield from _of_rows(kind)
    yield from _of_no_consequence(kind)
    # Last, since the tags with a prefix stay where the vendor cannot remove tags.
    yield from _of_tags(kind)


def _of_fields(kind: Kind) -> Iterator[Cell]:
    yield from _of_other_fields(kind)
    yield from _of_values(kind)
    yield from _of_missing_values(kind)


def _mapping_changed(name: str, contacts: int) -> tuple[tuple[Any, ...], ...]:
    return (("mapping_changed", name, contacts),)


def _of_other_fields(kind: Kind) -> Iterator[Cell]:
    fields = kind.file["fields"]
    without_plan = {
        name: column for name, column in fields.items() if name != kind.plan
    }
    kept: Holds = {number: {kind.plan: "pro"} for number in (*ON_PLANS, 5)}
    yield Cell("a field is removed", {"fields": without_plan}, holds=kept)
    if kind.other is not None:
        yield Cell(
            "a field is added",
            {"fields": {**fields, kind.other: "company"}},
            requests=6 * kind.update,
            causes=_mapping_changed(kind.other, 6),
            holds={number: {kind.other: f"Company {number}"} for number in EVERYBODY},
        )
        yield Cell(
            "a field is renamed",
            {"fields": {**without_plan, kind.other: "plan"}},
            requests=2 * kind.update,
            causes=_mapping_changed(kind.other, 2),
            holds={**kept, 1: {kind.other: "pro", kind.plan: "pro"}},
        )
    if kind.cased is not None:
        yield Cell(
            "a field is written in another case",
            {"fields": {**without_plan, kind.cased: "plan"}},
            requests=2 * kind.update,
            causes=_mapping_changed(kind.cased, 2),
            holds={1: {kind.cased: "pro", kind.plan: "pro"}},
        )


def _of_values(kind: Kind) -> Iterator[Cell]:
    fields = kind.file["fields"]
    yield Cell(
        "a column is written in another case",
        {"fields": {**fields, kind.name: "Name"}},
        refused=f'fields.{kind.name}.from: column "Name" is not in crm.people',
    )
    yield Cell(
        "a field takes another column",
        {"fields": {**fields, kind.name: "company"}},
        requests=6 * kind.update,
        causes=_mapping_changed(kind.name, 6),
        holds={number: {kind.name: f"Company {number}"} for number in EVERYBODY},
    )
    yield Cell(
        "a value takes another form",
        {"fields": {**fields, kind.name: {"from": "name", "as": "lower"}}},
        requests=6 * kind.update,
        causes=_mapping_changed(kind.name, 6),
        holds={number: {kind.name: f"name {number}"} for number in EVERYBODY},
    )
    yield Cell(
        "a form that changes no value",
        {"fields": {**fields, kind.name: {"from": "name", "as": "text"}}},
        holds={number: {kind.name: f"Name {number}"} for number in EVERYBODY},
    )


def _of_missing_values(kind: Kind) -> Iterator[Cell]:
    # Contact 5 alone is concerned: its row has no plan, and the vendor still has one.
    cleared = Cell(
        "on_null becomes clear", {"on_null": "clear"}, holds={1: {kind.plan: "pro"}}
    )
    if kind.clears:
        causes = (("on_null_changed", 1),)
        yield replace(cleared, requests=kind.update, causes=causes)
    else:
        yield replace(cleared, unsupported=1)
    with_default: Holds = {number: {kind.plan: "free"} for number in WITHOUT_PLAN}
    with_default |= {number: {kind.plan: "pro"} for number in ON_PLANS}
    plan = {"from": "plan", "default": "free"}
    yield Cell(
        "a default is added",
        {"fields": {**kind.file["fields"], kind.plan: plan}},
        requests=4 * kind.update,
        causes=_mapping_changed(kind.plan, 4),
        holds=with_default,
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
    if kind.untags:
        tags, unsupported = ["crm:a"], 0
    else:
        tags, unsupported = ["a", "crm:a"], 6
    yield Cell(
        "a prefix is added to the tags",
        {"tags": {"from": "tags", "prefix": "crm:"}},
        requests=6 * kind.retag,
        causes=(("tags_prefix_changed", 6),),
        holds={number: {"tags": tags} for number in EVERYBODY},
        unsupported=unsupported,
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
    yield Cell("the order of the keys", rewrite=_with_keys_reversed)


def _with_keys_reversed(text: str) -> str:
    """Return the file with its top-level keys in the opposite order."""
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith((" ", "-")):
            blocks[-1].append(line)
        else:
            blocks.append([line])
    return "\n".join("\n".join(block) for block in reversed(blocks))


FULL = ("charles", "respond_io")
"""Vendors at which every change is played.

At the others it is only those for which something is sent.
"""


def played(vendor: str) -> list[Cell]:
    return [
        cell
        for cell in cells(vendor)
        if vendor in FULL or cell.requests or cell.unsupported
    ]


@asynccontextmanager
async def in_step(database: str, folder: Path, vendor: str) -> AsyncIterator[People]:
    """Sync six contacts, and leave two unselected.

    The plan of contact 5 ends after the sync, which sends nothing.
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
        if vendor == "chartmogul":
            # A company is the customer there, and has to exist.
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
            deviations = [found async for found in _deviations(here, cell, vendor)]
            wrong += [f"{cell.name}: {deviation}" for deviation in deviations]
            here.destinations["crm"] = {}
            here.configure("crm", **before)
            here.configure_engine(batch_size=4)
            if cell.requests or cell.holds:
                # Removed contacts are selected again, which has to be accepted.
                restored = await here.run("crm", accept=frozenset({"consent"}))
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
    """Yield every difference from what the cell says."""
    plan = await here.plan("crm")
    before = here.requests(vendor)
    report = await here.run("crm")
    sent = here.requests(vendor) - before
    if cell.refused:
        for deviation in _refused_otherwise(cell, plan, report, sent):
            yield deviation
        return
    for what, is_so, should_be in _compared(cell, plan, report, sent):
        if is_so != should_be:
            yield f"{what}: {is_so!r} instead of {should_be!r}"
    for deviation in _held_otherwise(here, cell, vendor):
        yield deviation
    again = await here.run("crm")
    if (again.requests, again.contacts["changed"], exit_code(again)) != (0, 0, 0):
        yield (
            f"the run after it sends {again.requests} requests, exit code "
            f"{exit_code(again)}"
        )


def _refused_otherwise(
    cell: Cell, plan: PlanReport, report: RunReport, sent: int
) -> Iterator[str]:
    for error in (plan.error, report.error):
        if cell.refused not in (error or ""):
            yield f"is refused with {error!r}"
    if (exit_code(report), sent) != (2, 0):
        yield f"exit code {exit_code(report)} after {sent} requests"


def _held_otherwise(here: People, cell: Cell, vendor: str) -> Iterator[str]:
    contacts = _contacts_there(here, vendor)
    for number, fields in cell.holds.items():
        contact = contacts.get(number, {})
        found = {name: contact.get(name) for name in fields}
        if found != fields:
            yield f"contact {number} has {found} instead of {fields}"


def _compared(
    cell: Cell, plan: PlanReport, report: RunReport, sent: int
) -> Iterator[tuple[str, Any, Any]]:
    causes = tuple(tuple(cause.public().values()) for cause in plan.causes)
    yield "causes", causes, cell.causes
    yield "requests", (sent, report.requests), (cell.requests, cell.requests)
    # A contact that was found would cost less, and finding costs requests of its own:
    # plan says what is sent.
    yield "requests in plan", plan.requests, cell.requests
    yield "contacts in plan", plan.contacts, report.contacts["changed"]
    yield "unsupported", report.contacts["unsupported"], cell.unsupported
    yield "end", (report.status, exit_code(report), report.error), ("done", 0, None)
    remarks = [
        remark
        for remark in report.remarks
        if remark.startswith("the configuration changed")
    ]
    changes = [cause for cause in cell.causes if cause[0].endswith("_changed")]
    if not changes:
        yield "remarks", len(remarks), 0
        return
    yield "remarks", len(remarks), 1
    *_, contacts = changes[0]
    yield "remark", f": {contacts} contact" in remarks[0], True


def _contacts_there(here: People, vendor: str) -> dict[int, dict[str, Any]]:
    """Return the vendor's contacts with their tags, by the last digit of the phone."""
    found: dict[int, dict[str, Any]] = {}
    for contact in here.sandbox.contacts(vendor):
        fields: Any = contact["fields"]
        (phone,) = (value for name, value in fields.items() if name.startswith("phone"))
        if isinstance(phone, list):  # charles keeps several
            phone = phone[0]
        number = int(phone[-1])
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
