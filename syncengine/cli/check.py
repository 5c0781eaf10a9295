"""``syncengine check``."""

from __future__ import annotations

from syncengine.app.project import Project
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.checks import print_checks
from syncengine.cli.rendering.rows import print_reports


def check(*, format_: FormatOption = None, json: Flag = False) -> int:
    """Check configuration, database, source and keys; sends each vendor one request.

    Parameters
    ----------
    json
        Print one JSON object for each check.
    """
    chosen = chosen_format(format_, json=json)
    project = Project(options.load())
    report = run_engine(project.acheck())
    print_reports(report.checks, chosen, print_checks)
    return exits.IN_STEP if report.ok else exits.NOTHING_SENT
