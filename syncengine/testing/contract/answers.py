"""Answers of any kind are judged into the same few results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
from syncengine.model.calls import Action, Applied, Exists, Rejected
from syncengine.model.capabilities import matches
from syncengine.model.contact import MatchKey, Remote
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.driving import answer, drive, html
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

ENDLESS = 60
"""More requests than any exchange with a stubborn vendor may need."""


@dataclass(frozen=True)
class Act:
    """One thing an adapter can be asked to do."""

    subject: VendorUnderTest
    what: str
    start: Callable[[], Exchange[Any]]
    sent: tuple[str, ...]
    """Values of the contact that go out, and the secret."""
    action: Action | None = None

    def __str__(self) -> str:
        return f"{self.subject}-{self.what}"


def _all_acts(subjects: VendorsUnderTest) -> Iterator[Act]:
    for subject in plain(subjects):
        can = subject.vendor.capabilities
        hidden = tuple(secrets(subject.spec).values())
        for action in subject.actions():
            call = subject.call(action)
            values = (
                *call.fields.values(),
                *call.add_tags,
                *call.remove_tags,
                call.key and call.key.value,
            )
            yield Act(
                subject,
                action,
                partial(subject.vendor.send, call),
                (*hidden, *_long(values)),
                action,
            )
        if can.find_by:
            fields = subject.fields(1)
            name = next(
                name
                for name, value in fields.items()
                if _long([value]) and matches(name, can.find_by)
            )
            key = MatchKey(name, fields[name])
            yield Act(
                subject, "find", partial(subject.vendor.find, key), (*hidden, key.value)
            )
        if can.reads:
            yield Act(
                subject, "read", partial(subject.vendor.read, "sample-id-1"), hidden
            )
        yield Act(subject, "probe", subject.vendor.probe, hidden)


def _long(values: Any) -> tuple[str, ...]:
    return tuple(value for value in values if isinstance(value, str) and len(value) > 3)


def acts(subjects: VendorsUnderTest) -> list[Act]:
    """Return all that the adapters can be asked; some have nothing to probe with."""
    return [
        act
        for act in _all_acts(subjects)
        if act.what != "probe" or next(act.start(), None)
    ]


every_act = for_each("act", acts)
every_send = for_each(
    "act", lambda subjects: [act for act in acts(subjects) if act.action]
)
every_look = for_each(
    "act", lambda subjects: [act for act in acts(subjects) if not act.action]
)


@dataclass(frozen=True)
class End:
    """The end of an exchange, and its requests."""

    result: Any
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
        assert len(requests) < ENDLESS, "it would go on for ever"
        return answering(request)

    result: Any
    try:
        result = drive(act.start(), counting)
    except (RequestFailed, AccountStopped) as failure:
        result = failure
    assert str(result)
    said = (
        replace(result, dropped=()) if isinstance(result, Applied) else result
    )  # what was dropped is named
    shown = f"{said!r} {said}"
    for value in act.sent:
        assert value not in shown
    return End(result, tuple(requests))


def stubborn(act: Act, response: Response) -> End:
    """Return the end where the vendor gives the same answer to everything."""
    return end(act, lambda _: response)


def telltale(act: Act, status: int) -> Response:
    """Return a refusal that repeats all it was sent, in every usual envelope."""
    said = "wrong: " + ", ".join(act.sent)
    error = {"code": 1, "message": said, "description": said}
    return answer(
        {
            "status": "error",
            "message": said,
            "error": said,
            "msg": said,
            "errors": [error],
        },
        status,
    )


# --- the account ----------------------------------------------------------------------


@every_act
def test_a_refused_key_stops_the_account_and_names_its_setting(act: Act) -> None:
    for response in (html(401), telltale(act, 401)):
        halted = stubborn(act, response).result
        assert isinstance(halted, VendorHalted)
        assert halted.setting is not None
        assert (
            halted.setting.removeprefix("settings.")
            in act.subject.spec.settings.model_fields
        )
        assert halted.setting in str(halted)


@every_act
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_wrong_address(act: Act, status: int) -> None:
    halted = stubborn(act, Response(status, {"location": "https://x.example/"})).result
    assert isinstance(halted, VendorHalted)
    assert halted.setting == "settings.base_url"


# --- the request ----------------------------------------------------------------------


@every_act
@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
def test_trouble_judges_nobody(act: Act, status: int) -> None:
    for response in (html(status), Response(status), telltale(act, status)):
        ended = stubborn(act, response)
        assert isinstance(ended.result, VendorUnavailable)
        assert ended.result.status == status
        assert ended.result.maybe_applied or not ended.wrote
        assert act.action or not ended.result.maybe_applied, "a look-up changes nothing"


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
    for body in (
        b"",
        b"<html>",
        orjson.dumps({"message": "Too Many Requests", "errors": []}),
    ):
        throttled = stubborn(act, Response(429, headers, body)).result
        assert isinstance(throttled, VendorThrottled)
        assert throttled.retry_after == seconds


@every_act
@pytest.mark.parametrize(
    "body",
    [b"", b"<html></html>", b'{"data": {"id": "12', b'{"data": [', b"\xff\x00", b"OK"],
)
def test_an_unreadable_success_is_unknown(act: Act, body: bytes) -> None:
    ended = stubborn(act, Response(200, {"content-type": "application/json"}, body))
    assert isinstance(ended.result, VendorUnavailable)
    assert ended.result.maybe_applied or not ended.wrote


@every_act
@pytest.mark.parametrize("body", [None, 1, "ok", True, [[]], [1, "x"]])
def test_a_success_of_a_wild_shape_is_unknown(act: Act, body: Json) -> None:
    assert isinstance(stubborn(act, answer(body)).result, VendorUnavailable)


@every_act
def test_a_success_without_an_id_made_nothing_known(act: Act) -> None:
    bodies: tuple[Json, ...] = (
        {},
        {"data": None},
        {"data": {}},
        {"id": None},
        {"data": {"id": None}},
    )
    for body in bodies:
        result = stubborn(act, answer(body)).result
        if act.action in (Action.CREATE, Action.UPSERT) or act.what == "read":
            assert isinstance(result, VendorUnavailable)
        elif isinstance(result, Applied):
            assert result.external_id is None


# --- the contact ----------------------------------------------------------------------


@every_send
@pytest.mark.parametrize("status", [400, 409, 413, 422, 499])
def test_a_refusal_rejects_the_contact_in_clean_words(act: Act, status: int) -> None:
    for response in (
        telltale(act, status),
        html(status),
        answer(None, status),
        answer([], status),
    ):
        rejected = stubborn(act, response).result
        assert isinstance(rejected, Rejected)
        assert rejected.status == status
        assert rejected.by_vendor
        assert rejected.code
        assert 0 < len(rejected.message) < 500


@every_act
@pytest.mark.parametrize("status", [403, 404, 405, 410])
def test_a_refusal_that_may_mean_anything(act: Act, status: int) -> None:
    for response in (
        telltale(act, status),
        html(status),
        answer({"message": "No such contact found."}, status),
    ):
        result = stubborn(act, response).result
        match act.what:
            case "probe":
                assert result is True or isinstance(result, VendorHalted)
            case "find":
                assert (
                    isinstance(result, VendorHalted | VendorUnavailable) or result == ()
                )
            case "read":
                assert isinstance(result, VendorHalted | VendorUnavailable | None)
            case "delete":
                assert isinstance(result, VendorHalted | Rejected | Applied)
            case _:
                assert isinstance(result, VendorHalted | Rejected)


@every_look
@pytest.mark.parametrize("status", [400, 422, 499])
def test_a_refused_look_finds_out_nothing(act: Act, status: int) -> None:
    failed = stubborn(act, telltale(act, status)).result
    assert isinstance(failed, VendorUnavailable | VendorHalted)
    assert not (isinstance(failed, VendorUnavailable) and failed.maybe_applied)


# --- any JSON at all ------------------------------------------------------------------


@every_act
@pytest.mark.parametrize("status", [200, 400, 403, 422])
def test_no_json_breaks_an_adapter(act: Act, status: int) -> None:
    contact: Json = {"id": "x", "custom_fields": {}, "tags": []}
    wilds: tuple[Json, ...] = (
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
        contact,
    )
    for wild in wilds:
        for key in (
            "data",
            "errors",
            "message",
            "msg",
            "meta",
            "items",
            "id",
            "tags",
            "status",
        ):
            result = stubborn(act, answer({"data": contact, key: wild}, status)).result
            assert isinstance(
                result,
                Exception | Applied | Exists | Rejected | Remote | tuple | bool | None,
            )
