"""Requests and answers of HubSpot: bodies, errors, inputs of batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

import orjson

from syncengine.model.http import Json
from syncengine.sandbox.twins.kit.answers import TwinRefusalError
from syncengine.sandbox.twins.kit.fields import is_text
from syncengine.sandbox.twins.kit.requests import object_of, query_of
from syncengine.sandbox.twins.twin import TwinRequest

MAX_INPUTS = 100
INVALID = "VALIDATION_ERROR"
NOT_FOUND = "OBJECT_NOT_FOUND"
CONFLICT = "CONFLICT"
POLICIES = ("TEN_SECONDLY_ROLLING", "DAILY", "SECONDLY")
"""The vendor's words for its limits, in the answer to a request beyond one."""


def refused(
    status: int, category: str, message: str, context: Mapping[str, Json] | None = None
) -> TwinRefusalError:
    """Return a refusal with the words of the vendor's error body."""
    content: dict[str, Json] = {"category": category, "message": message}
    if context:
        content["context"] = dict(context)
    return TwinRefusalError(status, content)


def invalid_request(message: str) -> TwinRefusalError:
    """Return the refusal of a request that breaks a rule."""
    return refused(400, INVALID, message)


def not_found(contact_id: str) -> TwinRefusalError:
    """Return the refusal of a request about a contact that is not there."""
    message = f"Object not found. objectId are usually numeric: {contact_id}."
    return refused(404, NOT_FOUND, message, {"id": [contact_id]})


def already_exists(status: int, contact_id: str | None) -> TwinRefusalError:
    """Return the refusal of a write with what another contact has.

    Found: the id of the other one stands in the text, and nowhere else.
    """
    message = "Contact already exists."
    if contact_id is not None:
        message = f"Contact already exists. Existing ID: {contact_id}"
    return refused(status, CONFLICT if status == 409 else INVALID, message)


def invalid_properties(mistakes: Iterable[ValueMistake]) -> TwinRefusalError:
    """Return the refusal of values; its text holds all mistakes as JSON (found)."""
    listed = [
        {
            "isValid": False,
            "message": each.message,
            "error": each.code,
            "name": each.name,
            "localizedErrorMessage": each.message,
            "portalId": 1,
        }
        for each in mistakes
    ]
    text = orjson.dumps(listed).decode()
    return invalid_request(f"Property values were not valid: {text}")


@dataclass(frozen=True, slots=True)
class ValueMistake:
    """A property that a write may not set, or not to this value."""

    name: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchInput:
    """One contact of a batch."""

    id: str
    """Empty in a batch of creates."""
    key: str | None
    """The property that ``id`` is a value of; None: the record id."""
    trace: str | None
    """Its ``objectWriteTraceId``."""
    properties: Json


def body_of(request: TwinRequest) -> dict[str, Json]:
    """Return the JSON object of the body."""
    return object_of(request, invalid_request("Invalid input JSON"))


def inputs_of(body: Mapping[str, Json], *, named: bool = True) -> list[BatchInput]:
    """Return the 1 to 100 contacts of a batch. Raises TwinRefusalError.

    ``named``: each must have an id.
    """
    given = body.get("inputs")
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_INPUTS:
        raise invalid_request(f"inputs: there must be 1 to {MAX_INPUTS}")
    shared_key = body.get("idProperty")
    inputs = []
    for each in given:
        if not isinstance(each, dict) or (named and not is_text(each.get("id"))):
            raise invalid_request("inputs: id is missing")
        key = each.get("idProperty", shared_key)
        trace = each.get("objectWriteTraceId")
        contact_id = each["id"] if named else ""
        inputs.append(BatchInput(contact_id, key, trace, each.get("properties")))
    return inputs


def have_traces(inputs: Sequence[BatchInput]) -> bool:
    """Return whether every input has a trace id of its own."""
    traces = {each.trace for each in inputs if is_text(each.trace)}
    return len(traces) == len(inputs)


def record_ids_of(request: TwinRequest) -> list[str]:
    """Return the record ids of a body that is a bare array (documented)."""
    return _ids(_json_of(request))


def record_ids_in(body: Mapping[str, Json], name: str) -> list[str]:
    """Return the record ids under a name of a body; none where it is left out."""
    return _ids(body.get(name) or [])


def _ids(given: Json) -> list[str]:
    if not isinstance(given, list):
        raise invalid_request("Invalid input JSON: a list of record ids")
    # The client of the vendor sends texts; numbers were seen in its examples.
    return [str(each) for each in given]


def _json_of(request: TwinRequest) -> Json:
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise invalid_request("Invalid input JSON") from None


def names_in(request: TwinRequest) -> tuple[str, ...]:
    """Return the properties that a read asks for in its query."""
    # Documented with commas; the vendor's client repeats the name instead.
    pairs = parse_qsl(request.query)
    joined = ",".join(value for name, value in pairs if name == "properties")
    return tuple(name for name in joined.split(",") if name)


def is_archived_asked(request: TwinRequest) -> bool:
    """Return whether a read asks for archived contacts."""
    # The vendor's own client writes True.
    return query_of(request).get("archived", "").lower() == "true"
