"""The wire format of respond.io's legacy v1."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.calls import Action, Applied, Call, Rejected
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer, html, requested, scripted, sent
from tests.support.vendors.of_respond_io import (
    ADD,
    CREATE,
    GONE,
    ID,
    REMOVE,
    TOLD,
    UPDATE,
    VIBER_ID,
    refusal,
    respond_io,
)


def pairs(*values: tuple[str, Json]) -> Json:
    return {"custom_fields": [{"name": name, "value": value} for name, value in values]}


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
            call=CREATE,
            method="POST",
            path="/contact/",
            body=pairs(("crm_id", "crm-7"), ("firstName", "Ilse")),
        ),
        _Wire(
            call=UPDATE,
            method="PUT",
            path=f"/contact/{ID}",
            body=pairs(("firstName", "Ilse")),
        ),
        _Wire(
            call=ADD,
            method="POST",
            path=f"/contact/{ID}/tags",
            body={"tags": ["vip", "trial"]},
        ),
        _Wire(
            call=REMOVE,
            method="DELETE",
            path=f"/contact/{ID}/tags",
            body={"tags": ["old"]},
        ),
        _Wire(
            call=Call(Action.UPDATE, "7", external_id="a b/c"),
            method="PUT",
            path="/contact/a%20b%2Fc",
            body=pairs(),
        ),
    ],
)
def test_sends(call: Call, method: str, path: str, body: Json) -> None:
    request = requested(respond_io().send(call))
    assert sent(request) == (method, path, (), body)
    assert request.headers == {
        "accept": "application/json",
        "authorization": "Bearer t-123",
    }
    assert ID not in request.route


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Žofia 李", "Žofia 李"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (3.0, "3"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (1e22, "10000000000000000000000"),
        (12345678901234567890, "12345678901234567890"),
        (["a", 1, None, "ü"], '["a",1,null,"ü"]'),
        ({"b": 1, "a": [True]}, '{"a":[true],"b":1}'),
        ("", ""),
        (None, ""),
    ],
)
def test_every_value_goes_as_text(value: Json, text: str) -> None:
    request = requested(
        respond_io().send(Call(Action.UPDATE, "7", external_id=ID, fields={"f": value}))
    )
    assert request.json == pairs(("f", text))
    assert respond_io().same("f", value, text)


def test_what_clears_is_a_switch() -> None:
    call = Call(Action.UPDATE, "7", external_id=ID, fields={"f": None})
    assert requested(respond_io(clear_with="null").send(call)).json == pairs(
        ("f", None)
    )
    with pytest.raises(ValueError, match="cannot clear f"):
        respond_io(clear_with="nothing").send(call)


class _Paths(NamedTuple):
    """Settings, and the paths that requests then have."""

    settings: dict[str, Json]
    update: str
    untag: str
    tag: str
    read: str


@pytest.mark.parametrize(
    ("settings", "update", "untag", "tag", "read"),
    [
        _Paths(
            settings={},
            update="a%2Bb%2Fc9%3D%3D",
            untag="a%2Bb%2Fc9%3D%3D",
            tag="a%2Bb%2Fc9%3D%3D",
            read="a%2Bb%2Fc9%3D%3D",
        ),
        _Paths(
            settings={"viber": True},
            update="YStiL2M5PT0%3D",
            untag="YStiL2M5PT0%3D",
            tag="YStiL2M5PT0%3D",
            read="YStiL2M5PT0%3D",
        ),
        _Paths(
            settings={"viber": True, "viber_calls": "documented"},
            update="YStiL2M5PT0%3D",
            untag="YStiL2M5PT0%3D",
            tag="a%2Bb%2Fc9%3D%3D",
            read="a%2Bb%2Fc9%3D%3D",
        ),
    ],
)
def test_viber_ids_are_base64_in_paths(
    settings: dict[str, Json], update: str, untag: str, tag: str, read: str
) -> None:
    adapter = respond_io(**settings)

    def path(action: Action) -> str:
        return requested(adapter.send(Call(action, "7", external_id=VIBER_ID))).path

    assert path(Action.UPDATE) == f"/contact/{update}"
    assert path(Action.REMOVE_TAGS) == f"/contact/{untag}/tags"
    assert path(Action.ADD_TAGS) == f"/contact/{tag}/tags"
    assert requested(adapter.read(VIBER_ID)).path == f"/contact/{read}"


@pytest.mark.parametrize(
    ("alphabet", "segment"), [("standard", "Pz8%2FPj4%2B"), ("url", "Pz8_Pj4-")]
)
def test_the_viber_alphabet_is_a_switch(alphabet: str, segment: str) -> None:
    adapter = respond_io(viber=True, viber_alphabet=alphabet)
    assert requested(adapter.read("???>>>")).path == f"/contact/{segment}"


@pytest.mark.parametrize(
    ("call", "response", "result"),
    [
        (CREATE, TOLD, Applied(ID)),
        (CREATE, answer({"data": {"id": 177640021}}), Applied(ID)),
        (UPDATE, TOLD, Applied()),
        (UPDATE, answer({"data": {"id": "cus_112233344555"}}), Applied()),
        (ADD, TOLD, Applied()),
        # The answer of the tag calls is not documented.
        (ADD, answer({"status": "success"}), Applied()),
        (REMOVE, answer({}), Applied()),
    ],
)
def test_success(call: Call, response: Response, result: Applied) -> None:
    assert scripted(respond_io().send(call), response)[1] == result


class _Rejection(NamedTuple):
    """A call, the answer to it, and the rejection that it is."""

    call: Call
    response: Response
    code: str
    status: int
    words: str


@pytest.mark.parametrize(
    ("call", "response", "code", "status", "words"),
    [
        _Rejection(
            call=UPDATE,
            response=GONE,
            code="not_found",
            status=403,
            words="No such contact found.",
        ),
        _Rejection(
            call=ADD,
            response=refusal("NO SUCH CONTACT"),
            code="not_found",
            status=403,
            words="NO SUCH CONTACT",
        ),
        _Rejection(
            call=REMOVE,
            response=refusal("no such contact found", 404),
            code="not_found",
            status=404,
            words="no such contact found",
        ),
        _Rejection(
            call=UPDATE,
            response=refusal("Unknown field xyz"),
            code="http_403",
            status=403,
            words="Unknown field xyz",
        ),
        _Rejection(
            call=CREATE,
            response=refusal(["Too long", "Too short"]),
            code="http_403",
            status=403,
            words="Too long; Too short",
        ),
        _Rejection(
            call=CREATE,
            response=GONE,
            code="http_403",
            status=403,
            words="No such contact found.",
        ),
        _Rejection(
            call=CREATE,
            response=refusal("not today", 200),
            code="refused",
            status=200,
            words="not today",
        ),
        _Rejection(
            call=ADD,
            response=refusal("not today", 200),
            code="refused",
            status=200,
            words="not today",
        ),
    ],
)
def test_refusal(
    call: Call, response: Response, code: str, status: int, words: str
) -> None:
    assert scripted(respond_io().send(call), response)[1] == Rejected(
        code,
        f'the vendor refused it with status {status} and says: "{words}"; '
        "correct the row or the mapping",
        status=status,
        words=words,
    )


@pytest.mark.parametrize(
    "response", [answer(None, 403), answer([], 403), refusal(None), refusal({"a": 1})]
)
def test_a_refusal_in_no_known_shape_is_still_one(response: Response) -> None:
    result = scripted(respond_io().send(UPDATE), response)[1]
    assert isinstance(result, Rejected)
    assert result.code == "http_403"


@pytest.mark.parametrize(
    "call", [CREATE, UPDATE, ADD, REMOVE], ids=lambda call: call.action
)
@pytest.mark.parametrize(
    "response", [html(403), html(404), answer({"message": "Not Found"}, 404)]
)
def test_what_is_not_the_api_halts_the_account(call: Call, response: Response) -> None:
    with pytest.raises(VendorHalted) as halted:
        scripted(respond_io().send(call), response)
    assert halted.value.setting == "settings.base_url"


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (CREATE, {}),
        (CREATE, {"data": {}}),
        (CREATE, {"data": {"id": None}}),
        (UPDATE, {}),
        (ADD, []),
        (ADD, None),
    ],
)
def test_a_success_of_another_shape_is_unknown(call: Call, body: Json) -> None:
    with pytest.raises(VendorUnavailable) as failed:
        scripted(respond_io().send(call), answer(body))
    assert failed.value.maybe_applied


@pytest.mark.parametrize(
    ("call", "response", "setting"),
    [
        (UPDATE, refusal("Unauthorized", 401), "settings.token"),
        (CREATE, refusal("Unauthorized", 401), "settings.token"),
        (CREATE, html(404), "settings.base_url"),
        (CREATE, refusal("Method Not Allowed", 405), "settings.base_url"),
        (UPDATE, html(302), "settings.base_url"),
    ],
)
def test_halts(call: Call, response: Response, setting: str) -> None:
    with pytest.raises(VendorHalted, match=setting) as halted:
        scripted(respond_io().send(call), response)
    assert halted.value.setting == setting


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
        _Pair(field="phone", ours="+4915111223344", theirs="4915111223345", same=False),
        _Pair(field="phone", ours="unknown", theirs="", same=False),
        _Pair(field="phone", ours=None, theirs="", same=True),
        _Pair(
            field="mobile_2", ours="+4915111223344", theirs="4915111223344", same=False
        ),
        _Pair(field="vip", ours=True, theirs="true", same=True),
        _Pair(field="vip", ours=True, theirs="True", same=True),
        _Pair(field="vip", ours=True, theirs="false", same=False),
        _Pair(field="vip", ours=True, theirs="1", same=False),
        _Pair(field="visits", ours=3, theirs="3", same=True),
        _Pair(field="visits", ours=3, theirs="3.00", same=True),
        _Pair(field="visits", ours=3, theirs="4", same=False),
        _Pair(field="visits", ours=3, theirs="three", same=False),
        _Pair(field="visits", ours="3", theirs="3.00", same=False),
        _Pair(field="visits", ours=3, theirs="NaN", same=False),
        _Pair(field="note", ours=None, theirs="", same=True),
        _Pair(field="note", ours="", theirs=None, same=True),
        _Pair(field="note", ours="x", theirs=None, same=False),
        _Pair(field="note", ours="Žofia", theirs="Žofia", same=True),
        _Pair(field="note", ours="x", theirs=" x", same=False),
    ],
)
def test_same(field: str, ours: Json, theirs: Json, *, same: bool) -> None:
    assert respond_io().same(field, ours, theirs) is same


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call(Action.UPSERT, "1", key=MatchKey("k", "v")), "no upsert"),
        (Call(Action.DELETE, "1", external_id=ID), "no delete"),
        (Call(Action.UPDATE, "1"), "external id"),
        (Call(Action.ADD_TAGS, "1", add_tags=("a",)), "external id"),
        (
            Call(
                Action.UPDATE,
                "1",
                external_id=ID,
                fields={str(n): "v" for n in range(31)},
            ),
            "31 fields",
        ),
        (
            Call(
                Action.ADD_TAGS,
                "1",
                external_id=ID,
                add_tags=tuple(map(str, range(11))),
            ),
            "11 tags to add",
        ),
        (Call(Action.UPDATE, "1", external_id=ID, add_tags=("a",)), "1 tags to add"),
        (Call(Action.CREATE, "1", fields={"f": None}), "cannot clear f"),
    ],
)
def test_a_call_nobody_can_translate_is_our_mistake(call: Call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        requested(respond_io().send(call))
