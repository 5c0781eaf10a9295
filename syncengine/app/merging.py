"""The merge itself, and what each of its endings leaves behind.

The contact of ours is noted as being merged before anything is sent. If the process
dies, or the answer is lost, the next run finds that note, and asks the vendor which of
the two is left (``planning.attempt.settling``).
"""

from __future__ import annotations

from syncengine.app.merge_owners import owner_name
from syncengine.app.merge_pair import MergePair
from syncengine.app.merging_contact import MergingContact
from syncengine.errors import RequestFailed, VendorUnavailable
from syncengine.model.calls import Rejected
from syncengine.model.contact_ids import as_argument, name_of
from syncengine.model.copies import MergeReport
from syncengine.model.reports import RunStatus
from syncengine.model.work import ContactState
from syncengine.planning.merges import before_merge, has_open_merge
from syncengine.storage.state.contacts import Contacts


async def merge_strangers(pair: MergePair) -> MergeReport:
    """Merge two vendor contacts that belong to no contact of ours."""
    name = pair.destination.name
    advice = "look with `syncengine show`, then try again"
    try:
        answer = await pair.merge()
    except RequestFailed as failure:
        return _failed_request(name, failure, advice)
    if isinstance(answer, Rejected):
        return MergeReport(name, RunStatus.REJECTED, error=answer.message)
    left = answer.external_id
    if left not in (None, pair.into, pair.other):
        error = _third_contact(left, advice)
        return MergeReport(name, RunStatus.INCOMPLETE, error=error)
    return MergeReport(name, RunStatus.DONE, left=left or pair.into)


async def merge_ours(
    pair: MergePair, store: Contacts, state: ContactState
) -> MergeReport:
    """Merge a vendor contact into the copy of a contact of ours.

    Raises StorageError, AccountStopped, and RequestFailed where the vendor gives no
    answer to the look-ups before and after the merge.
    """
    name = pair.destination.name
    contact = name_of(state.contact_id)
    command = f"syncengine run -d {name} --contact {as_argument(state.contact_id)}"
    advice = f"the next run, or `{command}`, finds out which of the two is left"
    if has_open_merge(state.known):
        error = (
            f"an earlier merge of the copy of contact {contact} is not settled yet: "
            f"{advice}"
        )
        return MergeReport(name, RunStatus.REFUSED, error=error)
    other = await pair.read(pair.other)
    if other is None:
        error = f"the vendor has no contact {pair.other} to be merged; nothing was sent"
        return MergeReport(name, RunStatus.REJECTED, error=error)
    ours = MergingContact(store, state, before_merge(state.known, other))
    # Before the request: a process that dies behind it leaves a note that the next run
    # settles, and not a contact whose external id has silently become another one's.
    await ours.note_merging()
    try:
        answer = await pair.merge()
    except RequestFailed as failure:
        if isinstance(failure, VendorUnavailable) and failure.maybe_applied:
            # Noted anew, since it may have been sent only now: from now on counts the
            # time within which the vendor may still carry it out.
            await ours.note_merging()
        else:
            await ours.restore()
        return _failed_request(name, failure, advice)
    if isinstance(answer, Rejected):
        await ours.restore()
        return MergeReport(name, RunStatus.REJECTED, error=answer.message)
    return await _take_over(pair, ours, answer.external_id, advice)


async def _take_over(
    pair: MergePair, ours: MergingContact, answered_id: str | None, advice: str
) -> MergeReport:
    """Make our contact the owner of the vendor contact that is left."""
    name = pair.destination.name
    found = await pair.left(answered_id)
    if found is None:
        error = f"the vendor does not show which of the two is left: {advice}"
        if answered_id:
            error = _third_contact(answered_id, advice)
        return MergeReport(name, RunStatus.INCOMPLETE, error=error)
    left = found.external_id
    owner = await ours.own(left, found.remote, pair.destination)
    if owner:
        error = (
            f"{left} is left, which belongs to contact {owner_name(owner, name)}: "
            "correct one of the two rows"
        )
        return MergeReport(name, RunStatus.INCOMPLETE, error=error)
    contact_id = ours.state.contact_id
    return MergeReport(name, RunStatus.DONE, left=left, contact_id=contact_id)


def _third_contact(external_id: str | None, advice: str) -> str:
    return (
        f"the vendor answered with the id of a third contact ({external_id}); whether "
        f"the two were merged is not known: {advice}"
    )


def _failed_request(name: str, error: RequestFailed, advice: str) -> MergeReport:
    """Return the report of a merge whose request failed, perhaps after it was done."""
    if isinstance(error, VendorUnavailable) and error.maybe_applied:
        unknown = f"{error}; whether the two were merged is not known: {advice}"
        return MergeReport(name, RunStatus.INCOMPLETE, error=unknown)
    refused = f"{error}; nothing was merged"
    return MergeReport(name, RunStatus.REJECTED, error=refused)
