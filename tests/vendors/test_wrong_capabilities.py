"""The contract suite fails where capabilities promise what is not so.

The vendor is the skeleton's, whose own capabilities pass. Each case changes one number.
"""

from __future__ import annotations

import copy
import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncengine.model.calls import Action
from syncengine.model.capabilities import Capabilities, TagCall
from syncengine.model.http import Response
from syncengine.sandbox import twins as twin_loading
from syncengine.sandbox.twins.twin import Twin, TwinRequest
from syncengine.skeleton import write_skeleton
from syncengine.testing.contract import costs, requests, twins
from syncengine.testing.driving import answer
from syncengine.testing.vendors_under_test import VendorUnderTest, vendor_under_test


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VendorUnderTest]:
    write_skeleton("acme", tmp_path / "acme")
    monkeypatch.syspath_prepend(str(tmp_path / "acme"))
    package = importlib.import_module("acme_sync")
    yield vendor_under_test(package.VENDOR)
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_sync"]:
        del sys.modules[name]


def _declaring(acme: VendorUnderTest, **changes: Any) -> VendorUnderTest:
    """Return the vendor with other capabilities, which are not so."""
    vendor: Any = copy.copy(acme.vendor)
    vendor.capabilities = replace(acme.vendor.capabilities, **changes)
    return replace(acme, vendor=vendor)


def _can(acme: VendorUnderTest) -> Capabilities:
    return acme.vendor.capabilities


@pytest.mark.parametrize("action", [*Action])
def test_more_or_fewer_requests_than_declared(
    acme: VendorUnderTest, action: Action
) -> None:
    offer: Any = getattr(_can(acme), action)
    if offer is None:
        return
    costs.test_a_call_takes_as_many_requests_as_declared(acme, action)
    wrong = _declaring(acme, **{action: replace(offer, requests=2)})
    with pytest.raises(AssertionError) as failed:
        costs.test_a_call_takes_as_many_requests_as_declared(wrong, action)
    said = str(failed.value)
    assert f"acme: Capabilities.{action}.requests is 2, but" in said
    assert f"{action} sent 1 request (" in said


def test_a_field_that_the_vendor_does_not_filter_by(acme: VendorUnderTest) -> None:
    twins.test_the_vendor_itself_chooses_the_contacts_of_a_look_up(acme)
    wrong = _declaring(acme, find_by=("email", "phone", "first_name"))
    with pytest.raises(AssertionError, match="find_by names first_name, so the vendor"):
        twins.test_the_vendor_itself_chooses_the_contacts_of_a_look_up(wrong)


def test_a_field_to_look_up_by_that_no_contact_has(acme: VendorUnderTest) -> None:
    twins.test_each_field_of_find_by_can_be_looked_up(acme)
    wrong = _declaring(acme, find_by=("email", "mobile"))
    with pytest.raises(AssertionError, match=r"Capabilities\.find_by names mobile"):
        twins.test_each_field_of_find_by_can_be_looked_up(wrong)


def _limit_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the twin refuse more than ten tags, or more than ten custom fields."""
    honest = twin_loading.load

    def load(place: str) -> Twin:
        twin: Any = honest(place)
        handle = twin.handle

        def handling(request: TwinRequest, now: float) -> Response:
            too_many = request.body.count(b'"tag ') > 10
            too_many |= request.body.count(b'"value ') > 10
            if too_many:
                return answer({"message": "at most ten"}, 422)
            response: Response = handle(request, now)
            return response

        twin.handle = handling
        limited: Twin = twin
        return limited

    monkeypatch.setattr(twin_loading, "load", load)


@pytest.mark.parametrize(
    ("action", "change", "said"),
    [
        (
            Action.ADD_TAGS,
            {"max_tags": 20},
            "Capabilities.add_tags.max_tags is 20, and so a call with 20 tags was sent",
        ),
        (
            Action.ADD_TAGS,
            {"max_tags": None},
            "Capabilities.add_tags.max_tags is None (any number), and so a call with 40",
        ),
        (
            Action.CREATE,
            {"max_fields": 30, "add_tags": 10},
            "Capabilities.create.max_fields is 30, and so a call with 30 fields was",
        ),
        (
            Action.CREATE,
            {"max_fields": 10, "add_tags": 11},
            "Capabilities.create.add_tags is 11, and so a call with 11 tags was sent",
        ),
    ],
)
def test_a_limit_that_is_too_high(
    acme: VendorUnderTest,
    monkeypatch: pytest.MonkeyPatch,
    action: Action,
    change: dict[str, Any],
    said: str,
) -> None:
    _limit_of_ten(monkeypatch)
    offer: Any = getattr(_can(acme), action)
    fitting = dict.fromkeys(change, 10)
    twins.test_a_full_call_is_accepted(
        _declaring(acme, **{action: replace(offer, **fitting)}), action
    )
    wrong = _declaring(acme, **{action: replace(offer, **change)})
    with pytest.raises(AssertionError) as failed:
        twins.test_a_full_call_is_accepted(wrong, action)
    assert said in str(failed.value)
    assert "either the capability declares more than the vendor takes, or the twin" in (
        str(failed.value)
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"add_tags": TagCall(max_tags=0)}, "add_tags.max_tags is 0"),
        ({"remove_tags": TagCall(max_tags=-1)}, "remove_tags.max_tags is -1"),
        ({"remove_tags": TagCall(requests=0)}, "remove_tags.requests is 0"),
    ],
)
def test_a_limit_that_leaves_no_room(
    acme: VendorUnderTest, changes: dict[str, Any], said: str
) -> None:
    requests.test_the_capabilities_make_sense(acme)
    with pytest.raises(AssertionError, match=said):
        requests.test_the_capabilities_make_sense(_declaring(acme, **changes))


@pytest.mark.parametrize("change", [{"max_fields": 0}, {"add_tags": -1}])
def test_a_write_that_leaves_no_room(
    acme: VendorUnderTest, change: dict[str, int]
) -> None:
    ((name, number),) = change.items()
    update: Any = _can(acme).update
    wrong = _declaring(acme, update=replace(update, **change))
    with pytest.raises(AssertionError, match=f"update.{name} is {number}"):
        requests.test_the_capabilities_make_sense(wrong)
