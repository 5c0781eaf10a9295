"""Meaning of a destination's configuration, now and before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncengine.app.counted import counted
from syncengine.app.databases import Databases
from syncengine.app.recognition import Recognised
from syncengine.config.destination import DestinationConfig
from syncengine.model.plans import CauseCount
from syncengine.planning import normalise
from syncengine.planning.causes import (
    CauseCounter,
    changed_parts,
    meaning,
    remapped_fields,
)
from syncengine.planning.survey import Survey
from syncengine.storage.state.destinations import remembered_meaning


def meaning_of(destination: DestinationConfig) -> Mapping[str, str]:
    """Return a fingerprint of each part of the mapping.

    It changes with the versions of what reads and sends the values, too.
    """
    vendor = destination.vendor
    version = (
        vendor.name,
        destination.version,
        normalise.VERSION,
        repr(vendor.capabilities.opt_outs),
    )
    return meaning(destination.mapping, version)


async def causes_since(
    destination: DestinationConfig, databases: Databases
) -> CauseCounter:
    """Return a count of causes that knows what has changed in the configuration."""
    before = await remembered_meaning(databases.state, destination.name)
    return CauseCounter(changed_parts(before, meaning_of(destination)))


async def survey_of(
    destination: DestinationConfig, databases: Databases, recognised: Recognised
) -> Survey:
    """Return the survey to begin with.

    It knows which fields are mapped in another way since a run last finished. With
    another source that excuses nothing: its columns may have other names as well.
    """
    before = recognised.before
    if before is not None:
        changes = recognised.identity.changes(before)
        if "source" in changes or "database" in changes:
            return Survey()
    meant = await remembered_meaning(databases.state, destination.name)
    changed = changed_parts(meant, meaning_of(destination))
    return Survey(remapped=remapped_fields(changed, destination.mapping))


def counted_causes(causes: CauseCounter) -> tuple[CauseCount, ...]:
    """Return the causes for a report."""
    return tuple(
        CauseCount(cause.why.value, cause.field, contacts, cause.in_words)
        for cause, contacts in causes.counts()
    )


def remarks_on(causes: CauseCounter) -> Iterator[str]:
    """Yield one line about what was sent because the configuration changed."""
    changes = [
        f"{cause.in_words}: {_contacts(number)}"
        for cause, number in causes.counts()
        if cause.why.is_configuration
    ]
    if changes:
        named = "; ".join(changes)
        yield f"the configuration changed since the last whole run: {named}"


def on_taken_over(numbers: Mapping[str, int]) -> Iterator[str]:
    """Yield one line about contacts that other destinations of the account had before.

    Perhaps nothing had to be written about them, and no other number counts them.
    """
    if not numbers:
        return
    parts = [
        f"{_contacts(number)} of {name}" for name, number in sorted(numbers.items())
    ]
    named = ", ".join(parts)
    yield f"taken over from other destinations, with their vendor contacts: {named}"


def _contacts(number: int) -> str:
    return counted(number, "contact", "contacts")
