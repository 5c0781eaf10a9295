"""Lists, tags, messages and seeds of DM Champ's twin."""

from __future__ import annotations

import pytest

from syncengine.sandbox.twins.twin import Seed
from tests.support.dm_champ_client import GONE, PHONE, Client


def test_lists_are_joined_and_left_by_a_body() -> None:
    client = Client(lists=["L", "M"])
    contact = client.create()
    assert [client.join(contact, name)[0] for name in ("L", "M", "L")] == [
        200,
        200,
        200,
    ]
    assert [client.join(contact, name, "DELETE")[0] for name in ("L", "L")] == [
        200,
        200,
    ]
    assert [name for name in client.held()["fields"] if name.startswith("lists.")] == [
        "lists.M"
    ]
    assert client.join("nobody", "L") == GONE
    assert client.join(contact, "") == (
        400,
        {"error": "Missing required parameter: listId"},
    )
    assert client.call("DELETE", "/contacts/lists", {"listId": "L"})[0] == 400


@pytest.mark.parametrize("unknown", [404, 500])
def test_lists_that_are_not_there_or_not_ours_are_refused_and_nothing_is_made(
    unknown: int,
) -> None:
    client = Client(lists=["L", "M"], forbidden_lists=["M"], unknown_list=unknown)
    contact = client.create()
    assert [client.join(contact, name)[0] for name in ("N", "M")] == [unknown, 403]
    for name, status in (("N", unknown), ("M", 403)):
        body = {"phoneNumber": "+4915100000", "listIds": ["L", name]}
        assert client.call("POST", "/contacts", body)[0] == status
    assert len(client.twin.contacts(0.0)) == 1


def test_a_create_joins_lists_unless_the_copy_is_an_old_one() -> None:
    client = Client()
    client.create(listId="L", listIds=["M", "N"])
    client.create("+4915100000", listId="L")
    client.twin.configure({"lists_in_create": False})
    client.create("+4915100001", listIds=["L"])
    lists = [
        [name for name in client.held(number)["fields"] if name[:6] == "lists."]
        for number in (0, 1, 2)
    ]
    assert lists == [["lists.M", "lists.N"], ["lists.L"], []]


def test_a_list_call_that_changes_nothing_may_be_refused() -> None:
    client = Client(idle_list="400")
    contact = client.create()
    asked = [
        ("L", "DELETE", 400),
        ("L", "POST", 200),
        ("L", "POST", 400),
        ("L", "DELETE", 200),
    ]
    assert [client.join(contact, name, method)[0] for name, method, _ in asked] == [
        status for *_, status in asked
    ]


def test_tags_go_by_a_phone_without_its_plus_or_by_an_address_and_stay() -> None:
    client = Client()
    contact = client.create(email="ilse@example.org")
    assert client.call("POST", "/tags", tag="a b", phoneNumber=PHONE[1:])[0] == 200
    assert client.call("POST", "/tags", tag="ü", email="ILSE@example.org")[0] == 200
    assert client.call("POST", "/tags", tag="x", phoneNumber=PHONE) == GONE
    assert client.call("POST", "/tags", tag="x", phoneNumber="491") == GONE
    assert client.call("POST", "/tags", phoneNumber=PHONE[1:])[0] == 400
    assert client.call("POST", "/tags", tag="x")[0] == 400
    described = [{"name": "a b", "description": ""}, {"name": "ü", "description": ""}]
    assert client.call("GET", f"/contacts/tags/{contact}") == (200, described)
    assert client.call("GET", "/tags") == (200, described)
    assert client.call("GET", "/contacts/tags/nobody") == GONE
    assert client.raw("DELETE", "/tags", query="tag=ü").status == 404


def test_messages_are_shown() -> None:
    client = Client()
    contact = client.create()
    assert client.call("GET", f"/contacts/messages/{contact}") == (200, [])
    assert client.call("GET", "/contacts/messages/nobody") == GONE


def test_a_seeded_contact_is_stored_until_the_reset() -> None:
    client = Client()
    fields = {
        "phoneNumber": PHONE,
        "firstName": "Ilse",
        "lists.L": True,
        "custom_fields.plan.name": "gold",
    }
    (contact,) = client.twin.seed([Seed(fields, ("vip",))], 0.0)
    held = client.held()
    assert (held["id"], held["tags"]) == (contact, ["vip"])
    assert {**held["fields"], **fields} == held["fields"]
    assert client.call("GET", "/contacts", phoneNumber=PHONE)[1]["contactId"] == contact
    client.twin.reset()
    assert client.twin.contacts(0.0) == []
    assert client.call("GET", "/contacts", phoneNumber=PHONE) == GONE


def test_ids_are_short_and_look_drawn() -> None:
    client = Client()
    made = {client.create(f"+49151000{number:04}") for number in range(50)}
    assert len(made) == 50
    assert all(len(each) == 20 and each.isalnum() for each in made)
