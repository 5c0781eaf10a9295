"""Brakes: limits that stop a run before its first request.

An operator's mistake looks like ordinary work: an empty source is "all contacts left",
a wrong join is "all fields are empty". So before anything is sent, the run's numbers
are compared with what is known at the destination. A brake is *tripped* where a number
exceeds its limit; the run is then refused, until somebody accepts that brake by name.

The numbers come from three places: the diff of source and state (``Scope``), the plans
of all contacts of the run (``Survey``), and the comparison of a repair
(``RepairScope``).
"""

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
# Names as people write them in the configuration and on the command line.
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
    """Limit of a brake, exceeded above a share, and from a number of contacts on.

    The number keeps small destinations from being stopped by a handful of contacts.
    """

    share: float
    """Part of all contacts that is allowed: 0.05 for five of a hundred."""
    at_least: int
    """Fewer contacts than that never trip the brake."""

    def exceeded(self, number: int, of: int) -> bool:
        """Return whether so many contacts, of so many, are too many."""
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
    scope: Scope, policy: OnRemoved, limits: BrakeLimits, accepted: AbstractSet[str]
) -> list[Brake]:
    """Return the brakes that the diff alone trips, without those accepted by name."""
    if scope.known and not scope.source_rows:
        if EMPTY_SOURCE in accepted:
            # Whoever accepts an empty source has accepted that all contacts go: no
            # other brake asks again.
            return []
        message = (
            f"the source is empty, while {scope.known} contacts are known here: "
            f"{_consequence(policy, scope)}"
        )
        return [Brake(EMPTY_SOURCE, message)]
    tripped = _brakes_of_removals(scope, policy, limits)
    return [brake for brake in tripped if brake.name not in accepted]


def brakes_of_survey(
    survey: Survey,
    scope: Scope,
    had: Mapping[str, int],
    limits: BrakeLimits,
    accepted: AbstractSet[str],
) -> list[Brake]:
    """Return the brakes that the run's contacts trip, without those accepted by name.

    ``had``: field to the number of contacts known to have a value.
    """
    tripped = [
        *_brakes_of_creates(survey, scope, limits),
        *_brakes_of_rewrites(survey, scope, limits),
        *_brakes_of_nulls(survey, had, limits),
        *_brakes_of_tags(survey, scope, limits),
        *_brakes_of_lists(survey, scope, limits),
    ]
    return [brake for brake in tripped if brake.name not in accepted]


def brakes_of_undo(
    survey: Survey,
    scope: Scope,
    had: Mapping[str, int],
    limits: BrakeLimits,
    accepted: AbstractSet[str],
) -> list[Brake]:
    """Return the brakes that an undo trips, without those accepted by name.

    They are those of any run that writes as much. An undo creates nobody, and looks at
    no size of the source.
    """
    tripped = [
        *_brakes_of_deletions(survey, scope, limits),
        *_brakes_of_rewrites(survey, scope, limits),
        *_brakes_of_nulls(survey, had, limits),
        *_brakes_of_tags(survey, scope, limits),
        *_brakes_of_lists(survey, scope, limits),
    ]
    return [brake for brake in tripped if brake.name not in accepted]


def _brakes_of_deletions(
    survey: Survey, scope: Scope, limits: BrakeLimits
) -> Iterator[Brake]:
    if limits.removals.exceeded(survey.deletions, scope.known):
        share = survey.deletions / scope.known
        yield Brake(
            REMOVALS,
            f"the undo would have deleted {survey.deletions} of {scope.known} known "
            f"contacts ({share:.1%}), which the run had created. "
            f"{limits.removals.in_words}",
        )


def brake_of_recreations(
    gone: int, known: int, limits: BrakeLimits, accepted: AbstractSet[str]
) -> Brake | None:
    """Return the brake that contacts to be created again trip.

    ``gone`` is their number, ``known`` that of the contacts the vendor still has. Many
    contacts that are gone at once were deleted on purpose, or another account answers.
    """
    before = known + gone
    if GONE in accepted or not limits.gone.exceeded(gone, before):
        return None
    return Brake(
        GONE,
        f"{gone} of {before} contacts ({gone / before:.1%}) were deleted at the "
        f"vendor, and none of them was created again. {limits.gone.in_words}",
    )


def brakes_of_repair(
    scope: RepairScope, limits: BrakeLimits, accepted: AbstractSet[str]
) -> list[Brake]:
    """Return the brakes that the repair of what drifted at the vendor trips."""
    tripped = _tripped_by_repair(scope, limits)
    return [brake for brake in tripped if brake.name not in accepted]


def has_grown(scope: Scope, creates: int, allowed: BrakeLimit) -> bool:
    """Return whether so many creates come from a surprising growth of the source.

    Creates that are left of an unfinished first sync are no growth: the source had
    these rows when it was last compared.
    """
    before = scope.compared_rows
    if before is None:
        return False
    growth = scope.source_rows - before
    return allowed.exceeded(min(creates, growth), before)


def are_replaced(survey: Survey, scope: Scope, limits: BrakeLimits) -> bool:
    """Return whether most known contacts went and others came in their place.

    They may be the same people under other ids: a create would then make them twice.
    """
    replaced = min(scope.removed, _number_unseen(survey, scope))
    return replaced > limits.creates.share * scope.known


def are_rewritten(survey: Survey, scope: Scope, limits: BrakeLimits) -> bool:
    """Return whether most known contacts would become other people under their ids."""
    return limits.rewrites.exceeded(survey.rewritten, scope.known)


def _number_unseen(survey: Survey, scope: Scope) -> int:
    """Return the number of contacts about which nothing was ever sent."""
    return survey.creates if scope.unseen is None else scope.unseen


def _exceeding(
    counts: Mapping[str, int], limit: BrakeLimit, of: int
) -> Iterator[tuple[str, int]]:
    """Yield the names whose number of contacts exceeds a limit, in order."""
    for name, number in sorted(counts.items()):
        if limit.exceeded(number, of):
            yield name, number


def _tripped_by_repair(scope: RepairScope, limits: BrakeLimits) -> Iterator[Brake]:
    compared = scope.compared
    # Whatever the limit: if all are missing, this is probably another account.
    nobody_left = scope.gone == compared and compared > 1
    if nobody_left or limits.gone.exceeded(scope.gone, compared):
        allowed = limits.gone.in_words
        if nobody_left:
            allowed = "The brake never allows that all of them are missing"
        yield Brake(
            GONE,
            f"{scope.gone} of the {compared} contacts that were compared "
            f"({scope.gone / compared:.1%}) are not at the vendor any more. "
            "Do the credentials still lead to the same account? "
            f"{allowed}",
        )
    if limits.repair.exceeded(scope.mended, compared):
        yield Brake(
            REPAIR,
            f"the repair would have written to {scope.mended} of the {compared} "
            f"contacts that were compared ({scope.mended / compared:.1%}). "
            f"{limits.repair.in_words}",
        )
    for name, number in _exceeding(scope.nulls, limits.nulls, compared):
        yield Brake(
            NULLS,
            f"the repair would have emptied field {name} of {number} of {compared} "
            f"contacts. {limits.nulls.in_words}",
        )
    for tag, number in _exceeding(scope.swings, limits.tags, compared):
        yield Brake(
            TAGS,
            f'the repair would have added or removed tag "{tag}" at {number} of '
            f"{compared} contacts. {limits.tags.in_words}",
        )


def _brakes_of_removals(
    scope: Scope, policy: OnRemoved, limits: BrakeLimits
) -> Iterator[Brake]:
    known, removed = scope.known, scope.removed
    # A contact that moved to another destination of the account is not missing.
    missing_rows = known - scope.source_rows - scope.moved
    affected = _number_affected(policy, scope)
    acts_on_removed = policy is not OnRemoved.IGNORE
    if acts_on_removed and limits.removals.exceeded(affected, known):
        yield Brake(
            REMOVALS,
            f"{removed} of {known} known contacts ({removed / known:.1%}) left the "
            f"source: {_consequence(policy, scope)}. {limits.removals.in_words}",
        )
    elif limits.shrunk_source.exceeded(missing_rows, known):
        yield Brake(
            SHRUNK_SOURCE,
            f"the source has {scope.source_rows} rows, {missing_rows / known:.1%} "
            f"fewer than the {known} contacts known here, "
            f"and {_consequence(policy, scope)}. "
            f"Is the source complete? {limits.shrunk_source.in_words}",
        )


def _brakes_of_creates(
    survey: Survey, scope: Scope, limits: BrakeLimits
) -> Iterator[Brake]:
    known, removed, allowed = scope.known, scope.removed, limits.creates
    if scope.unseen is None:
        would = f"the run would have created {survey.creates} contacts"
    else:
        # With --limit, a run creates only some of them and leaves most to later runs.
        would = f"the run would have begun to create {scope.unseen} contacts"
    would += f", while {known} are known here"
    if are_replaced(survey, scope, limits):
        yield Brake(
            CREATES,
            f"{would}: {removed} of these ({removed / known:.1%}) are no longer in the "
            f"source, and {_number_unseen(survey, scope)} that are not known came in "
            "their place. Did the key column or `where` change? "
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


def _brakes_of_rewrites(
    survey: Survey, scope: Scope, limits: BrakeLimits
) -> Iterator[Brake]:
    if are_rewritten(survey, scope, limits):
        yield Brake(
            REWRITES,
            "the run would have changed most fields, or phone and e-mail address, at "
            f"{survey.rewritten} of {scope.known} known contacts. "
            "Are these rows of another source, such as a copy for tests, or of other "
            f"people? {limits.rewrites.in_words}",
        )


def _brakes_of_nulls(
    survey: Survey, had: Mapping[str, int], limits: BrakeLimits
) -> Iterator[Brake]:
    for name, number in sorted(survey.nulls.items()):
        # Compared with the contacts that have the field: it may be a rare one.
        holders = had.get(name, number)
        if limits.nulls.exceeded(number, holders):
            yield Brake(
                NULLS,
                f"the run would have emptied field {name} of {number} of the {holders} "
                "contacts that have it, because its column is empty now or no longer "
                f"mapped. {limits.nulls.in_words}",
            )


def _brakes_of_tags(
    survey: Survey, scope: Scope, limits: BrakeLimits
) -> Iterator[Brake]:
    for tag, number in _exceeding(survey.tags, limits.tags, scope.settled):
        yield Brake(
            TAGS,
            f'the run would have added or removed tag "{tag}" at {number} of '
            f"{_settled_contacts(scope)}. {limits.tags.in_words}",
        )


def _brakes_of_lists(
    survey: Survey, scope: Scope, limits: BrakeLimits
) -> Iterator[Brake]:
    for name, number in _exceeding(survey.lists, limits.lists, scope.settled):
        yield Brake(
            LISTS,
            f"the run would have put {number} of {_settled_contacts(scope)} on list "
            f'"{name}", or taken them off it. {limits.lists.in_words}',
        )


def _settled_contacts(scope: Scope) -> str:
    """Return how many contacts changes of tags and lists are compared with, in words.

    The first tags and lists of all others are what their first sync is for, however
    often it was interrupted.
    """
    if scope.unfinished:
        return f"{scope.settled} contacts that were in step before"
    return f"{scope.known} known contacts"


def _number_affected(policy: OnRemoved, scope: Scope) -> int:
    """Return the largest number of removed contacts that the policy may act on."""
    if scope.touched is not None:
        return scope.touched
    if policy is OnRemoved.UNTAG:
        return scope.tagged
    return scope.removed


def _consequence(policy: OnRemoved, scope: Scope) -> str:
    """Return what the run would have done to removed contacts, in words."""
    number = _number_affected(policy, scope)
    match policy:
        case OnRemoved.IGNORE:
            # Nothing is taken from them at the vendor: all of them are marked.
            return f"the run would have marked {scope.removed} contacts as removed"
        case OnRemoved.UNTAG:
            would = f"the run would have removed our tags from {number} contacts"
        case OnRemoved.DELETE:
            would = f"the run would have deleted {number} contacts"
    only_marked = scope.removed - number
    if only_marked > 0:
        would += f" and only marked {only_marked} more as removed"
    return would
