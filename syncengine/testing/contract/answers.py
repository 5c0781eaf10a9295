"""Answers of any kind are judged into the same few results.

The suite plays a vendor that gives one and the same answer to everything. The engine
decides by the adapter's result what becomes of a contact, so that a wrong one loses
data:

- ``VendorHalted``: the credentials or the address are wrong; the account stops.
- ``VendorThrottled``: too many requests; the engine waits and asks again.
- ``VendorUnavailable``: nobody was judged. After a write it says ``maybe_applied``,
  unless the vendor surely did nothing: the engine then looks the contact up.
- ``Rejected``: this contact was refused, and nothing was changed.
- ``Applied``, ``Exists`` and what look-ups return: the vendor said so.

Nothing that is shown to people may repeat a secret or a contact's values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
import pytest

from syncengine.errors import (
    AccountStopped,
    RequestFailed,
    VendorHalted,
    VendorThrottled,
    VendorUnavailable,
)
from syncengine.model.calls import Action, Applied, Call, Exists, Rejected
from syncengine.model.capabilities import matches
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.driving import answer, drive, html
from syncengine.testing.expectations import described, expect
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

ENDLESS = 60
"""More requests than any exchange with a stubborn vendor may need."""


@dataclass(frozen=True)
class Act:
    """One thing an adapter can be asked to do."""

    subject: VendorUnderTest
    what: str
    """The action of a call, or ``find``, ``read``, ``probe`` and the like."""
    start: Callable[[], Exchange[Any]]
    """Begins the exchange anew each time."""
    sent: tuple[str, ...]
    """Secrets, and values of the contact that go out. No result may repeat them."""
    action: Action | None = None
    """None for what only reads."""

    def __str__(self) -> str:
        return f"{self.subject}-{self.what}"


def acts(subjects: VendorsUnderTest) -> list[Act]:
    """Return everything that the adapters can be asked to do."""
    every: list[Act] = []
    for subject in plain(subjects):
        every.extend(_sends(subject))
        every.extend(_look_ups(subject))
    return every


def _sends(subject: VendorUnderTest) -> Iterator[Act]:
    """Yield a full call of each action that the vendor has."""
    hidden = tuple(secrets(subject.spec).values())
    for action in subject.actions():
        call = subject.call(action)
        start = partial(subject.vendor.send, call)
        yield Act(subject, action, start, (*hidden, *_values_of(call)), action)


def _look_ups(subject: VendorUnderTest) -> Iterator[Act]:
    """Yield all that reads: find, read and probe, as far as the vendor has them."""
    vendor = subject.vendor
    hidden = tuple(secrets(subject.spec).values())
    if vendor.capabilities.find_by:
        key = _telltale_key(subject)
        yield Act(subject, "find", partial(vendor.find, key), (*hidden, key.value))
    if vendor.capabilities.reads:
        yield Act(subject, "read", partial(vendor.read, "sample-id-1"), hidden)
    # Some vendors have nothing to probe with: their exchange ends without a request.
    first_request = next(vendor.probe(), None)
    if first_request is not None:
        yield Act(subject, "probe", vendor.probe, hidden)


def _values_of(call: Call) -> tuple[str, ...]:
    """Return the values of a call that are long enough to be recognised."""
    values = [*call.fields.values(), *call.add_tags, *call.remove_tags]
    if call.key is not None:
        values.append(call.key.value)
    return _long_texts(values)


def _telltale_key(subject: VendorUnderTest) -> MatchKey:
    """Return a match key whose value is long enough to be recognised."""
    find_by = subject.vendor.capabilities.find_by
    for name, value in subject.fields(1).items():
        if matches(name, find_by) and _long_texts([value]):
            return MatchKey(name, value)
    raise AssertionError(
        f"{subject}: the sample contact has no text for any field of "
        f"Capabilities.find_by ({', '.join(find_by)}). Give it one of more than three "
        "letters by ContractHints(sample=...)."
    )


def _long_texts(values: Iterable[Json]) -> tuple[str, ...]:
    """Return the texts that occur in no message by chance."""
    return tuple(value for value in values if isinstance(value, str) and len(value) > 3)


def _writing_acts(subjects: VendorsUnderTest) -> list[Act]:
    return [act for act in acts(subjects) if act.action is not None]


def _reading_acts(subjects: VendorsUnderTest) -> list[Act]:
    return [act for act in acts(subjects) if act.action is None]


every_act = for_each("act", acts)
every_send = for_each("act", _writing_acts)
every_look_up = for_each("act", _reading_acts)


@dataclass(frozen=True)
class End:
    """The end of an exchange, and its requests."""

    result: Any
    """The value that was returned, or the failure that was raised."""
    requests: tuple[Request, ...]

    @property
    def wrote(self) -> bool:
        """Return whether the vendor may have carried the last request out."""
        return self.requests[-1].writes


def end(act: Act, answering: Callable[[Request], Response]) -> End:
    """Drive an exchange to its end.

    Only the two kinds of failure may be raised, and no value that was sent may be
    repeated in the result.
    """
    requests: list[Request] = []

    def counting(request: Request) -> Response:
        requests.append(request)
        assert len(requests) < ENDLESS, (
            f"{act} asks on and on: {ENDLESS} requests ({request.route}) while the "
            "vendor gives the same answer. Bound the loop, as collect_hits does."
        )
        return answering(request)

    result: Any
    try:
        result = drive(act.start(), counting)
    except (RequestFailed, AccountStopped) as failure:
        result = failure
    _assert_repeats_no_value(act, result)
    return End(result, tuple(requests))


def _assert_repeats_no_value(act: Act, result: Any) -> None:
    assert str(result), f"{act}: {type(result).__name__} has an empty text; say why"
    # ``dropped`` names fields and tags on purpose: a person has to know which.
    public = replace(result, dropped=()) if isinstance(result, Applied) else result
    shown = f"{public!r} {public}"
    for value in act.sent:
        assert value not in shown, (
            f"{act}: the result repeats {value!r}, a secret or a value of the "
            f"contact: {shown}\nResults reach logs and the state database. Build "
            "refusals by rejection(..., sent_values(call)), which cleans the vendor's "
            "words."
        )


def stubborn(act: Act, response: Response) -> End:
    """Return the end where the vendor gives the same answer to everything."""
    return end(act, lambda _: response)


def telltale(act: Act, status: int) -> Response:
    """Return a refusal that repeats all it was sent, in every usual envelope."""
    words = "wrong: " + ", ".join(act.sent)
    error = {"code": 1, "message": words, "description": words}
    body = {
        "status": "error",
        "message": words,
        "error": words,
        "msg": words,
        "errors": [error],
    }
    return answer(body, status)


def _after(act: Act, response: Response) -> str:
    """Return what was asked and answered, for a message."""
    return f"{act}, answered {described(response)}"


# --- the account ----------------------------------------------------------------------


@every_act
def test_a_refused_key_stops_the_account_and_names_its_setting(act: Act) -> None:
    for response in (html(401), telltale(act, 401)):
        where = _after(act, response)
        halted = expect(
            VendorHalted,
            stubborn(act, response).result,
            where,
            "a refused key concerns every contact. Give send_request, look_up or "
            'probe_with the statuses that mean so, such as {401: "settings.token"}.',
        )
        assert halted.setting is not None, (
            f"{where}: VendorHalted names no setting. Say which one a person has to "
            'correct: VendorHalted(..., setting="settings.token").'
        )
        name = halted.setting.removeprefix("settings.")
        settings = act.subject.spec.settings
        assert name in settings.model_fields, (
            f"{where}: VendorHalted names {halted.setting}, which {settings.__name__} "
            "does not have."
        )
        assert halted.setting in str(halted), (
            f"{where}: the text of VendorHalted does not name {halted.setting}."
        )


@every_act
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_wrong_address(act: Act, status: int) -> None:
    response = Response(status, {"location": "https://x.example/"})
    where = _after(act, response)
    halted = expect(
        VendorHalted,
        stubborn(act, response).result,
        where,
        "a redirect is never followed: the key would go to another server. "
        "send_request judges it.",
    )
    assert halted.setting == "settings.base_url", (
        f"{where}: VendorHalted names {halted.setting}; the address to correct is "
        "settings.base_url (BASE_URL)."
    )


# --- the request ----------------------------------------------------------------------


@every_act
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
def test_trouble_judges_nobody(act: Act, status: int) -> None:
    for response in (html(status), Response(status), telltale(act, status)):
        ended = stubborn(act, response)
        where = _after(act, response)
        failure = expect(
            VendorUnavailable,
            ended.result,
            where,
            "a server's trouble says nothing about the contact. Send by send_request, "
            "which raises it.",
        )
        assert failure.status == status, f"{where}: the failure has no such status"
        _assert_doubt_is_noted(ended, failure, where)
        assert act.action or not failure.maybe_applied, (
            f"{where}: maybe_applied is set, and a look-up changes nothing"
        )


def _assert_doubt_is_noted(ended: End, failure: VendorUnavailable, where: str) -> None:
    assert failure.maybe_applied or not ended.wrote, (
        f"{where}: maybe_applied is not set after {ended.requests[-1].route}. The "
        "vendor may have carried it out; without the note the engine repeats it, "
        "and a contact is made twice. See Request.writes."
    )


@every_act
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": "a while"}, None),
        ({"retry-after": "-1"}, None),
        (
            {
                "retry-after": "Sun, 06 Nov 1994 08:50:07 GMT",
                "date": "Sun, 06 Nov 1994 08:49:37 GMT",
            },
            30.0,
        ),
    ],
)
def test_too_fast(act: Act, headers: Mapping[str, str], seconds: float | None) -> None:
    refusal = orjson.dumps({"message": "Too Many Requests", "errors": []})
    for body in (b"", b"<html>", refusal):
        response = Response(429, headers, body)
        where = _after(act, response)
        throttled = expect(
            VendorThrottled,
            stubborn(act, response).result,
            where,
            "the engine waits and asks again. send_request raises it.",
        )
        assert throttled.retry_after == seconds, (
            f"{where}: retry_after is {throttled.retry_after}, and the headers "
            f"{dict(headers)} mean {seconds} seconds"
        )


@every_act
@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b'{"data": {"id": "12', b'{"data": [', b"\xff\x00", b"OK"],
)
def test_an_unreadable_success_is_unknown(act: Act, body: bytes) -> None:
    response = Response(200, {"content-type": "application/json"}, body)
    ended = stubborn(act, response)
    where = _after(act, response)
    failure = expect(
        VendorUnavailable,
        ended.result,
        where,
        "an answer that was cut off on its way proves nothing. Read it by parse_reply.",
    )
    _assert_doubt_is_noted(ended, failure, where)


@every_act
@pytest.mark.parametrize("body", [None, 1, "ok", True, [[]], [1, "x"]])
def test_a_success_of_a_wild_shape_is_unknown(act: Act, body: Json) -> None:
    response = answer(body)
    expect(
        VendorUnavailable,
        stubborn(act, response).result,
        _after(act, response),
        "this is no answer of the API's own form. Read it by parse_reply with a "
        "ReplyModel, which refuses other shapes.",
    )


@every_act
def test_a_success_without_an_id_made_nothing_known(act: Act) -> None:
    bodies: tuple[Json, ...] = (
        {},
        {"data": None},
        {"data": {}},
        {"id": None},
        {"data": {"id": None}},
    )
    makes_or_reads = act.action in (Action.CREATE, Action.UPSERT) or act.what == "read"
    for body in bodies:
        response = answer(body)
        result = stubborn(act, response).result
        where = _after(act, response)
        if makes_or_reads:
            expect(
                VendorUnavailable,
                result,
                where,
                "a contact without an id cannot be linked. Declare the id in the "
                "ReplyModel as ExternalId, without a default.",
            )
        elif isinstance(result, Applied):
            assert result.external_id is None, (
                f"{where}: Applied has the id {result.external_id!r}, and the answer "
                "shows none. Take ids from the answer, never from the call."
            )


# --- the contact ----------------------------------------------------------------------


@every_send
@pytest.mark.parametrize("status", [400, 409, 413, 422, 499])
def test_a_refusal_rejects_the_contact_in_clean_words(act: Act, status: int) -> None:
    refusals = (
        telltale(act, status),
        html(status),
        answer(None, status),
        answer([], status),
    )
    for response in refusals:
        where = _after(act, response)
        rejected = expect(
            Rejected,
            stubborn(act, response).result,
            where,
            "the vendor refused this contact, and the others go on. Return rejection() "
            "where reply.ok is false.",
        )
        assert rejected.status == status, f"{where}: Rejected has no such status"
        assert rejected.by_vendor, f"{where}: by_vendor is False, and the vendor did it"
        assert rejected.code, f"{where}: Rejected has no code to group refusals by"
        assert 0 < len(rejected.message) < 500, (
            f"{where}: the message has {len(rejected.message)} letters; a person reads "
            "1 to 499 of them. rejection() shortens the vendor's words."
        )


@every_act
@pytest.mark.parametrize("status", [403, 404, 405, 410])
def test_a_refusal_that_may_mean_anything(act: Act, status: int) -> None:
    no_such_contact = answer({"message": "No such contact found."}, status)
    for response in (telltale(act, status), html(status), no_such_contact):
        result = stubborn(act, response).result
        match act.what:
            case "probe":
                fits = result is True or isinstance(result, VendorHalted)
                allowed = "True or VendorHalted"
            case "find":
                fits = (
                    isinstance(result, VendorHalted | VendorUnavailable) or result == ()
                )
                allowed = "(), VendorHalted or VendorUnavailable"
            case "read":
                fits = isinstance(result, VendorHalted | VendorUnavailable | None)
                allowed = "None, VendorHalted or VendorUnavailable"
            case "delete":
                fits = isinstance(result, VendorHalted | Rejected | Applied)
                allowed = "Applied (was_gone), Rejected or VendorHalted"
            case _:
                fits = isinstance(result, VendorHalted | Rejected)
                allowed = "Rejected or VendorHalted"
        assert fits, (
            f"{_after(act, response)}: the result is {result!r}.\n"
            f"It has to be {allowed}: the status is about this contact, the account's "
            "rights or the address. See Reply.not_found, look_up and rejection."
        )


@every_look_up
@pytest.mark.parametrize("status", [400, 422, 499])
def test_a_refused_look_finds_out_nothing(act: Act, status: int) -> None:
    response = telltale(act, status)
    result = stubborn(act, response).result
    where = _after(act, response)
    assert isinstance(result, VendorUnavailable | VendorHalted), (
        f"{where}: the result is {result!r}.\n"
        "A refused look-up does not prove that a contact is missing: the engine would "
        "make it a second time. Look up by look_up or probe_with, which raise."
    )
    if isinstance(result, VendorUnavailable):
        assert not result.maybe_applied, (
            f"{where}: maybe_applied is set, and a look-up changes nothing"
        )


# --- any JSON at all ------------------------------------------------------------------

CONTACT: Json = {"id": "x", "custom_fields": {}, "tags": []}
RESULTS = (Exception, Applied, Exists, Rejected, Remote, tuple, bool, type(None))
"""Everything that an exchange may end with."""
WILD_VALUES: tuple[Json, ...] = (
    None,
    True,
    7,
    -1.5,
    "x",
    "",
    [],
    {},
    [None],
    [[1]],
    [{}],
    {"id": {}},
    CONTACT,
)
"""Values of another type than the vendor documents."""
USUAL_KEYS = (
    "data",
    "errors",
    "message",
    "msg",
    "meta",
    "items",
    "id",
    "tags",
    "status",
)
"""Names under which APIs put what adapters read."""


@every_act
@pytest.mark.parametrize("status", [200, 400, 403, 422])
def test_no_json_breaks_an_adapter(act: Act, status: int) -> None:
    for wild in WILD_VALUES:
        for key in USUAL_KEYS:
            response = answer({"data": CONTACT, key: wild}, status)
            # An exception of the adapter's own (KeyError, TypeError) is raised here.
            result = stubborn(act, response).result
            assert isinstance(result, RESULTS), (
                f"{_after(act, response)}: {result!r} is no result of an adapter"
            )
