"""The twin of Whautomate, request by request."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from syncengine.model.http import Response
from syncengine.sandbox.duplicates import duplicates
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.twin import Seed, TwinRequest
from syncengine.sandbox.twins.whautomate.store import FiredAutomation
from syncengine.sandbox.twins.whautomate.switches import LOCATION
from syncengine.sandbox.twins.whautomate.twin import WhautomateTwin
from syncengine.sandbox.twins.whautomate.wire import STAGES

ILSE = {"name": "Ilse", "phoneNumber": "+491", "location": {"id": LOCATION}}
NOBODY = "/v1/contacts/5f00aa11bb22cc33dd44ee99"


class Client:
    def __init__(self, **switches: Any) -> None:
        self.twin = WhautomateTwin()
        self.twin.configure(switches)
        self.key = "sandbox-key"

    def raw(
        self, method: str, path: str, body: Any = None, now: float = 0.0, **query: Any
    ) -> Response:
        raw = b"" if body is None else orjson.dumps(body)
        return self.twin.handle(
            TwinRequest(method, path, urlencode(query), {"x-api-key": self.key}, raw),
            now,
        )

    def call(
        self, method: str, path: str, body: Any = None, **query: Any
    ) -> tuple[int, Any]:
        response = self.raw(method, path, body, **query)
        return response.status, orjson.loads(response.body)

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        status, answer = self.call(method, path, body, **query)
        assert status == 200, answer
        return answer

    def create(self, **fields: Any) -> str:
        contact: str = self.ok("POST", "/v1/contacts", {**ILSE, **fields})["id"]
        return contact

    def put(self, contact: str, **fields: Any) -> Any:
        return self.ok("PUT", f"/v1/contacts/{contact}", {**ILSE, **fields})

    def tag(self, contact: str, verb: str, *tags: str) -> Any:
        return self.ok("POST", f"/v1/contacts/{contact}/tags/{verb}", {"tags": tags})

    def found(self, **query: Any) -> list[str]:
        return [each["id"] for each in self.ok("GET", "/v1/contacts", **query)]


def test_a_create_shows_the_whole_contact() -> None:
    client = Client()
    answer = client.ok(
        "POST", "/v1/contacts", {**ILSE, "customFields": {"x": 1}, "tags": ["a", "a"]}
    )
    assert len(answer["id"]) == 24
    assert answer == client.ok("GET", f"/v1/contacts/{answer['id']}")
    assert {
        name: answer[name]
        for name in ("stage", "notes", "customFields", "tags", "location")
    } == {
        "stage": "Subscriber",
        "notes": "",
        "customFields": {"x": 1},
        "tags": ["a"],
        "location": {"id": LOCATION, "title": "Berlin"},
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": 7},
        {"phoneNumber": "none"},
        {"location": None},
        {"location": {"id": "elsewhere"}},
        {"stage": "Friend"},
        {"notes": 7},
        {"customFields": []},
        {"tags": "a"},
        {"tags": [7]},
    ],
)
def test_a_refused_write_changes_nothing(wrong: dict[str, Any]) -> None:
    client = Client()
    status, answer = client.call("POST", "/v1/contacts", {**ILSE, **wrong})
    assert status == 400
    assert answer["message"]
    assert client.twin.contacts(0.0) == []
    assert client.twin.store.fired == []


def test_null_for_the_tags_is_the_same_as_none() -> None:
    client = Client()
    made = client.ok("POST", "/v1/contacts", {**ILSE, "tags": None})
    assert made["tags"] == []
    client.ok("POST", f"/v1/contacts/{made['id']}/tags/add", {"tags": ["a"]})
    client.twin.configure({"put_mode": "merge"})
    path = f"/v1/contacts/{made['id']}"
    assert client.ok("PUT", path, {**ILSE, "tags": None})["tags"] == ["a"]
    client.twin.configure({"put_mode": "replace"})
    assert client.ok("PUT", path, {**ILSE, "tags": None})["tags"] == []


def test_every_stage_is_taken_and_the_location_may_be_spared() -> None:
    client = Client(location_required=False)
    for stage in STAGES:
        assert (
            client.ok(
                "POST", "/v1/contacts", {**ILSE, "location": None, "stage": stage}
            )["location"]
            is None
        )


def test_a_phone_that_is_there() -> None:
    client = Client()
    first = client.create(name="First")
    assert client.create() != first
    client.twin.configure({"duplicate_mode": "409"})
    assert client.call("POST", "/v1/contacts", ILSE)[0] == 409
    client.twin.configure({"duplicate_mode": "return_existing"})
    answer = client.ok("POST", "/v1/contacts", {**ILSE, "name": "Third"})
    assert (answer["id"], answer["name"]) == (first, "First")
    assert len(client.twin.contacts(0.0)) == 2
    assert len(client.twin.store.fired) == 2


def test_an_update_replaces_unless_it_merges() -> None:
    client = Client()
    fields = {
        "notes": "n",
        "stage": "Lead",
        "customFields": {"x": 1, "y": 2},
        "tags": ["a"],
    }
    contact = client.create(**fields)
    client.twin.configure({"put_mode": "merge"})
    assert client.put(contact, customFields={"x": 3})["customFields"] == {"x": 3}
    client.twin.configure({"custom_mode": "merge"})
    answer = client.put(contact, name="Other", customFields={"z": 4})
    assert (answer["notes"], answer["stage"], answer["tags"]) == ("n", "Lead", ["a"])
    assert answer["customFields"] == {"x": 3, "z": 4}
    client.twin.configure({"put_mode": "replace", "custom_mode": "replace"})
    answer = client.put(contact, location=None)
    assert {
        name: answer[name]
        for name in ("notes", "stage", "tags", "customFields", "location")
    } == {
        "notes": "",
        "stage": "Subscriber",
        "tags": [],
        "customFields": {},
        "location": None,
    }


@pytest.mark.parametrize(
    ("mode", "notes", "custom"), [("clear", "", {}), ("ignore", "n", {"x": 1})]
)
def test_the_effect_of_null_is_a_switch(
    mode: str, notes: str, custom: dict[str, Any]
) -> None:
    client = Client(put_mode="merge", custom_mode="merge", null_mode=mode)
    answer = client.put(
        client.create(notes="n", customFields={"x": 1}),
        notes=None,
        customFields={"x": None},
    )
    assert (answer["notes"], answer["customFields"]) == (notes, custom)


def test_values_may_be_kept_in_other_forms_or_not_at_all() -> None:
    client = Client(
        store_plus=False,
        custom_values="text",
        custom_fields=["a", "b"],
        phone_changes=False,
    )
    contact = client.create(customFields={"a": True, "b": [1], "c": 1})
    answer = client.put(contact, phoneNumber="+492", customFields={"a": 1.5, "b": "x"})
    assert answer["phoneNumber"] == "491"
    assert answer["customFields"] == {"a": "1.5", "b": "x"}


def test_a_deleted_contact_is_gone() -> None:
    client = Client()
    path = f"/v1/contacts/{client.create()}"
    assert client.ok("DELETE", path) == {"success": True}
    assert [client.call(method, path)[0] for method in ("GET", "DELETE")] == [404, 404]
    client.twin.configure({"delete_again": "200"})
    assert client.ok("DELETE", path) == {"success": True}
    assert client.call("DELETE", NOBODY)[0] == 404


def test_an_automation_fires_for_a_new_contact_and_for_each_new_tag() -> None:
    client = Client()
    contact = client.create(tags=["a"])
    assert client.tag(contact, "add", "a", "b")["tags"] == ["a", "b"]
    client.put(contact, tags=["a", "b", "c"])
    assert client.tag(contact, "remove", "b", "never")["tags"] == ["a", "c"]
    client.tag(contact, "add", "b")
    assert [each.what for each in client.twin.store.fired] == [
        "contact",
        "a",
        "b",
        "c",
        "b",
    ]
    assert client.twin.store.fired[0] == FiredAutomation("contact", contact)


def test_a_tag_call_may_tell_its_changes_only() -> None:
    client = Client(tags_told="changed")
    contact = client.create(tags=["a"])
    assert client.tag(contact, "add", "a", "b")["tags"] == ["b"]
    assert client.tag(contact, "remove", "a", "c")["tags"] == ["a"]


@pytest.mark.parametrize("body", [None, {}, {"tags": "a"}, {"tags": [""]}, []])
def test_a_tag_call_without_tags_is_refused(body: Any) -> None:
    client = Client()
    assert (
        client.call("POST", f"/v1/contacts/{client.create()}/tags/add", body)[0] == 400
    )


def test_tags_may_have_to_be_defined() -> None:
    client = Client(unknown_tag="400", known_tags=["a"])
    contact = client.create(tags=["a"])
    assert (
        client.call("POST", f"/v1/contacts/{contact}/tags/add", {"tags": ["b"]})[0]
        == 400
    )
    assert client.call("POST", "/v1/contacts", {**ILSE, "tags": ["b"]})[0] == 400
    made = client.ok("POST", "/v1/contactTags", {"name": "b"})
    assert (
        client.ok("POST", "/v1/contactTags", {"name": "b"})
        == made
        == client.ok("GET", f"/v1/contactTags/{made['id']}")
    )
    assert [tag["name"] for tag in client.ok("GET", "/v1/contactTags")] == ["a", "b"]
    assert client.tag(contact, "add", "b")["tags"] == ["a", "b"]
    client.ok("DELETE", f"/v1/contactTags/{made['id']}")
    assert client.call("GET", f"/v1/contactTags/{made['id']}")[0] == 404
    assert client.ok("GET", f"/v1/contacts/{contact}")["tags"] == ["a"]


def test_a_search_is_loose_and_the_newest_come_first() -> None:
    client = Client(locations={LOCATION: "Berlin", "other": "Bonn"})
    one = client.create(phoneNumber="+4915112", customFields={"key": "k-1"})
    two = client.create(name="Silke Ilsebill", phoneNumber="+49 151 123", tags=["vip"])
    away = client.create(
        location={"id": "other"}, notes="knows ILSE", phoneNumber="+492", tags=["x"]
    )
    assert client.found() == [away, two, one]
    assert client.found(searchText="ilse") == [away, two, one]
    assert client.found(searchText="15112") == [two, one]
    assert client.found(searchText="+4915112") == [two, one]
    assert client.found(searchText="k-1") == []
    assert client.found(locationId="other") == [away]
    assert client.found(tags="x,vip") == [away, two]
    assert client.found(channel="telegram") == []
    client.twin.configure({"searches": ["customFields.*"]})
    assert client.found(searchText="K-1") == [one]
    assert client.found(searchText="ilse") == []


def test_pages_are_capped_and_end_empty() -> None:
    client = Client(most_per_page=3, default_limit=2)
    made = [client.create() for _ in range(5)][::-1]
    assert client.found() == made[:2]
    assert client.found(limit=50, page=2) == made[3:]
    assert client.found(limit=50, page=3) == []
    assert [
        client.call("GET", "/v1/contacts", **{name: "0"})[0]
        for name in ("limit", "page")
    ] == [400, 400]


def test_locations_and_the_account_are_shown() -> None:
    client = Client()
    assert client.ok("GET", "/v1/locations") == [{"id": LOCATION, "title": "Berlin"}]
    assert client.ok("GET", "/v1/account-info")["id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/contacts"),
        ("GET", "/v1/clients"),
        ("PATCH", NOBODY),
        ("GET", f"{NOBODY}/tags/add"),
        ("DELETE", "/v1/contacts"),
    ],
)
def test_the_gateway_knows_no_such_path_whatever_the_key(
    method: str, path: str
) -> None:
    client = Client()
    for client.key in ("sandbox-key", "wrong"):
        assert client.call(method, path) == (
            403,
            {"message": "Missing Authentication Token"},
        )


def test_a_wrong_key_is_forbidden() -> None:
    client = Client()
    client.key = "wrong"
    assert client.call("GET", NOBODY) == (403, {"message": "Forbidden"})


def test_the_minute_and_the_day_are_refused_in_their_own_words() -> None:
    client = Client()
    client.twin.limiter.configure([TwinLimit(2, 60.0), TwinLimit(3, 86_400.0, "fixed")])
    times = (0.0, 1.0, 2.0, 70.0, 71.0)
    answer = [client.raw("GET", NOBODY, now=now) for now in times]
    assert [each.status for each in answer] == [404, 404, 429, 404, 429]
    assert orjson.loads(answer[2].body) == {"message": "Too Many Requests"}
    assert orjson.loads(answer[4].body) == {"message": "Limit Exceeded"}
    assert "retry-after" not in answer[2].headers
    client.twin.configure({"send_retry_after": True})
    assert client.raw("GET", NOBODY, now=86_399.5).headers["retry-after"] == "1"
    assert client.raw("GET", NOBODY, now=86_400.0).status == 404


def test_a_hundred_a_minute_are_the_vendors_own_limit() -> None:
    client = Client()
    client.twin.limiter.configure(client.twin.vendor_limits)
    statuses = [client.raw("GET", NOBODY, now=600.0).status for _ in range(101)]
    assert (statuses.count(429), statuses[-1]) == (1, 429)


def test_a_seeded_contact_is_stored_until_the_reset() -> None:
    client = Client(known_tags=["vip"])
    fields = {
        "name": "Ilse",
        "phoneNumber": "+491",
        "stage": "Lead",
        "notes": "n",
        "customFields.x": 1,
    }
    (contact_id,) = client.twin.seed([Seed(fields, ("vip",))], 0.0)
    assert client.twin.contacts(0.0) == [
        {"id": contact_id, "key": None, "fields": fields, "tags": ["vip"]}
    ]
    assert client.found(locationId=LOCATION) == [contact_id]
    assert client.twin.store.fired == []
    client.twin.reset()
    assert client.twin.contacts(0.0) == []


def test_duplicates_are_found_by_phone() -> None:
    client = Client()
    made = [
        client.create(),
        client.create(phoneNumber="49-1"),
        client.create(phoneNumber="+492"),
    ]
    assert duplicates(client.twin.contacts(0.0))["phone"] == {"491": made[:2]}


@pytest.mark.parametrize(
    "wrong", [{"nope": 1}, {"store_plus": "yes"}, {"put_mode": "maybe"}]
)
def test_a_wrong_switch_changes_nothing(wrong: dict[str, Any]) -> None:
    twin = WhautomateTwin()
    before = twin.switches
    (switch,) = wrong
    with pytest.raises(ValueError, match=f"^{switch}: "):
        twin.configure({"delete_again": "200", **wrong})
    assert twin.switches == before
