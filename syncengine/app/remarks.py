"""Remarks on a run: worth knowing although nothing fell short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from syncengine.app.databases import Databases
from syncengine.app.earlier_leavers import of_earlier_leavers
from syncengine.app.reasons import reasons
from syncengine.app.run_request import RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.errors import SourceError
from syncengine.model.calls import ADVICE
from syncengine.model.contact_ids import (
    as_argument,
    contact_id_of,
    name_of,
    name_of_owner,
)
from syncengine.model.unsupported import in_words, subject_in_words
from syncengine.model.work import RunKind
from syncengine.planning.refusals import DEAD_AFTER, dropped_with
from syncengine.storage.source.rows import SourceRows
from syncengine.storage.source.spec import Source
from syncengine.storage.state.contact_counts import (
    dead_letters,
    gone,
    known_contacts,
    waiting,
)
from syncengine.storage.state.erasure import still_open
from syncengine.storage.state.refusals import (
    DroppedAlike,
    RefusedAlike,
    codes_of_dead_letters,
    dropped_alike,
    refused_alike,
)
from syncengine.storage.state.runs import NOTES, notes_left


async def remarks(
    destination: DestinationConfig,
    databases: Databases,
    request: RunRequest,
    source: Source,
    run_id: int,
    *,
    total: int | None,
    changed: int,
    left: int,
    unreached: int,
    withheld_by: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the remarks on a run.

    ``total`` is the number of its contacts, ``changed`` the number of those that were
    not in step, ``left`` the number that its limit left to the next run, ``unreached``
    the number not reached before it ended, ``withheld_by`` the brakes that stopped
    contacts whose probe was accepted. A total of None means that the run ended
    before that was known, or is to stop: the source is not asked then.
    """
    one_by_one = bool(request.contacts)
    unnamed = await notes_left(databases.state, run_id, one_by_one=one_by_one)
    number, some = await dead_letters(databases.state, destination.name)
    held, waiters = await waiting(databases.state, destination.name)
    explained: tuple[str, ...] = ()
    if request.contacts and total is not None:
        named = [contact_id_of(key) for key in request.contacts]
        explained = await _explained(destination, databases, source, run_id, named)
    retried: Iterator[str] | tuple[str, ...] = ()
    if request.retry_of is not None and total is not None:
        retried = _of_retry(request.retry_of, request.batch, total, changed)
    if request.dead and total == 0:
        codes = await codes_of_dead_letters(databases.state, destination.name)
        retried = _of_no_dead_letter(request.code, codes)
    unforgotten = await still_open(databases.state, destination.name)
    alike = await of_groups(destination, databases)
    is_retry = request.kind is RunKind.RETRY
    nobody = (
        total == 0
        and not is_retry
        and await _selects_nobody(destination, databases, source)
    )
    return (
        *(_of_no_row(destination) if nobody else ()),
        *_of_erasures(unforgotten),
        *_of_unnamed(run_id, unnamed),
        *_of_unreached(run_id, unreached),
        *retried,
        *explained,
        *_of_limit(request, left),
        *_of_brakes(destination.name, request, withheld_by),
        *alike,
        *_of_dead_letters(destination.name, number, some),
        *_of_waiting(held, waiters),
        *await of_gone(destination, databases),
        *await of_earlier_leavers(destination, databases, request),
    )


async def _explained(
    destination: DestinationConfig,
    databases: Databases,
    source: Source,
    run_id: int,
    contact_ids: Sequence[str],
) -> tuple[str, ...]:
    try:
        return await reasons(destination, databases, source, run_id, contact_ids)
    except SourceError:
        return ()  # the report tells of it


async def _selects_nobody(
    destination: DestinationConfig, databases: Databases, source: Source
) -> bool:
    """Return whether no contact is known and the source has no row.

    Where contacts are known, a brake judges an empty source.
    """
    if await known_contacts(databases.state, destination.name):
        return False
    try:
        return not await SourceRows(databases.source(destination), source).selects_any()
    except SourceError:
        return False  # the report tells of it


def _of_no_row(destination: DestinationConfig) -> Iterator[str]:
    yield (
        "the source selects no row, and nobody is known here: nothing was sent. Look at where, and at what its role "
        f"may see; `syncengine check` counts ({destination.place('source')})"
    )


def of_created_after_a_loss(
    destination: str, run_id: int, created: int
) -> Iterator[str]:
    """Yield that a re-sync created contacts: some of them may be there already.

    The vendor may have them under a former match key, and no look-up finds them then.
    """
    if created:
        were = "1 contact was" if created == 1 else f"{created} contacts were"
        yield (
            f"{were} created after a restore or loss of the state, found by no match key of theirs. Whoever has "
            f"another one at {destination} is there twice now: look at them first (syncengine.sync_outcome, where "
            f"run_id = {run_id} and 'create' = ANY (actions))"
        )


def _of_erasures(contact_ids: tuple[str, ...]) -> Iterator[str]:
    for contact_id in contact_ids:
        yield (
            f"contact {name_of(contact_id)} is to be forgotten, and is not yet: nothing is sent about it; "
            f"`syncengine forget {as_argument(contact_id)}` finishes that"
        )


def _of_unnamed(run_id: int, unnamed: int) -> Iterator[str]:
    if unnamed:
        yield (
            f"{unnamed} more contacts did not simply succeed: all {NOTES + unnamed} stand in the table "
            f"syncengine.sync_outcome, where run_id = {run_id} and outcome <> 'applied'"
        )


def _of_unreached(run_id: int, unreached: int) -> Iterator[str]:
    if unreached:
        had = "1 contact had" if unreached == 1 else f"{unreached} contacts had"
        yield (
            f"{had} no turn before the run ended: counted as deferred, without a row in syncengine.sync_outcome (the "
            f"ids stand in syncengine.sync_batch, where run_id = {run_id} and status = 'waiting'); "
            f"`syncengine retry {run_id}` and the next run take up whoever is not in step"
        )


def _of_retry(
    run_id: int, batch: int | None, total: int, changed: int
) -> Iterator[str]:
    former = f"run {run_id}" if batch is None else f"batch {batch} of run {run_id}"
    if not total:
        yield f"every contact of {former} made it: there is nothing to retry"
    elif not changed:
        who = (
            "the contact that fell short"
            if total == 1
            else f"the {total} contacts that fell short"
        )
        yield f"{who} in {former} {'is' if total == 1 else 'are'} in step by now, or left the source"


def _of_limit(request: RunRequest, left: int) -> Iterator[str]:
    if left:
        contacts = "1 more contact is" if left == 1 else f"{left} more contacts are"
        yield f"{contacts} not in step and left to the next run (--limit {request.limit})"


def _of_no_dead_letter(code: str | None, codes: Mapping[str, int]) -> Iterator[str]:
    if not codes:
        yield "there are no dead letters: there is nothing to try again"
    else:
        there = ", ".join(f"{number} with {each}" for each, number in codes.items())
        what = f'no dead letter has the code "{code}": there is nothing to try again'
        yield f"{what} (there are {there})"


def _of_brakes(
    destination: str,
    request: RunRequest,
    names: Sequence[str],
) -> Iterator[str]:
    if names:
        yield (
            "the vendor accepts what it refused of several contacts alike, and brake "
            f"{names[0]} stops them: they are left as they were; "
            f"`{request.command(destination, *names)}` lets them pass this once"
        )


async def of_groups(
    destination: DestinationConfig,
    databases: Databases,
) -> tuple[str, ...]:
    """Return a line for each group of contacts that fare alike at the vendor."""
    name = destination.name
    refused = await refused_alike(databases.state, name)
    dropped = await dropped_alike(databases.state, name)
    return *_of_alike(name, refused), *_of_dropped(dropped)


def _of_alike(destination: str, groups: Sequence[RefusedAlike]) -> Iterator[str]:
    """Yield a line for each group of contacts that the vendor refuses alike."""
    for group in groups:
        one = name_of(group.contact_id)
        who = f"{group.contacts} contacts are" if group.contacts > 1 else "1 contact is"
        among = f"contact {one} among them" if group.contacts > 1 else f"contact {one}"
        words = f": {group.message.partition(ADVICE)[0]}" if group.message else ""
        yield (
            f"{who} refused alike ({group.code}), {among}, which is held against none "
            f"of them{words}. That is configuration: look at what was removed, or is "
            "required since, at the vendor, and at the mapping of the destination. One "
            "of them is tried each night, and all once it is accepted; "
            f"`{retry_dead(destination, group.code)}` tries them now"
        )


def _of_dropped(groups: Sequence[DroppedAlike]) -> Iterator[str]:
    """Yield a line for each group of which the vendor did not take the same values."""
    for group in groups:
        one = f"contact {name_of(group.contact_id)}"
        dropped = dropped_with(group.fingerprint, group.unsupported)
        names = ", ".join(map(subject_in_words, dropped))
        missed = names or "what the vendor did not take"
        words = f": {in_words(dropped)}" if dropped else ""
        if group.contacts == 1:
            yield f"{one} is in step but for {missed}{words}. It is tried each night"
            continue
        yield (
            f"{group.contacts} contacts are in step but for {missed}, {one} among "
            f"them{words}. One of them is tried each night, and all once it is taken"
        )


def retry_dead(destination: str, code: str | None = None) -> str:
    """Return the command that tries dead letters again."""
    words = ["syncengine", "retry", "--dead", "-d", destination]
    words += ["--code", code] if code else []
    return " ".join(map(as_argument, words))


def _of_dead_letters(
    destination: str, dead: int, some: tuple[str, ...]
) -> Iterator[str]:
    if dead:
        more = f" and {dead - len(some)} more" if dead > len(some) else ""
        yield (
            f"{dead} dead letter{'s' if dead > 1 else ''}, refused {DEAD_AFTER} times and left alone until the row or "
            f"the mapping changes: {_named(some)}{more}; `syncengine run -d {destination} "
            f"--contact {as_argument(some[0])}` tries it again, "
            f"`{retry_dead(destination)}` all dead letters"
        )


def _of_waiting(number: int, some: tuple[tuple[str, str], ...]) -> Iterator[str]:
    if not number:
        return
    more = f" and {number - len(some)} more" if number > len(some) else ""
    whom = ", ".join(
        f"{name_of(contact_id)} (for {name_of_owner(owner)})"
        for contact_id, owner in some
    )
    yield (
        f"{number} waiting for the match key of another contact, and tried again once that one has let go of it: "
        f"contact{'s' if number > 1 else ''} {whom}{more}"
    )


async def of_gone(
    destination: DestinationConfig,
    databases: Databases,
) -> tuple[str, ...]:
    """Return a line on the contacts that are gone at the vendor, if there are any."""
    number, some = await gone(databases.state, destination.name)
    if not number:
        return ()
    more = f" and {number - len(some)} more" if number > len(some) else ""
    one = as_argument(some[0])
    command = f"syncengine run -d {destination.name} --contact {one}"
    told = (
        f"{number} gone: deleted or merged at the vendor by somebody else and left "
        f"alone: {_named(some)}{more}; `{command}` creates it again, "
        "on_gone: recreate all"
    )
    return (told,)


def _named(contact_ids: tuple[str, ...]) -> str:
    return f"contact{'s' if len(contact_ids) > 1 else ''} {', '.join(map(name_of, contact_ids))}"
