"""One pure, stateful twin per vendor."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from syncengine.sandbox.twins.twin import Twin


def load(name: str) -> Twin:
    """A new, empty twin of a vendor: the module of that name has its class as ``TWIN``. Raises LookupError."""
    if not name.isidentifier() or find_spec(f"{__name__}.{name}") is None:
        raise LookupError(f'There is no twin of a vendor "{name}".')
    module = import_module(f"{__name__}.{name}")
    if not hasattr(module, "TWIN"):
        raise LookupError(f'There is no twin of a vendor "{name}".')
    return cast("Twin", module.TWIN())
