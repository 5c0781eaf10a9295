"""``syncengine export`` and ``syncengine import``."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.root import options
from syncengine.cli.tables import print_json
from syncengine.cli.terminal import err, out
from syncengine.errors import ConfigError, Problem
from syncengine.model.consent_file import ConsentReport
from syncengine.model.contact_ids import as_argument

_File: TypeAlias = Annotated[Path, Parameter(allow_leading_hyphen=True)]
"""A file's path, or "-" for standard input or output."""
_NAMED = 20


def export(
    *, consent: _File, json: Annotated[bool, Parameter(negative="")] = False
) -> int:
    """Write suppressions and tombstones into a file: no vendor can give them back.

    It holds salted hashes and the salt, no contacts; only its owner may read it.

    Parameters
    ----------
    consent
        The file; "-" is standard output.
    json
        One JSON object about the file (not with "-").
    """
    content, report = asyncio.run(engine.export_consent(options.load()))
    try:
        if str(consent) == "-":
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            _write(consent, content)
    except OSError as error:
        raise ConfigError(
            [Problem(str(consent), f"cannot be written: {error.strerror}")]
        ) from None
    told = f"{_counted(report)} exported to {consent}"
    if str(consent) == "-":
        err.print(told, markup=False, soft_wrap=True)
    elif json:
        print_json([report])
    else:
        out.print(told, markup=False, soft_wrap=True)
    return 0


def import_(
    *, consent: _File, json: Annotated[bool, Parameter(negative="")] = False
) -> int:
    """Merge suppressions and tombstones from a file into the state; none is lifted.

    Parameters
    ----------
    consent
        A file of ``export --consent``; "-" is standard input.
    json
        One JSON object.
    """
    config = options.load()
    try:
        content = (
            sys.stdin.buffer.read() if str(consent) == "-" else consent.read_bytes()
        )
    except OSError as error:
        raise ConfigError(
            [Problem(str(consent), f"cannot be read: {error.strerror}")]
        ) from None
    report = asyncio.run(engine.import_consent(config, str(consent), content))
    if json:
        print_json([report])
    else:
        out.print(
            f"{_counted(report)} read, {report.new} of them new here", soft_wrap=True
        )
        _tell_forgotten(report)
    return int(bool(report.forgotten_here))


def _counted(report: ConsentReport) -> str:
    suppressions = (
        f"{report.suppressions} suppression{'s' if report.suppressions != 1 else ''}"
    )
    return f"{suppressions} and {report.erasures} erasure{'s' if report.erasures != 1 else ''}"


def _tell_forgotten(report: ConsentReport) -> None:
    """Name the contacts of which a restore brought data back."""
    here = report.forgotten_here
    if not here:
        return
    out.print(
        f"{len(here)} forgotten contact{'s have' if len(here) != 1 else ' has'} data here again. "
        "Nothing is sent about them. Erase them again, once "
        "`syncengine run --accept restored` has accepted the restore:",
        soft_wrap=True,
    )
    for contact_id in here[:_NAMED]:
        command = f"  syncengine forget {as_argument(contact_id)}"
        out.print(command, markup=False, soft_wrap=True)
    if len(here) > _NAMED:
        out.print(
            f"  and {len(here) - _NAMED} more: `import --consent` with --json names them"
        )


def _write(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, readable by its owner only."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)  # a device or a pipe keeps its place
        return
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except OSError:
            Path(file.name).unlink()
            raise
