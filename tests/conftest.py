"""Fixtures for every test: scratch databases on a real Postgres, and an aioresponses that works."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.support.aiohttp_shim import aioresponses_repaired
from tests.support.databases import Databases, running_server

if TYPE_CHECKING:
    from tests.support.browser import Chromium

# How long an example or its making takes is a matter of the machine, not of the code.
settings.register_profile(
    "syncengine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("syncengine")

# Taken out of the environment, so that no command under test can reach a database that no test has made.
_SERVER_URL = os.environ.pop("SYNCENGINE_DATABASE_URL", None)
os.environ.pop("CRM_DATABASE_URL", None)

# Without bytecode, each command under test that is a process of its own would compile the
# whole package, which takes longer than its imports do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What is ignored here (under nohup, or in the background of a script), every command
# under test would ignore too, as it should: a test would wait for its end for ever.
for _ignored in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    if signal.getsignal(_ignored) is signal.SIG_IGN:
        signal.signal(_ignored, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # Thousands of tests are collected, and stay: garbage collection would walk over them
    # again and again, for a third of the time that collecting them takes.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """One Postgres server for all tests."""
    with running_server(_SERVER_URL) as server:
        databases = Databases(server)
        try:
            yield databases
        finally:
            databases.close()


@pytest.fixture
def database(databases: Databases) -> Iterator[str]:
    """The DSN of a fresh database with the state schema; dropped after the test, whoever is still connected."""
    dsn = databases.create(migrated=True)
    yield dsn
    databases.drop(dsn)


@pytest.fixture
def empty_database(databases: Databases) -> Iterator[str]:
    """The DSN of a fresh database without the state schema."""
    dsn = databases.create(migrated=False)
    yield dsn
    databases.drop(dsn)


@pytest.fixture(scope="session", autouse=True)
def _working_aioresponses() -> Iterator[None]:
    with aioresponses_repaired():
        yield


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """The one browser of the session; tests are skipped where there is none."""
    # Only the tests that look pay for the import.
    from tests.support.browser import running_chromium  # noqa: PLC0415

    with running_chromium() as browser:
        yield browser
