"""The wire format of charles."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from syncengine.model.calls import Action, Call
from syncengine.model.http import Json
from syncengine.testing.driving import requested, scripted
from tests.support.vendors.of_charles import DELETE, KEY, PERSON, charles, upsert


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (upsert(), {}),
        (
            upsert({"first_name": "Ilse", "middle_name": "M.", "last_name": "Brandt"}),
            {"first_name": "Ilse", "middle_name": "M.", "last_name": "Brandt"},
        ),
        (
            upsert(
                {
                    "phone_numbers.mobile": "+4915111223344",
                    "phone_numbers.work": "+493012345",
                }
            ),
            {
                "phone_numbers": [
                    {"type": "mobile", "value": "+4915111223344"},
                    {"type": "work", "value": "+493012345"},
                ]
            },
        ),
        (
            upsert({"email_addresses.main": "ilse@example.org"}),
            {"email_addresses": [{"type": "main", "value": "ilse@example.org"}]},
        ),
        (
            upsert(
                {
                    "custom_properties.plan_name": "gold",
                    "custom_properties.visits": 3,
                    "custom_properties.vip": False,
                    "custom_properties.score": 1.5,
                    "custom_properties.address.city": "Köln",
                    "custom_properties.address": {"zip": "50667"},
                }
            ),
            {
                "custom_properties": {
                    "plan_name": "gold",
                    "visits": 3,
                    "vip": False,
                    "score": 1.5,
                    "address.city": "Köln",
                    "address": {"zip": "50667"},
                }
            },
        ),
        (
            upsert({"external_channel_reference_id": 77}),
            {"external_channel_reference_id": "77"},
        ),
        (upsert(tags=("newsletter", "vip")), {"tags": ["newsletter", "vip"]}),
        # The key is sent once, from the call, whatever a field of its name holds.
        (
            upsert({"external_reference_id": "changed", "first_name": "Ilse"}),
            {"first_name": "Ilse"},
        ),
        # Neither null nor the empty text is documented, so neither is sent.
        (
            upsert(
                {
                    "first_name": "",
                    "custom_properties.plan": "",
                    "phone_numbers.mobile": "",
                }
            ),
            {},
        ),
    ],
)
def test_upsert_sends(call: Call, body: dict[str, Json]) -> None:
    request = requested(charles().send(call))
    assert (request.method, request.path, request.query) == (
        "PUT",
        "/api/v1beta/contacts",
        (),
    )
    assert request.json == {
        "external_reference_id": "crm-20418",
        "source_type": "acme_sync",
        **body,
    }
    assert request.headers == {"accept": "application/json", "x-api-key": "k-123"}
    assert request.route == "PUT /api/v1beta/contacts"


@pytest.mark.parametrize(("clear_with", "sent"), [("null", None), ("empty", "")])
def test_clearing_is_a_switch(clear_with: str, sent: Json) -> None:
    adapter = charles(clear_with=clear_with)
    call = upsert({"first_name": None, "custom_properties.plan": None, "last_name": ""})
    request = requested(adapter.send(call))
    assert request.json["first_name"] == sent
    assert request.json["last_name"] == sent
    assert request.json["custom_properties"] == {"plan": sent}


def test_clearing_is_off_by_default() -> None:
    upserts = charles().capabilities.upsert
    assert upserts is not None
    assert upserts.clears == ()
    with pytest.raises(ValueError, match="cannot clear first_name"):
        charles().send(upsert({"first_name": None}))


def test_delete_sends() -> None:
    request = requested(charles().send(DELETE))
    assert (request.method, request.path) == (
        "DELETE",
        f"/api/v0/people/cleanup/gdpr/{PERSON}",
    )
    assert request.route == "DELETE /api/v0/people/cleanup/gdpr/{id}"
    assert request.json is None
    assert request.headers == {
        "accept": "application/json",
        "x-api-key": "k-123",
        "content-type": "application/json; charset=utf-8",
    }


def test_nothing_can_be_asked() -> None:
    assert scripted(charles().probe()) == ([], False)
    with pytest.raises(ValueError, match="no look-up"):
        charles().find(KEY)
    with pytest.raises(ValueError, match="no look-up"):
        charles().read(PERSON)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call(Action.UPSERT, "1"), "needs the key"),
        (upsert({"nickname": "Ille"}), 'no field "nickname"'),
        (upsert({"phone_numbers": "+4915111223344"}), 'no field "phone_numbers"'),
        (Call(Action.DELETE, "1"), "external id"),
        (Call(Action.CREATE, "1"), "no create"),
        (
            Call(Action.REMOVE_TAGS, "1", external_id=PERSON, remove_tags=("vip",)),
            "no remove_tags",
        ),
        (
            Call(Action.UPSERT, "1", key=KEY, remove_tags=("vip",)),
            "carries 1 tags to remove",
        ),
    ],
)
def test_a_call_nobody_can_translate_is_our_mistake(call: Call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        requested(charles().send(call))


class _Pair(NamedTuple):
    """A value as we send it and as the vendor shows it, and if the two are the same."""

    field: str
    ours: Json
    theirs: Json
    same: bool


@pytest.mark.parametrize(
    ("field", "ours", "theirs", "same"),
    [
        _Pair(
            field="phone_numbers.mobile",
            ours="+4915111223344",
            theirs="4915111223344",
            same=True,
        ),
        _Pair(
            field="phone_numbers.mobile",
            ours="+4915111223344",
            theirs="4915111223345",
            same=False,
        ),
        _Pair(
            field="email_addresses.main",
            ours="Ilse@example.org",
            theirs="ilse@Example.org",
            same=True,
        ),
        _Pair(
            field="email_addresses.main",
            ours="ilse@example.org",
            theirs="ina@example.org",
            same=False,
        ),
        _Pair(
            field="custom_properties.mail",
            ours="Ilse@example.org",
            theirs="ilse@example.org",
            same=False,
        ),
        _Pair(
            field="custom_properties.phone",
            ours="+4915111223344",
            theirs="4915111223344",
            same=False,
        ),
        _Pair(field="custom_properties.visits", ours=3, theirs=3.0, same=True),
        _Pair(field="custom_properties.visits", ours=3, theirs="3", same=False),
        _Pair(field="custom_properties.vip", ours=True, theirs=1, same=False),
        _Pair(field="custom_properties.vip", ours=False, theirs=None, same=False),
        _Pair(field="first_name", ours="", theirs=None, same=True),
        _Pair(field="first_name", ours=None, theirs="", same=True),
    ],
)
def test_same(field: str, ours: Json, theirs: Json, *, same: bool) -> None:
    assert charles().same(field, ours, theirs) is same


def test_the_items_of_a_list_are_values_of_their_own() -> None:
    phones: dict[str, Json] = {
        "phone_numbers.mobile": ["+491", "+492"],
        "phone_numbers.work": "+493",
        "email_addresses.main": ["a@b.example"],
    }
    body = requested(charles().send(upsert(phones))).json
    assert body["phone_numbers"] == [
        {"type": "mobile", "value": "+491"},
        {"type": "mobile", "value": "+492"},
        {"type": "work", "value": "+493"},
    ]
    assert body["email_addresses"] == [{"type": "main", "value": "a@b.example"}]
