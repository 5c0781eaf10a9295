"""Brakes: what stops a run before its first request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from syncengine.model.mapping import OnRemoved
from syncengine.model.work import Scope
from syncengine.planning.repair import RepairScope
from syncengine.planning.survey import Survey

EMPTY_SOURCE = "empty_source"
REMOVALS = "removals"
SHRUNK_SOURCE = "shrunk_source"
CREATES = "creates"
NULLS = "nulls"
TAGS = "tags"
LISTS = "lists"
REWRITES = "rewrites"
GONE = "gone"
REPAIR = "repair"
NAMES = (
    EMPTY_SOURCE,
    REMOVALS,
    SHRUNK_SOURCE,
    CREATES,
    NULLS,
    TAGS,
    LISTS,
    REWRITES,
    GONE,
    REPAIR,
)


@dataclass(frozen=True, slots=True)
class BrakeLimit:
    """Limit of a brake, exceeded above a share, and from a number of contacts on."""

    share: float
    at_least: int

    def exceeded(self, number: int, of: int) -> bool:
        return number >= self.at_least and number > self.share * of

    @property
    def in_words(self) -> str:
        """Return what is allowed, as the end of a brake's message."""
        return (
            f"The brake allows up to {self.share:.0%}, "
            f"and up to {self.at_least - 1:,} contacts whatever their share"
        )


@dataclass(frozen=True, slots=True)
class BrakeLimits:
    """A destination's brakes."""

    removals: BrakeLimit = field(default=BrakeLimit(0.05, 10))
    shrunk_source: BrakeLimit = field(default=BrakeLimit(0.2, 10))
    creates: BrakeLimit = field(default=BrakeLimit(0.5, 100))
    nulls: BrakeLimit = field(default=BrakeLimit(0.2, 50))
    tags: BrakeLimit = field(default=BrakeLimit(0.3, 50))
    lists: BrakeLimit = field(default=BrakeLimit(0.3, 50))
    rewrites: BrakeLimit = field(default=BrakeLimit(0.5, 10))
    gone: BrakeLimit = field(default=BrakeLimit(0.05, 10))
    repair: BrakeLimit = field(default=BrakeLimit(0.5, 10))


@dataclass(frozen=True, slots=True)
class Brake:
    """A brake that stops a run."""

    name: str
    message: str
    """Description of what would have happened, and of what is allowed."""


def brakes_of_diff(
    scope: Scope, policy: OnRemoved, allowances: BrakeLimits, accepted: AbstractSet[str]
) -> list[Brake]:
    """Return the brakes that the diff alone trips."""
    known = scope.known
    if known and not scope.source_rows:
        if EMPTY_SOURCE in accepted:
            return []  # what was accepted is that they all go
        told = f"the source is empty, while {known} contacts are known here: {_would(policy, scope)}"
        return [Brake(EMPTY_SOURCE, told)]
    return [
        brake
        for brake in _of_scope(scope, policy, allowances)
        if brake.name not in accepted
    ]


def brakes_of_survey(
    survey: Survey,
    scope: Scope,
    had: Mapping[str, int],
    allowances: BrakeLimits,
    accepted: AbstractSet[str],
) -> list[Brake]:
    """Return the brakes that the run's contacts trip.

    ``had``: field to the contacts known to have a value.
    """
    return [
        brake
        for brake in _of_survey(survey, scope, had, allowances)
        if brake.name not in accepted
    ]


def brake_of_recreations(
    gone: int, known: int, allowances: BrakeLimits, accepted: AbstractSet[str]
) -> Brake | None:
    """Return the brake that contacts to be created again trip.

    ``gone`` is their number, ``known`` that of the contacts the vendor still has.
    """
    before = known + gone
    if GONE in accepted or not allowances.gone.exceeded(gone, before):
        return None
    return Brake(
        GONE,
        f"{gone} of {before} contacts ({gone / before:.1%}) were deleted at the vendor, "
        f"and none of them was created again. {allowances.gone.in_words}",
    )


def brakes_of_repair(
    scope: RepairScope, allowances: BrakeLimits, accepted: AbstractSet[str]
) -> list[Brake]:
    """Return the brakes that the repair of what drifted at the vendor trips."""
    return [
        brake for brake in _of_repair(scope, allowances) if brake.name not in accepted
    ]


def _of_repair(scope: RepairScope, allowances: BrakeLimits) -> Iterator[Brake]:
    compared = scope.compared
    nobody_left = scope.gone == compared > 1
    if nobody_left or allowances.gone.exceeded(scope.gone, compared):
        allowed = allowances.gone.in_words
        if nobody_left:
            allowed = "The brake never allows that all of them are missing"
        yield Brake(
            GONE,
            f"{scope.gone} of the {compared} contacts that were compared "
            f"({scope.gone / compared:.1%}) are not at the vendor any more. "
            "Do the credentials still lead to the same account? "
            f"{allowed}",
        )
    if allowances.repair.exceeded(scope.mended, compared):
        yield Brake(
            REPAIR,
            f"the repair would have written to {scope.mended} of the {compared} contacts "
            f"that were compared ({scope.mended / compared:.1%}). "
            f"{allowances.repair.in_words}",
        )
    for name, number in sorted(scope.nulls.items()):
        if allowances.nulls.exceeded(number, compared):
            yield Brake(
                NULLS,
                f"the repair would have emptied field {name} of {number} of {compared} "
                f"contacts. {allowances.nulls.in_words}",
            )
    for tag, number in sorted(scope.swings.items()):
        if allowances.tags.exceeded(number, compared):
            yield Brake(
                TAGS,
                f'the repair would have added or removed tag "{tag}" at {number} of '
                f"{compared} contacts. {allowances.tags.in_words}",
            )


def has_grown(scope: Scope, creates: int, allowed: BrakeLimit) -> bool:
    """Return whether so many creates come from a surprising growth of the source.

    Creates that are left of an unfinished first sync are no growth: the source had
    these rows when it was last compared.
    """
    before = scope.compared_rows
    return before is not None and allowed.exceeded(
        min(creates, scope.source_rows - before), before
    )


def are_replaced(survey: Survey, scope: Scope, allowances: BrakeLimits) -> bool:
    """Return whether most known contacts went and others came in their place.

    They may be the same people under other ids.
    """
    unknown = survey.creates if scope.unseen is None else scope.unseen
    return min(scope.removed, unknown) > allowances.creates.share * scope.known


def are_rewritten(survey: Survey, scope: Scope, allowances: BrakeLimits) -> bool:
    """Return whether most known contacts would become other people under their ids."""
    return allowances.rewrites.exceeded(survey.rewritten, scope.known)


def _of_scope(
    scope: Scope, policy: OnRemoved, allowances: BrakeLimits
) -> Iterator[Brake]:
    known, removed = scope.known, scope.removed
    less = known - scope.source_rows - scope.moved
    if policy is not OnRemoved.IGNORE and allowances.removals.exceeded(
        _touched(policy, scope), known
    ):
        yield Brake(
            REMOVALS,
            f"{removed} of {known} known contacts ({removed / known:.1%}) left the "
            f"source: {_would(policy, scope)}. {allowances.removals.in_words}",
        )
    elif allowances.shrunk_source.exceeded(less, known):
        yield Brake(
            SHRUNK_SOURCE,
            f"the source has {scope.source_rows} rows, {less / known:.1%} fewer than the "
            f"{known} contacts known here, and {_would(policy, scope)}. "
            f"Is the source complete? {allowances.shrunk_source.in_words}",
        )


def _of_creates(
    survey: Survey, scope: Scope, allowances: BrakeLimits
) -> Iterator[Brake]:
    known, removed, allowed = scope.known, scope.removed, allowances.creates
    unknown = survey.creates if scope.unseen is None else scope.unseen
    would = f"the run would have created {survey.creates} contacts, while {known} are known here"
    if scope.unseen is not None:  # a limit leaves most of them to later runs
        would = f"the run would have begun to create {scope.unseen} contacts, while {known} are known here"
    if are_replaced(survey, scope, allowances):
        yield Brake(
            CREATES,
            f"{would}: {removed} of these ({removed / known:.1%}) are no longer in the "
            f"source, and {unknown} that are not known came in their place. "
            "Did the key column or `where` change? "
            "Then people would be at the vendor twice. "
            f"The brake allows up to {allowed.share:.0%}",
        )
    elif has_grown(scope, survey.creates, allowed):
        before = scope.compared_rows or 0
        more = scope.source_rows - before
        yield Brake(
            CREATES,
            f"{would}: the source has {scope.source_rows} rows, {more} more than the "
            f"{before} it had when a run last compared it. "
            "Was something loaded twice, or `where` widened? "
            f"The brake allows it to grow by up to {allowed.share:.0%}, "
            f"and by up to {allowed.at_least - 1:,} contacts whatever their share",
        )


def _of_survey(
    survey: Survey, scope: Scope, had: Mapping[str, int], allowances: BrakeLimits
) -> Iterator[Brake]:
    known = scope.known
    yield from _of_creates(survey, scope, allowances)
    if are_rewritten(survey, scope, allowances):
        yield Brake(
            REWRITES,
            "the run would have changed most fields, or phone and e-mail address, at "
            f"{survey.rewritten} of {known} known contacts. "
            "Are these rows of another source, such as a copy for tests, or of other "
            f"people? {allowances.rewrites.in_words}",
        )
    for name, number in sorted(survey.nulls.items()):
        holders = had.get(name, number)
        if allowances.nulls.exceeded(number, holders):
            yield Brake(
                NULLS,
                f"the run would have emptied field {name} of {number} of the {holders} "
                "contacts that have it, because its column is empty now or no longer "
                f"mapped. {allowances.nulls.in_words}",
            )
    for tag, number in sorted(survey.tags.items()):
        if allowances.tags.exceeded(number, known):
            yield Brake(
                TAGS,
                f'the run would have added or removed tag "{tag}" at {number} of {known} '
                f"known contacts. {allowances.tags.in_words}",
            )
    for name, number in sorted(survey.lists.items()):
        if allowances.lists.exceeded(number, known):
            yield Brake(
                LISTS,
                f"the run would have put {number} of {known} known contacts on list "
                f'"{name}", or taken them off it. {allowances.lists.in_words}',
            )


def _touched(policy: OnRemoved, scope: Scope) -> int:
    """Return the number of removed contacts that the policy acts on."""
    if scope.touched is not None:
        return scope.touched
    return scope.tagged if policy is OnRemoved.UNTAG else scope.removed


def _would(policy: OnRemoved, scope: Scope) -> str:
    number = _touched(policy, scope)
    match policy:
        case OnRemoved.IGNORE:
            return f"the run would have marked {number} contacts as removed"
        case OnRemoved.UNTAG:
            return f"the run would have removed our tags from {number} contacts"
        case OnRemoved.DELETE:
            return f"the run would have deleted {number} contacts"
