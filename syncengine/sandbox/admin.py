"""The admin endpoint beside a twin.

It shows what the twin stores and what it was sent, and sets how it is to behave. A
``GET`` of the endpoint itself lists what it takes (``_HELP``).

Each verb, such as ``PUT faults``, has one function below. Reads may wait and take a
query; changes happen at once and take the JSON body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any, TypeAlias, TypeVar

import orjson
from pydantic import Field
from pydantic.dataclasses import dataclass

from syncengine.model.http import Json, Response
from syncengine.sandbox.duplicates import duplicates
from syncengine.sandbox.faults import RandomFaults, Rule
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.stage import Stage
from syncengine.sandbox.twins.kit.answers import answer
from syncengine.sandbox.twins.screen import described, perform
from syncengine.sandbox.twins.twin import Seed, TwinRequest
from syncengine.sandbox.validation import STRICT, validated

T = TypeVar("T")
Query: TypeAlias = Mapping[str, str]
Reader: TypeAlias = Callable[[Stage, Query], Awaitable[Json]]
"""A function that answers a GET."""
Changer: TypeAlias = Callable[[Stage, Json], Json]
"""A function that answers a POST or PUT, given its body."""

_HELP = {
    "GET contacts": "what it holds now",
    "GET duplicates?key=FIELD": (
        "contacts that share a phone, or the value of a field"
    ),
    "GET requests?per=SECONDS": (
        "what it was sent, in numbers; the most in any window of so many seconds"
    ),
    "GET log?since=SECONDS": (
        "what it was sent, one by one, since a moment (seconds since 1970)"
    ),
    "GET held?wait_for=NUMBER&timeout=SECONDS": "the requests that a fault holds back",
    "GET acts": (
        "what a person can do at the vendor's own screen, and what each act takes"
    ),
    "POST act": 'does as a person: {"act": "merge", "into": ID, "other": ID}',
    "POST contacts": (
        'puts contacts in: [{"fields": {}, "tags": [], "key": null, "created": null}]'
    ),
    "POST release": 'lets requests go that are held: {"count": 1}, or all of them',
    "POST reset": "forgets contacts, requests and faults",
    "PUT switches": (
        "what the vendor's documentation leaves open, by name; answers with all of them"
    ),
    "PUT limits": (
        'the limits in force: [{"calls": 5, "per": 1}], with "counts": "items" for '
        'contacts in batches; or "vendor" for those it is known to have'
    ),
    "PUT faults": (
        'what goes wrong: [{"kind": "refuse"}], '
        'or {"random": {"seed": 1, "share": 0.1, "kinds": [...]}}'
    ),
}
"""Requests that the admin endpoint of a twin answers, with what each does."""


@dataclass(frozen=True, config=STRICT)
class _HeldQuery:
    wait_for: int = Field(default=0, ge=0)
    timeout: float = Field(default=30.0, ge=0)


@dataclass(frozen=True, config=STRICT)
class _RequestsQuery:
    per: float | None = Field(default=None, gt=0, allow_inf_nan=False)


@dataclass(frozen=True, config=STRICT)
class _LogQuery:
    since: float = 0.0


@dataclass(frozen=True, config=STRICT)
class _DuplicatesQuery:
    key: str | None = None


@dataclass(frozen=True, config=STRICT)
class _ReleaseBody:
    count: int | None = Field(default=None, ge=0)


async def answer_admin(
    stage: Stage, verb: str, request: TwinRequest, query: Query
) -> Response:
    """Answer ``verb``, the method and the last part of the path, such as ``GET log``.

    Mistakes are answered as ``{"error": ...}``: 400 for a body or query that does not
    fit, 404 for an unknown verb or contact, 408 where nothing came in time.
    """
    try:
        body = orjson.loads(request.body) if request.body else None
        result = await _result(stage, verb, body, query)
        return answer(200, result)
    except orjson.JSONDecodeError as error:
        return answer(400, {"error": f"The body is not valid JSON: {error}"})
    except ValueError as error:
        return answer(400, {"error": str(error)})
    except LookupError as error:
        return answer(404, {"error": error.args[0]})
    except TimeoutError as error:
        return answer(408, {"error": str(error)})


async def _result(stage: Stage, verb: str, body: Json, query: Query) -> Json:
    """Do what a verb says, and return the body of the answer."""
    read = _READERS.get(verb)
    if read is not None:
        return await read(stage, query)
    change = _CHANGERS.get(verb)
    if change is not None:
        return change(stage, body)
    raise LookupError(
        f"The sandbox does not know {verb.strip()}. It knows {', '.join(_HELP)}."
    )


# --- reads ----------------------------------------------------------------------------


async def _overview(stage: Stage, query: Query) -> Json:
    del query
    overview: dict[str, Json] = {"settings": stage.twin.settings}
    if stage.twin.exists:
        overview["exists"] = stage.twin.exists
    overview["asks_and_changes"] = _HELP
    return overview


async def _contacts(stage: Stage, query: Query) -> Json:
    del query
    return stage.twin.contacts(stage.clock())


async def _duplicates(stage: Stage, query: Query) -> Json:
    # The key is a name, so the query is not read as JSON here.
    key = validated(_DuplicatesQuery, dict(query)).key
    return duplicates(stage.twin.contacts(stage.clock()), key)


async def _requests(stage: Stage, query: Query) -> Json:
    per = _numbers_of(_RequestsQuery, query).per
    return stage.journal.report(stage.twin.limiter, per)


async def _log(stage: Stage, query: Query) -> Json:
    return stage.journal.since(_numbers_of(_LogQuery, query).since)


async def _acts(stage: Stage, query: Query) -> Json:
    del query
    return described(stage.twin.screen_kind)


async def _held(stage: Stage, query: Query) -> Json:
    asked = _numbers_of(_HeldQuery, query)
    try:
        async with asyncio.timeout(asked.timeout):
            held = await stage.holds.wait_for(asked.wait_for)
    except TimeoutError:
        # Waiting for none returns at once, with those that are held by now.
        there = len(await stage.holds.wait_for(0))
        message = (
            f"After {asked.timeout:g} s {there} of {asked.wait_for} requests are held."
        )
        raise TimeoutError(message) from None
    shown = []
    for each in held:
        entry = asdict(each.entry)
        shown.append({"id": each.id, **entry, "gone": each.gone()})
    return shown


def _numbers_of(kind: type[T], query: Query) -> T:
    """Read a query whose values are numbers, which are JSON as they stand.

    Raises ValueError for other values, and for names that the query does not have.
    """
    numbers = {name: orjson.loads(value) for name, value in query.items()}
    return validated(kind, numbers)


# --- changes --------------------------------------------------------------------------


def _seed(stage: Stage, body: Json) -> Json:
    seeds = validated(tuple[Seed, ...], body)
    return {"ids": stage.twin.seed(seeds, stage.clock())}


def _act(stage: Stage, body: Json) -> Json:
    screen = stage.twin.screen(stage.clock())
    return {"result": perform(screen, validated(dict[str, Any], body))}


def _release(stage: Stage, body: Json) -> Json:
    count = validated(_ReleaseBody, body or {}).count
    return {"released": stage.holds.release(count)}


def _reset(stage: Stage, body: Json) -> Json:
    del body
    stage.reset()
    return {}


def _set_switches(stage: Stage, body: Json) -> Json:
    stage.twin.configure(validated(dict[str, Any], body))
    return asdict(stage.twin.switches)


def _set_limits(stage: Stage, body: Json) -> Json:
    limits = stage.twin.vendor_limits
    if body != "vendor":
        limits = validated(tuple[TwinLimit, ...], body)
    stage.twin.limiter.configure(limits)
    return [asdict(limit) for limit in stage.twin.limiter.limits]


def _set_faults(stage: Stage, body: Json) -> Json:
    if isinstance(body, dict):
        stage.faults.configure(validated(RandomFaults, body).random)
    else:
        stage.faults.configure(validated(tuple[Rule, ...], body))
    return body


_READERS: Mapping[str, Reader] = {
    "GET ": _overview,
    "GET contacts": _contacts,
    "GET duplicates": _duplicates,
    "GET requests": _requests,
    "GET log": _log,
    "GET acts": _acts,
    "GET held": _held,
}
_CHANGERS: Mapping[str, Changer] = {
    "POST contacts": _seed,
    "POST act": _act,
    "POST release": _release,
    "POST reset": _reset,
    "PUT switches": _set_switches,
    "PUT limits": _set_limits,
    "PUT faults": _set_faults,
}
