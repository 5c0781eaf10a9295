"""Refusals: what they have in common, and counts of them.

They count towards the dead letter, and in rows that halt the account. A row of refusals
without an acceptance is no news about the contacts, and neither are three contacts that
are refused alike.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from syncengine.model.calls import Rejected, Unsupported
from syncengine.model.work import ContactState, Refusal, Status

DEAD_AFTER = 3
"""Refusals of the same source hash that make a dead letter."""
ALIKE = 3
"""Number of contacts refused alike from which on the cause is not the contacts."""
_ABOUT_ONE = frozenset({"not_found", "other_id"})
"""Codes of refusals that are about one contact, whatever the words."""
_COMPARED = 25
"""Words of a message that are compared: a long one is cut off at its end, and where
depends on the values that were in it."""
_CLEANED_AWAY = re.compile(r"\[\.\.\.\]")
_QUOTED = re.compile(
    r"""(?<!\w)(?:"[^"]*"|'[^']*'|`[^`]*`)(?!\w)"""
    r"""|\u201c[^\u201d]*\u201d|\u201e[^\u201c]*\u201c"""
    r"""|\u2018[^\u2019]*\u2019|\xab[^\xbb]*\xbb"""
)
_ADDRESS = re.compile(r"\S*(?:@|://)\S+")
_WORD = re.compile(r"\w+(?:[.\-]\w+)*")
_DIGIT = re.compile(r"\d")
IN_A_ROW = 20
"""Number of refused contacts, none accepted between them, from which on the cause is
not the contacts."""
_REMOVAL = 0
"""Version of a row that left the source."""


def common_refusal(refusal: Rejected) -> Refusal | None:
    """Return what a refusal has in common with others for the same cause.

    None for refusals of our own check, and for those that are about one contact alone.
    """
    if not refusal.by_vendor or refusal.code in _ABOUT_ONE:
        return None
    said = " ".join(words(refusal.words or refusal.message))
    alike = f"{refusal.code}\n{refusal.status or 0}\n{said}"
    return Refusal(_fingerprint(alike), refusal.code)


def common_refusal_of_dropped(dropped: Sequence[Unsupported]) -> Refusal | None:
    """Return what contacts have in common of which the vendor did not take the same.

    That is the names of the fields and tags. None where it took every value. A field
    that was not emptied is no reason to try again: nothing defined there later makes
    the vendor empty it.
    """
    values = [each for each in dropped if each.code != "clear_field"]
    if not values:
        return None
    names = sorted(
        {("tag " if "tag" in each.code else "field ") + each.subject for each in values}
    )
    return Refusal(_fingerprint("\n".join(("dropped", *names))), values[0].code)


def dropped_with(
    fingerprint: int,
    unsupported: Sequence[Unsupported],
) -> Sequence[Unsupported]:
    """Return what the vendor did not take of all contacts with this fingerprint.

    ``unsupported`` is all that was not done of one of them; what was sent in vain
    stands at its end. Empty where it is not among that.
    """
    for start in range(len(unsupported)):
        dropped = unsupported[start:]
        alike = common_refusal_of_dropped(dropped)
        if alike is not None and alike.fingerprint == fingerprint:
            return dropped
    return ()


def _fingerprint(alike: str) -> int:
    digest = blake2b(alike.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def words(said: str) -> list[str]:
    """Return the words of a message that are the same for every contact.

    Without what is quoted, addresses, and whatever has a digit: numbers, dates, ids. In
    JSON, quotes are no sign of that.
    """
    said = _CLEANED_AWAY.sub(" ", said)
    if not said.lstrip().startswith(("{", "[")):
        said = _QUOTED.sub(" ", said)
    said = _ADDRESS.sub(" ", said)
    found = (word.casefold() for word in _WORD.findall(said))
    return [word for word in found if not _DIGIT.search(word)][:_COMPARED]


def is_refused_version(state: ContactState, source_hash: int | None) -> bool:
    """Return whether this version of the row, or the removal, was refused before."""
    return state.rejected_hash == version(source_hash)


def is_tried_version(state: ContactState, source_hash: int | None) -> bool:
    """Return whether this version was refused before, or not taken as a whole."""
    is_taken_in_part = (
        state.status is Status.SYNCED and state.source_hash == source_hash
    )
    return is_taken_in_part or is_refused_version(state, source_hash)


def version(source_hash: int | None) -> int:
    """Return the version a refusal is counted for.

    It stands for a version of the row, or for the removal of the contact.
    """
    return _REMOVAL if source_hash is None else source_hash


def count_refusal(state: ContactState, source_hash: int | None) -> tuple[Status, int]:
    """Return status and number of refusals after one more of this version."""
    again = state.rejections if state.rejected_hash == version(source_hash) else 0
    rejections = min(again + 1, DEAD_AFTER)
    return (Status.DEAD if rejections >= DEAD_AFTER else Status.REJECTED), rejections


def weight(state: ContactState, source_hash: int | None) -> int:
    """Return the weight of one more refusal of this version in a row of them.

    1 where it is news, 0 where it was counted for the contact before. A version that
    was refused before without being counted suggests bad rows that stand next to each
    other: -1, so that contacts refused night after night let twice as many through each
    time, and never stop an account at the same place for good.
    """
    if state.rejected_hash != version(source_hash):
        return 1
    return 0 if state.rejections else -1


@dataclass(slots=True)
class RefusalStreak:
    """The refusals of a run since a contact was last accepted.

    Before any was, all kinds are one row: configuration. Later each code is a row of
    its own: something has changed since.
    """

    standing: Mapping[str, int] = field(default_factory=dict)
    """Contacts by code that stand since they were refused alike: twice as many more are
    let through before the account is halted. It then takes few nights until all that
    are refused for one cause stand."""
    accepted: bool = False
    """True where any contact was accepted in this run."""
    tripped: bool = False
    """True where the account is to be halted; refusals do not count for contacts any
    more."""
    _weights: Counter[str] = field(default_factory=Counter)
    _untold: int = 0
    """Number of refused contacts for which no refusal was counted before."""

    def accept(self) -> None:
        """End the row: a contact was accepted.

        The contacts refused before it were so for reasons of their own.
        """
        self.accepted = True
        self._weights.clear()
        self._untold = 0

    def refuse(self, code: str, weighs: int) -> bool:
        """Count a refusal (see ``weight``); return whether to halt the account."""
        self._weights[code] += weighs
        self._untold += weighs != 0
        codes = {code} if self.accepted else self._weights.keys()
        row = sum(self._weights[each] for each in codes)
        allowed = 2 * sum(self.standing.get(each, 0) for each in codes)
        self.tripped = self.tripped or row >= IN_A_ROW + allowed
        return self.tripped

    def end(self) -> bool:
        """End the run; return whether all of it was one row."""
        self.tripped = self.tripped or (not self.accepted and self._untold >= IN_A_ROW)
        return self.tripped
