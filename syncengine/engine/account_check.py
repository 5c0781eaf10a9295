"""Check that an account still is the one that is known.

A contact that the vendor does not find any more was deleted there, or the credentials
lead to another account, or the account was emptied. A few other contacts tell which.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from enum import Enum, auto
from functools import partial

from syncengine.engine.consent import Consent
from syncengine.engine.exchange import Meter
from syncengine.engine.retry import Retrier
from syncengine.errors import ContactSuppressed, VendorHalted
from syncengine.model.capabilities import matches
from syncengine.model.contact import Desired
from syncengine.model.contact_ids import name_of
from syncengine.model.http import Exchange
from syncengine.model.work import ContactState, LinkedContact
from syncengine.planning.attempt.job import Job
from syncengine.planning.plan import Plan
from syncengine.ports import ContactStore, Vendor

_COMPARED = 4
"""Number of other contacts that are looked at, at most."""


class _Presence(Enum):
    """Answer to the question whether the vendor has a contact."""

    THERE = auto()
    MISSING = auto()
    NOT_ASKED = auto()
    """The vendor has no look-up for it, or nothing may be asked about the contact."""


class AccountCheck:
    """Looks at other known contacts, once in a run, when one is not found any more."""

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
        """True where nothing is to be compared any more: somebody has accepted that
        contacts are gone, or the vendor has shown a known contact in this run."""
        self._checking = asyncio.Lock()

    def seen(self) -> None:
        """Note that the vendor knows a contact that it held before this run."""
        self._passed = True

    async def check(self, contact_id: str, meter: Meter) -> None:
        """Return if the vendor still has another contact, or none can be asked for.

        ``contact_id`` is the one that was not found; requests are counted in its
        ``meter``. Raises VendorHalted if none of the others is there, and what a
        look-up raises.
        """
        # Many contacts may be missing at once: the first one checks for all.
        async with self._checking:
            if self._passed:
                return
            others = await self._store.in_step(contact_id, _COMPARED)
            states = await self._store.load(others)
            missing = 0
            for other in others:
                presence = await self._presence_of(states[other], meter)
                if presence is _Presence.THERE:
                    self._passed = True
                    return
                if presence is _Presence.MISSING:
                    missing += 1
            if missing:
                # Raised within an exchange, so that the retrier stops the account.
                halt = partial(_halt, contact_id, missing)
                await self._retrier.run(halt, meter, repeatable=True)
            self._passed = True

    async def _presence_of(self, state: ContactState, meter: Meter) -> _Presence:
        """Ask the vendor for a contact.

        Nothing is asked about a contact that is suppressed or has opted out.
        """
        allowed = None
        if self._consent is not None:
            # Consent is asked about jobs. This one has no plan, and is in no batch; it
            # is wanted by the source, so that its opt-out column is read.
            desired = Desired(state.contact_id, {})
            job = Job(0, state, desired, None, Plan())
            allowed = self._consent.about(job)
        asked = Meter(allowed)
        known = state.known
        assert known.external_id is not None, "only a contact in step is looked at"
        contact = LinkedContact(state.contact_id, known.external_id, known.key)
        look = partial(_look, self._vendor, contact)
        try:
            return await self._retrier.run(look, asked, repeatable=True)
        except ContactSuppressed:
            return _Presence.NOT_ASKED
        finally:
            meter.requests += asked.requests


def number_lacking(
    vendor: Vendor, known: Sequence[LinkedContact]
) -> Exchange[int | None]:
    """Return the number of contacts that the vendor lacks, if it has none of them.

    They are looked at one by one. None as soon as one is there; 0 where the vendor
    cannot be asked for any.
    """
    lacking = 0
    for contact in known:
        presence = yield from _look(vendor, contact)
        if presence is _Presence.THERE:
            return None
        if presence is _Presence.MISSING:
            lacking += 1
    return lacking


def lacking_message(destination: str, lacking: int) -> str:
    """Return the message that the vendor has none of the contacts looked at."""
    none = "the contact" if lacking == 1 else f"any of the {lacking} contacts"
    were = "was" if lacking == 1 else "were"
    return (
        f"the vendor does not have {none} known here that {were} looked at: the "
        "credentials lead to another account, or it was emptied. Look at them and at "
        "base_url; if the contacts were deleted there on purpose, "
        f"`syncengine run -d {destination} --accept gone` lets that pass"
    )


def _look(vendor: Vendor, contact: LinkedContact) -> Exchange[_Presence]:
    """Ask the vendor for a contact, by its id or else by its key."""
    capabilities = vendor.capabilities
    if capabilities.reads:
        remote = yield from vendor.read(contact.external_id)
        return _Presence.MISSING if remote is None else _Presence.THERE
    key = contact.key
    if key is None or not matches(key.field, capabilities.find_by):
        return _Presence.NOT_ASKED
    for found in (yield from vendor.find(key)):
        if found.external_id == contact.external_id:
            return _Presence.THERE
    return _Presence.MISSING


def _halt(contact_id: str, missing: int) -> Exchange[None]:
    """Stop the account; an exchange without a request."""
    raise VendorHalted(_other_account(contact_id, missing), setting="settings")
    yield  # makes this a generator, as an exchange has to be


def _other_account(missing: str, compared: int) -> str:
    others = "the other contact" if compared == 1 else f"the {compared} other contacts"
    return (
        f"the vendor does not have contact {name_of(missing)} any more, nor {others} "
        "that were looked at: this is not the account that is known here, or it was "
        "emptied, so nothing more was sent. Look at the credentials; if these contacts "
        "were deleted there on purpose, `--accept gone` lets that pass"
    )
