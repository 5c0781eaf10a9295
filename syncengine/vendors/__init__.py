"""The vendors: one module for each API. ``kit`` is what they share."""

from __future__ import annotations

import importlib
import pkgutil

from syncengine.vendors.kit.spec import VendorSpec


def names() -> tuple[str, ...]:
    """Return the names of all vendors, sorted."""
    return tuple(
        sorted(
            found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg
        )
    )


def load(name: str) -> VendorSpec:
    """Return the vendor of this name. Raises LookupError, naming those there are."""
    if name not in names():
        raise LookupError(
            f'there is no vendor "{name}"; there are: {", ".join(names())}'
        )
    spec: VendorSpec = importlib.import_module(f"{__name__}.{name}").VENDOR
    return spec
