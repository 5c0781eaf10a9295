"""Comparison of queries by their tokens, whatever their layout."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncengine.model.sql_tokens import is_same, tokens

_WORDS = st.sampled_from(
    ["select", "from", "crm", "a", "b2", "opted_in", "é", "e", "x", "a$b", "n"]
)
_NUMBERS = st.sampled_from(["1", "2.5", ".5", "1e-3", "10"])
_INSIDE = st.text(alphabet="aA -/*\n$;e\\", max_size=8)
_STRINGS = _INSIDE.map(lambda text: "'" + text.replace("'", "''") + "'")
_ESCAPED = st.text(alphabet="aA -/*\n", max_size=6).map(lambda text: f"E'{text}\\''")
_NAMES = _INSIDE.map(lambda text: '"' + text + '"')
_DOLLARS = st.tuples(
    st.sampled_from(["$$", "$t$", "$T$"]), st.text(alphabet="aA -/*\n'", max_size=6)
).map(lambda pair: pair[0] + pair[1] + pair[0])
_SIGNS = st.sampled_from(
    ["=", "<=", "||", "*", "-", "+", "(", ")", ",", ".", "[", "]", "::", "->>", "/"]
)
_PIECES = st.one_of(_WORDS, _NUMBERS, _STRINGS, _ESCAPED, _NAMES, _DOLLARS, _SIGNS)
_STATEMENTS = st.lists(_PIECES, min_size=1, max_size=8)
_BLANKS = st.sampled_from(
    [
        " ",
        "\t",
        "\r\n",
        "  \n ",
        " -- a 'comment' \"of $$ one line\n",
        " /* one /* in */ 'another */ ",
    ]
)


@st.composite
def _two_layouts(draw: st.DrawFn) -> tuple[str, str]:
    pieces = draw(_STATEMENTS)

    def laid_out() -> str:
        between = [draw(_BLANKS) for _ in pieces]
        return "".join(
            piece + blank
            for piece, blank in zip(_separated(pieces), between, strict=True)
        )

    return laid_out(), laid_out()


def _separated(pieces: list[str]) -> list[str]:
    """Put a comma between strings: blanks with a line end would join them."""
    quoted = [piece.endswith("'") for piece in pieces]
    return [
        piece + ","
        if quoted[place] and quoted[place + 1 : place + 2] == [True]
        else piece
        for place, piece in enumerate(pieces)
    ]


@given(_two_layouts())
def test_comments_and_blanks_change_nothing(layouts: tuple[str, str]) -> None:
    assert is_same(*layouts)


@given(_STATEMENTS, st.data())
def test_another_piece_is_another_query(pieces: list[str], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(pieces) - 1))
    other = data.draw(
        _PIECES.filter(lambda piece: tokens(piece) != tokens(pieces[place]))
    )
    changed = [*pieces[:place], other, *pieces[place + 1 :]]
    assert not is_same(" , ".join(pieces), " , ".join(changed))


@given(st.text(alphabet="aE'\"$-/*\\ \n1.+@=(", max_size=30))
def test_any_text_is_read_and_its_tokens_are_read_as_themselves(text: str) -> None:
    found = tokens(text)
    if "\n" not in found:  # else two strings were joined
        assert tokens(" ".join(found)) == found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SELECT * FROM crm.base", "select *\nFROM crm . base -- all of them"),
        ("a = -1", "a=-1"),
        ("a*/* twice */b", "a * b"),
        ("select/**/a", "select a"),
        ("a,b", "a , b"),
        ("'a'\n'b'", "'a' -- goes on\n  'b'"),
        ("t.a::int", "t . a :: INT"),
    ],
)
def test_the_same_query(one: str, other: str) -> None:
    assert is_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("'a  b'", "'a b'"),
        ("'A'", "'a'"),
        ('"A"', '"a"'),
        ('"a  b"', '"a b"'),
        ("$$ -- a $$", "$$  $$"),
        ("$a$ x $a$", "$b$ x $b$"),
        ("e'x'", "e 'x'"),
        ("E'a\\' -- b'", "E'a\\' '"),
        ("'a'\n'b'", "'a' 'b'"),
        ("1.5", "1 .5"),
        ("a--b", "a - -b"),
        ("a <= b", "a < = b"),
        ("a b", "ab"),
        ("/* a /* b */ x */ y", "/* a */ x */ y"),
        ("where opted_in", "where opted_in -- \n or true"),
        ("'--' or x", "'--'"),
        ("$1", "$ 1"),
        ("É", "é"),
    ],
)
def test_another_query(one: str, other: str) -> None:
    assert not is_same(one, other)
