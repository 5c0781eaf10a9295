"""The twin of respond.io v2: tags, stages, lists, merging."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.respond_io_v2_client import EMAIL, GONE, PHONE, Client, field, pairs

# --- tags, stages, channels -----------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "status"),
    [
        (["a"], 200),
        ([str(number) for number in range(10)], 200),
        ([str(number) for number in range(11)], 400),
        (["x" * 255], 200),
        (["x" * 256], 400),
        ([], 400),
        (["a", "a"], 400),
        ([""], 400),
        ([7], 400),
        ({"tags": ["a"]}, 400),
        ("a", 400),
        (None, 400),
    ],
)
def test_tags_are_a_bare_array(tags: Any, status: int) -> None:
    client = Client()
    path = f"/contact/id:{client.upsert(PHONE)}/tag"
    assert (
        client.status("POST", path, tags)
        == client.status("DELETE", path, tags)
        == status
    )


def test_tags_come_and_go_and_may_have_to_be_defined() -> None:
    client = Client(known_tags=["a", "b"])
    path = f"/contact/id:{client.upsert(PHONE)}/tag"
    asked = [
        ("POST", ["b", "a"], 200),
        ("POST", ["a"], 200),
        ("POST", ["c"], 400),
        ("DELETE", ["b", "c"], 200),
    ]
    for method, tags, status in asked:
        assert client.status(method, path, tags) == status
    assert client.twin.contacts(0.0)[0]["tags"] == ["a"]


def test_stages_are_set_and_left() -> None:
    client = Client(lifecycles=["Lead"])
    contact = client.upsert(PHONE)
    path = f"/contact/id:{contact}/lifecycle/update"
    for body, status, held in (
        ({"name": "Lead"}, 200, "Lead"),
        ({"name": "Other"}, 400, "Lead"),
        ({"name": ""}, 400, "Lead"),
        ({}, 400, "Lead"),
        ({"name": None}, 200, None),
    ):
        assert client.status("POST", path, body) == status
        assert client.read(contact)[1]["lifecycle"] == held


def test_channels_and_messages_are_lists() -> None:
    client = Client()
    phone, mail = client.upsert(PHONE, now=7.5), client.upsert(EMAIL)
    whatsapp = {
        "id": 1,
        "name": "WhatsApp",
        "source": "whatsapp_cloud",
        "created_at": 7,
    }
    for contact, items in ((phone, [whatsapp]), (mail, [])):
        assert (
            client.call("GET", f"/contact/id:{contact}/channels")[1]["items"] == items
        )
    assert client.call("GET", f"/contact/id:{phone}/message/list")[1]["items"] == []
    assert client.call("GET", "/contact/id:1/message/list") == GONE


# --- lists ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"search": "", "timezone": "UTC", "filter": {}}, 200),
        ({"search": "", "timezone": "UTC", "filter": {"$and": []}}, 200),
        ({"timezone": "UTC", "filter": {"$and": []}}, 400),
        ({"search": "", "filter": {"$and": []}}, 400),
        ({"search": "", "timezone": "UTC"}, 400),
        ({"search": "", "timezone": "UTC", "filter": {"$and": [], "$or": []}}, 400),
        (
            {"search": "", "timezone": "UTC", "filter": {"$and": [{"field": "phone"}]}},
            400,
        ),
        (
            {
                "search": "",
                "timezone": "UTC",
                "filter": {"$and": [field("phone", "looksLike", "x")]},
            },
            400,
        ),
    ],
)
def test_a_list_needs_search_timezone_and_a_filter(body: Any, status: int) -> None:
    assert Client().status("POST", "/contact/list", body) == status


def test_pages_follow_the_cursor_oldest_first() -> None:
    client = Client()
    made = [client.upsert(f"phone:+49151112233{number:02}") for number in range(7)]
    assert client.listed(query="") == made
    body = {"search": "", "timezone": "UTC", "filter": {}}
    answer = client.call("POST", "/contact/list", body, "limit=3")[1]
    assert [row["id"] for row in answer["items"]] == made[:3]
    address, _, query = answer["pagination"]["next"].partition("?")
    assert address.startswith("https://")
    assert query == f"limit=3&cursorId={made[2]}"
    assert client.listed(query=query) == made[3:6]
    answer = client.call("POST", "/contact/list", body, f"limit=3&cursorId={made[5]}")[
        1
    ]
    assert ([row["id"] for row in answer["items"]], answer["pagination"]["next"]) == (
        made[6:],
        None,
    )
    assert client.listed(query=f"limit=7&cursorId={made[0]}") == made[1:]
    for query in ("limit=0", "limit=101", "limit=x", "cursorId=x"):
        assert client.call("POST", "/contact/list", body, query)[0] == 400


def test_filters_compare_values_as_reads_show_them() -> None:
    client = Client()
    one = client.upsert(
        PHONE, email="ilse@example.org", custom_fields=pairs(crm_id="7", vip=True)
    )
    two = client.upsert(
        "email:Jo@example.org", lastName="Sommer", custom_fields=pairs(crm_id="8")
    )
    client.call("POST", f"/contact/id:{one}/tag", ["a", "b"])
    client.call("POST", f"/contact/id:{two}/tag", ["b"])
    client.call("POST", f"/contact/id:{one}/lifecycle/update", {"name": "Lead"})

    def tag(operator: str, *tags: str) -> Any:
        return {
            "category": "contactTag",
            "field": None,
            "operator": operator,
            "value": list(tags),
        }

    assert client.listed(field("phone", "isEqualTo", "+4915111223344")) == [one]
    assert client.listed(field("phone", "isEqualTo", "4915111223344")) == []
    assert client.listed(field("crm_id", "isEqualTo", "8")) == [two]
    assert client.listed(field("crm_id", "isNotEqualTo", "8")) == [one]
    assert client.listed(field("vip", "isEqualTo", "true")) == [one]
    assert client.listed(
        field("lastName", "exists"), field("crm_id", "isEqualTo", "8")
    ) == [two]
    assert (
        client.listed(
            field("lastName", "doesNotExist"), field("crm_id", "isEqualTo", "8")
        )
        == []
    )
    either = [
        field("crm_id", "isEqualTo", "8"),
        field("phone", "isEqualTo", "+4915111223344"),
    ]
    assert client.listed(*either, join="$or") == [one, two]
    assert client.listed(*either) == []
    assert client.listed(field("lastName", "exists"), either[1], join="$or") == [
        one,
        two,
    ]
    assert client.listed(tag("hasAnyOf", "a", "c")) == [one]
    assert client.listed(tag("hasAllOf", "a", "b")) == [one]
    assert client.listed(tag("hasNoneOf", "a")) == [two]
    assert client.listed(
        {
            "category": "lifecycle",
            "field": None,
            "operator": "isEqualTo",
            "value": "Lead",
        }
    ) == [one]
    assert client.listed(search="somm") == [two]
    assert (
        client.listed(field("email", "isEqualTo", "jo@example.org"), join="$or") == []
    )
    client.twin.configure({"filter_case": "ignore", "shows_plus": False})
    assert client.listed(field("email", "isEqualTo", "jo@example.org"), join="$or") == [
        two
    ]
    assert client.listed(field("phone", "isEqualTo", "4915111223344"), join="$or") == [
        one
    ]
    assert (
        client.listed(field("phone", "isEqualTo", "+4915111223344"), join="$or") == []
    )


def test_a_checkbox_is_compared_with_a_boolean_alone() -> None:
    client = Client(custom_fields={"vip": "checkbox"})
    one = client.upsert(PHONE, custom_fields=pairs(vip=True))
    client.upsert(EMAIL, custom_fields=pairs(vip=False))
    assert client.listed(field("vip", "isEqualTo", True)) == [one]
    body = {
        "search": "",
        "timezone": "UTC",
        "filter": {"$or": [field("vip", "isEqualTo", "true")]},
    }
    assert client.status("POST", "/contact/list", body) == 400


# --- merging --------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "tags"), [("both", ["a", "b"]), ("older", ["a"])])
def test_a_merge_leaves_the_older_one(mode: str, tags: list[str]) -> None:
    client = Client(merge_tags=mode)
    older = client.upsert(PHONE, custom_fields=pairs(plan="gold"))
    younger = client.upsert(
        EMAIL, lastName="Brandt", custom_fields=pairs(plan="free", vip=True)
    )
    client.call("POST", f"/contact/id:{older}/tag", ["a"])
    client.call("POST", f"/contact/id:{younger}/tag", ["b"])
    body = {"contactIds": [younger, older], "firstName": "Ilse Maria"}
    assert client.call("POST", "/contact/merge", body) == (200, {"contactId": older})
    (contact,) = client.twin.contacts(0.0)
    assert contact == {
        "id": str(older),
        "key": None,
        "fields": {
            "firstName": "Ilse Maria",
            "lastName": "Brandt",
            "phone": "+4915111223344",
            "email": "ilse@example.org",
            "custom_fields.plan": "gold",
            "custom_fields.vip": "true",
        },
        "tags": tags,
    }
    assert client.read(EMAIL)[1]["id"] == older


def test_a_merge_needs_two_contacts() -> None:
    client = Client()
    one = client.upsert(PHONE)
    for pair, status in (
        ([one, one], 400),
        ([one], 400),
        (["x", one], 400),
        ([one, 1], 404),
    ):
        assert client.status("POST", "/contact/merge", {"contactIds": pair}) == status
    assert client.read(one)[0] == 200
