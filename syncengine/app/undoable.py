"""The run that an undo takes back: whether it can be taken back, and where."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.databases import Databases
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.undo import UndoScope
from syncengine.model.work import RunKind
from syncengine.storage.state.runs import FormerRun, run_to_undo
from syncengine.storage.state.taken_back import (
    is_under_way,
    kept_changes,
    names_changed,
)

_CHANGES_NOTHING = {
    RunKind.VERIFY: "only compared contacts with the vendor's",
    RunKind.ADOPT: "only linked contacts to those at the vendor",
}
"""Kinds of runs that change nothing at the vendor, with what they did."""


async def destination_to_undo(
    config: Config, databases: Databases, scope: UndoScope, names: Sequence[str]
) -> tuple[DestinationConfig, ...]:
    """Return the destination of the run to take back.

    ``names`` are those that somebody asked for; none: whichever it was. Raises
    ConfigError where the run cannot be taken back, StorageError.
    """
    run_id = scope.run_id
    former = await run_to_undo(databases.state, run_id)
    why = _problem_with(config, former, names)
    if why is None:
        why = await _problem_with_changes(databases, run_id)
    if why is None:
        why = await _problem_with_fields(databases, scope)
    if why is not None:
        raise ConfigError([Problem(f"undo {run_id}", why)])
    return config.chosen((former.destination,))


def _problem_with(
    config: Config, former: FormerRun, names: Sequence[str]
) -> str | None:
    """Return why a run cannot be taken back here, by what it was."""
    destination = former.destination
    if names and destination not in names:
        return f'that run was for destination "{destination}": leave out -d, or name it'
    if former.kind == RunKind.FORGET:
        return "that run erased a contact, which nobody can take back"
    if former.kind in _CHANGES_NOTHING:
        did = _CHANGES_NOTHING[RunKind(former.kind)]
        return f"that run {did}: there is nothing to take back"
    configured = [*(each.name for each in config.destinations), *config.broken]
    if destination not in configured:
        return (
            f'that run was for destination "{destination}", which has no file here '
            "now: put it back for the undo"
        )
    return None


async def _problem_with_changes(databases: Databases, run_id: int) -> str | None:
    """Return why there is nothing to take back of a run; None where there is."""
    if await is_under_way(databases.state, run_id):
        return "that run is under way: stop it, or let it come to its end, and undo it then"
    changes = await kept_changes(databases.state, run_id)
    # What has no outcome yet is named, contact by contact, in the undo itself.
    if changes.is_kept or changes.is_unsettled:
        return None
    if changes.owners:
        runs = " and ".join(f"`syncengine undo {owner}`" for owner in changes.owners)
        return (
            "what that run sent had been sent before, and its answer had been lost: "
            f"the changes belong to the earlier run, and {runs} takes them back"
        )
    if changes.did_something:
        return (
            "what that run changed is not kept (any more): `keep_changes` in the "
            "configuration says for how long it is"
        )
    return "that run changed nothing at the vendor"


async def _problem_with_fields(databases: Databases, scope: UndoScope) -> str | None:
    """Return why a field that somebody named cannot be taken back; None: all can."""
    if not scope.fields:
        return None
    changed = await names_changed(databases.state, scope.run_id)
    unknown = sorted(scope.fields - set(changed))
    # Where nothing has an outcome yet, nobody can tell what was changed.
    if not unknown or not changed:
        return None
    return (
        f"that run did not change {', '.join(unknown)}; --field takes what it changed "
        f"at the vendor: {', '.join(changed)}"
    )
