"""Receipts of an erasure: what was done at one destination, and what is left to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from syncengine.app.run_request import RESTORED, RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.errors import BrakeApplied, SyncEngineError, as_sentence
from syncengine.model.contact_ids import as_argument, name_of, name_of_owner
from syncengine.model.erasure import Erased, Receipt
from syncengine.planning.attempt.records import WAS_GONE
from syncengine.storage.state.erasure import ErasureProgress, ForgetOutcome

NOTHING_KNOWN = "nothing is known of it there"
_DELETED = "deleted there"
_PROOFS = (_DELETED, "confirmed")
"""Receipts after which nothing is left there, also where nothing is known of it."""


def receipt_of_outcome(
    destination: DestinationConfig,
    contact_id: str,
    external_id: str | None,
    outcome: ForgetOutcome | None,
) -> Receipt:
    """Return the receipt of a deletion; None where there was nothing to delete."""
    name = destination.name
    if outcome is None:
        return Receipt(name, contact_id, Erased.DONE, NOTHING_KNOWN)
    if outcome.kind == "applied" and not keeps_part(destination):
        return _receipt_of_deletion(destination, contact_id, outcome)
    if outcome.kind in ("applied", "unsupported"):
        request = request_to_vendor(destination, external_id)
        return Receipt(name, contact_id, Erased.IMPOSSIBLE, request)
    message = f"{outcome.message}; `syncengine forget` tries again"
    return Receipt(name, contact_id, Erased.OPEN, message)


def _receipt_of_deletion(
    destination: DestinationConfig, contact_id: str, outcome: ForgetOutcome
) -> Receipt:
    """Return the receipt where nothing is left to be deleted."""
    name = destination.name
    if outcome.message:
        return Receipt(name, contact_id, Erased.SCHEDULED, outcome.message)
    message = _DELETED
    if outcome.code == WAS_GONE:
        message = _message_of_gone(destination)
    return Receipt(name, contact_id, Erased.DONE, message)


def _message_of_gone(destination: DestinationConfig) -> str:
    """Return the message about a contact that the vendor did not have any more."""
    vendor = destination.vendor
    message = _not_there(vendor.name)
    if vendor.capabilities.find_by:
        return f"{message}, and none with its match keys"
    return (
        f"{message}, and offers no look-up: if it was merged there, have the one that "
        "is left deleted by hand"
    )


def _not_there(vendor: str) -> str:
    return (
        f"nothing was deleted: {vendor} had no such contact any more (deleted or "
        "merged there before)"
    )


def request_to_vendor(destination: DestinationConfig, external_id: str | None) -> str:
    """Return the request that a person has to make to the vendor.

    It is needed where the vendor's API erases nothing or only a part.
    """
    vendor = destination.vendor.name
    what = "what it may hold of this contact"
    if external_id:
        what = f"contact {external_id}"
    if keeps_part(destination):
        return f"{vendor} keeps part of it: ask them to delete {what}"
    return f"{vendor}'s API cannot delete: ask them to delete {what}, and quote the law"


def keeps_part(destination: DestinationConfig) -> bool:
    """Return whether the vendor keeps part of what it is asked to delete."""
    deletion = destination.vendor.capabilities.delete
    return deletion is not None and bool(deletion.keeps)


def with_progress(
    receipt: Receipt, external_id: str | None, progress: ErasureProgress
) -> Receipt:
    """Return the receipt, or an earlier one that says more.

    An earlier one does unless it only says that nothing is known any more.
    """
    is_nameless = receipt.status is Erased.IMPOSSIBLE and external_id is None
    if is_nameless and progress.to_ask:
        # The earlier request names the contact at the vendor; this one cannot any more.
        return replace(receipt, message=progress.to_ask)
    was_scheduled = progress.status is Erased.SCHEDULED
    if was_scheduled and receipt.message == NOTHING_KNOWN:
        receipt = replace(receipt, status=Erased.SCHEDULED, message=progress.receipt)
    return receipt.with_earlier_request(progress.to_ask)


def also_of_others(
    receipt: Receipt,
    owned: Mapping[str, str],
    progress: ErasureProgress,
    vendor: str | None,
) -> Receipt:
    """Return the receipt, with what its keys find and other contacts of ours own.

    ``vendor`` is the vendor that did not have the contact itself any more.
    """
    if not owned:
        return receipt
    owners = ", ".join(
        f"contact {external_id} belongs to {name_of_owner(owner)}"
        for external_id, owner in owned.items()
    )
    message = (
        f"its match keys find what is another's here ({owners}): forget that one too "
        "if it is the same person"
    )
    if vendor is not None:
        message = f"{_not_there(vendor)}, and {message}"
    found = replace(receipt, status=Erased.IMPOSSIBLE, message=message)
    return found.with_earlier_request(progress.to_ask)


def may_be_there(
    destination: DestinationConfig, contact_id: str, progress: ErasureProgress
) -> Receipt:
    """Return the receipt where nobody can tell whether the vendor has the contact."""
    name = destination.name
    if progress.receipt in _PROOFS:
        return Receipt(name, contact_id, Erased.DONE, progress.receipt)
    vendor, capabilities = destination.vendor.name, destination.vendor.capabilities
    if capabilities.find_by:
        advice = (
            f"no row tells whom to look for: look for the person at {vendor}, and have "
            "deleted what is there"
        )
    elif capabilities.identity:
        advice = (
            f"{vendor} has no look-up: ask them to delete what they hold under "
            f"{capabilities.identity} {name_of(contact_id)}"
        )
    else:
        advice = f"{vendor} has no look-up: ask them to delete what they hold of it"
    message = f"the state was restored or lost once and may lack its link, and {advice}"
    return Receipt(name, contact_id, Erased.IMPOSSIBLE, message)


def receipt_of_error(name: str, contact_id: str, error: SyncEngineError) -> Receipt:
    """Return the receipt of an erasure that this error keeps open."""
    if isinstance(error, BrakeApplied) and error.name == RESTORED:
        accept = RunRequest().command(name, RESTORED)
        message = (
            "the state was restored or lost, and that has not been accepted yet: after "
            f"`{accept}`, `syncengine forget {as_argument(contact_id)}` erases it. "
            "Nothing is sent about it meanwhile"
        )
    else:
        message = (
            f"{as_sentence(str(error))} Nothing is sent about it meanwhile; "
            "`syncengine forget` tries again"
        )
    return Receipt(name, contact_id, Erased.OPEN, message)
