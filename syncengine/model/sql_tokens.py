"""SQL texts, compared by what Postgres reads in them.

Comments, blanks and the case of unquoted words mean nothing to Postgres. A source whose
query was only laid out in another way is the same source.

This is a scanner, not a parser: it cuts a text into the tokens of PostgreSQL's manual
("Lexical Structure"), and does not know whether they make sense. It never fails: a
string that is not closed goes on to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TEXT = re.compile(
    r"""
      (?P<blank>[ \t\n\r\f\v]+)
    | (?P<line>--[^\n\r]*)
    | (?P<block>/\*)
    | (?P<escaped>[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z))
    | (?P<quoted>(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*(?:'|\Z))
    | (?P<identifier>(?:[uU]&)?"(?:[^"]|"")*(?:"|\Z))
    | (?P<dollar>\$(?P<tag>(?:[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)?)\$)
    | (?P<number>
        (?:[0-9][0-9A-Za-z_]*(?:\.[0-9A-Za-z_]*)?|\.[0-9][0-9A-Za-z_]*)
        (?:(?<=[eE])[+-][0-9]+)?
      )
    | (?P<word>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*)
    | (?P<parameter>\$[0-9]+)
    | (?P<operator>[-+*/<>=~!@#%^&|`?]+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
"""One token. The name of the group that matched last is its kind; of a dollar quote and
a block comment it is only the beginning, and of an operator it may be too much."""
_BLOCK_EDGE = re.compile(r"/\*|\*/")
_COMMENT_IN_OPERATOR = re.compile(r"--|/\*")
_MAY_END_IN_SIGN = frozenset("~!@#%^&|`?")
"""An operator of several characters ends in + or - only if it has one of these."""
_CAPITALS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
"""Postgres folds these letters alone, whatever the language of the database."""
_STRINGS = frozenset({"escaped", "quoted"})


def tokens(sql: str) -> tuple[str, ...]:
    """Return the tokens of a piece of SQL, unquoted words in small letters.

    Strings, dollar quotes and quoted identifiers stay as they are written. A string
    that goes on in another line is two tokens with a line end between them, since
    Postgres joins the two there and nowhere else.
    """
    found: list[str] = []
    last_kind = ""
    has_new_line = False
    for kind, text in _tokens(sql):
        if kind == "blank":
            has_new_line = has_new_line or "\n" in text or "\r" in text
            continue
        # 'a' 'b' on one line is an error in SQL, on two lines it is 'ab'.
        if kind in _STRINGS and last_kind in _STRINGS and has_new_line:
            found.append("\n")
        is_folded = kind in ("word", "number")
        found.append(text.translate(_CAPITALS) if is_folded else text)
        last_kind = kind
        has_new_line = False
    return tuple(found)


def is_same(one: str, other: str) -> bool:
    """Return whether two pieces of SQL differ at most in comments, blanks and case."""
    return one == other or tokens(one) == tokens(other)


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each token, and of the blanks between them.

    Comments are left out.
    """
    place = 0
    while place < len(sql):
        match = _TEXT.match(sql, place)
        assert match is not None, "every character is at least a token by itself"
        kind = match.lastgroup or ""
        end = match.end()
        if kind == "block":
            end = _end_of_comment(sql, end)
        elif kind in ("dollar", "tag"):
            # ``tag`` is the group inside of ``dollar``.
            kind = "dollar"
            end = _end_of_dollar_quote(sql, match)
        elif kind == "operator":
            end = place + _length_of_operator(match[0])
        if kind not in ("line", "block"):
            yield kind, sql[place:end]
        place = end


def _end_of_comment(sql: str, place: int) -> int:
    """Return the end of a comment in which others may be nested.

    ``place`` is behind its opening ``/*``.
    """
    depth = 1
    while depth:
        edge = _BLOCK_EDGE.search(sql, place)
        if edge is None:
            return len(sql)
        depth += 1 if edge[0] == "/*" else -1
        place = edge.end()
    return place


def _end_of_dollar_quote(sql: str, opening: re.Match[str]) -> int:
    """Return the end of a text in ``$$ ... $$`` or ``$tag$ ... $tag$``."""
    delimiter = opening[0]
    closing = sql.find(delimiter, opening.end())
    if closing < 0:
        return len(sql)
    return closing + len(delimiter)


def _length_of_operator(text: str) -> int:
    """Return how much of a run of operator characters is one operator.

    It ends where a comment begins. ``=-1`` is an equals sign and a negative number.
    """
    comment = _COMMENT_IN_OPERATOR.search(text, 1)
    operator = text[: comment.start()] if comment else text
    if _MAY_END_IN_SIGN.isdisjoint(operator):
        while len(operator) > 1 and operator[-1] in "+-":
            operator = operator[:-1]
    return len(operator)
