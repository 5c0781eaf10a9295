"""The answers of HubSpot's API: their shapes, and what a status means there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeAlias

import orjson
from pydantic import AliasChoices, Field, ValidationError

from syncengine.vendor import (
    LISTS,
    NULL_AS_LIST,
    NULL_AS_OBJECT,
    Call,
    Exchange,
    ExternalId,
    Json,
    ListOf,
    Rejected,
    Reply,
    ReplyModel,
    Request,
    Response,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
    as_text,
    judge,
    message_in,
    parse_reply,
    readable_entries,
    rejection,
    reports_failure,
    retry_after,
    sent_values_in,
)

NOT_FOUND = "OBJECT_NOT_FOUND"
"""HubSpot's category of a contact that is not there."""
CONFLICT = "CONFLICT"
"""HubSpot's category of a value that another contact has."""
_NO_JUDGEMENT = frozenset({"RATE_LIMITS", "RATE_LIMIT", "INTERNAL_ERROR", "TIMEOUT"})
"""Categories of errors that say nothing about the contact."""
_MISSING_SCOPES = "MISSING_SCOPES"
_CODES = (
    "FAILED_VALIDATION",
    "INVALID_DATE",
    "INVALID_EMAIL",
    "INVALID_OPTION",
    "INVALID_TYPE",
    "PROPERTY_DOESNT_EXIST",
    "READ_ONLY_VALUE",
)
"""HubSpot's words for what is wrong with a value."""
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]+)"')
"""The property's name, in the JSON that a message about values ends with."""
_OPTIONS = re.compile(r"(allowed options:\s*)\[(?:[^\[\]]|\[[^\[\]]*\])*+\]?")
"""The options of a property, which other contacts may have as values."""
_EXISTING_ID = re.compile(r"existing id:?\s*(\d+)", re.IGNORECASE | re.ASCII)
_SCOPE = re.compile(r"[a-z0-9._-]+", re.ASCII)
TOKEN = "settings.token"  # noqa: S105 - the name of the setting
TOKEN_REFUSED = {401: TOKEN}
_LOCKED_FOR = 2.0
"""Seconds that HubSpot asks to wait, at least, while it has locked the account."""
_TEN_SECONDS = 10.0
_INTERVAL_HEADER = "x-hubspot-ratelimit-interval-milliseconds"


class HubSpotObject(ReplyModel):
    """A contact, with those of its properties that were asked for, or written."""

    id: ExternalId
    properties: dict[str, Json]
    archived: bool = False
    trace_id: str | None = Field(default=None, validation_alias="objectWriteTraceId")

    def value(self, name: str) -> str:
        """Return a property as text, empty where it is not shown."""
        return as_text(self.properties.get(name))


class HubSpotError(ReplyModel):
    """One error in the answer to a batch."""

    category: str = ""
    message: str = ""
    context: Annotated[dict[str, Json], NULL_AS_OBJECT] = Field(default_factory=dict)

    def named(self, what: str) -> frozenset[str]:
        """Return the ids that the error names: ``objectWriteTraceId``, or ``ids``."""
        found = self.context.get(what)
        if isinstance(found, list):
            return frozenset(as_text(each) for each in found)
        return frozenset() if found is None else frozenset({as_text(found)})

    @property
    def judges(self) -> bool:
        """Return whether the error is a refusal of what it names."""
        return self.category not in _NO_JUDGEMENT

    @property
    def status(self) -> int:
        """Return the status that the refusal of one contact alone would have."""
        if self.category == NOT_FOUND:
            return 404
        return 409 if self.category == CONFLICT else 400


def not_there(contact: str) -> HubSpotError:
    """Return the error of a contact that is not there."""
    return HubSpotError(category=NOT_FOUND, context={"ids": [contact]})


class _HubSpotBatch(ReplyModel):
    results: ListOf[Json]
    errors: Annotated[ListOf[Json], NULL_AS_LIST] = ()


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The contacts and the errors in the answer to a batch, in no order."""

    contacts: tuple[HubSpotObject, ...]
    errors: tuple[HubSpotError, ...] = ()

    def missing(self) -> frozenset[str]:
        """Return the ids that the answer says are not there."""
        names: set[str] = set()
        for error in self.errors:
            if error.category == NOT_FOUND:
                names |= error.named("ids")
        return frozenset(names)


class _HubSpotNext(ReplyModel):
    after: str


class _HubSpotPaging(ReplyModel):
    next: _HubSpotNext | None = None


class HubSpotPage(ReplyModel):
    """A page of contacts: of all, or of a search's hits."""

    results: ListOf[HubSpotObject]
    paging: _HubSpotPaging | None = None

    @property
    def cursor(self) -> str | None:
        """Return the start of the next page; None on the last one."""
        if self.paging is None or self.paging.next is None:
            return None
        return self.paging.next.after


_Ids: TypeAlias = Annotated[ListOf[ExternalId], NULL_AS_LIST]


class HubSpotMemberships(ReplyModel):
    """The answer to a change of a list; contacts that were in it already are left out."""

    # One of the documented names has an "s" more than the others.
    added: _Ids = Field(
        validation_alias=AliasChoices("recordsIdsAdded", "recordIdsAdded")
    )
    removed: _Ids = Field(
        validation_alias=AliasChoices("recordIdsRemoved", "recordsIdsRemoved")
    )
    missing: _Ids = Field(
        validation_alias=AliasChoices("recordIdsMissing", "recordsIdsMissing")
    )


class HubSpotListsOf(ReplyModel):
    """The lists that a contact is in, for people."""

    results: list[Json]


# --- judging --------------------------------------------------------------------------


def judge_answer(
    request: Request, response: Response, halts: Mapping[int, str]
) -> Reply:
    """Judge a response as ``judge`` does, by the statuses that HubSpot has besides.

    423 and 477 are no refusals, and a 429 may be the end of the day's quota.
    """
    match response.status:
        case 423:
            wait = max(_LOCKED_FOR, retry_after(response.headers) or 0.0)
            raise VendorThrottled(
                f"{request.route}: the account is locked for a moment (status 423)",
                retry_after=wait,
            )
        case 429:
            raise _limit_reached(request, response)
        case 477:
            raise _account_moves(request, response)
    body = _object_in(response)
    if response.status == 403 and body:
        raise _lacks_rights(request, body)
    if response.status == 404 and _is_about_a_contact(body):
        return Reply(404, body)
    return judge(request, response, halts)


def _is_about_a_contact(body: Mapping[str, Json]) -> bool:
    """Return whether a 404 is the API's own, about a contact that is not there.

    "resource not found" are its words, too, which a router could have for an address.
    Only the API has an id for each of its answers.
    """
    said = as_text(body.get("message")).strip().lower()
    is_short = said == "resource not found" and "correlationId" in body
    return body.get("category") == NOT_FOUND or is_short


def ask(request: Request, halts: Mapping[int, str] = TOKEN_REFUSED) -> Exchange[Reply]:
    """Send a request and return its reply."""
    response = yield request
    return judge_answer(request, response, halts)


def ask_for_nothing(request: Request) -> Exchange[Reply]:
    """Send a request whose success is 204, without a body.

    Any other success is raised as unreadable: it is not the API's own.
    """
    response = yield request
    if response.status == 204 and not response.body.strip():
        return Reply(204, None)
    reply = judge_answer(request, response, TOKEN_REFUSED)
    if reply.ok:
        raise _unreadable(request, reply)
    return reply


def _limit_reached(
    request: Request, response: Response
) -> VendorThrottled | VendorHalted:
    """Return the failure of a request beyond a limit, by the limit that is meant."""
    body = _object_in(response)
    policy = as_text(body.get("policyName")).upper()
    wait = retry_after(response.headers)
    if policy == "DAILY":
        return VendorHalted(
            f"{request.route}: the day's quota of the account is used up (status 429); "
            "the next run after midnight, in the account's time zone, goes on"
        )
    if policy.startswith("TEN_SECONDLY"):
        wait = wait or _interval(response.headers) or _TEN_SECONDS
    elif policy.startswith("SECONDLY"):
        wait = wait or 1.0
    return VendorThrottled(
        f"{request.route}: too many requests (status 429)", retry_after=wait
    )


def _interval(headers: Mapping[str, str]) -> float | None:
    """Return the seconds of the limit's window; None where no header tells them."""
    milliseconds = headers.get(_INTERVAL_HEADER, "").strip()
    if re.fullmatch(r"[1-9]\d{0,6}", milliseconds, re.ASCII) is None:
        return None
    return int(milliseconds) / 1000


def _account_moves(request: Request, response: Response) -> VendorHalted:
    """Return the halt of an account that HubSpot moves to another data centre."""
    wait = retry_after(response.headers)
    when = "the next run goes on"
    if wait:
        when = f"run again in {round(wait / 60) or 1} minutes"
    return VendorHalted(
        f"{request.route}: HubSpot is moving the account to another data centre "
        f"(status 477), which may take a day; {when}"
    )


def _lacks_rights(request: Request, body: Mapping[str, Json]) -> VendorHalted:
    """Return the halt of a token that may not do this, with the scopes it lacks."""
    lacking = "the vendor does not accept the credentials"
    if body.get("category") == _MISSING_SCOPES:
        context = body.get("context")
        found = (
            context.get("requiredGranularScopes") if isinstance(context, dict) else ()
        )
        scopes = [each for each in _texts(found) if _SCOPE.fullmatch(each)]
        named = f": {', '.join(scopes[:10])}" if scopes else ""
        lacking = f"the token lacks a scope{named}"
    return VendorHalted(
        f"{request.route}: {lacking} (status 403); check {TOKEN}", setting=TOKEN
    )


def _texts(value: Json) -> Iterator[str]:
    for each in value if isinstance(value, list | tuple) else ():
        if isinstance(each, str):
            yield each


def _object_in(response: Response) -> dict[str, Json]:
    """Return the JSON object of a refusal; empty where it is none."""
    if response.status < 400:
        return {}
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


# --- reading --------------------------------------------------------------------------


def parse_batch(request: Request, reply: Reply) -> BatchAnswer:
    """Return the contacts and errors in the answer to a batch.

    Under status 207 an answer may hold errors beside its contacts. Entries that cannot
    be read are left out: what they are about is unknown.
    """
    body = reply.body
    if reply.status == 207 and isinstance(body, dict):
        besides = {name: value for name, value in body.items() if name != "errors"}
        if reports_failure(besides):
            raise _unreadable(request, reply)
        try:
            batch = _HubSpotBatch.model_validate(body)
        except ValidationError:
            raise _unreadable(request, reply) from None
    else:
        batch = parse_reply(request, reply, _HubSpotBatch)
    return BatchAnswer(
        tuple(readable_entries(HubSpotObject, batch.results)),
        tuple(readable_entries(HubSpotError, batch.errors)),
    )


def _unreadable(request: Request, reply: Reply) -> VendorUnavailable:
    """Return the failure of a success that is not of the API's own form."""
    return VendorUnavailable(
        f"{request.route}: the answer (status {reply.status}) cannot be read: not of "
        "the form that the API documents",
        maybe_applied=request.writes,
        status=reply.status,
    )


# --- refusals -------------------------------------------------------------------------


def refusal(request: Request, reply: Reply, calls: Sequence[Call]) -> Rejected:
    """Return the refusal of a request about the contacts of these calls."""
    body = reply.body if isinstance(reply.body, dict) else {}
    errors = body.get("errors")
    entries = [body, *(errors if isinstance(errors, list) else ())]
    contexts = [each.get("context") for each in entries if isinstance(each, dict)]
    return rejected(request, reply, words(body), contexts, calls)


def rejected(
    request: Request,
    reply: Reply,
    said: str,
    contexts: Iterable[Json],
    calls: Sequence[Call],
) -> Rejected:
    """Return a refusal with its words, and the fields that it names.

    Its text repeats no value of any contact in the request: HubSpot may name the wrong
    one. Names of the calls' own fields stay, whoever has one as a value.
    """
    carried = {name for call in calls for name in call.fields}
    names = {name for name in carried if not name.startswith(LISTS)}
    code = "not_found" if reply.not_found else None
    said = _OPTIONS.sub(r"\1[...]", said)
    kept = (*names, *_CODES)
    refused = rejection(request, reply, said, sent_values_in(calls), code, kept)
    named = dict.fromkeys(_properties_in(said, contexts))
    return replace(refused, fields=tuple(each for each in named if each in names))


def _properties_in(said: str, contexts: Iterable[Json]) -> Iterator[str]:
    """Yield the names of properties in a refusal; others may be among them."""
    for context in contexts:
        found = context.get("propertyName") if isinstance(context, dict) else None
        yield from _texts(found if isinstance(found, list) else [found])
    for mistake in _NAME.finditer(said):
        yield mistake[1]


def words(body: Json) -> str:
    """Return the message of a refusal, and those of the errors in it."""
    said = [message_in(body, "message")]
    errors = body.get("errors") if isinstance(body, dict) else None
    if isinstance(errors, list):
        said += [message_in(each, "message") for each in errors]
    return "; ".join(dict.fromkeys(text for text in said if text))


def existing_id(said: str) -> str | None:
    """Return the id of the contact that a create ran into, if the words name one."""
    found = _EXISTING_ID.search(said)
    return found[1] if found else None


def is_conflict(status: int, said: str) -> bool:
    """Return whether a create was refused because the vendor has the contact.

    The refusal of a second value of a unique property is not documented.
    """
    is_by_words = "already" in said.lower() or "unique" in said.lower()
    return status == 409 or (status == 400 and is_by_words)
