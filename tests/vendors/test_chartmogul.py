"""The wire format of ChartMogul's contacts."""

from __future__ import annotations

from base64 import b64encode
from typing import NamedTuple

import pytest

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.calls import Action, Applied, Call, Rejected, Unsupported
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Response
from syncengine.sandbox.twins.chartmogul.store import CUSTOMERS, DATA_SOURCE
from syncengine.testing.driving import answer, html, requested, scripted, sent
from tests.support.vendors.of_chartmogul import UUID, chartmogul

PLACE = {"customer_uuid": CUSTOMERS[0], "data_source_uuid": DATA_SOURCE}
CREATE = Call(
    Action.CREATE,
    "7",
    fields={**PLACE, "email": "ilse@example.org", "custom.plan": "gold"},
)
UPDATE = Call(
    Action.UPDATE,
    "7",
    external_id=UUID,
    fields={"first_name": "Ilse", "custom.visits": 3},
)
CLEAR = Call(
    Action.UPDATE,
    "7",
    external_id=UUID,
    fields={"external_id": None, "custom.plan": None},
)
DELETE = Call(Action.DELETE, "7", external_id=UUID)


def contact(**fields: Json) -> dict[str, Json]:
    return {"uuid": UUID, "custom": {}, **fields}


def listed(*entries: Json, more: bool = False, cursor: str | None = "c") -> Response:
    return answer({"entries": list(entries), "has_more": more, "cursor": cursor})


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
            path="/contacts",
            body={
                **PLACE,
                "email": "ilse@example.org",
                "custom": [{"key": "plan", "value": "gold"}],
            },
        ),
        _Wire(
            call=UPDATE,
            method="PATCH",
            path=f"/contacts/{UUID}",
            body={"first_name": "Ilse", "custom": [{"key": "visits", "value": 3}]},
        ),
        _Wire(
            call=CLEAR,
            method="PATCH",
            path=f"/contacts/{UUID}",
            body={"external_id": None, "custom": [{"key": "plan", "value": None}]},
        ),
        _Wire(call=DELETE, method="DELETE", path=f"/contacts/{UUID}", body=None),
    ],
)
def test_sends(call: Call, method: str, path: str, body: Json) -> None:
    request = requested(chartmogul().send(call))
    assert sent(request) == (method, path, (), body)
    basic = b64encode(b"k-123:").decode()
    assert request.headers == {
        "accept": "application/json",
        "authorization": f"Basic {basic}",
    }
    assert UUID not in request.route


def test_a_number_goes_into_a_text_as_text_and_is_the_same_there() -> None:
    call = Call(
        Action.UPDATE,
        "7",
        external_id=UUID,
        fields={"external_id": 7, "position": 2, "custom.visits": 3},
    )
    assert sent(requested(chartmogul().send(call)))[3] == {
        "external_id": "7",
        "position": 2,
        "custom": [{"key": "visits", "value": 3}],
    }
    assert chartmogul().same("external_id", 7, "7")


def test_an_attribute_that_is_not_defined_there_is_reported() -> None:
    _, told = scripted(
        chartmogul().send(UPDATE), answer(contact(custom={"plan": "gold"}))
    )
    assert told == Applied(
        UUID, dropped=(Unsupported("field_not_shown", "custom.visits"),)
    )
    _, told = scripted(chartmogul().send(UPDATE), answer(contact(custom={"visits": 3})))
    assert told == Applied(UUID)
    _, told = scripted(chartmogul().send(CLEAR), answer(contact(custom=None)))
    assert told == Applied(UUID)


class _Shown(NamedTuple):
    """A value that was sent, what the vendor then shows, and what is reported."""

    name: str
    value: Json
    shown: Json
    code: str | None


@pytest.mark.parametrize(
    ("name", "value", "shown", "code"),
    [
        _Shown(name="first_name", value="Ilse", shown="Ilse", code=None),
        _Shown(
            name="first_name", value="Ilse", shown="Else", code="field_shown_otherwise"
        ),
        _Shown(name="first_name", value="Ilse", shown=None, code="field_not_shown"),
        _Shown(name="first_name", value=None, shown="Ilse", code="clear_field"),
        _Shown(name="first_name", value=None, shown=None, code=None),
        _Shown(
            name="email", value="Ilse@Example.org", shown="ilse@example.org", code=None
        ),
        _Shown(name="phone", value="+4915111223344", shown="4915111223344", code=None),
        _Shown(
            name="linked_in",
            value="https://linkedin.com/in/ilse/",
            shown="https://www.linkedin.com/in/ilse",
            code=None,
        ),
        _Shown(
            name="linked_in",
            value="linkedin.com/in/ilse",
            shown="linkedin.com/in/else",
            code="field_shown_otherwise",
        ),
        _Shown(name="notes", value="one\ntwo", shown="one\r\ntwo", code=None),
        _Shown(name="position", value="3", shown=3, code=None),
        _Shown(name="position", value=3, shown=1, code="field_shown_otherwise"),
        _Shown(
            name="last_seen",
            value="2025-03-02T10:15:00+02:00",
            shown="2025-03-02T08:15:00.000Z",
            code=None,
        ),
        _Shown(
            name="custom.born",
            value="2016-01-31",
            shown="2016-01-31T00:00:00.000Z",
            code=None,
        ),
        _Shown(
            name="custom.born",
            value="2016-01-31",
            shown="2016-02-01T00:00:00.000Z",
            code="field_shown_otherwise",
        ),
        _Shown(name="custom.visits", value=3, shown=2, code="field_shown_otherwise"),
        _Shown(name="custom.visits", value=3, shown="3", code=None),
        _Shown(name="custom.plan", value=None, shown="gold", code="clear_field"),
    ],
)
def test_the_answer_is_compared_with_what_was_sent(
    name: str, value: Json, shown: Json, code: str | None
) -> None:
    head, _, tail = name.partition(".")
    held = contact(custom={tail: shown}) if tail else contact(**{head: shown})
    call = Call(Action.UPDATE, "7", external_id=UUID, fields={name: value})
    told = scripted(chartmogul().send(call), answer(held))[1]
    dropped = (Unsupported(code, name),) if code else ()
    assert told == Applied(UUID, dropped=dropped)


@pytest.mark.parametrize(("value", "sent_as"), [("3", 3), (3.0, 3), (" 7 ", 7), (2, 2)])
def test_a_position_is_sent_as_a_number(value: Json, sent_as: int) -> None:
    call = Call(Action.UPDATE, "7", external_id=UUID, fields={"position": value})
    body = sent(requested(chartmogul().send(call)))[3]
    assert body == {"position": sent_as}
    assert type(body["position"]) is int


@pytest.mark.parametrize("value", ["first", "3.5", 1.5, True, "1e3"])
def test_a_position_that_is_no_number_is_never_sent(value: Json) -> None:
    call = Call(Action.UPDATE, "7", external_id=UUID, fields={"position": value})
    with pytest.raises(ValueError, match="whole numbers only"):
        chartmogul().send(call)


def test_the_data_source_of_the_settings_needs_no_column() -> None:
    call = Call(
        Action.CREATE,
        "7",
        fields={"customer_uuid": CUSTOMERS[0], "email": "ilse@example.org"},
    )
    _, _, _, body = sent(requested(chartmogul(data_source_uuid=DATA_SOURCE).send(call)))
    assert body["data_source_uuid"] == DATA_SOURCE
    query = sent(
        requested(
            chartmogul(data_source_uuid=DATA_SOURCE).find(
                MatchKey("email", "a@b.example")
            )
        )
    )[2]
    assert ("data_source_uuid", DATA_SOURCE) in query


def test_a_customer_is_looked_up_by_its_external_id() -> None:
    vendor = chartmogul(
        customer_by="customer_external_id", data_source_uuid=DATA_SOURCE
    )
    create = vendor.capabilities.create
    assert create
    assert create.requests == 2
    call = Call(
        Action.CREATE,
        "7",
        fields={"customer_external_id": "acct-77", "email": "ilse@example.org"},
    )
    found = answer({"entries": [{"uuid": "cus_1"}], "has_more": False, "cursor": None})
    requests, told = scripted(vendor.send(call), found, answer(contact(), 201))
    assert told == Applied(UUID)
    assert sent(requests[0])[:3] == (
        "GET",
        "/customers",
        (("data_source_uuid", DATA_SOURCE), ("external_id", "acct-77")),
    )
    assert sent(requests[1])[3] == {
        "customer_uuid": "cus_1",
        "data_source_uuid": DATA_SOURCE,
        "email": "ilse@example.org",
    }


@pytest.mark.parametrize(
    "answers",
    [
        answer({"entries": [], "has_more": False, "cursor": None}),
        answer({"entries": [{"uuid": "cus_1"}, {"uuid": "cus_2"}]}),
        answer({"code": 404, "message": "Customer not found"}, 404),
    ],
)
def test_no_customer_or_two_are_the_row_s_fault(answers: Response) -> None:
    vendor = chartmogul(
        customer_by="customer_external_id", data_source_uuid=DATA_SOURCE
    )
    call = Call(Action.CREATE, "7", fields={"customer_external_id": "acct-77"})
    _, told = scripted(vendor.send(call), answers)
    assert isinstance(told, Rejected)
    assert told.code == "no_customer"


def test_a_look_up_reads_every_page_and_believes_only_exact_hits() -> None:
    one, two = (
        contact(uuid="con_1", email="Ilse@example.org"),
        contact(uuid="con_2", email="ilse@example.org.evil"),
    )
    three = contact(uuid="con_3", email="ilse@EXAMPLE.org")
    requests, found = scripted(
        chartmogul().find(MatchKey("email", "ilse@example.org")),
        listed(one, two, more=True),
        listed(three),
    )
    assert [remote.external_id for remote in found] == ["con_1", "con_3"]
    assert sent(requests[0])[2] == (("email", "ilse@example.org"), ("per_page", "200"))
    assert sent(requests[1])[2] == (
        ("email", "ilse@example.org"),
        ("per_page", "200"),
        ("cursor", "c"),
    )


@pytest.mark.parametrize(
    "pages",
    [[listed()], [answer({"code": 404, "message": "no", "param": "email"}, 404)]],
)
def test_a_filter_without_hits_may_be_a_404(pages: list[Response]) -> None:
    assert (
        scripted(chartmogul().find(MatchKey("email", "a@b.example")), *pages)[1] == ()
    )


def test_a_cursor_that_stays_ends_the_look_up() -> None:
    page = listed(contact(), more=True)
    assert (
        len(scripted(chartmogul().find(MatchKey("external_id", "7")), page, page)[0])
        == 2
    )


def test_the_directory_is_read_by_cursors() -> None:
    _, page = scripted(
        chartmogul().page(None), listed(contact(custom={"plan": "gold"}), more=True)
    )
    assert (page.cursor, page.contacts[0].fields["custom.plan"]) == ("c", "gold")
    requests, page = scripted(chartmogul().page("c"), listed())
    assert page.cursor is None
    assert ("cursor", "c") in sent(requests[0])[2]


def test_a_merge_names_the_contact_that_is_kept() -> None:
    requests, told = scripted(
        chartmogul().merge(UUID, "con_2"), answer(contact(customer_uuid=None))
    )
    assert sent(requests[0])[:2] == ("POST", f"/contacts/{UUID}/merge/con_2")
    assert told == Applied(UUID)
    _, told = scripted(
        chartmogul().merge(UUID, "con_2"), answer({"error": "gone"}, 404)
    )
    assert isinstance(told, Rejected)
    assert told.code == "not_found"


def test_a_delete_of_nobody_is_done() -> None:
    assert scripted(chartmogul().send(DELETE), answer({}, 200))[1] == Applied()
    assert (
        scripted(chartmogul().send(DELETE), answer({"message": "no"}, 404))[1]
        == Applied()
    )


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_stops_the_account(status: int) -> None:
    with pytest.raises(VendorHalted, match=r"settings\.api_key"):
        scripted(
            chartmogul().probe(),
            answer({"code": status, "message": "No valid API key provided"}, status),
        )


def test_what_answers_the_probe_is_the_api() -> None:
    assert scripted(chartmogul().probe(), answer({"data": "pong!"}))[1]
    with pytest.raises(VendorHalted, match=r"settings\.base_url"):
        scripted(chartmogul().probe(), html(404))
    with pytest.raises(VendorUnavailable):
        scripted(chartmogul().probe(), answer({}))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {
                "code": 400,
                "message": "position must be an integer.",
                "param": "position",
            },
            "position must be an integer.",
        ),
        ({"error": "Data source not found"}, "Data source not found"),
        ({"errors": {"phone": "is odd"}}, "is odd"),
        (
            {
                "name": ["x"],
                "error_details": [
                    {"param": "name", "code": "c", "message": "is too long"}
                ],
            },
            "is too long",
        ),
        ({"strange": "yes"}, "strange"),
    ],
)
def test_a_refusal_is_read_in_every_shape(body: Json, words: str) -> None:
    _, told = scripted(chartmogul().send(UPDATE), answer(body, 422))
    assert isinstance(told, Rejected)
    assert words in told.message


class _Pair(NamedTuple):
    """A value as we send it and as the vendor shows it, and if the two are the same."""

    field: str
    ours: Json
    theirs: Json
    same: bool


@pytest.mark.parametrize(
    ("field", "ours", "theirs", "same"),
    [
        _Pair(
            field="last_seen",
            ours="2025-03-02T08:15:30+00:00",
            theirs="2025-03-02T08:15:30.000Z",
            same=True,
        ),
        _Pair(
            field="last_seen",
            ours="2025-03-02T09:15:30+01:00",
            theirs="2025-03-02T08:15:30.000Z",
            same=True,
        ),
        _Pair(
            field="last_seen",
            ours="2025-03-02T08:15:30+00:00",
            theirs="2025-03-02T08:15:31.000Z",
            same=False,
        ),
        _Pair(
            field="custom.since",
            ours="2025-03-02",
            theirs="2025-03-02T00:00:00",
            same=True,
        ),
        _Pair(
            field="notes", ours="2025-03-02", theirs="2025-03-02T00:00:00", same=False
        ),
        _Pair(field="custom.visits", ours=3, theirs=3.0, same=True),
        _Pair(field="custom.vip", ours=True, theirs=1, same=False),
    ],
)
def test_sameness(field: str, ours: Json, theirs: Json, *, same: bool) -> None:
    assert chartmogul().same(field, ours, theirs) is same
