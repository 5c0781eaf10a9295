"""The line on contacts that are not in step and not tried any more."""

from __future__ import annotations

from collections.abc import Mapping

from syncengine.cli.rendering.layout import print_line, with_numbers
from syncengine.model.work import Standing

_REASONS = {
    Standing.DEAD_LETTER: ("dead letter", "dead letters"),
    Standing.GONE: ("gone at the vendor", "gone at the vendor"),
    Standing.UNSUPPORTED: ("unsupported", "unsupported"),
    Standing.SUPPRESSED: ("suppressed", "suppressed"),
    Standing.OPTED_OUT: ("opted out", "opted out"),
}
"""Words for one and for several contacts, in the order in which they are shown."""


def print_standing(destination: str, standing: Mapping[Standing, int] | None) -> None:
    """Print how many contacts are left alone, by reason; nothing where there are none.

    ``standing`` is None where the state could not be read.
    """
    if standing is None:
        return
    numbers: dict[str, int] = {}
    for reason, (one, several) in _REASONS.items():
        number = standing.get(reason, 0)
        if number:
            words = one if number == 1 else several
            numbers[words] = number
    for reason, number in standing.items():
        if number and not reason.is_known:
            numbers[reason.value] = number
    if numbers:
        print_line(
            f"{destination}: left alone by later runs: {with_numbers(numbers)}. "
            "`syncengine why ID` says until when"
        )
