"""The ports that vendors may offer beside calls: lists, merges, details."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import orjson
import pytest

from syncengine.errors import RequestFailed, VendorHalted, VendorUnavailable
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact import Page
from syncengine.model.http import Exchange
from syncengine.ports import DetailReader, Directory, Merger
from syncengine.testing.benches import ENDLESS, Bench
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.driving import answer, html
from syncengine.testing.mutants import mutants
from syncengine.testing.vendors_under_test import VendorUnderTest

NOBODY = "177640999"
"""The id of no contact."""


def offering(
    port: type[Any], *, variants: bool = True
) -> Callable[[Callable[[VendorUnderTest], None]], Callable[[VendorUnderTest], None]]:
    """Decorate a test that runs for the vendors with a port."""

    def make(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
        chosen = subjects if variants else plain(subjects)
        return [each for each in chosen if isinstance(each.vendor, port)]

    return for_each("subject", make)


def listed(bench: Bench) -> Iterator[Page]:
    assert isinstance(bench.subject.vendor, Directory)
    cursor: str | None = None
    while True:
        page = bench.do(bench.subject.vendor.page(cursor))
        yield page
        if page.cursor is None:
            return
        cursor = page.cursor


@offering(Directory)
def test_a_directory_lists_everybody_once_and_as_they_are(
    subject: VendorUnderTest,
) -> None:
    bench = Bench(subject)
    made = sorted(bench.make(number) for number in (1, 2, 12))
    contacts = [
        contact for page in islice(listed(bench), ENDLESS) for contact in page.contacts
    ]
    assert sorted(contact.external_id for contact in contacts) == made
    for contact in contacts:
        assert bench.read(contact.external_id) == contact


@offering(Directory)
def test_a_directory_of_nobody_is_empty(subject: VendorUnderTest) -> None:
    assert [page.contacts for page in islice(listed(Bench(subject)), ENDLESS)] == [()]


@offering(Merger)
def test_a_merge_leaves_one_contact_which_it_names(subject: VendorUnderTest) -> None:
    assert isinstance(subject.vendor, Merger)
    bench = Bench(subject)
    one, other = bench.make(1), bench.make(2)
    merged = bench.do(subject.vendor.merge(one, other))
    assert isinstance(merged, Applied)
    assert merged.external_id in (one, other)
    assert [contact["id"] for contact in bench.state()] == [merged.external_id]


@offering(Merger)
def test_a_merge_needs_two_contacts_that_are_there(subject: VendorUnderTest) -> None:
    assert isinstance(subject.vendor, Merger)
    bench = Bench(subject)
    one = bench.make(1)
    before = bench.state()
    for pair in ((one, NOBODY), (NOBODY, one)):
        assert isinstance(bench.do(subject.vendor.merge(*pair)), Rejected)
    assert bench.state() == before


@offering(DetailReader)
def test_details_are_told_as_json_and_change_nothing(subject: VendorUnderTest) -> None:
    assert isinstance(subject.vendor, DetailReader)
    bench = Bench(subject)
    one = bench.make(1)
    before = bench.state()
    told = bench.do(subject.vendor.details(one))
    assert all(isinstance(name, str) for name in told)
    assert orjson.dumps(dict(told))
    assert bench.state() == before


def asked(subject: VendorUnderTest) -> list[tuple[str, Any]]:
    vendor = subject.vendor
    ways: list[tuple[str, Any]] = []
    if isinstance(vendor, Directory):
        ways.append(("page", lambda: vendor.page(None)))
    if isinstance(vendor, Merger):
        ways.append(("merge", lambda: vendor.merge("5501", "5502")))
    if isinstance(vendor, DetailReader):
        ways.append(("details", lambda: vendor.details("5501")))
    return ways


@for_each(
    ("subject", "what", "make"),
    lambda subjects: [
        pytest.param(each, what, make, id=f"{each}-{what}")
        for each in plain(subjects)
        for what, make in asked(each)
    ],
)
def test_hostile_answers_end_as_everywhere(
    subject: VendorUnderTest, what: str, make: Any
) -> None:
    bench = Bench(subject)

    def made() -> Exchange[Any]:
        exchange: Exchange[Any] = make()
        return exchange

    with pytest.raises(VendorHalted) as halted:
        bench.pretend(made(), answer({"message": "no"}, 401))
    assert halted.value.setting
    wild = (
        [] if what == "details" else [answer(None), answer([[]])]
    )  # details are shown as they come
    for response in (html(503), answer({}, 500), html(200), *wild):
        with pytest.raises(VendorUnavailable):
            bench.pretend(made(), response)
    with pytest.raises(RequestFailed):
        bench.pretend(made(), answer({}, 429, {"retry-after": "3"}))


@offering(Directory, variants=False)
def test_a_damaged_page_never_breaks_a_directory(subject: VendorUnderTest) -> None:
    assert isinstance(subject.vendor, Directory)
    bench = Bench(subject)
    bench.make(1)
    for damaged in mutants(bench.last_answer_to(subject.vendor.page(None))):
        try:
            page = bench.pretend(subject.vendor.page(None), damaged)
        except (RequestFailed, VendorHalted):
            continue
        assert all(contact.external_id for contact in page.contacts)
