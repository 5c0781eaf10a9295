"""``syncengine forget``."""

from __future__ import annotations

from syncengine import app
from syncengine.cli import exits
from syncengine.cli.engine import run_engine
from syncengine.cli.options import Destinations, Flag, options
from syncengine.cli.rendering.layout import print_json, print_line
from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import name_of


def forget(
    contact: str,
    /,
    *,
    confirmed: Flag = False,
    destination: Destinations = (),
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
    if destination and not confirmed:
        what = "goes with --confirmed only: a contact is forgotten everywhere"
        raise ConfigError([Problem("--destination", what)])
    config = options.load()
    if confirmed:
        receipts = run_engine(app.confirm(config, contact, destination))
    else:
        receipts = run_engine(app.forget(config, contact))
    if json:
        print_json(receipts)
    else:
        for receipt in receipts:
            who = f"{receipt.destination}, contact {name_of(receipt.contact_id)}"
            print_line(f"{who}: {receipt.status}: {receipt.full_message}")
    return exits.worst(map(exits.exit_code, receipts))
