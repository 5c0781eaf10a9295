"""The contract suite finds adapters that mix contacts up in batches.

The vendor is the skeleton's, whose own batches pass. Each case is one mistake in a line
or two of its ``batches.py``, and the test of the suite that finds it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from syncengine.model.calls import Action
from syncengine.skeleton import write_skeleton
from syncengine.testing.contract import bulk, bulk_answers, bulk_look_ups
from syncengine.testing.vendors_under_test import (
    ContractHints,
    VendorUnderTest,
    vendor_under_test,
)

_HINTS = ContractHints(refused={"first_name": "x" * 256})
_BATCHES = "acme_sync.batches"
_TWIN = "acme_sync.twin_batches"


@dataclass(frozen=True)
class Mistake:
    """A wrong line of the adapter, and what the suite says of it."""

    name: str
    right: str
    wrong: str
    found_by: Callable[..., None]
    said: str
    action: Action | None = None
    """The action to try; None: the test is about look-ups."""
    ordered: bool = False
    """True where the twin answers in the order of the request."""
    silent: bool = False
    """True where the adapter does not compare answers with what was sent, either."""

    def __str__(self) -> str:
        return f"{self.name}-{self.action}" if self.action else self.name


_BY_REF = "(each.ref, each) for each in readable_entries(_Written, told)"
_BY_PLACE = (
    "(str(at), each) for at, each in enumerate(readable_entries(_Written, told))"
)
_COMPARED = "return self._applied(call, written.contact)"
_NO_ENTRY = """            if ref not in entries:
                continue
"""
_WHOLE_BEFORE = "        results = []\n        for ref, call"
_ONE_REFUSED = (
    "        for each in entries.values():\n            if each.status >= 400:\n"
)
_FOUND = "(each.value, each) for each in readable_entries(_Found, results)"
_READ = "(each.id, each.contact) for each in readable_entries(_Read, results)"
_REFUSED_LOOK_UP = (
    "            raise failed_look_up(request, reply, words_of(reply.body), sent)\n"
)


def _mistakes() -> Iterator[Mistake]:
    yield from _of_results()
    yield from _of_refusals()
    yield from _of_requests()
    yield from _of_look_ups()


def _of_results() -> Iterator[Mistake]:
    """Yield mistakes in the reading of results."""
    for action in (Action.CREATE, Action.UPDATE):
        yield Mistake(
            "results by their places",
            _BY_REF,
            _BY_PLACE,
            bulk.test_each_contact_gets_its_own_change_and_nobody_else_any
            if action is Action.CREATE
            else bulk.test_many_calls_take_the_requests_of_one,
            "the twin stores" if action is Action.CREATE else "names",
            action,
            silent=True,
        )
        yield Mistake(
            "results by their places, where the twin keeps the order",
            f"        entries = one_each(\n            {_BY_REF}\n        )\n",
            "        if len(told) != len(calls):\n"
            "            raise failed_look_up(request, reply, '', ())\n"
            f"        entries = one_each(\n            {_BY_PLACE}\n        )\n",
            bulk_answers.test_no_damage_gives_a_call_the_contact_of_another,
            "never by its position",
            action,
            ordered=True,
        )
    for action in (Action.UPDATE, Action.ADD_TAGS, Action.DELETE):
        yield Mistake(
            "a missing result counts as applied",
            _NO_ENTRY,
            "            if ref not in entries:\n"
            "                results.append(CallResult(call, Applied()))\n"
            "                continue\n",
            bulk_answers.test_a_contact_of_which_the_answer_says_nothing_is_unknown,
            "and all count as applied",
            action,
        )
    yield Mistake(
        "a new contact counts as applied without an id",
        _NO_ENTRY,
        "            if ref not in entries:\n"
        "                results.append(CallResult(call, Applied()))\n"
        "                continue\n",
        bulk_answers.test_no_damage_gives_a_call_the_contact_of_another,
        "Applied without an id",
        Action.CREATE,
    )


def _of_refusals() -> Iterator[Mistake]:
    """Yield mistakes in the reading of refusals."""
    for action in (Action.CREATE, Action.UPDATE, Action.ADD_TAGS, Action.REMOVE_TAGS):
        odd_one = bulk.test_one_missing_contact_keeps_nobody_else_back
        if action is Action.CREATE:
            odd_one = bulk.test_one_refused_contact_keeps_nobody_else_back
        yield Mistake(
            "a part was carried out, and all is called refused",
            _WHOLE_BEFORE,
            f"{_ONE_REFUSED}                return rejection(\n"
            "                    request, Reply(each.status, None), '', hidden\n"
            "                )\n" + _WHOLE_BEFORE,
            odd_one,
            "and something was carried out",
            action,
        )
        yield Mistake(
            "the error of one is given to all",
            _WHOLE_BEFORE,
            f"{_ONE_REFUSED}                entries = dict.fromkeys(by_ref, each)\n"
            "                break\n" + _WHOLE_BEFORE,
            odd_one,
            "nothing is wrong with this contact",
            action,
        )
    yield Mistake(
        "a success that cannot be read is called refused",
        "        if not reply.ok:\n            # Nothing",
        "        if not reply.ok or 'results' not in str(reply.body):\n            # Nothing",
        bulk_answers.test_no_damage_gives_a_call_the_contact_of_another,
        "the status says otherwise",
        Action.CREATE,
    )
    for action in (Action.CREATE, Action.ADD_TAGS):
        yield Mistake(
            "words about one contact repeat the values of another",
            "reply, written.message, hidden, code",
            "reply, written.message, sent_values_in([call]), code",
            bulk_answers.test_a_refusal_of_one_repeats_no_value_of_another,
            "a refusal repeats",
            action,
        )
    yield Mistake(
        "words about the whole request repeat values",
        "words_of(reply.body), hidden)",
        "words_of(reply.body), sent_values_in(calls[:1]))",
        bulk_answers.test_a_refusal_repeats_no_value,
        "a refusal repeats",
        Action.UPDATE,
    )
    yield Mistake(
        "the end of one deletion is that of all",
        _WHOLE_BEFORE,
        f"{_ONE_REFUSED}                entries = dict.fromkeys(by_ref, each)\n"
        "                break\n" + _WHOLE_BEFORE,
        bulk.test_one_missing_contact_keeps_nobody_else_back,
        "was there",
        Action.DELETE,
    )
    yield Mistake(
        "an answer is compared with another call",
        _COMPARED,
        "return self._applied(replace(call, fields={'email': 'x'}), written.contact)",
        bulk.test_many_calls_take_the_requests_of_one,
        "is said not to have",
        Action.CREATE,
    )
    yield Mistake(
        "a contact that was gone is refused",
        "            return Applied(was_gone=True)\n",
        "            return rejection(request, reply, '', hidden, 'not_found')\n",
        bulk.test_one_missing_contact_keeps_nobody_else_back,
        "what is not there is deleted",
        Action.DELETE,
    )


def _of_requests() -> Iterator[Mistake]:
    """Yield mistakes in what is sent."""
    own_change = bulk.test_each_contact_gets_its_own_change_and_nobody_else_any
    for action, said in (
        (Action.CREATE, "in place of"),
        (Action.UPDATE, "in place of"),
        (Action.ADD_TAGS, "the tags"),
        (Action.REMOVE_TAGS, "the tags"),
    ):
        yield Mistake(
            "everybody gets the change of the first",
            "contacts = [_input(ref, call) for ref, call in by_ref.items()]",
            "contacts = [\n"
            "            _input(ref, replace(call, fields=calls[0].fields,\n"
            "                add_tags=calls[0].add_tags,\n"
            "                remove_tags=calls[0].remove_tags))\n"
            "            for ref, call in by_ref.items()\n"
            "        ]",
            own_change,
            said,
            action,
            silent=True,
        )
    yield Mistake(
        "actions of one group are sent as the first of them",
        "contacts = [_input(ref, call) for ref, call in by_ref.items()]",
        "contacts = [\n"
        "            _input(ref, replace(call, action=calls[0].action))\n"
        "            for ref, call in by_ref.items()\n"
        "        ]",
        bulk.test_actions_of_one_group_share_a_request,
        "the tags",
    )
    for action in (Action.CREATE, Action.UPDATE, Action.DELETE):
        yield Mistake(
            "more than the vendor takes",
            "_SIZE = 100",
            "_SIZE = 101",
            bulk.test_a_whole_batch_of_the_declared_size_is_taken,
            "Bulk.size says how many",
            action,
        )


def _of_look_ups() -> Iterator[Mistake]:
    """Yield mistakes in look-ups of many."""
    yield Mistake(
        "keys by their places",
        _FOUND,
        "(each.value, each)\n"
        "            for each in (\n"
        "                found.model_copy(update={'value': value})\n"
        "                for value, found in zip(\n"
        "                    values, readable_entries(_Found, results), strict=False\n"
        "                )\n"
        "            )",
        bulk_look_ups.test_many_keys_find_their_own_contacts,
        "in place of",
    )
    yield Mistake(
        "ids by their places",
        _READ,
        "(external_ids[at], each.contact)\n"
        "            for at, each in enumerate(readable_entries(_Read, results))",
        bulk_look_ups.test_many_ids_are_read_as_each_alone,
        "other contacts than read",
    )
    yield Mistake(
        "a look-up that was refused found nobody",
        _REFUSED_LOOK_UP,
        "            return [{'value': each, 'contacts': []} for each in sent]\n",
        bulk_look_ups.test_a_look_up_of_many_that_failed_says_of_nobody_that_they_are_not_there,
        "Nothing follows from it",
    )
    yield Mistake(
        "a look-up is sent as a write",
        "json=body, reads=reads, lists=True",
        "json=body, lists=True",
        bulk_look_ups.test_a_look_up_of_many_that_failed_says_of_nobody_that_they_are_not_there,
        "maybe_applied is set",
    )
    yield Mistake(
        "more values than the vendor takes",
        "find_many=_SIZE",
        "find_many=_SIZE + 1",
        bulk_look_ups.test_look_ups_of_the_declared_size_are_taken,
        "a look-up of so many failed",
    )
    yield Mistake(
        "one of several contacts with a key",
        "tuple(self._hits(key, found[key.value]))",
        "tuple(self._hits(key, found[key.value]))[:1]",
        bulk_look_ups.test_contacts_that_share_a_key_are_found_by_many_as_by_one,
        "each of them has to be shown",
    )


class Skeleton:
    """The package that ``new-vendor`` writes, with changes to its modules."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def change(self, name: str, edits: Mapping[str, str]) -> ModuleType:
        """Replace texts of a module by others, wherever they are."""
        honest = importlib.import_module(name)
        assert honest.__file__
        source = Path(honest.__file__).read_text(encoding="utf-8")
        for right, wrong in edits.items():
            assert right in source, f"{name} has no such text any more: {right}"
            source = source.replace(right, wrong)
        changed = ModuleType(name)
        exec(compile(source, name, "exec"), vars(changed))  # noqa: S102
        self._monkeypatch.setitem(sys.modules, name, changed)
        return changed

    def subject(self, batches: Any) -> VendorUnderTest:
        return vendor_under_test(batches.VENDOR, _HINTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("wrong") / "acme"
    write_skeleton("acme", path)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(path))
        yield path
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_sync"]:
        del sys.modules[name]


@pytest.fixture
def skeleton(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Skeleton:
    assert folder.exists()
    return Skeleton(monkeypatch)


def _cases(mistake: Mistake) -> tuple[object, ...]:
    """Return what the suite's test takes besides the vendor."""
    if mistake.found_by is bulk.test_actions_of_one_group_share_a_request:
        return ("tags",)
    return () if mistake.action is None else (mistake.action,)


@pytest.mark.parametrize("mistake", [*_mistakes()], ids=str)
def test_a_mistake_is_found(skeleton: Skeleton, mistake: Mistake) -> None:
    if mistake.ordered:
        skeleton.change(_TWIN, {"        results.reverse()\n": ""})
    honest = importlib.import_module(_BATCHES)
    mistake.found_by(skeleton.subject(honest), *_cases(mistake))
    edits = {mistake.right: mistake.wrong}
    if mistake.silent:
        edits[_COMPARED] = "return Applied(written.contact.id)"
    wrong = skeleton.change(_BATCHES, edits)
    with pytest.raises(AssertionError, match=mistake.said):
        mistake.found_by(skeleton.subject(wrong), *_cases(mistake))


def test_a_batch_is_checked_for_consent(skeleton: Skeleton) -> None:
    ask = bulk.test_a_call_that_would_take_back_a_no_is_not_sent_among_others
    flag = ("custom.sample_yes", False)
    honest = importlib.import_module(_BATCHES)
    ask(skeleton.subject(honest), Action.UPDATE, *flag)
    wrong = skeleton.change(
        _BATCHES, {"check_call(call, self.capabilities)": "call.action.upper()"}
    )
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        ask(skeleton.subject(wrong), Action.UPDATE, *flag)
