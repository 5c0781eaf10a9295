"""Settings of a vendor: which are accepted; none is repeated in a message."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from syncengine.model.http import Json
from syncengine.vendor import Secret, VendorSettings


class _Settings(VendorSettings):
    token: Secret


def settings(**given: Json) -> _Settings:
    return _Settings.model_validate(
        {"base_url": "https://a.example", "token": "t", **given}
    )


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://a.example", "https://a.example"),
        ("https://a.example/", "https://a.example"),
        ("https://a.example/api/v1//", "https://a.example/api/v1"),
        (" http://127.0.0.1:8080/x \n", "http://127.0.0.1:8080/x"),
        ("HTTPS://A.example", "https://a.example"),
        ("https://A.Example:443/V1", "https://a.example/V1"),
        ("http://a.example.:80/v1/./x/..//", "http://a.example/v1"),
        ("https://a.example/%76%31/%7euser/%2f", "https://a.example/v1/~user/%2F"),
        ("https://B\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://Bu\u0308cher.example", "https://xn--bcher-kva.example"),
        ("https://xn--BCHER-KVA.example", "https://xn--bcher-kva.example"),
        ("http://127.1:8080", "http://127.0.0.1:8080"),
        ("http://[0:0:0::1]:80/x", "http://[::1]/x"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_base_url(given: str, url: str) -> None:
    assert settings(base_url=given).base_url == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "a.example",
        "ftp://a.example",
        "https://",
        "https:///path",
        "https://a.example:port",
        "https://a.example:99999",
        "https://a b.example",
        "https://[::1",
        "https://user:hunter2@a.example",
        "https://a.example/?key=hunter2",
        "https://a.example/#hunter2",
        7,
        None,
    ],
)
def test_no_base_url(given: Json) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(base_url=given)
    assert [error["loc"] for error in refused.value.errors()] == [("base_url",)]
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2.0),
        ("1m", 60.0),
        ("1.5h", 5400.0),
        ("1d", 86400.0),
        (30, 30.0),
        (0.5, 0.5),
        (0, 0.0),
    ],
)
def test_durations(given: Json, seconds: float) -> None:
    assert settings(settles_within=given).settles_within == seconds


@pytest.mark.parametrize(
    "given",
    [
        "",
        "2",
        "s",
        "2 weeks",
        "-2s",
        -1,
        True,
        None,
        float("inf"),
        float("nan"),
        "1e3s",
    ],
)
def test_no_durations(given: Json) -> None:
    with pytest.raises(ValidationError, match="500ms"):
        settings(settles_within=given)


@pytest.mark.parametrize("given", ["3651d", "99999999999999999999d", 1e300])
def test_durations_that_no_timer_takes(given: Json) -> None:
    with pytest.raises(ValidationError, match="must be 3650d or less"):
        settings(settles_within=given)


@pytest.mark.parametrize("given", ["", "  ", "two words", "line\nbreak", "kéy"])
def test_no_secrets(given: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(token=given)
    assert [error["loc"] for error in refused.value.errors()] == [("token",)]
    assert not given.strip() or given not in str(refused.value)


def test_a_secret_is_trimmed_and_hidden() -> None:
    given = settings(token=" hunter2\n")
    assert given.token.get_secret_value() == "hunter2"
    assert (
        "hunter2"
        not in repr(given)
        + str(given)
        + repr(given.model_dump())
        + given.model_dump_json()
    )


def test_unknown_keys_are_refused_without_their_values() -> None:
    with pytest.raises(ValidationError) as refused:
        settings(tokn="hunter2")
    assert [error["loc"] for error in refused.value.errors()] == [("tokn",)]
    assert "hunter2" not in str(refused.value)
