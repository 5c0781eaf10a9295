"""Recognise a destination as the one that the state remembers under its name.

That happens before the first request. A destination that is another one now raises
BrakeApplied, unless the change was accepted (``--accept``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.app.counted import counted
from syncengine.app.databases import Databases
from syncengine.app.markers import Restored, refuse_restored
from syncengine.app.run_request import EMPTY_STATE, NO_FILE, SAME_ACCOUNT, RunRequest
from syncengine.app.stranded import refuse_stranded
from syncengine.config.destination import DestinationConfig
from syncengine.config.paths import quoted
from syncengine.config.project import Config
from syncengine.errors import BrakeApplied, ConfigError, Problem, StorageError
from syncengine.model.consent_rules import ConsentRules
from syncengine.model.contact_ids import as_argument
from syncengine.model.http import Json
from syncengine.planning.look_up import may_duplicate
from syncengine.storage.source.inspection import database_name
from syncengine.storage.state.accounts import former_owners, remembered_elsewhere
from syncengine.storage.state.contact_counts import known_contacts
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
    """True where this destination is one of those that start anew."""

    @property
    def changes(self) -> Mapping[str, tuple[Json, Json]]:
        """Return what changed since before, by name: former and present value."""
        if self.before is None:
            return {}
        return self.identity.changes(self.before)

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
        return None  # whoever reads the source reports that it is away


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
    found = await _compared(destination, databases, restored)
    # Its own changes come first: a destination that points elsewhere is told so before
    # anything is said about the others of its account.
    renamed_from = await _refuse_own_changes(destination, databases, request, found)
    moved_from = await _refuse_partial_move(destination, config, databases, request)
    if found.before is not None and found.has_other_key:
        was, now = found.before.key, found.identity.key
        why = f"the source's key was {was} and is now {now}"
        await refuse_stranded(destination, databases, request, why)
    # The ids of contacts mean nothing in another account: they would be taken for ids
    # there, and somebody else's contacts written over.
    anew: set[str] = set()
    for name, account in {**renamed_from, **moved_from}.items():
        if await _is_other(destination, account, databases, request):
            anew.add(name)
    if _points_elsewhere(found, request):
        anew.add(destination.name)
    is_anew = destination.name in anew
    return replace(
        found,
        moving=tuple(moved_from),
        starting_anew=tuple(sorted(anew)),
        is_anew=is_anew,
        looks_up=found.looks_up or is_anew,
    )


async def _compared(
    destination: DestinationConfig, databases: Databases, restored: Restored | None
) -> Recognised:
    """Return the destination beside what is remembered of it; refuses nothing."""
    identity = await identity_of(destination, databases)
    memory = await remembered(databases.state, destination.name)
    is_restored = restored is not None
    if memory is None:
        return Recognised(identity, restored=restored, resync=is_restored)
    # An older version kept the address as it was written in the file.
    before = memory.identity
    before = replace(before, base_url=normal_address(before.base_url))
    return Recognised(
        identity,
        before=before,
        looks_up=memory.looks_up,
        resync=memory.resync or is_restored,
        restored=restored,
        consent=memory.consent,
    )


async def _refuse_own_changes(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    found: Recognised,
) -> dict[str, str]:
    """Raise BrakeApplied for what changed of the destination and is not accepted.

    Returns the destination with its former account, if that had another name.
    """
    changes = found.changes
    refused = {
        name: pair for name, pair in changes.items() if not _is_accepted(name, request)
    }
    if not refused:
        if "account" not in changes:
            return {}
        former, _ = changes["account"]
        return {destination.name: str(former)}
    sentences: list[str] = []
    for name, (was, now) in refused.items():
        sentences += _changes_in_words(name, was, now)
    first, *_ = refused
    advice = await _advice(destination, databases, request, refused)
    raise BrakeApplied(
        first,
        f"{destination.name}: {'; '.join(sentences)} ({destination.file}). "
        "What is known of its contacts may be wrong there, so nothing was sent. "
        f"{advice}",
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


def refuse_unsure_undo(destination: DestinationConfig, recognised: Recognised) -> None:
    """Raise ConfigError where what is known of the contacts may be wrong.

    That is so after a restore, and in another account: what a run changed before says
    nothing about what is there now.
    """
    if not recognised.resync and not recognised.is_anew:
        return
    what = (
        "nothing can be taken back before a run has looked at all contacts there, "
        "since what is known of them may be out of date: run "
        f"`{RunRequest().command(destination.name)}` first"
    )
    raise ConfigError([Problem(destination.name, what)])


async def refuse_empty_state(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    recognised: Recognised,
) -> None:
    """Raise BrakeApplied where every contact would be created, and none looked up.

    A state that knows no contact is new, or it was lost: then all of them exist at the
    vendor already.
    """
    looks_first = destination.options.find_first or recognised.looks_up
    if looks_first or request.contacts or EMPTY_STATE in request.accept:
        return
    # `find_first` has no say at a vendor without a look-up, nor at one whose first write
    # may reach an existing contact silently: there new contacts are always looked up.
    if not may_duplicate(destination.vendor.capabilities):
        return
    if await known_contacts(databases.state, destination.name):
        return
    command = request.command(destination.name, EMPTY_STATE)
    raise BrakeApplied(
        EMPTY_STATE,
        f"{destination.name}: nothing was sent, because no contact is known there, and "
        f"with `find_first: false` ({destination.file}) all would be created without a "
        f"look-up. If the account holds none of these contacts, `{command}` lets that "
        "pass; if it may hold some, take find_first out of the file: then they are "
        "looked up and linked",
    )


def _is_accepted(name: str, request: RunRequest) -> bool:
    if name in request.accept:
        return True
    return name in _OF_ACCOUNT and SAME_ACCOUNT in request.accept


async def _advice(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    refused: Mapping[str, tuple[Json, Json]],
) -> str:
    """Return what to do about changes that were not accepted."""
    name = destination.name
    accepting = f"`{request.command(name, *refused)}`"
    if "vendor" in refused:
        return (
            f"{accepting} starts anew there: the ids and values that are known of its "
            "contacts are dropped, and everybody is looked up. To keep them, give the "
            "destination its old vendor back, and the new one a file of its own"
        )
    if not await _may_be_other_account(destination, databases, refused):
        return (
            "If this is still the same account and the same contacts, "
            f"{accepting} lets it pass; else give the destination a new name, so that "
            "it starts with an empty state"
        )
    others = [each for each in refused if each not in _OF_ACCOUNT]
    keeping = f"`{request.command(name, SAME_ACCOUNT, *others)}`"
    return (
        f"If it is another account now, {accepting} starts anew there: the ids and "
        "values that are known of its contacts are dropped, and everybody is looked "
        "up. If it is still the same account with the same contacts, "
        f"{keeping} keeps them"
    )


async def _may_be_other_account(
    destination: DestinationConfig,
    databases: Databases,
    refused: Mapping[str, tuple[Json, Json]],
) -> bool:
    if "base_url" in refused:
        return True
    if "account" not in refused:
        return False
    former, _ = refused["account"]
    return await is_other_account(databases.state, str(former), destination.credentials)


def _points_elsewhere(found: Recognised, request: RunRequest) -> bool:
    """Return whether the ids of a destination mean nothing where it points now."""
    if "vendor" in found.changes:
        return True
    return "base_url" in found.changes and SAME_ACCOUNT not in request.accept


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


async def _refuse_partial_move(
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
    account, name = destination.account, destination.name
    # All destinations that the files put into this account, itself among them.
    members = [each.name for each in config.destinations if each.account == account]
    elsewhere = await remembered_elsewhere(databases.state, account, members)
    if not elsewhere or _is_accepted("account", request):
        return elsewhere
    changes = [
        f"the account of {other} was {was} and is now {account}"
        for other, was in elsewhere.items()
    ]
    first, *_ = elsewhere
    raise BrakeApplied(
        "account",
        f"{name}: {'; '.join(changes)}. {name} is in account {account} too "
        f"({destination.file}) and might take over contacts of another there, so "
        "nothing was sent. If it is still the same account under another name, "
        f"`{RunRequest().command(first, 'account')}` lets that pass for all "
        "destinations in it; else give each of the two accounts its own name",
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
    named = [
        f"{owner} with {counted(number, 'contact', 'contacts')}"
        for owner, number in owners.items()
    ]
    old, *_ = owners
    name, file = destination.name, destination.file
    renaming = f"syncengine rename {as_argument(old)} {as_argument(name)}"
    undoing = f"mv {quoted(file)} {quoted(file.with_stem(old))}"
    accepting = request.command(name, NO_FILE)
    raise BrakeApplied(
        NO_FILE,
        f"{name}: account {destination.account} is known to have the destination "
        f"{', '.join(named)}, for which there is no file in {file.parent}, so nothing "
        "was sent. A file's name is the destination's identity: if "
        f"{name} is that destination under a new name, `{renaming}` moves what is "
        f"known of its contacts, or give the file its old name back (`{undoing}`). If the "
        "other one is gone for good, or has its file elsewhere, "
        f"`{accepting}` lets this pass: then its contacts are given to whoever selects "
        "them",
    )


async def brake_on_no_file(
    destination: DestinationConfig,
    others: Sequence[str],
    databases: Databases,
    contact_ids: Sequence[str],
    request: RunRequest,
) -> None:
    """Raise BrakeApplied when destinations without a file own contacts of the run.

    They would be rejected for good, since nobody is left to release them.
    """
    found = await in_the_way(databases.state, destination.name, others, contact_ids)
    if not found:
        return
    number = sum(found.values())
    belong = counted(
        number, "contact of this run belongs", "contacts of this run belong"
    )
    accepting = request.command(destination.name, NO_FILE)
    raise BrakeApplied(
        NO_FILE,
        f"{destination.name}: {belong} to {', '.join(found)} of the same account, for "
        f"which there is no file in {destination.file.parent}, so nothing was sent. "
        f"If the file is gone for good, `{accepting}` gives them to "
        f"{destination.name}; else put it back",
    )


def _changes_in_words(name: str, was: Json, now: Json) -> Iterator[str]:
    """Yield a sentence for each key that changed."""
    if not isinstance(was, dict) or not isinstance(now, dict):
        yield f"{name} was {was} and is now {now}"
        return
    for key in sorted({*was, *now}):
        if was.get(key) == now.get(key):
            continue
        former, present = was.get(key, "not set"), now.get(key, "not set")
        yield f"{name}.{key} was {former} and is now {present}"
