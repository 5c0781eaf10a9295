"""The requests that a plan shows are those of the real adapter, later ones too."""

from __future__ import annotations

import json

import pytest

from syncengine import vendors
from syncengine.app.planned_requests import RequestPreview
from syncengine.cli.rendering.plan_samples import print_sample
from syncengine.model.contact import Desired, Known, MatchKey
from syncengine.model.costs import exactly
from syncengine.model.mapping import OnRemoved
from syncengine.model.plan_sample import PlannedStep, SampledContact
from syncengine.model.work import ContactState, Status
from syncengine.planning.attempt.job import Job
from syncengine.planning.forecast import Prices
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.priced_steps import StepPricer
from tests.support.vendors.subjects import subject

ADDRESS = "https://vendor.example"
SECRET = "sandbox-key"


def steps(
    vendor: str, desired: Desired, known: Known, base_url: str = ADDRESS
) -> tuple[PlannedStep, ...]:
    """Return the steps of a contact at a vendor."""
    adapter = subject(vendor).vendor
    prices = Prices(
        capabilities=adapter.capabilities,
        on_removed=OnRemoved.IGNORE,
        find_first=True,
        look_up=lambda _: exactly(1),
        extra_requests=lambda _: 0,
        rounds=1,
        pricer=StepPricer(adapter.capabilities),
    )
    plan = plan_contact(desired, known, adapter.capabilities)
    assert isinstance(plan, Plan)
    state = ContactState("1", known, Status.SYNCED, source_hash=1)
    preview = RequestPreview(adapter, base_url, (SECRET,))
    return preview.steps(Job(1, state, desired, 2, plan), plan, prices)


@pytest.mark.parametrize("prefix", ["", "/somewhere"])
def test_an_update_that_replaces_the_contact_is_shown_whole(prefix: str) -> None:
    fields = subject("whautomate").fields(1)
    name = next(each for each in fields if "name" in each.lower())
    known = Known("c0ffee", fields=fields)
    desired = Desired("1", {**fields, name: "Somebody Else"})
    (step,) = steps("whautomate", desired, known, ADDRESS + prefix)
    assert step.request is not None
    assert (step.action, step.request.method, step.more) == ("update", "GET", 1)
    (put,) = step.following
    assert (put.method, put.path) == ("PUT", step.request.path)
    assert put.path.endswith("/c0ffee")
    body = json.dumps(put.body)
    assert "Somebody Else" in body
    kept = [str(value) for key, value in fields.items() if key != name]
    assert any(value in body for value in kept)


@pytest.mark.parametrize("vendor", sorted(vendors.names()))
def test_no_secret_is_shown_and_everything_is_json(vendor: str) -> None:
    one = subject(vendor)
    fields = one.fields(1)
    identity = one.vendor.capabilities.identity
    keys = (MatchKey(identity, "1"),) if identity else tuple(one.keys(1))[:1]
    desired = Desired("1", fields, frozenset({"vip"}), keys)
    for known in (Known(), Known("17", fields={}, key=keys[0] if keys else None)):
        shown = steps(vendor, desired, known)
        text = json.dumps([step.public() for step in shown])
        assert shown
        for secret in ("sandbox-key", "sandbox-token"):
            assert secret not in text


def test_a_request_that_contacts_share_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for vendor, contacts in (("hubspot", 100), ("respond_io", 1)):
        one = subject(vendor)
        desired = Desired("1", one.fields(1), frozenset(), tuple(one.keys(1))[:1])
        shown = steps(vendor, desired, Known())
        assert {step.contacts for step in shown} == {contacts}, vendor
        print_sample(vendor, SampledContact("1", "new", steps=shown))
        said = "a run sends this for up to 100 contacts in one request"
        assert (said in capsys.readouterr().out) is (contacts > 1), vendor
