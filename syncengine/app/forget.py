"""Erase one contact: at every vendor that can, and here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from syncengine.app.accounts import Account, stopped_by
from syncengine.app.asking import asking, task_of
from syncengine.app.brakes import refuse_changes
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, opened
from syncengine.app.markers import lacking_consents, note_consents
from syncengine.app.people_values import in_source, known_of
from syncengine.app.pipelines import side_by_side
from syncengine.app.request import Request
from syncengine.config import Config, DestinationConfig
from syncengine.engine.contact import ContactSync
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.tally import Tally
from syncengine.errors import ConfigError, Problem, RunRefused, SyncEngineError, sentence
from syncengine.model.consent import Subject
from syncengine.model.contact_ids import name_of
from syncengine.model.erasure import Erased, Receipt
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import BatchKind, RunKind, SourceRow
from syncengine.storage import erasure
from syncengine.storage.contacts import Contacts
from syncengine.storage.runs import Batches, finish_run, start_run


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
    async with opened(config, destinations) as databases:
        gone = await erasure.unconfigured(databases.state, contact_id, [*names, *config.broken])
        # From here on no run sends anything about the contact: this has to be written
        # down before any destination deletes it, or a run could create it again.
        values = await _values(databases, destinations, contact_id)
        lacking = await lacking_consents(config, databases)
        await erasure.begin(databases.state, contact_id, [*names, *config.broken, *gone], values)
        await note_consents(config, databases, lacking)

        async def work(destination: DestinationConfig, account: Account) -> Receipt:
            try:
                return await _forget(destination, account, config, databases, contact_id)
            except RunRefused as error:
                return _open(destination.name, contact_id, error)

        async def failed(destination: DestinationConfig, error: SyncEngineError) -> Receipt:
            return _open(destination.name, contact_id, error)

        receipts = await side_by_side(config, databases, destinations, work, failed)
        receipts += [_open(name, contact_id, ConfigError(problems)) for name, problems in config.broken.items()]
        return receipts + [await erasure.end_unconfigured(databases.state, name, contact_id) for name in gone]


async def _values(
    databases: Databases, destinations: Sequence[DestinationConfig], contact_id: str
) -> tuple[Subject, ...]:
    """Return the phones and addresses by which the person is known."""
    known = await known_of(databases.state, [contact_id])
    asked = await in_source(databases, destinations, [contact_id])
    return (*known.get(contact_id, ()), *asked.get(contact_id, ()))


async def confirm(config: Config, contact_id: str, names: Sequence[str]) -> list[Receipt]:
    """Note that vendors have done what their receipts asked for, and forget those.

    Raises ConfigError.
    """
    if not names:
        raise ConfigError([Problem("--confirmed", "name the destination whose vendor confirmed it: -d NAME")])
    async with opened(config, ()) as databases:
        asked = {each.destination for each in await erasure.receipts(databases.state, contact_id) if each.to_ask}
        problems = [_nothing_to_confirm(name, contact_id, asked) for name in names if name not in asked]
        if problems:
            raise ConfigError(problems)
        for name in names:
            await erasure.confirm(databases.state, name, contact_id)
    return [Receipt(name, contact_id, Erased.DONE, "confirmed: the vendor has deleted it") for name in names]


def _nothing_to_confirm(name: str, contact_id: str, asked: Collection[str]) -> Problem:
    rest = f"; there is at {', '.join(sorted(asked))}" if asked else ""
    return Problem("--confirmed", f"nothing is to be asked of {name} about contact {name_of(contact_id)}{rest}")


_NOTHING = "nothing is known of it there"


class _Nobody:
    """Source that has lost the contact, whatever the real one has.

    It is a ``ports.SourceReader``.
    """

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:  # noqa: ARG002 - the port's
        return ()


async def _forget(
    destination: DestinationConfig, account: Account, config: Config, databases: Databases, contact_id: str
) -> Receipt:
    recognised = await refuse_changes(destination, config, databases, Request())
    name, fence = destination.name, account.fence
    run_id = await start_run(fence, name, recognised.at_start, RunKind.FORGET)
    store = Contacts(fence, name, run_id, numbered=False)
    before = (await store.load([contact_id])).get(contact_id)
    stands = await _standing(databases, destination, contact_id)
    if _keeps_part(destination) and before and before.known.external_id:
        # Noted before the deletion, which forgets the external id: after a crash in
        # between nothing would be left to ask the vendor for.
        words = _what_to_ask(destination, before.known.external_id)
        stands = replace(stands, to_ask=Receipt(name, contact_id, Erased.IMPOSSIBLE, words).also(stands.to_ask).message)
        await erasure.note_to_ask(fence, name, contact_id, stands.to_ask)
    batches = Batches(fence, run_id)
    await batches.add(BatchKind.REMOVALS, [contact_id])
    await _delete(destination, account, store, batches)
    stopped = account.pacing.stopped
    if stopped is not None:
        receipt = Receipt(name, contact_id, Erased.OPEN, stopped_by(stopped, destination))
    else:
        after = (await store.load([contact_id])).get(contact_id)
        external_id = next(
            (each.known.external_id for each in (after, before) if each and each.known.external_id), None
        )
        outcome = await erasure.outcome(fence, name, run_id, contact_id)
        receipt = _with_what_stands(_receipt(destination, contact_id, external_id, outcome), external_id, stands)
    await finish_run(fence, run_id, "done" if receipt.status is not Erased.OPEN else "incomplete", {}, None)
    await erasure.end(fence, receipt)
    return receipt


async def _delete(destination: DestinationConfig, account: Account, store: Contacts, batches: Batches) -> None:
    """Delete the contact as a run deletes a removed one, safe from crashes."""
    task = replace(task_of(destination), on_removed=OnRemoved.DELETE, needs_consent=False)
    recorder, stopping = Recorder(store), asyncio.Event()
    async with asking(destination, account) as retrier, recorder.running():
        await Dispatcher(
            preparer=Preparer(task, destination.vendor.capabilities, _Nobody(), store, None),
            contacts=ContactSync(task, destination.vendor, retrier, store, recorder, stopping),
            batches=batches,
            recorder=recorder,
            tally=Tally(),
            workers=1,
            stopping=stopping,
            stop=account.pacing.stop,
            advance=lambda _: None,
        ).run()


async def _standing(databases: Databases, destination: DestinationConfig, contact_id: str) -> erasure.Standing:
    """Return the progress of the erasure before this run."""
    receipts = await erasure.receipts(databases.state, contact_id)
    return next(each for each in receipts if each.destination == destination.name)


def _what_to_ask(destination: DestinationConfig, external_id: str | None) -> str:
    """Return the request that a person has to make to the vendor.

    It is needed where the vendor's API erases nothing or only a part.
    """
    vendor, who = destination.vendor, f"contact {external_id}" if external_id else "what it may hold of this contact"
    if _keeps_part(destination):
        return f"{vendor.name} keeps part of it: ask them to delete {who}"
    return f"{vendor.name}'s API cannot delete: ask them to delete {who}, and quote the law"


def _keeps_part(destination: DestinationConfig) -> bool:
    deletion = destination.vendor.capabilities.delete
    return deletion is not None and bool(deletion.keeps)


def _receipt(
    destination: DestinationConfig, contact_id: str, external_id: str | None, outcome: erasure.Outcome | None
) -> Receipt:
    name = destination.name
    match outcome.kind if outcome else None:
        case None:
            return Receipt(name, contact_id, Erased.DONE, _NOTHING)
        case "applied" if _keeps_part(destination):
            return Receipt(name, contact_id, Erased.IMPOSSIBLE, _what_to_ask(destination, external_id))
        case "applied" if outcome and outcome.message:
            return Receipt(name, contact_id, Erased.SCHEDULED, outcome.message)
        case "applied":
            return Receipt(name, contact_id, Erased.DONE, "deleted there")
        case "unsupported":
            return Receipt(name, contact_id, Erased.IMPOSSIBLE, _what_to_ask(destination, external_id))
        case _:
            told = f"{outcome.message if outcome else ''}; `syncengine forget` tries again"
            return Receipt(name, contact_id, Erased.OPEN, told)


def _with_what_stands(receipt: Receipt, external_id: str | None, stands: erasure.Standing) -> Receipt:
    """Return the receipt, or an earlier one that says more.

    An earlier one does unless it only says that nothing is known any more.
    """
    if receipt.status is Erased.IMPOSSIBLE and external_id is None and stands.to_ask:
        return replace(receipt, message=stands.to_ask)  # it names the contact there
    if stands.status is Erased.SCHEDULED and receipt.message == _NOTHING:
        receipt = replace(receipt, status=Erased.SCHEDULED, message=stands.receipt)
    return receipt.also(stands.to_ask)


def _open(name: str, contact_id: str, error: SyncEngineError) -> Receipt:
    told = f"{sentence(str(error))} Nothing is sent about it meanwhile; `syncengine forget` tries again"
    return Receipt(name, contact_id, Erased.OPEN, told)
