"""``syncengine history``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.listing import print_pages
from syncengine.cli.options import (
    ContactId,
    Destinations,
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.contact_history import COLUMNS, VALUES
from syncengine.model.contact_ids import name_of
from syncengine.model.desk import EVENT_NAMES


def history(
    contact: ContactId,
    /,
    *,
    destination: Destinations = (),
    show_values: Flag = False,
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """List every run that touched one contact, and what each changed, newest first.

    Parameters
    ----------
    contact
        Its id: its value in the source's key column.
    destination
        Only this destination (the name of its file); may be repeated. Default: all,
        also destinations that have no file any more.
    show_values
        Print the old and new values of fields too, which are personal data.
    json
        Print one JSON array.
    """
    names = [*EVENT_NAMES]
    if show_values:
        names.append(VALUES)
    print_pages(
        app.history(options.load(), destination, contact),
        chosen_format(format_, json=json),
        COLUMNS,
        names,
        empty=f"No run that is kept touched contact {name_of(contact)}.",
        public=lambda event: event.public(show_values=show_values),
    )
    return exits.IN_STEP
