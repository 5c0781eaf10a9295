"""Markers beside the configuration, by which a restored or lost state is noticed.

Each state has a file of its own, named by the state's id; each machine that runs has
files of its own. They are kept as well as can be: where the folder cannot be written, a
restored state is not noticed from there.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from syncengine.app.databases import FOLDER, Databases, state_description
from syncengine.app.event_log import event_log
from syncengine.app.run_request import RESTORED, RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import BrakeApplied, StorageError
from syncengine.model.events import Event
from syncengine.model.markers import Marker
from syncengine.planning.markers import marker_of_other_state, missing_in_state
from syncengine.storage.state.restores import knows_nobody, newest_run, state_identity

_MARKER = TypeAdapter(Marker)
NEW_STATE = (
    "no contacts and no suppressions are known here; if there was a state before, "
    "`syncengine import --consent FILE` first brings back who must not be written to"
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
    markers = {marker.state_id: marker for marker in _read_all(config)}
    state = await state_identity(databases.state)
    own = markers.pop(state.state_id, None)
    if own is not None:
        state = await state_identity(
            databases.state, [run.run_id for run in own.runs.values()]
        )
        if lacking := missing_in_state(own, state, destination.name):
            _refuse_older(destination, config, request, lacking, own.state_id)
            return Restored(max(own.restores, state.restores), whole=True)
    other = marker_of_other_state(
        destination.name, address_of(destination), own, markers.values()
    )
    if other is not None:
        _refuse_other(destination, config, request, _file(config, other.state_id))
        return Restored(state.restores, whole=False)
    return None


def _refuse_older(
    destination: DestinationConfig,
    config: Config,
    request: RunRequest,
    lacking: str,
    state_id: str,
) -> None:
    if RESTORED in request.accept:
        return
    raise BrakeApplied(
        RESTORED,
        f"{destination.name}: {state_description(config)} is older than the last runs from here: it "
        f"lacks {lacking} (noted of state {state_id}, which all destinations share, by "
        f"{socket.gethostname()} in {_file(config, state_id)}). So it was restored, what it knows of "
        "the contacts may be out of date, suppressions may be missing, and nothing was sent. "
        f"{_advice(destination)}",
    )


def _refuse_other(
    destination: DestinationConfig, config: Config, request: RunRequest, file: Path
) -> None:
    if RESTORED in request.accept:
        return
    raise BrakeApplied(
        RESTORED,
        f"{destination.name}: {state_description(config)} is another state than the one that "
        f"{destination.name} was last run with from here ({file}). If that one is lost, its "
        f"suppressions are, too, and nothing was sent. {_advice(destination)}. Where it is "
        "not lost, configure its database again",
    )


def _advice(destination: DestinationConfig) -> str:
    return (
        "First `syncengine import --consent FILE` brings back the suppressions of the last "
        f"`export --consent`; then `{RunRequest().command(destination.name, RESTORED)}` compares every "
        "contact with what the vendor holds"
    )


async def note(
    destination: DestinationConfig,
    config: Config,
    databases: Databases,
    *,
    accepted: bool = False,
) -> None:
    """Note the newest run of a destination.

    Not where the state is older than its marker or took the place of another one, unless
    that was ``accepted``: what was noted has to refuse the next run as well. Does nothing
    where the file cannot be written, or the database is away.
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
    markers = {marker.state_id: marker for marker in _read_all(config)}
    noted = [
        mark.run_id for marker in markers.values() for mark in marker.runs.values()
    ]
    state = await state_identity(databases.state, noted)
    own = markers.pop(state.state_id, None)
    address = address_of(destination)
    if own is not None and missing_in_state(own, state):
        return
    if (
        marker_of_other_state(destination.name, address, own, markers.values())
        and not accepted
    ):
        return
    # Read again and written without a pause: other destinations note theirs meanwhile.
    marker = _read(_file(config, state.state_id))
    if marker is None or marker.restores < state.restores:
        marker = Marker(state.state_id, state.restores)
    before = marker.runs.get(destination.name)
    if run is not None and not (before and before.run_id > run.run_id):
        marker = replace(
            marker,
            runs={**marker.runs, destination.name: run},
            addresses={**marker.addresses, destination.name: address},
        )
    _write(config, replace(marker, consents=max(marker.consents, state.consents)))


async def advice_where_new(databases: Databases) -> str | None:
    """Return what to do first where the state is new; None where it is not.

    It may take the place of one that was lost together with its markers: then nothing
    else says so, and the suppressions are missing.
    """
    return NEW_STATE if await knows_nobody(databases.state) else None


async def warn_where_new(databases: Databases) -> None:
    """Write the advice of a new state to the log, before anything is sent."""
    if advice := await advice_where_new(databases):
        event_log()(Event.STATE_IS_NEW, advice=advice)


async def lacking_consents(config: Config, databases: Databases) -> int:
    """Return how many changes of the suppressions the state lacks by its marker."""
    state = await state_identity(databases.state)
    marker = _read(_file(config, state.state_id))
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
    marker = _read(_file(config, state.state_id)) or Marker(
        state.state_id, state.restores
    )
    if marker.restores == state.restores:
        _write(config, replace(marker, consents=state.consents + lacking))


def is_writable(config: Config) -> bool:
    """Return whether markers can be kept."""
    folder = _folder(config)
    there = folder if folder.exists() else folder.parent
    return os.access(there, os.W_OK | os.X_OK)


def address_of(destination: DestinationConfig) -> str:
    """Return the vendor, address and account that a destination's contacts are at."""
    return f"{destination.vendor.name} at {destination.base_url}, account {destination.account}"


def _folder(config: Config) -> Path:
    return config.file.parent / FOLDER


def _file(config: Config, state_id: str) -> Path:
    return _folder(config) / f"state-{state_id}.json"


def _read_all(config: Config) -> Iterator[Marker]:
    for file in sorted(_folder(config).glob("state-*.json")):
        if marker := _read(file):
            yield marker


def _read(file: Path) -> Marker | None:
    try:
        return _MARKER.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(config: Config, marker: Marker) -> None:
    """Write a marker whole or not at all."""
    file = _file(config, marker.state_id)
    content = orjson.dumps(
        marker, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    try:
        file.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=file.parent, prefix=f".{file.name}-", delete=False
        ) as fresh:
            fresh.write(content)
        Path(fresh.name).replace(file)
    except OSError:
        return
