"""Judgement of the answers of charles."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.calls import Action, Applied, Call, Rejected, Unsupported
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer, html, scripted
from tests.support.vendors.of_charles import (
    DELETE,
    ENVELOPE,
    KEY,
    PERSON,
    SCHEDULED,
    charles,
    echo,
    error,
    upsert,
)


@pytest.mark.parametrize(
    ("call", "response", "result"),
    [
        # The id is always the answer's newest.
        (Call(Action.UPSERT, "1", external_id="old", key=KEY), echo(), Applied(PERSON)),
        (upsert({"first_name": "Ilse"}), echo(first_name="Ilse"), Applied(PERSON)),
        # What the echo leaves out says nothing.
        (
            upsert(
                {"first_name": "Ilse", "custom_properties.plan": "gold"}, tags=("vip",)
            ),
            echo(),
            Applied(PERSON),
        ),
        # Phones come back as digits, and beside older ones.
        (
            upsert({"phone_numbers.mobile": "+4915111223344"}),
            echo(
                phonenumbers=[
                    {"type": "mobile", "value": "493012345"},
                    {"type": "mobile", "value": "4915111223344"},
                ]
            ),
            Applied(PERSON),
        ),
        (
            upsert({"phone_numbers.mobile": "+4915111223344"}),
            echo(phonenumbers=[{"type": "mobile", "value": "493012345"}]),
            Applied(PERSON, (Unsupported("field_not_shown", "phone_numbers.mobile"),)),
        ),
        (
            upsert(
                {
                    "phone_numbers.mobile": "+4915111223344",
                    "email_addresses.main": "ilse@example.org",
                }
            ),
            echo(phonenumbers=[], emails=[]),
            Applied(
                PERSON,
                (
                    Unsupported("field_not_shown", "phone_numbers.mobile"),
                    Unsupported("field_not_shown", "email_addresses.main"),
                ),
            ),
        ),
        # Undefined properties vanish in silence.
        (
            upsert(
                {
                    "custom_properties.plan": "gold",
                    "custom_properties.visits": 0,
                    "custom_properties.vip": False,
                }
            ),
            echo(custom_properties={"visits": 0, "vip": False}),
            Applied(
                PERSON, (Unsupported("field_not_shown", "custom_properties.plan"),)
            ),
        ),
        (
            upsert({"custom_properties.plan": "gold"}),
            echo(custom_properties=None),
            Applied(
                PERSON, (Unsupported("field_not_shown", "custom_properties.plan"),)
            ),
        ),
        (
            upsert(tags=("newsletter", "vip")),
            echo(tags=["vip", "old"]),
            Applied(PERSON, (Unsupported("tag_not_shown", "newsletter"),)),
        ),
        (
            upsert({"first_name": "Ilse"}),
            echo(first_name=None),
            Applied(PERSON, (Unsupported("field_not_shown", "first_name"),)),
        ),
        # Another value than was sent.
        (
            upsert({"first_name": "Ilse", "custom_properties.plan": "gold"}),
            echo(first_name="Else", custom_properties={"plan": "silver"}),
            Applied(
                PERSON,
                (
                    Unsupported("field_shown_otherwise", "first_name"),
                    Unsupported("field_shown_otherwise", "custom_properties.plan"),
                ),
            ),
        ),
        # The same in the vendor's form.
        (
            upsert(
                {
                    "custom_properties.visits": 3,
                    "custom_properties.vip": True,
                    "custom_properties.since": "2025-03-02",
                }
            ),
            echo(
                custom_properties={
                    "visits": "3",
                    "vip": "true",
                    "since": "2025-03-02T00:00:00.000Z",
                }
            ),
            Applied(PERSON),
        ),
        # Several of one kind, of which one is shown as deleted.
        (
            upsert({"phone_numbers.mobile": ["+491", "+492"]}),
            echo(phonenumbers=[{"value": "491"}, {"value": "492"}]),
            Applied(PERSON),
        ),
        (
            upsert({"phone_numbers.mobile": ["+491", "+492"]}),
            echo(phonenumbers=[{"value": "491"}, {"value": "492", "deleted": True}]),
            Applied(PERSON, (Unsupported("field_not_shown", "phone_numbers.mobile"),)),
        ),
        (
            upsert({"email_addresses.main": "a@b.example"}),
            echo(emails=[{"value": "a@b.example", "active": False}]),
            Applied(PERSON, (Unsupported("field_not_shown", "email_addresses.main"),)),
        ),
        # An empty value that was not sent is only missing where the vendor still holds
        # something.
        (
            upsert({"first_name": "", "last_name": ""}),
            echo(first_name=None, last_name=""),
            Applied(PERSON),
        ),
        (
            upsert({"first_name": "", "custom_properties.plan": ""}),
            echo(first_name="Ilse", custom_properties={"plan": "gold"}),
            Applied(
                PERSON,
                (
                    Unsupported("clear_field", "first_name"),
                    Unsupported("clear_field", "custom_properties.plan"),
                ),
            ),
        ),
        (DELETE, answer(SCHEDULED), Applied(receipt="contacts-cleanup")),
        (
            DELETE,
            answer({**SCHEDULED, "data": [{"jobId": "contacts-cleanup"}]}),
            Applied(receipt="contacts-cleanup"),
        ),
        # Gone already.
        (DELETE, error(404, "person not found"), Applied()),
    ],
)
def test_success(call: Call, response: Response, result: Applied) -> None:
    _, found = scripted(charles().send(call), response)
    assert found == result


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
            call=upsert(),
            response=error(400, "external_reference_id is required"),
            code="http_400",
            status=400,
            words="external_reference_id is required",
        ),
        _Rejection(
            call=upsert(),
            response=error(422, "one", "two"),
            code="http_422",
            status=422,
            words="one; two",
        ),
        _Rejection(
            call=upsert(),
            response=answer({**ENVELOPE, "msg": "Conflict"}, 409),
            code="http_409",
            status=409,
            words="Conflict",
        ),
        _Rejection(
            call=upsert(),
            response=answer({"errors": ["bare words"]}, 400),
            code="http_400",
            status=400,
            words="bare words",
        ),
        _Rejection(
            call=upsert(),
            response=error(200, "half of it failed"),
            code="refused",
            status=200,
            words="half of it failed",
        ),
        _Rejection(
            call=DELETE,
            response=error(200, "cannot schedule"),
            code="refused",
            status=200,
            words="cannot schedule",
        ),
        _Rejection(
            call=DELETE,
            response=error(400, "not a person"),
            code="http_400",
            status=400,
            words="not a person",
        ),
    ],
)
def test_refusal(
    call: Call, response: Response, code: str, status: int, words: str
) -> None:
    _, found = scripted(charles().send(call), response)
    assert found == Rejected(
        code,
        f'the vendor refused it with status {status} and says: "{words}"; '
        "correct the row or the mapping",
        status=status,
        words=words,
    )


def test_a_refusal_repeats_no_value() -> None:
    call = upsert(
        {"first_name": "Ilse", "phone_numbers.mobile": "+4915111223344"},
        tags=("patient",),
    )
    said = (
        "Ilse with +49 151 11223344 or 4915111223344, crm-20418, tagged patient, "
        "shares ina@example.org"
    )
    _, found = scripted(charles().send(call), error(422, said))
    assert isinstance(found, Rejected)
    assert (
        '"[...] with [...] or [...], [...], tagged [...], shares [...]"'
        in found.message
    )


@pytest.mark.parametrize(
    ("call", "response", "setting"),
    [
        (upsert(), error(401, "no"), "settings.api_key"),
        (upsert(), error(403, "no"), "settings.api_key"),
        (DELETE, error(401, "no"), "settings.api_key"),
        (DELETE, error(403, "no"), "settings.api_key"),
        # The path of an upsert names no contact, so nothing but the address can be
        # unknown.
        (upsert(), error(404, "no such tenant"), "settings.base_url"),
        (upsert(), html(404), "settings.base_url"),
        (DELETE, html(404), "settings.base_url"),
        (upsert(), html(301), "settings.base_url"),
    ],
)
def test_halts(call: Call, response: Response, setting: str) -> None:
    with pytest.raises(VendorHalted, match=setting) as halted:
        scripted(charles().send(call), response)
    assert halted.value.setting == setting


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (upsert(), {**ENVELOPE, "data": None}),
        (upsert(), {**ENVELOPE, "data": {"first_name": "no id"}}),
        (upsert(), {**ENVELOPE, "data": {"id": ""}}),
        (upsert(), {**ENVELOPE, "data": {"id": PERSON, "tags": "vip"}}),
        (DELETE, {**ENVELOPE, "data": None}),
        (DELETE, {**ENVELOPE, "data": [{}, {}]}),
    ],
)
def test_a_success_of_another_shape_is_unknown(call: Call, body: Json) -> None:
    with pytest.raises(VendorUnavailable) as failed:
        scripted(charles().send(call), answer(body))
    assert failed.value.maybe_applied


@pytest.mark.parametrize("state", [{"deleted": True}, {"active": False}])
def test_a_person_who_does_not_count_any_more_was_not_written_to(
    state: dict[str, Json],
) -> None:
    written = echo(first_name="Ilse", **state)
    _, result = scripted(charles().send(upsert({"first_name": "Ilse"})), written)
    assert isinstance(result, Rejected)
    assert (result.code, result.status) == ("inactive", 200)


@pytest.mark.parametrize(
    "state", [{"deleted": False, "active": True}, {"active": None}]
)
def test_a_person_who_counts(state: dict[str, Json]) -> None:
    written = echo(first_name="Ilse", **state)
    _, result = scripted(charles().send(upsert({"first_name": "Ilse"})), written)
    assert result == Applied(PERSON)
