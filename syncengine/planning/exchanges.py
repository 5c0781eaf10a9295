"""Requests of exchanges that are looked at, and not sent."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from syncengine.errors import SyncEngineError
from syncengine.model.http import Request, Response

_Result = TypeVar("_Result")


def first_request(exchange: Generator[Request, Response, _Result]) -> Request | None:
    """Return the first request of an exchange, and end it there.

    None where it sends none.
    """
    try:
        return next(exchange)
    except (StopIteration, SyncEngineError):
        # Some calls are refused by the adapter itself.
        return None
    finally:
        exchange.close()
