"""The API of charles.

Its traps for an adapter: nothing can be read, the answer to an upsert names its lists
otherwise than requests do, undefined properties vanish without an error, and an erasure
is a job that runs later, so that a person can be written to in between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from syncengine.model.http import Json, Response
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.charles.people import (
    PROPERTIES,
    CharlesPerson,
    phones_and_emails,
    source_key_of,
)
from syncengine.sandbox.twins.charles.screen import CharlesScreen
from syncengine.sandbox.twins.charles.store import CharlesStore
from syncengine.sandbox.twins.charles.switches import CharlesSwitches
from syncengine.sandbox.twins.charles.wire import (
    echo,
    envelope,
    error_entry,
    mistakes,
)
from syncengine.sandbox.twins.kit.answers import (
    TwinRefusalError,
    answer,
    retry_header,
)
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.requests import TwinRoutes, object_of
from syncengine.sandbox.twins.twin import TwinRequest


class CharlesTwin(ApiTwin[CharlesStore, CharlesSwitches]):
    """See ``Twin``."""

    # Assumed: the vendor documents no limit at all.
    vendor_limits = (TwinLimit(calls=10, per=1.0, kind="bucket", burst=10),)
    screen_kind = CharlesScreen
    # Documented: the upsert and the erasure have versions of their own in their paths,
    # and nothing can be read.
    routes = TwinRoutes(
        {
            "/api/v1beta/contacts": ("PUT",),
            "/api/v0/people/cleanup/gdpr/{id}": ("DELETE",),
        }
    )

    def __init__(self) -> None:
        super().__init__(CharlesStore())

    @property
    def settings(self) -> dict[str, str]:
        return {"api_key": self.switches.key}

    @property
    def sends_limit_headers(self) -> bool:
        return self.switches.send_limit_headers

    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        if request.headers.get("x-api-key") == self.switches.key:
            return None
        return self.refusal(
            self.switches.bad_key_status, "The API key is missing or wrong"
        )

    def too_many_requests(
        self, request: TwinRequest, now: float, wait: float
    ) -> Response:
        del request, now
        retry_after = wait if self.switches.send_retry_after else None
        return self.refusal(429, "Too many requests", retry_after)

    def unknown_path(self) -> Response:
        return self.refusal(404, "Not found")

    def unknown_method(self) -> Response:
        # Assumed: a GET of contacts fails like a path that does not exist.
        return self.refusal(404, "Not found")

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        errors = [error_entry(status, text)]
        body = self._envelope(status, "Request failed", errors=errors)
        return answer(status, body, retry_header(retry_after))

    def commit(self, request: TwinRequest, now: float) -> Response:
        # The erasure job runs by itself; nobody sees it between two requests.
        self.store.erase_due(now)
        return super().commit(request, now)

    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        match operation:
            case "PUT /api/v1beta/contacts":
                return self._upsert(request, now)
            case _:
                return self._schedule_erasure(parts[0], now)

    def _upsert(self, request: TwinRequest, now: float) -> Response:
        """Create or update a person, and show it."""
        body = object_of(
            request,
            TwinRefusalError(400, "The body is not valid JSON"),
            TwinRefusalError(400, "The body must be an object"),
        )
        self._check(body)
        person = self.store.put(body, now)
        reference = body["external_reference_id"]
        is_active = reference not in self.switches.inactive and not person.archived
        shows_properties = self.switches.echo_properties
        shown = echo(person, active=is_active, shows_properties=shows_properties)
        # Documented: the answers to a create and to an update are the same, also in
        # their words.
        message = "Upserted contact successfully."
        host = request.headers.get("host", "localhost")
        return answer(200, self._envelope(200, message, shown, host=host))

    def _check(self, body: Mapping[str, Json]) -> None:
        """Raise TwinRefusalError for a body that breaks a rule."""
        status = self.switches.invalid_status
        found = mistakes(body)
        if found:
            raise TwinRefusalError(status, "; ".join(found))
        self._check_names(body)
        key = source_key_of(body)
        person = self.store.find(key, phones_and_emails(body).phones)
        self._check_archived(person)
        self._check_required(person, body)

    def _check_names(self, body: Mapping[str, Json]) -> None:
        """Refuse undefined properties and tags, where the switches say so."""
        if self.switches.unknown_property == "reject":
            self._check_properties(body.get(PROPERTIES) or {})
        if self.switches.unknown_tag == "reject":
            self._check_tags(body.get("tags") or ())

    def _check_properties(self, names: Iterable[str]) -> None:
        """Refuse names of which one is not a defined property."""
        if not all(self.store.has_property(name) for name in names):
            raise TwinRefusalError(
                self.switches.invalid_status,
                f"{PROPERTIES} names a property that does not exist",
            )

    def _check_tags(self, tags: Iterable[str]) -> None:
        """Refuse names of which one is not a defined tag."""
        if not all(self.store.has_tag(tag) for tag in tags):
            raise TwinRefusalError(
                self.switches.invalid_status, "tags names a tag that does not exist"
            )

    def _check_archived(self, person: CharlesPerson | None) -> None:
        """Refuse a write about an archived person, where the switches say so."""
        if person is not None and person.archived and self.switches.archived == "422":
            raise TwinRefusalError(self.switches.invalid_status, "Person is archived")

    def _check_required(
        self, person: CharlesPerson | None, body: Mapping[str, Json]
    ) -> None:
        """Refuse a write after which the person would lack a required field."""
        properties = body.get(PROPERTIES) or {}
        written = []
        for name, value in (*body.items(), *properties.items()):
            if value:
                written.append(name)
        # Names and properties that the person has stay.
        if person is not None:
            written += [*person.names, *person.properties]
        missing = self.definitions.missing(written, creates=person is None)
        if missing:
            status = self.switches.invalid_status
            raise TwinRefusalError(status, f"{missing[0]} is required")

    def _schedule_erasure(self, person_id: str, now: float) -> Response:
        """Have the erasure job erase a person, which the answer does not wait for."""
        if person_id in self.store.account.people:
            self.store.schedule_erasure(person_id, now)
        elif self.switches.unknown_person == 404:
            raise TwinRefusalError(404, "Person not found")
        # A repeat gets the same answer while the first job is still to run. Documented:
        # the job's id is the same for every call, and nothing asks for it.
        job: Json = {"jobId": "contacts-cleanup"}
        data = job if self.switches.erasure_answer == "object" else [job]
        message = "GDPR delete contact job scheduled successfully"
        return answer(200, self._envelope(200, message, data))

    def _envelope(
        self,
        status: int,
        message: str,
        data: Json = None,
        errors: Iterable[Json] = (),
        host: str = "localhost",
    ) -> Json:
        """Return the body of an answer, with a new request id in it."""
        request_id = self.store.new_id("request")
        return envelope(status, message, data, errors, request_id=request_id, host=host)
