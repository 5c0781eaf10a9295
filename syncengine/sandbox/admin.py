"""The sandbox's own endpoint beside a twin: what it holds, what it was sent, and how it is to behave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import orjson
from pydantic import Field
from pydantic.dataclasses import dataclass

from syncengine.model.http import Json, Response
from syncengine.sandbox.duplicates import duplicates
from syncengine.sandbox.faults import Randomly, Rule
from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.stage import Stage
from syncengine.sandbox.twins.screen import described, perform
from syncengine.sandbox.twins.twin import (
    SWITCHES,
    Furnished,
    Seed,
    TwinRequest,
    answer,
    parsed,
)

T = TypeVar("T")
_KNOWN = {
    "GET contacts": "what it holds now",
    "GET duplicates?key=FIELD": "contacts that share a phone, or the value of a field",
    "GET requests?per=SECONDS": "what it was sent, in numbers; the most in any window of so many seconds",
    "GET log?since=SECONDS": "what it was sent, one by one, since a moment (seconds since 1970)",
    "GET held?wait_for=NUMBER&timeout=SECONDS": "the requests that a fault holds back",
    "GET acts": "what a person can do at the vendor's own screen, and what each act takes",
    "POST act": 'does as a person: {"act": "merge", "into": ID, "other": ID}',
    "POST contacts": 'puts contacts in: [{"fields": {}, "tags": [], "key": null, "created": null}]',
    "POST release": 'lets requests go that are held: {"count": 1}, or all of them',
    "POST reset": "forgets contacts, requests and faults",
    "PUT switches": "what the vendor's documentation leaves open, by name; answers with all of them",
    "PUT limits": 'the limits in force: [{"calls": 5, "per": 1}], or "vendor" for those it is known to have',
    "PUT faults": 'what goes wrong: [{"kind": "refuse"}], or {"random": {"seed": 1, "share": 0.1, "kinds": [...]}}',
}
"""Requests that the admin endpoint of a twin answers, with what each does."""


@dataclass(frozen=True, config=SWITCHES)
class _Awaited:
    wait_for: int = Field(default=0, ge=0)
    timeout: float = Field(default=30.0, ge=0)


@dataclass(frozen=True, config=SWITCHES)
class _Windows:
    per: float | None = Field(default=None, gt=0, allow_inf_nan=False)


@dataclass(frozen=True, config=SWITCHES)
class _Since:
    since: float = 0.0


@dataclass(frozen=True, config=SWITCHES)
class _By:
    key: str | None = None


@dataclass(frozen=True, config=SWITCHES)
class _Released:
    count: int | None = Field(default=None, ge=0)


async def answer_admin(
    stage: Stage, verb: str, request: TwinRequest, query: Mapping[str, str]
) -> Response:
    """Answer ``verb`` (method and last part of the path).

    Mistakes are answered as ``{"error": ...}`` with status 400.
    """
    try:
        body = orjson.loads(request.body) if request.body else None
        return answer(200, await _told(stage, verb, body, query))
    except orjson.JSONDecodeError as error:
        return answer(400, {"error": f"The body is not valid JSON: {error}"})
    except ValueError as error:
        return answer(400, {"error": str(error)})
    except LookupError as error:
        return answer(404, {"error": error.args[0]})
    except TimeoutError as error:
        return answer(408, {"error": str(error)})


async def _told(stage: Stage, verb: str, body: Json, query: Mapping[str, str]) -> Json:
    method, _, noun = verb.partition(" ")
    if method == "GET":
        return await _shown(stage, noun, query)
    return _changed(stage, verb, body)


async def _shown(stage: Stage, noun: str, query: Mapping[str, str]) -> Json:
    shown: Json
    match noun:
        case "":
            exists = (
                {"exists": stage.twin.exists}
                if isinstance(stage.twin, Furnished)
                else {}
            )
            shown = {
                "settings": stage.twin.settings,
                **exists,
                "asks_and_changes": _KNOWN,
            }
        case "contacts":
            shown = stage.twin.contacts(stage.clock())
        case "acts":
            shown = described(stage.twin.screen_kind)
        case "duplicates":
            contacts = stage.twin.contacts(stage.clock())
            shown = duplicates(contacts, parsed(_By, dict(query)).key)
        case "requests":
            shown = stage.journal.report(
                stage.twin.limiter, _asked(_Windows, query).per
            )
        case "log":
            shown = stage.journal.since(_asked(_Since, query).since)
        case "held":
            shown = await _held(stage, query)
        case _:
            raise _unknown(f"GET {noun}")
    return shown


def _changed(stage: Stage, verb: str, body: Json) -> Json:
    told: Json = {}
    match verb:
        case "POST contacts":
            told = {
                "ids": stage.twin.seed(parsed(tuple[Seed, ...], body), stage.clock())
            }
        case "POST act":
            screen = stage.twin.screen(stage.clock())
            told = {"result": perform(screen, parsed(dict[str, Any], body))}
        case "POST release":
            told = {
                "released": stage.holds.release(parsed(_Released, body or {}).count)
            }
        case "POST reset":
            stage.reset()
        case "PUT switches":
            stage.twin.configure(parsed(dict[str, Any], body))
            told = asdict(stage.twin.switches)
        case "PUT limits":
            vendors = body == "vendor"
            stage.twin.limiter.configure(
                stage.twin.vendor_limits
                if vendors
                else parsed(tuple[TwinLimit, ...], body)
            )
            told = [asdict(limit) for limit in stage.twin.limiter.limits]
        case "PUT faults":
            chance = isinstance(body, dict)
            stage.faults.configure(
                parsed(Randomly, body).random
                if chance
                else parsed(tuple[Rule, ...], body)
            )
            told = body
        case _:
            raise _unknown(verb)
    return told


def _unknown(verb: str) -> LookupError:
    return LookupError(
        f"The sandbox does not know {verb.strip()}. It knows {', '.join(_KNOWN)}."
    )


async def _held(stage: Stage, query: Mapping[str, str]) -> Json:
    asked = _asked(_Awaited, query)
    try:
        async with asyncio.timeout(asked.timeout):
            held = await stage.holds.wait_for(asked.wait_for)
    except TimeoutError:
        there = len(await stage.holds.wait_for(0))
        message = (
            f"After {asked.timeout:g} s {there} of {asked.wait_for} requests are held."
        )
        raise TimeoutError(message) from None
    return [{"id": each.id, **asdict(each.entry), "gone": each.gone()} for each in held]


def _asked(kind: type[T], query: Mapping[str, str]) -> T:
    """A query whose values are numbers."""
    return parsed(kind, {name: orjson.loads(value) for name, value in query.items()})
