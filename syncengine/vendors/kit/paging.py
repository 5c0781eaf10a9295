"""Lists that come in pages, each with the cursor of the next; and a first harmless look-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from syncengine.errors import VendorHalted
from syncengine.model.contact import Page, Remote
from syncengine.model.http import Exchange, Request
from syncengine.vendors.kit.answers import BASE_URL, Shape, judge, shaped
from syncengine.vendors.kit.looking import Judging


def probed(request: Request, halts: Mapping[int, str], shape: type[Shape], judging: Judging = judge) -> Exchange[bool]:
    """Whether the credentials are good, by a request that harms nobody: True, or VendorHalted is raised."""
    reply = judging(request, (yield request), halts)
    if not reply.ok:
        raise VendorHalted(
            f"{request.route}: the vendor refuses even a harmless look-up (status {reply.status}); check {BASE_URL}, "
            "and what the credentials are allowed to do",
            setting=BASE_URL,
        )
    shaped(request, reply, shape)
    return True


def every_hit(
    page: Callable[[str | None], Exchange[Page]], is_hit: Callable[[Remote], bool]
) -> Exchange[Sequence[Remote]]:
    """The contacts that are meant, each once, from the first page to the last; one that leads to itself is the last."""
    hits: dict[str, Remote] = {}
    cursor: str | None = None
    while True:
        found = yield from page(cursor)
        hits.update((remote.external_id, remote) for remote in found.contacts if is_hit(remote))
        if found.cursor is None or found.cursor == cursor:
            return tuple(hits.values())
        cursor = found.cursor
