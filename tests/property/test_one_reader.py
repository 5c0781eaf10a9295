"""Whoever is suppressed in one spelling is recognised in every other one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from syncengine.model.calls import Rejected
from syncengine.model.consent import SubjectFinder, of_email, of_phone, regions_of
from syncengine.model.mapping import FieldMapping, Form, Mapping, OnInvalid, SetMapping
from syncengine.model.work import SourceRow
from syncengine.model.written import NotReadError
from syncengine.planning.mapping import map_row


@dataclass(frozen=True)
class Country:
    """Spellings of mobile numbers that are usual in a country."""

    region: str
    code: str
    trunk: str
    first: str
    digits: int
    """Behind ``first``."""


COUNTRIES = (
    Country("DE", "49", "0", "171", 7),
    Country("FR", "33", "0", "6", 8),
    Country("GB", "44", "0", "7911", 6),
    Country("IT", "39", "", "347", 7),
    Country("ES", "34", "", "6", 8),
    Country("US", "1", "", "202225", 4),
    Country("BR", "55", "0", "11987", 6),
    Country("MX", "52", "", "55", 8),
    Country("AR", "54", "0", "911", 8),
)
Spelling = Callable[[Country, str], object]
SPELLINGS: dict[str, Spelling] = {
    "plus": lambda c, n: f"+{c.code}{n}",
    "plus, spaced": lambda c, n: f"+{c.code} {n[:3]} {n[3:]}",
    "plus, punctuated": lambda c, n: f"+{c.code}-{n[:3]}.{n[3:6]}-{n[6:]}",
    "double zero": lambda c, n: f"00{c.code} {n}",
    "zero in parentheses": lambda c, n: (
        f"+{c.code} (0){n}" if c.trunk == "0" else f"+{c.code} {n}"
    ),
    "code in parentheses": lambda c, n: f"(+{c.code}) {n}",
    "uri": lambda c, n: f"tel:+{c.code}-{n[:3]}-{n[3:]}",
    "messenger": lambda c, n: f"whatsapp:+{c.code}{n}",
    "quoted": lambda c, n: f'"+{c.code}{n}";',
    "spreadsheet": lambda c, n: f'="+{c.code}{n}"',
    "wide": lambda c, n: "".join(chr(ord(each) + 0xFEE0) for each in f"+{c.code}{n}"),
    "arabic": lambda c, n: (
        "+" + "".join(chr(0x660 + int(each)) for each in f"{c.code}{n}")
    ),
    "invisible": lambda c, n: f"\ufeff+{c.code}\u00a0{n[:4]}\u200b{n[4:]}\u202c",
    "national": lambda c, n: f"{c.trunk}{n}",
    "national, spaced": lambda c, n: f"{c.trunk}{n[:3]} {n[3:]}",
    "national, in parentheses": lambda c, n: f"({c.trunk}{n[:3]}) {n[3:]}",
    "whole number": lambda _, n: int(n),
    "whole number with country code": lambda c, n: int(f"{c.code}{n}"),
    "digits": lambda c, n: f"{c.code}{n}",
}
SURE = (
    "plus",
    "plus, spaced",
    "double zero",
    "zero in parentheses",
    "uri",
    "quoted",
    "wide",
    "arabic",
    "invisible",
)
REFUSED = ("whole number", "whole number with country code", "digits")
"""Spellings for which a list's line may be refused.

The number may be another one, or a local one.
"""
COUNTRY = st.sampled_from(COUNTRIES)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[Country, str]:
    country = draw(COUNTRY)
    rest = draw(st.text("0123456789", min_size=country.digits, max_size=country.digits))
    assume(rest[0] not in "01" and rest[1] not in "01")
    return country, country.first + rest


def mapping(form: Form | None, region: str | None) -> Mapping:
    key = FieldMapping("crm_id", "id")
    phone = FieldMapping("phone", "phone", form, region, on_invalid=OnInvalid.SKIP)
    return Mapping((key, phone), match_on=("crm_id",))


def named(value: object, asked: Mapping) -> set[str]:
    """Return what a suppression may name a row with this value by."""
    wanted = map_row(SourceRow("7", 1, ("7", value)), asked, None)
    assert not isinstance(wanted, Rejected)
    values = (*wanted.fields.items(), *wanted.invalid.items())
    return {subject.text for subject in SubjectFinder(asked).subjects("7", values)}


@given(
    numbers(),
    st.sampled_from(sorted(SPELLINGS)),
    st.sampled_from(sorted(SPELLINGS)),
    st.sampled_from(["mapped", "raw"]),
)
def test_nobody_suppressed_by_phone_is_unrecognised(
    number: tuple[Country, str], listed: str, held: str, kind: str
) -> None:
    """A line of a list names the row, whatever the spelling of either.

    As it is mapped, or untouched.
    """
    country, national = number
    asked = mapping(None, None) if kind == "raw" else mapping(Form.E164, country.region)
    line, value = (
        SPELLINGS[listed](country, national),
        SPELLINGS[held](country, national),
    )
    try:
        suppressed = {subject.text for subject in of_phone(str(line), [country.region])}
    except NotReadError:
        assert listed in REFUSED
    else:
        assert suppressed & named(value, asked)


@given(numbers(), st.sampled_from(sorted(SPELLINGS)), st.sampled_from(SURE))
def test_what_an_earlier_version_kept_of_a_number_in_full_still_holds(
    number: tuple[Country, str], held: str, listed: str
) -> None:
    """It kept the digits with the country code."""
    country, national = number
    kept = f"phone:{country.code}{national}"
    assert kept in named(
        SPELLINGS[held](country, national), mapping(Form.E164, country.region)
    )
    assert kept in {
        each.text for each in of_phone(str(SPELLINGS[listed](country, national)), [])
    }


@given(numbers(), st.sampled_from(sorted(SPELLINGS)))
def test_what_is_sent_is_the_number_that_was_written_or_nothing(
    number: tuple[Country, str], held: str
) -> None:
    country, national = number
    asked = mapping(Form.E164, country.region)
    wanted = map_row(
        SourceRow("7", 1, ("7", SPELLINGS[held](country, national))), asked, None
    )
    assert not isinstance(wanted, Rejected)
    assert (
        wanted.fields.get("phone", f"+{country.code}{national}")
        == f"+{country.code}{national}"
    )
    if held in SURE:
        assert "phone" in wanted.fields


ADDRESSES: dict[str, Callable[[str, str], str]] = {
    "plain": lambda box, domain: f"{box}@{domain}",
    "capitals": lambda box, domain: f"{box}@{domain}".upper(),
    "quoted": lambda box, domain: f'"{box}@{domain}"',
    "comma": lambda box, domain: f"{box}@{domain},",
    "semicolon": lambda box, domain: f" {box}@{domain} ;\r",
    "uri": lambda box, domain: f"mailto:{box}@{domain}",
    "named": lambda box, domain: f'"Smith, Ann" <{box}@{domain}>',
    "invisible": lambda box, domain: f"\ufeff{box}@{domain}\u200b\u00a0",
    "accents apart": lambda box, domain: f"{box}@{domain}".replace("\u00fc", "u\u0308"),
    "in ASCII": lambda box, domain: (
        f"{box}@" + domain.replace("m\u00fcller", "xn--mller-kva")
    ),
}
BOXES = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)


@pytest.mark.parametrize("form", [None, Form.LOWER, Form.TEXT])
@given(
    BOXES,
    st.sampled_from(["x.de", "m\u00fcller.de"]),
    st.sampled_from(sorted(ADDRESSES)),
    st.sampled_from(sorted(ADDRESSES)),
)
def test_nobody_suppressed_by_address_is_unrecognised(
    form: Form | None, box: str, domain: str, listed: str, held: str
) -> None:
    asked = mapping(form, None)
    suppressed = {subject.text for subject in of_email(ADDRESSES[listed](box, domain))}
    assert suppressed & named(ADDRESSES[held](box, domain), asked)


def test_a_value_in_any_kind_of_column_is_compared() -> None:
    asked = mapping(None, None)
    for value in (
        491711000006,
        491711000006.0,
        "491711000006",
        "491711000006.0",
        "+491711000006.00",
        "4.91711000006E11",
        1711000006,
        "0171 1000006",
        "\u200b(0171) 1000006",
        ["+49 171 1000006"],
        {"mobile": "+49 (0)171 1000006"},
        "+49 171 1000006 / +49 30 123456",
        "030 123456; 0171 1000006",
        "0171 1000006 or 030 123456",
        "0171 1000006\n030 123456",
    ):
        for each in (asked, mapping(Form.E164, "DE")):
            assert "phone:491711000006" in named(value, each), value
    assert "phone:491711000006" in named(
        "Ann: 0171 1000006 or +49 30 123456", mapping(Form.E164, "DE")
    )


NUMBERS_IN_TEXTS: tuple[object, ...] = (
    1711000006,
    1711000006.0,
    "1711000006",
    "1.711000006E9",
    -491711000006,
    "-1711000006",
    "call: +49 171 1000006 thanks",
    "Max 0171 1000006",
    "Max0171 1000006",
    "customer 12345 0171 1000006",
    "2024-01-01 01711000006",
    "(call 0171 / 100 00 06)",
    "+49 (0) 171 100 00 06, evenings",
    "+491711000007 +491711000006",
    "0171 1000006|0171 1000007",
    "https://wa.me/491711000006",
    "https://wa.me/%2B491711000006",
    "491711000006@s.whatsapp.net",
    "\uff10\uff11\uff17\uff11 1000006 x",
    {"491711000006": True},
    {"of": [{"0171 1000006": None}]},
    '{"p": "0171 1000006"}',
)


@pytest.mark.parametrize("value", NUMBERS_IN_TEXTS)
def test_a_number_in_a_text_of_any_field_is_compared(value: object) -> None:
    assert "phone:491711000006" in found(("note", value))


@pytest.mark.parametrize(
    "value",
    [
        "b@x.de|ann@x.de",
        "ann@x.de|b@x.de",
        "x|ann@x.de",
        '"ann"@x.de',
        'Ann <"ann"@x.de>',
        "b@x.de/ann@x.de",
        "b@x.de&ann@x.de",
        "https://x.de/?to=ann@x.de&b=1",
        "https://x.de/?to=ann%40x.de",
        "mail to 'ann@x.de'!",
        "<a href='mailto:ann@x.de'>",
        "ann\uff20x.de",
        {"ann@x.de": 1},
    ],
)
def test_an_address_in_a_text_of_any_field_is_compared(value: object) -> None:
    assert "email:ann@x.de" in found(("note", value))


def test_tags_lists_and_the_contact_id_are_compared() -> None:
    number, address = "phone:491711000006", "email:ann@x.de"
    for tag in ("t1+49 171 1000006", "t10171 1000006", "t11711000006"):
        assert number in found(tags=(tag,))
    assert address in found(tags=("t1ann@x.de",))
    assert number in found(("lists.l0171 1000006", True))
    assert address in found(("lists.lann@x.de", True))
    assert number in found(contact_id="01711000006")
    assert address in found(contact_id="ann@x.de")


@pytest.mark.parametrize(
    "value",
    [
        1711000,
        17110000,
        "4711-1234",
        "2024-01-01 10:00:00.123456",
        "550e8400-e29b-41d4-a716-446655440000",
        "52.5200, 13.4050",
    ],
)
def test_ids_days_and_places_are_no_numbers_of_a_region(value: object) -> None:
    assert not [each for each in found(("note", value)) if each.startswith("phone:49")]


def test_looking_for_numbers_ends() -> None:
    numbers = [*range(1711000006, 1711010006)]
    assert len(found(("note", numbers))) < 3_000, "some thousand tries for one contact"
    assert len(found(("phone", [f"0{number}" for number in numbers]))) < 3_000


def test_a_field_for_phones_is_looked_at_before_others() -> None:
    many = [*range(1711000007, 1711010007)]
    assert "phone:491711000006" in found(
        ("note", many), ("mobile", "0171 1000006 0171 1000009"), tags=("t1x",)
    )
    assert "phone:491711000006" in found(("note", many), tags=("t10171 1000006",))


def found(
    *values: tuple[str, object], tags: tuple[str, ...] = (), contact_id: str = "7"
) -> set[str]:
    """Return what may name a contact with these values.

    The destination knows German numbers.
    """
    asked = Mapping(
        (FieldMapping("phone", "phone", Form.E164, "DE"), FieldMapping("note", "note")),
        tags=SetMapping(column="tags", prefix="t1"),
        lists=SetMapping(column="lists", prefix="l"),
    )
    return {
        subject.text
        for subject in SubjectFinder(asked).subjects(
            contact_id, cast("Any", values), tags
        )
    }


def test_an_id_is_not_taken_for_a_number_of_any_country() -> None:
    """Sequential ids would otherwise equal the eight digits of a number in Norway."""
    asked = Mapping(
        (FieldMapping("crm_id", "id"), FieldMapping("phone", "phone", Form.E164, "NO"))
    )
    wanted = map_row(SourceRow("40123456", 1, (40123456, None)), asked, None)
    assert not isinstance(wanted, Rejected)
    subjects = SubjectFinder(asked).subjects(
        "40123456", [*wanted.fields.items(), ("notes", "40123456")]
    )
    assert "phone:4740123456" not in {subject.text for subject in subjects}
    other = SubjectFinder(asked).subjects("7", [("notes", "+47 401 23 456")])
    assert "phone:4740123456" in {subject.text for subject in other}
    assert regions_of(mapping(Form.E164, "DE")) == ("DE",)
