"""Tools for authors of vendors: the contract suite, and the server of twins.

Three lines in a test file hold an adapter and its twin to what the engine relies on:

    from syncengine.testing import contract_suite

    globals().update(contract_suite("acme"))

The suite asks of a vendor, by its capabilities: is each call carried out with as few
requests as declared, is every refusal a value and every outage an exception, is a lost
answer settled, does nothing leak a secret or a value, is a second sync silent, are
contacts that share a request told apart. It needs pytest, which
``requirements-dev.lock`` has. Install syncengine from its own wheel, and the vendor's
package with ``pip install --no-deps -e .``: an index may have another project named
syncengine, which pip would install in place of this one.

``syncengine.testing.twins`` has the parts from which a twin is built. ``serve`` puts
twins behind a local HTTP server, as ``syncengine sandbox`` does.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from syncengine.sandbox.server import Sandbox, serve
from syncengine.testing.driving import answer, drive, html, requested, scripted
from syncengine.testing.vendors_under_test import ContractHints

__all__ = [
    "ContractHints",
    "Sandbox",
    "answer",
    "contract_suite",
    "drive",
    "html",
    "requested",
    "scripted",
    "serve",
]


if "pytest" in sys.modules:
    # Without it a failed assertion would show no values. (The sandbox imports a twin,
    # and so this package, where no pytest may be installed.)
    sys.modules["pytest"].register_assert_rewrite(f"{__name__}.contract")


def contract_suite(
    *names: str, hints: Mapping[str, ContractHints] | None = None
) -> dict[str, Any]:
    """Return the tests of the contract for these vendors, by their names.

    In a test file: ``globals().update(contract_suite("acme"))``. ``hints`` has what
    cannot be derived from a vendor's capabilities. Raises LookupError for an unknown
    vendor.
    """
    # A twin is imported by the sandbox too, where no pytest is installed.
    from syncengine.testing.suite import suite_of  # noqa: PLC0415

    return suite_of(names, hints or {})
