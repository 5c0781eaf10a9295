"""The contacts of one destination in memory (``ports.ContactStore``).

The counterpart of ``storage.state.contacts`` and its SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from syncengine.model.calls import Action
from syncengine.model.change import ContactChange
from syncengine.model.consent import Subject
from syncengine.model.contact import THIS_RUN, Fields, Known, MatchKey, Pending
from syncengine.model.undo import TakenBack
from syncengine.model.unknown_parts import with_nobodys
from syncengine.model.work import (
    BatchKind,
    ContactOutcome,
    ContactState,
    Intent,
    LinkResult,
    Record,
    Refusal,
    Standing,
    Status,
)
from syncengine.planning.intents import combined_intent
from syncengine.storage.state.contacts import MOVED
from tests.support.memory.database import (
    Database,
    Fence,
    KnownRow,
    StateRow,
    kept,
    known_of,
    numbered_run,
    stored_note,
)

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_WRITES = (Status.PENDING, Status.SYNCED)
"""A new owner with one of these has written to its vendor contact, or is about to."""


class Contacts:
    def __init__(
        self, fence: Fence, destination: str, run_id: int, *, numbered: bool
    ) -> None:
        self._fence = fence
        self._destination = destination
        self._run_id = run_id
        self._numbered = numbered

    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:
        async with self._fence.reading("load states") as database:
            places = {each: (self._destination, each) for each in contact_ids}
            return {
                contact_id: self._loaded(database, contact_id, row)
                for contact_id, place in places.items()
                if (row := database.states.get(place))
            }

    def _loaded(
        self, database: Database, contact_id: str, row: StateRow
    ) -> ContactState:
        known = known_of(
            database.known.get((self._destination, contact_id)),
            row.external_id,
            database.clock(),
            self._run_id,
        )
        taker = self._taker(database, row.given_up)
        refusal = None
        if row.refusal is not None:
            refusal = Refusal(row.refusal, row.code or "")
        return ContactState(
            contact_id=contact_id,
            known=known,
            status=row.status,
            source_hash=row.source_hash,
            rejections=row.rejections,
            rejected_hash=row.rejected_hash,
            gone=row.gone,
            given_up=None if taker else row.given_up,
            taken_by=self._taken_by(database, row.given_up),
            refusal=refusal,
            standing=row.standing,
            was_in_step=row.synced_at is not None,
            changes=self._changes(database, contact_id, known),
        )

    async def suppressed(
        self, asked: Mapping[str, Sequence[Subject]]
    ) -> Mapping[str, str]:
        async with self._fence.reading("load suppressions") as database:
            found: dict[str, str] = {}
            for contact_id, subjects in asked.items():
                reasons = [
                    database.suppressed[subject.text]
                    for subject in subjects
                    if subject.text in database.suppressed
                ]
                if reasons:
                    found[contact_id] = reasons[0]
            return found

    async def taken_back(self, contact_ids: Sequence[str]) -> Mapping[str, TakenBack]:
        database = self._fence.database
        if not any(place == self._destination for place, _ in database.notes):
            return {}
        async with self._fence.reading("load notes") as database:
            places = {each: (self._destination, each) for each in contact_ids}
            return {
                contact_id: database.notes[place]
                for contact_id, place in places.items()
                if place in database.notes
            }

    async def change_taken_back(self, notes: Mapping[str, TakenBack]) -> None:
        if not notes:
            return
        async with self._fence.writing("change notes") as database:
            for contact_id, note in notes.items():
                place = (self._destination, contact_id)
                if note:
                    database.notes[place] = note
                else:
                    database.notes.pop(place, None)

    async def intend(self, intents: Sequence[Intent]) -> None:
        if not intents:
            return
        async with self._fence.writing("intend", sending=True) as database:
            for intent in intents:
                state = self._state(database, intent.contact_id)
                state.source_hash = state.standing = None
                state.status = Status.PENDING
                known = self._known(database, intent.contact_id)
                known.pending = stored_note(intent.pending, self._run_id)
                known.pending_at = None
                self._write_note(database, intent.contact_id, intent.taken_back)
                if intent.pending.deletes and state.external_id is not None:
                    database.erasing[state.external_id] = database.clock()

    async def is_erasing(self, external_id: str, within: float) -> bool:
        async with self._fence.reading("is erasing") as database:
            asked_at = database.erasing.get(external_id)
            return asked_at is not None and database.clock() - asked_at < within

    async def record(
        self,
        batch: int,  # noqa: ARG002
        records: Sequence[Record],
    ) -> None:
        # Nothing here needs the batch: the store in Postgres links outcomes to it.
        async with self._fence.writing("record") as database:
            latest = {each.contact_id: each for each in records if not each.keeps_state}
            for record in latest.values():
                self._write_state(database, record)
                self._write_known(database, record)
                self._write_changes(database, record)
            for record in records:
                self._write_note(database, record.contact_id, record.taken_back)
                if record.removal and record.status is Status.REMOVED:
                    database.notes.pop((self._destination, record.contact_id), None)
            for record in records:
                if record.known.external_id and record.has_written:
                    self._written_to(database, record.known.external_id)
            for record in {
                record.contact_id: record for record in records if record.outcome
            }.values():
                assert record.outcome is not None
                self._write_outcome(database, record.contact_id, record.outcome)

    async def link(
        self,
        contact_id: str,
        external_id: str,
        key: MatchKey | None = None,
        found_tags: frozenset[str] = frozenset(),
        our_tags: frozenset[str] = frozenset(),
        *,
        takes_over: bool = True,
    ) -> LinkResult:
        async with self._fence.writing("link", sending=True) as database:
            owner = self._owner(database, contact_id, external_id)
            if owner is not None:
                may_take_over = takes_over and self._gives_up(
                    database, owner, contact_id, external_id
                )
                if not may_take_over:
                    return LinkResult("/".join(owner))
            state = self._state(database, contact_id)
            if state.external_id is None:
                self._move_claims_back(database, contact_id, everybody=not takes_over)
            state.external_id, state.status = external_id, Status.PENDING
            state.source_hash = state.given_up = state.standing = None
            state.gone = False
            if key is not None:
                self._known(database, contact_id).key = key
            mine = database.known.get((self._destination, contact_id), KnownRow())
            unknown = mine.pending or Pending()
            if owner is not None:
                unknown = self._take_from(database, owner, external_id, unknown)
            if our_tags:
                unknown = with_nobodys(unknown, remove_tags=our_tags)
            if owner is not None or our_tags:
                self._known(database, contact_id).pending = unknown
            found_before_us = found_tags - unknown.remove_tags
            if found_before_us:
                self._known(database, contact_id).found_tags = found_before_us
            return LinkResult(
                tags=unknown.remove_tags, fields=frozenset(unknown.fields)
            )

    def _take_from(
        self,
        database: Database,
        owner: tuple[str, str],
        external_id: str,
        unknown: Pending,
    ) -> Pending:
        """Take a copy from its owner.

        Returns the new contact's intent. What the owner's copy had counts as sent.
        """
        state = database.states[owner]
        state.external_id, state.given_up = None, external_id
        if state.status is Status.REMOVED:
            state.standing = None
        left = database.known.pop(owner, KnownRow())
        names = [each for each in _field_names(left) if each not in unknown.fields]
        return with_nobodys(
            unknown, fields=dict.fromkeys(names), remove_tags=_tags_of_ours(left)
        )

    async def allow_recreation(self, contact_ids: Sequence[str]) -> None:
        async with self._fence.writing("want again") as database:
            for contact_id in contact_ids:
                row = self._state(database, contact_id)
                if row.external_id is None:
                    row.gone, row.status = False, Status.PENDING
                    row.source_hash = row.standing = None

    async def remember_opt_outs(self, opt_outs: Mapping[str, Fields]) -> None:
        async with self._fence.writing("remember opt-outs") as database:
            for contact_id, fields in opt_outs.items():
                row = database.states.get((self._destination, contact_id))
                if row is not None and row.external_id is not None:
                    self._known(database, contact_id).seen_opt_outs = dict(fields)

    async def overwritten(self, owner: str, external_id: str, written: Pending) -> None:
        destination, _, contact_id = owner.partition("/")
        async with self._fence.writing("overwritten") as database:
            row = database.states.get((destination, contact_id))
            if row is not None and row.external_id == external_id:
                row.source_hash = None
                row.status = (
                    Status.PENDING if row.status is Status.SYNCED else row.status
                )
                known = database.known.setdefault((destination, contact_id), KnownRow())
                known.pending = combined_intent(known.pending or Pending(), written)

    async def gone(self, *, all_of_them: bool) -> Sequence[str]:
        async with self._fence.reading("load gone") as database:
            of_run = {
                contact_id
                for (run, _), row in database.batches.items()
                if run == self._run_id
                for contact_id in row.contact_ids
            }
            return [
                contact_id
                for (destination, contact_id), row in sorted(database.states.items())
                if destination == self._destination
                and row.standing is Standing.GONE
                and (all_of_them or contact_id in of_run)
            ]

    async def in_step(self, besides: str, number: int) -> Sequence[str]:
        async with self._fence.reading("load in step") as database:
            rows = [
                (-(row.synced_at or 0.0), contact_id)
                for place, row in database.states.items()
                for destination, contact_id in [place]
                if destination == self._destination
                and row.external_id is not None
                and contact_id != besides
                and (
                    row.status is Status.SYNCED
                    or (
                        row.status is Status.PENDING and _is_distrusted(database, place)
                    )
                )
                and not self._was_created(database, contact_id)
            ]
        return [contact_id for _, contact_id in sorted(rows)[:number]]

    def _was_created(self, database: Database, contact_id: str) -> bool:
        """Return whether this run, or an unfinished one, created the contact."""
        outcomes = (
            outcome
            for (run_id, contact), outcome in database.outcomes.items()
            if contact == contact_id
            and (run_id == self._run_id or database.runs.get(run_id) != "done")
        )
        return any(
            not {Action.CREATE, Action.UPSERT}.isdisjoint(outcome.actions)
            for outcome in outcomes
        )

    def _taker(
        self, database: Database, given_up: str | None
    ) -> tuple[str, str] | None:
        """Return the present owner of a vendor contact that was given up."""
        takers = (
            place
            for place, row in database.states.items()
            if given_up is not None
            and row.external_id == given_up
            and row.status in _WRITES
            and database.accounts.get(place[0]) == self._fence.account
        )
        return next(takers, None)

    def _taken_by(self, database: Database, given_up: str | None) -> str | None:
        taker = self._taker(database, given_up)
        if (
            taker is None
            or taker[0] != self._destination
            or database.states[taker].status is not Status.PENDING
        ):
            return None
        return taker[1]

    def _written_to(self, database: Database, external_id: str) -> None:
        for place, row in database.states.items():
            if (
                row.given_up == external_id
                and database.accounts.get(place[0]) == self._fence.account
            ):
                row.given_up = None

    def _move_claims_back(
        self, database: Database, contact_id: str, *, everybody: bool
    ) -> None:
        """Move the contact's claims behind those of owners in step, or behind all."""
        mine = [
            place
            for place in database.keys
            if place[:2] == (self._destination, contact_id)
        ]
        for place in mine:
            others = [
                since
                for (destination, other, key), (_, since) in database.keys.items()
                if key == place[2]
                and (destination, other) != place[:2]
                and database.accounts.get(destination) == self._fence.account
                and (
                    everybody or _is_in_step(database.states.get((destination, other)))
                )
            ]
            number, since = database.keys[place]
            database.keys[place] = (
                number,
                max(since, *(each + 1e-6 for each in others), since),
            )

    async def owners(
        self, contact_id: str, external_ids: Sequence[str], *, takes_over: bool = True
    ) -> Mapping[str, str]:
        async with self._fence.reading("owners") as database:
            owners = {
                each: self._owner(database, contact_id, each) for each in external_ids
            }
        return {
            external_id: "/".join(place)
            for external_id, place in owners.items()
            if place
            and (database.states[place].status is not Status.REMOVED or not takes_over)
        }

    def _gives_up(
        self,
        database: Database,
        owner: tuple[str, str],
        contact_id: str,
        external_id: str,
    ) -> bool:
        mine = database.states.get((self._destination, contact_id))
        had_it = mine is not None and mine.given_up == external_id
        is_left_alone = database.states[owner].status not in (Status.REMOVED, *_WRITES)
        return self._is_removed(database, owner) or (had_it and is_left_alone)

    def _is_removed(self, database: Database, owner: tuple[str, str]) -> bool:
        return database.states[owner].status is Status.REMOVED and not self._is_back(
            database, owner
        )

    def _is_back(self, database: Database, owner: tuple[str, str]) -> bool:
        """Return whether an unfinished batch of this run contains a removed contact."""
        return owner[0] == self._destination and any(
            run == self._run_id
            and row.totals is None
            and row.kind is BatchKind.CHANGES
            and owner[1] in row.contact_ids
            for (run, _), row in database.batches.items()
        )

    def _owner(
        self, database: Database, contact_id: str, external_id: str
    ) -> tuple[str, str] | None:
        """Return the owner of a vendor contact in this account.

        A removed contact is returned only if no other one owns it.
        """
        owners = [
            (row.status is Status.REMOVED, place)
            for place, row in database.states.items()
            if row.external_id == external_id
            and place != (self._destination, contact_id)
            and database.accounts.get(place[0]) == self._fence.account
        ]
        return min(owners)[1] if owners else None

    def _state(self, database: Database, contact_id: str) -> StateRow:
        """Return the row, after making it where there is none."""
        (number,) = numbers([contact_id], numbered=self._numbered)
        return database.states.setdefault(
            (self._destination, contact_id), StateRow(number)
        )

    def _known(self, database: Database, contact_id: str) -> KnownRow:
        return database.known.setdefault((self._destination, contact_id), KnownRow())

    def _write_state(self, database: Database, record: Record) -> None:
        row = self._state(database, record.contact_id)
        row.external_id = record.known.external_id
        if record.known.external_id:
            row.given_up = None
        row.source_hash = record.source_hash
        row.status = record.status
        is_gone = row.gone or record.status is Status.GONE
        row.gone = record.known.external_id is None and is_gone
        if record.status is Status.SYNCED:
            row.synced_at = database.clock()
        row.rejections = record.rejections
        row.rejected_hash = record.rejected_hash
        row.standing = record.standing
        row.code = _code_of(record)
        row.refusal = None
        if record.refusal is not None:
            row.refusal, row.tried_in = record.refusal.fingerprint, self._run_id

    def _write_note(
        self, database: Database, contact_id: str, note: TakenBack | None
    ) -> None:
        """Write what was taken back; an empty note is dropped."""
        place = (self._destination, contact_id)
        if note:
            database.notes[place] = note
        elif note is not None:
            database.notes.pop(place, None)

    def _write_known(self, database: Database, record: Record) -> None:
        known, place = record.known, (self._destination, record.contact_id)
        if known == Known():
            database.known.pop(place, None)
            return
        pending, age = known.pending, None
        if pending is not None:
            age = pending.age
            pending = stored_note(pending, self._run_id)
        database.known[place] = KnownRow(
            key=known.key,
            fields=kept(dict(known.fields)),
            tags=known.tags,
            found_tags=known.found_tags,
            seen_opt_outs=kept(dict(known.seen_opt_outs)),
            pending=pending,
            pending_at=None if age is None else database.clock() - age,
            empty=known.empty,
        )

    def _write_changes(self, database: Database, record: Record) -> None:
        for sent_by, change in record.changes.items():
            run_id = numbered_run(sent_by, self._run_id)
            assert run_id is not None, "each change is of a run"
            # Taken out in any case: the table is in the order of the last writes.
            database.changes.pop((run_id, record.contact_id), None)
            if change is not None:
                database.changes[run_id, record.contact_id] = change

    def _changes(
        self, database: Database, contact_id: str, known: Known
    ) -> dict[int, ContactChange | None]:
        """Return the changes of this run, and of those that sent what is pending."""
        note = known.pending or Pending()
        senders = {each.run_id for each in note.senders.values()}
        changes: dict[int, ContactChange | None] = {}
        for run_id in {THIS_RUN, note.run_id, *senders} - {None}:
            number = numbered_run(run_id, self._run_id)
            if run_id is not None and number is not None:
                found = database.changes.get((number, contact_id))
                if found is not None:
                    changes[run_id] = found
        return changes

    def _write_outcome(
        self, database: Database, contact_id: str, outcome: ContactOutcome
    ) -> None:
        before = database.outcomes.get((self._run_id, contact_id))
        requests = outcome.requests + (before.requests if before else 0)
        database.outcomes[self._run_id, contact_id] = replace(
            outcome, requests=requests
        )


def _is_distrusted(database: Database, place: tuple[str, str]) -> bool:
    known = database.known.get(place)
    return known is not None and known.pending is not None and known.pending.distrusted


def _is_in_step(row: StateRow | None) -> bool:
    return (
        row is not None and row.external_id is not None and row.status is Status.SYNCED
    )


def _tags_of_ours(row: KnownRow) -> frozenset[str]:
    """Return the tags that an owner set, or may have set."""
    unknown = row.pending or Pending()
    return row.tags | ((unknown.add_tags | unknown.remove_tags) - row.found_tags)


def _field_names(row: KnownRow) -> Sequence[str]:
    """Return the names of the fields that an owner has or may have, lists included."""
    return *row.fields, *(row.pending or Pending()).fields


def numbers(contact_ids: Sequence[str], *, numbered: bool) -> list[int | None]:
    """Return the contact ids as numbers, where the source's key is an integer."""
    return [
        int(text) if numbered and _INTEGER.fullmatch(text) else None
        for text in contact_ids
    ]


def _code_of(record: Record) -> str | None:
    """Return the code that a contact's state keeps; None where it is in step."""
    if record.refusal is not None:
        if record.status is Status.SYNCED:
            return None
        return record.refusal.code
    if record.moved:
        return MOVED
    is_in_step = record.status in (Status.PENDING, Status.SYNCED)
    if record.outcome is None or is_in_step:
        return None
    return record.outcome.code or None
