"""Reading of e-mail addresses; every expected address is written by hand."""

from __future__ import annotations

import pytest

from syncengine.model.emails import email_forms, emails_within, read_email
from syncengine.model.written import NotReadError


@pytest.mark.parametrize(
    "written",
    [
        "ann@x.de",
        "ANN@X.DE",
        " ann@x.de\r",
        "\u00a0ann@x.de\u200b",
        "\ufeffann@x.de",
        '"ann@x.de"',
        "'ann@x.de'",
        "\u201cann@x.de\u201d",
        "<ann@x.de>",
        "ann@x.de,",
        "ann@x.de;",
        '"ann@x.de";',
        "ann@x.de.",
        "mailto:ann@x.de",
        "MAILTO:Ann@x.de?subject=Hello",
        "mailto:%61nn@x.de",
        "<mailto:ann@x.de>",
        "Ann <ann@x.de>",
        '"Smith, Ann" <Ann@X.de>',
        "ann@x.de <ann@x.de>",
        "ann@x.de (Ann)",
        "E-Mail: ann@x.de",
        "ann\uff20x\uff0ede",
    ],
)
def test_an_address_is_read_as_it_is_meant(written: str) -> None:
    assert read_email(written) == "ann@x.de"


@pytest.mark.parametrize(
    "written",
    [
        "nobody",
        "email",
        "ann@",
        "@x.de",
        "*@x.de",
        "*ann@x.de",
        "ann@*.de",
        "ann@*",
        "%@x.de",
        "...@x.de",
        "ann@@x.de",
        "ann smith@x.de",
        "ann@x.de ben@x.de",
        "ann@x.de, ben@x.de",
        "ann@x.de;ben@x.de",
        "ben@x.de <ann@x.de>",
        "ann@x.de;Ann",
        "ann@x..de",
        "mailto:ann@x.de,ben@x.de",
        4711,
        ["ann@x.de"],
    ],
)
def test_what_is_not_surely_one_address_is_refused_without_repeating_it(
    written: object,
) -> None:
    with pytest.raises(NotReadError, match="is not one e-mail address"):
        read_email(written)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 300_000 + " @",
        "0171" + " " * 300_000 + "1",
        "\t/" * 150_000 + "0171 1000006",
    ],
)
def test_a_long_text_costs_little(text: str) -> None:
    """Other contacts would have to wait for it.

    Text too long to be one address is not searched.
    """
    with pytest.raises(NotReadError):
        read_email(text)
    assert emails_within(text + " ann@x.de, (ben@x.de).") == {"ann@x.de", "ben@x.de"}


def test_a_domain_has_two_spellings_and_an_accent_two_codings() -> None:
    shown, coded, apart = (
        "ren\u00e9@m\u00fcller.de",
        "ren\u00e9@xn--mller-kva.de",
        "rene\u0301@mu\u0308ller.de",
    )
    for written in (shown, coded, apart, shown.upper()):
        address = read_email(written)
        assert address is not None
        assert set(email_forms(address)) == {shown, coded, apart}
    assert email_forms("ann@x.de") == ("ann@x.de",)
    assert "ann@xn--99999999999.de" in email_forms("ann@xn--99999999999.de"), (
        "a label that is no Punycode"
    )
