"""Comparison of a state with its marker, to notice that an old state was restored.

The state is a database, and databases are restored from backups. An old state does not
know what later runs have sent, and would send or create it again. So after each run a
*marker* is written to a file beside the configuration, outside the database: the newest
run of each destination, and how often suppressions changed. A state that lacks
something of its marker is an old one, and a person is asked before anything is sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from syncengine.model.markers import Marker, RunMark, StateIdentity


def missing_in_state(
    marker: Marker, state: StateIdentity, destination: str = ""
) -> str:
    """Return what the state lacks of what the marker has noted, in words for a message.

    Empty where it lacks nothing. A run of ``destination`` is named before those of
    others.
    """
    if state.restores > marker.restores:
        # The restore was accepted on another machine. This marker is from before that,
        # and says nothing any more.
        return ""
    if state.restores < marker.restores:
        return "an accepted restore"
    others = sorted(name for name in marker.runs if name != destination)
    own = [destination] if destination in marker.runs else []
    for name in [*own, *others]:
        run = marker.runs[name]
        if _lacks(run, state):
            return _named(name, run, state)
    if state.consents < marker.consents:
        number = marker.consents - state.consents
        changes = "change" if number == 1 else "changes"
        return f"{number} {changes} of the suppressions"
    return ""


def _named(destination: str, run: RunMark, state: StateIdentity) -> str:
    """Return the name of a run that is lacking, and what has its number instead."""
    name = f"run {run.run_id} of {destination}, which began {run.started_at[:16]} UTC"
    found = state.runs.get(run.run_id)
    if found is None:
        return name
    if found.started_at == run.started_at:
        return f"the end of {name}"
    other_start = found.started_at[:16]
    return (
        f"{name} (the run {run.run_id} that it has began {other_start} UTC, "
        "and is another one)"
    )


def _lacks(run: RunMark, state: StateIdentity) -> bool:
    """Return whether the state has not this run, or has it without its end.

    Another run may have got the same number after a restore: the start tells them
    apart.
    """
    found = state.runs.get(run.run_id)
    if found is None:
        # `prune` deletes old runs, but never the newest: so a run is only missing where
        # the state has no newer one.
        return state.newest_run <= run.run_id
    if found.started_at != run.started_at:
        return True
    return run.ended_at is not None and found.ended_at != run.ended_at


def marker_of_other_state(
    destination: str, address: str, own: Marker | None, others: Iterable[Marker]
) -> Marker | None:
    """Return the marker of another state that knew the destination at this address.

    None where this state knows it, too, or where no other one does.
    """
    if own is not None and own.addresses.get(destination) == address:
        return None
    for marker in others:
        if marker.addresses.get(destination) == address:
            return marker
    return None
