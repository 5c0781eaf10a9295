"""Look-ups: when a contact has to be looked up before anything is sent about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import Desired, Known, MatchKey
from syncengine.model.phones import E164, phone_digits, phone_forms


@dataclass(frozen=True, slots=True)
class LookUp:
    """Look the contact up before anything else."""

    keys: tuple[MatchKey, ...]
    wait: float
    """Seconds until "not found" may be believed; 0: at once."""


def plan_look_up(
    desired: Desired | None,
    known: Known,
    capabilities: Capabilities,
    *,
    find_first: bool,
    always: bool = False,
) -> LookUp | None:
    """Return the look-up of a contact without external id; None where none is needed.

    An unknown create goes first by the keys it was sent with, then by the present ones.
    ``desired`` is None for a contact that left the source. ``always``: even where a
    create would tell whether the contact is there, because none may be sent.
    """
    if known.external_id is not None or not capabilities.find_by:
        return None
    present = (*desired.keys, *_untold(desired, capabilities)) if desired else ()
    unknown = known.pending is not None and known.pending.creates
    wanted = find_first or _says_nothing(capabilities)
    safe = desired is None or not wanted or _guarded(desired, capabilities)
    if not unknown and not always and safe:
        return None
    sent = known.pending.keys if known.pending and unknown else ()
    # Of two equal keys the present one counts: it carries the region of its phone.
    unique_keys = {key: key for key in (*sent, *present)}.values()
    keys = tuple(key for key in unique_keys if matches(key.field, capabilities.find_by))
    age = known.pending.age if known.pending and unknown else None
    wait = 0.0 if age is None else max(0.0, capabilities.settles_within - age)
    return LookUp(keys, wait) if keys else None


def _untold(desired: Desired, capabilities: Capabilities) -> Iterator[MatchKey]:
    """Return keys by which a create would silently take over an existing contact."""
    create = capabilities.create
    if create is None or create.tells_existing or not desired.keys:
        return
    for name in create.keyed_by:
        value = desired.fields.get(name)
        if value not in (None, "") and all(key.field != name for key in desired.keys):
            yield desired.key(name)


def _says_nothing(capabilities: Capabilities) -> bool:
    """Return whether the first write silently reaches an existing contact by its key.

    It may be another contact of ours. An upsert writes over it; of some creates it is
    unknown afterwards whether they were carried out.
    """
    if capabilities.upsert is not None:
        return bool(capabilities.upsert.keyed_by)
    create = capabilities.create
    return create is not None and bool(create.keyed_by) and not create.tells_existing


def may_duplicate(capabilities: Capabilities) -> bool:
    """Return whether a create without a look-up may make a second contact."""
    return bool(capabilities.find_by) and not _says_nothing(capabilities)


def _guarded(desired: Desired, capabilities: Capabilities) -> bool:
    """Return whether the first write is safe without a look-up.

    It makes no second contact then, and writes to none that another contact owns.
    """
    if capabilities.upsert is not None:
        return not capabilities.upsert.keyed_by
    if any(len(phone_forms(phone_digits(key.value))) > 1 for key in desired.keys):
        return False  # the vendor may know the same person by another number
    if any(_is_respelled(key, capabilities) for key in desired.keys):
        return False  # the vendor may have the same phone in another spelling
    create = capabilities.create
    if create is None:
        return True
    told = create.repeatable and create.tells_existing
    return told and all(
        not create.keyed_by or key.field in create.keyed_by for key in desired.keys
    )


def _is_respelled(key: MatchKey, capabilities: Capabilities) -> bool:
    respelled = matches(key.field, capabilities.respelled)
    return respelled and E164.fullmatch(key.value) is not None
