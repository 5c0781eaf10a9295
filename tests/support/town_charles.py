"""The expected results at charles of each run over a town's table."""

from __future__ import annotations

from collections.abc import Mapping
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
    e164,
    tags_of,
)


class Charles(Oracle):
    """The expected contents of charles.

    It takes one upsert a contact. Tags, phones and e-mails only grow, and nothing is
    cleared.
    """

    NAMES: ClassVar[Mapping[str, str]] = {
        "first_name": "first_name",
        "last_name": "last_name",
        "phone": "phone_numbers.mobile",
        "email": "email_addresses.main",
    }
    GROWS = ("phone_numbers.mobile", "email_addresses.main")

    def __init__(self, ways: Ways) -> None:
        super().__init__(ways)
        self.people: dict[str, Copy] = {}

    def keys(self, row: Row) -> list[tuple[str, str]]:
        return [("key", str(row["id"]))]

    def wanted(self, row: Row) -> dict[str, Any]:
        values = {**row, "phone": e164(row["phone"])}
        named = {
            self.NAMES.get(name, f"custom_properties.{name}"): values[name]
            for name in values
            if name != "tags"
        }
        return {
            name: value
            for name, value in named.items()
            if value is not None or self.ways.clears
        }

    def _remove(self, each: int, it: Contact, expected: Expected) -> None:
        if it.copy is not None and self.ways.on_removed == "delete":
            del self.people[str(each)]
            it.copy, it.known, it.tags = None, {}, set()
            expected.spend(1)
            expected.fates[each] = Fate("applied")
        elif it.copy is not None and self.ways.on_removed == "untag" and it.tags:
            expected.fates[each] = Fate(
                "unsupported", "", frozenset(("remove_tag", tag) for tag in it.tags)
            )
        self._settle(it, "removed", None)

    def _bring(self, each: int, it: Contact, row: Row, expected: Expected) -> None:
        new = it.copy is None
        it.copy = each
        unsupported, sent = self._differences(it, self.wanted(row))
        tags = tags_of(row, self.ways.prefix)
        unsupported |= {("remove_tag", tag) for tag in it.tags - tags}
        requests = int(new or bool(sent) or bool(tags - it.tags))
        expected.spend(requests)
        if requests or unsupported:
            expected.fates[each] = Fate(
                "unsupported" if unsupported else "applied", "", frozenset(unsupported)
            )
        it.tags |= tags
        person = self.people.setdefault(str(each), Copy())
        person.tags |= tags
        for name, value in sent.items():
            self._arrive(person, name, value)
        self._settle(it, "synced", row)

    def _differences(
        self, it: Contact, wanted: Mapping[str, Any]
    ) -> tuple[set[tuple[str, str]], dict[str, Any]]:
        """Return what charles cannot express, and the fields to send."""
        unsupported: set[tuple[str, str]] = set()
        sent: dict[str, Any] = {}
        for name, value in wanted.items():
            if name in self.GROWS:
                unsupported |= self._grow(it, name, value, sent)
                continue
            known = it.known.get(name)
            if value not in (None, ""):
                if known != value:
                    sent[name] = it.known[name] = value
            elif known is not None:
                unsupported.add(("clear_field", name))
                if value == "":
                    # An empty text goes out as it is, and changes nothing there.
                    sent[name] = value
        return unsupported, sent

    def _grow(
        self, it: Contact, name: str, value: Any, sent: dict[str, Any]
    ) -> set[tuple[str, str]]:
        """Add a value to a field that only grows; return what cannot be expressed."""
        old = it.known.get(name) or []
        keeps_another = any(each != value for each in old)
        if value and value not in old:
            sent[name] = value
            it.known[name] = [*old, value]
        if not keeps_another:
            return set()
        return {("change_field" if value else "clear_field", name)}

    def _arrive(self, person: Copy, name: str, value: Any) -> None:
        """Store a value as charles does: phones without plus, nothing twice."""
        if name in self.GROWS:
            values = person.fields.setdefault(name, [])
            text = value.removeprefix("+") if name.startswith("phone") else value
            if text.lower() not in [old.lower() for old in values]:
                values.append(text)
        elif value != "":
            person.fields[name] = value

    def contents(self) -> Contents:
        owned = {it.copy for it in self.contacts.values() if it.copy is not None}
        ours: dict[int, RemoteContent] = {}
        others: list[RemoteContent] = []
        for key, person in self.people.items():
            content = (person.fields, person.tags)
            if int(key) in owned:
                ours[int(key)] = content
            else:
                others.append(content)
        return ours, others
