"""The contacts of one destination in the state database (``ports.ContactStore``)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import asyncpg
import orjson

from syncengine.model.consent import Subject
from syncengine.model.contact import Fields, Known, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.texts import printable
from syncengine.model.work import (
    ContactState,
    Intent,
    LinkResult,
    Record,
    Refusal,
    Status,
)
from syncengine.storage.patience import DatabasePatience, patient
from syncengine.storage.state.consent import find_suppressed
from syncengine.storage.state.fence import Fence
from syncengine.storage.statements import statements

_SQL = statements("contacts")
MOVED = "moved"
"""Code of a removed contact that another destination selects (``Record.moved``)."""
_INTEGER = re.compile(r"-?[0-9]{1,18}")


class Contacts:
    """Set-based reads and writes of contacts.

    Rows are always written in key order, since two writers in order of arrival
    deadlock.
    """

    def __init__(
        self, fence: Fence, destination: str, run_id: int, *, numbered: bool
    ) -> None:
        self._fence = fence
        self._destination = destination
        self._run_id = run_id
        self._numbered = numbered
        self.taken_over: Counter[str] = Counter()
        """Numbers of vendor contacts that were another destination's before, by it."""

    @property
    def patience(self) -> DatabasePatience:
        return self._fence.patience

    @patient
    async def load(self, contact_ids: Sequence[str]) -> Mapping[str, ContactState]:
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["load"], self._destination, list(contact_ids), self._fence.account
            )
        return {row["contact_id"]: _state(row) for row in rows}

    async def suppressed(
        self, asked: Mapping[str, Sequence[Subject]]
    ) -> Mapping[str, str]:
        # What was sent cannot be recorded while the database is away: send nothing more.
        await self.patience.over()
        return await self._suppressed(asked)

    @patient
    async def _suppressed(
        self, asked: Mapping[str, Sequence[Subject]]
    ) -> Mapping[str, str]:
        async with self._fence.reading() as connection:
            return await find_suppressed(connection, asked)

    @patient
    async def intend(self, intents: Sequence[Intent]) -> None:
        if not intents:
            return
        ids = [intent.contact_id for intent in intents]
        pending = [_dump(_pending_json(intent.pending)) for intent in intents]
        async with self._fence.writing(sending=True) as connection:
            await connection.execute(
                _SQL["intend_state"], self._destination, ids, self._numbers(ids)
            )
            await connection.execute(
                _SQL["intend_known"], self._destination, ids, pending
            )
            if deleted := [
                intent.contact_id for intent in intents if intent.pending.deletes
            ]:
                await connection.execute(_SQL["erased_long_ago"], self._fence.account)
                await connection.execute(
                    _SQL["erasing"], self._fence.account, self._destination, deleted
                )

    @patient
    async def is_erasing(self, external_id: str, within: float) -> bool:
        async with self._fence.reading() as connection:
            return bool(
                await connection.fetchval(
                    _SQL["is_erasing"], self._fence.account, external_id, within
                )
            )

    @patient
    async def record(self, batch: int, records: Sequence[Record]) -> None:
        latest = {record.contact_id: record for record in records}
        kept = [record for record in latest.values() if record.known != Known()]
        gone = [
            record.contact_id for record in latest.values() if record.known == Known()
        ]
        finished = [record for record in records if record.outcome]
        written = [
            record.known.external_id
            for record in records
            if record.known.external_id and record.has_written
        ]
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["record_state"],
                self._destination,
                *self._state_columns(latest.values()),
            )
            if kept:
                await connection.execute(
                    _SQL["record_known"], self._destination, *_known_columns(kept)
                )
            if gone:
                await connection.execute(_SQL["forget_known"], self._destination, gone)
            if finished:
                await connection.execute(
                    _SQL["record_outcome"],
                    self._run_id,
                    *_outcome_columns(batch, finished),
                )
            if written:
                await connection.execute(
                    _SQL["written_to"], self._fence.account, written
                )

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
        account = self._fence.account
        async with self._fence.writing(sending=True) as connection:
            await connection.execute(_SQL["one_at_a_time"], account, external_id)
            mine = self._destination, contact_id, self._run_id
            owner = await connection.fetchrow(
                _SQL["owner"], account, external_id, *mine
            )
            if owner is not None and not (owner["gone"] and takes_over):
                return LinkResult(f"{owner['destination']}/{owner['contact_id']}")
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
                    _SQL["held_under"],
                    self._destination,
                    contact_id,
                    key.field,
                    key.value,
                )
            doubt = _doubt(
                await connection.fetchval(
                    _SQL["pending"], self._destination, contact_id
                )
            )
            if owner is not None:
                # Unknown until the contact is recorded: the owner may have been about to add
                # or remove some.
                fields = {**dict.fromkeys(_fields(owner)), **doubt.fields}
                doubt = replace(
                    doubt, remove_tags=doubt.remove_tags | _ours(owner), fields=fields
                )
                await connection.execute(
                    _SQL["give_up"], owner["destination"], owner["contact_id"]
                )
                await connection.execute(
                    _SQL["forget_known"], owner["destination"], [owner["contact_id"]]
                )
            if our_tags:
                # Unknown likewise: after a crash nothing else says that they are ours.
                doubt = replace(doubt, remove_tags=doubt.remove_tags | our_tags)
            if owner is not None or our_tags:
                inherited = _dump(_pending_json(doubt))
                await connection.execute(
                    _SQL["inherit"], self._destination, contact_id, inherited
                )
            if theirs := found_tags - doubt.remove_tags:
                await connection.execute(
                    _SQL["found_with"],
                    self._destination,
                    contact_id,
                    _dump(sorted(theirs)),
                )
        if owner is not None and owner["destination"] != self._destination:
            self.taken_over[owner["destination"]] += 1
        return LinkResult(tags=doubt.remove_tags, fields=frozenset(doubt.fields))

    @patient
    async def owners(
        self, contact_id: str, external_ids: Sequence[str], *, takes_over: bool = True
    ) -> Mapping[str, str]:
        mine = self._destination, contact_id, takes_over
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["owners"], self._fence.account, list(external_ids), *mine
            )
        return {row["external_id"]: row["owner"] for row in rows}

    @patient
    async def overwritten(self, owner: str, external_id: str, written: Pending) -> None:
        place = owner.partition("/")
        destination, contact_id = place[0], place[2]
        async with self._fence.writing() as connection:
            is_owner = await connection.fetchval(
                _SQL["overwritten"], destination, contact_id, external_id
            )
            if not is_owner:
                return
            stored = await connection.fetchval(_SQL["pending"], destination, contact_id)
            before = _doubt(stored)
            doubt = replace(
                before,
                fields={**before.fields, **written.fields},
                add_tags=before.add_tags | written.add_tags,
            )
            pending = _dump(_pending_json(doubt))
            await connection.execute(_SQL["inherit"], destination, contact_id, pending)

    @patient
    async def gone(self, *, all_of_them: bool) -> Sequence[str]:
        async with self._fence.reading() as connection:
            rows = await connection.fetch(
                _SQL["gone"], self._destination, all_of_them, self._run_id
            )
        return [row["contact_id"] for row in rows]

    @patient
    async def allow_recreation(self, contact_ids: Sequence[str]) -> None:
        async with self._fence.writing() as connection:
            await connection.execute(
                _SQL["want_again"], self._destination, list(contact_ids)
            )

    @patient
    async def remember_opt_outs(self, noes: Mapping[str, Fields]) -> None:
        if not noes:
            return
        columns = list(noes), [_dump(dict(each)) for each in noes.values()]
        async with self._fence.writing() as connection:
            await connection.execute(_SQL["remember_noes"], self._destination, *columns)

    @patient
    async def in_step(self, besides: str, number: int) -> Sequence[str]:
        async with self._fence.reading() as connection:
            mine = self._destination, besides, number, self._run_id
            rows = await connection.fetch(_SQL["in_step"], *mine)
        return [row["contact_id"] for row in rows]

    def _numbers(self, contact_ids: Sequence[str]) -> list[int | None]:
        return numbers(contact_ids, numbered=self._numbered)

    def _state_columns(self, records: Iterable[Record]) -> list[list[object]]:
        rows = [
            (
                record.contact_id,
                *self._numbers([record.contact_id]),
                record.known.external_id,
                record.source_hash,
                record.status.value,
                record.rejections,
                record.rejected_hash,
                _code(record),
                record.standing,
                record.refusal.fingerprint if record.refusal else None,
                self._run_id if record.refusal else None,
            )
            for record in records
        ]
        return [list(column) for column in zip(*rows, strict=True)]


def numbers(contact_ids: Sequence[str], *, numbered: bool) -> list[int | None]:
    """Return the contact ids as numbers, where the source's key is an integer."""
    return [
        int(text) if numbered and _INTEGER.fullmatch(text) else None
        for text in contact_ids
    ]


def _known_columns(records: Sequence[Record]) -> list[list[object]]:
    rows = [
        (
            record.contact_id,
            record.known.key.field if record.known.key else None,
            record.known.key.value if record.known.key else None,
            _dump(dict(record.known.fields)),
            _dump(sorted(record.known.tags)),
            _dump(sorted(record.known.found_tags)),
            _dump(dict(record.known.seen_opt_outs)),
            _dump(_pending_json(record.known.pending))
            if record.known.pending
            else None,
            record.known.pending.age if record.known.pending else None,
        )
        for record in records
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _outcome_columns(batch: int, records: Sequence[Record]) -> list[list[object]]:
    latest = {record.contact_id: record for record in records}
    rows = [
        (
            record.contact_id,
            batch,
            outcome.kind.value,
            ",".join(outcome.actions),
            outcome.requests,
            outcome.code or None,
            printable(outcome.message) or None,
            outcome.http_status,
            _dump([[item.code, item.subject] for item in outcome.unsupported])
            if outcome.unsupported
            else None,
        )
        for record in latest.values()
        if (outcome := record.outcome)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _state(row: asyncpg.Record) -> ContactState:
    pending = (
        _pending(orjson.loads(row["pending"]), row["pending_age"])
        if row["pending"]
        else None
    )
    known = Known(
        external_id=row["external_id"],
        key=_key(row),
        fields=orjson.loads(row["fields"] or "{}"),
        tags=frozenset(orjson.loads(row["tags"] or "[]")),
        found_tags=frozenset(orjson.loads(row["found_tags"] or "[]")),
        seen_opt_outs=orjson.loads(row["noes"] or "{}"),
        pending=pending,
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
    if record.refusal is not None:
        return record.refusal.code
    if record.outcome is None or record.status is Status.PENDING:
        return None
    return record.outcome.code or None


def _dump(value: Json) -> str:
    return orjson.dumps(value).decode()


def _doubt(stored: str | None) -> Pending:
    return _pending(orjson.loads(stored), None) if stored else Pending()


def _ours(owner: asyncpg.Record) -> frozenset[str]:
    """Return the tags that an owner set, or may have set."""
    tags, found = (
        frozenset(orjson.loads(owner[name] or "[]")) for name in ("tags", "found_tags")
    )
    doubt = _doubt(owner["pending"])
    return tags | ((doubt.add_tags | doubt.remove_tags) - found)


def _fields(owner: asyncpg.Record) -> Sequence[str]:
    """Return the names of the fields that an owner has or may have, lists included."""
    return *orjson.loads(owner["fields"] or "{}"), *_doubt(owner["pending"]).fields


def _pending_json(pending: Pending) -> Json:
    return {
        "creates": pending.creates,
        "deletes": pending.deletes,
        "keys": [[key.field, key.value] for key in pending.keys],
        "fields": dict(pending.fields),
        "add_tags": sorted(pending.add_tags),
        "remove_tags": sorted(pending.remove_tags),
        "distrusted": pending.distrusted,
        "merged_with": pending.merged_with,
    }


def _pending(stored: Json, age: float | None) -> Pending:
    return Pending(
        creates=stored["creates"],
        deletes=stored["deletes"],
        keys=tuple(MatchKey(field, value) for field, value in stored["keys"]),
        fields=stored["fields"],
        add_tags=frozenset(stored["add_tags"]),
        remove_tags=frozenset(stored["remove_tags"]),
        merged_with=stored.get("merged_with"),
        age=age,
        distrusted=stored.get("distrusted", False),
    )
