"""A user's script, checked by mypy --strict against the installed package."""

from __future__ import annotations

import asyncio
import threading
from typing import assert_type

from syncengine import (
    BrakeApplied,
    CheckReport,
    ConfigError,
    Event,
    EventRecord,
    LeaseHeld,
    LiveProgress,
    PlanReport,
    Project,
    ReportError,
    Reports,
    RunReport,
    RunSnapshot,
    RunStatus,
    StatusReport,
    SyncEngineError,
    VerifyReport,
    WaitReason,
)


def show(*values: object) -> None: ...


def listen(record: EventRecord) -> None:
    assert_type(record.event, Event)
    show(record.level, record.event.value, dict(record.facts))


class Shown:
    def started(self, destination: str, total: int) -> None: ...

    def advanced(self, destination: str, contacts: int, requests: int) -> None: ...

    def updated(self, destination: str, snapshot: RunSnapshot) -> None:
        show(destination, snapshot.done, snapshot.total, snapshot.seconds_left)
        if snapshot.waiting is not None:
            assert_type(snapshot.waiting.reason, WaitReason)

    def finished(self, destination: str) -> None: ...


def nightly() -> int:
    project = Project.load("config/syncengine.yaml", environ={"TOKEN": "secret"})
    assert_type(project.destinations, tuple[str, ...])
    assert_type(project.check(), CheckReport)
    assert_type(project.plan("whatsapp_de", backfill=True), Reports[PlanReport])
    assert_type(project.plan(out="plan.json", show_values=True), Reports[PlanReport])
    assert_type(project.run(plan="plan.json"), Reports[RunReport])
    shown: LiveProgress = Shown()
    reports = project.run(
        "whatsapp_de", on_event=listen, progress=shown, stop=threading.Event()
    )
    assert_type(reports, Reports[RunReport])
    report = reports.of("whatsapp_de")
    assert_type(report, RunReport)
    assert_type(report.status, RunStatus)
    assert_type(report.contacts["applied"], int)
    try:
        reports.raise_for_status()
    except BrakeApplied as brake:
        show(brake.name)
    except ConfigError as error:
        show([str(problem) for problem in error.problems])
    except LeaseHeld:
        return 3
    except ReportError:
        if report.run_id is not None:
            assert_type(project.retry(report.run_id), Reports[RunReport])
    except SyncEngineError as error:
        show(error)
    assert_type(project.verify(sample=100), Reports[VerifyReport])
    assert_type(project.status(), Reports[StatusReport])
    return 0


async def under_asyncio() -> None:
    project = Project.load()
    stop = asyncio.Event()
    assert_type(await project.acheck(), CheckReport)
    assert_type(await project.aplan(), Reports[PlanReport])
    assert_type(await project.arun(limit=10, stop=stop), Reports[RunReport])
    assert_type(await project.aretry(dead=True), Reports[RunReport])
    assert_type(await project.averify(), Reports[VerifyReport])
    (status,) = await project.astatus("whatsapp_de")
    assert_type(status, StatusReport)
