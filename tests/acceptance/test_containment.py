"""A mistake of ours, or of an adapter, costs one contact or one account.

All others go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from syncengine import app
from syncengine.cli.exits import exit_code
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.model.contact import Remote
from syncengine.model.copies import AdoptReport, VerifyReport
from syncengine.model.http import Json
from syncengine.model.work import Batch
from syncengine.storage.state.linked import Linked
from syncengine.vendors.charles import Charles
from syncengine.vendors.respond_io import RespondIo
from tests.support.people_project import RESPOND_IO, People, people

_CONTACTS = range(1, 5)
_SECRET = "a value of somebody"


def _broken(*_: object, **__: object) -> Any:
    raise ZeroDivisionError(_SECRET)


def _breaks_for(destination: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the preparation of every batch of this destination fail unexpectedly."""
    prepare = Preparer.prepare

    async def prepared(
        self: Preparer, batch: Batch, turn: int = 1, **how: bool
    ) -> Prepared:
        if self._task.destination == destination:
            _broken()
        return await prepare(self, batch, turn, **how)

    monkeypatch.setattr(Preparer, "prepare", prepared)


async def _statuses(here: People) -> dict[str, str]:
    rows = await here.source.fetch(
        "SELECT destination, status FROM syncengine.sync_run ORDER BY run_id"
    )
    return {row["destination"]: row["status"] for row in rows}


@pytest.mark.asyncio
async def test_what_nobody_foresaw_ends_one_account_and_its_run(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with people(database, tmp_path) as here:
        here.configure_engine(lease_ttl="1s")
        await here.add(_CONTACTS)
        with monkeypatch.context() as patch:
            _breaks_for("charles", patch)
            reports = await here.runs()
        halted = reports["charles"]
        assert (halted.status, exit_code(halted)) == ("halted", 1)
        assert halted.run_id is not None
        assert halted.error is not None
        assert (
            "something unforeseen: ZeroDivisionError in test_containment.py, line "
            in halted.error
        )
        assert _SECRET not in halted.error
        done = reports["respond_io"]
        assert (done.status, exit_code(done), done.contacts["applied"]) == (
            "done",
            0,
            len(_CONTACTS),
        )
        assert await _statuses(here) == {"charles": "halted", "respond_io": "done"}

        mended = await here.runs()
        assert mended["charles"].contacts["applied"] == len(_CONTACTS)
        assert here.held("charles").keys() == set(_CONTACTS)


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["send", "find", "same"])
async def test_an_adapter_that_breaks_ends_with_the_contact(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async with people(database, tmp_path) as here:
        await here.add(_CONTACTS)
        here.sandbox.twin("respond_io")
        if method == "same":
            await here.run("respond_io")
            await here.source.execute(
                "DELETE FROM syncengine.sync_known; DELETE FROM syncengine.sync_state"
            )
        with monkeypatch.context() as patch:
            patch.setattr(RespondIo, method, _broken)
            reports = await here.runs()
        assert reports["charles"].status == "done"
        broken = reports["respond_io"]
        assert (broken.status, exit_code(broken), broken.contacts["applied"]) == (
            "incomplete",
            1,
            0,
        )
        outcomes = await here.outcomes(broken.run_id)
        assert outcomes.keys() == set(_CONTACTS)
        for row in outcomes.values():
            assert "ZeroDivisionError in test_containment.py" in row["message"]
            assert _SECRET not in row["message"]
        await here.run("respond_io")
        assert here.held("respond_io").keys() == set(_CONTACTS)
        assert (await here.run("respond_io")).requests == 0


@pytest.mark.asyncio
async def test_an_answer_that_fails_an_adapter_is_an_unknown_write_of_that_contact(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with people(database, tmp_path) as here:
        await here.add(_CONTACTS)
        with monkeypatch.context() as patch:
            patch.setattr(Charles, "_dropped", _broken)
            report = await here.run("charles")
        assert (report.status, exit_code(report), report.contacts["unknown"]) == (
            "incomplete",
            1,
            len(_CONTACTS),
        )
        (message,) = {
            row["message"] for row in (await here.outcomes(report.run_id)).values()
        }
        assert message.startswith(
            "PUT /api/v1beta/contacts: the answer (status 200) cannot be read "
            "(ZeroDivisionError"
        )
        assert _SECRET not in message
        assert (await here.run("charles")).contacts["applied"] == len(_CONTACTS)
        assert here.held("charles").keys() == set(_CONTACTS)


async def _verify(here: People) -> Sequence[VerifyReport]:
    return await app.verify(here.config, ("respond_io",))


async def _adopt(here: People) -> Sequence[AdoptReport]:
    return await app.adopt(here.config, ("respond_io",))


@pytest.mark.asyncio
@pytest.mark.parametrize("verb", [_verify, _adopt])
async def test_what_an_adapter_stumbles_over_is_one_contact_unread(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: Callable[[People], Awaitable[Sequence[Any]]],
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(_CONTACTS)
        await here.run("respond_io")
        if verb is _adopt:
            await here.source.execute(
                "DELETE FROM syncengine.sync_known; DELETE FROM syncengine.sync_state"
            )
        same = RespondIo.same

        def stumbling(self: RespondIo, field: str, ours: Json, theirs: Json) -> bool:
            if theirs == "Name 2":
                return bool(_broken())
            return same(self, field, ours, theirs)

        monkeypatch.setattr(RespondIo, "same", stumbling)
        (report,) = await verb(here)
        assert (report.status, exit_code(report), report.unread) == ("incomplete", 1, 1)
        assert await _statuses(here) == {"respond_io": "incomplete"}


@pytest.mark.asyncio
@pytest.mark.parametrize("verb", ["verify", "forget"])
async def test_a_run_of_any_kind_is_ended_when_it_breaks(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(_CONTACTS)
        await here.run("respond_io")
        if verb == "verify":
            monkeypatch.setattr(Linked, "count", _broken)
            (report,) = await _verify(here)
            assert (report.status, exit_code(report)) == ("halted", 1)
            assert "something unforeseen: ZeroDivisionError" in str(report.error)
        else:
            monkeypatch.setattr(Preparer, "prepare", _broken)
            (receipt,) = await app.forget(here.config, "1")
            assert receipt.status == "open"
            assert "something unforeseen: ZeroDivisionError" in receipt.message
        assert await _statuses(here) == {"respond_io": "halted"}


@pytest.mark.asyncio
async def test_the_read_of_one_contact_that_shows_another_is_not_compared(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, {"respond_io": RESPOND_IO}) as here:
        await here.add(_CONTACTS)
        await here.run("respond_io")
        read = RespondIo.read

        def others(self: RespondIo, external_id: str) -> Any:
            remote = yield from read(self, external_id)
            return Remote("another", remote.fields, remote.tags) if remote else None

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RespondIo, "read", others)
            (report,) = await _verify(here)
        assert (report.status, report.unread, report.compared) == (
            "incomplete",
            len(_CONTACTS),
            0,
        )
