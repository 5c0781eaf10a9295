"""Say that nothing is to be sent about somebody any more, or take that back."""

from __future__ import annotations

from collections.abc import Sequence

from syncengine.app.databases import opened
from syncengine.config import Config
from syncengine.errors import ConfigError, Problem
from syncengine.model.consent import Subject, SubjectKind, of_email, of_phone
from syncengine.model.erasure import Suppressions, SuppressReport
from syncengine.storage import consent


def named(contacts: Sequence[str], phones: Sequence[str], emails: Sequence[str]) -> list[Subject]:
    """The subjects of these ids, phones and addresses. Raises ConfigError naming lines, never what stands in them."""
    subjects = [Subject(SubjectKind.CONTACT, contact_id) for contact_id in contacts]
    problems: list[Problem] = []
    for kind, lines, read, what in (
        ("phones", phones, of_phone, "is no phone number with its country code"),
        ("emails", emails, of_email, "is no e-mail address"),
    ):
        for number, line in enumerate(lines, 1):
            subject = read(line)
            if subject is None:
                problems.append(Problem(f"--{kind}, line {number}", what))
            else:
                subjects.append(subject)
    if problems:
        raise ConfigError(problems)
    return subjects


async def suppress(config: Config, subjects: Sequence[Subject]) -> SuppressReport:
    """From now on nothing is sent about these, at any destination."""
    async with opened(config, ()) as databases:
        new = await consent.suppress(databases.state, subjects)
    return SuppressReport("suppressed", len(set(subjects)), new)


async def lift(config: Config, subjects: Sequence[Subject]) -> SuppressReport:
    """Take suppressions back (those of contacts that were forgotten too); the next run looks at them again."""
    async with opened(config, ()) as databases:
        lifted = await consent.lift(databases.state, subjects)
    return SuppressReport("lifted", len(set(subjects)), lifted)


async def suppressions(config: Config) -> list[Suppressions]:
    """How many there are. Whom they name is not kept, only hashes are."""
    async with opened(config, ()) as databases:
        counted = await consent.counts(databases.state)
    return [Suppressions(each.kind, each.reason, each.number, each.latest) for each in counted]
