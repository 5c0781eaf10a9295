"""Check that an account still is the one that is known.

A contact that the vendor does not find any more was deleted there, or the credentials
lead to another account, or the account was emptied. A few other contacts tell which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from syncengine.engine.consent import Consent
from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier
from syncengine.engine.task import Job
from syncengine.errors import ContactSuppressed, VendorHalted
from syncengine.model.capabilities import matches
from syncengine.model.contact import Desired
from syncengine.model.contact_ids import name_of
from syncengine.model.http import Exchange
from syncengine.model.work import ContactState, LinkedContact
from syncengine.planning.plan import Plan
from syncengine.ports import ContactStore, Vendor

_COMPARED = 4
"""Number of other contacts that are looked at, at most."""


class AccountCheck:
    """Looks at contacts that the vendor held, once in a run, when one is not found."""

    def __init__(
        self,
        vendor: Vendor,
        retrier: Retrier,
        store: ContactStore,
        consent: Consent | None,
        *,
        passed: bool,
    ) -> None:
        self._vendor = vendor
        self._retrier = retrier
        self._store = store
        self._consent = consent
        self._passed = passed
        """True where somebody has accepted that contacts are gone, or a contact was
        seen."""
        self._checking = asyncio.Lock()

    def seen(self) -> None:
        """Note that the vendor knows a contact that it held before this run."""
        self._passed = True

    async def check(self, contact_id: str, meter: Meter) -> None:
        """Pass if the vendor still has another contact, or there is no other one.

        The requests count for the contact that was not found. Raises VendorHalted if
        none of the others is there, and what a look-up raises.
        """
        async with self._checking:
            if self._passed:
                return
            others = await self._store.in_step(contact_id, _COMPARED)
            states = await self._store.load(others)
            missing = 0
            for other in others:
                is_there = await self._is_there(states[other], meter)
                if is_there:
                    break
                missing += is_there is not None
            else:
                halt = partial(_halt, contact_id, missing)
                await self._retrier.run(halt, meter, repeatable=True)
            self._passed = True

    async def _is_there(self, state: ContactState, meter: Meter) -> bool | None:
        """Return whether the vendor has a contact; None where it cannot be asked.

        Nothing is asked about a contact that is suppressed or has opted out.
        """
        allowed = None
        if self._consent is not None:
            desired = Desired(state.contact_id, {})
            allowed = self._consent.about(Job(0, state, desired, None, Plan()))
        asked = Meter(allowed)
        known = state.known
        assert known.external_id is not None, "only a contact in step is looked at"
        held = LinkedContact(state.contact_id, known.external_id, known.key)
        look = partial(_look, self._vendor, held)
        try:
            return await self._retrier.run(look, asked, repeatable=True)
        except ContactSuppressed:
            return None
        finally:
            meter.requests += asked.requests


def number_lacking(
    vendor: Vendor, known: Sequence[LinkedContact]
) -> Exchange[int | None]:
    """Return how many contacts were looked at if the vendor has none of them.

    They are looked at one by one. None as soon as one is there, 0 where the vendor
    cannot be asked for any.
    """
    lacking = 0
    for held in known:
        is_there = yield from _look(vendor, held)
        if is_there:
            return None
        lacking += is_there is not None
    return lacking


def lacking_message(destination: str, lacking: int) -> str:
    """Return what is told where the vendor has none of the contacts looked at."""
    none = "the contact" if lacking == 1 else f"any of the {lacking} contacts"
    were = "was" if lacking == 1 else "were"
    return (
        f"the vendor does not have {none} known here that {were} looked at: the "
        "credentials lead to another account, or it was emptied. Look at them and at "
        "base_url; if the contacts were deleted there on purpose, "
        f"`syncengine run -d {destination} --accept gone` lets that pass"
    )


def _look(vendor: Vendor, held: LinkedContact) -> Exchange[bool | None]:
    """Return whether the vendor has a contact; None where it cannot be asked."""
    capabilities = vendor.capabilities
    if capabilities.reads:
        remote = yield from vendor.read(held.external_id)
        return remote is not None
    if held.key is None or not matches(held.key.field, capabilities.find_by):
        return None
    found = yield from vendor.find(held.key)
    return any(remote.external_id == held.external_id for remote in found)


def _halt(contact_id: str, missing: int) -> Exchange[None]:
    """Stop the account, unless nothing could be asked about any other contact."""
    if missing:
        raise VendorHalted(_other_account(contact_id, missing), setting="settings")
    return
    yield


def _other_account(missing: str, compared: int) -> str:
    others = "the other contact" if compared == 1 else f"the {compared} other contacts"
    return (
        f"the vendor does not have contact {name_of(missing)} any more, nor {others} "
        "that were looked at: this is not the account that is known here, or it was "
        "emptied, so nothing more was sent. Look at the credentials; if these contacts "
        "were deleted there on purpose, `--accept gone` lets that pass"
    )
