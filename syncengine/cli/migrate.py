"""``syncengine migrate``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.root import options
from syncengine.cli.terminal import out


def migrate(*, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Bring the state schema up to date.

    Parameters
    ----------
    json
        One JSON object.
    """
    applied = asyncio.run(engine.migrate(options.load()))
    if json:
        out.print(
            orjson.dumps({"applied": applied}).decode(), markup=False, soft_wrap=True
        )
        return 0
    for name in applied:
        out.print(f"applied {name}", markup=False)
    if not applied:
        out.print("the state schema is up to date")
    return 0
