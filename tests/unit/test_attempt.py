"""The rules of doubt as tables: an attempt is played by hand, without a loop."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from syncengine.errors import StorageError, VendorUnavailable
from syncengine.model.calls import (
    Action,
    Answer,
    Applied,
    Exists,
    OutcomeKind,
    Rejected,
)
from syncengine.model.capabilities import Capabilities, Deletion, Write
from syncengine.model.change import ChangedField
from syncengine.model.contact import (
    THIS_RUN,
    Desired,
    Known,
    MatchKey,
    Pending,
    Remote,
)
from syncengine.model.http import Json
from syncengine.model.mapping import OnRemoved
from syncengine.model.plan_file import Alternative, Case
from syncengine.model.work import ContactState, LinkResult, Status
from syncengine.planning import attempt as attempt_package
from syncengine.planning.attempt.contact_attempt import contact_attempt
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.progress import AttemptEnding
from syncengine.planning.attempt.rules import Rules
from syncengine.planning.attempt.steps import (
    AnsweredCall,
    AskGoingOn,
    AskOwnerOfAnswer,
    AskOwners,
    CheckAccount,
    Checkpoint,
    Claim,
    Find,
    NoteAccount,
    NoteValueWait,
    Read,
    Send,
    Step,
    Wait,
    WriteIntent,
)
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.plan_file import ApprovedContact, Digests
from syncengine.planning.removal import plan_removal

_ATTEMPT = Path(attempt_package.__path__[0])
KEY = MatchKey("ref", "7")
WISH = Desired("7", {"ref": "7", "name": "Ilse"}, keys=(KEY,))
CAN = Capabilities(
    create=Write(),
    update=Write(clears=("*",), unique=("ref",)),
    delete=Deletion(),
    find_by=("ref",),
    settles_within=30.0,
)
LOST = VendorUnavailable("no answer", maybe_applied=True)
UNSENT = VendorUnavailable("no connection", maybe_applied=False)
REFUSED = Rejected("invalid", "no", 400)
GONE = Rejected("not_found", "no such contact", 404)
THEIRS = Remote("v7", {"ref": "7", "name": "Ilse"})

Reply = Any
"""The answer to a step, or the exception that is thrown."""


def _same(field: str, ours: Json, theirs: Json) -> bool:
    del field
    return bool(ours == theirs)


RULES = Rules("here", CAN, _same, OnRemoved.UNTAG)


@dataclass
class Played:
    """An attempt that was played to its end, and the steps it asked for."""

    ending: AttemptEnding
    steps: list[Step[Any]]

    @property
    def asked(self) -> list[str]:
        """Return what was asked of the vendor, in order."""
        names: list[str] = []
        for step in self.steps:
            if isinstance(step, Send):
                names.append(step.call.action.value)
            elif isinstance(
                step, Find | Wait | AskOwners | NoteValueWait | WriteIntent
            ):
                names.append(type(step).__name__)
        return names


def job_of(known: Known, can: Capabilities = CAN) -> Job:
    plan = plan_contact(WISH, known, can)
    assert isinstance(plan, Plan)
    return Job(1, ContactState("7", known), WISH, 1, plan)


def played(
    known: Known,
    replies: Sequence[Reply],
    job: Job | None = None,
    can: Capabilities = CAN,
    owner: str | None = None,
) -> Played:
    """Play an attempt; ``replies`` are the answers to its questions.

    Only those to calls, look-ups and waits, and about owners, are told. ``owner`` owns
    whatever is to be linked.
    """
    rules = replace(RULES, capabilities=can)
    attempt = contact_attempt(job or job_of(known, can), rules)
    left = list(replies)
    steps: list[Step[Any]] = []
    step = next(attempt)
    while True:
        steps.append(step)
        reply = _reply(step, left, owner)
        try:
            if isinstance(reply, Exception):
                step = attempt.throw(reply)
            else:
                step = attempt.send(reply)
        except StopIteration as end:
            assert not left, "the attempt asked for less than it was given"
            return Played(end.value, steps)


def _reply(step: Step[Any], left: list[Reply], owner: str | None) -> Reply:
    match step:
        case Send():
            reply = left.pop(0)
            is_whole = isinstance(reply, Exception | AnsweredCall)
            return reply if is_whole else _answered(reply)
        case CheckAccount() if left and isinstance(left[0], Exception):
            return left.pop(0)
        case Find() | Read() | Wait() | AskOwners() | NoteValueWait():
            return left.pop(0)
        case Claim():
            return LinkResult(owner)
        case AskGoingOn():
            return True
        case (
            AskOwnerOfAnswer()
            | CheckAccount()
            | NoteAccount()
            | Checkpoint()
            | WriteIntent()
        ):
            return None
    raise AssertionError(step)


def _answered(answer: Answer) -> AnsweredCall:
    return AnsweredCall(answer, after_lost_try=False, number=1)


NEW = Known()
LINKED = Known("v7", fields={"ref": "7", "name": "old"}, key=KEY)


@pytest.mark.parametrize(
    ("known", "replies", "asked", "kind", "status"),
    [
        # A newcomer is looked up, and created where nothing is found.
        (NEW, [[], Applied("v7")], ["Find", "create"], "applied", Status.SYNCED),
        # What is found is linked, and only what differs is sent.
        (NEW, [[THEIRS]], ["Find"], "", Status.SYNCED),
        # A lost create is never sent again before a look-up, at once and after a wait.
        (
            NEW,
            [[], LOST, [THEIRS]],
            ["Find", "create", "Find"],
            "",
            Status.SYNCED,
        ),
        (
            NEW,
            [[], LOST, [], True, [], Applied("v7")],
            ["Find", "create", "Find", "Wait", "Find", "create"],
            "applied",
            Status.SYNCED,
        ),
        # Where the run is stopped during that wait, nothing is sent again.
        (
            NEW,
            [[], LOST, [], False],
            ["Find", "create", "Find", "Wait"],
            "unknown",
            Status.PENDING,
        ),
        # A create that surely did not arrive leaves nothing unknown.
        (NEW, [[], UNSENT], ["Find", "create"], "deferred", Status.PENDING),
        # A lost update stays unknown; it may be sent again by the next run.
        (LINKED, [LOST], ["update"], "unknown", Status.PENDING),
        (LINKED, [UNSENT], ["update"], "deferred", Status.PENDING),
        (LINKED, [REFUSED], ["update"], "rejected", Status.REJECTED),
        # A contact that is gone is looked for under its keys, and left alone.
        (LINKED, [GONE, []], ["update", "Find"], "gone", Status.GONE),
    ],
)
def test_what_is_asked_and_how_it_ends(
    known: Known,
    replies: list[Reply],
    asked: list[str],
    kind: str,
    status: Status,
) -> None:
    result = played(known, replies)
    record = result.ending.record
    assert result.asked == asked
    assert (record.outcome.kind if record.outcome else "") == kind
    assert record.status is status
    is_unknown = kind == OutcomeKind.UNKNOWN
    assert (record.known.pending is not None) == is_unknown


# --- a value that another contact has -------------------------------------------------

HOLDER = Exists(Remote("v8", {"ref": "7"}))
"""The answer to an update: the value belongs to that contact."""
OWNED: Mapping[str, str] = {"v8": "here/8"}
OLD = Known("v7", fields={"ref": "1", "name": "Ilse"}, key=MatchKey("ref", "1"))
"""The contact is to have another value than it has."""
OFFERED = ["update", "AskOwners", "NoteValueWait"]
LETTING_GO = [*OFFERED, "WriteIntent", "update"]
APPROVED = ApprovedContact(
    (Alternative(Case.AS_KNOWN, (Digests(b"k").call(job_of(OLD).plan.calls[0]),)),),
    Digests(b"k"),
)


@pytest.mark.parametrize(
    ("replies", "asked", "kind", "known_ref", "unknown", "lets_go"),
    [
        # The holder is nobody's: a person has to decide.
        ([HOLDER, {}], OFFERED[:2], "rejected", "1", None, False),
        # It is ours, and may let go: it is waited for.
        ([HOLDER, OWNED, ()], OFFERED, "deferred", "1", None, False),
        # Both wait for each other: this one lets go first, and waits as well.
        (
            [HOLDER, OWNED, ("ref",), Applied("v7")],
            LETTING_GO,
            "deferred",
            None,
            None,
            True,
        ),
        # The answer to that is lost: what is there now is unknown.
        (
            [HOLDER, OWNED, ("ref",), LOST],
            LETTING_GO,
            "unknown",
            "1",
            {"ref": None},
            False,
        ),
        ([HOLDER, OWNED, ("ref",), UNSENT], LETTING_GO, "deferred", "1", None, False),
        # It is refused, or is answered as if it asked for a value: that ends it.
        ([HOLDER, OWNED, ("ref",), REFUSED], LETTING_GO, "rejected", "1", None, False),
        (
            [HOLDER, OWNED, ("ref",), HOLDER, OWNED],
            [*LETTING_GO, "AskOwners"],
            "deferred",
            "1",
            None,
            True,
        ),
    ],
)
def test_a_value_that_another_contact_has(
    replies: list[Reply],
    asked: list[str],
    kind: str,
    known_ref: str | None,
    unknown: Mapping[str, Json] | None,
    lets_go: bool,  # noqa: FBT001 - a column of the table
) -> None:
    ending = played(OLD, replies).ending
    record = ending.record
    assert played(OLD, replies).asked == asked
    assert record.outcome is not None
    assert record.outcome.kind == kind
    assert record.known.fields.get("ref") == known_ref
    assert (record.known.unknown_fields or None) == unknown
    assert ending.lets_go == lets_go
    is_waiting = kind == "deferred" and "AskOwners" in asked and UNSENT not in replies
    assert (ending.waits_for is not None) == is_waiting


def test_letting_go_is_written_down_before_and_after() -> None:
    steps = played(OLD, [HOLDER, OWNED, ("ref",), Applied("v7")]).steps
    (intent,) = [step.intent for step in steps if isinstance(step, WriteIntent)]
    assert intent.pending.fields == {"ref": None}
    (done,) = [step for step in steps if isinstance(step, Checkpoint)]
    assert done.is_awaited
    assert "ref" not in done.record.known.fields
    kinds = [type(step) for step in steps]
    order = (NoteValueWait, WriteIntent, Checkpoint)
    assert [kind for kind in kinds if kind in order] == list(order)


@pytest.mark.parametrize(("after_lost_try", "ready_in"), [(False, 0.0), (True, 30.0)])
def test_a_value_is_written_once_what_empties_it_cannot_arrive_any_more(
    *, after_lost_try: bool, ready_in: float
) -> None:
    """A try that was given up would else empty the new value, and nobody would know."""
    emptied = AnsweredCall(Applied("v7"), after_lost_try=after_lost_try, number=1)
    ending = played(OLD, [HOLDER, OWNED, ("ref",), emptied]).ending
    assert ending.lets_go
    assert ending.ready_in == ready_in


def test_the_change_of_one_that_let_go_is_from_its_old_value_to_its_new_one() -> None:
    first = played(OLD, [HOLDER, OWNED, ("ref",), Applied("v7")]).ending.record
    job = job_of(first.known)
    state = replace(job.state, changes=first.changes)
    then = played(first.known, [Applied("v7")], replace(job, state=state))
    change = then.ending.record.changes[THIS_RUN]
    assert change is not None
    assert change.fields == {"ref": ChangedField("7", "1", is_old_known=True)}


@pytest.mark.parametrize(
    ("job", "can", "may_be_stuck"),
    [
        # A plan file does not say that the value is emptied; another run may do it.
        (replace(job_of(OLD), approved=APPROVED), CAN, False),
        # The vendor takes no empty value: then nobody can move.
        (job_of(OLD), replace(CAN, update=Write(unique=("ref",))), True),
    ],
)
def test_nothing_is_emptied_where_it_may_not_be(
    job: Job,
    can: Capabilities,
    may_be_stuck: bool,  # noqa: FBT001 - a column of the table
) -> None:
    result = played(OLD, [HOLDER, OWNED, ("ref",)], job, can)
    assert result.asked == OFFERED
    assert not result.ending.lets_go
    assert result.ending.waits_for_value == may_be_stuck


def test_a_distrusted_contact_is_read_and_what_is_shown_is_not_sent_again() -> None:
    known = Known(
        "v7",
        key=KEY,
        pending=Pending(fields=dict(WISH.fields), distrusted=True),
    )
    result = played(known, [THEIRS])
    assert [type(step) for step in result.steps] == [Read, NoteAccount]
    assert result.ending.record.status is Status.SYNCED
    assert result.ending.record.known.fields["name"] == "Ilse"


def test_nothing_is_given_up_before_the_account_is_checked() -> None:
    steps = [type(step) for step in played(LINKED, [GONE, []]).steps]
    assert steps.index(CheckAccount) < steps.index(Checkpoint)


MERGING = replace(CAN, merges=True)
"""A vendor that merges contacts: an old id leads to the contact that was left."""


@pytest.mark.parametrize(
    "read",
    [
        # The contact that was written to is somebody else's by its match key, too.
        [Remote("v8", {"ref": "8"}), Remote("v7", {})],
        # It has our match key, and another one of ours owns it all the same.
        [Remote("v8", {"ref": "7"}), None],
    ],
)
def test_whoever_was_written_over_by_the_id_of_a_merged_contact_is_told(
    read: list[Remote | None],
) -> None:
    replies = [Applied("v8"), {"v8": "here/8"}, *read]
    ending = played(LINKED, replies, can=MERGING, owner="here/8").ending
    assert ending.overwritten is not None
    assert (ending.overwritten.owner, ending.overwritten.external_id) == (
        "here/8",
        "v8",
    )
    assert set(ending.overwritten.written.fields) == {"name"}
    assert not ending.postponed, "sent again it would write over that one again"


def _merged(**fields: Json) -> Remote:
    """Return what is left of two contacts of ours, under an id of its own."""
    return Remote("v9", fields, former_ids=("v7", "v8"))


THEIRS_NOW: Mapping[str, str] = {"v8": "here/8"}


@pytest.mark.parametrize("is_found", [True, False])
def test_the_loser_of_a_merge_does_not_take_what_is_the_other_ones(
    *,
    is_found: bool,
) -> None:
    """The one that is left has the other one's key, and perhaps ours besides."""
    left = _merged(ref="8")
    looked_up = [[left], THEIRS_NOW] if is_found else [[]]
    replies = [Applied("v9"), {}, left, THEIRS_NOW, left, *looked_up]
    result = played(LINKED, replies, can=MERGING)
    assert result.ending.record.status is Status.GONE
    assert not [step for step in result.steps if isinstance(step, Claim)]
    message = getattr(result.ending.record.outcome, "message", "")
    assert ("here/8" in message) is is_found, message
    overwritten = result.ending.overwritten
    assert overwritten is not None, "the other one's values are to be mended"
    assert (overwritten.owner, overwritten.external_id) == ("here/8", "v8")


@pytest.mark.parametrize(
    ("fields", "owners"),
    [
        # It has our key: the other one was merged into ours.
        ({"ref": "7", "name": "old"}, THEIRS_NOW),
        # Nobody else knows it: a stranger was merged into ours.
        ({"ref": "7", "name": "old"}, {}),
    ],
)
def test_the_winner_of_a_merge_is_linked_to_what_is_left(
    fields: dict[str, Json], owners: Mapping[str, str]
) -> None:
    left = _merged(**fields)
    replies = [Applied("v9"), {}, left, owners, left, owners, Applied("v9")]
    result = played(LINKED, replies, can=MERGING)
    assert result.ending.record.status is Status.SYNCED
    assert result.ending.record.known.external_id == "v9"
    assert result.ending.overwritten is None


def test_a_newcomer_is_not_linked_to_what_another_one_had_before_a_merge() -> None:
    result = played(NEW, [[_merged(ref="7")], {"v7": "here/1"}])
    assert result.asked == ["Find", "AskOwners"]
    assert result.ending.record.known.external_id is None
    assert result.ending.waits_for is not None


def test_a_value_is_waited_for_at_whoever_had_its_holder_before_a_merge() -> None:
    holder = Exists(Remote("v9", {"ref": "7"}, former_ids=("v8",)))
    result = played(OLD, [holder, {"v8": "here/8"}, ()])
    assert result.asked == OFFERED
    assert result.ending.waits_for is not None


def test_what_is_gone_after_a_lost_deletion_may_have_been_deleted_by_it() -> None:
    plan = plan_removal("7", LINKED, OnRemoved.DELETE, CAN)
    state = ContactState("7", LINKED)
    job = Job(1, state, None, None, plan, on_removed=OnRemoved.DELETE)
    gone = AnsweredCall(Applied(was_gone=True), after_lost_try=True, number=1)
    record = played(LINKED, [gone, UNSENT], job).ending.record
    assert record.known.pending is not None
    assert record.known.pending.deletes


@pytest.mark.parametrize(
    ("lost_counts", "unsent_counts", "unreachable"),
    [(True, True, False), (True, False, True), (False, True, True)],
)
def test_each_failed_request_counts_with_one_of_its_contacts(
    *, lost_counts: bool, unsent_counts: bool, unreachable: bool
) -> None:
    """Those of a wave with which it does not count are told so, each time."""
    lost = VendorUnavailable("lost", maybe_applied=True, is_counted=lost_counts)
    unsent = VendorUnavailable("no", maybe_applied=False, is_counted=unsent_counts)
    ending = played(NEW, [[], lost, unsent]).ending
    assert ending.unreachable is unreachable


def test_a_storage_error_ends_no_contact_but_the_run() -> None:
    with pytest.raises(StorageError):
        played(LINKED, [StorageError("the database is away")])


def test_what_nobody_foresaw_ends_with_the_contact_and_leaves_it_unknown() -> None:
    result = played(LINKED, [KeyError("email")])
    assert result.ending.record.outcome is not None
    assert result.ending.record.outcome.code == "unforeseen"
    assert result.ending.record.known.pending is not None
    assert Action.UPDATE not in result.ending.record.outcome.actions


def test_no_part_of_an_attempt_is_called_without_playing_its_steps() -> None:
    """A generator that is called as a statement does nothing, and nobody says so."""
    parts: set[str] = set()
    statements: list[tuple[str, str]] = []
    for file in _ATTEMPT.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef) and node.returns is not None:
                if ast.unparse(node.returns).startswith("Steps["):
                    parts.add(node.name)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                called = ast.unparse(node.value.func).rpartition(".")[2]
                statements.append((called, f"{file.name}:{node.lineno}"))
    assert "settle" in parts
    assert [place for called, place in statements if called in parts] == []
