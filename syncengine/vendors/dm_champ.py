"""DM Champ: one contact for each phone, a bot that answers people, and lists.

    GET     /contacts?phoneNumber= or ?email=   look up one contact
    POST    /contacts                           create
    PUT     /contacts/{id}                      update five fields, and no others
    POST    /contacts/lists                     join a list
    DELETE  /contacts/lists                     leave a list (with a body)
    GET     /tags                               the account's tags; tries the key
    POST    /tags?tag=&phoneNumber=             tag a contact
    GET     /contacts/tags/{id}                 a contact's tags
    GET     /contacts/messages/{id}             a contact's messages, for people

Traps:

- The key travels in the query (``apiKey``): every address is a secret.
- A success may be an error: 200 with ``{"success": false, "error_code": 409}``. An
  error may be a plain text, an object with ``error``, or one with ``message``.
- The bot answers new contacts unless the create says otherwise.
- What a create leaves out is stored as "Unknown" and ``unknown@unknown.com``. A look-up
  by that address would find somebody else.
- Contacts opt out by themselves (``do_not_disturb``), and no write may take that back.
- Tags are only ever added, and by phone or e-mail address: a number that was moved
  there by hand leads to somebody else. Membership that can be taken back is a list.
- Nothing but tags and messages is read by the vendor's id. A contact cannot be deleted,
  and its phone cannot be changed.
- Two flags are written as ``is_bot_active`` and ``do_not_disturb``, and read as
  ``isBotActive`` and ``doNotDisturb``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BeforeValidator,
    Field,
    model_validator,
)

from syncengine.vendor import (
    BASE_URL,
    LISTS,
    NOT_FOUND_STATUSES,
    Action,
    Answer,
    Applied,
    Call,
    Capabilities,
    Choice,
    Cost,
    Deletion,
    Exchange,
    Exists,
    ExternalId,
    Fields,
    Json,
    Limit,
    ListCall,
    ListOf,
    MatchKey,
    Rejected,
    Remote,
    Reply,
    ReplyModel,
    Request,
    Response,
    Secret,
    TagCall,
    VendorSettings,
    VendorSpec,
    Write,
    as_text,
    check_call,
    external_id_of,
    failed_look_up,
    further_spellings,
    is_full_phone,
    is_phone_of,
    is_uncommon_spelling,
    judge,
    look_up,
    may_be_phone_of,
    message_in,
    parse_reply,
    path_segment,
    phone_spellings,
    plain_spellings,
    probe_with,
    rejection,
    same_phone,
    same_text,
    same_time,
    sent_values,
    storable_tags,
)

_PHONE = "phoneNumber"
_EMAIL = "email"
_NAMES = ("firstName", "lastName")
_BOT = "is_bot_active"
_SILENT = "do_not_disturb"
_CHANGEABLE = (*_NAMES, _EMAIL, _BOT, _SILENT)
"""The five fields that an update takes."""
_ONLY_IN_CREATES = (
    _PHONE,
    "instagramId",
    "currentCampaign",
    "channel",
    "externalId",
    "customChannel",
    "chatWidgetId",
    "currentCampaignData",
    "isChatWindowOpen",
)
"""The fields that a create takes, and an update does not."""
_FLAGS = (_BOT, _SILENT, "isChatWindowOpen")
_CUSTOM = "custom_fields."
"""Prefix of custom fields in a mapping, such as ``custom_fields.plan``."""
_READ_NAMES = {
    _PHONE: _PHONE,
    "firstName": "firstName",
    "lastName": "lastName",
    "email": _EMAIL,
    "channel": "channel",
    "isBotActive": _BOT,
    "doNotDisturb": _SILENT,
}
"""The fields that a look-up shows, with the names under which they are written."""
_PLACEHOLDERS = {
    "firstName": "Unknown",
    "lastName": "Unknown",
    _EMAIL: "unknown@unknown.com",
}
"""Values that the vendor stores where it was given none."""
_SILENCED = {**_PLACEHOLDERS, _BOT: False, _SILENT: True}
"""The nearest to a deletion that the vendor has."""
_ID_PLACES = AliasChoices(
    "contactId",
    "contact_id",
    AliasPath("data", "contactId"),
    AliasPath("contact", "id"),
    "id",
)
"""The places in which answers hold the contact's id."""
_LONG_ANSWERS = ("/tags", "/contacts/messages/{id}")
"""Routes whose answers may be long."""
# Statuses that stop the account, with the setting to look at: see ``judge``.
_KEY_REFUSED = {401: "settings.api_key"}
_ADDRESS_OR_KEY = {**_KEY_REFUSED, 404: BASE_URL, 410: BASE_URL}
_ERROR_CODES = frozenset(map(str, range(400, 600)))
"""Statuses of errors that a success may name in its body."""

_UNSEEN = Rejected(
    "exists_unseen",
    "the vendor says that it holds a contact with this phone, and shows none in a "
    "look-up by it: is it written in another way there (settings.look_up_phones)? "
    "Correct the row, or the contact there",
)
_OPT_OUT_UNSEEN = Rejected(
    "opt_out_unseen",
    "an update replaces everything (settings.put_replaces), and the vendor does not "
    "show whether the contact has opted out: change it there by hand, or let the "
    "source decide (settings.lower_opt_outs: [do_not_disturb])",
    by_vendor=False,
)
_MOVED = Rejected(
    "moved",
    "tags are given by phone or e-mail address, and the vendor has the contact under "
    "another one than is known here: whoever has the known one now must not be tagged "
    "for it, so that nothing was sent. Put it back there, or correct the row, "
    "and retry",
    by_vendor=False,
)
_BOT_CAUTION = (
    "settings.bot_active: the bot answers every contact that is created, "
    "and a campaign may write to it at once"
)


class DmChampSettings(VendorSettings):
    """``base_url`` ends in ``/v1``."""

    api_key: Secret
    bot_active: bool = False
    """True where the bot answers new contacts whose row does not decide it; the
    vendor's own default is that it does."""
    do_not_disturb: bool = False
    """True where new contacts whose row does not decide it are not to be disturbed."""
    duplicates: Literal["unknown", "refused"] = "unknown"
    """Answer to a create whose phone exists. ``refused``: surely no success, so that no
    look-up is made before."""
    lists_in_create: bool = True
    """True where a create joins lists; older copies of the API ignore them there."""
    custom_fields: Literal["nowhere", "create", "everywhere"] = "nowhere"
    """Writes that keep custom fields; not documented."""
    clear_with: Literal["placeholder", "empty", "nothing"] = "nothing"
    """Value that clears a name or the e-mail address: the vendor's own placeholder, the
    empty text, or none."""
    put_replaces: bool = False
    """True where an update resets the fields that it leaves out, so that it must carry
    all five."""
    look_up_phones: Literal["as_sent", "both", "usual"] = "usual"
    """Spellings to look phones up by, a request each until one is found. ``both``: with
    and without the ``+``. ``usual``: also with ``00``, and numbers of the field's
    region without their country code."""
    delete_as: Literal["nothing", "silenced"] = "nothing"
    """Substitute for a deletion, which the vendor lacks. ``silenced`` comes nearest: no
    name, no address, no bot, not to be disturbed."""
    tag_phones: Literal["bare", "plus"] = "bare"
    """Spelling of phones in tag calls. The older documentation asks for no ``+``, the
    present one does not mention it."""

    OPT_OUTS: ClassVar[Mapping[str, Json]] = {_SILENT: True}


def _tag_name(tag: Json) -> Json:
    """Return a tag's name; some answers hold names, others objects with a name."""
    if isinstance(tag, dict):
        return tag.get("name")
    return tag


_DmChampTagNames: TypeAlias = Annotated[
    ListOf[Annotated[str, BeforeValidator(_tag_name)]], AfterValidator(storable_tags)
]


class _DmChampTags(ReplyModel):
    """The account's tags, which the vendor answers as a bare list."""

    tags: _DmChampTagNames

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, body: Json) -> Json:
        return {"tags": body}


class _DmChampContact(ReplyModel, extra="allow"):
    """The contact in an answer; see ``_READ_NAMES`` for its fields."""

    tags: _DmChampTagNames | None = None

    def shown_fields(self) -> dict[str, Json]:
        """Return the fields in the answer, under the names that writes have."""
        extra = self.model_extra or {}
        fields = {}
        for read_name, written_name in _READ_NAMES.items():
            if read_name in extra:
                value = extra[read_name]
                fields[written_name] = _without_placeholder(written_name, value)
        return fields


class _DmChampFound(ReplyModel):
    """The answer to a look-up or a create."""

    id: ExternalId = Field(validation_alias=_ID_PLACES)
    # Documented answers hold the id alone, live ones the contact too.
    contact: _DmChampContact | None = None


class _DmChampDone(ReplyModel):
    """The answer to a write other than a create."""

    success: Literal[True]


class DmChamp:
    """Adapter for DM Champ; it describes contacts too.

    See ``Vendor``, ``DetailReader``, ``SimilarPhoneFinder`` and ``RequestCosts`` in
    ``syncengine.vendor``.
    """

    name = "dm_champ"

    def __init__(self, settings: DmChampSettings) -> None:
        self._settings = settings
        self._api_key = settings.api_key.get_secret_value()
        self._tries_usual_spellings = settings.look_up_phones == "usual"
        self.capabilities = self._capabilities(settings)

    def _capabilities(self, settings: DmChampSettings) -> Capabilities:
        deletion = None
        if settings.delete_as == "silenced":
            deletion = Deletion(keeps=(*_ONLY_IN_CREATES, f"{_CUSTOM}*"))
        custom_in_creates = _custom(settings, "create")
        return Capabilities(
            create=Write(
                fields=(*_CHANGEABLE, *_ONLY_IN_CREATES, *custom_in_creates),
                must_carry=(_PHONE,),
                join_lists=None if settings.lists_in_create else 0,
                repeatable=True,
                keyed_by=(_PHONE,),
                tells_existing=settings.duplicates == "refused",
            ),
            update=Write(
                fields=(*_CHANGEABLE, *_custom(settings, "update")),
                clears=() if settings.clear_with == "nothing" else (*_NAMES, _EMAIL),
                must_carry=_CHANGEABLE if settings.put_replaces else (),
                repeatable=True,
                keyed_by=(_PHONE, _EMAIL) if _reads_before_update(settings) else (),
            ),
            add_tags=TagCall(1, requests=2, addressed_by=(_PHONE, _EMAIL)),
            delete=deletion,
            join_lists=ListCall(),
            leave_lists=ListCall(),
            find_by=(_PHONE, _EMAIL),
            # Several contacts may have one address; any one of them is shown.
            shows_one=(_EMAIL,),
            respelled=(_PHONE,) if self._tries_usual_spellings else (),
            reads=False,
            choices=tuple(Choice(name, (True, False)) for name in _FLAGS),
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
            cautions=(_BOT_CAUTION,) if settings.bot_active else (),
        )

    def probe(self) -> Exchange[bool]:
        return probe_with(
            self._request("GET", "/tags"), _ADDRESS_OR_KEY, _DmChampTags, _judge
        )

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        remote = yield from self._find_one(key)
        if remote is None:
            return ()
        return (remote,)

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        hits: dict[str, Remote] = {}
        if not self._is_respelled(key):
            return ()
        # ``find`` has asked for these.
        tried = tuple(self._spellings(key))
        for spelling in further_spellings(key.value):
            if spelling in tried:
                continue
            remote = yield from self._shown_under(key, spelling, quietly=True)
            if remote and may_be_phone_of(key, remote.fields[key.field]):
                hits[remote.external_id] = remote
        return tuple(hits.values())

    def look_up_cost(self, key: MatchKey) -> Cost:
        if self._is_placeholder(key):
            return Cost()
        spellings = len(tuple(self._spellings(key)))
        # The first spelling may find the contact; nobody is found after all of them.
        return Cost(1, spellings, spellings)

    def extra_requests(self, call: Call) -> int:
        if call.action is not Action.UPDATE or call.key is None:
            return 0
        if not self._lowering_fields(call):
            return 0
        # Such an update looks its contact up first: see ``_update``.
        return self.look_up_cost(call.key).least

    def read(self, external_id: str) -> Exchange[Remote | None]:  # noqa: ARG002
        raise ValueError(
            "DM Champ reads no contact by its id; look it up by phone or e-mail"
        )

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        details: dict[str, Json] = {}
        for what in ("tags", "messages"):
            route = f"/contacts/{what}/{{id}}"
            request = self._request("GET", route, contact=external_id)
            reply = yield from look_up(
                request, _KEY_REFUSED, _words, (self._api_key,), _judge
            )
            if reply:
                details[what] = reply.body
        return details

    def send(self, call: Call) -> Exchange[Answer]:
        check_call(call, self.capabilities)
        match call.action:
            case Action.CREATE:
                return self._create(call)
            case Action.ADD_TAGS:
                return self._tag(call)
            case Action.UPDATE:
                return self._update(call)
            case Action.DELETE:
                return self._put(call, _SILENCED)
            case Action.JOIN_LISTS:
                return self._change_list(call, "POST")
            case _:
                return self._change_list(call, "DELETE")

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        ours = _without_placeholder(field, ours)
        theirs = _without_placeholder(field, theirs)
        if field == _PHONE:
            return same_phone(ours, theirs)
        if field in _FLAGS or field == _EMAIL:
            return as_text(ours).lower() == as_text(theirs).lower()
        return same_text(ours, theirs) or same_time(ours, theirs)

    # --- Look-ups ---------------------------------------------------------------------

    def _find_one(
        self, key: MatchKey, *, quietly: bool = False
    ) -> Exchange[Remote | None]:
        """Return the contact that the vendor shows under a key, in any spelling.

        ``quietly``: None also where the vendor refuses the look-up.
        """
        if self._is_placeholder(key):
            # Everybody without an address has this one: thousands may.
            return None
        for spelling in self._spellings(key):
            may_be_refused = quietly or _is_uncommon(key, spelling)
            remote = yield from self._shown_under(key, spelling, quietly=may_be_refused)
            if remote and self._is_hit(key, remote):
                return remote
        return None

    def _shown_under(
        self, key: MatchKey, spelling: str, *, quietly: bool = False
    ) -> Exchange[Remote | None]:
        """Return the contact that the vendor shows under one spelling of a key."""
        request = self._request("GET", "/contacts", (key.field, spelling))
        reply = yield from _send(request)
        if reply.not_found or (quietly and not reply.ok):
            return None
        if not reply.ok:
            sent = dict(request.query).values()
            raise failed_look_up(request, reply, _words(reply.body), sent)
        found = parse_reply(request, reply, _DmChampFound)
        contact = found.contact or _DmChampContact()
        return Remote(
            found.id,
            # An answer with the id alone still says that the contact has this key.
            {key.field: spelling, **contact.shown_fields()},
            frozenset(contact.tags or ()),
            shows_tags=contact.tags is not None,
        )

    def _is_hit(self, key: MatchKey, remote: Remote) -> bool:
        """Return whether a contact is surely that of a key."""
        theirs = remote.fields[key.field]
        if key.field == _PHONE:
            return is_phone_of(key, theirs)
        return self.same(key.field, key.value, theirs)

    def _is_placeholder(self, key: MatchKey) -> bool:
        """Return whether a key is what the vendor stores in place of no value."""
        return self.same(key.field, key.value, None)

    def _is_respelled(self, key: MatchKey) -> bool:
        """Return whether a key is a phone to be looked up in all its spellings."""
        is_phone = key.field == _PHONE and is_full_phone(key.value)
        return is_phone and self._tries_usual_spellings

    def _spellings(self, key: MatchKey) -> Iterator[str]:
        """Yield the spellings of a key to look for; the vendor compares texts.

        A phone also has the number by which WhatsApp may know it.
        """
        if key.field != _PHONE:
            yield key.value
            return
        if self._is_respelled(key):
            yield from plain_spellings(key.value, key.region)
            return
        has_plus = key.value.startswith("+")
        for bare in phone_spellings(key.value):
            # The spelling of the source comes first: it is the likeliest one.
            with_plus = f"+{bare}"
            spellings = (with_plus, bare) if has_plus else (bare, with_plus)
            yield spellings[0]
            if self._settings.look_up_phones != "as_sent":
                yield spellings[1]

    # --- Writes -----------------------------------------------------------------------

    def _create(self, call: Call) -> Exchange[Answer]:
        # The settings count where the row does not decide these two.
        body = {
            _BOT: self._settings.bot_active,
            _SILENT: self._settings.do_not_disturb,
            **self._body(call.fields),
        }
        lists = list(_list_ids(call.fields))
        halts = _ADDRESS_OR_KEY
        if lists:
            body["listIds"] = lists
            # A 404 may be about a list here. Nothing is created when one is missing.
            halts = _KEY_REFUSED
        request = self._request("POST", "/contacts", json=body)
        reply = yield from _send(request, halts)
        if reply.ok:
            return Applied(parse_reply(request, reply, _DmChampFound).id)
        # The documentation has three answers to a phone that exists: a 409, a 200 with
        # error_code 409, and a success with the contact that is there.
        exists = reply.status == 409 or "already exist" in _words(reply.body).lower()
        if not exists:
            return self._rejection(request, reply, call)
        region = None
        if call.key and call.key.field == _PHONE:
            region = call.key.region
        phone = MatchKey(_PHONE, as_text(call.fields.get(_PHONE)), region)
        remote = yield from self._find_one(phone, quietly=True)
        if remote is None:
            return replace(_UNSEEN, status=reply.status)
        return Exists(remote)

    def _update(self, call: Call) -> Exchange[Answer]:
        fields = dict(call.fields)
        lowering = self._lowering_fields(call)
        if lowering:
            # An update that replaces everything has to carry the opt-outs. The contact
            # may have opted out since: what the vendor holds goes back as it is.
            shown = yield from self._fields_shown(call)
            if not shown.keys() >= set(lowering):
                return (yield from self._unless_gone(call, _OPT_OUT_UNSEEN))
            fields |= {name: shown[name] for name in lowering}
        return (yield from self._put(call, self._body(fields)))

    def _lowering_fields(self, call: Call) -> list[str]:
        """Return the fields of a call that could take back an opt-out."""
        lowers = self.capabilities.lowers_opt_out
        return [name for name, value in call.fields.items() if lowers(name, value)]

    def _fields_shown(self, call: Call) -> Exchange[Fields]:
        """Return what the vendor shows of a call's contact; nothing if it does not."""
        if call.key is None:
            return {}
        remote = yield from self._find_one(call.key)
        # Somebody else may have the phone by now.
        if remote is None or remote.external_id != call.external_id:
            return {}
        return remote.fields

    def _unless_gone(self, call: Call, refusal: Rejected) -> Exchange[Rejected]:
        """Return the refusal of a contact that no look-up shows, or that it is gone.

        Its tags are all that the vendor shows by its own id.
        """
        contact = external_id_of(call)
        request = self._request("GET", "/contacts/tags/{id}", contact=contact)
        reply = yield from _send(request)
        if not reply.not_found:
            return refusal
        sent = (*sent_values(call), contact)
        return rejection(request, reply, _words(reply.body), sent, "not_found")

    def _put(self, call: Call, body: Mapping[str, Json]) -> Exchange[Answer]:
        """Send an update with this body."""
        contact = external_id_of(call)
        request = self._request("PUT", "/contacts/{id}", contact=contact, json=body)
        return self._change(call, request)

    def _change_list(self, call: Call, method: str) -> Exchange[Answer]:
        """Join (POST) or leave (DELETE) the one list that such a call carries."""
        list_id = next(_list_ids(call.fields))
        body = {"contactId": external_id_of(call), "listId": list_id}
        request = self._request(method, "/contacts/lists", json=body)
        return self._change(call, request)

    def _tag(self, call: Call) -> Exchange[Answer]:
        """Tag the contact, which the vendor takes by phone or e-mail address only.

        Who has it now is asked right before: a number that was moved there by hand
        leads to somebody else.
        """
        if call.key is None:
            raise ValueError(
                "add_tags needs the phone or the e-mail address it goes by"
            )
        for key in (call.key, *call.other_keys):
            answer = yield from self._tag_if_shown(call, key)
            if answer is not None:
                return answer
        return (yield from self._unless_gone(call, _MOVED))

    def _tag_if_shown(self, call: Call, key: MatchKey) -> Exchange[Answer | None]:
        """Tag the contact if the vendor shows it under a key; else return None."""
        for spelling in self._spellings(key):
            request = self._request("GET", "/contacts", (key.field, spelling))
            reply = yield from _send(request)
            if reply.not_found:
                continue
            if not reply.ok and _is_uncommon(key, spelling):
                continue
            if not reply.ok:
                return self._rejection(request, reply, call)
            found = parse_reply(request, reply, _DmChampFound)
            if found.id == external_id_of(call):
                return (yield from self._tag_under(call, key.field, spelling))
        return None

    def _tag_under(self, call: Call, field: str, spelling: str) -> Exchange[Answer]:
        """Tag the contact whom the vendor knows by a phone or an e-mail address."""
        if field == _PHONE:
            # Tag calls may want another spelling than the look-up that found it.
            spelling = spelling.removeprefix("+")
            if self._settings.tag_phones == "plus":
                spelling = f"+{spelling}"
        tags = (("tag", tag) for tag in call.add_tags)
        request = self._request("POST", "/tags", *tags, (field, spelling))
        return self._change(call, request)

    def _change(self, call: Call, request: Request) -> Exchange[Answer]:
        """Send any write but a create; its answer does not show the contact."""
        reply = yield from _send(request)
        if not reply.ok:
            if _is_done_already(reply, call.action):
                return Applied()
            return self._rejection(request, reply, call)
        # What tag calls answer is not documented: any object will do.
        model: type[ReplyModel] = _DmChampDone
        if call.action is Action.ADD_TAGS:
            model = ReplyModel
        parse_reply(request, reply, model)
        return Applied()

    def _rejection(self, request: Request, reply: Reply, call: Call) -> Rejected:
        """Return the vendor's refusal of a call."""
        words = _words(reply.body)
        # Creates and tag calls do not name the contact by its id, and the 404 of a list
        # call may be about the list.
        is_by_id = call.action not in (Action.CREATE, Action.ADD_TAGS)
        is_gone = reply.not_found and is_by_id and "list" not in words.lower()
        sent = (*sent_values(call), *dict(request.query).values())
        code = "not_found" if is_gone else None
        return rejection(request, reply, words, sent, code)

    def _body(self, fields: Fields) -> dict[str, Json]:
        """Return the body of a create or update; lists are not part of it."""
        body: dict[str, Json] = {}
        for name, value in fields.items():
            if name.startswith(_CUSTOM):
                custom = body.setdefault("custom_fields", {})
                custom[name.removeprefix(_CUSTOM)] = value
            elif value is None:
                uses_placeholder = self._settings.clear_with == "placeholder"
                body[name] = _PLACEHOLDERS[name] if uses_placeholder else ""
            elif name in (*_CHANGEABLE, *_ONLY_IN_CREATES):
                body[name] = _as_written(name, value)
            elif not name.startswith(LISTS):
                raise ValueError(f'DM Champ has no field "{name}"')
        return body

    def _request(
        self,
        method: str,
        route: str,
        *query: tuple[str, str],
        contact: str = "",
        json: Json = None,
    ) -> Request:
        """Return a request; ``contact`` is the id for a route that has one."""
        path = route
        if "{id}" in route:
            path = route.replace("{id}", path_segment(contact))
        return Request(
            method,
            path,
            route=f"{method} {route}",
            query=(*query, ("apiKey", self._api_key)),
            json=json,
            lists=route in _LONG_ANSWERS,
        )


def _custom(
    settings: DmChampSettings, write: Literal["create", "update"]
) -> tuple[str, ...]:
    """Return the pattern of custom fields, if a write keeps them."""
    kept_in_create = settings.custom_fields in ("create", "everywhere")
    kept_in_update = settings.custom_fields == "everywhere"
    is_kept = kept_in_create if write == "create" else kept_in_update
    return (f"{_CUSTOM}*",) if is_kept else ()


def _reads_before_update(settings: DmChampSettings) -> bool:
    """Return whether an update carries opt-outs, which are looked up right before it.

    One that replaces everything does. The look-up goes by phone or e-mail address.
    """
    opt_outs = {opt_out.field for opt_out in settings.kept_opt_outs()}
    return settings.put_replaces and not opt_outs.isdisjoint(_CHANGEABLE)


def _send(request: Request, halts: Mapping[int, str] = _KEY_REFUSED) -> Exchange[Reply]:
    """Send a request and return its reply."""
    response = yield request
    return _judge(request, response, halts)


def _judge(request: Request, response: Response, halts: Mapping[int, str]) -> Reply:
    """Judge a response as ``judge`` does, where a success may be an error.

    Such an error is judged by the status that it names. One that names none is a plain
    refusal, or a missing contact where one was looked up.
    """
    reply = judge(request, response, halts)
    body = reply.body
    if not reply.ok or not isinstance(body, Mapping):
        return reply
    if body.get("success") is not False:
        return reply
    code = as_text(body.get("error_code"))
    if code in _ERROR_CODES:
        status = int(code)
    elif request.method == "GET":
        status = 404
    else:
        status = 400
    if status in NOT_FOUND_STATUSES and status not in halts:
        # The API itself has answered, so that its words need no second look.
        return Reply(status, body)
    return judge(request, replace(response, status=status), halts)


def _is_uncommon(key: MatchKey, spelling: str) -> bool:
    """Return whether the vendor may refuse to look for a phone in this spelling."""
    return key.field == _PHONE and is_uncommon_spelling(key.value, spelling)


def _is_done_already(reply: Reply, action: Action) -> bool:
    """Return whether a refusal shows that the change is in force already."""
    words = _words(reply.body).lower()
    match action:
        case Action.LEAVE_LISTS:
            says_not_in_list = "list" in words and "not" in words
            return says_not_in_list and reply.status in (400, 404, 410)
        case Action.JOIN_LISTS:
            return "already" in words
        case Action.DELETE:
            return reply.not_found
        case _:
            return False


def _list_ids(fields: Fields) -> Iterator[str]:
    """Yield the ids of the lists among the fields of a call."""
    for name in fields:
        if name.startswith(LISTS):
            yield name.removeprefix(LISTS)


def _as_written(field: str, value: Json) -> Json:
    """Return a value as it is written: flags are booleans, others text or objects."""
    if field in _FLAGS:
        return as_text(value).strip().lower() == "true"
    if isinstance(value, dict):
        return value
    return as_text(value)


def _without_placeholder(field: str, value: Json) -> Json:
    """Return a value, or None where it is the vendor's stand-in for none."""
    if value in ("", _PLACEHOLDERS.get(field)):
        return None
    return value


def _words(body: Json) -> str:
    """Return the message of a refusal: the body itself, or in one of three places."""
    if not isinstance(body, Mapping):
        return as_text(body)
    words = message_in(body, "message", "error")
    if words:
        return words
    return message_in(body.get("data"), "message")


VENDOR = VendorSpec(
    name="dm_champ",
    api_version=1,
    settings=DmChampSettings,
    build=DmChamp,
    version=2,
    # The vendor documents no limit.
    limits=(Limit(calls=5, per=1.0),),
    address="https://api.dmchamp.com/v1",
    usual_fields=("phoneNumber", "firstName", "lastName", "email", "externalId"),
    twin="syncengine.sandbox.twins.dm_champ:TWIN",
)
