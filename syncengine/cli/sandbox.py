"""``syncengine sandbox``."""

from __future__ import annotations

import asyncio
from typing import Annotated

from cyclopts import Parameter

from syncengine.cli.terminal import Stopped, out, run_stoppable
from syncengine.sandbox.server import serve
from syncengine.vendors import names


def sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    vendor: Annotated[tuple[str, ...], Parameter(negative="")] = (),
) -> int:
    """Serve stand-ins for the vendors, to try things out on.

    Parameters
    ----------
    host
        The address to listen on.
    port
        The port; 0 takes a free one.
    vendor
        Only this vendor's twin; may be repeated.
    """
    stopped = Stopped()

    async def work(stop: asyncio.Event) -> None:
        async with serve(vendor or names(), host, port) as served:
            for name in vendor or names():
                out.print(f"{name}: {served.url(name)}", markup=False, soft_wrap=True)
            await stop.wait()

    run_stoppable(work, stopped)
    return 0
