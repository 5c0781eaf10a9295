"""``syncengine check``."""

from __future__ import annotations

import asyncio
from typing import Annotated

import orjson
from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.root import options
from syncengine.cli.tables import print_checks
from syncengine.cli.terminal import out


def check(*, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Check configuration, database, source and credentials; sends one harmless request a vendor.

    Parameters
    ----------
    json
        One JSON object a check.
    """
    checks = asyncio.run(engine.check(options.load()))
    if json:
        for found in checks:
            line = orjson.dumps(
                {"area": found.area, "ok": found.ok, "message": found.message}
            ).decode()
            out.print(line, soft_wrap=True, markup=False)
    else:
        print_checks(checks)
    return 0 if all(found.ok for found in checks) else 2
