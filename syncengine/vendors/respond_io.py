"""respond.io, legacy v1 (also served by resellers on hosts of their own).

    GET     /contact/by_custom_field    look up by any field, ten rows a page
    POST    /contact/                   create
    GET     /contact/{id}               read
    PUT     /contact/{id}               update the fields that are sent
    POST    /contact/{id}/tags          add tags, ten at most
    DELETE  /contact/{id}/tags          remove tags, ten at most (with a body)

A create or update carries at most 30 fields. A refusal is ``{"status": "error",
"message": "..."}``.

Each method that asks the vendor is an exchange: a generator that yields a ``Request``,
is sent the ``Response`` for it, and returns what that means. The engine drives it;
nothing here opens a socket. ``syncengine.vendor`` says what each method of an adapter
may return and raise.

Traps:

- A create makes another contact each time, and there is no delete to clean up.
- Nearly every refusal is a 403, told apart by its text. A missing contact is one too
  ("No such contact found"); a 404 never comes from the API.
- A look-up compares texts. Phones are stored with and without their ``+``, so that one
  spelling alone misses contacts, and the create after it makes a duplicate.
- Fields are written as a list of ``{"name", "value"}`` and read as one object, and each
  value is a text there.
- A token belongs to one channel. In Viber channels the ids in paths are Base64.
"""

from __future__ import annotations

from base64 import standard_b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator

from syncengine.vendor import (
    BASE_URL,
    MAX_PAGES,
    NULL_AS_LIST,
    Action,
    Answer,
    Applied,
    Call,
    Capabilities,
    ClearWith,
    Cost,
    Exchange,
    ExternalIdWithSlashes,
    Fields,
    Json,
    Limit,
    ListOf,
    MatchKey,
    Rejected,
    Remote,
    Reply,
    ReplyModel,
    Request,
    Secret,
    TagCall,
    TagNames,
    VendorHalted,
    VendorSettings,
    VendorSpec,
    Write,
    as_text,
    check_call,
    digits,
    endless_pages,
    exactly,
    external_id_of,
    failed_look_up,
    further_spellings,
    is_full_phone,
    is_phone_of,
    is_uncommon_spelling,
    judge,
    may_be_phone_of,
    none_if_refused,
    not_from_the_api,
    parse_reply,
    path_segment,
    plain_spellings,
    rejection,
    same_phone,
    same_text,
    sent_values,
    with_and_without_plus,
)

_HIDDEN = ("language", "profilePic")
"""Fields that can be written, and that reads do not show."""
# The vendor's documentation: the most that one request may carry.
_MAX_FIELDS = 30
_MAX_TAGS = 10
_NO_SUCH_CONTACT = "no such contact"
"""Words, in small letters, by which the refusal of a missing contact is told."""
_LOOK_UP_REFUSED = (400, 403, 422)
"""Statuses of a look-up that is refused for its value."""
# Statuses that stop the account, with the setting to look at: see ``judge``.
_TOKEN_REFUSED = {401: "settings.token"}
_IsHit: TypeAlias = Callable[[MatchKey, Remote], bool]


class RespondIoSettings(VendorSettings):
    """``base_url`` ends in ``/api/v1``."""

    token: Secret
    """The token of one channel."""
    viber: bool = False
    """The channel is a Viber one: ids in paths are Base64."""
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


def _php_object(value: Json) -> Json:
    """Return a JSON object for what PHP may write in place of an empty one."""
    # An empty array of PHP becomes ``[]`` in JSON, whether it was a list or a map. One
    # contact without fields would else make a whole page unreadable.
    if value is None or value == []:
        return {}
    return value


class _RespondIoContact(ReplyModel):
    id: ExternalIdWithSlashes
    custom_fields: Annotated[dict[str, Json], BeforeValidator(_php_object)]
    """The vendor's own fields are among them."""
    tags: Annotated[TagNames, NULL_AS_LIST] = ()

    def remote(self) -> Remote:
        """Return the contact in the form in which the engine compares it."""
        return Remote(self.id, self.custom_fields, frozenset(self.tags))


class _RespondIoMeta(ReplyModel):
    last_page: int | None = None


class _RespondIoPage(ReplyModel):
    data: ListOf[_RespondIoContact]
    meta: _RespondIoMeta | None = None


class _RespondIoRead(ReplyModel):
    data: _RespondIoContact


class _RespondIoId(ReplyModel):
    id: ExternalIdWithSlashes


class _RespondIoWritten(ReplyModel):
    data: _RespondIoId


class _RespondIoTagged(ReplyModel):
    """The answer to a tag call, of which nothing is documented: any object."""


class RespondIo:
    """Adapter for respond.io v1.

    See ``Vendor``, ``SimilarPhoneFinder`` and ``RequestCosts`` in
    ``syncengine.vendor``.
    """

    name = "respond_io"

    def __init__(self, settings: RespondIoSettings) -> None:
        self._settings = settings
        self._headers = {
            # Without it the back end may answer with a page or a redirect.
            "accept": "application/json",
            "authorization": f"Bearer {settings.token.get_secret_value()}",
        }
        self._tries_usual_spellings = settings.look_up_phones == "usual"
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
            respelled=("phone",) if self._tries_usual_spellings else (),
            hidden=_HIDDEN,
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        # No endpoint is there for it: a look-up that finds nobody tries the token.
        request = self._look_up("email", "nobody@syncengine.invalid", page=1)
        reply = yield from _send(request)
        if reply.ok:
            parse_reply(request, reply, _RespondIoPage)
        elif not _is_missing_contact(reply):
            raise VendorHalted(
                f"{request.route}: the vendor refuses even a harmless look-up "
                f"(status {reply.status}); check {BASE_URL}, and that the token "
                "belongs to a channel",
                setting=BASE_URL,
            )
        return True

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        return self._hits_of_all(key, self._spellings(key), _is_hit)

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        untried: list[str] = []
        if self._is_respelled(key):
            # ``find`` has asked for these.
            tried = self._spellings(key)
            further = further_spellings(key.value)
            untried = [spelling for spelling in further if spelling not in tried]
        return self._hits_of_all(key, untried, _resembles)

    def look_up_cost(self, key: MatchKey) -> Cost:
        return exactly(len(self._spellings(key)))

    def extra_requests(self, call: Call) -> int:  # noqa: ARG002
        return 0

    def read(self, external_id: str) -> Exchange[Remote | None]:
        request = self._on_contact("GET", external_id)
        reply = yield from _send(request)
        if _is_missing_contact(reply):
            return None
        if not reply.ok:
            raise failed_look_up(request, reply, _words(reply.body), ())
        return parse_reply(request, reply, _RespondIoRead).data.remote()

    def send(self, call: Call) -> Exchange[Answer]:
        check_call(call, self.capabilities)
        match call.action:
            case Action.CREATE:
                return self._write(call, self._create(call))
            case Action.UPDATE:
                contact = external_id_of(call)
                pairs = self._pairs(call.fields)
                request = self._on_contact("PUT", contact, json=pairs)
                return self._write(call, request)
            case Action.ADD_TAGS:
                return self._change_tags(call, "POST", call.add_tags)
            case Action.REMOVE_TAGS:
                return self._change_tags(call, "DELETE", call.remove_tags)
            case _:
                raise AssertionError(f"{call.action}: check_call lets no other pass")

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        if field == "phone":
            return same_phone(ours, theirs)
        return same_text(ours, theirs)

    def _write(self, call: Call, request: Request) -> Exchange[Answer]:
        """Send a create or an update, and return its answer."""
        reply = yield from _send(request)
        rejected = _refusal(request, reply, call)
        if rejected:
            return rejected
        # An answer without an id is no answer of this API, also to an update: its
        # outcome is unknown then, and not a success.
        answered_id = parse_reply(request, reply, _RespondIoWritten).data.id
        if call.action is Action.UPDATE:
            # The vendor's own documentation answers an update with another id than the
            # one in the path. So only a create gives the contact its external id.
            return Applied()
        return Applied(answered_id)

    def _change_tags(
        self, call: Call, method: str, tags: Sequence[str]
    ) -> Exchange[Answer]:
        """Add (POST) or remove (DELETE) tags."""
        body = {"tags": list(tags)}
        request = self._on_contact(method, external_id_of(call), "/tags", body)
        reply = yield from _send(request)
        rejected = _refusal(request, reply, call)
        if rejected:
            return rejected
        parse_reply(request, reply, _RespondIoTagged)
        return Applied()

    def _hits_of_all(
        self, key: MatchKey, spellings: Iterable[str], is_hit: _IsHit
    ) -> Exchange[Sequence[Remote]]:
        """Return the contacts with any spelling of a key, each once."""
        hits: dict[str, Remote] = {}
        for spelling in spellings:
            asking = self._hits(key, spelling, is_hit)
            if key.field == "phone" and is_uncommon_spelling(key.value, spelling):
                # The vendor may refuse it as not being a phone at all (as ``00…`` in
                # some countries). Then no contact has it in this spelling either.
                found = yield from none_if_refused(asking, _LOOK_UP_REFUSED)
                hits |= found or {}
            else:
                hits |= yield from asking
        return tuple(hits.values())

    def _hits(
        self, key: MatchKey, value: str, is_hit: _IsHit
    ) -> Exchange[dict[str, Remote]]:
        """Return the contacts that match among all rows of a look-up, by their ids."""
        hits: dict[str, Remote] = {}
        seen: set[str] = set()
        for page in range(1, MAX_PAGES + 1):
            request = self._look_up(key.field, value, page)
            reply = yield from _send(request)
            if _is_missing_contact(reply):
                return hits
            if not reply.ok:
                raise failed_look_up(request, reply, _words(reply.body), (value,))
            answer = parse_reply(request, reply, _RespondIoPage)
            rows = {row.id: row.remote() for row in answer.data}
            hits |= {id_: row for id_, row in rows.items() if is_hit(key, row)}
            # ``links.next`` is of no use: it is plain http, and drops the filter. Some
            # copies of the API lack ``meta``: a page without new rows, or an empty
            # one, is the end too.
            last_page = answer.meta.last_page if answer.meta else None
            has_nothing_new = rows.keys() <= seen
            is_last = last_page is not None and page >= last_page
            if has_nothing_new or is_last:
                return hits
            seen |= rows.keys()
        raise endless_pages("GET /contact/by_custom_field")

    def _is_respelled(self, key: MatchKey) -> bool:
        """Return whether a key is a phone to be looked up in all its spellings."""
        is_phone = key.field == "phone" and is_full_phone(key.value)
        return is_phone and self._tries_usual_spellings

    def _spellings(self, key: MatchKey) -> tuple[str, ...]:
        """Return the values to look for; the vendor compares them as texts.

        Phones are stored as people typed them or as WhatsApp knows them, and e-mail
        addresses as they were typed or in small letters.
        """
        if key.field == "email":
            return tuple(dict.fromkeys((key.value, key.value.lower())))
        if key.field != "phone" or not digits(key.value):
            return (key.value,)
        if self._is_respelled(key):
            return plain_spellings(key.value, key.region)
        return with_and_without_plus(key.value)

    def _create(self, call: Call) -> Request:
        return Request(
            "POST",
            "/contact/",
            route="POST /contact/",
            headers=self._headers,
            json=self._pairs(call.fields),
        )

    def _look_up(self, field: str, value: str, page: int) -> Request:
        """Return the request for a page of the contacts with a value of a field."""
        return Request(
            "GET",
            "/contact/by_custom_field",
            route="GET /contact/by_custom_field",
            query=(("name", field), ("value", value), ("page", str(page))),
            headers=self._headers,
            lists=True,
        )

    def _on_contact(
        self, method: str, contact: str, tail: str = "", json: Json = None
    ) -> Request:
        """Return a request about the contact with an id."""
        # Base64 may hold slashes, as Viber's own ids do; both are percent-encoded.
        segment = path_segment(self._id_in_path(method, contact), slashes=True)
        return Request(
            method,
            f"/contact/{segment}{tail}",
            route=f"{method} /contact/{{id}}{tail}",
            headers=self._headers,
            json=json,
        )

    def _id_in_path(self, method: str, contact: str) -> str:
        """Return an id as a path takes it: in Viber channels as Base64."""
        if not self._settings.viber:
            return contact
        is_documented = method in ("PUT", "DELETE")
        if self._settings.viber_calls == "documented" and not is_documented:
            return contact
        if self._settings.viber_alphabet == "url":
            return urlsafe_b64encode(contact.encode()).decode()
        return standard_b64encode(contact.encode()).decode()

    def _pairs(self, fields: Fields) -> Json:
        """Return the body of a create or update."""
        cleared = None if self._settings.clear_with == "null" else ""
        pairs = []
        for name, value in fields.items():
            written = cleared if value is None else as_text(value)
            pairs.append({"name": name, "value": written})
        return {"custom_fields": pairs}


def _is_hit(key: MatchKey, remote: Remote) -> bool:
    """Return whether a contact is surely that of a key."""
    theirs = remote.fields.get(key.field)
    if key.field == "email":
        return as_text(theirs).lower() == key.value.lower()
    if key.field == "phone":
        return is_phone_of(key, theirs)
    return theirs is not None and same_text(key.value, theirs)


def _resembles(key: MatchKey, remote: Remote) -> bool:
    """Return whether a contact may be that of a key, for a person to judge."""
    return may_be_phone_of(key, remote.fields.get(key.field))


def _send(request: Request) -> Exchange[Reply]:
    """Send a request and return its reply, but take a 404 for a wrong address.

    The API answers a missing contact with a 403.
    """
    response = yield request
    reply = judge(request, response, _TOKEN_REFUSED)
    if reply.not_found and not _is_missing_contact(reply):
        raise not_from_the_api(request, reply.status)
    return reply


def _is_missing_contact(reply: Reply) -> bool:
    """Return whether a refusal says that there is no such contact."""
    return not reply.ok and _NO_SUCH_CONTACT in _words(reply.body).lower()


def _words(body: Json) -> str:
    """Return the message of a refusal, which is a text or a list of texts."""
    message = None
    if isinstance(body, Mapping):
        message = body.get("message")
    if isinstance(message, list):
        return "; ".join(map(as_text, message))
    return as_text(message)


def _refusal(request: Request, reply: Reply, call: Call) -> Rejected | None:
    """Return the refusal of a call; None where there is none.

    A refusal has a status of its own, or is a 200 with ``"status": "error"``.
    """
    is_error = isinstance(reply.body, Mapping) and reply.body.get("status") == "error"
    if reply.ok and not is_error:
        return None
    code = None
    if call.external_id and _is_missing_contact(reply):
        code = "not_found"
    return rejection(request, reply, _words(reply.body), sent_values(call), code)


VENDOR = VendorSpec(
    name="respond_io",
    api_version=1,
    settings=RespondIoSettings,
    build=RespondIo,
    version=1,
    # Documented: 200 requests a minute for each token. Some resellers allow 100 only.
    limits=(Limit(calls=200, per=60.0),),
    address="https://app.respond.io/api/v1",
    usual_fields=("crm_id", "firstName", "lastName", "phone", "email", "language"),
    twin="syncengine.sandbox.twins.respond_io:TWIN",
)
