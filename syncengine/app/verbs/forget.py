"""Erase one contact: at every vendor that can, and here."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.accounts import LeasedAccount
from syncengine.app.contact_erasure import ContactErasure
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.erasure_receipts import receipt_of_error
from syncengine.app.markers import lacking_consents, note_consents
from syncengine.app.people_values import in_source, known_of
from syncengine.app.pipelines import side_by_side
from syncengine.app.session import Session, session
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import ConfigError, RunRefused, SyncEngineError
from syncengine.model.consent import Subject
from syncengine.model.erasure import Erased, Receipt
from syncengine.model.reports import RunStatus
from syncengine.model.work import RunKind
from syncengine.storage.state import erasure


async def forget(config: Config, contact_id: str) -> list[Receipt]:
    """Erase a contact; return a receipt for each destination.

    What is ``open`` is asked for by forgetting the contact again. From the first moment
    on no run sends anything about the contact, here or in another process; a row that
    is restored is not created again. Raises RunRefused for what concerns the whole
    call.
    """
    config = await settled(config)
    destinations = config.destinations
    configured = [*(destination.name for destination in destinations), *config.broken]
    async with open_databases(config, destinations) as databases:
        without_file = await erasure.unconfigured(
            databases.state, contact_id, configured
        )
        # From here on no run sends anything about the contact: this has to be written
        # down before any destination deletes it, or a run could create it again.
        # Phones and addresses are gathered now, since the erasure forgets them.
        values = await _values(databases, destinations, contact_id)
        lacking = await lacking_consents(config, databases)
        await erasure.begin(
            databases.state, contact_id, [*configured, *without_file], values
        )
        await note_consents(config, databases, lacking)

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> Receipt:
            try:
                return await _forget(
                    destination, account, config, databases, contact_id
                )
            except RunRefused as error:
                return receipt_of_error(destination.name, contact_id, error)

        async def failed(
            destination: DestinationConfig, error: SyncEngineError
        ) -> Receipt:
            return receipt_of_error(destination.name, contact_id, error)

        receipts = await side_by_side(config, databases, destinations, work, failed)
        for name, problems in config.broken.items():
            error = ConfigError(problems)
            receipts.append(receipt_of_error(name, contact_id, error))
        for name in without_file:
            receipt = await erasure.end_unconfigured(databases.state, name, contact_id)
            receipts.append(receipt)
        return receipts


async def _values(
    databases: Databases, destinations: Sequence[DestinationConfig], contact_id: str
) -> tuple[Subject, ...]:
    """Return the phones and addresses by which the person is known."""
    known = await known_of(databases.state, [contact_id])
    selected = await in_source(databases, destinations, [contact_id])
    return (*known.get(contact_id, ()), *selected.get(contact_id, ()))


async def _forget(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> Receipt:
    """Erase the contact at one destination, and here; return its receipt."""
    async with session(destination, account, config, databases, RunKind.FORGET) as s:
        progress = await _progress(s, contact_id)
        contact_erasure = ContactErasure(s, contact_id, progress)
        receipt = await contact_erasure.run()
        if receipt.status is Erased.OPEN:
            s.ending.status = RunStatus.INCOMPLETE
        # The report of this run is the receipt, which is kept by itself. It comes last:
        # with it the contact's id is forgotten here, and after a crash in between the
        # erasure is still open, to be asked for again.
        await s.finish({})
        await erasure.end(s.fence, receipt)
    return receipt


async def _progress(s: Session, contact_id: str) -> erasure.ErasureProgress:
    """Return the progress of the erasure before this run."""
    receipts = await erasure.receipts(s.databases.state, contact_id)
    # There is one for each destination since the erasure was begun.
    (progress,) = [each for each in receipts if each.destination == s.name]
    return progress
