"""Destinations that never ran stand on the desk's pages beside those that did."""

from __future__ import annotations

import pytest

from syncengine.app.desk_state import with_configured
from syncengine.model.desk_pages import DestinationFacts


def _facts(names: str, vendor: str) -> list[DestinationFacts]:
    return [DestinationFacts(name, name, vendor) for name in names]


@pytest.mark.parametrize("most", [1, 2, 3, 30])
@pytest.mark.parametrize("known", ["", "b", "bcf", "abcdefgh"])
def test_all_pages_together_have_each_destination_once(known: str, most: int) -> None:
    in_state, configured = _facts(known, "state"), _facts("hgaceb", "file")
    found: list[DestinationFacts] = []
    after: str | None = None
    while True:
        behind = [
            each for each in in_state if after is None or each.destination > after
        ]
        page = with_configured(behind[:most], configured, after, most)
        if not page:
            break
        assert len(page) <= most
        found += page
        after = page[-1].destination
    assert [each.destination for each in found] == sorted({*known, *"abcegh"})
    assert {each.destination for each in found if each.vendor == "state"} == {*known}
