"""Look-ups, reads and the probe of respond.io v1."""

from __future__ import annotations

import pytest

from syncengine.errors import VendorHalted, VendorUnavailable
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Json, Response
from syncengine.testing.driving import answer, html, scripted, sent
from tests.support.vendors.of_respond_io import (
    GONE,
    ID,
    page,
    refusal,
    respond_io,
    row,
)


def asked(
    name: str, value: str, number: int
) -> tuple[str, str, tuple[tuple[str, str], ...], None]:
    return (
        "GET",
        "/contact/by_custom_field",
        (("name", name), ("value", value), ("page", str(number))),
        None,
    )


def test_find_by_own_key() -> None:
    hit = row("1", {"crm_id": "crm-7", "vip": "true"}, ["vip"])
    requests, found = scripted(
        respond_io().find(MatchKey("crm_id", "crm-7")), page(hit)
    )
    assert [sent(request) for request in requests] == [asked("crm_id", "crm-7", 1)]
    assert found == (
        Remote("1", {"crm_id": "crm-7", "vip": "true"}, frozenset({"vip"})),
    )


@pytest.mark.parametrize("given", ["+4915111223344", "4915111223344"])
def test_find_by_phone_looks_with_and_without_plus(given: str) -> None:
    requests, found = scripted(
        respond_io(look_up_phones="both").find(MatchKey("phone", given)),
        page(row("1", {"phone": "+4915111223344"})),
        page(
            row("1", {"phone": "+4915111223344"}), row("2", {"phone": "4915111223344"})
        ),
    )
    assert [sent(request) for request in requests] == [
        asked("phone", "+4915111223344", 1),
        asked("phone", "4915111223344", 1),
    ]
    assert [remote.external_id for remote in found] == ["1", "2"]


@pytest.mark.parametrize(
    ("key", "theirs", "hit"),
    [
        (MatchKey("crm_id", "crm-7"), "crm-7", True),
        (MatchKey("crm_id", "crm-7"), "crm-70", False),
        (MatchKey("crm_id", "crm-7"), "CRM-7", False),
        (MatchKey("crm_id", "7"), "7", True),
        (MatchKey("crm_id", "7"), "07", False),
        (MatchKey("crm_id", "crm-7"), None, False),
        (MatchKey("email", "ilse@example.org"), "Ilse@Example.org", True),
        (MatchKey("email", "ilse@example.org"), "xilse@example.org", False),
    ],
)
def test_the_adapter_judges_exactness_itself(
    key: MatchKey, theirs: Json, *, hit: bool
) -> None:
    _, found = scripted(
        respond_io().find(key), page(row("1", {key.field: theirs}), row("2", {}))
    )
    assert [remote.external_id for remote in found] == (["1"] if hit else [])


def test_find_reads_every_page() -> None:
    rows = [row(str(number), {"k": "v"}) for number in range(25)]
    key = MatchKey("k", "v")
    requests, found = scripted(
        respond_io().find(key),
        page(*rows[:10], last=3),
        page(*rows[10:20], last=3),
        page(*rows[20:], last=3),
    )
    assert [request.query[2] for request in requests] == [
        ("page", "1"),
        ("page", "2"),
        ("page", "3"),
    ]
    assert len(found) == 25
    assert (
        len(
            scripted(
                respond_io().find(key), page(*rows[:10], last=None), page(last=None)
            )[1]
        )
        == 10
    )


def test_a_vendor_that_repeats_its_page_for_ever_is_not_asked_for_ever() -> None:
    same = page(row("1", {"k": "v"}), last=99)
    assert len(scripted(respond_io().find(MatchKey("k", "v")), same, same)[1]) == 1


@pytest.mark.parametrize("response", [page(), page(last=None), GONE])
def test_find_finds_nothing(response: Response) -> None:
    assert scripted(respond_io().find(MatchKey("k", "v")), response)[1] == ()


def test_a_refused_look_up_judges_nobody() -> None:
    with pytest.raises(VendorUnavailable, match="No field of this name") as failed:
        scripted(
            respond_io().find(MatchKey("k", "secret value")),
            refusal("No field of this name: secret value"),
        )
    assert "secret value" not in str(failed.value)
    assert not failed.value.maybe_applied
    assert failed.value.status == 403


def test_a_look_up_at_a_wrong_address_halts() -> None:
    with pytest.raises(VendorHalted, match=r"settings\.base_url"):
        scripted(respond_io().find(MatchKey("k", "v")), html(404))


@pytest.mark.parametrize("fields", [{}, [], None])
def test_read(fields: Json) -> None:
    requests, found = scripted(respond_io().read(ID), answer({"data": row(ID, fields)}))
    assert [sent(request) for request in requests] == [
        ("GET", f"/contact/{ID}", (), None)
    ]
    assert found == Remote(ID)


def test_read_finds_nothing() -> None:
    assert scripted(respond_io().read(ID), GONE)[1] is None


@pytest.mark.parametrize(
    "response", [refusal("Something else"), answer({"data": {"id": ID}})]
)
def test_read_is_sure_or_fails(response: Response) -> None:
    with pytest.raises(VendorUnavailable) as failed:
        scripted(respond_io().read(ID), response)
    assert not failed.value.maybe_applied


@pytest.mark.parametrize("response", [html(403), html(404)])
def test_a_page_in_place_of_the_api_finds_nobody_gone(response: Response) -> None:
    for look in (
        respond_io().read(ID),
        respond_io().find(MatchKey("email", "a@b.example")),
    ):
        with pytest.raises(VendorHalted):
            scripted(look, response)


@pytest.mark.parametrize(
    ("address", "asked"),
    [
        ("Ilse@Example.org", ["Ilse@Example.org", "ilse@example.org"]),
        ("ilse@example.org", ["ilse@example.org"]),
    ],
)
def test_an_address_is_looked_for_as_it_is_and_in_small_letters(
    address: str, asked: list[str]
) -> None:
    answers = [page(row("1", {"email": "ilse@example.org"})) for _ in asked]
    requests, found = scripted(respond_io().find(MatchKey("email", address)), *answers)
    assert [dict(request.query)["value"] for request in requests] == asked
    assert [remote.external_id for remote in found] == ["1"]


@pytest.mark.parametrize("response", [page(), GONE])
def test_probe(response: Response) -> None:
    requests, good = scripted(respond_io().probe(), response)
    assert good is True
    assert [request.method for request in requests] == ["GET"]


@pytest.mark.parametrize(
    ("response", "setting"),
    [
        (refusal("Unauthorized", 401), "settings.token"),
        (html(403), "settings.base_url"),
        (html(404), "settings.base_url"),
    ],
)
def test_probe_fails(response: Response, setting: str) -> None:
    with pytest.raises(VendorHalted) as halted:
        scripted(respond_io().probe(), response)
    assert halted.value.setting == setting


def test_a_phone_is_looked_up_in_its_plain_spellings_of_which_some_may_be_refused() -> (
    None
):
    key = MatchKey("phone", "+4915111223344", "DE")
    hit = row("1", {"phone": "0151 11223344"})
    said = "The value has a wrong format"
    requests, found = scripted(
        respond_io().find(key), page(), page(), refusal(said), page(hit)
    )
    spellings = ("+4915111223344", "4915111223344", "004915111223344", "015111223344")
    assert [sent(request) for request in requests] == [
        asked("phone", each, 1) for each in spellings
    ]
    assert [remote.external_id for remote in found] == ["1"]
    with pytest.raises(VendorUnavailable):
        scripted(respond_io().find(key), refusal(said))


def test_further_spellings_are_asked_for_by_themselves() -> None:
    key = MatchKey("phone", "+4915111223344", "DE")
    rows = [row("1", {"phone": "0151 11223344"}), row("2", {"phone": "0151 99"})]
    requests, found = scripted(respond_io().find_similar(key), *[page(*rows)] * 5)
    tried = [dict(request.query)["value"] for request in requests]
    assert tried == [
        "01511 1223344",
        "0151 11223344",
        "15111223344",
        "+49 1511 1223344",
        "+49 151 11223344",
    ]
    assert [remote.external_id for remote in found] == ["1"]
    assert scripted(respond_io(look_up_phones="both").find_similar(key))[1] == ()
    assert scripted(respond_io().find_similar(MatchKey("crm_id", "7")))[1] == ()
