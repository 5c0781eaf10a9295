"""The part of an API that all twins have in common: admission, routes, refusals.

The way of a request, with what a vendor's twin says on it::

    admit   refuse_credentials   401 or 403: no place of the limit is used up
            limiter.arrive       too_many_requests: 429
    commit  find_route           unknown_path: 404, unknown_method: 405
            carry_out            the answer, or refused(TwinRefusalError)

Both add the headers about the limit where the vendor sends such.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Generic, TypeVar

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter, LimitStanding
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.kit.answers import TwinRefusalError, limit_headers
from syncengine.sandbox.twins.kit.requests import TwinRoute, TwinRoutes
from syncengine.sandbox.twins.kit.screen import StoreScreen
from syncengine.sandbox.twins.kit.store import Definitions, TwinStore
from syncengine.sandbox.twins.twin import Seed, TwinRequest

StoreT = TypeVar("StoreT", bound=TwinStore[Any, Any])
SwitchesT = TypeVar("SwitchesT")


class ApiTwin(ABC, Generic[StoreT, SwitchesT]):
    """A twin whose contacts are in a store: see ``Twin``.

    The twin of a vendor implements the abstract methods: how credentials are checked,
    how a refusal looks, what each request does. The other methods have the behaviour
    that most vendors share; it overrides those in which its vendor differs.

    A request goes through ``admit`` (credentials, then limits) and, where this refuses
    nothing, through ``commit`` (route, then ``carry_out``). The server plays its faults
    between the two.
    """

    vendor_limits: ClassVar[tuple[TwinLimit, ...]]
    """See ``Twin``; with a comment that says whether they are documented."""
    screen_kind: ClassVar[type[StoreScreen[Any, Any]]]
    """The class of the vendor's screen."""
    routes: ClassVar[TwinRoutes]
    """The paths of the API, with their methods."""
    max_in_flight: ClassVar[int | None] = None

    def __init__(self, store: StoreT) -> None:
        self.store = store
        self.limiter = Limiter()

    # --- what a vendor's twin has to implement ----------------------------------------

    @property
    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Settings of a destination that uses the twin, besides ``base_url``."""

    @abstractmethod
    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        """Return the refusal of a request with a missing or wrong key, else None."""

    @abstractmethod
    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        """Return a refusal in the vendor's own form: see ``Twin.refusal``."""

    @abstractmethod
    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        """Carry out a request whose route and method are known.

        ``operation`` is the method and the pattern of the route, ``parts`` are the
        values in its placeholders: ``PUT /contacts/{id}`` and ``("17",)``.

        Raises TwinRefusalError for a request that the vendor refuses. A refused request
        must have changed nothing, so everything is checked before the first change.
        """

    @property
    def definitions(self) -> Definitions:
        """The definitions of the present account."""
        return self.store.definitions

    # --- what it may override ---------------------------------------------------------

    @property
    def exists(self) -> dict[str, str]:
        """Values that exist from the start and that contacts have to name."""
        return {}

    @property
    def sends_retry_after(self) -> bool:
        """True where a 429 says when to try again."""
        return False

    @property
    def sends_limit_headers(self) -> bool:
        """True where answers tell how much of the limit is left."""
        return False

    def find_route(self, request: TwinRequest) -> TwinRoute | None:
        """Return the route of a request, or None for an unknown path."""
        return self.routes.find(request)

    def limit_scope(self, request: TwinRequest) -> str:  # noqa: ARG002 - others do look
        """Return what the limits count by, such as a token; empty: all requests.

        Requests of different scopes take no places from each other.
        """
        return ""

    def refused(self, error: TwinRefusalError) -> Response:
        """Return the answer to a request that a check has refused."""
        return self.refusal(error.status, error.content)

    def unknown_path(self) -> Response:
        """Return the answer to a path that the API does not have."""
        return self.refusal(404, "Not Found")

    def unknown_method(self) -> Response:
        """Return the answer to a known path with a method that it does not take."""
        return self.refusal(405, "Method Not Allowed")

    def too_many_requests(
        self, request: TwinRequest, now: float, wait: float
    ) -> Response:
        """Return the answer to a request over the limit; ``wait`` is in seconds."""
        del request, now  # other twins look at them
        retry_after = wait if self.sends_retry_after else None
        return self.refusal(429, "Too Many Requests", retry_after)

    def limit_headers_for(
        self, standing: LimitStanding | None, now: float
    ) -> dict[str, str]:
        """Return the headers about the limit; see ``sends_limit_headers``."""
        return limit_headers(standing, now)

    def headers_about_limits(
        self, request: TwinRequest, now: float
    ) -> Mapping[str, str]:
        """Return the headers about all limits of a request, by the narrowest."""
        scope = self.limit_scope(request)
        route = self.route(request)
        standing = self.limiter.standing(request.method, now, scope, route)
        return self.limit_headers_for(standing, now)

    def inputs(self, request: TwinRequest) -> Sequence[Json]:  # noqa: ARG002
        """Return what each contact of a batch gets; empty where it is no batch."""
        return ()

    def with_inputs(self, request: TwinRequest, inputs: Sequence[Json]) -> TwinRequest:
        """Return a batch with other inputs in place of its own."""
        del inputs  # only batches have some
        return request

    def items(self, request: TwinRequest) -> int:
        """Return the number of contacts that a request carries, for limits of items."""
        try:
            inputs = self.inputs(request)
        except TwinRefusalError:
            # Its body cannot be read: it is refused once it is carried out.
            return 1
        return max(1, len(inputs))

    # --- the interface of ``Twin`` ----------------------------------------------------

    @property
    def switches(self) -> SwitchesT:
        switches: SwitchesT = self.store.switches
        return switches

    def configure(self, changes: Mapping[str, Json]) -> None:
        self.store.configure(changes)

    def reset(self) -> None:
        self.store.reset()
        self.limiter.reset()

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        return self.store.seed(seeds, now)

    def contacts(self, now: float) -> list[dict[str, Json]]:
        return self.store.contacts(now)

    def screen(self, now: float) -> StoreScreen[Any, Any]:
        return self.screen_kind(self.store, now)

    def route(self, request: TwinRequest) -> str:
        route = self.find_route(request)
        if route is None:
            return f"{request.method} /?"
        return f"{request.method} {route.pattern}"

    def handle(self, request: TwinRequest, now: float) -> Response:
        return self.admit(request, now) or self.commit(request, now)

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        # Assumed of every vendor: a wrong key uses up nothing of the limit.
        refusal = self.refuse_credentials(request)
        if refusal is not None:
            return refusal
        scope = self.limit_scope(request)
        route = self.route(request)
        items = self.items(request)
        wait = self.limiter.arrive(request.method, now, scope, route, items)
        if wait is None:
            return None
        refusal = self.too_many_requests(request, now, wait)
        return self._with_limit_headers(refusal, request, now)

    def commit(self, request: TwinRequest, now: float) -> Response:
        response = self.answer_to(request, now)
        return self._with_limit_headers(response, request, now)

    def answer_to(self, request: TwinRequest, now: float) -> Response:
        """Carry out a request; see ``commit``, which adds the headers."""
        route = self.find_route(request)
        if route is None:
            return self.unknown_path()
        if not self.routes.takes(route, request.method):
            return self.unknown_method()
        operation = f"{request.method} {route.pattern}"
        try:
            return self.carry_out(operation, route.parts, request, now)
        except TwinRefusalError as error:
            return self.refused(error)

    def _with_limit_headers(
        self, response: Response, request: TwinRequest, now: float
    ) -> Response:
        if not self.sends_limit_headers:
            return response
        headers = self.headers_about_limits(request, now)
        return replace(response, headers={**response.headers, **headers})
