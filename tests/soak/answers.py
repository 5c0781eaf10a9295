"""``./run soak --answers``: hostile answers to every request of every adapter."""

from __future__ import annotations

import time
from collections.abc import Sequence

from syncengine.testing.hostile_answers import answered
from tests.soak.figures import say
from tests.support.vendors.subjects import subjects

_SHOWN = 10


def soak(wanted: int, first: int, names: Sequence[str]) -> bool:
    """Give each adapter so many hostile answers, and report.

    Returns whether nothing went wrong.
    """
    failed = False
    for name in names:
        began = time.monotonic()
        result = answered(tuple(subjects(name)), wanted, first)
        seconds = time.monotonic() - began
        ends = ", ".join(
            f"{kind} {count}" for kind, count in sorted(result.ends.items())
        )
        say(
            f"{name}: {result.answers} answers in {result.exchanges} exchanges, "
            f"{seconds:.0f} s: {ends}"
        )
        if result.contained:
            say(
                "  contained, though the adapter did not foresee them: "
                f"{result.contained}"
            )
        for what, count in result.wrong.most_common(_SHOWN):
            say(f"  wrong {count} times: {what}")
        failed = failed or bool(result.wrong)
    return not failed
