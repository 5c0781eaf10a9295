"""``./run soak --answers``: hostile answers to every request of every adapter."""

from __future__ import annotations

import time
from collections.abc import Sequence

from syncengine.testing.hostile_answers import answered
from tests.soak.figures import say
from tests.support.vendors.subjects import subjects

_SHOWN = 10


def soak(wanted: int, first: int, names: Sequence[str]) -> bool:
    """Give each vendor so many hostile answers, and tell; whether nothing went wrong."""
    failed = False
    for name in names:
        began = time.monotonic()
        told = answered(tuple(subjects(name)), wanted, first)
        seconds = time.monotonic() - began
        ends = ", ".join(f"{kind} {count}" for kind, count in sorted(told.ends.items()))
        say(
            f"{name}: {told.answers} answers in {told.exchanges} exchanges, {seconds:.0f} s: {ends}"
        )
        if told.contained:
            say(
                f"  contained, though the adapter did not foresee them: {told.contained}"
            )
        for what, count in told.wrong.most_common(_SHOWN):
            say(f"  wrong {count} times: {what}")
        failed = failed or bool(told.wrong)
    return not failed
