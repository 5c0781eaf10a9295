"""Look-ups: when a contact has to be looked up before anything is sent about it.

A contact without an external id is created, and a create may make a second contact of a
person whom the vendor has already. Whether that can happen depends on the vendor:

- Some refuse a second contact with the same phone or e-mail address, and say so (a
  create that *tells existing*). Where all match keys are such fields, the create itself
  is the look-up.
- Some silently write to the contact that has the key, which may be another one of ours
  (*silent about existing*). Then a look-up comes first in any case.
- Some just make the second contact. Then a look-up comes first, unless the
  configuration says that the account is empty (``find_first: false``).

An *unknown create*, one whose answer was lost, is always looked up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import Desired, Known, MatchKey, Pending
from syncengine.model.phones import E164, phone_digits, phone_forms


@dataclass(frozen=True, slots=True)
class LookUp:
    """A look-up that comes before anything else."""

    keys: tuple[MatchKey, ...]
    """The keys to try, in order; at least one."""
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

    An unknown create is looked up by the keys it was sent with, then by the present
    ones. None also where the contact has no key by which the vendor can be asked.

    Args:
        desired: the row's contact; None for a removed contact.
        known: what is known of it, with what is pending.
        capabilities: the vendor's.
        find_first: the setting of that name.
        always: look up even where a create would tell whether the contact is there,
            because none may be sent.
    """
    if known.external_id is not None or not capabilities.find_by:
        return None
    unknown_create = _unknown_create(known)
    is_needed = (
        unknown_create is not None
        or always
        or not _is_first_write_safe(desired, capabilities, find_first=find_first)
    )
    if not is_needed:
        return None
    keys = _look_up_keys(desired, unknown_create, capabilities)
    if not keys:
        return None
    return LookUp(keys, _seconds_to_settle(unknown_create, capabilities))


def may_duplicate(capabilities: Capabilities) -> bool:
    """Return whether a create without a look-up may make a second contact."""
    return bool(capabilities.find_by) and not _is_silent_about_existing(capabilities)


def _unknown_create(known: Known) -> Pending | None:
    """Return the intent of a create whose outcome is unknown; None without one."""
    if known.pending is not None and known.pending.creates:
        return known.pending
    return None


def _seconds_to_settle(
    unknown_create: Pending | None, capabilities: Capabilities
) -> float:
    """Return the seconds after which the create is visible or never carried out."""
    if unknown_create is None or unknown_create.age is None:
        return 0.0
    return max(0.0, capabilities.settles_within - unknown_create.age)


def _look_up_keys(
    desired: Desired | None,
    unknown_create: Pending | None,
    capabilities: Capabilities,
) -> tuple[MatchKey, ...]:
    """Return the keys to look a contact up by, each once, in the order to try them."""
    keys: list[MatchKey] = []
    if unknown_create is not None:
        keys += unknown_create.keys
    if desired is not None:
        keys += desired.keys
        keys += _silent_create_keys(desired, capabilities)
    # Of two equal keys the later one counts: a present key carries the region of its
    # phone, which the key in an old intent may lack. Regions are not compared.
    unique_keys = {key: key for key in keys}.values()
    return tuple(key for key in unique_keys if matches(key.field, capabilities.find_by))


def _silent_create_keys(
    desired: Desired, capabilities: Capabilities
) -> Sequence[MatchKey]:
    """Return keys by which a create would silently take over an existing contact.

    They are the vendor's own keys that are not among the match keys.
    """
    create = capabilities.create
    if create is None or create.tells_existing or not desired.keys:
        return []
    match_fields = {key.field for key in desired.keys}
    return [
        desired.key(name)
        for name in create.keyed_by
        if desired.fields.get(name) not in (None, "") and name not in match_fields
    ]


def _is_silent_about_existing(capabilities: Capabilities) -> bool:
    """Return whether the first write silently reaches an existing contact by its key.

    It may be another contact of ours. An upsert writes over it; of some creates it is
    unknown afterwards whether they were carried out.
    """
    if capabilities.upsert is not None:
        return bool(capabilities.upsert.keyed_by)
    create = capabilities.create
    return create is not None and bool(create.keyed_by) and not create.tells_existing


def _is_first_write_safe(
    desired: Desired | None, capabilities: Capabilities, *, find_first: bool
) -> bool:
    """Return whether the first write may go out without a look-up.

    With ``find_first: false`` the configuration vouches for it: the account is known to
    be empty. That does not cover a first write that is silent about what it found.
    """
    if desired is None:
        return True
    if not find_first and not _is_silent_about_existing(capabilities):
        return True
    return _makes_no_second_contact(desired, capabilities)


def _makes_no_second_contact(desired: Desired, capabilities: Capabilities) -> bool:
    """Return whether the first write makes no second contact of the same person.

    It does not write to a contact that another one owns either.
    """
    if capabilities.upsert is not None:
        return not capabilities.upsert.keyed_by
    if any(_may_be_known_otherwise(key, capabilities) for key in desired.keys):
        return False
    create = capabilities.create
    if create is None:
        return True
    if not create.repeatable or not create.tells_existing:
        return False
    if not create.keyed_by:
        return True
    return all(key.field in create.keyed_by for key in desired.keys)


def _may_be_known_otherwise(key: MatchKey, capabilities: Capabilities) -> bool:
    """Return whether the vendor may know the person by another value of the key."""
    if len(phone_forms(phone_digits(key.value))) > 1:
        # WhatsApp may know the person by another number.
        return True
    # The vendor may have the same phone in another spelling.
    if not matches(key.field, capabilities.respelled):
        return False
    return E164.fullmatch(key.value) is not None
