"""Values of a column in each form, and those refused rather than cut to fit."""

from __future__ import annotations

from typing import Any

import pytest

from syncengine.model.calls import Rejected, Unsupported
from syncengine.model.capabilities import Capabilities, Write
from syncengine.model.contact import Desired, Known
from syncengine.model.mapping import FieldMapping, Form, Mapping, OnInvalid, OnNull
from syncengine.model.work import SourceRow
from syncengine.planning.mapping import map_row
from syncengine.planning.normalise import NotNormal, normalise
from syncengine.planning.plan import Plan, plan_contact


def in_form(value: Any, form: Form, **keys: Any) -> Any:
    return normalise(value, FieldMapping("field", "column", form, **keys))


@pytest.mark.parametrize(
    ("value", "utc", "berlin", "new_york"),
    [
        ("1980-06-02", *["1980-06-02"] * 3),
        (" 1980-06-02 ", *["1980-06-02"] * 3),
        ("1980-06-02T00:00:00", *["1980-06-02"] * 3),
        ("1980-06-02 23:59:59.999999", *["1980-06-02"] * 3),
        ("1980-06-01T22:00:00+00:00", "1980-06-01", "1980-06-02", "1980-06-01"),
        ("1980-06-02 00:00:00+02", "1980-06-01", "1980-06-02", "1980-06-01"),
        ("1980-06-02T01:00:00Z", "1980-06-02", "1980-06-02", "1980-06-01"),
        ("1890-01-01T00:00:00+00:53:28", "1889-12-31", "1890-01-01", "1889-12-31"),
        ("", None, None, None),
    ],
)
def test_the_date_of_a_moment_is_that_of_the_fields_zone(
    value: str, utc: str | None, berlin: str | None, new_york: str | None
) -> None:
    assert in_form(value, Form.DATE) == utc
    assert in_form(value, Form.DATE, zone="Europe/Berlin") == berlin
    assert in_form(value, Form.DATE, zone="America/New_York") == new_york


@pytest.mark.parametrize(
    "value",
    [
        "0044-03-15 BC",
        "12024-01-01",
        "2024-01-011",
        "2024-05-01x",
        "2024-02-30",
        "20240501",
        20240501,
        "2024-5-1",
        "01.05.2024",
        "2024-W01-1",
        "infinity",
        "2024-05-01T24:00:00",
        "2024-05-01T12:00:00.1234567",
        "0000-00-00",
        True,
        1.5,
        ["2024-05-01"],
    ],
)
def test_what_is_no_date_in_full_is_refused(value: Any) -> None:
    with pytest.raises(NotNormal):
        in_form(value, Form.DATE)


@pytest.mark.parametrize(
    ("moment", "zone"),
    [
        ("0001-01-01T00:00:00+00:00", "America/New_York"),
        ("9999-12-31T23:30:00+00:00", "Europe/Berlin"),
    ],
)
def test_a_day_outside_of_the_calendar_is_refused_for_what_it_is(
    moment: str, zone: str
) -> None:
    with pytest.raises(
        NotNormal,
        match=f"in the zone {zone} is before the year 1 or after the year 9999",
    ):
        in_form(moment, Form.DATE, zone=zone)


@pytest.mark.parametrize(
    ("form", "value", "normal"),
    [
        (Form.NUMBER, 7, 7),
        (Form.NUMBER, 1.5, 1.5),
        (Form.NUMBER, True, 1),
        (Form.NUMBER, " -3.50 ", -3.5),
        (Form.NUMBER, "1e5", 100000),
        (Form.NUMBER, "18446744073709551615", 18446744073709551615),
        (Form.NUMBER, "", None),
        (Form.BOOLEAN, True, True),
        (Form.BOOLEAN, "YES", True),
        (Form.BOOLEAN, "f", False),
        (Form.BOOLEAN, 0, False),
        (Form.BOOLEAN, " ", None),
        (Form.TEXT, True, "true"),
        (Form.TEXT, 1e22, "10000000000000000000000"),
        (Form.TEXT, 1e-7, "0.0000001"),
        (Form.TEXT, " Ann ", " Ann "),
        (Form.LOWER, " HeLLo ", "hello"),
        (Form.LOWER, "Ann <ANN@x.de>", "ann@x.de"),
        (Form.LOWER, "mailto:Ann@x.de", "ann@x.de"),
        (Form.LOWER, "@Ann", "@ann"),
        (Form.LOWER, "", None),
        (Form.E164, "0171 1000006", "+491711000006"),
        (Form.E164, " ", None),
    ],
)
def test_a_form(form: Form, value: Any, normal: Any) -> None:
    found = in_form(value, form, region="DE")
    assert (found, type(found)) == (normal, type(normal))


@pytest.mark.parametrize(
    ("form", "value"),
    [
        (Form.NUMBER, "1_000"),
        (Form.NUMBER, "1,5"),
        (Form.NUMBER, "12 EUR"),
        (Form.NUMBER, "NaN"),
        (Form.NUMBER, "Infinity"),
        (Form.NUMBER, "1e400"),
        (Form.NUMBER, "0x10"),
        (Form.NUMBER, "12345678901234567890123"),
        (Form.NUMBER, "0.12345678901234567890"),
        (Form.NUMBER, [1]),
        (Form.BOOLEAN, 2),
        (Form.BOOLEAN, "true!"),
        (Form.BOOLEAN, {}),
        (Form.TEXT, ["Ann"]),
        (Form.LOWER, {"a": 1}),
        (Form.E164, "491761234567.0"),
        (Form.E164, ["0171 1000006"]),
    ],
)
def test_what_is_not_in_the_form_is_refused(form: Form, value: Any) -> None:
    with pytest.raises(NotNormal) as told:
        in_form(value, form, region="DE")
    assert str(value) not in str(told.value)


KEY = FieldMapping("ref", "id")


def wanted(value: Any, field: FieldMapping, **keys: Any) -> Desired | Rejected:
    mapping = Mapping((KEY, field), match_on=keys.pop("match_on", ("ref",)), **keys)
    return map_row(SourceRow("7", 1, ("7", value)), mapping, None)


@pytest.mark.parametrize(
    "form",
    [None, Form.TEXT, Form.LOWER, Form.NUMBER, Form.DATE, Form.BOOLEAN, Form.E164],
)
def test_a_default_serves_null_and_the_empty_string(form: Form | None) -> None:
    for nothing in (None, ""):
        found = wanted(nothing, FieldMapping("field", "column", form, default="free"))
        assert isinstance(found, Desired)
        assert found.fields["field"] == "free"
    kept = wanted("", FieldMapping("field", "column"))
    assert isinstance(kept, Desired)
    assert kept.fields["field"] == ""


@pytest.mark.parametrize("nothing", [False, 0])
def test_a_default_does_not_serve_false_or_zero(nothing: Any) -> None:
    found = wanted(nothing, FieldMapping("field", "column", default="free"))
    assert isinstance(found, Desired)
    assert found.fields["field"] is nothing


@pytest.mark.parametrize("on_null", OnNull)
def test_a_bad_value_is_left_alone_where_the_field_says_so(on_null: OnNull) -> None:
    field = FieldMapping("phone", "mobile", Form.E164, "DE", on_invalid=OnInvalid.SKIP)
    found = wanted("call me", field, on_null=on_null)
    assert isinstance(found, Desired)
    assert found.fields == {"ref": "7"}
    can = Capabilities(create=Write(), update=Write(clears=("*",)), find_by=("ref",))
    known = Known("1", fields={"ref": "7", "phone": "+491711000006"})
    assert plan_contact(found, known, can) == Plan(
        unsupported=(Unsupported("invalid_value", "phone"),)
    )
    created = plan_contact(found, Known(), can)
    assert isinstance(created, Plan)
    assert [call.fields for call in created.calls] == [{"ref": "7"}]
    assert created.unsupported == (Unsupported("invalid_value", "phone"),)


def test_a_bad_value_rejects_its_contact_otherwise() -> None:
    found = wanted("call me", FieldMapping("phone", "mobile", Form.E164, "DE"))
    assert isinstance(found, Rejected)
    assert found.code == "invalid_value"
    assert 'column "mobile" for field "phone" is not one phone number' in found.message
    assert "call me" not in found.message


def test_without_its_last_match_key_a_contact_is_rejected_all_the_same() -> None:
    field = FieldMapping("phone", "mobile", Form.E164, "DE", on_invalid=OnInvalid.SKIP)
    assert isinstance(wanted("call me", field, match_on=("ref", "phone")), Desired)
    found = wanted("call me", field, match_on=("phone",))
    assert isinstance(found, Rejected)
    assert found.code == "invalid_value"
