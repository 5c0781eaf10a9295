"""Conclusions from a call and its answer, or from the lack of one. Pure.

``sending`` asks these questions for each call; the words of a few refusals are here
as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from syncengine.errors import VendorUnavailable
from syncengine.model.calls import Action, Answer, Applied, Call, Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, MatchKey, Remote
from syncengine.model.contact_ids import as_argument, name_of_owner
from syncengine.model.http import Json


def with_subject(call: Call, refusal: Rejected) -> Rejected:
    """Return the refusal with the name of what the call carried, if that is one thing.

    Of several fields those are named that the vendor has refused, if it tells.

    The vendor's own ``words`` stay as they are: by these, refusals are compared with
    those of other contacts (``planning.refusals``).
    """
    subjects = [f'tag "{tag}"' for tag in (*call.add_tags, *call.remove_tags)]
    for name in call.fields:
        if name.startswith(LISTS):
            subjects.append(f'list "{name.removeprefix(LISTS)}"')
        else:
            subjects.append(f'field "{name}"')
    if len(subjects) != 1:
        subjects = [f'field "{name}"' for name in refusal.fields]
    if not subjects:
        return refusal
    return replace(
        refusal,
        message=f"{', '.join(subjects)}: {refusal.message}",
        words=refusal.words or refusal.message,
    )


def was_created(actions: Sequence[Action]) -> bool:
    """Return whether one of these actions made the contact."""
    return Action.CREATE in actions or Action.UPSERT in actions


def is_not_ready_yet(error: VendorUnavailable, actions: Sequence[Action]) -> bool:
    """Return whether the vendor does not show a contact yet that it has just created.

    ``error`` is that of a call after the create. Any answer with a status of 400 to 499
    says that the vendor is up, and does not know the contact.
    """
    if error.status is None or not was_created(actions):
        return False
    return 400 <= error.status < 500


def is_not_shown(answer: Answer) -> bool:
    """Return whether the vendor says that it does not have the contact."""
    return isinstance(answer, Rejected) and answer.code == "not_found"


def not_shown_yet(answer: Answer) -> VendorUnavailable:
    """Return the error to raise where a contact was just created, and is not shown.

    The call is tried again: the vendor is only not ready yet.
    """
    return VendorUnavailable(
        "the vendor does not show a contact yet that it has just created",
        maybe_applied=False,
        status=answer.status if isinstance(answer, Rejected) else None,
    )


def is_repeatable(call: Call, capabilities: Capabilities) -> bool:
    """Return whether a call with a lost answer may be sent again without a look-up.

    Everything but a create says what shall be true at a known contact: sent twice, it
    does the same. A create sent twice makes two contacts, unless the vendor prevents
    it.
    """
    if call.action is not Action.CREATE:
        return True
    return capabilities.create is not None and capabilities.create.repeatable


def may_name_existing(call: Call, capabilities: Capabilities) -> bool:
    """Return whether the answer may name a contact that existed, as if it were new.

    An upsert by a key does, and so does a create of a vendor that does not say whether
    the contact existed.
    """
    if call.action is Action.UPSERT:
        return capabilities.upsert is not None and bool(capabilities.upsert.keyed_by)
    if call.action is not Action.CREATE or capabilities.create is None:
        return False
    return not capabilities.create.tells_existing


def names_other_contact(call: Call, applied: Applied) -> bool:
    """Return whether the answer to a call about one vendor contact names another."""
    if not call.external_id or not applied.external_id:
        return False
    return applied.external_id != call.external_id


def is_same_person(
    remote: Remote, keys: Sequence[MatchKey], same: Callable[[str, Json, Json], bool]
) -> bool:
    """Return whether a vendor contact has one of these match keys.

    ``same`` is the vendor's own notion of equal values, as ``Vendor.same``.
    """
    for key in keys:
        theirs = remote.fields.get(key.field)
        if same(key.field, key.value, theirs):
            return True
    return False


def is_already_removed(answer: Rejected, desired: Desired | None) -> bool:
    """Return whether a refused removal has nothing left to untag or delete.

    ``desired`` is None for a removed contact.
    """
    return desired is None and answer.code == "not_found"


def is_missing(call: Call, answer: Rejected) -> bool:
    """Return whether the vendor does not have the contact that a call was about."""
    return answer.code == "not_found" and call.external_id is not None


def gone_message(destination: str, contact_id: str, owner: str | None) -> str:
    """Return the message about a contact that was deleted at the vendor.

    ``owner`` is the contact (``destination/contact_id``) whose vendor contact has its
    match key now; None: no vendor contact has it.
    """
    command = f"syncengine run -d {destination} --contact {as_argument(contact_id)}"
    if owner is not None:
        return (
            "its contact at the vendor is gone, and contact "
            f"{name_of_owner(owner)} has the one with its match key: maybe somebody "
            "merged the two there. It is left alone; once the rows differ, "
            f"`{command}` creates it again"
        )
    return (
        "its contact at the vendor is gone, and none is found by its match keys: "
        "somebody deleted or merged it there. It is left alone; "
        f"`{command}` creates it again, and `on_gone: recreate` does so for all"
    )


AMBIGUOUS = Rejected(
    "ambiguous_match",
    "the vendor holds several contacts with this match key, and guessing would write "
    "to the wrong person: "
    "merge them there, or add a field to match_on that tells them apart",
    by_vendor=False,
)
VALUE_TAKEN = Rejected(
    "ambiguous_match",
    "the vendor holds another contact with a value that only one may have, and that one "
    "belongs to no other row: merge the two there, or correct the row",
    by_vendor=False,
)


def owned_by_other(owner: str) -> Rejected:
    """Return the refusal of a contact whose vendor contact belongs to another one."""
    return Rejected(
        "ambiguous_match",
        "the vendor's contact with this match key belongs to contact "
        f"{name_of_owner(owner)}: correct one of the two rows",
        by_vendor=False,
    )
