"""``syncengine suppress``."""

from __future__ import annotations

import asyncio
import codecs
import re
import sys
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli.root import options
from syncengine.cli.tables import columns, print_json
from syncengine.cli.terminal import out
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.erasure import Suppressions

_File: TypeAlias = Annotated[Path, Parameter(allow_leading_hyphen=True)]
"""A file's path, or "-" for standard input."""
_LINE_END = re.compile("\r\n|\r|\n")
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Byte order marks, the longer ones first: one of them begins with a shorter one."""


def suppress(
    *,
    contact: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    contacts: _File | None = None,
    phones: _File | None = None,
    emails: _File | None = None,
    lift: Annotated[bool, Parameter(negative="")] = False,
    forgotten: Annotated[bool, Parameter(negative="")] = False,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Send nothing about somebody any more, anywhere; not even what a run under way has planned.

    Phones and addresses come from files (or standard input), since every user of the
    machine can read a command line. A line is read as the same value in a column would
    be; a file with a line that is not surely one number or one address is refused as a
    whole. Only salted hashes are kept. Without any option: the number of suppressions.

    Parameters
    ----------
    contact
        A contact id; may be repeated.
    contacts
        A file of contact ids, one a line; "-" is standard input.
    phones
        A file of phone numbers, one a line. One without a country code means a number of
        every region of the destinations.
    emails
        A file of e-mail addresses, one a line.
    lift
        Lift the suppressions instead: the next run considers these contacts again.
    forgotten
        With --lift: take erasures back, too: the next run creates the contacts that were
        forgotten again, where the source still has them.
    json
        One JSON object.
    """
    if forgotten and not lift:
        raise ConfigError(
            [
                Problem(
                    "--forgotten",
                    "goes with --lift only; `syncengine forget ID` erases a contact",
                )
            ]
        )
    config = options.load()
    listed = [_lines(contacts), _lines(phones), _lines(emails)]
    subjects = engine.named(
        contact, listed[1], listed[2], engine.regions(config), listed[0], config.broken
    )
    people = len(contact) + sum(
        bool(line.strip()) for lines in listed for line in lines
    )
    if not subjects and (lift or contacts or phones or emails):
        raise ConfigError(
            [
                Problem(
                    "suppress", "nobody is named: neither by --contact nor in the files"
                )
            ]
        )
    if not subjects:
        return _list(config, json=json)
    work = (
        engine.lift(config, subjects, forgotten=forgotten)
        if lift
        else engine.suppress(config, subjects)
    )
    report = asyncio.run(work)
    if json:
        print_json([report])
    else:
        unchanged = report.named - report.changed
        known = "not suppressed before" if lift else "suppressed already"
        rest = f" ({unchanged} {known})" if unchanged else ""
        out.print(f"{report.action}: {report.changed} of {report.named}{rest}")
        if reasons := _unlike(people, len(subjects), report.named):
            out.print(
                f"{people} lines and ids mean {report.named}, since {' and '.join(reasons)}."
            )
    return 0


def _unlike(people: int, read: int, named: int) -> list[str]:
    """Explain why fewer or more people are named than there are lines and ids."""
    reasons = ["some can be read in several ways"] if read > people else []
    return [*reasons, "some name whom others name"] if read > named else reasons


def _list(config: Config, *, json: bool) -> int:
    found = asyncio.run(engine.suppressions(config))
    if json:
        print_json(found)
        return 0
    if not found:
        out.print("Nobody is suppressed.")
        return 0
    table = columns("by", "why", "number", "latest")
    for each in found:
        table.add_row(each.kind, each.reason, str(each.number), _day(each))
    out.print(table)
    return 0


def _day(each: Suppressions) -> str:
    return f"{each.latest:%Y-%m-%d %H:%M} UTC"


def _lines(path: Path | None) -> tuple[str, ...]:
    """Return all lines, empty ones too.

    Raises ConfigError for a file that cannot be read.
    """
    if path is None:
        return ()
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        text = _decoded(raw)
    except OSError as error:
        raise ConfigError(
            [Problem(str(path), f"cannot be read: {error.strerror}")]
        ) from None
    except UnicodeError as error:
        why = f"cannot be read: {error}; save it as text in UTF-8"
        raise ConfigError([Problem(str(path), why)]) from None
    return tuple(_LINE_END.split(text.removeprefix("\ufeff")))


def _decoded(raw: bytes) -> str:
    """Return a file's text. Raises UnicodeError that says what the file is."""
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None and raw.count(0) * 4 >= len(raw) > 0:
        raise UnicodeError("it looks like UTF-16 without a byte order mark")
    try:
        return raw.decode(encoding or "utf-8")
    except UnicodeDecodeError:
        if encoding:
            raise UnicodeError(
                f"it begins as {encoding} and does not go on so"
            ) from None
        why = "it is neither UTF-8 nor UTF-16 with a byte order mark"
        raise UnicodeError(why) from None
