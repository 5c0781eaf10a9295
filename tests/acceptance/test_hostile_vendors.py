"""Vendors that answer anything at all, in one run with one that answers well.

Each failure stays within its own account.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.hostile_vendor import WAYS, HostileVendor, hostile_vendor
from tests.support.people_project import RESPOND_IO, People, people

_CONTACTS = range(1, 4)
_MOST_MEGABYTES = 150
_HOSTILE: dict[str, Any] = {
    "vendor": "respond_io_v2",
    "limits": [],
    "attempts": 2,
    "timeout": "1s",
    "max_wait": "2s",
    "match_on": ["phone"],
    "fields": {"firstName": "name", "phone": "phone"},
    "tags": {"from": "tags"},
}
_PACED: Mapping[str, Mapping[str, Any]] = {
    # The forged answer has to find its connection idle: no request goes out while it is
    # on its way.
    "desync": {"limits": [{"calls": 1, "per": "500ms"}]},
}
_MEASURED = """
import sys
from syncengine.__main__ import main
code = main()
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print("peak", *peak, file=sys.stderr)
sys.exit(code)
"""


@asynccontextmanager
async def _beside_an_innocent(
    database: str, folder: Path, ways: Sequence[str]
) -> AsyncIterator[tuple[People, HostileVendor]]:
    async with (
        hostile_vendor() as vendor,
        people(database, folder, {"innocent": RESPOND_IO}, ("respond_io",)) as here,
    ):
        for way in ways:
            settings = {
                "base_url": f"{vendor.url}/{way}/v2",
                "token": "${HOSTILE_TOKEN}",
                "settles_within": "50ms",
            }
            here.configure(
                way, **{**_HOSTILE, "settings": settings, **_PACED.get(way, {})}
            )
        here.environ["HOSTILE_TOKEN"] = "a-token-of-the-hostile"
        await here.add(_CONTACTS, tags=["vip"])
        yield here, vendor


async def _measured(here: People, *arguments: str) -> tuple[int, str, str, float]:
    """Run the command in a process of its own.

    Return exit code, stdout, stderr and the peak of memory in MB.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _MEASURED,
        "--config",
        str(here.file),
        *arguments,
        env={**here.environ, "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = (said.decode() for said in await process.communicate())
    peak = float(err.rsplit("peak ", 1)[1])
    return process.returncode or 0, out, err, peak / 1024


def _reports(out: str) -> Mapping[str, Mapping[str, Any]]:
    return {
        report["destination"]: report for report in map(orjson.loads, out.splitlines())
    }


def _in_groups(ways: Sequence[str], size: int) -> list[Sequence[str]]:
    return [ways[start : start + size] for start in range(0, len(ways), size)]


@pytest.mark.asyncio
async def test_a_forged_answer_on_an_idle_connection_is_never_believed(
    database: str, tmp_path: Path
) -> None:
    async with _beside_an_innocent(database, tmp_path, ["desync"]) as (here, vendor):
        code, out, _, _ = await _measured(here, "run", "--json")
        assert code == 0
        report = _reports(out)["desync"]
        assert (report["status"], report["contacts"]["applied"]) == (
            "done",
            len(_CONTACTS),
        )
        assert report["requests"] == vendor.asked["desync"] == 3 * len(_CONTACTS)
        written = Counter(line.rpartition("/")[2] for _, line in vendor.wrote)
        assert written["tag"] == len(_CONTACTS), "the tags were sent"


@pytest.mark.asyncio
@pytest.mark.parametrize("ways", _in_groups(sorted(WAYS), 13), ids=",".join)
async def test_every_hostile_way_ends_with_its_own_account(
    database: str, tmp_path: Path, ways: Sequence[str]
) -> None:
    async with _beside_an_innocent(database, tmp_path, ways) as (here, vendor):
        code, out, err, megabytes = await _measured(here, "run", "--json")
        reports = _reports(out)
        assert reports.keys() == {*ways, "innocent"}
        assert code == 1
        innocent = reports["innocent"]
        assert (innocent["status"], innocent["contacts"]["applied"]) == (
            "done",
            len(_CONTACTS),
        )
        assert here.held("respond_io").keys() == {*_CONTACTS}
        assert "Traceback" not in err
        assert "unforeseen" not in f"{out}{err}"
        assert megabytes < _MOST_MEGABYTES, f"{megabytes:.0f} MB"

        running = await here.source.fetch(
            "SELECT destination FROM syncengine.sync_run WHERE status = 'running'"
        )
        assert not running
        owners = Counter(
            (row["destination"], row["external_id"])
            for row in await here.source.fetch(
                "SELECT * FROM syncengine.sync_state WHERE external_id IS NOT NULL"
            )
        )
        assert not [owned for owned, contacts in owners.items() if contacts > 1], (
            "two own one vendor contact"
        )
        for way in ways:
            assert vendor.asked[way] == reports[way]["requests"], (
                f"{way}: what is reported is what was sent"
            )
            assert vendor.asked[way] <= 1300, way
        if "desync" in ways:
            written = Counter(
                line.rpartition("/")[2] for way, line in vendor.wrote if way == "desync"
            )
            assert (reports["desync"]["status"], written["tag"]) == (
                "done",
                len(_CONTACTS),
            ), "the tags were sent"
        assert not [
            line
            for _, line in vendor.wrote
            if "/.." in line or "id:.." in line or "%2E%2E" in line
        ]
