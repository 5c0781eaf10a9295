"""The twin of respond.io v2: authentication, contacts, the queue."""

from __future__ import annotations

from typing import Any

import pytest

from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.twin import Seed
from tests.support.respond_io_v2_client import EMAIL, GONE, ILSE, PHONE, Client, pairs

# --- coming in ------------------------------------------------------------------------


def test_no_authorization_meets_the_network_and_a_wrong_one_the_api() -> None:
    client = Client()
    client.headers = {}
    refused = client.raw("GET", "/contact/id:1")
    assert (refused.status, refused.headers["content-type"]) == (403, "text/html")
    assert refused.body.startswith(b"<html>")
    for given in ("Bearer other", "Basic sandbox-token", "Bearer"):
        client.headers = {"authorization": given}
        assert client.call("GET", "/contact/id:1") == (
            401,
            {"code": 401, "message": "UN_AUTHORIZED"},
        )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/contact/list", 405),
        ("PUT", "/contact/create_or_update/id:1", 405),
        ("PUT", "/contact/id:1/tag", 405),
        ("PATCH", "/contact/id:1", 405),
        ("GET", "/contacts", 404),
        ("GET", "/contact/nonsense", 400),
        ("GET", "/contact/phone:4915111223344", 400),
        ("GET", "/contact/email:ilse", 400),
        ("GET", "/contact/id:12x", 400),
        ("GET", "/v2/contact/id:12", 404),
    ],
)
def test_paths_verbs_and_identifiers_are_checked(
    method: str, path: str, status: int
) -> None:
    assert Client().status(method, path, {}) == status


def test_every_method_and_route_is_limited_by_itself_over_all_tokens() -> None:
    client = Client(tokens=["one", "two"])
    client.twin.limiter.configure(client.twin.vendor_limits)
    statuses = []
    for number in range(6):
        client.headers = {"authorization": f"Bearer {('one', 'two')[number % 2]}"}
        statuses.append(client.status("GET", "/contact/id:1", now=100.0))
    assert statuses == [404] * 5 + [429]
    assert client.status("GET", "/contact/id:1/channels", now=100.5) == 404
    assert client.status("DELETE", "/contact/id:1", now=100.5) == 404
    assert client.status("GET", "/contact/id:1", now=100.5) == 429
    assert client.status("GET", "/contact/id:1", now=101.0) == 404


@pytest.mark.parametrize(
    ("switches", "names"),
    [
        (
            {},
            {
                "retry-after": "1",
                "x-ratelimit-limit": "1",
                "x-ratelimit-remaining": "0",
            },
        ),
        (
            {"send_retry_after": False},
            {"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0"},
        ),
        ({"send_limit_headers": False}, {"retry-after": "1"}),
    ],
)
def test_a_429_has_its_headers(switches: dict[str, Any], names: dict[str, str]) -> None:
    client = Client(**switches)
    client.twin.limiter.configure([TwinLimit(1, 1.0, "fixed")])
    first, refused = (client.raw("GET", "/contact/id:1", now=100.2) for _ in range(2))
    assert refused.status == 429
    assert {
        name: value for name, value in refused.headers.items() if name != "content-type"
    } == names
    assert first.headers.get("x-ratelimit-remaining") == names.get(
        "x-ratelimit-remaining"
    )


# --- contacts -------------------------------------------------------------------------


def test_a_create_answers_without_an_id_and_refuses_known_contacts() -> None:
    client = Client()
    done = (200, {"code": "200", "message": "Contact added successfully!"})
    assert (
        client.call("POST", f"/contact/{PHONE}", {**ILSE, "email": "ilse@example.org"})
        == done
    )
    assert client.read(PHONE)[1]["phone"] == "+4915111223344"
    for identifier, body in (
        (PHONE, ILSE),
        (EMAIL, ILSE),
        ("phone:+491234567", {**ILSE, "email": "ILSE@example.org"}),
    ):
        status, answer = client.call("POST", f"/contact/{identifier}", body)
        assert (status, "already exist" in answer["message"]) == (403, True)
    assert client.status("POST", "/contact/id:5501", ILSE) == 400
    assert client.status("POST", "/contact/phone:+491234567", {}) == 400
    assert len(client.twin.contacts(0.0)) == 1


def test_an_upsert_goes_by_one_key_so_that_two_keys_make_two_contacts() -> None:
    client = Client()
    one = client.upsert(PHONE, email="ilse@example.org")
    assert client.upsert(PHONE, lastName="Brandt") == one
    assert client.read(one)[1]["lastName"] == "Brandt"
    assert client.upsert(f"id:{one}", lastName="Sommer") == one
    assert client.status("POST", "/contact/create_or_update/id:1", ILSE) == 404
    other = client.upsert("email:other@example.org", phone="+4915111223344")
    assert other != one
    client.twin.configure({"upsert_match": "any"})
    assert client.upsert("email:third@example.org", phone="+4915111223344") == one


def test_an_upsert_may_tell_no_id() -> None:
    client = Client(upsert_empty_body=True)
    assert client.call("POST", f"/contact/create_or_update/{PHONE}", ILSE) == (200, {})
    assert client.read(PHONE)[0] == 200


def test_a_new_contact_waits_in_the_queue() -> None:
    client = Client(queue_delay=10.0)
    contact = client.upsert(PHONE, now=100.0)
    path = f"/contact/id:{contact}"
    for now, found, written in ((109.9, 404, 449), (110.0, 200, 200)):
        assert client.read(contact, now)[0] == client.read(PHONE, now)[0] == found
        assert client.status("GET", f"{path}/channels", now=now) == found
        assert client.status("PUT", path, ILSE, now=now) == written
        assert client.status("POST", f"{path}/tag", ["vip"], now=now) == written
        assert (
            client.status("POST", f"{path}/lifecycle/update", {"name": "Lead"}, now=now)
            == written
        )
        body = {"search": "", "timezone": "UTC", "filter": {"$and": []}}
        assert len(client.call("POST", "/contact/list", body, now=now)[1]["items"]) == (
            found == 200
        )
    assert client.upsert(PHONE, now=101.0) == contact
    assert len(client.twin.contacts(100.0)) == 1


def test_a_contact_is_read_in_the_documented_shape() -> None:
    client = Client()
    contact = client.upsert(
        PHONE,
        1735689600.9,
        language="de",
        countryCode="DE",
        custom_fields=pairs(vip=True, visits=3, plan="gold"),
    )
    client.call("POST", f"/contact/id:{contact}/tag", ["vip"])
    client.call("POST", f"/contact/id:{contact}/lifecycle/update", {"name": "Lead"})
    assert client.read(contact)[1] == {
        "id": contact,
        "firstName": "Ilse",
        "lastName": None,
        "phone": "+4915111223344",
        "email": None,
        "language": "de",
        "profilePic": None,
        "countryCode": "DE",
        "locale": "de_DE",
        "custom_fields": pairs(vip="true", visits="3", plan="gold"),
        "status": "open",
        "isBlocked": False,
        "tags": ["vip"],
        "assignee": None,
        "lifecycle": "Lead",
        "created_at": 1735689600,
    }
    client.twin.configure({"custom_shown": "typed", "shows_plus": False})
    shown = client.read(contact)[1]
    assert (shown["custom_fields"], shown["phone"]) == (
        pairs(vip=True, visits=3, plan="gold"),
        "4915111223344",
    )


def test_an_update_is_partial_and_follows_its_keys() -> None:
    client = Client()
    contact = client.upsert(PHONE, lastName="Brandt")
    path = f"/contact/id:{contact}"
    assert client.call("PUT", path, {**ILSE, "phone": "+4930112233"}) == (
        200,
        {"contactId": contact},
    )
    assert client.read(contact)[1]["lastName"] == "Brandt"
    assert client.read(PHONE) == GONE
    assert client.read("phone:+4930112233")[1]["id"] == contact
    assert client.status("PUT", path, {"lastName": "Sommer"}) == 400
    client.twin.configure({"first_name_in_updates": "optional", "email_case": "lower"})
    assert client.status("PUT", path, {"email": "Ilse@Example.org"}) == 200
    assert client.read(contact)[1]["email"] == "ilse@example.org"


@pytest.mark.parametrize(
    "body",
    [
        {"firstName": None},
        {"firstName": ""},
        {"firstName": 7},
        {"phone": "4915111223344"},
        {"phone": ""},
        {"email": "ilse"},
        {"language": "deutsch!"},
        {"countryCode": "DEU"},
        {"nickname": "x"},
        {"custom_fields": {"plan": "gold"}},
        {"custom_fields": [{"name": "plan"}]},
        {"custom_fields": [{"name": "plan", "value": ["gold"]}]},
        {"custom_fields": [{"name": "plan", "value": "gold", "more": 1}]},
        [],
    ],
)
def test_a_body_that_breaks_the_rules_changes_nothing(body: Any) -> None:
    client = Client()
    contact = client.upsert(PHONE, lastName="Brandt")
    before = client.twin.contacts(0.0)
    sent = body
    if isinstance(body, dict):
        sent = {**ILSE, "lastName": "Other", **body}
    status, answer = client.call("PUT", f"/contact/id:{contact}", sent)
    assert (status, answer["code"], answer["message"][:17]) == (
        400,
        400,
        "Validation error.",
    )
    assert client.twin.contacts(0.0) == before


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", "gold", 7),
        ("number", 7, "7"),
        ("number", 7.5, True),
        ("checkbox", False, "false"),
        ("email", "a@b.example", "a"),
        ("url", "https://a.example", "a.example"),
        ("date", "2025-03-02", "02.03.2025"),
        ("time", "23:59", "11:59 pm"),
    ],
)
def test_custom_fields_have_to_exist_and_to_be_of_their_type(
    kind: str, good: Any, bad: Any
) -> None:
    client = Client(custom_fields={"known": kind})
    path = f"/contact/id:{client.upsert(PHONE)}"
    asked = [
        ("known", good, 200),
        ("known", bad, 400),
        ("known", None, 200),
        ("other", good, 400),
    ]
    for name, value, status in asked:
        assert (
            client.status(
                "PUT", path, {**ILSE, "custom_fields": pairs(**{name: value})}
            )
            == status
        ), name


@pytest.mark.parametrize(
    ("switches", "sent", "kept"),
    [
        ({}, None, None),
        ({"null_mode": "ignore"}, None, "x@y.example"),
        ({"null_mode": "ignore", "empty_mode": "clear"}, "", None),
        ({"empty_mode": "clear"}, None, None),
    ],
)
def test_the_value_that_clears_is_a_switch(
    switches: dict[str, Any], sent: Any, kept: Any
) -> None:
    client = Client(**switches)
    contact = client.upsert(
        PHONE, email="x@y.example", custom_fields=pairs(plan="x@y.example")
    )
    body = {**ILSE, "email": sent, "custom_fields": pairs(plan=sent)}
    assert client.status("PUT", f"/contact/id:{contact}", body) == 200
    shown = client.read(contact)[1]
    assert shown["email"] == kept
    assert shown["custom_fields"] == (pairs(plan=kept) if kept else None)
    assert (client.read("email:x@y.example") == GONE) is (kept is None)


def test_a_deleted_contact_is_not_found() -> None:
    client = Client()
    contact = client.upsert(PHONE)
    assert client.call("DELETE", f"/contact/{PHONE}") == (200, {"contactId": contact})
    assert client.read(contact) == client.read(PHONE) == GONE
    assert client.call("DELETE", f"/contact/id:{contact}") == GONE
    assert client.upsert(PHONE) != contact


# --- the sandbox's own ----------------------------------------------------------------


def test_a_seeded_contact_is_stored_until_the_reset() -> None:
    client = Client(queue_delay=10.0)
    fields = {
        "firstName": "Ilse",
        "phone": "+4915111223344",
        "lifecycle": "Lead",
        "custom_fields.plan": "gold",
    }
    (contact,) = client.twin.seed([Seed(fields, ("vip",))], 0.0)
    assert client.twin.contacts(0.0) == [
        {"id": contact, "key": None, "fields": fields, "tags": ["vip"]}
    ]
    assert client.read(PHONE)[1]["id"] == int(contact)
    client.twin.reset()
    assert client.twin.contacts(0.0) == []
    assert client.read(PHONE) == GONE


@pytest.mark.parametrize(
    "wrong", [{"nope": 1}, {"queue_delay": "long"}, {"null_mode": "maybe"}]
)
def test_a_wrong_switch_changes_nothing(wrong: dict[str, Any]) -> None:
    twin = load("respond_io_v2")
    before = twin.switches
    (switch,) = wrong
    with pytest.raises(ValueError, match=f"^{switch}: "):
        twin.configure({"upsert_empty_body": True, **wrong})
    assert twin.switches == before
