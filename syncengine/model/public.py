"""Public objects: what ``--json`` prints of a report and of its parts."""

from __future__ import annotations

from typing import Protocol

from syncengine.model.http import Json


class HasPublic(Protocol):
    """Part of a report that is an object of its own for programs."""

    def public(self) -> dict[str, Json]: ...


def public_or_none(part: HasPublic | None) -> dict[str, Json] | None:
    """Return the public object of a part; None where there is no such part."""
    return None if part is None else part.public()
