"""Faults over real HTTP: what the client sees, and what the twin keeps."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from tests.support.sandbox_bench import (
    CREATE,
    TOKEN,
    bench,
    committed,
    dropped,
    left,
    until,
)


@pytest.mark.asyncio
async def test_a_delayed_request_takes_its_place_when_it_arrives() -> None:
    async with bench() as it:
        await it.admin("PUT", "limits", [{"calls": 1, "per": 3600}])
        await it.faults({"kind": "hold_before_commit"})
        first = asyncio.create_task(it.create())
        await it.admin("GET", "held?wait_for=1")
        assert (await it.create())[0] == 429
        await it.admin("POST", "release")
        assert (await first)[0] == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_reset_leaves_the_client_without_an_answer(when: str) -> None:
    async with bench() as it:
        await it.faults({"kind": "reset", "when": when, "times": 1})
        with pytest.raises(aiohttp.ClientConnectionError):
            await it.create()
        assert len(await it.held()) == (1 if when == "after" else 0)
        assert (await it.create())[0] == 200
        assert await it.statuses() == {"dropped": 1, "200": 1}


@pytest.mark.asyncio
@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_error_page_says_nothing_of_the_commit(when: str) -> None:
    async with bench() as it:
        await it.faults({"kind": "error_html", "when": when, "status": 504})
        async with it.session.post(
            it.sandbox.url("respond_io") + "/contact/", json=CREATE, headers=TOKEN
        ) as response:
            assert response.status == 504
            assert response.content_type == "text/html"
        assert len(await it.held()) == (1 if when == "after" else 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("retry_after", [None, 7])
async def test_a_throttle_commits_nothing(retry_after: int | None) -> None:
    async with bench() as it:
        await it.faults({"kind": "throttle", "retry_after": retry_after})
        async with it.session.post(
            it.sandbox.url("respond_io") + "/contact/", json=CREATE, headers=TOKEN
        ) as response:
            assert response.status == 429
            assert response.headers.get("retry-after") == (
                None if retry_after is None else "7"
            )
        assert await it.held() == []


@pytest.mark.asyncio
async def test_a_refusal_hits_only_whom_it_names() -> None:
    async with bench() as it:
        await it.faults(
            {"kind": "refuse", "status": 422, "text": "no idea", "body": "crm-7"}
        )
        assert await it.create() == (422, {"status": "error", "message": "no idea"})
        other = {"custom_fields": [{"name": "crm_id", "value": "crm-8"}]}
        assert (await it.call("POST", "/contact/", other))[0] == 200
        assert len(await it.held()) == 1


@pytest.mark.asyncio
async def test_half_an_answer_comes_after_the_commit() -> None:
    async with bench() as it:
        await it.faults({"kind": "truncated_json"})
        with pytest.raises(orjson.JSONDecodeError):
            await it.create()
        assert len(await it.held()) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "fault",
    [{"kind": "slow_drip"}, {"kind": "latency"}, {"kind": "latency", "when": "after"}],
)
async def test_a_slow_answer_arrives_whole(fault: dict[str, Any]) -> None:
    async with bench() as it:
        await it.faults({**fault, "seconds": 0.05})
        started = asyncio.get_running_loop().time()
        assert await it.create() == (200, {"data": {"id": "177640021"}})
        assert asyncio.get_running_loop().time() - started >= 0.049
        assert len(await it.held()) == 1


@pytest.mark.asyncio
async def test_a_late_commit_comes_after_the_connection_went() -> None:
    async with bench() as it:
        await it.faults({"kind": "commit_late", "seconds": 0.05})
        with pytest.raises(aiohttp.ClientConnectionError):
            await it.create()
        await until(lambda: committed(it))


@pytest.mark.asyncio
async def test_a_late_commit_may_wait_for_its_release() -> None:
    async with bench() as it:
        await it.faults({"kind": "commit_late", "until_released": True, "times": 1})
        with pytest.raises(aiohttp.ClientConnectionError):
            await it.create()
        (held,) = await it.admin("GET", "held?wait_for=1")
        assert (held["fault"], held["gone"]) == ("commit_late", True)
        assert await it.held() == []
        assert await it.admin("POST", "release") == {"released": 1}
        await until(lambda: committed(it))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("kind", "meanwhile"), [("hold_before_commit", 0), ("hold_after_commit", 1)]
)
async def test_a_delayed_request_goes_on_when_released(
    kind: str, meanwhile: int
) -> None:
    async with bench() as it:
        await it.faults({"kind": kind})
        waiting = asyncio.create_task(it.create())
        (held,) = await it.admin("GET", "held?wait_for=1")
        assert (held["route"], held["fault"], held["gone"]) == (
            "POST /contact/",
            kind,
            False,
        )
        assert len(await it.held()) == meanwhile
        assert await it.admin("POST", "release") == {"released": 1}
        assert await waiting == (200, {"data": {"id": "177640021"}})
        assert await it.admin("GET", "held") == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("fault", "contacts"),
    [
        ({"kind": "hold_before_commit"}, 0),
        ({"kind": "hold_before_commit", "commit_if_gone": True}, 1),
        ({"kind": "hold_after_commit"}, 1),
    ],
)
async def test_a_delayed_request_whose_client_has_disconnected(
    fault: dict[str, Any], contacts: int
) -> None:
    async with bench() as it:
        await it.faults(fault)
        waiting = asyncio.create_task(it.create())
        await it.admin("GET", "held?wait_for=1")
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await until(lambda: left(it))
        await it.admin("POST", "release")
        await until(lambda: dropped(it))
        assert len(await it.held()) == contacts


@pytest.mark.asyncio
@pytest.mark.parametrize("commit_if_gone", [True, False])
async def test_requests_under_way_at_a_reset_commit_nothing(
    *, commit_if_gone: bool
) -> None:
    async with bench() as it:
        await it.faults(
            {"kind": "hold_before_commit", "commit_if_gone": commit_if_gone}
        )
        waiting = asyncio.create_task(it.create())
        await it.admin("GET", "held?wait_for=1")
        await it.admin("POST", "reset")
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
        assert await it.held() == []
        answer = await it.admin("GET", "requests")
        assert (answer["total"], answer["by_status"]) == (0, {})


@pytest.mark.asyncio
async def test_a_late_commit_is_forgotten_at_a_reset() -> None:
    async with bench() as it:
        await it.faults({"kind": "commit_late", "until_released": True})
        with pytest.raises(aiohttp.ClientConnectionError):
            await it.create()
        await it.admin("GET", "held?wait_for=1")
        await it.admin("POST", "reset")
        assert await it.admin("GET", "held") == []
        assert await it.held() == []


@pytest.mark.asyncio
async def test_faults_at_random_hit_their_share() -> None:
    async with bench() as it:
        await it.admin(
            "PUT",
            "faults",
            {
                "random": {
                    "seed": 7,
                    "share": 0.5,
                    "kinds": ["throttle", "truncated_json"],
                }
            },
        )
        for _ in range(40):
            try:
                await it.create()
            except orjson.JSONDecodeError:
                continue
        faults = [entry.fault for entry in it.sandbox.journal("respond_io").log]
        assert {None, "throttle", "truncated_json"} == set(faults)
