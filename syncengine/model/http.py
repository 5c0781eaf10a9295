"""HTTP as data.

An adapter is a generator: it yields a ``Request`` and is sent the ``Response``. It
never sees a socket, so that it can be tested with plain values, and the engine decides
when and how often a request goes out::

    def read(self, external_id: str) -> Exchange[Remote | None]:
        response = yield Request("GET", f"/contact/{external_id}", "GET /contact/{id}")
        ...
        return remote
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from syncengine.model.bounds import MANY_BYTES, ONE_BYTES

Json: TypeAlias = Any
"""A JSON value as orjson reads it: None, bool, int, float, str, list or dict."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    Headers, query and body stay out of the repr: they hold secrets and personal data.
    """

    method: str
    path: str
    """Path that is appended to the destination's ``base_url`` as it is: it starts with
    ``/`` and is already percent-encoded."""
    route: str
    """The path's pattern for logs and counts, such as ``PUT /contact/{id}``; free of
    contact data."""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Plain values; the transport percent-encodes them (``+`` becomes ``%2B``)."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Json = field(default=None, repr=False)
    """The body before encoding; None sends no body."""
    reads: bool = False
    """True where the request only reads, whatever its method: some vendors take the
    filter of a look-up in a POST."""

    lists: bool = False
    """True where the answer may be about many contacts, and so may be long (see
    ``model.bounds``)."""
    items: int = 1
    """Number of contacts that the request carries, 1 or more: some limits count these
    (``Limit.items``). A request about no contact in particular carries one."""

    def __post_init__(self) -> None:
        if self.items < 1:
            raise ValueError(f"{self.route}: a request carries at least one item")

    @property
    def most_bytes(self) -> int:
        """Bytes of an answer, unpacked, beyond which it is not read."""
        return MANY_BYTES if self.lists else ONE_BYTES

    @property
    def writes(self) -> bool:
        """Return whether the request may change something at the vendor."""
        return not self.reads and self.method not in ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, read to its end. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    resent: bool = False
    """True for the answer to a second sending: the first was given up, and may still
    arrive. So "exists already" may mean our own first request."""


T = TypeVar("T")
Exchange: TypeAlias = Generator[Request, Response, T]
"""Generator of the requests of one call: it yields each request, is sent its response,
and returns the result."""
