"""Tell a vendor's own "no such contact" from an address that leads nowhere.

Both are a 404. Taken for the first, the second would have every contact counted as
deleted at the vendor. The words decide: "Contact not found" is about a record, "Cannot
GET /v2/contacts" is about the address, and a bare "Not found" could be either, so that
it does not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from syncengine.model.http import Json

NOT_FOUND_STATUSES = (404, 410)
"""Statuses of a missing contact, if the vendor's own words say so. Otherwise it is the
requested address that does not exist."""

_TEXT_NAMES = ("message", "msg", "error", "errors", "error_details", "description")
"""Fields of a refusal that hold its words."""
_EMPTY_PHRASES = {
    404: ("", "not found", "request failed", "error"),
    410: ("", "gone", "request failed", "error"),
}
"""Phrases that only repeat the status; routers and vendors both use them."""
_NOT_A_LETTER = re.compile(r"[\W\d_]+")
# These say that there is no such endpoint, whatever else is said.
_ENDPOINT_WORDS = re.compile(
    r"\b(routes?|url|uri|endpoint|static resource|cannot (get|post|put|patch|delete)|"
    r"missing authentication token|not defined by this api)\b",
)
# These name what a vendor may have no record of.
_RECORD_WORDS = re.compile(
    r"\b(contacts?|persons?|people|customers?|leads?|members?|users?|lists?|tags?|"
    r"lifecycle|data.?sources?|fields?)\b",
)
# These speak of an address, unless a record is named beside them.
_PLACE_WORDS = re.compile(
    r"\b(resource|method|page|path|host|domain|deployment|tenant|upstream|api)\b"
)


def speaks_of_a_record(status: int, body: Json) -> bool:
    """Return whether the body of a 404 is the vendor's own, about some record.

    It is then an object with a message. A page, an empty answer, or the words that
    gateways and routers have for an address without an endpoint say nothing about a
    contact: a moved API would answer every contact so.
    """
    if not isinstance(body, Mapping):
        return False
    # What is said beyond the status itself.
    phrases = []
    for said in _texts(body):
        # Routers repeat the requested path, and the word "contacts" stands in it. Taken
        # word by word: a pattern such as \S*/\S* needs hours for a megabyte of letters.
        plain_words = [word for word in said.casefold().split() if "/" not in word]
        phrase = " ".join(plain_words)
        letters = _NOT_A_LETTER.sub(" ", phrase).strip()
        if letters not in _EMPTY_PHRASES[status]:
            phrases.append(phrase)
    words = "; ".join(phrases)
    if _ENDPOINT_WORDS.search(words):
        return False
    if _RECORD_WORDS.search(words):
        return True
    # Words of an unknown kind are the vendor's own. No words at all are not.
    return words != "" and _PLACE_WORDS.search(words) is None


def _texts(value: Json) -> Iterator[str]:
    """Yield the texts of a refusal, however deep in it they are."""
    match value:
        case str():
            yield value
        case dict():
            for name in _TEXT_NAMES:
                yield from _texts(value.get(name))
        case list():
            for part in value:
                yield from _texts(part)
