"""Values as text, and back."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.model.http import Json
from syncengine.vendor import as_text, same_phone, same_text, same_time

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_loses_nothing_and_shows_no_exponent(value: float) -> None:
    assert float(as_text(value)) == value
    assert set(as_text(value)) <= set("-.0123456789")


@given(_VALUES)
def test_whatever_is_sent_as_text_is_the_same_when_it_comes_back(value: Json) -> None:
    assert same_text(value, as_text(value))


@given(st.lists(st.none() | st.booleans() | st.text(st.characters(codec="utf-8"))))
def test_lists_are_json(value: Json) -> None:
    assert orjson.loads(as_text(value)) == value


@given(st.integers(), st.integers())
def test_different_numbers_differ(one: int, other: int) -> None:
    assert same_text(one, as_text(other)) is (one == other)
    assert Decimal(as_text(one)) == one


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("+49 (151) 1", "491511", True),
        ("+491511", "491512", False),
        ("", "", True),
        ("", "n/a", False),
        ("n/a", "none", False),
        (None, "", True),
        (491511, "+491511", True),
        ("+491711000006", "+49 (0)171 1000006", True),
        ("+5511987654321", "551187654321", True),
        ("+551187654321", "+55 11 98765-4321", True),
        ("+551132654321", "+5511932654321", False),
        ("+525512345678", "5215512345678", True),
        ("+5491123456789", "+541123456789", True),
        ("+5511987654321", "+5511987654322", False),
    ],
)
def test_same_phone(ours: Json, theirs: Json, *, same: bool) -> None:
    assert same_phone(ours, theirs) is same


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ("2016-01-31", "2016-01-31T00:00:00.000Z", True),
        ("2016-01-31", "2016-01-31T23:59:59Z", True),
        ("2016-01-31", "2016-02-01T00:00:00.000Z", False),
        ("2016-01-31", "2016-01-31T23:30:00-02:00", False),
        ("2016-01-31T00:00:00+00:00", "2016-01-31T00:00:00.000Z", True),
        ("2016-01-31T08:15:00", "2016-01-31T08:15:00.000Z", True),
        ("2016-01-31T10:15:00+02:00", "2016-01-31T08:15:00Z", True),
        ("2016-01-31T08:15:00", "2016-01-31T00:00:00.000Z", False),
        ("0001-01-01T00:00:00+14:00", "0001-01-01", False),
        ("20160131", "soon", False),
        (7, "2016-01-31T00:00:00.000Z", False),
    ],
)
def test_a_day_is_the_day_of_its_moment(
    ours: Json, theirs: Json, *, same: bool
) -> None:
    assert same_time(ours, theirs) is same
