"""One suite for the stores in Postgres and for those in memory.

The simulations use those in memory, so both have to behave alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import replace

import pytest
import pytest_asyncio

from syncengine.errors import LeaseHeld, LeaseLost
from syncengine.model.calls import Action, OutcomeKind, Unsupported
from syncengine.model.change import ChangedField, ContactChange, Effect
from syncengine.model.contact import THIS_RUN, Known, MatchKey, Pending, SendingRun
from syncengine.model.undo import TakenBack
from syncengine.model.unknown_parts import parts_of, sender_of
from syncengine.model.work import (
    Batch,
    BatchKind,
    Blocker,
    ContactOutcome,
    ContactState,
    DiffTotals,
    Intent,
    KeyWait,
    LinkResult,
    Record,
    Refusal,
    RefusalGroup,
    RunChanges,
    Standing,
    Status,
)
from tests.support.databases import Databases
from tests.support.stores import ACCOUNT, HOLDS, Backend, InMemory, Stores, in_postgres

PENDING = Pending(
    creates=True,
    deletes=True,
    keys=(MatchKey("crm_id", "7"), MatchKey("phone", "+49151")),
    fields={
        "name": "Žofia",
        "score": 1.5,
        "vip": True,
        "lists": ["a", 1, None],
        "gone": None,
    },
    add_tags=frozenset({"b", "a"}),
    remove_tags=frozenset({"old"}),
)
KEY = MatchKey("crm_id", "7")
KNOWN = Known(
    external_id="ext-7",
    key=MatchKey("crm_id", "7"),
    fields={
        "name": "Ilse",
        "address": {"city": "Köln"},
        "held": [1, 2.5, "x"],
        "big": 2**53 + 1,
    },
    tags=frozenset({"ours"}),
    found_tags=frozenset({"theirs"}),
)
APPLIED = ContactOutcome(OutcomeKind.APPLIED, (Action.CREATE, Action.ADD_TAGS), 3)


@pytest.fixture(scope="module", params=["postgres", "memory"])
def dsn(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """Yield the DSN of a database, or None for the stores in memory."""
    if request.param == "memory":
        yield None
        return
    databases: Databases = request.getfixturevalue("databases")
    made = databases.create(migrated=True)
    yield made
    databases.drop(made)


@pytest_asyncio.fixture
async def backend(dsn: str | None) -> AsyncIterator[Backend]:
    if dsn is None:
        yield InMemory()
        return
    async with in_postgres(dsn) as opened:
        yield opened


@pytest_asyncio.fixture
async def stores(backend: Backend) -> Stores:
    return await backend.run()


async def _load(stores: Stores, contact_id: str) -> ContactState | None:
    return (await stores.contacts.load([contact_id])).get(contact_id)


async def _own(
    stores: Stores, contact_id: str, external_id: str, *, status: Status = Status.SYNCED
) -> None:
    """Make a contact own a vendor contact, with a tag of ours on it."""
    known = Known(
        external_id,
        fields={"name": contact_id},
        tags=frozenset({f"tag of {contact_id}"}),
    )
    source_hash = 5 if status is Status.SYNCED else None
    await stores.contacts.record(1, [Record(contact_id, known, status, source_hash)])


async def _die(
    stores: Stores, contact_id: str, code: str, status: Status = Status.DEAD
) -> None:
    outcome = ContactOutcome(OutcomeKind.REJECTED, code=code, message="why")
    await stores.contacts.record(
        1, [Record(contact_id, Known(), status, None, 3, 5, outcome)]
    )


# --- contacts -------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_contact_never_seen_is_left_out(stores: Stores) -> None:
    assert await stores.contacts.load(["7"]) == {}
    assert await stores.contacts.load([]) == {}


@pytest.mark.asyncio
async def test_an_intent_is_kept_whole_and_older_than_any_vendor_needs(
    stores: Stores,
) -> None:
    await stores.contacts.intend([Intent("7", PENDING), Intent("8", Pending())])
    assert await stores.contacts.load(["8", "7", "9"]) == {
        "7": ContactState("7", Known(pending=PENDING)),
        "8": ContactState("8", Known(pending=Pending())),
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("status", Status)
async def test_an_intent_has_any_contact_planned_again_and_changes_nothing_else(
    stores: Stores, status: Status
) -> None:
    """No diff finds a removed contact, or a dead letter whose row reverted."""
    await stores.contacts.record(1, [Record("7", KNOWN, status, 11, 2, 12)])
    standing = Standing.GONE if status is Status.GONE else None
    was_in_step = status is Status.SYNCED
    assert await _load(stores, "7") == ContactState(
        "7", KNOWN, status, 11, 2, 12, standing=standing, was_in_step=was_in_step
    )
    await stores.contacts.intend([Intent("7", Pending(add_tags=frozenset({"x"})))])
    state = await _load(stores, "7")
    assert state is not None
    assert (state.status, state.source_hash, state.rejections, state.rejected_hash) == (
        Status.PENDING,
        None,
        2,
        12,
    )
    assert state.was_in_step is was_in_step
    assert state.known.pending == Pending(add_tags=frozenset({"x"}))
    assert (state.known.fields, state.known.tags, state.known.external_id) == (
        KNOWN.fields,
        KNOWN.tags,
        "ext-7",
    )


@pytest.mark.asyncio
async def test_what_is_taken_back_is_noted_with_the_intent(stores: Stores) -> None:
    """It is kept until an undo notes nothing any more, or the contact is removed."""
    contacts = stores.contacts
    note = TakenBack(
        3,
        -5,
        frozenset({"a,b"}),
        frozenset({'"'}),
        frozenset({"c"}),
        basis={"column a,b": "00ff"},
    )
    intents = [Intent(each, Pending(), note) for each in ("6", "7", "8")]
    await contacts.intend([*intents, Intent("9", Pending())])
    every = ["6", "7", "8", "9"]
    assert await contacts.taken_back(every) == dict.fromkeys(("6", "7", "8"), note)
    undone = Record("6", KNOWN, Status.SYNCED, 1, taken_back=TakenBack(3))
    removed = Record("7", KNOWN, Status.REMOVED, None, removal=True)
    ordinary = Record("8", KNOWN, Status.SYNCED, 1)
    await contacts.record(1, [undone, removed, ordinary])
    assert await contacts.taken_back(every) == {"8": note}
    less = replace(note, version=-6, fields=frozenset(), basis={})
    await contacts.change_taken_back({"8": less})
    assert await contacts.taken_back(every) == {"8": less}
    await contacts.change_taken_back({"8": TakenBack(3)})
    assert await contacts.taken_back(every) == {}


@pytest.mark.asyncio
async def test_a_later_intent_replaces_the_earlier_one(stores: Stores) -> None:
    await stores.contacts.intend([Intent("7", PENDING)])
    await stores.contacts.intend([Intent("7", Pending(creates=True))])
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.pending == Pending(creates=True)


@pytest.mark.asyncio
async def test_no_intents_are_no_transaction(backend: Backend, stores: Stores) -> None:
    await backend.run_out()
    await stores.contacts.intend([])


@pytest.mark.asyncio
async def test_recorded_contacts_are_loaded(stores: Stores) -> None:
    record = Record("7", KNOWN, Status.REJECTED, -5, 2, 2**63 - 1, APPLIED)
    await stores.contacts.record(1, [record])
    assert await _load(stores, "7") == ContactState(
        "7", KNOWN, Status.REJECTED, -5, 2, 2**63 - 1
    )


@pytest.mark.asyncio
async def test_a_pending_note_grows_older(stores: Stores) -> None:
    for contact_id, age in (("known", 100.0), ("unknown", None)):
        pending = Pending(creates=True, age=age)
        await stores.contacts.record(
            1, [Record(contact_id, Known(pending=pending), Status.PENDING, None)]
        )
    states = await stores.contacts.load(["known", "unknown"])
    pendings = {contact_id: state.known.pending for contact_id, state in states.items()}
    assert pendings["unknown"] == Pending(creates=True)
    assert pendings["known"] is not None
    assert pendings["known"].age is not None
    assert 100.0 < pendings["known"].age < 500.0


@pytest.mark.asyncio
async def test_a_new_intent_has_no_age(stores: Stores) -> None:
    await stores.contacts.record(
        1, [Record("7", Known(pending=Pending(age=1.0)), Status.PENDING, None)]
    )
    await stores.contacts.intend([Intent("7", Pending(age=1.0))])
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.pending == Pending()


@pytest.mark.asyncio
async def test_of_a_contact_without_known_values_only_the_state_is_kept(
    stores: Stores,
) -> None:
    await stores.contacts.record(1, [Record("7", KNOWN, Status.SYNCED, 1)])
    await stores.contacts.record(1, [Record("7", Known(), Status.REMOVED, None)])
    assert await _load(stores, "7") == ContactState(
        "7", Known(), Status.REMOVED, was_in_step=True
    )


@pytest.mark.asyncio
async def test_of_several_records_of_a_contact_the_last_counts_and_its_outcome(
    backend: Backend, stores: Stores
) -> None:
    step = Record(
        "7",
        Known("ext-7", pending=Pending(add_tags=frozenset({"a"}))),
        Status.PENDING,
        None,
    )
    end = Record(
        "7", Known("ext-7", tags=frozenset({"a"})), Status.SYNCED, 4, outcome=APPLIED
    )
    await stores.contacts.record(
        1, [step, end, Record("8", Known("ext-8"), Status.SYNCED, 4)]
    )
    assert await _load(stores, "7") == ContactState(
        "7", end.known, Status.SYNCED, 4, was_in_step=True
    )
    assert await backend.outcome(stores.run_id, "7") == (
        "applied",
        ("create", "add_tags"),
        3,
        None,
    )


@pytest.mark.asyncio
async def test_a_second_outcome_in_a_run_replaces_the_first_and_adds_its_requests(
    backend: Backend, stores: Stores
) -> None:
    held = ContactOutcome(OutcomeKind.DEFERRED, (), 2, "key_still_held")
    await stores.contacts.record(
        1, [Record("7", Known(), Status.PENDING, None, outcome=held)]
    )
    unsupported = ContactOutcome(
        OutcomeKind.UNSUPPORTED,
        (Action.UPSERT,),
        1,
        "clear_field",
        unsupported=(Unsupported("clear_field", "name"),),
    )
    await stores.contacts.record(
        2, [Record("7", KNOWN, Status.SYNCED, 4, outcome=unsupported)]
    )
    assert await backend.outcome(stores.run_id, "7") == (
        "unsupported",
        ("upsert",),
        3,
        "clear_field",
    )


def _ended(
    contact_id: str, status: Status, kind: OutcomeKind, code: str = ""
) -> Record:
    known = Known(f"ext-{contact_id}", fields={"name": contact_id})
    return Record(contact_id, known, status, 5, outcome=ContactOutcome(kind, code=code))


STANDING = (
    _ended("applied", Status.SYNCED, OutcomeKind.APPLIED),
    _ended("rejected", Status.REJECTED, OutcomeKind.REJECTED, "422"),
    _ended("deferred", Status.PENDING, OutcomeKind.DEFERRED, "unreachable"),
    _ended("unknown", Status.PENDING, OutcomeKind.UNKNOWN, "unsettled"),
    _ended("dead", Status.DEAD, OutcomeKind.REJECTED, "422"),
    _ended("dead removal", Status.REMOVED, OutcomeKind.REJECTED, "422"),
    _ended("unsupported", Status.SYNCED, OutcomeKind.UNSUPPORTED, "remove_tag"),
    _ended("undeleted", Status.REMOVED, OutcomeKind.UNSUPPORTED, "delete"),
    _ended("suppressed", Status.SUPPRESSED, OutcomeKind.SUPPRESSED, "suppressed"),
    _ended("forgotten", Status.SUPPRESSED, OutcomeKind.SUPPRESSED, "forgotten"),
    _ended("opted out", Status.SUPPRESSED, OutcomeKind.SUPPRESSED, "opted_out"),
)
NUMBERED = {
    Standing.DEAD_LETTER: 2,
    Standing.UNSUPPORTED: 2,
    Standing.SUPPRESSED: 2,
    Standing.OPTED_OUT: 1,
}


@pytest.mark.asyncio
async def test_contacts_that_are_not_tried_any_more_are_counted_by_reason(
    backend: Backend, stores: Stores
) -> None:
    other = await backend.run("mail", "mailer")
    await other.contacts.record(1, [_ended("dead", Status.DEAD, OutcomeKind.REJECTED)])
    assert dict(await backend.standing()) == {}
    await stores.contacts.record(1, STANDING)
    assert dict(await backend.standing()) == NUMBERED
    some = await backend.standing(["dead", "opted out", "applied", "nobody"])
    assert dict(some) == {Standing.DEAD_LETTER: 1, Standing.OPTED_OUT: 1}


@pytest.mark.asyncio
async def test_contacts_that_are_planned_again_or_in_step_are_not_counted_any_more(
    backend: Backend, stores: Stores
) -> None:
    await stores.contacts.record(1, STANDING)
    await stores.contacts.intend([Intent("dead", PENDING)])
    await stores.contacts.link("unsupported", "ext-found")
    await stores.contacts.link("newcomer", "ext-undeleted")
    await stores.contacts.record(1, [Record("suppressed", KNOWN, Status.SYNCED, 6)])
    assert dict(await backend.standing()) == {
        Standing.DEAD_LETTER: 1,
        Standing.SUPPRESSED: 1,
        Standing.OPTED_OUT: 1,
    }


@pytest.mark.asyncio
async def test_destinations_have_states_of_their_own(
    backend: Backend, stores: Stores
) -> None:
    other = await backend.run("viber")
    await stores.contacts.record(1, [Record("7", KNOWN, Status.SYNCED, 1)])
    assert await other.contacts.load(["7"]) == {}


# --- links ----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_vendor_contact_without_an_owner_is_linked_at_once(
    stores: Stores,
) -> None:
    assert await stores.contacts.link("7", "ext") == LinkResult()
    assert await _load(stores, "7") == ContactState("7", Known("ext"))
    assert await stores.contacts.link("7", "ext") == LinkResult()


@pytest.mark.asyncio
async def test_two_contacts_that_find_one_vendor_contact_at_once_do_not_both_own_it(
    stores: Stores,
) -> None:
    for number in range(20):
        links = await asyncio.gather(
            *(
                stores.contacts.link(contact, f"ext {number}")
                for contact in ("7", "8", "9")
            )
        )
        assert len([link for link in links if link.owner is None]) == 1
        for contact in ("7", "8", "9"):
            await stores.contacts.record(1, [Record(contact, KNOWN, Status.SYNCED, 1)])


@pytest.mark.asyncio
async def test_a_link_keeps_what_is_known_and_pending(stores: Stores) -> None:
    await stores.contacts.intend([Intent("7", PENDING)])
    await stores.contacts.link("7", "ext")
    assert await _load(stores, "7") == ContactState("7", Known("ext", pending=PENDING))


@pytest.mark.asyncio
async def test_an_owner_keeps_its_vendor_contact(stores: Stores) -> None:
    await _own(stores, "1", "ext")
    assert await stores.contacts.link("7", "ext") == LinkResult("whatsapp/1")
    await stores.contacts.intend([Intent("1", Pending())])
    assert await stores.contacts.link("7", "ext") == LinkResult("whatsapp/1")
    assert await _load(stores, "7") is None


@pytest.mark.asyncio
async def test_a_removed_contact_gives_its_vendor_contact_and_its_tags_up(
    stores: Stores,
) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    assert await stores.contacts.link("7", "ext") == LinkResult(
        tags=frozenset({"tag of 1"}), fields=frozenset({"name"})
    )
    assert await _load(stores, "1") == ContactState(
        "1", Known(), Status.REMOVED, taken_by="7"
    )
    doubt = Pending(fields={"name": None}, remove_tags=frozenset({"tag of 1"}))
    assert await _load(stores, "7") == ContactState("7", Known("ext", pending=doubt))
    assert await stores.contacts.link("7", "ext") == LinkResult(
        tags=frozenset({"tag of 1"}), fields=frozenset({"name"})
    ), "the first answer was lost"


@pytest.mark.asyncio
async def test_a_removed_contact_gives_up_its_fields_and_lists(
    stores: Stores,
) -> None:
    known = Known(
        "ext",
        fields={"city": "Bonn", "lists.a": True},
        pending=Pending(fields={"lists.b": None}),
    )
    await stores.contacts.record(1, [Record("1", known, Status.REMOVED, None)])
    await stores.contacts.intend(
        [Intent("7", Pending(creates=True, fields={"name": "Ilse", "lists.c": True}))]
    )
    fields = frozenset({"city", "name", "lists.a", "lists.b", "lists.c"})
    assert await stores.contacts.link("7", "ext") == LinkResult(fields=fields)
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.pending is not None
    assert state.known.pending.fields == {
        "city": None,
        "name": "Ilse",
        "lists.a": None,
        "lists.b": None,
        "lists.c": True,
    }
    assert await stores.contacts.link("7", "ext") == LinkResult(fields=fields), (
        "the first answer was lost"
    )


@pytest.mark.asyncio
async def test_a_removed_contact_keeps_its_vendor_contact_where_nothing_is_taken_over(
    stores: Stores,
) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    assert (
        await stores.contacts.link("7", "ext", takes_over=False)
    ).owner == "whatsapp/1"
    state = await _load(stores, "1")
    assert state is not None
    assert state.known.external_id == "ext"
    assert await _load(stores, "7") is None
    assert await stores.contacts.owners("7", ["ext"], takes_over=False) == {
        "ext": "whatsapp/1"
    }
    assert (
        await stores.contacts.link("7", "of nobody", takes_over=False) == LinkResult()
    )


async def _given_up(stores: Stores, contact_id: str) -> tuple[str | None, str | None]:
    state = await _load(stores, contact_id)
    assert state is not None
    return state.given_up, state.taken_by


@pytest.mark.asyncio
async def test_a_vendor_contact_can_be_taken_back_until_another_is_written_there(
    stores: Stores,
) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    await stores.contacts.link("7", "ext")
    assert await _given_up(stores, "1") == (None, "7"), "7 has not left"
    untagged = replace(APPLIED, actions=(Action.REMOVE_TAGS,))
    gone = Record(
        "7", Known("ext"), Status.REMOVED, None, outcome=untagged, removal=True
    )
    await stores.contacts.record(1, [gone])
    assert await _given_up(stores, "1") == ("ext", None)

    assert await stores.contacts.link("1", "ext") == LinkResult()
    assert (await _given_up(stores, "1"), await _given_up(stores, "7")) == (
        (None, None),
        (None, "1"),
    )
    await stores.contacts.record(
        1, [Record("1", Known("ext"), Status.REMOVED, None, removal=True)]
    )
    assert await _given_up(stores, "7") == ("ext", None)
    await stores.contacts.link("7", "ext")
    await stores.contacts.record(
        1, [Record("7", Known("ext"), Status.PENDING, None)]
    )  # the first of its calls
    assert await _given_up(stores, "1") == (None, None)
    await stores.contacts.record(1, [replace(gone, outcome=None)])
    assert await _given_up(stores, "1") == (None, None)


@pytest.mark.asyncio
@pytest.mark.parametrize("status", [Status.SUPPRESSED, Status.REJECTED, Status.DEAD])
async def test_a_new_owner_that_is_not_tried_any_more_gives_back_what_it_never_wrote_to(
    stores: Stores, status: Status
) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    await stores.contacts.link("7", "ext")
    await stores.contacts.record(1, [Record("7", Known("ext"), status, 5)])
    assert (await stores.contacts.link("8", "ext")).owner == "whatsapp/7", (
        "8 never had it"
    )
    assert await _given_up(stores, "1") == ("ext", None)
    assert (await stores.contacts.link("1", "ext")).owner is None


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("status", "kind", "standing"),
    [
        (Status.SUPPRESSED, OutcomeKind.SUPPRESSED, Standing.SUPPRESSED),
        (Status.DEAD, OutcomeKind.REJECTED, Standing.DEAD_LETTER),
    ],
)
async def test_a_contact_that_gives_back_a_vendor_contact_still_counts_as_standing(
    backend: Backend, status: Status, kind: OutcomeKind, standing: Standing
) -> None:
    stores = await backend.run()
    await _own(stores, "1", "ext", status=Status.REMOVED)
    await stores.contacts.link("7", "ext")
    outcome = ContactOutcome(kind, code="why")
    await stores.contacts.record(
        1, [Record("7", Known("ext"), status, 5, 3, 5, outcome)]
    )
    assert (await stores.contacts.link("1", "ext")).owner is None
    assert await backend.standing() == {standing: 1}


@pytest.mark.asyncio
async def test_a_link_notes_which_tags_are_of_others(stores: Stores) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    link = await stores.contacts.link(
        "7", "ext", found_tags=frozenset({"theirs", "tag of 1"})
    )
    assert link == LinkResult(tags=frozenset({"tag of 1"}), fields=frozenset({"name"}))
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.found_tags == {"theirs"}


@pytest.mark.asyncio
async def test_a_link_of_a_removed_contact_that_is_back_makes_it_pending(
    stores: Stores,
) -> None:
    await stores.contacts.record(1, [Record("7", Known(), Status.REMOVED, None)])
    await stores.contacts.link("7", "ext")
    state = await _load(stores, "7")
    assert state is not None
    assert (state.status, state.known.external_id) == (Status.PENDING, "ext")


@pytest.mark.asyncio
async def test_a_link_notes_the_match_key(stores: Stores) -> None:
    await stores.contacts.intend([Intent("7", Pending(creates=True, keys=(KEY,)))])
    await stores.contacts.link("7", "ext", KEY)
    state = await _load(stores, "7")
    assert state is not None
    assert (state.known.external_id, state.known.key) == ("ext", KEY)
    assert state.known.pending is not None, "what else was sent is not known"
    await stores.contacts.link("7", "ext")
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.key == KEY


@pytest.mark.asyncio
async def test_unknown_tags_of_a_removed_contact_are_given_up_too(
    stores: Stores,
) -> None:
    doubt = Pending(
        add_tags=frozenset({"maybe", "theirs"}), remove_tags=frozenset({"maybe gone"})
    )
    known = Known(
        "ext", tags=frozenset({"set"}), found_tags=frozenset({"theirs"}), pending=doubt
    )
    await stores.contacts.record(1, [Record("1", known, Status.REMOVED, None)])
    await stores.contacts.intend(
        [Intent("7", Pending(creates=True, add_tags=frozenset({"new"})))]
    )
    assert await stores.contacts.link("7", "ext") == LinkResult(
        tags=frozenset({"set", "maybe", "maybe gone"})
    )
    (state,) = (await stores.contacts.load(["7"])).values()
    pending = state.known.pending
    assert pending is not None
    assert pending.creates
    assert pending.add_tags == {"new"}
    assert pending.remove_tags == {"set", "maybe", "maybe gone"}


@pytest.mark.asyncio
async def test_a_contact_back_in_this_run_gives_nothing_up_before_its_attempt(
    stores: Stores,
) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    await stores.batches.add(BatchKind.CHANGES, ["1", "7"])
    assert await stores.contacts.link("7", "ext") == LinkResult("whatsapp/1")
    assert await _load(stores, "7") is None
    await stores.batches.finish(1, {})
    assert (await stores.contacts.link("7", "ext")).owner is None


@pytest.mark.asyncio
async def test_a_contact_whose_removal_is_due_in_this_run_is_not_back(
    stores: Stores,
) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    await stores.batches.add(BatchKind.REMOVALS, ["1"])
    assert (await stores.contacts.link("7", "ext")).owner is None


@pytest.mark.asyncio
async def test_an_owner_in_the_source_comes_before_a_removed_one(
    stores: Stores,
) -> None:
    await _own(stores, "1", "ext", status=Status.REMOVED)
    await _own(stores, "2", "ext")
    assert await stores.contacts.link("7", "ext") == LinkResult("whatsapp/2")


@pytest.mark.asyncio
async def test_of_several_vendor_contacts_the_owner_in_the_source_is_returned(
    stores: Stores,
) -> None:
    await _own(stores, "1", "left", status=Status.REMOVED)
    await _own(stores, "2", "mine")
    assert await stores.contacts.owners("7", ["left", "mine", "nobody's"]) == {
        "mine": "whatsapp/2"
    }
    assert await stores.contacts.owners("7", ["left", "nobody's"]) == {}
    assert await stores.contacts.owners("2", ["mine"]) == {}


@pytest.mark.asyncio
async def test_ownership_holds_in_the_whole_account_and_not_beyond(
    backend: Backend, stores: Stores
) -> None:
    await _own(stores, "1", "ext")
    beside = await backend.run("viber")
    assert await beside.contacts.link("7", "ext") == LinkResult("whatsapp/1")
    elsewhere = await backend.run("charles", "another account")
    assert await elsewhere.contacts.link("7", "ext") == LinkResult()


# --- changes --------------------------------------------------------------------------

CHANGE = ContactChange(
    Effect.UPDATED,
    {
        "name": ChangedField("Bea", "Ilse", is_old_known=True),
        "was empty": ChangedField([1, {"a": None}], None, is_old_known=True),
        "not known": ChangedField(None),
    },
    frozenset({'a "quoted" \\ tag, {with} all', ""}),
    frozenset({"old"}),
    "ext-7",
)


async def _record_changes(stores: Stores, changes: RunChanges) -> None:
    record = Record("7", KNOWN, Status.PENDING, None, changes=changes)
    await stores.contacts.record(1, [record])


async def _changes(stores: Stores) -> RunChanges:
    state = await _load(stores, "7")
    assert state is not None
    return state.changes


@pytest.mark.asyncio
async def test_a_change_is_written_whole_each_time_and_taken_back(
    stores: Stores,
) -> None:
    """A commit whose answer is lost is repeated: that may not add anything up."""
    for _ in range(2):
        await _record_changes(stores, {THIS_RUN: CHANGE})
        assert await _changes(stores) == {THIS_RUN: CHANGE}
    less = replace(CHANGE, fields={}, tags_added=frozenset())
    await _record_changes(stores, {THIS_RUN: less})
    assert await _changes(stores) == {THIS_RUN: less}
    for _ in range(2):
        await _record_changes(stores, {THIS_RUN: None})
        assert await _changes(stores) == {}


@pytest.mark.asyncio
async def test_a_note_remembers_the_runs_that_sent_it_and_their_changes_come_along(
    backend: Backend, stores: Stores
) -> None:
    await _record_changes(stores, {THIS_RUN: CHANGE})
    note = replace(PENDING, run_id=THIS_RUN)
    await stores.contacts.intend([Intent("7", note)])
    second = await backend.run()
    state = await _load(second, "7")
    assert state is not None
    pending = state.known.pending
    assert pending is not None
    assert pending.run_id == stores.run_id
    assert state.changes == {stores.run_id: CHANGE}
    # The second run sends a part of it again with another value, and something of its
    # own, and dies; what it found out of the first run is written down for that one.
    senders = {
        "name": SendingRun(THIS_RUN, over_unknown=True),
        "vip": SendingRun(None),
    }
    settled = replace(CHANGE, effect=Effect.LINKED)
    known = replace(KNOWN, pending=replace(pending, senders=senders))
    record = Record("7", known, Status.PENDING, None, changes={stores.run_id: settled})
    await second.contacts.record(1, [record])
    third = await backend.run()
    state = await _load(third, "7")
    assert state is not None
    assert state.known.pending is not None
    assert state.known.pending.run_id == stores.run_id
    assert state.known.pending.senders == {
        "name": SendingRun(second.run_id, over_unknown=True),
        "vip": SendingRun(None),
    }
    assert state.changes == {stores.run_id: settled}


@pytest.mark.asyncio
async def test_what_a_former_owner_left_is_no_runs(
    backend: Backend, stores: Stores
) -> None:
    await _own(stores, "1", "ext-1", status=Status.REMOVED)
    second = await backend.run()
    mine = Pending(fields={"mine": 1}, run_id=THIS_RUN)
    await second.contacts.intend([Intent("2", mine)])
    await second.contacts.link("2", "ext-1", our_tags=frozenset({"crm:a"}))
    state = await _load(second, "2")
    assert state is not None
    pending = state.known.pending
    assert pending is not None
    sent_by = {part: sender_of(pending, part).run_id for part in parts_of(pending)}
    assert sent_by == {
        "mine": THIS_RUN,
        "name": None,
        "tags.tag of 1": None,
        "tags.crm:a": None,
    }


@pytest.mark.asyncio
async def test_fields_that_are_empty_for_certain_are_remembered(
    stores: Stores,
) -> None:
    known = replace(KNOWN, empty=("*",))
    await stores.contacts.record(1, [Record("7", known, Status.SYNCED, 11)])
    await stores.contacts.intend([Intent("7", Pending(run_id=THIS_RUN))])
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.empty == ("*",)
    await stores.contacts.record(1, [Record("7", KNOWN, Status.SYNCED, 11)])
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.empty == ()


# --- match keys -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_of_two_new_contacts_the_lowest_contact_id_has_the_key(
    stores: Stores,
) -> None:
    await stores.keys.claim({"10": [b"k"], "9": [b"k"], "8": [b"other"]})
    assert await stores.keys.losers(["10", "9", "8"]) == {"9": "10"}
    assert await stores.keys.losers(["10"]) == {}


@pytest.mark.asyncio
async def test_integer_ids_are_compared_as_numbers(backend: Backend) -> None:
    stores = await backend.run(numbered=True)
    await stores.keys.claim(
        {"10": [b"k"], "9": [b"k"], "-3": [b"other"], "2": [b"other"]}
    )
    assert await stores.keys.losers(["10", "9", "-3", "2"]) == {"10": "9", "2": "-3"}


@pytest.mark.asyncio
async def test_the_owner_of_an_external_id_keeps_the_key(stores: Stores) -> None:
    await _own(stores, "9", "ext-9")
    await stores.keys.claim({"1": [b"k"], "9": [b"k"]})
    assert await stores.keys.losers(["1", "9"]) == {"1": "9"}


@pytest.mark.asyncio
async def test_of_several_owners_the_first_to_claim_keeps_the_key(
    stores: Stores,
) -> None:
    await _own(stores, "1", "ext-1")
    await _own(stores, "9", "ext-9")
    await stores.keys.claim({"9": [b"k"]})
    await stores.keys.claim({"1": [b"k"], "9": [b"k"]})
    assert await stores.keys.losers(["1", "9"]) == {"1": "9"}


@pytest.mark.asyncio
async def test_the_claims_of_a_new_owner_come_after_those_of_owners(
    stores: Stores,
) -> None:
    await stores.keys.claim({"1": [b"k"]})
    await _own(stores, "9", "ext-9")
    await stores.keys.claim({"9": [b"k"]})
    assert await stores.keys.losers(["1", "9"]) == {"1": "9"}
    await stores.contacts.link("1", "ext-1")
    assert await stores.keys.losers(["1", "9"]) == {"1": "9"}


@pytest.mark.asyncio
async def test_the_claims_of_a_refused_contact_come_after_all_others(
    stores: Stores,
) -> None:
    await stores.keys.claim({"9": [b"k"]})
    await stores.keys.claim({"1": [b"k"]})
    assert await stores.keys.losers(["1", "9"]) == {"9": "1"}, (
        "nobody owns anything: the lowest id"
    )
    await stores.contacts.link("9", "ext-9", takes_over=False)
    await stores.contacts.link("1", "ext-1")
    assert await stores.keys.losers(["1", "9"]) == {"9": "1"}


@pytest.mark.asyncio
async def test_a_claim_replaces_the_former_ones_of_its_contacts_only(
    stores: Stores,
) -> None:
    await stores.keys.claim({"1": [b"k", b"l"], "2": [b"k"], "3": [b"l"]})
    assert await stores.keys.losers(["1", "2", "3"]) == {"2": "1", "3": "1"}
    await stores.keys.claim({"1": [b"l"], "2": [b"k", b"k"]})
    assert await stores.keys.losers(["1", "2", "3"]) == {"3": "1"}
    await stores.keys.claim({"1": []})
    assert await stores.keys.losers(["1", "2", "3"]) == {}


@pytest.mark.asyncio
async def test_a_contact_that_lets_go_of_a_key_is_planned_again(stores: Stores) -> None:
    for contact, status in (
        ("7", Status.SYNCED),
        ("8", Status.SYNCED),
        ("9", Status.DEAD),
    ):
        await stores.contacts.record(
            1, [Record(contact, Known("ext " + contact), status, 5, 3, 6)]
        )
    await stores.keys.claim({"7": [b"one"], "8": [b"two"], "9": [b"three"]})
    await stores.keys.claim({"7": [], "8": [b"two"], "9": [b"four"]})
    states = await stores.contacts.load(["7", "8", "9"])
    assert {
        contact: (state.source_hash, state.rejected_hash)
        for contact, state in states.items()
    } == {
        "7": (None, 6),
        "8": (5, 6),
        "9": (None, None),
    }


@pytest.mark.asyncio
async def test_keys_are_judged_over_the_whole_account_and_not_beyond(
    backend: Backend, stores: Stores
) -> None:
    beside, elsewhere = (
        await backend.run("viber"),
        await backend.run("charles", "another account"),
    )
    await stores.keys.claim({"1": [b"k"]})
    await beside.keys.claim({"2": [b"k"]})
    await elsewhere.keys.claim({"3": [b"k"]})
    assert await beside.keys.losers(["2"]) == {"2": "1"}
    assert await stores.keys.losers(["1"]) == {}
    assert await elsewhere.keys.losers(["3"]) == {}


@pytest.mark.asyncio
async def test_a_dead_duplicate_is_freed_once_it_loses_no_key(stores: Stores) -> None:
    await stores.keys.claim({"1": [b"k"], "2": [b"k"], "3": [b"m"], "4": [b"n"]})
    await _die(stores, "2", "duplicate_match_key")
    await _die(stores, "3", "refused")
    await _die(stores, "4", "duplicate_match_key", Status.REJECTED)
    assert await stores.keys.freed() == []
    await stores.keys.claim({"1": []})
    assert await stores.keys.freed() == ["2"]
    await stores.contacts.record(1, [Record("2", KNOWN, Status.SYNCED, 1)])
    assert await stores.keys.freed() == []


# --- waits ----------------------------------------------------------------------------


async def _wait(stores: Stores, contact_id: str, owner: str) -> None:
    await stores.waits.keep({contact_id: KeyWait(owner, ("phone", "mail"), 5)})
    await _die(stores, contact_id, "key_held")


def _holding(
    status: Status = Status.SYNCED, external_id: str = "ext", **fields: str
) -> Record:
    known = Known(external_id, key=KEY, fields={"phone": "1", "mail": "m", **fields})
    return Record("1", known, status, 5)


@pytest.mark.asyncio
async def test_a_waiting_contact_is_tried_again_once_the_owner_has_other_values(
    stores: Stores,
) -> None:
    await stores.contacts.record(1, [_holding()])
    await _wait(stores, "2", "whatsapp/1")
    assert await stores.waits.moved() == []
    for same in (
        _holding(name="another name"),
        _holding(Status.DEAD),
        _holding(Status.SUPPRESSED),
    ):
        await stores.contacts.record(1, [same])
        assert await stores.waits.moved() == []
    moves = (
        _holding(phone="2"),
        _holding(mail="n"),
        _holding(Status.REMOVED),
        _holding(external_id="merged"),
    )
    for moved in moves:
        await stores.contacts.record(1, [moved])
        assert await stores.waits.moved() == ["2"]
    await stores.contacts.record(1, [_holding()])
    assert await stores.waits.moved() == []


@pytest.mark.asyncio
async def test_a_contact_that_waits_for_a_former_owner_is_tried_again(
    stores: Stores,
) -> None:
    await stores.contacts.record(1, [_holding(Status.REMOVED)])
    await _wait(stores, "2", "whatsapp/1")
    await stores.contacts.link("3", "ext")
    assert await stores.waits.moved() == ["2"]


@pytest.mark.asyncio
async def test_a_wait_counts_while_its_contact_is_dead_for_it(
    backend: Backend, stores: Stores
) -> None:
    await stores.contacts.record(1, [_holding()])
    await _wait(stores, "2", "whatsapp/1")
    await stores.contacts.record(1, [_holding(phone="2")])
    await stores.contacts.intend([Intent("2", Pending())])
    assert await stores.waits.moved() == []
    again = await backend.run()
    await _die(again, "2", "ambiguous_match")
    assert await again.waits.moved() == [], (
        "the run before noted that it does not wait any more"
    )


@pytest.mark.asyncio
async def test_blockers_are_found_over_the_whole_account(
    backend: Backend, stores: Stores
) -> None:
    beside = await backend.run("viber")
    await _own(beside, "1", "ext-1")
    await beside.keys.claim({"1": [b"k"]})
    await stores.keys.claim({"2": [b"k"]})
    await _die(stores, "2", "duplicate_match_key")
    await _wait(stores, "3", "whatsapp/2")
    assert await stores.waits.blockers(["whatsapp/3", "whatsapp/never seen"]) == {
        "whatsapp/3": Blocker("whatsapp/3", Status.DEAD, "key_held", "whatsapp/2"),
        "whatsapp/2": Blocker(
            "whatsapp/2", Status.DEAD, "duplicate_match_key", "viber/1"
        ),
        "viber/1": Blocker("viber/1", Status.SYNCED, ""),
    }


@pytest.mark.asyncio
async def test_a_ring_of_waits_is_read_once(stores: Stores) -> None:
    await _wait(stores, "1", "whatsapp/2")
    await _wait(stores, "2", "whatsapp/1")
    found = await stores.waits.blockers(["whatsapp/1"])
    assert {contact: holder.waits_for for contact, holder in found.items()} == {
        "whatsapp/1": "whatsapp/2",
        "whatsapp/2": "whatsapp/1",
    }


# --- batches --------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_the_next_run_deletes_claims_of_contacts_that_were_not_reached(
    backend: Backend,
) -> None:
    first = await backend.run()
    await first.contacts.intend([Intent("2", Pending())])
    await first.contacts.record(
        1, [Record("4", Known(external_id="left"), Status.REMOVED, None)]
    )
    rivals = {"6": "1", "7": "2", "8": "3", "9": "4"}
    judged, others = [*rivals.values()], [*rivals]
    await first.keys.claim(
        {
            contact: [rivals.get(contact, contact).encode()]
            for contact in (*judged, *others)
        }
    )
    assert await first.keys.losers(others) == rivals
    for contact_id in judged:
        await first.batches.add(BatchKind.CHANGES, [contact_id])
    await first.batches.finish(3, {})
    second = await backend.run()
    assert await second.keys.losers(others) == {"7": "2", "8": "3"}


@pytest.mark.asyncio
async def test_the_next_run_plans_contacts_again_that_were_not_reached(
    backend: Backend,
) -> None:
    first = await backend.run()
    for contact_id, status in {
        "1": Status.SYNCED,
        "2": Status.DEAD,
        "3": Status.REJECTED,
        "4": Status.SYNCED,
    }.items():
        source_hash = 11 if status is Status.SYNCED else None
        await first.contacts.record(
            1, [Record(contact_id, Known("ext"), status, source_hash, 3, 12)]
        )
    await first.keys.claim({"1": [b"a"], "2": [b"b"], "3": [b"c"]})
    await first.batches.add(BatchKind.CHANGES, ["1", "2", "3", "4"])
    second = await backend.run()
    states = await second.contacts.load(["1", "2", "3", "4"])
    hashes = {
        contact_id: (state.source_hash, state.rejected_hash)
        for contact_id, state in states.items()
    }
    assert hashes == {
        "1": (None, 12),
        "2": (None, None),
        "3": (None, 12),
        "4": (None, 12),
    }, "4 asks for no key now"


@pytest.mark.asyncio
async def test_removals_come_first_then_changes_in_their_order(stores: Stores) -> None:
    for kind, contact_ids in (
        (BatchKind.CHANGES, ["b", "a"]),
        (BatchKind.REMOVALS, ["x"]),
        (BatchKind.CHANGES, ["c"]),
    ):
        await stores.batches.add(kind, contact_ids)
    assert [batch async for batch in stores.batches.waiting()] == [
        Batch(2, BatchKind.REMOVALS, ("x",)),
        Batch(1, BatchKind.CHANGES, ("b", "a")),
        Batch(3, BatchKind.CHANGES, ("c",)),
    ]


@pytest.mark.asyncio
async def test_finished_batches_do_not_come_again_and_new_ones_come_meanwhile(
    stores: Stores,
) -> None:
    await stores.batches.add(BatchKind.CHANGES, ["1", "2"])
    await stores.batches.add(BatchKind.CHANGES, ["3"])
    seen = []
    async for batch in stores.batches.waiting():
        seen.append(batch.number)
        if batch.number == 1:
            await stores.batches.finish(2, {"applied": 1})
            await stores.batches.add(BatchKind.CHANGES, ["4", "5", "6"])
            await stores.batches.add(BatchKind.REMOVALS, ["7"])
    assert seen == [1, 3]
    assert await stores.batches.left() == 6
    await stores.batches.finish(3, {})
    assert await stores.batches.left() == 3


@pytest.mark.asyncio
async def test_runs_have_batches_and_numbers_of_their_own(
    backend: Backend, stores: Stores
) -> None:
    await stores.batches.add(BatchKind.CHANGES, ["1"])
    later = await backend.run()
    assert later.run_id > stores.run_id
    assert [batch async for batch in later.batches.waiting()] == []
    await later.batches.add(BatchKind.CHANGES, ["2"])
    assert [batch async for batch in later.batches.waiting()] == [
        Batch(1, BatchKind.CHANGES, ("2",))
    ]


# --- the fence ------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_after_the_lease_ran_out_outcomes_are_recorded_and_no_intent_is(
    backend: Backend, stores: Stores
) -> None:
    await backend.run_out()
    for announcing in (
        stores.contacts.intend([Intent("7", PENDING)]),
        stores.contacts.link("7", "ext"),
        stores.keys.claim({"7": [b"k"]}),
        backend.run(),
    ):
        with pytest.raises(LeaseLost):
            await announcing
    assert await stores.contacts.load(["7"]) == {}
    await stores.contacts.record(1, [Record("7", KNOWN, Status.SYNCED, 1)])
    await stores.batches.add(BatchKind.CHANGES, ["7"])
    await stores.batches.finish(1, {})
    assert (await _load(stores, "7")) == ContactState(
        "7", KNOWN, Status.SYNCED, 1, was_in_step=True
    )


@pytest.mark.asyncio
async def test_after_a_takeover_nothing_is_written(
    backend: Backend, stores: Stores
) -> None:
    await stores.batches.add(BatchKind.CHANGES, ["7"])
    await backend.run_out()
    await backend.leases.acquire(ACCOUNT, ttl=60.0, settles_within=0.0)
    for writing in (
        stores.contacts.intend([Intent("7", PENDING)]),
        stores.contacts.record(
            1, [Record("7", KNOWN, Status.SYNCED, 1, outcome=APPLIED)]
        ),
        stores.contacts.link("7", "ext"),
        stores.keys.claim({"7": [b"k"]}),
        stores.batches.add(BatchKind.CHANGES, ["8"]),
        stores.batches.finish(1, {}),
    ):
        with pytest.raises(LeaseLost):
            await writing
    assert await stores.contacts.load(["7"]) == {}
    assert [batch.contact_ids async for batch in stores.batches.waiting()] == [("7",)]


@pytest.mark.asyncio
async def test_the_first_holder_finds_an_unused_account(backend: Backend) -> None:
    grant = await backend.leases.acquire("new", ttl=60.0, settles_within=30.0)
    assert (grant.epoch, grant.wait, grant.ledger) == (1, 0.0, {})


@pytest.mark.asyncio
async def test_a_released_lease_hands_the_ledger_on(backend: Backend) -> None:
    grant = await backend.leases.acquire("new", ttl=60.0, settles_within=30.0)
    await backend.leases.renew(grant)
    await backend.leases.release(grant, {"limits": [1]})
    with pytest.raises(LeaseLost):
        await backend.leases.renew(grant)
    after = await backend.leases.acquire("new", ttl=60.0, settles_within=30.0)
    assert (after.epoch, after.wait, after.ledger) == (2, 0.0, {"limits": [1]})
    assert 0.0 < after.elapsed < 500.0
    await backend.leases.release(grant, {"limits": [2]})
    await backend.leases.renew(after)


@pytest.mark.asyncio
async def test_after_a_crash_the_next_holder_waits_for_what_may_still_arrive(
    backend: Backend,
) -> None:
    grant = await backend.leases.acquire("new", ttl=60.0, settles_within=30.0)
    await backend.run_out("new")
    with pytest.raises(LeaseLost):
        await backend.leases.renew(grant)
    after = await backend.leases.acquire("new", ttl=60.0, settles_within=10_000.0)
    assert (after.epoch, after.ledger) == (2, None)
    assert 9_000.0 < after.wait < 9_940.0
    await backend.run_out("new")
    assert (
        await backend.leases.acquire("new", ttl=60.0, settles_within=30.0)
    ).wait == 0.0


@pytest.mark.asyncio
async def test_a_lease_from_before_a_clock_set_back_is_taken_over_once_it_is_over(
    backend: Backend,
) -> None:
    former = await backend.leases.acquire("new", ttl=0.2, settles_within=0.0)
    await backend.set_clock_back("new")
    loop = asyncio.get_running_loop()
    began = loop.time()
    after = await backend.leases.acquire("new", ttl=60.0, settles_within=30.0)
    assert 0.2 <= loop.time() - began < 60.0
    assert (after.epoch, after.ledger) == (2, None)
    assert 0.0 < after.wait <= 30.0, (
        "what it waits for the vendor does not depend on the clock either"
    )
    with pytest.raises(LeaseLost):
        await backend.leases.renew(former)


@pytest.mark.asyncio
async def test_a_holder_that_renews_keeps_its_lease_though_the_clock_was_set_back(
    backend: Backend,
) -> None:
    holder = await backend.leases.acquire("new", ttl=HOLDS, settles_within=0.0)
    await backend.set_clock_back("new")
    async with asyncio.TaskGroup() as group:
        other = group.create_task(
            _refused(backend.leases.acquire("new", ttl=HOLDS, settles_within=0.0))
        )
        while not other.done():
            await backend.leases.renew(holder)
            await asyncio.sleep(0.05)
    assert "another run is working on account new" in str(other.result())


async def _refused(acquiring: Awaitable[object]) -> LeaseHeld:
    with pytest.raises(LeaseHeld) as refused:
        await acquiring
    return refused.value


# --- the source -----------------------------------------------------------------------


@pytest.mark.asyncio
async def test_rows_are_read_fresh_and_once(backend: Backend) -> None:
    source = await backend.fill({"a": 1, "b": 1, "c": 2})
    rows = {row.contact_id: row for row in await source.load(["c", "a", "a", "gone"])}
    assert {contact_id: row.values for contact_id, row in rows.items()} == {
        "a": (1,),
        "c": (2,),
    }
    again = {
        row.contact_id: row
        for row in await (await backend.fill({"a": 1, "c": 3})).load(["a", "b", "c"])
    }
    assert again["a"] == rows["a"]
    assert again.keys() == {"a", "c"}
    assert again["c"].source_hash not in (rows["c"].source_hash, rows["a"].source_hash)


@pytest.mark.asyncio
async def test_a_diff_finds_what_is_new_changed_unsettled_or_gone(
    backend: Backend, stores: Stores
) -> None:
    source = await backend.fill(
        dict.fromkeys(
            ["new", "same", "changed", "unsettled", "dead", "alive", "back"], 1
        )
    )
    hashes = {
        row.contact_id: row.source_hash for row in await source.load(["same", "dead"])
    }
    now, other = hashes["same"], hashes["same"] + 1
    assert hashes["dead"] == now
    held = {
        "same": (Status.SYNCED, now, None),
        "changed": (Status.SYNCED, other, now),
        "unsettled": (Status.PENDING, None, None),
        "dead": (Status.DEAD, None, now),
        "alive": (Status.DEAD, now, other),
        "back": (Status.REMOVED, now, now),
        "left": (Status.REJECTED, None, now),
        "left before": (Status.REMOVED, None, None),
    }
    await stores.contacts.record(
        1,
        [
            Record(contact_id, KNOWN, status, acknowledged, 1, refused)
            for contact_id, (status, acknowledged, refused) in held.items()
        ],
    )
    found = await backend.diff()
    assert found.changes == ["alive", "back", "changed", "new", "unsettled"]
    assert found.removals == ["left"]
    assert found.totals == DiffTotals(
        source_rows=7, known_contacts=6, changed=5, removed=1
    )
    assert (await backend.diff(everything=True)).changes == sorted(
        ["new", "same", "changed", "unsettled", "dead", "alive", "back"]
    )
    assert (await backend.diff("elsewhere")).totals == DiffTotals(
        source_rows=7, changed=7
    )


# --- contacts refused alike -----------------------------------------------------------

CITY, ZIP = Refusal(-77, "http_422"), Refusal(78, "http_400")


async def _refuse(
    stores: Stores,
    *contact_ids: str,
    refusal: Refusal | None = CITY,
    status: Status = Status.REJECTED,
    rejections: int = 1,
    rejected_hash: int = 5,
    known: Known = KNOWN,
) -> None:
    outcome = ContactOutcome(OutcomeKind.REJECTED, code="http_422", message="why")
    await stores.contacts.record(
        1,
        [
            Record(
                each,
                replace(known, external_id=each),
                status,
                None,
                rejections,
                rejected_hash,
                outcome,
                refusal=refusal,
            )
            for each in contact_ids
        ],
    )


async def _groups(stores: Stores) -> dict[int, int]:
    return {
        group.refusal.fingerprint: group.contacts
        for group in await stores.refusals.groups()
    }


async def _ids(stores: Stores, refusal: Refusal = CITY) -> list[str]:
    return [
        member.contact_id
        for member in await stores.refusals.members(refusal.fingerprint, 0, 100)
    ]


@pytest.mark.asyncio
async def test_a_refusal_is_kept_with_its_contact_until_it_is_in_step(
    stores: Stores,
) -> None:
    await _refuse(stores, "7")
    state = await _load(stores, "7")
    assert state is not None
    assert state.refusal == CITY
    await stores.contacts.intend([Intent("7", Pending())])
    state = await _load(stores, "7")
    assert state is not None
    assert state.refusal == CITY, (
        "should the run be killed now, it still is one of them"
    )
    await stores.contacts.record(1, [Record("7", KNOWN, Status.SYNCED, 5)])
    state = await _load(stores, "7")
    assert state is not None
    assert state.refusal is None


@pytest.mark.asyncio
async def test_three_contacts_refused_alike_are_left_alone_and_count_no_rejections(
    backend: Backend, stores: Stores
) -> None:
    await _refuse(stores, "1", "2")
    await _refuse(stores, "8", refusal=ZIP)
    await _refuse(stores, "9", refusal=None)
    await stores.refusals.leave_alone(3)
    assert await _groups(stores) == {}
    state = await _load(stores, "1")
    assert state is not None
    assert (state.status, state.rejections) == (Status.REJECTED, 1)

    await _refuse(stores, "3", status=Status.DEAD, rejections=3)
    await _refuse(stores, "4", rejected_hash=0)
    await stores.refusals.leave_alone(3)
    for contact_id in "123":
        state = await _load(stores, contact_id)
        assert state is not None
        assert (state.status, state.rejections, state.rejected_hash) == (
            Status.DEAD,
            0,
            5,
        )
    state = await _load(stores, "4")
    assert state is not None
    assert (state.status, state.rejections, state.rejected_hash) == (
        Status.REMOVED,
        0,
        0,
    )
    assert await backend.standing() == {Standing.DEAD_LETTER: 4}
    assert [*await stores.refusals.groups()] == [RefusalGroup(CITY, 4)]
    members = await stores.refusals.members(CITY.fingerprint, 0, 100)
    assert {each.contact_id: each.kind for each in members} == {
        **dict.fromkeys("123", BatchKind.CHANGES),
        "4": BatchKind.REMOVALS,
    }
    assert await _ids(stores, ZIP) == []


@pytest.mark.asyncio
async def test_a_contact_with_an_unknown_outcome_is_left_alone_once_it_is_refused_again(
    stores: Stores,
) -> None:
    await _refuse(stores, "1", "2", "3")
    await _refuse(stores, "4", known=replace(KNOWN, pending=PENDING))
    await stores.refusals.leave_alone(3)
    assert await _ids(stores) == ["1", "2", "3"]
    await _refuse(stores, "4", known=replace(KNOWN, pending=PENDING), rejections=2)
    await stores.refusals.leave_alone(3)
    assert await _ids(stores) == ["1", "2", "3", "4"], "no look-up settles it"


@pytest.mark.asyncio
async def test_a_contact_that_this_run_acquitted_is_left_alone_and_a_pending_one_is_not(
    backend: Backend,
) -> None:
    first = await backend.run()
    await _refuse(first, "1", "2")
    await first.contacts.intend([Intent("1", Pending())])
    await first.contacts.record(
        1, [Record("1", KNOWN, Status.PENDING, None, 0, 5, refusal=CITY)]
    )
    second = await backend.run()
    outcome = ContactOutcome(OutcomeKind.DEFERRED, code="all_refused")
    await second.contacts.record(
        1,
        [
            Record(
                "3",
                replace(KNOWN, external_id="3"),
                Status.PENDING,
                None,
                0,
                5,
                outcome,
                refusal=CITY,
            )
        ],
    )
    await second.refusals.leave_alone(3)
    assert await _ids(second) == ["2", "3"]
    state = await _load(second, "1")
    assert state is not None
    assert state.status is Status.PENDING


@pytest.mark.asyncio
async def test_the_group_tried_longest_ago_comes_first(backend: Backend) -> None:
    stores = await backend.run(numbered=True)
    await _refuse(stores, "10", "9", "100")
    await _refuse(stores, *"567", refusal=ZIP)
    await stores.refusals.leave_alone(3)
    assert await _ids(stores) == ["9", "10", "100"]
    page = [
        await stores.refusals.members(CITY.fingerprint, skip, 2) for skip in (0, 2, 4)
    ]
    assert [[each.contact_id for each in members] for members in page] == [
        ["9", "10"],
        ["100"],
        [],
    ]
    later = await backend.run(numbered=True)
    await _refuse(later, "9", status=Status.DEAD, rejections=0)
    assert await _ids(later) == ["10", "100", "9"]
    assert [group.refusal for group in await later.refusals.groups()] == [ZIP, CITY], (
        "one of CITY was tried last"
    )
    await _refuse(later, "5", refusal=ZIP, status=Status.DEAD, rejections=0)
    newest = await backend.run(numbered=True)
    await _refuse(newest, "6", refusal=ZIP, status=Status.DEAD, rejections=0)
    assert [group.refusal for group in await newest.refusals.groups()] == [CITY, ZIP]
    last = await backend.run(numbered=True)
    await _refuse(last, "10", "100", status=Status.DEAD, rejections=0)
    assert [group.refusal for group in await last.refusals.groups()] == [ZIP, CITY]


@pytest.mark.asyncio
async def test_a_group_gets_the_refusal_of_its_probe_unless_another_group_has_it(
    backend: Backend,
) -> None:
    first = await backend.run()
    await _refuse(first, "1", "2", "3", "4")
    await first.refusals.leave_alone(3)
    second = await backend.run()
    await _refuse(second, "2", refusal=ZIP, status=Status.DEAD, rejections=0)
    await second.refusals.relabel(CITY.fingerprint, ZIP)
    assert await _groups(second) == {ZIP.fingerprint: 4}
    state = await _load(second, "3")
    assert state is not None
    assert state.refusal == ZIP

    await _refuse(second, "7", "8", "9")
    await second.refusals.leave_alone(3)
    third = await backend.run()
    await _refuse(third, "2", status=Status.DEAD, rejections=0)
    await third.refusals.relabel(ZIP.fingerprint, CITY)
    assert await _groups(third) == {ZIP.fingerprint: 3, CITY.fingerprint: 4}


@pytest.mark.asyncio
async def test_a_revived_group_is_planned_again_but_for_contacts_that_this_run_tried(
    backend: Backend,
) -> None:
    first = await backend.run()
    await _refuse(first, "1", "2", "3")
    await _refuse(first, "4", rejected_hash=0)
    await first.refusals.leave_alone(3)
    await _refuse(first, "5", rejections=2)
    await _refuse(first, "6", refusal=ZIP)
    second = await backend.run()
    await _refuse(second, "3", status=Status.DEAD, rejections=0)
    revived: list[str] = []
    while members := await second.refusals.revive([CITY.fingerprint], 3):
        assert len(members) <= 3
        revived += [f"{each.contact_id} {each.kind}" for each in members]
    assert sorted(revived) == ["1 changes", "2 changes", "4 removals", "5 changes"]
    for contact_id in "1245":
        state = await _load(second, contact_id)
        assert state is not None
        assert (state.status, state.rejections, state.source_hash) == (
            Status.PENDING,
            0,
            None,
        )
    assert await backend.standing() == {Standing.DEAD_LETTER: 1}
    await second.refusals.put_back([CITY.fingerprint])
    assert sorted(await _ids(second)) == ["1", "2", "3", "4", "5"]
    state = await _load(second, "4")
    assert state is not None
    assert state.status is Status.REMOVED
