"""Erase one contact: at every vendor that can, and here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

from syncengine.app.accounts import Account, stopped_by
from syncengine.app.asking import asking, task_of
from syncengine.app.brakes import identity_of, refuse_changes
from syncengine.app.databases import Databases, opened
from syncengine.app.pipelines import side_by_side
from syncengine.app.request import Request
from syncengine.config import Config, DestinationConfig
from syncengine.engine.contact import ContactSync
from syncengine.engine.dispatch import Dispatcher
from syncengine.engine.prepare import Preparer
from syncengine.engine.recorder import Recorder
from syncengine.engine.tally import Tally
from syncengine.errors import ConfigError, Problem, RunRefused, SyncEngineError
from syncengine.model.erasure import Erased, Receipt
from syncengine.model.mapping import OnRemoved
from syncengine.model.work import BatchKind, RunKind, SourceRow
from syncengine.storage import erasure
from syncengine.storage.contacts import Contacts
from syncengine.storage.runs import Batches, finish_run, start_run


async def forget(config: Config, contact_id: str) -> list[Receipt]:
    """A receipt for each destination. What is ``open`` is asked for by forgetting the contact again.

    From the first moment on no run sends anything about the contact, here or in another process; a row that is
    restored is not created again. Raises RunRefused for what concerns the whole call.
    """
    destinations = config.destinations
    names = [destination.name for destination in destinations]
    async with opened(config, destinations) as databases:
        gone = await erasure.unconfigured(databases.state, contact_id, [*names, *config.broken])
        await erasure.begin(databases.state, contact_id, [*names, *config.broken, *gone])

        async def work(destination: DestinationConfig, account: Account) -> Receipt:
            try:
                return await _forget(destination, account, config, databases, contact_id)
            except RunRefused as error:
                return _open(destination.name, contact_id, error)

        receipts = await side_by_side(
            config, databases, destinations, work, lambda destination, error: _open(destination.name, contact_id, error)
        )
        receipts += [_open(name, contact_id, ConfigError(problems)) for name, problems in config.broken.items()]
        return receipts + [await erasure.end_unconfigured(databases.state, name, contact_id) for name in gone]


async def confirm(config: Config, contact_id: str, names: Sequence[str]) -> list[Receipt]:
    """Note that vendors have done what their receipts asked for, and forget those. Raises ConfigError."""
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
    return Problem("--confirmed", f"nothing is to be asked of {name} about contact {contact_id}{rest}")


_NOTHING = "nothing is known of it there"


class _Nobody:
    """A source that has lost the contact, whatever the real one says (``ports.SourceReader``)."""

    async def load(self, contact_ids: Sequence[str]) -> Sequence[SourceRow]:  # noqa: ARG002 - the port's
        return ()


async def _forget(
    destination: DestinationConfig, account: Account, config: Config, databases: Databases, contact_id: str
) -> Receipt:
    await refuse_changes(destination, config, databases, Request())
    name, fence = destination.name, account.fence
    run_id = await start_run(fence, name, identity_of(destination), RunKind.FORGET)
    store = Contacts(fence, name, run_id, numbered=False)
    before = (await store.load([contact_id])).get(contact_id)
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
        receipt = _receipt(destination, contact_id, external_id, await erasure.outcome(fence, run_id, contact_id))
        receipt = _with_what_stands(receipt, await erasure.receipts(databases.state, contact_id))
    await finish_run(fence, run_id, "done" if receipt.status is not Erased.OPEN else "incomplete", {}, None)
    await erasure.end(fence, receipt)
    return receipt


async def _delete(destination: DestinationConfig, account: Account, store: Contacts, batches: Batches) -> None:
    """The contact's turn as of one that left, with everything that keeps a run safe from crashes."""
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


def _receipt(
    destination: DestinationConfig, contact_id: str, external_id: str | None, outcome: erasure.Outcome | None
) -> Receipt:
    name, vendor = destination.name, destination.vendor
    deletion = vendor.capabilities.delete
    match outcome.kind if outcome else None:
        case None:
            return Receipt(name, contact_id, Erased.DONE, _NOTHING)
        case "applied" if deletion is not None and deletion.keeps:
            told = f"{vendor.name} keeps part of it: ask them to delete contact {external_id}"
            return Receipt(name, contact_id, Erased.IMPOSSIBLE, told)
        case "applied" if outcome and outcome.message:
            return Receipt(name, contact_id, Erased.SCHEDULED, outcome.message)
        case "applied":
            return Receipt(name, contact_id, Erased.DONE, "deleted there")
        case "unsupported":
            told = f"{vendor.name}'s API cannot delete: ask them to delete contact {external_id}, and quote the law"
            return Receipt(name, contact_id, Erased.IMPOSSIBLE, told)
        case _:
            told = f"{outcome.message if outcome else ''}; `syncengine forget` tries again"
            return Receipt(name, contact_id, Erased.OPEN, told)


def _with_what_stands(receipt: Receipt, before: Sequence[erasure.Standing]) -> Receipt:
    """The receipt, unless an earlier one says more than that nothing is known any more."""
    for each in before:
        if each.destination != receipt.destination:
            continue
        if each.status is Erased.SCHEDULED and receipt.message == _NOTHING:
            receipt = replace(receipt, status=Erased.SCHEDULED, message=each.receipt)
        receipt = receipt.also(each.to_ask)
    return receipt


def _open(name: str, contact_id: str, error: SyncEngineError) -> Receipt:
    told = f"{error}. Nothing is sent about it meanwhile; `syncengine forget` tries again"
    return Receipt(name, contact_id, Erased.OPEN, told)
