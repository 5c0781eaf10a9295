"""The values of a contact are read however a vendor writes them.

An odd value spoils nothing beside it.
"""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from syncengine.model.bounds import (
    DEEPEST_ANSWER,
    DEEPEST_VALUE,
    LONGEST_NAME,
    LONGEST_ROW,
)
from syncengine.model.calls import Action, Applied, Call
from syncengine.model.http import Json, Request, Response
from syncengine.testing.benches import Bench
from syncengine.testing.driving import drive
from syncengine.vendors.kit.reading import Unreadable, read_json
from tests.support.vendors.subjects import subject

_ONE = Request("PUT", "/contacts", "PUT /contacts")
_LIST = Request("GET", "/contacts", "GET /contacts", lists=True)
_BESIDE = {
    "id": 7,
    "tags": ["vip"] * 1000,
    "fields": {f"field {number}": "x" * 100 for number in range(200)},
}
_HALF = "\ud800"
_ODD = ("\0", "a\0b", "n" * (LONGEST_NAME + 1))
_FINE = (
    "👩\u200d💻",
    "\u200fx",
    "\u00a0",
    "a\u200bb",
    "\u00ad",
    "\t",
    "\n",
    "n" * LONGEST_NAME,
    "",
)


@pytest.mark.parametrize(
    "character", ["x", "ä", "李", "😀", "<", ",", "[", "{", '"', "\\"]
)
@pytest.mark.parametrize("request_", [_ONE, _LIST], ids=["one", "list"])
def test_the_longest_row_is_readable_however_it_is_escaped(
    character: str, request_: Request
) -> None:
    value = {**_BESIDE, "value": character * LONGEST_ROW}
    written = json.dumps(value).replace("<", "\\u003c")
    assert read_json(request_, written.encode()) == value


def test_the_row_of_most_values_is_readable() -> None:
    value = {**_BESIDE, "value": [1] * (LONGEST_ROW // 2)}
    assert read_json(_ONE, orjson.dumps(value)) == value
    hollow: Json = {**_BESIDE, "value": [[]] * (LONGEST_ROW // 3)}
    assert read_json(_ONE, orjson.dumps(hollow)) == hollow


def test_an_answer_may_be_twice_as_deep_as_a_value() -> None:
    assert 2 * DEEPEST_VALUE <= DEEPEST_ANSWER
    deepest = b"[" * DEEPEST_ANSWER + b"]" * DEEPEST_ANSWER
    assert read_json(_ONE, deepest)
    with pytest.raises(Unreadable):
        read_json(_ONE, b"[" + deepest + b"]")


def test_half_of_a_character_spoils_what_holds_it_alone() -> None:
    body = json.dumps(
        [{"id": 1, "name": f"a{_HALF}"}, {"id": 2, "name": "😀 \\ud800"}]
    ).encode()
    assert read_json(_LIST, body) == [
        {"id": 1, "name": "a\0"},
        {"id": 2, "name": "😀 \\ud800"},
    ]
    with pytest.raises(Unreadable):
        read_json(_ONE, body)  # it may be written back, and would be another then
    for wrong in (
        b'["\\ud800", NaN]',
        b'["\\ud800"',
        b'["\\ud800", ' + b"9" * 5000 + b"]",
        b"[" * 100_000 + b"\\ud",
    ):
        with pytest.raises(Unreadable):
            read_json(_LIST, wrong)


def _page(name: str, rows: list[Json]) -> Json:
    match name:
        case "respond_io":
            return {"data": rows, "meta": {"last_page": 1}}
        case "respond_io_v2":
            return {"items": rows, "pagination": {"next": None}}
        case _:
            return rows


@pytest.mark.parametrize(
    "odd", [*_ODD, f"a{_HALF}"], ids=["NUL", "with NUL", "long", "half"]
)
@pytest.mark.parametrize("name", ["respond_io", "respond_io_v2", "whautomate"])
def test_a_tag_that_cannot_be_kept_spoils_no_contact_of_its_page(
    name: str, odd: str
) -> None:
    bench = Bench(subject(name))
    (key, *_) = bench.subject.keys(1)
    fields: dict[str, Any] = {
        "custom_fields": {} if name == "respond_io" else [],
        "customFields": {},
    }
    _, _, own = key.field.rpartition(".")
    if name == "respond_io":
        fields["custom_fields"] = {own: key.value}
    first = {"id": "7", **fields, own: key.value, "tags": ["vip", odd, *_FINE]}
    others = [
        {"id": str(number), "custom_fields": fields["custom_fields"] and {own: "else"}}
        for number in range(8, 18)
    ]
    others = [{**each, "tags": [odd]} for each in others]
    body = json.dumps(_page(name, [*others[:5], first, *others[5:]])).encode()
    found = bench.pretend(bench.subject.vendor.find(key), Response(200, body=body))
    assert found is not None
    assert {each.external_id: each.tags for each in found}["7"] == {"vip", *_FINE}


def test_a_full_replace_leaves_the_tags_that_cannot_be_kept() -> None:
    each = subject("whautomate")
    held = {
        "id": "7",
        "name": "Anna",
        "phoneNumber": "491510000001",
        "tags": ["vip", "a\0b"],
        "customFields": {},
    }
    sent: list[Request] = []

    def answering(request: Request) -> Response:
        sent.append(request)
        return Response(200, body=orjson.dumps({**held, **(request.json or {})}))

    call = Call(Action.UPDATE, "1", external_id="7", fields={"name": "Bea"})
    answer = drive(each.vendor.send(call), answering)
    assert isinstance(answer, Applied)
    assert answer.dropped == ()
    assert sent[-1].json["tags"] == ["vip", "a\0b"]
