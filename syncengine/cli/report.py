"""``syncengine report``."""

from __future__ import annotations

import re

# Not from app, which other verbs import: this brings templates and a server.
from syncengine.app.verbs import report as desk
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import AtLeastOne, FileOrStream, Flag, options
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.terminal import err
from syncengine.output_files import (
    OutputKind,
    is_stream,
    refuse_other_file,
    write_output,
)

REPORT = OutputKind(
    "a report",
    re.compile(rb'\s*<!DOCTYPE html>.{,200}content="syncengine report"', re.DOTALL),
)


def report(run: AtLeastOne, /, *, out: FileOrStream, show_values: Flag = False) -> int:
    """Write the report of a run as one HTML page, to read, forward and print.

    Parameters
    ----------
    run
        The number of the run.
    out
        The file to write; "-" is standard output. It needs nothing beside itself.
    show_values
        Show old and new values of contacts. They are personal data: only the file's
        owner may read it.
    """
    refuse_other_file(out, REPORT)
    page = run_engine(desk.report(options.load(), run, with_values=show_values))
    content = page.encode()
    write_output(out, content, REPORT, owner_only=show_values)
    message = f"Report of run {run} written to {out} ({len(content) / 1000:.0f} kB)"
    if show_values:
        message += "; it holds personal data, and only its owner may read it"
    if is_stream(out):
        # Standard output carries the page itself.
        err.print(message, markup=False, soft_wrap=True)
    else:
        print_line(message)
    return exits.IN_STEP
