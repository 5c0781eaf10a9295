"""``syncengine export``."""

from __future__ import annotations

import re
from pathlib import Path

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.listing import print_pages
from syncengine.cli.options import (
    Destinations,
    FileOrStream,
    Flag,
    Format,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.consent import counted
from syncengine.cli.rendering.contact_rows import COLUMNS, VALUES
from syncengine.cli.rendering.layout import contacts, print_json, print_line
from syncengine.cli.terminal import err
from syncengine.errors import ConfigError, Problem
from syncengine.model.desk import CONTACT_NAMES
from syncengine.output_files import (
    OutputFile,
    OutputKind,
    is_stream,
    refuse_other_file,
    write_output,
)

CONTACTS = OutputKind(
    "an export of contacts",
    re.compile(
        rb"destination,contact,external_id,"
        rb"|\[\]\s*$"
        rb'|(\[\s*)?\{"destination":"[^"]*","contact":"'
    ),
)
CONSENT = OutputKind(
    "an export of suppressions and erasures",
    re.compile(rb'\{"file":"syncengine consent"'),
)
_FORM_BY_ENDING: dict[str, Format] = {
    "": "csv",
    ".csv": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""Form of a file by the end of its name."""


def export(
    *,
    consent: FileOrStream | None = None,
    destination: Destinations = (),
    show_values: Flag = False,
    out: FileOrStream | None = None,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """List all contacts with their vendor ids and states, or back up who said no.

    Parameters
    ----------
    consent
        Instead of contacts, write suppressions and erasures to this file, since no
        vendor can give them back; "-" is standard output. It holds salted hashes and
        their salt, no contacts, and only its owner may read it.
    destination
        Only this destination (the name of its file); may be repeated. Default: all.
    show_values
        With the fields and tags that the vendor is known to hold: personal data, which
        `forget` cannot erase from what is written here.
    out
        Write to this file, which only its owner may read, in the form that the end of
        its name says (.csv, .json, .jsonl); "-" is standard output.
    json
        Print one JSON array; with --consent, one object about the file (not with "-").
    """
    chosen = chosen_format(format_, json=json)
    if format_ == "table" and out is not None:
        what = "a file holds csv, json or jsonl; a table is for people"
        raise ConfigError([Problem("--out", what)])
    if consent is None:
        _export_contacts(destination, show_values=show_values, out=out, chosen=chosen)
        return exits.IN_STEP
    if destination or show_values or out is not None or format_ is not None:
        what = "backs up suppressions and erasures: leave out all options but --json"
        raise ConfigError([Problem("--consent", what)])
    _export_consent(consent, json=json)
    return exits.IN_STEP


def _export_contacts(
    destination: Destinations, *, show_values: bool, out: Path | None, chosen: Format
) -> None:
    """Print all contacts, or write them to a file."""
    columns = [*COLUMNS]
    names = [*CONTACT_NAMES]
    if show_values:
        columns += VALUES
        names += [column.name for column in VALUES]
    pages = app.export_contacts(options.load(), destination, with_values=show_values)
    if out is None or is_stream(out):
        print_pages(
            pages,
            chosen,
            columns,
            names,
            empty="No contact is known yet: nothing was sent.",
            public=lambda contact: contact.public(show_values=show_values),
        )
        return
    if chosen == "table":
        chosen = _form_of(out)
    with OutputFile(out, CONTACTS, owner_only=True) as file:
        number = print_pages(
            pages,
            chosen,
            columns,
            names,
            empty="",
            sink=lambda text: file.write(text.encode()),
            public=lambda contact: contact.public(show_values=show_values),
        )
        file.finish()
    message = f"{contacts(number)} exported to {out}"
    if show_values:
        message += ", with personal data: only you may read it"
    err.print(message, markup=False, soft_wrap=True)


def _form_of(path: Path) -> Format:
    """Return the form of a file by its ending. Raises ConfigError for an unknown one."""
    # That it is somebody else's file is the graver fault.
    refuse_other_file(path, CONTACTS)
    form = _FORM_BY_ENDING.get(path.suffix.lower())
    if form is None:
        what = (
            f'no form is known for names that end in "{path.suffix}": let the name end '
            "in .csv, .json or .jsonl, or give --format"
        )
        raise ConfigError([Problem("--out", what)])
    return form


def _export_consent(path: Path, *, json: bool) -> None:
    """Write the suppressions and erasures to a file, or to standard output."""
    refuse_other_file(path, CONSENT)
    content, report = run_engine(app.export_consent(options.load()))
    message = f"{counted(report)} exported to {path}"
    write_output(path, content, CONSENT, owner_only=True)
    if is_stream(path):
        # Standard output carries the file itself.
        err.print(message, markup=False, soft_wrap=True)
    elif json:
        print_json([report])
    else:
        print_line(message)
