"""Consent: a last check before each request that something may be sent at all.

A contact may be suppressed, or may opt out in the source, while a run is under way.
So before each request about a contact the state's suppressions are asked and, if the
mapping has an opt-out column, the source. One query answers for many workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from syncengine.errors import ContactSuppressed
from syncengine.model.consent import LEFT_SOURCE, OPTED_OUT, Subject, SubjectFinder
from syncengine.model.contact import Fields, MatchKey, Pending
from syncengine.model.http import Json
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.planning.attempt.job import Job
from syncengine.planning.mapping import has_opted_out
from syncengine.ports import ContactStore, SourceReader


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

    def about(self, job: Job) -> ContactCheck:
        """Return the check to make before each request about this job's contact."""
        named = subjects_of(job, self._naming)
        is_wanted = job.desired is not None
        return ContactCheck(self, job.state.contact_id, named, wanted=is_wanted)

    async def refused(
        self, checks: Sequence[ContactCheck]
    ) -> Mapping[ContactCheck, ContactSuppressed]:
        """Return the checks of contacts about which nothing may be sent, and why.

        Raises SourceError, StorageError.
        """
        loop = asyncio.get_running_loop()
        question = _Question(checks, loop.create_future())
        self._waiting.append(question)
        # Whoever gets the lock asks for everybody who waits by then. The others find
        # their answer when the lock comes to them.
        async with self._asking:
            if not question.answer.done():
                await self._answer_all()
        reasons = question.answer.result()
        return {
            check: ContactSuppressed(reasons[check.contact_id])
            for check in checks
            if check.contact_id in reasons
        }

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
            question.answer.set_result(reasons)

    async def _reasons(self, questions: Sequence[_Question]) -> Mapping[str, str]:
        """Return the contacts about which nothing may be sent, with the reason."""
        checks = [check for question in questions for check in question.checks]
        wanted = [check.contact_id for check in checks if check.wanted]
        by_source = await self._by_source(wanted)
        # Asked after the source, however slow that is: a suppression that was stored
        # before this moment is respected.
        subjects = {check.contact_id: check.named for check in checks}
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


class ContactCheck:
    """Check of one contact before a request about it (``SendCheck``)."""

    def __init__(
        self,
        consent: Consent,
        contact_id: str,
        named: Sequence[Subject],
        *,
        wanted: bool,
    ) -> None:
        self.consent = consent
        self.contact_id = contact_id
        self.named = named
        """Subjects by which a suppression may name the contact."""
        self.wanted = wanted
        """True where the source wants the contact; a removed contact has no row to look
        at."""

    async def __call__(self) -> None:
        """Raise ContactSuppressed unless something may be sent about the contact."""
        refused = await self.consent.refused([self])
        for error in refused.values():
            raise error


@dataclass(frozen=True, slots=True)
class _Question:
    """Question about which contacts nothing may be sent."""

    checks: Sequence[ContactCheck]
    answer: asyncio.Future[Mapping[str, str]]
    """The reasons by contact, also of contacts that others have asked about."""
