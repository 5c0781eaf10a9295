"""HubSpot: many contacts in one request, and whom each part of the answer is about."""

from __future__ import annotations

from itertools import permutations

import orjson
import pytest

from syncengine.errors import VendorThrottled, VendorUnavailable
from syncengine.model.calls import (
    Action,
    Answer,
    Applied,
    Call,
    CallResult,
    Exists,
    Rejected,
)
from syncengine.model.contact import MatchKey
from syncengine.model.http import Json, Request, Response
from syncengine.planning.attempt.conclusions import with_subject
from syncengine.planning.refusals import common_refusal
from syncengine.testing.driving import answer, drive, html, scripted
from tests.support.vendors.of_hubspot import (
    CONTACTS,
    NOTHING,
    batch,
    call,
    contact,
    create,
    error,
    hubspot,
    refused,
    update,
)

CREATES = tuple(
    create(number, crm_id=str(number), email=f"p{number}@example.org")
    for number in range(3)
)
UPDATES = tuple(update(number, city="Berlin") for number in (11, 12, 13))


def _by_call(results: object) -> dict[str, Answer]:
    """The answers by the contact of their call."""
    assert isinstance(results, list)
    found = {}
    for result in results:
        assert isinstance(result, CallResult)
        assert result.call.contact_id not in found
        found[result.call.contact_id] = result.answer
    return found


def _made(number: int, trace: str | None = None) -> Json:
    """The new contact 50, 51 or 52 in an answer."""
    return contact(
        50 + number, trace, crm_id=str(number), email=f"p{number}@example.org"
    )


def _sent_many(
    calls: tuple[Call, ...], *answers: Response, **settings: Json
) -> dict[str, Answer]:
    return _by_call(scripted(hubspot(**settings).send_many(calls), *answers)[1])


def test_each_contact_has_a_trace_id_of_its_own() -> None:
    requests, _ = scripted(hubspot().send_many(CREATES), batch(status=201))
    assert requests[0].path == f"{CONTACTS}/batch/create"
    assert [each["objectWriteTraceId"] for each in requests[0].json["inputs"]] == [
        "0",
        "1",
        "2",
    ]
    requests, _ = scripted(hubspot(trace_ids=False).send_many(CREATES), batch())
    assert "objectWriteTraceId" not in requests[0].json["inputs"][0]


@pytest.mark.parametrize("traced", [True, False])
@pytest.mark.parametrize("order", tuple(permutations(range(3))))
def test_results_belong_to_their_call_in_any_order(
    order: tuple[int, ...],
    traced: bool,  # noqa: FBT001
) -> None:
    rows = [_made(each, str(each) if traced else None) for each in order]
    assert _sent_many(CREATES, batch(*rows, status=201)) == {
        "c0": Applied("50"),
        "c1": Applied("51"),
        "c2": Applied("52"),
    }


def test_without_traces_and_unique_values_the_address_tells() -> None:
    creates = tuple(create(each, email=f"P{each}@example.org") for each in range(2))
    rows = [contact(7, email="p1@example.org"), contact(8, email="p0@example.org")]
    assert _sent_many(creates, batch(*rows, status=201)) == {
        "c0": Applied("8"),
        "c1": Applied("7"),
    }


def test_an_address_that_two_calls_share_tells_nothing() -> None:
    creates = tuple(create(each, email="p@example.org") for each in range(2))
    row = contact(7, email="p@example.org")
    assert _sent_many(creates, batch(row, status=201)) == {}


def test_what_no_result_names_is_unknown() -> None:
    rows = [_made(0, "0"), contact(99), "no contact", {"id": None}]
    assert _sent_many(CREATES, batch(*rows, status=201)) == {"c0": Applied("50")}


def test_a_trace_that_contradicts_the_unique_value_is_not_believed() -> None:
    rows = [_made(1, "0"), _made(2, "2")]
    assert _sent_many(CREATES, batch(*rows, status=201)) == {"c2": Applied("52")}


def test_two_results_of_one_call_are_both_in_doubt() -> None:
    rows = [_made(0, "0"), {**_made(0, "0"), "id": "60"}, _made(1, "1")]
    assert _sent_many(CREATES, batch(*rows, status=201)) == {"c1": Applied("51")}


def test_a_207_tells_who_was_refused_and_repeats_no_value_of_anybody() -> None:
    said = "Email address p0@example.org and p1@example.org are invalid"
    wrong = error("VALIDATION_ERROR", said, trace="1")
    results = _sent_many(CREATES, batch(_made(2, "2"), _made(0, "0"), errors=[wrong]))
    refusal = results.pop("c1")
    assert isinstance(refusal, Rejected)
    assert refusal.status == 400
    assert "example.org" not in refusal.message
    assert results == {"c0": Applied("50"), "c2": Applied("52")}


_NOT_VALID = (
    "Property values were not valid: "
    '[{"isValid":false,"message":"Lisbeth was not one of the allowed options: '
    '[[gold, vip, Silver]]","error":"INVALID_OPTION","name":"segment"}]'
)


@pytest.mark.parametrize("how", ["message", "context"])
def test_a_refusal_names_the_property_whatever_the_others_have(how: str) -> None:
    """One contact's value is the property's name, and others have its options."""
    values = ("Lisbeth", "segment", "gold", "vip", "Silver", "a", "e\u0301", "name")
    creates = tuple(
        create(number, crm_id=str(number), city=value, segment="Lisbeth")
        for number, value in enumerate(values)
    )
    wrong = error("VALIDATION_ERROR", _NOT_VALID, trace="0")
    if how == "context":
        wrong = error("VALIDATION_ERROR", "Lisbeth, Silver: no option", trace="0")
        wrong["context"]["propertyName"] = ["segment", "Silver"]
    answer = _sent_many(creates, batch(errors=[wrong]))["c0"]
    assert isinstance(answer, Rejected)
    assert answer.fields == ("segment",)
    named = with_subject(creates[0], answer)
    assert named.message.startswith('field "segment": the vendor refused it')
    for value in ("Lisbeth", "Silver", "gold"):
        assert value not in named.message
        assert value not in named.words
    if how == "message":
        assert answer.words.startswith("Property values were not valid: ")
        assert 'allowed options: [...]"' in answer.words
        assert '"error":"INVALID_OPTION","[...]":"segment"' in answer.words


def test_refusals_of_one_contact_and_of_many_are_alike_by_their_property() -> None:
    creates, others = (
        tuple(create(number, segment="Lisbeth", city=city) for number in range(2))
        for city in ("Bonn", "vip")
    )
    for_city = _NOT_VALID.replace("segment", "city")
    among_many = [
        _sent_many(calls, batch(errors=[error("VALIDATION_ERROR", said, trace="0")]))
        for calls, said in (
            (creates, _NOT_VALID),
            (others, _NOT_VALID),
            (creates, for_city),
        )
    ]
    _, alone = scripted(hubspot().send(creates[0]), refused(_NOT_VALID))
    refusals = [*(each["c0"] for each in among_many), alone]
    assert all(isinstance(each, Rejected) for each in refusals)
    segment, same, city, alone_too = (
        common_refusal(each) for each in refusals if isinstance(each, Rejected)
    )
    assert segment == same == alone_too
    assert segment != city


def test_an_error_that_judges_nobody_leaves_its_call_unknown() -> None:
    limited = error("RATE_LIMITS", "slow down", trace="1")
    unnamed = error("VALIDATION_ERROR", "somebody is wrong")
    rows = [_made(0, "0")]
    assert _sent_many(CREATES, batch(*rows, errors=[limited, unnamed, None])) == {
        "c0": Applied("50")
    }


def test_a_contact_that_is_written_and_refused_is_unknown() -> None:
    wrong = error("VALIDATION_ERROR", "no", trace="0")
    assert _sent_many(CREATES, batch(_made(0, "0"), errors=[wrong])) == {}


def test_existing_contacts_are_read_in_one_request() -> None:
    conflicts = [
        error(
            "CONFLICT",
            f"Contact already exists. Existing ID: {77 + each}",
            trace=str(each),
        )
        for each in (0, 1)
    ]
    shown = batch(contact(78, crm_id="1"), contact(77, crm_id="0"))
    results = _sent_many(CREATES, batch(_made(2, "2"), errors=conflicts), shown)
    first, second = results["c0"], results["c1"]
    assert isinstance(first, Exists)
    assert first.remote.external_id == "77"
    assert isinstance(second, Exists)
    assert second.remote.external_id == "78"
    assert results["c2"] == Applied("52")


def test_holders_of_a_unique_value_are_looked_up_by_it() -> None:
    taken = [
        error(
            "VALIDATION_ERROR", "crm_id: this value is already in use", trace=str(each)
        )
        for each in (0, 1)
    ]
    by_crm_id = batch(
        contact(78, crm_id="1"), errors=[error("OBJECT_NOT_FOUND", "", ids=["0"])]
    )
    by_email = batch(errors=[error("OBJECT_NOT_FOUND", "", ids=["p0@example.org"])])
    results = _sent_many(CREATES, batch(errors=taken), by_crm_id, by_email)
    assert isinstance(results["c0"], Rejected)
    assert isinstance(results["c1"], Exists)


@pytest.mark.parametrize("status", [429, 502])
def test_a_look_up_of_one_that_fails_leaves_the_others_told(status: int) -> None:
    """Else all of the batch would count as unknown, with what was made of them."""
    taken = error("CONFLICT", "Contact already exists. Existing ID: 77", trace="0")
    made = batch(_made(1, "1"), _made(2, "2"), errors=[taken])
    results = _sent_many(CREATES, made, html(status))
    assert results == {"c1": Applied("51"), "c2": Applied("52")}
    nobody = batch(errors=[taken, error("CONFLICT", "Existing ID: 78", trace="1")])
    with pytest.raises((VendorThrottled, VendorUnavailable)):
        _sent_many(CREATES[:2], nobody, html(status))


# --- refused as a whole ---------------------------------------------------------------


@pytest.mark.parametrize("calls", [CREATES, UPDATES])
@pytest.mark.parametrize("status", [400, 409])
def test_a_batch_that_is_refused_as_a_whole_is_one_rejection(
    calls: tuple[Call, ...], status: int
) -> None:
    said = refused("p1@example.org is wrong", status=status)
    _, result = scripted(hubspot(trace_ids=False).send_many(calls), said)
    assert isinstance(result, Rejected)
    assert result.status == status
    assert "example.org" not in result.message


def test_where_refused_updates_may_be_done_in_part_nothing_is_said_of_any() -> None:
    """The engine takes each of them for unknown then, and sends it again."""
    said = refused("something is wrong")
    settings = {"refused_batches": "unknown"}
    assert _sent_many(UPDATES, said, **settings) == {}
    # Of refused creates nothing is done, which is known.
    _, result = scripted(hubspot(**settings).send_many(CREATES), said)
    assert isinstance(result, Rejected)


def test_a_batch_of_one_is_sent_as_a_single_call() -> None:
    said = refused("Contact already exists. Existing ID: 51", "CONFLICT", 409)
    results = _sent_many(CREATES[:1], said, answer(contact(51, crm_id="0")))
    assert isinstance(results["c0"], Exists)


def test_after_an_outage_a_batch_may_be_done() -> None:
    with pytest.raises(VendorUnavailable) as unknown:
        _sent_many(CREATES, html(502))
    assert unknown.value.maybe_applied


# --- updates, upserts, deletions ------------------------------------------------------


def test_updates_are_told_by_their_id() -> None:
    rows = [contact(13, city="Berlin"), contact(11, city="Bonn")]
    results = _sent_many(UPDATES, batch(*rows))
    assert results["c13"] == Applied("13")
    bonn = results["c11"]
    assert isinstance(bonn, Applied)
    assert [each.subject for each in bonn.dropped] == ["city"]
    assert "c12" not in results


def test_a_missing_contact_is_named_by_its_trace_or_its_id() -> None:
    lost = [
        error("OBJECT_NOT_FOUND", "gone", trace="0"),
        error("OBJECT_NOT_FOUND", "gone", ids=["12"]),
    ]
    results = _sent_many(UPDATES, batch(contact(13, "2"), errors=lost))
    for name in ("c11", "c12"):
        refusal = results[name]
        assert isinstance(refusal, Rejected)
        assert refusal.code == "not_found"


def test_a_merged_contact_answers_with_its_present_id() -> None:
    results = _sent_many(UPDATES, batch(contact(900, "1", city="Berlin")))
    assert results == {"c12": Applied("900")}


def test_upserts_name_the_property_at_each_contact() -> None:
    upserts = tuple(
        Call(
            Action.UPSERT,
            f"c{each}",
            key=MatchKey("crm_id", str(each)),
            fields={"city": "Bonn"},
        )
        for each in range(2)
    )
    vendor = hubspot(upserts=True)
    rows = [contact(51, crm_id="1"), contact(50, crm_id="0")]
    requests, results = scripted(vendor.send_many(upserts), batch(*rows))
    assert requests[0].json["inputs"][1] == {
        "idProperty": "crm_id",
        "id": "1",
        "objectWriteTraceId": "1",
        "properties": {"city": "Bonn", "crm_id": "1"},
    }
    assert _by_call(results) == {"c0": Applied("50"), "c1": Applied("51")}


def test_deletions_of_those_who_are_there_are_archived_together() -> None:
    deletions = tuple(call(Action.DELETE, number) for number in (11, 12, 13, 14, 15))
    shown = batch(
        contact(12),
        contact(11),
        contact(900, hs_merged_object_ids="13"),
        errors=[error("OBJECT_NOT_FOUND", "", ids=["14"])],
    )
    requests, results = scripted(hubspot().send_many(deletions), shown, NOTHING)
    assert requests[1].json == {"inputs": [{"id": "11"}, {"id": "12"}]}
    assert _by_call(results) == {
        "c11": Applied(),
        "c12": Applied(),
        "c13": Applied("900"),
        "c14": Applied(was_gone=True),
    }
    deletion = hubspot(delete_as="gdpr").capabilities.delete
    assert deletion is not None
    assert deletion.bulk is None


# --- tags and lists -------------------------------------------------------------------


def _tagging(number: int, *tags: str) -> Call:
    return call(Action.ADD_TAGS, number, add_tags=tags)


def test_tags_of_many_are_read_and_written_in_two_requests() -> None:
    calls = (
        _tagging(11, "vip"),
        call(Action.REMOVE_TAGS, 12, remove_tags=("old",)),
        _tagging(13, "there"),
        _tagging(14, "vip"),
        _tagging(15, "vip"),
        _tagging(16, "a;b"),
    )
    read = batch(
        contact(12, crm_tags="old;theirs"),
        contact(13, crm_tags="there"),
        contact(11, crm_tags=None),
        errors=[error("OBJECT_NOT_FOUND", "", ids=["14"])],
    )
    done = batch(contact(12, crm_tags="theirs"), contact(11, crm_tags="vip"))
    vendor = hubspot(tags_property="crm_tags")
    requests, results = scripted(vendor.send_many(calls), read, done)
    assert [each["properties"]["crm_tags"] for each in requests[1].json["inputs"]] == [
        "vip",
        "theirs",
    ]
    answers = _by_call(results)
    for name in ("c11", "c12", "c13"):
        assert answers[name] == Applied(name.removeprefix("c"))
    missing, impossible = answers["c14"], answers["c16"]
    assert isinstance(missing, Rejected)
    assert missing.code == "not_found"
    assert isinstance(impossible, Rejected)
    assert impossible.code == "invalid_tag"
    assert "c15" not in answers, "the look-up did not answer it"


def test_a_list_is_joined_by_many() -> None:
    joins = tuple(
        call(Action.JOIN_LISTS, number, fields={"lists.7": True}) for number in (11, 12)
    )
    told = {
        "recordsIdsAdded": ["11"],
        "recordIdsRemoved": [],
        "recordIdsMissing": ["12"],
    }
    requests, results = scripted(hubspot().send_many(joins), answer(told))
    assert requests[0].json == ["11", "12"]
    answers = _by_call(results)
    assert answers["c11"] == Applied()
    missing = answers["c12"]
    assert isinstance(missing, Rejected)
    assert missing.code == "not_found"
    # A missing list is nobody's fault in particular: there is nothing to bisect.
    no_list = refused("List does not exist", "OBJECT_NOT_FOUND", 404)
    _, results = scripted(hubspot().send_many(joins), no_list)
    assert {
        each.code for each in _by_call(results).values() if isinstance(each, Rejected)
    } == {"http_404"}


# --- look-ups of many -----------------------------------------------------------------

KEYS = tuple(MatchKey("crm_id", str(number)) for number in range(4))


def test_keys_are_looked_up_together() -> None:
    shown = batch(
        contact(52, crm_id="2"),
        contact(50, crm_id="0"),
        errors=[error("OBJECT_NOT_FOUND", "", ids=["1"])],
    )
    requests, found = scripted(hubspot().find_many(KEYS), shown)
    assert requests[0].json["idProperty"] == "crm_id"
    ids = {key.value: [each.external_id for each in found[key]] for key in found}
    assert ids == {"0": ["50"], "1": [], "2": ["52"]}, "the fourth was not answered"


def test_a_wrong_key_keeps_no_other_one_from_being_found() -> None:
    wrong = refused("Invalid input")
    shown = [batch(contact(50 + each, crm_id=str(each))) for each in (0, 1, 3)]
    both = batch(contact(50, crm_id="0"), contact(51, crm_id="1"))
    requests, found = scripted(
        hubspot().find_many(KEYS), wrong, both, wrong, wrong, shown[2]
    )
    assert {key.value for key in found} == {"0", "1", "3"}
    assert [len(each.json["inputs"]) for each in requests] == [4, 2, 2, 1, 1]


def test_a_property_that_no_value_finds_is_not_asked_for_ever() -> None:
    wrong = refused("crm_id is not a unique property")
    keys = tuple(MatchKey("crm_id", str(number)) for number in range(100))
    with pytest.raises(VendorUnavailable):
        scripted(hubspot().find_many(keys), *[wrong] * 15)


@pytest.mark.parametrize("misses", ["named", "absent"])
def test_among_many_wrong_ids_nobody_is_missing_who_was_not_answered_for(
    misses: str,
) -> None:
    """The batch is not halved for ever: some of them are left over in the end."""
    wrong = {str(number) for number in range(0, 100, 9)}

    def answering(request: Request) -> Response:
        ids = [each["id"] for each in request.json["inputs"]]
        if not wrong.isdisjoint(ids):
            return refused("no such id")
        return batch(*map(contact, ids), status=200)

    ids = [str(number) for number in range(100)]
    shown = drive(hubspot(read_misses=misses).read_many(ids), answering)
    assert 0 < len(shown) < 100
    assert None not in shown.values()
    keys = [MatchKey("crm_id", each) for each in ids]

    def finding(request: Request) -> Response:
        ids = [each["id"] for each in request.json["inputs"]]
        if not wrong.isdisjoint(ids):
            return refused("no such id")
        return batch(*(contact(f"9{each}", crm_id=each) for each in ids))

    found = drive(hubspot(read_misses=misses).find_many(keys), finding)
    assert 0 < len(found) < 100
    assert all(found.values())


def test_addresses_are_found_in_any_case_and_as_further_ones() -> None:
    keys = (MatchKey("email", "A@example.org"), MatchKey("email", "b@example.org"))
    shown = batch(
        contact(1, email="a@example.org"),
        contact(2, email="x@example.org", hs_additional_emails="B@example.org"),
    )
    _, found = scripted(hubspot().find_many(keys), shown)
    assert [found[key][0].external_id for key in keys] == ["1", "2"]


def test_a_merged_contact_is_read_under_its_former_id() -> None:
    shown = batch(
        contact(900, hs_merged_object_ids="12;13"),
        contact(11),
        errors=[error("OBJECT_NOT_FOUND", "", ids=["14"])],
    )
    _, read = scripted(hubspot().read_many(["11", "12", "14", "15"]), shown)
    ids = {asked: remote and remote.external_id for asked, remote in read.items()}
    assert ids == {"11": "11", "12": "900", "14": None}


def test_many_phones_are_searched_for_in_bodies_of_the_allowed_length() -> None:
    vendor = hubspot(phone_properties=["phone"])
    keys = tuple(
        MatchKey("phone", f"+4915111223{number:03}", "DE") for number in range(40)
    )
    requests = []

    def answering(request: Request) -> Response:
        requests.append(request)
        return answer({"results": []})

    found = drive(vendor.find_many(keys), answering)
    assert found == dict.fromkeys(keys, ())
    assert len(requests) > 1
    assert max(len(orjson.dumps(each.json)) for each in requests) <= 3_000
