"""The sandbox over real HTTP on loopback."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import pytest
from yarl import URL

from syncengine.sandbox.server import Sandbox, serve

TOKEN = {"authorization": "Bearer sandbox-token"}
CREATE = {"custom_fields": [{"name": "crm_id", "value": "crm-7"}]}


@dataclass
class Bench:
    sandbox: Sandbox
    session: aiohttp.ClientSession

    async def call(self, method: str, path: str, json: Any = None, **headers: str) -> tuple[int, Any]:
        url = URL(self.sandbox.url("respond_io") + path, encoded=True)
        async with self.session.request(method, url, json=json, headers={**TOKEN, **headers}) as response:
            return response.status, orjson.loads(await response.read())

    async def create(self) -> tuple[int, Any]:
        return await self.call("POST", "/contact/", CREATE)

    async def admin(self, method: str, verb: str, json: Any = None) -> Any:
        async with self.session.request(
            method, f"{self.sandbox.admin_url('respond_io')}/{verb}", json=json
        ) as response:
            told = await response.json()
            assert response.status == 200, told
            return told

    async def faults(self, *rules: dict[str, Any]) -> None:
        await self.admin("PUT", "faults", list(rules))

    async def held(self) -> list[str]:
        return [contact["id"] for contact in await self.admin("GET", "contacts")]

    async def statuses(self) -> dict[str, int]:
        told: dict[str, int] = (await self.admin("GET", "requests"))["by_status"]
        return told


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with serve(["respond_io", "charles"]) as sandbox, aiohttp.ClientSession() as session:
        yield Bench(sandbox, session)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what the server does without being asked."""
    async with asyncio.timeout(10):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)


async def committed(it: Bench) -> bool:
    return bool(await it.held())


async def left(it: Bench) -> bool:
    return all(held["gone"] for held in await it.admin("GET", "held?wait_for=1"))


async def dropped(it: Bench) -> bool:
    return await it.statuses() == {"dropped": 1}


@pytest.mark.asyncio
async def test_twins_stand_side_by_side_and_know_only_their_own() -> None:
    async with bench() as it:
        assert await it.create() == (200, {"data": {"id": "177640021"}})
        url = it.sandbox.url("charles") + "/api/v1beta/contacts"
        body = {"external_reference_id": "crm-7", "source_type": "acme"}
        async with it.session.put(url, json=body, headers={"x-api-key": "sandbox-key"}) as response:
            assert response.status == 200
        assert [contact["key"] for contact in it.sandbox.contacts("charles")] == ["crm-7"]
        assert [contact["fields"] for contact in it.sandbox.contacts("respond_io")] == [{"crm_id": "crm-7"}]
        async with it.session.get(f"http://127.0.0.1:{it.sandbox.port}/elsewhere/x") as response:
            assert response.status == 404
        with pytest.raises(LookupError, match='no "elsewhere"'):
            it.sandbox.url("elsewhere")


@pytest.mark.asyncio
async def test_a_vendor_can_be_served_twice() -> None:
    async with serve(["de=respond_io", "at=respond_io"]) as sandbox, aiohttp.ClientSession() as session:
        async with session.post(sandbox.url("at") + "/contact/", json=CREATE, headers=TOKEN) as response:
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
        _, told = await it.call("POST", "/contact/", {"custom_fields": [{"name": "phone", "value": "+491"}]}, **viber)
        viber_id = told["data"]["id"]
        assert {"+", "/", "="} <= set(viber_id)
        encoded = b64encode(viber_id.encode()).decode()
        assert (await it.call("GET", f"/contact/{quote(encoded, safe='')}", **viber))[0] == 200
        assert (await it.call("GET", f"/contact/{quote(viber_id, safe='')}", **viber))[0] == 403
        for value, hits in (("%2B491", 1), ("+491", 0)):
            _, page = await it.call("GET", f"/contact/by_custom_field?name=phone&value={value}", **viber)
            assert page["meta"]["total"] == hits


@pytest.mark.asyncio
async def test_limits_are_counted_at_arrival() -> None:
    async with bench() as it:
        await it.admin("PUT", "limits", [{"calls": 2, "per": 3600, "method": "POST"}])
        assert [(await it.create())[0] for _ in range(4)] == [200, 200, 429, 429]
        told = await it.admin("GET", "requests")
        assert told["refused"] == 2
        assert told["total"] == 4
        assert told["by_route"] == {"POST /contact/": 4}
        assert told["by_status"] == {"200": 2, "429": 2}
        assert sum(minute["requests"] for minute in told["per_minute"]) == 4
        limit = {"calls": 2, "per": 3600.0, "kind": "sliding", "method": "POST", "phase": 0.0}
        limit |= {"burst": None, "count_refused": False}
        assert told["worst_window"] == [{**limit, "worst": 4}]
        assert [entry["status"] for entry in told["log"]] == [200, 200, 429, 429]


@pytest.mark.asyncio
async def test_a_held_request_takes_its_place_when_it_arrives() -> None:
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
        async with it.session.post(it.sandbox.url("respond_io") + "/contact/", json=CREATE, headers=TOKEN) as response:
            assert response.status == 504
            assert response.content_type == "text/html"
        assert len(await it.held()) == (1 if when == "after" else 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("retry_after", [None, 7])
async def test_a_throttle_commits_nothing(retry_after: int | None) -> None:
    async with bench() as it:
        await it.faults({"kind": "throttle", "retry_after": retry_after})
        async with it.session.post(it.sandbox.url("respond_io") + "/contact/", json=CREATE, headers=TOKEN) as response:
            assert response.status == 429
            assert response.headers.get("retry-after") == (None if retry_after is None else "7")
        assert await it.held() == []


@pytest.mark.asyncio
async def test_a_refusal_hits_only_whom_it_names() -> None:
    async with bench() as it:
        await it.faults({"kind": "refuse", "status": 422, "text": "no idea", "body": "crm-7"})
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
@pytest.mark.parametrize("fault", [{"kind": "slow_drip"}, {"kind": "latency"}, {"kind": "latency", "when": "after"}])
async def test_what_is_slow_is_whole(fault: dict[str, Any]) -> None:
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
@pytest.mark.parametrize(("kind", "meanwhile"), [("hold_before_commit", 0), ("hold_after_commit", 1)])
async def test_a_held_request_goes_on_when_released(kind: str, meanwhile: int) -> None:
    async with bench() as it:
        await it.faults({"kind": kind})
        waiting = asyncio.create_task(it.create())
        (held,) = await it.admin("GET", "held?wait_for=1")
        assert (held["route"], held["fault"], held["gone"]) == ("POST /contact/", kind, False)
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
async def test_a_held_request_whose_client_has_left(fault: dict[str, Any], contacts: int) -> None:
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
async def test_what_was_on_its_way_at_a_reset_commits_nothing(*, commit_if_gone: bool) -> None:
    async with bench() as it:
        await it.faults({"kind": "hold_before_commit", "commit_if_gone": commit_if_gone})
        waiting = asyncio.create_task(it.create())
        await it.admin("GET", "held?wait_for=1")
        await it.admin("POST", "reset")
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
        assert await it.held() == []
        told = await it.admin("GET", "requests")
        assert (told["total"], told["by_status"]) == (0, {})


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
async def test_a_large_account_is_seeded_at_once() -> None:
    async with bench() as it:
        seeds = [{"fields": {"crm_id": str(number), "note": "x" * 400}} for number in range(4000)]
        url = it.sandbox.admin_url("respond_io") + "/contacts"
        async with it.session.post(url, data=BytesIO(orjson.dumps(seeds))) as response:
            assert response.status == 200, await response.text()
        assert len(await it.held()) == 4000


@pytest.mark.asyncio
async def test_what_came_lately_and_in_which_window() -> None:
    async with bench() as it:
        for _ in range(3):
            await it.create()
        first, *later = await it.admin("GET", "log")
        assert [each["route"] for each in (first, *later)] == ["POST /contact/"] * 3
        assert await it.admin("GET", f"log?since={first['at']!r}") == later
        told = await it.admin("GET", "requests?per=86400")
        assert sum(window["requests"] for window in told["per_window"]) == 3
        assert [(worst["per"], worst["worst"]) for worst in told["worst_window"]] == [(60.0, 3), (86400.0, 3)]


@pytest.mark.asyncio
async def test_doubles_are_told() -> None:
    async with bench() as it:
        made = [(await it.create())[1]["data"]["id"] for _ in range(2)]
        assert await it.admin("GET", "duplicates?key=crm_id") == {"phone": {}, "key": {"crm-7": made}}


@pytest.mark.asyncio
async def test_the_vendors_limits_are_in_force_on_request() -> None:
    async with serve(["respond_io"], vendor_limits=True) as sandbox:
        (limit,) = sandbox.twin("respond_io").limiter.limits
        assert (limit.calls, limit.per, limit.kind) == (200, 60.0, "fixed")
    async with bench() as it:
        assert it.sandbox.twin("respond_io").limiter.limits == ()
        told = await it.admin("PUT", "limits", "vendor")
        assert [(each["calls"], each["per"], each["kind"]) for each in told] == [(200, 60.0, "fixed")]
        assert await it.admin("PUT", "limits", []) == []


@pytest.mark.asyncio
async def test_waiting_in_vain_says_how_far_it_came() -> None:
    async with (
        bench() as it,
        it.session.get(it.sandbox.admin_url("respond_io") + "/held?wait_for=2&timeout=0.01") as response,
    ):
        assert response.status == 408
        assert (await response.json())["error"] == "After 0.01 s 0 of 2 requests are held."


@pytest.mark.asyncio
async def test_seeded_and_reset() -> None:
    async with bench() as it:
        told = await it.admin("POST", "contacts", [{"fields": {"crm_id": "a"}, "tags": ["vip"]}])
        assert told == {"ids": ["177640021"]}
        (contact,) = await it.admin("GET", "contacts")
        assert contact == {"id": "177640021", "key": None, "fields": {"crm_id": "a"}, "tags": ["vip"]}
        await it.faults({"kind": "refuse"})
        await it.admin("POST", "reset")
        assert await it.held() == []
        assert (await it.create())[0] == 200
        assert (await it.admin("GET", "requests"))["total"] == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "verb", "body", "said"),
    [
        ("PUT", "switches", b'{"nope": 1}', "nope: Unexpected keyword argument"),
        ("PUT", "switches", b"[]", "value: Input should be an object"),
        ("PUT", "limits", b'[{"calls": 0, "per": 1}]', "0.calls: Input should be greater than 0"),
        ("PUT", "limits", b'[{"calls": 1, "per": 1, "burst": 2}]', "only a bucket has a burst"),
        ("PUT", "limits", b'"mine"', "value: Input should be a valid array"),
        ("GET", "requests?per=0", b"", "per: Input should be greater than 0"),
        ("GET", "log?until=3", b"", "until: Unexpected keyword argument"),
        ("PUT", "faults", b'[{"kind": "meteor"}]', "0.kind: Input should be 'latency'"),
        ("PUT", "faults", b'[{"kind": "reset", "path": "("}]', "path is no regular expression"),
        ("PUT", "faults", b'{"random": {"seed": 1, "share": 2, "kinds": ["reset"]}}', "random.share: Input should be"),
        ("PUT", "faults", b"{", "The body is not valid JSON"),
        ("POST", "contacts", b'[{"field": {}}]', "0.field: Unexpected keyword argument"),
        ("POST", "contacts", b'[{"fields": {"a": []}}]', "The value must be a text"),
        ("GET", "held?wait_for=soon", b"", "The body is not valid JSON"),
    ],
)
async def test_mistakes_are_told(method: str, verb: str, body: bytes, said: str) -> None:
    async with bench() as it:
        url = f"{it.sandbox.admin_url('respond_io')}/{verb}"
        async with it.session.request(method, url, data=body) as response:
            assert response.status == 400
            assert said in (await response.json())["error"]


@pytest.mark.asyncio
async def test_an_unknown_verb_is_told() -> None:
    async with bench() as it, it.session.get(it.sandbox.admin_url("respond_io") + "/nope") as response:
        assert response.status == 404
        assert (await response.json())["error"] == "The sandbox does not know GET nope."


@pytest.mark.asyncio
async def test_faults_at_random_hit_their_share() -> None:
    async with bench() as it:
        await it.admin("PUT", "faults", {"random": {"seed": 7, "share": 0.5, "kinds": ["throttle", "truncated_json"]}})
        for _ in range(40):
            try:
                await it.create()
            except orjson.JSONDecodeError:
                continue
        faults = [entry.fault for entry in it.sandbox.journal("respond_io").log]
        assert {None, "throttle", "truncated_json"} == set(faults)


@pytest.mark.asyncio
async def test_a_server_ends_although_a_request_is_held() -> None:
    async with aiohttp.ClientSession() as session:
        async with serve(["respond_io"]) as sandbox:
            it = Bench(sandbox, session)
            await it.faults({"kind": "hold_before_commit"})
            waiting = asyncio.create_task(it.create())
            await it.admin("GET", "held?wait_for=1")
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
        assert sandbox.contacts("respond_io") == []
