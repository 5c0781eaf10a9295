"""A vendor's spec, settings, capabilities and requests are well formed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr, ValidationError

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import Write, matches
from syncengine.model.contact import MatchKey
from syncengine.model.http import Request
from syncengine.testing.cases import for_each, plain, with_actions
from syncengine.testing.driving import requested
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets

every_subject = for_each("subject", plain)
every_action = for_each(
    ("subject", "action"), lambda subjects: with_actions(plain(subjects))
)
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


# --- the spec ------------------------------------------------------------------------


@every_subject
def test_the_spec_says_what_the_engine_needs(subject: VendorUnderTest) -> None:
    spec = subject.spec
    assert subject.vendor.name == spec.name
    assert spec.version >= 1
    assert spec.limits
    assert all(limit.calls > 0 and limit.per > 0 for limit in spec.limits)
    assert all(limit.method in {*METHODS, None} for limit in spec.limits)
    assert "base_url" not in spec.identity
    for name in spec.identity:
        assert spec.settings.model_fields[name].annotation is not SecretStr


@every_subject
def test_settings_refuse_unknown_and_missing_keys_without_repeating_a_value(
    subject: VendorUnderTest,
) -> None:
    settings = subject.spec.settings
    given = subject.given_settings()
    with pytest.raises(ValidationError) as refused:
        settings.model_validate({**given, "surprise": "hunter2"})
    assert [error["loc"] for error in refused.value.errors()] == [("surprise",)]
    _assert_no_secret(subject, str(refused.value), "hunter2")
    required = [name for name in given if settings.model_fields[name].is_required()]
    assert required
    for name in required:
        with pytest.raises(ValidationError) as refused:
            settings.model_validate(
                {key: value for key, value in given.items() if key != name}
            )
        assert [error["loc"] for error in refused.value.errors()] == [(name,)]
        _assert_no_secret(subject, str(refused.value))


@every_subject
def test_nothing_shows_a_secret(subject: VendorUnderTest) -> None:
    settings = subject.spec.settings.model_validate(subject.given_settings())
    assert secrets(subject.spec), "an account without credentials?"
    for name, secret in secrets(subject.spec).items():
        assert getattr(settings, name).get_secret_value() == secret
    for shown in (
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        repr(subject.vendor),
        repr(subject.spec),
    ):
        _assert_no_secret(subject, shown)


def _assert_no_secret(subject: VendorUnderTest, shown: str, *more: str) -> None:
    for secret in (*secrets(subject.spec).values(), *more):
        assert secret not in shown


@every_subject
def test_the_base_url_is_the_configurations_to_choose(subject: VendorUnderTest) -> None:
    given = subject.given_settings()
    settings = subject.spec.settings.model_validate(
        {**given, "base_url": "http://127.0.0.1:8080/x/"}
    )
    assert settings.base_url == "http://127.0.0.1:8080/x"


# --- the capabilities -----------------------------------------------------------------


@every_subject
def test_the_capabilities_make_sense(subject: VendorUnderTest) -> None:
    can = subject.vendor.capabilities
    assert can.create or can.upsert, "no contact could ever be made"
    assert can.settles_within > 0
    assert can.upsert is None or can.upsert.repeatable
    assert can.update is None or can.update.repeatable
    assert can.identity is None or can.upsert
    assert can.create is None or can.create.repeatable or can.find_by, (
        "a lost create could never be found again"
    )
    for write in filter(None, (can.create, can.update, can.upsert)):
        assert write.requests >= 1
        assert write.max_fields is None or write.max_fields > len(write.must_carry)


@every_subject
def test_what_is_not_declared_is_refused_before_it_is_sent(
    subject: VendorUnderTest,
) -> None:
    for call in _impossible(subject):
        with pytest.raises(ValueError, match=r"\w \w"):
            requested(subject.vendor.send(call))
    if not subject.vendor.capabilities.find_by:
        with pytest.raises(ValueError, match="look-up"):
            requested(subject.vendor.find(MatchKey("anything", "at all")))
    if not subject.vendor.capabilities.reads:
        with pytest.raises(ValueError, match="read"):
            requested(subject.vendor.read("an-id"))


def _impossible(subject: VendorUnderTest) -> Iterator[Call]:
    for action in set(Action) - set(subject.actions()):
        yield subject.call(action)
    for action in subject.actions():
        call = subject.call(action)
        if (
            call.key
            and subject.vendor.capabilities.identity is None
            and action is not Action.CREATE
        ):
            yield replace(call, key=None)
        elif action not in (Action.CREATE, Action.UPSERT):
            yield replace(call, external_id=None)
        if action is Action.UPSERT and subject.vendor.capabilities.identity:
            yield replace(call, key=None)
        if write := subject.write(action):
            yield from _overloaded(call, write)
        else:
            yield replace(call, fields={**call.fields, "a_field": "value"})


def _overloaded(call: Call, write: Write) -> Iterator[Call]:
    if write.max_fields is not None:
        yield replace(
            call, fields={f"{name}": "value" for name in range(write.max_fields + 1)}
        )
    if write.add_tags is not None:
        yield replace(
            call,
            add_tags=tuple(f"tag-{number}" for number in range(write.add_tags + 1)),
        )
    if write.remove_tags is not None:
        yield replace(
            call,
            remove_tags=tuple(
                f"tag-{number}" for number in range(write.remove_tags + 1)
            ),
        )
    if not write.clears:
        yield replace(call, fields={next(iter(call.fields)): None})


# --- the requests ---------------------------------------------------------------------


@every_action
def test_a_request_is_fit_for_the_wire_and_for_the_log(
    subject: VendorUnderTest, action: Action
) -> None:
    call = subject.call(action, external_id="id with+odd=signs ü%?&#")
    request = requested(subject.vendor.send(call))
    _assert_fit(request)
    personal = [
        *call.fields.values(),
        *call.add_tags,
        *call.remove_tags,
        call.external_id,
        "odd",
        *secrets(subject.spec).values(),
    ]
    for value in (value for value in personal if isinstance(value, str)):
        assert value not in request.route
        assert value not in repr(replace(request, path=""))
        assert call.external_id is None or call.external_id not in request.path


@every_subject
def test_a_look_up_is_fit_for_the_wire_and_for_the_log(
    subject: VendorUnderTest,
) -> None:
    can = subject.vendor.capabilities
    asked = (
        [requested(subject.vendor.read("id with+odd=signs ü%?&#"))] if can.reads else []
    )
    if can.find_by:
        name = next(name for name in subject.fields(1) if matches(name, can.find_by))
        asked.append(requested(subject.vendor.find(MatchKey(name, "Žofia + 李 &=?/"))))
    for request in asked:
        _assert_fit(request)
        assert "odd" not in request.route
        assert "Žofia" not in repr(request)


def _assert_fit(request: Request) -> None:
    assert request.method in METHODS
    assert re.fullmatch(
        r"(/|[A-Za-z0-9._~-]|%[0-9A-F]{2}|[:@!$&'()*+,;=])+", request.path
    )
    assert request.path.startswith("/")
    assert request.route.startswith(f"{request.method} /")
    assert {type(part) for pair in request.query for part in pair} <= {str}
    assert all(
        name == name.lower() and value.isascii()
        for name, value in request.headers.items()
    )
    assert not [value for value in request.headers.values() if value in repr(request)]


@every_action
def test_the_same_call_makes_the_same_request(
    subject: VendorUnderTest, action: Action
) -> None:
    call = subject.call(action)
    assert requested(subject.vendor.send(call)) == requested(subject.vendor.send(call))
