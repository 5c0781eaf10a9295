"""Rename the contacts in an answer, as some vendors do after a merge or by mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from syncengine.model.http import Json, Response


def misnamed(response: Response, held: Sequence[str]) -> Response:
    """Replace each contact's id in an answer by the next one in ``held``.

    The answer stays as it is where it is no JSON, or where there are fewer than two
    contacts.
    """
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        return response
    behind = (
        dict(zip(held, (*held[1:], *held[:1]), strict=True)) if len(held) > 1 else {}
    )
    return replace(response, body=orjson.dumps(_renamed(body, behind)))


def _renamed(value: Json, behind: Mapping[str, str]) -> Json:
    match value:
        case dict():
            return {name: _renamed(part, behind) for name, part in value.items()}
        case list():
            return [_renamed(part, behind) for part in value]
        case str() if value in behind:
            return behind[value]
        case int() if not isinstance(value, bool) and str(value) in behind:
            return int(behind[str(value)])
        case _:
            return value
