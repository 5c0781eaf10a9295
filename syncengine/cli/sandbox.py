"""``syncengine sandbox``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Annotated

from cyclopts import Parameter, validators

from syncengine import vendors
from syncengine.cli.options import Names
from syncengine.cli.rendering.layout import print_line
from syncengine.cli.signals import ReceivedSignal, run_stoppable
from syncengine.config.problems import near
from syncengine.errors import ConfigError, Problem
from syncengine.sandbox.server import Sandbox, serve


def sandbox(
    *,
    host: str = "127.0.0.1",
    port: Annotated[
        int, Parameter(validator=validators.Number(gte=0, lte=65535))
    ] = 8080,
    vendor: Names = (),
) -> int:
    """Serve stand-ins for the vendors on this machine, to try a configuration with.

    Parameters
    ----------
    host
        The address to listen on.
    port
        The port to listen on; 0 takes a free one.
    vendor
        Only the stand-in for this vendor; may be repeated. Default: all.
    """
    twins = _twins(vendor)
    places = [f"{name}={twin}" for name, twin in twins.items()]

    async def work(stop: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            try:
                served = await stack.enter_async_context(serve(places, host, port))
            except LookupError as error:
                # The twin of another package is not where its VendorSpec says.
                what = f"{error} Choose other vendors, or repair that package"
                raise ConfigError([Problem("--vendor", what)]) from None
            except OSError as error:
                what = (
                    f"cannot listen at {host}:{port}: {error.strerror}; name another "
                    "--port (0 takes a free one)"
                )
                raise ConfigError([Problem("--host, --port", what)]) from None
            print_line(described(served, tuple(twins)))
            await stop.wait()

    run_stoppable(work, ReceivedSignal())
    return 0


def _twins(chosen: Sequence[str]) -> dict[str, str]:
    """Return the places of the twins to serve, by vendor.

    Without a choice these are the twins of all vendors that can be used. Raises
    ConfigError for a chosen vendor that has no twin.
    """
    if not chosen:
        specs = vendors.load_all().values()
        return {spec.name: spec.twin for spec in specs if spec.twin is not None}
    twins = {}
    problems = []
    for name in chosen:
        if name not in vendors.names():
            what = f'there is no vendor "{name}"{near(name, vendors.names())}'
            problems.append(Problem("--vendor", what))
            continue
        try:
            twin = vendors.load(name).twin
        except vendors.UnusableVendorError as error:
            problems.append(Problem("--vendor", str(error)))
            continue
        if twin is None:
            what = f"{vendors.origin(name)} brings no stand-in for {name}"
            problems.append(Problem("--vendor", what))
        else:
            twins[name] = twin
    if problems:
        raise ConfigError(problems)
    return twins


def described(served: Sandbox, names: Sequence[str]) -> str:
    """Return the settings to write into destinations that use the stand-ins."""
    lines = [
        "The settings of a destination that uses a stand-in, vendor by vendor.",
        "Keys and tokens come from the environment: write ${NAME} into the file, and",
        "set NAME to the value shown here. Ctrl-C ends the stand-ins.",
    ]
    for name in names:
        lines += ["", f"{name}:"]
        for key, value in served.settings(name).items():
            lines.append(f"  settings.{key}: {value}")
        for field, value in served.exists(name).items():
            lines.append(f"  a value of the field {field} that exists there: {value}")
        lines.append(f"  its contacts: {served.admin_url(name)}/contacts")
        lines.append(f"  more about it: {served.admin_url(name)}")
    return "\n".join(lines)
