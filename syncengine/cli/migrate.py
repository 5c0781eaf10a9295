"""``syncengine migrate``."""

from __future__ import annotations

import asyncio

from syncengine import app as engine
from syncengine.cli.root import app, options
from syncengine.cli.terminal import out


@app.command
def migrate() -> int:
    """Bring the state schema up to date."""
    applied = asyncio.run(engine.migrate(options.load()))
    for name in applied:
        out.print(f"applied {name}", markup=False)
    if not applied:
        out.print("the state schema is up to date")
    return 0
