"""The contract: an answer that is nearly right never breaks an adapter. Names no vendor; see subjects.py."""

from __future__ import annotations

import pytest

from syncengine.errors import AccountStopped, RequestFailed
from syncengine.model.calls import Action, Applied, Exists, Rejected
from tests.support.vendors.benches import Bench
from tests.support.vendors.mutants import mutants
from tests.support.vendors.subjects import Subject, subjects

SUBJECTS = tuple(subjects(variants=False))
every_look_up = pytest.mark.parametrize(
    "subject",
    [subject for subject in SUBJECTS if subject.vendor.capabilities.find_by],
    ids=str,
)
every_action = pytest.mark.parametrize(
    ("subject", "action"),
    [(subject, action) for subject in SUBJECTS for action in subject.actions()],
    ids=str,
)


@every_action
def test_a_damaged_answer_never_breaks_the_adapter(
    subject: Subject, action: Action
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
def test_a_damaged_look_up_never_breaks_the_adapter(subject: Subject) -> None:
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
