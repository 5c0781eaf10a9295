"""Calls, their outcomes, and the reasons why a change is not made.

A plan is a sequence of ``Call``s. The adapter turns each into HTTP requests and returns
an ``Answer``: ``Applied``, ``Rejected`` or ``Exists``. Whatever judges nobody is an
exception (``errors.RequestFailed``). What the vendor cannot express is ``Unsupported``,
which is reported and not sent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from syncengine.model.contact import Fields, MatchKey, Remote


class Action(StrEnum):
    """Kinds of calls on one contact."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"
    ADD_TAGS = "add_tags"
    REMOVE_TAGS = "remove_tags"
    DELETE = "delete"
    JOIN_LISTS = "join_lists"
    LEAVE_LISTS = "leave_lists"
    SET_LIFECYCLE = "set_lifecycle"


CREATING = (Action.CREATE, Action.UPSERT)
"""Actions that may make a new contact."""


@dataclass(frozen=True, slots=True)
class Call:
    """One action on one contact."""

    action: Action
    contact_id: str
    external_id: str | None = None
    """The vendor's id. None for creates and first upserts, and for calls planned behind
    a create: the engine fills it in."""
    key: MatchKey | None = None
    """The identity that an upsert goes by, or the one that names the contact in a tag
    call."""
    other_keys: tuple[MatchKey, ...] = ()
    """Keys under which the vendor may have the contact in place of ``key``. They name
    it only where the vendor shows the known id behind them."""
    fields: Fields = field(default_factory=dict, repr=False)
    """Values to set; None clears. Lists to join (true) and to leave (None) are among
    them (see ``contact.LISTS``)."""
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A change that is not made although the contact is in step.

    For example ``Unsupported("remove_tag", "vip")``.
    """

    code: str
    """The kind of change. ``invalid_value``: the field stays as it is, since the
    source's value is not in its form. Any other: the vendor cannot express the change
    (``set_field``, ``change_field``, ``clear_field``, ``lower_opt_out``, ``add_tag``,
    ``remove_tag``, ``change_key``, ``delete``, ``join_list``, ``leave_list``,
    ``field_not_shown``, ``tag_not_shown``)."""
    subject: str
    """The name of the field, tag or list; never a field's value."""


class OutcomeKind(StrEnum):
    """Ways in which a call, or a contact in a run, can end."""

    APPLIED = "applied"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    """Nothing is sent about the contact; it is planned again once that is lifted."""
    GONE = "gone"
    """Somebody deleted the contact at the vendor, and it is left alone."""
    PROBED = "probed"
    """Tried for others that were refused alike, and not accepted: it stands as before,
    and nothing is counted."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The vendor carried out the call."""

    external_id: str | None = None
    """The vendor's id from the answer; None where the answer has none. A contact takes
    its id only from the answer to a create or an upsert; in any other answer the id
    shows whether the right contact was meant."""
    dropped: tuple[Unsupported, ...] = ()
    """Changes that the answer does not show, or shows otherwise than they were sent."""
    receipt: str = ""
    """The vendor's name for a job that it will carry out later; empty where it is
    done."""
    was_gone: bool = field(default=False, compare=False)
    """True where a contact was to be deleted that the vendor did not have any more."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """This contact was refused, by the vendor or by our own check.

    That is definite: nothing of the call was carried out.
    """

    code: str
    message: str
    """Text for the person on call, free of field values: the engine cleans a vendor's
    text before it is stored."""
    status: int | None = None
    by_vendor: bool = True
    words: str = ""
    """The vendor's own words, cleaned like ``message``; empty where it has none."""
    fields: tuple[str, ...] = ()
    """The fields of the call that the vendor names as the reason, where it does."""


ADVICE = "; correct the row or the mapping"
"""End of the text of a vendor's refusal, as far as it is about a single contact."""


def rejected_other_id(asked: str, answered: str) -> Rejected:
    """Return the rejection of a contact whose call was answered with another id."""
    return Rejected(
        "other_id",
        f"the vendor answered a call about its contact {asked} with another one's id "
        f"({answered}). The id known here stays, and what became of the call is open: "
        "look at both contacts there; if they were merged, correct the row so that its "
        "match key finds the one that is left",
    )


@dataclass(frozen=True, slots=True)
class Exists:
    """A write that changed nothing: another contact has a value that only one may have.

    For a create it is the contact that it would have made. For an update it is one that
    is in the way, as of two contacts of ours that exchange their addresses.
    """

    remote: Remote


Answer = Applied | Rejected | Exists
"""Return type of ``Vendor.send``; everything else is raised (see
``errors.RequestFailed`` and ``errors.AccountStopped``)."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """The answer to one call of a request that carried several."""

    call: Call
    answer: Answer
