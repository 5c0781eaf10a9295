"""A contact is found by its phone, however it is spelled at the vendor.

People enter phones by hand: with and without the plus, with 00, without the country
code. A vendor that compares them as texts takes another spelling for another contact,
and a create makes a second one. An adapter of such a vendor declares the field in
``Capabilities.respelled``; its ``find`` then asks for all plain spellings, and
``find_similar`` names those who may be the same. A number of another country or with
one digit less is never the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from syncengine.model.calls import Action
from syncengine.model.capabilities import matches
from syncengine.model.contact import MatchKey, Remote
from syncengine.ports import BulkVendor, SimilarPhoneFinder
from syncengine.testing.benches import Bench
from syncengine.testing.bulk_calls import many
from syncengine.testing.cases import VendorsUnderTest, for_each
from syncengine.testing.vendors_under_test import VendorUnderTest

NUMBER = "+491712345678"
"""The number that is looked for."""
WHOLE = ("+491712345678", "491712345678", "00491712345678")
"""Spellings that mean this number in every country."""
LOCAL = "01712345678"
"""Its spelling within Germany; another number in Austria."""
PUNCTUATED = ("0171 2345678", "+49 171 2345678", "1712345678")
"""Spellings that no look-up asks for; ``find_similar`` does."""
NOBODYS = "+4915735980000"
"""A number that nobody has."""
OTHERS = (
    "+491712345679",
    "01712345679",
    "+431712345678",
    "0049171234567",
    "+491712345678 ext. 5",
)
"""Numbers that resemble it."""


def phone_field(subject: VendorUnderTest) -> str | None:
    """Return the first sample field whose phones are found in all plain spellings."""
    respelled = subject.vendor.capabilities.respelled
    for name in subject.fields(1):
        if matches(name, respelled):
            return name
    return None


def _with_phone_field(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    return [subject for subject in subjects if phone_field(subject)]


every_subject = for_each("subject", _with_phone_field)


class Desk:
    """A vendor where people entered contacts by hand."""

    def __init__(self, subject: VendorUnderTest) -> None:
        self.bench = Bench(subject)
        self.field = phone_field(subject) or ""

    def enter(self, phone: str) -> str:
        """Make a contact with this phone on the vendor's screen; return its id."""
        sample = self.bench.subject.fields(1)
        creation = self.bench.subject.write(Action.CREATE)
        # Of these the vendor takes each value once.
        unique = creation.keyed_by if creation else ()
        fields = {
            name: value
            for name, value in sample.items()
            if isinstance(value, str) and name not in unique
        }
        fields[self.field] = phone
        return self.bench.twin.screen(self.bench.now).create(fields)

    def key(self, region: str | None) -> MatchKey:
        return MatchKey(self.field, NUMBER, region)

    def found(self, region: str | None) -> list[str]:
        return _ids(self.bench.do(self.bench.subject.vendor.find(self.key(region))))

    def found_among_others(self, region: str | None) -> list[str]:
        """Return whom a look-up of several phones shows for NUMBER."""
        key, other = self.key(region), replace(self.key(region), value=NOBODYS)
        vendor = many(self.bench.subject)
        return _ids(self.bench.do(vendor.find_many((other, key)))[key])

    def found_similar(self, region: str | None = None) -> list[str]:
        vendor = self.bench.subject.vendor
        assert isinstance(vendor, SimilarPhoneFinder), (
            f"{self.bench.subject}: Capabilities.respelled needs find_similar; see "
            "SimilarPhoneFinder"
        )
        return _ids(self.bench.do(vendor.find_similar(self.key(region))))

    def assert_found(self, expected: list[str], phone: str, region: str | None) -> None:
        """Assert that a look-up of NUMBER finds these contacts and no other."""
        found = self.found(region)
        assert found == expected, (
            f"{self.bench.subject}: find({self.key(region)}) found {found} in place of "
            f"{expected}, where people entered {phone}. Ask for phone_spellings, and "
            "judge what is found by is_phone_of."
        )
        if isinstance(self.bench.subject.vendor, BulkVendor):
            among_others = self.found_among_others(region)
            assert among_others == expected, (
                f"{self.bench.subject}: find_many found {among_others} for "
                f"{self.key(region)}, and find {expected}, where people entered {phone}"
            )


def _ids(remotes: Sequence[Remote]) -> list[str]:
    return [remote.external_id for remote in remotes]


@pytest.mark.parametrize("region", [None, "DE", "AT"])
@pytest.mark.parametrize("phone", WHOLE)
@every_subject
def test_a_number_with_its_country_code_is_found(
    subject: VendorUnderTest, phone: str, region: str | None
) -> None:
    desk = Desk(subject)
    desk.assert_found([], "nothing", region)
    made = desk.enter(phone)
    desk.assert_found([made], phone, region)


@every_subject
def test_a_local_number_is_found_where_it_is_one_of_the_region(
    subject: VendorUnderTest,
) -> None:
    desk = Desk(subject)
    made = desk.enter(LOCAL)
    desk.assert_found([made], LOCAL, "DE")
    desk.assert_found([], LOCAL, None)
    desk.assert_found([], LOCAL, "AT")


@pytest.mark.parametrize("phone", [LOCAL, *PUNCTUATED])
@every_subject
def test_whoever_may_be_the_same_can_be_named(
    subject: VendorUnderTest, phone: str
) -> None:
    desk = Desk(subject)
    made = desk.enter(phone)
    # What a look-up has found needs no further search.
    named = {*desk.found(None), *desk.found_similar()}
    assert named == {made}, (
        f"{subject}: find and find_similar name {sorted(named)} in place of {made}, "
        f"entered as {phone}. Judge by may_be_phone_of."
    )


@pytest.mark.parametrize("region", [None, "DE", "AT", "US"])
@pytest.mark.parametrize("phone", OTHERS)
@every_subject
def test_another_number_is_never_found(
    subject: VendorUnderTest, phone: str, region: str | None
) -> None:
    desk = Desk(subject)
    desk.enter(phone)
    desk.assert_found([], phone, region)


@every_subject
def test_an_account_of_others_resembles_nobody(subject: VendorUnderTest) -> None:
    desk = Desk(subject)
    for phone in OTHERS[:4]:
        desk.enter(phone)
    named = desk.found_similar()
    assert named == [], (
        f"{subject}: find_similar names {named}, who have other numbers than {NUMBER}. "
        "Judge by may_be_phone_of."
    )
