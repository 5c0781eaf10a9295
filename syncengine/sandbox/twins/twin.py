"""The interface of all twins.

Twins are stateful but pure: they read no clock, the time is an argument.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.screen import Screen
from syncengine.sandbox.validation import STRICT


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

    __pydantic_config__ = STRICT

    fields: dict[str, Any] = field(default_factory=dict, repr=False)
    tags: tuple[str, ...] = ()
    key: str | None = None
    created: float | None = None
    """Time of its creation, in seconds since 1970; None: now."""

    def created_at(self, now: float) -> float:
        """Return the time of its creation, in seconds since 1970."""
        return now if self.created is None else self.created


class Twin(Protocol):
    """One account of a vendor. Times are seconds since 1970, and never go back.

    ``kit.api.ApiTwin`` implements all of it but the vendor's own part.
    """

    limiter: Limiter

    @property
    def vendor_limits(self) -> tuple[TwinLimit, ...]:
        """The vendor's limits, as far as known.

        They are not in force until the limiter is given them.
        """

    @property
    def screen_kind(self) -> type[Screen]:
        """The acts of a person at the vendor's own screen: see ``acts_of``."""

    @property
    def max_in_flight(self) -> int | None:
        """Requests that may be under way at once; beyond, the answer is 503."""

    @property
    def exists(self) -> dict[str, str]:
        """Values that exist from the start and that contacts have to name.

        The keys are the fields that take them.
        """

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
        """Return the method and the path's pattern, such as ``PUT /contact/{id}``."""

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        """Return the refusal of a request on its arrival (key, rate limit), if any."""

    def commit(self, request: TwinRequest, now: float) -> Response:
        """Carry an admitted request out."""

    def handle(self, request: TwinRequest, now: float) -> Response:
        """Admit a request and carry it out."""

    def inputs(self, request: TwinRequest) -> Sequence[Json]:
        """Return what each contact of a batch gets; empty where it is no batch.

        Faults cut a batch in pieces by this and by ``with_inputs``.
        """

    def with_inputs(self, request: TwinRequest, inputs: Sequence[Json]) -> TwinRequest:
        """Return a batch with other inputs in place of its own."""

    def refusal(
        self, status: int, text: str, retry_after: float | None = None
    ) -> Response:
        """Return a refusal in the vendor's own form.

        ``retry_after`` (seconds) adds the header ``Retry-After``.
        """

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        """Put contacts in and return their ids."""

    def contacts(self, now: float) -> list[dict[str, Json]]:
        """Return the stored contacts.

        Each has ``id``, ``key`` (None where the vendor knows none), ``fields`` (flat)
        and ``tags``.
        """

    def screen(self, now: float) -> Screen:
        """Return the vendor's own screen at a moment, for what a person does there."""
