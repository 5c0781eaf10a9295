"""What an undo does with a contact: the copy it brings about, or why it leaves it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from syncengine.model.capabilities import Capabilities, Deletion, OptOut, Write
from syncengine.model.change import ChangedField, ContactChange, Effect
from syncengine.model.contact import Desired, Known, MatchKey, Pending, Remote
from syncengine.model.http import Json
from syncengine.model.mapping import FieldMapping, Mapping, OnNull, SetMapping
from syncengine.model.undo import LaterChange, TakenBack, UndoScope
from syncengine.model.work import SourceRow
from syncengine.planning.changes import equal_as_json
from syncengine.planning.survey import Survey
from syncengine.planning.taken_back import Versions, with_basis, without_taken_back
from syncengine.planning.undo import (
    ContactUndo,
    Skip,
    UndoTarget,
    skip_in_words,
    undo_target,
    with_the_rest,
)

RUN, LATER, AGAIN = 7, 9, 10
VERSION = 555
CAPABILITIES = Capabilities(
    create=Write(add_tags=None),
    update=Write(clears=("*",), add_tags=None, remove_tags=None),
    delete=Deletion(),
    accumulates=("phones",),
    hidden=("secret",),
    opt_outs=(OptOut("dnd", value=True),),
)


def same(_: str, ours: Json, theirs: Json) -> bool:
    """Compare as a vendor does that shows texts in lower case."""
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours.casefold() == theirs.casefold()
    return equal_as_json(ours, theirs)


def value(new: Json, *old: Json) -> ChangedField:
    """Return a change; without an old value, nobody knows it."""
    if old:
        return ChangedField(new, old[0], is_old_known=True)
    return ChangedField(new)


class Part(NamedTuple):
    """A change of one field or tag, what is known and shown now, and what follows."""

    fields: dict[str, ChangedField]
    known: dict[str, Json]
    sets: dict[str, Json] = {}  # noqa: RUF012 - never written to
    """The fields that the undo sets."""
    skips: str = ""
    """The codes of what it skips."""
    shown: dict[str, Json] | None = None
    """The fields that the vendor shows; None: it was not read."""
    later: tuple[LaterChange, ...] = ()
    pending: Pending | None = None
    note: TakenBack | None = None
    only: frozenset[str] = frozenset()


CITY = {"city": value("Ulm", "Bonn")}
_ITS_CITY = frozenset({"city"})
UNDONE = (
    LaterChange(RUN + 1, None, _ITS_CITY),
    LaterChange(RUN + 2, RUN + 1, _ITS_CITY),
)
REDONE = (*UNDONE, LaterChange(RUN + 3, RUN + 2, _ITS_CITY))
BY_LATER_RUN = (LaterChange(LATER, fields=frozenset({"city"})),)
BY_THIS_UNDO = (LaterChange(AGAIN, undone=RUN, fields=frozenset({"city"})),)
BY_OTHER_UNDO = (LaterChange(AGAIN, undone=LATER, fields=frozenset({"city"})),)
OWN_NOTE = TakenBack(RUN, VERSION, frozenset({"city"}))
SENT = Pending(fields={"city": "Bonn"})

FIELDS: dict[str, Part] = {
    "an old value is put back": Part(CITY, {"city": "Ulm"}, {"city": "Bonn"}),
    "what was empty is cleared": Part(
        {"city": value("Ulm", None)}, {"city": "Ulm"}, {"city": None}
    ),
    "what was cleared gets its value back": Part(
        {"city": value(None, "Bonn")}, {}, {"city": "Bonn"}
    ),
    "an unknown old value is not empty": Part(
        {"city": value("Ulm")}, {"city": "Ulm"}, skips="old_value_unknown"
    ),
    "a list is left": Part(
        {"lists.a": value(True, None)}, {"lists.a": True}, {"lists.a": None}
    ),
    "a list is joined again": Part(
        {"lists.a": value(None, True)}, {}, {"lists.a": True}
    ),
    "an opt-out is not taken back": Part(
        {"dnd": value(True, False)}, {"dnd": True}, skips="lower_opt_out"
    ),
    "nor one that was unset": Part(
        {"dnd": value(True, None)}, {"dnd": True}, skips="lower_opt_out"
    ),
    "an opt-out that the run took away comes back": Part(
        {"dnd": value(False, True)}, {"dnd": False}, {"dnd": True}
    ),
    "what is back already needs nothing": Part(CITY, {"city": "Bonn"}),
    "what a later run put back needs nothing": Part(
        CITY, {"city": "Bonn"}, later=BY_LATER_RUN
    ),
    "what a later run changed stays": Part(
        CITY, {"city": "Köln"}, skips="changed_since", later=BY_LATER_RUN
    ),
    "also where it sent the same again": Part(
        CITY, {"city": "Ulm"}, skips="changed_since", later=BY_LATER_RUN
    ),
    "also where that was an undo": Part(
        CITY, {"city": "Ulm"}, skips="changed_since", later=BY_OTHER_UNDO
    ),
    "a former try of this undo is no later change": Part(
        CITY, {"city": "Ulm"}, {"city": "Bonn"}, later=BY_THIS_UNDO
    ),
    "a later run that was taken back since does not count": Part(
        CITY, {"city": "Ulm"}, {"city": "Bonn"}, later=UNDONE
    ),
    "but for one whose undo was taken back in turn": Part(
        CITY, {"city": "Ulm"}, skips="changed_since", later=REDONE
    ),
    "a value that nobody here sent stays": Part(
        CITY, {"city": "Köln"}, skips="changed_since"
    ),
    "what the vendor shows as sent is put back": Part(
        CITY, {"city": "Ulm"}, {"city": "Bonn"}, shown={"city": "ULM"}
    ),
    "what somebody changed there stays": Part(
        CITY, {"city": "Ulm"}, skips="changed_there", shown={"city": "Köln"}
    ),
    "what somebody cleared there stays": Part(
        CITY, {"city": "Ulm"}, skips="changed_there", shown={}
    ),
    "what somebody put back there needs nothing": Part(
        CITY, {"city": "Ulm"}, shown={"city": "bonn"}
    ),
    "a hidden field is believed": Part(
        {"secret": value("b", "a")}, {"secret": "b"}, {"secret": "a"}, shown={}
    ),
    "a field that keeps all values goes to the plan, which reports it": Part(
        {"phones": value(["1", "2"], ["1"])},
        {"phones": ["1", "2"]},
        {"phones": ["1"]},
        shown={"phones": "2"},
    ),
    "what this undo has sent without an answer is sent again": Part(
        CITY, {"city": "Ulm"}, {"city": "Bonn"}, pending=SENT, note=OWN_NOTE
    ),
    "what the vendor shows settles what it has sent": Part(
        CITY, {"city": "Ulm"}, shown={"city": "Bonn"}, pending=SENT, note=OWN_NOTE
    ),
    "and what anybody else has": Part(
        CITY, {"city": "Ulm"}, {"city": "Bonn"}, shown={"city": "Ulm"}, pending=SENT
    ),
    "another field is left alone": Part(
        {**CITY, "name": value("B", "A")},
        {"city": "Ulm", "name": "B"},
        {"name": "A"},
        only=frozenset({"name"}),
    ),
    "fields are not tags": Part(CITY, {"city": "Ulm"}, only=frozenset({"tags"})),
    "a tag that may have been there is named": Part(
        {"tags.vip": value(True)}, {}, skips="old_value_unknown"
    ),
}


@pytest.mark.parametrize("case", FIELDS.values(), ids=FIELDS)
def test_fields(case: Part) -> None:
    undo = ContactUndo(
        "1",
        ContactChange(Effect.UPDATED, case.fields, external_id="x"),
        UndoScope(RUN, fields=case.only),
        later=case.later,
        note=case.note,
        version=VERSION,
    )
    remote = None if case.shown is None else Remote("x", case.shown)
    target = undo_target(
        undo, there(case.known, pending=case.pending), CAPABILITIES, same, remote
    )
    assert isinstance(target, UndoTarget)
    assert target.desired is not None
    assert target.desired.fields == case.sets
    assert target.desired.manages_tags is False
    assert " ".join(each.code for each in target.skipped) == case.skips
    assert bool(target.reasons) == bool(target.skipped)


@pytest.mark.parametrize(
    ("fields", "next_step"),
    [
        ({"dnd": value(True, False)}, "settings.lower_opt_outs names the field"),
        (
            {"tags.vip": value(True)},
            "the row or the mapping is corrected, or change it there",
        ),
    ],
)
def test_what_is_skipped_says_what_to_do(
    fields: dict[str, ChangedField], next_step: str
) -> None:
    change = ContactChange(Effect.UPDATED, fields, external_id="x")
    undo = ContactUndo("1", change, UndoScope(RUN), version=VERSION)
    target = undo_target(undo, there({"dnd": True}), CAPABILITIES, same)
    assert isinstance(target, UndoTarget)
    assert next_step in " ".join(target.reasons)


def there(
    fields: dict[str, Json], tags: str = "", pending: Pending | None = None
) -> Known:
    """Return what is known of a contact at the vendor."""
    return Known(
        "x",
        MatchKey("ref", "1"),
        fields=fields,
        tags=frozenset(tags.split()),
        pending=pending,
    )


class Tags(NamedTuple):
    """Tags that the run added and removed, those there now, and what follows."""

    added: str
    removed: str
    known: str
    tags: str | None
    """The tags of ours that the contact is to have; None: they are left alone."""
    skips: str = ""
    shown: str | None = None
    later: str = ""
    found: str = ""
    pending: Pending | None = None
    note: TakenBack | None = None


TAGS: dict[str, Tags] = {
    "an added tag is removed": Tags("a", "", "a b", "b"),
    "a removed tag is added": Tags("", "a", "b", "a b"),
    "both are back already": Tags("a", "b", "b", None),
    "a later run changed it": Tags("a", "", "a", None, "changed_since", later="a"),
    "somebody took it away there": Tags("a", "", "a", None, shown=""),
    "somebody else has set it since": Tags(
        "a", "", "", None, "changed_there", shown="a"
    ),
    "somebody else had set it before": Tags("", "a", "", None, found="a"),
    "what this undo sent without an answer is sent again": Tags(
        "a",
        "",
        "a",
        "",
        pending=Pending(remove_tags=frozenset("a")),
        note=TakenBack(RUN, VERSION, tags_off=frozenset("a")),
    ),
}


@pytest.mark.parametrize("case", TAGS.values(), ids=TAGS)
def test_tags(case: Tags) -> None:
    undo = ContactUndo(
        "1",
        ContactChange(
            Effect.UPDATED,
            tags_added=frozenset(case.added.split()),
            tags_removed=frozenset(case.removed.split()),
        ),
        UndoScope(RUN, fields=frozenset({"tags"})),
        later=(LaterChange(LATER, tags=frozenset(case.later.split())),),
        note=case.note,
        version=VERSION,
    )
    known = there({}, case.known, case.pending)
    known = replace(known, found_tags=frozenset(case.found.split()))
    remote = None
    if case.shown is not None:
        remote = Remote("x", tags=frozenset(case.shown.split()))
    target = undo_target(undo, known, CAPABILITIES, same, remote)
    assert isinstance(target, UndoTarget)
    assert target.desired is not None
    if case.tags is None:
        assert not target.desired.manages_tags
    else:
        assert target.desired.manages_tags
        assert target.desired.tags == frozenset(case.tags.split())
    assert " ".join(each.code for each in target.skipped) == case.skips


CREATED = ContactChange(Effect.CREATED, {"city": value("Ulm", None)}, external_id="x")
UPDATED = ContactChange(Effect.UPDATED, CITY, external_id="x")
DELETES = UndoScope(RUN, deletes_created=True)
ULM = there({"city": "Ulm"})

WHOLE: dict[str, tuple[ContactUndo, Known, Remote | None, Skip | None]] = {
    "a created contact stays": (
        ContactUndo("1", CREATED, UndoScope(RUN)), ULM, None, Skip.CREATED,
    ),
    "unless it is to be deleted": (ContactUndo("1", CREATED, DELETES), ULM, None, None),
    "and the vendor shows it as it was sent": (
        ContactUndo("1", CREATED, DELETES), ULM, Remote("x", {"city": "Ulm"}), None,
    ),
    "not where somebody wrote to it": (
        ContactUndo("1", CREATED, DELETES),
        ULM,
        Remote("x", {"city": "Köln"}),
        Skip.CHANGED_THERE,
    ),
    "nor where a later run did": (
        ContactUndo("1", CREATED, DELETES, BY_LATER_RUN), ULM, None, Skip.CHANGED,
    ),
    "a linked contact is never deleted": (
        ContactUndo("1", replace(UPDATED, effect=Effect.LINKED), DELETES),
        ULM,
        None,
        None,
    ),
    "a deleted contact is not created again": (
        ContactUndo("1", ContactChange(Effect.DELETED), DELETES),
        Known(),
        None,
        Skip.DELETED,
    ),
    "nor one that is gone": (
        ContactUndo("1", UPDATED, UndoScope(RUN)), Known(), None, Skip.GONE,
    ),
    "nor is another one written to": (
        ContactUndo("1", UPDATED, UndoScope(RUN)),
        replace(ULM, external_id="y"),
        None,
        Skip.OTHER_CONTACT,
    ),
    "an unknown create is settled first": (
        ContactUndo("1", UPDATED, UndoScope(RUN)),
        replace(ULM, pending=Pending(creates=True)),
        Remote("x", {"city": "Ulm"}),
        Skip.UNSETTLED,
    ),
    "and whatever another run sent, if nobody can look": (
        ContactUndo("1", UPDATED, UndoScope(RUN)),
        replace(ULM, pending=SENT),
        None,
        Skip.UNSETTLED,
    ),
    "also beside what this undo sent": (
        ContactUndo("1", UPDATED, UndoScope(RUN), note=OWN_NOTE),
        replace(ULM, pending=Pending(fields={"city": "Bonn", "name": "B"})),
        None,
        Skip.UNSETTLED,
    ),
    "or what an undo of another run did": (
        ContactUndo("1", UPDATED, UndoScope(RUN), note=replace(OWN_NOTE, undone=LATER)),
        replace(ULM, pending=SENT),
        None,
        Skip.UNSETTLED,
    ),
}  # fmt: skip


def test_a_created_contact_stays_where_the_vendor_deletes_none() -> None:
    undo, capabilities = (
        ContactUndo("1", CREATED, DELETES),
        replace(CAPABILITIES, delete=None),
    )
    assert undo_target(undo, ULM, capabilities, same) is Skip.UNDELETABLE


@pytest.mark.parametrize(("undo", "known", "remote", "skip"), WHOLE.values(), ids=WHOLE)
def test_a_contact_as_a_whole(
    undo: ContactUndo, known: Known, remote: Remote | None, skip: Skip | None
) -> None:
    result = undo_target(undo, known, CAPABILITIES, same, remote)
    if skip is not None:
        assert result is skip
        assert "{" not in skip_in_words(skip, undo)
        return
    assert isinstance(result, UndoTarget)
    is_deletion = undo.change.effect is Effect.CREATED
    assert (result.desired is None, result.note.whole) == (is_deletion, is_deletion)


class Noted(NamedTuple):
    """What a row asks for, and what of it is noted as taken back."""

    change: ContactChange
    known: Known
    wanted: Desired | None
    note: str
    """Names of fields, and of tags with the sign of what happened to them."""
    in_step: bool = False
    before: TakenBack | None = None
    later: tuple[LaterChange, ...] = ()


def row(
    tags: str = "", mapped: frozenset[str] | None = None, **fields: Json
) -> Desired:
    names = {name.replace("__", "."): each for name, each in fields.items()}
    return Desired("1", names, frozenset(tags.split()), mapped=mapped)


NOTES: dict[str, Noted] = {
    "the row asks for it still": Noted(UPDATED, ULM, row(city="Ulm"), "city"),
    "in another form": Noted(UPDATED, ULM, row(city="ULM"), "city"),
    "in step, in whatever form": Noted(
        UPDATED, ULM, row(city="city of Ulm"), "city", in_step=True
    ),
    "the row asks for the old value": Noted(UPDATED, ULM, row(city="Bonn"), ""),
    "or for a third one, by a mended mapping": Noted(
        UPDATED, ULM, row(city="Köln"), ""
    ),
    "the field is not mapped any more": Noted(UPDATED, ULM, row(), ""),
    "and would be cleared for that": Noted(
        UPDATED, ULM, row(mapped=frozenset()), "city"
    ),
    "a row that cannot be used may ask for anything": Noted(UPDATED, ULM, None, "city"),
    "tags that the row would change again": Noted(
        ContactChange(
            Effect.UPDATED,
            tags_added=frozenset("ab"),
            tags_removed=frozenset("cd"),
        ),
        there({}, "a b"),
        row(tags="a d"),
        "-a +c",
    ),
    "but not once a mended mapping asks for other tags": Noted(
        ContactChange(
            Effect.UPDATED,
            tags_added=frozenset("ab"),
            tags_removed=frozenset("cd"),
        ),
        there({}, "a b"),
        row(tags="e"),
        "",
    ),
    "as it does where the row is in step": Noted(
        ContactChange(
            Effect.UPDATED,
            tags_added=frozenset("ab"),
            tags_removed=frozenset("c"),
        ),
        there({}, "a b"),
        row(tags="e"),
        "+c",
        in_step=True,
    ),
    "what is skipped stays held back": Noted(
        UPDATED,
        ULM,
        row(city="Ulm"),
        "city",
        before=TakenBack(5, VERSION, frozenset({"city"})),
        later=(LaterChange(6, fields=frozenset({"city"})),),
    ),
    "what was taken back before stays so": Noted(
        UPDATED,
        ULM,
        row(city="Ulm"),
        "city name -v",
        before=TakenBack(5, VERSION, frozenset({"name"}), tags_off=frozenset("v")),
    ),
    "but for what is put back as the row has it": Noted(
        UPDATED, ULM, row(city="Bonn"), "", before=OWN_NOTE
    ),
}


@pytest.mark.parametrize("case", NOTES.values(), ids=NOTES)
def test_what_is_noted(case: Noted) -> None:
    undo = ContactUndo(
        "1",
        case.change,
        UndoScope(RUN),
        wanted=case.wanted,
        later=case.later,
        is_in_step=case.in_step,
        version=VERSION,
        note=case.before,
    )
    target = undo_target(undo, case.known, CAPABILITIES, same)
    assert isinstance(target, UndoTarget)
    note = target.note
    assert _noted_names(note) == case.note
    assert (note.undone, note.version) == (RUN, VERSION)


def _noted_names(note: TakenBack) -> str:
    names = [
        *sorted(note.fields),
        *(f"-{tag}" for tag in sorted(note.tags_off)),
        *(f"+{tag}" for tag in sorted(note.tags_on)),
    ]
    return " ".join(names)


class Masked(NamedTuple):
    """What a row asks for, what is known and noted, and what is left of it."""

    desired: Desired
    known: Known
    note: TakenBack
    left: Desired


def noted(fields: str = "", off: str = "", on: str = "") -> TakenBack:
    return TakenBack(
        RUN,
        VERSION,
        frozenset(fields.split()),
        frozenset(off.split()),
        frozenset(on.split()),
    )


PHONE = MatchKey("phone", "+2")
MASKED: dict[str, Masked] = {
    "a field is left as it is": Masked(
        row(city="Ulm", name="B"), there({"city": "Bonn"}), noted("city"), row(name="B")
    ),
    "what an undo was about to write is finished": Masked(
        row(city="Ulm"),
        there({"city": "Ulm"}, pending=SENT),
        noted("city"),
        row(city="Bonn"),
    ),
    "so is what a re-sync distrusts: the value that was put back": Masked(
        row(city="Ulm"),
        there({}, pending=replace(SENT, distrusted=True)),
        noted("city"),
        row(city="Bonn"),
    ),
    "a distrusted list is kept": Masked(
        row(),
        there({}, pending=Pending(fields={"lists.a": True}, distrusted=True)),
        noted("lists.a"),
        row(lists__a=True),
    ),
    "a distrusted list that was left stays so": Masked(
        row(lists__a=True),
        there({}, pending=Pending(fields={"lists.a": None}, distrusted=True)),
        noted("lists.a"),
        row(),
    ),
    "tags": Masked(row(tags="a b"), there({}, "b"), noted("", "a", "c"), row(tags="b c")),
    "a list that was left": Masked(
        row(lists__a=True), there({}), noted("lists.a"), row()
    ),
    "a list that was joined again": Masked(
        row(), there({"lists.a": True}), noted("lists.a"), row(lists__a=True)
    ),
    "it is not cleared for being unmapped": Masked(
        row(mapped=frozenset({"name"})),
        there({"city": "Bonn"}),
        noted("city"),
        row(mapped=frozenset({"name", "city"})),
    ),
    "a match key is the vendor's": Masked(
        replace(row(phone="+2"), keys=(PHONE,)),
        there({"phone": "+1"}),
        noted("phone"),
        replace(row(), keys=(MatchKey("phone", "+1"),)),
    ),
    "a contact that is made anew has its key": Masked(
        replace(row(phone="+2", city="Ulm"), keys=(PHONE,)),
        Known(),
        noted("phone city"),
        replace(row(phone="+2"), keys=(PHONE,)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MASKED.values(), ids=MASKED)
def test_what_a_row_asks_for_beside_what_was_taken_back(case: Masked) -> None:
    left = without_taken_back(case.desired, case.known, case.note, CAPABILITIES)
    assert left == case.left


@pytest.mark.parametrize(
    ("fields", "rewritten"),
    [
        ({"city": "Bonn", "name": "Ann"}, 0),
        ({"city": "Bonn", "name": "Ann", "plan": "pro"}, 1),
    ],
)
def test_brakes_compare_what_is_taken_back_with_the_whole_contact(
    fields: dict[str, Json], rewritten: int
) -> None:
    known = there(
        {"city": "Ulm", "name": "Bob", "plan": "max", "team": "a", "score": 1}
    )
    survey = Survey()
    survey.add(with_the_rest(Desired("1", fields), known), known, CAPABILITIES)
    assert survey.rewritten == rewritten


def test_what_is_unknown_is_no_part_of_the_rest() -> None:
    known = there({"city": "Ulm", "name": "Bob"}, pending=Pending(fields={"city": "X"}))
    assert with_the_rest(Desired("1", {"name": "Ann"}), known).fields == {"name": "Ann"}


TAG_COLUMNS = (("vip", "is_vip"), ("old", "is_old"))
HOLDING = Mapping(
    (FieldMapping("name", "name"), FieldMapping("city", "town")),
    SetMapping(columns=TAG_COLUMNS),
    match_on=("phone",),
)
HELD_ROW = ("Ann", "Ulm", True, False)
OF_NAME, OF_CITY = HOLDING.fields
EVERYTHING = "city name -vip"


class Ending(NamedTuple):
    """What of a hold is left under another mapping, or with another row."""

    left: str
    mapping: Mapping = HOLDING
    values: tuple[Json, ...] = HELD_ROW


ENDINGS = {
    "nothing changed": Ending(EVERYTHING),
    "the row": Ending("", values=("Bea", *HELD_ROW[1:])),
    "a field is mapped beside": Ending(
        EVERYTHING,
        replace(HOLDING, fields=(*HOLDING.fields, FieldMapping("mail", "email"))),
        ("Ann", "Ulm", "a@b.c", True, False),
    ),
    "the field's own mapping": Ending(
        "name -vip",
        replace(HOLDING, fields=(OF_NAME, replace(OF_CITY, default="Rome"))),
    ),
    "another field's own column": Ending(
        "city -vip",
        replace(HOLDING, fields=(replace(OF_NAME, column="call_name"), OF_CITY)),
        ("Annie", *HELD_ROW[1:]),
    ),
    "one that is not mapped any more": Ending(
        "city -vip", replace(HOLDING, fields=(OF_CITY,)), HELD_ROW[1:]
    ),
    "how contacts are recognised": Ending(
        EVERYTHING, replace(HOLDING, match_on=("name",))
    ),
    "NULL, of which there is none": Ending(
        EVERYTHING, replace(HOLDING, on_null=OnNull.CLEAR)
    ),
    "the prefix of the tags": Ending(
        "city name",
        replace(HOLDING, tags=SetMapping(columns=TAG_COLUMNS, prefix="x:")),
    ),
    "another tag": Ending(
        EVERYTHING,
        replace(HOLDING, tags=SetMapping(columns=TAG_COLUMNS[:1])),
        HELD_ROW[:3],
    ),
}


@pytest.mark.parametrize("case", ENDINGS.values(), ids=ENDINGS)
def test_a_hold_ends_with_the_row_or_with_its_own_mapping(case: Ending) -> None:
    then, row = Versions(HOLDING), SourceRow("1", 1, HELD_ROW)
    note = replace(noted("city name", "vip"), version=then.of(row))
    note = with_basis(note, then.basis(row, note.fields, note.tags_off))
    now = Versions(case.mapping)
    present = SourceRow("1", 2, case.values)
    left = now.still_counting(note, present)
    assert _noted_names(left) == case.left
    # What is kept from now on ends as it would have before.
    assert now.still_counting(left, present) == left
    changed = replace(present, values=(*present.values[:-1], "other"))
    assert not now.still_counting(left, changed)
    assert not now.still_counting(left, None)
