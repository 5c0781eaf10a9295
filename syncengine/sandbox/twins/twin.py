"""Protocol of all twins: a vendor's behaviour as a function of requests and time.

Twins are pure and stateful: the time is an argument.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import orjson
from pydantic import ConfigDict, TypeAdapter, ValidationError

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter, LimitStanding
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.screen import Screen

T = TypeVar("T")
SWITCHES = ConfigDict(extra="forbid", strict=True)
"""For the switches of a twin: unknown names and wrong types are errors."""


@dataclass(frozen=True, slots=True)
class TwinRequest:
    """One HTTP request as it came over the wire."""

    method: str
    path: str
    """Percent-encoded as it was sent, without the query."""
    query: str = ""
    """Raw, without the question mark."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Names are lower-case."""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Seed:
    """A contact put into a twin past its API; named as ``Twin.contacts`` shows it."""

    __pydantic_config__ = SWITCHES

    fields: dict[str, Any] = field(default_factory=dict, repr=False)
    tags: tuple[str, ...] = ()
    key: str | None = None
    created: float | None = None
    """Time of its creation, in seconds since 1970; None: now."""


class Twin(Protocol):
    """One account of a vendor. Times are seconds since 1970, and never go back."""

    limiter: Limiter
    vendor_limits: tuple[TwinLimit, ...]
    """The vendor's limits, as far as known; not in force until the limiter is given
    them."""
    screen_kind: type[Screen]
    """What a person can do at the vendor's own screen: see ``acts_of``."""

    @property
    def switches(self) -> Any:
        """The settings in force: a frozen dataclass."""

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a destination that uses the twin, besides ``base_url``."""

    def configure(self, changes: Mapping[str, Json]) -> None:
        """Change switches by name.

        Raises ValueError for unknown names and wrong types, and then changes nothing.
        """

    def reset(self) -> None:
        """Forget every contact and arrival; switches and limits stay."""

    def route(self, request: TwinRequest) -> str:
        """Method and path pattern, such as ``PUT /contact/{id}``."""

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        """The refusal of a request on its arrival (key, rate limit), or None."""

    def commit(self, request: TwinRequest, now: float) -> Response:
        """Carry an admitted request out."""

    def handle(self, request: TwinRequest, now: float) -> Response:
        """Admit and commit in one."""

    def refusal(
        self, status: int, text: str, retry_after: float | None = None
    ) -> Response:
        """A refusal in the vendor's own form."""

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        """Put contacts in; their ids."""

    def contacts(self, now: float) -> list[dict[str, Json]]:
        """Return the stored contacts.

        Each has ``id``, ``key`` (None where the vendor knows none), ``fields`` (flat)
        and ``tags``.
        """

    def screen(self, now: float) -> Screen:
        """Return the vendor's own screen at a moment, for what a person does there."""


@runtime_checkable
class Crowded(Protocol):
    """A twin that answers 503 where too many requests are under way at once."""

    max_in_flight: int


@runtime_checkable
class Furnished(Protocol):
    """A twin in which something exists from the start that contacts have to name."""

    @property
    def exists(self) -> dict[str, str]:
        """Return values that contacts may have, by the field that takes them."""


def changed(switches: T, changes: Mapping[str, Json]) -> T:
    """The switches with some of them changed. Raises ValueError."""
    return parsed(type(switches), {**asdict(cast("Any", switches)), **changes})


def parsed(kind: type[T], value: Json) -> T:
    """A value from JSON in a type's own form. Raises ValueError with one readable line per mistake."""
    try:
        return TypeAdapter(kind).validate_json(orjson.dumps(value))
    except ValidationError as error:
        mistakes = error.errors(
            include_url=False, include_input=False, include_context=False
        )
        lines = (
            f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}"
            for each in mistakes
        )
        raise ValueError("\n".join(lines)) from None


def answer(
    status: int, body: Json, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON response."""
    return Response(
        status,
        {"content-type": "application/json", **(headers or {})},
        orjson.dumps(body),
    )


def limit_headers(standing: LimitStanding | None, now: float) -> dict[str, str]:
    """``X-RateLimit-*``; the moment of the reset (seconds since 1970) only where no place is left."""
    if standing is None:
        return {}
    reset = (
        {}
        if standing.left
        else {"x-ratelimit-reset": str(math.ceil(now + standing.free_in))}
    )
    return {
        "x-ratelimit-limit": str(standing.limit.calls),
        "x-ratelimit-remaining": str(standing.left),
        **reset,
    }


def retry_header(seconds: float | None) -> dict[str, str]:
    """``Retry-After`` in whole seconds, rounded up."""
    return {} if seconds is None else {"retry-after": str(math.ceil(seconds))}
