"""Search for a contact at the vendor, and the link to what is found.

To link means that our contact owns the vendor contact from now on: its id is stored,
and what the vendor shows of it becomes known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from syncengine.model.contact import MatchKey, Remote
from syncengine.planning.attempt import endings
from syncengine.planning.attempt.conclusions import AMBIGUOUS
from syncengine.planning.attempt.progress import Attempt, AttemptEnding
from syncengine.planning.attempt.steps import AskOwners, Claim, Find, Read, Steps, ask
from syncengine.planning.change_log import pieces_of_link
from syncengine.planning.found_contacts import (
    known_from_remote,
    tags_with_prefix,
    unique_remotes,
    with_inherited,
    with_seen_opt_outs,
    with_tags_to_remove,
)
from syncengine.planning.look_up import LookUp
from syncengine.planning.match_keys import keys_at_vendor


class Found(Enum):
    """Result of a look-up that does not end the attempt."""

    NOTHING = auto()
    LINKED = auto()
    """The contact owns what was found, and ``Attempt.known`` has it."""


def read(external_id: str) -> Steps[Remote | None]:
    """Read a vendor contact.

    Returns None where it is gone, or another one is shown in its place.
    """
    remote = yield from ask(Read(external_id))
    if remote is None or remote.external_id != external_id:
        return None
    return remote


def find_known(attempt: Attempt, external_id: str) -> Steps[Remote | None]:
    """Find the contact's own vendor contact by the keys it is known under.

    Returns None where no key finds it, which does not prove that it is gone.
    """
    for key in keys_at_vendor(attempt.known, attempt.rules.capabilities):
        remotes = yield from ask(Find(key))
        for remote in remotes:
            if remote.external_id == external_id:
                return remote
    return None


def look_up(attempt: Attempt, look_up: LookUp) -> Steps[Found | AttemptEnding]:
    """Look up the contact by each key, and link what is found.

    Returns the end of the attempt where what is found cannot be its own.
    """
    for key in look_up.keys:
        result = yield from _look_up_by(attempt, key)
        if result is not Found.NOTHING:
            return result
    return Found.NOTHING


def _look_up_by(attempt: Attempt, key: MatchKey) -> Steps[Found | AttemptEnding]:
    """Look up the contact by one key, and link what is found."""
    remotes = yield from ask(Find(key))
    # A look-up may still show for a while the contact that turned out to be gone.
    hits = unique_remotes(
        remote for remote in remotes if remote.external_id != attempt.missing
    )
    owners: Mapping[str, str] = {}
    if len(hits) > 1:
        owners = yield from _owners(attempt, hits)
    is_asked_for = attempt.job.takes_over and key in attempt.job.keys
    if not is_asked_for:
        # The key was sent once, and the contact does not ask for it any more: a
        # vendor contact that another one owns says nothing about this one.
        hits = tuple(hit for hit in hits if hit.external_id not in owners)
    if not hits:
        return Found.NOTHING
    if len(hits) > 1:
        return _one_of_several(attempt, hits, owners)
    ending = yield from link(attempt, hits[0], key)
    if ending is None:
        return Found.LINKED
    # Another contact owns it. That ends the attempt only if this one asks for the
    # key, for the same reason as above.
    if is_asked_for:
        return ending
    return Found.NOTHING


def _owners(attempt: Attempt, hits: Sequence[Remote]) -> Steps[Mapping[str, str]]:
    """Return the others that vendor contacts belong to, by external id."""
    ids = tuple(hit.external_id for hit in hits)
    owners = dict((yield from ask(AskOwners(ids))))
    for hit in hits:
        if hit.external_id not in owners:
            former = yield from former_owners(attempt, hit)
            if former:
                owners[hit.external_id] = min(former.values())
    return owners


def former_owners(attempt: Attempt, remote: Remote) -> Steps[Mapping[str, str]]:
    """Return the others that know a merged vendor contact by a former id, by that id.

    Nobody, where it is this contact's all the same: of two contacts of ours that were
    merged there, the one with whose key the vendor shows what is left has it.
    """
    known = attempt.job.state.known
    if not remote.former_ids or remote.external_id == known.external_id:
        return {}
    owners = yield from ask(AskOwners(remote.former_ids))
    was_merged = known.external_id in remote.former_ids
    return {} if was_merged and _shows_our_key(attempt, remote) else owners


def _shows_our_key(attempt: Attempt, remote: Remote) -> bool:
    """Return whether a vendor contact shows a match key of ours, new or known.

    The first one of which it shows any value decides: a merge fills what the one that
    is left did not have with values of the other one.
    """
    job = attempt.job
    known = job.state.known
    for key in known.keys if job.desired is None else job.desired.keys:
        theirs = remote.fields.get(key.field)
        if theirs not in (None, ""):
            ours = (key.value, known.fields.get(key.field))
            return any(attempt.rules.same(key.field, each, theirs) for each in ours)
    return False


def link(
    attempt: Attempt, remote: Remote, key: MatchKey | None = None
) -> Steps[AttemptEnding | None]:
    """Link a vendor contact that was found, by ``key`` if it was looked up.

    Returns the end of the attempt where another contact owns it, else None, and
    ``attempt.known`` is what is known of it then.
    """
    former = yield from former_owners(attempt, remote)
    if former:
        return endings.key_reserved(attempt, min(former.values()))
    job = attempt.job
    hidden = attempt.rules.capabilities.hidden
    found = known_from_remote(
        remote,
        job.desired,
        attempt.known,
        attempt.rules.same,
        hidden,
        key,
        attempt.rules.tag_prefix,
    )
    found = with_seen_opt_outs(found, attempt.known, remote, attempt.rules.capabilities)
    link = yield from ask(
        Claim(
            remote.external_id,
            key,
            found.found_tags,
            tags_with_prefix(remote.tags, attempt.rules.tag_prefix),
            takes_over=job.takes_over,
        )
    )
    if link.owner is not None:
        return endings.key_reserved(attempt, link.owner)
    # Tags that a former owner of ours had set, and that are still there.
    our_tags = link.tags & remote.tags
    before = attempt.known
    attempt.known = with_inherited(found, our_tags, link.fields, hidden)
    attempt.note_changes(
        pieces_of_link(before, remote, attempt.rules.capabilities, attempt.rules.same)
    )
    if job.desired is not None and not job.desired.manages_tags:
        # The plan of this contact looks at no tags: the former owner's would stay
        # for ever.
        attempt.known = with_tags_to_remove(attempt.known, our_tags)
    return None


def _one_of_several(
    attempt: Attempt, hits: Sequence[Remote], owners: Mapping[str, str]
) -> AttemptEnding:
    """End the attempt where several vendor contacts were found.

    Where at most one of them is nobody's, the owners of the others may let go of the
    match key, and one is left: it is worth waiting. Otherwise a person has to decide.
    """
    free = [remote for remote in hits if remote.external_id not in owners]
    if len(free) > 1:
        return endings.rejected(attempt, AMBIGUOUS)
    return endings.key_reserved(attempt, min(owners.values()))
