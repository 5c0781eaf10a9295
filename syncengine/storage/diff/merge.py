"""Compares two ordered streams of ``key TAB hash`` lines, as COPY writes them.

Pure: bytes in, ids out.
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
_ESCAPES = {
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}

Place: TypeAlias = tuple[int, bytes]
"""A key in its order: by number, or by its UTF-8 bytes."""


class Disordered(Exception):
    """Keys are not in the order that was asked for."""


@dataclass(slots=True)
class Side:
    """One of the two streams: the bytes that were read and not yet compared."""

    by_number: bool
    buffer: bytes = b""
    ended: bool = False
    lines: int = 0
    """Number of lines compared so far."""
    last: bytes = b""
    """The line compared last."""
    _last_place: Place | None = None
    """Place of that line, where it was needed."""

    @property
    def wants(self) -> bool:
        """Return whether to read on: no whole line is left, and the stream goes on."""
        return not self.ended and b"\n" not in self.buffer

    @property
    def exhausted(self) -> bool:
        return self.ended and not self.buffer

    def feed(self, block: bytes) -> None:
        """Append a block; an empty one ends the stream."""
        self.buffer += block
        self.ended = not block

    def whole_lines(self, reach: int) -> list[bytes]:
        """Return the whole lines among the first ``reach`` bytes.

        Where the first line is longer than that, it alone is returned.
        """
        cut = self.buffer.rfind(b"\n", 0, reach) + 1
        if cut == 0:
            cut = self.buffer.find(b"\n") + 1
        return self.buffer[:cut].split(b"\n")[:-1]

    def drop(self, lines: list[bytes]) -> None:
        """Drop lines that were compared, each with its line end."""
        self.buffer = self.buffer[sum(map(len, lines)) + len(lines) :]
        self.lines += len(lines)

    def skip(self, cut: int) -> None:
        """Drop a whole block, which ends with a line end at ``cut``."""
        self.lines += self.buffer.count(b"\n", 0, cut)
        last_line_at = self.buffer.rfind(b"\n", 0, cut - 1) + 1
        self.passed(self.buffer[last_line_at : cut - 1])
        self.buffer = self.buffer[cut:]

    def passed(self, line: bytes) -> None:
        """Note a line that the other side has too, and that so is in its place."""
        self.last = line
        # Worked out only if it is needed: most lines of a diff are equal.
        self._last_place = None

    def place(self, line: bytes) -> Place:
        key = line[: line.index(b"\t")]
        if self.by_number:
            return int(key), b""
        return 0, _unescaped(key)

    def follow(self, line: bytes) -> str:
        """Return the contact id of the next line. Raises Disordered."""
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

    Equal blocks are skipped whole: where nothing changed, no line is looked at.
    """

    def __init__(self, *, by_number: bool, everything: bool) -> None:
        self._everything = everything
        self.source = Side(by_number)
        self.state = Side(by_number)
        self.changes: list[str] = []
        self.removals: list[str] = []
        self.nulls = 0
        self.repeated: list[str] = []
        """Examples of keys that occur more than once."""

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
        i = j = 0
        while i < len(ours) and j < len(theirs):
            our_line, their_line = ours[i], theirs[j]
            if our_line == their_line:
                # Same key, same hash: in step.
                if self._everything:
                    self.changes.append(_contact_id(our_line))
                source.passed(our_line)
                state.passed(our_line)
                i += 1
                j += 1
                continue
            if our_line.startswith(_NULL_KEY):
                # It has no place. Only the source has such rows.
                self._source_alone(our_line)
                i += 1
                continue
            our_place = source.place(our_line)
            their_place = state.place(their_line)
            if our_place < their_place:
                self._source_alone(our_line)
                i += 1
            elif our_place > their_place:
                self.removals.append(state.follow(their_line))
                j += 1
            else:
                # Same key, another hash: the row has changed.
                self.changes.append(source.follow(our_line))
                state.passed(their_line)
                i += 1
                j += 1
        return i, j

    def _source_alone(self, line: bytes) -> None:
        """Take a source line without a state.

        It is a new contact, a row without a key, or one whose key occurs twice.
        """
        if line.startswith(_NULL_KEY):
            self.nulls += 1
            return
        key_and_tab = line[: line.index(b"\t") + 1]
        if not self.source.last.startswith(key_and_tab):
            self.changes.append(self.source.follow(line))
            return
        # The first row with this key was matched with the contact. This one follows it
        # directly, since the stream is ordered.
        contact_id = _contact_id(line)
        if len(self.repeated) < ENOUGH_EXAMPLES and contact_id not in self.repeated:
            self.repeated.append(contact_id)


def _contact_id(line: bytes) -> str:
    return _unescaped(line[: line.index(b"\t")]).decode()


def _unescaped(key: bytes) -> bytes:
    """Return the key itself, out of COPY's text format.

    Escapes do not sort as the characters that they stand for.
    """
    if b"\\" not in key:
        return key
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), key)
