"""The forecast of each vendor's first run, next to what the run then did.

Real contacts, the vendors' own limits, and twins that hold to these strictly.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from syncengine import vendors
from syncengine.model.progress import limit_in_words
from syncengine.model.reports import RunReport
from syncengine.storage.demo.csv_table import load_contacts, read_rows
from tests.benchmarks.measured import say, table
from tests.benchmarks.scratch import scratch_databases
from tests.support.any_vendor_nights import congress
from tests.support.real_nights import NIGHTS, night_file

_AIM = 5.0
"""Percent by which the time may be off."""
_SLACK = 1.0
"""Seconds by which it may be off in any case: connecting takes as long whatever a run
sends."""

_TRIED_FIRST = 3
"""Contacts of the run before the one that is measured."""


def main(arguments: list[str]) -> None:
    """Run each vendor's first night at its own pace, and print what was off."""
    parser = argparse.ArgumentParser(prog="./run bench forecast", description=__doc__)
    parser.add_argument(
        "--contacts",
        type=int,
        default=15,
        help="for each vendor; the default is %(default)s",
    )
    parser.add_argument(
        "--vendor", choices=vendors.names(), help="only this one; the default is each"
    )
    options = parser.parse_args(arguments)
    names = [options.vendor] if options.vendor else sorted(vendors.names())
    asyncio.run(_measure(names, options.contacts))


async def _measure(names: list[str], contacts: int) -> None:
    rows = []
    async with scratch_databases() as databases:
        for vendor in names:
            say(f"{vendor} ...")
            dsn = await asyncio.to_thread(databases.create, migrated=True)
            with tempfile.TemporaryDirectory() as folder:
                report, refused = await _run_over_new(
                    vendor, dsn, Path(folder), contacts
                )
            rows.append(_row(vendor, report, refused))
    table(
        f"Runs over up to {contacts} new contacts under the vendors' own limits; "
        "planned / made",
        (
            "",
            "limit",
            "calls",
            "requests",
            "seconds",
            "off by %",
            "answered 429",
            "aim",
            "",
        ),
        rows,
    )


async def _run_over_new(
    vendor: str, dsn: str, folder: Path, contacts: int
) -> tuple[RunReport, int]:
    """Return the report of a run over new contacts, and how often the twin refused a request."""
    # Without limits in its file a destination has the vendor's own.
    async with congress(dsn, folder / "config", vendor, limits=None) as (here, _):
        twin = here.sandbox.twin(vendor)
        twin.limiter.configure(twin.vendor_limits)
        await load_contacts(dsn, read_rows(night_file(NIGHTS[0]))[1])
        # A few contacts first, as people do: so it is known how long answers take.
        await here.run(limit=_TRIED_FIRST)
        report = (await here.run(limit=contacts))[vendor]
        refused = here.sandbox.journal(vendor).report(twin.limiter)["refused"]
    return report, int(refused)


def _row(vendor: str, report: RunReport, refused: int) -> tuple[str, ...]:
    forecast = report.forecast
    if report.error or forecast is None or forecast.made is None:
        raise RuntimeError(f"the run did not go through: {report}")
    made, expected = forecast.made, forecast.seconds.usual
    off = 100 * (made.seconds / expected - 1) if expected else 0.0
    is_in_time = abs(off) <= _AIM or abs(made.seconds - expected) <= _SLACK
    is_exact = (made.calls, made.requests) == (forecast.calls, forecast.requests.usual)
    return (
        vendor,
        "" if forecast.limit is None else limit_in_words(forecast.limit),
        f"{forecast.calls} / {made.calls}",
        f"{forecast.requests.usual} / {made.requests}",
        f"{expected:.1f} / {made.seconds:.1f}",
        f"{off:+.1f}",
        str(refused),
        f"{_AIM:.0f} % or {_SLACK:g} s",
        "met" if is_exact and is_in_time else "missed",
    )
