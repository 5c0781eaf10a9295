"""The expected results at respond.io of each run over a town's table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from tests.support.town_nights import Row
from tests.support.town_oracle import (
    Contact,
    Contents,
    Copy,
    Expected,
    Fate,
    Oracle,
    RemoteContent,
    Ways,
    calls,
    e164,
    tags_of,
)

PHONE_SPELLINGS = 4
"""Spellings that a phone is looked up in: with +, with 00, with neither, national."""


class RespondIo(Oracle):
    """The expected contents of respond.io v1.

    It takes a look-up and a create of 30 fields, updates of 30 fields and tag calls of
    10 tags. It deletes no contact.
    """

    NAMES: ClassVar[Mapping[str, str]] = {
        "id": "crm_id",
        "first_name": "firstName",
        "last_name": "lastName",
    }

    def __init__(self, ways: Ways) -> None:
        super().__init__(ways)
        self.copies: list[Copy] = []
        self.after_removals: list[Copy] = []
        """The copies as they were when all removals were through."""

    def put_by_hand(self, fields: Mapping[str, str], tags: Iterable[str]) -> None:
        self.copies.append(Copy(dict(fields), set(tags)))

    def wanted(self, row: Row) -> dict[str, str | None]:
        """Return the fields by their names there, as text; None is to be cleared."""
        values = {**row, "phone": e164(row["phone"])}
        if "email" in self.ways.match_on:
            values["email"] = (row["email"] or "").strip().lower() or None
        named = {
            self.NAMES.get(name, name): as_text(value)
            for name, value in values.items()
            if name != "tags"
        }
        return {
            name: value
            for name, value in named.items()
            if value is not None or self.ways.clears
        }

    def keys(self, row: Row) -> list[tuple[str, str]]:
        if self.ways.match_on == ("id",):
            return [("crm_id", str(row["id"]))]
        wanted = self.wanted(row)
        names = [self.NAMES.get(name, name) for name in self.ways.match_on]
        keys: list[tuple[str, str]] = []
        for name in names:
            value = wanted.get(name)
            if value:
                keys.append((name, value))
        return keys

    def _remove(self, each: int, it: Contact, expected: Expected) -> None:
        if it.copy is not None and self.ways.on_removed == "delete":
            expected.fates[each] = Fate("unsupported", "", frozenset({("delete", "")}))
        if it.copy is not None and self.ways.on_removed == "untag" and it.tags:
            self.copies[it.copy].tags -= it.tags
            expected.spend(calls(len(it.tags), 10))
            expected.fates[each] = Fate("applied")
            it.tags = set()
        self._settle(it, "removed", None)

    def _bring(self, each: int, it: Contact, row: Row, expected: Expected) -> None:
        looks_up = it.copy is None and self.ways.find_first
        if looks_up and not self._find(each, it, row, expected):
            return
        wanted, tags = self.wanted(row), tags_of(row, self.ways.prefix)
        if it.copy is None:
            it.copy = len(self.copies)
            self.copies.append(Copy())
        changed = {
            name: value
            for name, value in wanted.items()
            if it.known.get(name, "") != (value or "")
        }
        more, less = tags - it.tags - it.found_tags, it.tags - tags
        requests = calls(len(changed), 30) + calls(len(more), 10) + calls(len(less), 10)
        expected.spend(requests)
        if requests:
            expected.fates[each] = Fate("applied")
        copy = self.copies[it.copy]
        copy.fields |= {name: value or "" for name, value in changed.items()}
        copy.tags = (copy.tags | more) - less
        it.known = {
            name: value for name, value in {**it.known, **changed}.items() if value
        }
        it.tags = (it.tags | more) - less
        self._settle(it, "synced", row)

    def _find(self, each: int, it: Contact, row: Row, expected: Expected) -> bool:
        """Look a contact up, and take over what is found.

        Returns False when that ends its attempt.
        """
        cost, hits = self._look_up(row, self.copies)
        expected.spend(cost)
        # If it comes before those that let go of keys, it finds one of them, and looks
        # up once more.
        earlier_cost, earlier_hits = self._look_up(row, self.after_removals)
        if earlier_hits != hits:
            expected.most += earlier_cost
        owners = [
            other
            for other, its in sorted(self.contacts.items())
            if its.copy in hits and its.status != "removed"
        ]
        if len(hits) - len(owners) > 1:
            self._reject(each, it, row, "ambiguous_match", expected)
            return False
        if owners:
            if it.waits_for is None or it.refused != row:
                # It waits for the owner to let go, and looks again at the end.
                expected.spend(cost)
            self._wait(each, it, row, min(owners, key=str), expected)
            return False
        if not hits:
            return True
        (number,) = hits
        owner = next(
            (other for other in self.contacts.values() if other.copy == number), None
        )
        self._take_over(it, number, row, owner)
        return True

    def state_of(self, it: Contact) -> Any:
        names = [self.NAMES.get(name, name) for name in self.ways.match_on]
        return it.copy, it.status == "removed", [it.known.get(name) for name in names]

    def _look_up(self, row: Row, copies: Sequence[Copy]) -> tuple[int, list[int]]:
        """Return the requests of a look-up, and the copies that it finds.

        The first match key that any copy has decides.
        """
        cost = 0
        for name, value in self.keys(row):
            cost += PHONE_SPELLINGS if name == "phone" else 1
            hits = [
                number
                for number, copy in enumerate(copies)
                if same(name, value, copy.fields.get(name))
            ]
            if hits:
                return cost, hits
        return cost, []

    def _after_removals(self) -> None:
        self.after_removals = [Copy(dict(copy.fields)) for copy in self.copies]

    def _take_over(
        self, it: Contact, number: int, row: Row, owner: Contact | None
    ) -> None:
        """Take over a copy, from another contact or from nobody."""
        copy = self.copies[number]
        inherited: set[str] = set()
        if owner:
            inherited = owner.tags & copy.tags
            owner.copy, owner.known = None, {}
            owner.tags, owner.found_tags = set(), set()
        it.copy, it.tags = number, inherited
        it.found_tags = copy.tags - inherited
        wanted = self.wanted(row)
        known = {name: copy.fields[name] for name in wanted if name in copy.fields}
        if "phone" in known and same("phone", wanted["phone"], known["phone"]):
            # The same number in another spelling is not sent again.
            known["phone"] = wanted["phone"] or ""
        it.known = {name: value for name, value in known.items() if value}

    def contents(self) -> Contents:
        owners = {
            it.copy: each for each, it in self.contacts.items() if it.copy is not None
        }
        ours: dict[int, RemoteContent] = {}
        others: list[RemoteContent] = []
        for number, copy in enumerate(self.copies):
            fields = {name: value for name, value in copy.fields.items() if value}
            if number in owners:
                ours[owners[number]] = (fields, copy.tags)
            else:
                others.append((fields, copy.tags))
        return ours, others


def as_text(value: Any) -> str | None:
    """Return a value as respond.io keeps it."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def same(name: str, ours: str | None, theirs: str | None) -> bool:
    """Return whether two values of a field are the same.

    respond.io keeps phones with and without their plus.
    """
    if not ours or not theirs:
        return False
    if name == "phone":
        return ours.removeprefix("+") == theirs.removeprefix("+")
    return ours == theirs
