"""One file per API. Every module of this package is a vendor and finds its way into the engine by existing.

A vendor module defines

- ``SETTINGS``: its settings, a subclass of ``kit.VendorSettings``;
- ``LIMITS``: the limits of an account where the configuration names none;
- ``IDENTITY``: the settings that say which account it is and are no secrets (``base_url`` always does);
- ``MAX_IN_FLIGHT``, where the vendor caps connections: the requests of an account that may be under way at once;
- ``VERSION``: raised when the meaning of what is sent changes; part of the source hash's salt;
- ``build(settings)``: its ``ports.Vendor``.

What vendors share stands in the package ``kit``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from syncengine.model.limits import Limit
from syncengine.ports import Vendor
from syncengine.vendors.kit import VendorSettings


@dataclass(frozen=True, slots=True)
class VendorModule:
    """The parts of a vendor module."""

    name: str
    settings: type[VendorSettings]
    limits: tuple[Limit, ...]
    identity: tuple[str, ...]
    version: int
    build: Callable[[Any], Vendor]
    """Takes an instance of ``settings``."""
    max_in_flight: int | None = None
    """The requests that may be under way at once; None: the vendor sets no limit."""


def names() -> tuple[str, ...]:
    """Every vendor there is, sorted."""
    return tuple(
        sorted(
            found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg
        )
    )


def load(name: str) -> VendorModule:
    """The vendor module of this name. Raises LookupError, naming those there are."""
    if name not in names():
        raise LookupError(
            f'there is no vendor "{name}"; there are: {", ".join(names())}'
        )
    module = importlib.import_module(f"{__name__}.{name}")
    return VendorModule(
        name=name,
        settings=module.SETTINGS,
        limits=module.LIMITS,
        identity=("base_url", *module.IDENTITY),
        version=module.VERSION,
        build=module.build,
        max_in_flight=getattr(module, "MAX_IN_FLIGHT", None),
    )
