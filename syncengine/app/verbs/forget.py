"""Erase one contact: at every vendor that can, and here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.brakes import refuse_changes
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, inspect_source, open_databases
from syncengine.app.markers import lacking_consents, note_consents
from syncengine.app.people_values import in_source, known_of
from syncengine.app.pipelines import side_by_side
from syncengine.app.run_request import RESTORED, RunRequest
from syncengine.app.vendor_access import task_of, vendor_access
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.contact import ContactSync
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.erasing import CopiesThere, copies_there, keys_of_person
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.records import WAS_GONE
from syncengine.engine.tally import Tally
from syncengine.errors import (
    AccountStopped,
    BrakeApplied,
    ConfigError,
    Problem,
    RequestFailed,
    RunRefused,
    SourceError,
    SyncEngineError,
    as_sentence,
)
from syncengine.model.consent import Subject
from syncengine.model.contact import Desired, Known, MatchKey
from syncengine.model.contact_ids import as_argument, name_of, name_of_owner
from syncengine.model.erasure import Erased, Receipt
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import BatchKind, ContactState, RunKind, SourceRow
from syncengine.planning.mapping import map_row
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.state import erasure
from syncengine.storage.state.batches import Batches
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.runs import finish_run, start_run


async def forget(config: Config, contact_id: str) -> list[Receipt]:
    """Erase a contact; return a receipt for each destination.

    What is ``open`` is asked for by forgetting the contact again. From the first moment
    on no run sends anything about the contact, here or in another process; a row that
    is restored is not created again. Raises RunRefused for what concerns the whole
    call.
    """
    config = await settled(config)
    destinations = config.destinations
    names = [destination.name for destination in destinations]
    async with open_databases(config, destinations) as databases:
        gone = await erasure.unconfigured(
            databases.state, contact_id, [*names, *config.broken]
        )
        # From here on no run sends anything about the contact: this has to be written
        # down before any destination deletes it, or a run could create it again.
        values = await _values(databases, destinations, contact_id)
        lacking = await lacking_consents(config, databases)
        await erasure.begin(
            databases.state, contact_id, [*names, *config.broken, *gone], values
        )
        await note_consents(config, databases, lacking)

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> Receipt:
            try:
                return await _forget(
                    destination, account, config, databases, contact_id
                )
            except BrakeApplied as error:
                return _braked(destination.name, contact_id, error)
            except RunRefused as error:
                return _open(destination.name, contact_id, error)

        async def failed(
            destination: DestinationConfig, error: SyncEngineError
        ) -> Receipt:
            return _open(destination.name, contact_id, error)

        receipts = await side_by_side(config, databases, destinations, work, failed)
        receipts += [
            _open(name, contact_id, ConfigError(problems))
            for name, problems in config.broken.items()
        ]
        return receipts + [
            await erasure.end_unconfigured(databases.state, name, contact_id)
            for name in gone
        ]


async def _values(
    databases: Databases, destinations: Sequence[DestinationConfig], contact_id: str
) -> tuple[Subject, ...]:
    """Return the phones and addresses by which the person is known."""
    known = await known_of(databases.state, [contact_id])
    asked = await in_source(databases, destinations, [contact_id])
    return (*known.get(contact_id, ()), *asked.get(contact_id, ()))


async def confirm(
    config: Config, contact_id: str, names: Sequence[str]
) -> list[Receipt]:
    """Note that vendors have done what their receipts asked for, and forget those.

    Raises ConfigError.
    """
    if not names:
        raise ConfigError(
            [
                Problem(
                    "--confirmed",
                    "name the destination whose vendor confirmed it: -d NAME",
                )
            ]
        )
    async with open_databases(config, ()) as databases:
        asked = {
            each.destination
            for each in await erasure.receipts(databases.state, contact_id)
            if each.to_ask
        }
        problems = [
            _nothing_to_confirm(name, contact_id, asked)
            for name in names
            if name not in asked
        ]
        if problems:
            raise ConfigError(problems)
        for name in names:
            await erasure.confirm(databases.state, name, contact_id)
    return [
        Receipt(name, contact_id, Erased.DONE, "confirmed: the vendor has deleted it")
        for name in names
    ]


def _nothing_to_confirm(name: str, contact_id: str, asked: Collection[str]) -> Problem:
    rest = f"; there is at {', '.join(sorted(asked))}" if asked else ""
    return Problem(
        "--confirmed",
        f"nothing is to be asked of {name} about contact {name_of(contact_id)}{rest}",
    )


_NOTHING = "nothing is known of it there"
_DELETED = "deleted there"
_PROOFS = (_DELETED, "confirmed")
"""Receipts after which nothing is left there, also where nothing is known of it."""


class _Nobody:
    """Source that has lost the contact, whatever the real one has.

    It is a ``ports.SourceReader``.
    """

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:  # noqa: ARG002 - the port's
        return ()


async def _forget(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    contact_id: str,
) -> Receipt:
    recognised = await refuse_changes(destination, config, databases, RunRequest())
    name, fence = destination.name, account.fence
    run_id = await start_run(fence, name, recognised.at_start, RunKind.FORGET)
    stands = await _standing(databases, destination, contact_id)
    there = _There(destination, account, run_id, contact_id, stands)
    receipt = await _erased(there, databases, may_lack=recognised.looks_up)
    await finish_run(
        fence,
        run_id,
        "done" if receipt.status is not Erased.OPEN else "incomplete",
        {},
        None,
    )
    await erasure.end(fence, receipt)
    return receipt


async def _erased(there: _There, databases: Databases, *, may_lack: bool) -> Receipt:
    """Delete the contact, and what its match keys find where no link is known.

    ``may_lack``: the state was restored or lost once, and may lack the link.
    """
    destination = there.destination
    before = await there.known()
    if before.external_id is not None:
        # Gathered before the deletion, which forgets them.
        keys = await _keys_of_linked(destination, databases, there.contact_id, before)
        receipt = await there.delete()
        return (
            await there.delete_found(keys, receipt)
            if there.was_gone and keys
            else receipt
        )
    can_find = bool(destination.vendor.capabilities.find_by)
    try:
        keys = (
            await _keys(destination, databases, there.contact_id, before)
            if can_find
            else ()
        )
    except SourceError as error:
        return _open(destination.name, there.contact_id, error)
    receipt = await there.delete()
    if keys and receipt.status is not Erased.OPEN:
        return await there.delete_found(keys, receipt)
    if may_lack and receipt.message == _NOTHING:
        return there.may_be_there()
    return receipt


async def _keys_of_linked(
    destination: DestinationConfig, databases: Databases, contact_id: str, known: Known
) -> tuple[MatchKey, ...]:
    """Return what a person can be looked up by whose vendor contact may be gone.

    Where the source cannot be read, it is what is known of the contact.
    """
    try:
        return await _keys(destination, databases, contact_id, known)
    except SourceError:
        return keys_of_person(
            None, known, destination.mapping.match_on, destination.vendor.capabilities
        )


async def _keys(
    destination: DestinationConfig, databases: Databases, contact_id: str, known: Known
) -> tuple[MatchKey, ...]:
    """Return what a person without a link can be looked up by. Raises SourceError."""
    mapping, capabilities = destination.mapping, destination.vendor.capabilities
    pool = databases.source(destination)
    rows = await SourceRows(pool, await inspect_source(destination, pool)).load(
        [contact_id]
    )
    wanted = [
        map_row(row, mapping, capabilities.identity, capabilities.accumulates)
        for row in rows
    ]
    desired = next((each for each in wanted if isinstance(each, Desired)), None)
    return keys_of_person(desired, known, mapping.match_on, capabilities)


class _There:
    """Erases one contact at one destination."""

    def __init__(
        self,
        destination: DestinationConfig,
        account: LeasedAccount,
        run_id: int,
        contact_id: str,
        stands: erasure.ErasureProgress,
    ) -> None:
        self.destination = destination
        self.contact_id = contact_id
        self._account = account
        self._run_id = run_id
        self._stands = stands
        self.was_gone = False
        """True where the vendor did not have the contact that was to be deleted."""
        self._store = Contacts(account.fence, destination.name, run_id, numbered=False)
        self._batches = Batches(account.fence, run_id)

    async def known(self) -> Known:
        """Return what is known of the contact there."""
        return (await self._state()).known

    async def _state(self) -> ContactState:
        states = await self._store.load([self.contact_id])
        return states.get(self.contact_id, ContactState(self.contact_id))

    async def delete(self) -> Receipt:
        """Delete the linked contact; return a receipt."""
        destination, fence, contact_id = (
            self.destination,
            self._account.fence,
            self.contact_id,
        )
        state = await self._state()
        before = state.known.external_id
        if before and _keeps_part(destination):
            # Noted before the deletion, which forgets the external id: after a crash in between
            # nothing would be left to ask the vendor for.
            asked = Receipt(
                destination.name,
                contact_id,
                Erased.IMPOSSIBLE,
                _what_to_ask(destination, before),
            )
            self._stands = replace(
                self._stands,
                to_ask=asked.with_earlier_request(self._stands.to_ask).message,
            )
            await erasure.note_to_ask(
                fence, destination.name, contact_id, self._stands.to_ask
            )
        await self._batches.add(BatchKind.REMOVALS, [contact_id])
        await _delete(destination, self._account, self._store, self._batches)
        stopped = self._account.pacing.stopped
        if stopped is not None:
            return self._stopped(stopped)
        external_id = (await self.known()).external_id or before
        outcome = await erasure.outcome(
            fence, destination.name, self._run_id, contact_id
        )
        if outcome is None and state.gone:
            outcome = erasure.ForgetOutcome("applied", WAS_GONE, "")
        self.was_gone = outcome is not None and outcome.code == WAS_GONE
        receipt = _receipt(destination, contact_id, external_id, outcome)
        return _with_what_stands(receipt, external_id, self._stands)

    async def delete_found(self, keys: Sequence[MatchKey], receipt: Receipt) -> Receipt:
        """Delete what the keys find and no other contact of ours owns.

        ``receipt`` is that of a contact of which nothing is found.
        """
        seen: list[str] = []
        while True:
            try:
                found = await self._look_up(keys, seen)
            except RequestFailed as error:
                return _open(self.destination.name, self.contact_id, error)
            except AccountStopped as stopped:
                return self._stopped(stopped)
            if not found.free:
                return self._also_of_others(receipt, found.owned)
            external_id, key = next(iter(found.free.items()))
            seen.append(external_id)
            await self._store.link(self.contact_id, external_id, key, takes_over=False)
            receipt = await self.delete()
            if receipt.status is Erased.OPEN:
                return receipt
            if receipt.status is Erased.IMPOSSIBLE:
                self._stands = replace(self._stands, to_ask=receipt.message)

    async def _look_up(
        self, keys: Sequence[MatchKey], seen: Collection[str]
    ) -> CopiesThere:
        vendor = self.destination.vendor
        async with vendor_access(self.destination, self._account) as retrier:
            return await copies_there(
                vendor, retrier, self._store, self.contact_id, keys, seen
            )

    def may_be_there(self) -> Receipt:
        """Return the receipt where nobody can tell whether the vendor has the contact."""
        if self._stands.receipt in _PROOFS:
            return Receipt(
                self.destination.name,
                self.contact_id,
                Erased.DONE,
                self._stands.receipt,
            )
        vendor, capabilities = (
            self.destination.vendor.name,
            self.destination.vendor.capabilities,
        )
        told = "the state was restored or lost once and may lack its link, and "
        if capabilities.find_by:
            told += f"no row tells whom to look for: look for the person at {vendor}, and have deleted what is there"
        else:
            under = (
                f"under {capabilities.identity} {name_of(self.contact_id)}"
                if capabilities.identity
                else "of it"
            )
            told += (
                f"{vendor} has no look-up: ask them to delete what they hold {under}"
            )
        return Receipt(self.destination.name, self.contact_id, Erased.IMPOSSIBLE, told)

    def _also_of_others(self, receipt: Receipt, owned: Mapping[str, str]) -> Receipt:
        """Return the receipt, with what its keys find and other contacts of ours own."""
        if not owned:
            return receipt
        each = ", ".join(
            f"contact {there} belongs to {name_of_owner(owner)}"
            for there, owner in owned.items()
        )
        told = f"its match keys find what is another's here ({each}): forget that one too if it is the same person"
        if self.was_gone:
            vendor = self.destination.vendor.name
            told = f"{_not_there(vendor)}, and {told}"
        return replace(
            receipt, status=Erased.IMPOSSIBLE, message=told
        ).with_earlier_request(self._stands.to_ask)

    def _stopped(self, stopped: AccountStopped) -> Receipt:
        told = stopped_by(stopped, self.destination)
        return Receipt(self.destination.name, self.contact_id, Erased.OPEN, told)


async def _delete(
    destination: DestinationConfig,
    account: LeasedAccount,
    store: Contacts,
    batches: Batches,
) -> None:
    """Delete the contact as a run deletes a removed one, safe from crashes."""
    # An erasure asks about nobody else: where the contact is not there, its receipt says so.
    task = replace(
        task_of(destination),
        on_removed=OnRemoved.DELETE,
        needs_consent=False,
        gone_accepted=True,
    )
    recorder, stopping = Recorder(store), asyncio.Event()
    async with vendor_access(destination, account) as retrier, recorder.running():
        await Dispatcher(
            preparer=Preparer(
                task, destination.vendor.capabilities, _Nobody(), store, None
            ),
            contacts=ContactSync(
                task, destination.vendor, retrier, store, recorder, stopping
            ),
            batches=batches,
            recorder=recorder,
            tally=Tally(),
            workers=1,
            stopping=stopping,
            stop=account.pacing.stop,
            advance=lambda _: None,
        ).run()


async def _standing(
    databases: Databases, destination: DestinationConfig, contact_id: str
) -> erasure.ErasureProgress:
    """Return the progress of the erasure before this run."""
    receipts = await erasure.receipts(databases.state, contact_id)
    return next(each for each in receipts if each.destination == destination.name)


def _what_to_ask(destination: DestinationConfig, external_id: str | None) -> str:
    """Return the request that a person has to make to the vendor.

    It is needed where the vendor's API erases nothing or only a part.
    """
    vendor, who = (
        destination.vendor,
        f"contact {external_id}" if external_id else "what it may hold of this contact",
    )
    if _keeps_part(destination):
        return f"{vendor.name} keeps part of it: ask them to delete {who}"
    return f"{vendor.name}'s API cannot delete: ask them to delete {who}, and quote the law"


def _keeps_part(destination: DestinationConfig) -> bool:
    deletion = destination.vendor.capabilities.delete
    return deletion is not None and bool(deletion.keeps)


def _receipt(
    destination: DestinationConfig,
    contact_id: str,
    external_id: str | None,
    outcome: erasure.ForgetOutcome | None,
) -> Receipt:
    name = destination.name
    match outcome.kind if outcome else None:
        case None:
            return Receipt(name, contact_id, Erased.DONE, _NOTHING)
        case "applied" if outcome and not _keeps_part(destination):
            return _deleted(destination, contact_id, outcome)
        case "applied" | "unsupported":
            return Receipt(
                name,
                contact_id,
                Erased.IMPOSSIBLE,
                _what_to_ask(destination, external_id),
            )
        case _:
            told = (
                f"{outcome.message if outcome else ''}; `syncengine forget` tries again"
            )
            return Receipt(name, contact_id, Erased.OPEN, told)


def _deleted(
    destination: DestinationConfig, contact_id: str, outcome: erasure.ForgetOutcome
) -> Receipt:
    """Return the receipt where nothing is left to be deleted."""
    name = destination.name
    if outcome.message:
        return Receipt(name, contact_id, Erased.SCHEDULED, outcome.message)
    told = _told_gone(destination) if outcome.code == WAS_GONE else _DELETED
    return Receipt(name, contact_id, Erased.DONE, told)


def _not_there(vendor: str) -> str:
    return f"nothing was deleted: {vendor} had no such contact any more (deleted or merged there before)"


def _told_gone(destination: DestinationConfig) -> str:
    """Return what is told of a contact that the vendor did not have any more."""
    vendor = destination.vendor
    told = _not_there(vendor.name)
    if vendor.capabilities.find_by:
        return f"{told}, and none with its match keys"
    return f"{told}, and offers no look-up: if it was merged there, have the one that is left deleted by hand"


def _with_what_stands(
    receipt: Receipt, external_id: str | None, stands: erasure.ErasureProgress
) -> Receipt:
    """Return the receipt, or an earlier one that says more.

    An earlier one does unless it only says that nothing is known any more.
    """
    if receipt.status is Erased.IMPOSSIBLE and external_id is None and stands.to_ask:
        return replace(receipt, message=stands.to_ask)  # it names the contact there
    if stands.status is Erased.SCHEDULED and receipt.message == _NOTHING:
        receipt = replace(receipt, status=Erased.SCHEDULED, message=stands.receipt)
    return receipt.with_earlier_request(stands.to_ask)


def _braked(name: str, contact_id: str, error: BrakeApplied) -> Receipt:
    if error.name != RESTORED:
        return _open(name, contact_id, error)
    told = (
        "the state was restored or lost, and that has not been accepted yet: after "
        f"`{RunRequest().command(name, RESTORED)}`, `syncengine forget {as_argument(contact_id)}` erases it. "
        "Nothing is sent about it meanwhile"
    )
    return Receipt(name, contact_id, Erased.OPEN, told)


def _open(name: str, contact_id: str, error: SyncEngineError) -> Receipt:
    told = f"{as_sentence(str(error))} Nothing is sent about it meanwhile; `syncengine forget` tries again"
    return Receipt(name, contact_id, Erased.OPEN, told)
