"""Whose change is whose, and what it replaced: the rules, one table each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncengine.model.calls import Action, Applied, Call, Unsupported
from syncengine.model.capabilities import Capabilities, Deletion, TagCall, Write
from syncengine.model.change import (
    ChangedField,
    ContactChange,
    Effect,
    named_parts,
)
from syncengine.model.contact import (
    THIS_RUN,
    Known,
    MatchKey,
    Pending,
    Remote,
    SendingRun,
)
from syncengine.model.unknown_parts import NOBODY, parts_of, sender_of, with_nobodys
from syncengine.planning.change_log import (
    CallFacts,
    merged,
    pieces_of_call,
    pieces_of_link,
    pieces_of_lost_deletion,
    with_pieces,
)
from syncengine.planning.intents import (
    after_unknown_deletion,
    combined_intent,
    remaining_intent,
)
from syncengine.planning.learning import learn
from syncengine.planning.senders import with_earlier_senders

VENDOR = Capabilities(
    create=Write(clears=("*",), add_tags=None),
    update=Write(clears=("*",)),
    upsert=None,
    add_tags=TagCall(),
    remove_tags=TagCall(),
    delete=Deletion(),
    find_by=("*",),
    accumulates=("phones",),
)
UPSERTS = Capabilities(upsert=Write(clears=("*",), add_tags=None), identity="id")
KEY = MatchKey("email", "a@example.org")
EARLIER = 7
"""A run before this one."""


def changed(new: Any, *old: Any) -> ChangedField:
    """Return a changed field; ``old`` is what was known of it before."""
    (known,) = old or (None,)
    return ChangedField(new, known, is_old_known=bool(old))


def played(
    known: Known,
    *calls: Call,
    capabilities: Capabilities = VENDOR,
    answer: Applied | None = None,
    **facts: Any,
) -> dict[int, ContactChange | None]:
    """Return the changes of calls that are applied one after the other."""
    changes: dict[int, ContactChange | None] = {}
    for call in calls:
        applied = answer or Applied("x1")
        learned = learn(known, call, applied, capabilities)
        seen = CallFacts(known, learned, **facts)
        pieces = pieces_of_call(call, applied, seen, capabilities)
        changes = dict(with_pieces(changes, pieces))
        known = learned
    return changes


def update(**fields: Any) -> Call:
    return Call(Action.UPDATE, "1", "x1", fields=fields)


def lost(run_id: int | None, **parts: Any) -> Pending:
    return Pending(run_id=run_id, **parts)


def _same(_: str, ours: Any, theirs: Any) -> bool:
    return bool(ours == theirs)


LINKED = Known("x1", KEY, {"name": "Ann"})
MADE = replace(LINKED, empty=("*",))


@pytest.mark.parametrize(
    ("known", "call", "expected"),
    [
        pytest.param(
            LINKED,
            update(name="Bea"),
            {"name": changed("Bea", "Ann")},
            id="a known value is the old one",
        ),
        pytest.param(
            LINKED,
            update(city="Bonn"),
            {"city": changed("Bonn")},
            id="what is not known of a linked contact is not empty",
        ),
        pytest.param(
            MADE,
            update(city="Bonn"),
            {"city": changed("Bonn", None)},
            id="what we did not set of a contact that we made is empty",
        ),
        pytest.param(
            replace(LINKED, empty=("city",)),
            update(city="Bonn"),
            {"city": changed("Bonn", None)},
            id="what was shown to be empty, or cleared, is empty",
        ),
        pytest.param(
            LINKED, update(name="Ann"), None, id="a value that is sent again is none"
        ),
        pytest.param(
            MADE, update(city=""), None, id="nothing in place of nothing is none"
        ),
        pytest.param(
            replace(LINKED, fields={"phones": ["1"]}),
            update(phones=["2"]),
            {"phones": changed(["1", "2"], ["1"])},
            id="a field that accumulates changes from list to list",
        ),
        pytest.param(
            LINKED,
            update(name=None),
            {"name": changed(None, "Ann")},
            id="a cleared field is empty then",
        ),
    ],
)
def test_old_values_are_what_is_known(
    known: Known, call: Call, expected: dict[str, ChangedField] | None
) -> None:
    change = played(known, call).get(THIS_RUN)
    assert (change and dict(change.fields)) == expected


def test_a_create_that_is_proved_new_and_the_calls_behind_it_are_one_change() -> None:
    create = Call(Action.CREATE, "1", fields={"name": "Ann", "note": None})
    tags = Call(Action.ADD_TAGS, "1", "x1", add_tags=("vip",))
    assert played(Known(), create, tags, update(name="Bea"), is_new=True) == {
        THIS_RUN: ContactChange(
            Effect.CREATED,
            {"name": changed("Bea", None)},
            frozenset({"vip"}),
            external_id="x1",
        )
    }
    # Later runs know that what they do not know is empty.
    assert learn(Known(), create, Applied("x1"), VENDOR).empty == ("*",)


@pytest.mark.parametrize(
    ("call", "capabilities", "answer"),
    [
        pytest.param(
            Call(Action.UPSERT, "1", key=KEY, fields={"name": "Ann"}, add_tags=("a",)),
            UPSERTS,
            Applied("x1"),
            id="an upsert",
        ),
        pytest.param(
            Call(Action.CREATE, "1", fields={"name": "Ann"}, add_tags=("a",)),
            replace(VENDOR, create=Write(add_tags=None, tells_existing=False)),
            Applied("x1"),
            id="a create that does not tell whether the contact existed",
        ),
        pytest.param(
            Call(Action.CREATE, "1", fields={"name": "Ann"}, add_tags=("a",)),
            VENDOR,
            Applied("x1", receipt="job 5"),
            id="a create that is only accepted",
        ),
    ],
)
def test_what_may_have_existed_is_linked_and_nothing_old_is_known(
    call: Call, capabilities: Capabilities, answer: Applied
) -> None:
    changes = played(Known(), call, capabilities=capabilities, answer=answer)
    fields = {"name": changed("Ann"), "tags.a": changed(True)}
    linked = ContactChange(Effect.LINKED, fields, external_id="x1")
    assert changes == {THIS_RUN: linked}


def test_what_the_vendor_did_not_take_is_no_change() -> None:
    call = replace(update(name="Bea", city="Bonn"), add_tags=("a", "b"))
    dropped = (
        Unsupported("field_not_shown", "city"),
        Unsupported("tag_not_shown", "b"),
    )
    change = played(MADE, call, answer=Applied("x1", dropped))[THIS_RUN]
    assert change is not None
    assert set(change.fields) == {"name"}
    assert change.tags_added == {"a"}


# --- lost answers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pending", "known_before", "owner", "expected"),
    [
        pytest.param(
            lost(EARLIER, fields={"name": "Bea"}),
            MADE,
            EARLIER,
            changed("Bea", "Ann"),
            id="the same value again is a change of the run that sent it first",
        ),
        pytest.param(
            lost(EARLIER, fields={"name": "Cleo"}),
            MADE,
            THIS_RUN,
            changed("Bea"),
            id="another value is this run's, and what it replaced is not known",
        ),
        pytest.param(
            lost(None, fields={"name": "Bea"}),
            MADE,
            THIS_RUN,
            changed("Bea"),
            id="what no run sent is this run's",
        ),
        pytest.param(
            lost(
                9, fields={"name": "Bea"}, senders={"name": SendingRun(EARLIER, True)}
            ),
            MADE,
            EARLIER,
            changed("Bea"),
            id="what was sent over another unknown value has no old value",
        ),
        pytest.param(
            lost(EARLIER, fields={"city": "Bonn"}),
            MADE,
            THIS_RUN,
            changed("Bea", "Ann"),
            id="what was not pending is this run's",
        ),
        pytest.param(
            lost(EARLIER, fields={"name": "Bea"}),
            replace(LINKED, fields={}),
            EARLIER,
            changed("Bea"),
            id="of a linked contact nothing old is known",
        ),
    ],
)
def test_a_field_that_was_pending_belongs_to_its_sender(
    pending: Pending, known_before: Known, owner: int, expected: ChangedField
) -> None:
    known = replace(known_before, pending=pending)
    changes = played(known, update(name="Bea"))
    assert list(changes) == [owner]
    change = changes[owner]
    assert change is not None
    assert dict(change.fields) == {"name": expected}


@pytest.mark.parametrize(
    ("pending", "owner", "added", "unsure"),
    [
        pytest.param(
            lost(EARLIER, add_tags=frozenset({"a"})), EARLIER, {"a"}, {}, id="the same"
        ),
        pytest.param(
            lost(EARLIER, remove_tags=frozenset({"a"})),
            THIS_RUN,
            set(),
            {"tags.a": changed(True)},
            id="the opposite",
        ),
        pytest.param(
            lost(None, add_tags=frozenset({"a"})),
            THIS_RUN,
            set(),
            {"tags.a": changed(True)},
            id="nobody's",
        ),
    ],
)
def test_a_tag_that_was_pending_belongs_to_its_sender(
    pending: Pending, owner: int, added: set[str], unsure: dict[str, ChangedField]
) -> None:
    tags = Call(Action.ADD_TAGS, "1", "x1", add_tags=("a",))
    changes = played(replace(MADE, pending=pending), tags)
    assert changes == {
        owner: ContactChange(Effect.UPDATED, unsure, frozenset(added), external_id="x1")
    }


def test_a_lost_create_that_is_found_is_linked_by_the_run_that_sent_it() -> None:
    pending = lost(
        EARLIER,
        creates=True,
        keys=(KEY,),
        fields={"name": "Ann", "city": "Bonn"},
        add_tags=frozenset({"a", "b"}),
    )
    remote = Remote("x9", {"name": "Ann", "city": "Köln"}, frozenset({"a"}))
    pieces = pieces_of_link(Known(pending=pending), remote, VENDOR, _same)
    assert with_pieces({}, pieces) == {
        EARLIER: ContactChange(
            Effect.LINKED,
            # Not the city: somebody else's value is there, so it never arrived.
            {"name": changed("Ann"), "tags.a": changed(True)},
            external_id="x9",
        )
    }


def test_a_lost_update_that_the_vendor_shows_is_settled_with_its_old_value() -> None:
    pending = lost(EARLIER, fields={"name": "Bea"}, remove_tags=frozenset({"a"}))
    before = replace(MADE, tags=frozenset({"a"}), pending=pending)
    pieces = pieces_of_link(before, Remote("x1", {"name": "Bea"}), VENDOR, _same)
    assert with_pieces({}, pieces) == {
        EARLIER: ContactChange(
            Effect.UPDATED,
            {"name": changed("Bea", "Ann")},
            tags_removed=frozenset({"a"}),
            external_id="x1",
        )
    }


def test_a_link_without_a_lost_create_is_this_runs_and_may_change_nothing() -> None:
    pieces = pieces_of_link(Known(), Remote("x1", {"name": "Ann"}), VENDOR, _same)
    assert with_pieces({}, pieces) == {
        THIS_RUN: ContactChange(Effect.LINKED, external_id="x1")
    }


def test_a_create_that_is_repeated_and_proved_new_is_this_runs() -> None:
    """The vendor would have told an earlier one that had arrived."""
    pending = lost(EARLIER, creates=True, keys=(KEY,), fields={"name": "Ann"})
    create = Call(Action.CREATE, "1", fields={"name": "Ann"})
    assert list(played(Known(pending=pending), create)) == [THIS_RUN]


def test_a_repeated_upsert_is_the_run_s_that_sent_it_first() -> None:
    pending = lost(EARLIER, creates=True, keys=(KEY,), fields={"name": "Ann"})
    upsert = Call(Action.UPSERT, "1", key=KEY, fields={"name": "Ann", "city": "Bonn"})
    changes = played(Known(pending=pending), upsert, capabilities=UPSERTS)
    first, second = changes[EARLIER], changes[THIS_RUN]
    assert first is not None
    assert second is not None
    assert (first.effect, set(first.fields)) == (Effect.LINKED, {"name"})
    assert (second.effect, set(second.fields)) == (Effect.UPDATED, {"city"})


def test_a_create_whose_process_died_behind_the_link_is_linked_with_its_key() -> None:
    pending = lost(EARLIER, creates=True, keys=(KEY,), fields={"name": "Ann"})
    known = Known("x1", KEY, {"email": KEY.value}, pending=pending)
    change = played(known, update(name="Ann"))[EARLIER]
    assert change is not None
    assert change.effect is Effect.LINKED
    assert dict(change.fields) == {
        "email": changed(KEY.value),
        "name": changed("Ann"),
    }


# --- deletions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pending", "was_gone", "after_lost_try", "owner"),
    [
        pytest.param(None, False, False, THIS_RUN, id="answered"),
        pytest.param(None, True, True, THIS_RUN, id="lost, and gone at the second try"),
        pytest.param(lost(EARLIER, deletes=True), True, False, EARLIER, id="lost"),
        pytest.param(None, True, False, None, id="somebody else's"),
    ],
)
def test_a_deletion_is_of_the_run_that_sent_it_first(
    *, pending: Pending | None, was_gone: bool, after_lost_try: bool, owner: int | None
) -> None:
    known = replace(LINKED, tags=frozenset({"a"}), pending=pending)
    changes = played(
        known,
        Call(Action.DELETE, "1", "x1"),
        answer=Applied(was_gone=was_gone),
        after_lost_try=after_lost_try,
    )
    deleted = ContactChange(
        Effect.DELETED,
        {"name": changed(None, "Ann")},
        tags_removed=frozenset({"a"}),
        external_id="x1",
    )
    assert changes == ({} if owner is None else {owner: deleted})


def test_a_lost_deletion_of_a_contact_that_is_back_tells_what_it_had() -> None:
    pending = lost(EARLIER, deletes=True)
    known = after_unknown_deletion(replace(LINKED, pending=pending), ["email"])
    changes = with_pieces({}, pieces_of_lost_deletion(known))
    assert changes == {
        EARLIER: ContactChange(Effect.DELETED, {"name": changed(None, "Ann")})
    }


# --- several steps --------------------------------------------------------------------

_UPDATED = ContactChange(Effect.UPDATED, external_id="x1")


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        pytest.param(
            replace(_UPDATED, fields={"name": changed("b", "a")}),
            replace(_UPDATED, fields={"name": changed("c", "b")}),
            replace(_UPDATED, fields={"name": changed("c", "a")}),
            id="the first old value, the last new one",
        ),
        pytest.param(
            replace(_UPDATED, fields={"name": changed("b", "a")}),
            replace(_UPDATED, fields={"name": changed("a", "b")}),
            None,
            id="what ends where it began is no change",
        ),
        pytest.param(
            replace(_UPDATED, fields={"name": changed("b")}),
            replace(_UPDATED, fields={"name": changed("a", "b")}),
            replace(_UPDATED, fields={"name": changed("a")}),
            id="an old value that was not known stays so",
        ),
        pytest.param(
            replace(_UPDATED, tags_added=frozenset({"a", "b"})),
            replace(_UPDATED, tags_removed=frozenset({"b", "c"})),
            replace(_UPDATED, tags_added=frozenset("a"), tags_removed=frozenset("c")),
            id="tags that come and go",
        ),
        pytest.param(
            ContactChange(Effect.CREATED, external_id="x1"),
            ContactChange(Effect.DELETED, external_id="x1"),
            None,
            id="created and deleted",
        ),
        pytest.param(
            ContactChange(Effect.CREATED, external_id="x1"),
            replace(_UPDATED, fields={"name": changed("b", None)}),
            ContactChange(
                Effect.CREATED, {"name": changed("b", None)}, external_id="x1"
            ),
            id="created and then written to",
        ),
        pytest.param(
            replace(_UPDATED, fields={"name": changed("b", "a")}),
            ContactChange(Effect.LINKED, external_id="x2"),
            ContactChange(Effect.LINKED, external_id="x2"),
            id="another vendor contact, at which nothing was changed before",
        ),
    ],
)
def test_steps_of_a_run_are_one_change(
    first: ContactChange, then: ContactChange, expected: ContactChange | None
) -> None:
    assert merged(first, then) == expected


# --- senders of notes -----------------------------------------------------------------


def _senders(note: Pending) -> dict[str, SendingRun]:
    return {part: sender_of(note, part) for part in parts_of(note)}


def test_two_notes_together_remember_both_runs() -> None:
    earlier = lost(
        EARLIER, fields={"same": 1, "other": 1, "old": 1}, add_tags=frozenset({"t"})
    )
    later = lost(9, fields={"same": 1, "other": 2, "new": 1}, deletes=True)
    assert _senders(combined_intent(earlier, later)) == {
        "same": SendingRun(EARLIER),
        "other": SendingRun(9, over_unknown=True),
        "old": SendingRun(EARLIER),
        "new": SendingRun(9),
        "tags.t": SendingRun(EARLIER),
        "call:delete": SendingRun(9),
    }


def test_a_note_after_a_lost_answer_keeps_the_run_that_sent_the_same_before() -> None:
    call = Call(Action.UPDATE, "1", "x1", fields={"same": 1, "new": 1})
    note = remaining_intent((call,), age=0.0)
    assert note is not None
    noted = with_earlier_senders(note, lost(EARLIER, fields={"same": 1}))
    assert _senders(noted) == {
        "same": SendingRun(EARLIER),
        "new": SendingRun(THIS_RUN),
    }


def test_what_is_taken_over_from_others_is_nobodys() -> None:
    note = with_nobodys(
        lost(EARLIER, fields={"mine": 1}),
        fields={"theirs": None},
        remove_tags=["t"],
    )
    assert _senders(note) == {
        "mine": SendingRun(EARLIER),
        "theirs": NOBODY,
        "tags.t": NOBODY,
    }


def test_a_tag_is_shown_as_a_tag_whether_or_not_it_was_known_before() -> None:
    recorded: dict[str, dict[str, Any]] = {
        "city": {"old": "Bonn", "new": "Ulm"},
        "tags.vip": {"new": True},
        "tags.lead": {"new": None},
    }
    parts = named_parts(recorded, ["new"], ["old"])
    assert set(parts.fields) == {"city"}
    assert parts.tags_added == ("new", "vip")
    assert parts.tags_removed == ("lead", "old")
