"""Outlook of one contact: what the next run would do, and what keeps it from that.

``show`` prints it. The questions are asked in the order in which a run asks them, and
the first that has an answer decides: may anything be sent about the contact, is it left
alone (a dead letter, gone, unsupported), what does its plan contain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from syncengine.app.databases import Databases
from syncengine.app.left_alone import retry_dead, run_contact
from syncengine.app.vendor_access import task_of
from syncengine.config.destination import DestinationConfig
from syncengine.engine.consent import subjects_of
from syncengine.engine.neighbours import Neighbours
from syncengine.engine.prepare import Preparer
from syncengine.engine.prepared import Prepared
from syncengine.model.calls import OutcomeKind
from syncengine.model.consent import SAME_PERSON, SubjectFinder, SubjectKind
from syncengine.model.contact import Desired, Pending
from syncengine.model.contact_ids import as_argument
from syncengine.model.erasure import Erased
from syncengine.model.mapping import OnGone
from syncengine.model.undo import TakenBack
from syncengine.model.unsupported import in_words
from syncengine.model.work import (
    Batch,
    BatchKind,
    ContactState,
    SourceRow,
    Standing,
    Status,
)
from syncengine.planning.attempt.job import Job
from syncengine.planning.attempt.records import like_suppressed
from syncengine.planning.intents import still_unknown
from syncengine.planning.look_up import plan_look_up
from syncengine.planning.mapping import has_opted_out
from syncengine.planning.plan import Plan
from syncengine.planning.refusals import DEAD_AFTER, version
from syncengine.planning.taken_back import Versions
from syncengine.ports import ContactStore, KeyStore, SourceReader
from syncengine.storage.state import consent, erasure
from syncengine.storage.state.outcomes import last_ended
from syncengine.storage.state.standing import standing_of

_SUPPRESSED_BY = {
    SubjectKind.CONTACT: "its contact id",
    SubjectKind.PHONE: "one of its phone numbers",
    SubjectKind.EMAIL: "one of its e-mail addresses",
}
"""Which of the subjects of a contact is suppressed, in words."""
_SENDS_NOTHING = "sends nothing about it"


@dataclass(frozen=True, slots=True)
class Outlook:
    """Treatment of one contact by the next run."""

    standing: str | None = None
    """``forgotten``, ``suppressed`` or ``opted_out``: no run sends anything about it.
    """
    remarks: tuple[str, ...] = ()
    next_run: str = ""
    """Action of the next run, to be read behind "the next run"; empty where that
    cannot be known."""
    nothing_because: str = ""
    """Reason why the next run has nothing to send; empty where it sends something or
    leaves the contact alone."""
    kept: Pending | None = None
    """Calls that were sent without an outcome, and stay unknown after the next run."""
    job: Job | None = None
    """Plan of the next run, as it would be made now; None where it leaves the
    contact alone, or has nothing to do for it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One contact as the state and the source have it."""

    state: ContactState
    row: SourceRow | None = None
    """None where the source does not select the contact."""
    desired: Desired | None = None
    """Contact that the row asks for; None without a usable row."""


async def look_ahead(
    destination: DestinationConfig,
    databases: Databases,
    store: ContactStore,
    source: SourceReader | None,
    seen: Seen,
    neighbours: Neighbours | None = None,
    keys: KeyStore | None = None,
) -> Outlook:
    """Plan the contact as a run would, and check whether anything may be sent.

    ``keys`` tell whether another contact has its match key; they must write nothing.
    Writes nothing. Without a source, which could not be read, the next run is unknown.
    Raises SourceError, StorageError.
    """
    pending = seen.state.known.pending
    standing, reasons = await _forbidding(destination, databases, store, seen)
    contact_id = seen.state.contact_id
    receipts = await erasure.receipts(databases.state, contact_id)
    remarks = (*_receipt_remarks(destination, contact_id, receipts), *reasons)
    if standing is not None:
        return Outlook(standing, remarks, _SENDS_NOTHING, kept=pending)
    if source is None:
        return Outlook(None, remarks)
    # From the cheapest question to the dearest: what forbids a contact needs no plan.
    left_alone = _left_alone(destination, seen)
    if left_alone is None:
        left_alone = await _unsupported(destination, databases, seen)
    if left_alone is not None:
        return Outlook(None, remarks, left_alone, kept=pending)
    held = await _taken_back(destination, store, seen)
    if held is not None:
        remarks += (_remark_on(held),)
    prepared = await _plan(destination, store, source, seen, neighbours, keys)
    nothing = _nothing_because(seen, prepared, held)
    if nothing:
        next_run = f"sends nothing: {nothing}"
    else:
        next_run = _next(destination, prepared)
    # None for a contact that ends without a request: then there is nothing to show.
    job = next(iter(prepared.jobs), None)
    return Outlook(
        standing=None,
        remarks=remarks,
        next_run=next_run,
        nothing_because=nothing,
        kept=_kept(seen, prepared),
        job=job,
    )


async def _taken_back(
    destination: DestinationConfig, store: ContactStore, seen: Seen
) -> TakenBack | None:
    """Return what an undo took back and no run sends again; None where nothing is."""
    contact_id = seen.state.contact_id
    note = (await store.taken_back([contact_id])).get(contact_id)
    if note is None or seen.row is None:
        return None
    note = Versions(destination.mapping).still_counting(note, seen.row)
    # It is empty where its row or mapping has changed since: it holds nothing back.
    return note or None


def _remark_on(held: TakenBack) -> str:
    """Return a remark on what an undo took back."""
    return (
        f"an undo of run {held.undone} took back {_named(held)}: that is not sent "
        "again before its row or the mapping changes"
    )


def _named(held: TakenBack) -> str:
    """Return the names of what an undo took back."""
    if held.whole:
        return "the contact itself, which was deleted"
    return ", ".join(held.names)


async def _plan(
    destination: DestinationConfig,
    store: ContactStore,
    source: SourceReader,
    seen: Seen,
    neighbours: Neighbours | None,
    keys: KeyStore | None,
) -> Prepared:
    """Return the contact as a run of it alone would prepare it."""
    kind = BatchKind.REMOVALS if seen.row is None else BatchKind.CHANGES
    batch = Batch(0, kind, (seen.state.contact_id,))

    async def batches() -> AsyncIterator[Batch]:
        yield batch

    preparer = Preparer(
        task_of(destination),
        destination.vendor.capabilities,
        source,
        store,
        keys,
        neighbours,
    )
    # A removal is planned only once it is known whether another destination of the
    # account wants the contact.
    await preparer.look_ahead(batches())
    await preparer.claim(batch)
    return await preparer.plan(batch)


async def _forbidding(
    destination: DestinationConfig,
    databases: Databases,
    store: ContactStore,
    seen: Seen,
) -> tuple[str | None, tuple[str, ...]]:
    """Return why nothing may be sent, and remarks that explain it.

    The reason is one of ``Outlook.standing``; None where something may be sent.
    """
    contact_id = seen.state.contact_id
    standing: str | None = None
    remarks: list[str] = []
    if seen.row is not None and has_opted_out(seen.row, destination.mapping):
        standing = "opted_out"
        column = destination.mapping.opted_out
        remarks.append(f'opted out: column "{column}" of the source is true')
    job = Job(0, seen.state, seen.desired, None, Plan())
    subjects = subjects_of(job, SubjectFinder(destination.mapping))
    for kind, reason in await consent.named_by(databases.state, subjects):
        remarks.append(_suppression_remark(contact_id, kind, reason))
        # An erasure outweighs a suppression, whichever of the two is found first.
        if standing != consent.FORGOTTEN:
            standing = reason
    if standing is not None:
        return standing, tuple(remarks)
    # Somebody else's suppression may concern this person under another contact id.
    suppressed = await store.suppressed({contact_id: subjects})
    if SAME_PERSON in suppressed.values():
        standing = "suppressed"
        remarks.append(f"suppressed: {like_suppressed(contact_id)}")
    return standing, tuple(remarks)


def _suppression_remark(contact_id: str, kind: SubjectKind, reason: str) -> str:
    if reason == consent.FORGOTTEN:
        lifting = (
            "syncengine suppress --lift --forgotten --contact "
            f"{as_argument(contact_id)}"
        )
        return (
            "forgotten: no run creates it again or links it to what a vendor holds. "
            f"`{lifting}` takes the erasure back"
        )
    return (
        f"suppressed by {_SUPPRESSED_BY[kind]}. `syncengine suppress --lift` lifts that"
    )


def _receipt_remarks(
    destination: DestinationConfig,
    contact_id: str,
    receipts: Sequence[erasure.ErasureProgress],
) -> Iterator[str]:
    """Yield what is left to do for the contact's erasure at this destination."""
    forget = f"syncengine forget {as_argument(contact_id)}"
    for receipt in receipts:
        if receipt.destination != destination.name:
            continue
        if receipt.status is Erased.OPEN:
            yield (
                "it is to be forgotten, but its erasure is not finished. "
                f"`{forget}` finishes it"
            )
        if receipt.to_ask:
            yield (
                f"{receipt.to_ask}. Once they did: "
                f"`{forget} --confirmed -d {destination.name}`"
            )


def _left_alone(destination: DestinationConfig, seen: Seen) -> str | None:
    """Describe a dead letter or a gone contact whose row is unchanged.

    None for other contacts, which are planned.
    """
    state, row = seen.state, seen.row
    if row is None:
        return None
    if state.status is Status.GONE:
        return _gone(destination, seen, row)
    is_same_version = state.rejected_hash == version(row.source_hash)
    if state.status is not Status.DEAD or not is_same_version:
        return None
    trying = f"`{run_contact(destination.name, state.contact_id)}` tries it"
    if state.refusal is not None and not state.rejections:
        return (
            "leaves it alone: it is rejected for the same reason as others "
            f"({state.refusal.code}), of which one is tried each night. {trying} now"
        )
    if state.rejections < DEAD_AFTER:
        # It was rejected only once, because another contact has its match key.
        return (
            "leaves it alone until another contact releases its match key, or its row "
            "changes"
        )
    return (
        "leaves it alone until its row or the mapping changes: it is a dead letter, "
        f"rejected {DEAD_AFTER} times. {trying} again, "
        f"`{retry_dead(destination.name)}` all of them"
    )


def _gone(destination: DestinationConfig, seen: Seen, row: SourceRow) -> str | None:
    """Describe a contact deleted at the vendor; None where it is looked up again."""
    if destination.options.on_gone is OnGone.RECREATE:
        return (
            "looks it up, and creates it again if it is not found: it was deleted or "
            "merged at the vendor"
        )
    if seen.state.source_hash != row.source_hash:
        return None
    command = run_contact(destination.name, seen.state.contact_id)
    return (
        "leaves it alone: it was deleted or merged at the vendor. Once its row changes "
        f"it is looked up by its match keys; `{command}` creates it again now"
    )


async def _unsupported(
    destination: DestinationConfig, databases: Databases, seen: Seen
) -> str | None:
    """Describe a contact that the vendor does not take as a whole.

    None for other contacts, and where its row changed or came back.
    """
    name = destination.name
    state = seen.state
    contact_id = state.contact_id
    # A contact that is unsupported counts as settled: synced with this version of its
    # row, or removed with it. With any other status or version it is planned anew.
    if seen.row is None:
        settled_status = Status.REMOVED
        settled_hash = None
    else:
        settled_status = Status.SYNCED
        settled_hash = seen.row.source_hash
    if state.status is not settled_status or state.source_hash != settled_hash:
        return None
    if await standing_of(databases.state, name, contact_id) is not Standing.UNSUPPORTED:
        return None
    last = await last_ended(databases.state, name, contact_id)
    lacking = ""
    if last is not None:
        lacking = in_words(last.unsupported)
    if not lacking:
        # `prune` deletes the outcome that would say which part it is.
        lacking = "the vendor does not take a part of it"
    if state.refusal is not None:
        return (
            f"leaves it alone: {lacking}. Of the contacts that lack the same, one is "
            f"tried each night; `{run_contact(name, contact_id)}` tries it now"
        )
    until = "it comes back" if seen.row is None else "its row or the mapping changes"
    return f"leaves it as it is: {lacking}. It is not tried again until {until}"


def _kept(seen: Seen, prepared: Prepared) -> Pending | None:
    """Return what was sent without an outcome and is not settled by the next run."""
    pending = seen.state.known.pending
    if pending is None or not prepared.jobs:
        return pending
    (job,) = prepared.jobs
    # These are settled by a look-up, whatever the row asks for.
    is_settled_first = (
        pending.creates
        or pending.deletes
        or pending.distrusted
        or pending.merged_with is not None
    )
    if is_settled_first or job.desired is None:
        return None
    manages_tags = job.desired.manages_tags
    return still_unknown(seen.state.known, job.plan, manages_tags=manages_tags)


def _nothing_because(seen: Seen, prepared: Prepared, held: TakenBack | None) -> str:
    """Return why there is nothing to send; empty where that needs no reason."""
    if prepared.jobs:
        return ""
    outcome = prepared.records[0].outcome if prepared.records else None
    if outcome is not None and outcome.kind is OutcomeKind.REJECTED:
        return ""
    if outcome is not None and outcome.unsupported:
        return in_words(outcome.unsupported)
    is_moved = any(record.moved for record in prepared.records)
    if is_moved or seen.row is None:
        return ""
    if held is not None:
        return f"held back since an undo of run {held.undone}: {_named(held)}"
    return "it is in step"


def _next(destination: DestinationConfig, prepared: Prepared) -> str:
    """Describe what the next run does where it has a reason to do something."""
    if prepared.jobs:
        return _next_of_job(destination, prepared.jobs[0])
    outcome = prepared.records[0].outcome if prepared.records else None
    if outcome is not None and outcome.kind is OutcomeKind.REJECTED:
        return f"rejects it ({outcome.code})"
    if any(record.moved for record in prepared.records):
        return f"{_SENDS_NOTHING}: another destination of the account selects it"
    return _SENDS_NOTHING


def _next_of_job(destination: DestinationConfig, job: Job) -> str:
    """Describe what the next run does with a contact that it works on."""
    if job.refusal is not None:
        return f"looks it up, and rejects it ({job.refusal.code})"
    look_up = plan_look_up(
        job.desired,
        job.state.known,
        destination.vendor.capabilities,
        find_first=destination.options.find_first,
    )
    names = dict.fromkeys(call.action.value for call in job.plan.calls)
    actions = ", ".join(names)
    if look_up is None:
        return f"sends: {actions}"
    if not actions:
        return "looks it up"
    return f"looks it up, and if it is not found sends: {actions}"
