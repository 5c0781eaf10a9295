"""Loading of the configuration: from files to one checked object.

Each file goes the same way: read as YAML, variables filled in (``config.variables``),
checked key by key against its pydantic model (``config.models``, and the settings
against the vendor's own), then across its keys (``config.rules``). At last the
destinations are compared with each other (``config.shared_accounts``).

Every problem is reported at once, each with file and key path. So no step raises at the
first problem: each adds its problems to the list ``problems`` that it is handed, and
goes on with what it has. A result of None means that there is nothing to go on with,
and that the reason is in the list. ``where`` is the file's name, for messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, SecretStr

from syncengine import vendors
from syncengine.config import rules
from syncengine.config.destination import DestinationConfig
from syncengine.config.mapping import contact_mapping
from syncengine.config.models import DestinationFile, EngineFile, SourceModel
from syncengine.config.paths import quoted, relative_to_here
from syncengine.config.problems import checked, near, note
from syncengine.config.project import Config
from syncengine.config.shared_accounts import account_conflicts
from syncengine.config.variables import fill_in
from syncengine.config.yaml_files import read_yaml
from syncengine.errors import ConfigError, Problem, where_it_broke
from syncengine.model.capabilities import Capabilities
from syncengine.model.http import Json
from syncengine.model.limits import Limit
from syncengine.ports import FieldChooser, Vendor
from syncengine.shipped import shipped
from syncengine.vendors.kit.settings import VendorSettings, without_notes
from syncengine.vendors.kit.spec import VendorSpec


def load_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read ``syncengine.yaml`` and the destinations beside it.

    Raises ConfigError with every problem found, those of single destinations too.
    """
    config = read_config(path, environ)
    config.refuse_any_problem()
    return config


def read_config(path: Path, environ: Mapping[str, str]) -> Config:
    """Read ``syncengine.yaml`` and the destinations beside it.

    Destinations whose files cannot be used are ``broken`` in the result. Raises
    ConfigError with every problem found where ``syncengine.yaml`` itself cannot be
    used.
    """
    problems: list[Problem] = []
    engine = _read_engine_file(path, environ, problems)
    found = _read_destinations(path.parent / "destinations", environ, engine)
    if problems or engine is None:
        # Nothing can be done, so all that is wrong anywhere is told at once.
        conflicts = [problem for _, problem in account_conflicts(found.readable, {})]
        raise ConfigError(
            [*problems, *found.nothing_there, *found.problems, *conflicts]
        )
    config = Config(
        path,
        engine,
        problems=tuple(found.nothing_there),
        readable=tuple(found.readable),
        unreadable=found.unreadable,
    )
    # No account names are known before the state can be asked.
    return config.with_account_names({})


def _read_engine_file(
    path: Path, environ: Mapping[str, str], problems: list[Problem]
) -> EngineFile | None:
    """Return ``syncengine.yaml`` as its model; None where it cannot be used."""
    where = str(path)
    raw = _read(path, problems)
    if raw is None:
        return None
    filled_in = fill_in(raw, environ, where, problems)
    engine = checked(EngineFile, filled_in, where, problems)
    problems += rules.database_problems(raw, where)
    problems += rules.state_database_problems(raw.get("database"), environ, where)
    problems += rules.alert_problems(engine, raw.get("alerts"), where)
    return engine


@dataclass(frozen=True, slots=True)
class _Destinations:
    """Findings in the folder of the destinations."""

    readable: list[DestinationConfig]
    """Destinations whose own files have no problem."""
    unreadable: Mapping[str, tuple[Problem, ...]]
    """The problems of each other destination, by its name."""
    nothing_there: list[Problem]
    """The problem that there is no destination at all, if that is so."""

    @property
    def problems(self) -> list[Problem]:
        """Return the problems of all unreadable destinations."""
        return [problem for found in self.unreadable.values() for problem in found]


def _read_destinations(
    folder: Path, environ: Mapping[str, str], engine: EngineFile | None
) -> _Destinations:
    """Read every destination's file in a folder.

    ``engine`` completes their settings; None where ``syncengine.yaml`` cannot be used.
    """
    files, misnamed = _destination_files(folder)
    problems_by_name: dict[str, list[Problem]] = {}
    for file in misnamed:
        problems_by_name.setdefault(file.stem, []).append(_misnamed(file))
    readable: list[DestinationConfig] = []
    for file in files:
        problems: list[Problem] = []
        destination = _read_destination(file, environ, engine, problems)
        if destination is not None:
            readable.append(destination)
        if problems:
            problems_by_name.setdefault(file.stem, []).extend(problems)
    nothing_there: list[Problem] = []
    # Where even syncengine.yaml is missing, that is the one thing to say.
    common_file_exists = (folder.parent / "syncengine.yaml").is_file()
    if not files and not misnamed and common_file_exists:
        nothing_there.append(_nothing_there(folder))
    unreadable = {name: tuple(found) for name, found in problems_by_name.items()}
    return _Destinations(readable, unreadable, nothing_there)


def _destination_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the destinations' files, and those with a wrong ending.

    Hidden files belong to editors and are left out.
    """
    files = []
    misnamed = []
    for file in sorted(folder.glob("*")):
        if file.name.startswith("."):
            continue
        if file.suffix == ".yaml":
            files.append(file)
        elif file.suffix.lower() in {".yml", ".yaml"}:
            misnamed.append(file)
    return files, misnamed


def _misnamed(file: Path) -> Problem:
    renamed = f"mv {quoted(file)} {quoted(file.with_suffix('.yaml'))}"
    return Problem(
        str(file), f"is not read: a destination's file ends in .yaml; {renamed}"
    )


def _nothing_there(folder: Path) -> Problem:
    """Return the problem of a folder without destinations, with commands to mend it."""
    advice = (
        "holds no destination; `syncengine add NAME --vendor VENDOR` proposes one, or "
        "copy the commented example of your vendor, and edit it:"
    )
    lines = [advice]
    if not folder.is_dir():
        lines.append(f"  mkdir {quoted(folder)}")
    target = quoted(folder / "NAME.yaml")
    examples = (shipped("config") / "destinations").glob("*.yaml.example")
    lines += [
        f"  cp {quoted(relative_to_here(example))} {target}"
        for example in sorted(examples)
    ]
    return Problem(str(folder), "\n".join(lines))


def _read(path: Path, problems: list[Problem]) -> dict[str, Json] | None:
    """Return a file's content, variables still in it; None where it cannot be read."""
    if not path.exists():
        problems.append(_no_such_file(path))
        return None
    try:
        return without_notes(read_yaml(path))
    except ConfigError as error:
        problems += error.problems
        return None


def _no_such_file(path: Path) -> Problem:
    example = relative_to_here(shipped("config") / "syncengine.yaml")
    command = f"cp {quoted(example)} {quoted(path)}"
    if not path.parent.is_dir():
        command = f"mkdir -p {quoted(path.parent)} && {command}"
    return Problem(
        str(path),
        "there is no such file; name another one (on the command line: --config), or "
        "let `syncengine init` write it, or begin with the commented example: "
        f"{command}",
    )


def _read_destination(
    file: Path,
    environ: Mapping[str, str],
    engine: EngineFile | None,
    problems: list[Problem],
) -> DestinationConfig | None:
    """Return the destination; None where ``problems`` has grown."""
    where = str(file)
    if not re.fullmatch(r"[a-z0-9_-]+", file.stem):
        problems.append(_unusable_name(file))
    raw = _read(file, problems)
    if raw is None:
        return None
    filled_in = fill_in(raw, environ, where, problems)
    assert isinstance(filled_in, dict), "a mapping stays one"
    if "vendor" not in raw:
        # The model would say so as well, but not which vendors there are.
        names = ", ".join(vendors.names())
        problems.append(Problem(f"{where}: vendor", f"is missing; there are: {names}"))
    options = checked(DestinationFile, filled_in, where, problems)
    problems += rules.database_problems(raw, where)
    spec = _vendor_spec(filled_in.get("vendor"), where, problems)
    settings = None
    if spec is not None and isinstance(filled_in.get("settings"), dict):
        settings = _vendor_settings(spec, raw, filled_in, where, problems)
    if options is None:
        return None

    source = _source(engine, options)
    problems += rules.mapping_problems(options, where)
    if engine is not None:
        problems += rules.source_problems(source, where)
    if spec is None or settings is None:
        return None
    return _destination(file, options, source, spec, settings, problems)


def _destination(
    file: Path,
    options: DestinationFile,
    source: SourceModel,
    spec: VendorSpec,
    settings: VendorSettings,
    problems: list[Problem],
) -> DestinationConfig | None:
    """Return the destination; None where it has problems, here or noted before."""
    where = str(file)
    vendor = _built(spec, settings, tuple(options.fields), where, problems)
    if vendor is None:
        return None
    problems += rules.address_problems(options, settings.base_url, where)
    problems += rules.vendor_problems(options, vendor, where, spec.widened_by)
    problems += rules.connection_problems(options, spec.max_in_flight, where)
    if problems:
        return None
    return DestinationConfig(
        name=file.stem,
        file=file,
        account=options.account or file.stem,
        vendor=vendor,
        version=spec.version,
        base_url=settings.base_url,
        identity={name: getattr(settings, name) for name in spec.identity},
        limits=_limits(options, spec),
        mapping=contact_mapping(options),
        options=options,
        source=source,
        secrets=frozenset(_secrets_in(settings).values()),
    )


def _unusable_name(file: Path) -> Problem:
    usable = file.with_stem(re.sub(r"[^a-z0-9_-]", "_", file.stem.lower()))
    return Problem(
        str(file),
        "a destination's name may hold a-z, 0-9, _ and - only; "
        f"mv {quoted(file)} {quoted(usable)}",
    )


def _vendor_spec(name: Json, where: str, problems: list[Problem]) -> VendorSpec | None:
    """Return the vendor of this name; None where there is none that can be used."""
    if not isinstance(name, str):
        # The model has noted that.
        return None
    try:
        return vendors.load(name)
    except vendors.UnusableVendorError as error:
        note(problems, Problem(f"{where}: vendor", str(error)))
        return None
    except LookupError as error:
        what = f"{error}{near(name, vendors.names())}"
        note(problems, Problem(f"{where}: vendor", what))
        return None


def _built(
    spec: VendorSpec,
    settings: VendorSettings,
    fields: Sequence[str],
    where: str,
    problems: list[Problem],
) -> Vendor | None:
    """Return the vendor's adapter; None where its package cannot build one.

    ``fields`` are those of the mapping.

    The message of a stranger's error may hold a secret of the settings, and is left
    out.
    """
    try:
        vendor: Vendor = spec.build(settings)
        if isinstance(vendor, FieldChooser):
            vendor = vendor.showing(fields)
        if not isinstance(vendor.capabilities, Capabilities):
            fault = "its capabilities are no Capabilities"
        elif vendor.name != spec.name:
            fault = "the adapter has another name than its VendorSpec"
        else:
            return vendor
    except Exception as error:  # noqa: BLE001 - whatever it is ends this destination only
        fault = where_it_broke(error)
    what = (
        f'the vendor "{spec.name}" of {vendors.origin(spec.name)} cannot be built '
        f"from these settings: {fault}; repair, update or uninstall that package"
    )
    problems.append(Problem(f"{where}: vendor", what))
    return None


def _vendor_settings(
    spec: VendorSpec,
    raw: Mapping[str, Json],
    filled_in: Mapping[str, Json],
    where: str,
    problems: list[Problem],
) -> VendorSettings | None:
    """Return the vendor's settings; None where they cannot be used.

    The raw settings show where a secret came from, which the filled-in ones do not.
    """
    problems += rules.secret_problems(spec.settings, raw["settings"], where)
    settings = checked(
        spec.settings, filled_in["settings"], where, problems, "settings."
    )
    if settings is not None:
        secrets = _secrets_in(settings)
        problems += rules.short_secret_problems(secrets, raw["settings"], where)
    return settings


def _secrets_in(settings: BaseModel) -> dict[str, str]:
    """Return the secrets among a vendor's settings, by setting."""
    secrets = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            secrets[name] = value.get_secret_value()
    return secrets


def _source(engine: EngineFile | None, options: DestinationFile) -> SourceModel:
    """Return a destination's own source settings, completed by the common ones.

    A table of its own replaces the common query, and the other way round.
    """
    common = {} if engine is None else engine.source.model_dump(exclude_none=True)
    own = options.source.model_dump(exclude_none=True)
    if "table" in own or "query" in own:
        common.pop("table", None)
        common.pop("query", None)
    return SourceModel.model_validate({**common, **own})


def _limits(options: DestinationFile, spec: VendorSpec) -> tuple[Limit, ...]:
    """Return the account's limits: those of the file, else the vendor's own."""
    # An empty list is meant: no limits. Only a missing one means the vendor's own.
    if options.limits is None:
        return spec.limits
    return tuple(
        Limit(limit.calls, limit.per, limit.method, limit.items)
        for limit in options.limits
    )
