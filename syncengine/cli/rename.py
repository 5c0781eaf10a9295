"""``syncengine rename``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.root import options
from syncengine.cli.tables import print_json
from syncengine.cli.terminal import out


def rename(
    old: str, new: str, /, *, json: Annotated[bool, Parameter(negative="")] = False
) -> int:
    """Move everything the state has of a destination to its new name.

    Parameters
    ----------
    old
        Name that the destination had.
    new
        Name that its file has now.
    json
        One JSON object.
    """
    report = asyncio.run(engine.rename(options.load(), old, new))
    if json:
        print_json([report])
    else:
        number = (
            "1 contact" if report.contacts == 1 else f"{report.contacts:,} contacts"
        )
        told = f"{old} is {new} from now on, with {number}. Nothing was sent."
        out.print(told, markup=False, soft_wrap=True)
    return 0
