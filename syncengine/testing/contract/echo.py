"""The values in an answer are compared with those that were sent.

An answer that shows the values from before is a success that changed nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest

from syncengine.model.calls import Action, Applied, Call
from syncengine.model.contact import Fields
from syncengine.model.http import Json, Request, Response
from syncengine.testing.benches import Bench
from syncengine.testing.cases import VendorsUnderTest, for_each
from syncengine.testing.driving import drive
from syncengine.testing.vendors_under_test import VendorUnderTest


def _updates(subjects: VendorsUnderTest) -> Iterator[object]:
    for subject in subjects:
        for action in (Action.UPDATE, Action.UPSERT):
            if subject.write(action):
                yield pytest.param(subject, action, id=f"{subject}-{action}")


def _leaves(value: Json) -> Iterator[Json]:
    """Yield the single values of an answer, lists and objects among them."""
    parts = (
        value.values()
        if isinstance(value, dict)
        else value
        if isinstance(value, list)
        else ()
    )
    yield value
    for part in parts:
        yield from _leaves(part)


def shown_fields(
    subject: VendorUnderTest, answer: Response, fields: Fields
) -> set[str]:
    """Return the names of the fields whose values an answer shows anywhere."""
    leaves = list(_leaves(orjson.loads(answer.body)))
    long = {
        name: value
        for name, value in fields.items()
        if isinstance(value, str) and len(value) > 3
    }
    return {
        name
        for name, value in long.items()
        if any(subject.vendor.same(name, value, each) for each in leaves)
    }


def answer_to(bench: Bench, call: Call) -> Response:
    """Return the twin's answer to the last write of a call, or else to its read."""
    answers: list[tuple[bool, Response]] = []

    def answering(request: Request) -> Response:
        answers.append((request.writes, bench.answer(request)))
        return answers[-1][1]

    drive(bench.subject.vendor.send(call), answering)
    return max(answers, key=lambda each: each[0])[1]


def _answered_as_before(bench: Bench, call: Call, before: Response) -> Applied:
    def answering(request: Request) -> Response:
        return before if request.writes else bench.answer(request)

    applied = drive(bench.subject.vendor.send(call), answering)
    assert isinstance(applied, Applied)
    return applied


@for_each(("subject", "action"), _updates)
def test_old_values_in_the_answer_are_no_success_of_the_new_ones(
    subject: VendorUnderTest, action: Action
) -> None:
    bench = Bench(subject)
    external_id = bench.make(1)
    old, new = subject.sample(action, 1), subject.sample(action, 2)
    call = replace(subject.call(action, 1, external_id), add_tags=())
    before = answer_to(bench, call)
    changed = {
        name for name in new if not subject.vendor.same(name, new[name], old[name])
    }
    shown = shown_fields(subject, before, old) - subject.uncompared()
    assert changed

    applied = _answered_as_before(bench, replace(call, fields=new), before)

    told = {item.subject: item.code for item in applied.dropped}
    assert shown & changed <= set(told) <= changed
    assert shown or not told, "nothing follows from an answer without values"
    assert all(code.startswith("field_") for code in told.values())
