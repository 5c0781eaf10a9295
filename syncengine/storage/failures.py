"""Errors of Postgres and of its connections, in plain words.

They contain no password, and no value of a row.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import asyncpg

from syncengine.errors import RunRefused, SchemaOutdated, SourceError, StorageError
from syncengine.model.texts import printable

_CAUGHT = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    UnicodeDecodeError,
)
_MISSING = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.InvalidSchemaNameError,
)

_LOST = "the connection was lost; run again when the server is reachable"
_IN_WORDS: dict[type[BaseException], str] = {
    socket.gaierror: (
        "its host is unknown; check the host's name in the database URL, and DNS"
    ),
    TimeoutError: "it did not answer in time; check host, port and firewall",
    ConnectionRefusedError: (
        "nothing listens there; check host and port, and whether the server runs"
    ),
    ConnectionError: _LOST,
    UnicodeDecodeError: (
        "it sent text that is not UTF-8; move what it holds to a database with the "
        "encoding UTF8"
    ),
    ValueError: (
        "its URL cannot be read; it has to look like "
        "postgresql://user:password@host:5432/name, with special characters "
        "percent-encoded"
    ),
    asyncpg.InterfaceError: _LOST,
    asyncpg.InternalClientError: _LOST,
}
"""Explanations by kind of error; the first kind that fits counts. A subclass comes
before its base: ConnectionRefusedError is a ConnectionError, UnicodeDecodeError a
ValueError."""
_WORDS = {
    "08": ("the connection broke", "run again when the server is reachable"),
    "0A": ("it asks for what this server cannot do", ""),
    "22": ("a value of a row cannot be used as it is meant to be", ""),
    "22003": ("a number of a row is out of range", ""),
    "22007": ("a value of a row is not a date or time", ""),
    "22008": ("a date or time of a row is out of range", ""),
    "22012": ("something is divided by zero", ""),
    "22021": ("a text of a row is not in the encoding of its database", ""),
    "22P02": ("a value of a row cannot be read as its type", ""),
    "22P05": ("a text of a row cannot be written in the encoding asked for", ""),
    "23": ("a rule of a table is broken", ""),
    "25006": (
        "something in it would write, where only reading is allowed",
        (
            "a source is only read: leave out what writes; the state needs the URL of "
            "a primary, not of a read replica"
        ),
    ),
    "28": (
        "the server does not take this user",
        "check user and password in the database URL",
    ),
    "3D000": (
        "there is no such database",
        "create the database or correct its name in the database URL",
    ),
    "3F000": ("it names a schema that is not there", ""),
    "40": (
        "another transaction stood in its way",
        (
            "run again; a read replica that keeps cancelling needs a larger "
            "max_standby_streaming_delay"
        ),
    ),
    "42": ("its SQL is not right", ""),
    "42501": ("this user lacks a right", ""),
    "42601": ("its SQL has a syntax error", ""),
    "42702": ("it names a column that several tables have", ""),
    "42703": ("it names a column that is not there", ""),
    "42725": ("it calls a function of which several fit", ""),
    "42804": ("it compares or returns another type than is asked for", ""),
    "42883": ("there is no such function or operator for these types", ""),
    "42P01": ("it names a table or view that is not there", ""),
    "53": (
        "the server is short of connections, memory or disk",
        "free some and run again",
    ),
    "54": ("something in it is too large for the server", ""),
    "55P03": (
        "somebody held a lock for a minute (a migration, a dump?)",
        "run again when that is over",
    ),
    "57014": (
        "it took too long or somebody cancelled it",
        "look for locks and load, then run again",
    ),
    "57P": (
        "the server is starting, stopping or was restarted",
        "run again when it is up",
    ),
    "58": ("the server could not use its own files", "look into the server's log"),
    "HV": ("a foreign server behind it failed", "look into the server's log"),
    "P0": (
        "a function behind it raised an error",
        "look into the server's log, or ask whoever wrote the function",
    ),
    "XX": ("the server met an error of its own", "look into the server's log"),
}
"""Explanations and advice by SQLSTATE or its beginning
(https://www.postgresql.org/docs/current/errcodes-appendix.html). The server's own words
are never used: they may contain a value of a row, come in any language, and a function
behind a view can make them up."""
READS = (
    "grant this user USAGE on the schema, and SELECT on the table or its columns, or "
    "use another user"
)
RUNS = (
    "grant this user USAGE on the schema syncengine, and SELECT, INSERT, UPDATE and "
    "DELETE on all of its tables"
)
CONNECTS = "grant this user CONNECT on the database, or use another user"
PLANS = "grant this user TEMPORARY on the database"
MIGRATES = (
    "grant this user CREATE on the database, or let the owner of the schema syncengine "
    "migrate, where it is there"
)
MAKES_DATABASES = (
    "let this user make databases (ALTER ROLE ... CREATEDB), or use another user"
)
"""Advice for a missing right, by what was asked for: the server names the right only in
its own words."""
_NAMING = ("42", "3F")
"""Beginnings of the SQLSTATEs that concern a place in the statement."""
_NAME = re.compile(r'"[^"]{1,63}"|[^\W\d][\w.$]{0,126}|[^\s\w"\'$]')
"""A name or a sign of a statement, and no literal."""


_HOSTS = re.compile(r"([^:@]|\[.*\]|:\d+(?=,|$))*")
"""The hosts of a URL that was split in the right places, each perhaps with a port."""
_OURS = re.compile(r"\bsync(engine|_\w+)")
"""Names of the state's schema and tables."""
_PASSING = ("08", "25006", "40", "53", "55P03", "57P")
"""Beginnings of the SQLSTATEs of a server that is away, out of room, or takes no writes
for now; and of transactions that another one, such as a migration, stood in the way
of."""


_OF_ROWS = ("21", "22", "23", "2F", "38", "39", "42", "44", "54", "P0")
"""Beginnings of the SQLSTATEs that a row may bring about, in a statement that can be
run."""


def is_of_rows(error: BaseException) -> bool:
    """Return whether the values of a row may be to blame."""
    if not isinstance(error, asyncpg.PostgresError):
        return False
    return (error.sqlstate or "").startswith(_OF_ROWS)


def describe(dsn: str) -> str:
    """Return the database of a URL in words, never its password.

    For example ``database crm at db.example.org:5432 as user sync``.
    """
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return "the database"
    if parts.scheme not in {"postgres", "postgresql"} or _is_misread(parts):
        return "the database"
    login, _, hosts = parts.netloc.rpartition("@")
    parameters = dict(parse_qsl(parts.query))
    name = unquote(parts.path.lstrip("/")) or parameters.get("dbname")
    user = unquote(login.partition(":")[0]) or parameters.get("user")
    place = hosts or parameters.get("host")
    described = f"database {name or '(default)'}"
    if place:
        described += f" at {place}"
    if user:
        described += f" as user {user}"
    return printable(described)


def _is_misread(parts: SplitResult) -> bool:
    """Return whether a password that was not percent-encoded split the URL wrongly.

    Then parts of the password are somewhere else, and nothing of the URL may be shown.
    """
    if "@" in parts.path + parts.query + parts.fragment:
        return True
    hosts = parts.netloc.rpartition("@")[2]
    return _HOSTS.fullmatch(hosts) is None


# Of the context and not of the module: two projects in one process, each in its own
# task, have state databases of their own.
_state: ContextVar[str] = ContextVar("state", default="the state database")


@contextmanager
def state_named(description: str) -> Iterator[None]:
    """Name the state database so in all messages of the block (see ``describe``).

    Other calls of the process, which may use another state, do not see the name.
    """
    before = _state.get()
    _state.set(f"the state database ({description})")
    try:
        yield
    finally:
        _state.set(before)


def state_database() -> str:
    """Return the name of the state database in messages."""
    return _state.get()


def explain(error: BaseException, right: str = READS) -> str:
    """Return what happened and what to do, in words of our own.

    ``right`` is the advice where a right is missing.
    """
    if isinstance(error, asyncpg.PostgresError):
        return _explain_postgres(error, right)
    # asyncpg raises a bare ConnectionError for this; only its text tells it apart.
    if isinstance(error, ConnectionError) and "SSL" in str(error):
        return (
            "the server does not speak TLS, which sslmode asks for; turn it on there, "
            "or choose another sslmode"
        )
    for kind, text in _IN_WORDS.items():
        if isinstance(error, kind):
            return text
    reason = printable(str(error))
    return f"it cannot be reached ({reason}); check host, port and network"


def _explain_postgres(error: asyncpg.PostgresError, right: str) -> str:
    state = error.sqlstate or ""
    # A function behind a view can raise any state, and so put a value of a row into it.
    if not re.fullmatch("[0-9A-Z]{5}", state):
        state = "unknown"
    explanation, advice = _words_of(state)
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        advice = right
    if state.startswith(_NAMING):
        name = _name_in_statement(error)
        if name is not None:
            explanation += f": {name}"
    explanation += f" (SQLSTATE {state})"
    if advice:
        explanation += f"; {advice}"
    return explanation


def _words_of(state: str) -> tuple[str, str]:
    """Return explanation and advice of the most special entry that fits a SQLSTATE."""
    for length in (5, 3, 2):
        if state[:length] in _WORDS:
            return _WORDS[state[:length]]
    return "it failed", ""


def _name_in_statement(error: asyncpg.PostgresError) -> str | None:
    """Return the name at the position in our statement to which the server points.

    The statement's words are those of the configuration, so they may be shown.
    """
    # asyncpg sets these attributes only where the server sent them.
    statement = getattr(error, "query", None)
    position = getattr(error, "position", None)
    if not isinstance(statement, str) or not str(position).isdigit():
        return None
    # The position counts characters from 1.
    found = _NAME.match(statement, int(str(position)) - 1)
    if found is None:
        return None
    name = printable(found[0]).strip('"')
    return f'"{name}"'


@contextmanager
def storage_errors(
    place: str | None = None,
    *,
    failure: Callable[[str], RunRefused] = StorageError,
    right: str | None = None,
) -> Iterator[None]:
    """Raise errors of asyncpg and of the connection as ``failure``.

    The message begins with ``place``, by default the state database. ``right`` is the
    advice where a right is missing; by default that for reading a source, or for a run.

    The original is not chained: its text may contain a value of a row. Our own
    exceptions pass unchanged.
    """
    place = place or state_database()
    reads_source = failure is SourceError
    if right is None:
        right = READS if reads_source else RUNS
    try:
        yield
    except _CAUGHT as error:
        if failure is StorageError and _is_outdated_schema(error):
            raise SchemaOutdated(
                f"{place}: the state schema does not fit this version "
                f"({explain(error)}); run `syncengine migrate`"
            ) from None
        refused = failure(f"{place}: {explain(error, right)}")
        refused.of_rows = is_of_rows(error)
        refused.may_pass = _may_pass(error, reads=reads_source)
        raise refused from None


def _is_outdated_schema(error: BaseException) -> bool:
    """Return whether a table or column of ours is missing.

    The server's words are looked at, and never shown. They name what is missing in
    every language.
    """
    if not isinstance(error, _MISSING):
        return False
    return _OURS.search(str(error.args[0])) is not None


def _may_pass(error: BaseException, *, reads: bool) -> bool:
    """Return whether the error may pass by itself.

    It may where the database is away, full, read-only or busy. A reader of a source
    asks for no writes: for it, a read-only error is a permanent one, and a replica that
    cancels its statement will do so again.
    """
    if reads and isinstance(
        error, asyncpg.ReadOnlySQLTransactionError | asyncpg.TransactionRollbackError
    ):
        return False
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_PASSING)
    return isinstance(
        error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError
    )
