"""An answer that is nearly right never breaks an adapter."""

from __future__ import annotations

from syncengine.errors import AccountStopped, RequestFailed
from syncengine.model.calls import Action, Applied, Exists, Rejected
from syncengine.testing.benches import Bench
from syncengine.testing.cases import for_each, plain, with_actions, with_look_up
from syncengine.testing.mutants import mutants
from syncengine.testing.vendors_under_test import VendorUnderTest

every_look_up = for_each("subject", lambda subjects: with_look_up(plain(subjects)))
every_action = for_each(
    ("subject", "action"), lambda subjects: with_actions(plain(subjects))
)


@every_action
def test_a_damaged_answer_never_breaks_the_adapter(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    call = bench.ready(action)
    for damaged in mutants(bench.last_answer_to(subject.vendor.send(call))):
        try:
            result = bench.pretend(subject.vendor.send(call), damaged)
        except (RequestFailed, AccountStopped):
            continue
        assert isinstance(result, Applied | Exists | Rejected)
        if isinstance(result, Applied) and action in (Action.CREATE, Action.UPSERT):
            assert result.external_id


@every_look_up
def test_a_damaged_look_up_never_breaks_the_adapter(subject: VendorUnderTest) -> None:
    bench = Bench(subject)
    external_id = bench.make(1)
    key = next(subject.keys(1))
    reads = subject.vendor.capabilities.reads
    for damaged in (
        mutants(bench.last_answer_to(subject.vendor.read(external_id))) if reads else ()
    ):
        try:
            held = bench.pretend(subject.vendor.read(external_id), damaged)
        except (RequestFailed, AccountStopped):
            continue
        assert held is None or held.external_id
    for damaged in mutants(bench.last_answer_to(subject.vendor.find(key))):
        try:
            found = bench.pretend(subject.vendor.find(key), damaged)
        except (RequestFailed, AccountStopped):
            continue
        assert all(remote.external_id for remote in found)
