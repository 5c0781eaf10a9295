"""The API of HubSpot, as far as contacts, lists and properties go.

Its traps for an adapter: the results of a batch are in no order, a search finds nothing
that was just made, one bad contact fails a batch of a hundred without trace ids, an
upsert by e-mail empties what it leaves out, a merge gives a new record id, every value
is a text, and some statuses from 400 on are no refusals (423, 477, the daily 429).

Comments mark what is *documented*, *found* (in public reports and recorded traffic) and
*assumed*; switches play the alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random
from uuid import UUID

import orjson

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import LimitStanding
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.hubspot.batches import NO_CONTENT, HubSpotBatches
from syncengine.sandbox.twins.hubspot.lists import HubSpotLists
from syncengine.sandbox.twins.hubspot.properties import (
    EMAIL,
    HubSpotProperty,
    kind_of,
)
from syncengine.sandbox.twins.hubspot.screen import HubSpotScreen
from syncengine.sandbox.twins.hubspot.search import search_of
from syncengine.sandbox.twins.hubspot.store import HubSpotContact, HubSpotStore
from syncengine.sandbox.twins.hubspot.switches import HubSpotSwitches
from syncengine.sandbox.twins.hubspot.wire import (
    CONFLICT,
    INVALID,
    POLICIES,
    body_of,
    invalid_request,
    is_archived_asked,
    names_in,
    not_found,
    record_ids_in,
    record_ids_of,
    refused,
)
from syncengine.sandbox.twins.kit.answers import (
    TwinRefusalError,
    answer,
    iso_time,
    retry_header,
)
from syncengine.sandbox.twins.kit.api import ApiTwin
from syncengine.sandbox.twins.kit.requests import (
    TwinRoute,
    TwinRoutes,
    bearer_token,
    positive_number,
    query_of,
)
from syncengine.sandbox.twins.twin import TwinRequest

_CONTACTS = "/crm/v3/objects/contacts"
_LISTS = "/crm/v3/lists"
_PROPERTIES = "/crm/v3/properties/contacts"
_USAGE = "/account-info/v3/api-usage/daily/private-apps"
_SEARCH = f"POST {_CONTACTS}/search"
_DATED = re.compile(r"^/crm/(objects|lists|properties)/20\d\d-\d\d/")
"""Paths with a date in place of v3 are the same API (documented)."""
_SCOPES = (
    (_CONTACTS, "crm.objects.contacts", ("GET",)),
    (_LISTS, "crm.lists", ("GET",)),
    (_PROPERTIES, "crm.schemas.contacts", ("GET",)),
)
"""By beginning of a path: the scope, and the methods that only read."""
_READING_POSTS = (_SEARCH, f"POST {_CONTACTS}/batch/read")
_MAX_PER_PAGE = 100
_DAY = 86_400.0
_MOVING_RETRY_AFTER = 3600.0
"""Seconds that a 477 asks to wait for. Documented: up to a day."""
# Not 404: an unknown path is told from an unknown contact by having no category.
_CATEGORIES: Mapping[int, str] = {
    400: INVALID,
    401: "INVALID_AUTHENTICATION",
    403: "MISSING_SCOPES",
    409: CONFLICT,
    429: "RATE_LIMITS",
}


class HubSpotTwin(ApiTwin[HubSpotStore, HubSpotSwitches]):
    """See ``Twin``."""

    # Documented for the tier Professional. Searches have a limit of their own, and the
    # day ends at midnight in the account's time zone: here in UTC, as the phase says.
    vendor_limits = (
        TwinLimit(calls=190, per=10.0, route=f"^(?!{_SEARCH}$)"),
        TwinLimit(calls=625_000, per=_DAY, kind="fixed"),
        TwinLimit(calls=5, per=1.0, route=f"^{_SEARCH}$"),
    )
    screen_kind = HubSpotScreen
    routes = TwinRoutes(
        {
            f"{_CONTACTS}/batch/create": ("POST",),
            f"{_CONTACTS}/batch/read": ("POST",),
            f"{_CONTACTS}/batch/update": ("POST",),
            f"{_CONTACTS}/batch/upsert": ("POST",),
            f"{_CONTACTS}/batch/archive": ("POST",),
            f"{_CONTACTS}/search": ("POST",),
            f"{_CONTACTS}/merge": ("POST",),
            f"{_CONTACTS}/gdpr-delete": ("POST",),
            f"{_CONTACTS}/{{id}}": ("GET", "PATCH", "DELETE"),
            _CONTACTS: ("GET", "POST"),
            f"{_LISTS}/records/0-1/{{id}}/memberships": ("GET",),
            f"{_LISTS}/{{list}}/memberships/add": ("PUT",),
            f"{_LISTS}/{{list}}/memberships/remove": ("PUT",),
            f"{_LISTS}/{{list}}/memberships/add-and-remove": ("PUT",),
            f"{_LISTS}/{{list}}/memberships": ("GET",),
            f"{_LISTS}/{{list}}": ("GET",),
            f"{_PROPERTIES}/{{name}}": ("GET",),
            _PROPERTIES: ("GET", "POST"),
            _USAGE: ("GET",),
        }
    )

    def __init__(self) -> None:
        super().__init__(HubSpotStore())
        self._start_anew()

    def _start_anew(self) -> None:
        """Begin the generators again, so that equal requests have equal answers."""
        self._batches = HubSpotBatches(self.store)
        self._lists = HubSpotLists(self.store)
        self._correlations = Random(self.switches.seed)  # noqa: S311 - no secret

    def configure(self, changes: Mapping[str, Json]) -> None:
        super().configure(changes)
        self._start_anew()

    def reset(self) -> None:
        super().reset()
        self._start_anew()

    @property
    def settings(self) -> dict[str, str]:
        return {"token": self.switches.tokens[0]}

    # --- admission --------------------------------------------------------------------

    @property
    def sends_limit_headers(self) -> bool:
        return self.switches.send_limit_headers

    def find_route(self, request: TwinRequest) -> TwinRoute | None:
        path = _DATED.sub(r"/crm/v3/\1/", request.path)
        return self.routes.find(replace(request, path=path))

    def refuse_credentials(self, request: TwinRequest) -> Response | None:
        if bearer_token(request) not in self.switches.tokens:
            return self.refusal(401, "Authentication credentials not found")
        scope = self._scope_of(self.route(request))
        if scope is None or scope in self.switches.scopes:
            return None
        message = "This app hasn't been granted all required scopes"
        # Assumed: the name of the entry in the context.
        context = {"requiredGranularScopes": [scope]}
        return self.refused(refused(403, "MISSING_SCOPES", message, context))

    def _scope_of(self, operation: str) -> str | None:
        """Return the scope that a request needs, if any."""
        method, _, pattern = operation.partition(" ")
        for start, scope, reading in _SCOPES:
            if pattern.startswith(start):
                reads = method in reading or operation in _READING_POSTS
                return f"{scope}.read" if reads else f"{scope}.write"
        return None

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        """Return a refusal; of a 429 the text may name the policy."""
        if status == 429:
            policy = text if text in POLICIES else POLICIES[0]
            return self._limited(policy, retry_after)
        if status == 477 and retry_after is None:
            retry_after = _MOVING_RETRY_AFTER
        content = {"message": text}
        if status in _CATEGORIES:
            content["category"] = _CATEGORIES[status]
        return self._error(status, content, retry_header(retry_after))

    def refused(self, error: TwinRefusalError) -> Response:
        return self._error(error.status, error.content)

    def too_many_requests(
        self, request: TwinRequest, now: float, wait: float
    ) -> Response:
        standing = self.limiter.standing(
            request.method, now, self.limit_scope(request), self.route(request)
        )
        policy = POLICIES[0] if standing is None else _policy_of(standing.limit)
        retry_after = wait if self.switches.send_retry_after else None
        return self._limited(policy, retry_after)

    def _limited(self, policy: str, retry_after: float | None) -> Response:
        """Return the answer to a request beyond a limit (found)."""
        content: dict[str, Json] = {
            "message": f"You have reached your {policy.lower()} limit.",
            "errorType": "RATE_LIMIT",
            "category": "RATE_LIMITS",
            "policyName": policy,
        }
        return self._error(429, content, retry_header(retry_after))

    def _error(
        self,
        status: int,
        content: Mapping[str, Json],
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        correlation = str(UUID(int=self._correlations.getrandbits(128)))
        body = {"status": "error", "correlationId": correlation, **content}
        return answer(status, body, headers)

    def headers_about_limits(
        self, request: TwinRequest, now: float
    ) -> Mapping[str, str]:
        route = self.route(request)
        # Documented: the answer to a search has none of them.
        if route == _SEARCH:
            return {}
        headers = {}
        scope = self.limit_scope(request)
        for each in self.limiter.standings(request.method, now, scope, route):
            is_daily = _policy_of(each.limit) == "DAILY"
            if not is_daily or self.switches.send_daily_headers:
                headers.update(_headers_of(each, is_daily=is_daily))
        return headers

    def inputs(self, request: TwinRequest) -> Sequence[Json]:
        route = self.find_route(request)
        body = _json_or_none(request)
        if route is None or body is None:
            return ()
        if route.pattern.startswith(f"{_CONTACTS}/batch/") and isinstance(body, dict):
            inputs = body.get("inputs")
            return inputs if isinstance(inputs, list) else ()
        if route.pattern.endswith(("/add", "/remove")) and isinstance(body, list):
            return body
        return ()

    def with_inputs(self, request: TwinRequest, inputs: Sequence[Json]) -> TwinRequest:
        body = _json_or_none(request)
        if isinstance(body, dict):
            cut: Json = {**body, "inputs": list(inputs)}
        else:
            cut = list(inputs)
        return replace(request, body=orjson.dumps(cut))

    # --- requests ---------------------------------------------------------------------

    def carry_out(
        self, operation: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        contacts = self.store.account.contacts
        contacts.erase_due(now)
        # With every request: what waits to be found keeps older values in memory.
        contacts.index.settle(now, self.store.properties)
        method, _, pattern = operation.partition(" ")
        if pattern.startswith(f"{_CONTACTS}/batch/"):
            return self._batch(pattern.rpartition("/")[2], request, now)
        if pattern.startswith(_LISTS):
            return self._list(pattern, parts, request, now)
        if pattern.startswith(_PROPERTIES):
            return self._properties(method, parts, request, now)
        if pattern == _USAGE:
            return self._usage(request, now)
        if parts:
            return self._one(method, parts[0], request, now)
        return self._many(operation, request, now)

    def _batch(self, kind: str, request: TwinRequest, now: float) -> Response:
        body = body_of(request)
        match kind:
            case "create":
                return self._batches.create(body, now)
            case "update":
                return self._batches.update(body, now)
            case "upsert":
                return self._batches.upsert(body, now)
            case "archive":
                return self._batches.archive(body, now)
            case _:
                archived = is_archived_asked(request)
                return self._batches.read(body, now, archived=archived)

    def _many(self, operation: str, request: TwinRequest, now: float) -> Response:
        """Carry out a request that names no contact in its path."""
        match operation.removeprefix("POST ").removeprefix(_CONTACTS):
            case "/search":
                return self._search(request, now)
            case "/merge":
                return self._merge(body_of(request), now)
            case "/gdpr-delete":
                return self._erase(body_of(request), now)
            case "":
                return self._create(body_of(request), now)
            case _:
                return self._page(request)

    # --- one contact ------------------------------------------------------------------

    def _one(
        self, method: str, value: str, request: TwinRequest, now: float
    ) -> Response:
        """Read, update or archive the contact that a path names."""
        key = query_of(request).get("idProperty")
        match method:
            case "GET":
                archived = is_archived_asked(request)
                contact = self._batches.readable(key, value, now, archived=archived)
                if contact is None:
                    raise not_found(value)
                return answer(200, self.store.shown(contact, names_in(request)))
            case "PATCH":
                return self._update(self._found(key, value), body_of(request), now)
            case _:
                return self._archive(value, now)

    def _create(self, body: Mapping[str, Json], now: float) -> Response:
        values = self.store.changes(None, body.get("properties"))
        self.store.check_required(None, values)
        self.store.check_unique(None, values)
        contact = self.store.make(values, now)
        return answer(201, self._batches.written(contact, values))

    def _update(
        self, contact: HubSpotContact, body: Mapping[str, Json], now: float
    ) -> Response:
        changes = self.store.changes(contact, body.get("properties"))
        self.store.check_required(contact, changes)
        self.store.check_unique(contact, changes)
        self.store.write(contact, changes, now)
        return answer(200, self._batches.written(contact, changes))

    def _archive(self, contact_id: str, now: float) -> Response:
        contact = self.store.get(contact_id)
        if contact is not None:
            self.store.archive(contact, now)
        elif self.switches.archive_gone == "404":
            raise not_found(contact_id)
        return NO_CONTENT

    def _erase(self, body: Mapping[str, Json], now: float) -> Response:
        """Erase a contact for good.

        Documented: an address that nobody has is blocked from then on.
        """
        match body:
            case {"objectId": str(named)} if named:
                pass
            case _:
                raise invalid_request("objectId is missing")
        contacts = self.store.account.contacts
        if body.get("idProperty") == EMAIL:
            found = contacts.with_value(EMAIL, named)
            if found is None:
                contacts.blocked.add(named.lower())
                return NO_CONTENT
        else:
            found = self.store.get(named) or contacts.archived.get(named)
        if found is None:
            raise not_found(named)
        contacts.schedule_erasure(found, now + self.switches.erasure_delay)
        contacts.erase_due(now)
        return NO_CONTENT

    def _merge(self, body: Mapping[str, Json], now: float) -> Response:
        primary = self._found(None, str(body.get("primaryObjectId")))
        other = self._found(None, str(body.get("objectIdToMerge")))
        if primary is other:
            raise invalid_request("A contact cannot be merged with itself")
        self.store.merge(primary, other, now)
        return answer(200, self.store.shown(primary))

    def _found(self, key: str | None, value: str) -> HubSpotContact:
        """Return a contact. Raises TwinRefusalError."""
        contact = self.store.find(key, value)
        if contact is None:
            raise not_found(value)
        return contact

    # --- several contacts -------------------------------------------------------------

    def _page(self, request: TwinRequest) -> Response:
        """List contacts in the order of their ids, page by page."""
        query = query_of(request)
        limit = positive_number(query.get("limit", "10"))
        after = query.get("after", "0")
        if limit is None or limit > _MAX_PER_PAGE or not after.isdecimal():
            raise invalid_request("limit, after")
        contacts = self.store.account.contacts
        listed = contacts.archived if is_archived_asked(request) else contacts.active
        ids = sorted(int(each) for each in listed if int(each) > int(after))
        shown = [
            self.store.shown(listed[str(each)], names_in(request))
            for each in ids[:limit]
        ]
        return answer(200, _with_next(shown, ids[limit - 1] if ids[limit:] else None))

    def _search(self, request: TwinRequest, now: float) -> Response:
        """Search contacts as they were some seconds ago."""
        definitions = self.store.properties
        search = search_of(body_of(request), len(request.body), definitions)
        index = self.store.account.contacts.index
        rows = index.rows(search, definitions)
        end = search.start + search.limit
        results = []
        for row in rows[search.start : end]:
            # The index may show a contact that is gone by now.
            contact = HubSpotContact(row.id, now, now, now, row.values)
            kept = self.store.get(row.id)
            if kept is not None:
                contact.created, contact.updated = kept.created, kept.updated
            results.append(self.store.shown(contact, search.properties))
        page = _with_next(results, end if rows[end:] else None)
        return answer(200, {"total": len(rows), **page})

    # --- lists, properties, usage -----------------------------------------------------

    def _list(
        self,
        pattern: str,
        parts: tuple[str, ...],
        request: TwinRequest,
        now: float,
    ) -> Response:
        match pattern.rpartition("/")[2]:
            case "add":
                return self._lists.change(parts[0], record_ids_of(request), (), now)
            case "remove":
                return self._lists.change(parts[0], (), record_ids_of(request), now)
            case "add-and-remove":
                body = body_of(request)
                add = record_ids_in(body, "recordIdsToAdd")
                remove = record_ids_in(body, "recordIdsToRemove")
                return self._lists.change(parts[0], add, remove, now)
            case "memberships" if pattern.startswith(f"{_LISTS}/records/"):
                return self._lists.of_contact(parts[0])
            case "memberships":
                return self._lists.members(parts[0])
            case _:
                return self._lists.shown(parts[0])

    def _properties(
        self, method: str, parts: tuple[str, ...], request: TwinRequest, now: float
    ) -> Response:
        if method == "POST":
            return self._define(body_of(request), now)
        if parts:
            if parts[0] not in self.store.properties:
                raise not_found(parts[0])
            return answer(200, self._shown_property(parts[0]))
        if is_archived_asked(request):
            return answer(200, {"results": []})
        shown = [self._shown_property(name) for name in self.store.properties]
        return answer(200, {"results": shown})

    def _shown_property(self, name: str) -> dict[str, Json]:
        used = self.store.account.used_options.get(name, {})
        return self.store.properties[name].shown(used)

    def _define(self, body: Mapping[str, Json], now: float) -> Response:
        """Define a custom property."""
        del now  # definitions have no history here
        name = str(body.get("name") or "")
        kind = kind_of(body.get("type"), body.get("fieldType"))
        if not name or kind is None:
            raise invalid_request("name, type, fieldType")
        if name in self.store.properties:
            message = f"A property named '{name}' already exists."
            raise refused(409, CONFLICT, message)
        options = tuple(each["value"] for each in body.get("options") or ())
        unique = bool(body.get("hasUniqueValue"))
        self.store.add_property(
            HubSpotProperty(name, kind, unique=unique, options=options, custom=True)
        )
        return answer(201, self._shown_property(name))

    def _usage(self, request: TwinRequest, now: float) -> Response:
        """Return how much of the day's limit is used up; none while it is not set."""
        limit = self.vendor_limits[1]
        used = 0
        scope = self.limit_scope(request)
        route = self.route(request)
        for each in self.limiter.standings(request.method, now, scope, route):
            if _policy_of(each.limit) == "DAILY":
                limit = each.limit
                used = each.limit.calls - each.left
        ends = (limit.period(now) + 1) * limit.per + limit.phase
        usage = {
            "name": "private-apps-api-calls-daily",
            "usageLimit": limit.calls,
            "currentUsage": used,
            "collectedAt": iso_time(now),
            "fetchStatus": "SUCCESS",
            "resetsAt": iso_time(ends),
        }
        return answer(200, {"results": [usage]})


def _policy_of(limit: TwinLimit) -> str:
    """Return the vendor's word for a limit, by the length of its window."""
    if limit.per >= 3600.0:
        return "DAILY"
    if limit.per <= 1.0:
        return "SECONDLY"
    return "TEN_SECONDLY_ROLLING"


def _headers_of(standing: LimitStanding, *, is_daily: bool) -> dict[str, str]:
    """Return the headers about one limit (documented)."""
    start = "x-hubspot-ratelimit"
    if is_daily:
        return {
            f"{start}-daily": str(standing.limit.calls),
            f"{start}-daily-remaining": str(standing.left),
        }
    return {
        f"{start}-max": str(standing.limit.calls),
        f"{start}-remaining": str(standing.left),
        f"{start}-interval-milliseconds": str(round(standing.limit.per * 1000)),
    }


def _with_next(results: list[dict[str, Json]], after: int | None) -> dict[str, Json]:
    """Return a page; without ``paging`` it is the last."""
    if after is None:
        return {"results": results}
    return {"results": results, "paging": {"next": {"after": str(after)}}}


def _json_or_none(request: TwinRequest) -> Json:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return None
