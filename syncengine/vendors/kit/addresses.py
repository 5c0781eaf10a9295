"""The address of a vendor's API, in its one spelling.

An account is known by its address, among others: two spellings would be two accounts,
each with limits and a lease of its own. So ``HTTPS://API.Acme.com:443/v1/`` becomes
``https://api.acme.com/v1``.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from contextlib import suppress
from urllib.parse import SplitResult, quote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNESCAPED_IN_PATHS = "/%!$&'()*+,;=:@~"
"""Characters that stand for themselves in a path (RFC 3986, section 3.3), and ``%``,
which begins what is escaped already."""
_LABEL = r"[^\s/\\?#@:\[\]%.${}]{1,63}"
"""A part of a host's name. Neither ``$`` nor braces: a variable was not filled in."""
_PLACE = re.compile(
    rf"(?:\[[0-9A-Fa-f:]+\]|{_LABEL}(?:\.{_LABEL})*\.?)(?::[0-9]*)?", re.ASCII
)


def checked_address(value: str) -> str:
    """Return an http or https address in its one spelling.

    Raises ValueError for any other text, and for an address with a user, a query or a
    fragment.
    """
    url = value.strip()
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        has_scheme = parts.scheme in ("http", "https")
        has_host = is_place(place) and parts.port != 0
        normal = _normal(parts)
    except ValueError:
        # From the port, an IPv6 address, or a host that no name can be made of.
        raise ValueError(_NO_ADDRESS) from None
    # ``urlsplit`` drops tabs and line breaks in silence.
    has_odd_characters = re.search(r"[\s\\]", url) or not url.isprintable()
    if not has_scheme or not has_host or has_odd_characters:
        raise ValueError(_NO_ADDRESS)
    if "@" in parts.netloc or "?" in url or "#" in url:
        raise ValueError("must be a plain address: no user, no ?query, no #fragment")
    return normal


_NO_ADDRESS = "must be an address that starts with http:// or https://"


def is_place(text: str) -> bool:
    """Return whether a text is a host, with a port or without."""
    return _PLACE.fullmatch(text) is not None


def normal_address(url: str) -> str:
    """Return an address in its one spelling; one that cannot be read stays as it is."""
    try:
        return _normal(urlsplit(url))
    except ValueError:
        return url


def _normal(parts: SplitResult) -> str:
    """Return an address in its one spelling. Raises ValueError as ``_host`` does."""
    place = _host(parts.hostname or "")
    if parts.port not in (None, _DEFAULT_PORTS.get(parts.scheme)):
        place = f"{place}:{parts.port}"
    path = _path(parts.path)
    return f"{parts.scheme}://{place}{path}"


def _host(name: str) -> str:
    """Return a host in small ASCII letters, an IP address in its usual form.

    Raises ValueError for text that cannot be a host.
    """
    if ":" in name:
        return f"[{ipaddress.ip_address(name).compressed}]"
    ascii_name = name.encode("idna").decode().lower().rstrip(".")
    looks_like_a_number = re.fullmatch(r"[0-9a-fx.]+", ascii_name)
    if looks_like_a_number:
        # 127.1 and 0x7f000001 are 127.0.0.1. Names such as "cafe" only look like it.
        with suppress(OSError):
            return socket.inet_ntoa(socket.inet_aton(ascii_name))
    return ascii_name


def _path(path: str) -> str:
    """Return a path without dot segments and without a slash at its end.

    Only characters that have to be escaped are, in capitals.
    """
    plain = re.sub("%[0-9a-fA-F]{2}", _unescaped, path)
    escaped = quote(plain, safe=_UNESCAPED_IN_PATHS)
    kept: list[str] = []
    for segment in escaped.split("/"):
        if segment == "..":
            # The first part is the empty one before the leading slash, and is kept.
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    return "/".join(kept).rstrip("/")


def _unescaped(found: re.Match[str]) -> str:
    """Return the character of an escape such as ``%41``, if it needs none.

    These are the unreserved ones of RFC 3986, section 2.3; any other escape stays, in
    capitals.
    """
    character = chr(int(found[0][1:], 16))
    if re.fullmatch(r"[A-Za-z0-9._~-]", character):
        return character
    return found[0].upper()
