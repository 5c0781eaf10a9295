"""``syncengine alerts``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, TypeAlias

from syncengine import app
from syncengine.app.counted import counted
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    Destinations,
    Flag,
    Format,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.rows import Row, TableColumn, row_writer
from syncengine.errors import ConfigError, Problem
from syncengine.model.alerts import (
    OK,
    AlertState,
    AlertTest,
    UndeliveredAlerts,
)

AlertAction: TypeAlias = Literal["show", "check", "test"]
"""What ``syncengine alerts`` does."""

_STATE_NAMES = ("destination", "concern", "state", "since", "run_id", "succeeded_at")
_TEST_NAMES = ("target", "error")
_STATE_COLUMNS = (
    TableColumn("destination"),
    TableColumn("concern"),
    TableColumn("state"),
    TableColumn("since"),
    TableColumn("run_id", "run", side="right"),
    TableColumn("succeeded_at", "last success", is_wide=True),
)
_TEST_COLUMNS = (
    TableColumn("target"),
    TableColumn("error", "result", words=lambda error: str(error or "delivered")),
)


def alerts(
    action: AlertAction = "show",
    /,
    *,
    destination: Destinations = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Show what is wrong where, look for what no run notices, or try the targets.

    Parameters
    ----------
    action
        `show` lists the state of each concern at each destination. `check` looks for
        destinations without a success for too long and for runs that died, and delivers
        what is due: for cron, every few minutes. `test` sends a test to each target.
    destination
        With `show`: only this destination (the name of its file); may be repeated.
        Default: all.
    json
        Print one JSON array.
    """
    chosen = chosen_format(format_, json=json)
    if action != "show" and destination:
        what = f"goes with `alerts show` only; `alerts {action}` is about all of them"
        raise ConfigError([Problem("--destination", what)])
    if action == "check":
        return _check()
    if action == "test":
        tests = asyncio.run(app.try_alerts(options.load()))
        return _print_tests(tests, chosen)
    states, undelivered = run_engine(app.alerts(options.load(), destination))
    _print_states(states, undelivered, chosen)
    return exits.IN_STEP


def _check() -> int:
    failed = run_engine(app.check_alerts(options.load()))
    # Each was an event already, with its reason.
    return exits.FELL_SHORT if failed else exits.IN_STEP


def _print_states(
    states: Sequence[AlertState],
    undelivered: Sequence[UndeliveredAlerts],
    chosen: Format,
) -> None:
    rows: list[Row] = [state.public() for state in states]
    if chosen == "table" and not rows:
        print_line(
            "No destination is watched yet: that begins with the first run once "
            "`alerts` is configured."
        )
        return
    with row_writer(chosen, _STATE_COLUMNS, _STATE_NAMES) as writer:
        writer.write(rows)
    if chosen != "table":
        return
    if all(state.state == OK for state in states):
        print_line("No alert stands.")
    for each in undelivered:
        messages = counted(each.number, "message", "messages")
        print_line(
            f"{each.target}: {messages} not delivered yet, the oldest "
            f"since {each.oldest.astimezone():%Y-%m-%d %H:%M} "
            f"({each.error or 'not tried yet'})"
        )


def _print_tests(tests: Sequence[AlertTest], chosen: Format) -> int:
    with row_writer(chosen, _TEST_COLUMNS, _TEST_NAMES) as writer:
        writer.write([test.public() for test in tests])
    is_delivered = all(test.error is None for test in tests)
    return exits.IN_STEP if is_delivered else exits.FELL_SHORT
