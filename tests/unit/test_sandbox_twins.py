"""The twins, request by request."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from syncengine.model.http import Response
from syncengine.sandbox.duplicates import duplicates
from syncengine.sandbox.limits import Limit
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.twin import Seed, Twin, TwinRequest

CONTACTS = "/api/v1beta/contacts"
BODY = {"external_reference_id": "crm-1", "source_type": "acme"}
ERASE = "/api/v0/people/cleanup/gdpr/"
AUTH = {"charles": {"x-api-key": "sandbox-key"}, "respond_io": {"authorization": "Bearer sandbox-token"}}
every_twin = pytest.mark.parametrize("name", sorted(AUTH))


class Client:
    def __init__(self, name: str, **switches: Any) -> None:
        self.twin: Twin = load(name)
        self.twin.configure(switches)
        self.headers = AUTH[name]

    def raw(self, method: str, path: str, body: bytes = b"", query: str = "", now: float = 0.0) -> Response:
        return self.twin.handle(TwinRequest(method, path, query, self.headers, body), now)

    def call(self, method: str, path: str, body: Any = None, query: str = "", now: float = 0.0) -> tuple[int, Any]:
        response = self.raw(method, path, b"" if body is None else orjson.dumps(body), query, now)
        assert response.headers["content-type"] == "application/json"
        return response.status, orjson.loads(response.body)

    def put(self, now: float = 0.0, **body: Any) -> Any:
        status, told = self.call("PUT", CONTACTS, {**BODY, **body}, now=now)
        assert status == 200, told
        return told["data"]

    def fields(self, now: float = 0.0) -> Any:
        (contact,) = self.twin.contacts(now)
        return contact["fields"]

    def create(self, **fields: Any) -> str:
        status, told = self.call("POST", "/contact/", pairs(fields))
        assert status == 200, told
        contact_id: str = told["data"]["id"]
        return contact_id

    def find(self, name: str, value: str, page: int = 1) -> Any:
        query = urlencode({"name": name, "value": value, "page": page})
        status, told = self.call("GET", "/contact/by_custom_field", query=query)
        assert status == 200, told
        return told


def pairs(fields: dict[str, Any]) -> Any:
    return {"custom_fields": [{"name": name, "value": value} for name, value in fields.items()]}


# --- both -----------------------------------------------------------------------------------------------------------


@every_twin
def test_a_wrong_key_is_refused(name: str) -> None:
    client = Client(name)
    client.headers = {}
    assert client.raw("GET", "/contact/1").status == 401


@every_twin
@pytest.mark.parametrize("told", [True, False])
def test_a_full_window_says_when_to_come_back(name: str, *, told: bool) -> None:
    client = Client(name, send_retry_after=told)
    client.twin.limiter.configure([Limit(1, 60.0, "fixed")])
    assert client.raw("GET", "/contact/1", now=10.0).status != 429
    refused = client.raw("GET", "/contact/1", now=10.5)
    assert refused.status == 429
    assert refused.headers.get("retry-after") == ("50" if told else None)
    assert client.raw("GET", "/contact/1", now=60.0).status != 429


@every_twin
@pytest.mark.parametrize("wrong", [{"nope": 1}, {"send_retry_after": "yes"}, {"null_mode": "maybe"}])
def test_a_wrong_switch_changes_nothing(name: str, wrong: dict[str, Any]) -> None:
    twin = load(name)
    before = twin.switches
    with pytest.raises(ValueError, match=f"^{next(iter(wrong))}: "):
        twin.configure({"null_mode": "clear", **wrong})
    assert twin.switches == before
    twin.configure({"null_mode": "clear"})
    assert twin.switches.null_mode == "clear"


@every_twin
def test_a_seeded_contact_is_held_until_the_reset(name: str) -> None:
    twin = load(name)
    own = "first_name" if name == "charles" else "firstName"
    (contact_id,) = twin.seed([Seed({own: "Ilse"}, ("vip",), key="crm-1")], 0.0)
    (contact,) = twin.contacts(0.0)
    assert (contact["id"], contact["fields"], contact["tags"]) == (contact_id, {own: "Ilse"}, ["vip"])
    twin.reset()
    assert twin.contacts(0.0) == []


def test_twins_are_apart() -> None:
    one, other = Client("charles"), Client("charles")
    one.put()
    assert other.twin.contacts(0.0) == []


# --- charles --------------------------------------------------------------------------------------------------------


def test_an_upsert_makes_one_person_and_lists_only_grow() -> None:
    client = Client("charles")
    phones = [{"type": "mobile", "value": "+49 151-1"}]
    first = client.put(first_name="Ilse", phone_numbers=phones, tags=["a"], custom_properties={"x": 1, "y": True})
    again = client.put(
        phone_numbers=[{"type": "mobile", "value": "491511"}, {"type": "home", "value": "+4930"}],
        email_addresses=[{"type": "main", "value": "I@x.example"}, {"type": "main", "value": "i@X.example"}],
        tags=["b", "a"],
        custom_properties={"x": 2},
    )
    assert first["id"] == again["id"]
    assert [phone["value"] for phone in again["phonenumbers"]] == ["491511", "4930"]
    assert len(again["emails"]) == 1
    assert again["tags"] == ["a", "b"]
    assert {user["broker"] for user in again["channel_users"]} == {"acme", "charles_messaging_whatsapp"}
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


def test_what_null_does_is_a_switch() -> None:
    for mode, left in (("ignore", {"first_name": "Ilse", "custom_properties.x": 1}), ("clear", {})):
        client = Client("charles", null_mode=mode)
        client.put(first_name="Ilse", custom_properties={"x": 1})
        client.put(first_name=None, custom_properties={"x": None})
        assert client.fields() == left


def test_what_is_not_defined_is_dropped_or_refused() -> None:
    client = Client("charles", custom_properties=["x"], known_tags=["a"], unknown_tag="drop")
    told = client.put(custom_properties={"x": 1, "y": 2}, tags=["a", "b"])
    assert (told["custom_properties"], told["tags"]) == ({"x": 1}, ["a"])
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
def test_charles_refuses_what_is_malformed(wrong: dict[str, Any]) -> None:
    client = Client("charles")
    status, told = client.call("PUT", CONTACTS, {**BODY, **wrong})
    assert (status, told["status"]) == (422, 422)
    assert next(iter(wrong)) in told["errors"][0]["message"]
    assert client.twin.contacts(0.0) == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]"])
def test_charles_refuses_what_is_no_object(body: bytes) -> None:
    assert Client("charles").raw("PUT", CONTACTS, body).status == 400


def test_an_erasure_is_a_job_and_a_new_person_follows() -> None:
    client = Client("charles", erasure_delay=2.0)
    first = client.put(phone_numbers=[{"type": "mobile", "value": "+491"}])["id"]
    status, told = client.call("DELETE", ERASE + first, now=10.0)
    assert (status, told["data"]) == (200, {"jobId": "contacts-cleanup"})
    assert len(client.twin.contacts(11.9)) == 1
    assert client.put(now=11.9)["id"] == first
    assert client.twin.contacts(12.0) == []
    assert client.call("DELETE", ERASE + first, now=12.0)[0] == 404
    client.twin.configure({"unknown_person": 200})
    assert client.call("DELETE", ERASE + first, now=12.0)[0] == 200
    assert client.put(now=12.0)["id"] != first


@pytest.mark.parametrize(
    ("method", "path"), [("GET", CONTACTS), ("POST", CONTACTS), ("DELETE", "/api/v0/people"), ("DELETE", ERASE)]
)
def test_charles_offers_nothing_else(method: str, path: str) -> None:
    status, told = Client("charles").call(method, path)
    assert (status, told["status"]) == (404, 404)


# As the vendor's own example shows them.
_PERSON = """id kind first_name nickname middle_name last_name name avatar email date_of_birth created_at updated_at
gender comment deleted active measurements annotations custom_properties tags name_preference
language_preference parents default_address assumed_language addresses phonenumbers channel_users emails
direct_feed"""
_PHONE = """id person type value created_at updated_at comment deleted active channel_user is_proxy proxy_vendor
is_portable portability"""
_EMAIL = "id person type value created_at updated_at comment deleted active channel_user proxy_vendor"
_USER = """id person updated_at created_at last_source_fetch_at broker external_person_reference_id
last_external_person_reference_id external_person_custom_id external_channel_reference_id source_type source_api
payload_name first_name middle_name last_name email phone name payload active deleted
external_organization_reference_ids organizations comment links verified last_verified_at last_cached_at
custom_properties channel_profile"""


def test_the_answer_has_the_shape_of_the_example() -> None:
    status, told = Client("charles").call(
        "PUT",
        CONTACTS,
        {
            **BODY,
            "phone_numbers": [{"type": "mobile", "value": "+491"}],
            "email_addresses": [{"type": "main", "value": "i@x.example"}],
        },
    )
    assert (status, told["msg"]) == (200, "Upserted contact successfully.")
    assert list(told) == ["status", "msg", "messages", "localized_messages", "errors", "request", "data"]
    data = told["data"]
    assert set(data) == set(_PERSON.split())
    (phone,), (email,), (source, whatsapp) = data["phonenumbers"], data["emails"], data["channel_users"]
    assert (set(phone), set(email)) == (set(_PHONE.split()), set(_EMAIL.split()))
    assert set(source) == set(whatsapp) == set(_USER.split())
    assert (phone["channel_user"], email["channel_user"]) == (whatsapp["id"], source["id"])
    assert (whatsapp["source_type"], whatsapp["external_person_reference_id"]) == ("whatsapp", "491")
    assert source["payload"]["phone_numbers"] == [{"type": "mobile", "value": "+491"}]
    assert (data["created_at"], phone["created_at"]) == ("1970-01-01T00:00:00.000Z", "1970-01-01T00:00:00.000")


def test_the_time_of_the_person_is_no_proof_of_a_write() -> None:
    client = Client("charles")
    client.put(first_name="Ilse", now=1.0)
    told = client.put(first_name="Ilse", tags=["a"], now=5.0)
    assert told["updated_at"] == "1970-01-01T00:00:01.000Z"
    assert told["channel_users"][0]["updated_at"] == "1970-01-01T00:00:05.000"
    assert client.put(first_name="Ilka", now=9.0)["updated_at"] == "1970-01-01T00:00:09.000Z"


def test_lists_and_properties_may_replace() -> None:
    client = Client("charles", lists_mode="replace", properties_mode="replace")
    client.put(
        phone_numbers=[{"type": "mobile", "value": "+491"}],
        email_addresses=[{"type": "main", "value": "i@x.example"}],
        custom_properties={"x": 1},
    )
    client.put(phone_numbers=[{"type": "mobile", "value": "+492"}], custom_properties={"y": 2})
    assert client.fields() == {
        "phone_numbers.mobile": ["492"],
        "email_addresses.main": ["i@x.example"],
        "custom_properties.y": 2,
    }


@pytest.mark.parametrize("status", [200, 400, 422])
def test_a_refusal_may_have_any_status(status: int) -> None:
    client = Client("charles", invalid_status=status)
    got, told = client.call("PUT", CONTACTS, {"source_type": "acme"})
    assert (got, told["status"], told["data"]) == (status, status, None)
    assert [error["class"] for error in told["errors"]] == ["ValidationError"]
    assert client.twin.contacts(0.0) == []


def test_a_bad_key_may_be_forbidden_and_a_job_listed() -> None:
    client = Client("charles", bad_key_status=403, erasure_answer="list")
    person = client.put()["id"]
    assert client.call("DELETE", ERASE + person)[1]["data"] == [{"jobId": "contacts-cleanup"}]
    client.headers = {"x-api-key": "other"}
    assert client.raw("PUT", CONTACTS).status == 403


# --- respond.io -----------------------------------------------------------------------------------------------------


def test_a_create_repeats_unless_the_switch_forbids() -> None:
    client = Client("respond_io")
    assert client.create(phone="+491") != client.create(phone="+491")
    client.twin.configure({"dup": "403"})
    assert client.call("POST", "/contact/", pairs({"phone": "+491"}))[0] == 403
    assert client.create(phone="+492")


def test_values_are_kept_as_text_and_empty_ones_stay() -> None:
    client = Client("respond_io")
    contact = client.create(a=True, b=7, c=1.5, d="", e="x", f=None)
    assert client.fields() == {"a": "true", "b": "7", "c": "1.5", "d": "", "e": "x"}
    assert client.call("PUT", f"/contact/{contact}", pairs({"e": ""})) == (200, {"data": {"id": contact}})
    assert client.fields()["e"] == ""
    client.twin.configure({"null_mode": "clear"})
    client.call("PUT", f"/contact/{contact}", pairs({"a": None}))
    assert client.fields()["a"] == ""


def test_look_ups_follow_the_values_and_come_in_pages_of_ten() -> None:
    client = Client("respond_io")
    made = [client.create(company="Acme") for _ in range(23)]
    pages = [client.find("company", "Acme", page) for page in (1, 2, 3, 4)]
    assert [[row["id"] for row in page["data"]] for page in pages] == [made[:10], made[10:20], made[20:], []]
    assert pages[0]["meta"] == {**pages[0]["meta"], "last_page": 3, "total": 23, "per_page": 10, "from": 1, "to": 10}
    assert pages[2]["links"]["next"] is None
    client.call("PUT", f"/contact/{made[0]}", pairs({"company": "Other"}))
    assert client.find("company", "Acme")["meta"]["total"] == 22
    assert [row["id"] for row in client.find("company", "Other")["data"]] == made[:1]
    assert client.find("company", "acme")["data"] == []


def test_a_raw_plus_in_a_query_finds_nothing() -> None:
    client = Client("respond_io")
    client.create(phone="+491")
    totals = [
        client.call("GET", "/contact/by_custom_field", query=f"name=phone&value={value}")[1]["meta"]["total"]
        for value in ("%2B491", "+491", "491")
    ]
    assert totals == [1, 0, 0]
    client.twin.configure({"store_plus": False})
    client.create(phone="+492")
    assert client.find("phone", "492")["meta"]["total"] == 1


@pytest.mark.parametrize("path", ["/contact/", "/contact/{id}", "/contact/{id}/tags"])
def test_one_more_than_the_limit_of_a_call_is_refused(path: str) -> None:
    client = Client("respond_io")
    path = path.format(id=client.create(a=1))
    method = "PUT" if path[-1].isdigit() else "POST"
    for number, allowed in ((0, False), (10, True), (11, "tags" not in path), (30, "tags" not in path), (31, False)):
        names = [f"n{each}" for each in range(number)]
        body = {"tags": names} if "tags" in path else pairs(dict.fromkeys(names, "x"))
        assert (client.call(method, path, body)[0] == 200) is allowed, number


def test_tags_come_and_go() -> None:
    client = Client("respond_io")
    path = f"/contact/{client.create(a=1)}/tags"
    assert client.call("POST", path, {"tags": ["b", "a", "b"]})[0] == 200
    assert client.call("DELETE", path, {"tags": ["b", "never"]})[0] == 200
    assert [contact["tags"] for contact in client.twin.contacts(0.0)] == [["a"]]


def test_an_unknown_contact_and_an_unknown_field_are_403() -> None:
    client = Client("respond_io", custom_fields=["known"])
    gone = (403, {"status": "error", "message": "No such contact found."})
    assert client.call("GET", "/contact/1") == gone
    assert client.call("PUT", "/contact/1", pairs({"known": 1})) == gone
    assert client.call("POST", "/contact/1/tags", {"tags": ["a"]}) == gone
    assert client.call("POST", "/contact/", pairs({"nope": 1}))[0] == 403
    assert client.create(known=1, firstName="Ilse")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/contact/1", 405),
        ("PUT", "/contact/", 405),
        ("POST", "/contact/by_custom_field", 405),
        ("GET", "/contact/1/tags", 405),
        ("GET", "/contacts", 404),
    ],
)
def test_a_wrong_verb_is_405(method: str, path: str, status: int) -> None:
    assert Client("respond_io").call(method, path)[0] == status


def test_a_channel_sees_its_own_contacts_only() -> None:
    client = Client("respond_io", tokens=["one", "two"])
    client.headers = {"authorization": "Bearer one"}
    contact = client.create(crm_id="1")
    client.headers = {"authorization": "Bearer two"}
    assert client.find("crm_id", "1")["data"] == []
    assert client.call("GET", f"/contact/{contact}")[0] == 403
    assert len(client.twin.contacts(0.0)) == 1


def test_an_update_may_replace() -> None:
    client = Client("respond_io", put_mode="replace")
    contact = client.create(a="1", b="2")
    client.call("PUT", f"/contact/{contact}", pairs({"b": "3"}))
    assert client.fields() == {"a": "", "b": "3"}


def test_a_look_up_may_ignore_case_and_an_empty_one_be_refused() -> None:
    client = Client("respond_io", look_up="ignore_case", no_hit="403")
    made = [client.create(company="Acme"), client.create(company="ACME")]
    client.create(company="")
    assert [row["id"] for row in client.find("company", "acme")["data"]] == made
    query = "name=company&value=other"
    gone = (403, {"status": "error", "message": "No such contact found."})
    assert client.call("GET", "/contact/by_custom_field", query=query) == gone
    assert client.call("GET", "/contact/by_custom_field", query="name=company&value=") == gone


def test_tags_may_have_to_exist_and_to_make_a_difference() -> None:
    client = Client("respond_io", known_tags=["a", "b"], idle_tag="403")
    path = f"/contact/{client.create(x=1)}/tags"
    asked = [("POST", "c", 403), ("POST", "a", 200), ("POST", "a", 403), ("DELETE", "b", 403), ("DELETE", "a", 200)]
    assert [client.call(method, path, {"tags": [tag]})[0] for method, tag, _ in asked] == [want for *_, want in asked]


def test_who_does_not_accept_json_may_be_sent_away() -> None:
    client = Client("respond_io", require_accept=True)
    refused = client.raw("POST", "/contact/", orjson.dumps(pairs({"a": 1})))
    assert (refused.status, refused.headers["content-type"]) == (302, "text/html; charset=utf-8")
    client.headers = {**client.headers, "accept": "application/json"}
    assert client.create(a=1)


def test_answers_tell_how_much_of_the_limit_is_left() -> None:
    client = Client("respond_io")
    client.twin.limiter.configure([Limit(2, 60.0, "fixed")])
    told = [client.raw("GET", "/contact/1", now=90.0).headers for _ in range(3)]
    assert [each["x-ratelimit-remaining"] for each in told] == ["1", "0", "0"]
    assert [each.get("x-ratelimit-reset") for each in told] == [None, "120", "120"]
    assert {each["x-ratelimit-limit"] for each in told} == {"2"}
    client.twin.configure({"send_limit_headers": False})
    assert not [name for name in client.raw("GET", "/contact/1", now=90.0).headers if "ratelimit" in name]


@every_twin
def test_what_a_vendor_allows_is_in_force_only_when_asked_for(name: str) -> None:
    client = Client(name)
    (limit,) = client.twin.vendor_limits
    assert client.twin.limiter.limits == ()
    client.twin.limiter.configure(client.twin.vendor_limits)
    statuses = [client.raw("GET", "/contact/1", now=600.0).status for _ in range(limit.calls + 1)]
    assert (statuses.count(429), statuses[-1]) == (1, 429)


def test_duplicates_are_found_by_phone_and_key() -> None:
    client = Client("respond_io")
    made = [client.create(phone=phone, crm_id=key) for phone, key in (("+491", "a"), ("491", "b"), ("+492", "b"))]
    contacts = client.twin.contacts(0.0)
    assert duplicates(contacts) == {"phone": {"491": made[:2]}, "key": {}}
    assert duplicates(contacts, "crm_id") == {"phone": {"491": made[:2]}, "key": {"b": made[1:]}}
    charles = Client("charles")
    phones = [{"type": "mobile", "value": "+491"}, {"type": "home", "value": "+49-1"}]
    people = [charles.put(source_type=source, phone_numbers=phones)["id"] for source in ("one", "other")]
    assert duplicates(charles.twin.contacts(0.0)) == {"phone": {"491": people}, "key": {"crm-1": people}}
