"""Containment of unforeseen errors: each ends one account, and the others go on.

The account's run is ended in the database.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress

from syncengine.app.event_log import event_log
from syncengine.errors import SyncEngineError, Unforeseen, root_error
from syncengine.model.events import Event
from syncengine.storage.state.fence import Fence
from syncengine.storage.state.runs import break_off_run


async def broken_off(
    error: BaseException, fence: Fence, destination: str
) -> SyncEngineError:
    """End the destination's run if the error was unforeseen.

    Returns the error as one of ours.
    """
    found = root_error(error)
    if not isinstance(found, Unforeseen):
        return found
    # Without a database it stays open here, and the next run ends it.
    with suppress(SyncEngineError):
        await break_off_run(fence, destination, str(found))
    return found


def contained(error: BaseException, account: str) -> SyncEngineError:
    """Return the error as one of ours, and log it if it was unforeseen.

    The traceback is printed where SYNCENGINE_DEBUG asks for it.
    """
    found = root_error(error)
    if isinstance(found, Unforeseen):
        event_log(account=account)(Event.ACCOUNT_HALTED, error=str(found), setting=None)
        if os.environ.get("SYNCENGINE_DEBUG"):
            traceback.print_exception(error, file=sys.stderr)
    return found
