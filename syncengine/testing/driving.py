"""Drive an adapter's exchanges by hand, without a socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import orjson

from syncengine.model.http import Exchange, Json, Request, Response

_T = TypeVar("_T")


def answer(
    body: Json, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a JSON response."""
    return Response(
        status,
        {"content-type": "application/json", **(headers or {})},
        orjson.dumps(body),
    )


def html(status: int) -> Response:
    """Return a page, as proxies and crashed back ends answer."""
    return Response(
        status,
        {"content-type": "text/html"},
        b"<html><body><h1>Something</h1></body></html>",
    )


def drive(exchange: Exchange[_T], answering: Callable[[Request], Response]) -> _T:
    """Answer each request until the exchange returns; it must stay ended."""
    try:
        request = next(exchange)
        while True:
            request = exchange.send(answering(request))
    except StopIteration as end:
        result: _T = end.value
    try:
        next(exchange)
    except StopIteration:
        return result
    raise AssertionError("the exchange went on after its result")


def scripted(exchange: Exchange[_T], *answers: Response) -> tuple[list[Request], _T]:
    """Return an exchange's requests and result when it gets exactly these answers."""
    requests: list[Request] = []
    waiting = list(answers)

    def answering(request: Request) -> Response:
        requests.append(request)
        assert waiting, f"one request too many: {request.route}"
        return waiting.pop(0)

    result = drive(exchange, answering)
    assert not waiting, f"{len(waiting)} requests too few"
    return requests, result


def requested(exchange: Exchange[object]) -> Request:
    """Return an exchange's first request, and go no further."""
    return next(exchange)


def sent(request: Request) -> tuple[str, str, Sequence[tuple[str, str]], Json]:
    """Return the parts of a request that go over the wire, without the headers."""
    return request.method, request.path, request.query, request.json
