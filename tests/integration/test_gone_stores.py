"""The stores' records of gone contacts, in Postgres and in memory alike."""

from __future__ import annotations

import pytest

from syncengine.model.calls import Action, OutcomeKind
from syncengine.model.contact import Known, MatchKey, Pending
from syncengine.model.work import BatchKind, ContactOutcome, Record, Status
from tests.integration.test_stores import _load, _own, backend, dsn, stores
from tests.support.stores import Backend, Stores

__all__ = ["backend", "dsn", "stores"]


async def _lose(stores: Stores, contact_id: str, source_hash: int | None = 5) -> None:
    outcome = ContactOutcome(OutcomeKind.GONE, code="gone", message="why")
    await stores.contacts.record(
        1, [Record(contact_id, Known(), Status.GONE, source_hash, outcome=outcome)]
    )


@pytest.mark.asyncio
async def test_a_contact_stays_gone_until_it_has_a_vendor_contact(
    stores: Stores,
) -> None:
    await _lose(stores, "7")
    suppressed = ContactOutcome(OutcomeKind.SUPPRESSED, code="opted_out")
    for status, outcome in (
        (Status.SUPPRESSED, suppressed),
        (Status.REMOVED, None),
        (Status.REJECTED, None),
    ):
        await stores.contacts.record(
            1, [Record("7", Known(), status, 5, outcome=outcome)]
        )
        state = await _load(stores, "7")
        assert state is not None
        assert (state.status, state.gone) == (status, True)
        assert await stores.contacts.gone(all_of_them=True) == [], (
            "it does not stand as gone meanwhile"
        )
    await stores.contacts.link("7", "found")
    state = await _load(stores, "7")
    assert state is not None
    assert (state.gone, state.known.external_id) == (False, "found")


@pytest.mark.asyncio
async def test_gone_contacts_are_found_all_or_by_the_batches_of_the_run(
    stores: Stores,
) -> None:
    for contact_id in ("9", "7", "8"):
        await _lose(stores, contact_id)
    await _own(stores, "6", "there")
    assert sorted(await stores.contacts.gone(all_of_them=True)) == ["7", "8", "9"]
    await stores.batches.add(BatchKind.CHANGES, ["6", "8"])
    assert await stores.contacts.gone(all_of_them=False) == ["8"]


@pytest.mark.asyncio
async def test_a_few_other_contacts_in_step_are_returned_the_newest_first(
    stores: Stores,
) -> None:
    for contact_id in ("1", "2", "3"):
        known = Known(f"ext-{contact_id}", key=MatchKey("phone", contact_id))
        await stores.contacts.record(1, [Record(contact_id, known, Status.SYNCED, 5)])
    await _lose(stores, "4")
    await _own(stores, "5", "left", status=Status.REMOVED)
    assert sorted(await stores.contacts.in_step("3", 5)) == ["1", "2"]
    assert len(await stores.contacts.in_step("3", 1)) == 1


@pytest.mark.asyncio
async def test_contacts_that_a_resync_distrusts_still_show_which_account_it_is(
    stores: Stores,
) -> None:
    for contact_id, pending in (("1", Pending(distrusted=True)), ("2", Pending())):
        known = Known(f"ext-{contact_id}", pending=pending)
        await stores.contacts.record(
            1, [Record(contact_id, known, Status.PENDING, None)]
        )
    assert await stores.contacts.in_step("3", 5) == ["1"]


@pytest.mark.asyncio
@pytest.mark.parametrize("action", [Action.CREATE, Action.UPSERT])
async def test_contacts_created_by_this_run_show_nothing_about_the_account(
    backend: Backend, action: Action
) -> None:
    stores = await backend.run()
    await _own(stores, "1", "there")
    applied = ContactOutcome(OutcomeKind.APPLIED, (action,), requests=1)
    made = Record("2", Known("made"), Status.SYNCED, 5, outcome=applied)
    await stores.contacts.record(1, [made])
    assert await stores.contacts.in_step("3", 5) == ["1"]
    later = await backend.run()
    assert await later.contacts.in_step("3", 5) == ["1"], (
        "the former run did not come to its end"
    )
    await backend.end(stores.run_id)
    assert sorted(await later.contacts.in_step("3", 5)) == ["1", "2"]


@pytest.mark.asyncio
async def test_overwritten_values_are_unknown_and_planned_again(
    stores: Stores,
) -> None:
    await _own(stores, "7", "ext")
    written = Pending(fields={"name": None}, add_tags=frozenset({"x"}))
    await stores.contacts.overwritten("whatsapp/7", "another", written)
    state = await _load(stores, "7")
    assert state is not None
    assert (state.status, state.known.pending) == (Status.SYNCED, None), (
        "it owns another vendor contact by now"
    )
    await stores.contacts.overwritten("whatsapp/7", "ext", written)
    state = await _load(stores, "7")
    assert state is not None
    assert (state.status, state.source_hash, state.known.pending) == (
        Status.PENDING,
        None,
        written,
    )
    assert state.known.fields == {"name": "7"}


@pytest.mark.asyncio
async def test_a_seen_opt_out_stays_whatever_else_is_written(
    stores: Stores,
) -> None:
    await _own(stores, "7", "V-7")
    await stores.contacts.remember_opt_outs(
        {"7": {"news": False}, "8": {"news": False}}
    )
    assert await _load(stores, "8") is None, (
        "of one that is not linked nothing is noted"
    )
    state = await _load(stores, "7")
    assert state is not None
    assert (state.known.external_id, state.known.seen_opt_outs) == (
        "V-7",
        {"news": False},
    )
    await stores.contacts.record(1, [Record("7", state.known, Status.SYNCED, 5)])
    state = await _load(stores, "7")
    assert state is not None
    assert (state.status, state.known.seen_opt_outs) == (Status.SYNCED, {"news": False})
    await stores.contacts.remember_opt_outs({"7": {}})
    state = await _load(stores, "7")
    assert state is not None
    assert state.known.seen_opt_outs == {}
