"""Contacts that wait for one that cannot move are rejected.

The message names everybody in between.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.model.work import Blocker, Status
from syncengine.planning.waiting import refusal_of_waiting

WAITER, OWNER, OTHER = "here/9", "here/1", "there/1"
CONTACTS = ("here/1", "here/2", "here/3", "there/1", WAITER)
STUCK = (Status.REJECTED, Status.DEAD)


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Blocker]:
    """Contacts in any state, in any chain or ring."""
    return {
        contact: Blocker(
            contact,
            draw(st.sampled_from(Status)),
            draw(st.sampled_from(("", "http_422", "duplicate_match_key", "key_held"))),
            draw(st.sampled_from((None, *CONTACTS))),
        )
        for contact in draw(st.sets(st.sampled_from(CONTACTS)))
    }


def told(holders: dict[str, Blocker], owner: str) -> list[str]:
    """The contacts from the owner on, each of which is kept from moving by the next."""
    chain: list[str] = []
    contact: str | None = owner
    while contact in holders and contact not in (*chain, WAITER):
        chain.append(contact)
        contact = (
            holders[contact].waits_for if holders[contact].status in STUCK else None
        )
    return chain


@given(worlds(), st.sampled_from((OWNER, OTHER)))
def test_the_refusal_names_everybody_from_the_owner_to_the_end(
    holders: dict[str, Blocker], owner: str
) -> None:
    refusal = refusal_of_waiting(WAITER, owner, holders, "here")
    holder = holders.get(owner)
    moves = holder is None or holder.status is Status.REMOVED
    planned_again = (
        holder is not None and holder.status is Status.PENDING and owner == OWNER
    )
    if moves or planned_again:
        assert refusal is None
        return
    assert refusal is not None
    assert holder is not None
    assert not refusal.by_vendor
    assert refusal.code == (
        "ambiguous_match" if holder.status is Status.SYNCED else "key_held"
    )
    chain = told(holders, owner)
    situations = (
        refusal.message.partition("belongs to ")[2].rpartition(". ")[0].split("; ")
    )
    assert len(situations) == len(chain)
    assert all(
        said.startswith(f"contact {contact}")
        for said, contact in zip(situations, chain, strict=True)
    )


@pytest.mark.parametrize(
    ("holders", "advice"),
    [
        (
            [Blocker(OWNER, Status.DEAD, "invalid_value")],
            "Correct the row of contact here/1;",
        ),
        (
            [
                Blocker(OWNER, Status.DEAD, "duplicate_match_key", "here/2"),
                Blocker("here/2", Status.SYNCED, ""),
            ],
            "Correct the row of contact here/1 or of contact here/2;",
        ),
        (
            [Blocker(OWNER, Status.SYNCED, "")],
            (
                "which is in step with its row as far as is known here. Somebody may have "
                "edited that contact at the vendor: `syncengine verify --repair -d here` "
                "has it say again what its row says. Where that changes nothing, correct "
                "the row of this contact or of contact here/1;"
            ),
        ),
        (
            [Blocker(OWNER, Status.SUPPRESSED, "opted_out")],
            "Correct the row of this contact or of contact here/1;",
        ),
    ],
)
def test_the_refusal_says_which_row_to_correct(
    holders: list[Blocker], advice: str
) -> None:
    refusal = refusal_of_waiting(
        WAITER, OWNER, {each.contact: each for each in holders}, "here"
    )
    assert refusal is not None
    assert advice in refusal.message


def test_who_waits_for_another_destination_is_told_to_run_it() -> None:
    refusal = refusal_of_waiting(
        WAITER, OTHER, {OTHER: Blocker(OTHER, Status.PENDING, "")}, "here"
    )
    assert refusal is not None
    assert "Run destination there;" in refusal.message
