"""Outlook of one contact: what the next run would do, and what keeps it from that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from syncengine.app.databases import Databases
from syncengine.app.vendor_access import task_of
from syncengine.config.destination import DestinationConfig
from syncengine.engine.consent import SAME_PERSON, subjects_of
from syncengine.engine.neighbours import Neighbours
from syncengine.engine.prepare import Prepared, Preparer
from syncengine.engine.records import like_suppressed
from syncengine.engine.task import Job
from syncengine.model.calls import OutcomeKind
from syncengine.model.consent import SubjectFinder, SubjectKind
from syncengine.model.contact import Desired, Pending
from syncengine.model.contact_ids import as_argument
from syncengine.model.erasure import Erased
from syncengine.model.mapping import OnGone
from syncengine.model.unsupported import in_words
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactState,
    SourceRow,
    Standing,
    Status,
)
from syncengine.planning.intents import still_unknown
from syncengine.planning.look_up import plan_look_up
from syncengine.planning.mapping import has_opted_out
from syncengine.planning.plan import Plan
from syncengine.planning.refusals import DEAD_AFTER, version
from syncengine.ports import ContactStore, SourceReader
from syncengine.storage.state import consent, erasure
from syncengine.storage.state.outcomes import last_ended
from syncengine.storage.state.standing import standing_of

_BY = {
    SubjectKind.CONTACT: "its contact id",
    SubjectKind.PHONE: "a phone number of it",
    SubjectKind.EMAIL: "an e-mail address of it",
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """Future of one contact."""

    standing: str | None = None
    """``forgotten``, ``suppressed`` or ``opted_out``: no run sends anything about it.
    """
    remarks: tuple[str, ...] = ()
    next_run: str = ""
    """Action of the next run, in words."""
    kept: Pending | None = None
    """What was sent without an outcome, and stays unknown after the next run."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One contact as the state and the source have it."""

    state: ContactState
    row: SourceRow | None = None
    desired: Desired | None = None


async def look_ahead(
    destination: DestinationConfig,
    databases: Databases,
    store: ContactStore,
    source: SourceReader | None,
    seen: Seen,
    neighbours: Neighbours | None = None,
) -> Outlook:
    """Plan the contact as a run would, and check whether anything may be sent.

    Writes nothing. Without a source, which could not be read, the next run is unknown.
    """
    standing, remarks = await _forbidden(destination, databases, store, seen)
    if standing is not None:
        return Outlook(
            standing, remarks, "sends nothing about it", seen.state.known.pending
        )
    if source is None:
        return Outlook(None, remarks)
    left_alone = _dead(destination, seen) or await _unsupported(
        destination, databases, seen
    )
    if left_alone is not None:
        return Outlook(None, remarks, left_alone, seen.state.known.pending)
    kind = BatchKind.REMOVALS if seen.row is None else BatchKind.CHANGES
    batch = Batch(0, kind, (seen.state.contact_id,))

    async def batches() -> AsyncIterator[Batch]:
        yield batch

    capabilities = destination.vendor.capabilities
    preparer = Preparer(
        task_of(destination), capabilities, source, store, None, neighbours
    )
    await preparer.look_ahead(batches())
    prepared = await preparer.plan(batch)
    return Outlook(
        None, remarks, _told(destination, seen, prepared), _kept(seen, prepared)
    )


async def _forbidden(
    destination: DestinationConfig,
    databases: Databases,
    store: ContactStore,
    seen: Seen,
) -> tuple[str | None, tuple[str, ...]]:
    """Return why nothing may be sent, if so, and remarks that explain it."""
    job = Job(0, seen.state, seen.desired, None, Plan())
    subjects = subjects_of(job, SubjectFinder(destination.mapping))
    named = await consent.named_by(databases.state, subjects)
    receipts = await erasure.receipts(databases.state, seen.state.contact_id)
    remarks = list(_of_receipts(destination, seen.state.contact_id, receipts))
    contact = as_argument(seen.state.contact_id)
    standing: str | None = None
    if seen.row is not None and has_opted_out(seen.row, destination.mapping):
        standing = "opted_out"
        remarks.append(
            f'opted out: the source\'s column "{destination.mapping.opted_out}" is true'
        )
    for kind, reason in named:
        if reason == consent.FORGOTTEN:
            remarks.append(
                "forgotten: no run creates it again or links it to what a vendor holds; "
                f"`syncengine suppress --lift --forgotten --contact {contact}` takes that back"
            )
        else:
            remarks.append(
                f"suppressed: {_BY[kind]} is on the list; `syncengine suppress --lift` takes that back"
            )
        if standing != "forgotten":
            standing = reason
    if (
        standing is None
        and SAME_PERSON
        in (await store.suppressed({seen.state.contact_id: subjects})).values()
    ):
        standing = "suppressed"
        remarks.append(f"suppressed: {like_suppressed(seen.state.contact_id)}")
    return standing, tuple(remarks)


def _of_receipts(
    destination: DestinationConfig,
    contact_id: str,
    receipts: Sequence[erasure.ErasureProgress],
) -> Iterator[str]:
    contact = as_argument(contact_id)
    for each in receipts:
        if each.destination != destination.name:
            continue
        if each.status is Erased.OPEN:
            yield f"it is to be forgotten, and is not yet: `syncengine forget {contact}` finishes that"
        if each.to_ask:
            yield f"{each.to_ask}; `syncengine forget {contact} --confirmed -d {destination.name}` once they did"


def _dead(destination: DestinationConfig, seen: Seen) -> str | None:
    """Describe a dead letter whose row is unchanged; return None for other contacts."""
    state, row = seen.state, seen.row
    if row is not None and state.status is Status.GONE:
        return _gone(destination, seen, row)
    if (
        row is None
        or state.status is not Status.DEAD
        or state.rejected_hash != version(row.source_hash)
    ):
        return None
    contact = as_argument(state.contact_id)
    if state.refusal is not None and not state.rejections:
        return (
            "leaves it alone, unless it is the one that is tried: it is refused like "
            f"others ({state.refusal.code}), of which one is tried each night; "
            f"`syncengine run -d {destination.name} --contact {contact}` tries it now"
        )
    if (
        state.rejections < DEAD_AFTER
    ):  # refused at once, for the sake of another contact
        return "leaves it alone: it waits until another contact has let go of its match key, or its row changes"
    return (
        f"leaves it alone: it is a dead letter, refused {DEAD_AFTER} times, until its row or the mapping changes; "
        f"`syncengine run -d {destination.name} --contact {contact}` tries it again, and "
        f"`syncengine retry --dead -d {destination.name}` all of them"
    )


async def _unsupported(
    destination: DestinationConfig,
    databases: Databases,
    seen: Seen,
) -> str | None:
    """Describe a contact that the vendor does not take as a whole.

    None for other contacts, and where its row changed or came back.
    """
    state = seen.state
    hash_now = None if seen.row is None else seen.row.source_hash
    expected = Status.REMOVED if seen.row is None else Status.SYNCED
    if state.status is not expected or state.source_hash != hash_now:
        return None
    name, contact_id = destination.name, state.contact_id
    if await standing_of(databases.state, name, contact_id) is not Standing.UNSUPPORTED:
        return None
    last = await last_ended(databases.state, name, contact_id)
    differs = in_words(last.unsupported) if last is not None else ""
    differs = differs or "the vendor does not take a part of it"
    if state.refusal is not None:
        return (
            f"leaves it alone, unless it is the one that is tried: {differs}. Of those "
            "that lack the same, one is tried each night; "
            f"`syncengine run -d {name} --contact {as_argument(contact_id)}` tries it now"
        )
    until = "it comes back" if seen.row is None else "its row or the mapping changes"
    return f"leaves it as it is: {differs}; it is not tried again until {until}"


def _kept(seen: Seen, prepared: Prepared) -> Pending | None:
    """Return what was sent without an outcome and is not settled by the next run."""
    pending = seen.state.known.pending
    if pending is None or not prepared.jobs:
        return pending
    (job,) = prepared.jobs
    is_settled_first = pending.creates or pending.deletes or pending.distrusted
    if is_settled_first or pending.merged_with is not None or job.desired is None:
        return None
    manages_tags = job.desired.manages_tags
    return still_unknown(seen.state.known, job.plan, manages_tags=manages_tags)


def _gone(destination: DestinationConfig, seen: Seen, row: SourceRow) -> str | None:
    """Describe a contact deleted at the vendor; None where it is looked up again."""
    if destination.options.on_gone is OnGone.RECREATE:
        return (
            "looks it up, and creates it again: it was deleted or merged at the vendor"
        )
    if seen.state.source_hash != row.source_hash:
        return None
    contact = as_argument(seen.state.contact_id)
    return (
        "leaves it alone: it was deleted or merged at the vendor, until its row changes; "
        f"`syncengine run -d {destination.name} --contact {contact}` creates it again"
    )


def _told(destination: DestinationConfig, seen: Seen, prepared: Prepared) -> str:
    if prepared.jobs:
        return _of_job(destination, prepared.jobs[0])
    outcome = prepared.records[0].outcome if prepared.records else None
    if outcome is not None and outcome.kind is OutcomeKind.REJECTED:
        return f"rejects it ({outcome.code})"
    if outcome is not None and outcome.unsupported:
        return f"sends nothing: {in_words(outcome.unsupported)}"
    if any(record.moved for record in prepared.records):
        return "sends nothing about it: another destination of the account selects it"
    if seen.row is None:
        return "sends nothing about it"
    return "sends nothing: it is in step"


def _of_job(destination: DestinationConfig, job: Job) -> str:
    capabilities = destination.vendor.capabilities
    if job.refusal is not None:
        return f"looks it up, and rejects it ({job.refusal.code})"
    first = plan_look_up(
        job.desired,
        job.state.known,
        capabilities,
        find_first=destination.options.find_first,
    )
    actions = ", ".join(dict.fromkeys(call.action.value for call in job.plan.calls))
    if first is None:
        return f"sends: {actions}"
    return (
        f"looks it up; where nothing is found it sends: {actions}"
        if actions
        else "looks it up"
    )
