"""Spellings of one number, and which of them are surely that number."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.model.phones import (
    further_spellings,
    local_spellings,
    may_be_same,
    phone_forms,
    plain_spellings,
    read_phone,
    surely_same,
    usual_spellings,
)

GERMAN = "+491712345678"


@pytest.mark.parametrize(
    ("number", "region", "spellings"),
    [
        (GERMAN, None, ("+491712345678", "491712345678", "00491712345678")),
        (
            GERMAN,
            "DE",
            ("+491712345678", "491712345678", "00491712345678", "01712345678"),
        ),
        (GERMAN, "AT", ("+491712345678", "491712345678", "00491712345678")),
        (
            "+390612345678",
            "IT",
            ("+390612345678", "390612345678", "00390612345678", "0612345678"),
        ),
        (
            "+16045550123",
            "US",
            ("+16045550123", "16045550123", "0016045550123", "6045550123"),
        ),
        (
            "+79123456789",
            "RU",
            ("+79123456789", "79123456789", "0079123456789", "89123456789"),
        ),
        (
            "+551187654321",
            None,
            (
                "+551187654321",
                "551187654321",
                "00551187654321",
                "+5511987654321",
                "5511987654321",
                "005511987654321",
            ),
        ),
    ],
)
def test_plain_spellings(
    number: str, region: str | None, spellings: tuple[str, ...]
) -> None:
    assert plain_spellings(number, region) == spellings


def test_usual_spellings_have_the_punctuation_that_people_use() -> None:
    usual = usual_spellings(GERMAN, "DE")
    assert set(plain_spellings(GERMAN, "DE")) < set(usual)
    for written in ("0171 2345678", "0171-2345678", "0171/2345678", "1712345678"):
        assert written in usual
        assert written not in usual_spellings(GERMAN, "AT")
        assert written in local_spellings(GERMAN)
    for written in (
        "+49 171 2345678",
        "+49-171-2345678",
        "+49 (0)1712345678",
        "+49(0)1712345678",
    ):
        assert written in usual_spellings(GERMAN, None)


def test_a_few_more_are_tried_where_each_takes_a_request() -> None:
    assert further_spellings(GERMAN) == (
        "01712345678",
        "0171 2345678",
        "1712345678",
        "+49 171 2345678",
    )


@pytest.mark.parametrize(
    ("written", "region", "sure"),
    [
        ("+49 171 2345678", None, True),
        ("+49 (0)171-2345678", None, True),
        ("0049 171/2345678", None, True),
        ("(0049) 171 2345678", None, True),
        ("tel:+49-171-2345678", None, True),
        ("491712345678", None, True),
        ("491712345678", "AT", True),
        ("49 171 2345678", "DE", True),
        ("0171 2345678", "DE", True),
        ("(0171) 23456-78", "DE", True),
        ("1712345678", "DE", True),
        ("0171 2345678", None, False),
        ("0171 2345678", "AT", False),
        ("1712345678", None, False),
        ("1712345678", "GB", False),
        ("+43 171 2345678", "DE", False),
        ("0043 171 2345678", "DE", False),
        ("+49 171 2345678 ext. 5", "DE", False),
        ("0171 2345678 / 0171 2345679", "DE", False),
        ("0171 234567", "DE", False),
        ("0171 23456789", "DE", False),
        ("", "DE", False),
        ("none", "DE", False),
    ],
)
def test_only_what_is_surely_the_number_counts(
    written: str, region: str | None, *, sure: bool
) -> None:
    assert surely_same(GERMAN, written, region) is sure


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, ["+491712345678"]])
def test_what_is_no_text_is_no_phone(value: object) -> None:
    assert not surely_same(GERMAN, value, "DE")


def test_a_whole_number_without_plus_may_be_a_national_one() -> None:
    # Cairo's +20 2 5550123, and Washington's (202) 555-0123.
    assert surely_same("+2025550123", "2025550123", None)
    assert not surely_same("+2025550123", "2025550123", "US")
    assert surely_same("+12025550123", "2025550123", "US")
    assert not surely_same("+2025550123", "202-555-0123", None)


@pytest.mark.parametrize(
    ("written", "alike"),
    [
        ("0171 2345678", True),
        ("1712345678", True),
        ("+49 171 2345678 ext. 5", True),
        ("0171 2345678 / 030 12345", True),
        ("+43 1712345678", False),
        ("0171 2345679", False),
        ("2345678", False),
        ("", False),
    ],
)
def test_strangers_with_the_same_digits(written: str, *, alike: bool) -> None:
    assert may_be_same(GERMAN, written) is alike


_REGIONS = (
    "DE",
    "AT",
    "CH",
    "GB",
    "FR",
    "IT",
    "US",
    "CA",
    "BR",
    "MX",
    "AR",
    "RU",
    "HU",
    "EG",
    "AU",
)


@st.composite
def numbers(draw: st.DrawFn) -> str:
    """Draw a number of one of the regions, near its example."""
    region = draw(st.sampled_from(_REGIONS))
    kind = draw(
        st.sampled_from(
            (
                phonenumbers.PhoneNumberType.MOBILE,
                phonenumbers.PhoneNumberType.FIXED_LINE,
            )
        )
    )
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None
    digits = str(example.national_number)[:-4] + f"{draw(st.integers(0, 9999)):04}"
    written = f"+{example.country_code}{digits}"
    return read_phone(written, None) or written


@given(numbers(), numbers(), st.sampled_from((None, *_REGIONS)))
def test_no_spelling_of_one_number_is_surely_another(
    one: str, other: str, region: str | None
) -> None:
    if other in {f"+{each}" for each in phone_forms(one[1:])}:
        return
    for written in (*usual_spellings(other, region), *local_spellings(other)):
        read = _read(written, region)
        surely = surely_same(one, written, region)
        assert not surely or read is None or read[1:] in phone_forms(one[1:])
        assert not (surely and surely_same(other, written, region)), written


@given(numbers(), st.sampled_from((None, *_REGIONS)))
def test_every_spelling_with_a_country_code_is_surely_the_number(
    number: str, region: str | None
) -> None:
    for written in usual_spellings(number, region):
        if written.startswith(("+", "00")):
            assert surely_same(number, written, region), written


def _read(written: str, region: str | None) -> str | None:
    try:
        return read_phone(written, region)
    except ValueError:
        return None
