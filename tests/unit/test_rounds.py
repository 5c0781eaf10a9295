"""Rounds of a run: contacts that waited are tried again, and the run comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, cast

import pytest

from syncengine.engine.contact import ContactSync
from syncengine.engine.crowd import Crowd
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.engine.recorder import Recorder
from syncengine.engine.tally import Tally
from syncengine.engine.value_waits import ValueWaits
from syncengine.engine.waiting import Waiting
from syncengine.model.calls import Answer, Applied, Exists, Unsupported
from syncengine.model.capabilities import Capabilities, Write
from syncengine.model.contact import Desired, Known, Remote
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import (
    Batch,
    BatchKind,
    Blocker,
    ContactState,
    KeyWait,
    Record,
)
from syncengine.planning.attempt.contact_attempt import contact_attempt
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.attempt.rules import Rules
from syncengine.planning.attempt.steps import (
    AnsweredCall,
    AskGoingOn,
    AskOwners,
    NoteValueWait,
    Send,
    Step,
)
from syncengine.planning.plan import Plan, plan_contact
from syncengine.ports import BatchStore, ContactStore, WaitStore
from tests.support.virtual_time import run

ENOUGH = 20
"""Rounds after which a run counts as one without an end."""


class Scene:
    """A run of which nothing is known but the contacts that are tried again."""

    def __init__(self) -> None:
        self.batches: dict[int, Batch] = {}
        self.rounds = 0

    async def dispatch(self) -> None:
        recorder = Recorder(cast("ContactStore", self))
        async with recorder.running():
            await Dispatcher(
                preparer=cast("Preparer", self),
                contacts=cast("ContactSync", self),
                batches=cast("BatchStore", self),
                recorder=recorder,
                tally=Tally(),
                crowd=Crowd(1),
                stopping=asyncio.Event(),
                stop=lambda _: None,
                advance=lambda _: None,
                waiting=Waiting("d", cast("WaitStore", self), brings_back=True),
            ).run()

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
        return ()

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

    def tell_of_acceptances(self, told: Callable[[int], None]) -> None: ...


class Vanished(Scene):
    """Contact 7 was refused in a former run for the value of one that has moved.

    It stays so in the state: its row has left the source since the run began, so that
    nothing is done about it.
    """

    async def moved(self) -> Sequence[str]:
        return ("7",)


def test_a_contact_that_nothing_is_done_about_comes_back_in_one_round_only() -> None:
    scene = Vanished()
    run(scene.dispatch())
    assert scene.rounds == 1


# --- two that exchange their values ---------------------------------------------------

CAN = Capabilities(update=Write(clears=("*",), unique=("ref",), repeatable=True))
OTHER = {"1": "2", "2": "1"}


def _same(field: str, ours: Json, theirs: Json) -> bool:
    del field
    return bool(ours == theirs)


RULES = Rules("d", CAN, _same, OnRemoved.UNTAG)


class Swap(Scene):
    """Contacts 1 and 2 exchange their values, and the vendor empties none."""

    def __init__(self, to_release: Answer) -> None:
        super().__init__()
        self.batches[-1] = Batch(-1, BatchKind.CHANGES, tuple(OTHER))
        self.to_release = to_release
        """The answer to an update that empties the value."""
        self._known = {name: Known(f"v{name}", fields={"ref": name}) for name in OTHER}
        self._waits = ValueWaits(RULES)

    async def prepare(self, batch: Batch, attempt: int = 1, **_: bool) -> Prepared:
        jobs: list[Job] = []
        for name in batch.contact_ids:
            wish = Desired(name, {"ref": OTHER[name]}, manages_tags=False)
            known = self._known[name]
            plan = plan_contact(wish, known, CAN)
            assert isinstance(plan, Plan)
            state = ContactState(name, known)
            jobs.append(Job(batch.number, state, wish, 1, plan, attempt=attempt))
        return Prepared(tuple(jobs))

    async def sync(self, job: Job) -> AttemptEnding:
        name = job.state.contact_id
        self._waits.begin(name)
        attempt = contact_attempt(job, RULES)
        step: Step[Any] = next(attempt)
        while True:
            try:
                step = attempt.send(self._reply(name, step))
            except StopIteration as end:
                ending: AttemptEnding = end.value
                self._known[name] = ending.record.known
                return ending

    def _reply(self, name: str, step: Step[Any]) -> object:
        match step:
            case Send(call):
                answer = self.to_release
                if call.fields["ref"] is not None:
                    value = call.fields["ref"]
                    answer = Exists(Remote(f"v{value}", {"ref": value}))
                return AnsweredCall(answer, after_lost_try=False, number=1)
            case AskOwners((external_id,)):
                return {external_id: f"d/{external_id.removeprefix('v')}"}
            case NoteValueWait(wait):
                return self._waits.note(name, wait)
            case AskGoingOn():
                return True
        return None


@pytest.mark.parametrize(
    "to_release",
    [
        # The vendor keeps the value, and its answer shows that.
        Applied(None, dropped=(Unsupported("field_not_shown", "ref"),)),
        # It says that another one has the value: a contact of nobody's, or of the ring.
        Exists(Remote("v9", {"ref": ""})),
        Exists(Remote("v1", {"ref": ""})),
    ],
)
def test_two_that_cannot_let_go_do_not_wait_for_each_other_for_ever(
    to_release: Answer,
) -> None:
    scene = Swap(to_release)
    run(scene.dispatch())
    assert scene.rounds <= 3
