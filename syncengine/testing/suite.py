"""The contract suite, put together for the vendors that a test file names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from syncengine import vendors
from syncengine.testing.cases import tests_for
from syncengine.testing.vendors_under_test import (
    NO_HINTS,
    ContractHints,
    vendors_under_test,
)

_CONTRACT = "syncengine.testing.contract"
PARTS = (
    "requests",
    "answers",
    "addresses",
    "success",
    "damage",
    "hostility",
    "twins",
    "echo",
    "costs",
    "spellings",
    "ports",
    "bulk",
    "bulk_answers",
    "bulk_look_ups",
    "consent",
)


def suite_of(
    names: Sequence[str], hints: Mapping[str, ContractHints]
) -> dict[str, Any]:
    """Return the tests of the contract for these vendors, by their names."""
    every = [
        subject
        for name in names
        for subject in vendors_under_test(vendors.load(name), hints.get(name, NO_HINTS))
    ]
    suite: dict[str, Any] = {}
    for part in PARTS:
        for name, test in tests_for(import_module(f"{_CONTRACT}.{part}"), every):
            assert name not in suite, f"two tests are called {name}"
            suite[name] = test
    return suite
