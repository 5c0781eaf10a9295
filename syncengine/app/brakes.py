"""Checks before the first request: the remembered identity, and the brakes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.app.databases import Databases
from syncengine.app.markers import Restored, refuse_restored
from syncengine.app.run_request import EMPTY_STATE, NO_FILE, SAME_ACCOUNT, RunRequest
from syncengine.app.stranded import refuse_stranded
from syncengine.config.destination import DestinationConfig
from syncengine.config.paths import quoted
from syncengine.config.project import Config
from syncengine.engine.prepare import Prepared
from syncengine.errors import BrakeApplied, StorageError
from syncengine.model.consent_rules import ConsentRules
from syncengine.model.contact_ids import as_argument
from syncengine.model.http import Json
from syncengine.model.work import Scope
from syncengine.planning.brakes import (
    EMPTY_SOURCE,
    REMOVALS,
    SHRUNK_SOURCE,
    Brake,
    BrakeLimit,
    BrakeLimits,
    are_replaced,
    are_rewritten,
    brakes_of_diff,
    brakes_of_survey,
    has_grown,
)
from syncengine.planning.look_up import may_duplicate
from syncengine.planning.survey import Survey
from syncengine.storage.source.inspection import database_name
from syncengine.storage.state.accounts import former_owners, remembered_elsewhere
from syncengine.storage.state.contact_counts import contacts_with_value, known_contacts
from syncengine.storage.state.credentials import is_other_account
from syncengine.storage.state.destinations import Identity, remembered
from syncengine.storage.state.renaming import in_the_way
from syncengine.vendors.kit.addresses import normal_address

_OF_ACCOUNT = ("account", "base_url")
"""Changes after which it may still be the same account."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """A destination as it is, compared with what is remembered of it."""

    identity: Identity
    before: Identity | None = None
    """The remembered identity; None when it never ran."""
    moving: tuple[str, ...] = ()
    """Destinations that are remembered under another name of the account."""
    starting_anew: tuple[str, ...] = ()
    """Destinations whose account is another one: what is known of their contacts is
    dropped before the first request."""
    looks_up: bool = False
    """True where every contact is looked up before it is created, whatever the file
    says."""
    resync: bool = False
    """True where the next run begins with a re-sync."""
    restored: Restored | None = None
    """A restored or lost state that is accepted with this run."""
    consent: ConsentRules | None = None
    """The rules of consent that are remembered; None where there are none."""

    is_anew: bool = False
    """True where this destination is one of them."""

    @property
    def has_other_key(self) -> bool:
        """Return whether the contacts have other ids than before."""
        return self.before is not None and self.before.key != self.identity.key

    @property
    def at_start(self) -> Identity:
        """Return the identity to remember before the brakes have judged the run.

        A new source is remembered only once they let it pass: else the next night would
        take it for granted.
        """
        if self.before is None or self.is_anew:
            return self.identity
        database = self.before.database or self.identity.database
        return replace(self.before, account=self.identity.account, database=database)


async def identity_of(destination: DestinationConfig, databases: Databases) -> Identity:
    """Return what the state remembers to recognise a destination."""
    source = destination.source
    return Identity(
        account=destination.account,
        vendor=destination.vendor.name,
        base_url=destination.base_url,
        settings=dict(destination.identity),
        source=f"{source.table or source.query} by {source.key}",
        database=await _source_database(destination, databases),
    )


async def _source_database(
    destination: DestinationConfig, databases: Databases
) -> str | None:
    """Return the name of the source's database; None while it cannot be asked."""
    try:
        return await database_name(databases.source(destination))
    except StorageError:
        return None  # whoever reads the source is told


async def refuse_changes(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    request: RunRequest,
) -> Recognised:
    """Return how the destination is recognised.

    Raises BrakeApplied when it is not the one remembered, unless that is accepted.
    """
    restored = await refuse_restored(destination, config, databases, request)
    remembered_before = await remembered(databases.state, destination.name)
    found = Recognised(await identity_of(destination, databases), restored=restored)
    if remembered_before is not None:
        before = remembered_before.identity
        before = replace(
            before, base_url=normal_address(before.base_url)
        )  # an older version kept it as it was written
        found = replace(
            found,
            before=before,
            looks_up=remembered_before.looks_up,
            resync=remembered_before.resync,
        )
        found = replace(found, consent=remembered_before.consent)
    found = replace(found, resync=found.resync or restored is not None)
    renamed_from = await _refuse_itself(destination, databases, request, found)
    elsewhere = await _refuse_others(destination, config, databases, request)
    if found.before is not None and found.has_other_key:
        why = f"the source's key was {found.before.key} and is now {found.identity.key}"
        await refuse_stranded(destination, databases, request, why)
    former = renamed_from | elsewhere
    others = [
        name
        for name, account in former.items()
        if await _is_other(destination, account, databases, request)
    ]
    anew = {*others, *([destination.name] if _is_elsewhere(found, request) else [])}
    is_anew = destination.name in anew
    return replace(
        found,
        moving=tuple(elsewhere),
        starting_anew=tuple(sorted(anew)),
        is_anew=is_anew,
        looks_up=found.looks_up or is_anew,
    )


async def _refuse_itself(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    found: Recognised,
) -> dict[str, str]:
    """Raise BrakeApplied for what changed of the destination and is not accepted.

    Returns the destination with its former account, if that had another name.
    """
    changes = found.identity.changes(found.before) if found.before else {}
    refused = {
        name: pair for name, pair in changes.items() if not _is_accepted(name, request)
    }
    if not refused:
        return (
            {destination.name: str(changes["account"][0])}
            if "account" in changes
            else {}
        )
    told = "; ".join(
        text for name, (was, now) in refused.items() for text in _told(name, was, now)
    )
    raise BrakeApplied(
        next(iter(refused)),
        f"{destination.name}: {told} ({destination.file}). What is known of its contacts may be wrong there, so "
        f"nothing was sent. {await _advice(destination, databases, request, refused)}",
    )


def resyncing(
    recognised: Recognised, request: RunRequest
) -> tuple[Recognised, RunRequest]:
    """Return both as they are in a run that has to begin with a re-sync, or is one."""
    if recognised.resync and request.retry_of is None:
        request = replace(request, resync=True)
    if recognised.resync or request.resync:
        recognised = replace(recognised, looks_up=True)
    return recognised, request


async def refuse_empty_state(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    recognised: Recognised,
) -> None:
    """Raise BrakeApplied where every contact would be created, and none looked up.

    A state that knows no contact is new, or it was lost: then all of them exist already.
    """
    looks_first = destination.options.find_first or recognised.looks_up
    if looks_first or request.contacts or EMPTY_STATE in request.accept:
        return
    if not may_duplicate(destination.vendor.capabilities):
        return
    if await known_contacts(databases.state, destination.name):
        return
    raise BrakeApplied(
        EMPTY_STATE,
        f"{destination.name}: no contact is known there, and with `find_first: false` ({destination.file}) all "
        "would be created without a look-up, so nothing was sent. If the account holds none of these contacts, "
        f"`{request.command(destination.name, EMPTY_STATE)}` lets that pass; if it may hold some, take find_first "
        "out of the file: then they are looked up and linked",
    )


def _is_accepted(name: str, request: RunRequest) -> bool:
    return name in request.accept or (
        name in _OF_ACCOUNT and SAME_ACCOUNT in request.accept
    )


async def _advice(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    refused: Mapping[str, tuple[Json, Json]],
) -> str:
    """Return what to do about changes that were not accepted."""
    name = destination.name
    accepting = f"`{request.command(name, *refused)}`"
    same = (
        f"If this is still the same account and the same contacts, {accepting} lets it pass; else give the destination "
        "a new name, so that it starts with an empty state"
    )
    if "vendor" in refused:
        return (
            f"{accepting} starts anew there: the ids and values that are known of its contacts are dropped, and "
            "everybody is looked up. To keep them, give the destination its old vendor back, and the new one a file of "
            "its own"
        )
    if refused.keys().isdisjoint(_OF_ACCOUNT):
        return same
    if "base_url" not in refused:
        former = str(refused["account"][0])
        if not await is_other_account(databases.state, former, destination.credentials):
            return same
    others = [each for each in refused if each not in _OF_ACCOUNT]
    return (
        f"If it is another account now, {accepting} starts anew there: the ids and values that are known of its "
        "contacts are dropped, and everybody is looked up. If it is still the same account with the same contacts, "
        f"`{request.command(name, SAME_ACCOUNT, *others)}` keeps them"
    )


def _is_elsewhere(found: Recognised, request: RunRequest) -> bool:
    """Return whether the ids of a destination mean nothing where it points now."""
    changes = found.identity.changes(found.before) if found.before else {}
    return "vendor" in changes or (
        "base_url" in changes and SAME_ACCOUNT not in request.accept
    )


async def _is_other(
    destination: DestinationConfig,
    former_account: str,
    databases: Databases,
    request: RunRequest,
) -> bool:
    """Return whether an account with another name is another one as well.

    With the same credentials it was only renamed.
    """
    if SAME_ACCOUNT in request.accept:
        return False
    return await is_other_account(
        databases.state, former_account, destination.credentials
    )


async def _refuse_others(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    request: RunRequest,
) -> dict[str, str]:
    """Raise BrakeApplied when only a part of an account would change its name.

    A destination that moved alone would not see which contacts the others own. Returns
    the destinations still remembered under another account, once that is accepted, each
    with that account.
    """
    account = destination.account
    members = [each.name for each in config.destinations if each.account == account]
    elsewhere = await remembered_elsewhere(databases.state, account, members)
    if not elsewhere or _is_accepted("account", request):
        return elsewhere
    told = "; ".join(
        f"the account of {name} was {was} and is now {account}"
        for name, was in elsewhere.items()
    )
    raise BrakeApplied(
        "account",
        f"{destination.name}: {told}. {destination.name} is in account {account} too ({destination.file}) and might "
        "take over contacts of another there, so nothing was sent. If it is still the same account under another name, "
        f"`{RunRequest().command(next(iter(elsewhere)), 'account')}` lets that pass for all destinations in it; "
        "else give each of the two accounts its own name",
    )


async def refuse_new_name(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    request: RunRequest,
) -> None:
    """Raise BrakeApplied when the destination may be another one, renamed.

    It owns nothing then, and others of its account that have no file any more do. Under
    its new name it would find all contacts taken.
    """
    if NO_FILE in request.accept:
        return
    configured = [*(each.name for each in config.destinations), *config.broken]
    owners = await former_owners(
        databases.state, destination.account, configured, destination.name
    )
    if not owners:
        return
    whose = ", ".join(
        f"{name} with {number:,} contact{'s' if number != 1 else ''}"
        for name, number in owners.items()
    )
    file = destination.file
    back = f"mv {quoted(file)} {quoted(file.with_stem(next(iter(owners))))}"
    raise BrakeApplied(
        NO_FILE,
        f"{destination.name}: account {destination.account} is known to have the destination {whose}, for which there "
        f"is no file in {file.parent}, so nothing was sent. A file's name is the destination's identity: if "
        f"{destination.name} is that destination under a new name, `{_renaming(next(iter(owners)), destination)}` "
        f"moves what is known of its contacts, or give the file its old name back (`{back}`). If the "
        f"other one is gone for good, or has its file elsewhere, `{request.command(destination.name, NO_FILE)}` lets "
        "this pass: then its contacts are given to whoever selects them",
    )


async def brake_on_no_file(
    destination: DestinationConfig,
    others: Sequence[str],
    databases: Databases,
    contact_ids: Sequence[str],
    request: RunRequest,
) -> None:
    """Raise BrakeApplied when contacts of the run belong to destinations without a file.

    They would be refused for good, since nobody is left to let go of them.
    """
    found = await in_the_way(databases.state, destination.name, others, contact_ids)
    if not found:
        return
    number = sum(found.values())
    told = (
        "1 contact of this run belongs"
        if number == 1
        else f"{number:,} contacts of this run belong"
    )
    raise BrakeApplied(
        NO_FILE,
        f"{destination.name}: {told} to {', '.join(found)} of the same account, for which there is no file in "
        f"{destination.file.parent}, so nothing was sent. If the file is gone for good, "
        f"`{request.command(destination.name, NO_FILE)}` gives them to {destination.name}; else put it back",
    )


def _renaming(old: str, destination: DestinationConfig) -> str:
    return f"syncengine rename {as_argument(old)} {as_argument(destination.name)}"


def _told(name: str, was: Json, now: Json) -> Iterator[str]:
    """Yield a sentence for each key that changed."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                yield f"{name}.{key} was {was.get(key, 'not set')} and is now {now.get(key, 'not set')}"
    else:
        yield f"{name} was {was} and is now {now}"


def brake_on_scope(
    destination: DestinationConfig, scope: Scope, request: RunRequest
) -> None:
    """Raise BrakeApplied when what the diff found is drastic."""
    options = destination.options
    _apply(
        destination,
        brakes_of_diff(
            scope, options.on_removed, allowances_of(destination), request.accept
        ),
        request,
    )


@dataclass(slots=True)
class Removed:
    """Numbers of contacts that left the source, counted one by one."""

    touched: int = 0
    """Contacts from which something would be taken away."""
    moved: int = 0
    """Contacts that another destination of the account selects now."""

    def add(self, prepared: Prepared) -> None:
        """Count a batch of removals."""
        self.touched += len(prepared.jobs)
        self.moved += sum(job.wanted is not None for job in prepared.jobs)
        self.moved += sum(record.moved for record in prepared.records)


async def judge_scope(
    destination: DestinationConfig,
    scope: Scope,
    request: RunRequest,
    count: Callable[[], Awaitable[Removed]],
) -> Scope:
    """Return the scope of a run; raise BrakeApplied when what the diff found is drastic.

    Where so many contacts left that a brake would stop the run, those from which
    something would really be taken away are counted by ``count``.
    """
    on_removed, allowances = destination.options.on_removed, allowances_of(destination)
    names = {
        brake.name
        for brake in brakes_of_diff(scope, on_removed, allowances, request.accept)
    }
    if not names.isdisjoint((REMOVALS, SHRUNK_SOURCE)) and request.limit is None:
        removed = await count()
        scope = replace(scope, touched=removed.touched, moved=removed.moved)
    brake_on_scope(destination, scope, request)
    return scope


async def brake_on_survey(
    destination: DestinationConfig,
    databases: Databases,
    survey: Survey,
    scope: Scope,
    request: RunRequest,
) -> bool:
    """Raise BrakeApplied when the run would change its contacts drastically.

    They are judged together. Returns whether most of them are other people than before.
    """
    allowances = allowances_of(destination)
    enough = [
        name
        for name, number in survey.nulls.items()
        if number >= allowances.nulls.at_least
    ]
    had = (
        await contacts_with_value(databases.state, destination.name, enough)
        if enough
        else {}
    )
    _apply(
        destination,
        brakes_of_survey(survey, scope, had, allowances, request.accept),
        request,
    )
    have_other_ids = are_replaced(survey, scope, allowances)
    if have_other_ids or are_rewritten(survey, scope, allowances):
        why = (
            "most contacts have other ids now"
            if have_other_ids
            else "most ids are of other people now"
        )
        await refuse_stranded(destination, databases, request, why)
        return True
    return False


def compared_as_a_whole(
    destination: DestinationConfig, scope: Scope, request: RunRequest
) -> bool:
    """Return whether the next run may take the source's present size for granted.

    A retry did not count it. A limited run that leaves most of a surprising growth to
    the next one has not been asked about it either.
    """
    if request.retry_of is not None or request.removed:
        return False
    return request.limit is None or not has_grown(
        scope, scope.source_rows, allowances_of(destination).creates
    )


def allowances_of(destination: DestinationConfig) -> BrakeLimits:
    """Return the allowances of a destination's brakes."""
    brakes = destination.options.brakes
    given = {name: getattr(brakes, name) for name in type(brakes).model_fields}
    return BrakeLimits(
        **{
            name: BrakeLimit(brake.share, brake.at_least)
            for name, brake in given.items()
        }
    )


def command_past(
    destination: DestinationConfig, request: RunRequest, *names: str
) -> str:
    """Return the sentence that tells how these brakes are passed."""
    return f"`{request.command(destination.name, *names)}` lets it pass this once"


def _apply(
    destination: DestinationConfig, brakes: Sequence[Brake], request: RunRequest
) -> None:
    if not brakes:
        return
    names = tuple(dict.fromkeys(brake.name for brake in brakes))
    told = " ".join(f"brake {brake.name}: {brake.message}." for brake in brakes)
    passing = command_past(destination, request, *names)
    if names == (EMPTY_SOURCE,):
        advice = f"If it is meant to be empty, {passing}; else look at the table and at {destination.place('where')}"
    else:
        keys = ", ".join(f"brakes.{name}" for name in names)
        advice = (
            f"Nothing was sent. If that is meant, {passing} ({destination.place(keys)})"
        )
    raise BrakeApplied(names[0], f"{destination.name}: {told} {advice}")
