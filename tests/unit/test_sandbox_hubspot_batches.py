"""Batches at the twin of HubSpot: who is carried out, and what the answer tells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.hubspot_client import HubSpotClient, made, named, without_trace

NUMBERS = range(20)


def traces(answer: Any) -> list[str]:
    return [each["objectWriteTraceId"] for each in answer["results"]]


def keys_of(client: HubSpotClient) -> set[str | None]:
    return {each["key"] for each in client.twin.contacts(0.0)}


def test_results_come_in_another_order_and_in_the_same_for_a_seed() -> None:
    orders = []
    for seed in (1, 1, 2):
        client = HubSpotClient(seed=seed)
        status, answer = client.batch("create", [made(n) for n in NUMBERS])
        assert status == 201
        assert sorted(traces(answer)) == sorted(f"t{n}" for n in NUMBERS)
        orders.append(traces(answer))
    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != [f"t{n}" for n in NUMBERS]
    client = HubSpotClient(results_order="asked", trace_echo=False)
    _, answer = client.batch("create", [made(n) for n in NUMBERS])
    keys = [each["properties"]["crm_id"] for each in answer["results"]]
    assert keys == [str(n) for n in NUMBERS]
    assert "objectWriteTraceId" not in answer["results"][0]


def test_with_trace_ids_each_contact_stands_for_itself() -> None:
    client = HubSpotClient()
    owner = client.create(email="ilse@example.org")
    inputs = [
        made(1),
        made(2, missing="x"),
        made(3, email="ILSE@example.org"),
        made(4),
        {**made(4), "objectWriteTraceId": "again"},
    ]
    status, answer = client.batch("create", inputs)
    assert (status, answer["status"], answer["numErrors"]) == (207, "COMPLETE", 3)
    assert sorted(traces(answer)) == ["t1", "t4"]
    errors = {
        each["context"]["objectWriteTraceId"][0]: each for each in answer["errors"]
    }
    assert errors["t2"]["category"] == "VALIDATION_ERROR"
    assert errors["t3"]["message"].endswith(f"Existing ID: {owner}")
    assert errors["again"]["category"] == "CONFLICT"
    assert keys_of(client) == {None, "1", "4"}


@pytest.mark.parametrize(
    "how", ["no trace ids", "one without", "the same twice", "switched"]
)
def test_else_one_bad_contact_fails_them_all(how: str) -> None:
    client = HubSpotClient(whole_batches=["create"] if how == "switched" else [])
    client.create(crm_id="0", email="ilse@example.org")
    inputs = [made(1), made(2, email="ilse@example.org"), made(3, missing="x")]
    if how == "no trace ids":
        inputs = [without_trace(each) for each in inputs]
    elif how == "one without":
        inputs[0] = without_trace(inputs[0])
    elif how == "the same twice":
        inputs[0]["objectWriteTraceId"] = "t2"
    status, answer = client.batch("create", inputs)
    assert (status, answer["category"]) == (409, "CONFLICT")
    assert keys_of(client) == {"0"}
    # Of several mistakes the first is named, by its own status.
    inputs[1] = made(0)
    if how != "switched":
        inputs[1] = without_trace(inputs[1])
    status, answer = client.batch("create", inputs[::-1])
    assert (status, answer["category"]) == (400, "VALIDATION_ERROR")
    assert keys_of(client) == {"0"}


def test_updates_are_by_record_id_or_a_unique_property() -> None:
    client = HubSpotClient()
    one, other = client.create(crm_id="1"), client.create(email="b@example.org")
    status, answer = client.batch("update", [named(one, plan="x"), named("77")])
    assert (status, traces(answer)) == (207, [one])
    assert answer["errors"][0]["category"] == "OBJECT_NOT_FOUND"
    whole = [without_trace(named(one, plan="y")), without_trace(named("77"))]
    assert client.batch("update", whole)[0] == 400
    assert client.values(one)["plan"] == "x"
    assert client.batch("update", [named("1", "crm_id", plan="z")])[0] == 200
    assert client.values(one)["plan"] == "z"
    status, answer = client.batch("update", [named("b@example.org", "email")])
    assert (status, "non-unique 0-1 property" in answer["message"]) == (400, True)
    silent = named("b@example.org", plan="lost")
    status, answer = client.batch("update", [silent])
    assert (status, answer["results"]) == (200, [])
    assert "plan" not in client.values(other)
    client.twin.configure({"update_by_email": "400"})
    assert client.batch("update", [silent])[0] == 207
    assert client.batch("update", [without_trace(silent)])[0] == 400


def test_an_upsert_by_a_unique_property_changes_only_what_it_names() -> None:
    client = HubSpotClient()
    one = client.create(crm_id="1", plan="gold")
    inputs = [named(key, "crm_id", firstname="Bo") for key in ("1", "2")]
    status, answer = client.batch("upsert", inputs)
    assert status == 200
    news = {each["objectWriteTraceId"]: each["new"] for each in answer["results"]}
    assert news == {"1": False, "2": True}
    assert client.values(one) == {"crm_id": "1", "plan": "gold", "firstname": "Bo"}
    assert keys_of(client) == {"1", "2"}
    assert client.batch("upsert", [named("9", "plan", firstname="B")])[0] == 207
    assert client.batch("upsert", [named("9", firstname="B")])[0] == 207
    client.twin.configure({"upsert_sets_key": False})
    client.batch("upsert", [named("3", "crm_id", firstname="Bo")])
    assert None in keys_of(client)


@pytest.mark.parametrize(("mode", "status"), [("blank", 200), ("400", 207)])
def test_an_upsert_by_email_has_to_be_whole(mode: str, status: int) -> None:
    client = HubSpotClient(email_upsert_partial=mode)
    one = client.create(email="a@example.org", plan="gold", crm_id="1")
    part = named("A@example.org", "email", firstname="Bo")
    assert client.batch("upsert", [part])[0] == status
    kept = {"firstname": "Bo", "email": "a@example.org"}
    if mode == "400":
        kept = {**kept, "firstname": "Ann", "plan": "gold", "crm_id": "1"}
    assert client.values(one) == kept
    whole = named("a@example.org", "email", firstname="Cy", plan="x", crm_id="1")
    assert client.batch("upsert", [whole])[0] == 200
    assert client.values(one)["firstname"] == "Cy"


def test_an_id_that_is_named_twice_fails_the_batch_or_counts_once() -> None:
    client = HubSpotClient()
    one = client.create(email="a@example.org")
    twice = [named(one, plan="x"), named(one, plan="y")]
    assert client.batch("update", twice)[0] == 400
    assert client.batch("read", [{"id": one}, {"id": one}])[0] == 400
    keys = [named("7", "crm_id", firstname="A"), named("7", "crm_id", firstname="B")]
    assert client.batch("upsert", keys)[0] == 400
    mails = [named(each, "email") for each in ("a@example.org", "A@example.org")]
    assert client.batch("upsert", mails)[0] == 400
    client.twin.configure({"repeated_id": "last"})
    assert client.batch("update", twice)[0] == 200
    assert client.values(one)["plan"] == "y"
    assert client.batch("upsert", keys)[0] == 200
    assert len(client.twin.contacts(0.0)) == 2


def test_keys_of_several_properties_do_not_mix() -> None:
    client = HubSpotClient()
    one = client.create(crm_id="1")
    mixed = [named(one), named("2", "crm_id", firstname="A")]
    assert client.batch("update", mixed)[0] == 400
    client.twin.configure({"mixed_keys": "taken"})
    assert client.batch("update", mixed)[0] == 207


def test_reads_name_those_who_are_not_there() -> None:
    client = HubSpotClient()
    one = client.create(crm_id="1", plan="gold")
    inputs = [{"id": "1"}, {"id": "2"}, {"id": "3"}]
    more = {"idProperty": "crm_id", "properties": ["plan"]}
    assert client.batch("read", inputs[:1], **more)[0] == 200
    status, answer = client.batch("read", inputs, **more)
    assert (status, answer["numErrors"]) == (207, 1)
    (shown,) = answer["results"]
    assert (shown["id"], shown["properties"]["plan"]) == (one, "gold")
    (error,) = answer["errors"]
    assert error["category"] == "OBJECT_NOT_FOUND"
    assert error["context"] == {"ids": ["2", "3"]}
    client.twin.configure({"not_found_ids": False})
    assert client.batch("read", inputs, **more)[1]["errors"][0]["context"] == {}


def test_a_read_by_an_id_from_before_a_merge_shows_another_id() -> None:
    client = HubSpotClient()
    one, other = client.create(), client.create()
    merge = {"primaryObjectId": one, "objectIdToMerge": other}
    remains = client.call("POST", "merge", merge)[1]["id"]
    _, answer = client.batch("read", [{"id": one}, {"id": other}])
    assert [each["id"] for each in answer["results"]] == [remains, remains]
    _, answer = client.batch("update", [named(other, plan="x")])
    assert answer["results"][0]["id"] == remains
    assert client.batch("archive", [{"id": one}, {"id": other}]) == (204, None)
    assert client.twin.contacts(0.0) == []


def test_an_archive_says_nothing_of_those_who_are_gone() -> None:
    client = HubSpotClient()
    one = client.create()
    assert client.batch("archive", [{"id": one}, {"id": "77"}]) == (204, None)
    assert client.twin.contacts(0.0) == []
    client.twin.configure({"archive_gone": "404"})
    assert client.batch("archive", [{"id": "77"}])[0] == 404


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [
        ("create", []),
        ("create", [made(n) for n in range(101)]),
        ("create", "all"),
        ("create", [17]),
        ("update", [{"properties": {}}]),
        ("read", [{"id": 17}]),
    ],
)
def test_a_batch_of_another_form_is_refused(kind: str, inputs: Any) -> None:
    client = HubSpotClient()
    assert client.batch(kind, inputs)[0] == 400
    assert client.twin.contacts(0.0) == []


def test_a_batch_of_a_hundred_is_taken() -> None:
    client = HubSpotClient()
    assert client.batch("create", [made(n) for n in range(100)])[0] == 201
    client.twin.screen(0.0).require("plan", in_updates=True)
    (first, *_) = client.twin.contacts(0.0)
    assert client.batch("update", [named(first["id"], visits="1")])[0] == 207
