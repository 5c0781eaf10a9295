"""``syncengine merge``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli import exits
from syncengine.cli.root import options
from syncengine.cli.tables import print_json
from syncengine.cli.terminal import out
from syncengine.model.contact_ids import name_of
from syncengine.model.copies import MergeReport


def merge(
    into: str,
    other: str,
    /,
    *,
    destination: Annotated[str, Parameter(name=["--destination", "-d"])],
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Make one contact of two at a vendor that can. It cannot be undone.

    Parameters
    ----------
    into
        External id of the contact to merge into. A vendor may leave the other one.
    other
        External id of the contact to merge. It must not be the copy of a contact of
        yours.
    destination
        Where.
    json
        One JSON object.
    """
    report = asyncio.run(engine.merge(options.load(), destination, into, other))
    if json:
        print_json([report])
    else:
        out.print(_told(report, into, other), markup=False, soft_wrap=True)
    return exits.exit_code(report)


def _told(report: MergeReport, into: str, other: str) -> str:
    if report.status != "done":
        return f"{report.destination}: {report.status}: {report.error}"
    whose = (
        f"the copy of contact {name_of(report.contact_id)}; "
        f"`syncengine verify -d {report.destination}` tells what it holds now"
        if report.contact_id is not None
        else f"nobody's copy yet; `syncengine adopt -d {report.destination}` links it"
    )
    gone = " and ".join(each for each in (other, into) if each != report.left)
    were = "were" if report.left not in (into, other) else "was"
    return f"{report.destination}: {gone} {were} merged into {report.left}, which is {whose}."
