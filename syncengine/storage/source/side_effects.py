"""Functions that do more than read.

A source that calls one by name is refused before a run. That names most mistakes early.
It is no barrier, since what a function calls in turn cannot be seen: the barrier is the
read-only transaction, which Postgres itself keeps.
"""

from __future__ import annotations

import re

_NOT_CODE = re.compile(
    r"--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'",
    re.DOTALL,
)
"""Comments and literals, which contain no calls."""
_QUOTED = re.compile(r'"(\w+)"')
_FUNCTIONS = (
    r"lo_\w+|loread|lowrite",  # large objects
    r"pg_(?:try_)?advisory_\w+",  # locks that outlive the transaction, or stop our own
    "nextval|setval|set_config|pg_notify",
    r"dblink\w*",  # what goes over another connection is not read-only
    r"pg_(?:terminate|cancel)_backend|pg_reload_conf|pg_rotate_logfile|pg_promote",
    r"pg_(?:create|drop|copy|logical|replication|wal_replay|switch)\w*",
    r"pg_(?:backup|start_backup|stop_backup)\w*",
    r"pg_stat_\w*reset\w*|pg_log_\w+|pg_file_\w+|pg_read_\w*file\w*|pg_ls_\w+",
    "pg_export_snapshot",
    r"(?:query|cursor)_to_xml\w*",  # run a text that was not checked
)
_CALL = re.compile(rf"\b({'|'.join(_FUNCTIONS)})\s*\(", re.IGNORECASE)


def side_effect_of(sql: str) -> str | None:
    """Return the first function in a piece of SQL that does more than read."""
    # "nextval"(...) is a call like nextval(...).
    code = _QUOTED.sub(r"\1", _NOT_CODE.sub(" ", sql))
    found = _CALL.search(code)
    if found is None:
        return None
    return found[1].lower()
