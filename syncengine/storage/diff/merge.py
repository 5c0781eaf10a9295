"""Comparison of two ordered streams of ``key TAB hash`` lines, as COPY writes them.

Pure: bytes in, contact ids out. ``streams`` reads the blocks and feeds them. It is the
merge step of a merge sort: both sides are in the order of their keys, so whichever
side's key is smaller is missing on the other side.

    source    state     conclusion
    1 TAB a   1 TAB a   in step
    2 TAB b   2 TAB x   the row has changed
    3 TAB c             a new contact
              4 TAB d   a removed contact

Blocks end anywhere, so that the last line of one is often incomplete: it stays in the
buffer until the rest of it has come. Two things make it fast in plain Python: equal
stretches are compared as bytes, without splitting them into lines, and a key is only
worked out where two lines differ.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

ENOUGH_EXAMPLES = 5
"""Number of repeated keys after which a diff ends: no message names more."""
_NULL_KEY = b"\\N\t"
"""Beginning of a line whose key is NULL."""
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
# The escapes of COPY's text format (Postgres documentation of COPY, "Text Format"). Any
# other escaped character stands for itself.
_ESCAPES = {
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}

Place: TypeAlias = tuple[int, bytes]
"""Place of a key in the order of both streams: ``(number, b"")`` in that of integers,
``(0, key)`` in that of UTF-8 bytes. One type for both, so that places are compared
without asking which order it is."""


class Disordered(Exception):
    """Keys are not in the order that was asked for."""


@dataclass(slots=True)
class Side:
    """One of the two streams: the bytes that were read and not yet compared."""

    by_number: bool
    """True where keys are integers in their order; else they are ordered as bytes."""
    buffer: bytes = b""
    """Begins with a whole line, or a part of one that is still being read."""
    ended: bool = False
    lines: int = 0
    """Number of lines compared so far."""
    last: bytes = b""
    """The line compared last."""
    _last_place: Place | None = None
    """Place of that line; None until it is needed."""

    @property
    def wants(self) -> bool:
        """True where no whole line is left, and the stream goes on."""
        return not self.ended and b"\n" not in self.buffer

    @property
    def exhausted(self) -> bool:
        """True where the stream has ended and all of it was compared."""
        return self.ended and not self.buffer

    def feed(self, block: bytes) -> None:
        """Append a block; an empty one ends the stream."""
        self.buffer += block
        self.ended = not block

    def whole_lines(self, reach: int) -> list[bytes]:
        """Return the whole lines, without line ends, of the first ``reach`` bytes.

        Where the first line is longer than that, it alone is returned: a merge that
        was given nothing would not go on.
        """
        # ``find`` returns -1 where there is no line end, so that ``cut`` is 0 then.
        cut = self.buffer.rfind(b"\n", 0, reach) + 1
        if cut == 0:
            cut = self.buffer.find(b"\n") + 1
        lines = self.buffer[:cut].split(b"\n")
        # Behind the last line end, ``split`` finds an empty line.
        return lines[:-1]

    def drop(self, lines: list[bytes]) -> None:
        """Drop lines that were compared from the front of the buffer."""
        line_ends = len(lines)
        cut = sum(map(len, lines)) + line_ends
        self.buffer = self.buffer[cut:]
        self.lines += len(lines)

    def skip(self, cut: int) -> None:
        """Drop the lines before ``cut``, the place behind one of the line ends."""
        self.lines += self.buffer.count(b"\n", 0, cut)
        # The last line begins behind the line end before its own.
        last_line_at = self.buffer.rfind(b"\n", 0, cut - 1) + 1
        self.passed(self.buffer[last_line_at : cut - 1])
        self.buffer = self.buffer[cut:]

    def passed(self, line: bytes) -> None:
        """Note a line whose key the other side has too.

        Its order need not be checked: what both sides have is missing on neither.
        """
        self.last = line
        # Worked out only if it is needed: most lines of a diff are equal.
        self._last_place = None

    def place(self, line: bytes) -> Place:
        """Return the place of a line's key in the order of both streams."""
        key = line[: line.index(b"\t")]
        if self.by_number:
            return int(key), b""
        return 0, _unescaped(key)

    def follow(self, line: bytes) -> str:
        """Return the contact id of a line that only one side has.

        Raises Disordered where it does not come behind the line before it.
        """
        place = self.place(line)
        if self.last:
            last_place = self._last_place or self.place(self.last)
            # In any other order the merge would silently miss contacts, and take
            # others for removed.
            if place <= last_place:
                raise Disordered
        self.last = line
        self._last_place = place
        return _contact_id(line)


class Merge:
    """A merge of the source's lines with the state's, fed block by block.

    The caller feeds both sides, calls ``compare``, and takes ``changes`` and
    ``removals`` out, until both sides are exhausted.
    """

    def __init__(self, *, by_number: bool, everything: bool) -> None:
        """Begin a merge; with ``everything``, rows that are in step are changes too."""
        self._everything = everything
        self.source = Side(by_number)
        self.state = Side(by_number)
        self.changes: list[str] = []
        """Ids of contacts that are new, or whose row has changed."""
        self.removals: list[str] = []
        """Ids of contacts that the source does not have any more."""
        self.nulls = 0
        """Number of source rows without a key."""
        self.repeated: list[str] = []
        """Examples of keys that occur more than once in the source."""

    def compare(self) -> None:
        """Compare the blocks as far as the shorter side reaches. Raises Disordered."""
        source, state = self.source, self.state
        if not self._everything:
            self._skip_equal()
        if state.exhausted:
            lines = source.whole_lines(len(source.buffer))
            for line in lines:
                self._source_alone(line)
            source.drop(lines)
        elif source.exhausted:
            lines = state.whole_lines(len(state.buffer))
            self.removals += [state.follow(line) for line in lines]
            state.drop(lines)
        else:
            # No further than the shorter side: lines that are not used now would be
            # split again at the next call.
            reach = min(len(source.buffer), len(state.buffer))
            ours = source.whole_lines(reach)
            theirs = state.whole_lines(reach)
            used_of_ours, used_of_theirs = self._walk(ours, theirs)
            source.drop(ours[:used_of_ours])
            state.drop(theirs[:used_of_theirs])

    def _skip_equal(self) -> None:
        """Skip the lines that both sides begin with, without splitting them.

        One comparison of bytes stands for thousands of lines: on an ordinary night,
        that is nearly all of the work.
        """
        ours, theirs = self.source.buffer, self.state.buffer
        cut = ours.rfind(b"\n", 0, min(len(ours), len(theirs))) + 1
        if cut and ours[:cut] == theirs[:cut]:
            self.source.skip(cut)
            self.state.skip(cut)

    def _walk(self, ours: list[bytes], theirs: list[bytes]) -> tuple[int, int]:
        """Compare line by line to the end of one side.

        Returns the number of lines of each side that were used.
        """
        source, state = self.source, self.state
        our_count = their_count = 0
        while our_count < len(ours) and their_count < len(theirs):
            our_line = ours[our_count]
            their_line = theirs[their_count]
            if our_line == their_line:
                # Same key, same hash: in step.
                if self._everything:
                    self.changes.append(_contact_id(our_line))
                source.passed(our_line)
                state.passed(our_line)
                our_count += 1
                their_count += 1
                continue
            if our_line.startswith(_NULL_KEY):
                # It has no place. Only the source has such rows.
                self._source_alone(our_line)
                our_count += 1
                continue
            our_place = source.place(our_line)
            their_place = state.place(their_line)
            if our_place < their_place:
                self._source_alone(our_line)
                our_count += 1
            elif our_place > their_place:
                self.removals.append(state.follow(their_line))
                their_count += 1
            else:
                # Same key, another hash: the row has changed.
                self.changes.append(source.follow(our_line))
                state.passed(their_line)
                our_count += 1
                their_count += 1
        return our_count, their_count

    def _source_alone(self, line: bytes) -> None:
        """Take a line of the source whose key the state does not have at this place.

        It is a new contact, a row without a key, or one whose key occurs twice.
        """
        if line.startswith(_NULL_KEY):
            self.nulls += 1
            return
        key_and_tab = line[: line.index(b"\t") + 1]
        if not self.source.last.startswith(key_and_tab):
            self.changes.append(self.source.follow(line))
            return
        # Another row has the same key. It came directly before, since the stream is
        # ordered, and was taken for the contact.
        contact_id = _contact_id(line)
        if len(self.repeated) < ENOUGH_EXAMPLES and contact_id not in self.repeated:
            self.repeated.append(contact_id)


def _contact_id(line: bytes) -> str:
    return _unescaped(line[: line.index(b"\t")]).decode()


def _unescaped(key: bytes) -> bytes:
    """Return the key itself, out of COPY's text format.

    Keys are compared unescaped: escapes do not sort as the characters that they stand
    for.
    """
    if b"\\" not in key:
        return key
    return _ESCAPED.sub(_unescaped_character, key)


def _unescaped_character(escape: re.Match[bytes]) -> bytes:
    character = escape[1]
    return _ESCAPES.get(character, character)
