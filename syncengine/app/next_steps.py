"""Next step of a contact that fell short, by itself or by a person.

The texts name no contact, so that many contacts with one cause have one text.
"""

from __future__ import annotations

from syncengine.app.left_alone import retry_dead
from syncengine.model.calls import OutcomeKind
from syncengine.model.contact_ids import as_argument
from syncengine.model.work import Standing, Status
from syncengine.planning.refusals import DEAD_AFTER
from syncengine.storage.state.failures import FailedContact

_DONE_WITH = {
    Status.SYNCED.value: "it is in step by now",
    Status.REMOVED.value: "it left the source, and is done with",
    "": "it is not known here any more",
}
"""Why there is nothing left to do, by the status that a contact has now."""
_UNTIL_IT_CHANGES = "left alone until its row or the mapping changes"


def next_step(destination: str, contact: FailedContact) -> str:
    """Return what comes next for a contact that fell short."""
    if contact.standing is not None:
        return _of_standing(destination, contact, contact.standing)
    if contact.status in _DONE_WITH:
        return f"nothing: {_DONE_WITH[contact.status]}"
    if contact.outcome == OutcomeKind.REJECTED:
        return (
            "correct the row or the mapping; the next run tries it again, and leaves "
            f"it alone after {DEAD_AFTER} rejections of the same row"
        )
    if contact.outcome == OutcomeKind.UNKNOWN:
        return "nothing: the next run finds out what became of it"
    return "nothing: the next run tries it again"


def _of_standing(destination: str, contact: FailedContact, standing: Standing) -> str:
    """Return what comes next for a contact that is not tried any more."""
    name = as_argument(destination)
    if not standing.is_known:
        return (
            f'left alone for the reason "{standing}" by a newer release of syncengine: '
            "ask `failures` of that release, or upgrade this one"
        )
    match standing:
        case Standing.DEAD_LETTER:
            return _of_dead_letter(destination, contact)
        case Standing.GONE:
            return (
                "deleted at the vendor by somebody else, and left alone until its row "
                f"changes; `syncengine run -d {name} --contact ID` creates it again"
            )
        case Standing.UNSUPPORTED if contact.is_grouped:
            return (
                "the vendor did not take a part of it; one contact of its group is "
                "tried each night, and all once the vendor takes it"
            )
        case Standing.UNSUPPORTED:
            return (
                f"the vendor cannot express a part of it; {_UNTIL_IT_CHANGES}, so do "
                "that there or take it out of the mapping"
            )
        case _:
            return (
                "nothing is sent about it until that is lifted; `syncengine why ID` "
                "says by what it is forbidden"
            )


def _of_dead_letter(destination: str, contact: FailedContact) -> str:
    now = f"`{retry_dead(destination, contact.code)}` tries all such now"
    if contact.is_grouped:
        return (
            "refused like others: look at the mapping, and at what the vendor requires; "
            f"one of them is tried each night, and all once it is accepted. {now}"
        )
    if contact.status == Status.REMOVED:
        return f"the vendor refused to remove it, which is not tried any more. {now}"
    if contact.rejections < DEAD_AFTER:
        return (
            "left alone until another contact releases its match key, or its row "
            f"changes. {now}"
        )
    return f"correct the row: {_UNTIL_IT_CHANGES}. {now}"
