"""A changed file alone sends nothing to contacts that opted out.

That has to be accepted by a name of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncengine.cli.exits import exit_code
from tests.support.people_project import RESPOND_IO, People, people

NAME = "respond_io"
FLAG = {
    **RESPOND_IO,
    "source": {"query": "SELECT p.*, NOT opted_in AS no FROM crm.people AS p"},
    "opted_out": "no",
}
OPT_IN = {**RESPOND_IO, "where": "opted_in"}
QUERY = {**RESPOND_IO, "source": {"query": "SELECT * FROM crm.people WHERE opted_in"}}
WITHOUT = {"query": "SELECT * FROM crm.people"}
LOOSENED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "opted_out removed": (
        FLAG,
        {"opted_out": None},
        'opted_out named the column "no" and now names none',
    ),
    "where removed": (OPT_IN, {"where": None}, "opted_in is no longer asked for"),
    "where made an alternative": (
        OPT_IN,
        {"where": "opted_in OR id > 0"},
        "the condition on opted_in changed",
    ),
    "condition of the query removed": (
        QUERY,
        {"source": WITHOUT},
        "opted_in is no longer asked for",
    ),
}
HARMLESS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "opted_out added": ({**FLAG, "opted_out": None}, {"opted_out": "no"}),
    "where added": (RESPOND_IO, {"where": "opted_in"}),
    "where spelled out": (OPT_IN, {"where": "opted_in IS TRUE"}),
    "where with a further condition": (OPT_IN, {"where": "opted_in AND id > 0"}),
    "another condition widened": (
        {**RESPOND_IO, "where": "opted_in AND id < 9"},
        {"where": "opted_in AND id < 10"},
    ),
}
ACCEPTED = frozenset({"consent", "source", "shrunk_source"})


async def _said_no(here: People) -> None:
    """Set up ten people: 9 and 10 never agreed, 8 opted out after the first night."""
    await here.add(range(1, 11))
    await here.source.execute("UPDATE crm.people SET opted_in = id < 9")
    await here.run(NAME)
    await here.change(8, opted_in=False)
    await here.run(NAME)


@pytest.mark.asyncio
@pytest.mark.parametrize("change", LOOSENED)
async def test_loosening_wants_its_own_word(
    database: str, tmp_path: Path, change: str
) -> None:
    settings, keys, told = LOOSENED[change]
    async with people(database, tmp_path, {NAME: settings}) as here:
        await _said_no(here)
        sent = here.requests(NAME)
        await here.change(8, name="Changed")
        await here.change(1, name="Changed")
        here.configure(NAME, **keys)
        others = ACCEPTED - {"consent"}
        narrowed: tuple[dict[str, Any], ...] = ({}, {"contacts": ("8",)}, {"limit": 3})
        for options in narrowed:
            plan, report = (
                await here.plan(NAME, accept=others, **options),
                await here.run(NAME, accept=others, **options),
            )
            for said in (plan.brake, report.error):
                assert said is not None
                assert f"brake consent: {told}" in said
                assert "--accept consent" in said
            assert (report.status, exit_code(report)) == ("refused", 2)
        assert "concerns 3 contacts that" in str(
            (await here.run(NAME, accept=others)).error
        )
        assert here.requests(NAME) == sent
        assert here.held(NAME)[8]["fields"]["firstName"] == "Name 8"

        report = await here.run(NAME, accept=ACCEPTED)
        assert exit_code(report) == 0, report.error
        assert here.held(NAME).keys() == set(range(1, 11))
        await here.change(9, name="Again")
        assert (await here.run(NAME)).actions == {"update": 1}, (
            "accepted once and for all"
        )


@pytest.mark.asyncio
@pytest.mark.parametrize("change", HARMLESS)
async def test_tightening_and_other_changes_want_nothing(
    database: str, tmp_path: Path, change: str
) -> None:
    settings, keys = HARMLESS[change]
    async with people(database, tmp_path, {NAME: settings}) as here:
        await _said_no(here)
        here.configure(NAME, **keys)
        report = await here.run(NAME, accept=frozenset({"shrunk_source"}))
        assert (report.status, exit_code(report)) == ("done", 0), report.error


@pytest.mark.asyncio
async def test_a_named_contact_does_not_loosen_the_rules_for_all(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: OPT_IN}) as here:
        await _said_no(here)
        here.configure(NAME, where=None)
        report = await here.run(NAME, contacts=("9",), accept=frozenset({"consent"}))
        assert report.actions == {"create": 1}
        assert "brake consent" in str((await here.run(NAME)).error)


@pytest.mark.asyncio
async def test_removed_contacts_are_not_brought_back_by_a_wider_where(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "where": "id < 5"}}
    ) as here:
        await here.add(range(1, 11))
        await here.run(NAME)
        here.configure(NAME, where="id < 4")
        await here.run(NAME)
        here.configure(NAME, where="id < 4 OR id > 5")
        assert (await here.run(NAME)).actions == {"create": 5}, "these were never known"
        here.configure(NAME, where="id < 20")
        report = await here.run(NAME)
        assert "selects contacts that it did not select" in str(report.error)
        assert "concerns 1 contact " in str(report.error)


@pytest.mark.asyncio
async def test_an_opt_out_column_that_is_gone_is_asked_about_all_the_same(
    database: str, tmp_path: Path
) -> None:
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "opted_out": "no"}}
    ) as here:
        await here.source.execute(
            "ALTER TABLE crm.people ADD COLUMN no boolean NOT NULL DEFAULT false"
        )
        await here.add(range(1, 5))
        await here.run(NAME)
        await here.change(2, no=True, name="Changed")
        assert (await here.run(NAME)).contacts["suppressed"] == 1
        await here.source.execute("ALTER TABLE crm.people DROP COLUMN no")
        here.configure(NAME, opted_out=None)
        report = await here.run(NAME)
        assert (
            'brake consent: opted_out named the column "no" and now names none'
            in str(report.error)
        )
        assert "concerns at least 1 contact " in str(report.error)


@pytest.mark.asyncio
async def test_a_state_that_knows_no_rules_learns_them(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: OPT_IN}) as here:
        await _said_no(here)
        await here.source.execute(
            "UPDATE syncengine.sync_destination SET consent = NULL"
        )
        assert (await here.run(NAME)).status == "done"
        here.configure(NAME, where=None)
        assert "brake consent" in str((await here.run(NAME)).error)


@pytest.mark.asyncio
async def test_an_opt_out_at_the_vendor_is_given_up_by_its_own_word(
    database: str, tmp_path: Path
) -> None:
    kept = {**RESPOND_IO["settings"], "opt_outs": {"firstName": "no"}}
    async with people(
        database, tmp_path, {NAME: {**RESPOND_IO, "settings": kept}}
    ) as here:
        await here.add([1])
        await here.run(NAME)
        here.configure(NAME, settings={**kept, "lower_opt_outs": ["firstName"]})
        report = await here.run(NAME)
        assert (
            "brake consent: firstName is no longer an opt-out that is kept at the "
            "vendor"
        ) in str(report.error)
        assert exit_code(await here.run(NAME, accept=frozenset({"consent"}))) == 0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "where", ["opted_in OR id > 0", "coalesce(opted_in, true)", None]
)
async def test_a_looser_condition_is_refused_before_it_concerns_anybody(
    database: str, tmp_path: Path, where: str | None
) -> None:
    async with people(database, tmp_path, {NAME: OPT_IN}) as here:
        await here.add(range(1, 4))
        await here.run(NAME)
        here.configure(NAME, where=where)
        for said in ((await here.plan(NAME)).brake, (await here.run(NAME)).error):
            assert "brake consent" in str(said)
            assert "concerns 0 contacts now, and later whoever opts out" in str(said)
        await here.change(2, opted_in=False, name="Said no")
        assert (await here.run(NAME)).status == "refused", (
            "it was not remembered as the rule"
        )
        assert here.held(NAME)[2]["fields"]["firstName"] == "Name 2"


@pytest.mark.asyncio
async def test_contacts_that_would_be_sent_something_are_counted_apart(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: OPT_IN}) as here:
        await here.add(range(1, 5))
        await here.run(NAME)
        await here.change(3, opted_in=False)
        await here.change(4, opted_in=False)
        await here.run(NAME)
        await here.change(4, name="Changed")
        here.configure(NAME, where=None)
        plan = await here.plan(NAME)
        assert plan.actions == {"update": 1}
        for said in (plan.brake, (await here.run(NAME)).error):
            assert "concerns 2 contacts " in str(said)
            assert "would have sent something about 1 of them" in str(said)


@pytest.mark.asyncio
async def test_who_moves_between_destinations_of_an_account_did_not_say_no(
    database: str, tmp_path: Path
) -> None:
    def settings(where: str) -> dict[str, Any]:
        return {**RESPOND_IO, "account": "one", "where": where, "on_removed": "untag"}

    both = {"a": settings("id < 5"), "b": settings("id >= 5")}
    async with people(database, tmp_path, both) as here:
        await here.add(range(1, 8))
        await here.run("a")
        await here.run("b")
        for moved, rest in (
            ("id < 6", "id >= 6"),
            ("id < 5", "id >= 5"),
            ("id < 6", "id >= 6"),
        ):
            here.configure("a", where=moved)
            here.configure("b", where=rest)
            for name in ("a", "b", "a"):
                assert (await here.run(name)).status != "refused"
            assert here.held("respond_io").keys() == set(range(1, 8))
        here.configure("b", where="id > 4")
        here.configure("a", where="id < 5")
        await here.runs()
        here.configure("a", where="id < 6")
        assert "concerns 1 contact " in str((await here.run("a")).error), (
            "it stays at b, and left a"
        )
        here.configure("a", where="id < 4")
        await here.runs()
        here.configure("a", where="id < 5")
        assert "concerns 1 contact " in str((await here.run("a")).error), (
            "it left the account"
        )
