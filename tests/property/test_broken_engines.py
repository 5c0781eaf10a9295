"""Engines that are broken on purpose: the simulation finds what is wrong with each.

A break that goes unnoticed means that the histories do not draw its case, or that
nobody looks at what it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import pytest

from syncengine.engine import consent, contact_planner
from syncengine.engine.neighbours import Neighbours
from syncengine.engine.waiting import Waiting
from syncengine.engine.waves import CheckOfAll, Waves
from syncengine.model.calls import Applied, Call, Rejected
from syncengine.model.capabilities import Capabilities
from syncengine.model.contact import Known
from syncengine.model.work import Record
from syncengine.planning.attempt import finding, sending, settling
from syncengine.planning.attempt.steps import Send
from syncengine.planning.found_contacts import with_inherited
from syncengine.planning.intents import remaining_intent
from syncengine.planning.learning import learn
from syncengine.planning.sharing import WantedByOthers
from tests.simulation.drawing import draw_history
from tests.simulation.history import History, ManyEdits, Night, play
from tests.simulation.row_changes import RowChange, SourceEdit
from tests.support.memory.contacts import Contacts
from tests.support.memory.keys import Keys
from tests.support.memory.waits import Waits

MOST = 400
"""Seeds within which a break must show."""

Break = Callable[[pytest.MonkeyPatch], None]


def _nobody_is_looked_up(patch: pytest.MonkeyPatch) -> None:
    for module in (settling, contact_planner):
        patch.setattr(module, "plan_look_up", lambda *_, **__: None)


def _nobody_owns_anything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Contacts, "_owner", lambda *_: None)


def _answers_move_contacts(patch: pytest.MonkeyPatch) -> None:
    def believes(
        known: Known, call: Call, applied: Applied, capabilities: Capabilities
    ) -> Known:
        learned = learn(known, call, applied, capabilities)
        return replace(learned, external_id=applied.external_id or learned.external_id)

    patch.setattr(sending, "names_other_contact", lambda *_: False)
    patch.setattr(sending, "learn", believes)


def _lists_stay_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        finding,
        "with_inherited",
        lambda known, tags, *_: with_inherited(known, tags),
    )


def _tags_stay_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(finding, "with_inherited", lambda known, *_: known)


def _nobody_is_asked_about_suppressions(patch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object) -> dict[str, str]:
        return {}

    patch.setattr(Contacts, "suppressed", nobody)


def _opting_out_means_nothing(patch: pytest.MonkeyPatch) -> None:
    for module in (consent, contact_planner):
        patch.setattr(module, "has_opted_out", lambda *_: False)


def _bad_rows_are_passed_over(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(contact_planner.ContactPlanner, "_refused", lambda *_: None)


def _losers_stay_dead(patch: pytest.MonkeyPatch) -> None:
    async def nobody(_: object) -> list[str]:
        return []

    patch.setattr(Keys, "freed", nobody)


def _everybody_loses_to_nobody(patch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object) -> dict[str, str]:
        return {}

    patch.setattr(Keys, "losers", nobody)


def _nobody_who_waits_is_judged(patch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object) -> dict[str, Record]:
        return {}

    patch.setattr(Waiting, "_refused", nobody)


def _nobody_learns_that_an_owner_has_moved(patch: pytest.MonkeyPatch) -> None:
    async def nobody(_: object) -> list[str]:
        return []

    patch.setattr(Waits, "moved", nobody)


def _nobody_asks_the_other_destination(patch: pytest.MonkeyPatch) -> None:
    async def nobody(*_: object) -> dict[str, WantedByOthers]:
        return {}

    patch.setattr(Neighbours, "wanting", nobody)


def _lost_answers_are_successes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        sending,
        "remaining_intent",
        lambda *_, **__: remaining_intent((), besides=None),
    )


def _nobody_in_a_wave_is_asked(patch: pytest.MonkeyPatch) -> None:
    async def nobody(_: object) -> None:
        return None

    patch.setattr(CheckOfAll, "__call__", nobody)


def _a_refusal_is_everybodys(patch: pytest.MonkeyPatch) -> None:
    share = Waves._share

    async def alike(waves: Waves, members: Any, answered: Any) -> None:
        if not isinstance(answered.value, Rejected):
            await share(waves, members, answered)
            return
        for member in members:
            waves._give(member, answered.value, answered.number)

    patch.setattr(Waves, "_share", alike)


def _answers_go_by_place(patch: pytest.MonkeyPatch) -> None:
    share = Waves._share

    async def by_place(waves: Waves, members: Any, answered: Any) -> None:
        if not isinstance(answered.value, Rejected):
            in_order = zip(members, answered.value.values(), strict=False)
            answered = replace(answered, value=dict(in_order))
        await share(waves, members, answered)

    patch.setattr(Waves, "_share", by_place)


def _untold_ones_are_successes(patch: pytest.MonkeyPatch) -> None:
    untold = Waves._answer_untold

    async def applied(waves: Waves, members: Any, of: int) -> None:
        if not isinstance(members[0].step, Send):
            await untold(waves, members, of)
            return
        for member in members:
            waves._give(member, Applied(member.step.call.external_id), number=1)

    patch.setattr(Waves, "_answer_untold", applied)


def _five_newcomers(vendor: str, seed: int) -> History:
    """Return a history in which a request is about five contacts, and much goes wrong.

    Answers that leave one of several contacts out are too rare in those that are drawn.
    """
    coming = tuple(SourceEdit(RowChange.COMES, contact) for contact in range(6, 11))
    changed = tuple(SourceEdit(RowChange.CHANGES, contact) for contact in range(6, 11))
    nights = tuple(
        Night(faults=0.5, events=((("diff: asked", 1), ManyEdits(edits)),))
        for edits in (coming, changed)
    )
    return History(pair=vendor, scene="left", seed=seed, nights=nights)


@dataclass(frozen=True)
class BrokenEngine:
    """An engine that is broken on purpose, and how the simulation notices."""

    break_it: Break
    vendor: str
    """A vendor whose histories draw the case."""
    violation: str = ""
    """Words of the violation; empty where several kinds show the break."""
    drawn: Callable[[str, int], History] = draw_history
    """Returns the history of a vendor and a seed."""


BREAKS = {
    "nobody is looked up": BrokenEngine(
        _nobody_is_looked_up, vendor="whautomate", violation="times"
    ),
    "nobody owns anything": BrokenEngine(
        _nobody_owns_anything, vendor="respond_io", violation="belongs to"
    ),
    "answers move contacts": BrokenEngine(_answers_move_contacts, vendor="chartmogul"),
    "lists stay behind": BrokenEngine(
        _lists_stay_behind, vendor="dm_champ", violation="is on the lists"
    ),
    "tags stay behind": BrokenEngine(
        _tags_stay_behind, vendor="whautomate", violation="are too many"
    ),
    "nobody is asked about suppressions": BrokenEngine(
        _nobody_is_asked_about_suppressions,
        vendor="chartmogul",
        violation="was suppressed",
    ),
    "opting out means nothing": BrokenEngine(
        _opting_out_means_nothing, vendor="chartmogul", violation="opted out"
    ),
    "bad rows are passed over": BrokenEngine(
        _bad_rows_are_passed_over, vendor="whautomate", violation="its row has a bad"
    ),
    "losers stay dead": BrokenEngine(
        _losers_stay_dead, vendor="chartmogul", violation="nothing is in its way"
    ),
    "everybody loses to nobody": BrokenEngine(
        _everybody_loses_to_nobody,
        vendor="chartmogul",
        violation="both count as in step",
    ),
    "nobody who waits is judged": BrokenEngine(
        _nobody_who_waits_is_judged, vendor="dm_champ", violation="is put off"
    ),
    "nobody learns that an owner has moved": BrokenEngine(
        _nobody_learns_that_an_owner_has_moved,
        vendor="respond_io",
        violation="nothing is in",
    ),
    "nobody asks the other destination": BrokenEngine(
        _nobody_asks_the_other_destination,
        vendor="chartmogul",
        violation="is not there any more",
    ),
    "lost answers are successes": BrokenEngine(
        _lost_answers_are_successes, vendor="respond_io"
    ),
    "nobody in a wave is asked": BrokenEngine(
        _nobody_in_a_wave_is_asked, vendor="hubspot", violation="was suppressed"
    ),
    "a refusal is everybody's": BrokenEngine(
        _a_refusal_is_everybodys, vendor="hubspot", violation="nothing is in its way"
    ),
    "answers go by place": BrokenEngine(
        _answers_go_by_place, vendor="hubspot", drawn=_five_newcomers
    ),
    "untold ones are successes": BrokenEngine(
        _untold_ones_are_successes,
        vendor="hubspot",
        violation=", not ",
        drawn=_five_newcomers,
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_engine_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = BREAKS[name]
    broken.break_it(monkeypatch)
    found = chain.from_iterable(
        _played(broken.drawn(broken.vendor, seed)) for seed in range(MOST)
    )
    assert any(broken.violation in each for each in found), (
        f"{MOST} histories of {broken.vendor} do not show it"
    )


def _played(history: History) -> tuple[str, ...]:
    # With bases of its own: a world that a whole engine prepared would hide the break.
    return play(history, {}).violations
