"""The YAML files as pydantic models.

The text under a key is what ``config/schema.json`` says of it, and what an editor
shows: it is written for people who write such a file.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from syncengine.model.alerts import AlertKind
from syncengine.model.limits import REMEMBERED
from syncengine.model.mapping import Form, OnGone, OnInvalid, OnNull, OnRemoved, OnUnmap
from syncengine.vendors.kit.addresses import is_place
from syncengine.vendors.kit.settings import Duration, Secret, Written

Name = Annotated[str, Field(min_length=1)]
"""A text that is not empty."""

# Validators: each takes a value of the right type and returns it, or raises ValueError
# with the end of a message that begins with the key.
# ``WithJsonSchema({"format": ...})`` beside one names the schema of what people may
# write there (see ``config.schema``).


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


def _is_postgres_url(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


def _database(url: str | None) -> str | None:
    if url and not _is_postgres_url(url):
        raise ValueError("must be a URL that begins with postgresql://")
    return url


def _state_database(url: str) -> str:
    if url != "embedded" and not _is_postgres_url(url):
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
    if not _is_proxy_url(url):
        raise ValueError(
            "must be the URL of an HTTP proxy, such as http://proxy.example.org:3128"
        )
    return url


def _is_proxy_url(url: str) -> bool:
    if "?" in url or "#" in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    place = parts.netloc.rpartition("@")[2]  # a proxy may want a user and a password
    has_no_path = parts.path in ("", "/")
    return parts.scheme == "http" and is_place(place) and port != 0 and has_no_path


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


# Bounds of durations, as ``config.schema`` reads them.
_ABOVE_ZERO = Field(json_schema_extra={"above_zero": True})
_A_SECOND = Field(json_schema_extra={"at_least": 1})
Retention = Annotated[
    Duration,
    AfterValidator(_long_enough),
    Field(json_schema_extra={"at_least": REMEMBERED}),
]
"""Seconds that outcomes are kept."""


class SourceModel(Written):
    """The Postgres table, view or query in which the contacts are.

    What a destination's file says goes before what syncengine.yaml says.
    """

    EMPTY: ClassVar[frozenset[str]] = frozenset({"database"})

    database: Annotated[
        str | None, AfterValidator(_database), WithJsonSchema({"format": "database"})
    ] = None
    """URL of the database that holds it. Empty means the database that keeps the
    state."""
    table: Name | None = None
    """A table or view, with its schema, such as ``crm.contacts``. Give this or
    ``query``."""
    query: Name | None = None
    """A SELECT statement, run in a read-only transaction. Give this or ``table``."""
    key: Name | None = None
    """The column that tells contacts apart: unique and never NULL. Its value as text
    is the contact id."""

    @model_validator(mode="after")
    def _one(self) -> SourceModel:
        if self.table is not None and self.query is not None:
            raise ValueError("names both a table and a query: leave one of them out")
        return self


def _known_kind(kind: AlertKind) -> AlertKind:
    if not kind.is_known:
        *names, last = [f"'{each.value}'" for each in AlertKind]
        raise ValueError(f"must be {', '.join(names)} or {last}")
    return kind


class AlertTargetModel(Written):
    """A place that alerts are sent to."""

    webhook: Secret | None = None
    """Address that gets each alert as a POST of a JSON object, whose ``text`` is what
    chat tools show. As ``${NAME}``: such addresses are secrets. Give this or
    ``apprise``."""
    apprise: Secret | None = None
    """URL of a service that the package apprise knows (mail, Telegram, Matrix and a
    hundred more), as ``${NAME}``. Give this or ``webhook``."""
    on: tuple[Annotated[AlertKind, AfterValidator(_known_kind)], ...] = tuple(AlertKind)
    """Kinds of alerts to send here. Default: all."""
    destinations: tuple[Name, ...] = ()
    """Send only alerts about these destinations. Default: all."""

    @model_validator(mode="after")
    def _one(self) -> AlertTargetModel:
        if (self.webhook is None) == (self.apprise is None):
            raise ValueError("needs one of: webhook, or apprise")
        return self


class AlertsModel(Written):
    """Messages about destinations that need somebody, one for each change."""

    to: dict[Name, AlertTargetModel] = Field(default={})
    """Name of each target, for messages, to where it is."""
    standing: Annotated[int, Field(ge=1)] = 100
    """So many contacts more than before may be left alone, out of step, without an
    alert."""
    stale: Annotated[Duration, AfterValidator(_a_second), _A_SECOND] | None = None
    """Alert where no whole run was done for so long, such as ``26h``. Default: never."""


class EngineFile(Written):
    """``config/syncengine.yaml``: what all destinations share."""

    database: Annotated[
        Name,
        AfterValidator(_state_database),
        WithJsonSchema({"format": "state database"}),
    ] = "embedded"
    """Database that keeps the state (what every vendor is known to hold): a Postgres
    URL, or ``embedded`` for a Postgres of its own in ``.syncengine/`` beside this
    file."""
    source: SourceModel = SourceModel()
    """Where the contacts are; each destination may name another place."""
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Number of contacts in a batch. A batch is the unit of progress, and of ``retry
    RUN --batch N``."""
    database_wait: Duration = 60.0
    """How long a run waits for a database that becomes unreachable (a restart, a full
    disk). It sends nothing meanwhile."""
    lease_ttl: Annotated[Duration, AfterValidator(_a_second), _A_SECOND] = 30.0
    """How long an account stays reserved for a run that was killed. Then another run
    may begin."""
    alerts: AlertsModel = AlertsModel()
    """Who is told when a destination needs somebody."""
    keep_outcomes: Retention = 90 * 86400.0
    """How long ``prune`` keeps runs with their batches and outcomes: 35d or longer."""
    keep_changes: Duration = 30 * 86400.0
    """How long what each run changed at each contact is kept, with the values before
    and after. Each run deletes what is older, and so does ``prune``. ``0`` keeps
    none."""


class FieldModel(Written):
    """Origin of a vendor field's value. A column's name alone will do."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"default"})

    column: Name = Field(alias="from")
    """The source column."""
    form: Form | None = Field(default=None, alias="as")
    """The form into which each value is brought before it is compared and sent."""
    region: (
        Annotated[str, AfterValidator(_country), WithJsonSchema({"format": "country"})]
        | None
    ) = None
    """With ``as: e164``: the country of phone numbers that have no country code, such
    as ``DE``."""
    default: Any = None
    """The value to send where the column is NULL or the empty string."""
    on_invalid: OnInvalid = OnInvalid.REJECT
    """What a value does that cannot be brought into the form: its contact is rejected
    (``reject``), or only this field is left alone and that is reported (``skip``)."""
    zone: (
        Annotated[str, AfterValidator(_time_zone), WithJsonSchema({"format": "zone"})]
        | None
    ) = None
    """With ``as: date``: the time zone in which a timestamp's date is taken, such as
    ``Europe/Berlin``. Default: UTC."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        # ``email: mail`` is short for ``email: {from: mail}``.
        return {"from": value} if isinstance(value, str) else value


class MembersModel(Written):
    """Tags or lists: one array column, or a boolean column for each of them."""

    column: Name | None = Field(default=None, alias="from")
    """A ``text[]`` column that holds their names. Give this or ``columns``."""
    columns: dict[Name, Name] = Field(default={})
    """Name of each tag or list to the boolean column that says whether a contact has
    it. Give this or ``from``."""
    prefix: str = ""
    """Put before every name, so that they can be told from others at the vendor."""

    @model_validator(mode="after")
    def _one(self) -> MembersModel:
        has_array = self.column is not None
        has_flags = bool(self.columns)
        if has_array == has_flags:
            raise ValueError(
                "needs one of: from (an array column), or columns "
                "(a boolean column for each name)"
            )
        return self


class LimitModel(Written):
    """A limit: at most so many requests, or contacts, in any period of one length."""

    calls: Annotated[int | None, Field(ge=1)] = None
    """Number of requests. Give this or ``items``."""
    items: Annotated[int | None, Field(ge=1)] = None
    """Number of contacts that requests carry: some vendors count these. A request with
    many contacts counts as many. Give this or ``calls``."""
    per: Annotated[Duration, Field(gt=0), _ABOVE_ZERO]
    """Length of the period."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None
    """Count only requests with this HTTP method. Default: all requests."""

    @model_validator(mode="after")
    def _one(self) -> LimitModel:
        if (self.calls is None) == (self.items is None):
            raise ValueError(
                "needs one of: calls (a number of requests), or items (a number of "
                "contacts in requests)"
            )
        return self


class RemovalsBrake(Written):
    """Limit to the contacts that one run may untag or delete.

    They are those that left the source.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """Fewer removals than this never stop a run."""


class ShrunkSourceBrake(Written):
    """Limit to how many rows fewer than known contacts a source may have."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """Fewer than this never stop a run."""


class CreatesBrake(Written):
    """Limit to the contacts that one run may create.

    It applies where contacts are known already: a first run may create any number.
    """

    share: Annotated[float, Field(ge=0)] = 0.5
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 100
    """Fewer than this never stop a run."""


class NullsBrake(Written):
    """Limit to the contacts at which one run may clear a field.

    It would clear it because the column is empty now.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.2
    """Share of the contacts that have a value in the field."""
    at_least: Annotated[int, Field(ge=1)] = 50
    """Fewer than this never stop a run."""


class ListsBrake(Written):
    """Limit to the contacts that may join or leave one list in one run.

    New contacts do not count.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 50
    """Fewer than this never stop a run."""


class TagsBrake(Written):
    """Limit to the contacts that one tag may be added to or removed from in one run.

    New contacts do not count.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 50
    """Fewer than this never stop a run."""


class GoneBrake(Written):
    """Limit to the contacts that one run may create again with ``on_gone: recreate``.

    They were deleted at the vendor by somebody else.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of the contacts that the vendor held."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """Fewer than this are always created again."""


class RepairBrake(Written):
    """Limit to the contacts that ``verify --repair`` may have written to."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the contacts that were compared."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """Fewer than this never stop a repair."""


class RewritesBrake(Written):
    """Limit to the contacts that seem to become another person in one run.

    Most of their fields would change at once, or both phone and e-mail address. Fields
    whose mapping changed do not count.
    """

    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the known contacts."""
    at_least: Annotated[int, Field(ge=1)] = 10
    """Fewer than this never stop a run."""


class BrakesModel(Written):
    """Brakes: a run that would change more than they allow sends nothing at all.

    ``syncengine run --accept NAME`` lets one run pass.
    """

    removals: RemovalsBrake = RemovalsBrake()
    """Contacts that left the source and would be untagged or deleted."""
    shrunk_source: ShrunkSourceBrake = ShrunkSourceBrake()
    """Rows that the source has fewer than there are known contacts."""
    creates: CreatesBrake = CreatesBrake()
    """Contacts that would be created."""
    nulls: NullsBrake = NullsBrake()
    """Contacts at which one field would be cleared."""
    tags: TagsBrake = TagsBrake()
    """Contacts at which one tag would be added, or removed."""
    lists: ListsBrake = ListsBrake()
    """Contacts that would join one list, or leave it."""
    rewrites: RewritesBrake = RewritesBrake()
    """Contacts that would seem to become another person."""
    gone: GoneBrake = GoneBrake()
    """Contacts deleted at the vendor that would be created again. This brake stops
    only that: the rest of the run is carried out."""
    repair: RepairBrake = RepairBrake()
    """Contacts that ``verify --repair`` would have written to."""


class DestinationFile(Written):
    """``config/destinations/NAME.yaml``: one mapping into one account."""

    EMPTY: ClassVar[frozenset[str]] = frozenset({"proxy"})

    vendor: Name
    """The vendor's name: which API the contacts are sent to."""
    settings: dict[str, Any]
    """The vendor's own settings: ``base_url``, the key or token as ``${NAME}``, and
    what else it needs."""
    account: (
        Annotated[
            str, Field(pattern="^[a-z0-9_-]+$"), WithJsonSchema({"format": "account"})
        ]
        | None
    ) = None
    """Name of the vendor's account. Write the same name into every file that uses the
    same credentials: they share the vendor's limits, and no two of them send at once.
    Default: the file's name."""
    source: SourceModel = SourceModel()
    """Where this destination's contacts are, as far as that differs from
    syncengine.yaml."""
    where: Annotated[Name, WithJsonSchema({"format": "condition"})] | None = None
    """SQL condition: only rows that meet it are sent. A contact whose row no longer
    meets it counts as removed."""
    opted_out: Name | None = None
    """A boolean column. Where it is true, nothing is sent about the contact, not even
    its removal."""
    match_on: tuple[Name, ...] = ()
    """Fields by which a contact is found at the vendor, tried in this order. Each has
    to be a key of ``fields``."""
    fields: dict[Name, FieldModel]
    """Field at the vendor to source column. Nested fields are written with dots."""
    tags: MembersModel | None = None
    """Where the tags come from. Tags that syncengine did not set are never removed."""
    lists: MembersModel | None = None
    """Where the lists come from that a contact is on, if the vendor has lists."""
    limits: tuple[LimitModel, ...] | None = None
    """The account's limits. Default: the vendor's own. An empty list means none."""
    tight: bool = False
    """Use a little more of limits of a few seconds, by relying on the shortest round
    trip seen."""
    find_first: bool = True
    """Look a new contact up at the vendor before it is created. Write ``false`` only
    where the account is known to be empty."""
    in_flight: Annotated[int, Field(ge=1, le=500)] = 8
    """Number of requests under way at once."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 4
    """How often one request is tried before its contact is deferred to the next run."""
    max_wait: Duration = 120.0
    """The longest wait a vendor may ask for (Retry-After). If it asks for more, the run
    ends, and the next one goes on."""
    timeout: Annotated[Duration, Field(gt=0), _ABOVE_ZERO] = 30.0
    """The longest time that one request may take."""
    on_removed: OnRemoved = OnRemoved.IGNORE
    """What is done at the vendor with a contact that left the source: nothing
    (``ignore``), its tags and lists are taken away (``untag``), or it is deleted
    (``delete``)."""
    on_gone: OnGone = OnGone.REPORT
    """What is done with a contact that somebody deleted at the vendor. It is looked up
    by its match keys, and linked if it is found. Otherwise it is left alone and
    reported (``report``), or created again at the end of the run (``recreate``)."""
    on_unmap: OnUnmap = OnUnmap.LEAVE
    """What is done at the vendor with tags, lists and fields that this file no longer
    maps: nothing (``leave``), or what syncengine set is removed, as far as the vendor
    can (``remove``)."""
    on_null: OnNull = OnNull.SKIP
    """What a column without a value does: the vendor's field is left alone (``skip``),
    or cleared (``clear``)."""
    brakes: BrakesModel = BrakesModel()
    """How much one run may change. A run that would change more sends nothing."""
    proxy: Annotated[
        str | None, AfterValidator(_proxy), WithJsonSchema({"format": "proxy"})
    ] = None
    """The HTTP proxy that requests go through, such as
    ``http://proxy.example.org:3128``. Empty means none. The environment's
    ``HTTPS_PROXY`` and ``HTTP_PROXY`` are not used by themselves: write
    ``${HTTPS_PROXY:-}`` here."""
    allow_http: bool = False
    """Allow an ``http://`` address of another machine, to which keys and contacts are
    sent unencrypted."""
