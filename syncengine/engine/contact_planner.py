"""Plan of one contact from its row, its state and what others say of it. Pure.

The ``Preparer`` collects the facts about a batch, and asks for each contact. The answer
is a ``Job`` where the vendor has to be asked or written to, a ``Record`` where the end
is certain without a request (refused by our own check, suppressed, in step), or None
where even that is known already. Which calls a job needs is decided in
``planning.plan`` and ``planning.removal``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from syncengine.engine.task import Task
from syncengine.errors import SourceError, SyncEngineError, where_it_broke
from syncengine.model.calls import Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.consent import OPTED_OUT
from syncengine.model.contact import Desired, Known
from syncengine.model.contact_ids import as_argument, name_of, name_of_owner
from syncengine.model.mapping import OnRemoved
from syncengine.model.undo import TakenBack
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactState,
    Record,
    SharedContact,
    SourceRow,
    Status,
)
from syncengine.planning.attempt import records
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.undo_jobs import with_target
from syncengine.planning.distrust import should_read_back
from syncengine.planning.intents import (
    after_unknown_deletion,
    still_unknown,
    with_all_unknown,
)
from syncengine.planning.learning import with_key_of_create
from syncengine.planning.look_up import plan_look_up
from syncengine.planning.mapping import has_opted_out, map_row, no_match_key
from syncengine.planning.merges import has_open_merge
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.removal import plan_removal, unknown_after_removal
from syncengine.planning.sharing import WantedByOthers
from syncengine.planning.taken_back import without_taken_back
from syncengine.planning.undo import UndoTarget

_NOT_SHARED = SharedContact()


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """Facts about a batch's contacts, all by contact id."""

    batch: Batch
    attempt: int
    """Number of the attempt that is prepared."""
    rows: Mapping[str, SourceRow]
    states: Mapping[str, ContactState]
    key_owners: Mapping[str, str] = field(default_factory=dict)
    """Contacts that must not have a match key they claim, each with the contact id of
    the one that has it. That is their own id where the same contact of another
    destination has it."""
    wanted: Mapping[str, WantedByOthers] | SourceError = field(default_factory=dict)
    """What other destinations want of removed contacts; or why they cannot be asked."""
    shared: Mapping[str, SharedContact] = field(default_factory=dict)
    """Contacts that the vendor has, or may have, from other destinations."""
    not_let_go: Mapping[str, str] = field(default_factory=dict)
    """Contacts that another destination does not select any more, and of which it has
    to settle something in its own run first; each with that destination."""
    recreated: frozenset[str] = frozenset()
    """Contacts that were deleted at the vendor, and are created again now."""
    taken_back: Mapping[str, TakenBack] = field(default_factory=dict)
    """Parts that undos have taken back of contacts whose rows are still the same."""
    released: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Parts of contacts that an undo held back until now (``planning.causes``)."""


@dataclass(frozen=True, slots=True)
class _Selected:
    """A contact that the source selects, with what matters for its plan."""

    batch: int
    state: ContactState
    row: SourceRow
    key_owner: str | None
    """The contact that has its match key (``BatchFacts.key_owners``)."""
    shared: SharedContact
    taken_back: TakenBack | None
    """Parts of it that an undo has taken back."""


class ContactPlanner:
    """Makes jobs and records of the contacts of one destination."""

    def __init__(self, task: Task, capabilities: Capabilities) -> None:
        self._task = task
        self._capabilities = capabilities

    def desired(
        self,
        row: SourceRow,
        known: Known | None = None,
        taken_back: TakenBack | None = None,
    ) -> Desired | Rejected:
        """Return the desired contact, or a rejection.

        A row at which anything unforeseen happens is rejected. What an undo has taken
        back of the contact is left as it is known to be.
        """
        desired = self._mapped(row)
        if taken_back is None or isinstance(desired, Rejected):
            return desired
        return without_taken_back(
            desired, known or Known(), taken_back, self._capabilities
        )

    def _mapped(self, row: SourceRow) -> Desired | Rejected:
        """Return the contact that a row asks for, or a rejection."""
        try:
            return map_row(
                row,
                self._task.mapping,
                self._capabilities.identity,
                self._capabilities.accumulates,
            )
        except SyncEngineError:
            raise
        except Exception as error:  # noqa: BLE001 - it ends with this row
            return _unplannable(error)

    def opted_out(self, row: SourceRow) -> bool:
        """Return whether the contact opted out by the source's own column."""
        return has_opted_out(row, self._task.mapping)

    def plan(self, contact_id: str, facts: BatchFacts) -> Job | Record | None:
        """Return the job of one contact, or its record where it needs no request.

        None: nothing to do, and nothing to note.
        """
        try:
            item = self._plan(contact_id, facts)
        except SyncEngineError:
            raise
        except Exception as error:  # noqa: BLE001 - it ends with this contact
            return _rejected_as_unplannable(contact_id, facts, error)
        if not isinstance(item, Job):
            return item
        return replace(
            item,
            met=contact_id in facts.shared,
            attempt=facts.attempt,
            recreates=contact_id in facts.recreated,
            released=facts.released.get(contact_id, frozenset()),
        )

    def _plan(self, contact_id: str, facts: BatchFacts) -> Job | Record | None:
        """Plan a contact; the caller adds to a job what all jobs have in common."""
        state = facts.states.get(contact_id)
        row = facts.rows.get(contact_id)
        if row is not None:
            return self._plan_selected(state or ContactState(contact_id), row, facts)
        if state is not None and facts.batch.kind is BatchKind.REMOVALS:
            if contact_id in facts.taken_back:
                return _defer_to_undo(facts.batch.number, state, facts)
            return self._plan_removed(facts.batch.number, state, facts.wanted)
        # It left the source after the diff: nothing is sent, and its removal is the
        # next run's business, brakes included.
        return None

    def _plan_selected(
        self, state: ContactState, row: SourceRow, facts: BatchFacts
    ) -> Job | Record | None:
        """Plan a contact that the source selects."""
        contact_id = row.contact_id
        if self.opted_out(row):
            return _suppressed_by_opt_out(state, row)
        if self._may_be_overwritten(state, facts):
            known = with_all_unknown(state.known, state.known.pending)
            state = replace(state, known=known)
        contact = _Selected(
            facts.batch.number,
            state,
            row,
            facts.key_owners.get(contact_id),
            facts.shared.get(contact_id, _NOT_SHARED),
            facts.taken_back.get(contact_id),
        )
        other = facts.not_let_go.get(contact_id)
        if other is not None:
            has_key_there = contact.key_owner == contact_id
            # Otherwise the other destination has nothing that is in the way here.
            if has_key_there or contact.shared.owner == other:
                return self._defer_until_let_go(contact, other)
        if contact.taken_back is not None and contact.taken_back.whole:
            return self._plan_deleted_again(contact, contact.taken_back)
        if state.gone:
            return self._plan_gone(contact)
        return self._plan_change(contact)

    def _plan_deleted_again(
        self, contact: _Selected, note: TakenBack
    ) -> Job | Record | None:
        """Plan a contact that an undo has deleted, or was about to delete.

        It is not created again before its row changes. A deletion of which the outcome
        is unknown is finished.
        """
        state, source_hash = contact.state, contact.row.source_hash
        known = state.known
        if known.external_id is None and known.pending is None:
            if _is_acknowledged(state, contact.row):
                return None
            desired = Desired(state.contact_id, {})
            job = Job(contact.batch, state, desired, source_hash, Plan())
            return records.in_step(job, known, (), ())
        blank = Job(contact.batch, state, None, source_hash, Plan())
        job_or_refusal = with_target(
            blank, UndoTarget(None, known, note), self._capabilities
        )
        assert isinstance(job_or_refusal, Job), "nothing refuses a deletion"
        return job_or_refusal

    def _may_be_overwritten(self, state: ContactState, facts: BatchFacts) -> bool:
        """Return whether another destination may have written to a returning contact.

        While the contact was removed here, another destination may have upserted it.
        Whether that was carried out may be unknown, and such a vendor has no look-up.
        """
        is_back = state.status is Status.REMOVED and not self._capabilities.find_by
        return is_back and state.contact_id in facts.shared

    def _defer_until_let_go(self, contact: _Selected, other: str) -> Record:
        """Defer a contact of which another destination has to let go first."""
        desired = self.desired(contact.row)
        assert isinstance(desired, Desired), "a bad row leaves no other destination"
        state = contact.state
        job = Job(contact.batch, state, desired, contact.row.source_hash, Plan())
        message = _not_let_go(f"{other}/{state.contact_id}")
        return records.deferred(job, state.known, "not_let_go", message)

    def _plan_change(self, contact: _Selected) -> Job | Record | None:
        """Plan what differs between a contact's row and what is known of it."""
        state = self._with_open_create_and_deletion(contact.state)
        contact = replace(contact, state=state)
        known = state.known
        desired = self.desired(contact.row, known, contact.taken_back)
        if isinstance(desired, Rejected):
            return self._refused(contact, None, desired)
        refusal = self._own_refusal(contact, desired, known)
        if refusal is None and self._would_overwrite(contact.shared, desired, known):
            refusal = _owned_by_another(f"{contact.shared.owner}/{desired.contact_id}")
        if refusal is not None:
            return self._refused(contact, desired, refusal)
        plan = plan_contact(desired, known, self._capabilities)
        if isinstance(plan, Rejected):
            return self._refused(contact, desired, plan)
        job = Job(contact.batch, state, desired, contact.row.source_hash, plan)
        if plan.calls or self._has_to_be_read(known):
            return job
        if _is_acknowledged(state, contact.row):
            return None
        left = still_unknown(known, plan, manages_tags=desired.manages_tags)
        return records.in_step(job, known, (), plan.unsupported, left=left)

    def _with_open_create_and_deletion(self, state: ContactState) -> ContactState:
        """Return the state with what follows from a create or deletion without answer.

        After a deletion the contact may be gone: it is to be looked up. After a create
        it may be there under the key that was sent.
        """
        known = after_unknown_deletion(state.known, self._task.mapping.match_on)
        known = with_key_of_create(known, self._capabilities)
        if known is state.known:
            return state
        return replace(state, known=known)

    def _has_to_be_read(self, known: Known) -> bool:
        """Return whether the vendor has to show the contact before it is planned."""
        is_distrusted = should_read_back(known, self._capabilities)
        return is_distrusted or has_open_merge(known)

    def _would_overwrite(
        self, shared: SharedContact, desired: Desired, known: Known
    ) -> bool:
        """Return whether another destination owns what an upsert would write over.

        Only where the vendor has no look-up: else the contact is found, and its owner
        is known, before anything is written.
        """
        is_blind = not self._capabilities.find_by and known.external_id is None
        return is_blind and shared.owner is not None and shared.key in desired.keys

    def _own_refusal(
        self, contact: _Selected, desired: Desired, known: Known
    ) -> Rejected | None:
        """Return why our own check refuses a contact; None: it does not."""
        if contact.key_owner is not None:
            return _duplicate(contact.key_owner, desired, self._task.mapping.match_on)
        if known.external_id is None and not desired.keys:
            return no_match_key(self._task.mapping)
        return None

    def _plan_gone(self, contact: _Selected) -> Job | Record | None:
        """Return the job of a contact that was deleted at the vendor: to look it up.

        None where it is created again at the end of the run.
        """
        if self._task.recreates and contact.state.status is Status.GONE:
            return None
        state = contact.state
        source_hash = contact.row.source_hash
        desired = self.desired(contact.row, state.known, contact.taken_back)
        refusal: Rejected | None
        if isinstance(desired, Rejected):
            refusal = desired
            desired = Desired(state.contact_id, {})
        else:
            # Nothing is known of it: no key that it had once makes up for one that its
            # row does not have.
            refusal = self._own_refusal(contact, desired, Known())
        if refusal is not None and not self._has_unknown_create(state.known):
            return records.rejected(state, state.known, source_hash, refusal)
        # A refused one is only looked up, to settle its create.
        return Job(
            contact.batch, state, desired, source_hash, Plan(), refusal, gone=True
        )

    def _refused(
        self, contact: _Selected, desired: Desired | None, refusal: Rejected
    ) -> Job | Record:
        """Return the record of a contact that our own check refuses.

        Return a job where a create without an answer has to be settled first; it is
        refused afterwards. ``desired`` is None for a row that cannot be mapped.
        """
        state = contact.state
        source_hash = contact.row.source_hash
        if not self._has_unknown_create(state.known):
            return records.rejected(state, state.known, source_hash, refusal)
        if desired is None:
            desired = Desired(state.contact_id, {})
        return Job(contact.batch, state, desired, source_hash, Plan(), refusal)

    def _has_unknown_create(self, known: Known) -> bool:
        """Return whether a create without an answer can be looked up."""
        look_up = plan_look_up(None, known, self._capabilities, find_first=False)
        return look_up is not None

    def _plan_removed(
        self,
        batch: int,
        state: ContactState,
        others: Mapping[str, WantedByOthers] | SourceError,
    ) -> Job | Record | None:
        """Plan a contact that the source does not select any more."""
        if isinstance(others, SourceError):
            job = Job(batch, state, None, None, Plan())
            return records.deferred(job, state.known, "not_asked", _not_asked(others))
        pending = state.known.pending
        if pending is not None and pending.creates:
            # It was back in the source for a while, and may have been created anew.
            state = self._with_open_create_and_deletion(state)
        known = state.known
        policy = self._task.on_removed
        wanted = others.get(state.contact_id)
        plan = plan_removal(state.contact_id, known, policy, self._capabilities, wanted)
        job = Job(batch, state, None, None, plan, wanted=wanted)
        if plan.calls or self._has_to_be_settled_first(known):
            return job
        if wanted is not None and state.status is Status.REMOVED:
            # It was reported when it left; the other destination is still to take it
            # over.
            return None
        if wanted is not None:
            policy = OnRemoved.IGNORE
        left = unknown_after_removal(known, policy, self._capabilities)
        return records.in_step(job, known, (), plan.unsupported, left=left)

    def _has_to_be_settled_first(self, known: Known) -> bool:
        """Return whether the vendor may have more of a contact than is known."""
        policy = self._task.on_removed
        if self._has_unknown_create(known):
            return True
        if policy is not OnRemoved.IGNORE and has_open_merge(known):
            return True
        # It may have tags of ours that are not known.
        return policy is OnRemoved.UNTAG and should_read_back(known, self._capabilities)


def _defer_to_undo(batch: int, state: ContactState, facts: BatchFacts) -> Record:
    """Defer the removal of a contact that an undo has begun to write to."""
    job = Job(batch, state, None, None, Plan())
    undone = facts.taken_back[state.contact_id].undone
    message = (
        f"an undo of run {undone} had begun to write to it and did not come to its "
        f"end: `syncengine undo {undone} --yes` finishes that"
    )
    return records.deferred(job, state.known, "undo_unfinished", message)


def _is_acknowledged(state: ContactState, row: SourceRow) -> bool:
    """Return whether the state says already that this version of the row is in step."""
    if state.status is not Status.SYNCED or state.known.pending is not None:
        return False
    return state.source_hash == row.source_hash


def _rejected_as_unplannable(
    contact_id: str, facts: BatchFacts, error: Exception
) -> Record:
    """Return the record of a contact at which something unforeseen happened."""
    state = facts.states.get(contact_id) or ContactState(contact_id)
    row = facts.rows.get(contact_id)
    refusal = _unplannable(error)
    if row is None:
        return records.rejected(state, state.known, None, refusal, removal=True)
    return records.rejected(state, state.known, row.source_hash, refusal)


def _suppressed_by_opt_out(state: ContactState, row: SourceRow) -> Record | None:
    """Return the record of a contact that opted out; None where it is noted already."""
    is_noted = state.status is Status.SUPPRESSED
    if is_noted and state.source_hash == row.source_hash:
        return None
    return records.suppressed(state, state.known, row.source_hash, OPTED_OUT)


def _unplannable(error: Exception) -> Rejected:
    return Rejected(
        "cannot_be_planned",
        f"the row cannot be made into calls ({where_it_broke(error)}); "
        "look at its values, and at what the mapping makes of them",
        by_vendor=False,
    )


def _not_asked(error: SourceError) -> str:
    return (
        "it left the source, and another destination of the account cannot be asked "
        f"whether it selects the contact ({error}): "
        "nothing is deleted or untagged before it can"
    )


def _not_let_go(owner: str) -> str:
    return (
        f"the vendor's contact belongs to contact {name_of_owner(owner)} of the same "
        "account, which that file does not select any more. "
        "The run of that file has to release the contact first, and the next run here "
        "takes it over"
    )


def _owned_by_another(owner: str) -> Rejected:
    return Rejected(
        "ambiguous_match",
        f"the vendor's contact belongs to contact {name_of_owner(owner)} of the same "
        "account, and one would write over the other. "
        "It is taken over once that file does not select it any more; "
        "else let one of the two files select it",
        by_vendor=False,
    )


def _duplicate(winner: str, desired: Desired, match_on: Sequence[str]) -> Rejected:
    """Return the refusal of a contact of which another one has a match key.

    One such key is enough, whatever the others are.
    """
    named = " or ".join(_shared_fields(winner, desired))
    advice = f"correct {named} in one of the two rows"
    if len(match_on) > 1:
        advice += (
            f", or take {named} out of match_on if the vendor may have two contacts "
            "with it"
        )
    return Rejected(
        "duplicate_match_key",
        f"contact {name_of(winner)} has the same match key ({named}), so the vendor "
        "could not tell the two apart. It keeps the key even where it has opted out "
        f"(`syncengine why {as_argument(winner)}` says what is done about it): "
        f"{advice}",
        by_vendor=False,
    )


def _shared_fields(winner: str, desired: Desired) -> Sequence[str]:
    """Return the match fields that another contact may share with this one."""
    fields = [key.field for key in desired.keys]
    if winner == desired.contact_id:
        # The same row, selected by another destination, shares all of them.
        return fields
    # Nobody else has the contact's own id.
    others = [key.field for key in desired.keys if key.value != desired.contact_id]
    return others or fields
