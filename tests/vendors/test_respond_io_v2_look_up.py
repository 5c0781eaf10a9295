"""Look-ups, lists, details and merging of respond.io v2."""

from __future__ import annotations

import pytest

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.calls import Applied, Rejected
from syncengine.model.contact import MatchKey, Page, Remote
from syncengine.model.http import Json, Response
from syncengine.ports import DetailReader
from syncengine.testing.benches import Bench
from syncengine.testing.driving import answer, html, scripted, sent
from tests.support.vendors.of_respond_io_v2 import (
    EMAIL,
    ID,
    NOT_FOUND,
    PHONE,
    QUEUED,
    TOLD,
    page,
    refusal,
    respond_io_v2,
    row,
)
from tests.support.vendors.subjects import subject

CRM = MatchKey("custom_fields.crm_id", "crm-7")


def equal_to(field: str, *values: str) -> Json:
    condition = {"category": "contactField", "field": field, "operator": "isEqualTo"}
    return {
        "search": "",
        "timezone": "UTC",
        "filter": {"$or": [{**condition, "value": value} for value in values]},
    }


def held(**custom: Json) -> Json:
    return [{"name": name, "value": value} for name, value in custom.items()]


@pytest.mark.parametrize(
    ("key", "body"),
    [
        (PHONE, equal_to("phone", "+4915111223344", "4915111223344")),
        (
            MatchKey("phone", "4915111223344"),
            equal_to("phone", "+4915111223344", "4915111223344"),
        ),
        (
            EMAIL,
            equal_to("email", "ilse+1@example.org", "Ilse+1@example.org"),
        ),
        (
            MatchKey("email", "ILSE.b@Example.org"),
            equal_to(
                "email",
                "ILSE.b@Example.org",
                "ilse.b@example.org",
                "Ilse.b@example.org",
                "Ilse.B@example.org",
            ),
        ),
        (CRM, equal_to("crm_id", "crm-7")),
    ],
)
def test_one_request_looks_for_every_spelling(key: MatchKey, body: Json) -> None:
    adapter = respond_io_v2(look_up_phones="both")
    requests, found = scripted(adapter.find(key), page())
    assert [sent(request) for request in requests] == [
        ("POST", "/contact/list", (("limit", "100"),), body)
    ]
    assert found == ()


def test_find_shows_all_of_a_contact() -> None:
    shown = row(
        5501,
        phone="+4915111223344",
        lifecycle="Lead",
        tags=["vip"],
        custom_fields=held(crm_id="crm-7", vip="true"),
        assignee={"id": 12},
    )
    (found,) = scripted(respond_io_v2().find(PHONE), page(shown))[1]
    assert (found.external_id, found.tags) == ("5501", frozenset({"vip"}))
    assert {
        name: value for name, value in found.fields.items() if value is not None
    } == {
        "firstName": "Ilse",
        "phone": "+4915111223344",
        "lifecycle": "Lead",
        "custom_fields.crm_id": "crm-7",
        "custom_fields.vip": "true",
    }
    assert found.fields["email"] is None


@pytest.mark.parametrize(
    ("key", "fields", "hit"),
    [
        (PHONE, {"phone": "4915111223344"}, True),
        (PHONE, {"phone": "+49151112233445"}, False),
        (PHONE, {"phone": None}, False),
        (EMAIL, {"email": "ILSE+1@example.org"}, True),
        (EMAIL, {"email": "ilse@example.org"}, False),
        (CRM, {"custom_fields": held(crm_id="crm-7")}, True),
        (CRM, {"custom_fields": held(crm_id="CRM-7")}, False),
        (CRM, {"custom_fields": held(other="crm-7")}, False),
        (
            MatchKey("custom_fields.number", "7"),
            {"custom_fields": held(number=7)},
            True,
        ),
    ],
)
def test_the_adapter_judges_exactness_itself(
    key: MatchKey, fields: dict[str, Json], *, hit: bool
) -> None:
    found = scripted(respond_io_v2().find(key), page(row(1, **fields)))[1]
    assert [remote.external_id for remote in found] == (["1"] if hit else [])


def test_find_follows_the_cursor_inside_the_next_pages_address() -> None:
    rows = [row(number, custom_fields=held(crm_id="crm-7")) for number in range(1, 6)]
    requests, found = scripted(
        respond_io_v2().find(CRM), page(*rows[:3], cursor=3), page(*rows[2:])
    )
    assert [request.query for request in requests] == [
        (("limit", "100"),),
        (("limit", "100"), ("cursorId", "3")),
    ]
    assert [remote.external_id for remote in found] == ["1", "2", "3", "4", "5"]


def test_a_vendor_that_repeats_its_page_for_ever_is_not_asked_for_ever() -> None:
    same = page(row(1, phone="+4915111223344"), cursor=1)
    assert len(scripted(respond_io_v2().find(PHONE), same, same)[1]) == 1


@pytest.mark.parametrize(
    "link", ["https://elsewhere.example/?page=2", 7, {"cursorId": 3}]
)
def test_a_list_whose_next_page_is_unknown_is_not_taken_for_whole(
    link: Json,
) -> None:
    response = answer({"items": [], "pagination": {"next": link}})
    with pytest.raises(VendorUnavailable, match="cannot be read"):
        scripted(respond_io_v2().find(PHONE), response)


def test_all_contacts_are_listed_page_by_page() -> None:
    everybody = {"search": "", "timezone": "UTC", "filter": {"$and": []}}
    requests, first = scripted(
        respond_io_v2().page(None), page(row(1), row(2), cursor=2)
    )
    assert sent(requests[0]) == (
        "POST",
        "/contact/list",
        (("limit", "100"),),
        everybody,
    )
    assert ([remote.external_id for remote in first.contacts], first.cursor) == (
        ["1", "2"],
        "2",
    )
    requests, last = scripted(respond_io_v2().page("2"), page())
    assert requests[0].query == (("limit", "100"), ("cursorId", "2"))
    assert last == Page((), None)


def test_read() -> None:
    requests, found = scripted(respond_io_v2().read(ID), answer(row(5501)))
    assert [sent(request) for request in requests] == [
        ("GET", "/contact/id%3A5501", (), None)
    ]
    assert found is not None
    assert found.external_id == ID
    assert scripted(respond_io_v2().read(ID), NOT_FOUND)[1] is None


@pytest.mark.parametrize(
    "response", [refusal("Validation error."), QUEUED, answer({"id": None})]
)
def test_read_is_sure_or_fails(response: Response) -> None:
    with pytest.raises(VendorUnavailable) as failed:
        scripted(respond_io_v2().read(ID), response)
    assert not failed.value.maybe_applied


def test_a_refused_look_up_judges_nobody() -> None:
    with pytest.raises(VendorUnavailable, match="no such field") as failed:
        scripted(respond_io_v2().find(CRM), refusal("no such field for crm-7"))
    assert "crm-7" not in str(failed.value)
    assert not failed.value.maybe_applied


@pytest.mark.parametrize("response", [NOT_FOUND, html(404), html(403)])
def test_a_look_up_at_a_wrong_address_halts(response: Response) -> None:
    with pytest.raises(VendorHalted, match=r"settings\.base_url"):
        scripted(respond_io_v2().find(PHONE), response)


def test_probe() -> None:
    requests, good = scripted(respond_io_v2().probe(), page(row(1), cursor=1))
    assert good is True
    assert [(request.route, request.query) for request in requests] == [
        ("POST /contact/list", (("limit", "1"),))
    ]


@pytest.mark.parametrize(
    ("response", "setting"),
    [
        (refusal("UN_AUTHORIZED", 401), "settings.token"),
        (html(403), "settings.base_url"),
        (refusal("Forbidden", 403), "settings.base_url"),
        (NOT_FOUND, "settings.base_url"),
    ],
)
def test_probe_fails(response: Response, setting: str) -> None:
    with pytest.raises(VendorHalted) as halted:
        scripted(respond_io_v2().probe(), response)
    assert halted.value.setting == setting


def test_details_are_channels_and_messages() -> None:
    channel, message = (
        {"id": 1, "source": "whatsapp"},
        {"messageId": 3, "traffic": "incoming"},
    )
    requests, told = scripted(
        respond_io_v2().details(ID),
        answer({"items": [channel]}),
        answer({"items": [message], "pagination": {}}),
    )
    assert [request.path for request in requests] == [
        "/contact/id%3A5501/channels",
        "/contact/id%3A5501/message/list",
    ]
    assert told == {"channels": [channel], "messages": [message]}
    assert scripted(respond_io_v2().details(ID), NOT_FOUND)[1] == {}


def channels(*numbers: int, following: str | None = None) -> Response:
    base = "https://elsewhere.example/v2/contact/id:5501/channels"
    link = f"{base}?cursorId={following}&limit=10" if following else None
    items = [{"id": number} for number in numbers]
    return answer({"items": items, "pagination": {"next": link, "previous": None}})


def test_channels_come_in_pages() -> None:
    pages = (channels(1, 2, following="2"), channels(3, 4, following="4"), channels(5))
    requests, told = scripted(
        respond_io_v2().details(ID), *pages, answer({"items": []})
    )
    assert told["channels"] == [{"id": number} for number in range(1, 6)]
    assert [request.query for request in requests] == [
        (),
        (("cursorId", "2"),),
        (("cursorId", "4"),),
        (),
    ]


def test_all_channels_of_the_twin_are_shown() -> None:
    bench = Bench(subject("respond_io_v2"))
    bench.twin.configure({"channels": 25})
    told = bench.do(respond_io_v2_at(bench).details(bench.make(1)))
    assert [each["id"] for each in told["channels"]] == list(range(1, 26))


def respond_io_v2_at(bench: Bench) -> DetailReader:
    vendor = bench.subject.vendor
    assert isinstance(vendor, DetailReader)
    return vendor


def test_channels_whose_pages_do_not_end_are_given_up() -> None:
    pages = (channels(1, following="2"), channels(2, following="1"))
    with pytest.raises(VendorUnavailable, match="do not end") as failed:
        scripted(respond_io_v2().details(ID), *pages, channels(1, following="2"))
    assert not failed.value.maybe_applied


def test_a_merge_keeps_the_plain_fields_of_the_one_merged_into() -> None:
    into = answer(
        row(5501, phone="4915111223344", lastName=None, custom_fields=held(vip="true"))
    )
    requests, merged = scripted(
        respond_io_v2().merge("5501", "5490"), into, answer({"contactId": 5490})
    )
    assert [request.path for request in requests] == [
        "/contact/id%3A5501",
        "/contact/merge",
    ]
    assert requests[1].json == {
        "contactIds": [5501, 5490],
        "firstName": "Ilse",
        "phone": "+4915111223344",
    }
    assert merged == Applied("5490")


@pytest.mark.parametrize("answers", [(NOT_FOUND,), (answer(row(5501)), NOT_FOUND)])
def test_a_merge_needs_both(answers: tuple[Response, ...]) -> None:
    rejected = scripted(respond_io_v2().merge("5501", "5490"), *answers)[1]
    assert isinstance(rejected, Rejected)
    assert rejected.code == "not_found"


def test_a_merge_is_refused_in_clean_words() -> None:
    into = answer(row(5501, email="ilse@example.org"))
    rejected = scripted(
        respond_io_v2().merge(ID, "5490"), into, refusal("bad: ilse@example.org")
    )[1]
    assert isinstance(rejected, Rejected)
    assert "ilse" not in rejected.message


def test_null_stands_for_no_custom_fields_and_no_tags() -> None:
    found = scripted(
        respond_io_v2().read(ID),
        answer({"id": 5501, "custom_fields": None, "tags": None}),
    )[1]
    assert isinstance(found, Remote)
    assert found.tags == frozenset()
    assert not [value for value in found.fields.values() if value is not None]


def test_a_merge_that_is_lost_may_have_happened() -> None:
    with pytest.raises(VendorUnavailable) as failed:
        scripted(respond_io_v2().merge(ID, "5490"), answer(row(5501)), html(502))
    assert failed.value.maybe_applied
    assert scripted(respond_io_v2().merge(ID, "5490"), answer(row(5501)), TOLD)[
        1
    ] == Applied(ID)


def test_a_refused_look_up_in_odd_spellings_is_made_in_the_common_ones() -> None:
    key = MatchKey("phone", "+4915111223344", "DE")
    hit = row(5501, phone="+4915111223344")
    requests, found = scripted(
        respond_io_v2().find(key), refusal("phone", 400), page(hit)
    )
    values = [
        [each["value"] for each in request.json["filter"]["$or"]]
        for request in requests
    ]
    assert {"015111223344", "0151 11223344", "+49 (0)15111223344"} < set(values[0])
    assert values[1] == ["+4915111223344", "4915111223344"]
    assert [remote.external_id for remote in found] == ["5501"]


def test_whoever_resembles_is_asked_for_in_one_request() -> None:
    key = MatchKey("phone", "+4915111223344")
    rows = [row(5501, phone="0151 11223344"), row(5502, phone="0151 112233445")]
    requests, found = scripted(respond_io_v2().find_similar(key), page(*rows))
    assert len(requests) == 1
    assert [remote.external_id for remote in found] == ["5501"]
    assert scripted(respond_io_v2().find_similar(key), refusal("phone", 400))[1] == ()
    assert scripted(respond_io_v2().find_similar(EMAIL))[1] == ()
