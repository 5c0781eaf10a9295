"""The twin of HubSpot: single contacts, identity, searches, limits, faults' parts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from syncengine.sandbox.duplicates import duplicates
from syncengine.sandbox.limits import TwinLimit
from tests.support.hubspot_client import HubSpotClient, made

DAY = 86_400.0


# --- values ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "written", "kept"),
    [
        ("email", "Ilse.Brandt@Example.ORG", "ilse.brandt@example.org"),
        ("phone", "+49 151 11-22", "+49 151 11-22"),
        ("visits", "17", "17"),
        ("vip", "true", "true"),
        ("since", "2026-03-02", "2026-03-02"),
        ("since", "1772409600000", "2026-03-02"),
        ("last_seen", "2026-03-02T09:15:30+01:00", "2026-03-02T08:15:30.000Z"),
        ("last_seen", "1772439330000", "2026-03-02T08:15:30.000Z"),
        ("tags", "b;a;b", "b;a"),
        ("segment", "any", "any"),
        ("lifecyclestage", "lead", "lead"),
    ],
)
def test_a_value_is_kept_in_the_form_of_its_property(
    name: str, written: str, kept: str
) -> None:
    client = HubSpotClient()
    contact = client.create(**{name: written})
    assert client.values(contact)[name] == kept


@pytest.mark.parametrize(
    ("name", "written", "error"),
    [
        ("missing", "x", "PROPERTY_DOESNT_EXIST"),
        ("createdate", "2026-03-02", "READ_ONLY_VALUE"),
        ("email", "ilse@nowhere", "INVALID_EMAIL"),
        ("visits", "many", "INVALID_NUMBER"),
        ("visits", "nan", "INVALID_NUMBER"),
        ("visits", 17, "INVALID_TYPE"),
        ("vip", "yes", "INVALID_OPTION"),
        ("since", "1772439330000", "INVALID_DATE"),
        ("last_seen", "yesterday", "INVALID_DATE"),
        ("segment", "Gold", "INVALID_OPTION"),
        ("tags", "a;c", "INVALID_OPTION"),
        ("lifecyclestage", "Lead", "INVALID_OPTION"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_property(
    name: str, written: Any, error: str
) -> None:
    options = {"segment": ["gold"], "tags": ["a", "b"]}
    client = HubSpotClient(options=options)
    status, answer = client.call(
        "POST", "", {"properties": {"firstname": "A", name: written}}
    )
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    _, _, listed = answer["message"].partition("not valid: ")
    (mistake,) = orjson.loads(listed)
    assert (mistake["name"], mistake["error"], mistake["isValid"]) == (
        name,
        error,
        False,
    )
    assert client.twin.contacts(0.0) == []


def test_every_mistake_of_a_contact_is_named_at_once() -> None:
    client = HubSpotClient()
    given = {"properties": {"missing": "x", "visits": "many"}}
    _, answer = client.call("POST", "", given)
    assert "PROPERTY_DOESNT_EXIST" in answer["message"]
    assert "INVALID_NUMBER" in answer["message"]


@pytest.mark.parametrize(
    ("mode", "after"), [("ignore", "gold"), ("clear", None), ("400", "gold")]
)
def test_null_does_what_the_switch_says_and_the_empty_text_clears(
    mode: str, after: str | None
) -> None:
    client = HubSpotClient(null_mode=mode)
    contact = client.create(plan="gold")
    assert client.update(contact, plan=None)[0] == (400 if mode == "400" else 200)
    assert client.values(contact).get("plan") == after
    assert client.update(contact, plan="")[0] == 200
    assert "plan" not in client.values(contact)


def test_a_stage_goes_forward_only_until_it_is_cleared() -> None:
    client = HubSpotClient()
    contact = client.create(lifecyclestage="opportunity")
    status, answer = client.update(contact, lifecyclestage="lead")
    assert (status, answer["properties"]["lifecyclestage"]) == (200, "opportunity")
    assert client.update(contact, lifecyclestage="")[0] == 200
    client.update(contact, lifecyclestage="lead")
    assert client.values(contact)["lifecyclestage"] == "lead"


def test_a_semicolon_in_front_adds_options_and_none_replaces() -> None:
    client = HubSpotClient()
    contact = client.create(tags="a;b")
    client.update(contact, tags=";c;a")
    assert client.values(contact)["tags"] == "a;b;c"
    client.update(contact, tags="c")
    assert client.twin.contacts(0.0)[0]["tags"] == ["c"]
    client.twin.configure({"leading_semicolon": "replace"})
    given = {"id": contact, "properties": {"tags": ";d"}}
    client.batch("update", [given])
    assert client.values(contact)["tags"] == "d"


def test_a_contact_needs_a_name_or_an_email() -> None:
    client = HubSpotClient()
    assert client.call("POST", "", {"properties": {"phone": "+491"}})[0] == 400
    assert client.call("POST", "", {"properties": {"lastname": "B"}})[0] == 201
    client.twin.screen(0.0).require("plan")
    assert client.call("POST", "", {"properties": {"lastname": "B"}})[0] == 400
    given = {"lastname": "B", "plan": "x"}
    assert client.call("POST", "", {"properties": given})[0] == 201


def test_reads_show_what_is_asked_for_and_null_where_nothing_is() -> None:
    client = HubSpotClient()
    contact = client.create(phone="+4915111", plan="gold")
    names = "phone,visits,missing,hs_searchable_calculated_phone_number"
    _, shown = client.call("GET", contact, properties=names)
    assert shown["properties"] == {
        "phone": "+4915111",
        "visits": None,
        "hs_searchable_calculated_phone_number": "15111",
        "createdate": "1970-01-01T00:00:00.000Z",
        "hs_object_id": contact,
        "lastmodifieddate": "1970-01-01T00:00:00.000Z",
    }
    _, shown = client.call("GET", contact)
    assert set(shown["properties"]) == {
        "createdate",
        "email",
        "firstname",
        "hs_object_id",
        "lastmodifieddate",
        "lastname",
    }


@pytest.mark.parametrize(("mode", "shows"), [("written", False), ("all", True)])
def test_a_write_answers_with_what_it_wrote_or_with_all(
    mode: str, *, shows: bool
) -> None:
    client = HubSpotClient(write_answers=mode)
    contact = client.create(plan="gold")
    _, shown = client.update(contact, visits="3")
    assert shown["properties"]["visits"] == "3"
    assert ("plan" in shown["properties"]) is shows


# --- identity -------------------------------------------------------------------------


def test_an_email_belongs_to_one_contact_in_any_case() -> None:
    client = HubSpotClient()
    contact = client.create(email="ilse@example.org")
    given = {"properties": {"email": "ILSE@example.org"}}
    status, answer = client.call("POST", "", given)
    assert (status, answer["category"]) == (409, "CONFLICT")
    assert answer["message"] == f"Contact already exists. Existing ID: {contact}"
    other = client.create()
    assert client.update(other, email="ilse@example.org")[0] == 409
    client.update(contact, email="brandt@example.org")
    assert client.update(other, email="ilse@example.org")[0] == 200


@pytest.mark.parametrize("mode", ["409", "400"])
def test_a_unique_value_belongs_to_one_contact(mode: str) -> None:
    client = HubSpotClient(unique_conflict=mode)
    contact = client.create(crm_id="7")
    given = {"properties": {"firstname": "B", "crm_id": "7"}}
    status, answer = client.call("POST", "", given)
    assert (status, answer["message"][-6:]) == (int(mode), contact)
    # A phone is no key: families share theirs.
    client.create(phone="+491")
    client.create(phone="+491")
    found = duplicates(client.twin.contacts(0.0))
    assert (len(found["phone"]["491"]), found["key"]) == (2, {})


def test_contacts_are_named_by_record_id_email_or_unique_property() -> None:
    client = HubSpotClient()
    contact = client.create(email="ilse@example.org", crm_id="7", plan="gold")
    for key, value in (
        ("hs_object_id", contact),
        ("email", "Ilse@example.org"),
        ("crm_id", "7"),
    ):
        status, shown = client.call("GET", value, idProperty=key)
        assert (status, shown["id"]) == (200, contact)
    assert client.call("GET", "gold", idProperty="plan")[0] == 400
    assert client.call("GET", "8", idProperty="crm_id")[0] == 404
    body = {"properties": {"plan": "x"}}
    assert client.call("PATCH", "7", body, idProperty="crm_id")[0] == 200
    assert client.values(contact)["plan"] == "x"


def test_an_archived_contact_is_read_only_when_asked_for_and_frees_its_email() -> None:
    client = HubSpotClient()
    contact = client.create(email="ilse@example.org")
    assert client.raw("DELETE", contact).status == 204
    assert client.call("GET", contact)[0] == 404
    status, shown = client.call("GET", contact, archived="true")
    assert (status, shown["archived"]) == (200, True)
    again = client.create(email="ilse@example.org")
    assert again != contact
    assert client.raw("DELETE", contact).status == 204
    client.twin.configure({"archive_gone": "404"})
    assert client.raw("DELETE", contact).status == 404


def test_an_erasure_by_an_unknown_email_blocks_the_address() -> None:
    client = HubSpotClient()
    contact = client.create(email="ilse@example.org")
    known = {"objectId": "Ilse@example.org", "idProperty": "email"}
    assert client.raw("POST", "gdpr-delete", known).status == 204
    assert client.twin.contacts(0.0) == []
    again = client.create(email="ilse@example.org")
    assert client.raw("POST", "gdpr-delete", {"objectId": again}).status == 204
    assert client.raw("POST", "gdpr-delete", {"objectId": contact}).status == 404
    assert client.raw("POST", "gdpr-delete", known).status == 204
    given = {"properties": {"email": "ilse@example.org"}}
    status, answer = client.call("POST", "", given)
    assert (status, "blocklist" in answer["message"]) == (400, True)


def test_an_erasure_may_take_its_time_and_loses_what_is_written_meanwhile() -> None:
    client = HubSpotClient(erasure_delay=10.0)
    contact = client.create()
    client.raw("POST", "gdpr-delete", {"objectId": contact})
    assert client.update(contact, plan="gold")[0] == 200
    assert client.call("GET", contact, now=9.0)[0] == 200
    assert client.call("GET", contact, now=10.0)[0] == 404
    assert client.twin.contacts(10.0) == []


def test_a_merge_gives_a_new_record_id_and_keeps_both_addresses() -> None:
    client = HubSpotClient()
    one = client.create(email="one@example.org", crm_id="1", plan="gold")
    other = client.create(email="other@example.org", plan="x", visits="3")
    client.call("PUT", "/crm/v3/lists/9/memberships/add", [other])
    body = {"primaryObjectId": one, "objectIdToMerge": other}
    status, merged = client.call("POST", "merge", body)
    assert (status, merged["id"] in (one, other)) == (200, False)
    (contact,) = client.twin.contacts(0.0)
    assert contact["fields"] == {
        "email": "one@example.org",
        "firstname": "Ann",
        "crm_id": "1",
        "plan": "gold",
        "visits": "3",
        "hs_additional_emails": "other@example.org",
        "hs_merged_object_ids": f"{one};{other}",
        "lists.9": True,
    }
    for value in (one, other):
        assert client.call("GET", value)[1]["id"] == merged["id"]
    _, shown = client.call("GET", "other@example.org", idProperty="email")
    assert shown["id"] == merged["id"]
    again = {"properties": {"email": "other@example.org"}}
    assert client.call("POST", "", again)[0] == 409
    assert client.call("POST", "merge", body)[0] == 400
    client.twin.configure({"merged_id": "404"})
    assert client.call("GET", one)[0] == 404


def test_a_merge_may_keep_the_id_of_the_primary_contact() -> None:
    client = HubSpotClient(merge_ids="keep")
    one, other, third = client.create(), client.create(), client.create()
    for gone in (other, third):
        body = {"primaryObjectId": one, "objectIdToMerge": gone}
        assert client.call("POST", "merge", body)[1]["id"] == one
    assert client.call("GET", other)[1]["id"] == one
    assert client.values(one)["hs_merged_object_ids"] == f"{other};{third}"


def test_a_new_contact_may_be_read_late() -> None:
    client = HubSpotClient(read_delay=3.0)
    contact = client.create(crm_id="7")
    for now, status in ((2.0, 404), (3.0, 200)):
        assert client.call("GET", contact, now=now)[0] == status
        assert client.call("GET", "7", now=now, idProperty="crm_id")[0] == status
    # The store itself knows it at once.
    given = {"properties": {"firstname": "B", "crm_id": "7"}}
    assert client.call("POST", "", given)[0] == 409


# --- lists of contacts, searches ------------------------------------------------------


def test_all_contacts_come_page_by_page() -> None:
    client = HubSpotClient()
    ids = [client.create() for _ in range(5)]
    found: list[str] = []
    after = "0"
    while after:
        _, page = client.call("GET", "", limit="2", after=after)
        found += [each["id"] for each in page["results"]]
        after = page.get("paging", {"next": {"after": ""}})["next"]["after"]
    assert found == ids
    assert client.call("GET", "", limit="101")[0] == 400
    client.raw("DELETE", ids[0])
    _, page = client.call("GET", "", archived="true")
    assert [each["id"] for each in page["results"]] == ids[:1]


def test_a_search_shows_what_contacts_held_some_seconds_ago() -> None:
    client = HubSpotClient(search_delay=5.0)
    named_ann = {"propertyName": "firstname", "operator": "EQ", "value": "ANN"}
    contact = client.create()
    assert client.search(4.9, named_ann) == []
    assert client.search(5.0, named_ann) == [contact]
    body = {"properties": {"firstname": "Bo"}}
    client.call("PATCH", contact, body, 10.0)
    assert client.search(14.9, named_ann) == [contact]
    assert client.search(15.0, named_ann) == []
    client.raw("DELETE", contact, now=20.0)
    assert client.search(24.9, {**named_ann, "value": "bo"}) == [contact]
    assert client.search(25.0) == []


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        (("crm_id", "EQ", {"value": "2"}), "2"),
        (("crm_id", "NEQ", {"value": "2"}), "134"),
        (("crm_id", "IN", {"values": ["2", "3"]}), "23"),
        (("crm_id", "NOT_IN", {"values": ["2", "3"]}), "14"),
        (("lastname", "IN", {"values": ["Brandt"]}), ""),
        (("lastname", "IN", {"values": ["brandt"]}), "1"),
        (("plan", "HAS_PROPERTY", {}), "1"),
        (("plan", "NOT_HAS_PROPERTY", {}), "234"),
        (("lastname", "CONTAINS_TOKEN", {"value": "bra*"}), "1"),
        (("lastname", "NOT_CONTAINS_TOKEN", {"value": "bra*"}), "234"),
        (("visits", "GT", {"value": "2"}), "34"),
        (("visits", "LTE", {"value": "2"}), "12"),
        (("visits", "BETWEEN", {"value": "2", "highValue": "3"}), "23"),
        (("since", "GTE", {"value": "2026-03-03"}), "34"),
        (("phone", "EQ", {"value": "1511112"}), "2"),
        (("phone", "EQ", {"value": "0151 1112"}), "2"),
        (("phone", "EQ", {"value": "+491511112"}), ""),
        (
            ("hs_searchable_calculated_phone_number", "EQ", {"value": "1511112"}),
            "2",
        ),
    ],
)
def test_a_search_filters(condition: tuple[str, str, Any], found: str) -> None:
    client = HubSpotClient(search_delay=0.0)
    keys = {}
    for number in range(1, 5):
        more = {"plan": "gold", "lastname": "Brandt"} if number == 1 else {}
        contact = client.create(
            crm_id=str(number),
            visits=str(number),
            phone=f"+49151111{number}",
            since=f"2026-03-0{number}",
            **more,
        )
        keys[contact] = str(number)
    name, operator, values = condition
    given = {"propertyName": name, "operator": operator, **values}
    ids = client.search(0.0, given)
    assert "".join(keys[each] for each in ids) == found


def test_a_search_has_pages_groups_words_and_bounds() -> None:
    client = HubSpotClient(search_delay=0.0)
    ids = [client.create(crm_id=str(n), lastname=f"B{n}") for n in range(12)]
    assert client.search() == ids[:10]
    assert client.search(limit=5, after="10") == ids[10:]
    assert client.search(query="b3") == ids[3:4]
    one = {"propertyName": "crm_id", "operator": "EQ", "value": "1"}
    other = {"propertyName": "lastname", "operator": "EQ", "value": "b2"}
    groups = [{"filters": [one]}, {"filters": [other]}]
    assert client.search(filterGroups=groups) == ids[1:3]
    assert client.search(0.0, one, other) == []
    for refused in (
        {"limit": 201},
        {"limit": 100, "after": "9950"},
        {"after": "x"},
        {"filterGroups": groups * 3},
        {"filterGroups": [{"filters": [one] * 7}]},
        {"filterGroups": [{"filters": [one] * 5}] * 4},
        {"filterGroups": [{"filters": [{**one, "propertyName": "missing"}]}]},
        {"filterGroups": [{"filters": [{**one, "operator": "LIKE"}]}]},
        {"filterGroups": [{"filters": [{**one, "value": "x" * 3000}]}]},
    ):
        assert isinstance(client.search(**refused), str), refused


# --- lists, properties ----------------------------------------------------------------


def test_lists_tell_who_came_who_left_and_who_is_missing() -> None:
    client = HubSpotClient(lists=["9"], dynamic_lists=["8"])
    one, other = client.create(), client.create()
    add = "/crm/v3/lists/9/memberships/add"
    assert client.call("PUT", add, [one, "77"]) == (
        200,
        {
            "recordsIdsAdded": [one],
            "recordIdsRemoved": [],
            "recordIdsMissing": ["77"],
        },
    )
    assert client.call("PUT", add, [one])[1]["recordsIdsAdded"] == []
    both = {"recordIdsToAdd": [other], "recordIdsToRemove": [one]}
    _, changed = client.call("PUT", "/crm/v3/lists/9/memberships/add-and-remove", both)
    assert (changed["recordsIdsAdded"], changed["recordIdsRemoved"]) == (
        [other],
        [one],
    )
    place = f"/crm/v3/lists/records/0-1/{other}/memberships"
    assert [each["listId"] for each in client.call("GET", place)[1]["results"]] == ["9"]
    for list_id, status in (("9", 200), ("8", 400), ("7", 404)):
        path = f"/crm/v3/lists/{list_id}/memberships/remove"
        assert client.call("PUT", path, [one])[0] == status
    kind = client.call("GET", "/crm/v3/lists/8")[1]["list"]["processingType"]
    assert kind == "DYNAMIC"


def test_properties_are_listed_defined_and_taken_away() -> None:
    client = HubSpotClient(
        properties={"key": "unique", "level": "select", "tags": "boxes"},
        options={"level": ["gold", "silver"]},
    )
    client.create(tags="a;b")
    path = "/crm/v3/properties/contacts"
    _, answer = client.call("GET", path, archived="false")
    every = {each["name"]: each for each in answer["results"]}
    assert [each["value"] for each in every["level"]["options"]] == ["gold", "silver"]
    assert [each["value"] for each in every["tags"]["options"]] == ["a", "b"]
    assert (every["key"]["hasUniqueValue"], "crm_id" in every) == (True, False)
    assert every["hs_object_id"]["modificationMetadata"]["readOnlyValue"] is True
    body = {"name": "crm_id", "type": "string", "fieldType": "text"}
    assert client.call("POST", path, {**body, "hasUniqueValue": True})[0] == 201
    assert client.call("POST", path, body)[0] == 409
    assert client.call("POST", path, {**body, "type": "blob"})[0] == 400
    contact = client.create(crm_id="7")
    assert client.call("GET", "7", idProperty="crm_id")[0] == 200
    client.twin.screen(0.0).undefine_field("crm_id")
    assert client.values(contact) == {"firstname": "Ann"}
    assert client.call("GET", "7", idProperty="crm_id")[0] == 400
    assert client.call("GET", f"{path}/crm_id")[0] == 404


def test_an_option_that_a_person_took_away_is_refused() -> None:
    client = HubSpotClient()
    contact = client.create(tags="a;b")
    client.twin.screen(0.0).undefine_tag("a")
    assert client.values(contact)["tags"] == "b"
    assert client.update(contact, tags="b;a")[0] == 400
    client.twin.screen(0.0).define("tag", "a")
    assert client.update(contact, tags="b;a")[0] == 200


def test_a_person_archives_restores_and_opts_out() -> None:
    client = HubSpotClient()
    screen = client.twin.screen(0.0)
    contact = client.create(email="ilse@example.org", lifecyclestage="customer")
    screen.archive(contact)
    assert client.twin.contacts(0.0) == []
    other = client.create(email="ilse@example.org")
    with pytest.raises(ValueError, match="already exists"):
        screen.archive(contact, archived=False)
    screen.delete(other)
    screen.archive(contact, archived=False)
    screen.opt_out(contact)
    screen.edit(contact, {"lifecyclestage": "lead", "email": None})
    assert client.values(contact) == {
        "firstname": "Ann",
        "lifecyclestage": "lead",
        "hs_email_optout": "true",
    }
    assert client.update(contact, hs_email_optout="false")[0] == 400


# --- admission and limits -------------------------------------------------------------


def test_the_bearer_comes_first_then_the_scope() -> None:
    client = HubSpotClient(scopes=["crm.objects.contacts.read"])
    status, answer = client.call("POST", "", {"properties": {"firstname": "A"}})
    assert (status, answer["category"]) == (403, "MISSING_SCOPES")
    needed = answer["context"]["requiredGranularScopes"]
    assert needed == ["crm.objects.contacts.write"]
    assert client.call("POST", "search", {})[0] == 200
    assert client.batch("read", [{"id": "1"}])[0] == 207
    assert client.call("GET", "/crm/v3/lists/9")[0] == 403
    client.token = "another"
    assert client.call("GET", "1")[1]["category"] == "INVALID_AUTHENTICATION"


@pytest.mark.parametrize(
    ("limit", "path", "policy"),
    [
        (TwinLimit(1, 10.0), "batch/read", "TEN_SECONDLY_ROLLING"),
        (TwinLimit(1, DAY, "fixed"), "batch/read", "DAILY"),
        (TwinLimit(1, 1.0, route="search$"), "search", "SECONDLY"),
    ],
)
def test_a_limit_is_named_by_its_policy(
    limit: TwinLimit, path: str, policy: str
) -> None:
    client = HubSpotClient()
    client.twin.limiter.configure([limit])
    body = {"inputs": [{"id": "1"}]}
    assert client.call("POST", path, body)[0] in (200, 207)
    response = client.raw("POST", path, body)
    answer = orjson.loads(response.body)
    assert (response.status, answer["policyName"]) == (429, policy)
    assert answer["errorType"] == "RATE_LIMIT"
    assert answer["message"] == f"You have reached your {policy.lower()} limit."
    assert "retry-after" not in response.headers
    client.twin.configure({"send_retry_after": True})
    assert "retry-after" in client.raw("POST", path, body).headers


def test_the_headers_tell_of_both_limits_and_searches_of_none() -> None:
    client = HubSpotClient()
    client.twin.limiter.configure(client.twin.vendor_limits)
    headers = client.raw("GET", "1").headers
    start = "x-hubspot-ratelimit"
    told = {
        name.removeprefix(start): value
        for name, value in headers.items()
        if name.startswith(start)
    }
    assert told == {
        "-max": "190",
        "-remaining": "189",
        "-interval-milliseconds": "10000",
        "-daily": "625000",
        "-daily-remaining": "624999",
    }
    searched = [client.raw("POST", "search", {}) for _ in range(6)]
    assert [each.status for each in searched] == [200] * 5 + [429]
    assert not any(start in name for each in searched for name in each.headers)
    client.twin.configure({"send_daily_headers": False})
    assert f"{start}-daily" not in client.raw("GET", "1").headers
    _, usage = client.call(
        "GET", "/account-info/v3/api-usage/daily/private-apps", now=DAY / 2
    )
    (today,) = usage["results"]
    # Searches that were let in count for the day, too.
    assert (today["usageLimit"], today["currentUsage"]) == (625_000, 8)
    assert today["resetsAt"] == "1970-01-02T00:00:00.000Z"


def test_faults_get_the_vendor_s_own_words() -> None:
    twin = HubSpotClient().twin
    for policy in ("TEN_SECONDLY_ROLLING", "DAILY", "SECONDLY"):
        refusal = twin.refusal(429, policy)
        assert orjson.loads(refusal.body)["policyName"] == policy
    throttled = twin.refusal(429, "Too Many Requests", 7.0)
    assert orjson.loads(throttled.body)["policyName"] == "TEN_SECONDLY_ROLLING"
    assert throttled.headers["retry-after"] == "7"
    assert twin.refusal(477, "Migration in progress").headers["retry-after"] == "3600"
    locked = twin.refusal(423, "Locked")
    assert orjson.loads(locked.body)["status"] == "error"
    assert "retry-after" not in locked.headers


def test_batches_can_be_cut_in_pieces() -> None:
    client = HubSpotClient()
    whole = client.request("POST", "batch/create", {"inputs": [made(1), made(2)]})
    inputs = client.twin.inputs(whole)
    assert len(inputs) == 2
    client.twin.commit(client.twin.with_inputs(whole, inputs[:1]), 0.0)
    (contact,) = client.twin.contacts(0.0)
    assert contact["key"] == "1"
    lists = client.request("PUT", "/crm/v3/lists/9/memberships/add", ["1", "2"])
    cut = client.twin.with_inputs(lists, client.twin.inputs(lists)[1:])
    assert orjson.loads(cut.body) == ["2"]
    for single in (client.request("POST", "", made(1)), client.request("GET", "1")):
        assert list(client.twin.inputs(single)) == []


@pytest.mark.parametrize(
    "path", ["/crm/objects/2026-09/contacts", "/crm/v3/objects/contacts"]
)
def test_paths_with_a_date_are_the_same_api(path: str) -> None:
    client = HubSpotClient()
    body = {"properties": {"firstname": "A"}}
    assert client.call("POST", path, body)[0] == 201
    assert (
        client.call("POST", f"{path}/batch/read", {"inputs": [{"id": "1"}]})[0] == 207
    )
    assert client.call("GET", f"{path}/1/2")[0] == 404
    assert client.call("PUT", f"{path}/1")[0] == 405
