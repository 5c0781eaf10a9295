"""charles (hello-charles.com): an idempotent upsert, and the erasure of a person.

    PUT     /api/v1beta/contacts                     create or update one contact
    DELETE  /api/v0/people/cleanup/gdpr/{personID}   schedule a person's erasure

Both answer 200 with an envelope: ``{"status", "msg", "errors": [...], "data": {...}}``.

Traps:

- The person id, which the erasure needs, comes with each upsert and from nowhere else.
- Tags, phone numbers and e-mail addresses are added to those that are there. Nothing
  takes them away.
- Custom properties that are not defined in charles are dropped, with a success. So the
  answer is compared with what was sent.
- The names differ between write and read: ``phone_numbers`` comes back as
  ``phonenumbers`` and ``email_addresses`` as ``emails``.
- The two paths have different versions, and the erasure is a job that runs later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, TypeAlias

from pydantic import Field

from syncengine.vendor import (
    BASE_URL,
    NULL_AS_OBJECT,
    Action,
    Answer,
    Applied,
    Call,
    Capabilities,
    ClearWith,
    Deletion,
    Duration,
    Exchange,
    ExternalId,
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
    Unsupported,
    VendorSettings,
    VendorSpec,
    Write,
    as_text,
    check_call,
    clean_message,
    external_id_of,
    fields_not_taken,
    no_request,
    parse_reply,
    path_segment,
    prefixed,
    rejection,
    same_json,
    same_phone,
    same_text,
    same_time,
    send_request,
    sent_values,
    shortfall,
    tags_not_taken,
)

_REFERENCE_ID = "external_reference_id"
"""The field by which charles knows a contact, together with the source type."""
_PLAIN_FIELDS = (
    "first_name",
    "middle_name",
    "last_name",
    "external_channel_reference_id",
)
_PHONES = "phone_numbers"
_EMAILS = "email_addresses"
_PROPERTIES = "custom_properties"
# Statuses that stop the account, with the setting to look at: see ``judge``.
_KEY_REFUSED = {401: "settings.api_key", 403: "settings.api_key"}
# The upsert names no contact in its path, so that a 404 can only mean the address.
_UPSERT_HALTS = {**_KEY_REFUSED, 404: BASE_URL, 410: BASE_URL}

_INACTIVE = Rejected(
    "inactive",
    "the vendor shows the person as deleted or inactive, so that it counts as not "
    "written; is it being erased there? The next run tries again",
)


class CharlesSettings(VendorSettings):
    """``base_url`` is the customer's own host."""

    api_key: Secret
    source_type: Annotated[str, Field(min_length=1, examples=["crm"])]
    """The name of the source system; together with the external reference id it
    identifies a contact at charles."""
    clear_with: ClearWith = "nothing"
    """Value that clears a name or a property; not documented."""
    erases_within: Annotated[Duration, Field(ge=0)] = 600.0
    """Longest time until a scheduled erasure is carried out; not documented. A contact
    that an upsert reaches meanwhile is deferred."""


class _CharlesRecord(ReplyModel):
    """A record that charles may show as deleted or inactive."""

    deleted: Json = None
    active: Json = None

    @property
    def is_active(self) -> bool:
        """Return whether it is neither; records that say nothing are active."""
        return self.deleted is not True and self.active is not False


class _CharlesEntry(_CharlesRecord):
    """A phone number or an e-mail address of a person."""

    value: str | None = None


class _CharlesPerson(_CharlesRecord):
    """The person in the answer to an upsert.

    A field that the answer leaves out may have any value at charles.
    """

    id: ExternalId
    first_name: str | None = None
    middle_name: str | None = None
    last_name: str | None = None
    phonenumbers: ListOf[_CharlesEntry] | None = None
    emails: ListOf[_CharlesEntry] | None = None
    tags: ListOf[str] | None = None
    custom_properties: Annotated[dict[str, Json] | None, NULL_AS_OBJECT] = None

    def entries(self, field: str) -> Sequence[_CharlesEntry] | None:
        """Return the phones or e-mail addresses; None if the answer lacks them."""
        match _split(field)[0]:
            case "phone_numbers":
                return self.phonenumbers
            case "email_addresses":
                return self.emails
            case _:
                return None

    def shown_fields(self) -> dict[str, Json]:
        """Return the names and custom properties in the answer."""
        names = {}
        for name in _PLAIN_FIELDS:
            if name in self.model_fields_set:
                names[name] = getattr(self, name)
        properties = self.custom_properties or {}
        return {**names, **prefixed(f"{_PROPERTIES}.", properties)}

    def can_show(self, field: str) -> bool:
        """Return whether the answer would show this name or custom property."""
        if _split(field)[0] == _PROPERTIES:
            return self.custom_properties is not None
        return field in _PLAIN_FIELDS and field in self.model_fields_set


class _CharlesUpserted(ReplyModel):
    """The answer to an upsert."""

    data: _CharlesPerson


# charles's own browser SDK reads ``data[0]`` where the documentation shows an object.
_OneJob: TypeAlias = Annotated[list[dict[str, Json]], Field(min_length=1, max_length=1)]


class _CharlesErasure(ReplyModel):
    """The answer to an erasure, which is scheduled then."""

    data: dict[str, Json] | _OneJob

    @property
    def job(self) -> str:
        """Return the job's id, which seems to be the same always, or a phrase."""
        data = self.data
        if isinstance(data, list):
            data = data[0]
        # It is kept and printed, so that it must hold nothing personal.
        job_id = clean_message(as_text(data.get("jobId")), ())
        return job_id or "a job without a name"


class Charles:
    """Adapter for charles; see ``syncengine.vendor.Vendor``."""

    name = "charles"

    def __init__(self, settings: CharlesSettings) -> None:
        self._source_type = settings.source_type
        self._headers = {
            "accept": "application/json",
            "x-api-key": settings.api_key.get_secret_value(),
        }
        self._clears = settings.clear_with != "nothing"
        self._cleared_value = "" if settings.clear_with == "empty" else None
        properties = f"{_PROPERTIES}.*"
        growing = (f"{_PHONES}.*", f"{_EMAILS}.*")
        self.capabilities = Capabilities(
            upsert=Write(
                fields=(properties, *_PLAIN_FIELDS, *growing, _REFERENCE_ID),
                clears=(properties, *_PLAIN_FIELDS) if self._clears else (),
                add_tags=None,
                repeatable=True,
            ),
            delete=Deletion(within=settings.erases_within),
            reads=False,
            identity=_REFERENCE_ID,
            accumulates=growing,
            opt_outs=settings.kept_opt_outs(),
            settles_within=settings.settles_within,
        )

    def probe(self) -> Exchange[bool]:
        # There is no GET: any request that could try the key would write something.
        return no_request(result=False)

    def find(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        raise ValueError(
            f"charles has no look-up, not by {key.field} nor by anything else"
        )

    def read(self, external_id: str) -> Exchange[Remote | None]:  # noqa: ARG002
        raise ValueError("charles has no look-up, so that nothing can be read there")

    def send(self, call: Call) -> Exchange[Answer]:
        check_call(call, self.capabilities)
        if call.action is Action.DELETE:
            return self._delete(call)
        return self._upsert(call)

    def same(self, field: str, ours: Json, theirs: Json) -> bool:
        match _split(field)[0]:
            case "phone_numbers":
                # They are sent with a ``+`` and come back without it.
                return same_phone(ours, theirs)
            case "email_addresses":
                return as_text(ours).lower() == as_text(theirs).lower()
            case _:
                both_empty = _is_empty(ours) and _is_empty(theirs)
                return both_empty or same_json(ours, theirs)

    def _upsert(self, call: Call) -> Exchange[Answer]:
        if call.key is None:
            raise ValueError("upsert needs the key it goes by")
        identity = {_REFERENCE_ID: call.key.value, "source_type": self._source_type}
        request = Request(
            "PUT",
            "/api/v1beta/contacts",
            route="PUT /api/v1beta/contacts",
            headers=self._headers,
            json={**identity, **self._body(call)},
        )
        reply = yield from send_request(request, _UPSERT_HALTS)
        rejected = _refusal(request, reply, call)
        if rejected:
            return rejected
        person = parse_reply(request, reply, _CharlesUpserted).data
        # A person under erasure still takes an upsert, and takes it into the grave.
        if not person.is_active:
            return replace(_INACTIVE, status=reply.status)
        # The id may be new: charles merges people.
        return Applied(person.id, tuple(self._dropped(call, person)))

    def _delete(self, call: Call) -> Exchange[Answer]:
        person_id = path_segment(external_id_of(call))
        request = Request(
            "DELETE",
            f"/api/v0/people/cleanup/gdpr/{person_id}",
            route="DELETE /api/v0/people/cleanup/gdpr/{id}",
            # The documentation asks for this content type, although there is no body.
            headers={
                **self._headers,
                "content-type": "application/json; charset=utf-8",
            },
        )
        reply = yield from send_request(request, _KEY_REFUSED)
        if reply.not_found:
            return Applied(was_gone=True)  # erased already, or merged
        rejected = _refusal(request, reply, call)
        if rejected:
            return rejected
        # 200 means that a job is scheduled. No endpoint tells when it has run.
        erasure = parse_reply(request, reply, _CharlesErasure)
        return Applied(receipt=erasure.job)

    def _body(self, call: Call) -> dict[str, Json]:
        """Return the body of an upsert, without the two parts of its identity."""
        body: dict[str, Json] = {}
        for name, value in call.fields.items():
            # Where nothing clears a field, no value for it is said at all.
            is_unsaid = _is_empty(value) and not self._clears
            if name != _REFERENCE_ID and not is_unsaid:
                self._put_into(body, name, value)
        if call.add_tags:
            body["tags"] = list(call.add_tags)
        return body

    def _put_into(self, body: dict[str, Json], name: str, value: Json) -> None:
        """Put a field into the body of an upsert, where charles expects it."""
        head, tail = _split(name)
        is_empty = _is_empty(value)
        if head == _PROPERTIES and tail:
            properties = body.setdefault(_PROPERTIES, {})
            properties[tail] = self._cleared_value if is_empty else value
        elif head in (_PHONES, _EMAILS) and tail:
            # The part behind the dot is the entry's type, such as ``mobile``.
            entries = [{"type": tail, "value": as_text(each)} for each in _each(value)]
            if entries:
                body.setdefault(head, []).extend(entries)
        elif name in _PLAIN_FIELDS:
            body[name] = self._cleared_value if is_empty else as_text(value)
        else:
            raise ValueError(f'charles has no field "{name}"')

    def _dropped(self, call: Call, person: _CharlesPerson) -> Iterator[Unsupported]:
        """Yield the fields and tags that the answer does not show, or otherwise."""
        # Phones and e-mail addresses have to be among those of the person; names and
        # properties have to be equal.
        comparable: dict[str, Json] = {}
        for name, value in call.fields.items():
            entries = person.entries(name)
            if entries is not None and not self._all_among(entries, name, value):
                yield shortfall(name, value, None)
            if person.can_show(name):
                comparable[name] = value
        yield from fields_not_taken(comparable, person.shown_fields(), self._echoes)
        if person.tags is not None:
            yield from tags_not_taken(call.add_tags, person.tags)

    def _all_among(
        self, entries: Sequence[_CharlesEntry], name: str, value: Json
    ) -> bool:
        """Return whether all phones or e-mail addresses sent are among the entries."""
        shown = [entry.value for entry in entries if entry.is_active]

        def is_shown(sent: Json) -> bool:
            return any(self.same(name, sent, theirs) for theirs in shown)

        return all(is_shown(sent) for sent in _each(value))

    def _echoes(self, name: str, ours: Json, shown: Json) -> bool:
        """Return whether the answer shows our value, in any form of the vendor's."""
        return (
            self.same(name, ours, shown)
            or same_text(ours, shown)
            or same_time(ours, shown)
        )


def _each(value: Json) -> list[Json]:
    """Return the values of a field that may have several of one type."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if not _is_empty(each)]


def _is_empty(value: Json) -> bool:
    """Return whether this is no value to charles."""
    return value is None or value == ""


@cache
def _split(name: str) -> tuple[str, str]:
    """Return the parts of a dotted field's name before and behind its first dot.

    A mapping has few names, and each is split for every contact: so they are kept.
    """
    head, _, tail = name.partition(".")
    return head, tail


def _refusal(request: Request, reply: Reply, call: Call) -> Rejected | None:
    """Return the refusal of a call; None where there is none.

    A refusal has a status of its own, or is a 200 with a filled ``errors``.
    """
    body = reply.body if isinstance(reply.body, Mapping) else {}
    errors = body.get("errors") or []
    if reply.ok and not errors:
        return None
    if not isinstance(errors, list):
        errors = [errors]
    # The message of the envelope says something only where no error does.
    said = [_error_message(error) for error in errors] or [body.get("msg")]
    words = "; ".join(message for message in said if isinstance(message, str))
    return rejection(request, reply, words, sent_values(call))


def _error_message(error: Json) -> Json:
    """Return the message of one entry of ``errors``, which may be a bare text."""
    if isinstance(error, Mapping):
        return error.get("message") or error.get("description")
    return error


VENDOR = VendorSpec(
    name="charles",
    api_version=1,
    settings=CharlesSettings,
    build=Charles,
    version=2,
    # charles documents no limit.
    limits=(Limit(calls=5, per=1.0),),
    identity=("source_type",),
    usual_fields=(
        "first_name",
        "last_name",
        "phone_numbers.mobile",
        "email_addresses.main",
    ),
    twin="syncengine.sandbox.twins.charles:TWIN",
)
