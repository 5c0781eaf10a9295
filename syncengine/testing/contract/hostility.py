"""Each exchange ends as an outcome or as a named error, even with a hostile vendor.

A vendor's server may be broken or taken over. Whatever it answers, an adapter neither
loops for ever nor raises an exception of another kind, and an id such as ``../7`` never
becomes a part of a path: the request would concern another contact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import unquote

import orjson
import pytest

from syncengine.engine.exchange import Meter, drive
from syncengine.errors import CannotBeSent, VendorUnavailable
from syncengine.model.calls import Action
from syncengine.model.http import Exchange, Json, Request, Response
from syncengine.ports import SendCheck
from syncengine.testing.benches import Bench
from syncengine.testing.cases import VendorsUnderTest, for_each, plain
from syncengine.testing.driving import answer
from syncengine.testing.driving import drive as by_hand
from syncengine.testing.hostile_answers import answered
from syncengine.testing.vendors_under_test import VendorUnderTest

_ANSWERS = 400
"""Of each vendor."""


@dataclass(frozen=True)
class OneVendor:
    """A vendor in all of its variants."""

    subjects: tuple[VendorUnderTest, ...]

    def __str__(self) -> str:
        return self.subjects[0].spec.name


def _vendors(subjects: VendorsUnderTest) -> list[OneVendor]:
    return [
        OneVendor(tuple(each for each in subjects if each.spec is spec))
        for spec in dict.fromkeys(each.spec for each in subjects)
    ]


@for_each("vendor", _vendors)
def test_hostile_answers_end_as_outcomes_or_as_named_errors(vendor: OneVendor) -> None:
    results = answered(vendor.subjects, _ANSWERS, seed=1)
    assert not results.wrong, (
        f"{vendor}: exchanges with hostile answers ended wrongly (with how many): "
        f"{dict(results.wrong)}"
    )
    assert not results.contained, (
        f"{vendor}: the adapter raised an exception of its own at {results.contained} "
        "answers (KeyError, TypeError and the like), which the engine contained. Read "
        "answers by parse_reply with a ReplyModel alone."
    )
    assert len(results.ends) >= 4, (
        f"{vendor}: all exchanges ended in the same few ways: {dict(results.ends)}"
    )


@pytest.mark.parametrize(
    "external_id", ["", ".", "..", " ", "/", "../7", "7/..", "a\\..", "a\0b", "a\nb"]
)
@for_each("each", plain)
def test_an_id_that_means_another_place_is_never_sent(
    each: VendorUnderTest, external_id: str
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
            asyncio.run(drive(make, sender, Meter()))
        assert ".py" not in str(caught.value), (
            f"{each}: the adapter raised an exception of its own: {caught.value}. "
            "Encode ids by path_segment, which refuses such as mean another place."
        )
        assert "correct the row" not in str(caught.value), (
            f"{each}: the text blames the row, which does not have the id: "
            f"{caught.value}"
        )
        unfit_paths = [path for path in sender.paths if unfit(path)]
        assert not unfit_paths, (
            f"{each}: the id {external_id!r} led to {unfit_paths}. Encode it by "
            "path_segment."
        )


_ODD_IDS = ("..", "../../../x?y=1#z", "7/..", "a\\..", "/", " ", "a\0b")


def _renamed(value: Json, ids: Collection[str], name: str) -> Json:
    """Return an answer with each of these ids replaced."""
    if isinstance(value, dict):
        return {key: _renamed(part, ids, name) for key, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part, ids, name) for part in value]
    return name if str(value) in ids else value


@pytest.mark.parametrize("name", [*_ODD_IDS, "x?y=1#z"])
@for_each("each", plain)
def test_an_id_that_no_request_could_ask_for_is_unreadable_when_it_arrives(
    each: VendorUnderTest, name: str
) -> None:
    bench = Bench(each)

    def answering(request: Request) -> Response:
        honest = bench.answer(request)
        ids = {str(contact["id"]) for contact in bench.state()}
        return answer(_renamed(orjson.loads(honest.body), ids, name), honest.status)

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
            result = by_hand(make(), answering)
            # A look-up returns a tuple, a call one answer.
            (found,) = result if isinstance(result, tuple) else (result,)
            assert found.external_id == name, (
                f"{each}: the id {name!r} was read as {found.external_id!r}"
            )


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
    """Return whether a path leads elsewhere than to one contact, once it is decoded."""
    decoded = unquote(path)
    segments = decoded.replace("\\", "/").removeprefix("/").split("/")
    return not {"", ".", ".."}.isdisjoint(segments) or not decoded.isprintable()
