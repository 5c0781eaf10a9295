"""A contact is found by its phone, however it is spelled at the vendor."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from syncengine.model.capabilities import matches
from syncengine.model.contact import MatchKey, Remote
from syncengine.ports import SimilarPhoneFinder
from syncengine.testing.benches import Bench
from syncengine.testing.cases import for_each
from syncengine.testing.vendors_under_test import VendorUnderTest

NUMBER = "+491712345678"
WHOLE = ("+491712345678", "491712345678", "00491712345678")
LOCAL = "01712345678"
PUNCTUATED = ("0171 2345678", "+49 171 2345678", "1712345678")
OTHERS = (
    "+491712345679",
    "01712345679",
    "+431712345678",
    "0049171234567",
    "+491712345678 ext. 5",
)


def phone_field(subject: VendorUnderTest) -> str | None:
    respelled = subject.vendor.capabilities.respelled
    return next((name for name in subject.fields(1) if matches(name, respelled)), None)


every_subject = for_each(
    "subject",
    lambda subjects: [subject for subject in subjects if phone_field(subject)],
)


class Desk:
    """A vendor where people entered contacts by hand."""

    def __init__(self, subject: VendorUnderTest) -> None:
        self.bench = Bench(subject)
        self.field = phone_field(subject) or ""

    def enter(self, phone: str) -> str:
        sample = self.bench.subject.fields(1).items()
        fields = {name: value for name, value in sample if isinstance(value, str)}
        fields[self.field] = phone
        return self.bench.twin.screen(self.bench.now).create(fields)

    def key(self, region: str | None) -> MatchKey:
        return MatchKey(self.field, NUMBER, region)

    def found(self, region: str | None) -> list[str]:
        return _ids(self.bench.do(self.bench.subject.vendor.find(self.key(region))))

    def find_similar(self, region: str | None = None) -> list[str]:
        vendor = self.bench.subject.vendor
        assert isinstance(vendor, SimilarPhoneFinder)
        return _ids(self.bench.do(vendor.find_similar(self.key(region))))


def _ids(remotes: Sequence[Remote]) -> list[str]:
    return [remote.external_id for remote in remotes]


@pytest.mark.parametrize("region", [None, "DE", "AT"])
@pytest.mark.parametrize("phone", WHOLE)
@every_subject
def test_a_number_with_its_country_code_is_found(
    subject: VendorUnderTest, phone: str, region: str | None
) -> None:
    desk = Desk(subject)
    assert desk.found(region) == []
    made = desk.enter(phone)
    assert desk.found(region) == [made]


@every_subject
def test_a_local_number_is_found_where_it_is_one_of_the_region(
    subject: VendorUnderTest,
) -> None:
    desk = Desk(subject)
    made = desk.enter(LOCAL)
    assert desk.found("DE") == [made]
    assert desk.found(None) == []
    assert desk.found("AT") == []


@pytest.mark.parametrize("phone", [LOCAL, *PUNCTUATED])
@every_subject
def test_whoever_may_be_the_same_can_be_named(
    subject: VendorUnderTest, phone: str
) -> None:
    desk = Desk(subject)
    made = desk.enter(phone)
    # What a look-up has found needs no further search.
    assert {*desk.found(None), *desk.find_similar()} == {made}


@pytest.mark.parametrize("region", [None, "DE", "AT", "US"])
@pytest.mark.parametrize("phone", OTHERS)
@every_subject
def test_another_number_is_never_found(
    subject: VendorUnderTest, phone: str, region: str | None
) -> None:
    desk = Desk(subject)
    desk.enter(phone)
    assert desk.found(region) == []


@every_subject
def test_an_account_of_others_resembles_nobody(subject: VendorUnderTest) -> None:
    desk = Desk(subject)
    for phone in OTHERS[:4]:
        desk.enter(phone)
    assert desk.find_similar() == []
