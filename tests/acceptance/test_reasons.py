"""A run of named contacts says why it sent nothing about one of them.

A limited run says how many it left out.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncengine import app
from syncengine.model.consent import Subject, SubjectKind
from tests.support.people_project import CHARLES, RESPOND_IO, People, people, refusing

NAME = "respond_io"


async def _why(here: People, contact: int, name: str = NAME) -> str:
    """Return what a run of one contact prints, on one line."""
    code, said = await here.command("run", "--contact", str(contact), "-d", name)
    assert code == 0, said
    return " ".join(said.split())


@pytest.mark.asyncio
async def test_why_nothing_was_sent_about_a_contact(
    database: str, tmp_path: Path
) -> None:
    destination = {
        **RESPOND_IO,
        "opted_out": "opted_in",
        "where": "company IS DISTINCT FROM 'left'",
    }
    async with people(database, tmp_path, {NAME: destination}) as here:
        await here.add(range(1, 7), opted_in=False)
        await here.change(2, opted_in=True)
        await here.change(3, company="left")
        await app.suppress(here.config, [Subject(SubjectKind.PHONE, "491510000004")])
        await here.run(NAME)

        assert "contact 1: nothing was sent: it is in step" in await _why(here, 1)
        assert "contact 2: nothing was sent: opted out: column" in await _why(here, 2)
        said = await _why(here, 3)
        assert "contact 3: nothing was sent: its row is there, but" in said
        assert f"{here.destination_file(NAME)}: where does not select it" in said
        assert (
            "contact 4: nothing was sent: suppressed by one of its phone numbers"
            in await _why(here, 4)
        )
        assert "contact 9: nothing was sent: the source has no such row" in await _why(
            here, 9
        )
        await here.change(5, name="Other")
        assert "contact 5:" not in await _why(here, 5), "something was sent"
        code, said = await here.command("run", "--contact", "1", "--contact", "9")
        assert (code, said.count("nothing was sent:")) == (0, 2)
        code, said = await here.command("run")
        assert (code, "nothing was sent:" in said) == (0, False), (
            "nobody was asked for by name"
        )


@pytest.mark.asyncio
async def test_the_last_refusal_of_a_dead_letter_and_the_owner_of_its_key_are_named(
    database: str, tmp_path: Path
) -> None:
    by_phone = {**RESPOND_IO, "match_on": ["crm_id", "phone"]}
    async with people(database, tmp_path, {NAME: by_phone}) as here:
        await here.add([1, 2, 3])
        await here.change(2, phone="+491510000001")
        here.fail(NAME, refusing(3, "Never heard of"))
        for _ in range(3):
            await here.run(NAME)
        for contact, words in (
            (3, "rejected (http_422)"),
            (
                2,
                (
                    "contact 1 has the same match key (phone), so the vendor could not "
                    "tell the two apart. It keeps the key even where it has opted out "
                    "(`syncengine why 1` says what is done about it): correct phone in one "
                    "of the two rows, or take phone out of match_on if the vendor may have"
                ),
            ),
        ):
            code, said = await here.command("run", "--contact", str(contact))
            assert (code, words in " ".join(said.split())) == (1, True), said
        await here.add([10, 11])
        await here.change(10, phone="+491510000001")
        for new, words in (
            ("10", "the next run rejects it (duplicate_match_key)"),
            ("11", "the next run looks it up, and if it is not found sends: create"),
        ):
            code, said = await here.command("why", new)
            assert (code, words in " ".join(said.split())) == (0, True), said


@pytest.mark.asyncio
async def test_what_a_vendor_cannot_express_is_reported_of_a_contact_in_step(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"charles": CHARLES}) as here:
        await here.add([1], tags=["vip"])
        await here.run("charles")
        await here.change(1, tags=[])
        await here.run("charles")
        said = await _why(here, 1, "charles")
        why = (
            "what the vendor cannot express: "
            'the vendor cannot take tag "vip" away, or did not: do that there'
        )
        assert f"contact 1: nothing was sent: it is in step except for {why}" in said


@pytest.mark.asyncio
async def test_a_limited_run_says_how_many_it_left_out(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {NAME: RESPOND_IO}) as here:
        await here.add(range(1, 11))
        for limit, words in (
            (3, "7 more contacts are not in step"),
            (6, "1 more contact is not in step"),
        ):
            code, said = await here.command("run", "--limit", str(limit))
            assert (code, words in said) == (0, True), said
        code, said = await here.command("run", "--limit", "5")
        assert (code, "not in step" in said) == (0, False)
