"""A vendor's spec, settings, capabilities and requests are well formed.

What is wrong here is wrong for every contact. The engine plans by the capabilities
alone, configurations are checked by the settings, and logs show settings and requests:
a secret or a value in a ``repr`` or a route would be written to disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr, ValidationError

from syncengine.model.calls import Action, Call
from syncengine.model.capabilities import (
    Deletion,
    ListCall,
    TagCall,
    Write,
    matches,
)
from syncengine.model.contact import MatchKey
from syncengine.model.http import Request
from syncengine.testing.cases import VendorsUnderTest, for_each, plain, with_actions
from syncengine.testing.driving import requested
from syncengine.testing.vendors_under_test import VendorUnderTest, secrets


def _acting(subjects: VendorsUnderTest) -> list[tuple[VendorUnderTest, Action]]:
    return with_actions(plain(subjects))


every_subject = for_each("subject", plain)
every_action = for_each(("subject", "action"), _acting)
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
ODD_ID = "id with+odd=signs ü%?&#"
"""An id that does harm in a path unless it is encoded."""
ODD_KEY = "Žofia + 李 &=?/"
PATH = re.compile(r"(/|[A-Za-z0-9._~-]|%[0-9A-F]{2}|[:@!$&'()*+,;=])+")
"""A path as RFC 3986 allows it, with all else percent-encoded."""


# --- the spec -------------------------------------------------------------------------


@every_subject
def test_the_spec_says_what_the_engine_needs(subject: VendorUnderTest) -> None:
    spec = subject.spec
    assert subject.vendor.name == spec.name, (
        f'{subject}: the adapter\'s name is "{subject.vendor.name}", and '
        f'VendorSpec.name is "{spec.name}"'
    )
    assert spec.version >= 1, f"{subject}: VendorSpec.version counts from 1"
    assert spec.limits, (
        f"{subject}: VendorSpec.limits is empty. Give the documented limits, or a "
        "careful one."
    )
    for limit in spec.limits:
        assert limit.most > 0, f"{subject}: {limit} allows no request"
        assert limit.per > 0, f"{subject}: {limit} has no seconds"
        assert limit.method in {*METHODS, None}, f"{subject}: {limit} has no method"
    assert "base_url" not in spec.identity, (
        f"{subject}: VendorSpec.identity names base_url. The address does not tell "
        "accounts apart: it changes when a vendor moves."
    )
    for name in spec.identity:
        annotation = spec.settings.model_fields[name].annotation
        assert annotation is not SecretStr, (
            f"{subject}: VendorSpec.identity names the secret {name}, and the identity "
            "is stored"
        )


@every_subject
def test_settings_refuse_unknown_and_missing_keys_without_repeating_a_value(
    subject: VendorUnderTest,
) -> None:
    settings = subject.spec.settings
    given = subject.given_settings()
    with pytest.raises(ValidationError) as refused:
        settings.model_validate({**given, "surprise": "hunter2"})
    assert _places(refused.value) == [("surprise",)], (
        f"{settings.__name__} has to refuse an unknown key, and only that. Derive it "
        "from VendorSettings and leave extra alone."
    )
    _assert_no_secret(subject, str(refused.value), "hunter2")
    required = [name for name in given if settings.model_fields[name].is_required()]
    assert required, f"{settings.__name__} requires no setting, not even a credential"
    for name in required:
        others = {key: value for key, value in given.items() if key != name}
        with pytest.raises(ValidationError) as refused:
            settings.model_validate(others)
        assert _places(refused.value) == [(name,)], (
            f"{settings.__name__} without {name} has to name {name}, and only that"
        )
        _assert_no_secret(subject, str(refused.value))


def _places(refused: ValidationError) -> list[tuple[int | str, ...]]:
    return [error["loc"] for error in refused.errors()]


@every_subject
def test_nothing_shows_a_secret(subject: VendorUnderTest) -> None:
    settings = subject.spec.settings.model_validate(subject.given_settings())
    given = secrets(subject.spec)
    assert given, (
        f"{subject}: {type(settings).__name__} has no field of the type Secret; "
        "credentials in other types are shown in logs"
    )
    for name, secret in given.items():
        assert getattr(settings, name).get_secret_value() == secret, (
            f"{subject}: settings.{name} changes the secret that was given"
        )
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
        assert secret not in shown, (
            f"{subject}: a secret or a given value is shown in {shown!r}. Keep "
            "credentials in settings of the type Secret, and out of every repr."
        )


@every_subject
def test_the_base_url_is_the_configurations_to_choose(subject: VendorUnderTest) -> None:
    given = {**subject.given_settings(), "base_url": "http://127.0.0.1:8080/x/"}
    settings = subject.spec.settings.model_validate(given)
    assert settings.base_url == "http://127.0.0.1:8080/x", (
        f"{subject}: settings.base_url is {settings.base_url}. It has to keep any "
        "address, without the slash at its end: the sandbox runs at a local one."
    )


# --- the capabilities -----------------------------------------------------------------


@every_subject
def test_the_capabilities_make_sense(subject: VendorUnderTest) -> None:
    can = subject.vendor.capabilities
    where = f"{subject}: Capabilities"
    assert can.create or can.upsert, f"{where}: no contact could ever be made"
    assert can.settles_within > 0, f"{where}.settles_within has to be positive"
    assert can.upsert is None or can.upsert.repeatable, (
        f"{where}.upsert has to be repeatable: what is not is a create"
    )
    assert can.update is None or can.update.repeatable, (
        f"{where}.update has to be repeatable: it is sent again after a lost answer"
    )
    assert can.identity is None or can.upsert, (
        f"{where}.identity is the key of an upsert, and there is no upsert"
    )
    assert can.create is None or can.create.repeatable or can.find_by, (
        f"{where}.find_by is empty: a lost create could never be found again"
    )
    for action in subject.actions():
        offer = getattr(can, action)
        assert offer.requests >= 1, (
            f"{where}.{action}.requests is {offer.requests}: a call takes 1 or more"
        )
        _assert_room(offer, f"{where}.{action}")


def _assert_room(offer: Write | TagCall | ListCall | Deletion, where: str) -> None:
    """Assert that such a call may carry something."""
    match offer:
        case Write():
            needed = len(offer.must_carry) + 1
            assert offer.max_fields is None or offer.max_fields >= needed, (
                f"{where}.max_fields is {offer.max_fields}, and must_carry takes "
                f"{needed - 1} of them: there is no room for a field that changed"
            )
            for name in ("add_tags", "remove_tags", "join_lists"):
                most = getattr(offer, name)
                assert most is None or most >= 0, (
                    f"{where}.{name} is {most}: 0 means none, None any number"
                )
        case TagCall():
            assert offer.max_tags is None or offer.max_tags >= 1, (
                f"{where}.max_tags is {offer.max_tags}: such a call could carry no "
                "tag. Give the vendor's limit (None: any number), or leave the "
                "capability out where there is no such call."
            )
        case ListCall():
            assert offer.max_lists is None or offer.max_lists >= 1, (
                f"{where}.max_lists is {offer.max_lists}: such a call could carry no "
                "list. Give the vendor's limit (None: any number), or leave the "
                "capability out where there is no such call."
            )


@every_subject
def test_what_is_not_declared_is_refused_before_it_is_sent(
    subject: VendorUnderTest,
) -> None:
    """Each of these raises ValueError. ``check_call``, called first in ``send``, does.

    In ``find`` and ``read`` of a vendor without them, ``no_request`` does.
    """
    vendor = subject.vendor
    for call in _impossible_calls(subject):
        with pytest.raises(ValueError, match=r"\w \w"):
            requested(vendor.send(call))
    if not vendor.capabilities.find_by:
        with pytest.raises(ValueError, match="look-up"):
            requested(vendor.find(MatchKey("anything", "at all")))
    if not vendor.capabilities.reads:
        with pytest.raises(ValueError, match="read"):
            requested(vendor.read("an-id"))


def _impossible_calls(subject: VendorUnderTest) -> Iterator[Call]:
    """Yield calls that the capabilities rule out."""
    for action in set(Action) - set(subject.actions()):
        yield subject.call(action)
    for action in subject.actions():
        call = subject.call(action)
        yield from _calls_about_nobody(subject, call)
        write = subject.write(action)
        if write:
            yield from _overloaded_calls(call, write)
        else:
            yield replace(call, fields={**call.fields, "a_field": "value"})


def _calls_about_nobody(subject: VendorUnderTest, call: Call) -> Iterator[Call]:
    """Yield a call without the key or the id that names its contact."""
    identity = subject.vendor.capabilities.identity
    if call.key and identity is None and call.action is not Action.CREATE:
        yield replace(call, key=None)
    elif call.action not in (Action.CREATE, Action.UPSERT):
        yield replace(call, external_id=None)
    if call.action is Action.UPSERT and identity:
        yield replace(call, key=None)


def _overloaded_calls(call: Call, write: Write) -> Iterator[Call]:
    """Yield a write with one field or tag more than it may carry."""
    if write.max_fields is not None:
        names = [str(number) for number in range(write.max_fields + 1)]
        yield replace(call, fields=dict.fromkeys(names, "value"))
    if write.add_tags is not None:
        yield replace(call, add_tags=_tags(write.add_tags + 1))
    if write.remove_tags is not None:
        yield replace(call, remove_tags=_tags(write.remove_tags + 1))
    if not write.clears:
        first_field = next(iter(call.fields))
        yield replace(call, fields={first_field: None})


def _tags(count: int) -> tuple[str, ...]:
    return tuple(f"tag-{number}" for number in range(count))


# --- the requests ---------------------------------------------------------------------


@every_action
def test_a_request_is_fit_for_the_wire_and_for_the_log(
    subject: VendorUnderTest, action: Action
) -> None:
    call = subject.call(action, external_id=ODD_ID)
    request = requested(subject.vendor.send(call))
    where = f"{subject}-{action}"
    _assert_fit(request, where)
    personal = [
        *call.fields.values(),
        *call.add_tags,
        *call.remove_tags,
        call.external_id,
        "odd",
        *secrets(subject.spec).values(),
    ]
    # The path may hold the id: a repr is judged without it.
    shown = repr(replace(request, path=""))
    for value in personal:
        if not isinstance(value, str):
            continue
        assert value not in request.route, (
            f"{where}: the route {request.route!r} holds {value!r}. Logs show it: "
            'write "{id}" in the place of an id.'
        )
        assert value not in shown, f"{where}: the request's repr shows {value!r}"
    assert call.external_id is None or call.external_id not in request.path, (
        f"{where}: the path {request.path!r} holds the id as it is. Encode it by "
        "path_segment."
    )


@every_subject
def test_a_look_up_is_fit_for_the_wire_and_for_the_log(
    subject: VendorUnderTest,
) -> None:
    vendor = subject.vendor
    can = vendor.capabilities
    requests = []
    if can.reads:
        requests.append(requested(vendor.read(ODD_ID)))
    if can.find_by:
        names = [name for name in subject.fields(1) if matches(name, can.find_by)]
        requests.append(requested(vendor.find(MatchKey(names[0], ODD_KEY))))
    for request in requests:
        where = f"{subject}: look-up"
        _assert_fit(request, where)
        assert "odd" not in request.route, (
            f"{where}: the route {request.route!r} holds the id; logs show it"
        )
        assert "Žofia" not in repr(request), (
            f"{where}: the repr {request!r} shows the key. Send it in the query or the "
            "body."
        )


def _assert_fit(request: Request, where: str) -> None:
    assert request.method in METHODS, f"{where}: no method: {request.method}"
    assert PATH.fullmatch(request.path), (
        f"{where}: the path {request.path!r} has signs that have to be encoded; use "
        "path_segment"
    )
    assert request.path.startswith("/"), (
        f"{where}: the path {request.path!r} has to begin with a slash; base_url goes "
        "before it"
    )
    assert request.route.startswith(f"{request.method} /"), (
        f'{where}: the route {request.route!r} has to be like "{request.method} /path"'
    )
    for name, value in request.query:
        assert type(name) is str, f"{where}: {name!r} in the query is no text"
        assert type(value) is str, f"{where}: {value!r} in the query is no text"
    shown = repr(request)
    for name, value in request.headers.items():
        assert name == name.lower(), (
            f"{where}: write the header {name} in small letters"
        )
        assert value.isascii(), f"{where}: the header {name} is not ASCII"
        assert value not in shown, f"{where}: the repr shows the header {name}"


@every_action
def test_the_same_call_makes_the_same_request(
    subject: VendorUnderTest, action: Action
) -> None:
    call = subject.call(action)
    first = requested(subject.vendor.send(call))
    second = requested(subject.vendor.send(call))
    assert first == second, (
        f"{subject}-{action}: two tries of one call send different requests. An "
        "adapter keeps no state and reads no clock."
    )
