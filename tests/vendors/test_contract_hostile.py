"""The contract: whatever a vendor answers, each exchange ends as an outcome or as a named error. Names no vendor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote

import orjson
import pytest

from syncengine import vendors
from syncengine.engine.exchange import Meter, drive
from syncengine.errors import CannotBeSent, VendorUnavailable
from syncengine.model.calls import Action
from syncengine.model.contact import Remote
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.ports import SendCheck
from tests.soak import answers
from tests.support.vendors.benches import Bench
from tests.support.vendors.driving import answer
from tests.support.vendors.driving import drive as by_hand
from tests.support.vendors.subjects import Subject, subject, subjects
from tests.support.virtual_time import run

_ANSWERS = 400
"""Of each vendor; ``./run soak --answers`` gives as many as you like."""


@pytest.mark.parametrize("name", vendors.names())
def test_hostile_answers_end_as_outcomes_or_as_named_errors(name: str) -> None:
    told = answers.answered(name, _ANSWERS, seed=1)
    assert not told.wrong
    assert not told.contained, "an adapter foresees what can be answered"
    assert len(told.ends) >= 4


@pytest.mark.parametrize(
    "external_id", ["", ".", "..", " ", "/", "../7", "7/..", "a\\..", "a\0b", "a\nb"]
)
@pytest.mark.parametrize("each", tuple(subjects(variants=False)), ids=str)
def test_an_id_that_means_another_place_is_never_sent(
    each: Subject, external_id: str
) -> None:
    can, vendor = each.vendor.capabilities, each.vendor
    exchanges: list[Callable[[], Exchange[Any]]] = [
        partial(vendor.send, each.call(action, external_id=external_id))
        for action in (Action.UPDATE, Action.DELETE, Action.REMOVE_TAGS)
        if action in each.actions()
    ]
    if can.reads:
        exchanges.append(partial(vendor.read, external_id))
    for make in exchanges:
        sender = Noting()
        with pytest.raises(CannotBeSent) as caught:
            run(drive(make, sender, Meter()))
        assert ".py" not in str(caught.value), (
            "whom it is told can do nothing with a line of ours"
        )
        assert "correct the row" not in str(caught.value), (
            "its row does not hold the id"
        )
        assert not [path for path in sender.paths if unfit(path)], sender.paths


_ODD_IDS = ("..", "../../../x?y=1#z", "7/..", "a\\..", "/", " ", "a\0b")


def _renamed(value: Json, ids: Collection[str], name: str) -> Json:
    """An answer with each of these ids replaced."""
    if isinstance(value, dict):
        return {key: _renamed(part, ids, name) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, ids, name) for part in value]
    return name if str(value) in ids else value


@pytest.mark.parametrize("name", [*_ODD_IDS, "x?y=1#z"])
@pytest.mark.parametrize("each", tuple(subjects(variants=False)), ids=str)
def test_an_id_that_no_request_could_ask_for_is_unreadable_when_it_arrives(
    each: Subject, name: str
) -> None:
    bench = Bench(each)

    def answering(request: Request) -> Response:
        told = bench.answer(request)
        ids = {str(contact["id"]) for contact in bench.state()}
        return answer(_renamed(orjson.loads(told.body), ids, name), told.status)

    exchanges: list[Callable[[], Exchange[Any]]] = [
        lambda: each.vendor.send(bench.ready(each.first))
    ]
    if each.vendor.capabilities.find_by:
        exchanges.append(lambda: each.vendor.find(next(each.keys(1))))
    for make in exchanges:
        if name in _ODD_IDS:
            with pytest.raises(VendorUnavailable):
                by_hand(make(), answering)
        else:
            told = by_hand(make(), answering)
            (found,) = told if isinstance(told, tuple) else (told,)
            assert found.external_id == name


class Noting:
    """Notes each path, and answers nothing that helps (``ports.Sender``)."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def send(
        self, request: Request, _allowed: SendCheck | None = None
    ) -> Response:
        self.paths.append(request.path)
        raise CannotBeSent("noted")


def unfit(path: str) -> bool:
    """Whether a path leads elsewhere than to one contact, also once it is decoded."""
    decoded = unquote(path)
    segments = decoded.replace("\\", "/").removeprefix("/").split("/")
    return not {"", ".", ".."}.isdisjoint(segments) or not decoded.isprintable()


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


def test_what_an_adapter_stumbles_over_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    errand = answers.Errand(
        subject("respond_io"), "read", lambda: _yields(_raises), (Response(200),)
    )
    monkeypatch.setattr(answers, "_errands", lambda _: iter([errand]))
    told = answers.answered("respond_io", 1, seed=1)
    assert told.contained == told.exchanges == told.ends["VendorUnavailable"]
    assert not told.wrong
