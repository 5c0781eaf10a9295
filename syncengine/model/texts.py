r"""Foreign texts made fit to be shown, stored or logged.

Two jobs. Control characters are taken out, so that nothing steers a terminal
(``printable``, ``escaped``). And values that are to stay hidden, such as keys or a
contact's phone, are replaced in the messages of vendors and databases (``Concealer``).

Hiding goes beyond a search for the value, because what repeats it seldom repeats it as
it was. A vendor that was sent ``Zoë Müller`` may answer with any of these::

    zoë müller is invalid         small letters
    ZOE\u0308 MU\u0308LLER          accents apart from their letters, escaped as JSON
    Zo%C3%AB+M%C3%BCller          percent-encoded in a URL
    ZoÃ« MÃ¼ller                  UTF-8 read as Latin-1
    Wm/DqyBNw7xsbGVy              Base64
    Zoë Müll...                   cut off

So text and value are first *decoded* (escapes undone), then *folded* (small letters,
no accents, no blanks), and each value is searched in all its *spellings*. A ``_Folded``
text remembers where its characters came from, so that the right part of the original is
replaced. When in doubt too much is hidden, never too little.
"""

from __future__ import annotations

import base64
import html
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from unicodedata import category, combining, normalize
from urllib.parse import unquote

_ROUNDS = 3
"""Number of escapes around each other that are undone, as in a URL within JSON."""
_HEX = "[0-9a-fA-F]"
_ESCAPED = re.compile(
    rf"\\(?:U(000{_HEX}{{5}})|[uU]({_HEX}{{4}})|x({_HEX}{{2}})|(['\"/\\bfnrt]))"
)
"""Escapes of JSON and Python. Groups 1 to 3 are a character's number in hexadecimal
digits, group 4 is the letter of a short escape, as in ``\\n``."""
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2})+")
_Span: TypeAlias = tuple[int, int]
"""Start and end of a part of a text, as in a slice."""

_SHORT = 4
"""Values shorter than this, folded, are hidden as whole words only: ``1``, ``de`` or
``é`` would else hide most of the sentence."""
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
"""NUL, which Postgres refuses in text, and halves of surrogate pairs."""
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
    characters: list[str] = []
    for character in text:
        is_shown = character in kept or category(character) not in _CONTROL
        characters.append(character if is_shown else " ")
    return "".join(characters)


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
    r"""Return a character as JSON escapes it: ``\u001b``, or a pair of surrogates."""
    units = character.encode("utf-16-be", "surrogatepass")
    escapes: list[str] = []
    for start in range(0, len(units), 2):
        code_unit = units[start : start + 2]
        escapes.append(f"\\u{code_unit.hex()}")
    return "".join(escapes)


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
    # JSON writes a character beyond U+FFFF as two escapes: UTF-16 joins the halves.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Concealer:
    """Hides values in texts.

    They are found in any case, composition and escaping, in Base64, and where a part is
    cut off. Preparing it is dear, so one is kept for values that do not change, such as
    the secrets of a configuration.
    """

    def __init__(self, values: Iterable[str], *, words: bool = False) -> None:
        """Prepare to hide these values.

        With ``words``, the words of a value of few words are hidden by themselves too,
        such as a surname.
        """
        hidden_anywhere: set[str] = set()
        hidden_as_words: set[str] = set()
        for form in _with_decoded(values):
            # Blanks are left out where a value is folded, and count all the same.
            may_be_short = len(" ".join(form.split())) < _SHORT
            for spelling in _spellings(form):
                if may_be_short and _is_short(spelling):
                    hidden_as_words.add(spelling)
                else:
                    hidden_anywhere.add(spelling)
            if words:
                hidden_as_words.update(_words(form))
        self._hidden = tuple(
            _Hidden(text, whole=text not in hidden_anywhere)
            for text in hidden_anywhere | hidden_as_words
            if text
        )
        lengths = [len(hidden.text) for hidden in self._hidden]
        self.longest = max(lengths, default=0)
        """Characters of the longest value in its longest spelling: whoever cuts a text
        before it is hidden keeps that many more."""

    def hide(self, text: str, sign: str, names: Collection[str] = ()) -> str:
        """Return the text, decoded, with ``sign`` in place of each value.

        A text without any value is returned unchanged. ``names`` are words that stay as
        they are spelled here, though a value is the same or holds them. Where the rest
        of a longer value stands around one, all of it is hidden.
        """
        plain = decoded(text)
        folded = _Folded(plain)
        kept = folded.whole_words(names)
        spans: list[_Span] = []
        for hidden in self._hidden:
            spans += (span for span in hidden.spans(folded) if not _is_in(span, kept))
        if not spans:
            return text
        return _replaced(plain, sorted(spans), sign)


def _replaced(text: str, spans: Iterable[_Span], sign: str) -> str:
    """Return a text with ``sign`` in place of each span.

    Spans come sorted by their start. Those that overlap get one sign.
    """
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        if stop <= end:
            # It lies inside the spans before it.
            continue
        if start >= end:
            pieces += [text[end:start], sign]
        end = stop
    return "".join([*pieces, text[end:]])


def _is_in(span: _Span, others: Iterable[_Span]) -> bool:
    """Return whether a span lies inside one of the others, or is the same."""
    return any(start <= span[0] and span[1] <= stop for start, stop in others)


def _with_decoded(values: Iterable[str]) -> Iterable[str]:
    """Return the values as they are and decoded, each once."""
    forms: list[str] = []
    for value in values:
        forms += (value, decoded(value))
    return dict.fromkeys(forms)


def _is_short(spelling: str) -> bool:
    """Return whether a folded value is so short that it may be part of any word.

    Two Chinese characters are a name, and have no blanks around them. So this is about
    ASCII, and about letters that are large or small, whose scripts part their words.
    """
    if len(spelling) >= _SHORT:
        return False
    return all(each.isascii() or each.upper() != each for each in spelling)


class _Folded:
    """A text without the differences that are ignored.

    Of ``Zoë M.`` the folded ``text`` is ``zoem.``; ``origins`` are ``[0, 1, 2, 4, 5]``,
    the index in ``plain`` of each folded character.
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

    def span(self, start: int, stop: int) -> _Span:
        """Return the position in the plain text of ``self.text[start:stop]``.

        A plus sign before them and the accents that follow belong to it.
        """
        first, last = self.origins[start], self.origins[stop - 1] + 1
        while first > 0 and self.plain[first - 1] == "+":
            first -= 1
        while last < len(self.plain) and combining(self.plain[last]):
            last += 1
        return first, last

    def whole_words(self, names: Iterable[str]) -> list[_Span]:
        """Return the positions of these names, in their own spelling, as whole words."""
        found: list[_Span] = []
        for name in names:
            spans = _found(self.plain, name) if name else ()
            found += (span for span in spans if self.is_whole(span))
        return found

    def is_whole(self, span: _Span) -> bool:
        """Return whether the span is not part of a longer word."""
        start, stop = span
        while start > 0 and combining(self.plain[start - 1]):
            # The letter under an accent stands before it.
            start -= 1
        # Each is one character, or empty at an end of the text.
        before = self.plain[max(start - 1, 0) : start]
        after = self.plain[stop : stop + 1]
        return not re.fullmatch(r"\w", before) and not re.fullmatch(r"\w", after)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """One spelling of a value, folded."""

    text: str
    whole: bool
    """True where only a whole word counts."""

    def spans(self, folded: _Folded) -> Iterator[_Span]:
        """Yield the positions of the value in the plain text; some may overlap."""
        if self.whole or len(self.text) < _CUT:
            yield from self._spans_of_whole(folded)
            return
        for start, stop in self._parts(folded.text):
            span = folded.span(start, stop)
            # A few characters that are part of a longer word prove nothing.
            if stop - start >= _CUT or folded.is_whole(span):
                yield span
        yield from self._spans_of_spelled(folded)

    def _spans_of_whole(self, folded: _Folded) -> Iterator[_Span]:
        """Yield the positions of the value in full, with no part of it cut off."""
        for start, stop in _found(folded.text, self.text):
            span = folded.span(start, stop)
            if not self.whole or folded.is_whole(span):
                yield span

    def _spans_of_spelled(self, folded: _Folded) -> Iterator[_Span]:
        """Yield the positions of the value with a sign between each two characters."""
        spelled_length = 2 * len(self.text) - 1
        if len(self.text) > _SPELLED or spelled_length > len(folded.text):
            return
        for sign in folded.signs:
            for start, stop in _found(folded.text, sign.join(self.text)):
                yield folded.span(start, stop)

    def _parts(self, text: str) -> Iterator[_Span]:
        """Yield the positions in a folded text of three fifths of the value or more.

        Any part as long as that contains the middle fifth, wherever the value was cut
        off. So the middle is searched, and what stands around it is compared with the
        rest of the value::

            value   0123456789     least 6, middle 45
            text    ..34567890..   before it 3, behind it 67: a part of 5 is too short
        """
        value, size = self.text, len(self.text)
        least = -(-3 * size // 5)  # three fifths, rounded up
        middle_start, middle_stop = size - least, least
        middle = value[middle_start:middle_stop]
        start = text.find(middle)
        while start >= 0:
            stop = start + len(middle)
            ahead = text[max(0, start - middle_start) : start]
            before = _common_suffix(ahead, value[:middle_start])
            after = _common_prefix(text[stop : stop + size], value[middle_stop:])
            if before + len(middle) + after >= least:
                stop += after
                yield start - before, stop
                start = text.find(middle, stop)
            else:
                start = text.find(middle, start + 1)


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


def _found(text: str, value: str) -> Iterator[_Span]:
    """Yield every position of a value in a text, also where they overlap."""
    start = text.find(value)
    while start >= 0:
        yield start, start + len(value)
        start = text.find(value, start + 1)


@lru_cache(maxsize=8192)
def _fold(character: str) -> str:
    """Return a character as it is compared: small, without accents.

    Blanks, control characters and ``+`` (a blank in URLs) become empty, a ligature or
    ``ß`` several characters.
    """
    # Once more behind casefold, which composes some characters again.
    parts = normalize("NFKD", normalize("NFKD", character).casefold())
    return "".join(part for part in parts if not _is_ignored(part))


def _is_ignored(character: str) -> bool:
    """Return whether a character makes no difference between two spellings."""
    if character == "+" or character.isspace():
        return True
    is_accent = combining(character) != 0
    return is_accent or category(character) in _CONTROL


def _folded(text: str) -> str:
    return "".join(map(_fold, text))


def _spellings(value: str) -> Iterator[str]:
    """Yield the value folded: as it is, as Latin-1, in hexadecimal and in Base64."""
    yield _folded(value)
    data = value.encode("utf-8", "replace")
    if not value.isascii():
        yield _folded(data.decode("latin-1"))
    if len(data) < _ENCODED:
        return
    yield data.hex()
    # Base64 encodes three bytes as four characters of six bits: what comes before the
    # value in a longer text moves its bits, in one of three ways. Only the characters
    # that depend on nothing but the value are compared.
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + data).decode()
        first = -(
            -shift * 8 // 6
        )  # rounded up: this character has bits of the value only
        end = (shift + len(data)) * 8 // 6
        core = encoded[first:end]
        yield _folded(core)
        url_safe = core.replace("+", "-").replace("/", "_")
        yield _folded(url_safe)


def _words(value: str) -> Iterator[str]:
    """Yield the telling words of a value of few words, such as a full name, folded."""
    words = [word.strip(".,;:!?()[]'\"") for word in value.split()]
    if 1 < len(words) <= _FEW_WORDS:
        yield from (_folded(word) for word in words if _is_telling(word))


def _is_telling(word: str) -> bool:
    """Return whether a word may identify a person by itself."""
    if len(word) < _NAMED or word.isdigit():
        return False
    return word.casefold() not in _ORDINARY


def _unescaped(found: re.Match[str]) -> str:
    """Return the character that an escape stands for; a blank for a control one."""
    for digits in found.groups()[:3]:
        if digits is not None:
            code = int(digits, 16)
            return chr(code) if code <= 0x10FFFF else " "
    letter = found[4]
    return letter if letter in "\"'/\\" else " "
