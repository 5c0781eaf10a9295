"""``syncengine forget``."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import (
    Destinations,
    Flag,
    FormatOption,
    chosen_format,
    options,
)
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.rendering.rows import print_reports
from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import name_of
from syncengine.model.erasure import Receipt


def forget(
    contact: str,
    /,
    *,
    confirmed: Flag = False,
    destination: Destinations = (),
    format_: FormatOption = None,
    json: Flag = False,
) -> int:
    """Erase one contact at every vendor and here; print a receipt for each destination.

    Parameters
    ----------
    contact
        Its id: its value in the source's key column.
    confirmed
        Erase nothing: confirm that the vendor of --destination has done what its
        receipt asked for.
    destination
        With --confirmed: the destination whose vendor has done it; may be repeated.
    json
        Print one JSON object for each destination.
    """
    chosen = chosen_format(format_, json=json)
    if destination and not confirmed:
        what = "goes with --confirmed only: a contact is forgotten everywhere"
        raise ConfigError([Problem("--destination", what)])
    config = options.load()
    if confirmed:
        receipts = run_engine(app.confirm(config, contact, destination))
    else:
        receipts = run_engine(app.forget(config, contact))
    print_reports(receipts, chosen, _print_receipts)
    return exits.worst(map(exits.exit_code, receipts))


def _print_receipts(receipts: Sequence[Receipt]) -> None:
    """Print one line for each destination."""
    for receipt in receipts:
        who = f"{receipt.destination}, contact {name_of(receipt.contact_id)}"
        print_line(f"{who}: {receipt.status}: {receipt.full_message}")
