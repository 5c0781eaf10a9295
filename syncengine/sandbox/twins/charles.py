"""The twin of charles: one upsert by (source type, external reference id), lists that only grow, and an erasure job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import Literal
from urllib.parse import unquote
from uuid import NAMESPACE_URL, uuid5

import orjson

from syncengine.model.http import Json, Response
from syncengine.sandbox.limiter import Limiter
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.account import Accounts, Definitions
from syncengine.sandbox.twins.charles_people import (
    NAMES,
    Lists,
    Person,
    changes,
    mistakes,
    payload,
    shown,
)
from syncengine.sandbox.twins.charles_screen import CharlesScreen
from syncengine.sandbox.twins.twin import (
    SWITCHES,
    Seed,
    TwinRequest,
    answer,
    changed,
    limit_headers,
    retry_header,
)

_CONTACTS = "/api/v1beta/contacts"
_ERASURES = "/api/v0/people/cleanup/gdpr/"
_SEEDED = "seed"


@dataclass(frozen=True, slots=True)
class Switches:
    """Switches for what the documentation leaves open."""

    __pydantic_config__ = SWITCHES

    key: str = "sandbox-key"
    tags_mode: Literal["add", "replace"] = "add"
    custom_properties: tuple[str, ...] | None = None
    """The properties that are defined; None: any."""
    unknown_property: Literal["drop", "reject"] = "drop"
    known_tags: tuple[str, ...] | None = None
    """The tags that are defined; None: any."""
    unknown_tag: Literal["create", "drop", "reject"] = "create"
    null_mode: Literal["ignore", "clear"] = "ignore"
    match_by_phone: bool = False
    """True where a new key with a known phone joins the person that has it."""
    erasure_delay: float = 0.5
    """Seconds until the erasure job has run."""
    unknown_person: Literal[200, 404] = 404
    """Status of the answer to the erasure of a person that does not exist."""
    erasure_answer: Literal["object", "list"] = "object"
    """Form of ``data`` in the answer to an erasure: an object, or a list of one."""
    lists_mode: Literal["merge", "replace"] = "merge"
    """Effect of phones and e-mails on those that are there."""
    properties_mode: Literal["merge", "replace"] = "merge"
    echo_properties: bool = True
    """True where the answer to an upsert shows the properties; the seed's shows
    none."""
    inactive: tuple[str, ...] = ()
    """External references of the people that are shown as inactive."""
    archived: Literal["taken", "422"] = "taken"
    """Answer to writes about a person that is archived."""
    merged_id: Literal["kept", "new"] = "kept"
    """Id of the person that remains of two that are merged."""
    invalid_status: Literal[200, 400, 422] = 422
    """The answer to a body that breaks the rules; 200 has ``errors`` all the same."""
    bad_key_status: Literal[401, 403] = 401
    send_retry_after: bool = True
    send_limit_headers: bool = False


class Account:
    """The people of one account, by their ids and by the keys of their sources."""

    def __init__(self) -> None:
        self.people: dict[str, Person] = {}
        self.by_key: dict[tuple[str, str], str] = {}
        self.erase_at: dict[str, float] = {}
        self.definitions = Definitions()


class CharlesTwin:
    """See ``Twin``. The vendor documents no limit; the one here is a guess."""

    vendor_limits = (TwinLimit(10, 1.0, "bucket", burst=10),)
    screen_kind = CharlesScreen

    def __init__(self) -> None:
        self.switches = Switches()
        self.limiter = Limiter()
        self._made = count(1)
        self.reset()

    @property
    def account(self) -> Account:
        return self.accounts.present

    @property
    def definitions(self) -> Definitions:
        return self.account.definitions

    @property
    def settings(self) -> dict[str, str]:
        return {"api_key": self.switches.key}

    def configure(self, changes: Mapping[str, Json]) -> None:
        self.switches = changed(self.switches, changes)

    def reset(self) -> None:
        self.accounts = Accounts(lambda _: Account())
        self.limiter.reset()

    def route(self, request: TwinRequest) -> str:
        if request.path == _CONTACTS:
            return f"{request.method} {_CONTACTS}"
        if _person_id(request):
            return f"{request.method} {_ERASURES}{{id}}"
        return f"{request.method} /?"

    def admit(self, request: TwinRequest, now: float) -> Response | None:
        if request.headers.get("x-api-key") != self.switches.key:
            return self.refusal(
                self.switches.bad_key_status, "The API key is missing or wrong"
            )
        wait = self.limiter.arrive(request.method, now)
        if wait is None:
            return None
        refusal = self.refusal(
            429, "Too many requests", wait if self.switches.send_retry_after else None
        )
        return self._with_limits(refusal, request.method, now)

    def handle(self, request: TwinRequest, now: float) -> Response:
        return self.admit(request, now) or self.commit(request, now)

    def refusal(
        self, status: int, text: str, retry_after: float | None = None
    ) -> Response:
        error = {
            "code": 1000 + status,
            "class": "ValidationError" if status in (200, 400, 422) else "RequestError",
            "message_key": f"errors.{status}",
            "message": text,
            "description_key": "",
            "description": "",
        }
        return answer(
            status,
            self._envelope(status, "Request failed", None, [error]),
            retry_header(retry_after),
        )

    def commit(self, request: TwinRequest, now: float) -> Response:
        return self._with_limits(self._answer(request, now), request.method, now)

    def _with_limits(self, response: Response, method: str, now: float) -> Response:
        if not self.switches.send_limit_headers:
            return response
        headers = limit_headers(self.limiter.standing(method, now), now)
        return replace(response, headers={**response.headers, **headers})

    def _answer(self, request: TwinRequest, now: float) -> Response:
        self._erase(now)
        person_id = _person_id(request)
        if request.method == "PUT" and request.path == _CONTACTS:
            return self._upsert(request, now)
        if request.method == "DELETE" and person_id:
            return self._schedule_erasure(person_id, now)
        return self.refusal(404, "Not found")

    def seed(self, seeds: Sequence[Seed], now: float) -> list[str]:
        bodies = []
        for number, each in enumerate(seeds):
            if not each.key:
                raise ValueError(
                    f"{number}.key: charles knows a contact by its key alone"
                )
            fields = {"source_type": _SEEDED, **each.fields}
            source = fields.pop("source_type")
            body = {
                "external_reference_id": each.key,
                "source_type": source,
                **payload(fields, each.tags),
            }
            if wrong := mistakes(body):
                raise ValueError(f"{number}: {wrong[0]}")
            bodies.append(body)
        times = (now if each.created is None else each.created for each in seeds)
        return [self._put(body, at).id for body, at in zip(bodies, times, strict=True)]

    def contacts(self, now: float) -> list[dict[str, Json]]:
        self._erase(now)
        return [
            {
                "id": person.id,
                "key": person.key,
                "fields": person.fields(),
                "tags": list(person.tags),
            }
            for person in self.account.people.values()
        ]

    def screen(self, now: float) -> CharlesScreen:
        return CharlesScreen(self, now)

    def new_id(self) -> str:
        return str(uuid5(NAMESPACE_URL, f"person-{next(self._made)}"))

    def remove(self, person_id: str) -> Person:
        """Take a person out, with the keys of its sources."""
        gone = self.account.people.pop(person_id)
        for key in gone.payloads:
            del self.account.by_key[key]
        return gone

    def _upsert(self, request: TwinRequest, now: float) -> Response:
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return self.refusal(400, "The body is not valid JSON")
        if not isinstance(body, dict):
            return self.refusal(400, "The body must be an object")
        if wrong := mistakes(body):
            return self.refusal(self.switches.invalid_status, "; ".join(wrong))
        if wrong_here := self._unknown(body) or self._refused(body):
            return self.refusal(self.switches.invalid_status, wrong_here)
        person = self._put(body, now)
        host = request.headers.get("host", "localhost")
        echo = shown(
            person,
            counts=body["external_reference_id"] not in self.switches.inactive
            and not person.archived,
            properties=self.switches.echo_properties,
        )
        said = "Upserted contact successfully."
        return answer(200, self._envelope(200, said, echo, [], host))

    def _unknown(self, body: Mapping[str, Json]) -> str | None:
        """Return why the whole request is a mistake, where the switches make it one."""
        if self.switches.unknown_property == "reject" and any(
            not self._has_property(name) for name in body.get("custom_properties") or {}
        ):
            return "custom_properties names a property that does not exist"
        if self.switches.unknown_tag == "reject" and any(
            not self._has_tag(tag) for tag in body.get("tags") or ()
        ):
            return "tags names a tag that does not exist"
        return None

    def _has_property(self, name: str) -> bool:
        known = _defined(name, self.switches.custom_properties)
        return known and self.definitions.has("field", name)

    def _has_tag(self, name: str) -> bool:
        known = _defined(name, self.switches.known_tags)
        return known and self.definitions.has("tag", name)

    def _refused(self, body: Mapping[str, Json]) -> str | None:
        """Return why a person does not take a write: it is archived, or lacks a field."""
        person = self._person(
            (body["source_type"], body["external_reference_id"]), changes(body).phones
        )
        if person and person.archived and self.switches.archived == "422":
            return "Person is archived"
        there = [*person.names, *person.properties] if person else []
        given = [name for name, value in body.items() if value]
        properties = [
            name
            for name, value in (body.get("custom_properties") or {}).items()
            if value
        ]
        missing = self.definitions.missing(
            [*there, *given, *properties], creates=person is None
        )
        return f"{missing[0]} is required" if missing else None

    def _put(self, body: Mapping[str, Json], now: float) -> Person:
        key = (body["source_type"], body["external_reference_id"])
        wanted = changes(body)
        person = self._person(key, wanted.phones)
        at = datetime.fromtimestamp(now, UTC)
        if person is None:
            person = Person(self.new_id(), key[1], at, at, at)
            self.account.people[person.id] = person
        self.account.by_key[key] = person.id
        person.payloads[key] = dict(body)
        person.touched = at
        names = dict(person.names)
        for name in NAMES:
            self._set(person.names, name, body)
        if person.names != names:
            person.updated = at
        self._list(person, body, wanted)
        self._tag(person, body)
        if (
            self.switches.properties_mode == "replace"
            and body.get("custom_properties") is not None
        ):
            person.properties.clear()
        for name in body.get("custom_properties") or {}:
            if self._has_property(name):
                self._set(person.properties, name, body["custom_properties"])
        return person

    def _list(self, person: Person, body: Mapping[str, Json], wanted: Lists) -> None:
        if self.switches.lists_mode == "replace":
            if body.get("phone_numbers") is not None:
                person.phones.clear()
            if body.get("email_addresses") is not None:
                person.emails.clear()
        for number, kind in wanted.phones.items():
            person.phones.setdefault(number, kind)
        for address, entry in wanted.emails.items():
            person.emails.setdefault(address, entry)

    def _tag(self, person: Person, body: Mapping[str, Json]) -> None:
        tags = body.get("tags")
        if tags is None:
            return
        if self.switches.tags_mode == "replace":
            person.tags.clear()
        for tag in tags:
            if self.switches.unknown_tag == "create":
                self.definitions.define("tag", tag)
            if self.switches.unknown_tag == "create" or self._has_tag(tag):
                person.tags.setdefault(tag)

    def _set(self, held: dict[str, Json], name: str, given: Mapping[str, Json]) -> None:
        value = given.get(name)
        if value is not None:
            held[name] = value
        elif name in given and self.switches.null_mode == "clear":
            held.pop(name, None)

    def _person(self, key: tuple[str, str], phones: Mapping[str, str]) -> Person | None:
        person_id = self.account.by_key.get(key)
        if person_id is not None:
            return self.account.people[person_id]
        if not self.switches.match_by_phone:
            return None
        return next(
            (
                each
                for each in self.account.people.values()
                if phones.keys() & each.phones.keys()
            ),
            None,
        )

    def _schedule_erasure(self, person_id: str, now: float) -> Response:
        if person_id not in self.account.people and self.switches.unknown_person == 404:
            return self.refusal(404, "Person not found")
        if person_id in self.account.people:
            self.account.erase_at.setdefault(
                person_id, now + self.switches.erasure_delay
            )
        done = "GDPR delete contact job scheduled successfully"
        job: Json = {"jobId": "contacts-cleanup"}
        return answer(
            200,
            self._envelope(
                200,
                done,
                job if self.switches.erasure_answer == "object" else [job],
                [],
            ),
        )

    def _erase(self, now: float) -> None:
        for person_id in [
            each for each, at in self.account.erase_at.items() if at <= now
        ]:
            del self.account.erase_at[person_id]
            self.remove(person_id)

    def _envelope(
        self,
        status: int,
        msg: str,
        data: Json,
        errors: list[Json],
        host: str = "localhost",
    ) -> Json:
        request_id = uuid5(NAMESPACE_URL, f"request-{next(self._made)}")
        return {
            "status": status,
            "msg": msg,
            "messages": [],
            "localized_messages": [],
            "errors": errors,
            "request": {"host": host, "id": str(request_id)},
            "data": data,
        }


TWIN = CharlesTwin


def _person_id(request: TwinRequest) -> str:
    segment = (
        request.path.removeprefix(_ERASURES)
        if request.path.startswith(_ERASURES)
        else ""
    )
    return "" if "/" in segment else unquote(segment)


def _defined(name: str, known: Sequence[str] | None) -> bool:
    return known is None or name in known
