"""Reading of a linked contact at the vendor, in whichever way the vendor allows."""

from __future__ import annotations

from syncengine.engine.waves import Waves
from syncengine.errors import VendorUnavailable
from syncengine.model.capabilities import Capabilities, matches
from syncengine.model.contact import Known, Remote
from syncengine.planning.match_keys import keys_at_vendor


class OtherContactShown(VendorUnavailable):
    """In place of the contact that was asked for the vendor showed another one."""


def can_show(capabilities: Capabilities) -> bool:
    """Return whether the vendor shows anything about its contacts."""
    return capabilities.reads or bool(capabilities.find_by)


async def read_linked(
    waves: Waves, capabilities: Capabilities, known: Known
) -> Remote | None:
    """Return the vendor contact, or None when it is gone.

    It is read by its id, or else, where the vendor cannot do that, found by its known
    match keys. A look-up may show less of it than the vendor has. Raises
    VendorUnavailable, also when no look-up can decide, OtherContactShown, and
    AccountStopped.
    """
    external_id = known.external_id
    assert external_id is not None, "only a linked contact can be asked for"
    if capabilities.reads:
        return await _read_by_id(waves, external_id)
    is_decided = False
    for key in keys_at_vendor(known, capabilities):
        hits = await waves.find(key)
        for remote in hits:
            if remote.external_id == external_id:
                return remote
        # By some fields the vendor shows only one of the contacts that have the value
        # in common. That may be another than ours: only a look-up by such a field
        # without any hit says that ours is gone.
        if not hits or not matches(key.field, capabilities.shows_one):
            is_decided = True
    if is_decided:
        return None
    raise VendorUnavailable(
        "the vendor reads no contact by its id, and no value it is known to hold finds "
        "this one",
        maybe_applied=False,
    )


async def _read_by_id(waves: Waves, external_id: str) -> Remote | None:
    """Read a contact; raises OtherContactShown where another one is shown for it."""
    remote = await waves.read(external_id)
    if remote is not None and remote.external_id != external_id:
        raise OtherContactShown(
            f"the vendor was asked for its contact {external_id} and showed "
            f"another one ({remote.external_id})",
            maybe_applied=False,
        )
    return remote
