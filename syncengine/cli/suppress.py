"""``syncengine suppress``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    FileOrStream,
    Flag,
    Format,
    FormatOption,
    Names,
    chosen_format,
    options,
)
from syncengine.cli.rendering.rows import print_reports
from syncengine.cli.rendering.suppressed import print_suppressed, print_suppressions
from syncengine.cli.text_files import lines_of
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem


def suppress(
    *,
    contact: Names = (),
    contacts: FileOrStream | None = None,
    phones: FileOrStream | None = None,
    emails: FileOrStream | None = None,
    lift: Flag = False,
    forgotten: Flag = False,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Send nothing about somebody any more, to any vendor, from this moment on.

    Parameters
    ----------
    contact
        The contact with this id (its value in the source's key column); may be
        repeated.
    contacts
        A file of contact ids, one a line; "-" is standard input.
    phones
        A file of phone numbers, one a line; "-" is standard input. A number without a
        country code is suppressed for every region that a destination names.
    emails
        A file of e-mail addresses, one a line; "-" is standard input.
    lift
        Lift these suppressions instead: the next run considers the contacts again.
    forgotten
        With --lift: take erasures (`syncengine forget`) back, too. The next run creates
        these contacts again, where the source still has them.
    json
        Print one JSON object.
    """
    chosen = chosen_format(format_, json=json)
    if forgotten and not lift:
        what = "goes with --lift only; `syncengine forget ID` erases a contact"
        raise ConfigError([Problem("--forgotten", what)])
    config = options.load()
    contact_lines = lines_of(contacts)
    phone_lines = lines_of(phones)
    email_lines = lines_of(emails)
    subjects = app.named(
        contact,
        phone_lines,
        email_lines,
        app.regions(config),
        contact_lines,
        config.broken,
    )
    if not subjects:
        if lift or contacts or phones or emails:
            what = "nobody is named: neither by --contact nor in the files"
            raise ConfigError([Problem("suppress", what)])
        return _list(config, chosen)

    if lift:
        report = run_engine(app.lift(config, subjects, forgotten=forgotten))
    else:
        report = run_engine(app.suppress(config, subjects))
    all_lines = (*contact_lines, *phone_lines, *email_lines)
    given = len(contact) + sum(bool(line.strip()) for line in all_lines)
    print_reports(
        [report],
        chosen,
        lambda reports: print_suppressed(reports[0], given=given, read=len(subjects)),
    )
    return 0


def _list(config: Config, chosen: Format) -> int:
    """Print the numbers of suppressions."""
    found = run_engine(app.suppressions(config))
    print_reports(found, chosen, print_suppressions)
    return 0
