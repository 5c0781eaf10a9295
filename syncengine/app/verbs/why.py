"""Why one contact is at each destination as it is, and what the next run will do.

Asks no vendor: the state knows what was sent, and the source what is wanted now. The
next run is planned as a run would plan it.
"""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.credentials import settled
from syncengine.app.databases import Databases, open_databases
from syncengine.app.field_reasons import field_reasons
from syncengine.app.local_view import LocalView, trusted_view
from syncengine.app.meaning import causes_since
from syncengine.app.show_report import show_report
from syncengine.config.destination import DestinationConfig
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.contact_ids import contact_id_of, name_of
from syncengine.model.desk import WhyReport
from syncengine.planning.attempt.job import Job
from syncengine.storage.state.history import (
    StandingNow,
    last_event,
    latest_changes,
    standing_now,
)

_REASONS = {
    "dead_letter": "it is a dead letter",
    "gone": "it was deleted at the vendor",
    "unsupported": "the vendor does not take a part of it",
}
"""Why a contact is left alone, in words, by its standing."""
_FORBIDDEN = {
    "suppressed": "it is suppressed",
    "forgotten": "it was forgotten",
    "opted_out": "it opted out",
}
"""Why nothing may be sent about a contact, in words."""


async def why(
    config: Config, names: Sequence[str], contact: str, *, show_values: bool = False
) -> list[WhyReport]:
    """Return a report for each named destination, or for all.

    Runs may be under way meanwhile. Raises ConfigError where no destination and no
    source knows the contact, and StorageError.
    """
    config = await settled(config)
    destinations = config.chosen(tuple(names))
    contact_id = contact_id_of(contact)
    reports: list[WhyReport] = []
    async with open_databases(config, destinations) as databases:
        for destination in destinations:
            view = await trusted_view(destination, config, databases, contact_id)
            reports.append(
                await _report(destination, databases, view, show_values=show_values)
            )
    if not any(each.is_known for each in reports):
        raise unknown_contact("why", contact_id)
    return reports


def unknown_contact(verb: str, contact_id: str) -> ConfigError:
    """Return the error that nothing is known of a contact."""
    what = (
        "nothing is known of this contact: neither the state has it, nor does a source "
        "select it. Its id is its value in the source's key column"
    )
    return ConfigError([Problem(f"{verb} {name_of(contact_id)}", what)])


async def _report(
    destination: DestinationConfig,
    databases: Databases,
    view: LocalView,
    *,
    show_values: bool,
) -> WhyReport:
    pool, name, contact_id = databases.state, destination.name, view.contact_id
    now = await standing_now(pool, name, contact_id)
    last = await last_event(pool, contact_id, name)
    changed = await latest_changes(pool, contact_id, name)
    shown = show_report(view)
    is_forbidden = view.outlook.standing is not None
    is_known = now is not None or last is not None or is_forbidden
    return WhyReport(
        destination=name,
        contact_id=contact_id,
        status=shown.status,
        external_id=shown.external_id,
        standing=now.standing if now else None,
        code=now.code if now else "",
        rejections=now.rejections if now else 0,
        since_run_id=now.since_run_id if now else None,
        synced_at=now.synced_at if now else None,
        last=last,
        next_run=view.outlook.next_run,
        reason=await _reason(destination, databases, view, now),
        fields=field_reasons(view, destination.vendor.capabilities, changed),
        remarks=shown.remarks,
        # A source that could not be read may have it.
        is_known=is_known or view.has_row is not False or bool(view.outlook.remarks),
        shows_values=show_values,
    )


async def _reason(
    destination: DestinationConfig,
    databases: Databases,
    view: LocalView,
    now: StandingNow | None,
) -> str:
    """Return the one reason for what the next run does with the contact."""
    outlook = view.outlook
    if outlook.standing is not None:
        return _FORBIDDEN.get(outlook.standing, outlook.standing)
    if outlook.nothing_because:
        return outlook.nothing_because
    if outlook.job is not None:
        return await _reason_of_job(destination, databases, outlook.job)
    if now is not None and now.standing in _REASONS:
        return _REASONS[now.standing]
    return "the source does not select it" if view.has_row is False else ""


async def _reason_of_job(
    destination: DestinationConfig, databases: Databases, job: Job
) -> str:
    """Return why the next run works on a contact, as ``plan`` counts it."""
    if job.refusal is not None:
        return f"a check of ours rejects it ({job.refusal.code})"
    counter = await causes_since(destination, databases)
    reason = counter.add(
        job.state,
        job.desired,
        job.source_hash,
        job.plan.calls,
        recreates=job.recreates,
        released=job.released,
    )
    words = {cause.why.value: cause.in_words for cause, _ in counter.counts()}
    # Of a changed configuration all parts are named.
    return words.get(reason.value) or ", ".join(words.values())
