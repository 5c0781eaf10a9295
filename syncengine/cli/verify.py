"""``syncengine verify``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from syncengine.app.project import Project
from syncengine.cli.execution import execute
from syncengine.cli.options import AtLeastOne, Destinations, Flag, FormatOption, Names
from syncengine.cli.rendering.verified import print_verified
from syncengine.config.project import Config
from syncengine.model.copies import VerifyReport
from syncengine.model.reports import Progress


def verify(
    *,
    destination: Destinations = (),
    sample: AtLeastOne | None = None,
    contact: Names = (),
    repair: Flag = False,
    field: Names = (),
    recreate: Flag = False,
    accept: Names = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Read contacts back from the vendors; report where they differ from what was sent.

    Parameters
    ----------
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    sample
        Only this many contacts, drawn at random.
    contact
        Only the contact with this id (its value in the source's key column); may be
        repeated.
    repair
        Let the next run send again what differs. Opt-outs at the vendor stay, and
        contacts that were deleted there are not created again.
    field
        With --repair: only this field ("tags" for the tags); may be repeated.
    recreate
        With --repair: also create contacts again that were deleted at the vendor.
    accept
        With --repair: a brake, by the name that the refusal gives, to let pass this
        once. May be repeated.
    json
        Print one JSON object for each destination.
    """

    def work(
        config: Config, progress: Progress, stop: asyncio.Event
    ) -> Awaitable[Sequence[VerifyReport]]:
        return Project(config).averify(
            *destination,
            sample=sample,
            contacts=contact,
            repair=repair,
            fields=field,
            recreate=recreate,
            accept=accept,
            progress=progress,
            stop=stop,
        )

    return execute(work, print_verified, json=json, format_=format_)
