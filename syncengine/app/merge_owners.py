"""Owners of two vendor contacts among our contacts, and whether they may be merged.

A merge must not take a vendor contact away from a contact of ours. So at most one of
the two may be the copy of one, namely the one that the other is merged into, and it is
merged at the destination whose contact it is.

An owner is written ``destination/contact_id``, as ``Contacts.owners`` returns it.
"""

from __future__ import annotations

from syncengine.model.contact_ids import name_of, name_of_owner


def merge_refusal(name: str, owners: dict[str, str], into: str, other: str) -> str:
    """Return why the two are not merged; empty where they may be."""
    owner, others_owner = owners.get(into), owners.get(other)
    if owner is not None and others_owner is not None:
        return (
            f"{into} is the copy of contact {owner_name(owner, name)}, and {other} "
            f"that of contact {owner_name(others_owner, name)}: each has a row of its own. "
            "Take one of the two out of the source first"
        )
    if others_owner is not None:
        destination = others_owner.partition("/")[0]
        return (
            f"{other} is the copy of contact {owner_name(others_owner, name)}, which "
            "would lose it. Merge the other way round "
            f"(`syncengine merge {other} {into} -d {destination}`), or take the "
            "contact out of the source first"
        )
    if owner is not None and not owner.startswith(f"{name}/"):
        destination = owner.partition("/")[0]
        return (
            f"{into} is the copy of contact {owner_name(owner, name)}: merge there, "
            f"`syncengine merge {into} {other} -d {destination}`"
        )
    return ""


def owner_name(owner: str, destination: str) -> str:
    """Return the name of an owner, without the destination where it is this one."""
    owners_destination, _, contact_id = owner.partition("/")
    if owners_destination == destination:
        return name_of(contact_id)
    return name_of_owner(owner)
