"""The part of a vendor's message that all contacts refused alike share.

It leaves out what differs from contact to contact.
"""

from __future__ import annotations

from dataclasses import replace
from string import ascii_letters, digits

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncengine.model.calls import Rejected, rejected_other_id
from syncengine.planning.refusals import (
    ALIKE,
    IN_A_ROW,
    RefusalStreak,
    common_refusal,
    words,
)

_SAID = "The contact {} cannot be saved: the field city is required"
_IDS = st.text(ascii_letters + digits + "-_", min_size=1).filter(
    lambda text: any(map(str.isdigit, text))
)
_QUOTED = st.text(st.characters(categories=("L", "N", "Zs")), min_size=1)
_VARIABLE = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(
        lambda number: f"{number:.3f}"
    ),
    st.uuids().map(str),
    st.dates().map(str),
    st.datetimes().map(lambda at: at.isoformat()),
    _IDS,
    st.emails(),
    _QUOTED.map('"{}"'.format),
    _QUOTED.map("'{}'".format),
    _QUOTED.map("`{}`".format),
    _QUOTED.map("\u201c{}\u201d".format),
    _QUOTED.map("\u00ab{}\u00bb".format),
    st.just("[...]"),
    st.just("https://example.org/contacts/abc?id=x"),
)


def _refused(said: str, code: str = "http_422", status: int | None = 422) -> Rejected:
    return Rejected(
        code, f'the vendor refused it and says: "{said}"', status, words=said
    )


@given(_VARIABLE, _VARIABLE)
def test_values_numbers_ids_and_quoted_parts_make_no_difference(
    one: str, other: str
) -> None:
    assert common_refusal(_refused(_SAID.format(one))) == common_refusal(
        _refused(_SAID.format(other))
    )


def test_refusals_of_other_fields_are_not_alike() -> None:
    """In the words, the names of fields stand in quotes, which are left out."""
    city, segment = (
        replace(_refused(f'"{name}" is wrong'), fields=(name,))
        for name in ("city", "segment")
    )
    assert common_refusal(city) != common_refusal(segment)
    both = [
        common_refusal(replace(city, fields=names))
        for names in (("city", "segment"), ("segment", "city"))
    ]
    assert both[0] == both[1] != common_refusal(city)


@given(_VARIABLE)
@example("''@A.AC")
def test_nothing_of_them_is_in_the_words(value: str) -> None:
    assert words(_SAID.format(value)) == words(_SAID.format(""))


@given(st.text(max_size=400))
def test_any_text_has_words_and_they_are_the_same_every_time(said: str) -> None:
    found = words(said)
    assert len(found) <= len(said)
    assert found == words(said)
    assert words(" ".join(found)) == found


@pytest.mark.parametrize(
    "other",
    [
        _refused("the field zip is required"),
        _refused("the field city is required", code="http_400"),
        _refused("the field city is required", status=400),
        _refused("The city"),
        _refused(""),
    ],
)
def test_other_words_codes_and_statuses_are_another_cause(other: Rejected) -> None:
    mine = common_refusal(_refused("the field city is required"))
    assert mine is not None
    assert common_refusal(other) not in (mine, None)


def test_in_json_the_names_of_fields_count_although_they_are_quoted() -> None:
    blank, invalid = (
        common_refusal(_refused(f'{{"{each}"}}'))
        for each in ('city":"can\'t be blank', 'email":"is invalid')
    )
    assert blank != invalid
    assert common_refusal(_refused('{"city":"[...] is invalid"}')) == common_refusal(
        _refused('{"city":"B2 is invalid"}')
    )


def test_case_blanks_and_the_end_of_a_long_message_make_no_difference() -> None:
    long = "The following fields are missing: " + "and another one, " * 12
    assert common_refusal(_refused("The  Field CITY\nis required.")) == common_refusal(
        _refused("the field city is required")
    )
    assert common_refusal(_refused(long + "which is cu")) == common_refusal(
        _refused(long + "which is cut off")
    )


def test_without_words_of_the_vendor_ours_are_compared() -> None:
    one, other = (
        Rejected("inactive", f"contact {number} is shown as 'inactive'")
        for number in (1, 2)
    )
    assert common_refusal(one) == common_refusal(other)
    assert common_refusal(Rejected("inactive", "archived")) != common_refusal(
        Rejected("inactive", "deleted")
    )


@pytest.mark.parametrize(
    "refusal",
    [
        Rejected("not_found", "the vendor has no such contact", 404),
        rejected_other_id("1", "2"),
        Rejected("invalid_value", "our own check", by_vendor=False),
    ],
)
def test_what_is_about_one_contact_has_nothing_in_common_with_others(
    refusal: Rejected,
) -> None:
    assert common_refusal(refusal) is None


@given(st.integers(0, 10_000))
def test_known_circumstances_let_twice_as_many_more_through(standing: int) -> None:
    rows = RefusalStreak({"http_422": standing})
    allowed = IN_A_ROW + 2 * standing
    assert [rows.refuse("http_422", 1) for _ in range(allowed)] == [
        *[False] * (allowed - 1),
        True,
    ]
    others = RefusalStreak({"http_422": standing})
    others.accept()
    assert [others.refuse("http_400", 1) for _ in range(IN_A_ROW)][-1], (
        "of another code nothing is known"
    )


def test_all_contacts_are_settled_in_few_nights() -> None:
    left, standing, nights = 1_000_000, 0, 0
    while left:
        rows = RefusalStreak({"x": standing})
        tried = 0
        while tried < left and not rows.refuse("x", 1):
            tried += 1
        tried = min(left, tried + 1)
        left, standing, nights = left - tried, standing + tried, nights + 1
    assert nights <= 11
    assert ALIKE <= IN_A_ROW
