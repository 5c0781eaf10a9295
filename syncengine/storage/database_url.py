"""A database's URL, read as libpq reads it.

People copy these URLs from other programs. asyncpg knows fewer parameters than libpq,
and sends those that it does not know to the server, which refuses the connection. So
each parameter is honoured, changes nothing here, or is refused by its name, with what
to do about it.
"""

from __future__ import annotations

import difflib
import os
import re
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from syncengine.errors import StorageError

_TIMEOUT = 15.0
"""Seconds to wait for a connection where the URL has no connect_timeout."""
_SHORTEST = 2.0
"""Shortest connect_timeout in seconds; as in libpq, 1 means 2."""

_HONOURED = frozenset(
    (
        "host",
        "port",
        "dbname",
        "user",
        "password",
        "passfile",
        "service",
        "servicefile",
        "options",
        "application_name",
        "fallback_application_name",
        "connect_timeout",
        "target_session_attrs",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "krbsrvname",
        "gsslib",
    )
)
"""Parameters that the driver understands as libpq does."""
_VALUES: Mapping[str, tuple[str, ...]] = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": (
        "any",
        "read-write",
        "read-only",
        "primary",
        "standby",
        "prefer-standby",
    ),
    "sslnegotiation": ("postgres", "direct"),
}
"""Values that honoured parameters may have."""
_HARMLESS: Mapping[str, tuple[str, ...]] = {
    "channel_binding": ("disable", "prefer"),
    "gssencmode": ("disable", "prefer"),
    "client_encoding": ("auto", "utf8", "utf-8", "unicode"),
    "load_balance_hosts": ("disable",),
    "sslcompression": ("0",),
    "sslsni": ("1",),
    "sslcertmode": ("allow",),
    "gssdelegation": ("0",),
    "requiressl": ("0",),
    "replication": ("false", "off", "no", "0"),
    "keepalives": ("1",),
    "keepalives_idle": (),
    "keepalives_interval": (),
    "keepalives_count": (),
    "tcp_user_timeout": (),
}
"""Parameters that ask for what is the case anyway, or tune what the operating system
does by itself (any value)."""
_REFUSED = frozenset(
    (
        "hostaddr",
        "require_auth",
        "requirepeer",
        "sslcrldir",
        "sslkeylogfile",
        "min_protocol_version",
        "max_protocol_version",
        "scram_client_key",
        "scram_server_key",
        "oauth_issuer",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_scope",
    )
)
"""Parameters of libpq that the driver does not know."""
_FILES = ("sslcert", "sslkey", "sslrootcert", "sslcrl")
"""Parameters that name a file."""
_HANDLED_HERE = frozenset(
    ("connect_timeout", "application_name", "fallback_application_name")
)
"""Parameters that reach the driver as arguments, and so leave the URL."""
_OF_TLS = frozenset(
    (
        "sslrootcert",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslnegotiation",
    )
)


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Address of a database: the driver's URL and options."""

    dsn: str = field(repr=False)
    """The part of the URL that the driver understands."""
    timeout: float | None = _TIMEOUT
    """Seconds to wait for a connection; None: no limit."""
    application_name: str | None = None
    tls: ssl.SSLContext | None = None
    """TLS settings where the URL asks for the operating system's certificates."""

    def options(self, application_name: str) -> dict[str, Any]:
        """Return the driver's arguments other than the URL."""
        name = self.application_name or application_name
        options: dict[str, Any] = {
            "timeout": self.timeout,
            "server_settings": {"application_name": name},
        }
        if self.tls is not None:
            options["ssl"] = self.tls
        return options


def read_url(dsn: str, place: str) -> DatabaseAddress:
    """Read a URL's parameters. Raises StorageError with ``place`` in front.

    A text that is not a URL passes unchanged.
    """
    try:
        parts = urlsplit(dsn)
        # Strict parsing takes an empty query for an error.
        pairs = parse_qsl(
            parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)
        )
    except ValueError:
        # The driver says what is wrong with it.
        return DatabaseAddress(dsn)
    parameters = dict(pairs)
    for name, value in parameters.items():
        why = _refusal(name, value)
        if why is not None:
            raise StorageError(f"{place}: its URL's parameter {name} {why}")
    handled_here = {*_HANDLED_HERE, *_HARMLESS}
    tls = None
    # The driver takes ``system`` for the name of a file. So all that concerns TLS is
    # read here, and handed over as a context.
    if parameters.get("sslrootcert") == "system":
        handled_here |= _OF_TLS
        tls = _system_tls(parameters)
    application_name = parameters.get("application_name")
    if not application_name:
        application_name = parameters.get("fallback_application_name")
    query = _without(parts.query, handled_here)
    return DatabaseAddress(
        urlunsplit(parts._replace(query=query)),
        timeout=_timeout(parameters.get("connect_timeout")),
        application_name=application_name,
        tls=tls,
    )


def _without(query: str, names: Collection[str]) -> str:
    """Return a query without these parameters; the text of the others stays as it is.

    The driver would send a parameter that it does not know to the server, as a setting,
    and the server would refuse it.
    """
    kept: list[str] = []
    for part in query.split("&"):
        name = unquote(part.partition("=")[0])
        if part and name not in names:
            kept.append(part)
    return "&".join(kept)


def _refusal(name: str, value: str) -> str | None:
    """Return why a parameter cannot be used; None where it can."""
    if name in _HONOURED:
        return _refusal_of_value(name, value)
    if name in _REFUSED:
        return "cannot be honoured here; take it out of the URL"
    if name not in _HARMLESS:
        close = difflib.get_close_matches(name, _HONOURED, n=1)
        if close:
            return f"is none of Postgres; did you mean {close[0]}?"
        return "is none of Postgres; take it out of the URL"
    allowed = _HARMLESS[name]
    if allowed and value.lower() not in allowed:
        return f"may only be {' or '.join(allowed)} here; take it out of the URL"
    return None


def _refusal_of_value(name: str, value: str) -> str | None:
    """Return why an honoured parameter cannot have this value; None where it can."""
    allowed = _VALUES.get(name)
    if allowed and value not in allowed:
        return f"must be {', '.join(allowed[:-1])} or {allowed[-1]}"
    if name == "connect_timeout" and re.fullmatch("-?[0-9]{1,6}", value) is None:
        return "must be a whole number of seconds"
    # The driver would report a missing file without its name.
    is_file = name in _FILES and value not in ("", "system")
    if is_file and not os.access(value, os.R_OK):
        return "names a file that cannot be read"
    return None


def _timeout(asked: str | None) -> float | None:
    """Return the seconds to wait for a connection; None where the URL sets no limit."""
    if asked is None:
        return _TIMEOUT
    seconds = int(asked)
    # As in libpq: wait as long as it takes.
    if seconds <= 0:
        return None
    return max(_SHORTEST, float(seconds))


def _system_tls(asked: Mapping[str, str]) -> ssl.SSLContext:
    """Return TLS settings with the certificates that the operating system trusts."""
    context = ssl.create_default_context()
    if asked.get("sslcert"):
        context.load_cert_chain(
            asked["sslcert"],
            asked.get("sslkey") or None,
            asked.get("sslpassword") or None,
        )
    return context
