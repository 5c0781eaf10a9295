"""The contract: whatever a vendor answers, each exchange ends as an outcome or as a named error. Names no vendor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from syncengine import vendors
from syncengine.model.contact import Remote
from syncengine.model.http import Exchange, Request, Response
from tests.soak import answers
from tests.vendors.subjects import subject

_ANSWERS = 400
"""Of each vendor; ``./run soak --answers`` gives as many as you like."""


@pytest.mark.parametrize("name", vendors.names())
def test_hostile_answers_end_as_outcomes_or_as_named_errors(name: str) -> None:
    told = answers.answered(name, _ANSWERS, seed=1)
    assert not told.wrong
    assert not told.contained, "an adapter foresees what can be answered"
    assert len(told.ends) >= 4


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
        (None, None),
    ],
    ids=str,
)
def test_what_an_adapter_lets_through_is_noticed(
    monkeypatch: pytest.MonkeyPatch, result: Remote | None, wrong: str | None
) -> None:
    each = subject("respond_io")
    errand = answers.Errand(each, "read", lambda: _yields(result), (Response(200),))
    monkeypatch.setattr(answers, "_errands", lambda _: iter([errand]))
    told = answers.answered("respond_io", 1, seed=1)
    assert set(told.wrong) == ({f"{errand}: {wrong}"} if wrong else set())


def test_what_an_adapter_stumbles_over_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    errand = answers.Errand(subject("respond_io"), "read", lambda: _yields(_raises), (Response(200),))
    monkeypatch.setattr(answers, "_errands", lambda _: iter([errand]))
    told = answers.answered("respond_io", 1, seed=1)
    assert told.contained == told.exchanges == told.ends["VendorUnavailable"]
    assert not told.wrong
