"""The twin of charles, request by request."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.sandbox_client import BODY, CONTACTS, ERASE, Client


def test_an_upsert_makes_one_person_and_lists_only_grow() -> None:
    client = Client("charles")
    phones = [{"type": "mobile", "value": "+49 151-1"}]
    first = client.put(
        first_name="Ilse",
        phone_numbers=phones,
        tags=["a"],
        custom_properties={"x": 1, "y": True},
    )
    again = client.put(
        phone_numbers=[
            {"type": "mobile", "value": "491511"},
            {"type": "home", "value": "+4930"},
        ],
        email_addresses=[
            {"type": "main", "value": "I@x.example"},
            {"type": "main", "value": "i@X.example"},
        ],
        tags=["b", "a"],
        custom_properties={"x": 2},
    )
    assert first["id"] == again["id"]
    assert [phone["value"] for phone in again["phonenumbers"]] == ["491511", "4930"]
    assert len(again["emails"]) == 1
    assert again["tags"] == ["a", "b"]
    assert {user["broker"] for user in again["channel_users"]} == {
        "acme",
        "charles_messaging_whatsapp",
    }
    assert client.fields() == {
        "first_name": "Ilse",
        "phone_numbers.mobile": ["491511"],
        "phone_numbers.home": ["4930"],
        "email_addresses.main": [again["emails"][0]["value"]],
        "custom_properties.x": 2,
        "custom_properties.y": True,
    }


def test_another_source_is_another_person_unless_matched_by_phone() -> None:
    phones = [{"type": "mobile", "value": "+491511"}]
    for match, people in ((False, 2), (True, 1)):
        client = Client("charles", match_by_phone=match)
        client.put(phone_numbers=phones)
        client.put(source_type="other", phone_numbers=phones)
        assert len(client.twin.contacts(0.0)) == people


def test_the_effect_of_null_is_a_switch() -> None:
    for mode, left in (
        ("ignore", {"first_name": "Ilse", "custom_properties.x": 1}),
        ("clear", {}),
    ):
        client = Client("charles", null_mode=mode)
        client.put(first_name="Ilse", custom_properties={"x": 1})
        client.put(first_name=None, custom_properties={"x": None})
        assert client.fields() == left


def test_undefined_names_are_dropped_or_refused() -> None:
    client = Client(
        "charles", custom_properties=["x"], known_tags=["a"], unknown_tag="drop"
    )
    answer = client.put(custom_properties={"x": 1, "y": 2}, tags=["a", "b"])
    assert (answer["custom_properties"], answer["tags"]) == ({"x": 1}, ["a"])
    for switch, body in (
        ({"unknown_tag": "reject"}, {"tags": ["b"]}),
        ({"unknown_property": "reject"}, {"custom_properties": {"y": 1}}),
    ):
        client.twin.configure(switch)
        status, refused = client.call("PUT", CONTACTS, {**BODY, **body})
        assert (status, refused["data"]) == (422, None)
    assert client.fields() == {"custom_properties.x": 1}


def test_tags_may_replace() -> None:
    client = Client("charles", tags_mode="replace")
    client.put(tags=["a"])
    assert client.put(tags=["b"])["tags"] == ["b"]
    assert client.put()["tags"] == ["b"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"external_reference_id": ""},
        {"source_type": 7},
        {"first_name": 7},
        {"tags": "a"},
        {"phone_numbers": [{"type": "mobile"}]},
        {"phone_numbers": [{"type": "mobile", "value": "none"}]},
        {"custom_properties": []},
    ],
)
def test_charles_refuses_malformed_bodies(wrong: dict[str, Any]) -> None:
    client = Client("charles")
    status, answer = client.call("PUT", CONTACTS, {**BODY, **wrong})
    assert (status, answer["status"]) == (422, 422)
    (field,) = wrong
    assert field in answer["errors"][0]["message"]
    assert client.twin.contacts(0.0) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_charles_refuses_bodies_that_are_no_object(body: bytes) -> None:
    assert Client("charles").raw("PUT", CONTACTS, body).status == 400


def test_an_erasure_is_a_job_and_a_new_person_follows() -> None:
    client = Client("charles", erasure_delay=2.0)
    first = client.put(phone_numbers=[{"type": "mobile", "value": "+491"}])["id"]
    status, answer = client.call("DELETE", ERASE + first, now=10.0)
    assert (status, answer["data"]) == (200, {"jobId": "contacts-cleanup"})
    assert len(client.twin.contacts(11.9)) == 1
    assert client.put(now=11.9)["id"] == first
    assert client.twin.contacts(12.0) == []
    assert client.call("DELETE", ERASE + first, now=12.0)[0] == 404
    client.twin.configure({"unknown_person": 200})
    assert client.call("DELETE", ERASE + first, now=12.0)[0] == 200
    assert client.put(now=12.0)["id"] != first


@pytest.mark.parametrize("merged_id", ["new", "kept"])
def test_the_erasure_of_a_person_that_was_merged_meanwhile_erases_nobody(
    merged_id: str,
) -> None:
    client = Client("charles", erasure_delay=2.0, merged_id=merged_id)
    gone = client.put()["id"]
    kept = client.put(external_reference_id="crm-2")["id"]
    client.call("DELETE", ERASE + gone, now=10.0)
    client.twin.screen(11.0).merge(kept, gone)
    assert len(client.twin.contacts(12.0)) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CONTACTS),
        ("POST", CONTACTS),
        ("DELETE", "/api/v0/people"),
        ("DELETE", ERASE),
    ],
)
def test_charles_offers_nothing_else(method: str, path: str) -> None:
    status, answer = Client("charles").call(method, path)
    assert (status, answer["status"]) == (404, 404)


# As the vendor's own example shows them.
_PERSON = """id kind first_name nickname middle_name last_name name avatar email
date_of_birth created_at updated_at
gender comment deleted active measurements annotations custom_properties tags
name_preference
language_preference parents default_address assumed_language addresses phonenumbers
channel_users emails
direct_feed"""


_PHONE = """id person type value created_at updated_at comment deleted active
channel_user is_proxy proxy_vendor
is_portable portability"""


_EMAIL = (
    "id person type value created_at updated_at comment deleted active channel_user "
    "proxy_vendor"
)


_USER = """id person updated_at created_at last_source_fetch_at broker
external_person_reference_id
last_external_person_reference_id external_person_custom_id
external_channel_reference_id source_type source_api
payload_name first_name middle_name last_name email phone name payload active deleted
external_organization_reference_ids organizations comment links verified
last_verified_at last_cached_at
custom_properties channel_profile"""


def test_the_answer_has_the_shape_of_the_example() -> None:
    status, answer = Client("charles").call(
        "PUT",
        CONTACTS,
        {
            **BODY,
            "phone_numbers": [{"type": "mobile", "value": "+491"}],
            "email_addresses": [{"type": "main", "value": "i@x.example"}],
        },
    )
    assert (status, answer["msg"]) == (200, "Upserted contact successfully.")
    assert list(answer) == [
        "status",
        "msg",
        "messages",
        "localized_messages",
        "errors",
        "request",
        "data",
    ]
    data = answer["data"]
    assert set(data) == set(_PERSON.split())
    (phone,), (email,), (source, whatsapp) = (
        data["phonenumbers"],
        data["emails"],
        data["channel_users"],
    )
    assert (set(phone), set(email)) == (set(_PHONE.split()), set(_EMAIL.split()))
    assert set(source) == set(whatsapp) == set(_USER.split())
    assert (phone["channel_user"], email["channel_user"]) == (
        whatsapp["id"],
        source["id"],
    )
    assert (whatsapp["source_type"], whatsapp["external_person_reference_id"]) == (
        "whatsapp",
        "491",
    )
    assert source["payload"]["phone_numbers"] == [{"type": "mobile", "value": "+491"}]
    assert (data["created_at"], phone["created_at"]) == (
        "1970-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.000",
    )


def test_the_time_of_the_person_is_no_proof_of_a_write() -> None:
    client = Client("charles")
    client.put(first_name="Ilse", now=1.0)
    answer = client.put(first_name="Ilse", tags=["a"], now=5.0)
    assert answer["updated_at"] == "1970-01-01T00:00:01.000Z"
    assert answer["channel_users"][0]["updated_at"] == "1970-01-01T00:00:05.000"
    assert (
        client.put(first_name="Ilka", now=9.0)["updated_at"]
        == "1970-01-01T00:00:09.000Z"
    )


def test_lists_and_properties_may_replace() -> None:
    client = Client("charles", lists_mode="replace", properties_mode="replace")
    client.put(
        phone_numbers=[{"type": "mobile", "value": "+491"}],
        email_addresses=[{"type": "main", "value": "i@x.example"}],
        custom_properties={"x": 1},
    )
    client.put(
        phone_numbers=[{"type": "mobile", "value": "+492"}], custom_properties={"y": 2}
    )
    assert client.fields() == {
        "phone_numbers.mobile": ["492"],
        "email_addresses.main": ["i@x.example"],
        "custom_properties.y": 2,
    }


@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_refusal_may_have_any_status(status: int) -> None:
    client = Client("charles", invalid_status=status)
    got, answer = client.call("PUT", CONTACTS, {"source_type": "acme"})
    assert (got, answer["status"], answer["data"]) == (status, status, None)
    assert [error["class"] for error in answer["errors"]] == ["ValidationError"]
    assert client.twin.contacts(0.0) == []


def test_a_bad_key_may_be_forbidden_and_a_job_listed() -> None:
    client = Client("charles", bad_key_status=403, erasure_answer="list")
    person = client.put()["id"]
    assert client.call("DELETE", ERASE + person)[1]["data"] == [
        {"jobId": "contacts-cleanup"}
    ]
    client.headers = {"x-api-key": "other"}
    assert client.raw("PUT", CONTACTS).status == 403
