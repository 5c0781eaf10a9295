"""Tests that are written once, and run for the vendors that a test file chooses.

A test of the suite says by ``for_each`` how its cases are made of the vendors. They are
made when ``contract_suite`` is told which vendors these are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any, TypeAlias, TypeVar

import pytest

from syncengine.model.calls import Action
from syncengine.testing.vendors_under_test import VendorUnderTest

VendorsUnderTest: TypeAlias = Sequence[VendorUnderTest]
"""Each vendor of a suite, as it comes and in its variants."""
MakeCases: TypeAlias = Callable[[VendorsUnderTest], Iterable[object]]
_Test = TypeVar("_Test", bound=Callable[..., None])
_ATTRIBUTE = "contract_cases"


@dataclass(frozen=True, slots=True)
class _Cases:
    names: str | tuple[str, ...]
    make: MakeCases


def for_each(names: str | tuple[str, ...], make: MakeCases) -> Callable[[_Test], _Test]:
    """Decorate a test that runs once for each case that ``make`` makes of the vendors.

    ``names`` are the parameters of the test, as those of ``pytest.mark.parametrize``.
    """

    def mark(test: _Test) -> _Test:
        setattr(test, _ATTRIBUTE, _Cases(names, make))
        return test

    return mark


def plain(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    """Return the vendors as they come, without their variants."""
    return [subject for subject in subjects if not subject.variant]


def with_actions(
    subjects: Iterable[VendorUnderTest],
) -> list[tuple[VendorUnderTest, Action]]:
    """Return each vendor with each action that it has."""
    return [(subject, action) for subject in subjects for action in subject.actions()]


def with_look_up(subjects: VendorsUnderTest) -> list[VendorUnderTest]:
    """Return the vendors that can look contacts up."""
    return [subject for subject in subjects if subject.vendor.capabilities.find_by]


def tests_for(
    module: ModuleType, subjects: VendorsUnderTest
) -> Iterator[tuple[str, Any]]:
    """Yield the tests of a module for these vendors, with their names.

    A test without a case (a vendor may have no lists) is left out.
    """
    for name, test in vars(module).items():
        cases = getattr(test, _ATTRIBUTE, None)
        if not name.startswith("test_") or not isinstance(cases, _Cases):
            continue
        made = list(cases.make(subjects))
        if made:
            mark = pytest.mark.parametrize(cases.names, made, ids=str)
            yield name, mark(_copied(test))


def _copied(test: FunctionType) -> FunctionType:
    """Return a copy of a test: another file may run it for other vendors."""
    copied = FunctionType(
        test.__code__,
        test.__globals__,
        test.__name__,
        test.__defaults__,
        test.__closure__,
    )
    copied.__kwdefaults__ = test.__kwdefaults__
    copied.__annotations__ = test.__annotations__
    copied.__doc__ = test.__doc__
    vars(copied).update(vars(test))
    return copied
