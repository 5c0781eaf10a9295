"""The configuration: files in, one checked object out.

Every problem is reported at once, each with file and key path.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from syncengine import vendors
from syncengine.config import rules
from syncengine.config.models import (
    DestinationFile,
    EngineFile,
    MembersModel,
    SourceModel,
)
from syncengine.config.words import checked, near, note
from syncengine.config.yaml_files import fill_in, read_yaml
from syncengine.errors import ConfigError, Problem
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.model.mapping import Mapping as ContactMapping
from syncengine.model.mapping import SetMapping
from syncengine.ports import Vendor
from syncengine.shipped import shipped
from syncengine.vendors.kit.settings import without_notes


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

    @property
    def credentials(self) -> str | None:
        """Return what the vendor recognises the account by; None without a secret.

        It does not depend on how the vendor's address is written. On this machine there
        are only stand-ins for vendors, which accept any key: there the address counts,
        too.
        """
        if not self.secrets:
            return None
        parts = [self.vendor.name, *sorted(self.secrets)]
        if rules.is_loopback(self.base_url):
            address = urlsplit(self.base_url)
            parts += [str(address.port), address.path]
        return "\n".join(parts)

    def place(self, key: str) -> str:
        """Return a key of its file, for messages."""
        return f"{self.file}: {key}"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything in the configuration's folder."""

    file: Path
    engine: EngineFile = field(repr=False)
    destinations: tuple[DestinationConfig, ...] = ()
    """Destinations that can be used."""
    broken: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    """Destinations that cannot be used, by name, with their problems."""
    problems: tuple[Problem, ...] = ()
    """Problems of a request for all destinations only, such as that there is none."""
    readable: tuple[DestinationConfig, ...] = ()
    """Destinations whose own files can be used, whether or not they go with each other.
    """
    keeps_markers: bool = True
    """True where the newest run is noted beside the configuration."""
    unreadable: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    """Destinations whose own files cannot be used, by name, with their problems."""

    @property
    def secrets(self) -> frozenset[str]:
        """Return the values that must never be printed."""
        urls = [self.engine.database, self.engine.source.database]
        urls += [
            url
            for each in self.readable
            for url in (each.source.database, each.options.proxy)
        ]
        keys = frozenset[str]().union(
            *(destination.secrets for destination in self.readable)
        )
        return keys.union(*(rules.passwords(url) for url in urls))

    def keeping(self, accounts: Mapping[str, str]) -> Config:
        """Return the configuration, with accounts known by these names.

        The names are by credentials. Destinations that do not go with them are broken.
        """
        broken = dict(self.unreadable)
        for destination, problem in rules.among(self.readable, accounts):
            broken[destination.name] = (*broken.get(destination.name, ()), problem)
        usable = tuple(
            destination
            for destination in self.readable
            if destination.name not in broken
        )
        return replace(self, destinations=usable, broken=broken)

    def chosen(self, names: tuple[str, ...]) -> tuple[DestinationConfig, ...]:
        """Return the destinations of these names, or all.

        Raises ConfigError for what is wrong with one of them. A request for some of
        them is not stopped by the files of others.
        """
        known = {destination.name: destination for destination in self.destinations}
        if names:
            problems = [
                problem for name in names for problem in self._problems_of(name, known)
            ]
        else:
            problems = [
                *self.problems,
                *(problem for found in self.broken.values() for problem in found),
            ]
        if problems:
            raise ConfigError(problems)
        return tuple(known[name] for name in dict.fromkeys(names)) or self.destinations

    def _problems_of(
        self, name: str, known: Mapping[str, DestinationConfig]
    ) -> tuple[Problem, ...]:
        if name in self.broken:
            return self.broken[name]
        if name not in known:
            there = {**known, **self.broken}
            return (
                Problem(
                    "--destination",
                    f'there is no destination "{name}"{near(name, there)}',
                ),
            )
        return ()


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read ``syncengine.yaml`` and the destinations beside it.

    Raises ConfigError with every problem found.
    """
    config = read_config(path, environ)
    config.chosen(())
    return config


def read_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read ``syncengine.yaml`` and the destinations beside it.

    Those whose files cannot be used are ``broken``. Raises ConfigError with every
    problem found where ``syncengine.yaml`` itself cannot be used.
    """
    common: list[Problem] = []
    raw = _read(path, common)
    given = fill_in(raw, environ, str(path), common)
    engine = None if raw is None else checked(EngineFile, given, str(path), common)
    common += rules.of_database(raw or {}, str(path))
    common += rules.of_state_database((raw or {}).get("database"), environ, str(path))
    broken: dict[str, list[Problem]] = {}
    none_there: list[Problem] = []
    found: list[DestinationConfig] = []
    for file in _files(path.parent / "destinations", broken, none_there):
        problems: list[Problem] = []
        destination = _destination(file, environ, engine, problems)
        if destination is not None:
            found.append(destination)
        if problems:
            broken.setdefault(file.stem, []).extend(problems)
    unreadable = {name: tuple(each) for name, each in broken.items()}
    if common or engine is None:
        told = [problem for _, problem in rules.among(found, {})]
        raise ConfigError(
            [
                *common,
                *none_there,
                *(problem for each in unreadable.values() for problem in each),
                *told,
            ]
        )
    config = Config(
        path,
        engine,
        problems=tuple(none_there),
        readable=tuple(found),
        unreadable=unreadable,
    )
    return config.keeping({})


def _read(path: Path, problems: list[Problem]) -> dict[str, Json] | None:
    if not path.exists():
        folder = "" if path.parent.is_dir() else f"mkdir -p {quoted(path.parent)} && "
        example = shown(shipped("config") / "syncengine.yaml")
        begin = f"begin with the commented example: {folder}cp {quoted(example)} {quoted(path)}"
        problems.append(
            Problem(
                str(path),
                f"there is no such file; name another with --config, or {begin}",
            )
        )
        return None
    try:
        return without_notes(read_yaml(path))
    except ConfigError as error:
        problems += error.problems
        return None


def _files(
    folder: Path, broken: dict[str, list[Problem]], none_there: list[Problem]
) -> list[Path]:
    """Return the destinations' files; hidden ones belong to editors."""
    seen = [file for file in sorted(folder.glob("*")) if not file.name.startswith(".")]
    files = [file for file in seen if file.suffix == ".yaml"]
    misnamed = [
        file
        for file in seen
        if file.suffix.lower() in {".yml", ".yaml"} and file not in files
    ]
    for file in misnamed:
        what = f"is not read: a destination's file ends in .yaml; mv {quoted(file)} {quoted(file.with_suffix('.yaml'))}"
        broken.setdefault(file.stem, []).append(Problem(str(file), what))
    if not files and not misnamed and (folder.parent / "syncengine.yaml").is_file():
        examples = sorted((shipped("config") / "destinations").glob("*.yaml.example"))
        to = quoted(folder / "NAME.yaml")
        make = "" if folder.is_dir() else f"\n  mkdir {quoted(folder)}"
        copies = make + "".join(
            f"\n  cp {quoted(shown(example))} {to}" for example in examples
        )
        what = f"holds no destination; copy the commented example of your vendor, and edit it:{copies}"
        none_there.append(Problem(str(folder), what))
    return files


def _destination(
    file: Path,
    environ: Mapping[str, str],
    engine: EngineFile | None,
    problems: list[Problem],
) -> DestinationConfig | None:
    before = len(problems)
    where = str(file)
    if not re.fullmatch(r"[a-z0-9_-]+", file.stem):
        better = file.with_stem(re.sub(r"[^a-z0-9_-]", "_", file.stem.lower()))
        what = f"a destination's name may hold a-z, 0-9, _ and - only; mv {quoted(file)} {quoted(better)}"
        problems.append(Problem(where, what))
    raw = _read(file, problems)
    if raw is None:
        return None
    given = fill_in(raw, environ, where, problems)
    if "vendor" not in raw:
        problems.append(
            Problem(
                f"{where}: vendor",
                f"is missing; there are: {', '.join(vendors.names())}",
            )
        )
    options = checked(DestinationFile, given, where, problems)
    problems += rules.of_database(raw, where)
    module = _module(given.get("vendor"), where, problems)
    settings = None
    if module and isinstance(given.get("settings"), dict):
        problems += rules.of_secrets(module.settings, raw["settings"], where)
        settings = checked(
            module.settings, given["settings"], where, problems, "settings."
        )
        problems += rules.of_short_secrets(secrets_in(settings), raw["settings"], where)
    if options is None:
        return None
    source = _source(engine, options)
    problems += rules.of_mapping(options, where)
    problems += rules.of_source(source, where) if engine else ()
    if module is None or settings is None:
        return None
    vendor = module.build(settings)
    problems += rules.of_address(options, settings.base_url, where)
    problems += rules.of_vendor(options, vendor, where)
    problems += rules.of_connections(options, module.max_in_flight, where)
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
        identity={
            name: getattr(settings, name)
            for name in module.identity
            if name != "base_url"
        },
        limits=module.limits
        if own_limits is None
        else tuple(Limit(limit.calls, limit.per, limit.method) for limit in own_limits),
        mapping=_mapping(options),
        options=options,
        source=source,
        secrets=frozenset(secrets_in(settings).values()),
    )


def secrets_in(settings: BaseModel | None) -> dict[str, str]:
    """Return the secrets among a vendor's settings, by setting."""
    given = (
        {name: getattr(settings, name) for name in type(settings).model_fields}
        if settings
        else {}
    )
    return {
        name: value.get_secret_value()
        for name, value in given.items()
        if isinstance(value, SecretStr)
    }


def _module(
    name: Json, where: str, problems: list[Problem]
) -> vendors.VendorModule | None:
    if not isinstance(name, str):
        return None
    try:
        return vendors.load(name)
    except LookupError as error:
        note(
            problems,
            Problem(f"{where}: vendor", f"{error}{near(name, vendors.names())}"),
        )
        return None


def _source(engine: EngineFile | None, options: DestinationFile) -> SourceModel:
    """Return a destination's own source over the common one.

    Its table replaces the common query, and the other way round.
    """
    common = engine.source.model_dump(exclude_none=True) if engine else {}
    own = options.source.model_dump(exclude_none=True)
    if "table" in own or "query" in own:
        common = {
            name: value
            for name, value in common.items()
            if name not in {"table", "query"}
        }
    return SourceModel.model_validate({**common, **own})


def _mapping(options: DestinationFile) -> ContactMapping:
    return ContactMapping(
        fields=tuple(
            rules.field_mapping(name, item, rules.normal_default(name, item))
            for name, item in options.fields.items()
        ),
        tags=_members(options.tags),
        lists=_members(options.lists),
        match_on=options.match_on,
        on_null=options.on_null,
        on_unmap=options.on_unmap,
        opted_out=options.opted_out,
    )


def _members(options: MembersModel | None) -> SetMapping | None:
    return (
        SetMapping(options.column, tuple(options.columns.items()), options.prefix)
        if options
        else None
    )


def quoted(path: Path) -> str:
    """Return a path as a shell takes it."""
    return shlex.quote(str(path))


def shown(path: Path) -> Path:
    """Return a path as short as it can be typed here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
