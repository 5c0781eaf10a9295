"""The wire format of Whautomate."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from syncengine.errors import VendorHalted, VendorThrottled, VendorUnavailable
from syncengine.model.calls import Action, Applied, Call, Exists, Rejected, Unsupported
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Json, Request, Response
from syncengine.ports import DetailReader, Directory
from syncengine.testing.driving import answer, html, requested, scripted, sent
from tests.support.vendors.of_whautomate import (
    ADD,
    CREATE,
    DELETE,
    GONE,
    ID,
    PHONE,
    REMOVE,
    UPDATE,
    refusal,
    row,
    shown,
    whautomate,
)

CONTACT = f"/v1/contacts/{ID}"
MADE = shown(tags=["vip"])
HELD = row(
    notes="met at fair",
    location={"id": "loc-9", "title": "Bonn"},
    customFields={"crm_key": "crm-7", "theirs": [1], "nickname": "Illi"},
    tags=["theirs"],
    messengerId="m-1",
)
PUT: dict[str, Json] = {
    "name": "Ilse B.",
    "phoneNumber": PHONE,
    "location": {"id": "loc-9", "title": "Bonn"},
    "stage": "Lead",
    "notes": "met at fair",
    "customFields": {
        "crm_key": "crm-7",
        "theirs": [1],
        "nickname": "Illi",
        "city": "Köln",
    },
    "tags": ["theirs"],
}
WRITTEN = answer({**HELD, **PUT})


def update(**fields: Json) -> Call:
    named: dict[str, Json] = {}
    for name, value in fields.items():
        own = name in ("name", "phoneNumber", "notes", "stage")
        named[name if own else f"customFields.{name}"] = value
    return Call(Action.UPDATE, "7", external_id=ID, fields=named)


# --- creates --------------------------------------------------------------------------


def test_a_create_names_the_location_and_carries_the_tags() -> None:
    requests, result = scripted(whautomate().send(CREATE), MADE)
    (request,) = requests
    assert sent(request) == (
        "POST",
        "/v1/contacts",
        (),
        {
            "name": "Ilse",
            "phoneNumber": PHONE,
            "location": {"id": "loc-1"},
            "customFields": {"crm_key": "crm-7"},
            "tags": ["vip"],
        },
    )
    assert request.headers == {"accept": "application/json", "x-api-key": "k-123"}
    assert result == Applied(ID)


def test_what_a_create_did_not_take_is_reported() -> None:
    made = shown(customFields={}, tags=[])
    _, result = scripted(whautomate().send(CREATE), made)
    dropped = (
        Unsupported("field_not_shown", "customFields.crm_key"),
        Unsupported("tag_not_shown", "vip"),
    )
    assert result == Applied(ID, dropped)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Somebody else"},
        {"customFields": {"crm_key": "crm-8"}},
        {"phoneNumber": "+491"},
    ],
)
def test_a_create_that_shows_other_values_found_a_contact_there(
    fields: dict[str, Json],
) -> None:
    found = shown(tags=["vip"], **fields)
    _, result = scripted(whautomate().send(CREATE), found)
    assert isinstance(result, Exists)
    assert result.remote.external_id == ID


def test_where_creates_return_who_is_there_a_lack_means_that_too() -> None:
    adapter = whautomate(duplicate_phone="returned")
    assert isinstance(
        scripted(adapter.send(CREATE), shown(customFields={}, tags=["vip"]))[1], Exists
    )
    assert isinstance(scripted(adapter.send(CREATE), shown())[1], Exists)
    assert scripted(adapter.send(CREATE), MADE)[1] == Applied(ID)


def test_a_refused_second_contact_is_looked_up_by_its_phone() -> None:
    requests, result = scripted(
        whautomate().send(CREATE),
        refusal(409),
        answer([row("2", phoneNumber="+99" + PHONE[1:]), row("1")]),
    )
    assert requests[1].query[1] == ("searchText", PHONE[3:])
    assert isinstance(result, Exists)
    assert result.remote.external_id == "1"


def test_where_nobody_is_in_the_way_any_more_the_create_is_sent_again() -> None:
    requests, result = scripted(
        whautomate().send(CREATE), refusal(409), answer([]), MADE
    )
    assert requests[2] == requests[0]
    assert result == Applied(ID)


@pytest.mark.parametrize(
    "then",
    [
        (answer([]), refusal(409)),
        (answer([row("1"), row("2")]),),
        (refusal(400),),
    ],
    ids=["nobody", "several", "refused"],
)
def test_a_refused_second_contact_without_a_single_one_in_the_way_is_a_refusal(
    then: tuple[Response, ...],
) -> None:
    _, result = scripted(whautomate().send(CREATE), refusal(409), *then)
    assert isinstance(result, Rejected)
    assert (result.code, result.status) == ("http_409", 409)


def test_trouble_while_looking_for_who_is_in_the_way_judges_nobody() -> None:
    with pytest.raises(VendorUnavailable) as failed:
        scripted(whautomate().send(CREATE), refusal(409), html(502))
    assert not failed.value.maybe_applied


class _Mode(NamedTuple):
    """A mode of ``create_as``, and the capabilities that follow from it."""

    mode: str
    repeatable: bool
    keyed_by: tuple[str, ...]
    tells: bool


@pytest.mark.parametrize(
    ("mode", "repeatable", "keyed_by", "tells"),
    [
        _Mode(mode="made", repeatable=False, keyed_by=(), tells=True),
        _Mode(mode="refused", repeatable=True, keyed_by=("phoneNumber",), tells=True),
        _Mode(mode="returned", repeatable=True, keyed_by=("phoneNumber",), tells=False),
    ],
)
def test_what_a_second_create_does_is_a_switch(
    mode: str, keyed_by: tuple[str, ...], *, repeatable: bool, tells: bool
) -> None:
    create = whautomate(duplicate_phone=mode).capabilities.create
    assert create
    assert (create.repeatable, create.keyed_by, create.tells_existing) == (
        repeatable,
        keyed_by,
        tells,
    )


# --- updates --------------------------------------------------------------------------


def test_an_update_puts_back_what_others_wrote() -> None:
    requests, result = scripted(whautomate().send(UPDATE), answer(HELD), WRITTEN)
    assert [sent(request) for request in requests] == [
        ("GET", CONTACT, (), None),
        ("PUT", CONTACT, (), PUT),
    ]
    assert result == Applied(ID)


def test_what_is_so_already_is_not_written() -> None:
    call = update(name="Ilse", phoneNumber=PHONE.removeprefix("+"), nickname="Illi")
    requests, result = scripted(whautomate().send(call), answer(HELD))
    assert [request.method for request in requests] == ["GET"]
    assert result == Applied(ID)


def test_a_contact_without_a_location_gets_ours() -> None:
    requests, _ = scripted(
        whautomate().send(UPDATE), answer({**HELD, "location": None}), WRITTEN
    )
    assert requests[1].json["location"] == {"id": "loc-1"}


@pytest.mark.parametrize(
    ("clear_with", "nickname", "notes"),
    [("omit", "nothing", ""), ("empty", "", ""), ("null", None, None)],
)
def test_what_clears_is_a_switch(clear_with: str, nickname: Json, notes: Json) -> None:
    call = update(nickname=None, notes=None)
    cleared = answer(
        {**HELD, "notes": "", "customFields": {"crm_key": "crm-7", "theirs": [1]}}
    )
    requests, result = scripted(
        whautomate(clear_with=clear_with).send(call), answer(HELD), cleared
    )
    assert requests[1].json["notes"] == notes
    assert requests[1].json["customFields"].get("nickname", "nothing") == nickname
    assert result == Applied(ID)


def test_where_nothing_clears_a_clear_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="cannot clear notes"):
        whautomate(clear_with="nothing").send(update(notes=None))


@pytest.mark.parametrize("name", ["name", "phoneNumber", "stage"])
def test_what_the_vendor_needs_is_never_cleared(name: str) -> None:
    with pytest.raises(ValueError, match="cannot clear"):
        whautomate().send(update(**{name: None}))


@pytest.mark.parametrize(
    ("call", "after", "dropped"),
    [
        (UPDATE, {"name": "Ilse"}, ("field_shown_otherwise", "name")),
        (UPDATE, {"name": "Ilse Brandt"}, ("field_shown_otherwise", "name")),
        (
            UPDATE,
            {"customFields": {**PUT["customFields"], "city": ""}},
            ("field_not_shown", "customFields.city"),
        ),
        (
            update(notes=None),
            {"name": "Ilse", "notes": "met at fair"},
            ("clear_field", "notes"),
        ),
        # What others had there:
        (UPDATE, {"tags": []}, ("tag_not_shown", "theirs")),
        (UPDATE, {"notes": ""}, ("field_not_shown", "notes")),
        (
            UPDATE,
            {"customFields": {**PUT["customFields"], "theirs": None}},
            ("field_not_shown", "customFields.theirs"),
        ),
    ],
)
def test_the_answer_of_an_update_is_compared(
    call: Call, after: dict[str, Json], dropped: tuple[str, str]
) -> None:
    _, result = scripted(
        whautomate().send(call), answer(HELD), answer({**HELD, **PUT, **after})
    )
    assert result == Applied(ID, (Unsupported(*dropped),))


@pytest.mark.parametrize("after", [{"stage": "Customer"}, {"tags": ["Theirs", "new"]}])
def test_what_somebody_else_changed_meanwhile_is_theirs(after: dict[str, Json]) -> None:
    _, result = scripted(
        whautomate().send(UPDATE), answer(HELD), answer({**HELD, **PUT, **after})
    )
    assert result == Applied(ID)


def test_an_answer_that_shows_no_contact_says_nothing_about_one() -> None:
    assert scripted(whautomate().send(UPDATE), answer(HELD), answer({"id": ID}))[
        1
    ] == Applied(ID)


@pytest.mark.parametrize("before", [(), (answer(HELD),)])
def test_an_update_of_nobody(before: tuple[Response, ...]) -> None:
    result = scripted(whautomate().send(UPDATE), *before, GONE)[1]
    assert isinstance(result, Rejected)
    assert result.code == "not_found"


def test_a_lost_answer_of_the_read_changed_nothing() -> None:
    with pytest.raises(VendorUnavailable) as failed:
        scripted(whautomate().send(UPDATE), html(504))
    assert not failed.value.maybe_applied
    with pytest.raises(VendorUnavailable) as failed:
        scripted(whautomate().send(UPDATE), answer(HELD), html(504))
    assert failed.value.maybe_applied


# --- tags and deletion ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "verb", "tags"),
    [(ADD, "add", ["vip", "trial"]), (REMOVE, "remove", ["old"])],
    ids=["add", "remove"],
)
def test_tags_have_calls_of_their_own(call: Call, verb: str, tags: list[str]) -> None:
    requests, result = scripted(
        whautomate().send(call), answer({"id": ID, "tags": ["Trial", "VIP", "theirs"]})
    )
    assert [sent(request) for request in requests] == [
        ("POST", f"{CONTACT}/tags/{verb}", (), {"tags": tags})
    ]
    assert requests[0].route == f"POST /v1/contacts/{{id}}/tags/{verb}"
    assert result == Applied(ID)


def test_a_tag_that_was_not_taken_is_reported_unless_only_changes_are() -> None:
    told = answer({"id": ID, "tags": ["vip"]})
    assert scripted(whautomate().send(ADD), told)[1] == Applied(
        ID, (Unsupported("tag_not_shown", "trial"),)
    )
    assert scripted(whautomate(tags_told="changed").send(ADD), told)[1] == Applied(ID)


def test_a_tag_that_was_not_removed_is_reported_unless_only_changes_are() -> None:
    told = answer({"id": ID, "tags": ["Old", "vip"]})
    assert scripted(whautomate().send(REMOVE), told)[1] == Applied(
        ID, (Unsupported("remove_tag", "old"),)
    )
    assert scripted(whautomate(tags_told="changed").send(REMOVE), told)[1] == Applied(
        ID
    )


def test_a_contact_that_is_another_one_is_not_written_over_it() -> None:
    requests, result = scripted(whautomate().send(UPDATE), shown(id="another"))
    assert [request.method for request in requests] == ["GET"]
    assert isinstance(result, Rejected)
    assert result.code == "other_id"


@pytest.mark.parametrize("call", [ADD, CREATE])
def test_tags_that_do_not_exist_are_defined_first(call: Call) -> None:
    done = shown(tags=["vip", "trial"])
    defined = [{"id": "t-1", "name": "trial", "canonical": "trial"}]
    requests, result = scripted(
        whautomate().send(call),
        refusal(400, "Unknown tag"),
        answer(defined),
        answer({"id": "t-2"}),
        done,
    )
    assert [request.method for request in requests] == ["POST", "GET", "POST", "POST"]
    assert requests[1].path == "/v1/contactTags"
    assert sent(requests[2]) == ("POST", "/v1/contactTags", (), {"name": "vip"})
    assert requests[3] == requests[0]
    assert isinstance(result, Applied)


@pytest.mark.parametrize("call", [ADD, CREATE])
def test_a_refusal_that_no_tag_explains_is_not_asked_for_again(call: Call) -> None:
    defined = answer([{"id": "t-1", "name": "trial"}, {"id": "t-2", "name": "vip"}])
    requests, result = scripted(
        whautomate().send(call), refusal(400, "not so"), defined
    )
    assert [request.method for request in requests] == ["POST", "GET"]
    assert isinstance(result, Rejected)
    assert "not so" in result.message


def test_a_refusal_of_tags_that_cannot_be_looked_into_is_kept() -> None:
    _, result = scripted(
        whautomate().send(ADD), refusal(400, "not today"), refusal(400)
    )
    assert isinstance(result, Rejected)
    assert "not today" in result.message
    assert isinstance(scripted(whautomate().send(REMOVE), refusal(400))[1], Rejected)


@pytest.mark.parametrize(
    ("response", "result"),
    [(answer({"success": True}), Applied()), (GONE, Applied())],
)
def test_a_deletion(response: Response, result: Applied) -> None:
    requests, told = scripted(whautomate().send(DELETE), response)
    assert [sent(request) for request in requests] == [("DELETE", CONTACT, (), None)]
    assert told == result


def test_a_success_that_is_none() -> None:
    result = scripted(
        whautomate().send(DELETE),
        answer({"success": False, "message": "has open chats"}),
    )[1]
    assert isinstance(result, Rejected)
    assert result.code == "refused"
    assert "has open chats" in result.message


# --- look-ups -------------------------------------------------------------------------


def found(
    key: MatchKey, *pages: Json, **settings: Json
) -> tuple[list[Request], list[str]]:
    requests, remotes = scripted(whautomate(**settings).find(key), *map(answer, pages))
    return requests, [remote.external_id for remote in remotes]


def test_a_look_up_searches_the_digits_here_and_judges_itself() -> None:
    key = MatchKey("phoneNumber", PHONE)
    # The search looks into all fields, and knows no exact hits.
    page = [
        row("1"),
        row("2", phoneNumber=f"{PHONE}9"),
        row("3", phoneNumber="4915111223344"),
        row("4", notes=PHONE, phoneNumber=None),
    ]
    requests, ids = found(key, page)
    query = (
        ("locationId", "loc-1"),
        ("searchText", "15111223344"),
        ("limit", "100"),
        ("page", "1"),
    )
    (request,) = requests
    assert sent(request)[1:3] == ("/v1/contacts", query)
    assert ids == ["1", "3"]


@pytest.mark.parametrize(
    ("settings", "narrowed"),
    [
        ({}, (("locationId", "loc-1"),)),
        ({"location_as": "workspaceId"}, (("workspaceId", "loc-1"),)),
        (
            {"channel": "whatsapp", "tagged": ["vip", "a b"]},
            (("locationId", "loc-1"), ("channel", "whatsapp"), ("tags", "vip,a b")),
        ),
    ],
)
def test_what_narrows_a_search_is_a_setting(
    settings: dict[str, Json], narrowed: tuple[tuple[str, str], ...]
) -> None:
    requests, _ = found(MatchKey("phoneNumber", PHONE), [], **settings)
    assert requests[0].query[: len(narrowed)] == narrowed
    assert requests[0].query[len(narrowed)][0] == "searchText"


def test_a_workspace_is_at_the_top_of_a_create() -> None:
    requests, _ = scripted(whautomate(location_as="workspaceId").send(CREATE), MADE)
    assert requests[0].json["workspaceId"] == "loc-1"
    assert "location" not in requests[0].json


@pytest.mark.parametrize("stage", ["Customer", "customer ", "CUSTOMER"])
def test_a_stage_is_sent_in_its_own_spelling(stage: str) -> None:
    adapter = whautomate()
    call = update(stage=stage)
    after = answer({**HELD, "stage": "Customer"})
    requests, result = scripted(adapter.send(call), answer(HELD), after)
    assert requests[1].json["stage"] == "Customer"
    assert result == Applied(ID)
    assert adapter.same("stage", stage, "Customer")
    assert not adapter.same("stage", stage, "Lead")


def test_a_stage_that_is_none_is_never_sent() -> None:
    with pytest.raises(ValueError, match="stage takes one of: Subscriber, Lead"):
        whautomate().send(update(stage="Friend"))


def test_other_fields_are_looked_up_where_the_search_is_known_to_see_them() -> None:
    key = MatchKey("customFields.crm_key", "crm-7")
    adapter = whautomate(found_by=["customFields.crm_key"])
    assert adapter.capabilities.find_by == ("customFields.crm_key",)
    requests, remotes = scripted(
        adapter.find(key),
        answer([row("1"), row("2", customFields={"crm_key": "crm-77"})]),
    )
    assert ("searchText", "crm-7") in requests[0].query
    assert [remote.external_id for remote in remotes] == ["1"]
    assert whautomate().capabilities.find_by == ("phoneNumber",)


def rows(*numbers: int) -> list[Json]:
    return [row(str(number)) for number in numbers]


@pytest.mark.parametrize(
    ("pages", "ids"),
    [
        (([],), []),
        (
            (rows(1, 2, 3), rows(4, 5)),
            [1, 2, 3, 4, 5],
        ),  # a page that is shorter than one before is the last
        ((rows(1, 2), rows(3, 4), []), [1, 2, 3, 4]),
        ((rows(1, 2), rows(2, 3), rows(4)), [1, 2, 3, 4]),  # a newcomer moved the rows
        ((rows(1), rows(2, 3), rows(4)), [1, 2, 3, 4]),
        ((rows(1, 2), rows(1, 2)), [1, 2]),  # a vendor that knows no pages
    ],
)
def test_pages_end_without_a_total(pages: tuple[Json, ...], ids: list[int]) -> None:
    key = MatchKey("phoneNumber", PHONE)
    assert found(key, *pages, smallest_page=1)[1] == [str(number) for number in ids]


def test_whoever_a_nearly_empty_page_holds_is_not_searched_for_on_the_next() -> None:
    key = MatchKey("phoneNumber", PHONE)
    assert len(found(key, rows(1, 2, 3, 4))[0]) == 1
    assert len(found(key, rows(1, 2, 3, 4, 5), [])[0]) == 2


def test_contacts_are_listed() -> None:
    adapter = whautomate(page_size=50, smallest_page=1)
    assert isinstance(adapter, Directory)
    (request,), page = scripted(adapter.page(None), answer([row("an id"), row("2")]))
    assert request.query == (("locationId", "loc-1"), ("limit", "50"), ("page", "1"))
    assert [contact.external_id for contact in page.contacts] == ["an id", "2"]
    (request,), page = scripted(adapter.page(page.cursor), answer(rows(3)))
    assert request.query[-1] == ("page", "2")
    assert page.cursor is None


def test_read() -> None:
    requests, remote = scripted(whautomate().read(ID), answer(HELD))
    assert [sent(request) for request in requests] == [("GET", CONTACT, (), None)]
    assert remote == Remote(
        ID,
        {
            "name": "Ilse",
            "phoneNumber": PHONE,
            "stage": "Lead",
            "notes": "met at fair",
            "customFields.crm_key": "crm-7",
            "customFields.theirs": [1],
            "customFields.nickname": "Illi",
        },
        frozenset({"theirs"}),
    )
    assert scripted(whautomate().read(ID), GONE)[1] is None


def test_there_is_more_to_tell_than_fields() -> None:
    adapter = whautomate()
    assert isinstance(adapter, DetailReader)
    _, details = scripted(adapter.details(ID), answer(HELD))
    assert details == {
        "location": {"id": "loc-9", "title": "Bonn"},
        "channel": "whatsapp",
        "messengerId": "m-1",
        "lastActivity": None,
        "createdAt": "2025-03-02T08:15:00.000Z",
    }
    assert scripted(adapter.details(ID), GONE)[1] == {}


# --- the account ----------------------------------------------------------------------


def test_the_probe_looks_for_the_location() -> None:
    page = [{"id": "loc-2", "title": "Bonn"}, {"id": "loc-1", "title": "Berlin"}]
    requests, good = scripted(whautomate().probe(), answer(page))
    assert good is True
    assert {request.path for request in requests} == {"/v1/locations"}
    with pytest.raises(VendorHalted) as halted:
        scripted(whautomate(location_id="loc-3").probe(), answer(page))
    assert halted.value.setting == "settings.location_id"


@pytest.mark.parametrize(
    ("response", "setting"),
    [
        (refusal(403, "Forbidden"), "settings.api_key"),
        (html(403), "settings.api_key"),
        (refusal(403, "Missing Authentication Token"), "settings.base_url"),
        (html(404), "settings.base_url"),
    ],
)
@pytest.mark.parametrize(
    "call", [CREATE, UPDATE, ADD, DELETE], ids=lambda call: call.action
)
def test_the_gateway_says_403_for_a_key_and_for_a_path(
    call: Call, response: Response, setting: str
) -> None:
    with pytest.raises(VendorHalted) as halted:
        scripted(whautomate().send(call), response)
    assert halted.value.setting == setting


def test_the_quota_of_a_day_is_not_waited_for() -> None:
    with pytest.raises(VendorThrottled):
        scripted(whautomate().send(ADD), refusal(429, "Too Many Requests"))
    with pytest.raises(VendorHalted, match="quota"):
        scripted(whautomate().send(ADD), refusal(429, "Limit Exceeded"))


def test_somebody_is_warned_of_automations() -> None:
    assert any(
        "automations" in caution for caution in whautomate().capabilities.cautions
    )


class _Pair(NamedTuple):
    """A value as we send it and as the vendor shows it, and if the two are the same."""

    field: str
    ours: Json
    theirs: Json
    same: bool


@pytest.mark.parametrize(
    ("field", "ours", "theirs", "same"),
    [
        _Pair(field="phoneNumber", ours=PHONE, theirs="49 151 11223344", same=True),
        _Pair(field="phoneNumber", ours=PHONE, theirs="+4915111223345", same=False),
        _Pair(field="name", ours="Ilse", theirs="ilse", same=False),
        _Pair(field="notes", ours=None, theirs="", same=True),
        _Pair(field="customFields.vip", ours=True, theirs="true", same=True),
        _Pair(field="customFields.vip", ours=True, theirs="false", same=False),
        _Pair(field="customFields.visits", ours=3, theirs="3.0", same=True),
        _Pair(
            field="customFields.seen",
            ours="2025-03-02T09:15:00+01:00",
            theirs="2025-03-02T08:15:00.000Z",
            same=True,
        ),
        _Pair(
            field="customFields.seen",
            ours="2025-03-02T09:15:00+01:00",
            theirs="2025-03-02T08:16:00.000Z",
            same=False,
        ),
        _Pair(
            field="notes",
            ours="2025-03-02T09:15:00+01:00",
            theirs="2025-03-02T08:15:00.000Z",
            same=False,
        ),
        _Pair(field="customFields.wishes", ours=["a", 1], theirs='["a",1]', same=True),
        _Pair(field="customFields.wishes", ours=["a", 1], theirs=["a", 1], same=True),
        _Pair(field="customFields.wishes", ours=["a", 1], theirs=["a", 2], same=False),
    ],
)
def test_same(field: str, ours: Json, theirs: Json, *, same: bool) -> None:
    assert whautomate().same(field, ours, theirs) is same


def test_an_id_is_one_segment_of_a_path() -> None:
    request = requested(
        whautomate().send(Call(Action.DELETE, "7", external_id="a b?c"))
    )
    assert (request.path, request.route) == (
        "/v1/contacts/a%20b%3Fc",
        "DELETE /v1/contacts/{id}",
    )
