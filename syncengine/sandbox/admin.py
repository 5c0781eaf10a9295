"""The sandbox's own endpoint beside a twin: what it holds, what it was sent, and how it is to behave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
from pydantic import Field
from pydantic.dataclasses import dataclass

from syncengine.model.http import Json, Response
from syncengine.sandbox.faults import Randomly, Rule
from syncengine.sandbox.limiter import Limit
from syncengine.sandbox.stage import Stage
from syncengine.sandbox.twins.twin import SWITCHES, Seed, TwinRequest, answer, parsed


@dataclass(frozen=True, config=SWITCHES)
class _Awaited:
    wait_for: int = Field(default=0, ge=0)
    timeout: float = Field(default=30.0, ge=0)


@dataclass(frozen=True, config=SWITCHES)
class _Released:
    count: int | None = Field(default=None, ge=0)


async def answer_admin(stage: Stage, verb: str, request: TwinRequest, query: Mapping[str, str]) -> Response:
    """Answer ``verb`` (method and last part of the path). Mistakes are told as ``{"error": ...}`` with status 400."""
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
    told: Json = {}
    match verb:
        case "GET contacts":
            told = stage.twin.contacts(stage.clock())
        case "POST contacts":
            told = {"ids": stage.twin.seed(parsed(tuple[Seed, ...], body), stage.clock())}
        case "GET requests":
            told = stage.journal.report(stage.twin.limiter)
        case "GET held":
            told = await _held(stage, query)
        case "POST release":
            told = {"released": stage.holds.release(parsed(_Released, body or {}).count)}
        case "POST reset":
            stage.reset()
        case "PUT switches":
            stage.twin.configure(parsed(dict[str, Any], body))
            told = asdict(stage.twin.switches)
        case "PUT limits":
            stage.twin.limiter.configure(parsed(tuple[Limit, ...], body))
            told = [asdict(limit) for limit in stage.twin.limiter.limits]
        case "PUT faults":
            chance = isinstance(body, dict)
            stage.faults.configure(parsed(Randomly, body).random if chance else parsed(tuple[Rule, ...], body))
            told = body
        case _:
            raise LookupError(f"The sandbox does not know {verb}.")
    return told


async def _held(stage: Stage, query: Mapping[str, str]) -> Json:
    asked = parsed(_Awaited, {name: orjson.loads(value) for name, value in query.items()})
    try:
        async with asyncio.timeout(asked.timeout):
            held = await stage.holds.wait_for(asked.wait_for)
    except TimeoutError:
        there = len(await stage.holds.wait_for(0))
        message = f"After {asked.timeout:g} s {there} of {asked.wait_for} requests are held."
        raise TimeoutError(message) from None
    return [{"id": each.id, **asdict(each.entry), "gone": each.gone()} for each in held]
