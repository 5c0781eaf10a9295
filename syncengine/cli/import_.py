"""``syncengine import``."""

from __future__ import annotations

import sys
from pathlib import Path

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import FileOrStream, Flag, options
from syncengine.cli.rendering.consent import print_imported
from syncengine.cli.rendering.layout import print_json
from syncengine.errors import ConfigError, Problem


def import_(*, consent: FileOrStream, json: Flag = False) -> int:
    """Add the suppressions and erasures of an exported file to the state.

    Parameters
    ----------
    consent
        A file that `syncengine export --consent FILE` wrote; "-" is standard input.
    json
        Print one JSON object.
    """
    config = options.load()
    try:
        content = _content(consent)
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise ConfigError([Problem(str(consent), what)]) from None
    report = run_engine(app.import_consent(config, str(consent), content))
    if json:
        print_json([report])
    else:
        print_imported(report)
    return 1 if report.forgotten_here else 0


def _content(file: Path) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read()
    return file.read_bytes()
