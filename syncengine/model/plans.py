"""The report of ``plan``: what a run would send, why, and how long that would take.

Nothing in it is personal, except where single contacts are asked for: names of fields
and tags are counted, values are not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from syncengine.errors import SyncEngineError
from syncengine.model.desk import iso
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.model.plan_sample import SampledContact
from syncengine.model.progress import public_limit, public_limit_or_none
from syncengine.model.public import public_or_none
from syncengine.model.reports import RunStatus, error_of, public_standing
from syncengine.model.work import Standing


@dataclass(frozen=True, slots=True)
class CauseCount:
    """Number of contacts that are worked on for one cause."""

    cause: str
    field: str
    """The vendor field whose mapping changed; empty for other causes."""
    contacts: int
    in_words: str

    def public(self) -> dict[str, Json]:
        """Return the object that ``plan --json`` prints."""
        named: dict[str, Json] = {"field": self.field} if self.field else {}
        return {"cause": self.cause, **named, "contacts": self.contacts}


@dataclass(frozen=True, slots=True)
class QuotaShortage:
    """A limit with a long window that is used up before all requests are sent."""

    limit: Limit
    left: int
    """Requests that may be sent now."""
    beyond: int
    """Requests that have to wait."""

    def public(self) -> dict[str, Json]:
        """Return the object that ``plan --json`` prints."""
        return {**public_limit(self.limit), "left": self.left, "beyond": self.beyond}


MOST_TAGS = 20
"""Number of tags, and of lists, that a report names; the most frequent ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """Difference to an earlier configuration: what the present one alone would send."""

    is_new_destination: bool
    """True where the earlier configuration has no such destination."""
    contacts: int
    """Contacts about which the earlier one would send nothing."""
    contacts_more: int
    """Contacts about which it would send less, or something else."""
    contacts_no_longer: int
    """Contacts about which only the earlier one would send something."""
    requests: int
    """Requests more than under the earlier one; negative: fewer."""
    fields: Mapping[str, Mapping[str, int]]
    """As in ``PlanReport``, of what only the present one would send."""
    tags: Mapping[str, Mapping[str, int]]
    tags_left_out: int
    refused_by: str | None
    """Refusal of the run under the present configuration alone."""
    refused_before: str | None
    """Refusal of it under the earlier one, whose plan is not whole then.
    """

    def public(self) -> dict[str, Json]:
        """Return the object ``since_config`` of ``plan --json``."""
        return {
            "new_destination": self.is_new_destination,
            "contacts": self.contacts,
            "contacts_more": self.contacts_more,
            "contacts_no_longer": self.contacts_no_longer,
            "requests": self.requests,
            "fields": {name: dict(each) for name, each in self.fields.items()},
            "tags": {name: dict(each) for name, each in self.tags.items()},
            "tags_left_out": self.tags_left_out,
            "refused_by": self.refused_by,
            "refused_before": self.refused_before,
        }


@dataclass(frozen=True, slots=True)
class PlanReport:
    """Forecast of a run for one destination."""

    destination: str
    contacts: int
    actions: Mapping[str, int]
    unsupported: int
    rejected: Mapping[str, int]
    look_ups: int
    """Requests of the look-ups where no contact is found."""
    requests: int
    """All requests where no contact is found, those of look-ups among them."""
    seconds: float
    """Seconds that the requests take under the limits."""
    requests_least: int = 0
    """Requests if every looked-up contact is there and in step."""
    requests_most: int = 0
    """Requests if every looked-up contact is there with other values, or belongs to
    another contact."""
    seconds_least: float = 0.0
    seconds_most: float = 0.0
    invalid: Mapping[str, int] = field(default_factory=dict)
    """Rejected contacts with an invalid value, by column, field and what is wrong."""
    suppressed: Mapping[str, int] = field(default_factory=dict)
    """Contacts about which nothing is sent, by reason: ``suppressed``, ``forgotten`` or
    ``opted_out``."""
    standing: Mapping[Standing, int] = field(default_factory=dict)
    """Contacts that are not in step and not tried any more, once the run is through."""
    standing_codes: Mapping[Standing, Mapping[str, int]] = field(default_factory=dict)
    """Contacts that stand before the run, by reason and code, where they have one."""
    causes: tuple[CauseCount, ...] = ()
    """Number of contacts by cause; one contact may have several causes."""
    why: Mapping[str, int] = field(default_factory=dict)
    """The contacts that something is sent or looked up about, each under one reason."""
    fields: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By field of the vendor, and list (``lists.ID``): the contacts at which it would
    be ``set``, ``changed`` and ``cleared`` where look-ups find no contact."""
    tags: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By tag: the contacts at which it would be ``added`` and ``removed``. The most
    frequent ones."""
    tags_left_out: int = 0
    """Number of tags and lists that are not named, because they are less frequent."""
    limit: Limit | None = None
    """The limit that decides how long the requests take; None where none does."""
    starts_at: datetime | None = None
    """Moment from which the times are counted: now, or once the account's destinations
    before this one are through."""
    shortages: tuple[QuotaShortage, ...] = ()
    """Limits with long windows that do not suffice for the requests: the run halts once
    they are used up, and later ones go on."""
    unsupported_codes: Mapping[str, int] = field(default_factory=dict)
    """The unsupported contacts by the kind of change; one may have several."""
    probes: int = 0
    """Contacts that the run would try as probes. Their requests are counted as if the
    vendor refused them as before."""
    sample: tuple[SampledContact, ...] = ()
    """Single contacts with their values, where they were asked for."""
    since_config: ConfigChange | None = None
    """Difference to an earlier configuration, where that was asked for."""
    remarks: tuple[str, ...] = ()
    """Remarks for a person."""
    brake: str | None = None
    brake_name: str | None = None
    """Name that lets it pass: ``--accept NAME``."""
    error: str | None = None
    cause: SyncEngineError | None = field(default=None, repr=False, compare=False)
    """The error that would refuse the run, where one would."""

    @property
    def ok(self) -> bool:
        """Return whether nothing would refuse the run."""
        return self.brake is None and self.error is None

    def raise_for_status(self) -> None:
        """Raise the error that would refuse the run, such as BrakeApplied."""
        if not self.ok:
            message = self.brake or self.error or ""
            raise error_of(self, RunStatus.REFUSED, message, self.cause)

    def ends_at(self, seconds: float) -> datetime | None:
        """Return when a run that takes so many seconds ends, if it is started now."""
        if self.starts_at is None:
            return None
        return self.starts_at + timedelta(seconds=seconds)

    def _public_end(self, seconds: float) -> str | None:
        return iso(self.ends_at(seconds))

    def public(self) -> dict[str, Json]:
        """Return the object that ``plan --json`` prints."""
        return {
            "destination": self.destination,
            "contacts": self.contacts,
            "actions": dict(self.actions),
            "unsupported": self.unsupported,
            "unsupported_codes": dict(self.unsupported_codes),
            "rejected": dict(self.rejected),
            "invalid": dict(self.invalid),
            "suppressed": dict(self.suppressed),
            "causes": [each.public() for each in self.causes],
            "why": dict(self.why),
            "fields": {name: dict(each) for name, each in self.fields.items()},
            "tags": {name: dict(each) for name, each in self.tags.items()},
            "tags_left_out": self.tags_left_out,
            "standing": public_standing(self.standing),
            "standing_codes": {
                reason.value: dict(codes)
                for reason, codes in sorted(self.standing_codes.items())
            },
            "look_ups": self.look_ups,
            "requests": self.requests,
            "requests_least": self.requests_least,
            "requests_most": self.requests_most,
            "probes": self.probes,
            "seconds": round(self.seconds, 1),
            "seconds_least": round(self.seconds_least, 1),
            "seconds_most": round(self.seconds_most, 1),
            "limit": public_limit_or_none(self.limit),
            "ends_at": self._public_end(self.seconds),
            "ends_at_earliest": self._public_end(self.seconds_least),
            "ends_at_latest": self._public_end(self.seconds_most),
            "quotas": [each.public() for each in self.shortages],
            "sample": [each.public() for each in self.sample],
            "since_config": public_or_none(self.since_config),
            "brake": self.brake,
            "brake_name": self.brake_name,
            "error": self.error,
        }
