"""The twin of DM Champ: a success that may be an error, defaults that look like data, and tags that only grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.account import Accounts, Definitions
from syncengine.sandbox.twins.dm_champ_screen import DmChampScreen
from syncengine.sandbox.twins.dm_champ_wire import (
    CHANGEABLE,
    DEFAULTS,
    NULLABLE,
    VERBS,
    Contact,
    IdPlace,
    RefusedError,
    body_of,
    checked,
    named,
    phone_of,
    query_of,
    routed,
)
from syncengine.sandbox.twins.twin import (
    SWITCHES,
    Seed,
    TwinRequest,
    answer,
    changed,
    retry_header,
)

_ACCOUNT = 1_000_000
"""Numbers of contacts lie this far apart in two accounts."""
_NO_CONTACT = "Contact not found"
_NO_PAGE = b"<html><body><pre>Cannot find what you asked for</pre></body></html>"


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches for what the documentation leaves open, or states in several ways."""

    __pydantic_config__ = SWITCHES

    api_keys: tuple[str, ...] = ("sandbox-key",)
    """All of one account."""
    user_ids: tuple[str, ...] = ()
    """Values of ``userId`` that are accepted in place of a key."""
    duplicate_mode: Literal["http200_error_code", "http409", "return_existing"] = (
        "http409"
    )
    """The answer to a create whose phone is there; the contact is never written to."""
    lookup_returns: Literal["full", "id_only"] = "full"
    no_hit: Literal["404", "200"] = "404"
    id_place: IdPlace = "data.contactId"
    """Place of the id in the answer to a create."""
    accept_phone_alias: bool = False
    """True where a create may call the phone ``phone``."""
    phones: Literal["exact", "digits"] = "exact"
    """Comparison of phones: by exact spelling, or by digits alone."""
    store_plus: bool = True
    shared_email: Literal["oldest", "newest"] = "oldest"
    """Contact that a look-up shows where several have the address."""
    email_case: Literal["kept", "lower"] = "kept"
    tags_as: Literal["texts", "objects"] = "texts"
    flags_as: Literal["booleans", "texts"] = "booleans"
    """Form of the flags in a look-up; ``tags_as`` is that of the tags."""
    put_mode: Literal["partial", "replace"] = "partial"
    empty_mode: Literal["clear", "ignore", "400"] = "ignore"
    """Effect of the empty text in an update."""
    null_mode: Literal["clear", "ignore", "400"] = "400"
    """Effect of null in an update."""
    custom_fields: Literal["drop", "create", "keep"] = "drop"
    """Writes that keep custom fields: none, creates, or all."""
    lists: tuple[str, ...] | None = None
    """The lists there are; None: any."""
    forbidden_lists: tuple[str, ...] = ()
    """Lists of another account."""
    unknown_list: Literal[404, 500] = 404
    lists_in_create: bool = True
    idle_list: Literal["ok", "400"] = "ok"
    """Joining a list the contact is on, or leaving one it is not on."""
    mistakes_as: Literal["text", "object"] = "object"
    """The body of a 400."""
    tag_phones: Literal["bare", "plus", "both"] = "bare"
    """Spelling of phones that tag calls accept: without ``+``, with it, or either."""
    send_retry_after: bool = True


class Account:
    """The contacts of one account, and the tags that there are."""

    def __init__(self, number: int) -> None:
        self.numbers = count(1 + number * _ACCOUNT)
        self.contacts: dict[str, Contact] = {}
        self.by_phone: dict[str, Contact] = {}
        self.tags: dict[str, None] = {}
        self.definitions = Definitions()


class DmChampTwin:
    """See ``Twin``. Paths may begin with ``/v1``. The vendor documents no limit; the one here is a guess."""

    vendor_limits = (TwinLimit(10, 1.0, "bucket", burst=10),)
    screen_kind = DmChampScreen

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
        return {"api_key": self.switches.api_keys[0]}

    def configure(self, changes: Mapping[str, Json]) -> None:
        self.switches = changed(self.switches, changes)

    def reset(self) -> None:
        self.accounts = Accounts(Account)
        self.lowered: list[str] = []
        """Ids of contacts whose opt-out an update took back, in the order of the
        updates."""
        self.limiter.reset()

    def route(self, request: TwinRequest) -> str:
        return f"{request.method} {routed(request)[0] or '/?'}"

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        asked = query_of(request)
        if (
            asked.get("apiKey") not in self.switches.api_keys
            and asked.get("userId") not in self.switches.user_ids
        ):
            return self.refusal(401, "Unauthorized")
        wait = self.limiter.arrive(request.method, now)
        if wait is None:
            return None
        return self.refusal(
            429, "Too Many Requests", wait if self.switches.send_retry_after else None
        )

    def handle(self, request: TwinRequest, now: float) -> Response:
        return self.admit(request, now) or self.commit(request, now)

    def refusal(
        self, status: int, text: str, retry_after: float | None = None
    ) -> Response:
        body: Json = {"success": False, "message": text}
        if status in (401, 429) or (
            status == 400 and self.switches.mistakes_as == "text"
        ):
            body = text
        elif status in (400, 500):
            body = {"error": text}
        return answer(status, body, retry_header(retry_after))

    def commit(self, request: TwinRequest, now: float) -> Response:
        pattern, contact_id = routed(request)
        if request.method not in VERBS.get(pattern, ()):
            return Response(404, {"content-type": "text/html; charset=utf-8"}, _NO_PAGE)
        try:
            return self._answer(f"{request.method} {pattern}", contact_id, request, now)
        except RefusedError as refused:
            return self.refusal(refused.status, refused.message)

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        made = []
        for each in seeds:
            made_at = now if each.created is None else each.created
            contact = self._made(each.fields, made_at)
            for name, value in each.fields.items():
                head, _, tail = name.partition(".")
                {"lists": contact.lists, "custom_fields": contact.custom}.get(head, {})[
                    tail
                ] = value
            contact.tags.update(dict.fromkeys(each.tags))
            made.append(contact.id)
        return made

    def contacts(self, now: float) -> list[dict[str, Json]]:  # noqa: ARG002 - nothing here changes with time
        return [
            {
                "id": contact.id,
                "key": None,
                "fields": contact.flat(),
                "tags": list(contact.tags),
            }
            for contact in self.account.contacts.values()
        ]

    def screen(self, now: float) -> DmChampScreen:
        return DmChampScreen(self, now)

    def place(self, contact: Contact, phone: str) -> None:
        """Give a contact a phone, by which it is found from now on."""
        self.remove_phone(contact)
        if phone:
            contact.fields["phoneNumber"] = phone
            self.account.by_phone[self._form(phone)] = contact

    def remove_phone(self, contact: Contact) -> None:
        if self.account.by_phone.get(self._form(contact.phone)) is contact:
            del self.account.by_phone[self._form(contact.phone)]
        contact.fields.pop("phoneNumber", None)

    def _answer(
        self, what: str, contact_id: str, request: TwinRequest, now: float
    ) -> Response:
        told: Json
        match what:
            case "GET /contacts":
                return self._find(query_of(request))
            case "POST /contacts":
                return self._create(body_of(request), now)
            case "PUT /contacts/{id}":
                told = self._update(self._contact(contact_id), body_of(request))
            case "POST /contacts/lists" | "DELETE /contacts/lists":
                told = self._member(body_of(request), joins=request.method == "POST")
            case "GET /contacts/tags/{id}":
                told = [_described(tag) for tag in self._contact(contact_id).tags]
            case "GET /contacts/messages/{id}":
                told = list(self._contact(contact_id).messages)
            case "GET /tags":
                told = [_described(tag) for tag in self.account.tags]
            case _:
                told = self._tag(query_of(request))
        return answer(200, told)

    def _find(self, asked: Mapping[str, str]) -> Response:
        if not asked.get("phoneNumber") and not asked.get("email"):
            raise RefusedError(400, "Missing required parameter: phoneNumber or email")
        contact = self._holder(asked)
        if contact is None:
            return self.refusal(
                404 if self.switches.no_hit == "404" else 200, _NO_CONTACT
            )
        shown = contact.shown(
            tags_as=self.switches.tags_as, flags_as=self.switches.flags_as
        )
        more = {"contact": shown} if self.switches.lookup_returns == "full" else {}
        return answer(200, {"success": True, "contactId": contact.id, **more})

    def _holder(self, asked: Mapping[str, str]) -> Contact | None:
        """The contact with a phone, or else with an e-mail address."""
        if phone := asked.get("phoneNumber"):
            return self.account.by_phone.get(self._form(phone))
        wanted = asked.get("email", "").lower()
        holders = [
            contact
            for contact in self.account.contacts.values()
            if wanted and contact.email == wanted
        ]
        return (
            holders[0 if self.switches.shared_email == "oldest" else -1]
            if holders
            else None
        )

    def _form(self, phone: str) -> str:
        """A phone as it counts for being the same."""
        return (
            "".join(filter(str.isdecimal, phone))
            if self.switches.phones == "digits"
            else phone
        )

    def _create(self, body: dict[str, Json], now: float) -> Response:
        phone = phone_of(body, alias=self.switches.accept_phone_alias)
        phone = phone if self.switches.store_plus else phone.removeprefix("+")
        given = {
            name: value
            for name, value in body.items()
            if name in (*DEFAULTS, *NULLABLE)
        }
        fields = checked(given, nullable=NULLABLE)
        lists = self._lists_of(body) if self.switches.lists_in_create else ()
        for each in lists:
            self._check_list(each)
        if there := self.account.by_phone.get(self._form(phone)):
            return self._duplicate(there)
        self._check_required({**fields, "phoneNumber": phone}, creates=True)
        contact = self._made({**fields, "phoneNumber": phone}, now)
        contact.lists.update(dict.fromkeys(lists))
        if self.switches.custom_fields != "drop":
            contact.custom.update(body.get("custom_fields") or {})
        return answer(
            200,
            named(
                contact.id, self.switches.id_place, "Successfully created new contact"
            ),
        )

    def _duplicate(self, there: Contact) -> Response:
        said = "Contact already exists"
        match self.switches.duplicate_mode:
            case "http409":
                return self.refusal(409, said)
            case "http200_error_code":
                return answer(
                    200, {"success": False, "error_code": 409, "message": said}
                )
            case "return_existing":
                return answer(
                    200,
                    named(
                        there.id,
                        self.switches.id_place,
                        "Successfully retrieved contact",
                    ),
                )

    def _made(self, fields: Mapping[str, Json], now: float) -> Contact:
        held = {
            name: value
            for name, value in fields.items()
            if name in ("phoneNumber", *DEFAULTS, *NULLABLE)
        }
        given = {name: value for name, value in held.items() if value is not None}
        contact = Contact(
            uuid5(NAMESPACE_URL, f"dm-{next(self.account.numbers)}").hex[:20],
            now,
            {**DEFAULTS, **given},
        )
        self._lower(contact)
        self.account.contacts[contact.id] = contact
        if contact.phone:
            self.place(contact, contact.phone)
        return contact

    def _lower(self, contact: Contact) -> None:
        if self.switches.email_case == "lower":
            contact.fields["email"] = contact.email

    def _update(self, contact: Contact, body: dict[str, Json]) -> Json:
        given = checked(
            {name: value for name, value in body.items() if name in CHANGEABLE},
            nullable=(),
        )
        if self.switches.put_mode == "replace":
            given = {**{name: DEFAULTS[name] for name in CHANGEABLE}, **given}
        for empty, mode in (
            (None, self.switches.null_mode),
            ("", self.switches.empty_mode),
        ):
            names = [name for name, value in given.items() if value == empty]
            if names and mode == "400":
                raise RefusedError(400, f"Invalid value for {names[0]}")
            given |= {
                name: DEFAULTS[name] if mode == "clear" else contact.fields[name]
                for name in names
            }
        self._check_required({**contact.fields, **given}, creates=False)
        silent = contact.fields["do_not_disturb"]
        contact.fields |= given
        if silent and not contact.fields["do_not_disturb"]:
            self.lowered.append(contact.id)
            contact.reason = None
        self._lower(contact)
        if self.switches.custom_fields == "keep":
            contact.custom.update(body.get("custom_fields") or {})
        return {"success": True, "message": "Contact updated successfully"}

    def _check_required(self, fields: Mapping[str, Json], *, creates: bool) -> None:
        given = (name for name, value in fields.items() if value not in (None, ""))
        if missing := self.definitions.missing(given, creates=creates):
            raise RefusedError(400, f"Missing required parameter: {missing[0]}")

    def _lists_of(self, body: Mapping[str, Json]) -> Sequence[str]:
        found = body.get("listIds") or ([body["listId"]] if body.get("listId") else [])
        if not isinstance(found, list) or not all(
            isinstance(each, str) for each in found
        ):
            raise RefusedError(400, "Invalid value for listIds")
        return found

    def _check_list(self, name: str) -> None:
        unknown = self.switches.lists is not None and name not in self.switches.lists
        if unknown or not self.definitions.has("list", name):
            raise RefusedError(self.switches.unknown_list, "List not found")
        if name in self.switches.forbidden_lists:
            raise RefusedError(403, "You do not have access to this list")

    def _member(self, body: dict[str, Json], *, joins: bool) -> Json:
        for name in ("contactId", "listId"):
            if not isinstance(body.get(name), str) or not body[name]:
                raise RefusedError(400, f"Missing required parameter: {name}")
        contact, name = self._contact(body["contactId"]), body["listId"]
        self._check_list(name)
        if self.switches.idle_list == "400" and (name in contact.lists) is joins:
            raise RefusedError(
                400, f"Contact is {'already in' if joins else 'not in'} this list"
            )
        if joins:
            contact.lists.setdefault(name)
        else:
            contact.lists.pop(name, None)
        did = "added to" if joins else "removed from"
        return {"success": True, "message": f"Contact successfully {did} list {name}"}

    def _tag(self, asked: Mapping[str, str]) -> Json:
        tag = asked.get("tag")
        if not tag or not (asked.get("phoneNumber") or asked.get("email")):
            raise RefusedError(
                400, "Missing required parameter: tag, and phoneNumber or email"
            )
        phone = asked.get("phoneNumber", "")
        wanted = self.switches.tag_phones
        fits = wanted == "both" or (wanted == "plus") is phone.startswith("+")
        bare = phone.removeprefix("+")
        spellings = [f"+{bare}", bare] if fits else []
        holders = (self._holder({"phoneNumber": each}) for each in spellings)
        contact = next(filter(None, holders), None) if phone else self._holder(asked)
        if contact is None:
            raise RefusedError(404, _NO_CONTACT)
        self.account.tags.setdefault(tag)
        contact.tags.setdefault(tag)
        return {"success": True, "message": f"Tag {tag} added to contact"}

    def _contact(self, contact_id: str) -> Contact:
        if contact_id not in self.account.contacts:
            raise RefusedError(404, _NO_CONTACT)
        return self.account.contacts[contact_id]


TWIN = DmChampTwin


def _described(tag: str) -> Json:
    return {"name": tag, "description": ""}
