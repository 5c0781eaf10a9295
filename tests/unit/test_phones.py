"""Reading of phone numbers; every expected number is written by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from syncengine.model.phones import (
    phone_forms,
    phone_readings,
    read_phone,
    surely_named,
)
from syncengine.model.written import NotReadError

ANN = "+491711000006"
NATIONAL = [
    "0171 1000006",
    "0171/1000006",
    "0171-1000006",
    "0171.1000006",
    "(0171) 1000006",
    "[0171] 1000006",
    "(0)171 1000006",
    "\u00a00171\u00a01000006 ",
    "\u200b0171 1000006\u200b",
    "\ufeff01711000006",
    '"0171 1000006";',
    "'01711000006",
    '="01711000006"',
    "Tel.: 0171 1000006",
    "0171 1000006,",
    "\uff10\uff11\uff17\uff11\u3000\uff11\uff10\uff10\uff10\uff10\uff10\uff16",
    "\u0660\u0661\u0667\u0661 \u0661\u0660\u0660\u0660\u0660\u0660\u0666",
    "0171\u20131000006",
    1711000006,
    Decimal("1711000006.00"),
    491711000006,
    "491711000006",
    "49 171 1000006",
]
INTERNATIONAL = [
    "+491711000006",
    "+49 (0)171 1000006",
    "+49 (0) 171 - 1000006",
    "+49(171)1000006",
    "(+49) 171 1000006",
    "+49 0171 1000006",
    "0049 171 1000006",
    "0049 (0)171 1000006",
    "(0049) 171 1000006",
    "tel:+49-171-1000006",
    "TEL:+491711000006",
    "tel:%2B491711000006",
    "tel:0171-1000006;phone-context=+49",
    "<tel:+491711000006>",
    "whatsapp:+491711000006",
    "\uff0b49 171 1000006",
    "\u202a+49 171 1000006\u202c",
    "\u201e+49 171 1000006\u201c",
    "+491711000006\r",
]


@pytest.mark.parametrize("written", NATIONAL)
def test_a_national_number_is_one_of_its_region(written: object) -> None:
    assert read_phone(written, "DE") == ANN
    assert ANN[1:] in surely_named(written, ["DE"])
    with pytest.raises(NotReadError, match="has no country code"):
        read_phone(written, None)


@pytest.mark.parametrize("written", INTERNATIONAL)
@pytest.mark.parametrize("region", ["DE", "US", "AU", None])
def test_a_number_with_its_country_code_needs_no_region(
    written: str, region: str | None
) -> None:
    assert read_phone(written, region) == ANN
    assert surely_named(written, [region] if region else []) == {ANN[1:]}


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("(202) 225-4965", "US", "+12022254965"),
        ("1-202-225-4965", "US", "+12022254965"),
        (12022254965, "US", "+12022254965"),
        ("011 49 171 1000006", "US", ANN),
        ("0011 49 171 1000006", "AU", ANN),
        ("020 7946 0958", "GB", "+442079460958"),
        ("447911123456", "GB", "+447911123456"),
        ("447911123456", "FR", "+447911123456"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("612 345 678", "ES", "+34612345678"),
        ("+39 (0)6 12345678", None, "+390612345678"),
        ("+39 (0)347 1234567", None, "+393471234567"),
        ("06 12345678", "IT", "+390612345678"),
        ("8 912 345-67-89", "RU", "+79123456789"),
        ("79123456789", "RU", "+79123456789"),
        ("919876543210", "IN", "+919876543210"),
        ("55 99123-4567", "BR", "+5555991234567"),
        ("5511987654321", "BR", "+5511987654321"),
        ("+52 1 55 1234 5678", None, "+525512345678"),
        ("011 15 2345-6789", "AR", "+5491123456789"),
    ],
)
def test_every_country_has_its_own_way(
    written: object, region: str | None, number: str
) -> None:
    assert read_phone(written, region) == number


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("491761234567.0", "decimal point"),
        ("+491761234567.00", "decimal point"),
        (491761234567.0, "decimal point or an exponent"),
        (4.91761e11, "decimal point or an exponent"),
        ("4.91761E11", "not one"),
        ("4.91761E+11", "not one"),
        ("4,91761E+11", "not one"),
        ("4.91761", "decimal point"),
        ("0171 1000006 / 0171 1000007", "not one"),
        ("0171 1000006, 0171 1000007", "not one"),
        ("0171 1000006\n0171 1000007", "not one"),
        ("0171 1000006\t0171 1000007", "not one"),
        ("030 123456/78", "not one"),
        ("030 123456 ext. 12", "extension"),
        ("tel:+49-30-123456;ext=12", "extension"),
        ("+49 30 123456 x12", "extension"),
        ("tel:123456;phone-context=example.org", "context"),
        ("+1-800-FLOWERS", "not one"),
        ("phone", "not one"),
        ("+49 171 1000006;Ann", "not one"),
        ("1000006", "not a complete phone number of region DE"),
        ("33612345678", "two different"),
        ("4921123456", "two different"),
        ("+49", "is not a phone number"),
        ("+4917110000061711000006", "too long|is not a phone number"),
        ("+1 234567", "too short"),
        ("++491711000006", "not one"),
        ("0171 1000006)", "not one"),
        (True, "not one"),
        (["0171 1000006"], "not one"),
        ({"phone": "0171 1000006"}, "not one"),
    ],
)
def test_what_is_not_surely_one_number_is_refused_without_repeating_it(
    written: object, why: str
) -> None:
    with pytest.raises(NotReadError, match=why) as told:
        read_phone(written, "DE")
    assert not any(part in str(told.value) for part in ("171", "761", "123456"))


LOCAL = [
    ("2254965", "US"),
    ("79460958", "GB"),
    ("1234567", "CA"),
    ("2345615", "DE"),
    ("30123456", "DE"),
    ("4567890", "DE"),
    ("98765432", "DE"),
    ("2220030", "DE"),
    ("5550199", "DE"),
    ("176 11100", "DE"),
    ("301234567", "DE"),
    ("8912345678", "DE"),
    (2345615, "DE"),
    ("5550199", "US"),
    ("98765432", "FR"),
    ("6641234", "AT"),
    ("3456789", "IT"),
]
"""Numbers that may have lost their zero, or may not have.

The last ones of DE are landlines without it, or local numbers with an extension.
"""


@pytest.mark.parametrize(("written", "region"), LOCAL)
def test_a_local_number_is_not_made_international(written: object, region: str) -> None:
    with pytest.raises(NotReadError):
        read_phone(written, region)
    with pytest.raises(NotReadError):
        surely_named(written, [region])


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        (1761110001, "DE", "+491761110001"),
        (6641234567, "AT", "+436641234567"),
        (401234567, "FI", "+358401234567"),
        (145678901, "FR", "+33145678901"),
        (1123456789, "BR", "+551123456789"),
        (12345678, "NO", "+4712345678"),
        (9161234567, "RU", "+79161234567"),
    ],
)
def test_a_zero_that_a_whole_number_lost_is_certain(
    written: int, region: str, number: str
) -> None:
    """A mobile, or a landline of a country whose landlines all have one length."""
    assert read_phone(written, region) == number
    assert surely_named(written, [region]) >= {number[1:]}


@pytest.mark.parametrize(
    "written",
    [
        -491761234504,
        -1767770011,
        "-491767770010",
        "-1767770011",
        "-01767770011",
        "\u2212491767770010",
        "\u2013491767770010",
        "--01767770011",
        "/0176 7770011",
        ".01767770011",
        ")0176 7770011",
        "+-491767770010",
        "Tel. -01767770011",
        "491767770010-",
        "0176 7770011/",
    ],
)
@pytest.mark.parametrize("region", ["DE", None])
def test_digits_behind_a_minus_are_no_phone(
    written: object, region: str | None
) -> None:
    with pytest.raises(NotReadError, match="is not one phone number"):
        read_phone(written, region)


@pytest.mark.parametrize(
    "written",
    [
        "+49171234563456789",
        "0049171234563456789",
        "+4917123456345678",
        "+1202225496512",
        "+12022254",
        "+331234567890",
    ],
)
@pytest.mark.parametrize("region", ["DE", None])
def test_a_number_has_fifteen_digits_at_most_and_those_of_its_country(
    written: str, region: str | None
) -> None:
    assert phone_readings(written, ["DE"]) == frozenset()
    with pytest.raises(NotReadError):
        read_phone(written, region)


@pytest.mark.parametrize("written", ["", "  ", "\u200b", '""', " ; "])
def test_nothing_is_no_number(written: str) -> None:
    assert read_phone(written, "DE") is None


def test_a_line_of_a_list_means_a_number_of_every_region() -> None:
    assert surely_named("0171 1000006", ["DE", "US"]) == {"491711000006"}
    assert surely_named("020 7946 0958", ["DE", "GB"]) == {
        "492079460958",
        "442079460958",
    }
    assert surely_named(" 491711000006 ", []) == {"491711000006"}
    for line, regions in (
        ("0171 1000006", []),
        ("1711000006", []),
        ("1000006", ["DE"]),
        ("171", ["DE"]),
        ("", ["DE"]),
    ):
        with pytest.raises(NotReadError):
            surely_named(line, regions)


def test_an_ambiguous_line_is_suppressed_under_each_reading() -> None:
    assert surely_named("33612345678", ["DE"]) == {"33612345678", "4933612345678"}


def test_whatsapp_may_know_a_person_by_another_number() -> None:
    assert phone_forms("5511987654321") == ("5511987654321", "551187654321")
    assert phone_forms("551187654321") == ("551187654321", "5511987654321")
    assert phone_forms("551132654321") == ("551132654321",), "a landline"
    assert phone_forms("525512345678") == ("525512345678", "5215512345678")
    assert phone_forms("5215512345678") == ("5215512345678", "525512345678")
    assert phone_forms("5491123456789") == ("5491123456789", "541123456789")
    assert phone_forms("541123456789") == ("541123456789", "5491123456789")
    assert phone_forms("491711000006") == ("491711000006",)


def test_readings_are_many_rather_than_few() -> None:
    assert phone_readings("+39 (0)6 12345678", []) == {"390612345678", "39612345678"}
    assert phone_readings("+49 30 123456 ext. 12", []) == {"4930123456"}


@pytest.mark.parametrize(
    "text", ["0171" + " " * 300_000 + "1", "\t/" * 150_000 + "0171 1000006"]
)
def test_a_long_text_costs_little(text: str) -> None:
    """Other contacts would have to wait for it.

    Text too long to be one number is not searched.
    """
    with pytest.raises(NotReadError):
        read_phone(text, "DE")
