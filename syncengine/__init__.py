"""Sync of contacts from a Postgres table to messaging and CRM vendors.

    from syncengine import Project

    project = Project.load("config/syncengine.yaml")
    report = project.run("whatsapp_de")
    report.raise_for_status()

What ``__all__`` names is the public API, and nothing else is. It is imported when it is
used for the first time: ``import syncengine`` alone is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from syncengine.version import __version__

if TYPE_CHECKING:
    from syncengine.app.event_log import EventRecord
    from syncengine.app.project import Project
    from syncengine.errors import (
        BrakeApplied,
        ConfigError,
        LeaseHeld,
        ReportError,
        RunRefused,
        SchemaOutdated,
        SourceError,
        StorageError,
        SyncEngineError,
    )
    from syncengine.model.calls import OutcomeKind
    from syncengine.model.copies import VerifyReport
    from syncengine.model.events import Event
    from syncengine.model.plans import PlanReport
    from syncengine.model.progress import RunSnapshot, RunWait, WaitReason
    from syncengine.model.reports import (
        Check,
        CheckReport,
        LiveProgress,
        Noteworthy,
        Progress,
        Reports,
        RunReport,
        RunStatus,
    )
    from syncengine.model.status import LastRun, LeaseHolder, StatusReport
    from syncengine.model.undo_plan import UndoPlan
    from syncengine.model.work import RunKind, Standing

__all__ = [
    "BrakeApplied",
    "Check",
    "CheckReport",
    "ConfigError",
    "Event",
    "EventRecord",
    "LastRun",
    "LeaseHeld",
    "LeaseHolder",
    "LiveProgress",
    "Noteworthy",
    "OutcomeKind",
    "PlanReport",
    "Progress",
    "Project",
    "ReportError",
    "Reports",
    "RunKind",
    "RunRefused",
    "RunReport",
    "RunSnapshot",
    "RunStatus",
    "RunWait",
    "SchemaOutdated",
    "SourceError",
    "Standing",
    "StatusReport",
    "StorageError",
    "SyncEngineError",
    "UndoPlan",
    "VerifyReport",
    "WaitReason",
    "__version__",
]

_MODULES = {
    "syncengine.app.event_log": ("EventRecord",),
    "syncengine.app.project": ("Project",),
    "syncengine.errors": (
        "BrakeApplied",
        "ConfigError",
        "LeaseHeld",
        "ReportError",
        "RunRefused",
        "SchemaOutdated",
        "SourceError",
        "StorageError",
        "SyncEngineError",
    ),
    "syncengine.model.calls": ("OutcomeKind",),
    "syncengine.model.copies": ("VerifyReport",),
    "syncengine.model.events": ("Event",),
    "syncengine.model.plans": ("PlanReport",),
    "syncengine.model.progress": ("RunSnapshot", "RunWait", "WaitReason"),
    "syncengine.model.reports": (
        "Check",
        "CheckReport",
        "LiveProgress",
        "Noteworthy",
        "Progress",
        "Reports",
        "RunReport",
        "RunStatus",
    ),
    "syncengine.model.status": ("LastRun", "LeaseHolder", "StatusReport"),
    "syncengine.model.undo_plan": ("UndoPlan",),
    "syncengine.model.work": ("RunKind", "Standing"),
}
"""Module to the public names that it defines."""
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name when it is asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
