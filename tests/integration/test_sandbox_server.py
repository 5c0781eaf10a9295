"""The sandbox over real HTTP on loopback."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from urllib.parse import quote

import aiohttp
import pytest

from syncengine.sandbox.server import serve
from tests.support.sandbox_bench import CREATE, TOKEN, Bench, bench


@pytest.mark.asyncio
async def test_twins_side_by_side_know_only_their_own_contacts() -> None:
    async with bench() as it:
        assert await it.create() == (200, {"data": {"id": "177640021"}})
        url = it.sandbox.url("charles") + "/api/v1beta/contacts"
        body = {"external_reference_id": "crm-7", "source_type": "acme"}
        async with it.session.put(
            url, json=body, headers={"x-api-key": "sandbox-key"}
        ) as response:
            assert response.status == 200
        assert [contact["key"] for contact in it.sandbox.contacts("charles")] == [
            "crm-7"
        ]
        assert [contact["fields"] for contact in it.sandbox.contacts("respond_io")] == [
            {"crm_id": "crm-7"}
        ]
        async with it.session.get(
            f"http://127.0.0.1:{it.sandbox.port}/elsewhere/x"
        ) as response:
            assert response.status == 404
        with pytest.raises(LookupError, match='no "elsewhere"'):
            it.sandbox.url("elsewhere")


@pytest.mark.asyncio
async def test_a_vendor_can_be_served_twice() -> None:
    async with (
        serve(["de=respond_io", "at=respond_io"]) as sandbox,
        aiohttp.ClientSession() as session,
    ):
        async with session.post(
            sandbox.url("at") + "/contact/", json=CREATE, headers=TOKEN
        ) as response:
            assert response.status == 200
        assert len(sandbox.contacts("at")) == 1
        assert sandbox.contacts("de") == []


@pytest.mark.asyncio
async def test_a_vendor_without_a_twin_is_named() -> None:
    for name in ("nobody", "twin", "charles_people"):
        with pytest.raises(LookupError, match=name):
            async with serve([name]):
                pass


@pytest.mark.asyncio
async def test_paths_and_queries_arrive_as_they_were_sent() -> None:
    async with bench() as it:
        await it.admin("PUT", "switches", {"viber_tokens": ["viber"]})
        viber = {"authorization": "Bearer viber"}
        _, answer = await it.call(
            "POST",
            "/contact/",
            {"custom_fields": [{"name": "phone", "value": "+491"}]},
            **viber,
        )
        viber_id = answer["data"]["id"]
        assert {"+", "/", "="} <= set(viber_id)
        encoded = b64encode(viber_id.encode()).decode()
        assert (await it.call("GET", f"/contact/{quote(encoded, safe='')}", **viber))[
            0
        ] == 200
        assert (await it.call("GET", f"/contact/{quote(viber_id, safe='')}", **viber))[
            0
        ] == 403
        assert (await it.call("GET", "/contact/%61%2Fb%2b", **viber))[0] == 403
        assert (await it.admin("GET", "log"))[-1]["path"] == "/contact/%61%2Fb%2b"
        for value, hits in (("%2B491", 1), ("+491", 0)):
            _, page = await it.call(
                "GET", f"/contact/by_custom_field?name=phone&value={value}", **viber
            )
            assert page["meta"]["total"] == hits


@pytest.mark.asyncio
async def test_limits_are_counted_at_arrival() -> None:
    async with bench() as it:
        await it.admin("PUT", "limits", [{"calls": 2, "per": 3600, "method": "POST"}])
        assert [(await it.create())[0] for _ in range(4)] == [200, 200, 429, 429]
        answer = await it.admin("GET", "requests")
        assert answer["refused"] == 2
        assert answer["total"] == 4
        assert answer["by_route"] == {"POST /contact/": 4}
        assert answer["by_status"] == {"200": 2, "429": 2}
        assert sum(minute["requests"] for minute in answer["per_minute"]) == 4
        limit = {
            "calls": 2,
            "per": 3600.0,
            "kind": "sliding",
            "method": "POST",
            "phase": 0.0,
        }
        limit |= {"burst": None, "count_refused": False, "route": None}
        limit |= {"counts": "requests"}
        assert answer["worst_window"] == [{**limit, "worst": 4}]
        assert [entry["status"] for entry in answer["log"]] == [200, 200, 429, 429]


@pytest.mark.asyncio
async def test_a_server_ends_although_a_request_waits() -> None:
    async with aiohttp.ClientSession() as session:
        async with serve(["respond_io"]) as sandbox:
            it = Bench(sandbox, session)
            await it.faults({"kind": "hold_before_commit"})
            waiting = asyncio.create_task(it.create())
            await it.admin("GET", "held?wait_for=1")
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
        assert sandbox.contacts("respond_io") == []
