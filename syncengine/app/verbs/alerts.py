"""Alerts without a run: their states, a look at all destinations, a test message."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.alerting import AlertDesk, send_to
from syncengine.app.databases import open_databases
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.alerts import (
    AlertKind,
    AlertMessage,
    AlertState,
    AlertTest,
    UndeliveredAlerts,
)
from syncengine.storage.state.alerts import read_alerts


async def alerts(
    config: Config, names: Sequence[str]
) -> tuple[list[AlertState], list[UndeliveredAlerts]]:
    """Return the states of the named destinations, or of all, and what is undelivered.

    Only reads. Raises ConfigError, StorageError.
    """
    chosen = config.named(tuple(names))
    async with open_databases(config, ()) as databases:
        return await read_alerts(databases.state, chosen)


async def check_alerts(config: Config) -> list[str]:
    """Look at all destinations, and deliver what is due; return what went wrong.

    Finds runs that died, and destinations without a success for too long. Raises
    ConfigError, StorageError.
    """
    _refuse_without_targets(config)
    async with open_databases(config, ()) as databases:
        desk = AlertDesk(config, databases.state)
        await desk.look_at_all()
        return list(await desk.deliver())


async def try_alerts(config: Config) -> list[AlertTest]:
    """Send each target a message that says that it is a test. Raises ConfigError."""
    _refuse_without_targets(config)
    message = AlertMessage(
        destination="none",
        kind=AlertKind.RECOVERED,
        text="syncengine: this is a test of its alerts. Nothing happened.",
    )
    results: list[AlertTest] = []
    for name, target in config.engine.alerts.to.items():
        why = await send_to(target, message.public())
        results.append(AlertTest(name, why))
    return results


def _refuse_without_targets(config: Config) -> None:
    if not config.engine.alerts.to:
        what = (
            "names no target, so nobody is told anything: write "
            'to: {NAME: {webhook: "${VARIABLE}"}} there'
        )
        raise ConfigError([Problem(f"{config.file}: alerts", what)])
