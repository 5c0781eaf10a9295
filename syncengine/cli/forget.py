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


def forget(contact: str, /, *, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Erase one contact, at every vendor that can and here, and print a receipt for each destination.

    What is kept is a salted hash of its id: should its row be restored, it is not created again. (`suppress --contact
    ID --lift` takes that back.) Take the row out of your source yourself.

    Parameters
    ----------
    contact
        Its id: the value of the source's key.
    json
        One JSON object a destination.
    """
    receipts = asyncio.run(engine.forget(options.load(), contact))
    if json:
        print_json(receipts)
    else:
        for receipt in receipts:
            line = f"{receipt.destination}, contact {receipt.contact_id}: {receipt.status}: {receipt.message}"
            out.print(line, markup=False, soft_wrap=True)
    return exits.worst(receipt.exit_code for receipt in receipts)
