"""Markers, by which a restored or lost state is noticed.

After each run its number and its times are noted in a file outside the database (see
``marker_files``). A state that lacks a noted run is older than it was: a backup was
restored. They are kept as well as can be: where the folder cannot be written, a
restored state is not noticed from there.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass, replace

from syncengine.app.databases import Databases, state_description
from syncengine.app.event_log import event_log
from syncengine.app.marker_files import (
    marker_file,
    read_marker,
    read_markers,
    write_marker,
)
from syncengine.app.run_request import RESTORED, RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import BrakeApplied, StorageError
from syncengine.model.events import Event
from syncengine.model.markers import Marker, RunMark, StateIdentity
from syncengine.planning.markers import marker_of_other_state, missing_in_state
from syncengine.storage.state.restores import knows_nobody, newest_run, state_identity

NEW_STATE = (
    "this state knows no contacts and no suppressions yet. "
    "If there was a state before, bring its suppressions back first: "
    "`syncengine import --consent FILE`"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored or lost state that was accepted."""

    restores: int
    """Number of restores accepted before."""
    whole: bool
    """True where it concerns every destination of the state, not just this one."""


async def refuse_restored(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    request: RunRequest,
) -> Restored | None:
    """Raise BrakeApplied where the state is older than its marker, or another one.

    Returns what is to be noted once it is accepted; None where nothing is wrong.
    """
    if not config.keeps_markers:
        return None
    markers = read_markers(config)
    state = await state_identity(databases.state)
    own = markers.pop(state.state_id, None)
    if own is not None:
        # Asked again, now that it is known which runs to look for.
        noted = [run.run_id for run in own.runs.values()]
        state = await state_identity(databases.state, noted)
        missing = missing_in_state(own, state, destination.name)
        if missing:
            if RESTORED not in request.accept:
                raise _older(destination, config, missing, own.state_id)
            return Restored(max(own.restores, state.restores), whole=True)
    address = address_of(destination)
    other = marker_of_other_state(destination.name, address, own, markers.values())
    if other is None:
        return None
    if RESTORED not in request.accept:
        raise _another_state(destination, config, other.state_id)
    return Restored(state.restores, whole=False)


def _older(
    destination: DestinationConfig, config: Config, missing: str, state_id: str
) -> BrakeApplied:
    file = marker_file(config, state_id)
    return BrakeApplied(
        RESTORED,
        f"{destination.name}: {state_description(config)} is older than the last runs "
        f"from here: it lacks {missing} (noted of state {state_id}, which all "
        f"destinations share, by {socket.gethostname()} in {file}). It was restored, "
        "then: what it knows of the contacts may be out of date, suppressions may be "
        f"missing, and nothing was sent. {_advice(destination)}",
    )


def _another_state(
    destination: DestinationConfig, config: Config, state_id: str
) -> BrakeApplied:
    name = destination.name
    return BrakeApplied(
        RESTORED,
        f"{name}: {state_description(config)} is another state than the one that "
        f"{name} was last run with from here ({marker_file(config, state_id)}), so "
        "nothing was sent. If that one is lost, its suppressions are lost with it. "
        f"{_advice(destination)}. Where it is not lost, configure its database again",
    )


def _advice(destination: DestinationConfig) -> str:
    accepting = RunRequest().command(destination.name, RESTORED)
    return (
        "First `syncengine import --consent FILE` brings back the suppressions of the "
        f"last `export --consent`; then `{accepting}` compares every contact with what "
        "the vendor holds"
    )


async def note(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    *,
    accepted: bool = False,
) -> None:
    """Note the newest run of a destination.

    Not where the state is older than its marker or took the place of another one,
    unless that was ``accepted``: what was noted has to refuse the next run as well.
    Does nothing where the file cannot be written, or the database is away.
    """
    if config.keeps_markers:
        with suppress(StorageError):
            await _note(destination, config, databases, accepted=accepted)


async def _note(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    *,
    accepted: bool,
) -> None:
    run = await newest_run(databases.state, destination.name)
    markers = read_markers(config)
    noted: list[int] = []
    for each in markers.values():
        noted += [mark.run_id for mark in each.runs.values()]
    state = await state_identity(databases.state, noted)
    own = markers.pop(state.state_id, None)
    if own is not None and missing_in_state(own, state):
        return
    address = address_of(destination)
    other = marker_of_other_state(destination.name, address, own, markers.values())
    if other is not None and not accepted:
        return
    # Read again and written without an await in between: other destinations of this
    # process note theirs meanwhile, and what they noted must not be overwritten.
    marker = _present(read_marker(config, state.state_id), state)
    if run is not None:
        marker = _with_run(marker, destination.name, run, address)
    consents = max(marker.consents, state.consents)
    write_marker(config, replace(marker, consents=consents))


def _present(marker: Marker | None, state: StateIdentity) -> Marker:
    """Return the marker to continue: an empty one after an accepted restore."""
    if marker is None or marker.restores < state.restores:
        return Marker(state.state_id, state.restores)
    return marker


def _with_run(marker: Marker, name: str, run: RunMark, address: str) -> Marker:
    """Return the marker with a destination's newest run.

    Unless a newer one is noted already.
    """
    before = marker.runs.get(name)
    if before is not None and before.run_id > run.run_id:
        return marker
    return replace(
        marker,
        runs={**marker.runs, name: run},
        addresses={**marker.addresses, name: address},
    )


async def advice_where_new(databases: Databases) -> str | None:
    """Return what to do first where the state is new; None where it is not.

    It may take the place of one that was lost together with its markers: then nothing
    else says so, and the suppressions are missing.
    """
    return NEW_STATE if await knows_nobody(databases.state) else None


async def warn_where_new(databases: Databases) -> None:
    """Write the advice of a new state to the log, before anything is sent."""
    advice = await advice_where_new(databases)
    if advice is not None:
        event_log()(Event.STATE_IS_NEW, advice=advice)


async def lacking_consents(config: Config, databases: Databases) -> int:
    """Return how many changes of the suppressions the state lacks by its marker."""
    state = await state_identity(databases.state)
    marker = read_marker(config, state.state_id)
    if marker is None or marker.restores != state.restores:
        return 0
    return max(0, marker.consents - state.consents)


async def note_consents(config: Config, databases: Databases, lacking: int) -> None:
    """Note that the suppressions have changed.

    What the state lacked before, it still lacks.
    """
    if not config.keeps_markers:
        return
    state = await state_identity(databases.state)
    marker = read_marker(config, state.state_id)
    if marker is None:
        marker = Marker(state.state_id, state.restores)
    # A marker from before or after another restore counts other changes.
    if marker.restores == state.restores:
        write_marker(config, replace(marker, consents=state.consents + lacking))


def address_of(destination: DestinationConfig) -> str:
    """Return the vendor, address and account that a destination's contacts are at."""
    vendor, url = destination.vendor.name, destination.base_url
    return f"{vendor} at {url}, account {destination.account}"
