"""The twin of ChartMogul, request by request, where its own client does not look."""

from __future__ import annotations

from base64 import b64encode
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from syncengine.sandbox.limits import TwinLimit
from syncengine.sandbox.twins.chartmogul.store import CUSTOMERS, DATA_SOURCE
from syncengine.sandbox.twins.chartmogul.twin import ChartMogulTwin
from syncengine.sandbox.twins.twin import TwinRequest

PLACE = {"customer_uuid": CUSTOMERS[0], "data_source_uuid": DATA_SOURCE}


class Client:
    def __init__(self, **switches: Any) -> None:
        self.twin = ChartMogulTwin()
        self.twin.configure(switches)
        self.key = "sandbox-key"

    def call(
        self, method: str, path: str, body: Any = None, now: float = 0.0, **query: str
    ) -> tuple[int, Any]:
        headers = {
            "authorization": f"Basic {b64encode(f'{self.key}:'.encode()).decode()}"
        }
        raw = b"" if body is None else orjson.dumps(body)
        response = self.twin.handle(
            TwinRequest(method, f"/v1{path}", urlencode(query), headers, raw), now
        )
        return response.status, orjson.loads(response.body)

    def create(self, **fields: Any) -> str:
        status, answer = self.call("POST", "/contacts", {**PLACE, **fields})
        assert status == 201, answer
        uuid: str = answer["uuid"]
        return uuid

    def update(self, uuid: str, **fields: Any) -> tuple[int, Any]:
        return self.call("PATCH", f"/contacts/{uuid}", fields)


def test_a_create_repeats_unless_external_ids_are_unique() -> None:
    client = Client()
    assert client.create(external_id="7") != client.create(external_id="7")
    client.twin.configure({"external_id_unique": True})
    assert client.call("POST", "/contacts", {**PLACE, "external_id": "7"})[0] == 422
    assert client.create() != client.create()


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("String", "x", 1),
        ("Integer", 1, True),
        ("Decimal", 1.5, "1.5"),
        ("Boolean", False, 0),
        ("Timestamp", "t", 1),
    ],
)
def test_defined_attributes_have_types(kind: str, good: Any, bad: Any) -> None:
    client = Client(attributes={"a": kind})
    uuid = client.create(custom={"a": good, "other": 1})
    assert client.call("GET", f"/contacts/{uuid}")[1]["custom"] == {"a": good}
    assert client.update(uuid, custom=[{"key": "a", "value": bad}])[0] == 422
    client.twin.configure({"wrong_type": "drop"})
    assert client.update(uuid, custom=[{"key": "a", "value": bad}])[1]["custom"] == {
        "a": good
    }


@pytest.mark.parametrize(
    ("mode", "held"), [("clear", (None, {})), ("ignore", ("+491", {"a": 1}))]
)
def test_null_clears_the_external_id_whatever_else_it_does(
    mode: str, held: Any
) -> None:
    client = Client(null_mode=mode)
    uuid = client.create(external_id="7", phone="+491", custom={"a": 1})
    _, answer = client.update(
        uuid, external_id=None, phone=None, custom=[{"key": "a", "value": None}]
    )
    assert answer["external_id"] is None
    assert (answer["phone"], answer["custom"]) == held


def test_a_refused_update_changes_nothing() -> None:
    client = Client()
    uuid = client.create(title="CTO")
    before = client.call("GET", f"/contacts/{uuid}")
    for change in (
        {"position": "1"},
        {"position": True},
        {"phone": 491},
        {"last_seen": "yesterday"},
        {"custom": "x"},
    ):
        assert client.update(uuid, title="CEO", **change)[0] == 400
    assert client.call("GET", f"/contacts/{uuid}") == before


def test_a_contact_stays_with_its_customer() -> None:
    client = Client()
    uuid = client.create()
    assert (
        client.update(uuid, customer_uuid=CUSTOMERS[1])[1]["customer_uuid"]
        == CUSTOMERS[0]
    )
    client.twin.configure({"fixed_reference": "422"})
    assert client.update(uuid, customer_uuid=CUSTOMERS[1])[0] == 422


def test_new_customers_can_be_made_and_found() -> None:
    client = Client()
    body = {"data_source_uuid": DATA_SOURCE, "external_id": "acct-77", "name": "Acme"}
    status, made = client.call("POST", "/customers", body)
    assert status == 201
    assert client.call("POST", "/customers", {"name": "Acme"})[0] == 422
    found = client.call(
        "GET", "/customers", data_source_uuid=DATA_SOURCE, external_id="acct-77"
    )[1]
    assert found["entries"] == [made]


def test_lists_refuse_pages_and_cut_long_ones() -> None:
    client = Client()
    for number in range(3):
        client.create(external_id=str(number))
    assert client.call("GET", "/contacts", page="2")[0] == 400
    assert client.call("GET", "/contacts", per_page="0")[0] == 400
    assert client.call("GET", "/contacts", cursor="?")[0] == 400
    assert len(client.call("GET", "/contacts", per_page="5000")[1]["entries"]) == 3
    client.twin.configure({"unknown_filter": "404"})
    assert client.call("GET", "/contacts", email="nobody@example.org")[0] == 404
    assert client.call("GET", "/contacts", external_id="9") == (
        200,
        {"entries": [], "has_more": False, "cursor": None},
    )


def test_wrong_keys_limits_and_paths() -> None:
    client = Client()
    client.twin.limiter.configure([TwinLimit(2, 1.0, "bucket")])
    assert [client.call("GET", "/ping")[0] for _ in range(3)] == [200, 200, 429]
    assert client.call("GET", "/nowhere", now=9.0)[0] == 404
    assert client.call("PUT", "/contacts", now=9.0)[0] == 405
    client.key = "another"
    assert client.call("GET", "/ping", now=99.0)[0] == 401


def test_a_contact_merged_into_itself_is_refused() -> None:
    client = Client()
    uuid = client.create()
    assert client.call("POST", f"/contacts/{uuid}/merge/{uuid}")[0] == 400
    assert client.call("POST", f"/contacts/{uuid}/merge/con_other")[0] == 404
