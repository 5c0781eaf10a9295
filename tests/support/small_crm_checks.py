"""The expected content of a vendor that is in step with the CRM."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.support.small_crm import Crm, Person, takes_tags


async def assert_in_step(here: Crm) -> None:
    """Assert that the vendor has exactly one contact a row, with the row's content.

    Its id is recorded, and there is no trace of duplicates.
    """
    recorded = await here.recorded()
    assert len(set(recorded.values())) == len(recorded), (
        "two contacts own one and the same at the vendor"
    )
    copies = _copies(here)
    duplicates = {
        number: len(contacts)
        for number, contacts in copies.items()
        if len(contacts) > 1
    }
    assert duplicates == {}, "duplicates"
    ids = {
        number: copies[number][0]["id"] for number in here.people if number in copies
    }
    assert ids == {number: recorded.get(number) for number in here.people}
    for number, person in here.people.items():
        _assert_same(here, number, person, copies[number][0])
    left_over = {
        number: contacts[0]
        for number, contacts in copies.items()
        if number not in here.people
    }
    if here.pair.capabilities.delete:
        assert sorted(left_over) == [], "left and was not deleted"
    elif _takes_tags_back(here):
        tagged = [number for number, contact in left_over.items() if contact["tags"]]
        assert tagged == [], "left and kept tags"


def _copies(here: Crm) -> dict[int, list[dict[str, Any]]]:
    """Return the vendor's contacts by the number they carry.

    One without a number is half a duplicate, and goes by 0.
    """
    copies: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    for contact in here.sandbox.contacts(here.vendor):
        mark = contact["fields"].get(here.pair.mark)  # type: ignore[attr-defined]
        number = int(str(mark).rpartition("-")[2]) if mark else 0
        copies[number].append(contact)
    return dict(copies)


def _assert_same(
    here: Crm, number: int, person: Person, contact: dict[str, Any]
) -> None:
    row = dict(here.pair.row(number, person.key, person.values, person.tags))
    wanted = set(row.pop("tags"))
    same = here.pair.vendor.same
    if here.pair.key and not here.pair.rekeys:
        # The copy keeps the key that it was made with.
        row.pop(here.pair.key)
    differing = [
        name
        for name, value in row.items()
        if not same(name, value, contact["fields"].get(name))
    ]
    assert differing == [], f"contact {number}"
    if not takes_tags(here.pair):
        return
    tags = set(contact["tags"])
    allowed = wanted if _takes_tags_back(here) else here.ever_tagged[number]
    assert (wanted - tags, tags - allowed) == (set(), set()), (
        f"contact {number}: tags that are missing, and too many"
    )


def _takes_tags_back(here: Crm) -> bool:
    can = here.pair.capabilities
    return can.remove_tags is not None or any(
        write.remove_tags != 0 for write in (can.update, can.upsert) if write
    )
