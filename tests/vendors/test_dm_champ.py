"""The wire format of DM Champ, and its traps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from syncengine.errors import VendorHalted, VendorThrottled, VendorUnavailable
from syncengine.model.calls import Applied, Call, Exists, Rejected
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer, html, requested, scripted, sent
from tests.support.vendors.of_dm_champ import (
    DELETE,
    DONE,
    GONE,
    ID,
    JOIN,
    LEAVE,
    PHONE,
    TAG,
    create,
    dm_champ,
    failed,
    seen,
    update,
)

SECRET = ("apiKey", "k-123")
SAFE = {"is_bot_active": False, "do_not_disturb": False}
LOOK = ("GET", "/contacts", (("phoneNumber", PHONE), SECRET), None)
SILENCED = {
    "firstName": "Unknown",
    "lastName": "Unknown",
    "email": "unknown@unknown.com",
    "is_bot_active": False,
    "do_not_disturb": True,
}


# --- requests -------------------------------------------------------------------------


class _Wire(NamedTuple):
    """A call, and the request that it is sent as."""

    call: Call
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    body: Json


@pytest.mark.parametrize(
    ("call", "method", "path", "query", "body"),
    [
        _Wire(
            call=create(firstName="Ilse"),
            method="POST",
            path="/contacts",
            query=(),
            body={**SAFE, "phoneNumber": PHONE, "firstName": "Ilse"},
        ),
        _Wire(
            call=update(firstName="Ilse", is_bot_active=True),
            method="PUT",
            path=f"/contacts/{ID}",
            query=(),
            body={"firstName": "Ilse", "is_bot_active": True},
        ),
        _Wire(
            call=JOIN,
            method="POST",
            path="/contacts/lists",
            query=(),
            body={"contactId": ID, "listId": "L-9"},
        ),
        _Wire(
            call=LEAVE,
            method="DELETE",
            path="/contacts/lists",
            query=(),
            body={"contactId": ID, "listId": "L-9"},
        ),
    ],
)
def test_sends(
    call: Call, method: str, path: str, query: tuple[tuple[str, str], ...], body: Json
) -> None:
    request = requested(dm_champ().send(call))
    assert sent(request) == (method, path, (*query, SECRET), body)
    assert not request.headers
    assert request.route == f"{method} {path.replace(ID, '{id}')}"


def test_a_create_joins_its_lists_in_the_same_request() -> None:
    call = create(**{"lists.L-9": True, "lists.L-10": True})
    assert requested(dm_champ().send(call)).json == {
        **SAFE,
        "phoneNumber": PHONE,
        "listIds": ["L-9", "L-10"],
    }
    with pytest.raises(ValueError, match="2 lists; this vendor takes 0"):
        dm_champ(lists_in_create=False).send(call)


@pytest.mark.parametrize(
    ("field", "value", "written"),
    [
        ("firstName", 7, "7"),
        ("externalId", 20418, "20418"),
        ("is_bot_active", "TRUE", True),
        ("do_not_disturb", "false", False),
        ("isChatWindowOpen", True, True),
        ("currentCampaignData", {"step": 1}, {"step": 1}),
        ("phoneNumber", 4915111223344, "4915111223344"),
    ],
)
def test_values_take_the_form_of_their_field(
    field: str, value: Json, written: Json
) -> None:
    body = requested(dm_champ().send(create(**{field: value}))).json
    assert body[field] == written
    assert type(body[field]) is type(written)


# --- what may be sent to people -------------------------------------------------------


def test_nobody_is_answered_by_the_bot_unless_the_row_or_the_operator_says_so() -> None:
    def flags(call: Call, **settings: Any) -> list[bool]:
        body = requested(dm_champ(**settings).send(call)).json
        return [body.get("is_bot_active"), body.get("do_not_disturb")]

    assert flags(create()) == [False, False]
    assert flags(create(), bot_active=True, do_not_disturb=True) == [True, True]
    assert flags(create(is_bot_active=True, do_not_disturb=True)) == [True, True]
    assert flags(
        create(is_bot_active=False, do_not_disturb=False),
        bot_active=True,
        do_not_disturb=True,
    ) == [
        False,
        False,
    ]
    assert flags(update(firstName="Ilse"), bot_active=True, do_not_disturb=True) == [
        None,
        None,
    ]


def test_a_bot_that_answers_is_cautioned_against() -> None:
    assert dm_champ().capabilities.cautions == ()
    (caution,) = dm_champ(bot_active=True).capabilities.cautions
    assert "settings.bot_active" in caution


def test_nothing_is_deleted_unless_the_nearest_thing_is_asked_for_by_its_name() -> None:
    assert dm_champ().capabilities.delete is None
    with pytest.raises(ValueError, match="no delete"):
        dm_champ().send(DELETE)
    request = requested(dm_champ(delete_as="silenced").send(DELETE))
    assert sent(request) == ("PUT", f"/contacts/{ID}", (SECRET,), SILENCED)


@pytest.mark.parametrize("response", [DONE, GONE])
def test_who_is_gone_already_need_not_be_silenced(response: Response) -> None:
    assert (
        scripted(dm_champ(delete_as="silenced").send(DELETE), response)[1] == Applied()
    )


# --- duplicates -----------------------------------------------------------------------

DUPLICATES = {
    "409": failed(409, "contact already exists"),
    "an error in a success": failed(200, "contact already exists", 409),
    "an error in a success, as a text": failed(200, "nope", "409"),
    "words alone": failed(200, "Contact already exists."),
    "a 400 of words": answer("Contact already exists", 400),
}


@pytest.mark.parametrize("duplicate", DUPLICATES.values(), ids=DUPLICATES)
def test_a_create_that_finds_its_phone_there_shows_whom(duplicate: Response) -> None:
    shown = seen({"firstName": "Ilse", "phoneNumber": PHONE, "tags": ["vip"]})
    requests, result = scripted(
        dm_champ().send(create(firstName="I")), duplicate, shown
    )
    assert sent(requests[1]) == LOOK
    assert result == Exists(
        Remote(ID, {"firstName": "Ilse", "phoneNumber": PHONE}, frozenset({"vip"}))
    )


@pytest.mark.parametrize(
    "shown",
    [
        GONE,
        failed(200, "nobody"),
        failed(400, "invalid phone"),
        seen({"phoneNumber": "+49"}),
    ],
)
def test_a_duplicate_that_no_look_up_shows_is_reported_to_a_person(
    shown: Response,
) -> None:
    vendor = dm_champ(look_up_phones="as_sent")
    result = scripted(vendor.send(create()), failed(409, "exists"), shown)[1]
    assert isinstance(result, Rejected)
    assert (result.code, result.status) == ("exists_unseen", 409)
    assert "look_up_phones" in result.message


def test_an_outage_of_the_look_up_behind_a_duplicate_judges_nobody() -> None:
    with pytest.raises(VendorUnavailable) as unavailable:
        scripted(dm_champ().send(create()), failed(409, "exists"), html(502))
    assert not unavailable.value.maybe_applied


def test_whether_a_create_tells_duplicates_is_a_switch() -> None:
    told, untold = (
        dm_champ(duplicates=mode).capabilities.create for mode in ("refused", "unknown")
    )
    assert told is not None
    assert untold is not None
    assert (told.tells_existing, untold.tells_existing) == (True, False)
    assert told.keyed_by == untold.keyed_by == ("phoneNumber",)


# --- answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"success": True, "data": {"message": "made", "contactId": ID}},
        {"success": True, "contactId": ID, "id": "other"},
        {"contact_id": ID},
        {"success": True, "contact": {"id": ID}},
        {"id": ID},
    ],
)
def test_the_id_of_a_new_contact_is_in_any_of_five_places(body: Json) -> None:
    assert scripted(dm_champ().send(create()), answer(body))[1] == Applied(ID)


class _Rejection(NamedTuple):
    """A call, the answer to it, and the rejection that it is."""

    call: Call
    response: Response
    code: str
    words: str


@pytest.mark.parametrize(
    ("call", "response", "code", "words"),
    [
        _Rejection(
            call=update(firstName="Ilse"),
            response=GONE,
            code="not_found",
            words="Contact not found",
        ),
        _Rejection(
            call=update(firstName="Ilse"),
            response=failed(200, "Contact not found", 404),
            code="not_found",
            words="Contact not found",
        ),
        _Rejection(
            call=update(firstName="Ilse"),
            response=answer("Invalid name", 400),
            code="http_400",
            words="Invalid name",
        ),
        _Rejection(
            call=update(firstName="Ilse"),
            response=answer({"error": "Invalid name"}, 400),
            code="http_400",
            words="Invalid name",
        ),
        _Rejection(
            call=update(firstName="Ilse"),
            response=failed(200, "Not today"),
            code="http_400",
            words="Not today",
        ),
        _Rejection(
            call=create(),
            response=answer({"data": {"message": "Invalid phone"}}, 400),
            code="http_400",
            words="Invalid phone",
        ),
        _Rejection(
            call=create(**{"lists.L-9": True}),
            response=failed(404, "List not found"),
            code="http_404",
            words="List not found",
        ),
        _Rejection(
            call=create(**{"lists.L-9": True}),
            response=failed(403, "Not your list"),
            code="http_403",
            words="Not your list",
        ),
        _Rejection(
            call=JOIN, response=GONE, code="not_found", words="Contact not found"
        ),
        _Rejection(
            call=JOIN,
            response=failed(404, "List not found"),
            code="http_404",
            words="List not found",
        ),
        _Rejection(
            call=JOIN,
            response=failed(403, "This is not your list"),
            code="http_403",
            words="This is not your list",
        ),
        _Rejection(
            call=LEAVE,
            response=failed(403, "This is not your list"),
            code="http_403",
            words="This is not your list",
        ),
        _Rejection(
            call=LEAVE, response=GONE, code="not_found", words="Contact not found"
        ),
    ],
)
def test_refusal(call: Call, response: Response, code: str, words: str) -> None:
    result = scripted(dm_champ(look_up_phones="as_sent").send(call), response)[1]
    assert isinstance(result, Rejected)
    assert result.code == code
    assert f'"{words}"' in result.message


@pytest.mark.parametrize(
    ("call", "response"),
    [
        (JOIN, failed(400, "Contact is already in this list")),
        (LEAVE, failed(400, "Contact is not in this list")),
        (LEAVE, failed(404, "List not found")),
    ],
)
def test_a_list_that_is_joined_or_left_already_is_joined_or_left(
    call: Call, response: Response
) -> None:
    assert scripted(dm_champ().send(call), response)[1] == Applied()


@pytest.mark.parametrize("call", [create(), update(firstName="Ilse"), JOIN])
def test_an_error_inside_a_success_is_judged_by_the_status_it_names(call: Call) -> None:
    def said(code: Json) -> Response:
        return failed(200, "trouble", code)

    with pytest.raises(VendorHalted, match=r"settings\.api_key"):
        scripted(dm_champ().send(call), said(401))
    with pytest.raises(VendorThrottled):
        scripted(dm_champ().send(call), said("429"))
    with pytest.raises(VendorUnavailable) as unavailable:
        scripted(dm_champ().send(call), said(500))
    assert unavailable.value.maybe_applied
    for odd in (None, 0, 200, 99999, "x", [409], True):
        assert isinstance(scripted(dm_champ().send(call), said(odd))[1], Rejected)


@pytest.mark.parametrize(
    "call",
    [
        update(firstName="Ilse"),
        TAG,
        JOIN,
        LEAVE,
        create(),
        create(**{"lists.L-9": True}),
    ],
)
def test_a_path_that_is_not_there_is_a_wrong_address(call: Call) -> None:
    with pytest.raises(VendorHalted, match=r"settings\.base_url"):
        scripted(dm_champ().send(call), html(404))


def test_a_create_is_not_refused_with_404_without_a_list() -> None:
    with pytest.raises(VendorHalted, match=r"settings\.base_url"):
        scripted(dm_champ().send(create()), GONE)


# --- tags: they go by phone or e-mail address -----------------------------------------

ANOTHER = answer({"success": True, "contactId": "another"})
HELD_TAGS = answer([{"name": "vip"}])
MAIL = MatchKey("email", "+i@example.org")
OTHER_PHONE = MatchKey("phoneNumber", "+4915111223355")


@pytest.mark.parametrize(
    ("call", "looked", "tagged"),
    [
        (
            TAG,
            ("phoneNumber", PHONE),
            (("tag", "vip"), ("phoneNumber", "4915111223344")),
        ),
        (
            replace(TAG, key=MAIL, add_tags=("a b",)),
            ("email", MAIL.value),
            (("tag", "a b"), ("email", MAIL.value)),
        ),
    ],
)
def test_a_tag_goes_to_the_contact_that_has_the_key_now(
    call: Call, looked: tuple[str, str], tagged: tuple[tuple[str, str], ...]
) -> None:
    requests, result = scripted(dm_champ().send(call), seen(), DONE)
    assert result == Applied()
    assert list(map(sent, requests)) == [
        ("GET", "/contacts", (looked, SECRET), None),
        ("POST", "/tags", (*tagged, SECRET), None),
    ]


AS_SENT = dm_champ(look_up_phones="as_sent")
"""An adapter that looks a phone up in one spelling."""


@pytest.mark.parametrize("behind", [ANOTHER, GONE, failed(200, "Contact not found")])
def test_a_number_that_was_moved_tags_nobody(behind: Response) -> None:
    requests, result = scripted(AS_SENT.send(TAG), behind, HELD_TAGS)
    assert isinstance(result, Rejected)
    assert (result.code, result.by_vendor) == ("moved", False)
    assert [request.method for request in requests] == ["GET", "GET"]
    assert requests[1].path == f"/contacts/tags/{ID}"


@pytest.mark.parametrize("behind", [ANOTHER, GONE])
def test_who_is_there_no_more_is_gone(behind: Response) -> None:
    requests, result = scripted(AS_SENT.send(TAG), behind, GONE)
    assert isinstance(result, Rejected)
    assert (result.code, result.by_vendor) == ("not_found", True)
    assert len(requests) == 2


def test_a_tag_finds_the_contact_under_another_spelling_of_its_phone() -> None:
    refused = failed(400, "invalid")
    requests, result = scripted(dm_champ().send(TAG), GONE, GONE, seen(), DONE)
    assert result == Applied()
    assert requests[3].query[1] == ("phoneNumber", f"00{PHONE[1:]}")
    gone = scripted(dm_champ().send(TAG), GONE, GONE, refused, HELD_TAGS)[1]
    assert isinstance(gone, Rejected)
    assert gone.code == "moved"


def test_who_was_moved_to_what_the_row_asks_for_is_tagged_there() -> None:
    call = replace(TAG, other_keys=(OTHER_PHONE, MAIL))
    requests, result = scripted(AS_SENT.send(call), ANOTHER, seen(), DONE)
    assert result == Applied()
    assert requests[2].query[1] == ("phoneNumber", OTHER_PHONE.value.removeprefix("+"))


def test_another_ones_other_key_is_no_address_either() -> None:
    call = replace(TAG, other_keys=(OTHER_PHONE, MAIL))
    _, result = scripted(AS_SENT.send(call), GONE, ANOTHER, ANOTHER, HELD_TAGS)
    assert isinstance(result, Rejected)
    assert result.code == "moved"


def test_a_tag_call_that_finds_nobody_proves_nobody_gone() -> None:
    _, result = scripted(dm_champ().send(TAG), seen(), GONE)
    assert isinstance(result, Rejected)
    assert result.code == "http_404"


def test_a_refused_look_up_refuses_the_tag() -> None:
    _, result = scripted(dm_champ().send(TAG), answer("Invalid phone", 400))
    assert isinstance(result, Rejected)
    assert (result.code, result.by_vendor) == ("http_400", True)
    assert '"Invalid phone"' in result.message


# --- comparisons ----------------------------------------------------------------------


class _Pair(NamedTuple):
    """A value as we send it and as the vendor shows it, and if the two are the same."""

    field: str
    ours: Json
    theirs: Json
    same: bool


@pytest.mark.parametrize(
    ("field", "ours", "theirs", "same"),
    [
        _Pair(field="phoneNumber", ours=PHONE, theirs="4915111223344", same=True),
        _Pair(field="phoneNumber", ours=PHONE, theirs="4915111223345", same=False),
        _Pair(
            field="email", ours="Ilse@Example.org", theirs="ilse@example.org", same=True
        ),
        _Pair(field="email", ours=None, theirs="unknown@unknown.com", same=True),
        _Pair(
            field="email",
            ours="ilse@example.org",
            theirs="unknown@unknown.com",
            same=False,
        ),
        _Pair(field="firstName", ours=None, theirs="Unknown", same=True),
        _Pair(field="firstName", ours="", theirs="Unknown", same=True),
        _Pair(field="firstName", ours="Unknown", theirs=None, same=True),
        _Pair(field="firstName", ours="Ilse", theirs="Unknown", same=False),
        _Pair(field="firstName", ours="ilse", theirs="Ilse", same=False),
        _Pair(field="channel", ours=None, theirs="Unknown", same=False),
        _Pair(field="is_bot_active", ours=True, theirs="true", same=True),
        _Pair(field="is_bot_active", ours="true", theirs=True, same=True),
        _Pair(field="is_bot_active", ours=False, theirs="False", same=True),
        _Pair(field="do_not_disturb", ours=False, theirs=True, same=False),
        _Pair(field="do_not_disturb", ours=False, theirs=None, same=False),
        _Pair(field="externalId", ours=7, theirs="7", same=True),
        _Pair(field="custom_fields.vip", ours=True, theirs=True, same=True),
        _Pair(field="custom_fields.vip", ours=True, theirs="true", same=True),
        _Pair(field="custom_fields.vip", ours=True, theirs=False, same=False),
        _Pair(
            field="custom_fields.since",
            ours="2025-03-02T08:15:30+00:00",
            theirs="2025-03-02T08:15:30.000Z",
            same=True,
        ),
        _Pair(
            field="custom_fields.since",
            ours="2025-03-02T08:15:30+00:00",
            theirs="2025-03-02T08:15:31.000Z",
            same=False,
        ),
        _Pair(
            field="currentCampaignData",
            ours={"a": 1, "b": 2},
            theirs={"b": 2, "a": 1},
            same=True,
        ),
    ],
)
def test_same(field: str, ours: Json, theirs: Json, *, same: bool) -> None:
    assert dm_champ().same(field, ours, theirs) is same


@pytest.mark.parametrize(
    ("settings", "empty"),
    [({"clear_with": "placeholder"}, "Unknown"), ({"clear_with": "empty"}, "")],
)
def test_what_clears_is_a_switch(settings: dict[str, Json], empty: str) -> None:
    assert requested(dm_champ(**settings).send(update(lastName=None))).json == {
        "lastName": empty
    }
    with pytest.raises(ValueError, match="cannot clear lastName"):
        dm_champ().send(update(lastName=None))
    with pytest.raises(ValueError, match="cannot clear do_not_disturb"):
        dm_champ(**settings).send(update(do_not_disturb=None))


@pytest.mark.parametrize(
    ("mode", "creates", "updates"),
    [("nowhere", False, False), ("create", True, False), ("everywhere", True, True)],
)
def test_which_writes_keep_custom_fields_is_a_switch(
    mode: str, *, creates: bool, updates: bool
) -> None:
    vendor = dm_champ(custom_fields=mode)
    create_of, update_of = vendor.capabilities.create, vendor.capabilities.update
    assert create_of is not None
    assert update_of is not None
    assert (
        "custom_fields.*" in create_of.fields,
        "custom_fields.*" in update_of.fields,
    ) == (creates, updates)
    body = requested(
        vendor.send(create(**{"custom_fields.a": 1, "custom_fields.b.c": "x"}))
    ).json
    assert body["custom_fields"] == {"a": 1, "b.c": "x"}


def test_what_is_no_field_of_dm_champ_is_our_mistake() -> None:
    with pytest.raises(ValueError, match='no field "nickname"'):
        requested(dm_champ().send(create(nickname="I")))
