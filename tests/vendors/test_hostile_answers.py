"""The hostile vendor of the contract suite notices what an adapter lets through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncengine.model.calls import Action, Applied, Call, CallResult, Exists
from syncengine.model.contact import Remote
from syncengine.model.http import Exchange, Request, Response
from syncengine.testing import hostile_answers as answers
from tests.support.vendors.subjects import subject

_CALL = Call(Action.UPDATE, "contact-1", external_id="7")


def _yields(result: Any) -> Exchange[Any]:
    yield Request("GET", "/contacts", "GET /contacts")
    return result() if callable(result) else result


def _raises() -> Iterator[None]:
    raise RecursionError


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        (Remote("a\0b"), "an id that is none"),
        (Remote(".."), "an id that is none"),
        (Remote("1", {}, frozenset({"a\0b"})), "what was found cannot be stored"),
        ({"many": (Remote("1"), Remote(".."))}, "an id that is none"),
        ([CallResult(_CALL, Applied(".."))], "an id that is none"),
        ([CallResult(_CALL, Exists(Remote("..")))], "an id that is none"),
        (None, None),
    ],
    ids=str,
)
def test_what_an_adapter_lets_through_is_noticed(
    monkeypatch: pytest.MonkeyPatch, result: object, wrong: str | None
) -> None:
    each = subject("respond_io")
    errand = answers.Errand(each, "read", lambda: _yields(result), (Response(200),))
    monkeypatch.setattr(answers, "_errands", lambda _: iter([errand]))
    told = answers.answered((each,), 1, seed=1)
    assert set(told.wrong) == ({f"{errand}: {wrong}"} if wrong else set())


def test_what_an_adapter_stumbles_over_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    each = subject("respond_io")
    errand = answers.Errand(each, "read", lambda: _yields(_raises), (Response(200),))
    monkeypatch.setattr(answers, "_errands", lambda _: iter([errand]))
    told = answers.answered((each,), 1, seed=1)
    assert told.contained == told.exchanges == told.ends["VendorUnavailable"]
    assert not told.wrong
