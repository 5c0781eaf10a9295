"""Look-ups, details and the probe of DM Champ.

The key in the query stays there.
"""

from __future__ import annotations

import pytest

from syncengine.errors import RequestFailed, VendorHalted, VendorUnavailable
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Json, Request, Response
from syncengine.ports import DetailReader
from syncengine.testing.driving import answer, html, scripted, sent
from tests.support.vendors.of_dm_champ import (
    GONE,
    ID,
    JOIN,
    KEY,
    PHONE,
    TAG,
    create,
    dm_champ,
    failed,
    seen,
    update,
)

SECRET = ("apiKey", "k-123")
LOOK = ("GET", "/contacts", (("phoneNumber", PHONE), SECRET), None)


@pytest.mark.parametrize(
    ("contact", "fields", "tags"),
    [
        (None, {"phoneNumber": PHONE}, ()),
        (
            {
                "id": ID,
                "firstName": "Unknown",
                "lastName": "Brandt",
                "email": "unknown@unknown.com",
                "phoneNumber": "4915111223344",
                "isBotActive": "true",
                "doNotDisturb": False,
                "currentCampaign": {"name": "Spring"},
                "tags": [{"name": "vip"}, "new"],
            },
            {
                "firstName": None,
                "lastName": "Brandt",
                "email": None,
                "phoneNumber": "4915111223344",
                "is_bot_active": "true",
                "do_not_disturb": False,
            },
            ("vip", "new"),
        ),
        ({"tags": None}, {"phoneNumber": PHONE}, ()),
    ],
)
def test_find_by_phone(
    contact: Json, fields: dict[str, Json], tags: tuple[str, ...]
) -> None:
    requests, found = scripted(dm_champ().find(KEY), seen(contact))
    assert list(map(sent, requests)) == [LOOK]
    told = bool(contact) and contact.get("tags") is not None
    assert found == (Remote(ID, fields, frozenset(tags), shows_tags=told),)


def test_find_by_email() -> None:
    requests, found = scripted(
        dm_champ().find(MatchKey("email", "ilse@example.org")),
        seen({"email": "Ilse@Example.org"}),
    )
    assert [request.query for request in requests] == [
        (("email", "ilse@example.org"), SECRET)
    ]
    assert [remote.external_id for remote in found] == [ID]


@pytest.mark.parametrize(
    "response",
    [GONE, failed(200, "No contact"), seen({"phoneNumber": "+4915111223345"})],
)
def test_find_finds_nobody(response: Response) -> None:
    assert scripted(dm_champ(look_up_phones="as_sent").find(KEY), response)[1] == ()
    assert scripted(dm_champ().find(KEY), response, response, response)[1] == ()


def test_nobody_is_looked_up_by_the_placeholder_of_thousands() -> None:
    assert scripted(dm_champ().find(MatchKey("email", "unknown@unknown.com")))[1] == ()


@pytest.mark.parametrize(("given", "other"), [(PHONE, PHONE[1:]), (PHONE[1:], PHONE)])
def test_the_other_spelling_of_a_phone_is_looked_up_where_the_operator_says_so(
    given: str, other: str
) -> None:
    key = MatchKey("phoneNumber", given)
    requests, found = scripted(
        dm_champ(look_up_phones="both").find(key), GONE, seen({"phoneNumber": other})
    )
    assert [request.query[0][1] for request in requests] == [given, other]
    assert [remote.external_id for remote in found] == [ID]
    assert len(scripted(dm_champ(look_up_phones="both").find(key), seen())[0]) == 1


def test_an_odd_spelling_that_is_refused_finds_nobody() -> None:
    key = MatchKey("phoneNumber", PHONE, "DE")
    hit = seen({"phoneNumber": f"0{PHONE[3:]}"})
    requests, found = scripted(
        dm_champ().find(key), GONE, GONE, failed(400, "invalid"), hit
    )
    tried = [request.query[0][1] for request in requests]
    assert tried == [PHONE, PHONE[1:], f"00{PHONE[1:]}", f"0{PHONE[3:]}"]
    assert [remote.external_id for remote in found] == [ID]


def test_further_spellings_are_asked_for_by_themselves() -> None:
    key = MatchKey("phoneNumber", PHONE, "DE")
    hit = seen({"phoneNumber": f"0151 {PHONE[6:]}"})
    requests, found = scripted(
        dm_champ().find_similar(key), GONE, hit, failed(400, "no"), GONE, GONE
    )
    assert len(requests) == 5
    assert [remote.external_id for remote in found] == [ID]
    assert scripted(dm_champ(look_up_phones="both").find_similar(key))[1] == ()


@pytest.mark.parametrize(
    "response", [failed(400, f"invalid {PHONE}"), failed(200, f"broken {PHONE}", 422)]
)
def test_a_refused_look_up_judges_nobody(response: Response) -> None:
    with pytest.raises(VendorUnavailable) as unavailable:
        scripted(dm_champ().find(KEY), response)
    assert not unavailable.value.maybe_applied
    assert PHONE not in str(unavailable.value)


def test_details_are_tags_and_messages() -> None:
    vendor = dm_champ()
    assert isinstance(vendor, DetailReader)
    tags, messages = [{"name": "vip", "description": "x"}], [{"text": "Hi"}]
    requests, told = scripted(vendor.details("a?b"), answer(tags), answer(messages))
    assert [request.path for request in requests] == [
        "/contacts/tags/a%3Fb",
        "/contacts/messages/a%3Fb",
    ]
    assert [request.route for request in requests] == [
        "GET /contacts/tags/{id}",
        "GET /contacts/messages/{id}",
    ]
    assert told == {"tags": tags, "messages": messages}
    assert scripted(vendor.details(ID), answer(tags), GONE)[1] == {"tags": tags}
    with pytest.raises(VendorUnavailable, match="Nope"):
        scripted(vendor.details(ID), failed(403, "Nope"))


# --- the key --------------------------------------------------------------------------


def test_the_key_in_the_query_is_in_no_text() -> None:
    vendor, shown = dm_champ(api_key="hunter2"), list[str]()

    def telling(request: Request, response: Response) -> list[str]:
        return [
            repr(request),
            str(request),
            request.route,
            request.path,
            repr(response),
        ]

    said = answer(
        {"success": False, "message": "bad url ?apiKey=hunter2&x", "error": "hunter2"},
        400,
    )
    asks = (
        vendor.send(create()),
        vendor.send(update(email="x@y")),
        vendor.send(TAG),
        vendor.send(JOIN),
    )
    for exchange in (*asks, vendor.find(KEY), vendor.details(ID), vendor.probe()):
        request = next(exchange)
        assert ("apiKey", "hunter2") in request.query
        shown += telling(request, said)
        try:
            exchange.send(said)
        except StopIteration as end:
            shown += [repr(end.value), str(end.value)]
        except (RequestFailed, VendorHalted) as failure:
            shown += [
                repr(failure),
                str(failure),
                repr(failure.__context__),
                repr(failure.__cause__),
            ]
    assert len(shown) == 7 * 5 + 7 * 2 + 3 * 2
    assert not [text for text in shown if "hunter2" in text]


@pytest.mark.parametrize(
    "response", [answer([]), answer([{"name": "vip", "description": ""}])]
)
def test_probe(response: Response) -> None:
    requests, good = scripted(dm_champ().probe(), response)
    assert good is True
    assert list(map(sent, requests)) == [("GET", "/tags", (SECRET,), None)]


@pytest.mark.parametrize(
    ("response", "setting"),
    [
        (answer("Unauthorized", 401), "settings.api_key"),
        (failed(200, "Unauthorized", 401), "settings.api_key"),
        (html(404), "settings.base_url"),
        (failed(404, "nope"), "settings.base_url"),
        (failed(403, "nope"), "settings.base_url"),
    ],
)
def test_probe_fails(response: Response, setting: str) -> None:
    with pytest.raises(VendorHalted) as halted:
        scripted(dm_champ().probe(), response)
    assert halted.value.setting == setting
