"""The YAML files as pydantic models.

The text under a key is what ``config/schema.json`` says of it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from syncengine.model.limits import REMEMBERED
from syncengine.model.mapping import Form, OnGone, OnInvalid, OnNull, OnRemoved, OnUnmap
from syncengine.vendors.kit.addresses import is_place
from syncengine.vendors.kit.settings import Duration, Written

Name = Annotated[str, Field(min_length=1)]


def _long_enough(seconds: float) -> float:
    if seconds < REMEMBERED:
        raise ValueError(
            f"must be {REMEMBERED / 86400:.0f}d or more: limits with long windows count "
            "the requests of past runs by their outcomes"
        )
    return seconds


def _a_second(seconds: float) -> float:
    if seconds < 1.0:
        raise ValueError("must be 1s or more")
    return seconds


def _database(url: str | None) -> str | None:
    if url and not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be a URL that begins with postgresql://")
    return url


def _state_database(url: str) -> str:
    if url != "embedded" and not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must be embedded, or a URL that begins with postgresql://")
    return url


def _country(region: str) -> str:
    if region not in SUPPORTED_REGIONS:
        raise ValueError(
            "must be a country's two capital letters by ISO 3166, such as DE, GB or US"
        )
    return region


def _proxy(url: str | None) -> str | None:
    if not url:
        return None
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        readable = (
            parts.scheme == "http"
            and is_place(place)
            and parts.port != 0
            and parts.path in ("", "/")
        )
    except ValueError:
        readable = False
    if not readable or "?" in url or "#" in url:
        raise ValueError(
            "must be the URL of an HTTP proxy, such as http://proxy.example.org:3128"
        )
    return url


@cache
def time_zones() -> frozenset[str]:
    """Return the names of the time zones there are, the same ones on every machine."""
    return frozenset(
        files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    )


def _time_zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError(
            "must be a time zone by its name, such as Europe/Berlin or UTC"
        )
    return name


_ABOVE_ZERO = Field(json_schema_extra={"above_zero": True})
_A_SECOND = Field(json_schema_extra={"at_least": 1})
Retention = Annotated[
    Duration,
    AfterValidator(_long_enough),
    Field(json_schema_extra={"at_least": REMEMBERED}),
]
"""Seconds that outcomes are kept."""


class SourceModel(Written):
    """Source of the contacts. A destination's own keys go before the common ones."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"database"})

    database: Annotated[
        str | None, AfterValidator(_database), WithJsonSchema({"format": "database"})
    ] = None
    """The URL of its database; empty: the one that keeps the state."""
    table: Name | None = None
    """A table or view, with its schema: ``crm.contacts``. This or ``query``."""
    query: Name | None = None
    """A SELECT of yours, run in a read-only transaction. This or ``table``."""
    key: Name | None = None
    """The column that tells contacts apart: unique and never NULL. Its text is the
    contact id."""

    @model_validator(mode="after")
    def _one(self) -> SourceModel:
        if self.table is not None and self.query is not None:
            raise ValueError("names both a table and a query: leave one of them out")
        return self


class EngineFile(Written):
    """``config/syncengine.yaml``: what all destinations share."""

    database: Annotated[
        Name,
        AfterValidator(_state_database),
        WithJsonSchema({"format": "state database"}),
    ] = "embedded"
    """Database of the state: a Postgres URL, or ``embedded``: a Postgres of its own, in
    ``.syncengine/`` beside this file."""
    source: SourceModel = SourceModel()
    """Source of the contacts; each destination may have another one."""
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Contacts a batch, the unit of progress and of ``retry RUN --batch N``."""
    database_wait: Duration = 60.0
    """Longest wait of a run, sending nothing, for a database that goes away under it (a
    restart, a full disk)."""
    lease_ttl: Annotated[Duration, AfterValidator(_a_second), _A_SECOND] = 30.0
    """Time for which the account of a dead run stays taken."""
    keep_outcomes: Retention = 90 * 86400.0
    """Time for which ``prune`` keeps runs with their batches and outcomes: 35d or
    longer."""


class FieldModel(Written):
    """Source of a vendor field's value; a column's name alone will do."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"default"})

    column: Name = Field(alias="from")
    """The source column."""
    form: Form | None = Field(default=None, alias="as")
    """The normal form its value is brought into."""
    region: (
        Annotated[str, AfterValidator(_country), WithJsonSchema({"format": "country"})]
        | None
    ) = None
    """With ``as: e164``: the country of phone numbers without a prefix, such as ``DE``.
    """
    default: Any = None
    """The value where the column is NULL or the empty string."""
    on_invalid: OnInvalid = OnInvalid.REJECT
    """A value that is not in the form rejects its contact, or leaves (``skip``) the
    vendor's field alone, which is reported."""
    zone: (
        Annotated[str, AfterValidator(_time_zone), WithJsonSchema({"format": "zone"})]
        | None
    ) = None
    """With ``as: date``: the time zone whose calendar a moment's date is taken from,
    such as ``Europe/Berlin``; without: UTC."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str) else value


class MembersModel(Written):
    """A managed set: one array column, or a boolean column for each member."""

    column: Name | None = Field(default=None, alias="from")
    """A ``text[]`` column. This or ``columns``."""
    columns: dict[Name, Name] = Field(default={})
    """Member to boolean column. This or ``from``."""
    prefix: str = ""
    """Prefix of every member's name, which distinguishes ours from others at the
    vendor."""

    @model_validator(mode="after")
    def _one(self) -> MembersModel:
        if (self.column is None) == (not self.columns):
            raise ValueError(
                "needs one of: from (an array column), or columns (a boolean column for each name)"
            )
        return self


class LimitModel(Written):
    """At most so many requests in any window of so long."""

    calls: Annotated[int, Field(ge=1)]
    """Requests a window."""
    per: Annotated[Duration, Field(gt=0), _ABOVE_ZERO]
    """The window's length."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    """Only requests of this method count; without: all do."""


class RemovalsBrake(Written):
    """Limit to the contacts that may leave in one run before a person has to look."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """So few removals never stop a run."""


class ShrunkSourceBrake(Written):
    """Limit to how much smaller than the known contacts a source may be."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """So few never stop a run."""


class CreatesBrake(Written):
    """Limit to the contacts that one run may create.

    It applies where some are known already: the first run may create any number.
    """

    share: Annotated[float, Field(ge=0)] = 0.5
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 100
    """So few never stop a run."""


class NullsBrake(Written):
    """Limit to the contacts that may lose a field's value in one run.

    They lose it because its column is empty now.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the contacts that have a value in the field."""
    at_least: Annotated[int, Field(ge=1)] = 50
    """So few never stop a run."""


class ListsBrake(Written):
    """Limit to the contacts that may join or leave one list in one run.

    New contacts do not count.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 50
    """So few never stop a run."""


class TagsBrake(Written):
    """Limit to the contacts that one tag may be added to or removed from in one run.

    New contacts do not count.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 50
    """So few never stop a run."""


class GoneBrake(Written):
    """Limit to the contacts that one run may create again.

    They were deleted at the vendor by somebody else, and ``on_gone`` is ``recreate``.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the contacts that the vendor held."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """So few are always created again."""


class RepairBrake(Written):
    """Limit to the contacts that ``verify --repair`` may have written to."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the contacts that were compared."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """So few never stop a repair."""


class RewritesBrake(Written):
    """Limit to the contacts that may become another person in one run.

    Most of their fields would change at once, or phone and e-mail address. Fields that
    are mapped in another way since do not count.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """So few never stop a run."""


class BrakesModel(Written):
    """Brakes: they stop a run before its first request.

    ``--accept NAME`` lets one run pass.
    """

    removals: RemovalsBrake = RemovalsBrake()
    """More contacts would be untagged or deleted than this."""
    shrunk_source: ShrunkSourceBrake = ShrunkSourceBrake()
    """The source has so many rows fewer than there are known contacts."""
    creates: CreatesBrake = CreatesBrake()
    """More contacts would be created than this."""
    nulls: NullsBrake = NullsBrake()
    """A field would be emptied at more contacts than this."""
    tags: TagsBrake = TagsBrake()
    """A tag would come or go at more contacts than this."""
    lists: ListsBrake = ListsBrake()
    """A list would be joined or left by more contacts than this."""
    rewrites: RewritesBrake = RewritesBrake()
    """More contacts would become another person than this."""
    gone: GoneBrake = GoneBrake()
    """More contacts that were deleted at the vendor would be created again than this.
    It stops only that: the rest of the run is carried out."""
    repair: RepairBrake = RepairBrake()
    """``verify --repair`` would have more contacts written to than this."""


class DestinationFile(Written):
    """``config/destinations/NAME.yaml``: one mapping into one account."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"proxy"})

    vendor: Name
    """The kind of API."""
    settings: dict[str, Any]
    """The vendor's own settings."""
    account: (
        Annotated[
            str, Field(pattern="^[a-z0-9_-]+$"), WithJsonSchema({"format": "account"})
        ]
        | None
    ) = None
    """The same word in every file that shares credentials: they share limits, lease and
    match keys. Without it, the destination is alone in its account."""
    source: SourceModel = SourceModel()
    """Keys in which it differs from the common source."""
    where: Annotated[Name, WithJsonSchema({"format": "condition"})] | None = None
    """SQL condition of the rows. A contact that does not match counts as removed."""
    opted_out: Name | None = None
    """A boolean column: where it is true, nothing at all is sent about the contact, not
    even its removal."""
    match_on: tuple[Name, ...] = ()
    """Mapped fields the vendor recognises a contact by, tried in order."""
    fields: dict[Name, FieldModel]
    """Vendor field to source column. Nested vendor fields are dotted."""
    tags: MembersModel | None = None
    """Source of the tags. Tags that syncengine did not set are never removed."""
    lists: MembersModel | None = None
    """Source of the lists that a contact is on, where the vendor has lists."""
    limits: tuple[LimitModel, ...] | None = None
    """The account's limits; without: the vendor's own. An empty list means none."""
    tight: bool = False
    """For windows of a few seconds: count on the shortest round trip seen, to use a
    little more of the limit."""
    find_first: bool = True
    """Look a new contact up before it is created. ``false`` only where the account is
    known to be empty."""
    in_flight: Annotated[int, Field(ge=1, le=500)] = 8
    """Requests under way at once."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 4
    """Tries of one request before its contact is deferred."""
    max_wait: Duration = 120.0
    """The longest wait a vendor may ask for (Retry-After); beyond it the run ends, and
    the next one goes on."""
    timeout: Annotated[Duration, Field(gt=0), _ABOVE_ZERO] = 30.0
    """Longest time that one request may take."""
    on_removed: OnRemoved = OnRemoved.IGNORE
    """Policy for the copy of a contact that left the source."""
    on_gone: OnGone = OnGone.REPORT
    """Policy for a contact that somebody deleted at the vendor. It is looked up by its
    match keys first, and linked where it is found; else it is left alone and reported
    (report), or created again at the end of the run (recreate)."""
    on_unmap: OnUnmap = OnUnmap.LEAVE
    """What happens at the vendor to tags, lists and fields that are not mapped any
    more: nothing, or what is known to be ours is removed, as far as the vendor can."""
    on_null: OnNull = OnNull.SKIP
    """A column without a value leaves the vendor's field alone (skip), or clears it."""
    brakes: BrakesModel = BrakesModel()
    """Brakes that stop a run before its first request."""
    proxy: Annotated[
        str | None, AfterValidator(_proxy), WithJsonSchema({"format": "proxy"})
    ] = None
    """The HTTP proxy that requests go through, such as
    ``http://proxy.example.org:3128``; empty: none. The variables ``HTTPS_PROXY`` and
    ``HTTP_PROXY`` are not used by themselves: write ``${HTTPS_PROXY:-}`` here."""
    allow_http: bool = False
    """Send keys and contacts unencrypted to a host that is not this machine."""
