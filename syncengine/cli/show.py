"""``syncengine show``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli import exits
from syncengine.cli.root import options
from syncengine.cli.tables import print_json
from syncengine.cli.tables_of_one import print_shown


def show(
    contact: str,
    /,
    *,
    destination: Annotated[
        tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")
    ] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Show what the source asks for one contact, what is known of its copies, and what each vendor holds.

    Prints personal data.

    Parameters
    ----------
    contact
        Its id: the value of the source's key.
    destination
        Only this one; may be repeated.
    json
        One JSON object a destination.
    """
    reports = asyncio.run(engine.show(options.load(), destination, contact))
    if json:
        print_json(reports)
    else:
        print_shown(reports)
    return exits.worst(map(exits.exit_code, reports))
