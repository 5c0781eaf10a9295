"""The ports that vendors may offer beside calls: directories, merges, details.

``Directory`` lists all contacts in pages (for ``verify``), ``Merger`` makes one contact
of two, ``DetailReader`` shows more of a contact than its fields. A
vendor offers a port by having its method; what has no such method is not asked here. A
directory that leaves somebody out or a merge that names the wrong contact links people
to contacts of others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from syncengine.errors import RequestFailed, VendorHalted, VendorUnavailable
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact import Page, Remote
from syncengine.model.http import Exchange
from syncengine.ports import DetailReader, Directory, Merger
from syncengine.testing.benches import ENDLESS, Bench
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.driving import answer, html
from syncengine.testing.expectations import described, expect
from syncengine.testing.mutants import mutants
from syncengine.testing.vendors_under_test import VendorUnderTest

NOBODY = "177640999"
"""The id of no contact."""


def offering(
    port: type[Any], *, variants: bool = True
) -> Callable[[Callable[[VendorUnderTest], None]], Callable[[VendorUnderTest], None]]:
    """Decorate a test that runs for the vendors with a port."""

    def choose(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
        candidates = subjects if variants else plain(subjects)
        return [each for each in candidates if isinstance(each.vendor, port)]

    return for_each("subject", choose)


def _pages(bench: Bench) -> Iterator[Page]:
    """Yield the pages of a directory, at most as many as tests may need."""
    assert isinstance(bench.subject.vendor, Directory)
    cursor: str | None = None
    for _ in range(ENDLESS):
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
    contacts: list[Remote] = []
    for page in _pages(bench):
        contacts.extend(page.contacts)
    found = sorted(contact.external_id for contact in contacts)
    assert found == made, (
        f"{subject}: page() lists {found}, and the account has {made}. Each contact is "
        "listed once; the last page has the cursor None."
    )
    for contact in contacts:
        read = bench.read(contact.external_id)
        assert read == contact, (
            f"{subject}: page() shows {contact}, and read() shows {read}. Read both by "
            "the same ReplyModel."
        )


@offering(Directory)
def test_a_directory_of_nobody_is_empty(subject: VendorUnderTest) -> None:
    pages = [page.contacts for page in _pages(Bench(subject))]
    assert pages == [()], (
        f"{subject}: page() of an empty account shows {pages} in place of one page "
        "without contacts"
    )


@offering(Merger)
def test_a_merge_leaves_one_contact_which_it_names(subject: VendorUnderTest) -> None:
    assert isinstance(subject.vendor, Merger)
    bench = Bench(subject)
    one, other = bench.make(1), bench.make(2)
    result = bench.do(subject.vendor.merge(one, other))
    advice = "both contacts are there, so that they can be merged."
    merged = expect(Applied, result, f"{subject}: merge", advice)
    # The engine believes a third id once the vendor shows neither of the two.
    for gone in {one, other} - {merged.external_id}:
        read = bench.read(gone)
        assert read is None or read.external_id == merged.external_id, (
            f"{subject}: merge({one}, {other}) names {merged.external_id}, and the "
            f"contact {gone} is there still; Applied has to name the one that is left"
        )
    assert merged.external_id is not None, f"{subject}: merge names nobody"
    if merged.external_id not in (one, other):
        # Nothing else says whose it is, where both were ours.
        shown = bench.read(merged.external_id)
        former = () if shown is None else shown.former_ids
        assert {one, other} <= set(former), (
            f"{subject}: merge gives the contact that is left the new id "
            f"{merged.external_id}, and read() shows {former} as its former_ids in "
            f"place of {one} and {other}"
        )
    left = [contact["id"] for contact in bench.state()]
    assert left == [merged.external_id], (
        f"{subject}: merge names {merged.external_id}, and the twin has {left} left"
    )


@offering(Merger)
def test_a_merge_needs_two_contacts_that_are_there(subject: VendorUnderTest) -> None:
    assert isinstance(subject.vendor, Merger)
    bench = Bench(subject)
    one = bench.make(1)
    before = bench.state()
    for into, other in ((one, NOBODY), (NOBODY, one)):
        result = bench.do(subject.vendor.merge(into, other))
        where = f"{subject}: merge({into}, {other}), of which {NOBODY} is not there"
        expect(Rejected, result, where, "return rejection() where reply.ok is false.")
    assert bench.state() == before, f"{subject}: a refused merge changed a contact"


@offering(DetailReader)
def test_details_are_json_and_change_nothing(subject: VendorUnderTest) -> None:
    assert isinstance(subject.vendor, DetailReader)
    bench = Bench(subject)
    one = bench.make(1)
    before = bench.state()
    details = bench.do(subject.vendor.details(one))
    assert all(isinstance(name, str) for name in details), (
        f"{subject}: details() has a name that is no text: {details}"
    )
    # Raises TypeError for what JSON cannot express.
    assert orjson.dumps(dict(details))
    assert bench.state() == before, f"{subject}: details() changed a contact"


def _exchanges_of(subject: VendorUnderTest) -> Iterator[tuple[str, Any]]:
    """Yield the name of each port's method, with what begins an exchange of it."""
    vendor = subject.vendor
    if isinstance(vendor, Directory):
        yield "page", lambda: vendor.page(None)
    if isinstance(vendor, Merger):
        yield "merge", lambda: vendor.merge("5501", "5502")
    if isinstance(vendor, DetailReader):
        yield "details", lambda: vendor.details("5501")


def _every_exchange(subjects: VendorsUnderTest) -> Iterator[object]:
    for subject in plain(subjects):
        for what, start in _exchanges_of(subject):
            yield pytest.param(subject, what, start, id=f"{subject}-{what}")


@for_each(("subject", "what", "start"), _every_exchange)
def test_hostile_answers_end_as_everywhere(
    subject: VendorUnderTest, what: str, start: Callable[[], Exchange[Any]]
) -> None:
    """Answers to the ports are judged as in ``contract/answers.py``; see there."""
    bench = Bench(subject)
    with pytest.raises(VendorHalted) as halted:
        bench.pretend(start(), answer({"message": "no"}, 401))
    assert halted.value.setting, (
        f"{subject}-{what}, answered 401: VendorHalted names no setting. Give the "
        'statuses that mean a refused key, such as {401: "settings.token"}.'
    )
    responses = [html(503), answer({}, 500), html(200)]
    if what != "details":
        # Details have no form of their own: they are shown as they come.
        responses += [answer(None), answer([[]])]
    for response in responses:
        with pytest.raises(VendorUnavailable):
            bench.pretend(start(), response)
    with pytest.raises(RequestFailed):
        bench.pretend(start(), answer({}, 429, {"retry-after": "3"}))


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
        assert all(contact.external_id for contact in page.contacts), (
            f"{subject}: page(), answered {described(damaged)}, shows a contact "
            "without an id. Declare it as ExternalId, without a default."
        )
