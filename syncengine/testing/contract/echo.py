"""The values in an answer are compared with those that were sent.

Some vendors report a success and leave a field as it was: they do not know it, or a
rule of theirs forbids the change. Where the answer shows the contact, an adapter
compares and names the fields that were not taken (``Applied.dropped``). An answer that
shows no values proves nothing, and nothing may be named.
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
from syncengine.testing.expectations import expect
from syncengine.testing.vendors_under_test import VendorUnderTest


def _updates(subjects: VendorsUnderTest) -> Iterator[object]:
    for subject in subjects:
        for action in (Action.UPDATE, Action.UPSERT):
            if subject.write(action):
                yield pytest.param(subject, action, id=f"{subject}-{action}")


def _every_part(value: Json) -> Iterator[Json]:
    """Yield an answer and all its parts: single values, lists and objects."""
    yield value
    parts: list[Json] = []
    if isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list):
        parts = value
    for part in parts:
        yield from _every_part(part)


def shown_fields(
    subject: VendorUnderTest, answer: Response, fields: Fields
) -> set[str]:
    """Return the names of the fields whose values an answer shows anywhere."""
    parts = list(_every_part(orjson.loads(answer.body)))
    shown = set()
    for name, value in fields.items():
        # A short text, a number or a truth may stand there by chance.
        is_telling = isinstance(value, str) and len(value) > 3
        if is_telling and any(subject.vendor.same(name, value, part) for part in parts):
            shown.add(name)
    return shown


def answer_to(bench: Bench, call: Call) -> Response:
    """Return the twin's answer to the first write of a call, or else to its read."""
    written: list[Response] = []
    read: list[Response] = []

    def answering(request: Request) -> Response:
        response = bench.answer(request)
        (written if request.writes else read).append(response)
        return response

    drive(bench.subject.vendor.send(call), answering)
    return [*written, *read][0]


def _answered_as_before(bench: Bench, call: Call, before: Response) -> Applied:
    """Return the result where a write is answered as one before it was."""

    def answering(request: Request) -> Response:
        return before if request.writes else bench.answer(request)

    result = drive(bench.subject.vendor.send(call), answering)
    where = f"{bench.subject}-{call.action}, whose answer shows the values from before"
    return expect(
        Applied,
        result,
        where,
        "the vendor reported a success; name what it did not take in dropped.",
    )


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
    where = f"{subject}-{action}"
    assert changed, (
        f"{where}: the sample contacts 1 and 2 have the same values, as same() judges "
        "them. Bring other samples by ContractHints(sample=...), or correct same()."
    )
    shown = shown_fields(subject, before, old) - subject.uncompared()

    applied = _answered_as_before(bench, replace(call, fields=new), before)

    dropped = {item.subject: item.code for item in applied.dropped}
    unnoticed = (shown & changed) - set(dropped)
    assert not unnoticed, (
        f"{where}: the answer shows the old values of {', '.join(sorted(unnoticed))}, "
        "and Applied.dropped does not name them. Compare by fields_not_taken, or name "
        "fields that answers show otherwise in ContractHints(uncompared=...)."
    )
    assert set(dropped) <= changed, (
        f"{where}: Applied.dropped names {', '.join(sorted(set(dropped) - changed))}, "
        "whose values did not change. Compare by same()."
    )
    assert shown or not dropped, (
        f"{where}: Applied.dropped names {', '.join(sorted(dropped))}, and nothing "
        "follows from an answer without values"
    )
    assert all(code.startswith("field_") for code in dropped.values()), (
        f"{where}: the codes of Applied.dropped are {dropped}; those of fields begin "
        "with field_, as fields_not_taken writes them"
    )
