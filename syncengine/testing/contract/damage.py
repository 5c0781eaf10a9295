"""An answer that is nearly right never breaks an adapter.

Each good answer of the twin is damaged in every single place (see ``mutants``). The
exchange has to end as an outcome or as a failure of that request: an exception of
another kind would count as a mistake of the adapter, and a contact without an id could
not be linked.
"""

from __future__ import annotations

from typing import Any

from syncengine.errors import AccountStopped, RequestFailed
from syncengine.model.calls import Action, Applied, Exists, Rejected
from syncengine.model.http import Exchange, Response
from syncengine.testing.benches import Bench
from syncengine.testing.cases import (
    VendorsUnderTest,
    for_each,
    plain,
    with_actions,
    with_look_up,
)
from syncengine.testing.expectations import described
from syncengine.testing.mutants import mutants
from syncengine.testing.vendors_under_test import VendorUnderTest


def _looking_up(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    return with_look_up(plain(subjects))


def _acting(subjects: VendorsUnderTest) -> list[tuple[VendorUnderTest, Action]]:
    return with_actions(plain(subjects))


every_look_up = for_each("subject", _looking_up)
every_action = for_each(("subject", "action"), _acting)
_FAILED = object()
"""The result of an exchange that ended as a failure of its request."""


def _result(bench: Bench, exchange: Exchange[Any], damaged: Response) -> Any:
    """Return the result of an exchange; an exception of any other kind is raised."""
    try:
        return bench.pretend(exchange, damaged)
    except (RequestFailed, AccountStopped):
        return _FAILED


@every_action
def test_a_damaged_answer_never_breaks_the_adapter(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    call = bench.ready(action)
    makes_a_contact = action in (Action.CREATE, Action.UPSERT)
    for damaged in mutants(bench.last_answer_to(subject.vendor.send(call))):
        result = _result(bench, subject.vendor.send(call), damaged)
        if result is _FAILED:
            continue
        where = f"{subject}-{action}, answered {described(damaged)}"
        assert isinstance(result, Applied | Exists | Rejected), (
            f"{where}: {result!r} is no answer to a call (Applied, Exists, Rejected)"
        )
        if isinstance(result, Applied) and makes_a_contact:
            assert result.external_id, (
                f"{where}: Applied without an id, so that the contact cannot be "
                "linked. Declare the id as ExternalId, without a default."
            )


@every_look_up
def test_a_damaged_look_up_never_breaks_the_adapter(subject: VendorUnderTest) -> None:
    vendor = subject.vendor
    bench = Bench(subject)
    external_id = bench.make(1)
    if vendor.capabilities.reads:
        for damaged in mutants(bench.last_answer_to(vendor.read(external_id))):
            remote = _result(bench, vendor.read(external_id), damaged)
            if remote is not _FAILED and remote is not None:
                assert remote.external_id, (
                    f"{subject}-read, answered {described(damaged)}: the contact has "
                    "no id. Declare it as ExternalId, without a default."
                )
    key = next(subject.keys(1))
    for damaged in mutants(bench.last_answer_to(vendor.find(key))):
        found = _result(bench, vendor.find(key), damaged)
        if found is not _FAILED:
            assert all(remote.external_id for remote in found), (
                f"{subject}-find, answered {described(damaged)}: a contact without an "
                "id was found. Declare it as ExternalId, without a default."
            )
