"""Brakes of a run: stop it before its first request when its changes are drastic.

What is drastic is decided in ``planning.brakes``; here it is asked of the state, and
becomes a BrakeApplied with the command that lets the run pass.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from syncengine.app.databases import Databases
from syncengine.app.run_request import RunRequest
from syncengine.app.stranded import refuse_stranded
from syncengine.config.destination import DestinationConfig
from syncengine.engine.prepared import Prepared
from syncengine.errors import BrakeApplied
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
    brakes_of_undo,
    has_grown,
)
from syncengine.planning.survey import Survey
from syncengine.storage.state.contact_counts import contacts_with_value


def brake_on_scope(
    destination: DestinationConfig, scope: Scope, request: RunRequest
) -> None:
    """Raise BrakeApplied when what the diff found is drastic."""
    on_removed, limits = destination.options.on_removed, brake_limits_of(destination)
    brakes = brakes_of_diff(scope, on_removed, limits, request.accept)
    _apply(destination, brakes, request)


@dataclass(slots=True)
class Removed:
    """Numbers of contacts that left the source, counted one by one."""

    touched: int = 0
    """Contacts from which something would be taken away."""
    moved: int = 0
    """Contacts that another destination of the account selects now."""
    only_marked: int = 0
    """Contacts about which nothing would be sent."""

    def add(self, prepared: Prepared) -> None:
        """Count a batch of removals."""
        self.touched += len(prepared.jobs)
        self.moved += sum(job.wanted is not None for job in prepared.jobs)
        self.moved += sum(record.moved for record in prepared.records)
        self.only_marked += sum(
            record.removal and record.outcome is None for record in prepared.records
        )


async def judge_scope(
    destination: DestinationConfig,
    scope: Scope,
    request: RunRequest,
    count: Callable[[], Awaitable[Removed]],
) -> Scope:
    """Return the scope of a run, judged by the brakes.

    Raises BrakeApplied when what the diff found is drastic.

    Where so many contacts left that a brake would stop the run, those from which
    something would really be taken away are counted by ``count``. That loads every
    removed contact, so it is done only then.
    """
    on_removed, limits = destination.options.on_removed, brake_limits_of(destination)
    brakes = brakes_of_diff(scope, on_removed, limits, request.accept)
    too_many_left = any(brake.name in (REMOVALS, SHRUNK_SOURCE) for brake in brakes)
    if too_many_left and request.limit is None:
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
    limits = brake_limits_of(destination)
    had = await _holders(destination, databases, survey, limits)
    brakes = brakes_of_survey(survey, scope, had, limits, request.accept)
    _apply(destination, brakes, request)
    # Whoever accepted that is asked about suppressions that no longer name anybody.
    if are_replaced(survey, scope, limits):
        why = "most contacts have other ids now"
    elif are_rewritten(survey, scope, limits):
        why = "most ids are of other people now"
    else:
        return False
    await refuse_stranded(destination, databases, request, why)
    return True


async def brake_on_undo(
    destination: DestinationConfig,
    databases: Databases,
    survey: Survey,
    known: int,
    request: RunRequest,
) -> None:
    """Raise BrakeApplied when an undo would change its contacts drastically.

    ``known`` is the number of contacts that the vendor is known to hold.
    """
    limits = brake_limits_of(destination)
    had = await _holders(destination, databases, survey, limits)
    brakes = brakes_of_undo(survey, Scope(known=known), had, limits, request.accept)
    _apply(destination, brakes, request)


async def _holders(
    destination: DestinationConfig,
    databases: Databases,
    survey: Survey,
    limits: BrakeLimits,
) -> Mapping[str, int]:
    """Count the contacts that have a value, for fields that the brake may stop."""
    emptied = [
        name for name, number in survey.nulls.items() if number >= limits.nulls.at_least
    ]
    if not emptied:
        return {}
    return await contacts_with_value(databases.state, destination.name, emptied)


def compared_as_a_whole(
    destination: DestinationConfig, scope: Scope, request: RunRequest
) -> bool:
    """Return whether the next run may take the source's present size for granted.

    A retry did not count it. A limited run that leaves most of a surprising growth to
    the next one has not been asked about it either.
    """
    if request.retry_of is not None or request.removed:
        return False
    if request.limit is None:
        return True
    creates = brake_limits_of(destination).creates
    return not has_grown(scope, scope.source_rows, creates)


def brake_limits_of(destination: DestinationConfig) -> BrakeLimits:
    """Return the limits of a destination's brakes, as its file sets them."""
    brakes = destination.options.brakes
    limits: dict[str, BrakeLimit] = {}
    for name in type(brakes).model_fields:
        brake = getattr(brakes, name)
        limits[name] = BrakeLimit(brake.share, brake.at_least)
    return BrakeLimits(**limits)


def command_past(
    destination: DestinationConfig, request: RunRequest, *names: str
) -> str:
    """Return the clause that names the command that lets one run pass the brakes."""
    return f"`{request.command(destination.name, *names)}` lets it pass this once"


def _apply(
    destination: DestinationConfig, brakes: Sequence[Brake], request: RunRequest
) -> None:
    """Raise BrakeApplied for these brakes, if there are any."""
    if not brakes:
        return
    # One brake may stop several fields or tags: its name is accepted once.
    names = tuple(dict.fromkeys(brake.name for brake in brakes))
    sentences = [f"brake {brake.name}: {brake.message}." for brake in brakes]
    told = " ".join(sentences)
    passing = command_past(destination, request, *names)
    if names == (EMPTY_SOURCE,):
        where = destination.place("where")
        advice = (
            f"Nothing was sent. If it is meant to be empty, {passing}; else look at "
            f"the table and at {where}"
        )
    else:
        keys = ", ".join(f"brakes.{name}" for name in names)
        advice = (
            f"Nothing was sent. If that is meant, {passing} ({destination.place(keys)})"
        )
    raise BrakeApplied(names[0], f"{destination.name}: {told} {advice}")
