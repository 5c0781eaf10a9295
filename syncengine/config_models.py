"""The YAML files as pydantic models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from syncengine.model.mapping import Form, OnNull, OnRemoved
from syncengine.vendors.kit import Duration

Name = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SourceModel(_Model):
    """Where contacts are read from."""

    database: str | None = None
    table: Name | None = None
    query: Name | None = None
    key: Name | None = None


class EngineFile(_Model):
    """``config/syncengine.yaml``."""

    database: Name = "embedded"
    source: SourceModel = SourceModel()
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    lease_ttl: Annotated[Duration, Field(ge=1.0)] = 30.0


class FieldModel(_Model):
    """One vendor field; the short form is just the column's name."""

    column: Name = Field(alias="from")
    form: Form | None = Field(default=None, alias="as")
    region: Annotated[str, Field(pattern="^[A-Z]{2}$")] | None = None
    default: Any = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"from": value} if isinstance(value, str) else value


class MembersModel(_Model):
    """A managed set (tags, lists): one array column, or boolean columns."""

    column: Name | None = Field(default=None, alias="from")
    columns: dict[Name, Name] = {}
    prefix: str = ""

    @model_validator(mode="after")
    def _one(self) -> MembersModel:
        if (self.column is None) == (not self.columns):
            raise ValueError("needs either from (an array column) or columns (a boolean column for each member)")
        return self


class LimitModel(_Model):
    """At most so many requests in any window."""

    calls: Annotated[int, Field(ge=1)]
    per: Annotated[Duration, Field(gt=0)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] | None = None


class RemovalsBrake(_Model):
    share: Annotated[float, Field(ge=0, le=1)] = 0.05
    at_least: Annotated[int, Field(ge=1)] = 10


class BrakesModel(_Model):
    removals: RemovalsBrake = RemovalsBrake()


class DestinationFile(_Model):
    """``config/destinations/NAME.yaml``; ``settings`` is the vendor's own."""

    vendor: Name
    settings: dict[str, Any]
    account: Annotated[str, Field(pattern="^[a-z0-9_-]+$")] | None = None
    source: SourceModel = SourceModel()
    where: Name | None = None
    match_on: tuple[Name, ...] = ()
    fields: dict[Name, FieldModel]
    tags: MembersModel | None = None
    lists: MembersModel | None = None
    limits: tuple[LimitModel, ...] | None = None
    find_first: bool = True
    in_flight: Annotated[int, Field(ge=1, le=500)] = 8
    attempts: Annotated[int, Field(ge=1, le=20)] = 4
    max_wait: Duration = 120.0
    timeout: Annotated[Duration, Field(gt=0)] = 30.0
    on_removed: OnRemoved = OnRemoved.IGNORE
    on_null: OnNull = OnNull.SKIP
    brakes: BrakesModel = BrakesModel()
    allow_http: bool = False
