"""Check everything a run relies on: configuration, database, sources, credentials."""

from __future__ import annotations

from syncengine.app.accounts import paced_as
from syncengine.app.databases import Databases, look_at, opened
from syncengine.config import Config, DestinationConfig
from syncengine.engine.exchange import Meter, drive
from syncengine.engine.pacing import Pacing
from syncengine.errors import SyncEngineError
from syncengine.model.reports import Check
from syncengine.transport import Transport


async def check(config: Config) -> list[Check]:
    """Every check, good or bad. The configuration itself was checked when it was read."""
    checks = [Check("configuration", True, f"{config.file}, {len(config.destinations)} destinations")]
    try:
        async with opened(config, config.destinations) as databases:
            checks.append(Check("database", True, "reachable, schema up to date"))
            for destination in config.destinations:
                checks.append(await _source(destination, databases))
                checks.append(await _credentials(destination))
    except SyncEngineError as error:
        checks.append(Check("database", False, str(error)))
    return checks


async def _source(destination: DestinationConfig, databases: Databases) -> Check:
    area = f"{destination.name}: source"
    try:
        source = await look_at(destination, databases.source(destination))
    except SyncEngineError as error:
        return Check(area, False, str(error))
    return Check(area, True, f"{source.spec.label} by {source.spec.key} ({source.key_type})")


async def _credentials(destination: DestinationConfig) -> Check:
    area = f"{destination.name}: credentials"
    settles_within = destination.vendor.capabilities.settles_within
    pacing = Pacing(destination.limits, in_flight=1, settles_within=settles_within)
    try:
        async with (
            pacing,
            Transport(destination.base_url, pacing, timeout=destination.options.timeout) as transport,
        ):
            asked = await drive(destination.vendor.probe(), transport, Meter())
    except SyncEngineError as error:
        setting = getattr(error, "setting", None)
        return Check(area, False, f"{error}" + (f" ({destination.place(setting)})" if setting else ""))
    paced = f"paced to {paced_as(destination.limits)}"
    if not asked:
        return Check(area, True, f"not asked: {destination.vendor.name} has no harmless request to ask with; {paced}")
    return Check(area, True, f"accepted; {paced}")
