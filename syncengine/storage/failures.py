"""Errors of Postgres and of the way to it, in plain words: no password, no value of a row."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import asyncpg

from syncengine.errors import RunRefused, SchemaOutdated, StorageError

_CAUGHT = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, UnicodeDecodeError)
_MISSING = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.InvalidSchemaNameError)

_LOST = "the connection was lost; run again when the server is reachable"
_IN_WORDS: dict[type[BaseException], str] = {
    socket.gaierror: "its host is unknown; check the host's name in the database URL, and DNS",
    TimeoutError: "it did not answer in time; check host, port and firewall",
    ConnectionRefusedError: "nothing listens there; check host and port, and whether the server runs",
    ConnectionError: _LOST,
    UnicodeDecodeError: "it sent text that is not UTF-8; a database with encoding SQL_ASCII has to hold UTF-8 only",
    ValueError: "its URL cannot be read; it has to look like postgresql://user:password@host:5432/name, with special "
    "characters percent-encoded",
    asyncpg.InterfaceError: _LOST,
    asyncpg.InternalClientError: _LOST,
}
"""Looked up in this order."""
_WHAT_TO_DO = {
    "08": "run again when the server is reachable",
    "28": "check user and password in the database URL",
    "3D000": "create the database or correct its name in the database URL",
    "25006": "the server takes no writes (a read replica?); point the URL at the primary",
    "40001": "run again; a read replica that keeps cancelling needs a larger max_standby_streaming_delay",
    "42501": "grant this user the right, or use another user",
    "53": "the server is short of connections, memory or disk; free some and run again",
    "55P03": "somebody held a lock for a minute (a migration, a dump?); run again when that is over",
    "57014": "it took too long or somebody cancelled it; look for locks and load, then run again",
    "57P": "the server is starting, stopping or was restarted; run again when it is up",
}
"""By SQLSTATE or its beginning (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


_PASSING = ("08", "25006", "53", "57P")
"""Beginnings of the SQLSTATEs of a server that is away, out of room, or takes no writes for now."""


def describe(dsn: str) -> str:
    """The database a URL points at, as ``database crm at db.example.org:5432 as user sync``; never its password."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return "the database"
    login, _, hosts = parts.netloc.rpartition("@")
    # A password that was not percent-encoded splits the URL in the wrong place: then nothing of it may be shown.
    misread = "@" in parts.path + parts.query + parts.fragment or not re.fullmatch(
        r"([^:@]|\[.*\]|:\d+(?=,|$))*", hosts
    )
    if misread or parts.scheme not in {"postgres", "postgresql"}:
        return "the database"
    name, user = unquote(parts.path.lstrip("/")), unquote(login.partition(":")[0])
    return f"database {name or '(default)'}" + (f" at {hosts}" if hosts else "") + (f" as user {user}" if user else "")


def explain(error: BaseException) -> str:
    """What happened and what to do, without a value of any row (Postgres puts values into data errors and details)."""
    if isinstance(error, asyncpg.PostgresError):
        return _explain_postgres(error)
    known = next((text for kind, text in _IN_WORDS.items() if isinstance(error, kind)), None)
    return known or f"it cannot be reached ({error}); check host, port and network"


def _explain_postgres(error: asyncpg.PostgresError) -> str:
    state = error.sqlstate or "unknown"
    text = str(error.args[0]) if error.args else type(error).__name__
    if state.startswith("22"):  # data exceptions quote the datum
        text = re.sub(r'".*"', '"..."', text, flags=re.DOTALL)
    advice = next((_WHAT_TO_DO[state[:n]] for n in (5, 3, 2) if state[:n] in _WHAT_TO_DO), None)
    return f"{text} (SQLSTATE {state})" + (f"; {advice}" if advice else "")


@contextmanager
def storage_errors(
    place: str = "the state database", *, failure: Callable[[str], RunRefused] = StorageError
) -> Iterator[None]:
    """Turn whatever asyncpg raises inside into ``failure``, with ``place`` (see ``describe``) in front.

    The original is not chained: its text may hold a value of a row. Our own exceptions pass untouched.
    """
    try:
        yield
    except _MISSING as error:
        if failure is StorageError and re.search(r"\bsync(engine|_\w+)", str(error.args[0])):
            raise SchemaOutdated(
                f"{place}: the state schema does not fit this version ({error.args[0]}); run `syncengine migrate`"
            ) from None
        raise failure(f"{place}: {explain(error)}") from None
    except _CAUGHT as error:
        refused = failure(f"{place}: {explain(error)}")
        refused.may_pass = _may_pass(error)
        raise refused from None


def _may_pass(error: BaseException) -> bool:
    """Whether the database is away, full or read-only rather than unwilling."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_PASSING)
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError)
