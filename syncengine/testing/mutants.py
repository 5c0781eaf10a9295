"""Good JSON answers with one fault, for each fault that there can be.

Of ``{"id": "7"}`` these come: every wrong value in place of the whole body, the body
without ``id``, every wrong value in place of ``"7"``, and the text cut off at each
seventh byte. ``hostile`` makes worse ones, at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson

from syncengine.model.http import Json, Response

_WRONG: tuple[Json, ...] = (
    None,
    True,
    0,
    -7,
    1.5,
    2**63,
    "",
    "x",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"x": None},
)
"""Values to put in the place of each one."""


def mutants(response: Response) -> Iterator[Response]:
    """Yield a response with each part left out, replaced, or with the body cut off.

    One without a body (204) gets each wrong value for one.
    """
    body = orjson.loads(response.body or b"null")
    for damaged in _damaged(body):
        yield replace(response, body=orjson.dumps(damaged))
    for end in range(0, len(response.body), 7):
        yield replace(response, body=response.body[:end])


def _damaged(value: Json) -> Iterator[Json]:
    """Yield a value with one fault in it, however deep."""
    yield from _WRONG
    parts = list(value.items()) if isinstance(value, dict) else []
    for name, part in parts:
        yield {key: kept for key, kept in value.items() if key != name}
        yield from ({**value, name: wrong} for wrong in _damaged(part))
    if isinstance(value, list):
        yield [*value, *value]
        for index, part in enumerate(value):
            yield [*value[:index], *value[index + 1 :]]
            yield from (
                [*value[:index], wrong, *value[index + 1 :]] for wrong in _damaged(part)
            )


def rearranged(response: Response) -> Iterator[Response]:
    """Yield a response with each of its lists in the opposite order."""
    for body in _rearranged(orjson.loads(response.body or b"null")):
        yield replace(response, body=orjson.dumps(body))


def _rearranged(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from ({**value, name: other} for other in _rearranged(part))
    if isinstance(value, list) and len(value) > 1:
        yield value[::-1]
