"""Suppressions that name contacts by ids that the source does not use any more."""

from __future__ import annotations

from syncengine.app.databases import Databases
from syncengine.app.people_values import known_of
from syncengine.app.run_request import SUPPRESSIONS, RunRequest
from syncengine.config.destination import DestinationConfig
from syncengine.errors import BrakeApplied
from syncengine.storage.state.consent import (
    Stranded,
    learn_values,
    stranded,
    without_values,
)


async def refuse_stranded(
    destination: DestinationConfig, databases: Databases, request: RunRequest, why: str
) -> None:
    """Raise BrakeApplied where suppressions would hold nobody back under other ids.

    Those that have a phone or an address as well recognise the person under any id.
    """
    if SUPPRESSIONS in request.accept:
        return
    state = databases.state
    learnable = await known_of(state, await without_values(state))
    left = await stranded(state, tuple(learnable))
    if not left:
        return
    name = destination.name
    raise BrakeApplied(
        SUPPRESSIONS,
        f"{name}: {why} ({destination.file}), and {_counted(left)} known by a former id only: "
        "under another one nothing keeps a run from sending something about them. Nothing was "
        "sent. Suppress these people by their new ids, or by phone and e-mail address (`syncengine "
        "suppress --contacts FILE --phones FILE --emails FILE`); then "
        f"`{request.command(name, SUPPRESSIONS)}` lets it pass. Where somebody may be written to "
        "again, `syncengine suppress --lift --contact ID` takes the former id from the list",
    )


async def recognise_people(databases: Databases) -> None:
    """Store phones and addresses of people who are suppressed by their id alone.

    Versions before did not; from here on their contacts have other ids.
    """
    state = databases.state
    await learn_values(state, await known_of(state, await without_values(state)))


def _counted(left: Stranded) -> str:
    numbers = ((left.suppressed, "suppressed"), (left.forgotten, "forgotten"))
    told = [
        f"{number} {what} contact{'' if number == 1 else 's'}"
        for number, what in numbers
        if number
    ]
    return f"{' and '.join(told)} {'is' if left.suppressed + left.forgotten == 1 else 'are'}"
