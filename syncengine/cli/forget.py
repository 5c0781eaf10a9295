"""``syncengine forget``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from syncengine import app as engine
from syncengine.cli import exits
from syncengine.cli.root import options
from syncengine.cli.tables import print_json
from syncengine.cli.terminal import out
from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import name_of


def forget(
    contact: str,
    /,
    *,
    confirmed: Annotated[bool, Parameter(negative="")] = False,
    destination: Annotated[
        tuple[str, ...], Parameter(name=["--destination", "-d"], negative="")
    ] = (),
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Erase one contact, at every vendor that can and here, and print a receipt for each destination.

    Where a vendor's API cannot, or a destination has no file any more, the receipt
    contains the request to make to the vendor. It stands, with exit code 1, until
    `forget CONTACT --confirmed -d NAME` confirms that the vendor has done it.

    A salted hash of the contact's id is kept: should its row be restored, it is not
    created again. (`suppress --lift --forgotten --contact ID` takes that back.) Take the
    row out of your source yourself. A contact without a link is looked up by its row: what
    no other contact owns is deleted.

    Parameters
    ----------
    contact
        Its id: the value of the source's key.
    confirmed
        Erase nothing: the vendor of --destination has done what its receipt asked for.
    destination
        With --confirmed; may be repeated.
    json
        One JSON object a destination.
    """
    if destination and not confirmed:
        raise ConfigError(
            [
                Problem(
                    "--destination",
                    "goes with --confirmed only: a contact is forgotten everywhere",
                )
            ]
        )
    config = options.load()
    receipts = asyncio.run(
        engine.confirm(config, contact, destination)
        if confirmed
        else engine.forget(config, contact)
    )
    if json:
        print_json(receipts)
    else:
        for receipt in receipts:
            contact = f"{receipt.destination}, contact {name_of(receipt.contact_id)}"
            line = f"{contact}: {receipt.status}: {receipt.full_message}"
            out.print(line, markup=False, soft_wrap=True)
    return exits.worst(map(exits.exit_code, receipts))
