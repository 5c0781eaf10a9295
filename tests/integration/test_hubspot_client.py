"""HubSpot's own Python client, unchanged, works against the twin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.contacts import (
    ApiException,
    BatchInputSimplePublicObjectBatchInput,
    BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert,
    BatchInputSimplePublicObjectId,
    BatchReadInputSimplePublicObjectId,
    PublicGdprDeleteInput,
    PublicMergeInput,
    PublicObjectSearchRequest,
    SimplePublicObjectBatchInput,
    SimplePublicObjectBatchInputForCreate,
    SimplePublicObjectBatchInputUpsert,
    SimplePublicObjectId,
    SimplePublicObjectInput,
    SimplePublicObjectInputForCreate,
)
from hubspot.crm.lists import MembershipChangeRequest
from hubspot.crm.properties import OptionInput, PropertyCreate

from syncengine.sandbox.server import Sandbox, serve

LIST = "41"


async def with_client(use: Callable[[Any, Sandbox], None], **switches: Any) -> None:
    """Use the client, which knows no event loop, beside the server."""
    async with serve(["hubspot"]) as sandbox:
        sandbox.twin("hubspot").configure({"search_delay": 0.0, **switches})
        client = HubSpot(access_token="sandbox-token", host=sandbox.url("hubspot"))
        await asyncio.to_thread(use, client, sandbox)


def create_many(client: Any, *people: dict[str, str]) -> Any:
    """Create contacts, each with its place as the trace id."""
    inputs = [
        SimplePublicObjectBatchInputForCreate(
            associations=[], object_write_trace_id=str(place), properties=properties
        )
        for place, properties in enumerate(people)
    ]
    body = BatchInputSimplePublicObjectBatchInputForCreate(inputs=inputs)
    return client.crm.contacts.batch_api.create(body)


def read_many(client: Any, ids: Sequence[str], key: str | None = None) -> Any:
    body = BatchReadInputSimplePublicObjectId(
        id_property=key,
        inputs=[SimplePublicObjectId(id=each) for each in ids],
        properties=["crm_id", "plan"],
        properties_with_history=[],
    )
    return client.crm.contacts.batch_api.read(body)


def status_of(request: Callable[[], object]) -> int:
    """Return the status of a request that is refused."""
    with pytest.raises(ApiException) as refused:
        request()
    return int(refused.value.status)


@pytest.mark.asyncio
async def test_the_client_creates_reads_updates_merges_and_archives() -> None:
    def use(client: Any, sandbox: Sandbox) -> None:
        contacts = client.crm.contacts.basic_api
        ilse = SimplePublicObjectInputForCreate(
            associations=[], properties={"email": "Ilse@example.org", "plan": "gold"}
        )
        made = contacts.create(ilse)
        assert made.properties["email"] == "ilse@example.org"
        with pytest.raises(ApiException, match=f"Existing ID: {made.id}") as known:
            contacts.create(ilse)
        assert known.value.status == 409
        changes = SimplePublicObjectInput(properties={"plan": "", "visits": "17"})
        contacts.update(made.id, changes)
        read = contacts.get_by_id(
            "ILSE@example.org", id_property="email", properties=["plan", "visits"]
        )
        assert (read.id, read.properties["plan"]) == (made.id, None)
        assert read.properties["visits"] == "17"
        (other,) = create_many(client, {"firstname": "I.", "plan": "silver"}).results
        merged = contacts.merge(
            PublicMergeInput(object_id_to_merge=other.id, primary_object_id=made.id)
        )
        assert merged.id not in (made.id, other.id)
        assert contacts.get_by_id(made.id).id == merged.id
        assert [each.id for each in client.crm.contacts.get_all()] == [merged.id]
        contacts.archive(merged.id)
        assert status_of(lambda: contacts.get_by_id(merged.id)) == 404
        assert contacts.get_by_id(merged.id, archived=True).archived
        contacts.purge(PublicGdprDeleteInput(object_id=merged.id))
        assert status_of(lambda: contacts.get_by_id(merged.id, archived=True)) == 404
        client.access_token = "another-token"
        assert status_of(client.crm.contacts.basic_api.get_page) == 401
        assert sandbox.contacts("hubspot") == []

    await with_client(use)


@pytest.mark.asyncio
async def test_the_client_works_in_batches() -> None:
    def use(client: Any, sandbox: Sandbox) -> None:
        batches = client.crm.contacts.batch_api
        people = [{"firstname": "Ann", "crm_id": str(number)} for number in range(9)]
        whole = create_many(client, *people)
        ids = {each.object_write_trace_id: each.id for each in whole.results}
        assert len(ids) == 9
        assert list(ids) != sorted(ids)
        bad = {"firstname": "Bo", "missing": "x"}
        partly = create_many(client, {"firstname": "Cy", "crm_id": "20"}, bad)
        assert (partly.num_errors, len(partly.results)) == (1, 1)
        assert partly.errors[0].context == {"objectWriteTraceId": ["1"]}
        assert "PROPERTY_DOESNT_EXIST" in partly.errors[0].message
        upserted = batches.upsert(
            BatchInputSimplePublicObjectBatchInputUpsert(
                inputs=[
                    SimplePublicObjectBatchInputUpsert(
                        id=key,
                        id_property="crm_id",
                        object_write_trace_id=key,
                        properties={"firstname": "Di", "plan": "gold"},
                    )
                    for key in ("20", "21")
                ]
            )
        )
        assert {each.object_write_trace_id: each.new for each in upserted.results} == {
            "20": False,
            "21": True,
        }
        batches.update(
            BatchInputSimplePublicObjectBatchInput(
                inputs=[
                    SimplePublicObjectBatchInput(id=ids["0"], properties={"plan": "x"})
                ]
            )
        )
        found = read_many(client, ["0", "20"], "crm_id")
        assert {each.properties["plan"] for each in found.results} == {"x", "gold"}
        found = read_many(client, ["0", "99"], "crm_id")
        assert (found.num_errors, found.errors[0].context) == (1, {"ids": ["99"]})
        search = PublicObjectSearchRequest(
            query=None,
            limit=1,
            after="0",
            sorts=[],
            properties=["plan"],
            filter_groups=[
                {
                    "filters": [
                        {"propertyName": "plan", "operator": "EQ", "value": "gold"}
                    ]
                }
            ],
        )
        page = client.crm.contacts.search_api.do_search(search)
        assert (page.total, len(page.results), page.paging.next.after) == (2, 1, "1")
        batches.archive(
            BatchInputSimplePublicObjectId(
                inputs=[SimplePublicObjectId(id=each) for each in ids.values()]
            )
        )
        assert len(sandbox.contacts("hubspot")) == 2

    await with_client(use)


@pytest.mark.asyncio
async def test_the_client_keeps_lists_and_defines_properties() -> None:
    def use(client: Any, sandbox: Sandbox) -> None:
        lists = client.crm.lists.memberships_api
        made = create_many(client, {"firstname": "Ann"}, {"firstname": "Bo"})
        ann, bo = (each.id for each in made.results)
        added = lists.add(LIST, [ann, "7"])
        assert (added.records_ids_added, added.record_ids_missing) == ([ann], ["7"])
        both = lists.add_and_remove(
            LIST,
            MembershipChangeRequest(record_ids_to_add=[bo], record_ids_to_remove=[ann]),
        )
        stored: Any = sandbox.contacts("hubspot")
        on_it = {each["id"]: each["fields"] for each in stored}
        assert (on_it[bo].get(f"lists.{LIST}"), f"lists.{LIST}" in on_it[ann]) == (
            True,
            False,
        )
        assert (both.records_ids_added, both.record_ids_removed) == ([bo], [ann])
        (shown,) = lists.get_lists("0-1", bo).results
        assert shown.list_id == LIST
        assert [each.record_id for each in lists.get_page(LIST).results] == [bo]
        assert lists.remove(LIST, [bo]).record_ids_removed == [bo]
        assert (
            client.crm.lists.lists_api.get_by_id(LIST).list.processing_type == "MANUAL"
        )
        properties = client.crm.properties.core_api
        gold = OptionInput(label="Gold", value="gold", hidden=False, display_order=0)
        level = PropertyCreate(
            name="level",
            label="Level",
            type="enumeration",
            field_type="select",
            group_name="contactinformation",
            options=[gold],
        )
        assert properties.create("contacts", level).has_unique_value is False
        every = {each.name: each for each in properties.get_all("contacts").results}
        assert [each.value for each in every["level"].options] == ["gold"]
        assert every["crm_id"].has_unique_value
        assert every["tags"].field_type == "checkbox"
        assert every["createdate"].modification_metadata.read_only_value
        assert properties.get_by_name("contacts", "visits").type == "number"

    await with_client(use)
