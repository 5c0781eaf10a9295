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
    # Whose phone or address the state knows is recognised from now on, once it is
    # stored (see ``recognise_people``).
    recognisable = await known_of(state, await without_values(state))
    left = await stranded(state, tuple(recognisable))
    if not left:
        return
    name = destination.name
    accepting = request.command(name, SUPPRESSIONS)
    raise BrakeApplied(
        SUPPRESSIONS,
        f"{name}: nothing was sent, because {why} ({destination.file}), and "
        f"{_counted(left)} known by a former id only. Under their new ids nothing "
        "would keep a run from sending something about them. Suppress these people by their "
        "new ids, or by phone and e-mail address (`syncengine suppress --contacts FILE "
        "--phones FILE --emails FILE`), then "
        f"`{accepting}` lets it pass. Where somebody may be written to again, "
        "`syncengine suppress --lift --contact ID` lifts the suppression of the former "
        "id",
    )


async def recognise_people(databases: Databases) -> None:
    """Store phones and addresses of people who are suppressed by their id alone.

    Versions before did not. From here on their contacts have other ids, under which
    only a phone or an address tells who they are.
    """
    state = databases.state
    await learn_values(state, await known_of(state, await without_values(state)))


def _counted(left: Stranded) -> str:
    """Return how many contacts are meant, with the verb: "1 forgotten contact is"."""
    parts: list[str] = []
    for number, what in (
        (left.suppressed, "suppressed"),
        (left.forgotten, "forgotten"),
    ):
        if number == 1:
            parts.append(f"1 {what} contact")
        elif number:
            parts.append(f"{number} {what} contacts")
    named = " and ".join(parts)
    is_one = left.suppressed + left.forgotten == 1
    return f"{named} is" if is_one else f"{named} are"
