"""Check the vendor of a destination: credentials, account, pace and cautions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple
from urllib.parse import urlsplit

from syncengine import vendors
from syncengine.app.accounts import paced_as
from syncengine.app.check_results import failed, noted, passed, unfitting
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.engine.account_check import lacking_message, number_lacking
from syncengine.engine.exchange import Meter, drive
from syncengine.engine.pacing import Pacing
from syncengine.errors import VendorUnavailable, root_error
from syncengine.model.mapping import MappingProblem, OnRemoved
from syncengine.model.reports import Check
from syncengine.model.work import LinkedContact
from syncengine.ports import MappingChecker
from syncengine.transport.client import Transport

_PROXY_VARIABLES = (
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
)


async def check_vendor(
    destination: DestinationConfig, known: Sequence[LinkedContact]
) -> list[Check]:
    """Check the credentials, and that they lead to the account that is known here.

    ``known`` are contacts that the vendor held. One is looked at, and the others only
    if that one is not there.
    """
    area, vendor = f"{destination.name}: credentials", destination.vendor
    try:
        was_asked, lacking, problems = await _ask(destination, known)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is a failed check
        return [failed(area, _failure(destination, error))]
    if was_asked:
        credentials = f"accepted at {destination.base_url}"
    else:
        credentials = (
            f"not asked, because {vendor.name} has no harmless request to ask with. "
            f"`syncengine run -d {destination.name} --contact ID` shows whether "
            f"{destination.base_url} takes them"
        )
    return [
        passed(area, credentials),
        *_account(destination, lacking),
        *_fields(destination, problems),
    ]


class _Findings(NamedTuple):
    """Answers of the vendor to the questions of a check."""

    was_asked: bool
    lacking: int | None
    """Number of known contacts that it lacks; see ``number_lacking``."""
    mapping_problems: Sequence[MappingProblem] | None
    """None where the vendor does not tell what fields the account has."""


async def _ask(
    destination: DestinationConfig, known: Sequence[LinkedContact]
) -> _Findings:
    """Try the credentials, and ask about known contacts and the mapped fields."""
    vendor, options = destination.vendor, destination.options
    pacing = Pacing(
        destination.limits,
        in_flight=1,
        settles_within=vendor.capabilities.settles_within,
    )
    transport = Transport(
        destination.base_url, pacing, timeout=options.timeout, proxy=options.proxy
    )
    # Without the account's lease, since a run may hold it and a check must not wait: a
    # few requests are sent beside those that the run counts.
    async with pacing, transport:
        was_asked = await drive(vendor.probe, transport, Meter())
        looking = partial(number_lacking, vendor, known)
        lacking = await drive(looking, transport, Meter())
        problems: Sequence[MappingProblem] | None = None
        if isinstance(vendor, MappingChecker):
            checking = partial(vendor.mapping_problems, destination.mapping)
            problems = await drive(checking, transport, Meter())
    return _Findings(was_asked, lacking, problems)


def _failure(destination: DestinationConfig, unexpected: Exception) -> str:
    """Return what went wrong, at the setting that may be to blame."""
    error = root_error(unexpected)
    setting: str | None = getattr(error, "setting", None)
    # A status is the vendor's own outage, unless a proxy on the way answered.
    by_proxy = destination.options.proxy is not None
    if isinstance(error, VendorUnavailable) and (by_proxy or error.status is None):
        setting = "proxy" if by_proxy else "settings.base_url"
    place = destination.place(setting) if setting else destination.file
    return f"{place}: {error}"


def _account(destination: DestinationConfig, lacking: int | None) -> Iterator[Check]:
    """Report whether the vendor has contacts that are known here.

    ``lacking`` is the number of those it lacks; None where it has one, 0 where it
    could not be asked.
    """
    area = f"{destination.name}: account"
    if lacking is None:
        yield passed(area, "the vendor has a contact that is known here")
    elif lacking:
        message = lacking_message(destination.name, lacking)
        yield failed(area, f"{destination.place('settings')}: {message}")


def _fields(
    destination: DestinationConfig, problems: Sequence[MappingProblem] | None
) -> Iterator[Check]:
    """Report each place where the mapping does not fit the account's fields."""
    area = f"{destination.name}: fields"
    if problems is None:
        return
    for problem in problems:
        yield unfitting(area, f"{destination.place(problem.key)}: {problem.what}")
    if not problems:
        yield passed(area, "the account has every mapped field, in a fitting type")


def unused_proxies(config: Config) -> Iterator[Check]:
    """Note the proxies of the environment where a destination uses none."""
    variables = [name for name in _PROXY_VARIABLES if os.environ.get(name)]
    without = [each.name for each in config.destinations if each.options.proxy is None]
    if variables and without:
        yield noted(
            "proxy",
            f"{', '.join(variables)} is set in the environment, but not used by "
            f"{', '.join(without)}. A destination that has to go through a proxy says "
            f"so itself, such as proxy: ${{{variables[0]}}}",
        )


def cautions(destination: DestinationConfig) -> Iterator[Check]:
    """Report the vendor's package, the pace, the proxy, and the vendor's cautions."""
    name, vendor, options = destination.name, destination.vendor, destination.options
    yield noted(f"{name}: vendor", _vendor_origin(vendor.name))
    pace = paced_as(destination.limits)
    yield noted(
        f"{name}: pace",
        f"account {destination.account}: {pace}, {options.in_flight} requests at once",
    )
    if options.proxy is not None:
        proxy = urlsplit(options.proxy)
        port = proxy.port or 80
        yield noted(f"{name}: proxy", f"through {proxy.hostname}:{port}")
    for caution in vendor.capabilities.cautions:
        yield noted(f"{name}: caution", caution)
    if options.on_removed is OnRemoved.DELETE and vendor.capabilities.delete is None:
        yield noted(
            f"{name}: caution",
            f"{destination.place('on_removed')}: {vendor.name} cannot delete contacts, "
            "so removed contacts are reported as unsupported",
        )


def _vendor_origin(vendor: str) -> str:
    """Return the package that brings a vendor: it sees the account's credentials."""
    origin = vendors.origin(vendor)
    if origin.is_own:
        return f"{vendor}, from {origin}"
    return (
        f"{vendor}, from {origin}, which is not part of syncengine and sees this "
        "account's credentials and contacts"
    )
