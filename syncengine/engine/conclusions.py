"""Conclusions from a call and its answer, or from the lack of one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from syncengine.errors import VendorUnavailable
from syncengine.model.calls import Action, Answer, Applied, Call, Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import LISTS, Desired, MatchKey, Remote
from syncengine.model.contact_ids import as_argument, name_of_owner
from syncengine.model.http import Exchange, Json


def with_subject(call: Call, refusal: Rejected) -> Rejected:
    """Return the refusal with the name of what the call carried, if that is one thing.

    What refusals have in common is told by the vendor's words alone.
    """
    subjects = [f'tag "{tag}"' for tag in (*call.add_tags, *call.remove_tags)]
    for name in call.fields:
        if name.startswith(LISTS):
            subjects.append(f'list "{name.removeprefix(LISTS)}"')
        else:
            subjects.append(f'field "{name}"')
    if len(subjects) != 1:
        return refusal
    return replace(
        refusal,
        message=f"{subjects[0]}: {refusal.message}",
        words=refusal.words or refusal.message,
    )


def was_created(actions: Sequence[Action]) -> bool:
    """Return whether one of these actions made the contact."""
    return Action.CREATE in actions or Action.UPSERT in actions


def is_not_ready_yet(error: VendorUnavailable, actions: Sequence[Action]) -> bool:
    """Return whether the vendor is reachable, and only delays what follows a create."""
    if error.status is None or not was_created(actions):
        return False
    return 400 <= error.status < 500


def unavailable_until_found(exchange: Exchange[Answer]) -> Exchange[Answer]:
    """Run the exchange for a contact that was just created.

    A contact that is not found only means that the vendor is not ready yet.
    """
    answer = yield from exchange
    if isinstance(answer, Rejected) and answer.code == "not_found":
        raise VendorUnavailable(
            "the vendor does not show a contact yet that it has just created",
            maybe_applied=False,
            status=answer.status,
        )
    return answer


def is_repeatable(call: Call, capabilities: Capabilities) -> bool:
    """Return whether a call with a lost answer may be sent again without a look-up."""
    if call.action is not Action.CREATE:
        return True
    return capabilities.create is not None and capabilities.create.repeatable


def may_name_existing(call: Call, capabilities: Capabilities) -> bool:
    """Return whether the answer may silently name a contact that existed before."""
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
    """Return whether a vendor contact has one of these match keys."""
    return any(same(key.field, key.value, remote.fields.get(key.field)) for key in keys)


def is_already_removed(answer: Rejected, desired: Desired | None) -> bool:
    """Return whether a removed contact no longer exists at the vendor.

    There is nothing left to untag or delete then.
    """
    return desired is None and answer.code == "not_found"


def is_missing(call: Call, answer: Rejected) -> bool:
    """Return whether the vendor does not have the contact that a call was about."""
    return answer.code == "not_found" and call.external_id is not None


def gone_message(destination: str, contact_id: str, owner: str | None) -> str:
    """Return what is told of a contact that was deleted at the vendor.

    ``owner`` is the contact whose vendor contact has its match key now.
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
        "somebody deleted it there. It is left alone; "
        f"`{command}` creates it again, and `on_gone: recreate` does so for all"
    )


AMBIGUOUS = Rejected(
    "ambiguous_match",
    "the vendor holds several contacts with this match key, and guessing would write "
    "to the wrong person: "
    "merge them there, or add a field to match_on that tells them apart",
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
