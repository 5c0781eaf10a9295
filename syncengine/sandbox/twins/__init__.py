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
recorded traffic, or read from the code of SDKs and clients), or *assumed* (nobody says;
where it matters, a switch plays the alternatives).
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from syncengine.sandbox.twins.twin import Twin


def load(name: str) -> Twin:
    """Make a new, empty twin.

    ``name`` is one of our own vendors, or the place of a twin in another package, such
    as ``acme_sync.twin:AcmeTwin``. Raises LookupError where there is none.
    """
    module_name, _, attribute = name.rpartition(":")
    if not module_name:
        module_name, attribute = f"{__name__}.{name}", "TWIN"
        # The name comes from a command line. A dot in it would import another module.
        if not name.isidentifier() or find_spec(module_name) is None:
            raise LookupError(f'There is no twin of a vendor "{name}".')
    try:
        # ``kit`` and the modules with the interfaces are here too, and are no twins.
        kind: type[Twin] = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise LookupError(f'There is no twin of a vendor "{name}": {error}.') from None
    return kind()
