"""``syncengine suppressions``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.listing import print_pages
from syncengine.cli.options import (
    FileOrStream,
    Flag,
    FormatOption,
    Names,
    chosen_format,
    options,
)
from syncengine.cli.rendering.consent_lists import ASKED, SUPPRESSIONS
from syncengine.cli.text_files import lines_of
from syncengine.errors import ConfigError, Problem
from syncengine.model.desk import ASKED_NAMES, SUPPRESSION_NAMES


def suppressions(
    *,
    contact: Names = (),
    contacts: FileOrStream | None = None,
    phones: FileOrStream | None = None,
    emails: FileOrStream | None = None,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """List the suppressions, newest first, or tell whether somebody is suppressed.

    Parameters
    ----------
    contact
        Tell whether the contact with this id is suppressed; may be repeated.
    contacts
        The same for a file of contact ids, one a line; "-" is standard input.
    phones
        The same for a file of phone numbers, one a line; "-" is standard input.
    emails
        The same for a file of e-mail addresses, one a line; "-" is standard input.
    json
        Print one JSON array.
    """
    chosen = chosen_format(format_, json=json)
    config = options.load()
    if not (contact or contacts or phones or emails):
        print_pages(
            app.all_suppressions(config),
            chosen,
            SUPPRESSIONS,
            SUPPRESSION_NAMES,
            empty="Nobody is suppressed.",
        )
        return exits.IN_STEP
    asked = app.asked_one_by_one(
        contact,
        lines_of(phones),
        lines_of(emails),
        app.regions(config),
        lines_of(contacts),
        config.broken,
    )
    if not asked:
        what = "nobody is named: the files are empty"
        raise ConfigError([Problem("suppressions", what)])
    print_pages(
        app.asked_suppressions(config, asked), chosen, ASKED, ASKED_NAMES, empty=""
    )
    return exits.IN_STEP
