"""The wire format of respond.io v2, and its traps."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from syncengine.errors import VendorHalted, VendorThrottled, VendorUnavailable
from syncengine.model.calls import Action, Applied, Call, Rejected
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer, html, requested, scripted, sent
from syncengine.vendors.respond_io_v2 import VENDOR
from tests.support.vendors.of_respond_io_v2 import (
    ADD,
    DELETE,
    EMAIL,
    ID,
    NAMED,
    NOT_FOUND,
    QUEUED,
    REMOVE,
    STAGE,
    TOLD,
    UPDATE,
    UPSERT,
    refusal,
    respond_io_v2,
    row,
)

PHONE_PATH = "/contact/create_or_update/phone%3A%2B4915111223344"
CALLS = (UPSERT, UPDATE, STAGE, ADD, REMOVE, DELETE)
every_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: call.action)


def updated(**fields: Json) -> Call:
    return Call(Action.UPDATE, "7", external_id=ID, fields=fields)


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
            call=UPSERT,
            method="POST",
            path=PHONE_PATH,
            body={"firstName": "Ilse", "phone": "+4915111223344"},
        ),
        _Wire(
            call=Call(Action.UPSERT, "7", key=EMAIL, fields=NAMED),
            method="POST",
            path="/contact/create_or_update/email%3Ailse%2B1%40example.org",
            body={"firstName": "Ilse"},
        ),
        _Wire(
            call=UPDATE,
            method="PUT",
            path="/contact/id%3A5501",
            body={"firstName": "Ilse"},
        ),
        _Wire(
            call=STAGE,
            method="POST",
            path="/contact/id%3A5501/lifecycle/update",
            body={"name": "Lead"},
        ),
        _Wire(
            call=ADD,
            method="POST",
            path="/contact/id%3A5501/tag",
            body=["vip", "trial"],
        ),
        _Wire(
            call=REMOVE, method="DELETE", path="/contact/id%3A5501/tag", body=["old"]
        ),
        _Wire(call=DELETE, method="DELETE", path="/contact/id%3A5501", body=None),
    ],
)
def test_sends(call: Call, method: str, path: str, body: Json) -> None:
    request = requested(respond_io_v2().send(call))
    assert sent(request) == (method, path, (), body)
    assert request.headers == {
        "accept": "application/json",
        "authorization": "Bearer t-123",
    }
    assert "5501" not in request.route
    assert "example.org" not in request.route


@pytest.mark.parametrize("empty", [None, ""])
def test_a_stage_is_left_by_null(empty: Json) -> None:
    call = Call(Action.SET_LIFECYCLE, "7", external_id=ID, fields={"lifecycle": empty})
    assert requested(respond_io_v2().send(call)).json == {"name": None}


@pytest.mark.parametrize(
    ("field", "value", "body"),
    [
        ("lastName", 3, {"lastName": "3"}),
        ("language", None, {"language": None}),
        ("email", "", {"email": None}),
        (
            "custom_fields.plan",
            "gold",
            {"custom_fields": [{"name": "plan", "value": "gold"}]},
        ),
        (
            "custom_fields.visits",
            3,
            {"custom_fields": [{"name": "visits", "value": 3}]},
        ),
        (
            "custom_fields.score",
            1.5,
            {"custom_fields": [{"name": "score", "value": 1.5}]},
        ),
        (
            "custom_fields.vip",
            True,
            {"custom_fields": [{"name": "vip", "value": True}]},
        ),
        (
            "custom_fields.no",
            False,
            {"custom_fields": [{"name": "no", "value": False}]},
        ),
        ("custom_fields.zero", 0, {"custom_fields": [{"name": "zero", "value": 0}]}),
        (
            "custom_fields.old",
            None,
            {"custom_fields": [{"name": "old", "value": None}]},
        ),
        (
            "custom_fields.a.b",
            ["x"],
            {"custom_fields": [{"name": "a.b", "value": '["x"]'}]},
        ),
    ],
)
def test_plain_fields_are_text_and_custom_ones_keep_their_kind(
    field: str, value: Json, body: Json
) -> None:
    assert requested(respond_io_v2().send(updated(**{field: value}))).json == body


def test_what_clears_is_a_switch() -> None:
    call = updated(**{"phone": None, "custom_fields.plan": None})
    cleared = {"phone": "", "custom_fields": [{"name": "plan", "value": ""}]}
    assert requested(respond_io_v2(clear_with="empty").send(call)).json == cleared
    with pytest.raises(ValueError, match="cannot clear phone"):
        respond_io_v2(clear_with="nothing").send(call)
    kept = updated(lastName="")
    assert requested(respond_io_v2(clear_with="nothing").send(kept)).json == {
        "lastName": ""
    }


def test_the_first_name_is_never_cleared_and_rides_in_each_write() -> None:
    with pytest.raises(ValueError, match="cannot clear firstName"):
        respond_io_v2().send(updated(firstName=None))
    for settings, carried in (
        ({}, ("firstName",)),
        ({"first_name_in_updates": False}, ()),
    ):
        can = respond_io_v2(**settings).capabilities
        assert can.upsert
        assert can.update
        assert (can.upsert.must_carry, can.update.must_carry) == (
            ("firstName",),
            carried,
        )


@pytest.mark.parametrize(
    ("call", "response", "result"),
    [
        (UPSERT, TOLD, Applied(ID)),
        (UPDATE, TOLD, Applied(ID)),
        (STAGE, answer({"code": 200, "message": "done"}), Applied()),
        (ADD, TOLD, Applied(ID)),
        (REMOVE, TOLD, Applied(ID)),
        (DELETE, TOLD, Applied()),
        (DELETE, NOT_FOUND, Applied()),
    ],
)
def test_success(call: Call, response: Response, result: Applied) -> None:
    assert scripted(respond_io_v2().send(call), response)[1] == result


def test_an_upsert_that_tells_no_id_asks_for_it_by_the_same_key() -> None:
    requests, told = scripted(
        respond_io_v2().send(UPSERT), answer({}), answer(row(5501))
    )
    assert [request.path for request in requests] == [
        PHONE_PATH,
        "/contact/phone%3A%2B4915111223344",
    ]
    assert told == Applied(ID)


@pytest.mark.parametrize("hidden", [NOT_FOUND, QUEUED, html(502), refusal("no", 400)])
def test_an_upsert_whose_contact_is_not_shown_yet_is_not_forgotten(
    hidden: Response,
) -> None:
    with pytest.raises(VendorUnavailable, match="does not show its id") as failed:
        scripted(respond_io_v2().send(UPSERT), answer({}), hidden)
    assert failed.value.maybe_applied
    assert failed.value.status == hidden.status


@every_call
def test_the_queue_judges_nobody(call: Call) -> None:
    with pytest.raises(VendorUnavailable, match="queue") as failed:
        scripted(respond_io_v2().send(call), QUEUED)
    assert not failed.value.maybe_applied
    assert failed.value.status == 449


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (UPSERT, "http_404"),
        (UPDATE, "not_found"),
        (STAGE, "not_found"),
        (ADD, "not_found"),
        (REMOVE, "not_found"),
    ],
)
def test_a_contact_that_is_not_there_is_distinct_from_a_wrong_address(
    call: Call, code: str
) -> None:
    rejected = scripted(respond_io_v2().send(call), NOT_FOUND)[1]
    assert isinstance(rejected, Rejected)
    assert rejected.code == code
    with pytest.raises(VendorHalted, match=r"settings\.base_url"):
        scripted(respond_io_v2().send(call), html(404))


@every_call
def test_a_403_is_a_refusal_in_json_and_the_networks_in_html(call: Call) -> None:
    rejected = scripted(
        respond_io_v2().send(call),
        refusal("The email already exists on another contact", 403),
    )[1]
    assert rejected == Rejected(
        "http_403",
        "the vendor refused it with status 403 and says: "
        '"The email already exists on another contact"; '
        "correct the row or the mapping",
        status=403,
        words="The email already exists on another contact",
    )
    with pytest.raises(VendorHalted, match="authorization header") as halted:
        scripted(respond_io_v2().send(call), html(403))
    assert halted.value.setting == "settings.base_url"


@every_call
def test_a_wrong_token_halts(call: Call) -> None:
    with pytest.raises(VendorHalted, match=r"settings\.token") as halted:
        scripted(respond_io_v2().send(call), refusal("UN_AUTHORIZED", 401))
    assert halted.value.setting == "settings.token"


def test_the_limit_is_kept_for_each_method_and_its_headers_are_heard() -> None:
    assert {(limit.calls, limit.per, limit.method) for limit in VENDOR.limits} == {
        (5, 1.0, method) for method in ("GET", "POST", "PUT", "DELETE")
    }
    headers = {
        "x-ratelimit-limit": "5",
        "x-ratelimit-remaining": "0",
        "retry-after": "3",
    }
    with pytest.raises(VendorThrottled) as throttled:
        scripted(
            respond_io_v2().send(UPSERT),
            answer({"code": 429, "message": "Too Many Requests"}, 429, headers),
        )
    assert throttled.value.retry_after == 3.0


@pytest.mark.parametrize("message", [None, {"a": 1}, ["x"]])
def test_a_refusal_in_no_known_words_is_still_one(message: Json) -> None:
    rejected = scripted(respond_io_v2().send(UPDATE), refusal(message))[1]
    assert isinstance(rejected, Rejected)
    assert rejected.code == "http_400"


class _Pair(NamedTuple):
    """A value as we send it and as the vendor shows it, and if the two are the same."""

    field: str
    ours: Json
    theirs: Json
    same: bool


@pytest.mark.parametrize(
    ("field", "ours", "theirs", "same"),
    [
        _Pair(field="phone", ours="+4915111223344", theirs="4915111223344", same=True),
        _Pair(
            field="phone", ours="+4915111223344", theirs="+4915111223345", same=False
        ),
        _Pair(field="phone", ours=None, theirs="", same=True),
        _Pair(
            field="email", ours="Ilse@Example.org", theirs="ilse@example.org", same=True
        ),
        _Pair(field="email", ours="ilse@example.org", theirs=None, same=False),
        _Pair(field="email", ours=None, theirs=None, same=True),
        _Pair(field="countryCode", ours="de", theirs="DE", same=True),
        _Pair(field="language", ours="de", theirs="en", same=False),
        _Pair(field="lastName", ours="Brandt", theirs="brandt", same=False),
        _Pair(field="lastName", ours=None, theirs="", same=True),
        _Pair(field="lifecycle", ours="Lead", theirs="Lead", same=True),
        _Pair(field="lifecycle", ours=None, theirs=None, same=True),
        _Pair(field="custom_fields.vip", ours=True, theirs="true", same=True),
        _Pair(field="custom_fields.vip", ours=False, theirs="true", same=False),
        _Pair(field="custom_fields.vip", ours=True, theirs=True, same=True),
        _Pair(field="custom_fields.visits", ours=3, theirs="3.0", same=True),
        _Pair(field="custom_fields.visits", ours=3, theirs=4, same=False),
        _Pair(
            field="custom_fields.at",
            ours="2025-03-02T08:15:00+00:00",
            theirs="2025-03-02T08:15:00.000Z",
            same=True,
        ),
        _Pair(
            field="custom_fields.at",
            ours="2025-03-02T08:15:00+00:00",
            theirs="2025-03-02T08:16:00.000Z",
            same=False,
        ),
        _Pair(
            field="custom_fields.day", ours="2025-03-02", theirs="2025-03-02", same=True
        ),
        _Pair(
            field="custom_fields.day",
            ours="2025-03-02",
            theirs="2025-03-03",
            same=False,
        ),
    ],
)
def test_same(field: str, ours: Json, theirs: Json, *, same: bool) -> None:
    assert respond_io_v2().same(field, ours, theirs) is same


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call(Action.UPSERT, "1", fields=NAMED), "upsert needs the key"),
        (Call(Action.CREATE, "1", fields=NAMED), "no create"),
        (Call(Action.UPDATE, "1"), "external id"),
        (Call(Action.DELETE, "1"), "external id"),
        (updated(nickname="x"), 'no field "nickname"'),
        (updated(lifecycle="Lead"), 'no field "lifecycle"'),
        (
            Call(
                Action.ADD_TAGS,
                "1",
                external_id=ID,
                add_tags=tuple(map(str, range(11))),
            ),
            "11 tags to add",
        ),
        (
            Call(
                Action.UPSERT,
                "1",
                key=MatchKey("phone", "+491"),
                fields={"phone": None},
            ),
            "cannot clear phone",
        ),
    ],
)
def test_a_call_nobody_can_translate_is_our_mistake(call: Call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        requested(respond_io_v2().send(call))
