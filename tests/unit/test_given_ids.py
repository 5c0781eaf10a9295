"""A vendor contact just given to one of ours is not given to another.

The state may not know of it yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping, Sequence
from typing import cast

import pytest

from syncengine.engine.contact import ContactSync
from syncengine.engine.recorder import Recorder
from syncengine.engine.task import Task
from syncengine.model.calls import Action, Answer, Applied, Call, Exists
from syncengine.model.capabilities import Capabilities, Write
from syncengine.model.contact import Desired, Known, MatchKey, Pending, Remote
from syncengine.model.http import Request, Response
from syncengine.model.mapping import Mapping as FieldMapping
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import ContactState, LinkResult
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.plan import Plan, plan_contact
from syncengine.ports import ContactStore, Vendor
from tests.support.virtual_time import run
from tests.unit.test_doubt import FINE, Line

PHONE = MatchKey("phone", "1")
THERE = Remote("v7", {"phone": "1"})
ANOTHER = Remote("v8", {"phone": "1"})
CREATES = Capabilities(
    create=Write(keyed_by=("phone",), tells_existing=True, repeatable=True),
    update=Write(),
    find_by=("phone",),
)
UPSERTS = Capabilities(upsert=Write())


class Unhurried(Line):
    """A line and a recorder that accept everything and record it late."""

    async def flush(self) -> None: ...


class Unaware:
    """A state in which everything is recorded late, and which knows of no owner.

    It notes which contacts were made one.
    """

    def __init__(self) -> None:
        self.owners_made: list[tuple[str, str]] = []

    async def link(
        self, contact_id: str, external_id: str, *_: object, **__: object
    ) -> LinkResult:
        self.owners_made.append((contact_id, external_id))
        return LinkResult()

    async def owners(self, *_: object, **__: object) -> Mapping[str, str]:
        return {}


class Household:
    """A vendor that finds the same contact for everybody with a phone."""

    def __init__(
        self, capabilities: Capabilities, found: Sequence[Remote] = (THERE,)
    ) -> None:
        self.capabilities = capabilities
        self.found = found
        self.made = False

    def find(self, key: MatchKey) -> Generator[Request, Response, Sequence[Remote]]:
        del key
        yield Request("GET", "/", "read")
        return self.found if self.made else ()

    def send(self, call: Call) -> Generator[Request, Response, Answer]:
        yield Request("POST", "/", "write")
        is_there = self.made
        self.made = True
        if is_there and call.action is Action.CREATE:
            return Exists(THERE)
        return Applied(THERE.external_id)

    @staticmethod
    def same(field: str, ours: object, theirs: object) -> bool:
        del field
        return ours == theirs


def job(contact_id: str, known: Known, capabilities: Capabilities) -> Job:
    desired = Desired(contact_id, {"phone": "1", "name": contact_id}, keys=(PHONE,))
    plan = plan_contact(desired, known, capabilities)
    assert isinstance(plan, Plan)
    return Job(1, ContactState(contact_id, known), desired, 1, plan)


def second_of_two(vendor: Household, known: Known) -> tuple[AttemptEnding, Unaware]:
    """Return how the second contact ends, right after the first one was created."""
    state, line = Unaware(), Unhurried([FINE] * 8)

    async def whole() -> AttemptEnding:
        contacts = ContactSync(
            Task("here", FieldMapping(), "id", OnRemoved.IGNORE),
            cast("Vendor", vendor),
            line.retrier,
            cast("ContactStore", state),
            cast("Recorder", line),
            asyncio.Event(),
        )
        first = await contacts.sync(job("1", Known(), vendor.capabilities))
        assert first.record.known.external_id == THERE.external_id
        return await contacts.sync(job("2", known, vendor.capabilities))

    return run(whole()), state


UNTRIED = Known()
IN_DOUBT = Known(pending=Pending(creates=True, keys=(PHONE,), age=0.0))


@pytest.mark.parametrize(
    "known", [UNTRIED, IN_DOUBT], ids=["its create is answered", "its look-up finds"]
)
def test_who_meets_what_another_was_given_waits_for_that_one(known: Known) -> None:
    ending, state = second_of_two(Household(CREATES), known)
    assert ending.waits_for is not None
    assert ending.waits_for.owner == "here/1"
    assert ending.record.known.external_id is None
    assert state.owners_made == []


def test_of_several_found_the_one_that_another_was_given_is_that_ones() -> None:
    ending, state = second_of_two(Household(CREATES, (THERE, ANOTHER)), IN_DOUBT)
    assert ending.waits_for is not None, "only one of the two is free"
    assert ending.waits_for.owner == "here/1"
    assert state.owners_made == []


def test_an_upsert_that_reaches_what_another_was_given_waits_for_that_one() -> None:
    ending, state = second_of_two(
        Household(UPSERTS), Known("v6", fields={"name": "old"})
    )
    assert ending.waits_for is not None
    assert (ending.waits_for.owner, ending.postponed) == ("here/1", False), (
        "it is not sent again before that one moves"
    )
    assert state.owners_made == []
