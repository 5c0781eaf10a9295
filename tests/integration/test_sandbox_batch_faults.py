"""Faults of batches over real HTTP, at HubSpot: what is told, and what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.server import Sandbox, serve
from tests.support.command_process import until
from tests.support.hubspot_client import CONTACTS, made, without_trace

BATCH = f"{CONTACTS}/batch/create"
TOKEN = {"authorization": "Bearer sandbox-token"}
FOUR = [made(number) for number in range(4)]


class Batches:
    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self._session = session
        self._url = sandbox.url("hubspot")

    async def create(
        self, inputs: Sequence[Any], *rules: Rule
    ) -> tuple[int, Any, dict[str, str]]:
        """Send a batch that meets these faults, to an empty account.

        Returns the status, the body (None where it is HTML) and the headers.
        """
        self.sandbox.reset("hubspot")
        self.sandbox.faults("hubspot").configure(rules)
        return await self.again(inputs)

    async def again(self, inputs: Sequence[Any]) -> tuple[int, Any, dict[str, str]]:
        body = {"inputs": inputs}
        async with self._session.post(
            self._url + BATCH, json=body, headers=TOKEN
        ) as response:
            is_json = response.content_type == "application/json"
            read = await response.json() if is_json else None
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status, read, headers

    def keys(self) -> list[Any]:
        return [each["key"] for each in self.sandbox.contacts("hubspot")]


@asynccontextmanager
async def batches() -> AsyncIterator[Batches]:
    async with serve(["hubspot"]) as sandbox, aiohttp.ClientSession() as session:
        yield Batches(sandbox, session)


@pytest.mark.asyncio
async def test_a_batch_is_committed_whole_in_half_or_less_one() -> None:
    async with batches() as it:
        with pytest.raises(aiohttp.ClientConnectionError):
            await it.create(FOUR, Rule(FaultKind.RESET, when="after"))
        assert it.keys() == ["0", "1", "2", "3"]
        half = Rule(FaultKind.HALF_BATCH, status=502)
        assert (await it.create(FOUR, half))[:2] == (502, None)
        assert it.keys() == ["0", "1"]
        assert (await it.create(FOUR[:1], half))[0] == 502
        assert it.keys() == []
        late = Rule(FaultKind.ERROR_HTML, status=524, when="after")
        assert (await it.create(FOUR, late))[:2] == (524, None)
        assert len(it.keys()) == 4
        for untold, kept in (
            (Rule(FaultKind.ONE_UNTOLD), ["0", "1", "2"]),
            (Rule(FaultKind.ONE_UNTOLD, when="after"), ["0", "1", "2", "3"]),
        ):
            status, answer, _ = await it.create(FOUR, untold)
            told = {each["objectWriteTraceId"] for each in answer["results"]}
            assert (status, told) == (207, {"t0", "t1", "t2"})
            assert it.keys() == kept
        # What is refused as a whole stays refused, and one alone is told as ever.
        bad = [without_trace(made(0, missing="x")), *map(without_trace, FOUR[1:])]
        assert (await it.create(bad, Rule(FaultKind.ONE_UNTOLD)))[0] == 400
        assert (await it.create(FOUR[:1], Rule(FaultKind.ONE_UNTOLD)))[0] == 201


@pytest.mark.parametrize("commit_if_gone", [False, True])
@pytest.mark.asyncio
async def test_a_batch_is_held_half_committed(*, commit_if_gone: bool) -> None:
    async with batches() as it:
        kind = FaultKind.HOLD_HALF_COMMITTED
        held = Rule(kind, times=2, commit_if_gone=commit_if_gone)
        assert (await it.create(FOUR[:1], held))[0] == 201, "one alone is not held"
        sending = asyncio.create_task(it.again(FOUR[1:]))
        await it.sandbox.holds("hubspot").wait_for(1)
        assert it.keys() == ["0", "1"]
        it.sandbox.holds("hubspot").release()
        assert (await sending)[0] == 502
        assert it.keys() == ["0", "1"]
        sending = asyncio.create_task(it.create(FOUR, held))
        (request,) = await it.sandbox.holds("hubspot").wait_for(1)
        assert request.entry.contacts == len(FOUR)
        sending.cancel()
        await until(request.gone)
        it.sandbox.holds("hubspot").release()
        kept = ["0", "1", "2", "3"] if commit_if_gone else ["0", "1"]
        await until(lambda: request.entry.status is not None)
        assert it.keys() == kept


@pytest.mark.asyncio
async def test_statuses_that_are_no_refusals_commit_nothing() -> None:
    async with batches() as it:
        locked = Rule(FaultKind.REFUSE, status=423, text="Locked", times=3)
        statuses = [(await it.create(FOUR, locked))[0]]
        statuses += [(await it.again(FOUR))[0] for _ in range(3)]
        assert statuses == [423, 423, 423, 201]
        moving = Rule(FaultKind.REFUSE, status=477, retry_after=7200.0)
        status, _, headers = await it.create(FOUR, moving)
        assert (status, headers["retry-after"]) == (477, "7200")
        # At noon the day's limit is used up, by whomever.
        daily = Rule(FaultKind.REFUSE, status=429, text="DAILY", after=1)
        assert (await it.create(FOUR, daily))[0] == 201
        for _ in range(2):
            status, answer, _ = await it.again(FOUR)
            assert (status, answer["policyName"]) == (429, "DAILY")
        _, answer, _ = await it.create(FOUR, Rule(FaultKind.THROTTLE))
        assert answer["policyName"] == "TEN_SECONDLY_ROLLING"
        assert it.keys() == []
