"""``syncengine check``."""

from __future__ import annotations

from syncengine.app.project import Project
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
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
    project = Project(options.load())
    report = run_engine(project.acheck())
    if json:
        for each in report.public():
            print_json_object(each)
    else:
        print_checks(report.checks)
    return exits.IN_STEP if report.ok else exits.NOTHING_SENT
