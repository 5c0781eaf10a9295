"""What ``syncengine`` promises to its users, name by name: a change here is a change for them."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
import subprocess
import sys
from dataclasses import fields, is_dataclass
from importlib import resources
from pathlib import Path

import pytest

import syncengine
from syncengine import Project
from tests.support.doc_blocks import Block, blocks, pages

NAMES = (
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
)

RUN_OPTIONS = "*destinations, backfill=, resync=, removed=, limit=, contacts=, accept="
UNDO_OPTIONS = (
    "run_id, /, *, destinations=, contacts=, fields=, created=, accept=, on_event="
)
SIGNATURES = {
    "load": "path=, *, environ=",
    "check": "*, on_event=",
    "plan": f"{RUN_OPTIONS}, sample=, since_config=, out=, show_values=, on_event=",
    "run": f"{RUN_OPTIONS}, plan=, on_event=, progress=, stop=",
    "retry": (
        "run_id=, /, *, batch=, dead=, code=, since=, destinations=, accept=, on_event=, progress=, "
        "stop="
    ),
    "plan_undo": UNDO_OPTIONS,
    "undo": f"{UNDO_OPTIONS}, progress=, stop=",
    "verify": (
        "*destinations, sample=, contacts=, repair=, fields=, recreate=, accept=, on_event=, progress=, stop="
    ),
    "status": "*destinations",
}
"""Method to its parameters; ``=`` behind those that have a default."""

FIELDS = {
    "RunReport": """
        destination run_id status contacts standing left_alone left_alone_alike acquitted actions calls
        requests probes throttled seconds forecast undo_of error noteworthy remarks cause
    """,
    "StatusReport": """
        destination account last_run standing standing_codes in_step whole_run
        progress lease open_erasures alerts undelivered_alerts held_back
    """,
    "LastRun": "run_id kind status started_at ended_at contacts error",
    "LeaseHolder": "holder expires_at",
    "RunSnapshot": """
        at seconds done total outcomes requests throttled last_minute limit waiting
        seconds_left codes
    """,
    "RunWait": "reason seconds",
    "CheckReport": "checks",
    "Check": "area ok message note stops_run",
    "EventRecord": "event level facts",
}

PYTHON_IN_PAGES = [
    block for page in pages() for block in blocks(page) if block.language == "python"
]

HEAVY = {"aiohttp", "asyncpg", "pydantic", "structlog", "yaml", "syncengine.app"}


def test_the_names() -> None:
    assert sorted(syncengine.__all__) == sorted(NAMES)
    for name in NAMES:
        assert getattr(syncengine, name) is not None
    with pytest.raises(AttributeError):
        syncengine.nothing  # noqa: B018


@pytest.mark.parametrize("method", SIGNATURES)
def test_the_signatures(method: str) -> None:
    assert _parameters(method) == SIGNATURES[method]
    if method != "load":
        twin = getattr(Project, f"a{method}")
        assert _parameters(f"a{method}") == SIGNATURES[method]
        assert inspect.iscoroutinefunction(twin)
        assert inspect.getdoc(twin)


def _parameters(method: str) -> str:
    given = list(inspect.signature(getattr(Project, method)).parameters.values())
    words: list[str] = []
    for before, parameter in zip([None, *given], given, strict=False):
        kind = parameter.kind
        if before is not None and before.kind is inspect.Parameter.POSITIONAL_ONLY:
            words.append("/")
        starts_keywords = kind is inspect.Parameter.KEYWORD_ONLY and (
            before is None
            or before.kind
            not in (
                inspect.Parameter.KEYWORD_ONLY,
                inspect.Parameter.VAR_POSITIONAL,
            )
        )
        if starts_keywords:
            words.append("*")
        if parameter.name == "self":
            words = [word for word in words if word != "/"]
        elif kind is inspect.Parameter.VAR_POSITIONAL:
            words.append(f"*{parameter.name}")
        else:
            has_default = parameter.default is not inspect.Parameter.empty
            words.append(f"{parameter.name}=" if has_default else parameter.name)
    if words[:1] == ["/"]:
        words = words[1:]
    return ", ".join(words)


@pytest.mark.parametrize("name", FIELDS)
def test_the_fields_of_reports(name: str) -> None:
    kind = getattr(syncengine, name)
    assert is_dataclass(kind)
    assert [field.name for field in fields(kind)] == FIELDS[name].split()
    assert vars(kind)["__dataclass_params__"].frozen


def test_the_statuses() -> None:
    assert [status.value for status in syncengine.RunStatus] == [
        "done",
        "incomplete",
        "halted",
        "stopped",
        "refused",
        "held",
        "rejected",
        "unreadable",
        "running",
        "died",
    ]


def test_errors_are_one_tree() -> None:
    tree = {
        "SyncEngineError": Exception,
        "RunRefused": syncengine.SyncEngineError,
        "ConfigError": syncengine.RunRefused,
        "StorageError": syncengine.RunRefused,
        "SchemaOutdated": syncengine.StorageError,
        "SourceError": syncengine.RunRefused,
        "BrakeApplied": syncengine.RunRefused,
        "LeaseHeld": syncengine.SyncEngineError,
        "ReportError": syncengine.SyncEngineError,
    }
    for name, parent in tree.items():
        assert getattr(syncengine, name).__bases__ == (parent,)


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import sys, syncengine; print('\\n'.join(sys.modules))"
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(answer.stdout.split()) & HEAVY == set()


def test_the_library_does_not_import_what_configures_logs() -> None:
    script = (
        "import sys; from syncengine import Project; print('\\n'.join(sys.modules))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    imported = set(answer.stdout.split())
    assert imported & {"structlog", "rich", "cyclopts", "syncengine.cli"} == set()
    assert logging.getLogger("syncengine").handlers


def test_the_package_is_typed() -> None:
    assert resources.files("syncengine").joinpath("py.typed").is_file()


def test_a_users_script_passes_mypy_strict(tmp_path: Path) -> None:
    importlib.import_module("mypy")
    script = Path(__file__).parents[1] / "data" / "typed_client.py"
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            "--config-file=",
            "--follow-imports=silent",
            f"--cache-dir={tmp_path}",
            str(script),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (answer.returncode, answer.stdout) == (0, "")


@pytest.mark.parametrize("block", PYTHON_IN_PAGES, ids=lambda block: block.place)
def test_pages_use_public_names_only(block: Block) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom) and node.module == "syncengine":
            imported.update(alias.name for alias in node.names)
    assert imported <= set(NAMES)
