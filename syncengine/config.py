"""The configuration: files in, one checked object out; every problem at once, each with file and key path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, ValidationError

from syncengine import vendors
from syncengine.config_models import DestinationFile, EngineFile, MembersModel, SourceModel
from syncengine.config_yaml import fill_in, is_variable, read_yaml
from syncengine.errors import ConfigError, Problem
from syncengine.model.capabilities import matches
from syncengine.model.contact import LISTS
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.model.mapping import FieldMapping, Form, SetMapping
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.ports import Vendor

_Model = TypeVar("_Model", bound=BaseModel)
_LOOPBACK = {"localhost", "::1"}


@dataclass(frozen=True, slots=True)
class DestinationConfig:
    """One destination, checked and ready to be used."""

    name: str
    file: Path
    account: str
    vendor: Vendor
    version: int
    base_url: str
    identity: Mapping[str, Json]
    limits: tuple[Limit, ...]
    mapping: ContactMapping
    options: DestinationFile = field(repr=False)
    source: SourceModel = field(repr=False)
    """Its own source settings over the common ones."""
    secrets: frozenset[str] = field(repr=False)

    def place(self, key: str) -> str:
        """A key of its file, for messages."""
        return f"{self.file}: {key}"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything in the configuration's folder."""

    file: Path
    engine: EngineFile = field(repr=False)
    destinations: tuple[DestinationConfig, ...]

    @property
    def secrets(self) -> frozenset[str]:
        """Values that must never be printed."""
        return frozenset().union(*(destination.secrets for destination in self.destinations))

    def chosen(self, names: tuple[str, ...]) -> tuple[DestinationConfig, ...]:
        """The destinations of these names, or all. Raises ConfigError for a name there is none of."""
        known = {destination.name: destination for destination in self.destinations}
        problems = [
            Problem("--destination", f'there is no destination "{name}"{_near(name, list(known))}')
            for name in names
            if name not in known
        ]
        if problems:
            raise ConfigError(problems)
        return tuple(known[name] for name in dict.fromkeys(names)) or self.destinations


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read ``syncengine.yaml`` and the destinations beside it. Raises ConfigError with every problem found."""
    if not path.exists():
        raise ConfigError([Problem(str(path), "there is no such file; name another with --config")])
    problems: list[Problem] = []
    engine = _checked(EngineFile, fill_in(read_yaml(path), environ, str(path), problems), str(path), problems)
    files = sorted((path.parent / "destinations").glob("*.yaml"))
    if not files:
        problems.append(Problem(str(path.parent / "destinations"), "holds no destination (a file NAME.yaml)"))
    found = [_destination(file, environ, engine or EngineFile(), problems) for file in files]
    destinations = tuple(destination for destination in found if destination)
    problems += _shared_credentials(destinations)
    if problems or engine is None:
        raise ConfigError(problems)
    return Config(path, engine, destinations)


def _destination(
    file: Path, environ: Mapping[str, str], engine: EngineFile, problems: list[Problem]
) -> DestinationConfig | None:
    before = len(problems)
    where = str(file)
    if not re.fullmatch(r"[a-z0-9_-]+", file.stem):
        problems.append(Problem(where, "a destination's name may hold a-z, 0-9, _ and - only"))
    try:
        raw = read_yaml(file)
    except ConfigError as error:
        problems += error.problems
        return None
    options = _checked(DestinationFile, fill_in(raw, environ, where, problems), where, problems)
    if options is None:
        return None
    try:
        module = vendors.load(options.vendor)
    except LookupError as error:
        problems.append(Problem(f"{where}: vendor", f"{error}{_near(options.vendor, list(vendors.names()))}"))
        return None
    raw_settings = raw.get("settings")
    problems += _literal_secrets(module.settings, raw_settings if isinstance(raw_settings, dict) else {}, where)
    settings = _checked(module.settings, options.settings, where, problems, "settings.")
    if settings is None or len(problems) > before:
        return None
    vendor = module.build(settings)
    source = SourceModel.model_validate({**engine.source.model_dump(exclude_none=True), **_own_source(options.source)})
    problems += _mistakes(options, source, vendor, settings.base_url, where)
    if len(problems) > before:
        return None
    own_limits = options.limits
    return DestinationConfig(
        name=file.stem,
        file=file,
        account=options.account or file.stem,
        vendor=vendor,
        version=module.version,
        base_url=settings.base_url,
        identity={name: getattr(settings, name) for name in module.identity if name != "base_url"},
        limits=module.limits
        if own_limits is None
        else tuple(Limit(limit.calls, limit.per, limit.method) for limit in own_limits),
        mapping=_mapping(options),
        options=options,
        source=source,
        secrets=frozenset(
            value.get_secret_value()
            for value in (getattr(settings, name) for name in type(settings).model_fields)
            if isinstance(value, SecretStr)
        ),
    )


def _own_source(source: SourceModel) -> dict[str, Any]:
    """A destination's own source; its table replaces the common query, and the other way round."""
    own = source.model_dump(exclude_none=True)
    if "table" in own or "query" in own:
        return {"table": None, "query": None, **own}
    return own


def _mapping(options: DestinationFile) -> ContactMapping:
    return ContactMapping(
        fields=tuple(
            FieldMapping(name, item.column, item.form, item.region, item.default)
            for name, item in options.fields.items()
        ),
        tags=_members(options.tags),
        lists=_members(options.lists),
        match_on=options.match_on,
        on_null=options.on_null,
    )


def _members(options: MembersModel | None) -> SetMapping | None:
    return SetMapping(options.column, tuple(options.columns.items()), options.prefix) if options else None


def _mistakes(
    options: DestinationFile, source: SourceModel, vendor: Vendor, base_url: str, where: str
) -> Iterator[Problem]:
    """What each key allows for itself, but not together with others."""
    if (source.table is None) == (source.query is None):
        yield Problem(f"{where}: source", "needs a table or a query, here or in syncengine.yaml, and not both")
    if source.key is None:
        yield Problem(f"{where}: source.key", "names the column that tells contacts apart; it is missing")
    host = urlsplit(base_url).hostname or ""
    if base_url.startswith("http://") and not options.allow_http and not _is_loopback(host):
        yield Problem(
            f"{where}: settings.base_url",
            "sends keys and contacts unencrypted; use https, or say allow_http: true if that is meant",
        )
    for name, item in options.fields.items():
        if name.startswith(LISTS):
            yield Problem(f"{where}: fields.{name}", "lists have a key of their own: lists: {from: COLUMN}")
        if item.region is not None and item.form is not Form.E164:
            yield Problem(f"{where}: fields.{name}.region", "goes with as: e164 only")
    yield from _beyond(options, vendor, where)


def _beyond(options: DestinationFile, vendor: Vendor, where: str) -> Iterator[Problem]:
    """What the vendor cannot do."""
    capabilities = vendor.capabilities
    if options.lists and not capabilities.join_lists:
        yield Problem(f"{where}: lists", f"{vendor.name} has no lists; tags may do")
    upsert = capabilities.upsert
    if upsert and upsert.keyed_by and not set(upsert.keyed_by) & set(options.match_on):
        yield Problem(
            f"{where}: match_on", f"{vendor.name} takes contacts in by {' or '.join(upsert.keyed_by)}: name one of them"
        )
    for name in options.match_on:
        if name not in options.fields:
            yield Problem(f"{where}: match_on", f'"{name}" is no mapped field{_near(name, list(options.fields))}')
        elif capabilities.identity is None and not matches(name, capabilities.find_by):
            yield Problem(f"{where}: match_on", f'{vendor.name} cannot look contacts up by "{name}"')
    if not options.match_on and capabilities.identity is None:
        yield Problem(f"{where}: match_on", f"{vendor.name} needs a field to recognise contacts by")


def _is_loopback(host: str) -> bool:
    return host in _LOOPBACK or host.startswith("127.")


def _literal_secrets(model: type[BaseModel], raw: Mapping[str, Json], where: str) -> Iterator[Problem]:
    for name, info in model.model_fields.items():
        if "Secret" in str(info.annotation) and raw.get(name) is not None and not is_variable(raw[name]):
            yield Problem(f"{where}: settings.{name}", "secrets come from the environment only: write ${NAME} here")


def _shared_credentials(destinations: tuple[DestinationConfig, ...]) -> Iterator[Problem]:
    """One account under two names would be paced twice."""
    seen: dict[object, DestinationConfig] = {}
    for destination in destinations:
        credentials = (destination.vendor.name, destination.base_url, destination.secrets)
        other = seen.setdefault(credentials, destination)
        if destination.secrets and other.account != destination.account:
            yield Problem(
                destination.place("account"),
                f"has the same credentials as {other.file.name}, so both must name the same account: the vendor "
                "counts their requests together",
            )


def _checked(model: type[_Model], data: Json, where: str, problems: list[Problem], prefix: str = "") -> _Model | None:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for found in error.errors(include_input=False, include_url=False):
            path = prefix + ".".join(str(part) for part in found["loc"])
            problems.append(Problem(f"{where}: {path}".rstrip(": ."), _in_words(found, model)))
        return None


def _in_words(found: Any, model: type[BaseModel]) -> str:
    match found["type"]:
        case "extra_forbidden":
            known = [info.alias or name for name, info in model.model_fields.items()] if len(found["loc"]) == 1 else []
            return f"there is no such key{_near(str(found['loc'][-1]), known)}"
        case "missing":
            return "is missing"
        case _:
            return str(found["msg"]).removeprefix("Value error, ")


def _near(name: str, names: list[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f'; did you mean "{close[0]}"?' if close else ""
