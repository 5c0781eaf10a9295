"""Answers of the vendors after somebody used their screens.

Settings or contacts were changed there.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest

from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.chartmogul.store import CUSTOMERS, DATA_SOURCE
from syncengine.sandbox.twins.screen import Screen
from syncengine.sandbox.twins.twin import Twin, TwinRequest
from syncengine.sandbox.twins.whautomate.switches import LOCATION

PHONE = "+4915111223344"
HEADERS = {
    "charles": {"x-api-key": "sandbox-key"},
    "chartmogul": {"authorization": f"Basic {b64encode(b'sandbox-key:').decode()}"},
    "dm_champ": {},
    "respond_io": {"authorization": "Bearer sandbox-token"},
    "respond_io_v2": {"authorization": "Bearer sandbox-token"},
    "whautomate": {"x-api-key": "sandbox-key"},
}


class Desk:
    def __init__(self, name: str, **switches: Any) -> None:
        self.name = name
        self.twin: Twin = load(name)
        self.twin.configure(switches)

    @property
    def screen(self) -> Screen:
        return self.twin.screen(0.0)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        query = "apiKey=sandbox-key" if self.name == "dm_champ" else ""
        path, _, more = path.partition("?")
        query = f"{query}&{more}" if more else query
        content = b"" if body is None else orjson.dumps(body)
        headers = HEADERS[self.name]
        response = self.twin.handle(
            TwinRequest(method, path, query, headers, content), 0.0
        )
        return response.status, orjson.loads(response.body)

    def only(self) -> dict[str, Any]:
        (contact,) = self.twin.contacts(0.0)
        return contact


def pairs(**fields: str) -> Any:
    return {
        "custom_fields": [
            {"name": name, "value": value} for name, value in fields.items()
        ]
    }


def test_v1_refuses_an_undefined_field_until_it_is_defined_again() -> None:
    desk = Desk("respond_io")
    one = desk.screen.create({"phone": PHONE, "plan": "gold"})
    desk.screen.undefine_field("plan")
    said = {"status": "error", "message": "Custom field plan does not exist."}
    assert desk.call("PUT", f"/contact/{one}", pairs(plan="silver")) == (403, said)
    assert desk.call("POST", "/contact/", pairs(plan="silver")) == (403, said)
    desk.screen.define("field", "plan")
    assert desk.call("PUT", f"/contact/{one}", pairs(plan="silver"))[0] == 200


@pytest.mark.parametrize(("unknown", "status"), [("create", 200), ("403", 403)])
def test_v1_answers_an_undefined_tag_as_switched(unknown: str, status: int) -> None:
    desk = Desk("respond_io", unknown_tag=unknown)
    one = desk.screen.create({"phone": PHONE}, ("vip",))
    desk.screen.undefine_tag("vip")
    assert desk.call("POST", f"/contact/{one}/tags", {"tags": ["vip"]})[0] == status
    assert desk.only()["tags"] == (["vip"] if status == 200 else [])


@pytest.mark.parametrize("in_updates", [False, True])
def test_v1_demands_a_required_field(*, in_updates: bool) -> None:
    desk = Desk("respond_io")
    one = desk.screen.create({"phone": PHONE})
    desk.screen.require("company", in_updates=in_updates)
    said = {"status": "error", "message": ["The company field is required."]}
    assert desk.call("POST", "/contact/", pairs(firstName="Max")) == (403, said)
    changed = desk.call("PUT", f"/contact/{one}", pairs(firstName="Max"))
    assert changed[0] == (403 if in_updates else 200)
    assert desk.call("PUT", f"/contact/{one}", pairs(company="Acme"))[0] == 200
    desk.screen.require("company", required=False)
    assert desk.call("POST", "/contact/", pairs(firstName="Max"))[0] == 200


@pytest.mark.parametrize(("blocked", "status"), [("taken", 200), ("403", 403)])
@pytest.mark.parametrize("name", ["respond_io", "respond_io_v2"])
def test_writes_about_a_blocked_contact(name: str, blocked: str, status: int) -> None:
    is_v1 = name == "respond_io"
    desk = Desk(name, blocked=blocked, **({} if is_v1 else UNNAMED))
    one = desk.screen.create({"phone": PHONE})
    path = f"/contact/{one}" if is_v1 else f"/contact/id:{one}"
    body = pairs(firstName="Max") if is_v1 else {"firstName": "Max"}
    desk.screen.block(one)
    assert desk.call("PUT", path, body)[0] == status
    assert desk.call("GET", path)[0] == 200
    desk.screen.block(one, blocked=False)
    assert desk.call("PUT", path, body)[0] == 200


UNNAMED = {"first_name_in_updates": "optional"}


def test_v2_shows_a_block() -> None:
    desk = Desk("respond_io_v2")
    one = desk.screen.create({"phone": PHONE})
    desk.screen.block(one)
    assert desk.call("GET", f"/contact/id:{one}")[1]["isBlocked"] is True


def test_v2_refuses_undefined_names() -> None:
    desk = Desk("respond_io_v2", unknown_tag="400", **UNNAMED)
    fields = {"phone": PHONE, "custom_fields.plan": "gold", "lifecycle": "Lead"}
    one = desk.screen.create(fields, ("vip",))
    desk.screen.undefine_field("plan")
    desk.screen.undefine_tag("vip")
    desk.screen.undefine_stage("Lead")
    assert desk.only()["fields"] == {"phone": PHONE}
    path = f"/contact/id:{one}"
    answers = {
        "field": desk.call("PUT", path, pairs(plan="silver")),
        "tag": desk.call("POST", f"{path}/tag", ["vip"]),
        "stage": desk.call("POST", f"{path}/lifecycle/update", {"name": "Lead"}),
    }
    assert {
        kind: (status, body["message"]) for kind, (status, body) in answers.items()
    } == {
        "field": (400, "Validation error. custom field plan does not exist"),
        "tag": (400, "Validation error. no such tag"),
        "stage": (400, "Validation error. no such lifecycle"),
    }
    desk.screen.define("tag", "vip")
    desk.screen.define("stage", "Lead")
    assert desk.call("POST", f"{path}/tag", ["vip"])[0] == 200
    assert desk.call("POST", f"{path}/lifecycle/update", {"name": "Lead"})[0] == 200


def test_v2_makes_an_undefined_tag_anew_unless_switched() -> None:
    desk = Desk("respond_io_v2")
    one = desk.screen.create({"phone": PHONE}, ("vip",))
    desk.screen.undefine_tag("vip")
    assert desk.call("POST", f"/contact/id:{one}/tag", ["vip"])[0] == 200
    assert desk.only()["tags"] == ["vip"]


def test_v2_demands_a_required_field() -> None:
    desk = Desk("respond_io_v2")
    desk.screen.require("company")
    path = f"/contact/create_or_update/phone:{PHONE}"
    refused = desk.call("POST", path, {"firstName": "Max"})
    said = {"code": 400, "message": "Validation error. company is required"}
    assert refused == (400, said)
    whole = {"firstName": "Max", **pairs(company="Acme")}
    assert desk.call("POST", path, whole)[0] == 200
    assert desk.call("POST", path, {"firstName": "Moritz"})[0] == 200


def test_v2_leaves_the_older_of_two_over_the_api_too() -> None:
    desk = Desk("respond_io_v2")
    ours = desk.screen.create({"phone": PHONE, "firstName": "Ilse"}, created=500.0)
    imported = desk.screen.create(
        {"firstName": "I.", "email": "i@example.org"}, created=5.0
    )
    body = {"contactIds": [int(ours), int(imported)], "firstName": "Ilse"}
    assert desk.call("POST", "/contact/merge", body) == (
        200,
        {"contactId": int(imported)},
    )
    assert desk.only()["fields"] == {
        "firstName": "Ilse",
        "phone": PHONE,
        "email": "i@example.org",
    }
    found = desk.call("GET", f"/contact/phone:{PHONE}")
    assert (found[0], found[1]["id"]) == (200, int(imported))


def test_dm_champ_has_lists_and_opt_outs() -> None:
    desk = Desk("dm_champ")
    one = desk.screen.create({"phoneNumber": PHONE})
    desk.screen.join(one, "L")
    desk.screen.join(one, "M")
    desk.screen.leave(one, "L")
    desk.screen.opt_out(one)
    shown = desk.call("GET", f"/contacts?phoneNumber=%2B{PHONE[1:]}")[1]["contact"]
    assert (shown["doNotDisturb"], shown["doNotDisturbReason"]) == (
        True,
        "asked to stop",
    )
    desk.screen.undefine_list("M")
    assert [each for each in desk.only()["fields"] if each.startswith("lists.")] == []
    body = {"contactId": one, "listId": "M"}
    assert desk.call("POST", "/contacts/lists", body)[0] == 404
    desk.screen.define("list", "M")
    assert desk.call("POST", "/contacts/lists", body)[0] == 200
    desk.screen.opt_out(one, opted_out=False)
    assert desk.only()["fields"]["do_not_disturb"] is False


def test_dm_champ_finds_a_contact_under_the_phone_it_was_given_by_hand() -> None:
    desk = Desk("dm_champ")
    one, other = (desk.screen.create({"phoneNumber": f"{PHONE}{n}"}) for n in (1, 2))
    desk.screen.edit(one, {"phoneNumber": "+4915100000001"})
    desk.screen.edit(other, {"phoneNumber": f"{PHONE}1"})
    found = [
        desk.call("GET", f"/contacts?phoneNumber=%2B{phone[1:]}")
        for phone in ("+4915100000001", f"{PHONE}1", f"{PHONE}2")
    ]
    assert [body.get("contactId") for _, body in found] == [one, other, None]


def test_dm_champ_makes_an_undefined_tag_anew() -> None:
    desk = Desk("dm_champ")
    desk.screen.create({"phoneNumber": PHONE}, ("vip",))
    desk.screen.undefine_tag("vip")
    tagged = desk.call("POST", f"/tags?tag=vip&phoneNumber={PHONE[1:]}")
    assert tagged[0] == 200
    assert desk.only()["tags"] == ["vip"]


def test_dm_champ_demands_a_required_field() -> None:
    desk = Desk("dm_champ")
    desk.screen.require("externalId")
    said = {"error": "Missing required parameter: externalId"}
    assert desk.call("POST", "/contacts", {"phoneNumber": PHONE}) == (400, said)
    whole = {"phoneNumber": PHONE, "externalId": "7"}
    assert desk.call("POST", "/contacts", whole)[0] == 200


def new(**more: Any) -> dict[str, Any]:
    return {"customer_uuid": CUSTOMERS[0], "data_source_uuid": DATA_SOURCE, **more}


def test_chartmogul_drops_an_undefined_attribute_in_silence() -> None:
    desk = Desk("chartmogul")
    one = desk.screen.create({"custom.plan": "gold"})
    desk.screen.undefine_field("plan")
    body = {"custom": [{"key": "plan", "value": "silver"}]}
    status, answer = desk.call("PATCH", f"/v1/contacts/{one}", body)
    assert (status, answer["custom"]) == (200, {})
    desk.screen.define("field", "plan")
    assert desk.call("PATCH", f"/v1/contacts/{one}", body)[1]["custom"] == {
        "plan": "silver"
    }


@pytest.mark.parametrize("in_updates", [False, True])
def test_chartmogul_demands_a_required_field(*, in_updates: bool) -> None:
    desk = Desk("chartmogul")
    one = desk.screen.create({"email": "i@example.org"})
    desk.screen.require("title", in_updates=in_updates)
    said = {"errors": {"title": "can't be blank"}}
    assert desk.call("POST", "/v1/contacts", new(email="m@example.org")) == (422, said)
    assert desk.call("POST", "/v1/contacts", new(title="Dr."))[0] == 201
    changed = desk.call("PATCH", f"/v1/contacts/{one}", {"notes": "x"})
    assert changed[0] == (422 if in_updates else 200)


def test_chartmogul_tells_the_survivor_under_the_merged_id_where_switched() -> None:
    desk = Desk("chartmogul", merged_id="survivor")
    one, other = (desk.screen.create({"email": each}) for each in ("a@x.de", "b@x.de"))
    assert desk.screen.merge(one, other) == one
    assert desk.call("GET", f"/v1/contacts/{other}")[1]["uuid"] == one


def test_whautomate_drops_fields_refuses_locations_and_makes_tags() -> None:
    desk = Desk("whautomate")
    fields = {"name": "Ilse", "phoneNumber": PHONE, "customFields.plan": "gold"}
    one = desk.screen.create(fields, ("vip",))
    desk.screen.undefine_field("customFields.plan")
    desk.screen.undefine_tag("vip")
    whole = {
        "name": "Ilse",
        "phoneNumber": PHONE,
        "location": {"id": LOCATION},
        "customFields": {"plan": "silver"},
        "tags": ["vip"],
    }
    status, answer = desk.call("PUT", f"/v1/contacts/{one}", whole)
    assert (status, answer["customFields"], answer["tags"]) == (200, {}, ["vip"])
    desk.screen.undefine_location(LOCATION)
    refused = desk.call("PUT", f"/v1/contacts/{one}", whole)
    assert refused == (400, {"message": "Unknown location"})
    assert desk.call("GET", "/v1/locations") == (200, [])
    desk.screen.define("location", LOCATION)
    assert desk.call("PUT", f"/v1/contacts/{one}", whole)[0] == 200


def test_whautomate_refuses_an_undefined_tag_where_switched() -> None:
    desk = Desk("whautomate", unknown_tag="400", known_tags=["vip", "new"])
    one = desk.screen.create({"name": "Ilse", "phoneNumber": PHONE}, ("vip",))
    desk.screen.undefine_tag("vip")
    path = f"/v1/contacts/{one}/tags/add"
    assert desk.call("POST", path, {"tags": ["vip"]}) == (
        400,
        {"message": "Unknown tag"},
    )
    assert desk.call("POST", path, {"tags": ["new"]})[0] == 200


def test_whautomate_demands_a_required_field_and_keeps_its_stages() -> None:
    desk = Desk("whautomate")
    one = desk.screen.create({"name": "Ilse", "phoneNumber": PHONE})
    desk.screen.set_stage(one, "Customer")
    assert desk.only()["fields"]["stage"] == "Customer"
    with pytest.raises(
        ValueError, match=r"^stage: It must be one of Subscriber, Lead, "
    ):
        desk.screen.set_stage(one, "Friend")
    desk.screen.require("plan")
    body = {
        "name": "Max",
        "phoneNumber": "+4915100000001",
        "location": {"id": LOCATION},
    }
    said = {"message": "plan is required"}
    assert desk.call("POST", "/v1/contacts", body) == (400, said)
    assert desk.call("PUT", f"/v1/contacts/{one}", body)[0] == 200
    assert (
        desk.call("POST", "/v1/contacts", {**body, "customFields": {"plan": "x"}})[0]
        == 200
    )


def test_whautomate_records_no_automation_for_acts_of_people() -> None:
    desk = Desk("whautomate")
    twin: Any = desk.twin
    body = {"name": "Max", "phoneNumber": PHONE, "location": {"id": LOCATION}}
    desk.call("POST", "/v1/contacts", body)
    before = list(twin.store.fired)
    one = desk.screen.create({"name": "Ilse", "phoneNumber": PHONE}, ("vip",))
    desk.screen.tag(one, "new")
    assert len(before) == 1
    assert twin.store.fired == before


UPSERT = "/api/v1beta/contacts"


def person(key: str, **more: Any) -> dict[str, Any]:
    return {"external_reference_id": key, "source_type": "acme", **more}


def test_charles_drops_an_undefined_property_or_refuses_it() -> None:
    for unknown, status in (("drop", 200), ("reject", 422)):
        desk = Desk("charles", unknown_property=unknown)
        body = person("7", custom_properties={"plan": "gold"})
        assert desk.call("PUT", UPSERT, body)[0] == 200
        desk.screen.undefine_field("plan")
        assert desk.only()["fields"] == {}
        assert desk.call("PUT", UPSERT, body)[0] == status
        assert desk.only()["fields"] == {}


@pytest.mark.parametrize(
    ("unknown", "status", "tags"),
    [("create", 200, ["vip"]), ("drop", 200, []), ("reject", 422, [])],
)
def test_charles_answers_an_undefined_tag_as_switched(
    unknown: str, status: int, tags: list[str]
) -> None:
    desk = Desk("charles", unknown_tag=unknown)
    assert desk.call("PUT", UPSERT, person("7", tags=["vip"]))[0] == 200
    assert desk.only()["tags"] == ["vip"]
    desk.screen.undefine_tag("vip")
    assert desk.call("PUT", UPSERT, person("7", tags=["vip"]))[0] == status
    assert desk.only()["tags"] == tags


@pytest.mark.parametrize(("archived", "status"), [("taken", 200), ("422", 422)])
def test_charles_shows_an_archived_person_as_inactive(
    archived: str, status: int
) -> None:
    desk = Desk("charles", archived=archived)
    made = desk.call("PUT", UPSERT, person("7"))[1]["data"]
    assert made["active"] is True
    desk.screen.archive(made["id"])
    again = desk.call("PUT", UPSERT, person("7", first_name="Ilse"))
    assert again[0] == status
    assert status == 422 or again[1]["data"]["active"] is False
    desk.screen.archive(made["id"], archived=False)
    assert desk.call("PUT", UPSERT, person("7"))[1]["data"]["active"] is True


def test_charles_demands_a_required_field_of_new_people_alone() -> None:
    desk = Desk("charles")
    desk.call("PUT", UPSERT, person("7"))
    desk.screen.require("last_name")
    assert desk.call("PUT", UPSERT, person("8"))[0] == 422
    assert desk.call("PUT", UPSERT, person("7", first_name="Ilse"))[0] == 200
    desk.screen.require("last_name", in_updates=True)
    assert desk.call("PUT", UPSERT, person("7", first_name="Ilse"))[0] == 422
    assert desk.call("PUT", UPSERT, person("7", last_name="Brandt"))[0] == 200
    assert desk.call("PUT", UPSERT, person("7", first_name="Ilse"))[0] == 200


@pytest.mark.parametrize("merged_id", ["kept", "new"])
def test_charles_leads_both_keys_to_the_person_that_remains(merged_id: str) -> None:
    desk = Desk("charles", merged_id=merged_id)
    phone = [{"type": "mobile", "value": PHONE}]
    one, other = (
        desk.call("PUT", UPSERT, person(key, phone_numbers=phone))[1]["data"]["id"]
        for key in ("7", "8")
    )
    remains = desk.screen.merge(one, other)
    assert (remains == one) is (merged_id == "kept")
    answer = [
        desk.call("PUT", UPSERT, person(key))[1]["data"]["id"] for key in ("7", "8")
    ]
    assert answer == [remains, remains]
    assert desk.only()["id"] == remains


def test_charles_makes_a_new_person_where_one_was_deleted() -> None:
    desk = Desk("charles")
    one = desk.call("PUT", UPSERT, person("7", first_name="Ilse"))[1]["data"]["id"]
    desk.screen.delete(one)
    again = desk.call("PUT", UPSERT, person("7"))[1]["data"]
    assert again["id"] != one
    assert again["first_name"] is None


def test_charles_knows_a_person_imported_again_by_the_same_key() -> None:
    desk = Desk("charles")
    one = desk.call("PUT", UPSERT, person("7", first_name="Ilse"))[1]["data"]["id"]
    again = desk.screen.recreate(one)
    assert desk.call("PUT", UPSERT, person("7"))[1]["data"]["id"] == again != one
    by_hand = desk.screen.recreate(again, ("first_name",))
    assert desk.call("PUT", UPSERT, person("7"))[1]["data"]["id"] != by_hand


def test_charles_forgets_the_erasure_of_a_person_deleted_by_hand() -> None:
    desk = Desk("charles")
    one = desk.call("PUT", UPSERT, person("7"))[1]["data"]["id"]
    desk.call("DELETE", f"/api/v0/people/cleanup/gdpr/{one}")
    desk.screen.delete(one)
    assert desk.twin.contacts(1000.0) == []
