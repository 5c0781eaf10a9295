"""Properties that all twins have in common."""

from __future__ import annotations

import re
from typing import Any

import pytest

from syncengine.sandbox.duplicates import duplicates
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins import load
from syncengine.sandbox.twins.twin import Seed
from tests.support.sandbox_client import AUTH, Client

every_twin = pytest.mark.parametrize("name", sorted(AUTH))


@every_twin
def test_a_wrong_key_is_refused(name: str) -> None:
    client = Client(name)
    client.headers = {}
    assert client.raw("GET", "/contact/1").status == 401


@every_twin
@pytest.mark.parametrize("answer", [True, False])
def test_a_full_window_says_when_to_come_back(name: str, *, answer: bool) -> None:
    client = Client(name, send_retry_after=answer)
    client.twin.limiter.configure([TwinLimit(1, 60.0, "fixed")])
    assert client.raw("GET", "/contact/1", now=10.0).status != 429
    refused = client.raw("GET", "/contact/1", now=10.5)
    assert refused.status == 429
    assert refused.headers.get("retry-after") == ("50" if answer else None)
    assert client.raw("GET", "/contact/1", now=60.0).status != 429


@every_twin
@pytest.mark.parametrize(
    "wrong", [{"nope": 1}, {"send_retry_after": "yes"}, {"null_mode": "maybe"}]
)
def test_a_wrong_switch_changes_nothing(name: str, wrong: dict[str, Any]) -> None:
    twin = load(name)
    before = twin.switches
    (switch,) = wrong
    with pytest.raises(ValueError, match=f"^{switch}: "):
        twin.configure({"null_mode": "clear", **wrong})
    assert twin.switches == before
    twin.configure({"null_mode": "clear"})
    assert twin.switches.null_mode == "clear"


@every_twin
def test_a_seeded_contact_is_stored_until_the_reset(name: str) -> None:
    twin = load(name)
    own = "first_name" if name == "charles" else "firstName"
    (contact_id,) = twin.seed([Seed({own: "Ilse"}, ("vip",), key="crm-1")], 0.0)
    (contact,) = twin.contacts(0.0)
    assert (contact["id"], contact["fields"], contact["tags"]) == (
        contact_id,
        {own: "Ilse"},
        ["vip"],
    )
    twin.reset()
    assert twin.contacts(0.0) == []


def test_twins_are_apart() -> None:
    one, other = Client("charles"), Client("charles")
    one.put()
    assert other.twin.contacts(0.0) == []


@every_twin
def test_the_limits_of_a_vendor_are_in_force_only_on_request(name: str) -> None:
    client = Client(name)
    (limit,) = client.twin.vendor_limits
    assert client.twin.limiter.limits == ()
    client.twin.limiter.configure(client.twin.vendor_limits)
    statuses = [
        client.raw("GET", "/contact/1", now=600.0).status
        for _ in range(limit.calls + 1)
    ]
    assert (statuses.count(429), statuses[-1]) == (1, 429)


def test_duplicates_are_found_by_phone_and_key() -> None:
    client = Client("respond_io")
    made = [
        client.create(phone=phone, crm_id=key)
        for phone, key in (("+491", "a"), ("491", "b"), ("+492", "b"))
    ]
    contacts = client.twin.contacts(0.0)
    assert duplicates(contacts) == {"phone": {"491": made[:2]}, "key": {}}
    assert duplicates(contacts, "crm_id") == {
        "phone": {"491": made[:2]},
        "key": {"b": made[1:]},
    }
    client.create(crm_id="c")
    without_phone = {"id": "1", "key": None, "fields": {"phone": None, "crm_id": "d"}}
    contacts = [*client.twin.contacts(0.0), without_phone]
    assert duplicates(contacts, "crm_id") == {
        "phone": {"491": made[:2]},
        "key": {"b": made[1:]},
    }
    charles = Client("charles")
    phones = [{"type": "mobile", "value": "+491"}, {"type": "home", "value": "+49-1"}]
    people = [
        charles.put(source_type=source, phone_numbers=phones)["id"]
        for source in ("one", "other")
    ]
    assert duplicates(charles.twin.contacts(0.0)) == {
        "phone": {"491": people},
        "key": {"crm-1": people},
    }


@pytest.mark.parametrize(
    "place",
    ["no_such_module:Twin", "json:NoTwin", "nobody", "..charles", "kit", "twin"],
)
def test_a_place_without_a_twin_is_named(place: str) -> None:
    with pytest.raises(LookupError, match=re.escape(f'"{place}"')):
        load(place)


def test_a_twin_of_another_package_is_found_by_its_place() -> None:
    twin = load("syncengine.sandbox.twins.charles:TWIN")
    assert type(twin) is type(load("charles"))
