"""The contacts of one destination in the state database (``ports.ContactStore``).

A contact is a row of ``sync_state`` (status, hashes, external id) and, once anything is
known of it, one of ``sync_known`` (fields, tags, and ``pending``: what is unknown). The
tables are described in ``migrations/``, and the statements are in ``sql/contacts.sql``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import asyncpg
import orjson

from syncengine.model.consent import Subject
from syncengine.model.contact import Fields, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.texts import printable
from syncengine.model.undo import TakenBack
from syncengine.model.unknown_parts import with_nobodys
from syncengine.model.work import (
    ContactOutcome,
    ContactState,
    Intent,
    LinkResult,
    Record,
    Refusal,
    Status,
)
from syncengine.storage.connect import Connection
from syncengine.storage.patience import patient
from syncengine.storage.state.changes import (
    NO_CHANGES,
    change_columns,
    changes_from_json,
    changes_to_write,
    dropped_columns,
)
from syncengine.storage.state.consent import find_suppressed
from syncengine.storage.state.fence import Fence, FencedStore
from syncengine.storage.state.notes import note_as_json, note_from_json
from syncengine.storage.state.runs import NO_RUN
from syncengine.storage.state.standing import known_standing_in
from syncengine.storage.state.taken_back import (
    change_notes,
    drop_notes,
    has_notes,
    keep_notes,
    load_notes,
)
from syncengine.storage.statements import statements

_SQL = statements("contacts")
MOVED = "moved"
"""Code of a removed contact that another destination selects (``Record.moved``)."""
_INTEGER = re.compile(r"-?[0-9]{1,18}")
"""An integer that a bigint surely holds: 18 digits are fewer than it has."""


class Contacts(FencedStore):
    """Set-based reads and writes of contacts.

    Rows are always written in the order of their keys: two writers that lock the same
    rows in order of arrival would deadlock.
    """

    def __init__(
        self,
        fence: Fence,
        destination: str,
        run_id: int,
        *,
        numbered: bool,
        keeps_changes: bool = True,
    ) -> None:
        """Take the run's fence.

        Args:
            fence: the lease that is checked before each write.
            destination: the one whose contacts these are.
            run_id: the number of the run.
            numbered: whether the source's key is an integer.
            keeps_changes: whether what the run changes at each contact is written down.
        """
        super().__init__(fence)
        self._keeps_changes = keeps_changes
        self._destination = destination
        self._run_id = run_id
        self._numbered = numbered
        self._has_notes: bool | None = None
        """True where something was taken back at the destination; None: not asked."""
        self.taken_over: Counter[str] = Counter()
        """By destination: the number of vendor contacts taken over from it."""

    @patient
    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:
        """Return states by contact id; a contact never seen is left out."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["load"],
                self._destination,
                list(contact_ids),
                self._fence.account,
                self._run_id if self._keeps_changes else None,
            )
        return {row["contact_id"]: self._state(row) for row in rows}

    async def suppressed(
        self, asked: Mapping[str, Sequence[Subject]]
    ) -> Mapping[str, str]:
        """Return those of the contacts about which nothing is sent, with the reason."""
        # This question is asked right before sending. While the database is away, what
        # was sent cannot be recorded, so nothing more may be sent.
        await self.patience.over()
        return await self._suppressed(asked)

    @patient
    async def _suppressed(
        self, asked: Mapping[str, Sequence[Subject]]
    ) -> Mapping[str, str]:
        async with self._fence.reading() as connection:
            return await find_suppressed(connection, asked)

    @patient
    async def taken_back(self, contact_ids: Sequence[str]) -> Mapping[str, TakenBack]:
        """Return what undos have taken back of these contacts, by contact id."""
        if self._has_notes is False:
            return {}
        async with self._fence.reading() as connection:
            if self._has_notes is None:
                self._has_notes = await has_notes(connection, self._destination)
            if not self._has_notes:
                return {}
            return await load_notes(connection, self._destination, contact_ids)

    @patient
    async def change_taken_back(self, notes: Mapping[str, TakenBack]) -> None:
        """Keep what still counts as taken back once a row or mapping has changed.

        An empty note is dropped.
        """
        if not notes:
            return
        async with self._fence.writing() as connection:
            await change_notes(connection, self._destination, notes)

    @patient
    async def intend(self, intents: Sequence[Intent]) -> None:
        """Note what is about to be sent, and clear the acknowledged source hashes."""
        if not intents:
            return
        ids = [intent.contact_id for intent in intents]
        pending = [self._dump_note(intent.pending) for intent in intents]
        deleted = [intent.contact_id for intent in intents if intent.pending.deletes]
        notes = {
            intent.contact_id: intent.taken_back
            for intent in intents
            if intent.taken_back is not None
        }
        # One transaction clears the acknowledged hash and notes what is about to be
        # sent. Nothing is sent before it is committed, durably
        # (``connect.transaction``). So after a crash at any later moment, the next diff
        # finds these contacts, and the note says what may have happened to them.
        async with self._fence.writing(sending=True) as connection:
            await connection.execute(
                _SQL["intend_state"], self._destination, ids, self._numbers(ids)
            )
            await connection.execute(
                _SQL["intend_known"], self._destination, ids, pending
            )
            # In the same transaction: should an undo die behind it, the next run finds
            # both, and sends nothing again of what was about to be taken back.
            if notes:
                await keep_notes(connection, self._destination, self._run_id, notes)
                self._has_notes = True
            # A vendor may show a deleted contact for a while. It is noted by its id, so
            # that no run takes it over meanwhile, as if it were somebody's.
            if deleted:
                await connection.execute(_SQL["erased_long_ago"], self._fence.account)
                await connection.execute(
                    _SQL["erasing"], self._fence.account, self._destination, deleted
                )

    @patient
    async def is_erasing(self, external_id: str, within: float) -> bool:
        """Return whether a vendor contact was to be deleted, ``within`` seconds ago."""
        async with self._fence.reading() as connection:
            return bool(
                await connection.fetchval(
                    _SQL["is_erasing"], self._fence.account, external_id, within
                )
            )

    @patient
    async def record(self, batch: int, records: Sequence[Record]) -> None:
        """Write states, known values and outcomes, in one transaction."""
        # A contact may have several records in one flush. The last one holds its state,
        # and a statement may not write the same row twice.
        latest = {
            record.contact_id: record for record in records if not record.keeps_state
        }
        finished = [record for record in records if record.outcome]
        written_to = _written_to(records)
        changes = changes_to_write(latest.values(), self._run_id)
        if not self._keeps_changes:
            changes = NO_CHANGES
        # All of it is one transaction: if the process dies before the commit, the
        # intents still stand, and the contacts are settled by the next run. Not
        # ``sending``: these requests were sent already, and their outcome counts even
        # if the lease has run out since.
        async with self._fence.writing() as connection:
            # Tables always in this order, and rows in the order of their keys (the
            # statements sort them). In order of arrival, two flushes would deadlock.
            await self._record_states(connection, latest.values())
            await self._record_notes(connection, records, latest.values())
            if finished or changes.written:
                await connection.execute(
                    _SQL["record_outcome"],
                    self._run_id,
                    *_outcome_columns(batch, finished),
                    *change_columns(changes.written),
                )
            if changes.dropped:
                await connection.execute(
                    _SQL["drop_changes"], *dropped_columns(changes.dropped)
                )
            if written_to:
                await connection.execute(
                    _SQL["written_to"], self._fence.account, written_to
                )

    async def _record_states(
        self, connection: Connection, latest: Collection[Record]
    ) -> None:
        """Write states and known values, from one record of each contact."""
        if not latest:
            return
        await connection.execute(
            _SQL["record_state"],
            self._destination,
            *self._state_columns(latest),
            self._run_id,
        )
        nothing_known = Known()
        kept = [each for each in latest if each.known != nothing_known]
        if kept:
            await connection.execute(
                _SQL["record_known"], self._destination, *self._known_columns(kept)
            )
        forgotten = [each.contact_id for each in latest if each.known == nothing_known]
        if forgotten:
            await connection.execute(_SQL["forget_known"], self._destination, forgotten)

    async def _record_notes(
        self,
        connection: Connection,
        records: Sequence[Record],
        latest: Collection[Record],
    ) -> None:
        """Write notes of what was taken back, and drop those of removed contacts."""
        notes = {
            record.contact_id: record.taken_back
            for record in records
            if record.taken_back is not None
        }
        if notes:
            await keep_notes(connection, self._destination, self._run_id, notes)
        # What was taken back of a contact counts as long as it has its row.
        removed = [
            each.contact_id
            for each in latest
            if each.removal and each.status is Status.REMOVED
        ]
        await drop_notes(connection, self._destination, removed)

    @patient
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
        """Make a contact the owner of a vendor contact, unless another one keeps it.

        The parameters are those of ``ports.ContactStore.link``.
        """
        # Committed before anything is written to the vendor contact. Should the process
        # die in between, the contact owns it, and its pending note says what is
        # unknown.
        async with self._fence.writing(sending=True) as connection:
            # Between the question for the owner and the answer of this transaction, no
            # other contact may become the owner.
            await connection.execute(
                _SQL["lock_vendor_contact"], self._fence.account, external_id
            )
            owner = await connection.fetchrow(
                _SQL["owner"],
                self._fence.account,
                external_id,
                self._destination,
                contact_id,
                self._run_id,
            )
            if owner is not None and not (owner["gone"] and takes_over):
                return LinkResult(f"{owner['destination']}/{owner['contact_id']}")
            await self._own(
                connection, contact_id, external_id, key, takes_over=takes_over
            )
            unknown = await self._inherit(connection, contact_id, owner, our_tags)
            found_before_us = found_tags - unknown.remove_tags
            if found_before_us:
                await connection.execute(
                    _SQL["set_found_tags"],
                    self._destination,
                    contact_id,
                    _dump(sorted(found_before_us)),
                )
        # After the commit: an attempt that was rolled back and repeated counts once.
        if owner is not None and owner["destination"] != self._destination:
            self.taken_over[owner["destination"]] += 1
        return LinkResult(tags=unknown.remove_tags, fields=frozenset(unknown.fields))

    async def _own(
        self,
        connection: Connection,
        contact_id: str,
        external_id: str,
        key: MatchKey | None,
        *,
        takes_over: bool,
    ) -> None:
        """Make a contact the owner of a vendor contact, found under a match key."""
        (number,) = self._numbers([contact_id])
        await connection.execute(
            _SQL["own"],
            self._destination,
            contact_id,
            number,
            external_id,
            takes_over,
        )
        if key is not None:
            await connection.execute(
                _SQL["set_match_key"],
                self._destination,
                contact_id,
                key.field,
                key.value,
            )

    async def _inherit(
        self,
        connection: Connection,
        contact_id: str,
        owner: asyncpg.Record | None,
        our_tags: frozenset[str],
    ) -> Pending:
        """Take over what a removed owner knew, as unknown; return what is unknown now.

        ``our_tags`` were found at the vendor contact, and are known to be ours.
        """
        stored = await connection.fetchval(
            _SQL["pending"], self._destination, contact_id
        )
        unknown = self._unknown_of(stored)
        if owner is None and not our_tags:
            return unknown
        if owner is not None:
            # The owner's fields and tags may still be at the vendor, or not: it may
            # have been about to add or remove some when its run died. What it knew is
            # so unknown until the contact is recorded, and is sent again or removed.
            # The contact's own unknown values come last, since they are newer.
            names = [each for each in _field_names(owner) if each not in unknown.fields]
            unknown = with_nobodys(
                unknown, fields=dict.fromkeys(names), remove_tags=_tags_of_ours(owner)
            )
            await connection.execute(
                _SQL["give_up"], owner["destination"], owner["contact_id"]
            )
            await connection.execute(
                _SQL["forget_known"], owner["destination"], [owner["contact_id"]]
            )
        if our_tags:
            # Unknown likewise: after a crash nothing else says that they are ours.
            unknown = with_nobodys(unknown, remove_tags=our_tags)
        await connection.execute(
            _SQL["set_pending"],
            self._destination,
            contact_id,
            self._dump_note(unknown),
        )
        return unknown

    @patient
    async def owners(
        self, contact_id: str, external_ids: Sequence[str], *, takes_over: bool = True
    ) -> Mapping[str, str]:
        """Return the owners of those vendor contacts that another contact keeps."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["owners"],
                self._fence.account,
                list(external_ids),
                self._destination,
                contact_id,
                takes_over,
            )
        return {row["external_id"]: row["owner"] for row in rows}

    @patient
    async def overwritten(self, owner: str, external_id: str, written: Pending) -> None:
        """Note that another contact's values were written to an owner's contact."""
        # A destination's name has no slash, and a contact id may have some.
        destination, _, contact_id = owner.partition("/")
        async with self._fence.writing() as connection:
            # The owner may have let go of the vendor contact, or have been removed,
            # since it was looked up.
            is_owner = await connection.fetchval(
                _SQL["overwritten"], destination, contact_id, external_id
            )
            if not is_owner:
                return
            stored = await connection.fetchval(_SQL["pending"], destination, contact_id)
            before = self._unknown_of(stored)
            # What was written for another contact counts as unknown for the owner: its
            # next run sends its own values over it.
            unknown = with_nobodys(
                before, fields=written.fields, add_tags=written.add_tags
            )
            pending = self._dump_note(unknown)
            await connection.execute(
                _SQL["set_pending"], destination, contact_id, pending
            )

    @patient
    async def gone(self, *, all_of_them: bool) -> Sequence[str]:
        """Return the contacts that were deleted at the vendor, in key order."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["gone"], self._destination, all_of_them, self._run_id
            )
        return [row["contact_id"] for row in rows]

    @patient
    async def allow_recreation(self, contact_ids: Sequence[str]) -> None:
        """Let contacts that were deleted at the vendor be created again."""
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["allow_recreation"], self._destination, list(contact_ids)
            )

    @patient
    async def remember_opt_outs(self, opt_outs: Mapping[str, Fields]) -> None:
        """Note the opt-outs that the vendor shows, by contact."""
        if not opt_outs:
            return
        contact_ids = list(opt_outs)
        stored = [_dump(dict(fields)) for fields in opt_outs.values()]
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["remember_opt_outs"], self._destination, contact_ids, stored
            )

    @patient
    async def in_step(self, besides: str, number: int) -> Sequence[str]:
        """Return some contacts in step, the most recently written first."""
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["in_step"], self._destination, besides, number, self._run_id
            )
        return [row["contact_id"] for row in rows]

    def _numbers(self, contact_ids: Sequence[str]) -> list[int | None]:
        return numbers(contact_ids, numbered=self._numbered)

    def _state_columns(self, records: Iterable[Record]) -> list[list[object]]:
        """Return the columns that the statement ``record_state`` takes."""
        return _columns(self._state_row(record) for record in records)

    def _state_row(self, record: Record) -> tuple[object, ...]:
        """Return a record's values in the order of the statement ``record_state``."""
        (number,) = self._numbers([record.contact_id])
        fingerprint = None
        tried_in = None
        if record.refusal:
            fingerprint = record.refusal.fingerprint
            tried_in = self._run_id
        return (
            record.contact_id,
            number,
            record.known.external_id,
            record.source_hash,
            record.status.value,
            record.rejections,
            record.rejected_hash,
            _code(record),
            record.standing,
            fingerprint,
            tried_in,
        )

    def _known_columns(self, records: Sequence[Record]) -> list[list[object]]:
        """Return the columns that the statement ``record_known`` takes."""
        return _columns(self._known_row(record) for record in records)

    def _known_row(self, record: Record) -> tuple[object, ...]:
        """Return a record's values in the order of the statement ``record_known``."""
        known = record.known
        match_field = None
        match_key = None
        if known.key:
            match_field = known.key.field
            match_key = known.key.value
        pending = None
        age = None
        if known.pending:
            pending = self._dump_note(known.pending)
            age = known.pending.age
        return (
            record.contact_id,
            match_field,
            match_key,
            _dump(dict(known.fields)),
            _dump(sorted(known.tags)),
            _dump(sorted(known.found_tags)),
            _dump(dict(known.seen_opt_outs)),
            _dump(list(known.empty)) if known.empty else None,
            pending,
            age,
        )

    def _state(self, row: asyncpg.Record) -> ContactState:
        """Return a row of the statement ``load`` as a state.

        Where nothing is known of the contact, the columns of ``sync_known`` are NULL.
        """
        pending = None
        if row["pending"]:
            stored = orjson.loads(row["pending"])
            pending = note_from_json(stored, row["pending_age"], self._run_id)
        known = Known(
            external_id=row["external_id"],
            key=_key(row),
            fields=orjson.loads(row["fields"] or "{}"),
            tags=frozenset(orjson.loads(row["tags"] or "[]")),
            found_tags=frozenset(orjson.loads(row["found_tags"] or "[]")),
            # The column is named after the "no" that a person said.
            seen_opt_outs=orjson.loads(row["noes"] or "{}"),
            pending=pending,
            empty=tuple(orjson.loads(row["empty"] or "[]")),
        )
        return ContactState(
            contact_id=row["contact_id"],
            known=known,
            status=Status(row["status"]),
            source_hash=row["source_hash"],
            rejections=row["rejections"],
            rejected_hash=row["rejected_hash"],
            gone=row["gone"],
            given_up=row["given_up"],
            taken_by=row["taken_by"],
            refusal=_refusal(row),
            standing=known_standing_in(row),
            was_in_step=row["was_in_step"],
            changes=changes_from_json(row["changes"], self._run_id),
        )

    def _dump_note(self, note: Pending) -> str:
        return _dump(note_as_json(note, self._run_id))

    def _unknown_of(self, stored: str | None) -> Pending:
        """Return what the column ``pending`` says is unknown, or an empty note."""
        if not stored:
            return Pending()
        return note_from_json(orjson.loads(stored), age=None, run_id=self._run_id)


def _written_to(records: Sequence[Record]) -> list[str]:
    """Return the external ids of vendor contacts that something was written to."""
    external_ids: list[str] = []
    for record in records:
        external_id = record.known.external_id
        if external_id and record.has_written:
            external_ids.append(external_id)
    return external_ids


def numbers(contact_ids: Sequence[str], *, numbered: bool) -> list[int | None]:
    """Return the contact ids as numbers, where the source's key is an integer.

    None for an id that is no number: the destination had another key before. Without
    ``numbered`` all of them are None, even if they look like numbers.
    """
    if not numbered:
        return [None] * len(contact_ids)
    return [_number(contact_id) for contact_id in contact_ids]


def _number(contact_id: str) -> int | None:
    if _INTEGER.fullmatch(contact_id) is None:
        return None
    return int(contact_id)


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Return rows as columns, which ``unnest`` makes rows of again.

    One statement for all rows takes a fraction of the time of one for each.
    """
    return [list(column) for column in zip(*rows, strict=True)]


_OUTCOME_COLUMNS = 9


def _outcome_columns(batch: int, records: Sequence[Record]) -> list[list[object]]:
    """Return the columns that the statement ``record_outcome`` takes.

    Of several outcomes of one contact, the last one counts.
    """
    latest: dict[str, ContactOutcome] = {}
    for record in records:
        if record.outcome is not None:
            latest[record.contact_id] = record.outcome
    if not latest:
        # Changes of steps go without an outcome: the statement takes no rows then.
        return [[] for _ in range(_OUTCOME_COLUMNS)]
    return _columns(
        _outcome_row(batch, contact_id, outcome)
        for contact_id, outcome in latest.items()
    )


def _outcome_row(
    batch: int, contact_id: str, outcome: ContactOutcome
) -> tuple[object, ...]:
    """Return an outcome's values in the order of the statement ``record_outcome``."""
    unsupported = None
    if outcome.unsupported:
        unsupported = _dump([[each.code, each.subject] for each in outcome.unsupported])
    return (
        contact_id,
        batch,
        outcome.kind.value,
        # As one text, since ``unnest`` would flatten an array of arrays.
        ",".join(outcome.actions),
        outcome.requests,
        outcome.code or None,
        printable(outcome.message) or None,
        outcome.http_status,
        unsupported,
    )


def _key(row: asyncpg.Record) -> MatchKey | None:
    if not row["match_field"]:
        return None
    return MatchKey(row["match_field"], row["match_key"])


def _refusal(row: asyncpg.Record) -> Refusal | None:
    if row["refusal"] is None:
        return None
    return Refusal(row["refusal"], row["code"] or "")


def _code(record: Record) -> str | None:
    """Return the code of the reason why a contact is not in step, for later reports."""
    if record.moved:
        return MOVED
    if record.status is Status.SYNCED:
        return None
    # The code of the group comes before that of the last try: a contact whose whole
    # group was refused may have a last outcome that says only this.
    if record.refusal is not None:
        return record.refusal.code
    if record.outcome is None or record.status is Status.PENDING:
        return None
    return record.outcome.code or None


def _dump(value: Json) -> str:
    return orjson.dumps(value).decode()


def _tags_of_ours(owner: asyncpg.Record) -> frozenset[str]:
    """Return the tags that an owner set, or may have set.

    Tags that the vendor contact had before us are never ours to remove.
    """
    tags = frozenset(orjson.loads(owner["tags"] or "[]"))
    found = frozenset(orjson.loads(owner["found_tags"] or "[]"))
    unknown = _unknown_of_owner(owner)
    return tags | ((unknown.add_tags | unknown.remove_tags) - found)


def _unknown_of_owner(owner: asyncpg.Record) -> Pending:
    """Return what is unknown of an owner; who sent it does not matter any more."""
    if not owner["pending"]:
        return Pending()
    return note_from_json(orjson.loads(owner["pending"]), age=None, run_id=NO_RUN)


def _field_names(owner: asyncpg.Record) -> list[str]:
    """Return the names of the fields that an owner has or may have, lists included."""
    known = orjson.loads(owner["fields"] or "{}")
    unknown = _unknown_of_owner(owner).fields
    return [*known, *unknown]
