"""ChartMogul's own Python client, unchanged, works against the twin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import pytest
import requests

from syncengine.sandbox.faults import FaultKind, Rule
from syncengine.sandbox.server import serve
from syncengine.sandbox.twins.chartmogul.store import CUSTOMERS, DATA_SOURCE
from tests.support.chartmogul_client import chartmogul

KEY = {"authorization": aiohttp.encode_basic_auth("sandbox-key", "")}
ILSE: dict[str, Any] = {
    "customer_uuid": CUSTOMERS[0],
    "data_source_uuid": DATA_SOURCE,
    "external_id": "crm-1",
    "first_name": "Ilse",
    "last_name": "Brandt",
    "email": "ilse@example.org",
    "phone": "+4915111223344",
    "notes": "line one\nline two",
    "custom": [{"key": "plan_name", "value": "gold"}, {"key": "visits", "value": 3}],
}


@contextmanager
def client(url: str, key: str = "sandbox-key") -> Iterator[Any]:
    config = chartmogul.Config(key)
    config.uri = f"{url}/v1"
    config.request_timeout = 10
    config.max_retries = 0
    yield config


async def with_client(use: Callable[[Any], None], **switches: Any) -> None:
    """Use the client, which knows no event loop, beside the server."""
    async with serve(["chartmogul"]) as sandbox:
        sandbox.twin("chartmogul").configure(switches)
        with client(sandbox.url("chartmogul")) as config:
            await asyncio.to_thread(use, config)


@pytest.mark.asyncio
async def test_create_retrieve_update_delete() -> None:
    def use(config: Any) -> None:
        assert chartmogul.Ping.ping(config).get().data == "pong!"
        made = chartmogul.Contact.create(config, data=ILSE).get()
        assert made.uuid.startswith("con_")
        assert (made.position, made.custom) == (1, {"plan_name": "gold", "visits": 3})
        assert made.customer_external_id == "acct-1"
        read = chartmogul.Contact.retrieve(config, uuid=made.uuid).get()
        assert vars(read) == vars(made)
        changes = {
            "email": "brandt@example.org",
            "external_id": None,
            "custom": [{"key": "visits", "value": 4}],
        }
        updated = chartmogul.Contact.modify(config, uuid=made.uuid, data=changes).get()
        assert (updated.email, updated.external_id) == ("brandt@example.org", None)
        assert updated.custom == {"plan_name": "gold", "visits": 4}
        assert updated.notes == ILSE["notes"]
        chartmogul.Contact.destroy(config, uuid=made.uuid).get()
        with pytest.raises(chartmogul.APIError) as gone:
            chartmogul.Contact.retrieve(config, uuid=made.uuid).get()
        assert gone.value.__cause__.response.status_code == 404

    await with_client(use)


@pytest.mark.asyncio
async def test_lists_come_newest_first_with_cursors_and_filters() -> None:
    def use(config: Any) -> None:
        made = [
            chartmogul.Contact.create(
                config,
                data={**ILSE, "email": f"{n}@example.org", "external_id": f"crm-{n}"},
            )
            .get()
            .uuid
            for n in range(5)
        ]
        listed: list[str] = []
        cursor: dict[str, str] = {}
        more = True
        while more:
            page = chartmogul.Contact.all(config, per_page=2, **cursor).get()
            listed += [contact.uuid for contact in page.entries]
            cursor, more = {"cursor": page.cursor}, page.has_more
        assert listed == made[::-1]
        found = chartmogul.Contact.all(config, email="3@EXAMPLE.org").get()
        assert [contact.uuid for contact in found.entries] == [made[3]]
        assert chartmogul.Contact.all(config, external_id="crm-9").get().entries == []
        under = chartmogul.Customer.contacts(config, uuid=CUSTOMERS[1]).get()
        assert (under.entries, under.has_more) == ([], False)
        body = {key: value for key, value in ILSE.items() if key != "customer_uuid"}
        chartmogul.Customer.createContact(config, uuid=CUSTOMERS[1], data=body).get()
        assert (
            len(chartmogul.Customer.contacts(config, uuid=CUSTOMERS[1]).get().entries)
            == 1
        )

    await with_client(use)


@pytest.mark.asyncio
@pytest.mark.parametrize(("told", "customer"), [("null", None), ("kept", CUSTOMERS[0])])
async def test_a_merge_leaves_the_first_filled_from_the_second(
    told: str, customer: str | None
) -> None:
    def use(config: Any) -> None:
        one = chartmogul.Contact.create(
            config, data={**ILSE, "phone": None, "notes": "one"}
        ).get()
        other = chartmogul.Contact.create(
            config, data={**ILSE, "first_name": "I.", "notes": "two"}
        ).get()
        merged = chartmogul.Contact.merge(
            config, into_uuid=one.uuid, from_uuid=other.uuid
        ).get()
        assert (merged.uuid, merged.first_name, merged.phone) == (
            one.uuid,
            "Ilse",
            ILSE["phone"],
        )
        assert (merged.notes, merged.customer_uuid) == ("one\ntwo", customer)
        assert [
            contact.uuid for contact in chartmogul.Contact.all(config).get().entries
        ] == [one.uuid]

    await with_client(use, merged_customer=told)


@pytest.mark.asyncio
async def test_what_is_refused_comes_as_the_client_s_own_error() -> None:
    def use(config: Any) -> None:
        for change, status in (
            ({"customer_uuid": "cus_unknown"}, 404),
            ({"data_source_uuid": None}, 422),
            ({"custom": [{"key": "plan_name", "value": "x" * 256}]}, 422),
        ):
            with pytest.raises(chartmogul.APIError) as refused:
                chartmogul.Contact.create(config, data={**ILSE, **change}).get()
            cause = refused.value.__cause__
            assert isinstance(cause, requests.HTTPError)
            assert cause.response is not None
            assert cause.response.status_code == status
        made = chartmogul.Contact.create(
            config, data={**ILSE, "custom": [{"key": "unknown", "value": 1}]}
        ).get()
        assert made.custom == {}
        config.auth = ("another-key", "")
        with pytest.raises(chartmogul.APIError, match="No valid API key"):
            chartmogul.Ping.ping(config).get()

    await with_client(use, attributes={"plan_name": "String", "visits": "Integer"})


@pytest.mark.asyncio
async def test_more_than_twenty_connections_at_once_are_refused() -> None:
    async with serve(["chartmogul"]) as sandbox, aiohttp.ClientSession() as session:
        holds = sandbox.holds("chartmogul")
        sandbox.faults("chartmogul").configure([Rule(FaultKind.HOLD_BEFORE_COMMIT)])

        async def ping() -> int:
            url = f"{sandbox.url('chartmogul')}/v1/ping"
            async with session.get(url, headers=KEY) as response:
                return response.status

        waiting = [asyncio.create_task(ping()) for _ in range(21)]
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result() for task in done] == [503]
        holds.release()
        assert sorted(await asyncio.gather(*waiting)) == [200] * 20 + [503]
