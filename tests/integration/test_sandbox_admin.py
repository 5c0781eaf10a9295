"""The sandbox's admin endpoint."""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

import aiohttp
import orjson
import pytest

from syncengine import vendors
from syncengine.cli.sandbox import described
from syncengine.engine.exchange import Meter, drive
from syncengine.engine.pacing import Pacing
from syncengine.sandbox.server import serve
from syncengine.sandbox.twins.chartmogul.twin import ChartMogulTwin
from syncengine.transport.client import Transport
from tests.support.sandbox_bench import bench


@pytest.mark.asyncio
async def test_waiting_in_vain_says_how_far_it_came() -> None:
    async with (
        bench() as it,
        it.session.get(
            it.sandbox.admin_url("respond_io") + "/held?wait_for=2&timeout=0.01"
        ) as response,
    ):
        assert response.status == 408
        assert (await response.json())[
            "error"
        ] == "After 0.01 s 0 of 2 requests are held."


@pytest.mark.asyncio
async def test_seeded_and_reset() -> None:
    async with bench() as it:
        answer = await it.admin(
            "POST", "contacts", [{"fields": {"crm_id": "a"}, "tags": ["vip"]}]
        )
        assert answer == {"ids": ["177640021"]}
        (contact,) = await it.admin("GET", "contacts")
        assert contact == {
            "id": "177640021",
            "key": None,
            "fields": {"crm_id": "a"},
            "tags": ["vip"],
        }
        await it.faults({"kind": "refuse"})
        await it.admin("POST", "reset")
        assert await it.held() == []
        assert (await it.create())[0] == 200
        assert (await it.admin("GET", "requests"))["total"] == 1


@pytest.mark.asyncio
async def test_a_large_account_is_seeded_at_once() -> None:
    async with bench() as it:
        seeds = [
            {"fields": {"crm_id": str(number), "note": "x" * 400}}
            for number in range(4000)
        ]
        url = it.sandbox.admin_url("respond_io") + "/contacts"
        async with it.session.post(url, data=BytesIO(orjson.dumps(seeds))) as response:
            assert response.status == 200, await response.text()
        assert len(await it.held()) == 4000


@pytest.mark.asyncio
async def test_the_log_since_a_moment_and_the_requests_of_each_window() -> None:
    async with bench() as it:
        for _ in range(3):
            await it.create()
        first, *later = await it.admin("GET", "log")
        assert [each["route"] for each in (first, *later)] == ["POST /contact/"] * 3
        assert await it.admin("GET", f"log?since={first['at']!r}") == later
        answer = await it.admin("GET", "requests?per=86400")
        assert sum(window["requests"] for window in answer["per_window"]) == 3
        assert [(worst["per"], worst["worst"]) for worst in answer["worst_window"]] == [
            (60.0, 3),
            (86400.0, 3),
        ]


@pytest.mark.asyncio
async def test_duplicates_are_listed() -> None:
    async with bench() as it:
        made = [(await it.create())[1]["data"]["id"] for _ in range(2)]
        assert await it.admin("GET", "duplicates?key=crm_id") == {
            "phone": {},
            "key": {"crm-7": made},
        }


@pytest.mark.asyncio
async def test_the_vendors_limits_are_in_force_on_request() -> None:
    async with serve(["respond_io"], vendor_limits=True) as sandbox:
        (limit,) = sandbox.twin("respond_io").limiter.limits
        assert (limit.calls, limit.per, limit.kind) == (200, 60.0, "fixed")
    async with bench() as it:
        assert it.sandbox.twin("respond_io").limiter.limits == ()
        answer = await it.admin("PUT", "limits", "vendor")
        assert [(each["calls"], each["per"], each["kind"]) for each in answer] == [
            (200, 60.0, "fixed")
        ]
        assert await it.admin("PUT", "limits", []) == []


class _BadRequest(NamedTuple):
    """A request to the admin endpoint, and the message that refuses it."""

    method: str
    verb: str
    body: bytes
    said: str


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("method", "verb", "body", "said"),
    [
        _BadRequest(
            method="PUT",
            verb="switches",
            body=b'{"nope": 1}',
            said="nope: Unexpected keyword argument",
        ),
        _BadRequest(
            method="PUT",
            verb="switches",
            body=b"[]",
            said="value: Input should be an object",
        ),
        _BadRequest(
            method="PUT",
            verb="limits",
            body=b'[{"calls": 0, "per": 1}]',
            said="0.calls: Input should be greater than 0",
        ),
        _BadRequest(
            method="PUT",
            verb="limits",
            body=b'[{"calls": 1, "per": 1, "burst": 2}]',
            said="only a bucket has a burst",
        ),
        _BadRequest(
            method="PUT",
            verb="limits",
            body=b'"mine"',
            said="value: Input should be a valid array",
        ),
        _BadRequest(
            method="GET",
            verb="requests?per=0",
            body=b"",
            said="per: Input should be greater than 0",
        ),
        _BadRequest(
            method="GET",
            verb="log?until=3",
            body=b"",
            said="until: Unexpected keyword argument",
        ),
        _BadRequest(
            method="PUT",
            verb="faults",
            body=b'[{"kind": "meteor"}]',
            said="0.kind: Input should be 'latency'",
        ),
        _BadRequest(
            method="PUT",
            verb="faults",
            body=b'[{"kind": "reset", "path": "("}]',
            said="path is not a regular expression",
        ),
        _BadRequest(
            method="PUT",
            verb="faults",
            body=b'{"random": {"seed": 1, "share": 2, "kinds": ["reset"]}}',
            said="random.share: Input should be",
        ),
        _BadRequest(
            method="PUT", verb="faults", body=b"{", said="The body is not valid JSON"
        ),
        _BadRequest(
            method="POST",
            verb="contacts",
            body=b'[{"field": {}}]',
            said="0.field: Unexpected keyword argument",
        ),
        _BadRequest(
            method="POST",
            verb="contacts",
            body=b'[{"fields": {"a": []}}]',
            said="The value must be a text",
        ),
        _BadRequest(
            method="GET",
            verb="held?wait_for=soon",
            body=b"",
            said="The body is not valid JSON",
        ),
    ],
)
async def test_mistakes_are_answered_with_their_reason(
    method: str, verb: str, body: bytes, said: str
) -> None:
    async with bench() as it:
        url = f"{it.sandbox.admin_url('respond_io')}/{verb}"
        async with it.session.request(method, url, data=body) as response:
            assert response.status == 400
            assert said in (await response.json())["error"]


@pytest.mark.asyncio
async def test_an_unknown_verb_is_answered_with_the_known_ones() -> None:
    async with (
        bench() as it,
        it.session.get(it.sandbox.admin_url("respond_io") + "/nope") as response,
    ):
        assert response.status == 404
        error = (await response.json())["error"]
        assert error.startswith(
            "The sandbox does not know GET nope. It knows GET contacts, "
        )
        assert error.endswith(", PUT faults.")


@pytest.mark.asyncio
async def test_the_endpoint_itself_lists_the_verbs() -> None:
    async with bench() as it:
        for address in ("respond_io", "respond_io/"):
            answer = await it.admin("GET", f"../{address}")
            assert answer["settings"] == {"token": "sandbox-token"}
            for each in answer["asks_and_changes"]:
                method, _, rest = each.partition(" ")
                verb = rest.partition("?")[0]
                async with it.session.request(
                    method, f"{it.sandbox.admin_url('respond_io')}/{verb}"
                ) as response:
                    assert "does not know" not in await response.text(), each
        for address in ("", "__sandbox", "__sandbox/", "nowhere"):
            async with it.session.get(
                f"http://127.0.0.1:{it.sandbox.port}/{address}"
            ) as response:
                twins = (await response.json())["twins"]
                assert twins["respond_io"]["admin"] == it.sandbox.admin_url(
                    "respond_io"
                )


@pytest.mark.asyncio
async def test_the_customer_that_exists_is_shown_and_accepted() -> None:
    async with serve(["chartmogul"]) as sandbox:
        exists = sandbox.exists("chartmogul")
        async with (
            aiohttp.ClientSession() as session,
            session.get(sandbox.admin_url("chartmogul")) as response,
        ):
            assert (await response.json())["exists"] == exists
        assert (
            "a value of the field customer_uuid that exists there: "
            f"{exists['customer_uuid']}"
        ) in described(sandbox, ["chartmogul"])
        twin = sandbox.twin("chartmogul")
        assert isinstance(twin, ChartMogulTwin)
        customer = twin.store.account.customers[exists["customer_uuid"]]
        assert customer.external_id == exists["customer_external_id"]


@pytest.mark.asyncio
async def test_the_settings_that_are_shown_are_accepted() -> None:
    for name in vendors.names():
        async with serve([name]) as sandbox:
            module = vendors.load(name)
            answer: dict[str, object] = dict(sandbox.settings(name))
            if name == "charles":
                answer["source_type"] = "crm"
            settings = module.settings.model_validate(answer)
            vendor = module.build(settings)
            pacing = Pacing(module.limits, in_flight=1, settles_within=1.0)
            async with (
                pacing,
                Transport(settings.base_url, pacing, timeout=5.0) as transport,
            ):
                await drive(vendor.probe, transport, Meter())


@pytest.mark.asyncio
async def test_acts_of_a_person_are_done_over_http() -> None:
    async with bench() as it:
        acts = await it.admin("GET", "acts")
        assert acts["merge"]["needs"] == ["into", "other"]
        assert acts["block"]["takes"] == ["blocked"]
        assert "join" not in acts
        fields = {"phone": "0171 2345678"}
        made = await it.admin("POST", "act", {"act": "create", "fields": fields})
        again = await it.admin(
            "POST", "act", {"act": "recreate", "contact": made["result"]}
        )
        (contact,) = await it.admin("GET", "contacts")
        assert contact["id"] == again["result"] != made["result"]
        assert await it.admin("POST", "act", {"act": "empty"}) == {"result": None}
        assert await it.admin("GET", "contacts") == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("act", "status", "said"),
    [
        ({"act": "delete", "contact": "7"}, 404, "respond_io has no contact 7."),
        (
            {"act": "join", "contact": "7", "name": "L"},
            400,
            'At respond_io nobody can "join".',
        ),
        ({"act": "delete"}, 400, "contact: Missing required argument"),
        ([], 400, "value: Input should be an object"),
    ],
)
async def test_an_act_that_cannot_be_done_is_refused(
    act: object, status: int, said: str
) -> None:
    async with bench() as it:
        url = f"{it.sandbox.admin_url('respond_io')}/act"
        async with it.session.post(url, data=orjson.dumps(act)) as response:
            assert response.status == status
            assert (await response.json())["error"].startswith(said)
