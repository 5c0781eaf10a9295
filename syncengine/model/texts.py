"""Foreign texts made fit to be shown.

The result has nothing that steers a terminal, and nothing that is to stay hidden.
"""

from __future__ import annotations

import base64
import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from unicodedata import category, combining, normalize
from urllib.parse import unquote

_ROUNDS = 3
"""Number of escapes around each other that are undone, as in a URL within JSON."""
_HEX = "[0-9a-fA-F]"
_ESCAPED = re.compile(
    rf"\\(?:U(000{_HEX}{{5}})|[uU]({_HEX}{{4}})|x({_HEX}{{2}})|(['\"/\\bfnrt]))"
)
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_SHORT = 4
"""ASCII values shorter than this are hidden as whole words only: ``1`` or ``de`` would
else hide most of the sentence."""
_CUT = 6
"""Characters from which on a value is recognised by three fifths of it; a shorter part
counts as a whole word only."""
_ENCODED = 6
"""Bytes from which on a value is recognised in Base64 and in hexadecimal digits."""
_SPELLED = 200
"""Characters up to which a value is recognised with a sign between each two of them."""
_SIGNS = 12
"""Number of such signs that are tried: the most frequent ones of a text."""
_NAMED = 4
"""Characters from which on a single word is hidden by itself, in a value of few
words."""
_FEW_WORDS = 6
_WORDS_OF_MESSAGES = """
    address city code company contact country date email field first last mail mobile
    name number phone row state street tag tags test text title type user value
"""
_ORDINARY = frozenset(_WORDS_OF_MESSAGES.split())
"""Words that messages about contacts are made of; alone they identify no one."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_CONTROL = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Categories of characters that are invisible and may steer a terminal: escapes,
directions, zero widths."""


def printable(text: str, *, lines: bool = False) -> str:
    """Return the text with a blank in place of each control character.

    ``lines`` keeps line breaks.
    """
    if text.isascii() and text.isprintable():
        return text
    kept = "\n" if lines else ""
    return "".join(c if c in kept or category(c) not in _CONTROL else " " for c in text)


def is_storable(text: str) -> bool:
    """Return whether Postgres can store the text and UTF-8 can encode it.

    Neither NUL nor half of a surrogate pair may be in it.
    """
    return _UNSTORABLE.search(text) is None


def escaped(text: str) -> str:
    """Return JSON with its control characters escaped.

    The data are the same, and nothing in it steers a terminal.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_as_escapes(c) if category(c) in _CONTROL else c for c in text)


def _as_escapes(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(
        f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2)
    )


def decoded(text: str) -> str:
    """Return the text as it was before it was escaped for HTML, JSON or a URL.

    Blanks that are written as ``+`` stay.
    """
    for _ in range(_ROUNDS):
        before = text
        text = _ESCAPED.sub(_unescaped, html.unescape(text))
        text = _PERCENT.sub(lambda found: unquote(found[0], errors="replace"), text)
        if text == before:
            break
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Concealer:
    """Hides values in texts.

    They are found in any case, composition and escaping, in Base64, and where a part is
    cut off.
    """

    def __init__(self, values: Iterable[str], *, words: bool = False) -> None:
        """Prepare to hide these values.

        With ``words``, the words of a value of few words are hidden by themselves too,
        such as a surname.
        """
        anywhere: set[str] = set()
        whole: set[str] = set()
        for form in _with_decoded(values):
            if _is_short(form):
                whole.update(_spellings(form))
            else:
                anywhere.update(_spellings(form))
            if words:
                whole.update(_words(form))
        self._hidden = tuple(
            _Hidden(text, whole=text not in anywhere)
            for text in anywhere | whole
            if text
        )
        self.longest = max((len(hidden.text) for hidden in self._hidden), default=0)
        """Characters of the longest value in its longest spelling."""

    def hide(self, text: str, sign: str) -> str:
        """Return the text, decoded, with ``sign`` in place of each value.

        A text without any value is returned unchanged.
        """
        plain = decoded(text)
        folded = _Folded(plain)
        spans = sorted(span for hidden in self._hidden for span in hidden.spans(folded))
        if not spans:
            return text
        pieces: list[str] = []
        end = 0
        for start, stop in spans:
            if stop <= end:
                continue
            if start >= end:
                pieces += [plain[end:start], sign]
            end = stop
        return "".join([*pieces, plain[end:]])


def _with_decoded(values: Iterable[str]) -> Iterable[str]:
    """Return the values as they are and decoded, each once."""
    forms: list[str] = []
    for value in values:
        forms += (value, decoded(value))
    return dict.fromkeys(forms)


def _is_short(value: str) -> bool:
    """Return whether a value is so short that it may be part of any word."""
    return value.isascii() and len(" ".join(value.split())) < _SHORT


class _Folded:
    """A text without the differences that are ignored.

    It remembers from where each of its characters comes.
    """

    def __init__(self, plain: str) -> None:
        self.plain = plain
        self.origins: list[int] = []
        characters: list[str] = []
        for index, character in enumerate(plain):
            for part in _fold(character):
                characters.append(part)
                self.origins.append(index)
        self.text = "".join(characters)
        signs = Counter(
            character for character in characters if not character.isalnum()
        )
        self.signs = tuple(sign for sign, _ in signs.most_common(_SIGNS))
        """Signs that may stand between all characters of a value, as in ``a_b_c``."""

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Return the position of these folded characters in the plain text.

        A plus sign before them and the accents that follow belong to it.
        """
        first, last = self.origins[start], self.origins[stop - 1] + 1
        while first > 0 and self.plain[first - 1] == "+":
            first -= 1
        while last < len(self.plain) and combining(self.plain[last]):
            last += 1
        return first, last

    def is_whole(self, span: tuple[int, int]) -> bool:
        """Return whether the span is not part of a longer word."""
        start, stop = span
        before, after = (
            self.plain[max(start - 1, 0) : start],
            self.plain[stop : stop + 1],
        )
        return not re.fullmatch(r"\w", before) and not re.fullmatch(r"\w", after)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """One spelling of a value, folded."""

    text: str
    whole: bool
    """True where only a whole word counts."""

    def spans(self, folded: _Folded) -> Iterator[tuple[int, int]]:
        """Yield the positions of the value in the plain text."""
        if self.whole or len(self.text) < _CUT:
            yield from self._spans_of_whole(folded)
            return
        for start, stop in self._parts(folded.text):
            span = folded.span(start, stop)
            # A few characters that are part of a longer word prove nothing.
            if stop - start >= _CUT or folded.is_whole(span):
                yield span
        yield from self._spans_of_spelled(folded)

    def _spans_of_whole(self, folded: _Folded) -> Iterator[tuple[int, int]]:
        """Yield the positions of the value in full."""
        for start, stop in _found(folded.text, self.text):
            span = folded.span(start, stop)
            if not self.whole or folded.is_whole(span):
                yield span

    def _spans_of_spelled(self, folded: _Folded) -> Iterator[tuple[int, int]]:
        """Yield the positions of the value with a sign between each two characters."""
        length = 2 * len(self.text) - 1
        if len(self.text) > _SPELLED or length > len(folded.text):
            return
        for sign in folded.signs:
            for start, stop in _found(folded.text, sign.join(self.text)):
                yield folded.span(start, stop)

    def _parts(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the positions of three fifths of the value or more.

        Wherever it is cut off, its middle is there.
        """
        value, size = self.text, len(self.text)
        least = -(-3 * size // 5)
        # Whatever part of three fifths is there, it contains this middle.
        left, right = size - least, least
        seed = value[left:right]
        stop = 0
        while (start := text.find(seed, stop)) >= 0:
            stop = start + len(seed)
            ahead = text[max(0, start - left) : start]
            before = _common_suffix(ahead, value[:left])
            after = _common_prefix(text[stop : stop + size], value[right:])
            if before + len(seed) + after >= least:
                stop += after
                yield start - before, stop
            else:
                stop = start + 1


def _common_prefix(one: str, other: str) -> int:
    """Return the number of first characters that two texts have in common."""
    number = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        number += 1
    return number


def _common_suffix(one: str, other: str) -> int:
    """Return the number of last characters that two texts have in common."""
    return _common_prefix(one[::-1], other[::-1])


def _found(text: str, value: str) -> Iterator[tuple[int, int]]:
    start = text.find(value)
    while start >= 0:
        yield start, start + len(value)
        start = text.find(value, start + 1)


@lru_cache(maxsize=8192)
def _fold(character: str) -> str:
    """Return a character as it is compared: small, without accents.

    Blanks, control characters and ``+`` (a blank in URLs) become empty.
    """
    parts = normalize("NFKD", normalize("NFKD", character).casefold())
    return "".join(
        c
        for c in parts
        if not (combining(c) or c.isspace() or c == "+" or category(c) in _CONTROL)
    )


def _folded(text: str) -> str:
    return "".join(map(_fold, text))


def _spellings(value: str) -> Iterator[str]:
    """Yield the value folded: as it is, in the wrong encoding, and encoded as bytes."""
    yield _folded(value)
    data = value.encode("utf-8", "replace")
    if not value.isascii():
        yield _folded(data.decode("latin-1"))
    if len(data) < _ENCODED:
        return
    yield data.hex()
    # Base64 encodes three bytes as four characters: what comes before the value in a
    # longer text moves its bits, in one of three ways. Only the characters that depend
    # on nothing but the value are compared.
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + data).decode()
        core = whole[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
        yield _folded(core)
        yield _folded(core.replace("+", "-").replace("/", "_"))


def _words(value: str) -> Iterator[str]:
    words = [word.strip(".,;:!?()[]'\"") for word in value.split()]
    if 1 < len(words) <= _FEW_WORDS:
        yield from (_folded(word) for word in words if _is_telling(word))


def _is_telling(word: str) -> bool:
    return (
        len(word) >= _NAMED and not word.isdigit() and word.casefold() not in _ORDINARY
    )


def _unescaped(found: re.Match[str]) -> str:
    for digits in found.groups()[:3]:
        if digits is not None:
            code = int(digits, 16)
            return chr(code) if code <= 0x10FFFF else " "
    letter = found[4]
    return letter if letter in "\"'/\\" else " "
