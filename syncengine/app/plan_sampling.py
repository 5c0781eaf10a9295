"""Single contacts of a plan, chosen while it is counted."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, islice, zip_longest

from syncengine.app.plan_watchers import CountedJob
from syncengine.app.planned_requests import RequestPreview
from syncengine.model.plan_sample import PlannedStep, SampledContact
from syncengine.model.unsupported import in_words
from syncengine.model.work import Record
from syncengine.planning.planned_changes import TagEffect, field_changes, tag_changes


class ContactSampler:
    """Keeps some contacts of a plan, spread over reasons and actions.

    Of each combination the first ones are kept, so that memory does not grow with the
    plan. In the end one of each combination is taken in rotation.
    """

    def __init__(self, most: int, preview: RequestPreview | None) -> None:
        """Begin to choose so many; without a preview, requests are not shown."""
        self._most = most
        self._preview = preview
        self._groups: defaultdict[tuple[str, ...], list[SampledContact]] = defaultdict(
            list
        )

    def add(self, counted: CountedJob) -> None:
        """Keep a contact about which something would be sent, if there is room."""
        actions = tuple(call.action.value for call in counted.plan.calls)
        # A sample of a million creates and three deletions is to show a deletion, too.
        group = self._groups[counted.why.value, *actions]
        if len(group) < self._most:
            group.append(self._sampled(counted, actions))

    def add_record(self, record: Record) -> None:
        """Keep a contact that ends without a request, if there is room."""
        outcome = record.outcome
        if outcome is None:
            return
        group = self._groups[outcome.kind.value, outcome.code]
        if len(group) < self._most:
            refusal = None
            if outcome.code and not outcome.unsupported:
                refusal = f"{outcome.code}: {outcome.message}"
            group.append(
                SampledContact(
                    record.contact_id,
                    why="",
                    refusal=refusal,
                    unsupported=tuple(
                        in_words((each,)) for each in outcome.unsupported
                    ),
                )
            )

    def sample(self) -> tuple[SampledContact, ...]:
        """Return the contacts that were chosen."""
        # The first of each group, then the second of each, and so on.
        turns = zip_longest(*self._groups.values())
        # Groups differ in length: a turn has None for those that are at their end.
        chosen = (each for each in chain.from_iterable(turns) if each is not None)
        return tuple(islice(chosen, self._most))

    def _sampled(self, counted: CountedJob, actions: tuple[str, ...]) -> SampledContact:
        job, calls = counted.job, counted.plan.calls
        fields = {}
        for name, change in field_changes(calls, counted.before).items():
            # Without a key where it is not known: null would say that it is empty.
            old = {"old": change.old} if change.is_known else {}
            fields[name] = {**old, "new": change.new}
        tags = tag_changes(calls)
        refusal = None
        if job.refusal is not None:
            refusal = f"{job.refusal.code}: {job.refusal.message}"
        steps: tuple[PlannedStep, ...] = ()
        if self._preview is not None:
            steps = self._preview.steps(job, counted.plan, counted.prices)
        return SampledContact(
            contact_id=job.state.contact_id,
            why=counted.why.value,
            causes=tuple(sorted(cause.in_words for cause in counted.causes)),
            actions=actions,
            fields=fields,
            tags_added=_of_effect(tags, TagEffect.ADDED),
            tags_removed=_of_effect(tags, TagEffect.REMOVED),
            unsupported=tuple(in_words((each,)) for each in counted.plan.unsupported),
            refusal=refusal,
            steps=steps,
        )


def _of_effect(tags: dict[str, TagEffect], effect: TagEffect) -> tuple[str, ...]:
    return tuple(tag for tag, each in tags.items() if each is effect)
