"""The contract suite in this process, without pytest around each of its cases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from itertools import product
from typing import Any

import pytest

from syncengine.testing.cases import tests_for
from syncengine.testing.suite import PARTS
from syncengine.testing.vendors_under_test import VendorUnderTest


def run_contract(*subjects: VendorUnderTest) -> int:
    """Run every test of the contract for these vendors; return how many cases ran.

    Raises the AssertionError of the first one that fails.
    """
    ran = 0
    for part in PARTS:
        module = import_module(f"syncengine.testing.contract.{part}")
        for _, test in tests_for(module, subjects):
            for arguments in _cases(test):
                test(**arguments)
                ran += 1
    return ran


def _cases(test: Any) -> Iterator[dict[str, object]]:
    """Yield the arguments of each case, one of each ``parametrize`` of the test."""
    choices = [_choices(*mark.args) for mark in test.pytestmark]
    for chosen in product(*choices):
        yield {name: value for part in chosen for name, value in part.items()}


def _choices(
    names: str | tuple[str, ...], values: Iterable[Any]
) -> list[dict[str, object]]:
    """Return the arguments that one ``parametrize`` gives, for each of its cases."""
    choices = []
    for value in values:
        is_wrapped = isinstance(value, type(pytest.param()))
        given = value.values if is_wrapped else value
        if isinstance(names, str):
            (given,) = given if is_wrapped else (given,)
            choices.append({names: given})
        else:
            choices.append(dict(zip(names, given, strict=True)))
    return choices
