"""Refusals: what they have in common, and counts of them.

Each refusal by the vendor is counted twice:

- Per contact: after three refusals of the same version of its row it becomes a *dead
  letter* and is left alone (``count_refusal``).
- Per account: a *streak* of refused contacts with none accepted between them says
  nothing about the contacts. The configuration is to blame, so the account is halted
  and nothing is counted against the contacts (``RefusalStreak``).

Refusals *alike* have the same code, status and words, the values in the words left out,
and are about the same fields, where the vendor names some (``common_refusal``). Where
three contacts were refused alike, the cause is not the contacts either. They form a
refusal group: the next runs try one of them as a probe, and all the others only once it
is accepted.
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
"""What stands in a message where a contact's value was."""
# Quotes: straight ones around whole words (not the apostrophe of "doesn't"), English
# ones, German ones, single curly ones, and French ones.
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
"""Stands for the version of a row that left the source, which has no hash."""


def common_refusal(refusal: Rejected) -> Refusal | None:
    """Return what a refusal has in common with others for the same cause.

    None for refusals of our own check, and for those that are about one contact alone.
    """
    if not refusal.by_vendor or refusal.code in _ABOUT_ONE:
        return None
    common_words = " ".join(words(refusal.words or refusal.message))
    common = f"{refusal.code}\n{refusal.status or 0}\n{common_words}"
    if refusal.fields:
        # In the words, names stand in quotes, as values do, and are not compared.
        common += "\n" + "\n".join(sorted(refusal.fields))
    return Refusal(_fingerprint(common), refusal.code)


def common_refusal_of_dropped(dropped: Sequence[Unsupported]) -> Refusal | None:
    """Return what contacts have in common of which the vendor did not take the same.

    That is the names of the fields and tags. None where it took every value. A field
    that was not emptied is no reason to try again: nothing defined there later makes
    the vendor empty it.
    """
    values = [each for each in dropped if each.code != "clear_field"]
    if not values:
        return None
    names: set[str] = set()
    for each in values:
        kind = "tag" if "tag" in each.code else "field"
        names.add(f"{kind} {each.subject}")
    common = "\n".join(("dropped", *sorted(names)))
    return Refusal(_fingerprint(common), values[0].code)


def dropped_with(
    fingerprint: int,
    unsupported: Sequence[Unsupported],
) -> Sequence[Unsupported]:
    """Return what the vendor did not take of all contacts with this fingerprint.

    ``unsupported`` is all that was not done of one of them: first what was never sent,
    then what was sent in vain. Where the second begins is not stored, so the end is
    tried from each start. Empty where no end has the fingerprint.
    """
    for start in range(len(unsupported)):
        dropped = unsupported[start:]
        common = common_refusal_of_dropped(dropped)
        if common is not None and common.fingerprint == fingerprint:
            return dropped
    return ()


def _fingerprint(common: str) -> int:
    """Return a hash of what refusals have in common, as a bigint of Postgres."""
    digest = blake2b(common.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def words(message: str) -> list[str]:
    """Return the words of a message that are the same for every contact.

    Left out are quoted texts, addresses, and words with a digit: numbers, dates, ids.
    """
    message = _CLEANED_AWAY.sub(" ", message)
    is_json = message.lstrip().startswith(("{", "["))
    # In JSON everything is quoted, values and constant words alike.
    if not is_json:
        message = _QUOTED.sub(" ", message)
    message = _ADDRESS.sub(" ", message)
    found = [word.casefold() for word in _WORD.findall(message)]
    constant = [word for word in found if not _DIGIT.search(word)]
    return constant[:_COMPARED]


def is_refused_version(state: ContactState, source_hash: int | None) -> bool:
    """Return whether this version of the row, or the removal, was refused before."""
    return state.rejected_hash == version(source_hash)


def is_tried_version(state: ContactState, source_hash: int | None) -> bool:
    """Return whether this version was refused before, or not taken as a whole."""
    if state.status is Status.SYNCED and state.source_hash == source_hash:
        # The vendor did not take all of it, or the contact would not be asked about.
        return True
    return is_refused_version(state, source_hash)


def version(source_hash: int | None) -> int:
    """Return the version a refusal is counted for.

    It stands for a version of the row, or for the removal of the contact.
    """
    return _REMOVAL if source_hash is None else source_hash


def count_refusal(state: ContactState, source_hash: int | None) -> tuple[Status, int]:
    """Return status and number of refusals after one more of this version."""
    # A new version of the row begins anew.
    before = state.rejections if is_refused_version(state, source_hash) else 0
    rejections = min(before + 1, DEAD_AFTER)
    if rejections >= DEAD_AFTER:
        return Status.DEAD, rejections
    return Status.REJECTED, rejections


def weight(state: ContactState, source_hash: int | None) -> int:
    """Return the weight of one more refusal of this version in a streak of them.

    1 where it is news, 0 where it was counted for the contact before. A version that
    was refused before without being counted, because the streak halted the account,
    suggests bad rows next to each other: -1, so that contacts refused night after night
    let twice as many through each time, and never stop an account at the same place for
    good.
    """
    if not is_refused_version(state, source_hash):
        return 1
    if state.rejections > 0:
        return 0
    return -1


@dataclass(slots=True)
class RefusalStreak:
    """The refusals of a run since a contact was last accepted.

    Before any was accepted, refusals of all codes are one streak: configuration. Later
    each code is a streak of its own: something has changed since.
    """

    standing: Mapping[str, int] = field(default_factory=dict)
    """Contacts by code that are left alone since they were refused for one cause: twice
    as many more are let through before the account is halted. It then takes few nights
    until all contacts that are refused for it are left alone."""
    accepted: bool = False
    """True where any contact was accepted in this run."""
    tripped: bool = False
    """True where the account is to be halted; refusals do not count for contacts any
    more."""
    _weights: Counter[str] = field(default_factory=Counter)
    """Sum of the weights of the refusals, by code."""
    _not_counted_before: int = 0
    """Number of refused contacts for which no refusal was counted before."""

    def accept(self) -> None:
        """End the streak: a contact was accepted.

        The contacts refused before it were refused for reasons of their own.
        """
        self.accepted = True
        self._weights.clear()
        self._not_counted_before = 0

    def refuse(self, code: str, weighs: int) -> bool:
        """Count a refusal (see ``weight``); return whether to halt the account."""
        self._weights[code] += weighs
        if weighs != 0:
            self._not_counted_before += 1
        codes = {code} if self.accepted else self._weights.keys()
        streak = sum(self._weights[each] for each in codes)
        # Contacts that are left alone were refused for the same cause before: twice as
        # many more of them say nothing new.
        left_alone = sum(self.standing.get(each, 0) for each in codes)
        if streak >= IN_A_ROW + 2 * left_alone:
            self.tripped = True
        return self.tripped

    def end(self) -> bool:
        """End the run; return whether to halt the account.

        A run in which nobody was accepted is one streak, whoever is left alone.
        """
        if not self.accepted and self._not_counted_before >= IN_A_ROW:
            self.tripped = True
        return self.tripped
