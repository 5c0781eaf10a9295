"""``syncengine watch``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Literal, Protocol, TypeAlias

from cyclopts import Parameter
from rich.live import Live

from syncengine.app.verbs.watch import WatchedMoment
from syncengine.app.verbs.watch import watch as watched_moments
from syncengine.cli import exits
from syncengine.cli.engine import logging_events
from syncengine.cli.options import Destinations, Flag, chosen_format, options
from syncengine.cli.rendering.layout import print_json, print_line
from syncengine.cli.rendering.live import LiveRow, LiveRows
from syncengine.cli.rendering.watched import watched_line, watched_rows
from syncengine.cli.signals import ReceivedSignal, run_stoppable
from syncengine.cli.terminal import out

_WatchFormat: TypeAlias = Annotated[
    Literal["table", "json", "jsonl"] | None,
    Parameter(
        name="--format",
        help="Show a view (the default), or print JSON lines: one object for each "
        "destination, each time.",
    ),
]


def watch(
    *,
    destination: Destinations = (),
    interval: str = "2s",
    once: Flag = False,
    until_done: Flag = False,
    format_: _WatchFormat = None,
    json: Flag = False,
) -> int:
    """Show runs that somebody else has started, here or on another host.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    interval
        Time between two looks, such as 500ms or 10s. Runs write their progress every
        five seconds.
    once
        Look once, print what is seen, and end.
    until_done
        End once no run is under way, with the exit code of the runs.
    json
        Print one JSON object for each destination, each time.
    """
    screen = _screen(chosen_format(format_, json=json), interval, once=once)
    config = options.load()
    received = ReceivedSignal()

    async def look(stop: asyncio.Event) -> WatchedMoment | None:
        last: WatchedMoment | None = None
        async for moment in watched_moments(
            config,
            destination,
            interval=interval,
            once=once,
            until_done=until_done,
            stop=stop,
        ):
            last = moment
            screen.show(moment)
            if out.quiet:
                # Nobody reads it any more.
                break
        return last

    with logging_events(), screen:
        last = run_stoppable(look, received, announces_stop=False)
    if received.exit_code is not None:
        return received.exit_code
    # Without --until-done it says how things are, and that it could say so is success.
    if last is None or not until_done:
        return exits.IN_STEP
    return exits.worst(exits.code_of_watched(each) for each in last.reports)


class _Screen(Protocol):
    """Shows one moment after the other."""

    def __enter__(self) -> object: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, moment: WatchedMoment) -> None: ...


def _screen(form: str, interval: str, *, once: bool) -> _Screen:
    """Return the screen for this form of what is printed, here."""
    if form != "table":
        return _JsonLines()
    # Nothing can be drawn over there, so each moment is printed below the last.
    if not out.is_terminal or out.is_dumb_terminal:
        return _PlainLines()
    if once:
        return _LiveScreen(footer="")
    return _LiveScreen(footer=f"every {interval}; Ctrl-C ends the watching")


class _JsonLines:
    """JSON lines, for programs. While the state cannot be read there are none."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, moment: WatchedMoment) -> None:
        if not moment.problem:
            print_json(moment.reports)


class _PlainLines:
    """A line for each destination, for pipes and files."""

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, moment: WatchedMoment) -> None:
        if moment.problem:
            print_line(moment.problem)
            return
        for report in moment.reports:
            print_line(watched_line(report))


class _LiveScreen:
    """A view that is drawn again in its place, and stays there at the end."""

    def __init__(self, footer: str) -> None:
        self._live = Live(console=out, auto_refresh=False, vertical_overflow="visible")
        self._footer = footer
        self._last: Sequence[LiveRow] = ()

    def __enter__(self) -> None:
        self._live.start()

    def __exit__(self, *_: object) -> None:
        self._live.update(LiveRows(self._last), refresh=True)
        self._live.stop()

    def show(self, moment: WatchedMoment) -> None:
        self._last = watched_rows(moment.reports)
        # Where the database is away, that is shown in the place of the footer.
        footer = moment.problem or self._footer
        height = max(1, out.height - 1)
        view = LiveRows(self._last, footer=footer, height=height)
        self._live.update(view, refresh=True)
