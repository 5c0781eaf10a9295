"""The twin of respond.io, request by request."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from syncengine.sandbox.limits import TwinLimit
from tests.support.sandbox_client import Client, pairs


def test_a_create_repeats_unless_the_switch_forbids() -> None:
    client = Client("respond_io")
    assert client.create(phone="+491") != client.create(phone="+491")
    client.twin.configure({"dup": "403"})
    assert client.call("POST", "/contact/", pairs({"phone": "+491"}))[0] == 403
    assert client.create(phone="+492")


def test_values_are_kept_as_text_and_empty_ones_stay() -> None:
    client = Client("respond_io")
    contact = client.create(a=True, b=7, c=1.5, d="", e="x", f=None)
    assert client.fields() == {"a": "true", "b": "7", "c": "1.5", "d": "", "e": "x"}
    assert client.call("PUT", f"/contact/{contact}", pairs({"e": ""})) == (
        200,
        {"data": {"id": contact}},
    )
    assert client.fields()["e"] == ""
    client.twin.configure({"null_mode": "clear"})
    client.call("PUT", f"/contact/{contact}", pairs({"a": None}))
    assert client.fields()["a"] == ""


def test_look_ups_follow_the_values_and_come_in_pages_of_ten() -> None:
    client = Client("respond_io")
    made = [client.create(company="Acme") for _ in range(23)]
    pages = [client.find("company", "Acme", page) for page in (1, 2, 3, 4)]
    assert [[row["id"] for row in page["data"]] for page in pages] == [
        made[:10],
        made[10:20],
        made[20:],
        [],
    ]
    assert pages[0]["meta"] == {
        **pages[0]["meta"],
        "last_page": 3,
        "total": 23,
        "per_page": 10,
        "from": 1,
        "to": 10,
    }
    assert pages[2]["links"]["next"] is None
    client.call("PUT", f"/contact/{made[0]}", pairs({"company": "Other"}))
    assert client.find("company", "Acme")["meta"]["total"] == 22
    assert [row["id"] for row in client.find("company", "Other")["data"]] == made[:1]
    assert client.find("company", "acme")["data"] == []


def test_a_raw_plus_in_a_query_finds_nothing() -> None:
    client = Client("respond_io")
    client.create(phone="+491")
    totals = [
        client.call(
            "GET", "/contact/by_custom_field", query=f"name=phone&value={value}"
        )[1]["meta"]["total"]
        for value in ("%2B491", "+491", "491")
    ]
    assert totals == [1, 0, 0]
    client.twin.configure({"store_plus": False})
    client.create(phone="+492")
    assert client.find("phone", "492")["meta"]["total"] == 1


@pytest.mark.parametrize("path", ["/contact/", "/contact/{id}", "/contact/{id}/tags"])
def test_one_more_than_the_limit_of_a_call_is_refused(path: str) -> None:
    client = Client("respond_io")
    path = path.format(id=client.create(a=1))
    method = "PUT" if path[-1].isdigit() else "POST"
    for number, allowed in (
        (0, False),
        (10, True),
        (11, "tags" not in path),
        (30, "tags" not in path),
        (31, False),
    ):
        names = [f"n{each}" for each in range(number)]
        if "tags" in path:
            body = {"tags": names}
        else:
            body = pairs(dict.fromkeys(names, "x"))
        assert (client.call(method, path, body)[0] == 200) is allowed, number


def test_tags_come_and_go() -> None:
    client = Client("respond_io")
    path = f"/contact/{client.create(a=1)}/tags"
    assert client.call("POST", path, {"tags": ["b", "a", "b"]})[0] == 200
    assert client.call("DELETE", path, {"tags": ["b", "never"]})[0] == 200
    assert [contact["tags"] for contact in client.twin.contacts(0.0)] == [["a"]]


def test_an_unknown_contact_and_an_unknown_field_are_403() -> None:
    client = Client("respond_io", custom_fields=["known"])
    gone = (403, {"status": "error", "message": "No such contact found."})
    assert client.call("GET", "/contact/1") == gone
    assert client.call("PUT", "/contact/1", pairs({"known": 1})) == gone
    assert client.call("POST", "/contact/1/tags", {"tags": ["a"]}) == gone
    assert client.call("POST", "/contact/", pairs({"nope": 1}))[0] == 403
    assert client.create(known=1, firstName="Ilse")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/contact/1", 405),
        ("PUT", "/contact/", 405),
        ("POST", "/contact/by_custom_field", 405),
        ("GET", "/contact/1/tags", 405),
        ("GET", "/contacts", 404),
    ],
)
def test_a_wrong_verb_is_405(method: str, path: str, status: int) -> None:
    assert Client("respond_io").call(method, path)[0] == status


def test_a_channel_sees_its_own_contacts_only() -> None:
    client = Client("respond_io", tokens=["one", "two"])
    client.headers = {"authorization": "Bearer one"}
    contact = client.create(crm_id="1")
    client.headers = {"authorization": "Bearer two"}
    assert client.find("crm_id", "1")["data"] == []
    assert client.call("GET", f"/contact/{contact}")[0] == 403
    assert len(client.twin.contacts(0.0)) == 1


def test_an_update_may_replace() -> None:
    client = Client("respond_io", put_mode="replace")
    contact = client.create(a="1", b="2")
    client.call("PUT", f"/contact/{contact}", pairs({"b": "3"}))
    assert client.fields() == {"a": "", "b": "3"}


def test_a_look_up_may_ignore_case_and_an_empty_one_be_refused() -> None:
    client = Client("respond_io", look_up="ignore_case", no_hit="403")
    made = [client.create(company="Acme"), client.create(company="ACME")]
    client.create(company="")
    assert [row["id"] for row in client.find("company", "acme")["data"]] == made
    query = "name=company&value=other"
    gone = (403, {"status": "error", "message": "No such contact found."})
    assert client.call("GET", "/contact/by_custom_field", query=query) == gone
    assert (
        client.call("GET", "/contact/by_custom_field", query="name=company&value=")
        == gone
    )


def test_tags_may_have_to_exist_and_to_make_a_difference() -> None:
    client = Client("respond_io", known_tags=["a", "b"], idle_tag="403")
    path = f"/contact/{client.create(x=1)}/tags"
    asked = [
        ("POST", "c", 403),
        ("POST", "a", 200),
        ("POST", "a", 403),
        ("DELETE", "b", 403),
        ("DELETE", "a", 200),
    ]
    assert [
        client.call(method, path, {"tags": [tag]})[0] for method, tag, _ in asked
    ] == [want for *_, want in asked]


def test_a_client_that_does_not_accept_json_may_be_redirected() -> None:
    client = Client("respond_io", require_accept=True)
    refused = client.raw("POST", "/contact/", orjson.dumps(pairs({"a": 1})))
    assert (refused.status, refused.headers["content-type"]) == (
        302,
        "text/html; charset=utf-8",
    )
    client.headers = {**client.headers, "accept": "application/json"}
    assert client.create(a=1)


def test_answers_tell_how_much_of_the_limit_is_left() -> None:
    client = Client("respond_io")
    client.twin.limiter.configure([TwinLimit(2, 60.0, "fixed")])
    answer = [client.raw("GET", "/contact/1", now=90.0).headers for _ in range(3)]
    assert [each["x-ratelimit-remaining"] for each in answer] == ["1", "0", "0"]
    assert [each.get("x-ratelimit-reset") for each in answer] == [None, "120", "120"]
    assert {each["x-ratelimit-limit"] for each in answer} == {"2"}
    client.twin.configure({"send_limit_headers": False})
    assert not [
        name
        for name in client.raw("GET", "/contact/1", now=90.0).headers
        if "ratelimit" in name
    ]


def viber(**switches: Any) -> tuple[Client, str]:
    """Set up a Viber channel and a contact whose id differs in the two base64
    alphabets.
    """
    client = Client("respond_io", tokens=[], viber_tokens=["sandbox-token"], **switches)
    contact = client.create(a=1)
    assert {"+", "/"} & set(b64encode(contact.encode()).decode())
    return client, contact


@pytest.mark.parametrize(
    ("alphabet", "other"), [("standard", "url"), ("url", "standard")]
)
def test_a_viber_id_goes_in_the_alphabet_of_the_switch(
    alphabet: str, other: str
) -> None:
    client, contact = viber(viber_alphabet=alphabet)
    encoded = {
        "standard": b64encode(contact.encode()),
        "url": urlsafe_b64encode(contact.encode()),
    }
    path = {
        name: f"/contact/{quote(text.decode(), safe='')}"
        for name, text in encoded.items()
    }
    assert path[alphabet] != path[other]
    assert client.call("GET", path[alphabet])[1]["data"]["id"] == contact
    assert client.call("GET", path[other])[0] == 403


def test_a_viber_id_may_go_as_it_is_where_nothing_else_is_documented() -> None:
    client, contact = viber(viber_calls="documented")
    plain, encoded = (
        f"/contact/{quote(text, safe='')}"
        for text in (contact, b64encode(contact.encode()).decode())
    )
    fields, tags = pairs({"a": 2}), {"tags": ["x"]}

    def statuses(method: str, tail: str, body: Any) -> tuple[int, int]:
        """Send the request under the plain and under the encoded id."""
        as_it_is = client.call(method, plain + tail, body)[0]
        return as_it_is, client.call(method, encoded + tail, body)[0]

    assert statuses("GET", "", None) == (200, 403)
    assert statuses("PUT", "", fields) == (403, 200)
    assert statuses("POST", "/tags", tags) == (200, 403)
    assert statuses("DELETE", "/tags", tags) == (403, 200)
