"""The twin of respond.io, legacy v1: a create that repeats, 403 for nearly everything, and all values text."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal
from urllib.parse import parse_qsl, unquote

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.account import Accounts, Definitions
from syncengine.sandbox.twins.respond_io_screen import RespondIoScreen
from syncengine.sandbox.twins.respond_io_wire import (
    STANDARD,
    Contact,
    RefusedError,
    as_text,
    entries,
    page_of,
    pattern_of,
    segments,
    token_of,
)
from syncengine.sandbox.twins.twin import (
    SWITCHES,
    Seed,
    TwinRequest,
    answer,
    changed,
    limit_headers,
    retry_header,
)

_MAX_FIELDS = 30
_MAX_TAGS = 10
_FIRST_ID = 177640021
_ACCOUNT = 1_000_000
"""Ids lie this far apart in two accounts."""
_LOGIN = b"<html><body>Redirecting to /login</body></html>"
_VERBS = {
    "/contact/by_custom_field": ("GET",),
    "/contact/": ("POST",),
    "/contact/{id}": ("GET", "PUT"),
    "/contact/{id}/tags": ("POST", "DELETE"),
}


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches for what the documentation leaves open."""

    __pydantic_config__ = SWITCHES

    tokens: tuple[str, ...] = ("sandbox-token",)
    """Each is a channel with contacts of its own."""
    viber_tokens: tuple[str, ...] = ()
    """Tokens of Viber channels, besides ``tokens``."""
    viber_alphabet: Literal["standard", "url"] = "standard"
    viber_calls: Literal["all", "documented"] = "all"
    """Calls that take the id as Base64: all, or update and the removal of tags."""
    dup: Literal["allow", "403"] = "allow"
    """A create with the phone or e-mail of a contact that is there."""
    store_plus: bool = True
    """True where a phone keeps its ``+``."""
    custom_fields: tuple[str, ...] | None = None
    """The custom fields that are defined; None: any."""
    null_mode: Literal["ignore", "clear"] = "ignore"
    put_mode: Literal["partial", "replace"] = "partial"
    look_up: Literal["exact", "ignore_case"] = "exact"
    no_hit: Literal["empty", "403"] = "empty"
    """Answer to a look-up that finds no contact."""
    known_tags: tuple[str, ...] | None = None
    """The tags that are defined; None: any."""
    idle_tag: Literal["ok", "403"] = "ok"
    """Adding a tag that is there, or removing one that is not."""
    unknown_tag: Literal["create", "403"] = "create"
    """Effect of a tag that somebody undefined."""
    blocked: Literal["taken", "403"] = "taken"
    """Answer to writes about a contact that is blocked."""
    merged_into: Literal["older", "chosen"] = "older"
    """The contact that remains of two that are merged."""
    hides: tuple[str, ...] = ("language", "profilePic")
    """Fields that can be written and are not shown."""
    update_told: Literal["own", "other"] = "own"
    """Id in the answer to an update: the contact's own, or another contact's, as in the
    vendor's own example."""
    require_accept: bool = False
    """True where a request that does not accept JSON is redirected to an HTML page."""
    send_retry_after: bool = True
    send_limit_headers: bool = True


class Channel:
    """The contacts of one token."""

    def __init__(self) -> None:
        self.contacts: dict[str, Contact] = {}
        self._holders: defaultdict[tuple[str, str], set[str]] = defaultdict(set)

    def add(self, contact: Contact, fields: Mapping[str, str]) -> None:
        self.contacts[contact.id] = contact
        self.write(contact, fields)

    def write(self, contact: Contact, fields: Mapping[str, str]) -> None:
        for name, value in fields.items():
            self.drop(contact, name)
            contact.fields[name] = value
            self._holders[name, value].add(contact.id)

    def drop(self, contact: Contact, name: str) -> None:
        """Take a field from a contact."""
        if name in contact.fields:
            self._holders[name, contact.fields.pop(name)].discard(contact.id)

    def remove(self, contact: Contact) -> None:
        for name in list(contact.fields):
            self.drop(contact, name)
        del self.contacts[contact.id]

    def holders(self, name: str, value: str) -> list[Contact]:
        found = (self.contacts[each] for each in self._holders.get((name, value), ()))
        return sorted(found, key=lambda contact: contact.number)

    def alike(self, name: str, value: str) -> list[Contact]:
        """Return the contacts with a value, in any capitalisation."""
        wanted = value.casefold()
        found = (
            each
            for each in self.contacts.values()
            if each.fields.get(name, "").casefold() == wanted != ""
        )
        return sorted(found, key=lambda contact: contact.number)


class Account:
    """The channels of one account, by their tokens."""

    def __init__(self, number: int) -> None:
        self.numbers = count(_FIRST_ID + number * _ACCOUNT)
        self.channels: defaultdict[str, Channel] = defaultdict(Channel)
        self.definitions = Definitions()


class RespondIoTwin:
    """See ``Twin``. Paths may begin with ``/api/v1``."""

    vendor_limits = (TwinLimit(200, 60.0, "fixed"),)
    screen_kind = RespondIoScreen

    def __init__(self) -> None:
        self.switches = Switches()
        self.limiter = Limiter()
        self.reset()

    @property
    def account(self) -> Account:
        return self.accounts.present

    @property
    def definitions(self) -> Definitions:
        return self.account.definitions

    @property
    def settings(self) -> dict[str, str]:
        return {"token": (*self.switches.tokens, *self.switches.viber_tokens)[0]}

    def configure(self, changes: Mapping[str, Json]) -> None:
        self.switches = changed(self.switches, changes)

    def reset(self) -> None:
        self.accounts = Accounts(Account)
        self.limiter.reset()

    def route(self, request: TwinRequest) -> str:
        return f"{request.method} {pattern_of(request) or '/?'}"

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        token = token_of(request)
        if token not in (*self.switches.tokens, *self.switches.viber_tokens):
            return self.refusal(401, "Unauthorized")
        wait = self.limiter.arrive(request.method, now, token)
        if wait is None:
            return None
        refusal = self.refusal(
            429, "Too Many Requests", wait if self.switches.send_retry_after else None
        )
        return self._with_limits(refusal, request, now)

    def handle(self, request: TwinRequest, now: float) -> Response:
        return self.admit(request, now) or self.commit(request, now)

    def refusal(
        self, status: int, text: Json, retry_after: float | None = None
    ) -> Response:
        return answer(
            status, {"status": "error", "message": text}, retry_header(retry_after)
        )

    def commit(self, request: TwinRequest, now: float) -> Response:
        return self._with_limits(self._judged(request, now), request, now)

    def _with_limits(
        self, response: Response, request: TwinRequest, now: float
    ) -> Response:
        if not self.switches.send_limit_headers:
            return response
        headers = limit_headers(
            self.limiter.standing(request.method, now, token_of(request)), now
        )
        return (
            replace(response, headers={**response.headers, **headers})
            if headers
            else response
        )

    def _judged(self, request: TwinRequest, now: float) -> Response:
        if self.switches.require_accept and "json" not in request.headers.get(
            "accept", ""
        ):
            return Response(
                302,
                {"content-type": "text/html; charset=utf-8", "location": "/login"},
                _LOGIN,
            )
        pattern = pattern_of(request)
        if pattern is None:
            return self.refusal(404, "Not Found")
        if request.method not in _VERBS[pattern]:
            return self.refusal(405, "Method Not Allowed")
        try:
            return self._answer(
                pattern, self.account.channels[token_of(request)], request, now
            )
        except RefusedError as refused:
            return self.refusal(403, refused.message)

    def _answer(
        self, pattern: str, channel: Channel, request: TwinRequest, now: float
    ) -> Response:
        match pattern:
            case "/contact/by_custom_field":
                return self._find(channel, request)
            case "/contact/":
                return self._create(channel, request, now)
            case "/contact/{id}":
                return self._read_or_update(channel, request)
            case _:
                return self._tag(channel, request)

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        token = (*self.switches.tokens, *self.switches.viber_tokens)[0]
        made = []
        written = [
            {name: as_text(value) for name, value in each.fields.items()}
            for each in seeds
        ]
        for each, fields in zip(seeds, written, strict=True):
            contact = self._new(token, now if each.created is None else each.created)
            contact.tags.update(dict.fromkeys(each.tags))
            self.account.channels[token].add(contact, fields)
            made.append(contact.id)
        return made

    def contacts(self, now: float) -> list[dict[str, Json]]:  # noqa: ARG002 - nothing here changes with time
        held = (
            contact
            for channel in self.account.channels.values()
            for contact in channel.contacts.values()
        )
        return [
            {
                "id": contact.id,
                "key": None,
                "fields": dict(contact.fields),
                "tags": list(contact.tags),
            }
            for contact in sorted(held, key=lambda contact: contact.number)
        ]

    def screen(self, now: float) -> RespondIoScreen:
        return RespondIoScreen(self, now)

    def _find(self, channel: Channel, request: TwinRequest) -> Response:
        asked = dict(
            parse_qsl(request.query, keep_blank_values=True)
        )  # a raw + becomes a space here
        name, value, page = (
            asked.get("name"),
            asked.get("value"),
            asked.get("page", "1"),
        )
        if not name or value is None:
            raise RefusedError(
                ["The name field is required.", "The value field is required."]
            )
        self._check_defined(name)
        if not page.isascii() or not page.isdigit() or int(page) < 1:
            raise RefusedError(["The page must be a positive number."])
        found = (
            channel.holders(name, value)
            if self.switches.look_up == "exact"
            else channel.alike(name, value)
        )
        if not found and self.switches.no_hit == "403":
            raise RefusedError("No such contact found.")
        host = request.headers.get("host", "localhost")
        return answer(200, page_of(found, int(page), host, self.switches.hides))

    def _create(self, channel: Channel, request: TwinRequest, now: float) -> Response:
        fields = self._fields(request)
        if self.switches.dup == "403" and any(
            fields.get(name) and channel.holders(name, fields[name])
            for name in ("phone", "email")
        ):
            raise RefusedError("Contact already exists.")
        self._check_required(fields, creates=True)
        contact = self._new(token_of(request), now)
        channel.add(contact, fields)
        return _told(contact)

    def _read_or_update(self, channel: Channel, request: TwinRequest) -> Response:
        contact = self._contact(channel, request)
        if request.method == "GET":
            return answer(200, {"data": contact.shown(self.switches.hides)})
        self._check_blocked(contact)
        fields = self._fields(request)
        if self.switches.put_mode == "replace":
            fields = {**dict.fromkeys(contact.fields, ""), **fields}
        self._check_required({**contact.fields, **fields}, creates=False)
        channel.write(contact, fields)
        if self.switches.update_told == "other":
            others = (each for each in channel.contacts.values() if each is not contact)
            return _told(next(others, contact))
        return _told(contact)

    def _tag(self, channel: Channel, request: TwinRequest) -> Response:
        contact = self._contact(channel, request)
        tags = entries(request, "tags", _MAX_TAGS)
        if not all(isinstance(tag, str) and tag for tag in tags):
            raise RefusedError(["The tags must be texts."])
        self._check_blocked(contact)
        adds = request.method == "POST"
        self._check_tags(tags)
        if self.switches.idle_tag == "403" and any(
            (tag in contact.tags) is adds for tag in tags
        ):
            raise RefusedError("The tag was added or removed before.")
        for tag in tags:
            if adds:
                self.definitions.define("tag", tag)
                contact.tags.setdefault(tag)
            else:
                contact.tags.pop(tag, None)
        return _told(contact)

    def _fields(self, request: TwinRequest) -> dict[str, str]:
        return dict(self._pairs(entries(request, "custom_fields", _MAX_FIELDS)))

    def _pairs(self, pairs: Sequence[Json]) -> Iterator[tuple[str, str]]:
        for pair in pairs:
            match pair:
                case {"name": str(name), "value": value, **others} if (
                    name and not others
                ):
                    pass
                case _:
                    raise RefusedError(
                        ["The custom_fields must be pairs of name and value."]
                    )
            self._check_defined(name)
            if value is None and self.switches.null_mode == "ignore":
                continue
            text = as_text(value)
            yield (
                name,
                text.removeprefix("+")
                if name == "phone" and not self.switches.store_plus
                else text,
            )

    def _check_tags(self, tags: Sequence[str]) -> None:
        known = self.switches.known_tags
        lacks = known is not None and not set(tags) <= set(known)
        refused = self.switches.unknown_tag == "403" and self.definitions.undefined(
            "tag", tags
        )
        if lacks or refused:
            raise RefusedError("The tag does not exist.")

    def _check_blocked(self, contact: Contact) -> None:
        if contact.blocked and self.switches.blocked == "403":
            raise RefusedError("Contact is blocked.")

    def _check_required(self, fields: Mapping[str, str], *, creates: bool) -> None:
        given = (name for name, value in fields.items() if value)
        if missing := self.definitions.missing(given, creates=creates):
            raise RefusedError([f"The {name} field is required." for name in missing])

    def _check_defined(self, name: str) -> None:
        defined = self.switches.custom_fields
        unknown = defined is not None and name not in STANDARD and name not in defined
        if unknown or not self.definitions.has("field", name):
            raise RefusedError(f"Custom field {name} does not exist.")

    def _contact(self, channel: Channel, request: TwinRequest) -> Contact:
        contact_id = unquote(segments(request)[1])
        everywhere = self.switches.viber_calls == "all"
        if token_of(request) in self.switches.viber_tokens and (
            everywhere or request.method in ("PUT", "DELETE")
        ):
            contact_id = self._decoded(contact_id)
        contact = channel.contacts.get(contact_id)
        if contact is None:
            raise RefusedError("No such contact found.")
        return contact

    def _decoded(self, segment: str) -> str:
        try:
            if self.switches.viber_alphabet == "standard":
                return b64decode(segment, validate=True).decode()
            # Python's decoder takes the other alphabet's characters too.
            return (
                "" if {"+", "/"} & set(segment) else urlsafe_b64decode(segment).decode()
            )
        except (NotBase64, ValueError):
            return ""

    def _new(self, token: str, now: float) -> Contact:
        number = next(self.account.numbers)
        contact_id = (
            f"v+{number:x}/c?==" if token in self.switches.viber_tokens else str(number)
        )
        return Contact(number, contact_id, int(now))


TWIN = RespondIoTwin


def _told(contact: Contact) -> Response:
    return answer(200, {"data": {"id": contact.id}})
