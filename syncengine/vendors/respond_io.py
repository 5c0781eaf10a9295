"""respond.io, legacy v1 (also served by resellers on hosts of their own).

Create makes a new contact every time. Nearly every refusal is a 403, told apart by its text. Fields are written as a
list of pairs and read as one object, and every value is text there.
"""

from __future__ import annotations

from base64 import standard_b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator

from syncengine.errors import VendorHalted
from syncengine.model.calls import Action, Answer, Applied, Call, Rejected
from syncengine.model.capabilities import Capabilities, TagCall, Write
from syncengine.model.contact import Fields, MatchKey, Remote
from syncengine.model.costs import Cost, exactly
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.model.limits import Limit
from syncengine.model.phones import E164, further_spellings, plain_spellings
from syncengine.vendors.kit import (
    BASE_URL,
    MOST_PAGES,
    AnyId,
    ClearWith,
    Many,
    Reply,
    Secret,
    Shape,
    Tags,
    VendorSettings,
    check,
    digits,
    endless,
    external_id,
    from_elsewhere,
    if_allowed,
    is_phone_of,
    judge,
    may_be_phone_of,
    phone_spellings,
    refused,
    refused_look_up,
    same_phone,
    same_text,
    segment,
    sent_values,
    shaped,
    text,
)

_UNSEEN = ("language", "profilePic")
"""Fields that can be written, and that reads do not show."""
_MAX_FIELDS = 30
_MAX_TAGS = 10
_NO_SUCH_CONTACT = "no such contact"
_IsHit: TypeAlias = Callable[[MatchKey, Remote], bool]
_REFUSALS = (400, 403, 422)
"""Statuses of a look-up that is refused for its value."""
_HALTS = {401: "settings.token"}


class Settings(VendorSettings):
    """``base_url`` ends in ``/api/v1``."""

    token: Secret
    """The token of one channel."""
    viber: bool = False
    """The channel is a Viber one: ids stand in paths as Base64."""
    viber_alphabet: Literal["standard", "url"] = "standard"
    """Alphabet of the Base64; not documented."""
    viber_calls: Literal["all", "documented"] = "all"
    """The documentation asks for Base64 at update and at the removal of tags only."""
    clear_with: ClearWith = "empty"
    """Value that clears a field; not documented."""
    look_up_phones: Literal["both", "usual"] = "usual"
    """Spellings to look phones up by, a request each. ``both``: with and without the
    ``+``. ``usual``: also with ``00``, and numbers of the field's region without their
    country code."""


SETTINGS = Settings
LIMITS = (Limit(calls=200, per=60.0),)
IDENTITY = ()
VERSION = 1


def build(settings: Settings) -> RespondIo:
    return RespondIo(settings)


def _object(value: Json) -> Json:
    """PHP writes an empty object as an empty list."""
    return {} if value is None or value == [] else value


def _list(value: Json) -> Json:
    return [] if value is None else value


class _Contact(Shape):
    id: AnyId
    custom_fields: Annotated[dict[str, Json], BeforeValidator(_object)]
    tags: Annotated[Tags, BeforeValidator(_list)] = ()

    def remote(self) -> Remote:
        return Remote(self.id, self.custom_fields, frozenset(self.tags))


class _Meta(Shape):
    last_page: int | None = None


class _Page(Shape):
    data: Many[_Contact]
    meta: _Meta | None = None


class _One(Shape):
    data: _Contact


class _Told(Shape):
    id: AnyId


class _Written(Shape):
    data: _Told


class _Tagged(Shape):
    """The answer to a tag call, of which nothing is documented: any object."""


class RespondIo:
    """See ``ports.Vendor``."""

    name = "respond_io"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._headers = {
            "accept": "application/json",
            "authorization": f"Bearer {settings.token.get_secret_value()}",
        }
        self.capabilities = Capabilities(
            create=Write(max_fields=_MAX_FIELDS),
            update=Write(
                clears=() if settings.clear_with == "nothing" else ("*",),
                max_fields=_MAX_FIELDS,
                repeatable=True,
            ),
            add_tags=TagCall(_MAX_TAGS),
            remove_tags=TagCall(_MAX_TAGS),
            find_by=("*",),
            respelled=("phone",) if settings.look_up_phones == "usual" else (),
            hidden=_UNSEEN,
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        request = self._look_up("email", "nobody@syncengine.invalid", page=1)
        reply = _judged(request, (yield request))
        if reply.ok:
            shaped(request, reply, _Page)
        elif not _gone(reply):
            raise VendorHalted(
                f"{request.route}: the vendor refuses even a harmless look-up (status {reply.status}); "
                f"check {BASE_URL}, and that the token belongs to a channel",
                setting=BASE_URL,
            )
        return True

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        return self._all_hits(key, self._spellings(key), _is_hit)

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        spellings: tuple[str, ...] = ()
        if (
            key.field == "phone"
            and E164.fullmatch(key.value)
            and self._settings.look_up_phones == "usual"
        ):
            tried = self._spellings(key)
            spellings = tuple(
                each for each in further_spellings(key.value) if each not in tried
            )
        return self._all_hits(key, spellings, _resembles)

    def look_up_cost(self, key: MatchKey) -> Cost:
        return exactly(len(self._spellings(key)))

    def extra_requests(self, call: Call) -> int:  # noqa: ARG002 - the port's
        return 0

    def read(self, external_id: str) -> Exchange[Remote | None]:
        request = self._on_contact("GET", external_id)
        reply = _judged(request, (yield request))
        if _gone(reply):
            return None
        if not reply.ok:
            raise refused_look_up(request, reply, _words(reply.body), ())
        return shaped(request, reply, _One).data.remote()

    def send(self, call: Call) -> Exchange[Answer]:
        check(call, self.capabilities)
        if call.action is Action.CREATE:
            return self._write(call, self._create(call))
        contact = external_id(call)
        match call.action:
            case Action.UPDATE:
                return self._write(
                    call,
                    self._on_contact("PUT", contact, json=self._pairs(call.fields)),
                )
            case Action.ADD_TAGS:
                return self._tag(
                    call,
                    self._on_contact(
                        "POST", contact, "/tags", {"tags": list(call.add_tags)}
                    ),
                )
            case _:
                return self._tag(
                    call,
                    self._on_contact(
                        "DELETE", contact, "/tags", {"tags": list(call.remove_tags)}
                    ),
                )

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        return same_phone(ours, theirs) if field == "phone" else same_text(ours, theirs)

    def _write(self, call: Call, request: Request) -> Exchange[Answer]:
        reply = _judged(request, (yield request))
        if rejected := _refusal(request, reply, call):
            return rejected
        told = shaped(request, reply, _Written).data.id
        # The vendor's own documentation answers an update with another id than was addressed.
        return Applied(None if call.external_id else told)

    def _tag(self, call: Call, request: Request) -> Exchange[Answer]:
        reply = _judged(request, (yield request))
        if rejected := _refusal(request, reply, call):
            return rejected
        shaped(request, reply, _Tagged)
        return Applied()

    def _all_hits(
        self, key: MatchKey, spellings: Iterable[str], is_hit: _IsHit
    ) -> Exchange[Sequence[Remote]]:
        hits: dict[str, Remote] = {}
        for spelling in spellings:
            found = self._hits(key, spelling, is_hit)
            if _is_odd(key, spelling):
                hits |= (yield from if_allowed(found, _REFUSALS)) or {}
            else:
                hits |= yield from found
        return tuple(hits.values())

    def _hits(
        self, key: MatchKey, value: str, is_hit: _IsHit
    ) -> Exchange[dict[str, Remote]]:
        """Return the contacts that match among all rows of a look-up, page by page.

        A page without new rows ends it, as an empty one does.
        """
        hits: dict[str, Remote] = {}
        seen: set[str] = set()
        for page in range(1, MOST_PAGES + 1):
            request = self._look_up(key.field, value, page)
            reply = _judged(request, (yield request))
            if _gone(reply):
                return hits
            if not reply.ok:
                raise refused_look_up(request, reply, _words(reply.body), (value,))
            answer = shaped(request, reply, _Page)
            rows = {row.id: row.remote() for row in answer.data}
            hits.update(
                (each, remote) for each, remote in rows.items() if is_hit(key, remote)
            )
            last = answer.meta.last_page if answer.meta else None
            if rows.keys() <= seen or (last is not None and page >= last):
                return hits
            seen |= rows.keys()
        raise endless("GET /contact/by_custom_field")

    def _spellings(self, key: MatchKey) -> tuple[str, ...]:
        """Return the values to look for; the vendor compares them as texts.

        Phones are stored as people typed them or as WhatsApp knows them, and e-mail
        addresses as they were typed or in small letters.
        """
        if key.field == "email":
            return tuple(dict.fromkeys((key.value, key.value.lower())))
        if key.field != "phone" or not digits(key.value):
            return (key.value,)
        if self._settings.look_up_phones == "usual" and E164.fullmatch(key.value):
            return plain_spellings(key.value, key.region)
        numbers = phone_spellings(key.value)
        return tuple(spelling for bare in numbers for spelling in (f"+{bare}", bare))

    def _create(self, call: Call) -> Request:
        return Request(
            "POST",
            "/contact/",
            "POST /contact/",
            headers=self._headers,
            json=self._pairs(call.fields),
        )

    def _look_up(self, field: str, value: str, page: int) -> Request:
        return Request(
            "GET",
            "/contact/by_custom_field",
            "GET /contact/by_custom_field",
            query=(("name", field), ("value", value), ("page", str(page))),
            headers=self._headers,
            lists=True,
        )

    def _on_contact(
        self, method: str, contact: str, tail: str = "", json: Json = None
    ) -> Request:
        documented = method in ("PUT", "DELETE")
        if self._settings.viber and (documented or self._settings.viber_calls == "all"):
            encode = (
                standard_b64encode
                if self._settings.viber_alphabet == "standard"
                else urlsafe_b64encode
            )
            contact = encode(contact.encode()).decode()
        return Request(
            method,
            f"/contact/{segment(contact, slashes=True)}{tail}",
            f"{method} /contact/{{id}}{tail}",
            headers=self._headers,
            json=json,
        )

    def _pairs(self, fields: Fields) -> Json:
        cleared = None if self._settings.clear_with == "null" else ""
        return {
            "custom_fields": [
                {"name": name, "value": cleared if value is None else text(value)}
                for name, value in fields.items()
            ]
        }


def _is_hit(key: MatchKey, remote: Remote) -> bool:
    theirs = remote.fields.get(key.field)
    if key.field == "email":  # two contacts of one mailbox are one person
        return text(theirs).lower() == key.value.lower()
    if key.field == "phone":
        return is_phone_of(key, theirs)
    return theirs is not None and same_text(key.value, theirs)


def _is_odd(key: MatchKey, spelling: str) -> bool:
    """Return whether the vendor may refuse to look for a phone in this spelling."""
    return key.field == "phone" and spelling.removeprefix("+") not in phone_spellings(
        key.value
    )


def _resembles(key: MatchKey, remote: Remote) -> bool:
    return may_be_phone_of(key, remote.fields.get(key.field))


def _judged(request: Request, response: Response) -> Reply:
    """Judge an answer as ``judge`` does, but take a 404 for a wrong address.

    A contact that is not there is answered with a 403.
    """
    reply = judge(request, response, _HALTS)
    if reply.not_there and not _gone(reply):
        raise from_elsewhere(request, reply.status)
    return reply


def _words(body: Json) -> str:
    """The message of a refusal: a text or a list of texts."""
    message = body.get("message") if isinstance(body, dict) else None
    return "; ".join(map(text, message)) if isinstance(message, list) else text(message)


def _gone(reply: Reply) -> bool:
    return not reply.ok and _NO_SUCH_CONTACT in _words(reply.body).lower()


def _refusal(request: Request, reply: Reply, call: Call) -> Rejected | None:
    """A refusal has a status of its own, or hides in a success as ``status: error``."""
    if reply.ok and not (
        isinstance(reply.body, dict) and reply.body.get("status") == "error"
    ):
        return None
    code = (
        "not_found"
        if call.external_id and _gone(reply)
        else "refused"
        if reply.ok
        else None
    )
    return refused(request, reply, _words(reply.body), sent_values(call), code)
