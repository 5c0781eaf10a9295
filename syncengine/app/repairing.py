"""The repair that follows a comparison, and the brakes that may stop it.

To repair a contact is to note what the vendor really has: the next run compares that
with the row, and sends the difference (``engine.repair``).
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.brakes import brake_limits_of
from syncengine.app.session import Session
from syncengine.app.verify_request import VerifyRequest
from syncengine.config.destination import DestinationConfig
from syncengine.engine.repair import Repair
from syncengine.errors import BrakeApplied
from syncengine.model.reports import RunStatus
from syncengine.planning.brakes import Brake, brakes_of_repair
from syncengine.planning.repair import NotRepaired


def repair_of(destination: DestinationConfig, request: VerifyRequest) -> Repair | None:
    """Return what gathers the contacts to repair; None where none is asked for."""
    if not request.repair:
        return None
    return Repair(destination.vendor.capabilities, request.repairs)


async def carry_out(
    repair: Repair, s: Session, request: VerifyRequest, compared: int
) -> None:
    """Carry the repair out, unless a brake stops it."""
    if s.ending.status not in (RunStatus.DONE, RunStatus.INCOMPLETE):
        # The brakes judge shares of everything that was to be compared.
        repair.give_up(NotRepaired.UNFINISHED)
        return
    repair.scope.compared = compared
    destination = s.destination
    brakes: Sequence[Brake] = ()
    if not request.contacts:
        allowed = brake_limits_of(destination)
        brakes = brakes_of_repair(repair.scope, allowed, request.accept)
    if not brakes:
        await repair.carry_out(s.contacts)
        return
    repair.give_up(NotRepaired.BRAKE)
    names = tuple(dict.fromkeys(brake.name for brake in brakes))
    messages = " ".join(f"brake {brake.name}: {brake.message}." for brake in brakes)
    keys = ", ".join(f"brakes.{name}" for name in names)
    s.ending.status = RunStatus.REFUSED
    s.ending.error = (
        f"{destination.name}: {messages} Nothing is repaired. If that is meant, "
        f"`{request.command(destination.name, *names)}` lets it pass this once "
        f"({destination.place(keys)})"
    )
    s.ending.cause = BrakeApplied(names[0], s.ending.error)
