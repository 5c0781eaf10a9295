"""``undo RUN``: what it asks for, refuses, skips by name, and what runs do after it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from syncengine import app
from syncengine.app.run_request import undo_request
from syncengine.app.verbs.status import status
from syncengine.errors import ConfigError
from syncengine.model.reports import RunReport
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.connect import open_pool
from syncengine.storage.state.desk import contact_everywhere
from tests.support.people_project import RESPOND_IO, People, people

_VENDOR = "respond_io"


async def _undo(here: People, run_id: int | None, **options: object) -> RunReport:
    chosen: dict[str, object] = {"contacts": (), "fields": (), "created": "keep"}
    chosen |= {"accept": frozenset(), **options}
    assert run_id is not None
    (report,) = await app.run(
        here.config,
        (),
        undo_request(run_id, **chosen),  # type: ignore[arg-type]
    )
    return report


def _names(here: People) -> dict[int, str]:
    held = here.held(_VENDOR)
    return {number: each["fields"]["firstName"] for number, each in held.items()}


async def _check_held_back(here: People, database: str, undone: int | None) -> None:
    """Check that every verb says of contact 1, and the others, what is held back."""
    _, said = await here.command("show", "1")
    assert f"an undo of run {undone} took back firstName" in said
    _, said = await here.command("why", "1", "--json")
    why = orjson.loads(said.strip().splitlines()[-1])
    reason = f"held back since an undo of run {undone}: firstName"
    assert why["reason"] == reason
    assert why["next_run"] == f"sends nothing: {reason}"
    _, said = await here.command("status")
    assert "yes, 5 held back" in said
    _, said = await here.command("status", "--json")
    assert orjson.loads(said.strip().splitlines()[-1])["held_back"] == 5
    async with open_pool(database) as pool:
        (place,) = await contact_everywhere(pool, "1", with_values=False)
    assert (place.held_back, place.undone_run) == (("firstName",), undone)


@pytest.mark.asyncio
async def test_a_wrong_mapping_is_taken_back_and_stays_so(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {_VENDOR: RESPOND_IO}, [_VENDOR]) as here:
        await here.add(range(1, 7), company="Acme")
        await here.run(_VENDOR)
        good = _names(here)
        fields = RESPOND_IO["fields"]
        here.configure(_VENDOR, fields={**fields, "firstName": "company"})
        wrong = await here.run(_VENDOR)
        assert set(_names(here).values()) == {"Acme"}

        code, said = await here.command("undo", str(wrong.run_id), "--json")
        plan = orjson.loads(said.strip().splitlines()[-1])
        assert (code, plan["contacts"], plan["reads"]) == (2, 6, 6)
        assert plan["fields"]["firstName"]["changed"] == 6
        assert set(_names(here).values()) == {"Acme"}, "it was not told to"

        await here.change(2, company="Later")
        later = await here.run(_VENDOR)
        # The vendor carries out what it does not answer.
        here.fail(_VENDOR, Rule(FaultKind.RESET, when="after", method="PUT"))
        broken = await _undo(here, wrong.run_id)
        assert broken.status == "incomplete"
        here.heal(_VENDOR)
        await here.run(_VENDOR)
        undone = await _undo(here, wrong.run_id)
        assert undone.status == "done"
        assert _names(here) == {**good, 2: "Later"}
        skipped = (await here.outcomes(undone.run_id))[2]
        assert skipped["code"] == "changed_since"
        assert f"run {later.run_id} has changed it since" in skipped["message"]

        for options in ({}, {"backfill": True}, {"resync": True}):
            assert (await here.run(_VENDOR, **options)).actions == {}
        await _check_held_back(here, database, wrong.run_id)

        # The mapping of another field ends no hold, its own one does.
        wrong_name = {**fields, "firstName": "company"}
        here.configure(_VENDOR, fields={**wrong_name, "lastName": "company"})
        assert (await here.run(_VENDOR)).actions["update"] == 6
        assert _names(here) == {**good, 2: "Later"}
        assert (await status(here.config, ()))[0].held_back == 5
        again = {"from": "company", "default": "x"}
        here.configure(_VENDOR, fields={**wrong_name, "firstName": again})
        _, said = await here.command("plan", "--json")
        plan = orjson.loads(said.strip().splitlines()[-1])
        assert plan["why"]["held_back"] == plan["contacts"] == 5
        assert [each["cause"] for each in plan["causes"]] == ["held_back"]

        await here.change(3, company="New")
        here.configure(_VENDOR, fields=fields)
        assert (await status(here.config, ()))[0].held_back == 0
        await here.run(_VENDOR)
        assert _names(here) == good, "a mended mapping sends what it asks for"


@pytest.mark.asyncio
async def test_what_cannot_be_undone_is_refused_by_name(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {_VENDOR: RESPOND_IO}, [_VENDOR]) as here:
        await here.add(range(1, 4))
        first = await here.run(_VENDOR)
        silent = await here.run(_VENDOR)
        created = await _undo(here, first.run_id)
        assert (created.status, created.actions) == ("done", {})
        codes = {
            each["code"] for each in (await here.outcomes(created.run_id)).values()
        }
        assert codes == {"created_stays"}
        words = {
            silent.run_id: "changed nothing",
            created.run_id: "changed nothing",
            99: "there is no run 99",
        }
        for run_id, told in words.items():
            with pytest.raises(ConfigError, match=told):
                await _undo(here, run_id)
        with pytest.raises(ConfigError, match=f"undo {first.run_id} --yes"):
            await here.run(_VENDOR, retry_of=created.run_id)
        with pytest.raises(ConfigError, match="leave out --field"):
            await _undo(here, first.run_id, created="delete", fields=("firstName",))
        await here.source.execute("DELETE FROM syncengine.sync_change")
        with pytest.raises(ConfigError, match="keep_changes"):
            await _undo(here, first.run_id)


@pytest.mark.asyncio
async def test_what_has_no_outcome_is_named_and_its_changes_are_the_sender_s(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {_VENDOR: RESPOND_IO}, [_VENDOR]) as here:
        await here.add(range(1, 4))
        await here.run(_VENDOR)
        await here.source.execute("UPDATE crm.people SET name = 'Wrong'")
        # The vendor carries out what it does not answer.
        here.fail(_VENDOR, Rule(FaultKind.RESET, when="after", method="PUT"))
        lost = await here.run(_VENDOR)
        here.heal(_VENDOR)
        assert lost.contacts["unknown"] == 3
        assert set(_names(here).values()) == {"Wrong"}

        undone = await _undo(here, lost.run_id)
        assert (undone.status, undone.contacts["deferred"]) == ("incomplete", 3)
        assert {each.code for each in undone.noteworthy} == {"unsettled"}
        code, said = await here.command("undo", str(lost.run_id), "--yes")
        assert code == 1
        assert f"`syncengine undo {lost.run_id} --yes` again" in " ".join(said.split())
        assert "syncengine retry" not in said

        settled = await here.run(_VENDOR)
        assert settled.ok
        with pytest.raises(ConfigError, match=f"syncengine undo {lost.run_id}`"):
            await _undo(here, settled.run_id)
        assert (await _undo(here, lost.run_id)).ok
        assert set(_names(here).values()) == {"Name 1", "Name 2", "Name 3"}


@pytest.mark.asyncio
async def test_wrong_nights_are_taken_back_one_after_the_other(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {_VENDOR: RESPOND_IO}, [_VENDOR]) as here:
        await here.add(range(1, 4), company="One")
        await here.run(_VENDOR)
        good = _names(here)
        fields = RESPOND_IO["fields"]
        here.configure(_VENDOR, fields={**fields, "firstName": "company"})
        first = await here.run(_VENDOR)
        await here.source.execute("UPDATE crm.people SET company = 'Two'")
        second = await here.run(_VENDOR)
        early = await _undo(here, first.run_id)
        assert early.actions == {}
        why = (await here.outcomes(early.run_id))[1]["message"]
        assert f"run {second.run_id} has changed it since" in why
        for wrong, left in ((second, {"One"}), (first, {*good.values()})):
            assert (await _undo(here, wrong.run_id)).ok
            assert set(_names(here).values()) == left
            assert (await here.run(_VENDOR, backfill=True)).requests == 0
        assert _names(here) == good


@pytest.mark.asyncio
async def test_a_field_that_the_run_did_not_change_is_refused_by_name(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {_VENDOR: RESPOND_IO}, [_VENDOR]) as here:
        await here.add(range(1, 3), tags=["a"])
        await here.run(_VENDOR)
        await here.source.execute("UPDATE crm.people SET name = 'Wrong', tags = '{b}'")
        wrong = await here.run(_VENDOR)
        told = "did not change nonsense; --field takes .*: firstName, tags"
        with pytest.raises(ConfigError, match=told):
            await _undo(here, wrong.run_id, fields=("nonsense", "tags"))
        assert (await _undo(here, wrong.run_id, fields=("firstName",))).ok
        assert set(_names(here).values()) == {"Name 1", "Name 2"}
