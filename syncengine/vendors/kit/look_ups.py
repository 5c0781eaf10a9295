"""Look contacts up: one request, a harmless probe, or all pages of a list.

A look-up must not be wrong about "no such contact": the create that follows would make
a duplicate. So everything but a plain answer is raised, and the contact is tried again
another time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.contact import Page, Remote
from syncengine.model.http import Exchange, Json, Request
from syncengine.vendors.kit.refusals import failed_look_up
from syncengine.vendors.kit.replies import (
    BASE_URL,
    Judge,
    Reply,
    ReplyModel,
    judge,
    parse_reply,
)

MAX_PAGES = 100
"""Pages that one look-up reads at most. A look-up by a match key has one or two."""

_T = TypeVar("_T")


def probe_with(
    request: Request,
    halts: Mapping[int, str],
    model: type[ReplyModel],
    judging: Judge = judge,
) -> Exchange[bool]:
    """Return True if a harmless request shows that the credentials are good.

    Raises VendorHalted if they are not. ``halts`` and ``judging`` are those of
    ``judge``, ``model`` is the shape of a good answer.
    """
    response = yield request
    reply = judging(request, response, halts)
    if not reply.ok:
        raise VendorHalted(
            f"{request.route}: the vendor refuses even a harmless look-up "
            f"(status {reply.status}); check {BASE_URL}, and what the credentials "
            "are allowed to do",
            setting=BASE_URL,
        )
    parse_reply(request, reply, model)
    return True


def look_up(
    request: Request,
    halts: Mapping[int, str],
    words_in: Callable[[Json], str],
    sent: Iterable[Json] = (),
    judging: Judge = judge,
) -> Exchange[Reply | None]:
    """Return the reply to a look-up; None where the vendor has no such record.

    ``words_in`` finds the vendor's message in the body of a refusal, and ``sent`` is
    what must not be repeated in it; ``halts`` and ``judging`` are those of ``judge``.
    Raises VendorUnavailable where the vendor refuses
    the look-up, and what ``judge`` raises.
    """
    response = yield request
    reply = judging(request, response, halts)
    if reply.not_found:
        return None
    if not reply.ok:
        raise failed_look_up(request, reply, words_in(reply.body), sent)
    return reply


def none_if_refused(
    asking: Exchange[_T], refusals: tuple[int, ...] = (400, 409, 422)
) -> Exchange[_T | None]:
    """Return the result of a look-up that only helps; None where it is refused.

    For look-ups that a vendor may not take at all, such as one by an odd spelling of a
    phone. ``refusals`` are the statuses of such an answer. Everything else is raised.
    """
    try:
        return (yield from asking)
    except VendorUnavailable as error:
        if error.status in refusals:
            return None
        raise


def collect_hits(
    route: str,
    read_page: Callable[[str | None], Exchange[Page]],
    is_hit: Callable[[Remote], bool],
) -> Exchange[Sequence[Remote]]:
    """Return the contacts that match, each once, from the first page to the last.

    ``route`` names the list in messages. ``read_page`` takes a cursor (None: the first
    page). Raises VendorUnavailable for pages that lead in a circle or do not end.
    """
    # By id: rows move between pages while others write.
    hits: dict[str, Remote] = {}
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(MAX_PAGES):
        page = yield from read_page(cursor)
        for remote in page.contacts:
            if is_hit(remote):
                hits[remote.external_id] = remote
        # Some vendors name the last page as its own successor.
        if page.cursor is None or page.cursor == cursor:
            return tuple(hits.values())
        cursor = page.cursor
        if cursor in seen:
            break
        seen.add(cursor)
    raise endless_pages(route)


def endless_pages(route: str) -> VendorUnavailable:
    """Return the failure of a look-up whose pages do not end."""
    return VendorUnavailable(
        f"{route}: the vendor's pages do not end: they lead in a circle, "
        f"or go on after page {MAX_PAGES}",
        maybe_applied=False,
    )
