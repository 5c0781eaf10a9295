"""Rename the contacts in an answer, as some vendors do after a merge or by mistake.

An engine that believes such an answer stores the id of one contact for another, and
sends the next change to the wrong person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from syncengine.model.http import Json, Response


def misnamed(response: Response, ids: Sequence[str]) -> Response:
    """Replace each contact's id in an answer by the next one in ``ids``.

    ``ids`` are those of all contacts; the last one is replaced by the first. The answer
    stays as it is where it is not JSON, or where there are fewer than two contacts.
    """
    if len(ids) < 2:
        return response
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return response
    rotated = [*ids[1:], ids[0]]
    other_ids = dict(zip(ids, rotated, strict=True))
    return replace(response, body=orjson.dumps(_renamed(body, other_ids)))


def _renamed(value: Json, other_ids: Mapping[str, str]) -> Json:
    """Replace every id anywhere in a JSON value, whatever the field.

    ``other_ids`` maps each id to the one that takes its place.
    """
    match value:
        case dict():
            return {name: _renamed(part, other_ids) for name, part in value.items()}
        case list():
            return [_renamed(part, other_ids) for part in value]
        case str():
            return other_ids.get(value, value)
        case bool():
            # To Python ``True`` is the number 1, which may well be an id.
            return value
        case int():
            # Some vendors write ids as numbers; ``ids`` holds them as text.
            return int(other_ids.get(str(value), value))
        case _:
            return value
