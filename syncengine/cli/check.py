"""``syncengine check``."""

from __future__ import annotations

import asyncio

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.options import Flag, options
from syncengine.cli.rendering.checks import print_checks
from syncengine.cli.rendering.layout import print_json_object


def check(*, json: Flag = False) -> int:
    """Check configuration, database, source and keys; sends each vendor one request.

    Parameters
    ----------
    json
        Print one JSON object for each check.
    """
    checks = asyncio.run(app.check(options.load()))
    if json:
        for each in checks:
            print_json_object(
                {"area": each.area, "ok": each.ok, "message": each.message}
            )
    else:
        print_checks(checks)
    return exits.exit_code_of_checks(checks)
