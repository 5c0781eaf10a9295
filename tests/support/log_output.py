"""Log events and printed reports, parsed from all output of a command."""

from __future__ import annotations

from typing import Any

import orjson


def lines(said: str) -> list[dict[str, Any]]:
    """Return every event: each JSON object with an event in it."""
    found = [orjson.loads(line) for line in said.splitlines() if line.startswith('{"')]
    return [line for line in found if "event" in line]


def events(said: str, *names: str) -> list[dict[str, Any]]:
    """Return the events of these names, without their times."""
    return [
        {
            key: value
            for key, value in line.items()
            if key not in {"timestamp", "seconds"}
        }
        for line in lines(said)
        if line["event"] in names
    ]


def printed(said: str) -> dict[str, Any]:
    """Return the one object that ``run --json`` printed, without its time."""
    (report,) = [
        orjson.loads(line)
        for line in said.splitlines()
        if line.startswith('{"destination"') and '"event"' not in line
    ]
    return {key: value for key, value in report.items() if key != "seconds"}


def named(said: str) -> list[str]:
    return [line["event"] for line in lines(said)]
