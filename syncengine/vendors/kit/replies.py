"""Judge a response: it stops the account, fails the request, or answers the call.

In this order (``judge``):

- a status in ``halts``, a redirect, 402, 405: the account stops (VendorHalted)
- 2xx: a success, if its JSON can be read, else an outage (VendorUnavailable)
- 429: the rate limit (VendorThrottled)
- 408 and 5xx: an outage
- any other 4xx: a refusal of the call, if it comes from the API itself. A 404 or 403 of
  a proxy or a moved API stops the account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from syncengine.errors import (
    SyncEngineError,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.model.wait_headers import seconds_from_now
from syncengine.vendors.kit.not_found import NOT_FOUND_STATUSES, speaks_of_a_record
from syncengine.vendors.kit.reading import Unreadable, read_json
from syncengine.vendors.kit.values import as_text

BASE_URL = "settings.base_url"
"""The setting to look at when something other than the API answers."""

# Where and how bodies of a success status report a failure.
_STATUS_NAMES = ("status", "code", "statusCode", "status_code", "error_code")
_FAILURE_WORDS = ("error", "fail", "failed", "failure")
_STATUS_CODES_OF_FAILURE = frozenset(map(str, range(400, 600)))


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that answers the call itself: a success, or a refusal (4xx)."""

    status: int
    body: Json = field(repr=False)
    """The JSON of the response; None for a refusal that is no JSON."""

    @property
    def ok(self) -> bool:
        """Return whether the vendor reports a success."""
        return self.status < 300

    @property
    def not_found(self) -> bool:
        """Return whether the vendor says that it has no such record."""
        return self.status in NOT_FOUND_STATUSES


Judge: TypeAlias = Callable[[Request, Response, Mapping[int, str]], Reply]
"""``judge``, or an adapter's own function on top of it."""


def send_request(request: Request, halts: Mapping[int, str]) -> Exchange[Reply]:
    """Send a request and return its reply; see ``judge`` for what is raised."""
    response = yield request
    return judge(request, response, halts)


def judge(request: Request, response: Response, halts: Mapping[int, str]) -> Reply:
    """Return the reply, if the response is about the call.

    ``halts`` maps each status that stops the account to the setting to look at, as in
    ``{401: "settings.token"}``. Raises VendorHalted where going on is useless,
    VendorThrottled for a rate limit, and VendorUnavailable for an outage or an
    unreadable response.
    """
    status = response.status
    if status in halts:
        raise _expected_halt(request, status, halts[status])
    if 200 <= status < 300:
        return Reply(status, _body_of_success(request, response))
    failure = _failure(request, response)
    if failure is not None:
        raise failure
    return _refusal(request, response)


def _expected_halt(request: Request, status: int, setting: str) -> VendorHalted:
    """Return the halt for a status of which the adapter says that it is one."""
    if setting == BASE_URL:
        fault = "there is no such endpoint"
    else:
        fault = "the vendor does not accept the credentials"
    return VendorHalted(
        f"{request.route}: {fault} (status {status}); check {setting}",
        setting=setting,
    )


def _failure(request: Request, response: Response) -> SyncEngineError | None:
    """Return the failure that a status stands for; None for a refusal of the call."""
    status = response.status
    if 300 <= status < 400:
        # The transport follows no redirects: a write would become a GET on the way.
        return VendorHalted(
            f"{request.route}: the vendor answers with a redirect (status {status}); "
            f"check {BASE_URL} (https instead of http? another host or path?)",
            setting=BASE_URL,
        )
    if status == 402:
        return VendorHalted(
            f"{request.route}: the vendor asks for payment (status 402); "
            "check the plan's quota"
        )
    if status == 405:
        return VendorHalted(
            f"{request.route}: no such endpoint (status 405); check {BASE_URL}",
            setting=BASE_URL,
        )
    if status == 429:
        return VendorThrottled(
            f"{request.route}: too many requests (status 429)",
            retry_after=retry_after(response.headers),
        )
    if status == 408 or not 400 <= status < 500:
        # A gateway answers 504 while the back end goes on working: a write may have
        # been carried out all the same.
        return VendorUnavailable(
            f"{request.route}: the vendor has an outage (status {status})",
            maybe_applied=request.writes,
            status=status,
        )
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the wait in seconds of ``Retry-After`` (RFC 9110, section 10.2.3).

    None where the header is missing or in no known form. A date counts from the
    response's own ``Date``: adapters have no clock, and the vendor's would not be ours.
    """
    return seconds_from_now(headers.get("retry-after", ""), headers)


def _body_of_success(request: Request, response: Response) -> Json:
    try:
        return read_json(request, response.body)
    except Unreadable:
        raise unreadable(request, response.status) from None


def _refusal(request: Request, response: Response) -> Reply:
    """Return the API's own refusal of a call; raise VendorHalted if it is not."""
    status = response.status
    body = _body_of_refusal(request, response)
    # A proxy or a moved API answers 404 to everything: taken for the vendor's own word,
    # every contact would count as deleted there.
    if status in NOT_FOUND_STATUSES and not speaks_of_a_record(status, body):
        raise not_from_the_api(request, status)
    # Firewalls answer 403 with a page. A body of ``null`` reads as None too, but it is
    # JSON, so the API itself has answered.
    is_page = body is None and response.body.strip() != b"null"
    if status == 403 and is_page:
        raise not_from_the_api(request, status)
    return Reply(status, body)


def _body_of_refusal(request: Request, response: Response) -> Json:
    """Return the JSON of a refusal; None where it is no JSON, such as a page."""
    try:
        return read_json(request, response.body)
    except Unreadable:
        begins_as_json = response.body.lstrip()[:1] in (b"{", b"[")
        if not begins_as_json:
            return None
        # The part that is missing may say which contact is refused, and why.
        raise VendorUnavailable(
            f"{request.route}: the refusal (status {response.status}) is cut off, "
            "or cannot be read",
            maybe_applied=False,
            status=response.status,
        ) from None


def not_from_the_api(request: Request, status: int) -> VendorHalted:
    """Return the failure of a request that something other than the API answered.

    The address has moved, or a network is in between.
    """
    return VendorHalted(
        f"{request.route}: the answer does not come from the API (status {status}); "
        f"check {BASE_URL} (has the API moved?), and that no proxy drops the "
        "authorization header or blocks this machine",
        setting=BASE_URL,
    )


def unreadable(request: Request, status: int) -> VendorUnavailable:
    """Return the failure of a request whose success cannot be read.

    It may have been carried out, or never have arrived.
    """
    return VendorUnavailable(
        f"{request.route}: the answer (status {status}) cannot be read: cut off, "
        "or not from the API",
        maybe_applied=request.writes,
        status=status,
    )


class ReplyModel(BaseModel):
    """The part of a reply that an adapter relies on; the rest of it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    def shown(self, names: Iterable[str]) -> dict[str, Json]:
        """Return undeclared fields by name, None for those that the reply lacks.

        Only for models with ``extra="allow"``.
        """
        extra: dict[str, Any] = self.model_extra or {}
        return {name: extra.get(name) for name in names}


_ReplyModel = TypeVar("_ReplyModel", bound=ReplyModel)


def parse_reply(
    request: Request, reply: Reply, model: type[_ReplyModel]
) -> _ReplyModel:
    """Return the body of a successful reply in its documented shape.

    Raises VendorUnavailable when it has another shape, and when it reports a failure
    by itself, whatever else is in it.
    """
    if reports_failure(reply.body):
        raise unreadable(request, reply.status)
    try:
        return model.model_validate(reply.body)
    except ValidationError:
        raise unreadable(request, reply.status) from None


def reports_failure(body: Json) -> bool:
    """Return whether an object reports a failure, in any of the usual ways.

    These are a filled ``error`` or ``errors``, ``"success": false``, and a status such
    as ``"error"`` or 422 in the body.
    """
    if not isinstance(body, Mapping):
        return False
    if body.get("error") or body.get("errors"):
        return True
    for name in ("success", "ok"):
        if as_text(body.get(name)).lower() == "false":
            return True
    for name in _STATUS_NAMES:
        word = as_text(body.get(name)).strip().lower()
        if word in _FAILURE_WORDS or word in _STATUS_CODES_OF_FAILURE:
            return True
    return False
