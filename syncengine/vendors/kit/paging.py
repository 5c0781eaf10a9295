"""Lists that come in pages, each with the cursor of the next; and a first harmless look-up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.contact import Page, Remote
from syncengine.model.http import Exchange, Request
from syncengine.vendors.kit.answers import BASE_URL, Shape, judge, shaped
from syncengine.vendors.kit.looking import Judging

MOST_PAGES = 100
"""Most pages that one look-up reads."""


def probed(
    request: Request,
    halts: Mapping[int, str],
    shape: type[Shape],
    judging: Judging = judge,
) -> Exchange[bool]:
    """Return True if a harmless request shows that the credentials are good.

    Else raises VendorHalted.
    """
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
    route: str,
    page: Callable[[str | None], Exchange[Page]],
    is_hit: Callable[[Remote], bool],
) -> Exchange[Sequence[Remote]]:
    """Return the contacts that match, each once, from the first page to the last.

    A page that names itself as the next one is the last. Raises VendorUnavailable for
    pages that lead in a circle or do not end.
    """
    hits: dict[str, Remote] = {}
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MOST_PAGES):
        found = yield from page(cursor)
        hits.update(
            (remote.external_id, remote) for remote in found.contacts if is_hit(remote)
        )
        if found.cursor is None or found.cursor == cursor:
            return tuple(hits.values())
        cursor = found.cursor
        if cursor in seen:
            break
        seen.add(cursor)
    raise endless(route)


def endless(route: str) -> VendorUnavailable:
    """Return the failure of a look-up whose pages do not end."""
    return VendorUnavailable(
        f"{route}: the vendor's pages do not end: they lead in a circle, or go on after the {MOST_PAGES}th",
        maybe_applied=False,
    )
