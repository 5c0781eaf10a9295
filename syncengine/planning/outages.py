"""Detection of outages and of their kind, from answers that judge no contact.

A request that brings no judgement defers its contact and costs it nothing. Ten contacts
in a row without one are an outage: the account is halted for this run, with a message
that says what came instead and where to look.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

TRIPS_AFTER = 10
"""Number of contacts in a row that the vendor did not judge."""


class Trouble(StrEnum):
    """Kind of answer that came instead of a judgement."""

    SILENCE = "no answer"
    ERROR = "an error of the vendor's own"
    UNREADABLE = "an answer that cannot be read"
    EVASION = "an answer that judges nobody"


# Questions for the person on call, by the most frequent kind of answer.
_LOOK_AT = {
    Trouble.SILENCE: (
        "is the vendor down, settings.base_url wrong, or this machine cut off"
    ),
    Trouble.ERROR: "does the vendor tell of an outage",
    Trouble.UNREADABLE: (
        "does something between here and the API answer in its place, such as a proxy "
        "or a login page"
    ),
    Trouble.EVASION: (
        "may the key in settings still read contacts, does the vendor know the fields "
        "of match_on, and are their values such as it can have"
    ),
}


def trouble_of(status: int | None) -> Trouble:
    """Return the kind of a failure from the answer's status (None: no answer)."""
    if status is None:
        return Trouble.SILENCE
    if 200 <= status < 300:
        return Trouble.UNREADABLE
    is_refusal = 400 <= status < 500
    # 408 is the vendor's own timeout, although it is numbered among the refusals.
    if is_refusal and status != 408:
        return Trouble.EVASION
    return Trouble.ERROR


@dataclass(slots=True)
class Outage:
    """The contacts in a row that the vendor did not judge."""

    _kinds: Counter[Trouble] = field(default_factory=Counter)
    """Their number, by the kind of answer."""

    def add(self, status: int | None) -> bool:
        """Count one more; return whether this makes it an outage."""
        self._kinds[trouble_of(status)] += 1
        return self._kinds.total() == TRIPS_AFTER

    def end(self) -> None:
        """End the outage: the vendor judged a contact."""
        self._kinds.clear()

    def describe(self) -> str:
        """Return what came instead of judgements, and where to look."""
        kinds = self._kinds.most_common()
        answers = ", ".join(f"{kind.value} ({times} times)" for kind, times in kinds)
        most_frequent, _ = kinds[0]
        return f"{answers}; {_LOOK_AT[most_frequent]}?"
