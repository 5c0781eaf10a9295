"""Read contacts back from the vendors, and compare them with what is known of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from syncengine.app.accounts import LeasedAccount, stopped_by
from syncengine.app.brakes import allowances_of, refuse_changes
from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.pipelines import side_by_side
from syncengine.app.run_request import RunRequest
from syncengine.app.vendor_access import vendor_access
from syncengine.app.verbs.run import status_of
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.account_check import lacking_message
from syncengine.engine.holding import shows
from syncengine.engine.repair import Repair
from syncengine.engine.verification import Findings, Verification
from syncengine.errors import (
    AccountStopped,
    ConfigError,
    Problem,
    RequestFailed,
    RunRefused,
    RunStopped,
    SyncEngineError,
)
from syncengine.model.consent import SubjectFinder
from syncengine.model.contact_ids import as_argument, contact_id_of, name_of
from syncengine.model.copies import VerifyReport
from syncengine.model.mapping import OnNull
from syncengine.model.reports import NoProgress, Progress, RunStatus
from syncengine.model.work import RunKind
from syncengine.planning.brakes import brakes_of_repair
from syncengine.planning.drift import ManagedParts
from syncengine.planning.repair import TAGS, NotRepaired, RepairRequest
from syncengine.ports import Directory
from syncengine.storage.state.contacts import Contacts
from syncengine.storage.state.linked import Linked
from syncengine.storage.state.runs import finish_run, start_run


@dataclass(frozen=True, slots=True)
class Wanted:
    """Contacts and fields to verify, and those of them to repair.

    Raises ConfigError for options that do not go together.
    """

    sample: int | None = None
    """At most so many contacts of each destination, drawn by chance."""
    contacts: tuple[str, ...] = ()
    """Only these; empty: all."""
    repair: bool = False
    """What drifted is planned again by the next run."""
    fields: tuple[str, ...] = ()
    """Only these fields, and ``tags``, are repaired; empty: everything."""
    recreate: bool = False
    """Contacts that were deleted at the vendor are created again by the next run."""
    accept: frozenset[str] = frozenset()
    """Brakes that may pass this once."""

    def __post_init__(self) -> None:
        RunRequest(accept=self.accept)
        if not self.repair and (self.fields or self.recreate or self.accept):
            what = "--field, --recreate and --accept say what --repair may do: give that too"
            raise ConfigError([Problem("verify", what)])
        if self.sample is not None and self.contacts:
            raise ConfigError(
                [
                    Problem(
                        "verify",
                        "--sample draws contacts by chance, --contact names them: give one",
                    )
                ]
            )
        if self.fields and self.recreate:
            what = "--recreate creates whole contacts again, --field repairs single fields: give one"
            raise ConfigError([Problem("verify", what)])

    @property
    def asked(self) -> RepairRequest:
        return RepairRequest(
            frozenset(self.fields), self.recreate, by_name=bool(self.contacts)
        )

    def command(self, destination: str, *accept: str) -> str:
        """Return the command of the same repair for one destination, accepting more."""
        words = ["syncengine", "verify", "-d", destination, "--repair"]
        words += ["--sample", str(self.sample)] if self.sample is not None else []
        words += [word for name in self.fields for word in ("--field", name)]
        words += ["--recreate"] if self.recreate else []
        words += [
            word
            for name in sorted({*self.accept, *accept})
            for word in ("--accept", name)
        ]
        return " ".join(map(as_argument, words))


async def verify(
    config: Config,
    names: Sequence[str],
    *,
    sample: int | None = None,
    contacts: Sequence[str] = (),
    repair: bool = False,
    fields: Sequence[str] = (),
    recreate: bool = False,
    accept: Iterable[str] = (),
    progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> list[VerifyReport]:
    """Compare the contacts of the destinations with what is known of them.

    All destinations and contacts are meant where none is named; ``sample`` are so many
    of each destination. With ``repair`` what drifted is planned again by the next run,
    unless a brake stops that which ``accept`` does not name. Raises RunRefused for what
    concerns the whole call.
    """
    wanted = Wanted(
        sample, tuple(contacts), repair, tuple(fields), recreate, frozenset(accept)
    )
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    _refuse_unknown_fields(destinations, wanted)
    heard, ended = progress or NoProgress(), stop or asyncio.Event()
    async with open_databases(config, destinations) as databases:

        async def work(
            destination: DestinationConfig, account: LeasedAccount
        ) -> VerifyReport:
            return await _verify(destination, account, config, databases, wanted, heard)

        return await side_by_side(config, databases, destinations, work, _failed, ended)


def _refuse_unknown_fields(
    destinations: Sequence[DestinationConfig], wanted: Wanted
) -> None:
    known = {
        field.field
        for destination in destinations
        for field in destination.mapping.fields
    } | {TAGS}
    if unknown := [name for name in wanted.fields if name not in known]:
        listed = ", ".join(sorted(known))
        raise ConfigError(
            [
                Problem("--field", f'no field is called "{name}"; there are {listed}')
                for name in unknown
            ]
        )


async def _verify(
    destination: DestinationConfig,
    account: LeasedAccount,
    config: Config,
    databases: Databases,
    wanted: Wanted,
    progress: Progress,
) -> VerifyReport:
    vendor, name = destination.vendor, destination.name
    if not shows(vendor.capabilities):
        return VerifyReport(
            name,
            RunStatus.UNREADABLE,
            error=f"{name}: {vendor.name} shows nothing of what it holds",
        )
    began, sent = time.monotonic(), account.pacing.requests
    try:
        recognised = await refuse_changes(destination, config, databases, RunRequest())
    except RunRefused as error:
        return await _failed(destination, error)
    run_id = await start_run(account.fence, name, recognised.at_start, RunKind.VERIFY)
    store = Contacts(account.fence, name, run_id, numbered=False)
    repair = Repair(vendor.capabilities, wanted.asked) if wanted.repair else None
    status: RunStatus = RunStatus.DONE
    said: str | None = None
    async with vendor_access(destination, account) as retrier:
        verification = Verification(
            vendor,
            retrier,
            store,
            _owned(destination),
            SubjectFinder(destination.mapping),
            account.stopping.requested,
            lambda contacts: progress.advanced(
                name, contacts, account.pacing.requests - sent
            ),
            repair,
        )
        try:
            said = await _compared(
                verification, destination, databases, store, wanted, run_id, progress
            )
        except RunStopped:
            status = RunStatus.STOPPED
        except AccountStopped as stopped:
            status, said = RunStatus.HALTED, stopped_by(stopped, destination)
        except (
            RequestFailed
        ) as failure:  # the vendor's list, without which nothing can be told of anybody
            status, said = RunStatus.HALTED, f"{name}: {failure}"
    seen = verification.seen
    if status == RunStatus.DONE and (
        account.stopping.requested.is_set() or seen.unread
    ):
        status = (
            RunStatus.STOPPED
            if account.stopping.requested.is_set()
            else RunStatus.INCOMPLETE
        )
    braked = None
    if repair is not None:
        braked = await _repaired(
            repair,
            destination,
            store,
            wanted,
            seen.compared,
            finished=status in _FINISHED,
        )
    mended, left = (
        (repair.mended, repair.left) if repair else (0, Counter[NotRepaired]())
    )
    status, said = (RunStatus.REFUSED, braked) if braked else (status, said)
    is_other_account = (
        status == RunStatus.DONE and repair is None and _has_nobody(seen, wanted)
    )
    if is_other_account:
        said = f"{name}: {lacking_message(name, seen.compared)}"
    report = VerifyReport(
        destination=name,
        status=status,
        compared=seen.compared,
        drifted=seen.drifted,
        found=dict(sorted(seen.found.items())),
        subjects=dict(seen.subjects.most_common()),
        in_doubt=seen.in_doubt,
        silent=seen.silent,
        erasing=tuple(seen.erasing[:_MOST_ERASING]),
        gone=seen.gone_before,
        unread=seen.unread,
        strangers=seen.strangers,
        repaired=mended,
        left={reason.value: left[reason] for reason in NotRepaired if left[reason]},
        opted_out=seen.opted_out,
        other_account=is_other_account,
        requests=account.pacing.requests - sent,
        seconds=time.monotonic() - began,
        error=said,
        contacts=tuple(seen.contacts),
    )
    await finish_run(
        account.fence, run_id, status, {**report.public(), "contacts": []}, said
    )
    progress.finished(name)
    return report


_MOST_ERASING = 20
"""Contacts with an unfinished erasure that are named; more are named the next time."""
_FINISHED = (RunStatus.DONE, RunStatus.INCOMPLETE)


def _has_nobody(seen: Findings, wanted: Wanted) -> bool:
    """Return whether the vendor has none of several contacts, which nobody named."""
    return not wanted.contacts and 1 < seen.compared == seen.found["gone"]


def _owned(destination: DestinationConfig) -> ManagedParts:
    """Return the parts of a vendor contact that are compared."""
    mapping, capabilities = destination.mapping, destination.vendor.capabilities
    clears = mapping.on_null is OnNull.CLEAR
    return ManagedParts(
        fields=tuple(field.field for field in mapping.fields) if clears else (),
        tag_prefix=mapping.tag_prefix,
        hidden=capabilities.hidden,
        opt_outs=capabilities.opt_outs,
    )


async def _compared(
    verification: Verification,
    destination: DestinationConfig,
    databases: Databases,
    store: Contacts,
    wanted: Wanted,
    run_id: int,
    progress: Progress,
) -> str | None:
    """Compare what was asked for; return what cannot be compared.

    Raises what ``Verification`` raises.
    """
    name, vendor = destination.name, destination.vendor
    linked = Linked(databases.state, name)
    standing = list(await store.gone(all_of_them=True))
    gone = standing if wanted.recreate or wanted.contacts else []
    if wanted.contacts:
        named = list(dict.fromkeys(map(contact_id_of, wanted.contacts)))
        gone = [contact_id for contact_id in gone if contact_id in named]
        there = await linked.among(named)
        progress.started(name, len(there) + len(gone))
        await verification.one_by_one(there)
        unknown = [
            contact_id for contact_id in named if contact_id not in (*there, *gone)
        ]
    else:
        total, unknown = await linked.count(), []
        progress.started(
            name, total if wanted.sample is None else min(wanted.sample, total)
        )
        if wanted.sample is not None:
            await verification.one_by_one(await linked.sample(wanted.sample, run_id))
        else:
            pages = vendor if isinstance(vendor, Directory) else None
            await verification.everybody(linked, total, pages)
    if gone and not wanted.sample:
        await verification.gone((await store.load(gone)).values())
    elif not wanted.contacts:
        verification.seen.gone_before = len(standing)
    if not unknown:
        return None
    return f"{name}: no vendor contact is known of contact {', '.join(map(name_of, unknown))}: nothing to compare"


async def _repaired(
    repair: Repair,
    destination: DestinationConfig,
    store: Contacts,
    wanted: Wanted,
    compared: int,
    *,
    finished: bool,
) -> str | None:
    """Carry the repair out; return the brake that stopped it."""
    if not finished:
        repair.give_up(NotRepaired.UNFINISHED)
        return None
    repair.scope.compared = compared
    brakes = (
        ()
        if wanted.contacts
        else brakes_of_repair(repair.scope, allowances_of(destination), wanted.accept)
    )
    if not brakes:
        await repair.carry_out(store)
        return None
    repair.give_up(NotRepaired.BRAKE)
    names = tuple(dict.fromkeys(brake.name for brake in brakes))
    told = " ".join(f"brake {brake.name}: {brake.message}." for brake in brakes)
    keys = ", ".join(f"brakes.{each}" for each in names)
    return (
        f"{destination.name}: {told} Nothing is repaired. If that is meant, "
        f"`{wanted.command(destination.name, *names)}` lets it pass this once ({destination.place(keys)})"
    )


async def _failed(
    destination: DestinationConfig, error: SyncEngineError
) -> VerifyReport:
    return VerifyReport(destination.name, status_of(error), error=str(error))
