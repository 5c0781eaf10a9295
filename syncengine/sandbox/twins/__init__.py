"""One twin per vendor: the vendor's behaviour as a function of requests and time.

Each vendor has a package of its own here, whose ``TWIN`` is the class of its twin:

- ``switches.py``: settings for what the vendor's documentation leaves open
- ``store.py``: what one account holds, and every change to it
- ``wire.py``: requests read, answers written
- ``twin.py``: the API, built from the three above
- ``screen.py``: what a person does at the vendor's own screen, past the API

``kit`` holds what all twins share, ``twin.py`` and ``screen.py`` the interfaces.

A twin is built from the vendor's documentation, never from our adapter. Comments say
what each behaviour rests on: *documented* (the vendor says so), *observed* (seen in
recorded traffic, or in clients that other people wrote), or *assumed* (nobody says;
where it matters, a switch plays the alternatives).
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from syncengine.sandbox.twins.twin import Twin


def load(name: str) -> Twin:
    """Make a new, empty twin of a vendor.

    Raises LookupError where the vendor has none.
    """
    no_twin = LookupError(f'There is no twin of a vendor "{name}".')
    # The name comes from a command line. A dot in it would import another module.
    if not name.isidentifier() or find_spec(f"{__name__}.{name}") is None:
        raise no_twin
    module = import_module(f"{__name__}.{name}")
    # ``kit`` and the modules with the interfaces are here too, and are no twins.
    if not hasattr(module, "TWIN"):
        raise no_twin
    kind = cast("type[Twin]", module.TWIN)
    return kind()
