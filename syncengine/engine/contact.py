"""Sync of one contact.

Unknown outcomes are settled first; then the contact is looked up, and its calls are
sent in order. Each success is noted.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from syncengine.engine import records
from syncengine.engine.account_check import AccountCheck
from syncengine.engine.attempt import LAST_ATTEMPT, Attempt, Ending
from syncengine.engine.conclusions import (
    AMBIGUOUS,
    ERASURE_UNDER_WAY,
    UNSETTLED,
    UNSETTLED_MERGE,
    about,
    by_key,
    created,
    gone,
    gone_message,
    is_missing,
    is_same_person,
    names_another,
    not_ready,
    owned,
    repeatable,
    visible,
)
from syncengine.engine.consent import LEFT_SOURCE, OPTED_OUT, Consent
from syncengine.engine.exchange import Meter
from syncengine.engine.given_ids import GivenIds
from syncengine.engine.recorder import Recorder
from syncengine.engine.retry import Answered, Retrier
from syncengine.engine.stopping import StopSignal
from syncengine.engine.task import Job, Task
from syncengine.errors import (
    AccountStopped,
    ContactSuppressed,
    RequestFailed,
    SyncEngineError,
    VendorUnavailable,
    where_it_broke,
)
from syncengine.model.calls import (
    Action,
    Answer,
    Applied,
    Call,
    Exists,
    Rejected,
    rejected_other_id,
)
from syncengine.model.contact import MatchKey, Pending, Remote
from syncengine.model.contact_ids import name_of, name_of_owner
from syncengine.model.http import Exchange
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Intent, KeyWait, LinkResult
from syncengine.planning.distrust import known_from_read_back, should_read_back
from syncengine.planning.found_contacts import (
    known_after_not_found,
    known_from_remote,
    tags_with_prefix,
    unique_remotes,
    with_inherited,
    with_seen_opt_outs,
    with_tags_to_remove,
)
from syncengine.planning.intents import (
    intent_of_plan,
    remaining_intent,
    still_unknown,
    with_all_unknown,
)
from syncengine.planning.learning import learn, learn_from_other_contact
from syncengine.planning.look_up import LookUp, plan_look_up
from syncengine.planning.match_keys import keys_at_vendor
from syncengine.planning.merges import after_merge, has_open_merge, merge_wait
from syncengine.planning.plan import Plan, plan_contact
from syncengine.planning.refusals import weight
from syncengine.planning.removal import plan_removal, unknown_after_removal
from syncengine.ports import ContactStore, Vendor

_MAKING = (Action.CREATE, Action.UPSERT)
"""The actions whose answer may give a contact its external id."""


class ContactSync:
    """Works on the contacts of one destination, several at a time."""

    def __init__(
        self,
        task: Task,
        vendor: Vendor,
        retrier: Retrier,
        store: ContactStore,
        recorder: Recorder,
        stopping: StopSignal,
        consent: Consent | None = None,
    ) -> None:
        self._task = task
        self._vendor = vendor
        self._capabilities = vendor.capabilities
        self._retrier = retrier
        self._store = store
        self._recorder = recorder
        self._stopping = stopping
        self._consent = consent
        self._given = GivenIds(task.destination, store)
        self._account = AccountCheck(
            vendor, retrier, store, consent, passed=task.gone_accepted
        )
        self._answers = itertools.count(1)
        self._overwritten: list[tuple[str, str, Pending]] = []
        """Owners of vendor contacts that another contact's values were written to, with
        what was written."""

    async def sync(self, job: Job) -> Ending:
        """Carry out one attempt of the contact, to its end.

        Raises StorageError and LeaseLost only.
        """
        attempt = Attempt(
            job,
            job.state.known,
            Meter(self._consent.about(job) if self._consent else None),
        )
        if self._stopping.is_set():
            return self._deferred(
                attempt,
                "stopped",
                AccountStopped("the run was stopped before this contact's attempt"),
            )
        ending = await self._end_of(attempt)
        return replace(ending, answered=attempt.answered)

    async def _end_of(self, attempt: Attempt) -> Ending:
        try:
            return await self._take(attempt)
        except (RequestFailed, AccountStopped, ContactSuppressed) as error:
            return self._ended_by(attempt, error)
        except SyncEngineError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach another contact
            return self._broken(attempt, error)

    def _ended_by(
        self,
        attempt: Attempt,
        error: RequestFailed | AccountStopped | ContactSuppressed,
    ) -> Ending:
        match error:
            case VendorUnavailable():
                return self._put_off(attempt, error)
            case AccountStopped():
                return self._deferred(attempt, "account_stopped", error)
            case ContactSuppressed():
                return self._suppressed(attempt, error.reason)
            case _:
                return self._rejected(
                    attempt, Rejected("cannot_be_sent", str(error), by_vendor=False)
                )

    async def _take(self, attempt: Attempt) -> Ending:
        for _ in range(self._task.retry_policy.attempts):
            ending = await self._settle(attempt) or await self._send(attempt)
            if ending is not None:
                return ending
        return self._unsettled(attempt)

    def _put_off(self, attempt: Attempt, error: VendorUnavailable) -> Ending:
        ending = self._deferred(attempt, "unreachable", error)
        if attempt.job.attempt == LAST_ATTEMPT or not not_ready(error, attempt.actions):
            return ending
        ready_in = min(
            self._capabilities.settles_within, self._task.retry_policy.max_wait
        )
        return replace(ending, postponed=True, ready_in=ready_in)

    async def _settle(self, attempt: Attempt) -> Ending | None:
        """Look up what has to be; None when the contact is ready to be planned."""
        # Who is not to be written to is looked for under what was sent only: its present keys are others' to ask for.
        desired = attempt.job.desired if attempt.job.takes_over else None
        if ending := await self._settle_merge(attempt) or await self._take_back(
            attempt
        ):
            return ending
        if ending := await self._read_back(attempt):
            return ending
        look_up = plan_look_up(
            desired,
            attempt.known,
            self._capabilities,
            find_first=self._task.find_first
            or attempt.job.recreates
            or attempt.job.met,
            always=attempt.job.gone,
        )
        if look_up is None:
            return (
                self._gone(attempt)
                if self._is_gone(attempt)
                else self._refusal(attempt)
            )
        found, ending = await self._look_up(attempt, look_up)
        # What a create has just made may not be visible yet: only after the wait does
        # an empty result mean that there is nothing.
        if not found and look_up.wait > 0:
            if (
                look_up.wait > self._task.retry_policy.max_wait
                or self._stopping.is_set()
            ):
                return self._unsettled(attempt)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), look_up.wait)
            found, ending = await self._look_up(attempt, look_up)
        if not found:
            attempt.known = known_after_not_found(attempt.known, self._capabilities)
        if self._is_gone(attempt):
            return self._gone(attempt, ending)
        return ending or self._refusal(attempt)

    async def _settle_merge(self, attempt: Attempt) -> Ending | None:
        """Link the one that is left of two vendor contacts that were to be merged.

        The known one is if nothing came of it. Where neither is shown, the contact is
        handled as one that was deleted, as soon as something is sent about it.
        """
        known, into = attempt.known, attempt.known.external_id
        if not has_open_merge(known) or known.pending is None or into is None:
            return None
        wait = merge_wait(known, self._capabilities)
        if wait > self._task.retry_policy.max_wait or (
            wait > 0 and self._stopping.is_set()
        ):
            return self._unsettled(attempt, UNSETTLED_MERGE)
        if wait > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
        other = known.pending.merged_with
        assert other is not None, "a merge is of two"
        remote = await self._read(attempt, into) or await self._read(attempt, other)
        attempt.known = after_merge(known)
        return await self._link(attempt, remote) if remote is not None else None

    def _is_gone(self, attempt: Attempt) -> bool:
        """Return whether the contact is gone, and no look-up has found it."""
        return attempt.job.gone and attempt.known.external_id is None

    async def _read_back(self, attempt: Attempt) -> Ending | None:
        """Read the vendor contact where what was known of it is distrusted.

        Where the vendor only finds, and does not find it, it is sent whole: a contact
        that no known key finds need not be gone.
        """
        known, job = attempt.known, attempt.job
        if job.refusal or not should_read_back(known, self._capabilities):
            return None
        assert known.external_id is not None, "only a linked contact is read back"
        if self._capabilities.reads:
            remote = await self._read(attempt, known.external_id)
        else:
            remote = await self._find_own(attempt, known.external_id)
        if remote is not None:
            self._account.seen()
            same, hidden = self._vendor.same, self._capabilities.hidden
            prefix = self._task.mapping.tag_prefix
            shown = known_from_read_back(
                remote, job.desired, known, same, hidden, prefix
            )
            attempt.known = with_seen_opt_outs(shown, known, remote, self._capabilities)
        elif self._capabilities.reads and job.desired is None:
            await self._account.check(job.state.contact_id, attempt.meter)
            attempt.known = known_after_not_found(known, self._capabilities)
        elif self._capabilities.reads:
            return await self._look_for(attempt, known.external_id)
        return None

    async def _find_own(self, attempt: Attempt, external_id: str) -> Remote | None:
        """Find the contact's own vendor contact by the keys it is known under."""
        for key in keys_at_vendor(attempt.known, self._capabilities):
            find = partial(self._vendor.find, key)
            for remote in await self._retrier.run(find, attempt.meter, repeatable=True):
                if remote.external_id == external_id:
                    return remote
        return None

    async def _take_back(self, attempt: Attempt) -> Ending | None:
        """Link the vendor contact that a newcomer took over and never wrote to.

        It has the values that were written about this contact, maybe under another key
        than the present one: no look-up finds it, and a create would make a second one.
        As long as the newcomer is about to write, its attempt comes first.
        """
        state = attempt.job.state
        if attempt.known.external_id is not None or not attempt.job.takes_over:
            return None
        if state.taken_by is not None:
            return replace(
                self._behind(attempt, state.taken_by),
                postponed=attempt.job.attempt == 1,
            )
        if state.given_up is not None and self._capabilities.reads:
            read = partial(self._vendor.read, state.given_up)
            remote = await self._retrier.run(read, attempt.meter, repeatable=True)
            if remote is not None:
                return await self._link(attempt, remote)
        return None

    async def _look_up(
        self, attempt: Attempt, look_up: LookUp
    ) -> tuple[bool, Ending | None]:
        """Look up the contact by each key.

        Returns whether any key finds it, and the end of the attempt where the vendor
        contact found cannot be its own.
        """
        for key in look_up.keys:
            find = partial(self._vendor.find, key)
            found = await self._retrier.run(find, attempt.meter, repeatable=True)
            # A look-up may show for a while what cannot be written to any more.
            hits = unique_remotes(
                remote for remote in found if remote.external_id != attempt.missing
            )
            asked = attempt.job.takes_over and key in attempt.job.keys
            owners = await self._owners(attempt, hits) if len(hits) > 1 else {}
            if not asked:
                # Another contact's, under a key this one does not ask for (any more): it says nothing about this one.
                hits = tuple(
                    remote for remote in hits if remote.external_id not in owners
                )
            if len(hits) > 1:
                return True, self._one_of_several(attempt, hits, owners)
            if hits:
                ending = await self._link(attempt, hits[0], key)
                if ending is None or asked:
                    return True, ending
        return False, None

    async def _owners(
        self, attempt: Attempt, hits: Sequence[Remote]
    ) -> Mapping[str, str]:
        contact_id, external_ids = (
            attempt.job.state.contact_id,
            [remote.external_id for remote in hits],
        )
        known = await self._store.owners(
            contact_id, external_ids, takes_over=attempt.job.takes_over
        )
        return {**known, **self._given.owners(external_ids, contact_id)}

    def _one_of_several(
        self, attempt: Attempt, hits: Sequence[Remote], owners: Mapping[str, str]
    ) -> Ending:
        """End the attempt where several vendor contacts were found.

        It is ambiguous, unless all but one belong to contacts of ours that may let go.
        """
        free = [remote for remote in hits if remote.external_id not in owners]
        return (
            self._rejected(attempt, AMBIGUOUS)
            if len(free) > 1
            else self._held(attempt, min(owners.values()))
        )

    async def _link(
        self, attempt: Attempt, remote: Remote, key: MatchKey | None = None
    ) -> Ending | None:
        hidden, prefix = self._capabilities.hidden, self._task.mapping.tag_prefix
        known = known_from_remote(
            remote,
            attempt.job.desired,
            attempt.known,
            self._vendor.same,
            hidden,
            key,
            prefix,
        )
        known = with_seen_opt_outs(known, attempt.known, remote, self._capabilities)
        link = await self._own(
            attempt,
            remote.external_id,
            key,
            known.found_tags,
            tags_with_prefix(remote.tags, prefix),
            takes_over=attempt.job.takes_over,
        )
        if link.owner is None:
            attempt.known = with_inherited(
                known, link.tags & remote.tags, link.fields, hidden
            )
            if attempt.job.desired and not attempt.job.desired.manages_tags:
                attempt.known = with_tags_to_remove(
                    attempt.known, link.tags & remote.tags
                )
            return None
        return self._held(attempt, link.owner)

    async def _own(
        self,
        attempt: Attempt,
        external_id: str,
        key: MatchKey | None,
        found_tags: frozenset[str] = frozenset(),
        our_tags: frozenset[str] = frozenset(),
        *,
        takes_over: bool = True,
    ) -> LinkResult:
        """Make the contact the owner of a vendor contact, unless another one is.

        Another one also is if it was just answered with that id.
        """
        contact_id = attempt.job.state.contact_id
        if owner := self._given.give(external_id, contact_id):
            return LinkResult(owner)
        link = await self._store.link(
            contact_id, external_id, key, found_tags, our_tags, takes_over=takes_over
        )
        self._given.take_back(external_id)  # the state knows its owner
        return link

    async def _send(self, attempt: Attempt) -> Ending | None:
        """Plan against what is known now and send.

        Returns None when a create's outcome is unknown and to be looked up.
        """
        plan = self._plan(attempt)
        if isinstance(plan, Rejected):
            return self._rejected(attempt, plan)
        await self._note(attempt, plan)
        doubtful = attempt.known.pending is not None
        left = self._left(attempt, plan)
        for index, planned in enumerate(plan.calls):
            # An earlier call of this plan may have given the contact its id.
            newest = attempt.known.external_id or planned.external_id
            call = (
                planned
                if planned.external_id == newest
                else replace(planned, external_id=newest)
            )
            open_calls = partial(
                remaining_intent,
                (call, *plan.calls[index + 1 :]),
                age=0.0,
                besides=left,
            )
            again = repeatable(call, self._capabilities)
            try:
                answered = await self._answer(attempt, call, repeatable=again)
            except (RequestFailed, AccountStopped, ContactSuppressed) as error:
                maybe = isinstance(error, VendorUnavailable) and error.maybe_applied
                attempt.known = replace(
                    attempt.known, pending=open_calls() if maybe or doubtful else None
                )
                # The create may have been carried out: it must not be repeated, but a
                # look-up finds what it made.
                if (
                    maybe
                    and not again
                    and self._capabilities.find_by
                    and not self._stopping.is_set()
                ):
                    return None
                raise
            answer = answered.value
            if isinstance(answer, Rejected):
                # A refusal is definite: only a try before it may have been carried out.
                lost = answered.after_lost_try or (doubtful and index > 0)
                return await self._refused(
                    attempt,
                    call,
                    answer,
                    open_calls() if lost else attempt.known.pending,
                )
            if isinstance(answer, Exists) or names_another(call, answer):
                return await self._answered_for_another(
                    attempt, call, answer, open_calls
                )
            if ending := await self._taken_over(attempt, call, answer, open_calls):
                return ending
            self._learn(attempt, call, answer)
            # Noted after each call: after a crash only the rest counts as unknown.
            if rest := plan.calls[index + 1 :]:
                open_still = remaining_intent(rest, besides=left)
                self._recorder.put(
                    attempt.job.batch,
                    records.step(attempt.job, attempt.known, open_still),
                )
        left = (
            left if attempt.known.external_id or not plan.calls else None
        )  # nothing of one that was deleted
        record = records.in_step(
            attempt.job,
            attempt.known,
            attempt.actions,
            attempt.meter.requests,
            plan.unsupported,
            attempt.receipt,
            left,
            attempt.dropped,
            was_gone=attempt.was_gone,
        )
        return Ending(record)

    async def _refused(
        self, attempt: Attempt, call: Call, refusal: Rejected, doubt: Pending | None
    ) -> Ending | None:
        """Judge a refusal of the vendor; ``doubt`` is what stays unknown after it."""
        if attempt.missing is None and is_missing(call, refusal):
            return await self._missing(attempt, call)
        attempt.known = replace(attempt.known, pending=doubt)
        return self._rejected(attempt, about(call, refusal))

    async def _note(self, attempt: Attempt, plan: Plan) -> None:
        """Write down the intent for a contact that was found only now.

        When its batch was prepared nothing was to be sent about it: it was removed, or
        it was gone at the vendor.
        """
        found_late = (
            attempt.job.desired is None
            or attempt.job.gone
            or attempt.missing is not None
        )
        if found_late and plan is not attempt.job.plan and plan.calls:
            pending = intent_of_plan(attempt.job.desired, attempt.known, plan)
            await self._store.intend([Intent(attempt.job.state.contact_id, pending)])

    async def _answer(
        self, attempt: Attempt, call: Call, *, repeatable: bool
    ) -> Answered[Answer]:
        def make() -> Exchange[Answer]:
            exchange = self._vendor.send(call)
            return visible(exchange) if created(attempt.actions) else exchange

        answered = await self._retrier.run_to_answer(
            make, attempt.meter, repeatable=repeatable
        )
        answer = answered.value
        attempt.answered = next(self._answers)
        if isinstance(answer, Rejected) and gone(answer, attempt.job.desired):
            answer = Applied(was_gone=True)
        if isinstance(answer, Applied) and answer.was_gone:
            # In another account nobody is there: no removal is done by that.
            await self._account.check(attempt.job.state.contact_id, attempt.meter)
        if isinstance(answer, Applied) and self._was_known(attempt, call, answer):
            self._account.seen()
        if (
            isinstance(answer, Exists) and answered.after_lost_try
        ):  # maybe by that very try, and its tags are ours
            attempt.known = replace(
                attempt.known, pending=remaining_intent((call,), age=0.0)
            )
        return replace(answered, value=answer)

    def _was_known(self, attempt: Attempt, call: Call, applied: Applied) -> bool:
        """Return whether a call was about the contact that was known before the run."""
        known = attempt.job.state.known.external_id
        if known is None or applied.was_gone:
            return False
        return call.external_id == known and not names_another(call, applied)

    async def _taken_over(
        self,
        attempt: Attempt,
        call: Call,
        applied: Applied,
        in_doubt: Callable[[], Pending | None],
    ) -> Ending | None:
        """Make the contact the owner of what its create or upsert reached.

        Returns the end where another one owns it.
        """
        if (
            attempt.known.external_id
            or not applied.external_id
            or call.action not in _MAKING
        ):
            return None
        if ending := await self._erased_soon(attempt, applied.external_id):
            return ending
        try:
            owner = await self._owner(attempt, call, applied.external_id)
        except (
            AccountStopped
        ):  # the lease is lost: nothing written says yet that this contact is there
            attempt.known = replace(attempt.known, pending=in_doubt())
            raise
        if owner is None:
            return None
        if call.action is Action.CREATE and not by_key(call, self._capabilities):
            # The vendor claims to have made it: maybe it did, under an id that the answer does not tell.
            attempt.known = replace(attempt.known, pending=in_doubt())
            return self._rejected(attempt, owned(owner))
        return self._written_over(attempt, call, owner, applied.external_id)

    def _written_over(
        self, attempt: Attempt, call: Call, owner: str, external_id: str
    ) -> Ending:
        """End the attempt of a contact whose write reached another one's copy.

        The vendor takes the two for one: it is not sent again before that one moves.
        """
        written = Pending(
            fields=dict.fromkeys(call.fields), add_tags=frozenset(call.add_tags)
        )
        self._overwritten.append((owner, external_id, written))
        return replace(self._held(attempt, owner), postponed=False)

    async def note_overwritten(self) -> None:
        """Note which copies were written over, so that the next run mends them.

        It is done once all owners are recorded: one that was being worked on meanwhile
        would else be recorded as in step afterwards.
        """
        overwritten, self._overwritten = self._overwritten, []
        for owner, external_id, written in overwritten:
            await self._store.overwritten(owner, external_id, written)

    async def _erased_soon(self, attempt: Attempt, external_id: str) -> Ending | None:
        """Return the end where a write reached a contact that is about to be deleted.

        Once it is gone, the same write makes a new one.
        """
        deletion = self._capabilities.delete
        if attempt.job.desired is None or deletion is None or not deletion.within:
            return None
        if not await self._store.is_erasing(external_id, deletion.within):
            return None
        attempt.known = replace(attempt.known, pending=None)
        record = records.deferred(
            attempt.job,
            attempt.known,
            "erasure_under_way",
            ERASURE_UNDER_WAY,
            requests=attempt.meter.requests,
        )
        wait = min(self._capabilities.settles_within, self._task.retry_policy.max_wait)
        return Ending(
            record, postponed=attempt.job.attempt < LAST_ATTEMPT, ready_in=wait
        )

    async def _owner(
        self, attempt: Attempt, call: Call, external_id: str
    ) -> str | None:
        """Return the other contact that owns the id a create or upsert returned.

        None where no other contact does.
        """
        contact_id = attempt.job.state.contact_id
        if owner := self._given.give(external_id, contact_id):
            return owner
        if by_key(call, self._capabilities) or await self._given.is_known(
            external_id, contact_id
        ):
            return (await self._own(attempt, external_id, call.key)).owner
        return None

    async def _answered_for_another(
        self,
        attempt: Attempt,
        call: Call,
        answer: Applied | Exists,
        in_doubt: Callable[[], Pending | None],
    ) -> Ending | None:
        """Judge a call whose answer names another vendor contact.

        Returns None when that one is ours and is to be planned. A create may find the
        contact there, which is no surprise. An upsert goes by its key and may have
        reached another contact than before. Of any other call nothing follows, except
        where the vendor merges contacts: the one it names is read, and linked if it has
        one of our match keys and the known one is gone.
        """
        if isinstance(answer, Exists):
            return await self._link(attempt, answer.remote)
        assert call.external_id is not None, (
            "only a call about a known contact can be answered for another"
        )
        told = answer.external_id
        assert told is not None, "an answer without an id names nobody"
        attempt.known = replace(attempt.known, pending=in_doubt())
        refusal = rejected_other_id(call.external_id, told)
        if attempt.moved or attempt.job.desired is None:
            return self._rejected(attempt, refusal)
        if call.action is Action.UPSERT:
            attempt.moved = True
            return await self._reached(attempt, call, answer)
        remote = await self._left_of_a_merge(attempt, call.external_id, told)
        if remote is None:
            if (
                self._capabilities.reads
                and await self._read(attempt, call.external_id) is None
            ):
                return await self._missing(attempt, call)
            return self._rejected(attempt, refusal)
        attempt.moved = True
        await self._doubt(attempt)
        return await self._link(attempt, remote) or await self._send(attempt)

    async def _missing(self, attempt: Attempt, call: Call) -> Ending | None:
        """Look up a contact whose known contact at the vendor is gone, and send then."""
        assert call.external_id is not None, "only what was known can be gone"
        return await self._look_for(attempt, call.external_id) or await self._send(
            attempt
        )

    async def _look_for(self, attempt: Attempt, missing: str) -> Ending | None:
        """Look up a contact whose known contact at the vendor is gone.

        Somebody may have created it again there, or merged it into another one. What is
        found is linked, if no other contact owns it; else the contact counts as gone.
        """
        await self._account.check(attempt.job.state.contact_id, attempt.meter)
        attempt.missing = missing
        attempt.known = known_after_not_found(attempt.known, self._capabilities)
        # Flushed before anything is found: after a crash in between, the values of the
        # former contact would count as known of the new one.
        self._recorder.put(
            attempt.job.batch, records.missing(attempt.job, attempt.known)
        )
        await self._recorder.flush()
        look_up = plan_look_up(
            attempt.job.desired,
            attempt.known,
            self._capabilities,
            find_first=True,
            always=True,
        )
        if look_up is None:
            return self._gone(attempt)
        found, ending = await self._look_up(attempt, look_up)
        if not found or ending is not None:
            return self._gone(attempt, ending)
        return None

    async def _left_of_a_merge(
        self, attempt: Attempt, known: str, told: str
    ) -> Remote | None:
        """Return the contact that the known one was merged into.

        None where nothing says that it was.
        """
        if not self._capabilities.merges or attempt.job.desired is None:
            return None
        remote = await self._read(attempt, told)
        if remote is None or not is_same_person(
            remote, attempt.job.desired.keys, self._vendor.same
        ):
            return None
        # Two contacts may share a match key: nobody has merged them while both are there.
        return remote if await self._read(attempt, known) is None else None

    async def _read(self, attempt: Attempt, external_id: str) -> Remote | None:
        """Read a vendor contact.

        Returns None where it is gone, or another one is shown in its place.
        """
        remote = await self._retrier.run(
            partial(self._vendor.read, external_id), attempt.meter, repeatable=True
        )
        return (
            remote if remote is not None and remote.external_id == external_id else None
        )

    async def _reached(
        self, attempt: Attempt, call: Call, applied: Applied
    ) -> Ending | None:
        """Link the vendor contact that an upsert reached in place of the known one.

        That fails where another contact owns it.
        """
        assert applied.external_id is not None
        await self._doubt(attempt)
        link = await self._own(attempt, applied.external_id, call.key)
        if link.owner is not None:
            return self._written_over(attempt, call, link.owner, applied.external_id)
        attempt.known = learn_from_other_contact(
            attempt.known, call, applied, self._capabilities
        )
        attempt.actions = (*attempt.actions, call.action)
        return await self._send(attempt)

    async def _doubt(self, attempt: Attempt) -> None:
        """Write down, before the id changes, that what is known is unknown from now on.

        It may not be true of the contact behind the new id.
        """
        attempt.known = with_all_unknown(attempt.known, attempt.known.pending)
        self._recorder.put(
            attempt.job.batch,
            records.step(attempt.job, attempt.known, attempt.known.pending),
        )
        # Flushed before the id changes: after a crash in between, the old values would
        # count as known of the new contact.
        await self._recorder.flush()

    def _plan(self, attempt: Attempt) -> Plan | Rejected:
        job = attempt.job
        if (
            attempt.known == job.state.known
        ):  # nothing was learned since the batch was planned
            return job.plan
        if job.desired is None:
            return plan_removal(
                job.state.contact_id,
                attempt.known,
                self._task.on_removed,
                self._capabilities,
                job.wanted,
            )
        return plan_contact(job.desired, attempt.known, self._capabilities)

    def _left(self, attempt: Attempt, plan: Plan) -> Pending | None:
        """Return what stays unknown once the plan is carried out."""
        if attempt.job.desired is None:
            policy = (
                self._task.on_removed
                if attempt.job.wanted is None
                else OnRemoved.IGNORE
            )
            return unknown_after_removal(attempt.known, policy, self._capabilities)
        return still_unknown(
            attempt.known, plan, manages_tags=attempt.job.desired.manages_tags
        )

    def _learn(self, attempt: Attempt, call: Call, applied: Applied) -> None:
        learned = learn(attempt.known, call, applied, self._capabilities)
        pending = attempt.known.pending
        attempt.known = (
            learned if learned.pending is pending else replace(learned, pending=pending)
        )
        attempt.actions = (*attempt.actions, call.action)
        attempt.dropped += applied.dropped
        attempt.receipt = applied.receipt or attempt.receipt
        attempt.was_gone = attempt.was_gone or applied.was_gone
        if applied.receipt:
            self._retrier.scheduled()

    def _gone(self, attempt: Attempt, held: Ending | None = None) -> Ending:
        """Return the end for a contact that was deleted at the vendor.

        ``held``: the look-up found contacts, and none that could be linked.
        """
        owner = (
            held.waits_for.owner
            if held is not None and held.waits_for is not None
            else None
        )
        contact_id = attempt.job.state.contact_id
        message = gone_message(self._task.destination, contact_id, owner)
        record = records.gone(
            attempt.job,
            attempt.known,
            message,
            actions=attempt.actions,
            requests=attempt.meter.requests,
        )
        return Ending(record)

    def _refusal(self, attempt: Attempt) -> Ending | None:
        """Return the end for a contact that our own check refused, else None."""
        return (
            self._rejected(attempt, attempt.job.refusal)
            if attempt.job.refusal
            else None
        )

    def _rejected(self, attempt: Attempt, refusal: Rejected) -> Ending:
        job = attempt.job
        record = records.rejected(
            job.state,
            attempt.known,
            job.source_hash,
            refusal,
            removal=job.desired is None,
            actions=attempt.actions,
            requests=attempt.meter.requests,
        )
        return Ending(
            record, refused=refusal.by_vendor, weight=weight(job.state, job.source_hash)
        )

    def _deferred(
        self, attempt: Attempt, code: str, error: VendorUnavailable | AccountStopped
    ) -> Ending:
        unreachable = isinstance(error, VendorUnavailable)
        record = records.deferred(
            attempt.job,
            attempt.known,
            code,
            str(error),
            actions=attempt.actions,
            requests=attempt.meter.requests,
            unknown=attempt.known.pending is not None and unreachable,
            status=error.status if isinstance(error, VendorUnavailable) else None,
        )
        return Ending(record, unreachable=unreachable and not attempt.actions)

    def _broken(self, attempt: Attempt, error: Exception) -> Ending:
        """Return the end for a contact at which something unforeseen happened.

        That may have been before a request or after one.
        """
        job = attempt.job
        attempt.known = replace(
            attempt.known, pending=intent_of_plan(job.desired, attempt.known, job.plan)
        )
        message = f"something unforeseen: {where_it_broke(error)}; the next run looks at the contact again"
        return self._deferred(
            attempt, "unforeseen", VendorUnavailable(message, maybe_applied=True)
        )

    def _suppressed(self, attempt: Attempt, reason: str) -> Ending:
        job = attempt.job
        if reason == LEFT_SOURCE:
            return Ending(
                records.left(
                    job, attempt.known, attempt.actions, attempt.meter.requests
                )
            )
        record = records.suppressed(
            job.state,
            attempt.known,
            # The row that opted out is another version than the one that was read: the next run reads it.
            None if reason == OPTED_OUT else job.source_hash,
            reason,
            removal=job.desired is None,
            actions=attempt.actions,
            requests=attempt.meter.requests,
        )
        return Ending(record)

    def _unsettled(self, attempt: Attempt, message: str = UNSETTLED) -> Ending:
        return self._deferred(
            attempt, "unsettled", VendorUnavailable(message, maybe_applied=True)
        )

    def _behind(self, attempt: Attempt, taker: str) -> Ending:
        message = f"contact {name_of(taker)} took its former vendor contact over and has to be written there first"
        record = records.deferred(
            attempt.job,
            attempt.known,
            "key_still_held",
            message,
            requests=attempt.meter.requests,
        )
        return Ending(record)

    def _held(self, attempt: Attempt, owner: str) -> Ending:
        message = f"its match key is still held at the vendor by contact {name_of_owner(owner)}, which has work to do first"  # noqa: E501
        record = records.deferred(
            attempt.job,
            attempt.known,
            "key_still_held",
            message,
            actions=attempt.actions,
            requests=attempt.meter.requests,
        )
        fields = tuple(key.field for key in attempt.job.keys)
        wait = KeyWait(owner, fields, attempt.job.source_hash)
        return Ending(record, postponed=attempt.job.attempt == 1, waits_for=wait)
