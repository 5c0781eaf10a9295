"""Creates that return an existing contact as new, without saying so."""

from __future__ import annotations

import pytest

from syncengine.model.capabilities import Capabilities, Write
from syncengine.model.contact import Desired, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.planning.learning import with_key_of_create
from syncengine.planning.look_up import plan_look_up

EMAIL, PHONE = MatchKey("email", "i@example.org"), MatchKey("phone", "+491")
SENT = MatchKey("email", "old@example.org")
UNKNOWN = Known(pending=Pending(creates=True, keys=(SENT,)))


def vendor(*, tells: bool) -> Capabilities:
    create = Write(repeatable=True, keyed_by=("phone",), tells_existing=tells)
    return Capabilities(create=create, find_by=("email", "phone"))


def looked_up(
    *keys: MatchKey,
    tells: bool,
    known: Known | None = None,
    find_first: bool = True,
    phone: Json = "+491",
) -> list[MatchKey]:
    desired = Desired("7", {"email": "i@example.org", "phone": phone}, keys=keys)
    look_up = plan_look_up(
        desired, known or Known(), vendor(tells=tells), find_first=find_first
    )
    return list(look_up.keys) if look_up else []


def test_a_create_that_tells_needs_no_look_up_by_the_keys_it_tells_by() -> None:
    assert looked_up(PHONE, tells=True) == []
    assert looked_up(EMAIL, tells=True) == [EMAIL]


def test_one_that_does_not_is_preceded_by_look_ups_under_all_of_them() -> None:
    assert looked_up(PHONE, tells=False) == [PHONE]
    assert looked_up(EMAIL, tells=False) == [EMAIL, PHONE]
    assert looked_up(PHONE, EMAIL, tells=False) == [PHONE, EMAIL]


@pytest.mark.parametrize("phone", [None, ""])
def test_nobody_is_looked_up_by_nothing(phone: Json) -> None:
    assert looked_up(EMAIL, tells=False, phone=phone) == [EMAIL]


def test_an_unknown_create_is_looked_up_by_them_too() -> None:
    assert looked_up(EMAIL, tells=True, known=UNKNOWN) == [SENT, EMAIL]
    assert looked_up(EMAIL, tells=False, known=UNKNOWN) == [SENT, EMAIL, PHONE]


def test_an_account_known_to_be_empty_is_spared() -> None:
    assert looked_up(EMAIL, tells=True, find_first=False) == []
    assert looked_up(EMAIL, tells=False, known=UNKNOWN, find_first=False) == [
        SENT,
        EMAIL,
        PHONE,
    ]


@pytest.mark.parametrize(("keyed_by", "found"), [(("email",), (EMAIL,)), ((), ())])
def test_an_upsert_that_may_write_over_somebody_is_never_spared_its_look_up(
    keyed_by: tuple[str, ...], found: tuple[MatchKey, ...]
) -> None:
    upserts = Capabilities(
        upsert=Write(repeatable=True, keyed_by=keyed_by), find_by=("email",)
    )
    look_up = plan_look_up(
        Desired("7", {}, keys=(EMAIL,)), Known(), upserts, find_first=False
    )
    assert (look_up.keys if look_up else ()) == found


def test_it_is_not_where_a_create_does_not_tell_whom_it_finds() -> None:
    assert looked_up(EMAIL, tells=False, find_first=False) == [EMAIL, PHONE]


def noted(
    *keys: MatchKey, external_id: str | None = "v7", creates: bool = True
) -> Known:
    """Return a create that was answered, and of which only the id was recorded."""
    sent = {"phone": "+491", "email": "i@example.org", "ref": "7"}
    return Known(external_id, pending=Pending(creates=creates, keys=keys, fields=sent))


def test_a_contact_holds_the_key_it_was_made_under_though_no_more_was_noted() -> None:
    known = with_key_of_create(noted(PHONE), vendor(tells=False))
    assert known.fields == {"phone": "+491"}
    assert known.pending is not None
    assert known.pending.fields == {"email": "i@example.org", "ref": "7"}


@pytest.mark.parametrize(
    "known",
    [
        noted(EMAIL),
        noted(EMAIL, PHONE),
        noted(PHONE, external_id=None),
        noted(PHONE, creates=False),
        Known("v7"),
    ],
)
def test_else_nothing_is_sure(known: Known) -> None:
    assert with_key_of_create(known, vendor(tells=False)) == known
