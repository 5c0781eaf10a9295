"""Contacts of a run that wait for values which others have at the vendor."""

from __future__ import annotations

from syncengine.planning.attempt.rules import Rules
from syncengine.planning.rings import ValueWait, fields_to_release


class ValueWaits:
    """The waits for values among the contacts of one destination's run.

    They are kept in memory: after a crash the contacts ask for their values again, and
    wait again. A contact that is no part of the run closes no ring, since nobody knows
    what its row asks for, and when.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._waits: dict[str, ValueWait] = {}
        """By waiting contact, as ``destination/contact_id``."""
        self._asked: set[tuple[str, str]] = set()
        """Contacts that were asked to let go, each with the field."""

    def begin(self, contact_id: str) -> None:
        """Forget what a contact waited for, since it is tried anew."""
        self._waits.pop(self._name(contact_id), None)

    def note(self, contact_id: str, wait: ValueWait) -> tuple[str, ...]:
        """Note a wait; return the fields in which the contact has to let go.

        Each once in a run: where the vendor keeps the value all the same, those of the
        ring would be asked in turn for ever.
        """
        waiter = self._name(contact_id)
        self._waits[waiter] = wait
        names = fields_to_release(waiter, self._waits, self._rules.same)
        asked = {(waiter, name) for name in names}
        if not asked.isdisjoint(self._asked):
            return ()
        self._asked |= asked
        return names

    def _name(self, contact_id: str) -> str:
        return f"{self._rules.destination}/{contact_id}"
