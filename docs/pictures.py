"""Draw the pictures of terminal views that the pages show.

``./run docs`` calls this before it builds the pages; a test compares what stands in
``docs/images`` with what this draws.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console, RenderableType

from syncengine.cli.rendering.live import LiveRow, LiveRows
from syncengine.cli.rendering.watched import watched_rows
from syncengine.model.limits import Limit
from syncengine.model.progress import RunSnapshot, RunWait, WaitReason
from syncengine.model.reports import RunStatus
from syncengine.model.watching import WatchReport, WatchState
from syncengine.model.work import RunKind

IMAGES = Path(__file__).resolve().parent / "images"
_WIDTH = 80
_NIGHT = datetime(2026, 11, 28, 2, 31, 40, tzinfo=UTC)
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Fonts that rich has fetched from elsewhere; the reader's own will do."""

_WHATSAPP = RunSnapshot(
    at=_NIGHT,
    seconds=3_723.0,
    done=12_345,
    total=22_860,
    outcomes={"applied": 12_000, "rejected": 300, "deferred": 45},
    requests=12_690,
    last_minute=198,
    limit=Limit(200, 60.0),
    seconds_left=3_190.0,
    codes={"invalid_phone": 211, "http_422": 80, "ambiguous_match": 9},
)
_LEADS = RunSnapshot(
    at=_NIGHT,
    seconds=3_723.0,
    done=1_034_567,
    total=1_234_567,
    outcomes={"applied": 21_345, "rejected": 12},
    requests=42_901,
    last_minute=1_103,
    limit=Limit(20, 1.0),
    seconds_left=1_240.0,
    codes={"http_422": 12},
    waiting=RunWait(WaitReason.THROTTLED, 25.0),
)
_NEWSLETTER = RunSnapshot(
    at=_NIGHT,
    seconds=312.0,
    done=540,
    total=540,
    outcomes={"applied": 38, "suppressed": 2},
    requests=57,
)
_DIED = RunSnapshot(
    at=_NIGHT - timedelta(minutes=3),
    seconds=95.0,
    done=14,
    total=260,
    outcomes={"applied": 14},
    requests=33,
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A view in a terminal, and the command that shows it."""

    command: str
    view: RenderableType


def pictures() -> Mapping[str, Picture]:
    """Return each picture, by its file's name."""
    run = LiveRows(
        [
            LiveRow("whatsapp_de", _WHATSAPP),
            LiveRow("leads_north_america_production", _LEADS),
            LiveRow("newsletter", _NEWSLETTER, is_over=True),
        ]
    )
    watch = LiveRows(
        watched_rows(_watched()), footer="every 2s; Ctrl-C ends the watching"
    )
    return {
        "run.svg": Picture("syncengine run", run),
        "watch.svg": Picture("syncengine watch", watch),
    }


def _watched() -> list[WatchReport]:
    return [
        WatchReport(
            destination="whatsapp_de",
            state=WatchState.RUNNING,
            now=_NIGHT,
            run_id=412,
            kind=RunKind.SYNC,
            status=RunStatus.RUNNING,
            started_at=_NIGHT - timedelta(seconds=3_723),
            holder="crm-1, process 4711",
            snapshot=_WHATSAPP,
        ),
        WatchReport(
            destination="chartmogul",
            state=WatchState.DIED,
            now=_NIGHT,
            run_id=413,
            kind=RunKind.SYNC,
            status=RunStatus.RUNNING,
            started_at=_NIGHT - timedelta(minutes=5),
            snapshot=_DIED,
        ),
        WatchReport(
            destination="newsletter",
            state=WatchState.ENDED,
            now=_NIGHT,
            run_id=411,
            kind=RunKind.SYNC,
            status=RunStatus.DONE,
            started_at=_NIGHT - timedelta(hours=3, seconds=312),
            ended_at=_NIGHT - timedelta(hours=3),
            snapshot=_NEWSLETTER,
        ),
    ]


def drawn(name: str, picture: Picture) -> str:
    """Return a picture as SVG: the same for the same view, and with nothing to fetch."""
    console = Console(
        record=True,
        width=_WIDTH,
        file=io.StringIO(),
        force_terminal=True,
        color_system="truecolor",
        legacy_windows=False,
        highlight=False,
        _environ={},
    )
    console.print(picture.view)
    svg = console.export_svg(title=picture.command, unique_id=Path(name).stem)
    return _FONTS.sub("", svg)


def main() -> None:
    """Draw all pictures, and print the names of those that changed."""
    IMAGES.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        file, svg = IMAGES / name, drawn(name, picture)
        if not file.exists() or file.read_text(encoding="utf-8") != svg:
            file.write_text(svg, encoding="utf-8")
            sys.stdout.write(f"docs/images/{name} changed\n")


if __name__ == "__main__":
    main()
