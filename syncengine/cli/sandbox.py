"""``syncengine sandbox``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated

from cyclopts import Parameter, validators

from syncengine.cli.terminal import Stopped, out, run_stoppable
from syncengine.config.problems import near
from syncengine.errors import ConfigError, Problem
from syncengine.sandbox.server import Sandbox, serve
from syncengine.vendors import names


def sandbox(
    *,
    host: str = "127.0.0.1",
    port: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=65535))
    ] = 8080,
    vendor: Annotated[tuple[str, ...], Parameter(negative="")] = (),
) -> int:
    """Serve stand-ins of the vendors to try a configuration against (keys: sandbox-key, sandbox-token).

    Parameters
    ----------
    host
        The address to listen on.
    port
        The port; 0 takes a free one.
    vendor
        Only this vendor's twin; may be repeated.
    """
    if problems := [
        Problem("--vendor", f'there is no vendor "{name}"{near(name, names())}')
        for name in vendor
        if name not in names()
    ]:
        raise ConfigError(problems)
    stopped = Stopped()

    async def work(stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            try:
                served = await stack.enter_async_context(
                    serve(vendor or names(), host, port)
                )
            except OSError as error:
                what = f"cannot listen at {host}:{port}: {error.strerror}; name another --port (0 takes a free one)"
                raise ConfigError([Problem("--host, --port", what)]) from None
            out.print(
                described(served, vendor or names()), markup=False, soft_wrap=True
            )
            await stop.wait()

    run_stoppable(work, stopped)
    return 0


def described(served: Sandbox, vendors: Sequence[str]) -> str:
    """Return the settings to write into destinations that use the twins."""
    lines = [
        "A destination's settings, vendor by vendor. Keys and tokens come from the environment there: write ${NAME},",
        "and set NAME to what stands here.",
    ]
    for name in vendors:
        lines += ["", f"{name}:"]
        lines += [
            f"  settings.{key}: {value}" for key, value in served.settings(name).items()
        ]
        exists = served.exists(name)
        lines += [
            f"  for the field {key}: {value} exists there"
            for key, value in exists.items()
        ]
        lines += [
            f"  what it holds: {served.admin_url(name)}/contacts",
            f"  more to ask: {served.admin_url(name)}",
        ]
    return "\n".join(lines)
