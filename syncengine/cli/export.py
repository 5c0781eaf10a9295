"""``syncengine export``."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import FileOrStream, Flag, options
from syncengine.cli.rendering.consent import counted
from syncengine.cli.rendering.layout import print_json, print_line
from syncengine.cli.terminal import err
from syncengine.errors import ConfigError, Problem


def export(*, consent: FileOrStream, json: Flag = False) -> int:
    """Back up suppressions and erasures to a file: no vendor can give them back.

    Parameters
    ----------
    consent
        The file to write; "-" is standard output. It holds salted hashes and their
        salt, no contacts, and only its owner may read it.
    json
        Print one JSON object about the file (not with "-").
    """
    content, report = run_engine(app.export_consent(options.load()))
    to_stdout = str(consent) == "-"
    try:
        if to_stdout:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            _write(consent, content)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise ConfigError([Problem(str(consent), what)]) from None
    message = f"{counted(report)} exported to {consent}"
    if to_stdout:
        # Standard output carries the file itself.
        err.print(message, markup=False, soft_wrap=True)
    elif json:
        print_json([report])
    else:
        print_line(message)
    return 0


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    if path.exists() and not path.is_file():
        # A device or a pipe must not be replaced by a file.
        path.write_bytes(content)
        return
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            # Without this a power cut could leave an empty file under the final name.
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink()
            raise
