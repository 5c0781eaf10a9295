"""The kit's judgement of answers, whatever the vendor."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from syncengine.errors import VendorHalted, VendorThrottled, VendorUnavailable
from syncengine.model.http import Json, Request, Response
from syncengine.testing.driving import answer, html
from syncengine.vendor import (
    ExternalId,
    ReplyModel,
    failed_look_up,
    judge,
    parse_reply,
    rejection,
)

GET = Request("GET", "/things/secret-id", "GET /things/{id}")
PUT = Request("PUT", "/things/secret-id", "PUT /things/{id}")
LIST = Request(
    "POST", "/things/list", "POST /things/list", json={"filter": 1}, reads=True
)
HALTS = {401: "settings.token", 404: "settings.base_url"}
NOW = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_success_is_handed_on(status: int) -> None:
    reply = judge(PUT, answer({"a": 1}, status), HALTS)
    assert (reply.ok, reply.status, reply.body) == (True, status, {"a": 1})


@pytest.mark.parametrize("status", [400, 403, 409, 413, 418, 422, 499])
def test_a_refusal_is_handed_on(status: int) -> None:
    reply = judge(PUT, answer({"a": 1}, status), HALTS)
    assert (reply.ok, reply.status, reply.body) == (False, status, {"a": 1})
    if status != 403:
        assert judge(PUT, html(status), HALTS).body is None
    assert rejection(PUT, reply, "no", ()).code == f"http_{status}"


@pytest.mark.parametrize("status", [403, 404, 410])
@pytest.mark.parametrize("body", [b"<html></html>", b"404 page not found", b""])
def test_a_page_in_place_of_the_api_is_a_wrong_address(
    status: int, body: bytes
) -> None:
    with pytest.raises(VendorHalted) as halted:
        judge(PUT, Response(status, {}, body), {})
    assert halted.value.setting == "settings.base_url"


def test_a_megabyte_of_letters_is_judged_at_once() -> None:
    response = answer({"message": f"contact {'x' * 500_000} not found"}, 404)
    assert judge(GET, response, {}).not_found


def test_null_is_a_refusal_of_the_api_itself() -> None:
    assert judge(PUT, answer(None, 403), {}).body is None


@pytest.mark.parametrize(
    ("status", "body", "own"),
    [
        (404, {"message": "Contact not found"}, True),
        (404, {"code": 404, "message": "No such person.", "param": "uuid"}, True),
        (404, {"error": "Data source not found"}, True),
        (
            404,
            {"status": 404, "msg": "x", "errors": [{"message": "Person not found"}]},
            True,
        ),
        (
            404,
            {"message": "Not Found", "error_details": [{"message": "unknown contact"}]},
            True,
        ),
        (404, {"message": "The resource contact was not found"}, True),
        (404, {"message": "nobody has this id"}, True),
        (404, {"error": "gone"}, True),
        (410, {"message": "The contact was deleted"}, True),
        (410, {"error": "Gone"}, False),
        (404, {"message": "Not Found"}, False),
        (404, {"status": 404, "error": "Not Found", "path": "/v1/contacts/7"}, False),
        (
            404,
            {
                "statusCode": 404,
                "message": "Cannot GET /v1/contacts/7",
                "error": "Not Found",
            },
            False,
        ),
        (404, {"message": "no Route matched with those values"}, False),
        (404, {"message": "The route api/v1/contact/7 could not be found."}, False),
        (404, {"message": "No endpoint GET /contact/7."}, False),
        (404, {"message": "No static resource v1/contacts/7."}, False),
        (404, {"statusCode": 404, "message": "Resource not found"}, False),
        (
            404,
            {"message": "The requested URL /contacts/7 was not found on this server."},
            False,
        ),
        (
            404,
            {"error": {"code": "404", "message": "The page could not be found"}},
            False,
        ),
        (404, {"detail": "Not Found"}, False),
        (
            404,
            {
                "fault": {
                    "faultstring": "Unable to identify proxy for host: secure and url: /contacts"
                }
            },
            False,
        ),
        (404, {"message": ""}, False),
        (404, {}, False),
        (404, [], False),
        (404, [{"message": "Contact not found"}], False),
        (404, "Contact not found", False),
        (404, 404, False),
        (404, None, False),
    ],
)
def test_a_404_is_about_a_contact_in_the_words_of_the_api_only(
    status: int, body: Json, *, own: bool
) -> None:
    if own:
        assert judge(PUT, answer(body, status), {}).not_found
        return
    with pytest.raises(VendorHalted) as halted:
        judge(PUT, answer(body, status), {})
    assert halted.value.setting == "settings.base_url"


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_refusal_that_is_cut_off_judges_nobody(status: int) -> None:
    with pytest.raises(VendorUnavailable, match="cut off") as failed:
        judge(PUT, Response(status, {}, b'{"success": false, "mess'), HALTS)
    assert (failed.value.maybe_applied, failed.value.status) == (False, status)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"data": {"id": "1', b"\xff\xfe", b'{"a": NaN}', b"ok"]
)
@pytest.mark.parametrize(
    ("request_", "maybe"), [(GET, False), (PUT, True), (LIST, False)]
)
def test_an_unreadable_success_is_unknown(
    body: bytes, request_: Request, *, maybe: bool
) -> None:
    with pytest.raises(VendorUnavailable, match="cannot be read") as failed:
        judge(request_, Response(200, {}, body), HALTS)
    assert (failed.value.maybe_applied, failed.value.status) == (maybe, 200)


@pytest.mark.parametrize("status", [100, 408, 500, 502, 503, 504, 520, 600, 999])
@pytest.mark.parametrize(
    ("request_", "maybe"), [(GET, False), (PUT, True), (LIST, False)]
)
def test_trouble_judges_nobody(status: int, request_: Request, *, maybe: bool) -> None:
    with pytest.raises(VendorUnavailable, match=str(status)) as failed:
        judge(request_, html(status), HALTS)
    assert (failed.value.maybe_applied, failed.value.status) == (maybe, status)


@pytest.mark.parametrize(
    ("status", "setting"),
    [
        (401, "settings.token"),
        (404, "settings.base_url"),
        (405, "settings.base_url"),
        (301, "settings.base_url"),
        (302, "settings.base_url"),
        (307, "settings.base_url"),
        (304, "settings.base_url"),
        (402, None),
    ],
)
def test_what_stops_the_account(status: int, setting: str | None) -> None:
    with pytest.raises(VendorHalted, match=str(status)) as halted:
        judge(PUT, answer({"location": "https://x.example/?token=t"}, status), HALTS)
    assert halted.value.setting == setting
    assert setting is None or setting in str(halted.value)


def test_messages_name_the_route_and_nothing_of_the_contact() -> None:
    for status in (301, 401, 402, 404, 405, 408, 429, 500):
        with pytest.raises(
            (VendorHalted, VendorThrottled, VendorUnavailable),
            match=r"PUT /things/\{id\}",
        ) as raised:
            judge(PUT, answer({"message": "secret-id"}, status), HALTS)
        assert "secret-id" not in str(raised.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": " 17 "}, 17.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-5"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "\u0661\u0667"}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": NOW}, 60.0),
        ({"retry-after": "Sun, 06 Nov 1994 09:50:37 +0100", "date": NOW}, 60.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 -0000", "date": NOW}, 60.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:00:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT"}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:50:37 GMT", "date": "today"}, None),
        ({"retry-after": "Sun, 99 Nov 1994 08:50:37 GMT", "date": NOW}, None),
        ({"retry-after": "Sun, 06 Nov 99999999999 08:50:37 GMT", "date": NOW}, None),
    ],
)
def test_retry_after(headers: Mapping[str, str], seconds: float | None) -> None:
    with pytest.raises(VendorThrottled) as throttled:
        judge(PUT, answer({}, 429, headers), HALTS)
    assert throttled.value.retry_after == seconds


class _Thing(ReplyModel):
    id: ExternalId


@pytest.mark.parametrize(
    ("given", "known"), [("a", "a"), (7, "7"), (2**70, str(2**70))]
)
def test_an_id_is_text(given: object, known: str) -> None:
    assert _Thing.model_validate({"id": given, "more": 1}).id == known


@pytest.mark.parametrize(
    "body", [None, [], "x", 1, {}, {"id": None}, {"id": ""}, {"id": True}, {"id": 1.5}]
)
def test_another_shape_is_unreadable(body: object) -> None:
    reply = judge(PUT, answer(body), HALTS)
    with pytest.raises(VendorUnavailable, match="cannot be read") as failed:
        parse_reply(PUT, reply, _Thing)
    assert failed.value.maybe_applied


def test_the_key_is_not_repeated() -> None:
    request = Request(
        "PUT",
        "/",
        "PUT /",
        headers={"authorization": "Bearer hunter2", "accept": "application/json"},
    )
    reply = judge(request, answer({}, 422), HALTS)
    said = "hunter2 may not write application/json"
    assert (
        'says: "[...] may not write application/json"'
        in rejection(request, reply, said, ()).message
    )
    assert '"[...] may not write application/json"' in str(
        failed_look_up(request, reply, said, ())
    )


def test_no_repr_shows_a_body() -> None:
    assert "Brandt" not in repr(judge(PUT, answer({"name": "Brandt"}), HALTS))
