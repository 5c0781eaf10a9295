"""Alerts, from the end of a run to the webhook that is told about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from syncengine import Project, app
from syncengine.errors import ConfigError
from syncengine.model.alerts import AlertTest
from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.storage.connect import open_pool
from syncengine.storage.state.alerts import Alerts
from syncengine.transport import messages
from tests.support.people_project import RESPOND_IO, People, people

_NAME = "respond_io"
_BAD_KEY = Rule(FaultKind.REFUSE, status=401, text="no such key")


class Webhook:
    """A chat tool: takes messages, or answers with another status."""

    def __init__(self) -> None:
        self.status = 200
        self.hangs = False
        self.hung_up = asyncio.Event()
        self.got: list[dict[str, Any]] = []
        self.url = ""

    @property
    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.got]

    async def take(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        if self.hangs:
            await self.hung_up.wait()
        if self.status == 200:
            self.got.append(body)
        return web.Response(status=self.status)


@asynccontextmanager
async def _webhook() -> AsyncIterator[Webhook]:
    webhook = Webhook()
    application = web.Application()
    application.router.add_post("/secret-path", webhook.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    webhook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/secret-path"
    try:
        yield webhook
    finally:
        webhook.hung_up.set()
        await runner.cleanup()


@asynccontextmanager
async def _watched(
    database: str, folder: Path, **options: Any
) -> AsyncIterator[tuple[People, Webhook]]:
    async with (
        _webhook() as webhook,
        people(database, folder, {_NAME: RESPOND_IO}) as here,
    ):
        here.environ["CHAT"] = webhook.url
        here.configure_engine(
            alerts={"to": {"chat": {"webhook": "${CHAT}"}}, **options}
        )
        await here.add(range(1, 4))
        yield here, webhook


@pytest.mark.asyncio
async def test_each_change_is_one_message(database: str, tmp_path: Path) -> None:
    async with _watched(database, tmp_path) as (here, webhook):
        assert (await here.run(_NAME)).ok
        assert webhook.got == []

        here.fail(_NAME, _BAD_KEY)
        await here.change(1, name="Other")
        first = await here.run(_NAME)
        assert first.status == "halted"
        await here.run(_NAME)
        assert webhook.kinds == ["halted"]
        told = webhook.got[0]
        assert (told["destination"], told["run_id"]) == (_NAME, first.run_id)
        assert f"run {first.run_id} was halted" in told["text"]
        assert "Other" not in told["text"]

        # Somebody who tries one contact by hand is at the screen, and what a retry did
        # says nothing about the others.
        here.fail(_NAME)
        await here.run(_NAME, contacts=("1",))
        await here.run(_NAME, dead=True)
        assert webhook.kinds == ["halted"]
        assert (await here.run(_NAME)).ok
        await here.run(_NAME)
        assert webhook.kinds == ["halted", "recovered"]
        assert webhook.got[1]["over"] == "halted"


@pytest.mark.asyncio
async def test_what_is_not_taken_stays_written_down_and_costs_the_run_nothing(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with _watched(database, tmp_path) as (here, webhook):
        webhook.status = 500
        here.fail(_NAME, _BAD_KEY)
        assert (await here.run(_NAME)).status == "halted"
        states, undelivered = await app.alerts(here.config, ())
        assert {each.concern.value: each.state for each in states} == {
            "run": "halted",
            "stale": "ok",
            "standing": "ok",
        }
        assert [(each.target, each.number, each.error) for each in undelivered] == [
            ("chat", 1, "HTTP status 500")
        ]
        (status,) = await Project(here.config).astatus()
        shown = status.public()
        assert (shown["alerts"], shown["undelivered_alerts"]) == ({"run": "halted"}, 1)
        assert "alert_not_delivered" in caplog.text
        assert "secret-path" not in caplog.text

        # It is not due yet: a target that is away is not asked again at once.
        webhook.status = 200
        assert await app.check_alerts(here.config) == []
        assert webhook.got == []
        await here.source.execute(
            "UPDATE syncengine.sync_alert_message SET next_try_at = now()"
        )
        assert await app.check_alerts(here.config) == []
        assert await app.check_alerts(here.config) == []
        assert webhook.kinds == ["halted"]
        assert (await app.alerts(here.config, ()))[1] == []


@pytest.mark.asyncio
async def test_check_finds_what_no_run_notices(database: str, tmp_path: Path) -> None:
    async with _watched(database, tmp_path, stale="1h") as (here, webhook):
        report = await here.run(_NAME)
        await app.check_alerts(here.config)
        assert webhook.got == []
        await here.source.execute(
            "UPDATE syncengine.sync_alert SET succeeded_at = now() - interval '2 hours' "
            "WHERE concern = 'run'"
        )
        await app.check_alerts(here.config)
        await app.check_alerts(here.config)
        assert webhook.kinds == ["stale"]
        # Its process ended without a word.
        await here.source.execute(
            "UPDATE syncengine.sync_run SET status = 'running' WHERE run_id = $1",
            report.run_id,
        )
        await app.check_alerts(here.config)
        assert webhook.kinds == ["stale", "failed"]
        await here.run(_NAME)
        assert sorted(webhook.kinds[2:]) == ["recovered", "recovered"]


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # a plug-in of apprise
@pytest.mark.asyncio
async def test_a_target_that_never_answers_holds_up_nothing_and_apprise_delivers(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with _watched(database, tmp_path) as (here, webhook):
        here.environ["SERVICE"] = webhook.url.replace("http://", "json://")
        targets = {"chat": {"webhook": "${CHAT}"}, "mail": {"apprise": "${SERVICE}"}}
        here.configure_engine(alerts={"to": targets})
        assert await app.try_alerts(here.config) == [
            AlertTest("chat", None),
            AlertTest("mail", None),
        ]
        # apprise sends a form of its own.
        assert "test" in webhook.got[0]["text"]
        assert "test" in webhook.got[1]["message"]

        monkeypatch.setattr(messages, "_MOST_SECONDS", 0.2)
        webhook.hangs = True
        assert [each.error for each in await app.try_alerts(here.config)] == [
            "no answer within 0 seconds",
            "no answer within 0 seconds",
        ]
        # apprise itself logs parts of its URLs, and what does not get through.
        assert [each for each in caplog.records if each.name == "apprise"] == []


@pytest.mark.asyncio
async def test_a_killed_night_is_reported_by_the_next_run(
    database: str, tmp_path: Path
) -> None:
    async with _watched(database, tmp_path) as (here, webhook):
        here.fail(_NAME, Rule(FaultKind.HOLD_BEFORE_COMMIT))
        command = here.start("run")
        holds = here.sandbox.holds(_NAME)
        assert await command.comes_to(holds.wait_for(1)), command.said()
        await command.kill()
        holds.release()
        here.heal(_NAME)
        await here.source.execute(
            "UPDATE syncengine.sync_lease SET expires_at = clock_timestamp() - "
            "interval '1 hour'"
        )
        assert (await here.run(_NAME)).ok
        assert webhook.kinds == ["failed", "recovered"]
        assert webhook.got[0]["run_id"] < webhook.got[1]["run_id"]
        await here.run(_NAME)
        assert len(webhook.got) == 2


@pytest.mark.asyncio
async def test_of_two_who_deliver_at_once_none_takes_what_the_other_has(
    database: str,
) -> None:
    enqueue = (
        "INSERT INTO syncengine.sync_alert_message (target, body) "
        "SELECT target, '{}' FROM unnest(ARRAY['a', 'b', 'a', 'a', 'b']) AS target"
    )
    async with open_pool(database) as pool:
        async with pool.acquire() as connection:
            await connection.execute(enqueue)
        store = Alerts(pool)
        claims = await asyncio.gather(*(store.claim(["a", "b"]) for _ in range(3)))
        # One of them has all five: the others would overtake it.
        assert sorted(len(claimed) for claimed in claims) == [0, 0, 5]


@pytest.mark.asyncio
async def test_no_message_overtakes_an_older_one(database: str, tmp_path: Path) -> None:
    async with _watched(database, tmp_path) as (here, webhook):
        webhook.status = 500
        here.fail(_NAME, _BAD_KEY)
        await here.run(_NAME)
        here.fail(_NAME)
        webhook.status = 200
        assert (await here.run(_NAME)).ok
        # The alert is not due again yet, so the recovery waits behind it.
        assert webhook.kinds == []
        await here.source.execute(
            "UPDATE syncengine.sync_alert_message SET next_try_at = now()"
        )
        assert await app.check_alerts(here.config) == []
        assert webhook.kinds == ["halted", "recovered"]


@pytest.mark.asyncio
async def test_a_test_message_tells_whether_each_target_can_be_reached(
    database: str, tmp_path: Path
) -> None:
    async with _watched(database, tmp_path) as (here, webhook):
        here.environ["NOWHERE"] = "http://127.0.0.1:1/x"
        here.environ["ODD"] = "no-such-service://"
        here.configure_engine(
            alerts={
                "to": {
                    "chat": {"webhook": "${CHAT}"},
                    "away": {"webhook": "${NOWHERE}"},
                    "odd": {"apprise": "${ODD}"},
                }
            }
        )
        code, said = await here.command("alerts", "test", "--format", "jsonl")
        assert code == 1
        results = [orjson.loads(line) for line in said.splitlines()]
        assert results == [
            {"target": "chat", "error": None},
            {"target": "away", "error": "no connection (ClientConnectorError)"},
            {"target": "odd", "error": "apprise does not understand the URL"},
        ]
        assert "test" in webhook.got[0]["text"]
        code, said = await here.command("alerts")
        assert (code, "No destination is watched yet" in said) == (0, True)


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ({"webhook": "https://hooks.example.org/T0K3N"}, "from the environment only"),
        ({"webhook": "${CHAT}", "apprise": "${CHAT}"}, "needs one of"),
        ({"webhook": "${MAIL}"}, "must be an address that begins with https://"),
        ({"webhook": "${CHAT}", "on": ["sometimes"]}, "must be"),
    ],
)
@pytest.mark.asyncio
async def test_a_target_that_cannot_be_used_is_named(
    database: str, tmp_path: Path, target: dict[str, Any], complaint: str
) -> None:
    async with _watched(database, tmp_path) as (here, _):
        here.environ["MAIL"] = "mailto://somebody:password@example.org"
        here.configure_engine(alerts={"to": {"ops": target}})
        with pytest.raises(ConfigError) as caught:
            _ = here.config
        assert "alerts.to.ops" in str(caught.value)
        assert complaint in str(caught.value)
        assert "T0K3N" not in str(caught.value)
        assert "password" not in str(caught.value)
