"""Read requests: paths, credentials, queries and JSON bodies.

What cannot be read is None or raises the refusal that the caller hands in: each vendor
has words of its own for it.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import orjson

from syncengine.model.http import Json
from syncengine.sandbox.twins.kit.answers import TwinRefusalError
from syncengine.sandbox.twins.twin import TwinRequest

_PLACEHOLDER = re.compile(r"\{\w+\}")


class TwinRoute(NamedTuple):
    """A path that the API knows."""

    pattern: str
    """The path with names in place of ids, such as ``/contacts/{id}``."""
    parts: tuple[str, ...] = ()
    """The decoded values of those names, in their order."""


class TwinRoutes:
    """The paths of an API, each with the methods that it takes.

    ``methods`` maps patterns such as ``/contacts/{id}`` to methods; of several patterns
    that match, the first counts. ``prefix`` is a version that paths may begin with.
    """

    def __init__(
        self, methods: Mapping[str, tuple[str, ...]], prefix: str = ""
    ) -> None:
        self._methods = methods
        self._prefix = prefix
        self._expressions = {
            pattern: re.compile(_PLACEHOLDER.sub("([^/]+)", pattern))
            for pattern in methods
        }

    def find(self, request: TwinRequest) -> TwinRoute | None:
        """Return the route of a request, or None for an unknown path."""
        path = request.path.removeprefix(self._prefix)
        for pattern, expression in self._expressions.items():
            found = expression.fullmatch(path)
            if found:
                # Decoded only now: a slash inside an id (%2F) divides no path.
                parts = tuple(unquote(part) for part in found.groups())
                return TwinRoute(pattern, parts)
        return None

    def takes(self, route: TwinRoute, method: str) -> bool:
        """Return whether a route takes a method."""
        return method in self._methods[route.pattern]


def bearer_token(request: TwinRequest) -> str:
    """Return the token of Bearer authorization; empty where there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def basic_user(request: TwinRequest) -> str | None:
    """Return the user name of Basic authorization; None where there is none."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user_and_password = b64decode(encoded, validate=True).decode()
    except (NotBase64, ValueError):
        return None
    return user_and_password.partition(":")[0] or None


def query_of(request: TwinRequest) -> dict[str, str]:
    """Return the query, decoded; a raw ``+`` is a space, as HTML forms have it.

    This is a trap on purpose: an adapter that writes a phone's ``+`` without encoding
    it finds nobody.
    """
    return dict(parse_qsl(request.query, keep_blank_values=True))


def positive_number(text: str) -> int | None:
    """Return a whole number from 1 on that is written in ASCII digits, or None."""
    # ``isdigit`` alone takes digits of other scripts and superscripts too.
    if not text.isascii() or not text.isdigit():
        return None
    number = int(text)
    return number if number > 0 else None


def json_of(request: TwinRequest, invalid: TwinRefusalError) -> Json:
    """Return the JSON body. Raises ``invalid`` (a refusal) where it is none."""
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise invalid from None


def object_of(
    request: TwinRequest,
    invalid: TwinRefusalError,
    not_object: TwinRefusalError | None = None,
) -> dict[str, Json]:
    """Return the JSON object of the body.

    Raises ``invalid`` where the body is not JSON, ``not_object`` (or else ``invalid``)
    where it is JSON of another kind.
    """
    body = json_of(request, invalid)
    if not isinstance(body, dict):
        raise not_object or invalid
    return body
