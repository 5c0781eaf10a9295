"""DM Champ: one contact a phone; a success that may be an error, and an error that may be a plain text.

The key travels in the query. Nothing is read by the vendor's own id but tags and messages. Tags are only ever added, by
phone or e-mail; membership that can be taken back is a list. What a create leaves out is stored as "Unknown". Contacts
opt out there by themselves (``do_not_disturb``), and no write takes that back.
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

from syncengine.model.calls import Action, Answer, Applied, Call, Exists, Rejected
from syncengine.model.capabilities import (
    Capabilities,
    Choice,
    Deletion,
    ListCall,
    TagCall,
    Write,
)
from syncengine.model.contact import LISTS, Fields, MatchKey, Remote
from syncengine.model.costs import Cost
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.model.limits import Limit
from syncengine.model.phones import E164, further_spellings, plain_spellings
from syncengine.vendors import kit

_PHONE = "phoneNumber"
_NAMES = ("firstName", "lastName")
_BOT, _SILENT = "is_bot_active", "do_not_disturb"
_CHANGEABLE = (*_NAMES, "email", _BOT, _SILENT)
_TEXTS = (
    _PHONE,
    "instagramId",
    "currentCampaign",
    "channel",
    "externalId",
    "customChannel",
    "chatWidgetId",
)
_ONCE = (*_TEXTS, "currentCampaignData", "isChatWindowOpen")
_FLAGS = (_BOT, _SILENT, "isChatWindowOpen")
_CUSTOM = "custom_fields."
_SHOWN = {name: name for name in (_PHONE, *_NAMES, "email", "channel")} | {
    "isBotActive": _BOT,
    "doNotDisturb": _SILENT,
}
"""Fields that a look-up shows, with our names: flags are read in another spelling than
they are written."""
_PLACEHOLDERS = dict.fromkeys(_NAMES, "Unknown") | {"email": "unknown@unknown.com"}
"""Values that the vendor stores where it was given none."""
_SILENCED = {**_PLACEHOLDERS, _BOT: False, _SILENT: True}
_ID_PLACES = AliasChoices(
    "contactId",
    "contact_id",
    AliasPath("data", "contactId"),
    AliasPath("contact", "id"),
    "id",
)
_TagName: TypeAlias = Annotated[
    str, BeforeValidator(lambda tag: tag.get("name") if isinstance(tag, dict) else tag)
]
_TagNames: TypeAlias = Annotated[kit.Many[_TagName], AfterValidator(kit.readable)]
_LONG = ("/tags", "/contacts/messages/{id}")
"""Routes whose answers list what there is."""
_KEY_REFUSED = {401: "settings.api_key"}
_NO_ADDRESS = dict.fromkeys(kit.NOT_THERE, kit.BASE_URL)
_ERROR_CODES = frozenset(map(str, range(400, 600)))
_UNSEEN = Rejected(
    "exists_unseen",
    "the vendor says that it holds a contact with this phone, and shows none in a look-up by it: is it written in "
    "another way there (settings.look_up_phones)? Correct the row, or the contact there",
)
_OPT_OUT_UNSEEN = Rejected(
    "opt_out_unseen",
    "an update replaces everything (settings.put_replaces), and the vendor does not show "
    "whether the contact has opted out: change it there by hand, or let the source decide "
    "(settings.lower_opt_outs: [do_not_disturb])",
    by_vendor=False,
)
_MOVED = Rejected(
    "moved",
    "the vendor has the contact under another phone or e-mail address than is known here, by which tags are given: "
    "whoever has the known one now must not be tagged for it, so that nothing was sent. Put it back there, or correct "
    "the row, and retry",
    by_vendor=False,
)
_ANSWERED = "settings.bot_active: the bot answers every contact that is created, and a campaign may write to it at once"


class Settings(kit.VendorSettings):
    """``base_url`` ends in ``/v1``."""

    api_key: kit.Secret
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
    and without the ``+``. ``usual``: also with ``00``, and numbers of the field's region
    without their country code."""
    delete_as: Literal["nothing", "silenced"] = "nothing"
    """Substitute for a deletion, which the vendor lacks. ``silenced`` comes nearest: no
    name, no address, no bot, not to be disturbed."""
    tag_phones: Literal["bare", "plus"] = "bare"
    """Spelling of phones in tag calls. The older documentation asks for no ``+``, the
    present one does not mention it."""

    OPT_OUTS: ClassVar[Mapping[str, Json]] = {_SILENT: True}


SETTINGS = Settings
LIMITS = (Limit(calls=5, per=1.0),)
"""Default limits; the vendor documents none."""
IDENTITY = ()
VERSION = 2


def build(settings: Settings) -> DmChamp:
    return DmChamp(settings)


class _Tags(kit.Shape):
    """The account's tags, which the vendor answers as a bare list."""

    tags: _TagNames

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, body: Json) -> Json:
        return {"tags": body}


class _Contact(kit.Shape, extra="allow"):
    tags: _TagNames | None = None

    def fields(self) -> dict[str, Json]:
        shown = self.model_extra or {}
        return {
            ours: _held(ours, shown[theirs])
            for theirs, ours in _SHOWN.items()
            if theirs in shown
        }


class _Named(kit.Shape):
    id: kit.Id = Field(validation_alias=_ID_PLACES)
    contact: _Contact | None = None


class _Done(kit.Shape):
    success: Literal[True]


class DmChamp:
    """See ``ports.Vendor`` and ``ports.Teller``."""

    name = "dm_champ"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = settings.api_key.get_secret_value()
        custom = (f"{_CUSTOM}*",)
        opt_outs = settings.kept_opt_outs()
        # What an update that replaces everything carries of them has to be read before.
        reads = settings.put_replaces and any(
            opt_out.field in _CHANGEABLE for opt_out in opt_outs
        )
        self.capabilities = Capabilities(
            create=Write(
                fields=(
                    *_CHANGEABLE,
                    *_ONCE,
                    *(custom if settings.custom_fields != "nowhere" else ()),
                ),
                must_carry=(_PHONE,),
                join_lists=None if settings.lists_in_create else 0,
                repeatable=True,
                keyed_by=(_PHONE,),
                tells_existing=settings.duplicates == "refused",
            ),
            update=Write(
                fields=(
                    *_CHANGEABLE,
                    *(custom if settings.custom_fields == "everywhere" else ()),
                ),
                clears=() if settings.clear_with == "nothing" else (*_NAMES, "email"),
                must_carry=_CHANGEABLE if settings.put_replaces else (),
                repeatable=True,
                keyed_by=(_PHONE, "email") if reads else (),
            ),
            add_tags=TagCall(1, requests=2, addressed_by=(_PHONE, "email")),
            delete=Deletion(keeps=(*_ONCE, *custom))
            if settings.delete_as == "silenced"
            else None,
            join_lists=ListCall(),
            leave_lists=ListCall(),
            find_by=(_PHONE, "email"),
            shows_one=("email",),
            respelled=(_PHONE,) if settings.look_up_phones == "usual" else (),
            reads=False,
            choices=tuple(Choice(name, (True, False)) for name in _FLAGS),
            opt_outs=opt_outs,
            settles_within=settings.settles_within,
            cautions=(_ANSWERED,) if settings.bot_active else (),
        )

    def probe(self) -> Exchange[bool]:
        return kit.probed(
            self._request("GET", "/tags"),
            {**_KEY_REFUSED, **_NO_ADDRESS},
            _Tags,
            _judged,
        )

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        remote = yield from self._look(key)
        return (remote,) if remote else ()

    def find_similar(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        hits: dict[str, Remote] = {}
        if (
            key.field == _PHONE
            and E164.fullmatch(key.value)
            and self._settings.look_up_phones == "usual"
        ):
            tried = tuple(self._spellings(key))
            for spelling in further_spellings(key.value):
                remote = (
                    (yield from self._shown(key, spelling, quietly=True))
                    if spelling not in tried
                    else None
                )
                if remote and kit.may_be_phone_of(key, remote.fields[key.field]):
                    hits[remote.external_id] = remote
        return tuple(hits.values())

    def look_up_cost(self, key: MatchKey) -> Cost:
        if self.same(key.field, key.value, None):
            return Cost()
        spellings = len(tuple(self._spellings(key)))
        return Cost(1, spellings, spellings)

    def extra_requests(self, call: Call) -> int:
        lowers = self.capabilities.lowers_opt_out
        if call.action is not Action.UPDATE or call.key is None:
            return 0
        if not any(lowers(name, value) for name, value in call.fields.items()):
            return 0
        return self.look_up_cost(call.key).least

    def read(self, external_id: str) -> Exchange[Remote | None]:  # noqa: ARG002 - the port's
        raise ValueError(
            "DM Champ reads no contact by its id; look it up by phone or e-mail"
        )

    def details(self, external_id: str) -> Exchange[Mapping[str, Json]]:
        told: dict[str, Json] = {}
        for what in ("tags", "messages"):
            request = self._request(
                "GET", f"/contacts/{what}/{{id}}", contact=external_id
            )
            reply = yield from kit.looked_up(
                request, _KEY_REFUSED, _words, (self._key,), _judged
            )
            if reply:
                told[what] = reply.body
        return told

    def send(self, call: Call) -> Exchange[Answer]:
        kit.check(call, self.capabilities)
        match call.action:
            case Action.CREATE:
                return self._create(call)
            case Action.ADD_TAGS:
                return self._tag(call)
            case Action.UPDATE:
                return self._update(call)
            case Action.DELETE:
                return self._put(call, _SILENCED)
            case _:
                method = "POST" if call.action is Action.JOIN_LISTS else "DELETE"
                body = {
                    "contactId": kit.external_id(call),
                    "listId": next(_lists(call.fields)),
                }
                return self._change(
                    call, self._request(method, "/contacts/lists", json=body)
                )

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        ours, theirs = _held(field, ours), _held(field, theirs)
        if field == _PHONE:
            return kit.same_phone(ours, theirs)
        if field in _FLAGS or field == "email":
            return kit.text(ours).lower() == kit.text(theirs).lower()
        return kit.same_text(ours, theirs) or kit.same_time(ours, theirs)

    def _look(self, key: MatchKey, *, quietly: bool = False) -> Exchange[Remote | None]:
        """Return the contact that the vendor shows under a key.

        ``quietly``: None also where the vendor refuses to look.
        """
        if self.same(key.field, key.value, None):
            return None  # whoever has no address has the placeholder: thousands may
        for spelling in self._spellings(key):
            odd = _is_odd(key, spelling)
            remote = yield from self._shown(key, spelling, quietly=quietly or odd)
            if remote and self._is_hit(key, remote):
                return remote
        return None

    def _shown(
        self, key: MatchKey, spelling: str, *, quietly: bool = False
    ) -> Exchange[Remote | None]:
        """Return the contact that the vendor shows under one spelling of a key."""
        request = self._request("GET", "/contacts", (key.field, spelling))
        reply = _judged(request, (yield request))
        if reply.not_there or (quietly and not reply.ok):
            return None
        if not reply.ok:
            raise kit.refused_look_up(
                request, reply, _words(reply.body), dict(request.query).values()
            )
        found = kit.shaped(request, reply, _Named)
        contact = found.contact or _Contact()
        fields = {key.field: spelling, **contact.fields()}
        return Remote(
            found.id,
            fields,
            frozenset(contact.tags or ()),
            shows_tags=contact.tags is not None,
        )

    def _is_hit(self, key: MatchKey, remote: Remote) -> bool:
        theirs = remote.fields[key.field]
        if key.field == _PHONE:
            return kit.is_phone_of(key, theirs)
        return self.same(key.field, key.value, theirs)

    def _spellings(self, key: MatchKey) -> Iterator[str]:
        """Yield the spellings of a key to look for.

        A phone also has the number that WhatsApp may know, and each of them is spelled
        as the settings say.
        """
        if key.field != _PHONE:
            yield key.value
            return
        if self._settings.look_up_phones == "usual" and E164.fullmatch(key.value):
            yield from plain_spellings(key.value, key.region)
            return
        plus = key.value.startswith("+")
        for bare in kit.phone_spellings(key.value):
            yield f"+{bare}" if plus else bare
            if self._settings.look_up_phones != "as_sent":
                yield bare if plus else f"+{bare}"

    def _create(self, call: Call) -> Exchange[Answer]:
        body = {
            _BOT: self._settings.bot_active,
            _SILENT: self._settings.do_not_disturb,
            **self._body(call.fields),
        }
        if lists := list(_lists(call.fields)):
            body["listIds"] = lists
        request = self._request("POST", "/contacts", json=body)
        reply = _judged(
            request,
            (yield request),
            _KEY_REFUSED if lists else {**_KEY_REFUSED, **_NO_ADDRESS},
        )
        if reply.ok:
            return Applied(kit.shaped(request, reply, _Named).id)
        if reply.status != 409 and "already exist" not in _words(reply.body).lower():
            return self._refusal(request, reply, call)
        region = call.key.region if call.key and call.key.field == _PHONE else None
        phone = MatchKey(_PHONE, kit.text(call.fields.get(_PHONE)), region)
        remote = yield from self._look(phone, quietly=True)
        return Exists(remote) if remote else replace(_UNSEEN, status=reply.status)

    def _update(self, call: Call) -> Exchange[Answer]:
        lowers = self.capabilities.lowers_opt_out
        carried = [name for name, value in call.fields.items() if lowers(name, value)]
        fields = dict(call.fields)
        if carried:
            # An update that replaces everything has to carry them: what the vendor
            # holds now goes back as it is.
            held = (yield from self._look(call.key)) if call.key else None
            shown = held.fields if held and held.external_id == call.external_id else {}
            if not shown.keys() >= set(carried):
                return (yield from self._unless_gone(call, _OPT_OUT_UNSEEN))
            fields |= {name: shown[name] for name in carried}
        return (yield from self._put(call, self._body(fields)))

    def _unless_gone(self, call: Call, refusal: Rejected) -> Exchange[Rejected]:
        """Return the refusal of a contact that no look-up shows, or that it is gone.

        Its tags are all that the vendor shows by its own id.
        """
        contact = kit.external_id(call)
        request = self._request("GET", "/contacts/tags/{id}", contact=contact)
        reply = _judged(request, (yield request))
        if not reply.not_there:
            return refusal
        sent = (*kit.sent_values(call), contact)
        return kit.refused(request, reply, _words(reply.body), sent, "not_found")

    def _put(self, call: Call, body: Mapping[str, Json]) -> Exchange[Answer]:
        contact = kit.external_id(call)
        request = self._request("PUT", "/contacts/{id}", contact=contact, json=body)
        return self._change(call, request)

    def _tag(self, call: Call) -> Exchange[Answer]:
        """Tag the contact, which the vendor takes by phone or e-mail address only.

        Who has it now is asked right before: a number that was moved there by hand leads
        to somebody else.
        """
        if call.key is None:
            raise ValueError(
                "add_tags needs the phone or the e-mail address it goes by"
            )
        for key in (call.key, *call.other_keys):
            answer = yield from self._tag_if_there(call, key)
            if answer is not None:
                return answer
        return (yield from self._unless_gone(call, _MOVED))

    def _tag_if_there(self, call: Call, key: MatchKey) -> Exchange[Answer | None]:
        """Tag the contact if the vendor has it under a key; else return None."""
        for spelling in self._spellings(key):
            request = self._request("GET", "/contacts", (key.field, spelling))
            reply = _judged(request, (yield request))
            if reply.not_there or (not reply.ok and _is_odd(key, spelling)):
                continue
            if not reply.ok:
                return self._refusal(request, reply, call)
            if kit.shaped(request, reply, _Named).id == kit.external_id(call):
                return (yield from self._tag_under(call, key.field, spelling))
        return None

    def _tag_under(self, call: Call, field: str, who: str) -> Exchange[Answer]:
        if field == _PHONE:
            plus = "+" if self._settings.tag_phones == "plus" else ""
            who = plus + who.removeprefix("+")
        query = (("tag", tag) for tag in call.add_tags)
        return self._change(call, self._request("POST", "/tags", *query, (field, who)))

    def _change(self, call: Call, request: Request) -> Exchange[Answer]:
        """Send any call but a create; no answer shows the contact after it."""
        reply = _judged(request, (yield request))
        if not reply.ok:
            return (
                Applied()
                if _is_so(reply, call.action)
                else self._refusal(request, reply, call)
            )
        # Of tag calls it is not documented what they answer.
        kit.shaped(
            request, reply, kit.Shape if call.action is Action.ADD_TAGS else _Done
        )
        return Applied()

    def _refusal(self, request: Request, reply: kit.Reply, call: Call) -> Rejected:
        words = _words(reply.body)
        named = call.action not in (Action.CREATE, Action.ADD_TAGS)  # by its id
        gone = reply.not_there and named and "list" not in words.lower()
        sent = (*kit.sent_values(call), *dict(request.query).values())
        return kit.refused(request, reply, words, sent, "not_found" if gone else None)

    def _body(self, fields: Fields) -> dict[str, Json]:
        body: dict[str, Json] = {}
        for name, value in fields.items():
            if name.startswith(_CUSTOM):
                body.setdefault("custom_fields", {})[name.removeprefix(_CUSTOM)] = value
            elif value is None:
                body[name] = (
                    _PLACEHOLDERS[name]
                    if self._settings.clear_with == "placeholder"
                    else ""
                )
            elif name in (*_CHANGEABLE, *_ONCE):
                body[name] = _written(name, value)
            elif not name.startswith(LISTS):
                raise ValueError(f'DM Champ has no field "{name}"')
        return body

    def _request(
        self,
        method: str,
        route: str,
        *ask: tuple[str, str],
        contact: str = "",
        json: Json = None,
    ) -> Request:
        path = route.replace("{id}", kit.segment(contact)) if "{id}" in route else route
        query, lists = (*ask, ("apiKey", self._key)), route in _LONG
        return Request(
            method, path, f"{method} {route}", query=query, json=json, lists=lists
        )


def _judged(
    request: Request, response: Response, halts: Mapping[int, str] = _KEY_REFUSED
) -> kit.Reply:
    """Judge an answer as ``kit.judge`` does, where a success may be an error.

    Such an error is judged by the status that it names. One that names none is a plain
    refusal, or a contact not found where one was looked up.
    """
    reply = kit.judge(request, response, halts)
    if (
        reply.ok
        and isinstance(reply.body, Mapping)
        and reply.body.get("success") is False
    ):
        named = kit.text(reply.body.get("error_code"))
        status = (
            int(named)
            if named in _ERROR_CODES
            else 404
            if request.method == "GET"
            else 400
        )
        # The API itself has answered: what it does not have is no address.
        own = status in kit.NOT_THERE and status not in halts
        return (
            kit.Reply(status, reply.body)
            if own
            else kit.judge(request, replace(response, status=status), halts)
        )
    return reply


def _is_odd(key: MatchKey, spelling: str) -> bool:
    """Return whether the vendor may refuse to look for a phone in this spelling."""
    return key.field == _PHONE and spelling.removeprefix(
        "+"
    ) not in kit.phone_spellings(key.value)


def _is_so(reply: kit.Reply, action: Action) -> bool:
    """Return whether a refusal shows that the change is in force already."""
    words = _words(reply.body).lower()
    if action is Action.LEAVE_LISTS:
        return reply.status in (400, 404, 410) and "list" in words and "not" in words
    return (
        reply.not_there
        if action is Action.DELETE
        else action is Action.JOIN_LISTS and "already" in words
    )


def _lists(fields: Fields) -> Iterator[str]:
    return (name.removeprefix(LISTS) for name in fields if name.startswith(LISTS))


def _written(field: str, value: Json) -> Json:
    if field in _FLAGS:
        return kit.text(value).strip().lower() == "true"
    return value if isinstance(value, dict) else kit.text(value)


def _held(field: str, value: Json) -> Json:
    """Return a value, or None where it is the vendor's stand-in for none."""
    return None if value in ("", _PLACEHOLDERS.get(field)) else value


def _words(body: Json) -> str:
    """Return the message of a refusal: the body itself, or in one of three places."""
    if isinstance(body, Mapping):
        data = body.get("data")
        body = (
            body.get("message")
            or body.get("error")
            or (data.get("message") if isinstance(data, Mapping) else None)
        )
    return kit.text(body)
