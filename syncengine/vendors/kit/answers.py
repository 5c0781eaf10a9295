"""Judge an HTTP answer: it stops the account, fails the request, or speaks about the call."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from syncengine.errors import VendorHalted, VendorThrottled, VendorUnavailable
from syncengine.model.calls import ADVICE, Rejected
from syncengine.model.http import Json, Request, Response
from syncengine.vendors.kit.reading import Unreadable, read_json
from syncengine.vendors.kit.retry_after import retry_after
from syncengine.vendors.kit.values import text
from syncengine.vendors.kit.words import REMOVED, cleaned

BASE_URL = "settings.base_url"
NOT_THERE = (404, 410)
"""Statuses of what is not there: a contact if the vendor's own words say so, else the
address that was asked."""

_NAMES_OF_STATUS = ("status", "code", "statusCode", "status_code", "error_code")
_FAILED = ("error", "fail", "failed", "failure")
_PLACES_OF_WORDS = ("message", "msg", "error", "errors", "error_details", "description")
_SAYS_NOTHING = {
    404: ("", "not found", "request failed", "error"),
    410: ("", "gone", "request failed", "error"),
}
_ECHOED_PATH = re.compile(r"\S*/\S*")
_AN_ENDPOINT = re.compile(
    r"\b(routes?|url|uri|endpoint|static resource|cannot (get|post|put|patch|delete)|"
    r"missing authentication token|not defined by this api)\b",
)
_A_RECORD = re.compile(
    r"\b(contacts?|persons?|people|customers?|leads?|members?|users?|lists?|tags?|lifecycle|data.?sources?|fields?)\b",
)
_A_PLACE = re.compile(
    r"\b(resource|method|page|path|host|domain|deployment|tenant|upstream|api)\b"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer about the call itself: a success or a refusal (4xx)."""

    status: int
    body: Json = field(repr=False)
    """The JSON of the answer; None for a refusal that is no JSON."""

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def not_there(self) -> bool:
        """Return whether the vendor says that it has no such contact or other record."""
        return self.status in NOT_THERE


def judge(request: Request, response: Response, halts: Mapping[int, str]) -> Reply:
    """Return the answer, if it is about the call.

    Else raises VendorHalted, VendorThrottled or VendorUnavailable. ``halts`` names the
    statuses that stop the account, each with the setting to look at.
    """
    status = response.status
    if setting := halts.get(status):
        fault = (
            "there is no such endpoint"
            if setting == BASE_URL
            else "the vendor refuses the credentials"
        )
        raise VendorHalted(
            f"{request.route}: {fault} (status {status}); check {setting}",
            setting=setting,
        )
    match status:
        case _ if 200 <= status < 300:
            return Reply(status, _success(request, response))
        case _ if 300 <= status < 400:
            raise VendorHalted(
                f"{request.route}: the vendor answers with a redirect (status {status}); check {BASE_URL} "
                "(https instead of http? another host or path?)",
                setting=BASE_URL,
            )
        case 402:
            raise VendorHalted(
                f"{request.route}: the vendor asks for payment (status 402); check the plan's quota"
            )
        case 405:
            raise VendorHalted(
                f"{request.route}: no such endpoint (status 405); check {BASE_URL}",
                setting=BASE_URL,
            )
        case 429:
            raise VendorThrottled(
                f"{request.route}: too many requests (status 429)",
                retry_after=retry_after(response.headers),
            )
        case _ if status == 408 or not 400 <= status < 500:
            raise VendorUnavailable(
                f"{request.route}: the vendor is in trouble (status {status})",
                maybe_applied=request.writes,
                status=status,
            )
        case _:
            said = _refusal(request, response)
            if status in NOT_THERE and not speaks_of_a_record(status, said):
                raise from_elsewhere(request, status)
            # A body of ``null`` is JSON, so the API did answer; a page reads as None too, and
            # is none of its answers.
            if status == 403 and said is None and response.body.strip() != b"null":
                raise from_elsewhere(request, status)
            return Reply(status, said)


def _success(request: Request, response: Response) -> Json:
    try:
        return read_json(request, response.body)
    except Unreadable:
        raise unreadable(request, response.status) from None


def _refusal(request: Request, response: Response) -> Json:
    try:
        return read_json(request, response.body)
    except Unreadable:
        if response.body.lstrip()[:1] in (
            b"{",
            b"[",
        ):  # its rest may say whom and what it concerns
            raise VendorUnavailable(
                f"{request.route}: the refusal (status {response.status}) is cut off, or cannot be read",
                maybe_applied=False,
                status=response.status,
            ) from None
        return None


def speaks_of_a_record(status: int, body: Json) -> bool:
    """Return whether the body of a 404 is the vendor's own, about a contact or the like.

    It is then an object with a message. A page, an empty answer, or the words that
    gateways and routers have for an address without an endpoint say nothing about a
    contact: a moved API would answer every contact so.
    """
    if not isinstance(body, Mapping):
        return False
    # Routers repeat the path that was asked for, and contacts stand in it.
    texts = [_ECHOED_PATH.sub(" ", each.casefold()) for each in _texts(body)]
    told = [
        each
        for each in texts
        if re.sub(r"[\W\d_]+", " ", each).strip() not in _SAYS_NOTHING[status]
    ]
    words = "; ".join(told)
    if _AN_ENDPOINT.search(words):
        return False
    return bool(_A_RECORD.search(words)) or bool(words and not _A_PLACE.search(words))


def _texts(value: Json) -> Iterator[str]:
    """Yield the texts of a refusal, wherever in it they stand."""
    match value:
        case str():
            yield value
        case dict():
            for name in _PLACES_OF_WORDS:
                yield from _texts(value.get(name))
        case list():
            for part in value:
                yield from _texts(part)


def from_elsewhere(request: Request, status: int) -> VendorHalted:
    """Return the failure of a request that something other than the API answered.

    The address has moved, or a network is in between.
    """
    return VendorHalted(
        f"{request.route}: something else than the API answers (status {status}); check {BASE_URL} "
        "(has the API moved?), and that no proxy drops the authorization header or blocks this machine",
        setting=BASE_URL,
    )


def unreadable(request: Request, status: int) -> VendorUnavailable:
    """Return the failure of a request whose success cannot be read.

    It may have been carried out, or never have arrived.
    """
    return VendorUnavailable(
        f"{request.route}: the answer (status {status}) cannot be read: cut off, or not from the API",
        maybe_applied=request.writes,
        status=status,
    )


class Shape(BaseModel):
    """The part of an answer that an adapter relies on; the rest of it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


_Shape = TypeVar("_Shape", bound=Shape)


def shaped(request: Request, reply: Reply, shape: type[_Shape]) -> _Shape:
    """Return the answer's body in its documented shape.

    Raises VendorUnavailable when it has another one, and when it reports a failure
    itself, with anything else in it.
    """
    if tells_failure(reply.body):
        raise unreadable(request, reply.status)
    try:
        return shape.model_validate(reply.body)
    except ValidationError:
        raise unreadable(request, reply.status) from None


def tells_failure(body: Json) -> bool:
    """Return whether an object reports a failure itself, in any of the usual ways."""
    if not isinstance(body, Mapping):
        return False
    if body.get("error") or body.get("errors"):
        return True
    if any(text(body.get(name)).lower() == "false" for name in ("success", "ok")):
        return True
    told = [text(body.get(name)).strip().lower() for name in _NAMES_OF_STATUS]
    return any(word in _FAILED or re.fullmatch("[45][0-9]{2}", word) for word in told)


def refused(
    request: Request,
    reply: Reply,
    said: str,
    sent: Iterable[Json],
    code: str | None = None,
) -> Rejected:
    """Return the vendor's refusal of one contact, with its message made safe.

    ``sent`` must not be repeated: the contact's values (and a secret that does not
    travel in a header).
    """
    words = _repeatable(request, said, sent)
    reason = f' and says: "{words}"' if words else " without saying why"
    if REMOVED in words:
        reason += f" ({REMOVED} stands for a value)"
    return Rejected(
        code or f"http_{reply.status}",
        f"the vendor refused it with status {reply.status}{reason}{ADVICE}",
        status=reply.status,
        words=words,
    )


def refused_look_up(
    request: Request, reply: Reply, said: str, sent: Iterable[Json]
) -> VendorUnavailable:
    """Return the failure of a look-up that was refused.

    Nothing follows from it for the contact.
    """
    words = _repeatable(request, said, sent)
    reason = f': "{words}"' if words else ""
    return VendorUnavailable(
        f"{request.route}: the vendor refused to look (status {reply.status}){reason}; "
        "does it know the field, and is the value one it can have?",
        maybe_applied=False,
        status=reply.status,
    )


def _repeatable(request: Request, said: str, sent: Iterable[Json]) -> str:
    asked = (value for _, value in request.query)
    return cleaned(said, (*sent, *asked, *_credentials(request)))


def _credentials(request: Request) -> Iterator[str]:
    for name, value in request.headers.items():
        if name not in ("accept", "content-type"):
            yield from value.split()
        if value.startswith("Basic "):
            yield from b64decode(value.removeprefix("Basic ")).decode().split(":")
