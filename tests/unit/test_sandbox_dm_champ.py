"""The twin of DM Champ, request by request."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from syncengine.sandbox.duplicates import duplicates
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.dm_champ.twin import DmChampTwin
from syncengine.sandbox.twins.twin import TwinRequest
from tests.support.dm_champ_client import GONE, PHONE, Client

# --- who may ask ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "auth", ["", "apiKey=", "apiKey=other", "apikey=sandbox-key", "userId=u-1"]
)
def test_without_the_key_in_the_query_nothing_is_done(auth: str) -> None:
    client = Client()
    client.auth = auth
    assert client.call("POST", "/contacts", {"phoneNumber": PHONE}) == (
        401,
        "Unauthorized",
    )
    assert client.twin.contacts(0.0) == []


def test_a_user_id_may_replace_the_key() -> None:
    client = Client(user_ids=["u-1"])
    client.auth = "userId=u-1"
    assert client.create()


@pytest.mark.parametrize("answer", [True, False])
def test_a_full_window_is_refused_with_a_text(*, answer: bool) -> None:
    client = Client(send_retry_after=answer)
    client.twin.limiter.configure([TwinLimit(1, 60.0, "fixed")])
    assert client.raw("GET", "/tags", now=10.0).status == 200
    refused = client.raw("GET", "/tags", now=10.5)
    assert (refused.status, orjson.loads(refused.body)) == (429, "Too Many Requests")
    assert refused.headers.get("retry-after") == ("50" if answer else None)


@pytest.mark.parametrize(
    "wrong", [{"nope": 1}, {"send_retry_after": "yes"}, {"duplicate_mode": "maybe"}]
)
def test_a_wrong_switch_changes_nothing(wrong: dict[str, Any]) -> None:
    twin = DmChampTwin()
    before = twin.switches
    (switch,) = wrong
    with pytest.raises(ValueError, match=f"^{switch}: "):
        twin.configure({"phones": "digits", **wrong})
    assert twin.switches == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/contacts/x"),
        ("GET", "/contacts/x"),
        ("GET", "/contacts/lists"),
        ("PUT", "/tags"),
        ("GET", "/nothing"),
        ("POST", "/contacts/tags/x"),
    ],
)
def test_unknown_paths_are_an_html_page(method: str, path: str) -> None:
    response = Client().raw(method, path)
    assert (response.status, response.headers["content-type"]) == (
        404,
        "text/html; charset=utf-8",
    )


def test_routes_tell_no_id_and_no_key() -> None:
    twin = DmChampTwin()
    routes = [
        twin.route(TwinRequest(method, f"/v1{path}", "apiKey=hunter2"))
        for method, path in (
            ("PUT", "/contacts/c1"),
            ("GET", "/contacts/tags/c1"),
            ("GET", "/nothing/c1"),
        )
    ]
    assert routes == ["PUT /contacts/{id}", "GET /contacts/tags/{id}", "GET /?"]


# --- contacts -------------------------------------------------------------------------


def test_fields_left_out_of_a_create_get_defaults_that_look_like_data() -> None:
    client = Client()
    client.create(externalId="7", instagramId=None, nonsense="x")
    assert client.held()["fields"] == {
        "phoneNumber": PHONE,
        "firstName": "Unknown",
        "lastName": "Unknown",
        "email": "unknown@unknown.com",
        "isChatWindowOpen": False,
        "is_bot_active": True,
        "do_not_disturb": False,
        "externalId": "7",
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"phone": PHONE},
        {"phoneNumber": "nobody"},
        {"phoneNumber": 49},
        {"phoneNumber": PHONE, "firstName": 7},
        {"phoneNumber": PHONE, "is_bot_active": "true"},
        {"phoneNumber": PHONE, "currentCampaignData": "x"},
        {"phoneNumber": PHONE, "listIds": "L"},
        [],
    ],
)
@pytest.mark.parametrize("mistakes_as", ["text", "object"])
def test_a_create_that_breaks_a_rule_makes_nothing(body: Any, mistakes_as: str) -> None:
    client = Client(mistakes_as=mistakes_as)
    status, answer = client.call("POST", "/contacts", body)
    assert (status, type(answer)) == (400, str if mistakes_as == "text" else dict)
    assert client.twin.contacts(0.0) == []


def test_a_phone_may_have_another_name() -> None:
    client = Client(accept_phone_alias=True)
    assert client.call("POST", "/contacts", {"phone": PHONE})[0] == 200
    assert client.held()["fields"]["phoneNumber"] == PHONE


EXISTS = {"success": False, "message": "Contact already exists"}


@pytest.mark.parametrize(
    ("mode", "status", "answer"),
    [
        ("http409", 409, EXISTS),
        ("http200_error_code", 200, {**EXISTS, "error_code": 409}),
    ],
)
def test_a_second_contact_with_a_phone_is_refused(
    mode: str, status: int, answer: Any
) -> None:
    client = Client(duplicate_mode=mode)
    client.create()
    assert client.call("POST", "/contacts", {"phoneNumber": PHONE}) == (status, answer)
    assert len(client.twin.contacts(0.0)) == 1


def test_or_the_first_is_named_as_if_it_were_new_and_not_written_to() -> None:
    client = Client(duplicate_mode="return_existing")
    first = client.create(firstName="Ilse")
    assert client.create(firstName="Other", listIds=["L"]) == first
    (held,) = client.twin.contacts(0.0)
    assert held["fields"]["firstName"] == "Ilse"
    assert "lists.L" not in held["fields"]


@pytest.mark.parametrize(("phones", "made"), [("exact", 2), ("digits", 1)])
def test_spellings_of_a_phone_may_be_one(phones: str, made: int) -> None:
    client = Client(phones=phones)
    client.create()
    client.call("POST", "/contacts", {"phoneNumber": PHONE[1:]})
    assert len(client.twin.contacts(0.0)) == made
    assert (duplicates(client.twin.contacts(0.0))["phone"] != {}) is (made == 2)


def test_a_raw_plus_in_the_query_is_a_blank_and_finds_nobody() -> None:
    client = Client()
    contact = client.create()
    statuses = [
        client.raw("GET", "/contacts", query=f"phoneNumber={each}").status
        for each in ("%2B" + PHONE[1:], PHONE)
    ]
    assert statuses == [200, 404]
    assert client.call("GET", "/contacts", phoneNumber=PHONE)[1]["contactId"] == contact


def test_a_look_up_shows_one_contact_in_another_spelling_than_it_is_written_in() -> (
    None
):
    client = Client()
    contact = client.create(firstName="Ilse", currentCampaign="Spring")
    client.call("POST", "/tags", tag="vip", phoneNumber=PHONE[1:])
    answer = client.call("GET", "/contacts", phoneNumber=PHONE)[1]
    assert (answer["success"], answer["contactId"]) == (True, contact)
    shown = answer["contact"]
    assert (shown["firstName"], shown["isBotActive"], shown["doNotDisturb"]) == (
        "Ilse",
        True,
        False,
    )
    assert (shown["tags"], shown["currentCampaign"]) == (["vip"], {"name": "Spring"})
    assert shown["createdAt"] == "1970-01-01T00:00:00.000Z"
    assert "is_bot_active" not in shown
    client.twin.configure({"flags_as": "texts", "tags_as": "objects"})
    shown = client.call("GET", "/contacts", phoneNumber=PHONE)[1]["contact"]
    assert (shown["isBotActive"], shown["tags"]) == ("true", [{"name": "vip"}])
    client.twin.configure({"lookup_returns": "id_only"})
    assert client.call("GET", "/contacts", phoneNumber=PHONE) == (
        200,
        {"success": True, "contactId": contact},
    )


def test_a_look_up_without_a_key_is_refused_and_one_without_a_hit_may_be_200() -> None:
    client = Client()
    assert client.call("GET", "/contacts")[0] == 400
    assert client.call("GET", "/contacts", email="x@example.org") == GONE
    client.twin.configure({"no_hit": "200"})
    assert client.call("GET", "/contacts", email="x@example.org") == (200, GONE[1])


@pytest.mark.parametrize(("switch", "number"), [("oldest", 0), ("newest", 1)])
def test_a_shared_address_shows_one_of_its_contacts(switch: str, number: int) -> None:
    client = Client(shared_email=switch)
    made = [client.create(f"+49{each}00000", email="Us@example.org") for each in (1, 2)]
    assert (
        client.call("GET", "/contacts", email="us@EXAMPLE.org")[1]["contactId"]
        == made[number]
    )


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("contactId", ["contactId"]),
        ("contact_id", ["contact_id"]),
        ("contact.id", ["contact", "id"]),
        ("id", ["id"]),
    ],
)
def test_the_id_of_a_new_contact_may_be_in_other_places(
    place: str, path: list[str]
) -> None:
    client = Client(id_place=place)
    answer = client.call("POST", "/contacts", {"phoneNumber": PHONE})[1]
    for name in path:
        answer = answer[name]
    assert answer == client.held()["id"]


def test_an_update_changes_five_fields_and_ignores_the_rest() -> None:
    client = Client()
    contact = client.create()
    body = {
        "firstName": "Ilse",
        "do_not_disturb": True,
        "phoneNumber": "+491",
        "externalId": "8",
    }
    answer = {"success": True, "message": "Contact updated successfully"}
    assert client.call("PUT", f"/contacts/{contact}", body) == (200, answer)
    fields = client.held()["fields"]
    assert (fields["firstName"], fields["do_not_disturb"], fields["phoneNumber"]) == (
        "Ilse",
        True,
        PHONE,
    )
    assert "externalId" not in fields
    assert client.call("PUT", "/contacts/nobody", body) == GONE


@pytest.mark.parametrize(
    ("switches", "value", "held"),
    [
        ({}, "", "Ilse"),
        ({"empty_mode": "clear"}, "", "Unknown"),
        ({"empty_mode": "400"}, "", None),
        ({}, None, None),
        ({"null_mode": "clear"}, None, "Unknown"),
        ({"null_mode": "ignore"}, None, "Ilse"),
    ],
)
def test_the_value_that_empties_a_field_is_a_switch(
    switches: dict[str, Any], value: Any, held: str | None
) -> None:
    client = Client(**switches)
    contact = client.create(firstName="Ilse")
    status = client.call("PUT", f"/contacts/{contact}", {"firstName": value})[0]
    assert status == (400 if held is None else 200)
    assert client.held()["fields"]["firstName"] == (held or "Ilse")


def test_an_update_may_reset_fields_that_it_leaves_out() -> None:
    client = Client(put_mode="replace")
    contact = client.create(firstName="Ilse", is_bot_active=False)
    client.call("PUT", f"/contacts/{contact}", {"lastName": "Brandt"})
    fields = client.held()["fields"]
    assert [fields[name] for name in ("firstName", "lastName", "is_bot_active")] == [
        "Unknown",
        "Brandt",
        True,
    ]


@pytest.mark.parametrize(
    ("switch", "created", "updated"),
    [("drop", {}, {}), ("create", {"a": 1}, {}), ("keep", {"a": 1}, {"b": 2})],
)
def test_custom_fields_are_kept_by_some_writes(
    switch: str, created: Any, updated: Any
) -> None:
    client = Client(custom_fields=switch)
    contact = client.create(custom_fields={"a": 1})
    client.call("PUT", f"/contacts/{contact}", {"custom_fields": {"b": 2}})
    held = client.held()["fields"].items()
    assert {
        name.removeprefix("custom_fields."): value
        for name, value in held
        if "custom" in name
    } == created | updated


def test_a_phone_may_lose_its_plus_and_an_address_its_capitals() -> None:
    client = Client(store_plus=False, email_case="lower")
    client.create(email="Ilse@Example.org")
    fields = client.held()["fields"]
    assert (fields["phoneNumber"], fields["email"]) == (PHONE[1:], "ilse@example.org")
    assert client.call("GET", "/contacts", phoneNumber=PHONE) == GONE
    assert client.call("GET", "/contacts", phoneNumber=PHONE[1:])[0] == 200
