"""The view of runs under way: a few lines for each destination.

    whatsapp_de  ━━━━━━━━━━━━━━━━───────────  12,345 of 22,860  1 h 12 min left
      12,000 applied · 300 rejected · 45 deferred · 198 of 200 calls a minute
      invalid_phone 211 · http_422 80
      waits 25 s: the vendor refused requests for its rate limit

``run`` shows it of its own runs, and ``watch`` of those that others have started. No
line is wider than the terminal. Where the lines of all destinations are too many, only
the first line of each is shown, those of runs under way first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.text import Text

from syncengine.app.counted import counted
from syncengine.cli.rendering.layout import duration
from syncengine.model.progress import (
    RunSnapshot,
    RunWait,
    WaitReason,
    limit_in_words,
)

_GAP = 2
"""Columns between the parts of a line."""
_INDENT = 2
"""Columns in front of the lines below a destination's first one."""
_LEAST_BAR = 10
"""Columns of a bar; with fewer left, there is none."""
_LONGEST_BAR = 60
_MOST_CODES = 3
"""Codes that are named; the others are numbered."""
_LEAST_SECONDS = 5.0
"""Seconds of a run before its calls a minute say anything."""
_LONGEST_MINUTE = 600.0
"""Seconds of the longest window for which calls a minute are compared with a limit."""

_GOOD = "green"
"""Colour of contacts that are as they should be."""
_STYLES = {
    "applied": _GOOD,
    "compared": _GOOD,
    "looked_up": _GOOD,
    "rejected": "red",
    "unknown": "red",
    "deferred": "yellow",
    "unsupported": "cyan",
    "suppressed": "cyan",
    "gone": "cyan",
    "probed": "cyan",
}
"""Colours by outcome, in their order. Numbers say the same without them."""
_IN_STEP = "in step"
"""Name of the contacts that are through and have no outcome: nothing differed."""
_REST = "bright_black"
_QUIET = "bright_black"

_WAITS = {
    WaitReason.THROTTLED: "the vendor refused requests for its rate limit",
    WaitReason.LIMIT_NEAR: "the vendor's answers say that no request is left",
    WaitReason.QUOTA: "the quota is used up",
    WaitReason.OUTAGE: "the vendor does not answer as it should; it is tried again",
    WaitReason.DATABASE: "the database of the state is away",
}


@dataclass(frozen=True, slots=True)
class LiveRow:
    """One destination in the view."""

    destination: str
    snapshot: RunSnapshot | None = None
    """None where nothing is known of its progress."""
    state: str = ""
    """In place of the time left: how it ended, or why there is nothing to see."""
    state_style: str = ""
    note: str = ""
    """Something that a person should know, in a line of its own."""
    note_style: str = ""
    is_over: bool = False


class LiveRows:
    """The view of several destinations, within the width and height of a console."""

    def __init__(
        self, rows: Sequence[LiveRow], *, footer: str = "", height: int | None = None
    ) -> None:
        """Take the rows; without a height all of them are shown whole."""
        self._rows = rows
        self._footer = footer
        self._height = height

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        page = _LiveLayout(self._rows, options.max_width, ascii_only=options.ascii_only)
        lines = page.lines(self._height_for_rows)
        if self._footer:
            if self._height is None or len(lines) + 2 <= self._height:
                lines.append(Text())
            lines.append(page.cut(Text(self._footer, _QUIET)))
        yield Group(*lines)

    @property
    def _height_for_rows(self) -> int | None:
        if self._height is None:
            return None
        if self._footer:
            return max(1, self._height - 1)
        return max(1, self._height)


@dataclass(frozen=True, slots=True)
class _Signs:
    """Signs that lines are made of, by what the terminal can print."""

    done: str
    left: str
    dots: str
    between: str


_ASCII = _Signs(done="=", left="-", dots="..", between=", ")
_DRAWN = _Signs(done="━", left="─", dots="…", between=" · ")


class _LiveLayout:
    """Lays rows out for a width."""

    def __init__(
        self, rows: Sequence[LiveRow], width: int, *, ascii_only: bool
    ) -> None:
        self._rows = rows
        # The last column stays free: some terminals wrap once it is written.
        self._width = max(1, width - 1)
        self._signs = _ASCII if ascii_only else _DRAWN
        # Columns are as wide as their widest cell, so that bars begin and end alike.
        names = [row.destination for row in rows]
        self._label = min(_widest(names), max(12, self._width // 4))
        self._numbers_width = _widest([_numbers(row) for row in rows])
        # The state of a row without numbers stands where others have their bar.
        states = [_state(row) for row in rows if _numbers(row)]
        self._state_width = _widest(states)

    def lines(self, height: int | None) -> list[Text]:
        """Return the lines of all rows, or as much of them as the height has."""
        blocks = [self._block(row) for row in self._rows]
        whole = [line for block in blocks for line in block]
        # From the roomiest layout to the tightest, the first that fits.
        if height is None or len(whole) + len(blocks) <= height:
            return _apart(blocks)
        if len(whole) <= height:
            return whole
        # Under way first, so that these are not the ones that are left out.
        rows = sorted(self._rows, key=_is_over)
        if len(rows) <= height:
            return self._with_some_details(height)
        shown = height - 1
        heads = [self._head(row, is_alone=True) for row in rows[:shown]]
        hidden = rows[shown:]
        through = sum(row.is_over for row in hidden)
        rest = f"and {len(hidden)} more: {len(hidden) - through} under way, "
        return [*heads, self.cut(Text(f"{rest}{through} through", _QUIET))]

    def _with_some_details(self, height: int) -> list[Text]:
        """Return the first line of every row, and all of the first rows' lines."""
        # Every row has its first line; what is left of the height goes to details.
        room = height - len(self._rows)
        lines: list[Text] = []
        for row in self._rows:
            block = self._block(row)
            if len(block) - 1 > room or row.is_over:
                block = [self._head(row, is_alone=True)]
            room -= len(block) - 1
            lines += block
        return lines

    def cut(self, line: Text) -> Text:
        """Return a line that is no wider than the page."""
        line.no_wrap = True
        line.truncate(self._width, overflow="ellipsis")
        return line

    def _block(self, row: LiveRow) -> list[Text]:
        """Return all lines of a row."""
        return [self._head(row), *map(self._indented, self._details(row))]

    def _head(self, row: LiveRow, *, is_alone: bool = False) -> Text:
        """Return the first line: name, bar, numbers, and time left.

        Where it ``is_alone``, a wait takes the place of the time left.
        """
        name = self._shortened(row.destination, self._label)
        head = Text(set_cell_size(name, self._label), "bold", end="")
        line = Text(no_wrap=True)
        line.append_text(head)
        if row.snapshot is None or row.snapshot.total is None:
            style = row.state_style or _QUIET
            line.append(" " * _GAP).append(_state(row), style)
            return self.cut(line)
        bar_room = self._room_for_bar()
        if bar_room >= _LEAST_BAR:
            line.append(" " * _GAP).append_text(self._bar(row.snapshot, bar_room))
        numbers = _numbers(row).rjust(self._numbers_width)
        line.append(" " * _GAP).append(numbers)
        state, style = _state(row), row.state_style
        if is_alone and row.snapshot.waiting and not row.is_over:
            state, style = _short_wait(row.snapshot.waiting), "yellow"
        line.append(" " * _GAP).append(state.rjust(self._state_width), style)
        line.rstrip()
        return self.cut(line)

    def _room_for_bar(self) -> int:
        """Return the columns that the other parts of a line leave to the bar."""
        room = self._width - self._label - self._numbers_width - 2 * _GAP
        if self._state_width:
            room -= self._state_width + _GAP
        return min(room, _LONGEST_BAR)

    def _bar(self, snapshot: RunSnapshot, width: int) -> Text:
        """Return the bar of the contacts that are through, by outcome."""
        bar = Text(end="")
        for cells, style in bar_cells(snapshot, width):
            bar.append(self._signs.done * cells, style)
        cells_left = width - cell_len(bar.plain)
        bar.append(self._signs.left * cells_left, _REST)
        return bar

    def _details(self, row: LiveRow) -> Iterator[Text]:
        snapshot = row.snapshot
        if snapshot is not None and snapshot.total is not None:
            parts = [*_outcome_parts(snapshot), *_call_parts(snapshot, row)]
            yield from self._flow(parts)
            codes = _code_parts(snapshot.codes)
            yield from self._flow(codes)
        if snapshot is not None and snapshot.waiting and not row.is_over:
            yield from self._wrapped(_wait_in_words(snapshot.waiting), "yellow")
        if row.note:
            yield from self._wrapped(row.note, row.note_style)

    def _wrapped(self, text: str, style: str) -> list[Text]:
        return self._flow([Text(word, style) for word in text.split()], " ")

    def _flow(self, parts: Iterable[Text], between: str | None = None) -> list[Text]:
        """Return the parts in as few lines as they need."""
        separator = between or self._signs.between
        room = self._width - _INDENT
        lines: list[Text] = []
        for part in parts:
            needed = len(separator) + part.cell_len
            if lines and lines[-1].cell_len + needed <= room:
                lines[-1].append(separator, _QUIET).append_text(part)
            else:
                lines.append(Text().append_text(part))
        return lines

    def _indented(self, line: Text) -> Text:
        return self.cut(Text(" " * _INDENT).append_text(line))

    def _shortened(self, name: str, width: int) -> str:
        """Return a name cut in its middle: often names differ only at their ends."""
        if cell_len(name) <= width:
            return name
        kept = max(0, width - len(self._signs.dots))
        from_end = kept // 2
        begin = set_cell_size(name, kept - from_end)
        end = name[len(name) - from_end :]
        return f"{begin}{self._signs.dots}{end}"


def _widest(texts: Sequence[str]) -> int:
    """Return the columns of the widest text; 0 without texts."""
    return max(map(cell_len, texts), default=0)


def _numbers(row: LiveRow) -> str:
    """Return ``12,345 of 22,860``; nothing before the contacts are known."""
    snapshot = row.snapshot
    if snapshot is None or snapshot.total is None:
        return ""
    total = f"{snapshot.total:,}"
    # Padded, since the line would move with each digit that is added.
    done = f"{snapshot.done:,}".rjust(len(total))
    return f"{done} of {total}"


def _apart(blocks: Sequence[Sequence[Text]]) -> list[Text]:
    """Return the lines with an empty one around each block of several lines."""
    lines: list[Text] = []
    before = 1
    for block in blocks:
        if lines and max(before, len(block)) > 1:
            lines.append(Text())
        lines += block
        before = len(block)
    return lines


def _is_over(row: LiveRow) -> bool:
    return row.is_over


def _state(row: LiveRow) -> str:
    """Return the end of a row's first line: the state, or the time left."""
    snapshot = row.snapshot
    if row.state or snapshot is None:
        return row.state
    if row.is_over:
        return f"in {duration(snapshot.seconds)}"
    if snapshot.total is None:
        return f"preparing, {duration(snapshot.seconds)}"
    return _time_left(snapshot)


def _time_left(snapshot: RunSnapshot) -> str:
    left = snapshot.seconds_left
    if left is None or left < 1:
        return ""
    return f"{_roughly(left)} left"


def _roughly(seconds: float) -> str:
    """Return an estimate without digits that would change all the time."""
    # The coarser, the longer: nobody believes the minutes of an estimate of days.
    if seconds >= 2 * 86400:
        hours = round(seconds / 3600)
        return f"{hours // 24} d {hours % 24} h"
    if seconds >= 3600:
        return duration(seconds)
    if seconds >= 600:
        return f"{seconds / 60:.0f} min"
    if seconds < 60:
        return duration(seconds)
    minutes, rest = divmod(10 * round(seconds / 10), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def bar_cells(snapshot: RunSnapshot, width: int) -> list[tuple[int, str]]:
    """Return the cells of a bar by colour; the rest of the width is not through yet.

    What fell short has one cell at least: a single refusal in a million is seen.
    """
    total = snapshot.total or 0
    through = floor(width * snapshot.done / total) if total else width
    if snapshot.done:
        through = max(1, through)
    cells: list[tuple[int, str]] = []
    left = through
    for name, style in _STYLES.items():
        number = snapshot.outcomes.get(name, 0)
        if not number or style == _GOOD:
            continue
        share = max(1, round(width * number / max(1, total)))
        taken = min(share, left)
        left -= taken
        cells.append((taken, style))
    # All others are as they should be.
    return [(left, _GOOD), *cells]


def _outcome_parts(snapshot: RunSnapshot) -> Iterator[Text]:
    """Yield the contacts by outcome."""
    for name, style in _STYLES.items():
        number = snapshot.outcomes.get(name, 0)
        if number:
            yield Text(f"{number:,} {name.replace('_', ' ')}", style)
    in_step = snapshot.done - sum(snapshot.outcomes.values())
    if in_step > 0:
        yield Text(f"{in_step:,} {_IN_STEP}", _GOOD)


def _call_parts(snapshot: RunSnapshot, row: LiveRow) -> Iterator[Text]:
    """Yield the requests: of the last minute against the limit, or all at the end."""
    if row.is_over:
        yield Text(counted(snapshot.requests, "call", "calls"))
        return
    if snapshot.seconds < _LEAST_SECONDS:
        return
    pace = _calls_a_minute(snapshot)
    limit = snapshot.limit
    if limit is None:
        yield Text(f"{pace:,} calls a minute")
    elif limit.per > _LONGEST_MINUTE or limit.counts_items:
        yield Text(f"{pace:,} calls a minute")
        yield Text(f"limit {limit_in_words(limit)}")
    else:
        # The last minute is counted in whole seconds, and may be a little longer than
        # the minute of the limit: 201 of 200 would look like a fault.
        most = round(60 * limit.most / limit.per)
        yield Text(f"{min(pace, most):,} of {most:,} calls a minute")


def _calls_a_minute(snapshot: RunSnapshot) -> int:
    """Return the requests of the last minute; of a younger run, at its pace so far."""
    # A younger run has no full minute: its few requests are brought to a minute.
    if snapshot.seconds >= 60:
        return snapshot.last_minute
    return round(60 * snapshot.last_minute / snapshot.seconds)


def _code_parts(codes: Mapping[str, int]) -> Iterator[Text]:
    """Yield the most frequent codes with their numbers, and the number of others."""
    frequent = sorted(codes.items(), key=_by_number)
    for code, number in frequent[:_MOST_CODES]:
        yield Text(f"{code} {number:,}", "red")
    others = len(frequent) - _MOST_CODES
    if others > 0:
        yield Text(counted(others, "other code", "other codes"), _QUIET)


def _by_number(entry: tuple[str, int]) -> tuple[int, str]:
    code, number = entry
    return -number, code


def _wait_in_words(wait: RunWait) -> str:
    # The reason may be one of a newer release, which has no words here.
    reason = _WAITS.get(wait.reason, wait.reason.value)
    return f"{_short_wait(wait)}: {reason}"


def _short_wait(wait: RunWait) -> str:
    if wait.seconds is None:
        return "waits"
    # Rounded down, half a second would read "waits 0 s".
    return f"waits {duration(max(1.0, wait.seconds))}"


def progress_line(destination: str, snapshot: RunSnapshot) -> str:
    """Return the progress in one line, for logs and pipes."""
    if snapshot.total is None:
        seconds = duration(snapshot.seconds)
        return f"{destination}: preparing, {seconds}"
    done, total = snapshot.done, snapshot.total
    share = floor(100 * done / total) if total else 100
    row = LiveRow(destination, snapshot)
    parts = [f"{done:,} of {total:,} contacts ({share} %)"]
    parts += [part.plain for part in _outcome_parts(snapshot)]
    parts += [part.plain for part in _call_parts(snapshot, row)]
    parts += [part.plain for part in _code_parts(snapshot.codes)]
    if snapshot.waiting:
        parts.append(_wait_in_words(snapshot.waiting))
    if left := _time_left(snapshot):
        parts.append(f"about {left}")
    return f"{destination}: {', '.join(parts)}"
