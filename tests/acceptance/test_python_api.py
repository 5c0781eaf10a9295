"""The Python API in scripts, threads, notebooks and under asyncio."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog

from syncengine import (
    BrakeApplied,
    ConfigError,
    Event,
    EventRecord,
    LeaseHeld,
    Project,
    ReportError,
    RunKind,
    RunStatus,
)
from syncengine.app import event_log
from syncengine.config.models import EngineFile
from syncengine.config.project import Config
from syncengine.sandbox.faults import FaultKind, Rule
from tests.support.databases import Databases
from tests.support.people_project import RESPOND_IO, People, people, refusing

_ONE = {"respond_io": {**RESPOND_IO, "find_first": True}}


def _project(here: People) -> Project:
    return Project.load(here.file, environ=here.environ)


@pytest.fixture
def other_database(databases: Databases) -> Iterator[str]:
    """Return the DSN of a second database with the state schema."""
    dsn = databases.create(migrated=True)
    yield dsn
    databases.drop(dsn)


@pytest.mark.asyncio
async def test_a_run_its_report_and_its_status(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 4))
        project = _project(here)
        assert project.destinations == ("respond_io",)
        assert (await project.astatus()).of("respond_io").last_run is None
        (forecast,) = await project.aplan()
        assert (forecast.ok, forecast.actions) == (True, {"create": 3})
        reports = await project.arun("respond_io")
        reports.raise_for_status()
        (report,) = reports
        assert report.status is RunStatus.DONE
        assert report.contacts["applied"] == 3
        assert reports.public() == [report.public()]
        with pytest.raises(FrozenInstanceError):
            report.calls = 0  # type: ignore[misc]
        (verified,) = await project.averify()
        assert (verified.ok, verified.compared) == (True, 3)
        checked = await project.acheck()
        assert checked.ok, checked.failures
        (status,) = await project.astatus("respond_io")
        assert status.last_run is not None
        assert (status.last_run.kind, status.last_run.status) == (
            RunKind.VERIFY,
            RunStatus.DONE,
        )
        assert (status.ok, status.lease, status.open_erasures) == (True, None, 0)
        assert status.public()["standing"]["dead_letter"] == 0


@pytest.mark.asyncio
async def test_the_status_shows_who_works_and_what_the_last_run_did(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 4))
        here.fail("respond_io", refusing(2))
        project = _project(here)
        seen = []

        async def look() -> None:
            (status,) = await project.astatus()
            seen.append(status)

        looks: list[asyncio.Task[None]] = []

        def on_event(record: EventRecord) -> None:
            if record.event is Event.RUN_STARTED:
                looks.append(asyncio.ensure_future(look()))

        await project.arun(on_event=on_event)
        await asyncio.gather(*looks)
        (during,) = seen
        assert during.last_run is not None
        assert during.last_run.status in (RunStatus.RUNNING, RunStatus.INCOMPLETE)
        (after,) = await project.astatus()
        assert after.last_run is not None
        assert after.last_run.status is RunStatus.INCOMPLETE
        assert after.last_run.contacts["rejected"] == 1
        assert not after.ok
        with pytest.raises(ReportError, match="respond_io: incomplete"):
            after.raise_for_status()


@pytest.mark.asyncio
async def test_what_fell_short_is_raised_with_its_report_and_can_be_retried(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 4))
        here.fail("respond_io", refusing(2))
        project = _project(here)
        reports = await project.arun()
        assert not reports.ok
        with pytest.raises(ReportError) as raised:
            reports.raise_for_status()
        assert raised.value.report is reports[0]
        assert str(raised.value) == "respond_io: incomplete: 1 rejected"
        here.heal("respond_io")
        run_id = reports[0].run_id
        (again,) = await project.aretry(run_id)
        assert (again.status, again.contacts["applied"]) == (RunStatus.DONE, 1)
        with pytest.raises(ConfigError, match="--dead"):
            await project.aretry(run_id, code="rejected")


@pytest.mark.asyncio
async def test_blocking_calls_in_a_script_a_thread_and_under_a_running_loop(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 3))
        project = _project(here)
        # As in a notebook: a loop runs in this very thread. The sandbox runs on it, so
        # only what needs no vendor can be asked for here without a deadlock.
        assert project.status().ok
        assert project.plan()[0].actions == {"create": 2}
        with ThreadPoolExecutor(1) as pool:
            loop = asyncio.get_running_loop()
            first = await loop.run_in_executor(pool, project.run)
            second = await loop.run_in_executor(pool, project.run)
        assert [report[0].contacts["applied"] for report in (first, second)] == [2, 0]
        assert first.ok
        assert second.ok


@pytest.mark.asyncio
async def test_a_thread_may_ask_for_a_clean_stop(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 40))
        here.configure("respond_io", limits=[{"calls": 5, "per": "1m"}])
        project, stop = _project(here), threading.Event()

        def on_event(record: EventRecord) -> None:
            if record.event is Event.REQUEST_ANSWERED:
                stop.set()

        reports = await asyncio.to_thread(
            lambda: project.run(on_event=on_event, stop=stop)
        )
        (report,) = reports
        assert report.status is RunStatus.STOPPED
        assert report.contacts["deferred"] > 0
        (status,) = await project.astatus()
        assert status.lease is None, "it was released"


def _contacts_announced(records: Sequence[EventRecord]) -> list[object]:
    """Return the number of contacts with which each run began."""
    return [
        record.facts["contacts"]
        for record in records
        if record.event is Event.RUN_STARTED
    ]


@pytest.mark.asyncio
async def test_two_projects_on_one_loop_know_nothing_of_each_other(
    database: str, other_database: str, tmp_path: Path
) -> None:
    async with (
        people(database, tmp_path / "one", _ONE) as one,
        people(other_database, tmp_path / "two", _ONE) as two,
    ):
        await one.add(range(1, 3))
        await two.add(range(1, 6))
        heard: dict[str, list[EventRecord]] = {"one": [], "two": []}
        first, second = await asyncio.gather(
            _project(one).arun(on_event=heard["one"].append),
            _project(two).arun(on_event=heard["two"].append),
        )
        assert (first[0].contacts["applied"], second[0].contacts["applied"]) == (2, 5)
        assert _contacts_announced(heard["one"]) == [2]
        assert _contacts_announced(heard["two"]) == [5]
        assert event_log._subscription.get() is None


@pytest.mark.asyncio
async def test_events_come_with_their_facts_and_a_broken_listener_ends_nothing(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add([1])
        heard: list[EventRecord] = []

        def on_event(record: EventRecord) -> None:
            heard.append(record)
            raise RuntimeError("a listener's own mistake")

        reports = await _project(here).arun(on_event=on_event)
        reports.raise_for_status()
        started = [each for each in heard if each.event is Event.RUN_STARTED]
        assert started[0].level == logging.INFO
        assert started[0].facts == {
            "destination": "respond_io",
            "run_id": 1,
            "kind": "sync",
            "contacts": 1,
        }
        assert heard[-1].event is Event.RUN_FINISHED
        assert heard[-1].facts == reports[0].public()
        assert "on_event failed at run_finished" in caplog.text


@pytest.mark.asyncio
async def test_the_library_configures_no_logging(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add([1])
        root = logging.getLogger()
        before = list(root.handlers), root.level, structlog.is_configured()
        await _project(here).arun()
        assert (list(root.handlers), root.level, structlog.is_configured()) == before
        assert capsys.readouterr() == ("", "")


@pytest.mark.asyncio
async def test_log_lines_go_to_the_standard_logger(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add([1])
        with caplog.at_level(logging.INFO, "syncengine"):
            await _project(here).arun()
        lines = [record.getMessage() for record in caplog.records]
        assert (
            "run_started destination=respond_io run_id=1 kind=sync contacts=1" in lines
        )


def test_a_configuration_that_cannot_be_used_is_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        Project.load(tmp_path / "syncengine.yaml", environ={})
    assert raised.value.problems


@pytest.mark.asyncio
async def test_an_unknown_destination_and_an_unknown_brake_are_exceptions(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        project = _project(here)
        with pytest.raises(ConfigError, match="respond_oi"):
            await project.arun("respond_oi")
        with pytest.raises(ConfigError, match="neither a brake"):
            await project.arun(accept=["nothing"])


def _unused_project() -> Project:
    """Return a project whose configuration is never looked at."""
    return Project(Config(Path("syncengine.yaml"), EngineFile.model_construct()))


def _refusal(call: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as raised:
        call()
    return str(raised.value)


@pytest.mark.parametrize("method", ["run", "plan", "retry", "verify"])
@pytest.mark.parametrize("argument", ["contacts", "accept", "fields", "destinations"])
def test_a_text_is_not_taken_for_a_collection_of_its_characters(
    method: str, argument: str
) -> None:
    call = getattr(_unused_project(), method)
    if argument not in inspect.signature(call).parameters:
        return
    if argument == "destinations" and method != "retry":
        assert _refusal(lambda: call(["13"])).startswith("destinations: ")
        return
    said = _refusal(lambda: call(**{argument: "13"}))
    assert said.startswith(f"{argument}: ")
    assert said.endswith(f"write {argument}=['13']")
    for wrong in (None, 13, b"13", {"13": 1}, [b"13"], [None], [True], [1.5]):
        said = _refusal(lambda wrong=wrong: call(**{argument: wrong}))  # type: ignore[misc]
        assert said.startswith(f"{argument}: ")


def test_numbers_are_whole_and_at_least_one() -> None:
    project = _unused_project()
    for wrong in (-1, 0, True, "x", 1.5):
        calls: dict[str, list[Callable[..., object]]] = {
            "limit": [project.run, project.plan],
            "sample": [project.verify],
            "batch": [lambda **given: project.retry(12, **given)],
        }
        for argument, methods in calls.items():
            for method in methods:
                said = _refusal(partial(method, **{argument: wrong}))
                assert said.startswith(f"{argument}: must be a whole number of 1 or")
        said = _refusal(partial(project.retry, wrong))  # type: ignore[arg-type]
        assert said.startswith("run_id: must be a whole number of 1 or")


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("run", {"backfill": "no"}),
        ("plan", {"removed": 1}),
        ("verify", {"repair": None}),
        ("retry", {"dead": "yes"}),
        ("retry", {"code": 422, "dead": True}),
        ("check", {"on_event": "x"}),
        ("run", {"progress": print}),
        ("run", {"stop": asyncio.Event()}),
        ("verify", {"stop": True}),
    ],
)
def test_other_arguments_are_of_their_type(method: str, given: dict[str, Any]) -> None:
    said = _refusal(lambda: getattr(_unused_project(), method)(**given))
    assert said.startswith(f"{next(iter(given))}: must ")


@pytest.mark.asyncio
async def test_a_stop_of_threads_is_refused_by_a_twin() -> None:
    with pytest.raises(ConfigError, match=r"stop: must be an asyncio\.Event"):
        await _unused_project().arun(stop=threading.Event())  # type: ignore[arg-type]


@pytest.mark.asyncio
async def test_contact_ids_may_be_integers(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 20))
        (report,) = await _project(here).arun(contacts=[13, "14"])
        assert report.contacts["applied"] == 2
        (verified,) = await _project(here).averify(contacts=iter([13]))
        assert verified.compared == 1
        (plan,) = await _project(here).aplan(contacts={15})
        assert plan.contacts == 1


@pytest.mark.asyncio
async def test_a_brake_is_raised_by_the_report(database: str, tmp_path: Path) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 21))
        project = _project(here)
        (await project.arun()).raise_for_status()
        await here.remove(range(1, 20))
        here.configure(
            "respond_io",
            on_removed="delete",
            brakes={"removals": {"share": 0.05, "at_least": 1}},
        )
        project = _project(here)
        reports = await project.arun()
        assert reports[0].status is RunStatus.REFUSED
        with pytest.raises(BrakeApplied) as raised:
            reports.raise_for_status()
        assert raised.value.name
        assert str(raised.value) == reports[0].error
        plans = await project.aplan()
        with pytest.raises(BrakeApplied):
            plans.raise_for_status()
        accepted = await project.arun(accept=[raised.value.name])
        accepted.raise_for_status()


@pytest.mark.asyncio
async def test_a_lease_that_another_run_holds_is_raised_by_the_report(
    database: str, tmp_path: Path
) -> None:
    async with people(database, tmp_path, _ONE) as here:
        await here.add(range(1, 3))
        here.fail(
            "respond_io", Rule(FaultKind.HOLD_BEFORE_COMMIT, method="POST", times=1)
        )
        first = asyncio.create_task(_project(here).arun())
        await here.sandbox.holds("respond_io").wait_for(1)
        project = _project(here)
        (status,) = await project.astatus()
        assert status.lease is not None
        assert status.lease.holder
        reports = await project.arun()
        assert reports[0].status is RunStatus.HELD
        with pytest.raises(LeaseHeld):
            reports.raise_for_status()
        here.sandbox.holds("respond_io").release()
        (await first).raise_for_status()
