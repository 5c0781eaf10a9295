"""The wire format of HubSpot's contacts, one contact at a time."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from pydantic import ValidationError

from syncengine.errors import VendorHalted, VendorThrottled, VendorUnavailable
from syncengine.model.calls import (
    Action,
    Applied,
    Call,
    Exists,
    Rejected,
    Unsupported,
)
from syncengine.model.contact import MatchKey, Page, Remote
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer, html, requested, scripted, sent
from tests.support.vendors.of_hubspot import (
    CONTACTS,
    CRM_ID,
    EMAIL,
    ID,
    NOT_FOUND,
    NOTHING,
    batch,
    call,
    contact,
    create,
    error,
    hubspot,
    refused,
    update,
)

UPSERT = Call(Action.UPSERT, "c1", key=CRM_ID, fields={"firstname": "Ilse"})
TAGGING = {"tags_property": "crm_tags"}
PATH = f"{CONTACTS}/{ID}"


class _Wire(NamedTuple):
    """A call, and the request that it is sent as."""

    call: Call
    method: str
    path: str
    body: Json


@pytest.mark.parametrize(
    ("call", "method", "path", "body"),
    [
        _Wire(
            call=create(1, email="ilse@example.org", vip=True, visits=3),
            method="POST",
            path=CONTACTS,
            body={
                "properties": {
                    "email": "ilse@example.org",
                    "vip": "true",
                    "visits": "3",
                }
            },
        ),
        _Wire(
            call=update(512, city=None, score=1.5, plans=["a", "b"]),
            method="PATCH",
            path=PATH,
            body={"properties": {"city": "", "score": "1.5", "plans": "a;b"}},
        ),
        _Wire(
            call=UPSERT,
            method="POST",
            path=f"{CONTACTS}/batch/upsert",
            body={
                "inputs": [
                    {
                        "idProperty": "crm_id",
                        "id": "20418",
                        "objectWriteTraceId": "0",
                        "properties": {"firstname": "Ilse", "crm_id": "20418"},
                    }
                ]
            },
        ),
        _Wire(
            call=call(Action.JOIN_LISTS, 512, fields={"lists.7": True}),
            method="PUT",
            path="/crm/v3/lists/7/memberships/add",
            body=["512"],
        ),
        _Wire(
            call=call(Action.LEAVE_LISTS, 512, fields={"lists.7": None}),
            method="PUT",
            path="/crm/v3/lists/7/memberships/remove",
            body=["512"],
        ),
    ],
)
def test_sends(call: Call, method: str, path: str, body: Json) -> None:
    request = requested(hubspot(upserts=True).send(call))
    assert sent(request) == (method, path, (), body)
    assert request.headers["authorization"] == "Bearer pat-123456"
    assert ID not in request.route


def test_dated_paths_hold_the_version_behind_the_part_of_the_api() -> None:
    vendor = hubspot(path_version="2026-09")
    request = requested(vendor.send(create(1, email="ilse@example.org")))
    assert request.path == "/crm/objects/2026-09/contacts"
    join = call(Action.JOIN_LISTS, 512, fields={"lists.7": True})
    assert requested(vendor.send(join)).path == "/crm/lists/2026-09/7/memberships/add"


THERE = answer(contact(512))


def test_an_erasure_goes_by_the_id_alone() -> None:
    exchange = hubspot(delete_as="gdpr").send(call(Action.DELETE, 512))
    requests, result = scripted(exchange, THERE, NOTHING)
    assert sent(requests[1]) == (
        "POST",
        f"{CONTACTS}/gdpr-delete",
        (),
        {"objectId": ID},
    )
    assert result == Applied()


def _deleted(*responses: Response) -> object:
    return scripted(hubspot().send(call(Action.DELETE, 512)), *responses)[1]


def test_a_deletion_is_done_by_an_empty_answer_only() -> None:
    assert _deleted(THERE, NOTHING) == Applied()
    assert _deleted(THERE, NOT_FOUND) == Applied(was_gone=True)
    for response in (answer({}), answer({"message": "OK"}), Response(200)):
        with pytest.raises(VendorUnavailable) as unknown:
            _deleted(THERE, response)
        assert unknown.value.maybe_applied


def test_who_is_not_there_or_was_merged_is_not_deleted() -> None:
    assert _deleted(NOT_FOUND) == Applied(was_gone=True)
    assert _deleted(answer(contact(900))) == Applied("900")


# --- creates --------------------------------------------------------------------------

CREATE = create(1, crm_id="20418", email="Ilse@Example.org")


def test_a_create_tells_the_new_id() -> None:
    shown = contact(51, crm_id="20418", email="ilse@example.org")
    _, result = scripted(hubspot().send(CREATE), answer(shown, 201))
    assert result == Applied("51")


def test_an_existing_contact_is_read_by_the_id_in_the_words() -> None:
    said = refused("Contact already exists. Existing ID: 51", "CONFLICT", 409)
    shown = answer(contact(51, email="ilse@example.org", crm_id=None))
    requests, result = scripted(hubspot().send(CREATE), said, shown)
    assert requests[1].path == f"{CONTACTS}/51"
    fields = {"email": "ilse@example.org", "crm_id": None}
    assert result == Exists(Remote("51", fields, shows_tags=False))


def test_without_an_id_in_the_words_the_unique_values_are_looked_up() -> None:
    said = refused("crm_id already has that value: 20418")
    nobody = batch(errors=[error("OBJECT_NOT_FOUND", "none", ids=["20418"])])
    owner = batch(contact(77, email="ilse@example.org"))
    requests, result = scripted(hubspot().send(CREATE), said, nobody, owner)
    assert [request.json.get("idProperty") for request in requests[1:]] == [
        "crm_id",
        "email",
    ]
    assert isinstance(result, Exists)
    assert result.remote.external_id == "77"


def test_a_refused_create_stays_refused_where_nobody_is_shown() -> None:
    said = refused("Contact already exists. Existing ID: 51", "CONFLICT", 409)
    _, result = scripted(hubspot().send(CREATE), said, NOT_FOUND)
    assert isinstance(result, Rejected)
    assert result.status == 409


def test_an_update_names_the_contact_that_is_in_its_way() -> None:
    said = refused("Contact already exists. Existing ID: 51", "CONFLICT", 409)
    shown = answer(contact(51, email="ilse@example.org"))
    change = update(512, email="ilse@example.org")
    _, result = scripted(hubspot().send(change), said, shown)
    assert isinstance(result, Exists)
    assert result.remote.external_id == "51"
    # Its own contact is in nobody's way.
    own = batch(contact(512, email="ilse@example.org"))
    taken = refused("email has to be unique")
    _, result = scripted(hubspot().send(change), taken, own)
    assert isinstance(result, Rejected)


def test_a_message_repeats_no_value() -> None:
    said = refused(
        "Property values were not valid",
        errors=[{"message": "Ilse@Example.org is bad"}],
    )
    _, result = scripted(hubspot().send(CREATE), said)
    assert isinstance(result, Rejected)
    assert "Ilse" not in result.message
    assert "Property values were not valid" in result.words


# --- echoes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ours", "theirs", "same"),
    [
        ("email", "Ilse@Example.org", "ilse@example.org", True),
        ("email", "ilse@example.org", "else@example.org", False),
        ("vip", True, "true", True),
        ("vip", True, "false", False),
        ("visits", 3, "3", True),
        ("visits", 3, "3.0", True),
        ("visits", 3, "4", False),
        ("city", None, "", True),
        ("city", "Berlin", None, False),
        ("born", "1990-03-01", "1990-03-01", True),
        ("born", "1990-03-01", "1990-03-01T00:00:00Z", True),
        ("born", "1990-03-01", "1990-03-02T00:00:00Z", False),
        ("born", "636249600000", "1990-03-01", True),
        ("born", "636249600000", "1990-03-02", False),
        ("seen_at", "1740903315000", "2025-03-02T08:15:15Z", True),
        ("plans", ["b", "a"], "a;b", True),
        ("plans", ["b", "a"], "a", False),
        ("phone", "+49 151 11223344", "4915111223344", True),
        ("lifecyclestage", "lead", "lead", True),
        ("lifecyclestage", "lead", "customer", True),
        ("lifecyclestage", "customer", "lead", False),
        ("lifecyclestage", "lead", "our_own_stage", False),
    ],
)
def test_same(name: str, ours: Json, theirs: Json, same: bool) -> None:  # noqa: FBT001
    assert hubspot().same(name, ours, theirs) is same


def test_what_the_answer_shows_otherwise_is_reported() -> None:
    shown = answer(contact(512, city="Bonn", lifecyclestage="customer"))
    changes = update(512, city="Berlin", lifecyclestage="lead", visits=3)
    _, result = scripted(hubspot().send(changes), shown)
    assert result == Applied(
        ID, dropped=(Unsupported("field_shown_otherwise", "city"),)
    )


# --- tags -----------------------------------------------------------------------------


def test_the_tags_of_others_are_read_and_written_again() -> None:
    add = call(Action.ADD_TAGS, 512, add_tags=("vip",))
    read = answer(contact(512, crm_tags="theirs;old"))
    done = answer(contact(512, crm_tags="old;theirs;vip"))
    requests, result = scripted(hubspot(**TAGGING).send(add), read, done)
    assert requests[1].json == {"properties": {"crm_tags": "old;theirs;vip"}}
    assert result == Applied(ID)
    remove = call(Action.REMOVE_TAGS, 512, remove_tags=("old", "theirs"))
    requests, result = scripted(
        hubspot(**TAGGING).send(remove), read, answer(contact(512, crm_tags=""))
    )
    assert requests[1].json == {"properties": {"crm_tags": ""}}


def test_tags_that_are_there_are_not_written() -> None:
    add = call(Action.ADD_TAGS, 512, add_tags=("vip",))
    read = answer(contact(512, crm_tags="vip"))
    _, result = scripted(hubspot(**TAGGING).send(add), read)
    assert result == Applied(ID)


def test_a_merged_contact_is_not_tagged_under_its_former_id() -> None:
    add = call(Action.ADD_TAGS, 512, add_tags=("vip",))
    read = answer(contact(900, crm_tags=""))
    _, result = scripted(hubspot(**TAGGING).send(add), read)
    assert result == Applied("900")


def test_tags_are_appended_where_that_is_set() -> None:
    vendor = hubspot(tags_property="crm_tags", tags_by="append")
    add = call(Action.ADD_TAGS, 512, add_tags=("vip", "new"))
    assert requested(vendor.send(add)).json == {"properties": {"crm_tags": ";vip;new"}}
    new = Call(
        Action.CREATE, "c1", fields={"email": "a@b.example"}, add_tags=("vip", "new")
    )
    assert requested(vendor.send(new)).json == {
        "properties": {"email": "a@b.example", "crm_tags": "vip;new"}
    }


def test_a_tag_that_no_option_can_be_is_rejected_without_a_request() -> None:
    vendor = hubspot(**TAGGING)
    for tag in ("a;b", " a"):
        add = call(Action.ADD_TAGS, 512, add_tags=(tag,))
        _, result = scripted(vendor.send(add))
        assert isinstance(result, Rejected)
        assert (result.code, result.by_vendor) == ("invalid_tag", False)


# --- lists ----------------------------------------------------------------------------


def _joined(response: Response) -> object:
    join = call(Action.JOIN_LISTS, 512, fields={"lists.7": True})
    return scripted(hubspot().send(join), response)[1]


def _members(**changed: Json) -> Response:
    empty: dict[str, Json] = {
        "recordsIdsAdded": [],
        "recordIdsRemoved": [],
        "recordIdsMissing": [],
    }
    return answer({**empty, **changed})


def test_a_contact_that_is_in_the_list_already_is_applied() -> None:
    assert _joined(_members(recordsIdsAdded=[ID])) == Applied()
    assert _joined(_members()) == Applied()


def test_a_missing_contact_and_a_missing_list_are_told_apart() -> None:
    missing = _joined(_members(recordIdsMissing=[ID]))
    assert isinstance(missing, Rejected)
    assert missing.code == "not_found"
    no_list = _joined(refused("List does not exist", "OBJECT_NOT_FOUND", 404))
    assert isinstance(no_list, Rejected)
    assert no_list.code == "http_404"


# --- look-ups -------------------------------------------------------------------------


def test_a_contact_is_found_by_a_unique_property() -> None:
    shown = batch(contact(512, crm_id="20418", email="ilse@example.org"))
    requests, found = scripted(hubspot().find(CRM_ID), shown)
    assert sent(requests[0])[3] == {
        "idProperty": "crm_id",
        "inputs": [{"id": "20418"}],
        "properties": [
            "email",
            "firstname",
            "lastname",
            "phone",
            "crm_id",
            "hs_additional_emails",
            "hs_merged_object_ids",
        ],
    }
    assert not requests[0].writes
    assert [remote.external_id for remote in found] == [ID]


def test_a_contact_is_found_by_a_further_address() -> None:
    shown = contact(
        512, email="new@example.org", hs_additional_emails="a@b.c;ILSE@example.org"
    )
    _, found = scripted(hubspot().find(EMAIL), batch(shown))
    assert [remote.external_id for remote in found] == [ID]


def test_nobody_is_found_only_where_the_answer_says_so() -> None:
    nobody = batch(errors=[error("OBJECT_NOT_FOUND", "none", ids=["20418"])])
    assert scripted(hubspot().find(CRM_ID), nobody)[1] == ()
    assert scripted(hubspot().find(CRM_ID), NOT_FOUND)[1] == ()
    with pytest.raises(VendorUnavailable):
        scripted(hubspot().find(CRM_ID), batch())
    assert scripted(hubspot(read_misses="absent").find(CRM_ID), batch())[1] == ()


def test_phones_are_searched_for_and_whom_it_names_is_read() -> None:
    vendor = hubspot(phone_properties=["phone"])
    key = MatchKey("phone", "+4915111223344", "DE")
    hits = answer({"total": 2, "results": [contact(7), contact(8)]})
    read = batch(contact(7, phone="0151 11223344"), contact(8, phone="+4915111223345"))
    requests, found = scripted(vendor.find(key), hits, read)
    groups = requests[0].json["filterGroups"]
    names = [each["filters"][0]["propertyName"] for each in groups]
    assert names == ["phone", "hs_searchable_calculated_phone_number"]
    assert groups[1]["filters"][0]["values"] == ["15111223344"]
    assert [remote.external_id for remote in found] == ["7"]


def test_whom_a_search_names_and_no_answer_shows_may_be_there() -> None:
    """Several contacts may have one phone: a second one would be created."""
    vendor = hubspot(phone_properties=["phone"])
    key = MatchKey("phone", "+4915111223344", "DE")
    hits = answer({"total": 1, "results": [contact(7)]})
    later = batch(errors=[error("INTERNAL_ERROR", "later", ids=["7"])])
    for look_up in (vendor.find(key), vendor.find_similar(key)):
        with pytest.raises(VendorUnavailable) as raised:
            scripted(look_up, hits, later)
        assert not raised.value.maybe_applied
    other = MatchKey("phone", "+4915111223345", "DE")
    assert scripted(vendor.find_many((key, other)), hits, later)[1] == {}
    archived = batch({**contact(7, phone=key.value), "archived": True})
    assert scripted(vendor.find(key), hits, archived)[1] == ()


def test_reads_show_what_was_asked_for() -> None:
    vendor = hubspot(**TAGGING).showing(["city", "lists.7", "crm_tags"])
    shown = contact(512, city=None, crm_id="1", crm_tags="a;b", createdate="2026")
    requests, remote = scripted(vendor.read(ID), answer(shown))
    asked = "city,crm_id,email,crm_tags,hs_additional_emails,hs_merged_object_ids"
    assert requests[0].query == (("properties", asked),)
    assert remote == Remote(ID, {"city": None, "crm_id": "1"}, frozenset({"a", "b"}))


def test_an_archived_contact_is_not_there() -> None:
    shown = answer({"id": ID, "properties": {}, "archived": True})
    assert scripted(hubspot().read(ID), shown)[1] is None
    assert scripted(hubspot().read(ID), NOT_FOUND)[1] is None


def test_pages_follow_the_cursor() -> None:
    body = {"results": [contact(7)], "paging": {"next": {"after": "7", "link": "x"}}}
    requests, page = scripted(hubspot().page("3"), answer(body))
    assert dict(requests[0].query)["after"] == "3"
    assert page == Page((Remote("7", shows_tags=False),), "7")
    _, last = scripted(hubspot().page(None), answer({"results": []}))
    assert last == Page((), None)


def test_a_merge_tells_the_id_of_the_one_that_is_left() -> None:
    requests, result = scripted(hubspot().merge("1", "2"), answer(contact(3)))
    assert requests[0].json == {"primaryObjectId": "1", "objectIdToMerge": "2"}
    assert result == Applied("3")


# --- failures -------------------------------------------------------------------------

UPDATE = update(512, city="Berlin")


@pytest.mark.parametrize(
    ("policy", "headers", "wait"),
    [
        ("TEN_SECONDLY_ROLLING", {}, 10.0),
        (
            "TEN_SECONDLY_ROLLING",
            {"x-hubspot-ratelimit-interval-milliseconds": "7000"},
            7.0,
        ),
        ("SECONDLY", {}, 1.0),
        ("SECONDLY", {"retry-after": "4"}, 4.0),
        ("OTHER", {}, None),
    ],
)
def test_a_limit_tells_how_long_to_wait(
    policy: str, headers: dict[str, str], wait: float | None
) -> None:
    body = {"errorType": "RATE_LIMIT", "policyName": policy, "message": "limit"}
    with pytest.raises(VendorThrottled) as throttled:
        scripted(hubspot().send(UPDATE), answer(body, 429, headers))
    assert throttled.value.retry_after == wait


def test_the_end_of_the_days_quota_halts_the_account() -> None:
    body = {"errorType": "RATE_LIMIT", "policyName": "DAILY", "message": "limit"}
    with pytest.raises(VendorHalted, match="the day's quota"):
        scripted(hubspot().send(UPDATE), answer(body, 429))


def test_a_locked_account_is_asked_again_after_two_seconds() -> None:
    for headers, wait in (
        ({}, 2.0),
        ({"retry-after": "1"}, 2.0),
        ({"retry-after": "9"}, 9.0),
    ):
        with pytest.raises(VendorThrottled) as throttled:
            scripted(hubspot().send(UPDATE), answer({}, 423, headers))
        assert throttled.value.retry_after == wait


def test_an_account_that_moves_is_halted_with_the_wait() -> None:
    with pytest.raises(VendorHalted, match="in 120 minutes"):
        scripted(hubspot().send(UPDATE), answer({}, 477, {"retry-after": "7200"}))


def test_lacking_scopes_are_named() -> None:
    context = {"requiredGranularScopes": ["crm.objects.contacts.write", "Ilse Brandt"]}
    said = refused("no scopes", "MISSING_SCOPES", 403, context=context)
    with pytest.raises(VendorHalted) as halted:
        scripted(hubspot().send(UPDATE), said)
    assert halted.value.setting == "settings.token"
    assert "crm.objects.contacts.write" in str(halted.value)
    assert "Ilse" not in str(halted.value)


@pytest.mark.parametrize("status", [502, 503, 504, 521, 523, 524])
def test_after_an_outage_a_write_may_be_done(status: int) -> None:
    with pytest.raises(VendorUnavailable) as unknown:
        scripted(hubspot().send(UPDATE), html(status))
    assert unknown.value.maybe_applied
    with pytest.raises(VendorUnavailable) as unread:
        scripted(hubspot().find(CRM_ID), html(status))
    assert not unread.value.maybe_applied


# --- settings -------------------------------------------------------------------------


def test_an_upsert_by_e_mail_is_refused_beforehand() -> None:
    with pytest.raises(ValidationError, match="does not take an upsert by e-mail"):
        hubspot(upserts=True, unique_properties=["email"])
    assert hubspot().capabilities.upsert is None
    upsert = hubspot(upserts=True).capabilities.upsert
    assert upsert is not None
    assert upsert.keyed_by == ("crm_id",)
