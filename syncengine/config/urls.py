"""Parts of URLs that the configuration's rules look at: hosts and passwords.

``passwords`` also finds what has to be hidden in messages (``Config.secrets``).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote, urlsplit

from syncengine.model.http import Json

_PASSWORD_PARAMETERS = ("password", "sslpassword")
"""Query parameters of a database URL (libpq's) that hold a password."""


def is_loopback(base_url: str) -> bool:
    """Return whether the address is this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_web_address(url: str) -> bool:
    """Return whether a text is an http or https address with a host."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def passwords(url: Json) -> frozenset[str]:
    """Return the passwords in the URL of a database or proxy.

    Each is returned as it is written and percent-decoded, since a message may show
    either. Empty where the value is no URL, or holds no password.
    """
    if not isinstance(url, str):
        return frozenset()
    try:
        parts = urlsplit(url)
        candidates = [parts.password]
    except ValueError:
        return frozenset()
    for parameter in parts.query.split("&"):
        key, _, value = parameter.partition("=")
        if key in _PASSWORD_PARAMETERS:
            candidates.append(value)
    written = frozenset(password for password in candidates if password)
    return written | {unquote(password) for password in written}
