"""Look-ups of many contacts: by id, by a unique property, by phone.

All but the last read the store itself. A search shows late what was just written, and
the contacts that it names are therefore read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from syncengine.vendor import (
    BASE_URL,
    MAX_PAGES,
    Exchange,
    Json,
    MatchKey,
    Remote,
    Request,
    VendorUnavailable,
    digits,
    endless_pages,
    failed_look_up,
    is_full_phone,
    local_spellings,
    may_be_phone_of,
    national_digits,
    parse_reply,
    usual_spellings,
    with_and_without_plus,
)
from syncengine.vendors.hubspot.answers import (
    TOKEN_REFUSED,
    BatchAnswer,
    HubSpotObject,
    HubSpotPage,
    ask,
    not_there,
    parse_batch,
    words,
)
from syncengine.vendors.hubspot.requests import (
    LONGEST_SEARCH,
    PER_SEARCH_PAGE,
    HubSpotRequests,
)
from syncengine.vendors.hubspot.settings import MOST_IN_A_BATCH
from syncengine.vendors.hubspot.views import (
    ContactView,
    emails_of,
    former_ids,
    key_text,
)

_REFUSALS = (400, 404, 409, 422)
"""Statuses of a batch that is refused for one of its ids, perhaps."""
# For paths that name no contact, so that a 404 can only mean the address.
ADDRESS_OR_TOKEN = {**TOKEN_REFUSED, 410: BASE_URL}
_SEARCHABLE = {
    "phone": "hs_searchable_calculated_phone_number",
    "mobilephone": "hs_searchable_calculated_mobile_number",
}
"""Properties in which HubSpot keeps phones for searches, without the country code."""


@dataclass(frozen=True, slots=True)
class LookUps:
    """Reads contacts, and finds them by keys."""

    requests: HubSpotRequests
    view: ContactView
    takes_absence: bool
    """True where a contact is missing if the answer to a batch leaves it out."""

    def by_ids(
        self, ids: Sequence[str], hidden: Sequence[Json] = ()
    ) -> Exchange[Mapping[str, HubSpotObject | None]]:
        """Return the contacts with these ids, None for one that is not there.

        One that was merged is shown under its former id, with its present one in it. An
        id is missing in the result where it was not answered. ``hidden`` are values
        that no message may repeat.
        """
        answers, answered = yield from self._in_parts(ids, None, hidden)
        found: dict[str, HubSpotObject | None] = {}
        for answer in answers:
            found.update(dict.fromkeys(answer.missing() & set(ids)))
        shown = [contact for answer in answers for contact in answer.contacts]
        asked = frozenset(ids)
        for contact in shown:
            present = None if contact.archived else contact
            found.update(dict.fromkeys(asked & set(former_ids(contact)), present))
        # A contact that has an id now counts for more than one that had it.
        for contact in shown:
            if contact.id in asked:
                found[contact.id] = None if contact.archived else contact
        if self.takes_absence:
            for each in answered:
                found.setdefault(each, None)
        return found

    def by_keys(
        self, keys: Sequence[MatchKey]
    ) -> Exchange[Mapping[MatchKey, Sequence[Remote]]]:
        """Return for each key, all of one field, the contacts that have it."""
        if not keys:
            return {}
        if keys[0].field in self.view.phones:
            return (yield from self._by_phones(keys))
        field = keys[0].field
        ids = tuple(key.value for key in keys)
        answers, answered = yield from self._in_parts(ids, field)
        absent = frozenset(answered if self.takes_absence else ())
        missing = {each.lower() for answer in answers for each in answer.missing()}
        shown = [contact for answer in answers for contact in answer.contacts]
        by_text = _by_key_text(shown, field)
        found: dict[MatchKey, Sequence[Remote]] = {}
        for key in keys:
            candidates = by_text.get(key_text(key), ())
            hits = self._hits(key, candidates)
            is_missing = key.value.lower() in missing or key.value in absent
            if hits or is_missing or _are_archived(candidates):
                found[key] = hits
        return found

    def by_key(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        """Return the contacts with a key.

        Raises VendorUnavailable where the answer does not say whether there are any.
        """
        if key.field in self.view.phones:
            found = yield from self._by_phones((key,))
            return found[key]
        request = self.requests.batch_read((key.value,), key.field, self.view.asked)
        answer = yield from self._answer_to(request, (key.value,))
        hits = self._hits(key, answer.contacts)
        if hits or answer.missing() or self.takes_absence:
            return hits
        if _are_archived(answer.contacts):
            return ()
        raise VendorUnavailable(
            f"{request.route}: the answer neither shows the contact nor says that it is "
            "not there",
            maybe_applied=False,
        )

    def _hits(
        self, key: MatchKey, contacts: Iterable[HubSpotObject]
    ) -> Sequence[Remote]:
        """Return those of the contacts that have the key, each once."""
        hits = {
            contact.id: self.view.remote(contact)
            for contact in contacts
            if self.view.has_key(contact, key)
        }
        return tuple(hits.values())

    def _in_parts(
        self, ids: Sequence[str], id_property: str | None, hidden: Sequence[Json] = ()
    ) -> Exchange[tuple[Sequence[BatchAnswer], Sequence[str]]]:
        """Read a batch; where it is refused, in halves, down to the id to blame.

        Returns the answers, and the ids that they answer for: not the one to blame, and
        none that is left over where there are too many such. Raises VendorUnavailable
        where all are refused.
        """
        waiting = [tuple(ids)]
        answers: list[BatchAnswer] = []
        answered: list[str] = []
        # One wrong id costs two requests for each time that the batch can be halved.
        most = 2 * len(ids).bit_length() + 1
        refused: VendorUnavailable | None = None
        for _ in range(most):
            if not waiting:
                break
            part = waiting.pop()
            request = self.requests.batch_read(part, id_property, self.view.asked)
            try:
                answers.append((yield from self._answer_to(request, part, hidden)))
                answered += part
            except VendorUnavailable as error:
                if error.status not in _REFUSALS:
                    raise
                refused = error
                middle = len(part) // 2
                if middle:
                    waiting += (part[middle:], part[:middle])
        if refused is not None and not answers:
            raise refused
        return answers, answered

    def _answer_to(
        self, request: Request, ids: Sequence[str], hidden: Sequence[Json] = ()
    ) -> Exchange[BatchAnswer]:
        """Send a batch of look-ups. Raises VendorUnavailable where it is refused."""
        reply = yield from ask(request, ADDRESS_OR_TOKEN)
        if reply.not_found and len(ids) == 1:
            return BatchAnswer((), (not_there(ids[0]),))
        if not reply.ok:
            sent = (*ids, *hidden)
            raise failed_look_up(request, reply, words(reply.body), sent)
        return parse_batch(request, reply)

    # --- phones -----------------------------------------------------------------------

    def _by_phones(
        self, keys: Sequence[MatchKey]
    ) -> Exchange[Mapping[MatchKey, Sequence[Remote]]]:
        """Search for phones, and read the contacts that the search names."""
        ids: dict[str, None] = {}
        for part in _parts_of_search(keys):
            search = _search_for(part, _spellings)
            hits = yield from self._searched(search, len(part))
            ids.update(dict.fromkeys(hits))
        shown = yield from self._shown(tuple(ids))
        if shown is None:
            if len(keys) == 1:
                raise self._not_shown()
            # Any of the keys may be that of a contact that is not shown.
            return {}
        return {key: self._hits(key, shown) for key in keys}

    def by_similar_phone(self, key: MatchKey) -> Exchange[Sequence[Remote]]:
        """Return the contacts whose phone has the digits of the key's number."""
        search = _search_for((key,), _similar_spellings)
        ids = yield from self._searched(search, 1)
        shown = yield from self._shown(ids)
        if shown is None:
            raise self._not_shown()
        return tuple(
            self.view.remote(contact)
            for contact in shown
            if may_be_phone_of(key, contact.value(key.field))
        )

    def _shown(self, ids: Sequence[str]) -> Exchange[Sequence[HubSpotObject] | None]:
        """Read the contacts that a search names: what it shows may be old.

        Returns None where not all of them were answered for.
        """
        shown: list[HubSpotObject] = []
        is_complete = True
        for start in range(0, len(ids), MOST_IN_A_BATCH):
            part = ids[start : start + MOST_IN_A_BATCH]
            read = yield from self.by_ids(part)
            is_complete = is_complete and len(read) == len(part)
            shown += [contact for contact in read.values() if contact is not None]
        return shown if is_complete else None

    def _not_shown(self) -> VendorUnavailable:
        """Return the failure of a look-up whose hits were not all answered for."""
        route = self.requests.batch_read((), None, ()).route
        return VendorUnavailable(
            f"{route}: the answer neither shows a contact that the search names nor "
            "says that it is not there",
            maybe_applied=False,
        )

    def _searched(
        self, search: Mapping[str, Json], items: int
    ) -> Exchange[Sequence[str]]:
        """Return the ids of the contacts that a search names, from all its pages.

        ``items`` is the number of phones that it is for.
        """
        ids: dict[str, None] = {}
        after = "0"
        for _ in range(MAX_PAGES):
            request = self.requests.search({**search, "after": after}, items)
            reply = yield from ask(request, ADDRESS_OR_TOKEN)
            if not reply.ok:
                sent = (search["filterGroups"],)
                raise failed_look_up(request, reply, words(reply.body), sent)
            page = parse_reply(request, reply, HubSpotPage)
            ids.update(dict.fromkeys(contact.id for contact in page.results))
            if page.cursor is None or page.cursor == after:
                return tuple(ids)
            after = page.cursor
        raise endless_pages(request.route)


def _by_key_text(
    contacts: Iterable[HubSpotObject], field: str
) -> Mapping[str, Sequence[HubSpotObject]]:
    """Return contacts by each value of a property under which they may be found."""
    by_text: dict[str, list[HubSpotObject]] = {}
    for contact in contacts:
        key = MatchKey(field, contact.value(field))
        texts = {key_text(key)}
        if field == "email":
            texts |= emails_of(contact)
        for text in texts:
            by_text.setdefault(text, []).append(contact)
    return by_text


def _are_archived(contacts: Sequence[HubSpotObject]) -> bool:
    return bool(contacts) and all(contact.archived for contact in contacts)


def _parts_of_search(keys: Sequence[MatchKey]) -> Iterator[Sequence[MatchKey]]:
    """Yield the keys in parts, each of which fits into the body of one search."""
    part: list[MatchKey] = []
    for key in keys:
        wider = [*part, key]
        body = {**_search_for(wider, _spellings), "after": "10000"}
        if part and len(orjson.dumps(body)) > LONGEST_SEARCH:
            yield part
            wider = [key]
        part = wider
    if part:
        yield part


def _search_for(
    keys: Sequence[MatchKey], spelled: Callable[[MatchKey], Sequence[str]]
) -> dict[str, Json]:
    """Return the body of a search for contacts with any of these phones.

    ``spelled`` returns the spellings to look for.
    """
    field = keys[0].field
    spellings = dict.fromkeys(each for key in keys for each in spelled(key))
    groups = [_any_of(field, tuple(spellings))]
    searchable = _SEARCHABLE.get(field)
    national = dict.fromkeys(national_digits(digits(key.value)) for key in keys)
    if searchable is not None:
        groups.append(_any_of(searchable, tuple(each for each in national if each)))
    return {
        "filterGroups": groups,
        "properties": [field],
        "limit": PER_SEARCH_PAGE,
    }


def _any_of(field: str, values: Sequence[str]) -> Json:
    """Return the filter of contacts whose property has one of these values."""
    condition = {"propertyName": field, "operator": "IN", "values": list(values)}
    return {"filters": [condition]}


def _spellings(key: MatchKey) -> Sequence[str]:
    if is_full_phone(key.value):
        return usual_spellings(key.value, key.region)
    return with_and_without_plus(key.value)


def _similar_spellings(key: MatchKey) -> Sequence[str]:
    """Return further spellings, which may be numbers of other countries."""
    if not is_full_phone(key.value):
        return _spellings(key)
    return (*usual_spellings(key.value, key.region), *local_spellings(key.value))
