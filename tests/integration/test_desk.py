"""What the reading verbs tell, over two destinations and a few nights of theirs."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from syncengine.app.desk_state import PagedState
from syncengine.desk.server import serve_desk
from syncengine.model.desk import (
    ASKED_NAMES,
    BATCH_NAMES,
    CONTACT_NAMES,
    ERASURE_NAMES,
    EVENT_NAMES,
    FAILURE_NAMES,
    RUN_NAMES,
    SUPPRESSION_NAMES,
)
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.connect import open_pool
from tests.support.desk import Desk
from tests.support.people_project import BOTH, People, people, refusing

_FORMULA = "=cmd|' /C calc'!A0"


@pytest_asyncio.fixture
async def desk(
    database: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Desk]:
    """Two destinations without a run, and the command that reads their state."""
    async with people(database, tmp_path / "project", BOTH) as here:
        for name, value in here.environ.items():
            monkeypatch.setenv(name, value)
        yield Desk(here, capsys)


@pytest.mark.asyncio
async def test_before_the_first_run_everything_says_so(desk: Desk) -> None:
    for verb, words in (
        ("runs", "No run has taken"),
        ("failures", "none stands"),
        ("export", "nothing was sent"),
        ("suppressions", "Nobody is suppressed"),
        ("erasures", "Nobody was forgotten"),
    ):
        code, results, messages = await desk.say(verb)
        assert (code, results, words in messages) == (0, "", True), messages
        assert await desk.rows(verb) == []
        assert (await desk.say(verb, "--format", "jsonl"))[:2] == (0, "")
        code, results, _ = await desk.say(verb, "--format", "csv")
        assert (code, len(results.splitlines())) == (0, 1)
    assert "no run has taken place yet" in await desk.refused("failures", "1")


@pytest.mark.asyncio
async def test_a_shell_without_the_vendors_keys_sees_the_runs_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.here.add([1])
    await desk.here.runs()
    monkeypatch.delenv("RESPOND_IO_TOKEN")
    for name in ("respond_io", "charles"):
        assert len(await desk.rows("runs", "-d", name)) == 1
        assert await desk.rows("failures", "-d", name) == []
        assert len(await desk.rows("history", "1", "-d", name)) == 1
        code, results, _ = await desk.say("status", "-d", name, "--json")
        assert (code, json.loads(results)["last_run"]["status"]) == (0, "done")
    assert (await desk.say("status"))[0] == 0
    del desk.here.environ["RESPOND_IO_TOKEN"]
    code, seen = await desk.here.command("watch", "--once", "--json")
    assert (code, len(seen.splitlines())) == (0, 2)
    assert await desk.rows("failures") == []
    assert await desk.rows("alerts") == []
    assert "there is no such destination" in await desk.refused("runs", "-d", "x")


@pytest.mark.asyncio
async def test_the_morning_after(desk: Desk) -> None:
    here = desk.here
    await _four_nights(here)
    await _check_runs(desk)
    await _check_failures(desk)
    await _check_history(desk)
    await _check_why(desk)


_CHANGE = """
INSERT INTO syncengine.sync_change (run_id, contact_id, effect, fields, tags_added)
VALUES ($1, '5', 'updated', '{"firstName": {"old": "Name 5", "new": "Changed 5"}}', '{}')
ON CONFLICT (run_id, contact_id) DO UPDATE
SET effect = excluded.effect, fields = excluded.fields, tags_added = '{}'
"""


async def _check_history(desk: Desk) -> None:
    await desk.here.source.execute(_CHANGE, 8)
    found = await desk.rows("history", "5")
    assert [each["run_id"] for each in found] == [8, 7, 2, 1]
    assert list(found[0]) == list(EVENT_NAMES)
    assert (found[0]["effect"], found[0]["changed"], found[0]["actions"]) == (
        "updated",
        ["firstName"],
        ["update"],
    )
    assert (found[1]["outcome"], found[1]["code"]) == ("unknown", "unreachable")
    assert await desk.rows("history", "-d", "respond_io", "5") == found[::3]
    shown = await desk.rows("history", "5", "--show-values")
    assert shown[0]["values"] == {"firstName": {"old": "Name 5", "new": "Changed 5"}}
    for arguments, tells in ((("--show-values",), True), ((), False)):
        for form in ("table", "csv", "jsonl"):
            told = await desk.say("history", "5", "--format", form, *arguments)
            assert ("Changed 5" in told[1]) is tells, told
    assert "nothing is known of this contact" in await desk.refused("history", "-5")
    assert "history x y" in await desk.refused("history", "-d", "charles", "x\ny")


async def _check_why(desk: Desk) -> None:
    requests = desk.here.requests("charles") + desk.here.requests("respond_io")
    code, results, _ = await desk.say("why", "5", "--json")
    charles, respond_io = map(json.loads, results.splitlines())
    assert (code, charles["status"], charles["last"]["run_id"]) == (0, "pending", 7)
    assert charles["next_run"] == "sends: upsert"
    assert charles["reason"].startswith("left unfinished by an earlier run")
    first = charles["fields"][0]
    assert list(first) == ["field", "state", "sent_next", "changed_at", "run_id"]
    assert (first["field"], first["state"], first["sent_next"], first["run_id"]) == (
        "first_name",
        "unknown",
        True,
        2,
    )
    states = [(each["field"], each["state"]) for each in respond_io["fields"]]
    assert states == [
        ("crm_id", "same"),
        ("firstName", "same"),
        ("phone", "same"),
        ("tags", "same"),
    ]
    assert (respond_io["fields"][1]["run_id"], respond_io["reason"]) == (
        8,
        "it is in step",
    )
    assert "Changed 5" not in results
    await desk.here.change(5, name="Again 5", tags=["vip", "new"])
    code, results, _ = await desk.say("why", "5", "--show-values", "--format", "jsonl")
    respond_io = json.loads(results.splitlines()[1])
    assert (respond_io["next_run"], respond_io["reason"]) == (
        "sends: update, add_tags",
        "row changed",
    )
    differs = [each for each in respond_io["fields"] if each["state"] == "differs"]
    facts = [(each["field"], each["source"], each["last_sent"]) for each in differs]
    assert facts == [
        ("firstName", "Again 5", "Changed 5"),
        ("tags", ["new", "vip"], ["vip"]),
    ]
    assert all(each["sent_next"] for each in differs)
    code, text, _ = await desk.say("why", "2", "-d", "respond_io")
    assert code == 0
    assert "not in step since run 1, rejected 3 times (http_422)" in text
    assert 'status 422 and says: "Nope"' in text
    assert "the next run leaves it alone until its row or the mapping changes" in text
    assert "nothing is known of this contact" in await desk.refused("why", "-5")
    assert desk.here.requests("charles") + desk.here.requests("respond_io") == requests


async def _check_status(desk: Desk) -> None:
    code, results, _ = await desk.say("status", "--json")
    charles, respond_io = map(json.loads, results.splitlines())
    assert (code, charles["in_step"], respond_io["in_step"]) == (0, False, True)
    codes = {"dead_letter": {"http_400": 1, "http_422": 1}}
    assert (respond_io["standing_codes"], respond_io["progress"]) == (codes, None)
    _, text, _ = await desk.say("status")
    assert "respond_io: dead letters by code: 1 http_400, 1 http_422" in text
    _, text, _ = await desk.say("status", "--format", "csv")
    first, *lines = csv.reader(io.StringIO(text, newline=""))
    assert "last_run.contacts.unknown" in first
    assert len(lines) == 2


async def _check_export(desk: Desk) -> None:
    found = await desk.rows("export")
    assert list(found[0]) == list(CONTACT_NAMES)
    assert [each["contact"] for each in found] == [*"123456"] * 2
    facts = ("destination", "status", "code", "standing", "rejections", "since_run_id")
    assert [found[7][name] for name in facts] == [
        "respond_io",
        "dead",
        "http_422",
        "dead_letter",
        3,
        1,
    ]
    assert found[0]["external_id"]
    assert found[0]["synced_at"]
    _, text, _ = await desk.say("export", "-d", "charles", "--format", "jsonl")
    assert [json.loads(line) for line in text.splitlines()] == found[:6]
    file = desk.here.file.with_name("contacts.csv")
    code, results, messages = await desk.say(
        "export", "--show-values", "--out", str(file)
    )
    assert (code, results) == (0, "")
    assert "12 contacts exported" in messages
    assert "personal data" in messages
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    names, *lines = csv.reader(io.StringIO(file.read_text(encoding="utf-8")))
    assert names == [*CONTACT_NAMES, "fields", "tags"]
    assert json.loads(lines[0][-2])["first_name"] == "Name 1"
    assert json.loads(lines[0][-1]) == ["vip"]
    consent = file.with_name("consent.jsonl")
    assert (await desk.say("export", "--consent", str(consent)))[0] == 0
    assert stat.S_IMODE(consent.stat().st_mode) == 0o600
    assert "leave out all options" in await desk.refused(
        "export", "--consent", str(consent), "--show-values"
    )
    assert "a table is for people" in await desk.refused(
        "export", "--out", str(file), "--format", "table"
    )
    assert (await desk.say("export", "--out", str(file)))[0] == 0
    sheet = file.with_suffix(".xlsx")
    assert 'end in ".xlsx"' in await desk.refused("export", "--out", str(sheet))
    assert not sheet.exists()
    written = await desk.say("export", "--out", str(sheet), "--format", "csv")
    assert written[0] == 0
    # What another verb or a person wrote stays.
    own = desk.here.file.read_bytes()
    for others, verb in (
        (desk.here.file, ("export",)),
        (consent, ("export",)),
        (consent, ("metrics",)),
        (desk.here.file, ("report", "1")),
    ):
        said = await desk.refused(*verb, "--out", str(others))
        assert "is not written over; name another file" in said
    said = await desk.refused("export", "--consent", str(file))
    assert "is not an export of suppressions and erasures" in said
    assert desk.here.file.read_bytes() == own
    unwritable = str(file.with_name("nowhere") / "x.csv")
    assert "cannot be written" in await desk.refused("export", "--out", unwritable)


async def _check_dead_letters(desk: Desk) -> None:
    here = desk.here
    here.heal("respond_io")
    await here.source.execute(
        "UPDATE syncengine.sync_run SET started_at = started_at - interval '2 days' "
        "WHERE run_id <= 4"
    )
    await here.source.execute(
        "UPDATE syncengine.sync_state SET failed_in = 4 WHERE contact_id = '3'"
    )
    only = ("-d", "respond_io", "--json")
    assert "say --dead too" in await desk.refused("retry", "5", "--since", "36h")
    assert "how long ago" in await desk.refused("retry", "--dead", "--since", "never")
    code, results, _ = await desk.say(
        "retry", "--dead", "--since", "36h", "--code", "http_400", *only
    )
    assert (code, json.loads(results)["contacts"]["changed"]) == (0, 0)
    code, results, messages = await desk.say("retry", "--dead", "--since", "36h", *only)
    assert (code, json.loads(results)["contacts"]["applied"]) == (0, 1), messages
    found = await desk.rows("failures", "-d", "respond_io")
    assert [each["contact"] for each in found] == ["3"]


@pytest.mark.asyncio
async def test_who_said_no(desk: Desk) -> None:
    here = desk.here
    await here.add([1, 2, 3])
    await here.run("respond_io")
    phones = here.file.with_name("phones.txt")
    phones.write_text("+49 151 0000002\n\n+49 151 0000009\n", encoding="utf-8")
    assert (await desk.say("suppress", "--contact", "2"))[0] == 0
    await desk.say("forget", "3")
    found = await desk.rows("suppressions")
    assert [(each["kind"], each["reason"]) for each in found] == [
        ("contact", "forgotten"),
        ("contact", "suppressed"),
    ]
    assert list(found[0]) == list(SUPPRESSION_NAMES)
    asked = await desk.rows("suppressions", "--contact", "1", "--phones", str(phones))
    assert [(each["asked"], each["suppressed"]) for each in asked] == [
        ("contact 1", False),
        # By the phone, contact 2 would be recognised under another id.
        ("--phones, line 1", True),
        ("--phones, line 3", False),
    ]
    assert list(asked[0]) == list(ASKED_NAMES)
    assert (asked[1]["kind"], asked[1]["reason"]) == ("contact", "suppressed")
    _, table, _ = await desk.say("suppressions", "--contact", "2", "--contact", "-4")
    assert "contact -4  not suppressed" in table
    erasure, other = await desk.rows("erasures")
    assert (other["destination"], other["next"]) == ("charles", "")
    assert list(erasure) == list(ERASURE_NAMES)
    # This vendor's API cannot delete: somebody has to ask, and to say that it was done.
    assert (erasure["destination"], erasure["status"]) == ("respond_io", "impossible")
    assert erasure["next"].endswith("--confirmed -d respond_io`")
    await desk.say("forget", "3", "--confirmed", "-d", "respond_io")
    (erasure,) = await desk.rows("erasures", "-d", "respond_io")
    assert (erasure["status"], erasure["next"]) == ("done", "")
    assert await desk.rows("erasures", "-d", "charles") == [other]


async def _four_nights(here: People) -> None:
    """Run twice four times.

    At respond_io (runs 1, 4, 5, 8) contacts 2 and 3 become dead letters in run 5. At
    charles (2, 3, 6, 7) it is contact 4, and in run 7 the answer about 5 is lost.
    """
    await here.add(range(1, 7), tags=["vip"])
    here.fail("respond_io", refusing(2), refusing(3, _FORMULA, 400))
    here.fail("charles", refusing(4))
    for first in ("respond_io", "charles", "charles", "respond_io"):
        await here.run(first)
    await here.run("respond_io")
    await here.run("charles")
    here.fail("charles", Rule(FaultKind.ERROR_HTML, body="Changed 5"))
    await here.change(5, name="Changed 5")
    await here.run("charles")
    await here.run("respond_io")


async def _check_runs(desk: Desk) -> None:
    found = await desk.rows("runs")
    assert [each["run_id"] for each in found] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert list(found[0]) == list(RUN_NAMES)
    assert (found[1]["status"], found[1]["contacts"]["unknown"]) == ("incomplete", 1)
    assert [each["requests"] for each in found[:3]] == [1, 1, 1]
    assert await desk.rows("runs", "2", "-d", "respond_io") == [found[0], found[3]]
    assert await desk.rows("runs", "--run", "7") == [found[1]]
    batches = await desk.rows("runs", "--run", "1", "--batches")
    assert [list(each) for each in batches] == [list(BATCH_NAMES)] * 2
    counted = [(each["batch"], each["contacts"]) for each in batches]
    assert (counted, batches[0]["outcomes"]["rejected"]) == ([(1, 4), (2, 2)], 2)
    _, table, _ = await desk.say("runs", "--run", "1", "--batches")
    assert "2 applied, 2 rejected" in table
    assert "there is no run 99; the last one was 8" in await desk.refused(
        "runs", "--run", "99"
    )
    assert "leave out the number of runs" in await desk.refused(
        "runs", "3", "--run", "1"
    )
    assert "goes with --run only" in await desk.refused("runs", "--batches")
    assert "no such destination" in await desk.refused("runs", "-d", "nobody")


async def _check_failures(desk: Desk) -> None:
    found = await desk.rows("failures")
    assert list(found[0]) == list(FAILURE_NAMES)
    facts = ("destination", "contact", "outcome", "code", "run_id", "since_run_id")
    assert [tuple(each[name] for name in facts) for each in found] == [
        ("charles", "5", "unknown", "unreachable", 7, None),
        ("charles", "4", "rejected", "http_422", 6, 2),
        ("respond_io", "3", "rejected", "http_400", 5, 1),
        ("respond_io", "2", "rejected", "http_422", 5, 1),
    ]
    standing = [(each["standing"], each["rejections"]) for each in found]
    assert standing == [(None, 0), *[("dead_letter", 3)] * 3]
    assert found[0]["next"] == "nothing: the next run finds out what became of it"
    command = "syncengine retry --dead -d respond_io --code http_400"
    assert f"`{command}` tries all such now" in found[2]["next"]
    assert (found[2]["http_status"], found[2]["requests"]) == (400, 2)
    assert await desk.rows("failures", "-d", "respond_io") == found[2:]
    assert await desk.rows("failures", "--code", "http_422") == [found[1], found[3]]
    # Of an earlier run: what it said, and how the contacts stand by now.
    (first, second) = await desk.rows("failures", "4")
    assert (first["contact"], first["run_id"], first["standing"]) == (
        "3",
        4,
        "dead_letter",
    )
    assert "dead letter" not in second["message"]
    _, text, _ = await desk.say("failures", "4", "--csv")
    names, *lines = csv.reader(io.StringIO(text, newline=""))
    assert (tuple(names), [line[1] for line in lines]) == (FAILURE_NAMES, ["3", "2"])
    assert _FORMULA in text
    _, table, _ = await desk.say("failures")
    assert "respond_io, 1 contact: correct the row: left alone until" in table
    code, results, messages = await desk.say("failures", "--code", "nope")
    assert (code, results) == (0, "")
    assert messages.startswith("No contact fell short with the code nope in the last")
    assert "there is no run 99" in await desk.refused("failures", "99")
    assert 'for destination "respond_io"' in await desk.refused(
        "failures", "4", "-d", "charles"
    )
    assert "contradicts" in await desk.refused("failures", "--csv", "--format=table")


@pytest.mark.asyncio
async def test_runs_and_plans_print_in_each_form(desk: Desk) -> None:
    await desk.here.add([1, 2])
    code, text, _ = await desk.say("plan", "-d", "charles", "--format", "csv")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert (code, row["destination"], row["contacts"]) == (0, "charles", "2")
    # A run listens to signals, so it has a process of its own.
    code, text = await desk.here.command("run", "-d", "charles", "--format", "csv")
    names = next(line for line in text.splitlines() if line.startswith("destination,"))
    assert (code, "contacts.applied" in names.split(",")) == (0, True), text
    code, text, _ = await desk.say("show", "1", "-d", "charles", "--format", "json")
    assert (code, json.loads(text)["status"]) == (0, "synced")
    # Refused before anything is sent.
    code, text, _ = await desk.say("run", "--format", "csv", "--json")
    assert (code, json.loads(text)["status"]) == (2, "refused")
    assert "contradicts --format csv" in text


@pytest.mark.asyncio
async def test_words_of_a_newer_release_are_shown_and_only_a_run_refuses_them(
    desk: Desk, database: str, tmp_path: Path
) -> None:
    here = desk.here
    await here.add([1, 2])
    here.fail("respond_io", refusing(2))
    await here.run("respond_io")
    await here.source.execute(
        """
        UPDATE syncengine.sync_run SET kind = 'replay', status = 'paused',
            totals = jsonb_set(totals, '{standing, frozen}', '1');
        UPDATE syncengine.sync_state SET standing = 'frozen', rejections = 3,
            status = 'dead' WHERE contact_id = '2';
        INSERT INTO syncengine.sync_alert (destination, concern, state)
        VALUES ('respond_io', 'pace', 'sleepy');
        """
    )
    one = ("-d", "respond_io")
    code, said, _ = await desk.say("status", *one)
    assert code == 0
    for words in ("replay", "paused", "1 frozen", "alert: sleepy"):
        assert words in said
    status = json.loads((await desk.say("status", *one, "--json"))[1])
    assert (status["standing"]["frozen"], status["standing"]["gone"]) == (1, 0)
    assert status["alerts"] == {"pace": "sleepy"}
    (failed,) = await desk.rows("failures", "1")
    assert (failed["standing"], "newer release" in failed["next"]) == ("frozen", True)
    (alert,) = await desk.rows("alerts")
    assert (alert["concern"], alert["state"]) == ("pace", "sleepy")
    page = tmp_path / "night.html"
    code, _, messages = await desk.say("report", "1", "--out", str(page))
    assert (code, messages) == (0, "")
    written = page.read_text(encoding="utf-8")
    for words in ("replay", "paused", "frozen"):
        assert words in written
    async with (
        open_pool(database, size=3, read_only=True) as pool,
        serve_desk(
            PagedState(pool), "127.0.0.1", 0, with_values=False, version="1"
        ) as address,
        aiohttp.ClientSession(f"http://{address.host}:{address.port}") as session,
    ):
        for path, word in (
            ("/", "frozen"),
            ("/runs", "replay"),
            ("/runs/1", "paused"),
            ("/contact?id=2", "frozen"),
            ("/metrics", 'reason="frozen"'),
        ):
            async with session.get(path) as response:
                shown = await response.text()
            assert (response.status, word in shown) == (200, True), (path, shown)
        async with session.get("/failures?destination=respond_io&reason=frozen") as no:
            assert no.status == 400
    await here.change(2, name="Another")
    requests = here.requests("respond_io")
    code, said = await here.command("run", *one)
    assert here.requests("respond_io") == requests
    assert (code, 'for the reason "frozen"' in said) == (2, True), said
