"""Nights of a town's contacts, made up from a seed.

There are families that share phones, people who leave, and others who inherit their
phones. Imports nothing of syncengine. The same seed makes the same nights: the order of
the draws is part of what a seed means.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

Row = dict[str, Any]
"""One contact's columns."""

MORE = tuple(f"f{number:02}" for number in range(1, 59))
"""Plain text columns: with the seven before them 65 fields are mapped."""
COLUMNS = (
    "id",
    "first_name",
    "last_name",
    "email",
    "phone",
    "visits",
    "vip",
    *MORE,
    "tags",
)
TEXTS = (
    "نور الهدى",
    "王秀英",
    "さくら",
    "김서연",
    "Ἀθηνᾶ",
    "Zo\u00eb",
    "Zoe\u0308",  # the same to the eye, another text
    "👩\u200d👩\u200d👧\u200d👦 Family",
    "\u200fשרה\u200e (right to left)",
    "a\u0301\u0323\u0327 stacked",
    "O'Brien",
    'Anna "Ännchen" Groß',
    "C:\\new\\table",
    "Robert'); DROP TABLE people;--",
    '{"name": null, "tags": []}',
    "${HOME} %s {0} <b>&amp;</b>",
    "tab\tand\nnewline",
    " ",
    "null",
    "0",
    "true",
    "\ufb01 ligature \u0130stanbul",
    "long " * 400,
)
TAGS = (
    *(f"tag {n}" for n in range(30)),
    'say "hi"',
    "a,b",
    "{x}",
    "back\\slash",
    "🎉",
    "عميل",
    "Größe",
    "NULL",
    "vip",
)
PLACEHOLDERS = ("none@example.com", "NONE@example.com", "unknown@example.org")


@dataclass(frozen=True)
class ByHand:
    """A contact that a person puts into a vendor's account.

    Its values are written as respond.io keeps them.
    """

    fields: Mapping[str, str]
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Night:
    """The table's rows by id, and what a person did at the vendor before."""

    rows: Mapping[int, Row]
    by_hand: Sequence[ByHand] = ()


def nights(seed: int, number: int, people: int) -> list[Night]:
    """So many nights of a town that begins with so many people."""
    town = Town(random.Random(seed))
    town.move_in(people)
    made = [Night(dict(town.rows), town.by_hand(people // 15))]
    while len(made) < number:
        town.live()
        made.append(Night(dict(town.rows), town.by_hand(3)))
    return made


@dataclass
class Town:
    """A town whose people change a little every day.

    Rows are replaced, never changed in place.
    """

    luck: random.Random
    rows: dict[int, Row] = field(default_factory=dict)
    gone: dict[int, Row] = field(default_factory=dict)
    past: list[dict[int, Row]] = field(default_factory=lambda: [{}])
    """The table of every night before."""
    free_phones: list[str] = field(default_factory=list)
    """Phones of those who left, which nobody has taken over yet."""
    last_id: int = 0
    last_phone: int = 15110000000

    def live(self) -> None:
        """A day in the town."""
        self.past.append(dict(self.rows))
        share = max(2, len(self.rows) // 25)
        self.revert(share)
        self.leave(share)
        self.come_back(share // 2)
        self.move_in(share)
        self.change(2 * share)
        self.change_tags(share)
        self.change_phones(share)
        self.swap_phones()

    def some(self, number: int) -> list[int]:
        return self.luck.sample(sorted(self.rows), min(number, len(self.rows)))

    def set(self, contact_id: int, **values: Any) -> None:
        self.rows[contact_id] = {**self.rows[contact_id], **values}

    def move_in(self, number: int) -> None:
        """Add newcomers.

        Families share one phone, and most take over the phone of somebody who left.
        """
        while number > 0:
            family = min(number, self.luck.choice((1, 1, 1, 2, 4)))
            if self.free_phones and self.luck.random() < 0.8:
                phone = self.free_phones.pop(0)
            else:
                phone = self.new_phone()
            for _ in range(family):
                self.last_id += self.luck.choice((1, 1, 7))
                self.rows[self.last_id] = self.person(self.last_id, phone)
            number -= family

    def leave(self, number: int) -> None:
        for contact_id in self.some(number):
            self.gone[contact_id] = self.rows.pop(contact_id)
            phone = digits(self.gone[contact_id]["phone"])
            if phone and not any(
                digits(row["phone"]) == phone for row in self.rows.values()
            ):
                self.free_phones.append(phone)

    def come_back(self, number: int) -> None:
        """Some as they left, some with another phone or other tags."""
        for contact_id in self.luck.sample(
            sorted(self.gone), min(number, len(self.gone))
        ):
            self.rows[contact_id] = self.gone.pop(contact_id)
            if self.luck.random() < 0.5:
                self.set(
                    contact_id, phone=self.written(self.new_phone()), tags=self.tags()
                )

    def change(self, number: int) -> None:
        """Texts, from a single field to all of them, and e-mails."""
        for contact_id in self.some(number):
            names = self.luck.sample(
                MORE, self.luck.choice((1, 1, 2, 5, 31, len(MORE)))
            )
            self.set(
                contact_id,
                **{name: self.luck.choice((None, self.text())) for name in names},
            )
            if self.luck.random() < 0.2:
                self.set(
                    contact_id,
                    email=self.email(contact_id),
                    visits=self.luck.randint(0, 9),
                    first_name=self.text(),
                )

    def change_tags(self, number: int) -> None:
        for contact_id in self.some(number):
            self.set(contact_id, tags=self.tags())

    def change_phones(self, number: int) -> None:
        """A new phone, none, a useless one, or that of somebody else."""
        for contact_id in self.some(number):
            other = self.rows[self.some(1)[0]]["phone"]
            phone = self.luck.choice(
                (self.written(self.new_phone()), other, other, None, "", "call me")
            )
            self.set(contact_id, phone=phone)

    def swap_phones(self) -> None:
        """Two pairs swap phones, and three pass theirs on in a circle."""
        for members in (2, 2, 3):
            circle = self.some(members)
            phones = [self.rows[contact_id]["phone"] for contact_id in circle]
            for contact_id, phone in zip(circle, phones[1:] + phones[:1], strict=True):
                self.set(contact_id, phone=phone)

    def revert(self, number: int) -> None:
        """Rows that changed yesterday are as they were before."""
        yesterday, before = self.past[-1], self.past[-2]
        changed = [
            each
            for each in sorted(self.rows)
            if each in before and yesterday[each] != before[each]
        ]
        for contact_id in self.luck.sample(changed, min(number, len(changed))):
            self.rows[contact_id] = before[contact_id]

    def person(self, contact_id: int, phone: str) -> Row:
        filled = self.luck.choice((0.1, 0.5, 0.8, 1.0))
        return {
            "id": contact_id,
            "first_name": self.text(),
            "last_name": self.text(),
            "email": self.email(contact_id),
            "phone": self.written(phone)
            if self.luck.random() < 0.93
            else self.luck.choice((None, "", "call me")),
            "visits": self.luck.choice((None, 0, 1, 12, 2_000_000_000)),
            "vip": self.luck.choice((None, True, False)),
            **{
                name: self.text() if self.luck.random() < filled else None
                for name in MORE
            },
            "tags": self.tags(),
        }

    def text(self) -> str:
        kind = self.luck.random()
        if kind < 0.05:
            return ""
        if kind < 0.4:
            return self.luck.choice(TEXTS)
        return f"text {self.luck.randint(1, 9999)}"

    def email(self, contact_id: int) -> str | None:
        kind = self.luck.random()
        if kind < 0.15:
            return self.luck.choice(PLACEHOLDERS)
        name = f"person.{contact_id}@example.net"
        return self.luck.choice((name, name, name.title(), name.upper(), None, ""))

    def tags(self) -> list[str | None] | None:
        number = self.luck.choice((0, 0, 1, 3, 8, 12, 25))
        if number == 0:
            return self.luck.choice((None, []))
        odd = self.luck.choice(([], [], ["", None]))
        return [*self.luck.sample(TAGS, number), *odd]

    def new_phone(self) -> str:
        self.last_phone += self.luck.randint(1, 99)
        return str(self.last_phone)

    def written(self, phone: str) -> str:
        """A phone in one of the ways in which people write the same number."""
        form = self.luck.choice(
            ("+49{0}{1}", "0049 {0} {1}", "0{0}{1}", "0{0} {1}", "+49 ({0}) {1}")
        )
        return form.format(phone[:4], phone[4:])

    def by_hand(self, number: int) -> list[ByHand]:
        """Return contacts that a person typed in at the vendor.

        They are about some of tonight's newcomers, and about somebody who is in no
        table.
        """
        new = [
            each
            for each in sorted(self.rows)
            if not any(each in night for night in self.past)
        ]
        made = [
            ByHand(
                {
                    "firstName": "Stranger",
                    "phone": f"+49{self.new_phone()}",
                    "email": "s@example.org",
                },
                ("own",),
            )
        ]
        for contact_id in self.luck.sample(new, min(number, len(new))):
            if digits(self.rows[contact_id]["phone"]):
                made += self._typed_in(contact_id)
        return made

    def _typed_in(self, contact_id: int) -> list[ByHand]:
        """Return one contact that a person typed in about a newcomer, or two."""
        row = self.rows[contact_id]
        national = digits(row["phone"])
        mine = {name: row[name] for name in self.luck.sample(MORE, 3) if row[name]}
        about = {
            **mine,
            "f01": "typed in",
            "colour": "green",
            "email": (row["email"] or "").lower(),
        }
        tags = ("typed in", *self.luck.sample(TAGS, 9))
        by_key = {"crm_id": str(contact_id)}
        by_both = ByHand({**about, **by_key, "phone": f"+49{national}"}, tags)
        match self.luck.randint(0, 3):
            case 0:
                return [by_both]
            case 1:
                return [ByHand({**about, "phone": f"49{national}"}, tags)]
            case 2:
                return [ByHand({**about, **by_key}, tags)]
        # Twice: nobody can tell which of them is meant.
        again = {**by_key, "email": about["email"], "phone": f"49{national}"}
        return [by_both, ByHand(again)]


def digits(phone: str | None) -> str:
    """Return the national digits of a phone as ``Town.written`` writes it.

    Empty where there are none.
    """
    return re.sub(r"^(\+49|0049|0)|\D", "", phone or "")


async def load(connection: asyncpg.Connection[asyncpg.Record], night: Night) -> None:
    """Make the table hold a night's rows."""
    more = ", ".join(f"{name} text" for name in MORE)
    async with connection.transaction():
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS people ("
            "id bigint PRIMARY KEY, first_name text, last_name text, email text, "
            f"phone text, visits integer, vip boolean, {more}, tags text[])"
        )
        await connection.execute("TRUNCATE people")
        records = [tuple(row[name] for name in COLUMNS) for row in night.rows.values()]
        await connection.copy_records_to_table(
            "people", columns=COLUMNS, records=records
        )
