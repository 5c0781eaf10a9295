"""A connection that knows the array types of Postgres itself.

asyncpg asks the server about an array type when a connection first meets it, on each
connection anew. The question costs the server as much as some batches of contacts do,
and one to three round trips. The answer for a type of Postgres itself is the same at
every server: the numbers of these types never change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from types import SimpleNamespace
from typing import Any

import asyncpg

_ELEMENTS = {
    1000: ("_bool", 16),
    1001: ("_bytea", 17),
    1005: ("_int2", 21),
    1007: ("_int4", 23),
    1016: ("_int8", 20),
    1022: ("_float8", 701),
    1028: ("_oid", 26),
    1185: ("_timestamptz", 1184),
    3807: ("_jsonb", 3802),
}
"""The arrays in our statements: number, name, and the number of the elements' type."""
_NOT_ASKED = SimpleNamespace(name="none")
"""In place of the statement that asked. asyncpg looks only whether it has a name:
one without would have taken the place of the statement that is being prepared."""


def _described(number: int) -> Mapping[str, Any]:
    """Return what the server says of a type, in asyncpg's words for it."""
    name, elements = _ELEMENTS[number]
    # None is what an array has everywhere else, and where a younger asyncpg looks.
    return defaultdict(
        lambda: None,
        oid=number,
        ns="pg_catalog",
        name=name,
        kind=b"b",
        elemtype=elements,
        elemdelim=b",",
    )


class ConnectionWithArrays(asyncpg.Connection):
    """A connection that asks the server about other types only."""

    async def _introspect_types(
        self,
        typeoids: Collection[int],
        timeout: float | None,  # noqa: ASYNC109 - the name is asyncpg's
    ) -> tuple[Collection[Mapping[str, Any]], Any]:
        """Return the types with these numbers, and the statement that asked for them.

        asyncpg calls it with what it does not know yet.
        """
        if _ELEMENTS.keys() >= set(typeoids):
            return [_described(number) for number in typeoids], _NOT_ASKED
        found: tuple[Collection[Mapping[str, Any]], Any]
        # asyncpg-stubs leaves out what is not public.
        found = await super()._introspect_types(  # type: ignore[misc]
            typeoids, timeout
        )
        return found
