"""``syncengine metrics``."""

from __future__ import annotations

# Not from app, which other verbs import: this brings templates and a server.
from syncengine.app.verbs import serve as desk
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import FileOrStream, options
from syncengine.cli.output_files import write_output


def metrics(*, out: FileOrStream) -> int:
    """Write metrics for Prometheus to a file, for node_exporter's textfile collector.

    Parameters
    ----------
    out
        The file to write, such as /var/lib/node_exporter/syncengine.prom; it is
        replaced as a whole. "-" is standard output.
    """
    content = run_engine(desk.metrics(options.load()))
    write_output(out, content, owner_only=False)
    return exits.IN_STEP
