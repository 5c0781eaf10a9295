"""charles (hello-charles.com): one idempotent upsert, and the erasure of a person.

Tags, phone numbers and e-mail addresses only ever grow there. The person id comes with every upsert and from nowhere
else. What charles does not know (undefined custom properties) it drops with a success; so the echo is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated

from pydantic import BeforeValidator, Field

from syncengine.model.calls import Action, Answer, Applied, Call, Rejected, Unsupported
from syncengine.model.capabilities import Capabilities, Deletion, Write
from syncengine.model.contact import Fields, MatchKey, Remote
from syncengine.model.http import Exchange, Json, Request
from syncengine.model.limits import Limit
from syncengine.vendors.kit import (
    BASE_URL,
    ClearWith,
    Duration,
    Id,
    Many,
    Reply,
    Secret,
    Shape,
    VendorSettings,
    check,
    external_id,
    fields_not_taken,
    judge,
    not_as_wanted,
    nothing,
    refused,
    same_json,
    same_phone,
    same_text,
    same_time,
    segment,
    sent_values,
    shaped,
    tags_not_taken,
    text,
)
from syncengine.vendors.kit.words import cleaned

_IDENTITY = "external_reference_id"
_SCALARS = ("first_name", "middle_name", "last_name", "external_channel_reference_id")
_LISTS = ("phone_numbers", "email_addresses")
_PROPERTIES = "custom_properties"
_KEY_REFUSED = dict.fromkeys((401, 403), "settings.api_key")


_INACTIVE = Rejected(
    "inactive",
    "the vendor shows the person as deleted or inactive, so that it counts as not "
    "written; is it being erased there? The next run tries again",
)


class Settings(VendorSettings):
    """``base_url`` is the customer's own host."""

    api_key: Secret
    source_type: Annotated[str, Field(min_length=1)]
    """The name of the source system; together with the external reference id it
    identifies a contact at charles."""
    clear_with: ClearWith = "nothing"
    """Value that clears a name or a property; not documented."""
    erases_within: Annotated[Duration, Field(ge=0)] = 600.0
    """Longest time until a scheduled erasure is carried out; not documented. A contact
    that an upsert reaches meanwhile is deferred."""


SETTINGS = Settings
LIMITS = (Limit(calls=5, per=1.0),)
IDENTITY = ("source_type",)
VERSION = 2


def build(settings: Settings) -> Charles:
    return Charles(settings)


def _no_null(value: Json) -> Json:
    return {} if value is None else value


class _Standing(Shape):
    """A record that the vendor may show as deleted or inactive."""

    deleted: Json = None
    active: Json = None

    @property
    def counts(self) -> bool:
        return self.deleted is not True and self.active is not False


class _Entry(_Standing):
    value: str | None = None


class _Person(_Standing):
    """The echo of an upsert.

    A field that it leaves out may have any value at charles.
    """

    id: Id
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    phonenumbers: Many[_Entry] | None = None
    emails: Many[_Entry] | None = None
    tags: Many[str] | None = None
    custom_properties: Annotated[dict[str, Json] | None, BeforeValidator(_no_null)] = (
        None
    )


class _Upserted(Shape):
    data: _Person


class _Scheduled(Shape):
    data: (
        dict[str, Json]
        | Annotated[list[dict[str, Json]], Field(min_length=1, max_length=1)]
    )

    @property
    def job(self) -> str:
        """Return the job's id, or a phrase where there is none.

        The id seems to be the same always.
        """
        told = self.data[0] if isinstance(self.data, list) else self.data
        return cleaned(text(told.get("jobId")), ()) or "a job without a name"


class Charles:
    """See ``ports.Vendor``."""

    name = "charles"

    def __init__(self, settings: Settings) -> None:
        self._source_type = settings.source_type
        self._headers = {
            "accept": "application/json",
            "x-api-key": settings.api_key.get_secret_value(),
        }
        self._clears = settings.clear_with != "nothing"
        self._cleared = "" if settings.clear_with == "empty" else None
        self.capabilities = Capabilities(
            upsert=Write(
                fields=(
                    f"{_PROPERTIES}.*",
                    *_SCALARS,
                    *(f"{name}.*" for name in _LISTS),
                    _IDENTITY,
                ),
                clears=(f"{_PROPERTIES}.*", *_SCALARS) if self._clears else (),
                add_tags=None,
                repeatable=True,
            ),
            delete=Deletion(within=settings.erases_within),
            reads=False,
            identity=_IDENTITY,
            accumulates=tuple(f"{name}.*" for name in _LISTS),
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        return nothing(result=False)

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        raise ValueError(
            f"charles has no look-up, not by {key.field} nor by anything else"
        )

    def read(self, external_id: str) -> Exchange[Remote | None]:  # noqa: ARG002 - the port's
        raise ValueError("charles has no look-up, so that nothing can be read there")

    def send(self, call: Call) -> Exchange[Answer]:
        check(call, self.capabilities)
        return (
            self._delete(call) if call.action is Action.DELETE else self._upsert(call)
        )

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        match _split(field)[0]:
            case "phone_numbers":
                return same_phone(ours, theirs)
            case "email_addresses":
                return text(ours).lower() == text(theirs).lower()
            case _:
                return same_json(ours, theirs) or (_empty(ours) and _empty(theirs))

    def _upsert(self, call: Call) -> Exchange[Answer]:
        if call.key is None:
            raise ValueError("upsert needs the key it goes by")
        request = Request(
            "PUT",
            "/api/v1beta/contacts",
            route="PUT /api/v1beta/contacts",
            headers=self._headers,
            json={
                _IDENTITY: call.key.value,
                "source_type": self._source_type,
                **self._body(call),
            },
        )
        reply = judge(
            request, (yield request), {**_KEY_REFUSED, 404: BASE_URL, 410: BASE_URL}
        )
        if rejected := _refusal(request, reply, call):
            return rejected
        person = shaped(request, reply, _Upserted).data
        if not person.counts:
            return replace(_INACTIVE, status=reply.status)
        return Applied(person.id, tuple(self._dropped(call, person)))

    def _delete(self, call: Call) -> Exchange[Answer]:
        request = Request(
            "DELETE",
            f"/api/v0/people/cleanup/gdpr/{segment(external_id(call))}",
            route="DELETE /api/v0/people/cleanup/gdpr/{id}",
            headers={
                **self._headers,
                "content-type": "application/json; charset=utf-8",
            },
        )
        reply = judge(request, (yield request), _KEY_REFUSED)
        if reply.not_there:
            return Applied(was_gone=True)  # erased already, or merged
        if rejected := _refusal(request, reply, call):
            return rejected
        return Applied(receipt=shaped(request, reply, _Scheduled).job)

    def _body(self, call: Call) -> dict[str, Json]:
        body: dict[str, Json] = {}
        for name, value in call.fields.items():
            head, tail = _split(name)
            empty = _empty(value)
            if name == _IDENTITY or (empty and not self._clears):
                continue
            if head == _PROPERTIES and tail:
                body.setdefault(head, {})[tail] = self._cleared if empty else value
            elif head in _LISTS and tail:
                entries = [{"type": tail, "value": text(each)} for each in _each(value)]
                if entries:
                    body.setdefault(head, []).extend(entries)
            elif name in _SCALARS:
                body[name] = self._cleared if empty else text(value)
            else:
                raise ValueError(f'charles has no field "{name}"')
        if call.add_tags:
            body["tags"] = list(call.add_tags)
        return body

    def _dropped(self, call: Call, person: _Person) -> Iterator[Unsupported]:
        """Yield the fields and tags that the echo does not show, or shows otherwise."""
        for name, value in call.fields.items():
            place = _split(name)[0]
            entries = {
                "phone_numbers": person.phonenumbers,
                "email_addresses": person.emails,
            }.get(place)
            if entries is not None and not self._all_shown(name, value, entries):
                yield not_as_wanted(name, value, None)
        yield from fields_not_taken(
            _echoed(call.fields, person), _shown(person), self._echoes
        )
        if person.tags is not None:
            yield from tags_not_taken(call.add_tags, person.tags)

    def _all_shown(self, name: str, value: Json, entries: Sequence[_Entry]) -> bool:
        held = [entry.value for entry in entries if entry.counts]
        return all(
            any(self.same(name, each, one) for one in held) for each in _each(value)
        )

    def _echoes(self, name: str, ours: Json, shown: Json) -> bool:
        """Return whether the echo shows our value, in any form of the vendor's."""
        return (
            self.same(name, ours, shown)
            or same_text(ours, shown)
            or same_time(ours, shown)
        )


def _each(value: Json) -> list[Json]:
    """Return the values of a field that may have several at once."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if not _empty(each)]


def _empty(value: Json) -> bool:
    return value is None or value == ""


def _echoed(fields: Fields, person: _Person) -> Fields:
    """Return those of the names and properties that this echo can show."""
    places = {name for name in _SCALARS if name in person.model_fields_set}
    if person.custom_properties is not None:
        places.add(_PROPERTIES)
    return {name: value for name, value in fields.items() if _split(name)[0] in places}


def _shown(person: _Person) -> Fields:
    properties = person.custom_properties or {}
    names = {
        name: getattr(person, name)
        for name in _SCALARS
        if name in person.model_fields_set
    }
    return {
        **names,
        **{f"{_PROPERTIES}.{name}": value for name, value in properties.items()},
    }


@cache
def _split(name: str) -> tuple[str, str]:
    """A dotted field's place and its name there. A mapping has few names, so each is split once."""
    head, _, tail = name.partition(".")
    return head, tail


def _refusal(request: Request, reply: Reply, call: Call) -> Rejected | None:
    """A refusal has a status of its own, or hides in a success as entries in ``errors``."""
    body = reply.body if isinstance(reply.body, Mapping) else {}
    errors = body.get("errors") or []
    if reply.ok and not errors:
        return None
    said = [
        _words(error) for error in (errors if isinstance(errors, list) else [errors])
    ] or [body.get("msg")]
    words = "; ".join(word for word in said if isinstance(word, str))
    return refused(
        request, reply, words, sent_values(call), code="refused" if reply.ok else None
    )


def _words(error: Json) -> Json:
    return (
        error.get("message") or error.get("description")
        if isinstance(error, Mapping)
        else error
    )
