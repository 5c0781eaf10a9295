"""ChartMogul's own Python client, without the package it needs that has no wheel."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class Promise:
    """A stand-in for the package ``promise``, as far as the client uses it.

    The work is done at once.
    """

    def __init__(
        self, work: Callable[[Callable[[Any], None], Callable[[Exception], None]], None]
    ) -> None:
        self._value: Any = None
        self._error: Exception | None = None
        try:
            work(self._resolve, self._reject)
        except Exception as error:  # noqa: BLE001
            # A promise keeps whatever went wrong until somebody asks.
            self._error = error

    def then(self, use: Callable[[Any], Any]) -> Promise:
        """Go on with the value; after an error, leave that to whoever catches it."""
        if self._error is not None:
            return self
        return Promise(lambda resolve, _: resolve(use(self._value)))

    def catch(self, use: Callable[[Exception], Any]) -> Promise:
        """Go on with the error, if there was one."""
        error = self._error
        if error is None:
            return self
        return Promise(lambda resolve, _: resolve(use(error)))

    def get(self) -> Any:
        """Return the value, or raise the error."""
        if self._error is not None:
            raise self._error
        return self._value

    def _resolve(self, value: Any) -> None:
        self._value = value

    def _reject(self, error: Exception) -> None:
        self._error = error


def _imported() -> Any:
    # The real package is published as source only, and we build nothing from source.
    module = ModuleType("promise")
    module.__dict__["Promise"] = Promise
    sys.modules["promise"] = module
    return importlib.import_module("chartmogul")


chartmogul = _imported()
