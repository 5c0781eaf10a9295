"""Rounds of a run: contacts that waited are tried again, and the run comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import cast

from syncengine.engine.contact import ContactSync
from syncengine.engine.crowd import Crowd
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.engine.recorder import Recorder
from syncengine.engine.tally import Tally
from syncengine.engine.waiting import Waiting
from syncengine.model.work import Batch, BatchKind, Blocker, KeyWait, Record
from syncengine.ports import BatchStore, ContactStore, WaitStore
from tests.support.virtual_time import run

ENOUGH = 20
"""Rounds after which a run counts as one without an end."""


class Vanished:
    """Contact 7 was refused in a former run for the value of one that has moved.

    It stays so in the state: its row has left the source since the run began, so that
    nothing is done about it.
    """

    def __init__(self) -> None:
        self.batches: dict[int, Batch] = {}
        self.rounds = 0

    # The batches of the run.

    async def add(self, kind: BatchKind, contact_ids: Sequence[str]) -> int:
        self.rounds += 1
        assert self.rounds < ENOUGH, "the run has no end"
        self.batches[self.rounds] = Batch(self.rounds, kind, tuple(contact_ids))
        return self.rounds

    async def waiting(self) -> AsyncIterator[Batch]:
        for batch in list(self.batches.values()):
            yield batch

    async def finish(self, number: int, totals: Mapping[str, int]) -> None:
        del totals
        self.batches.pop(number)

    # Those that wait.

    async def moved(self) -> Sequence[str]:
        return ("7",)

    async def blockers(self, contacts: set[str]) -> Mapping[str, Blocker]:
        del contacts
        return {}

    async def keep(self, waits: Mapping[str, KeyWait]) -> None: ...

    # Everything else.

    async def prepare(self, batch: Batch, attempt: int = 1, **_: bool) -> Prepared:
        del batch, attempt
        return Prepared(())

    async def record(self, batch: int, records: Sequence[Record]) -> None: ...

    async def note_overwritten(self) -> None: ...


def test_a_contact_that_nothing_is_done_about_comes_back_in_one_round_only() -> None:
    scene = Vanished()

    async def dispatched() -> None:
        recorder = Recorder(cast("ContactStore", scene))
        async with recorder.running():
            await Dispatcher(
                preparer=cast("Preparer", scene),
                contacts=cast("ContactSync", scene),
                batches=cast("BatchStore", scene),
                recorder=recorder,
                tally=Tally(),
                crowd=Crowd(1),
                stopping=asyncio.Event(),
                stop=lambda _: None,
                advance=lambda _: None,
                waiting=Waiting("d", cast("WaitStore", scene), brings_back=True),
            ).run()

    run(dispatched())
    assert scene.rounds == 1
