"""Our own vendors as subjects of the contract suite.

Their samples are in ``of_<vendor>.py``.

Such a file may define ``sample``, ``VARIANTS``, ``SETTINGS``, ``UNSAID``, ``UNCOMPARED``,
``REFUSED`` and ``FURTHER_FIELDS``: see ``syncengine.testing.ContractHints``.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from functools import cache

from syncengine import vendors
from syncengine.model.http import Json
from syncengine.testing import vendors_under_test as testing
from syncengine.testing.vendors_under_test import ContractHints, VendorUnderTest
from syncengine.vendors.kit.spec import VendorSpec


def subjects(*names: str, variants: bool = True) -> Iterator[VendorUnderTest]:
    """Yield every vendor, or the named ones, as it comes and in its variants."""
    for name in names or vendors.names():
        for each in testing.vendors_under_test(vendors.load(name), hints(name)):
            if variants or not each.variant:
                yield each


def subject(name: str, settings: Mapping[str, Json] | None = None) -> VendorUnderTest:
    return testing.vendor_under_test(vendors.load(name), hints(name), settings or {})


def derived_settings(spec: VendorSpec) -> dict[str, Json]:
    """Return a value for every setting that has no default."""
    return testing.derived_settings(spec, hints(spec.name))


@cache
def hints(name: str) -> ContractHints:
    place = f"tests.support.vendors.of_{name}"
    if importlib.util.find_spec(place) is None:
        return ContractHints()
    module = importlib.import_module(place)
    return ContractHints(
        sample=getattr(module, "sample", None),
        variants=getattr(module, "VARIANTS", {}),
        settings=getattr(module, "SETTINGS", {}),
        unsaid=getattr(module, "UNSAID", ()),
        uncompared=getattr(module, "UNCOMPARED", ()),
        refused=getattr(module, "REFUSED", {}),
        further_fields=getattr(module, "FURTHER_FIELDS", ()),
    )
