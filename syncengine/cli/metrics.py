"""``syncengine metrics``."""

from __future__ import annotations

import re

# Not from app, which other verbs import: this brings templates and a server.
from syncengine.app.verbs import serve as desk
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import FileOrStream, options
from syncengine.output_files import OutputKind, refuse_other_file, write_output

METRICS = OutputKind("a file of metrics", re.compile(rb"# HELP syncengine_"))


def metrics(*, out: FileOrStream) -> int:
    """Write metrics for Prometheus to a file, for node_exporter's textfile collector.

    Parameters
    ----------
    out
        The file to write, such as /var/lib/node_exporter/syncengine.prom; it is
        replaced as a whole. "-" is standard output.
    """
    refuse_other_file(out, METRICS)
    content = run_engine(desk.metrics(options.load()))
    write_output(out, content, METRICS, owner_only=False)
    return exits.IN_STEP
