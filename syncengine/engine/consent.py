"""Consent: a last check before each request that something may be sent at all.

A contact may be suppressed, or may opt out in the source, while a run is under way.
So before each request about a contact the state's suppressions are asked and, if the
mapping has an opt-out column, the source. One query answers for many workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

from syncengine.errors import ContactSuppressed
from syncengine.model.consent import LEFT_SOURCE, OPTED_OUT, Subject, SubjectFinder
from syncengine.model.contact import Fields, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.planning.attempt.job import Job
from syncengine.planning.mapping import has_opted_out
from syncengine.ports import ContactStore, SendCheck, SourceReader


def subjects_of(job: Job, naming: SubjectFinder) -> tuple[Subject, ...]:
    """Return all subjects by which a suppression may name the job's contact.

    Those are its contact id, and all phones and e-mail addresses among its desired, its
    known and its unknown values.
    """
    if job.subjects is not None:
        return job.subjects
    desired = job.desired
    known = job.state.known
    pending = known.pending or Pending()
    parts: list[Fields] = []
    keys: list[MatchKey] = []
    tags: list[str] = []
    if desired is not None:
        parts += (desired.fields, desired.invalid)
        keys += desired.keys
        tags += desired.tags
    parts += (known.fields, pending.fields)
    if known.key is not None:
        keys.append(known.key)
    keys += pending.keys
    tags += (*known.tags, *pending.add_tags, *pending.remove_tags)
    values: list[tuple[str, Json]] = []
    for fields in parts:
        values += fields.items()
    values += [(key.field, key.value) for key in keys]
    return naming.subjects(job.state.contact_id, values, tags)


class Consent:
    """Consent of contacts, read from source and state.

    Questions that come while one is being answered are answered together, by one query.
    """

    def __init__(
        self, store: ContactStore, source: SourceReader, mapping: ContactMapping
    ) -> None:
        self._store = store
        self._source = source
        self._mapping = mapping
        self._naming = SubjectFinder(mapping)
        self._asking = asyncio.Lock()
        self._waiting: list[_Question] = []

    def about(self, job: Job) -> SendCheck:
        """Return the check to make before each request about this job's contact.

        The check raises ContactSuppressed, StorageError.
        """
        return partial(
            self._ask,
            job.state.contact_id,
            subjects_of(job, self._naming),
            job.desired is not None,
        )

    async def _ask(
        self,
        contact_id: str,
        named: Sequence[Subject],
        wanted: bool,  # noqa: FBT001
    ) -> None:
        """Raise ContactSuppressed unless something may be sent about a contact."""
        question = _Question(contact_id, named, wanted=wanted)
        self._waiting.append(question)
        # Whoever gets the lock asks for everybody who waits by then. The others find
        # their answer when the lock comes to them.
        async with self._asking:
            if not question.answer.done():
                await self._answer_all()
        reason = question.answer.result()
        if reason is not None:
            raise ContactSuppressed(reason)

    async def _answer_all(self) -> None:
        """Answer all questions that wait by now."""
        questions, self._waiting = self._waiting, []
        try:
            reasons = await self._reasons(questions)
        except asyncio.CancelledError:
            # This worker asked for the others too: whoever still waits asks again for
            # all of them.
            self._waiting = questions + self._waiting
            raise
        except Exception as error:
            for question in questions:
                question.answer.set_exception(error)
                # Retrieved here: a future whose error nobody reads, since its worker
                # was cancelled, would complain when it is collected.
                question.answer.exception()
            raise
        for question in questions:
            question.answer.set_result(reasons.get(question.contact_id))

    async def _reasons(self, questions: Sequence[_Question]) -> Mapping[str, str]:
        """Return the contacts about which nothing may be sent, with the reason."""
        wanted = [each.contact_id for each in questions if each.wanted]
        by_source = await self._by_source(wanted)
        # Asked after the source, however slow that is: a suppression that was stored
        # before this moment is respected.
        subjects = {each.contact_id: each.named for each in questions}
        suppressed = await self._store.suppressed(subjects)
        return {**suppressed, **by_source}

    async def _by_source(self, wanted: Sequence[str]) -> Mapping[str, str]:
        """Return the contacts that opted out or left the source, with the reason.

        Both are looked for, since an unsubscription may end both in one change.
        """
        if self._mapping.opted_out is None:
            return {}
        rows = await self._source.load(wanted)
        selected = {row.contact_id for row in rows}
        missing = [contact_id for contact_id in wanted if contact_id not in selected]
        reasons = dict.fromkeys(missing, LEFT_SOURCE)
        for row in rows:
            if has_opted_out(row, self._mapping):
                reasons[row.contact_id] = OPTED_OUT
        return reasons


class _Question:
    """Question whether anything may be sent about one contact."""

    def __init__(
        self, contact_id: str, named: Sequence[Subject], *, wanted: bool
    ) -> None:
        self.contact_id = contact_id
        self.named = named
        """Subjects by which a suppression may name the contact."""
        self.wanted = wanted
        """True where the source wants the contact; a removed contact has no row to look
        at."""
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[str | None] = loop.create_future()
        """The reason why nothing may be sent; None: it may."""
