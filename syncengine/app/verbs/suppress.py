"""Suppressions: stop sending anything about a person, or allow it again."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.databases import open_databases
from syncengine.app.markers import lacking_consents, note_consents
from syncengine.app.people_values import in_source, known_of
from syncengine.config.project import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.consent import Subject, SubjectKind, forms_of
from syncengine.model.contact_ids import as_argument, name_of
from syncengine.model.erasure import Suppressions, SuppressReport
from syncengine.storage.state import consent


async def suppress(config: Config, subjects: Sequence[Subject]) -> SuppressReport:
    """Suppress these subjects at every destination from now on.

    A subject that is named twice counts once.
    """
    # Each once, in their order.
    distinct = tuple(dict.fromkeys(subjects))
    async with open_databases(config, ()) as databases:
        lacking = await lacking_consents(config, databases)
        new = await consent.suppress(databases.state, distinct)
        await note_consents(config, databases, lacking)
        named = [
            subject.value for subject in distinct if subject.kind is SubjectKind.CONTACT
        ]
        # A person who is suppressed by id is so by phone and address, too: the same
        # person may have another row.
        known = await known_of(databases.state, named)
        await consent.learn_values(databases.state, known)
    unknown = [contact_id for contact_id in named if contact_id not in known]
    if unknown and config.destinations:
        # Only now that the suppressions are stored: a source that is away takes time,
        # and meanwhile nothing must be sent about these people.
        async with open_databases(config, config.destinations) as databases:
            asked = await in_source(databases, config.destinations, unknown)
            await consent.learn_values(databases.state, asked)
    return SuppressReport("suppressed", len(distinct), new)


async def lift(
    config: Config, subjects: Sequence[Subject], *, forgotten: bool = False
) -> SuppressReport:
    """Lift suppressions; those of forgotten contacts only with ``forgotten``.

    The next run considers these contacts again. Raises ConfigError where a contact was
    forgotten and ``forgotten`` is not given; nothing is lifted then.
    """
    # A value is stored in one of the forms in which people write it: all are lifted.
    every: list[Subject] = []
    for subject in subjects:
        every += forms_of(subject)
    async with open_databases(config, ()) as databases:
        if not forgotten:
            erased = await consent.forgotten_among(databases.state, every)
            if erased:
                raise ConfigError([_erased(contact_id) for contact_id in erased])
        lacking = await lacking_consents(config, databases)
        lifted = await consent.lift(databases.state, every)
        await note_consents(config, databases, lacking)
    return SuppressReport("lifted", len(set(subjects)), lifted)


def _erased(contact_id: str) -> Problem:
    """Describe why the suppression of a forgotten contact is not lifted."""
    return Problem(
        "--lift",
        f"nothing was lifted, because contact {name_of(contact_id)} was forgotten: the "
        "next run would create it again at every destination that selects its row. If "
        "that is meant, run `syncengine suppress --lift --forgotten --contact "
        f"{as_argument(contact_id)}`",
    )


async def suppressions(config: Config) -> list[Suppressions]:
    """Return the numbers of suppressions, by kind and reason.

    Only hashes are kept, so the people they concern cannot be listed.
    """
    async with open_databases(config, ()) as databases:
        counted = await consent.counts(databases.state)
    return [
        Suppressions(each.kind, each.reason, each.number, each.latest)
        for each in counted
    ]
