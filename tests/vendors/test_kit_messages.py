"""A vendor's words hold no value of a contact when they are repeated."""

from __future__ import annotations

import html
import re
import string
from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncengine.model.http import Json
from syncengine.vendors.kit.messages import MAX_LENGTH, clean_message
from tests.support.encodings import ENCODINGS


@pytest.mark.parametrize(
    ("said", "sent", "words"),
    [
        ("", (), ""),
        ("Unknown field company_name", ("Acme",), "Unknown field company_name"),
        ('"Ilse Brandt" is too long', ("Ilse Brandt",), '"[...]" is too long'),
        ("ILSE is too long", ("Ilse",), "[...] is too long"),
        ("O&#039;Brien is wrong", ("O'Brien",), "[...] is wrong"),
        ("a&amp;amp;b is wrong", ("a&amp;b",), "[...] is wrong"),
        ("Ilse\n  Brandt\x00\x1b[31m!", ("Ilse Brandt",), "[...] [31m!"),
        # Of two values that overlap the longer one goes first.
        ("Ilse-Marie", ("Ilse", "Ilse-Marie"), "[...]"),
        # Short values go as whole words only ...
        ("de is no code; decide", ("de",), "[...] is no code; decide"),
        ("value 3 of 30", (3,), "value [...] of 30"),
        ("must be true", (True,), "must be [...]"),
        # ... however they are composed, and beside letters with accents ...
        (
            "Property e, \u00e9 or e\u0301",
            ("e\u0301",),
            "Property [...], [...] or [...]",
        ),
        (
            "Property a is not a\u0301b\u0301a",
            ("\u00c4",),
            "Property [...] is not a\u0301b\u0301a",
        ),
        ("январь, Ян, '\u044f\u043d'", ("Ян",), "январь, [...], '[...]'"),
        # ... but not in scripts that write no blanks.
        ("王伟不合法", ("王伟",), "[...]不合法"),
        (
            "gold and silver",
            ({"plan": ["gold", {"old": "silver"}]},),
            "[...] and [...]",
        ),
        # A sign between all its letters hides nothing.
        (
            "S_E_C_R_E_T of V-o-r-n-a-m-e, s.e.c.r.e.t",
            ("Secret", "Vorname"),
            "[...] of [...], [...]",
        ),
        ("S_E-C_R_E_T", ("Secret",), "S_E-C_R_E_T"),
        ('["gold","x"] is no text', (["gold", "x"],), "[...] is no text"),
        # Whatever it was escaped for, and however often.
        (
            "Cannot GET /contacts?apiKey=k%2By%2F9%3Dabcdefg",
            ("k+y/9=abcdefg",),
            "Cannot GET /contacts[...]",
        ),
        ("key k%2By%2f9%3dabcdefg", ("k+y/9=abcdefg",), "key [...]"),
        ("key k%252By%252F9%253Dabcdefg", ("k+y/9=abcdefg",), "key [...]"),
        ('{"name":"O\\"Brien Zaphod"}', ('O"Brien Zaphod',), '{"name":"[...]"}'),
        (
            "bad M\\u00fcller, M\\u00FCLLER, M\\xfcller",
            ("Müller",),
            "bad [...], [...], [...]",
        ),
        (
            "bad Mu\u0308ller, Muller, M&uuml;ller, M&#xfc;ller",
            ("Müller",),
            "bad [...], [...], [...], [...]",
        ),
        (
            "bad M\\U000000fcller, \\U0001F600M\\U00FCLLER",
            ("Müller",),
            "bad [...], \U0001f600[...]",
        ),
        (
            "q=Zaphod%20Beeblebrox, Zaphod+Beeblebrox",
            ("Zaphod Beeblebrox",),
            "q=[...], [...]",
        ),
        ("Zaphod\u200bBee\u00adblebrox", ("Zaphod Beeblebrox",), "[...]"),
        ("STRASSE, straße", ("Straße",), "[...], [...]"),
        (
            "M\u00c3\u00bcller-L\u00c3\u00bcdenscheidt",
            ("Müller-Lüdenscheidt",),
            "[...]",
        ),
        # In Base64 wherever it begins, also as a login.
        ("Basic a2V5LTEyMzQ1Njo=", ("key-123456",), "Basic [...]jo="),
        ("got bWU6a2V5LTEyMzQ1Ng", ("key-123456",), "got bWU6[...]g"),
        ("got 6b65792d313233343536", ("key-123456",), "got [...]"),
        # In part: two thirds of it, or one of its words.
        ("too long: 'Zaphod Beeblebr'", ("Zaphod Beeblebrox",), "too long: '[...]'"),
        ("...phod Beeblebrox", ("Zaphod Beeblebrox",), "...[...]"),
        ("'Zaphod' is no surname", ("Zaphod Beeblebrox",), "'[...]' is no surname"),
        ("the token of the sandbox", ("sandbox-token",), "the token of the sandbox"),
        (
            "The name is required, Anna",
            ("Name 5", "Anna Value"),
            "The name is required, [...]",
        ),
        ("key sekr****2345 invalid", ("sekret+Tok/en=12345",), "key [...] invalid"),
        # Nothing that steers a terminal is left.
        ("a\x1b]0;x\x07b\u202ec\u2066d\x9bm\u2028e\x7f", (), "a ]0;x b c d m e"),
        # What looks like an address or a number may be another contact's.
        ("taken by ina@example.org", (), "taken by [...]"),
        ("taken by +49 (151) 112-233, sorry", (), "taken by [...], sorry"),
        ("30 fields, 10 tags, 2024-01", (), "30 fields, 10 tags, [...]"),
    ],
)
def test_cleaned(said: str, sent: tuple[Json, ...], words: str) -> None:
    assert clean_message(said, sent) == words


def test_a_long_text_is_cut_after_it_was_cleaned() -> None:
    words = clean_message("x" * (MAX_LENGTH - 5) + "Brandt" + "y" * 50, ("Brandt",))
    assert len(words) <= MAX_LENGTH
    assert words.endswith("...")
    assert "Bra" not in words


def test_a_huge_text_does_not_hang_it() -> None:
    assert len(clean_message("x" * 1_000_000, ("Brandt",))) == MAX_LENGTH
    assert len(clean_message("1." * 20 + "x@" * 500_000, ("Brandt",))) <= MAX_LENGTH


_VALUES = st.text(
    string.ascii_letters + string.digits + "äöüß 李王:/?&'", min_size=4, max_size=12
)


@given(
    st.lists(_VALUES, min_size=1, max_size=4),
    st.lists(st.text(max_size=8), min_size=5, max_size=5),
)
def test_no_sent_value_survives(values: list[str], between: list[str]) -> None:
    said = "".join(
        part + value for part, value in zip(between, [*values, ""], strict=False)
    )
    words = clean_message(said, values)
    for value in values:
        kept = " ".join(value.split())
        assert not kept or len(kept) < 4 or kept not in words


@pytest.mark.parametrize(
    ("said", "sent", "words"),
    [
        ('"segment" is no option', ("segment",), '"segment" is no option'),
        # Parts of values, and words of them, are no names either.
        ("segment, segments", ("segments",), "segment, [...]"),
        ("segment: Segment A", ("Segment A",), "segment: [...]"),
        # A name is spelled as it is, and a whole word.
        ("Segment of segment_a", ("segment", "segment_a"), "[...] of [...]"),
        # What stands around it was the rest of a value.
        ("no segment seven", ("Segment Seven",), "no [...]"),
    ],
)
def test_names_of_fields_stay(said: str, sent: tuple[Json, ...], words: str) -> None:
    assert clean_message(said, sent, ("segment",)) == words


_NAMES = st.lists(st.sampled_from(("segment", "city", "crm_id", "äöü")), unique=True)


@example(["00 0"], [], "_")
@given(
    st.lists(_VALUES | st.sampled_from(("segment", "City", "crm_id 5")), min_size=1),
    _NAMES,
    st.sampled_from((" ", ", ", '","', "_")),
)
def test_no_value_survives_but_the_name_of_a_field(
    values: list[str], names: list[str], between: str
) -> None:
    said = between.join(["wrong:", *values, *names])[:MAX_LENGTH]
    words = clean_message(said, values, names)
    for name in names:
        words = re.sub(rf"(?<!\w){name}(?!\w)", " ", words)
    for value in values:
        kept = " ".join(value.split())
        assert len(kept) < 4 or kept in names or kept not in words


@given(st.lists(_NAMES | st.sampled_from((["gold"], ["vip"])), max_size=9))
def test_names_survive_all_values(values: list[list[str]]) -> None:
    sent: list[Json] = [text for each in values for text in each]
    said = 'field "segment", field "city": refused'
    words = clean_message(said, sent, ("segment", "city"))
    assert words == said


SAMPLES = (
    "k+y/9=abcdefg-HIJK_lmnop",
    "sk_live_51HxYzAbCdEf",
    'O"Brien & Söhne <x>',
    "Müller-Lüdenscheidt",
    "Зафод Библброкс",
    "山田太郎さん殿下",
    "zaphod.beeblebrox+news@example.org",
    "+491511234567",
    "1980-02-03",
)


@pytest.mark.parametrize("encode", ENCODINGS.values(), ids=ENCODINGS.keys())
@pytest.mark.parametrize("value", SAMPLES)
def test_a_value_is_recognised_in_every_encoding(
    value: str, encode: Callable[[str], str]
) -> None:
    told = encode(value)
    words = clean_message(f"Nobody likes <{told}> here, or '{told}'.", (value,))
    assert told not in words
    assert value.casefold() not in html.unescape(unquote(words)).casefold()
    assert "Nobody likes" in words
    # What the other shape of the value would be recognised by is gone as well.
    kept = re.sub(r"\[\.\.\.\]", "", words.removeprefix("Nobody likes"))
    assert (
        len(re.findall(r"\w", kept)) <= len("here or") + 10
    )  # what Base64 shares with its neighbours
