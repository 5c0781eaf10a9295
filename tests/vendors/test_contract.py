"""The contract suite for every vendor of our own.

A package of somebody else calls it in the same three lines.
"""

from __future__ import annotations

from dataclasses import replace

from syncengine import vendors
from syncengine.model.calls import Action
from syncengine.testing import contract_suite
from syncengine.testing.benches import Bench
from syncengine.testing.contract.echo import answer_to, shown_fields
from syncengine.testing.contract.spellings import phone_field
from tests.support.vendors.subjects import hints, subjects

globals().update(
    contract_suite(*vendors.OWN, hints={name: hints(name) for name in vendors.OWN})
)


def test_there_are_vendors_whose_phones_have_spellings() -> None:
    assert {str(subject) for subject in subjects() if phone_field(subject)} >= {
        "respond_io",
        "respond_io_v2",
        "dm_champ",
        "whautomate",
    }


def test_some_vendors_echo() -> None:
    echoing = set()
    for subject in subjects(variants=False):
        bench = Bench(subject)
        action = Action.UPDATE if subject.write(Action.UPDATE) else Action.UPSERT
        call = replace(subject.call(action, 1, bench.make(1)), add_tags=())
        if shown_fields(subject, answer_to(bench, call), call.fields):
            echoing.add(subject.vendor.name)
    assert echoing == {"charles", "chartmogul", "hubspot", "whautomate"}
