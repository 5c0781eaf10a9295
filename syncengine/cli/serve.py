"""``syncengine serve``."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated

from cyclopts import Parameter, validators

# Not from app, which other verbs import: this brings templates and a server.
from syncengine.app.verbs import serve as desk
from syncengine.cli import exits
from syncengine.cli.engine import logging_events
from syncengine.cli.options import Flag, Names, options
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.signals import ReceivedSignal, run_stoppable
from syncengine.cli.terminal import err
from syncengine.desk.server import is_loopback
from syncengine.errors import ConfigError, Problem


def serve(
    *,
    host: str = "127.0.0.1",
    port: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=65535))
    ] = 8010,
    allow_host: Names = (),
    show_values: Flag = False,
) -> int:
    """Serve read-only pages about destinations, runs, failures and contacts.

    Parameters
    ----------
    host
        The address to listen on. The default is for this machine alone. There is no
        login: for others, put a proxy with one in front.
    port
        The port to listen on; 0 takes a free one.
    allow_host
        Another name under which a browser may ask, such as that of a proxy; may be
        repeated.
    show_values
        Show values of contacts on their pages: personal data.
    """
    config = options.load()

    async def work(stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            served = desk.serve(
                config,
                host,
                port,
                with_values=show_values,
                allowed_hosts=allow_host,
            )
            try:
                address = await stack.enter_async_context(served)
            except OSError as error:
                what = (
                    f"cannot listen at {host}:{port}: {error.strerror}; name another "
                    "--port (0 takes a free one)"
                )
                raise ConfigError([Problem("--host, --port", what)]) from None
            _warn(host, show_values=show_values)
            print_line(f"The desk is at {address.url} (Ctrl-C ends it)")
            await stop.wait()

    with logging_events():
        run_stoppable(work, ReceivedSignal(), announces_stop=False)
    return exits.IN_STEP


def _warn(host: str, *, show_values: bool) -> None:
    if is_loopback(host):
        return
    shown = "values of contacts" if show_values else "ids of contacts and what failed"
    err.print(
        f"There is no login: whoever reaches {host} reads {shown}. Put a proxy with a "
        "login in front, or listen on 127.0.0.1",
        markup=False,
        soft_wrap=True,
    )
